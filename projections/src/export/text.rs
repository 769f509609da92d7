//! Other people's words in files that programs read: nothing in them may become a directive, a tag or a formula.

use std::fmt::Write as _;

/// Words for one line: control characters become spaces, and so does what the caller names.
#[must_use]
pub fn one_line(words: &str, taken: &[char]) -> String {
    words
        .chars()
        .map(|c| {
            if c.is_control() || taken.contains(&c) || matches!(c, '\u{2028}' | '\u{2029}') {
                ' '
            } else {
                c
            }
        })
        .collect::<String>()
        .trim()
        .to_owned()
}

/// The value of an hledger tag, which ends at a comma or the line's end: those, and the sign that marks them, become
/// `%2C` and the like, so that nothing is lost.
#[must_use]
pub fn tag_value(words: &str) -> String {
    let mut value = String::with_capacity(words.len());
    for c in words.chars() {
        if c == ',' || c == '%' || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            let mut bytes = [0_u8; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _never = write!(value, "%{byte:02X}");
            }
        } else {
            value.push(c);
        }
    }
    value.trim().to_owned()
}

/// A text between quotation marks, as beancount reads it.
#[must_use]
pub fn quoted(words: &str) -> String {
    let words = one_line(words, &[]);
    let escaped = words.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

/// A cell that a spreadsheet shows instead of running it. Plain numbers stay as they are: `-1.00` is an amount.
#[must_use]
pub fn guarded(cell: &str) -> String {
    let first = cell.chars().next();
    let runs = matches!(
        first,
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠')
    );
    if runs && !is_number(cell) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    [whole, fraction]
        .iter()
        .all(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// A cell as CSV has it: guarded, and between quotation marks where it needs them.
#[must_use]
pub fn cell(words: &str) -> String {
    let guarded = guarded(words);
    if guarded.contains(['"', ',', '\r', '\n'])
        || guarded.starts_with(' ')
        || guarded.ends_with(' ')
    {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_runs_as_a_formula_and_numbers_stay_numbers() {
        for formula in [
            "=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "-", "-.", "--1", "-1.", "＝1",
        ] {
            assert_eq!(guarded(formula), format!("'{formula}"));
        }
        for plain in ["-1.00", "-5", "0.05", "receipt-7", "", "a=b"] {
            assert_eq!(guarded(plain), plain);
        }
    }

    #[test]
    fn a_cell_is_quoted_where_it_must_be() {
        assert_eq!(
            cell("=HYPERLINK(\"x\",\"y\")"),
            "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""
        );
        assert_eq!(cell("two\nlines"), "\"two\nlines\"");
        assert_eq!(cell("plain"), "plain");
    }

    #[test]
    fn words_cannot_leave_their_line_their_tag_or_their_quotation_marks() {
        assert_eq!(one_line("a\n2026-01-01 open X", &[]), "a 2026-01-01 open X");
        assert_eq!(one_line("note ; date:1", &[';']), "note   date:1");
        assert_eq!(
            tag_value("a, date:2026-01-01\n%"),
            "a%2C date:2026-01-01%0A%25"
        );
        assert_eq!(quoted("say \"hi\" \\ \n"), "\"say \\\"hi\\\" \\\\\"");
    }
}
