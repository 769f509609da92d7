//! The receipt's number, and whether the paper says that it is a return.

use kvit_domain::recognition::Field;

use super::row::Row;
use super::words::folded;

/// The receipt's number: behind `ФД` (Russian), `ЧЕК ФН`, `ЧЕК №`. Leading zeros are not significant.
#[must_use]
pub fn receipt_number(rows: &[Row]) -> Option<Field<String>> {
    let behind = |row: &Row, from: usize| {
        (from..row.words.len()).take(2).find_map(|at| {
            let text = row
                .words
                .get(at)?
                .text
                .trim_matches(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'));
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
    // `Чек: 306 (497468)`: the shift's number, and the fiscal one in brackets.
    let bracketed = || {
        rows.iter().find_map(|row| {
            let from = row.find("ЧЕК")? + 1;
            let at = (from..row.words.len()).take(3).find(|at| {
                row.words
                    .get(*at)
                    .is_some_and(|w| w.text.starts_with('(') && w.text.ends_with(')'))
            })?;
            behind(row, at)
        })
    };
    let plain = || {
        rows.iter()
            .find_map(|row| behind(row, row.find("ЧЕК")? + 1))
    };
    russian.or_else(fiscal).or_else(bracketed).or_else(plain)
}

/// Whether the text calls the receipt a return of goods. The usual "medicines are not returned" is none.
#[must_use]
pub fn is_return(rows: &[Row]) -> bool {
    rows.iter().any(|row| {
        let says = row
            .folded
            .iter()
            .any(|w| matches!(w.as_str(), "ПОВЕРНЕННЯ" | "ВОЗВРАТ") || *w == folded("REFUND"))
            || row.has_any(&["ВИДАТКОВИИ ЧЕК"]);
        let denies = row
            .folded
            .iter()
            .any(|w| w == "НЕ" || w == "ОБМІН" || w == "ОБМІНУ" || w.starts_with("ПІДЛЯГ"));
        says && !denies && row.words.len() <= 6
    })
}
