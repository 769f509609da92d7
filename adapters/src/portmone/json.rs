//! Reads Portmone's JSON, trusting nothing in it.
//!
//! The same fact is spelt in several ways (`shopBillId`, `shop_bill_id`), ids come as texts or as numbers, and amounts have no
//! fixed decimals. So each value keeps its own text until somebody asks for it, and no number ever becomes a float.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

const MAX_FIELDS: usize = 128;
const MAX_TEXT: usize = 4 * 1024;

/// Why a JSON document cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Nothing but white space.
    #[error("the document is empty")]
    Empty,
    /// Not UTF-8.
    #[error("the document is not in UTF-8")]
    Charset,
    /// Not JSON, cut off, or with more fields or items than any real document.
    #[error("the document is not well-formed")]
    NotWellFormed,
    /// JSON, but not this protocol.
    #[error("the document is not in the expected shape")]
    Shape,
    /// The same field twice, or two spellings of it that contradict each other.
    #[error("the document is ambiguous")]
    Ambiguous,
    /// An amount that is not a plain decimal.
    #[error("the document holds an amount that cannot be read")]
    Amount,
}

/// One object, its values not yet looked at.
#[derive(Debug, Default)]
pub(super) struct Object(Vec<(String, Box<RawValue>)>);

impl Object {
    /// The value under any of the spellings of one field, as text. `None` when it is absent, null or empty.
    pub(super) fn text(&self, spellings: &[&str]) -> Result<Option<String>, JsonError> {
        let mut found: Option<String> = None;
        for (_, raw) in self
            .0
            .iter()
            .filter(|(name, _)| spellings.contains(&name.as_str()))
        {
            let Some(text) = scalar(raw)? else { continue };
            match &found {
                Some(other) if *other != text => return Err(JsonError::Ambiguous),
                _ => found = Some(text),
            }
        }
        Ok(found)
    }

    fn checked(self) -> Result<Self, JsonError> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(JsonError::Ambiguous);
        }
        Ok(self)
    }
}

fn scalar(raw: &RawValue) -> Result<Option<String>, JsonError> {
    let text = raw.get();
    let text = match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(text).map_err(|_| JsonError::NotWellFormed)?,
        Some(b'-' | b'0'..=b'9') => text.to_owned(),
        _ if text == "null" => return Ok(None),
        _ => return Err(JsonError::Shape),
    };
    if text.len() > MAX_TEXT {
        return Err(JsonError::Shape);
    }
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// What a document consists of.
#[derive(Debug)]
pub(super) enum Document {
    One(Object),
    List(Vec<Object>),
}

/// Reads one object, or a list of at most `items` objects. The length of the body is the caller's to bound.
pub(super) fn read(body: &[u8], items: usize) -> Result<Document, JsonError> {
    let text = std::str::from_utf8(body).map_err(|_| JsonError::Charset)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    match text.as_bytes().first() {
        None => Err(JsonError::Empty),
        Some(b'{') => serde_json::from_str::<Object>(text)
            .map_err(|_| JsonError::NotWellFormed)?
            .checked()
            .map(Document::One),
        Some(b'[') => {
            let List(list) = serde_json::from_str(text).map_err(|_| JsonError::NotWellFormed)?;
            if list.len() > items {
                return Err(JsonError::NotWellFormed);
            }
            let list: Result<_, _> = list.into_iter().map(Object::checked).collect();
            Ok(Document::List(list?))
        }
        Some(_) if serde_json::from_str::<&RawValue>(text).is_ok() => Err(JsonError::Shape),
        Some(_) => Err(JsonError::NotWellFormed),
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of few fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry::<String, Box<RawValue>>()? {
            if fields.len() >= MAX_FIELDS {
                return Err(A::Error::custom("too many fields"));
            }
            fields.push(field);
        }
        Ok(Object(fields))
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct List(Vec<Object>);

struct Items;

impl<'de> Visitor<'de> for Items {
    type Value = List;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Object>()? {
            items.push(item);
        }
        Ok(List(items))
    }
}

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Items)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Object, JsonError> {
        match read(text.as_bytes(), 10)? {
            Document::One(object) => Ok(object),
            Document::List(_) => panic!("a list: {text}"),
        }
    }

    #[test]
    fn texts_numbers_and_nothing_are_told_apart_without_a_float() {
        let object = one(r#"{"a":"x ","b":9007199254740993.01,"c":null,"d":" ","e":-9}"#).unwrap();
        let text = |name| object.text(&[name]).unwrap();
        assert_eq!(text("a").as_deref(), Some("x"));
        assert_eq!(text("b").as_deref(), Some("9007199254740993.01"));
        assert_eq!(text("e").as_deref(), Some("-9"));
        assert_eq!((text("c"), text("d"), text("z")), (None, None, None));
    }

    #[test]
    fn a_field_twice_or_in_two_contradicting_spellings_is_ambiguous() {
        assert_eq!(one(r#"{"a":1,"a":1}"#).unwrap_err(), JsonError::Ambiguous);
        let object = one(r#"{"shopBillId":"1","shop_bill_id":1,"x":1,"X":2}"#).unwrap();
        assert_eq!(
            object
                .text(&["shopBillId", "shop_bill_id"])
                .unwrap()
                .as_deref(),
            Some("1")
        );
        assert_eq!(object.text(&["x", "X"]), Err(JsonError::Ambiguous));
    }

    #[test]
    fn what_is_not_an_object_or_a_list_of_objects_is_refused() {
        for (text, error) in [
            ("", JsonError::Empty),
            ("\u{feff} ", JsonError::Empty),
            ("5", JsonError::Shape),
            ("\"x\"", JsonError::Shape),
            ("[1]", JsonError::NotWellFormed),
            ("{} {}", JsonError::NotWellFormed),
            ("{\"a\":1", JsonError::NotWellFormed),
            (
                "[{},{},{},{},{},{},{},{},{},{},{}]",
                JsonError::NotWellFormed,
            ),
            ("<html>", JsonError::NotWellFormed),
        ] {
            assert_eq!(read(text.as_bytes(), 10).unwrap_err(), error, "{text:?}");
        }
        assert_eq!(
            read(b"{\"a\":\"\xca\"}", 10).unwrap_err(),
            JsonError::Charset
        );
        assert_eq!(
            one(r#"{"a":[1]}"#).unwrap().text(&["a"]),
            Err(JsonError::Shape)
        );
        let wide: String = (0..200).map(|n| format!("\"f{n}\":0,")).collect();
        assert_eq!(
            one(&format!("{{{wide}\"z\":0}}")).unwrap_err(),
            JsonError::NotWellFormed
        );
    }
}
