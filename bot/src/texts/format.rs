//! Money, times and numbers as people read them.

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;
use kvit_domain::ids::ReceiptId;
use kvit_domain::money::{Currency, Money};
use uuid::Uuid;

/// Longest text of a message, characters.
pub const MAX_MESSAGE: usize = 4096;

/// Makes a text harmless inside Telegram's HTML.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// An amount: `1,00 ₴`, `12 345,60 ₴`, with spaces that do not break.
#[must_use]
pub fn money(amount: Money) -> String {
    let decimal = amount.to_decimal();
    let (whole, fraction) = decimal.split_once('.').unwrap_or((&decimal, ""));
    let (sign, digits) = whole
        .strip_prefix('-')
        .map_or(("", whole), |digits| ("−", digits));
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digits.len().saturating_sub(index).is_multiple_of(3) {
            grouped.push('\u{a0}');
        }
        grouped.push(digit);
    }
    let comma = if fraction.is_empty() { "" } else { "," };
    let unit = match amount.currency {
        Currency::Uah => "₴",
        Currency::Rub => "₽",
        Currency::Usd => "$",
        Currency::Eur => "€",
        Currency::Xtr => "XTR",
    };
    format!("{sign}{grouped}{comma}{fraction}\u{a0}{unit}")
}

/// A moment in a zone: `20.11.2026, 15:31`.
#[must_use]
pub fn moment(at: DateTime<Utc>, zone: Tz) -> String {
    local(at.with_timezone(&zone).naive_local())
}

/// A local time: `20.11.2026, 15:31`.
#[must_use]
pub fn local(at: NaiveDateTime) -> String {
    at.format("%d.%m.%Y, %H:%M").to_string()
}

/// The short number of a receipt.
#[must_use]
pub fn short_number(id: ReceiptId) -> String {
    short_id(id.0)
}

/// The short number of an operation. Its end, since the beginning of such an id is the time.
#[must_use]
pub fn short_id(id: Uuid) -> String {
    let text = id.simple().to_string().to_ascii_uppercase();
    text.get(24..).unwrap_or_default().to_owned()
}

/// A text of at most `limit` characters, with a sign that something is missing.
#[must_use]
pub fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn money_is_written_as_people_here_write_it() {
        assert_eq!(money(Money::new(100, Currency::Uah)), "1,00\u{a0}₴");
        assert_eq!(
            money(Money::new(123_456_789, Currency::Uah)),
            "1\u{a0}234\u{a0}567,89\u{a0}₴"
        );
        assert_eq!(money(Money::new(-5, Currency::Rub)), "−0,05\u{a0}₽");
        assert_eq!(money(Money::new(7, Currency::Xtr)), "7\u{a0}XTR");
        assert!(money(Money::new(i64::MIN, Currency::Uah)).starts_with('−'));
    }

    #[test]
    fn times_are_shown_in_kyiv() {
        let at = DateTime::parse_from_rfc3339("2026-03-14T22:05:00Z")
            .unwrap()
            .to_utc();
        assert_eq!(moment(at, chrono_tz::Europe::Kyiv), "15.03.2026, 00:05");
    }

    #[test]
    fn what_looks_like_a_tag_is_shown_and_not_obeyed() {
        assert_eq!(escape("<b>A&B</b>\""), "&lt;b&gt;A&amp;B&lt;/b&gt;&quot;");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        assert_eq!(cut("їжак", 4), "їжак");
        assert_eq!(cut("їжачок", 4), "їжа…");
    }
}
