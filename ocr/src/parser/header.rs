//! Who sold: merchant, tax number, register, receipt number; and whether the paper says that it is a return.

use kvit_domain::recognition::{Confidence, Field};

use super::kinds::{self, Kind, LEGAL_FORMS};
use super::row::Row;

/// The merchant's name stands among the first lines.
const MERCHANT_ROWS: usize = 10;
/// Longest merchant name kept, in characters.
const MERCHANT_CHARS_MAX: usize = 120;
/// Register numbers by their beginnings: software registers and devices.
const REGISTER_PREFIXES: [&str; 4] = ["4000", "4001", "3000", "3001"];
/// What a value found without its keyword loses.
const WITHOUT_KEYWORD: u16 = 150;

/// The merchant: the line with a legal form, else the outlet, else the first line with enough letters.
#[must_use]
pub fn merchant(rows: &[Row], kinds: &[Kind]) -> Option<Field<String>> {
    let top = || rows.iter().zip(kinds).enumerate().take(MERCHANT_ROWS);
    let legal =
        top().find(|(_, (row, _))| row.begins_with_any(2, &LEGAL_FORMS) && row.letters() >= 5);
    let outlet = || {
        top().find(|(_, (row, _))| {
            row.begins_with_any(2, &["АПТЕКА", "АПТЕЧНИЙ", "АПТЕЧНЫЙ", "МАГАЗИН"])
        })
    };
    let any = || {
        top().find(|(_, (row, kind))| {
            **kind == Kind::Other && row.letters() >= 6 && row.last_sum().is_none()
        })
    };
    let (index, (row, _)) = legal.or_else(outlet).or_else(any)?;
    let mut field = row.field(trimmed(&row.text()), 0..row.words.len());
    // A name in quotes that runs on into the next line.
    if quotes(&field.value) % 2 == 1
        && let Some(next) = rows
            .get(index + 1)
            .filter(|n| quotes(&n.text()) == 1 && n.words.len() <= 4)
    {
        field.value = format!("{} {}", field.value, next.text());
        field.confidence = field.confidence.min(next.confidence());
    }
    field.value = field.value.chars().take(MERCHANT_CHARS_MAX).collect();
    Some(field)
}

fn quotes(text: &str) -> usize {
    text.chars()
        .filter(|c| matches!(c, '"' | '«' | '»' | '„' | '“' | '”'))
        .count()
}

fn trimmed(text: &str) -> String {
    text.trim_matches(|c: char| {
        !c.is_alphanumeric() && !matches!(c, '"' | '«' | '»' | '„' | '“' | '”' | '.' | ')')
    })
    .to_owned()
}

/// The seller's tax number: 8, 10 or 12 digits behind its keyword.
#[must_use]
pub fn tax_id(rows: &[Row]) -> Option<Field<String>> {
    rows.iter().find_map(|row| {
        let at = kinds::tax_id_keyword(row)?;
        digits_behind(row, at + 1, |digits| matches!(digits.len(), 8 | 10 | 12))
    })
}

/// The register's fiscal number: behind `ФН`, but not behind `ЧЕК ФН`, which numbers the receipt.
#[must_use]
pub fn register_number(rows: &[Row]) -> Option<Field<String>> {
    let behind_keyword = rows.iter().find_map(|row| {
        let at = row.find("ФН")?;
        let of_receipt = at
            .checked_sub(1)
            .and_then(|before| row.folded.get(before))
            .is_some_and(|w| w == "ЧЕК");
        let behind =
            |at| digits_behind(row, at, |digits| is_register(digits) || digits.len() == 16);
        // `ФН ПРРО 4001…`: the kind of register may stand between.
        if of_receipt {
            None
        } else {
            behind(at + 1).or_else(|| behind(at + 2))
        }
    });
    behind_keyword.or_else(|| {
        rows.iter()
            .filter(|row| kinds::tax_id_keyword(row).is_none() && row.find("RRN").is_none())
            .find_map(|row| {
                let at = row
                    .words
                    .iter()
                    .position(|w| is_register(&digits_of(&w.text)))?;
                let mut field = row.field(digits_of(&row.words.get(at)?.text), at..at + 1);
                let lowered = field
                    .confidence
                    .thousandths()
                    .saturating_sub(WITHOUT_KEYWORD);
                field.confidence = Confidence::from_thousandths(lowered);
                Some(field)
            })
    })
}

