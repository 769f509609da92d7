//! The Russian form: `t=20250313T1531&s=95.30&fn=…&i=…&fp=…&n=1`, parameters in any order.

use kvit_domain::money::Currency;
use kvit_domain::recognition::{FiscalQr, QrForm};

use super::{QrContent, complete, fields};

const REGISTER_DIGITS: usize = 16;
const SIGN_DIGITS_MAX: usize = 10;
const NAMES: [&str; 6] = ["t", "s", "fn", "i", "fp", "n"];
/// With fewer of the six names it is some other query string.
const NAMES_TO_RECOGNISE: usize = 4;

/// `None` when this is no such code at all.
pub fn parse(content: &str) -> Option<QrContent> {
    let pairs: Vec<(&str, &str)> = content
        .split('&')
        .take(16)
        .filter_map(|pair| pair.split_once('='))
        .collect();
    let present = NAMES
        .iter()
        .filter(|name| pairs.iter().any(|(n, _)| n == *name))
        .count();
    let moment = value(&pairs, "t").and_then(fields::russian_moment);
    if present < NAMES_TO_RECOGNISE && !(moment.is_some() && present >= 2) {
        return None;
    }
    let total = value(&pairs, "s").and_then(fields::sum_minor);
    let register = value(&pairs, "fn").filter(|v| fields::is_digits(v, REGISTER_DIGITS));
    let number = value(&pairs, "i")
        .filter(|v| v.bytes().all(|b| b.is_ascii_digit()))
        .and_then(fields::receipt_number);
    let sign = value(&pairs, "fp").filter(|v| {
        !v.is_empty() && v.len() <= SIGN_DIGITS_MAX && v.bytes().all(|b| b.is_ascii_digit())
    });
    // 1 sale, 2 return of a sale. 3 and 4 are purchases by the shop, which no shopper holds.
    let is_return = match value(&pairs, "n") {
        Some("1") => Some(false),
        Some("2") => Some(true),
        _ => None,
    };
    let missing = [
        ("t", moment.is_none()),
        ("s", total.is_none()),
        ("fn", register.is_none()),
        ("i", number.is_none()),
        ("fp", sign.is_none()),
        ("n", is_return.is_none()),
    ]
    .into_iter()
    .filter_map(|(name, absent)| absent.then_some(name))
    .collect();
    let fiscal = moment
        .zip(total)
        .zip(register)
        .zip(number)
        .zip(is_return)
        .map(
            |((((purchased_at, total_minor), register), receipt_number), is_return)| FiscalQr {
                form: QrForm::Russian,
                register_number: register.to_owned(),
                receipt_number,
                purchased_at,
                total_minor,
                currency: Currency::Rub,
                is_return,
            },
        );
    Some(complete(fiscal, missing))
}

/// The one value of a name; two different ones are none.
fn value<'a>(pairs: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    let mut values = pairs.iter().filter(|(n, _)| *n == name).map(|(_, v)| *v);
    let first = values.next()?;
    values.all(|other| other == first).then_some(first)
}
