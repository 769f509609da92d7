//! The single values of fiscal codes: strict, integer, bounded.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

/// Digits of the number of a Ukrainian cash register.
pub const REGISTER_DIGITS: usize = 10;
/// Longest receipt number; software registers use eleven characters.
const RECEIPT_NUMBER_CHARS_MAX: usize = 32;
/// Most digits before the decimal separator: sums stay far inside 64 bits.
const SUM_DIGITS_MAX: usize = 10;

/// Whether the text consists of exactly so many ASCII digits.
pub fn is_digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|b| b.is_ascii_digit())
}

/// A sum in minor units: `95`, `95.3`, `95.30`, `95,30`. No sign, no blanks, no third decimal.
pub fn sum_minor(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    if whole.is_empty() || whole.len() > SUM_DIGITS_MAX || fraction.is_empty() || fraction.len() > 2
    {
        return None;
    }
    if !whole
        .bytes()
        .chain(fraction.bytes())
        .all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let cents: i64 = fraction.parse().ok()?;
    let cents = if fraction.len() == 1 {
        cents * 10
    } else {
        cents
    };
    whole
        .parse::<i64>()
        .ok()?
        .checked_mul(100)?
        .checked_add(cents)
}

/// A receipt number without its leading zeros, which are not significant.
pub fn receipt_number(text: &str) -> Option<String> {
    let known = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if text.is_empty() || text.len() > RECEIPT_NUMBER_CHARS_MAX || !text.bytes().all(known) {
        return None;
    }
    let significant = text.trim_start_matches('0');
    Some(
        if significant.is_empty() {
            "0"
        } else {
            significant
        }
        .to_owned(),
    )
}

/// A date of eight digits, year first or day first. The two cannot be confused: read the other way round, the century
/// (`20`) stands where the month belongs.
pub fn date(text: &str) -> Option<NaiveDate> {
    if !is_digits(text, 8) {
        return None;
    }
    let number =
        |range: std::ops::Range<usize>| text.get(range).and_then(|t| t.parse::<u32>().ok());
    let build = |year: u32, month: u32, day: u32| {
        let year = i32::try_from(year)
            .ok()
            .filter(|y| (2_000..2_100).contains(y))?;
        NaiveDate::from_ymd_opt(year, month, day)
    };
    build(number(0..4)?, number(4..6)?, number(6..8)?)
        .or_else(|| build(number(4..8)?, number(2..4)?, number(0..2)?))
}

/// A time of four or six digits, with or without colons. A code without seconds means the full minute.
pub fn time(text: &str) -> Option<NaiveTime> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    let colons = text.len() - digits.len();
    let shape_is_known = match digits.len() {
        4 => colons <= 1,
        6 => colons == 0 || colons == 2,
        _ => false,
    };
    if !shape_is_known || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number =
        |range: std::ops::Range<usize>| digits.get(range).and_then(|t| t.parse::<u32>().ok());
    NaiveTime::from_hms_opt(number(0..2)?, number(2..4)?, number(4..6).unwrap_or(0))
}

/// Date and time in one value: fourteen digits, or `DDMMYYYY hh:mm:ss`, or a bare date.
pub fn date_and_time(text: &str) -> Option<(NaiveDate, Option<NaiveTime>)> {
    let day = date(text.get(..8)?)?;
    let rest = text.get(8..)?;
    if rest.is_empty() {
        return Some((day, None));
    }
    let rest = rest.strip_prefix([' ', 'T', '+']).unwrap_or(rest);
    time(rest).map(|time| (day, Some(time)))
}

/// The moment of the Russian form: `YYYYMMDDTHHMM` or `YYYYMMDDTHHMMSS`.
pub fn russian_moment(text: &str) -> Option<NaiveDateTime> {
    let (day, clock) = text.split_once('T')?;
    let clock = time(clock).filter(|_| !clock.contains(':'))?;
    Some(date(day)?.and_time(clock))
}
