//! What stands on a receipt according to its ground truth, in one form for all layouts of sets.
//!
//! `None` means that the set does not tell, and then nothing is measured; a value that is printed nowhere is `None` too.

use chrono::{NaiveDate, NaiveTime};
use kvit_domain::money::Currency;

/// What a perfect reader would find.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Truth {
    /// The part of the merchant's name that identifies it, without its legal form.
    pub merchant_key: Option<String>,
    /// The merchant's name as printed.
    pub merchant: Option<String>,
    /// Tax id, digits only.
    pub tax_id: Option<String>,
    /// Fiscal number of the register.
    pub register_number: Option<String>,
    /// Number of the receipt within the register.
    pub receipt_number: Option<String>,
    /// Local day of the purchase.
    pub date: Option<NaiveDate>,
    /// Local time of the purchase.
    pub time: Option<NaiveTime>,
    /// Sum to pay, minor units.
    pub total_minor: Option<i64>,
    /// Currency of the sums, when it is one that the product knows.
    pub currency: Option<Currency>,
    /// The goods.
    pub items: Option<Vec<TruthItem>>,
    /// Content of the QR code.
    pub qr: Option<String>,
    /// All text in reading order.
    pub text: Option<String>,
    /// How hard the photo is to read, in the set's own words.
    pub tier: Option<String>,
}

/// One line of goods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruthItem {
    /// Its name.
    pub name: String,
    /// Sum of the line, minor units.
    pub sum_minor: i64,
}

/// A sum with two decimals as minor units. Currency signs and words around the number are passed over, as are
/// separators of thousands; a comma before the last two digits is a decimal point.
#[must_use]
pub fn minor(text: &str) -> Option<i64> {
    let number: String = text
        .chars()
        .filter(|c| c.is_ascii_digit() || matches!(c, '.' | ','))
        .collect();
    let number = number.trim_matches(['.', ',']);
    let (whole, fraction) = match number.rfind(['.', ',']) {
        Some(at) if number.len() - at <= 3 => (&number[..at], &number[at + 1..]),
        _ => (number, ""),
    };
    let whole: String = whole.chars().filter(char::is_ascii_digit).collect();
    let cents = match fraction.len() {
        0 => 0,
        1 => fraction.parse::<i64>().ok()? * 10,
        _ => fraction.parse().ok()?,
    };
    whole
        .parse::<i64>()
        .ok()?
        .checked_mul(100)?
        .checked_add(cents)
}

/// A day in ISO form, or with the day before the month, which may be a number or an English name; years may have two
/// digits.
#[must_use]
pub fn day(text: &str) -> Option<NaiveDate> {
    let parts: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|part| !part.is_empty())
        .collect();
    let [first, month, last] = parts.as_slice() else {
        return None;
    };
    let (day, year) = match first.len() {
        4 => (last, first),
        _ => (first, last),
    };
    let year: i32 = match year.len() {
        2 => 2_000 + year.parse::<i32>().ok()?,
        4 => year.parse().ok()?,
        _ => return None,
    };
    NaiveDate::from_ymd_opt(year, month_number(month)?, day.parse().ok()?)
}

fn month_number(text: &str) -> Option<u32> {
    const NAMES: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let name = text.to_lowercase();
    (1..)
        .zip(NAMES)
        .find(|(_, known)| name.starts_with(known))
        .map(|(number, _)| number)
}

/// A time of day with or without seconds.
#[must_use]
pub fn time(text: &str) -> Option<NaiveTime> {
    ["%H:%M:%S", "%H:%M"]
        .iter()
        .find_map(|form| NaiveTime::parse_from_str(text.trim(), form).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_with_and_without_their_signs() {
        for (text, minor_units) in [
            ("933.21", Some(93_321)),
            ("84.9", Some(8_490)),
            ("$8.20", Some(820)),
            ("RM 64.70", Some(6_470)),
            ("1,234.50", Some(123_450)),
            ("1.234,50", Some(123_450)),
            ("12", Some(1_200)),
            ("1,234", Some(123_400)),
            ("", None),
            ("RM", None),
        ] {
            assert_eq!(minor(text), minor_units, "{text}");
        }
    }

    #[test]
    fn days_are_read_in_every_form_of_the_sets() {
        for (text, iso) in [
            ("2026-02-25", "2026-02-25"),
            ("12 MAR 2018", "2018-03-12"),
            ("30 DEC 17", "2017-12-30"),
            ("09/08/17", "2017-08-09"),
            ("9/2/2017", "2017-02-09"),
            ("24-01-16", "2016-01-24"),
        ] {
            assert_eq!(day(text).map(|d| d.to_string()).as_deref(), Some(iso));
        }
        for text in ["", "31/02/2018", "12 XYZ 2018", "2018"] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn times_need_no_seconds() {
        assert_eq!(
            time("09:20:19").map(|t| t.to_string()).as_deref(),
            Some("09:20:19")
        );
        assert_eq!(
            time("21:47").map(|t| t.to_string()).as_deref(),
            Some("21:47:00")
        );
        assert_eq!(time("25:00"), None);
    }
}
