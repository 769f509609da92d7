//! What does not add up, named for the rules and the reviewer.

use kvit_domain::recognition::{Anomaly, FiscalQr};

use super::ReceiptText;
use super::arithmetic::{lines_total, mixed_up, same_but_mixed_up};
use super::vat::{VatLine, account_for};

/// Lines may differ from the total by one part in so many.
const TOTAL_TOLERANCE: i64 = 100;
/// A text reading that differs from the QR code by mixed-up digits is excused below this confidence of the reading.
const CERTAIN_TEXT: u16 = 900;
/// Code of the anomaly "both totals were read and cannot be explained by cash rounding".
pub const TOTALS_DISAGREE: &str = "totals_disagree";

/// All doubts about a reading.
#[must_use]
pub fn find(text: &ReceiptText, qr: Option<&FiscalQr>) -> Vec<Anomaly> {
    let mut out = Vec::new();
    out.extend(total_mismatch(text, qr));
    if qr.is_none() && text.totals.disagree() {
        out.push(Anomaly::Other {
            code: TOTALS_DISAGREE.into(),
        });
    }
    out.extend(
        text.vat
            .iter()
            .filter(|vat| !vat_follows(text, qr, vat))
            .map(|vat| Anomaly::VatMismatch { tax: vat.name() }),
    );
    if let Some(qr) = qr {
        let fields = [
            ("total", !total_agrees(text, qr)),
            ("date", !date_agrees(text, qr)),
            ("register_number", !register_agrees(text, qr)),
        ];
        out.extend(
            fields
                .into_iter()
                .filter(|(_, differs)| *differs)
                .map(|(field, _)| Anomaly::QrMismatch {
                    field: field.into(),
                }),
        );
    }
    out
}

fn total_mismatch(text: &ReceiptText, qr: Option<&FiscalQr>) -> Option<Anomaly> {
    if text.items.is_empty() {
        return None;
    }
    let total_minor = qr
        .map(|qr| qr.total_minor)
        .or_else(|| text.totals.chosen().map(|field| field.value))?;
    let lines_minor = lines_total(&text.items).unwrap_or(i64::MAX);
    let close = |total: i64| {
        let tolerance = total.unsigned_abs() / TOTAL_TOLERANCE.unsigned_abs();
        lines_minor.abs_diff(total) <= tolerance
    };
    // The lines come out at the sum; what is paid may be rounded beyond one per cent on a small receipt.
    let sum_is_near = |sum: i64| {
        close(sum) && sum.abs_diff(total_minor) <= super::totals::CASH_ROUNDING_MAX.unsigned_abs()
    };
    let explained = close(total_minor)
        || text
            .totals
            .sum
            .as_ref()
            .is_some_and(|sum| sum_is_near(sum.value));
    (!explained).then_some(Anomaly::TotalMismatch {
        lines_minor,
        total_minor,
    })
}

/// Whether a VAT sum follows from its rate. It is judged only where its base is known: all VAT lines against the total,
/// the goods of its letter when every line has one and the lines add up, or the total when there is one rate only.
/// The first kind of proof is enough, since a letter is a single misread sign.
fn vat_follows(text: &ReceiptText, qr: Option<&FiscalQr>, vat: &VatLine) -> bool {
    let Some(amount) = vat.amount_minor else {
        return true;
    };
    let total = qr
        .map(|qr| qr.total_minor)
        .or_else(|| text.totals.chosen().map(|field| field.value));
    if total.is_some_and(|total| account_for(&text.vat, total)) {
        return true;
    }
    let known =
        |letter: Option<char>| letter.is_some() && text.vat.iter().any(|v| v.letter == letter);
    let base =
        if text.adds_up && vat.letter.is_some() && text.items.iter().all(|item| known(item.tax)) {
            let of_letter = text.items.iter().filter(|item| item.tax == vat.letter);
            of_letter
                .map(|item| item.sum_minor.saturating_sub(item.discount_minor))
                .try_fold(0_i64, i64::checked_add)
        } else if text.vat.len() == 1
            && text
                .items
                .iter()
                .all(|item| item.tax.is_none() || item.tax == vat.letter)
        {
            total
        } else {
            None
        };
    let Some(expected) = base
        .filter(|base| *base > 0)
        .and_then(|base| vat.contained_in(base))
    else {
        return true;
    };
    // Registers round line by line, and cash rounding moves the total after the tax was computed.
    let tolerance = 5 + u64::try_from(text.items.len()).unwrap_or(0);
    amount.abs_diff(expected) <= tolerance || mixed_up(amount, expected)
}

/// Another total in print is excused when the goods come out at the code's total exactly, or when a doubtful reading
/// differs by digits that are taken for each other.
fn total_agrees(text: &ReceiptText, qr: &FiscalQr) -> bool {
    let Some(read) = text.totals.chosen() else {
        return true;
    };
    let misread =
        mixed_up(read.value, qr.total_minor) && read.confidence.thousandths() < CERTAIN_TEXT;
    let rounded = read.value.abs_diff(qr.total_minor)
        <= super::totals::CASH_ROUNDING_MAX.unsigned_abs()
        && text.adds_up;
    text.totals.include(qr.total_minor)
        || lines_total(&text.items) == Some(qr.total_minor)
        || misread
        || rounded
}

/// The day is compared, not the clock: registers print the time of printing, the code carries the time of fiscalisation.
fn date_agrees(text: &ReceiptText, qr: &FiscalQr) -> bool {
    let at = text
        .purchased_at
        .as_ref()
        .map(|field| (field.value.date(), field.confidence));
    let Some((date, confidence)) = at.or_else(|| {
        text.purchased_on
            .as_ref()
            .map(|field| (field.value, field.confidence))
    }) else {
        return true;
    };
    let coded = qr.purchased_at.date();
    let digits = |date: chrono::NaiveDate| date.format("%Y%m%d").to_string();
    date == coded
        || (same_but_mixed_up(&digits(date), &digits(coded))
            && confidence.thousandths() < CERTAIN_TEXT)
}

fn register_agrees(text: &ReceiptText, qr: &FiscalQr) -> bool {
    let Some(read) = &text.register_number else {
        return true;
    };
    read.value == qr.register_number
        || (same_but_mixed_up(&read.value, &qr.register_number)
            && read.confidence.thousandths() < CERTAIN_TEXT)
}
