//! From lines of text to the fields of a receipt: pure functions over words with confidences, no image needed.
//!
//! The order of work: lines are prepared ([`row`]), each line's subject is told by its keywords ([`kinds`]), totals
//! and VAT are read, goods are gathered above the first total ([`items`]), arithmetic settles doubtful digits
//! ([`arithmetic`]), and what does not add up is named ([`anomalies`]).

pub mod anomalies;
pub mod arithmetic;
pub mod dates;
pub mod header;
pub mod items;
pub mod kinds;
pub mod lexemes;
pub mod row;
pub mod totals;
pub mod vat;
pub mod words;

use chrono::{NaiveDate, NaiveDateTime};
use kvit_domain::money::Currency;
use kvit_domain::recognition::Field;

use crate::layout::Line;
use row::Row;

/// Most lines that are looked at.
const ROWS_MAX: usize = 600;

/// Everything that the text says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReceiptText {
    /// Legal name or outlet.
    pub merchant: Option<Field<String>>,
    /// Tax number of the seller.
    pub tax_id: Option<Field<String>>,
    /// Fiscal number of the register.
    pub register_number: Option<Field<String>>,
    /// Number of the receipt.
    pub receipt_number: Option<Field<String>>,
    /// Date and time.
    pub purchased_at: Option<Field<NaiveDateTime>>,
    /// Date, when no time was read.
    pub purchased_on: Option<Field<NaiveDate>>,
    /// The totals.
    pub totals: totals::Totals,
    /// The goods, settled by arithmetic where possible.
    pub items: Vec<items::Draft>,
    /// Whether the goods come out at the total exactly.
    pub adds_up: bool,
    /// VAT lines.
    pub vat: Vec<vat::VatLine>,
    /// Whether the paper calls itself a return.
    pub is_return: bool,
    /// The currency, when the text tells.
    pub currency: Option<Currency>,
}

/// Reads the fields. `known_total` is the total of the QR code in minor units, which settles doubtful digits with
/// certainty.
#[must_use]
pub fn parse(lines: &[Line], known_total: Option<i64>) -> ReceiptText {
    let rows: Vec<Row> = lines
        .iter()
        .take(ROWS_MAX)
        .map(Row::new)
        .filter(|row| !row.words.is_empty())
        .collect();
    let kinds: Vec<kinds::Kind> = rows.iter().map(kinds::kind).collect();
    let mut totals = totals::find(&rows, &kinds);
    let mut items = items::find(&rows, &kinds, totals.first_row);
    let vat = vat::find(&rows, &kinds);
    let adds_up = settle(&mut items, &mut totals, known_total);
    vat::mend_letters(
        &mut items,
        &vat,
        known_total.or_else(|| totals.chosen().map(|field| field.value)),
    );
    let (purchased_at, purchased_on) = moment(&rows);
    ReceiptText {
        merchant: header::merchant(&rows, &kinds),
        tax_id: header::tax_id(&rows),
        register_number: header::register_number(&rows),
        receipt_number: header::receipt_number(&rows),
        purchased_at,
        purchased_on,
        totals,
        adds_up,
        items,
        vat,
        is_return: header::is_return(&rows),
        currency: currency(&rows),
    }
}

/// Tries the totals in the order of their certainty. When each line proves itself and the only total of the text is a
/// mixed-up reading of their sum, the total is mended instead.
fn settle(
    items: &mut [items::Draft],
    totals: &mut totals::Totals,
    known_total: Option<i64>,
) -> bool {
    let read = [&totals.sum, &totals.to_pay].map(|field| field.as_ref().map(|f| f.value));
    if let Some(known) = known_total {
        // The lines come out at the sum; the code may carry the rounded one.
        return [Some(known), read[0]].into_iter().flatten().any(|total| {
            total.abs_diff(known) <= totals::CASH_ROUNDING_MAX.unsigned_abs()
                && arithmetic::settle(items, Some(total))
        });
    }
    if read
        .into_iter()
        .any(|total| arithmetic::settle(items, total))
    {
        return true;
    }
    let Some(lines) = arithmetic::lines_total(items)
        .filter(|_| !items.is_empty() && items.iter().all(arithmetic::is_proven))
    else {
        return false;
    };
    let mut mended = false;
    for field in [&mut totals.sum, &mut totals.to_pay].into_iter().flatten() {
        if arithmetic::mixed_up(field.value, lines) {
            field.value = lines;
            mended = true;
        }
    }
    mended && arithmetic::settle(items, Some(lines))
}

/// The first date with a time, else the first date with a time of its own on a neighbouring line, else a date alone.
fn moment(rows: &[Row]) -> (Option<Field<NaiveDateTime>>, Option<Field<NaiveDate>>) {
    let mut day = None;
    for (index, row) in rows.iter().enumerate() {
        let Some(found) = dates::moment(&row.text()) else {
            continue;
        };
        let words = value_words(row);
        if let Some(time) = found.time {
            return (Some(row.field(found.date.and_time(time), words)), None);
        }
        let beside = [index.checked_sub(1), Some(index + 1)]
            .into_iter()
            .flatten()
            .find_map(|i| {
                let row = rows.get(i)?;
                dates::moment(&row.text())
                    .is_none()
                    .then(|| dates::time_alone(&row.text()))
                    .flatten()
            });
        if day.is_none() {
            day = Some((
                row.field(found.date, words.clone()),
                beside.map(|time| row.field(found.date.and_time(time), words)),
            ));
        }
    }
    match day {
        Some((_, Some(moment))) => (Some(moment), None),
        Some((date, None)) => (None, Some(date)),
        None => (None, None),
    }
}

/// The words of a line which hold digits and separators of dates.
fn value_words(row: &Row) -> std::ops::Range<usize> {
    let part = |w: &crate::layout::Word| w.text.chars().filter(char::is_ascii_digit).count() >= 2;
    let first = row.words.iter().position(part).unwrap_or(0);
    let last = row
        .words
        .iter()
        .rposition(part)
        .map_or(row.words.len(), |i| i + 1);
    first..last
}

fn currency(rows: &[Row]) -> Option<Currency> {
    let says = |words: &[&str]| rows.iter().any(|row| row.has_any(words));
    if says(&["ГРН", "ПДВ", "ПРРО", "ФІСКАЛЬНИЙ", "СПЛАТИ"]) {
        Some(Currency::Uah)
    } else if says(&["РУБ", "НДС", "ККТ", "ИТОГ", "ИНН"]) {
        Some(Currency::Rub)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
