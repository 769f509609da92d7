//! How sure a recognition is as a whole, in thousandths.
//!
//! The parts that a decision hangs on have fixed weights which come to 1000: total 250, date 200, register 100,
//! merchant 150, goods 300. Each part counts with the confidence of its reading:
//!
//! - what a fiscal QR code says (total, date, register) is certain; without a code the text's own confidence counts;
//! - goods count with the mean confidence of their lines, and with at least 970 when they come out at the total
//!   exactly, which confirms the total as well unless one misread zero may stand on every line;
//! - goods and a total that contradict each other count half.
//!
//! So a clean receipt reaches 800 with a code or without one (the rules still send the latter to a person); a code
//! alone, with no readable text, gives 550 and a person looks at it; words without sums stay below 400.
//! Anomalies are not subtracted a second time: the rules act on them by themselves.

use kvit_domain::recognition::{Anomaly, Confidence, FiscalQr};

use crate::parser::ReceiptText;

const TOTAL: u32 = 250;
const DATE: u32 = 200;
const REGISTER: u32 = 100;
const MERCHANT: u32 = 150;
const GOODS: u32 = 300;
/// Confidence of a total that the goods confirm.
const CONFIRMED: u32 = 970;
/// What a date without its time loses, in thousandths.
const WITHOUT_TIME: u32 = 150;

/// The overall confidence.
#[must_use]
pub fn overall(text: &ReceiptText, qr: Option<&FiscalQr>, anomalies: &[Anomaly]) -> Confidence {
    let of = |confidence: Confidence| u32::from(confidence.thousandths());
    let certain = qr.map(|_| 1_000);
    let read_total = text.totals.chosen().map_or(0, |f| of(f.confidence));
    let mut total = certain.unwrap_or(if text.adds_up && !text.total_doubted {
        read_total.max(CONFIRMED)
    } else {
        read_total
    });
    let read_date = text.purchased_at.as_ref().map(|f| of(f.confidence));
    let read_day = text
        .purchased_on
        .as_ref()
        .map(|f| of(f.confidence).saturating_sub(WITHOUT_TIME));
    let date = certain.or(read_date).or(read_day).unwrap_or(0);
    let register = certain
        .or_else(|| text.register_number.as_ref().map(|f| of(f.confidence)))
        .unwrap_or(0);
    let merchant = text.merchant.as_ref().map_or(0, |f| of(f.confidence));
    let count = u32::try_from(text.items.len()).unwrap_or(u32::MAX);
    let mut goods = text
        .items
        .iter()
        .map(|item| of(item.confidence))
        .sum::<u32>()
        .checked_div(count)
        .unwrap_or(0);
    if anomalies
        .iter()
        .any(|a| matches!(a, Anomaly::TotalMismatch { .. }))
    {
        goods /= 2;
        total = certain.unwrap_or(total / 2);
    }
    let sum =
        total * TOTAL + date * DATE + register * REGISTER + merchant * MERCHANT + goods * GOODS;
    Confidence::from_thousandths(u16::try_from(sum / 1_000).unwrap_or(0))
}