fn is_register(digits: &str) -> bool {
    digits.len() == 10
        && REGISTER_PREFIXES
            .iter()
            .any(|prefix| digits.starts_with(prefix))
}

/// The receipt's number: behind `ФД` (Russian), `ЧЕК ФН`, `ЧЕК №`. Leading zeros are not significant.
#[must_use]
pub fn receipt_number(rows: &[Row]) -> Option<Field<String>> {
    let behind = |row: &Row, from: usize| {
        (from..row.words.len()).take(2).find_map(|at| {
            let text = row
                .words
                .get(at)?
                .text
                .trim_matches(|c: char| !c.is_ascii_alphanumeric());
            let shape = text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            let significant = text.trim_start_matches('0');
            (shape && digits > 0 && text.len() <= 32 && !significant.is_empty())
                .then(|| row.field(significant.to_owned(), at..at + 1))
        })
    };
    let russian = rows.iter().find_map(|row| behind(row, row.find("ФД")? + 1));
    let fiscal = || {
        rows.iter()
            .find_map(|row| behind(row, row.find("ЧЕК ФН")? + 2))
    };
    let plain = || {
        rows.iter()
            .find_map(|row| behind(row, row.find("ЧЕК")? + 1))
    };
    russian.or_else(fiscal).or_else(plain)
}

/// Whether the text calls the receipt a return of goods. The usual "medicines are not returned" is none.
#[must_use]
pub fn is_return(rows: &[Row]) -> bool {
    rows.iter().any(|row| {
        let says = row
            .folded
            .iter()
            .any(|w| matches!(w.as_str(), "ПОВЕРНЕННЯ" | "ВОЗВРАТ" | "REFUND"))
            || row.has_any(&["ВИДАТКОВИИ ЧЕК"]);
        let denies = row
            .folded
            .iter()
            .any(|w| w == "НЕ" || w == "ОБМІН" || w == "ОБМІНУ" || w.starts_with("ПІДЛЯГ"));
        says && !denies && row.words.len() <= 6
    })
}

/// The first run of digits of the wanted shape within the next words; a number torn in two is put together.
fn digits_behind(row: &Row, from: usize, wanted: impl Fn(&str) -> bool) -> Option<Field<String>> {
    (from..row.words.len()).take(2).find_map(|at| {
        let first = digits_of(&row.words.get(at)?.text);
        if first.is_empty() {
            return None;
        }
        if wanted(&first) {
            return Some(row.field(first, at..at + 1));
        }
        let joined = format!("{first}{}", digits_of(&row.words.get(at + 1)?.text));
        wanted(&joined).then(|| row.field(joined, at..at + 2))
    })
}

/// A word as digits, with look-alike letters put right; empty when it is not mostly digits.
fn digits_of(word: &str) -> String {
    let core = word.trim_matches(|c: char| !c.is_alphanumeric());
    let real = core.chars().filter(char::is_ascii_digit).count();
    let total = core.chars().count();
    if real * 5 < total * 4 {
        return String::new();
    }
    let digit = |c: char| match c {
        'O' | 'О' | 'o' | 'о' => Some('0'),
        'l' | 'I' | 'І' | '|' => Some('1'),
        'З' | 'з' => Some('3'),
        'б' => Some('6'),
        'В' | 'B' => Some('8'),
        c => c.is_ascii_digit().then_some(c),
    };
    core.chars()
        .map(digit)
        .collect::<Option<String>>()
        .unwrap_or_default()
}
