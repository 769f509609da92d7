//! Names of goods and the codes printed around them.

use crate::parser::kinds;
use crate::parser::row::Row;
use crate::parser::words::cyrillic;

/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 200;

/// An EAN-8 or EAN-13 whose check digit holds.
pub fn barcode(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let pure = text
        .chars()
        .all(|c| c.is_ascii_digit() || c.is_ascii_punctuation());
    if !pure || !matches!(digits.len(), 8 | 13) {
        return None;
    }
    let weighted: u32 = digits
        .chars()
        .rev()
        .enumerate()
        .filter_map(|(i, c)| Some(c.to_digit(10)? * if i % 2 == 0 { 1 } else { 3 }))
        .sum();
    weighted.is_multiple_of(10).then_some(digits)
}

/// The index behind a customs code at or after `from`, else `from`.
pub fn without_customs(row: &Row, from: usize) -> usize {
    let Some(keyword) =
        kinds::customs_keyword(row).filter(|k| k.start >= from && k.start <= from + 1)
    else {
        return from;
    };
    let code = row.words.iter().skip(keyword.end).take_while(|w| {
        w.text
            .chars()
            .all(|c| c.is_ascii_digit() || c.is_ascii_punctuation())
    });
    keyword.end + code.take(2).count()
}

/// Whether a line of words is the cut-off end of a name: short, or beginning in the middle of something.
pub fn looks_cut(text: &str) -> bool {
    let first = text.chars().next();
    text.chars().count() <= 8
        || first.is_some_and(|c| c.is_lowercase() || c.is_ascii_digit() || c == '№' || c == '%')
}

/// The running number of a line like `3. Кагоцел табл.`, when it begins with one.
pub fn running_number(row: &Row) -> Option<u32> {
    let number = row.words.first()?.text.strip_suffix(['.', ')', ','])?;
    let short = (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    let named = row
        .words
        .iter()
        .skip(1)
        .take(2)
        .any(|w| w.text.chars().filter(|c| c.is_alphabetic()).count() >= 3);
    (short && named).then(|| number.parse().ok()).flatten()
}

/// Two parts of a name. A number cut by the paper's edge (`0,0` and `5%`, `№` and `20`) is one again.
pub fn joined(left: &str, right: &str) -> String {
    let cut = left.ends_with('№')
        || (left.ends_with(|c: char| c.is_ascii_digit()) && right.starts_with(['%']));
    let separator = if left.is_empty() || right.is_empty() || cut {
        ""
    } else {
        " "
    };
    format!("{left}{separator}{right}")
}

/// A name without its running number, without dirt at its edges, and not beyond its longest.
pub fn cleaned(name: &str) -> String {
    let slavic = name
        .chars()
        .filter(|c| ('\u{400}'..='\u{4ff}').contains(c))
        .count()
        >= 4;
    let mut words: Vec<&str> = name.split_whitespace().collect();
    let numbering = |w: &str| {
        w.strip_suffix(['.', ')', ','])
            .is_some_and(|n| n.len() <= 2 && n.bytes().all(|b| b.is_ascii_digit()))
    };
    if words.len() > 1 && words.first().is_some_and(|w| numbering(w)) {
        words.remove(0);
    }
    let is_dirt = |w: &&str| !w.chars().any(char::is_alphanumeric);
    let start = words.iter().take_while(|w| is_dirt(w)).count();
    let end = words.len()
        - words
            .iter()
            .skip(start)
            .rev()
            .take_while(|w| is_dirt(w))
            .count();
    let words: Vec<String> = words
        .get(start..end)
        .unwrap_or_default()
        .iter()
        .map(|w| pack_size(w))
        .map(|w| if slavic { cyrillic(&w) } else { w })
        .collect();
    let text = words.join(" ");
    let text = text.trim_matches(|c: char| {
        matches!(c, '|' | '_' | '~' | '=' | '*' | ':' | ';' | ',' | '-' | '—')
    });
    text.chars().take(NAME_CHARS_MAX).collect()
}

/// `M20`, `£18`, `К20` at the end of a name are `№20`: the sign is read as whatever letter looks like it. A vitamin's
/// number has one digit, a strength three.
fn pack_size(word: &str) -> String {
    const SIGNS: [&str; 20] = [
        "M", "М", "£", "#", "К", "K", "к", "k", "Ж", "Ne", "No", "Nо", "Ng", "Мо", "Хо", "Х", "N",
        "Н", "®", "$",
    ];
    let count = SIGNS.iter().find_map(|sign| word.strip_prefix(sign));
    match count {
        Some(count)
            if (2..=3).contains(&count.len())
                && count.bytes().all(|b| b.is_ascii_digit())
                && (count.len() == 2 || count == "100" || word.starts_with(['M', 'М'])) =>
        {
            format!("№{count}")
        }
        Some(count)
            if count.len() == 1
                && count.bytes().all(|b| b.is_ascii_digit())
                && word.starts_with(['M', 'М']) =>
        {
            format!("№{count}")
        }
        _ => word.to_owned(),
    }
}
