//! Turns the Bot API's HTML subset into plain text and entities, and refuses what the real service refuses. A bot that forgets to
//! escape a name must fail here too.

use serde_json::{Value, json};

use super::error::ApiError;

/// Text as it is shown, with entities whose offsets count UTF-16 units.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Formatted {
    pub text: String,
    pub entities: Vec<Value>,
}

struct Open {
    tag: String,
    kind: &'static str,
    start: usize,
    url: Option<String>,
}

/// Reads `text` under a parse mode; without one it stays as it is.
pub(super) fn format(text: &str, parse_mode: &str) -> Result<Formatted, ApiError> {
    match parse_mode.to_ascii_lowercase().as_str() {
        "" => Ok(Formatted {
            text: text.trim().to_owned(),
            entities: Vec::new(),
        }),
        "html" => parse_html(text),
        _ => Err(ApiError::bad("unsupported parse_mode")),
    }
}

fn parse_html(source: &str) -> Result<Formatted, ApiError> {
    let mut out = Formatted::default();
    let mut open: Vec<Open> = Vec::new();
    let mut rest = source;
    while let Some(character) = rest.chars().next() {
        let at = source.len().saturating_sub(rest.len());
        let entity_error = |what: String| ApiError::bad(format!("can't parse entities: {what}"));
        match character {
            '<' => {
                let end = rest.find('>').ok_or_else(|| {
                    entity_error(format!("Unclosed start tag at byte offset {at}"))
                })?;
                let tag = rest.get(1..end).unwrap_or_default();
                rest = rest.get(end.saturating_add(1)..).unwrap_or_default();
                if let Some(name) = tag.strip_prefix('/') {
                    let last = open.pop().ok_or_else(|| {
                        entity_error(format!("Unexpected end tag at byte offset {at}"))
                    })?;
                    if last.tag != name.trim().to_ascii_lowercase() {
                        return Err(entity_error(format!(
                            "Unmatched end tag at byte offset {at}, expected \"</{}>\", found \"</{name}>\"",
                            last.tag
                        )));
                    }
                    out.close(&last);
                } else {
                    let start = out.text.encode_utf16().count();
                    open.push(opened(tag, start).ok_or_else(|| {
                        let name = tag.split_whitespace().next().unwrap_or_default();
                        entity_error(format!(
                            "Unsupported start tag \"{name}\" at byte offset {at}"
                        ))
                    })?);
                }
            }
            '&' => {
                let (decoded, length) = reference(rest);
                out.text.push(decoded);
                rest = rest.get(length..).unwrap_or_default();
            }
            plain => {
                out.text.push(plain);
                rest = rest.get(plain.len_utf8()..).unwrap_or_default();
            }
        }
    }
    if let Some(last) = open.last() {
        return Err(ApiError::bad(format!(
            "can't parse entities: Can't find end tag corresponding to start tag \"{}\"",
            last.tag
        )));
    }
    out.entities
        .sort_by_key(|entity| entity.get("offset").and_then(Value::as_u64));
    out.text.truncate(out.text.trim_end().len());
    Ok(out)
}

impl Formatted {
    fn close(&mut self, open: &Open) {
        let length = self.text.encode_utf16().count().saturating_sub(open.start);
        if length == 0 {
            return;
        }
        let mut entity = json!({"type": open.kind, "offset": open.start, "length": length});
        if let (Some(url), Some(object)) = (&open.url, entity.as_object_mut()) {
            object.insert("url".to_owned(), json!(url));
        }
        self.entities.push(entity);
    }
}

fn opened(tag: &str, start: usize) -> Option<Open> {
    let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
    let name = name.to_ascii_lowercase();
    let kind = match name.as_str() {
        "b" | "strong" => "bold",
        "i" | "em" => "italic",
        "u" | "ins" => "underline",
        "s" | "strike" | "del" => "strikethrough",
        "code" => "code",
        "pre" => "pre",
        "blockquote" => "blockquote",
        "tg-spoiler" => "spoiler",
        "span" if attributes.contains("tg-spoiler") => "spoiler",
        "a" => "text_link",
        _ => return None,
    };
    let url = (kind == "text_link").then(|| {
        let value = attributes.trim().strip_prefix("href=").unwrap_or_default();
        value.trim_matches(['"', '\'']).replace("&amp;", "&")
    });
    Some(Open {
        tag: name,
        kind,
        start,
        url,
    })
}

/// A named or numeric reference at the start of `text`, with its length; an unknown one is an ampersand.
fn reference(text: &str) -> (char, usize) {
    let Some(end) = text.find(';').filter(|end| *end <= 10) else {
        return ('&', 1);
    };
    let name = text.get(1..end).unwrap_or_default();
    let number = name
        .strip_prefix('#')
        .and_then(|digits| match digits.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        });
    let decoded = match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        _ => number.and_then(char::from_u32),
    };
    decoded.map_or(('&', 1), |character| (character, end.saturating_add(1)))
}

/// Entities that Telegram finds by itself in a person's text; commands are what bots' filters look at.
pub(super) fn commands_in(text: &str) -> Vec<Value> {
    let mut offset = 0_usize;
    let mut found = Vec::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let command = word.trim_end();
        let name = command.strip_prefix('/').unwrap_or_default();
        if !name.is_empty()
            && name.len() <= 64
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '@'))
        {
            found.push(json!({"type": "bot_command", "offset": offset, "length": command.encode_utf16().count()}));
        }
        offset = offset.saturating_add(word.encode_utf16().count());
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn tags_become_entities_counted_in_utf16_units() {
        let formatted = format(
            "🎉 <b>Готово</b> &lt;1,00 ₴&gt; <a href=\"https://e.example/?a=1&amp;b=2\">тут</a>",
            "HTML",
        )
        .unwrap();
        assert_eq!(formatted.text, "🎉 Готово <1,00 ₴> тут");
        assert_eq!(
            formatted.entities,
            [
                json!({"type": "bold", "offset": 3, "length": 6}),
                json!({"type": "text_link", "offset": 19, "length": 3, "url": "https://e.example/?a=1&b=2"}),
            ]
        );
    }

    #[test]
    fn an_unescaped_or_unclosed_tag_is_refused() {
        for text in [
            "a <Olena> b",
            "<b>never closed",
            "<b>crossed</i>",
            "</b>",
            "1 < 2",
        ] {
            let error = format(text, "HTML").unwrap_err();
            assert!(
                error
                    .description
                    .starts_with("Bad Request: can't parse entities"),
                "{text}: {error:?}"
            );
        }
        assert_eq!(format("<b>plain", "").unwrap().text, "<b>plain");
        assert_eq!(
            format("*x*", "MarkdownV2").unwrap_err().description,
            "Bad Request: unsupported parse_mode"
        );
    }

    #[test]
    fn a_command_is_found_anywhere_and_a_path_is_not() {
        assert_eq!(
            commands_in("/start abc"),
            [json!({"type": "bot_command", "offset": 0, "length": 6})]
        );
        assert_eq!(
            commands_in("see /help"),
            [json!({"type": "bot_command", "offset": 4, "length": 5})]
        );
        assert!(commands_in("/etc/passwd").is_empty());
    }
}
