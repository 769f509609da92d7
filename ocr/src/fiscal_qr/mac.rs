//! The form without a link: `<MAC in base64>;<sum in kopecks>;<ddMMyyHHmm>;<register>;<receipt>`.

use chrono::NaiveDateTime;
use kvit_domain::money::Currency;
use kvit_domain::recognition::{FiscalQr, QrForm};

use super::{QrContent, complete, fields};

/// Digits of each of the four numbers.
const DIGITS: usize = 10;
/// A shorter first part is not a MAC.
const MAC_CHARS_MIN: usize = 16;

/// `None` when this is no such code at all.
pub fn parse(content: &str) -> Option<QrContent> {
    let parts: Vec<&str> = content.split(';').take(6).collect();
    let (mac, numbers) = parts.split_first()?;
    let base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_');
    let looks_like_mac = mac.len() >= MAC_CHARS_MIN && mac.bytes().all(base64);
    let has_a_number = numbers.iter().any(|n| fields::is_digits(n, DIGITS));
    if !looks_like_mac || !has_a_number || numbers.len() > 4 {
        return None;
    }
    let number = |index: usize| {
        numbers
            .get(index)
            .copied()
            .filter(|n| fields::is_digits(n, DIGITS))
    };

    let total = number(0).and_then(|n| n.parse::<i64>().ok());
    let moment = number(1).and_then(moment);
    let register = number(2).map(str::to_owned);
    let id = number(3).and_then(fields::receipt_number);
    let missing = [
        ("sm", total.is_none()),
        ("date", moment.is_none()),
        ("fn", register.is_none()),
        ("id", id.is_none()),
    ]
    .into_iter()
    .filter_map(|(name, absent)| absent.then_some(name))
    .collect();
    let fiscal = total.zip(moment).zip(register).zip(id).map(
        |(((total_minor, purchased_at), register_number), receipt_number)| FiscalQr {
            form: QrForm::Mac,
            register_number,
            receipt_number,
            purchased_at,
            total_minor,
            currency: Currency::Uah,
            is_return: false,
        },
    );
    Some(complete(fiscal, missing))
}

fn moment(text: &str) -> Option<NaiveDateTime> {
    let day = fields::date(&format!("{}20{}", text.get(..4)?, text.get(4..6)?))?;
    Some(day.and_time(fields::time(text.get(6..10)?)?))
}
