//! The little Markdown that the pages about error codes use, as HTML: headings, paragraphs, lists, code in backticks.
//!
//! Everything else is text and is escaped.

use std::fmt::Write as _;

/// The text as HTML.
#[must_use]
pub fn to_html(markdown: &str) -> String {
    let mut html = String::with_capacity(markdown.len() * 2);
    for block in markdown
        .split("\n\n")
        .map(str::trim)
        .filter(|block| !block.is_empty())
    {
        if let Some(title) = block.strip_prefix("# ") {
            let _ = writeln!(html, "<h1>{}</h1>", inline(title));
        } else if let Some(title) = block.strip_prefix("## ") {
            let _ = writeln!(html, "<h2>{}</h2>", inline(title));
        } else if block.lines().all(|line| line.starts_with("- ")) {
            let items: String = block
                .lines()
                .map(|line| format!("<li>{}</li>", inline(line.trim_start_matches("- "))))
                .collect();
            let _ = writeln!(html, "<ul>{items}</ul>");
        } else {
            let _ = writeln!(html, "<p>{}</p>", inline(&block.replace('\n', " ")));
        }
    }
    html
}

fn inline(text: &str) -> String {
    let parts: Vec<String> = text.split('`').map(escaped).collect();
    // An odd backtick opens nothing.
    let closed = parts.len() % 2 == 1;
    parts
        .iter()
        .enumerate()
        .map(|(index, part)| {
            if index % 2 == 1 && (closed || index + 1 < parts.len()) {
                format!("<code>{part}</code>")
            } else {
                part.clone()
            }
        })
        .collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::to_html;

    #[test]
    fn the_forms_in_use_become_html_and_all_else_is_escaped() {
        let html = to_html("# `a_code`\n\nSee `x` <b>&\n\n## More\n\n- one\n- `two`\n");
        assert_eq!(
            html,
            "<h1><code>a_code</code></h1>\n<p>See <code>x</code> &lt;b&gt;&amp;</p>\n<h2>More</h2>\n\
             <ul><li>one</li><li><code>two</code></li></ul>\n"
        );
    }
}
