//! Our number of an order, which is all that the provider keeps of ours.
//!
//! It has room for what must be known about a payment that nobody has tried to pay, and of which the provider therefore shows
//! nothing: whose it is, since when, and how much is asked.

use chrono::{DateTime, Utc};
use kvit_domain::ids::PaymentId;

use crate::portmone::amount::Kopecks;

/// `{payment}_{seconds since 1970}_{kopecks}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderNumber {
    /// Our payment.
    pub payment_id: PaymentId,
    /// When its page was asked for, to the second.
    pub asked_at: DateTime<Utc>,
    /// What is asked.
    pub amount: Kopecks,
}

impl std::fmt::Display for OrderNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (at, minor) = (self.asked_at.timestamp(), self.amount.minor());
        write!(f, "{}_{at}_{minor}", self.payment_id)
    }
}

impl OrderNumber {
    /// Reads a number of ours; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('_');
        let (payment, at, minor) = (parts.next()?, parts.next()?, parts.next()?);
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if parts.next().is_some() || !digits(at) || !digits(minor) {
            return None;
        }
        let number = Self {
            payment_id: payment.parse().ok()?,
            asked_at: DateTime::from_timestamp(at.parse().ok()?, 0)?,
            amount: Kopecks::new(minor.parse().ok()?).ok()?,
        };
        // One payment has one number, so another spelling of the same is not ours.
        (number.to_string() == text).then_some(number)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_ours_is_read_back_and_no_other_text_passes_for_one() {
        let number = OrderNumber {
            payment_id: PaymentId::derived("payment", "1"),
            asked_at: DateTime::from_timestamp(1_795_000_000, 0).unwrap(),
            amount: Kopecks::new(10_050).unwrap(),
        };
        let text = number.to_string();
        assert_eq!(OrderNumber::parse(&text), Some(number));
        assert!(text.ends_with("_1795000000_10050") && text.len() < 64);
        for other in [
            "op-42".to_owned(),
            String::new(),
            format!("{text}_1"),
            format!("{text} "),
            text.to_uppercase(),
            text.replace("_10050", "_010050"),
            text.replace("_10050", "_-10050"),
            text.replace("_10050", "_99999999999999999999"),
            text.replace('-', ""),
        ] {
            assert_eq!(OrderNumber::parse(&other), None, "{other}");
        }
    }
}
