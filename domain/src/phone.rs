//! Ukrainian mobile numbers in one form, and the operator that a prefix hints at.
//!
//! Prefixes are a hint only: numbers are portable, and the provider's answer decides.

use serde::{Deserialize, Serialize};

use crate::rejection::Rejection;

/// A mobile operator that can be topped up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// Kyivstar.
    Kyivstar,
    /// Vodafone Ukraine.
    Vodafone,
    /// lifecell.
    Lifecell,
}

impl Operator {
    /// Every operator.
    pub const ALL: [Self; 3] = [Self::Kyivstar, Self::Vodafone, Self::Lifecell];

    /// The name in configuration, events and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Kyivstar => "kyivstar",
            Self::Vodafone => "vodafone",
            Self::Lifecell => "lifecell",
        }
    }

    /// The operator that a number's prefix hints at (payments specification, B1).
    #[must_use]
    pub fn by_prefix(phone: &Phone) -> Option<Self> {
        match phone.0.get(3..5)? {
            "39" | "67" | "68" | "77" | "96" | "97" | "98" => Some(Self::Kyivstar),
            "50" | "66" | "95" | "99" => Some(Self::Vodafone),
            "63" | "73" | "93" => Some(Self::Lifecell),
            _ => None,
        }
    }
}

/// A Ukrainian number as twelve digits, `380XXXXXXXXX`. Its `Debug` is masked: numbers do not belong in logs.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone(String);

impl Phone {
    /// Reads a number as people and Telegram write it: `0671234567`, `80671234567`, `+380 67 123-45-67`, `671234567`.
    ///
    /// # Errors
    /// `invalid_phone` when it is no Ukrainian number, `operator_not_supported` when no operator has its prefix.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        let invalid = || {
            Rejection::new(
                "invalid_phone",
                "a Ukrainian mobile number such as 0671234567 is expected",
            )
        };
        if text.len() > 32 {
            return Err(invalid());
        }
        let mut digits = String::with_capacity(12);
        for (index, c) in text.trim().chars().enumerate() {
            match c {
                '0'..='9' => digits.push(c),
                '+' if index == 0 => {}
                ' ' | '-' | '(' | ')' | '\u{a0}' => {}
                _ => return Err(invalid()),
            }
        }
        let national = match digits.len() {
            12 => digits.strip_prefix("380"),
            11 => digits.strip_prefix("80"),
            10 => digits.strip_prefix('0'),
            9 => Some(digits.as_str()),
            _ => None,
        }
        .ok_or_else(invalid)?;
        let phone = Self(format!("380{national}"));
        if Operator::by_prefix(&phone).is_none() {
            return Err(Rejection::new(
                "operator_not_supported",
                "numbers of this operator cannot be topped up",
            ));
        }
        Ok(phone)
    }

    /// The twelve digits.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The number with its middle hidden: `+380 67 ***-**-67`.
    #[must_use]
    pub fn masked(&self) -> String {
        let part = |range| self.0.get(range).unwrap_or_default();
        format!("+380 {} ***-**-{}", part(3..5), part(10..12))
    }
}

impl std::fmt::Debug for Phone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Phone({})", self.masked())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_way_to_write_a_number_gives_the_same_twelve_digits() {
        for text in [
            "0671234567",
            "80671234567",
            "380671234567",
            "+380671234567",
            "671234567",
            "+380 (67) 123-45-67",
        ] {
            assert_eq!(
                Phone::parse(text).unwrap().digits(),
                "380671234567",
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_supported_number_is_refused_with_its_reason() {
        for (text, code) in [
            ("+79161234567", "invalid_phone"),
            ("12345", "invalid_phone"),
            ("380441234567", "operator_not_supported"),
            ("067+1234567", "invalid_phone"),
            ("０６７１２３４５６７", "invalid_phone"),
            ("", "invalid_phone"),
        ] {
            assert_eq!(Phone::parse(text).unwrap_err().code, code, "{text}");
        }
    }

    #[test]
    fn a_number_is_masked_wherever_it_is_shown() {
        let phone = Phone::parse("0671234567").unwrap();
        assert_eq!(phone.masked(), "+380 67 ***-**-67");
        assert!(!format!("{phone:?}").contains("12345"));
    }
}
