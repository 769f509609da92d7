//! Money as Portmone writes it: a decimal text, read and written without a float.

use std::fmt;

/// An amount in kopecks (1/100 UAH). Never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kopecks(i64);

/// The text is not an amount in the one form that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an amount with at most two decimals")]
pub struct AmountError;

impl Kopecks {
    /// The longest accepted text. Twelve digits of hryvnia are beyond any payout and far below overflow.
    const MAX_TEXT: usize = 15;

    /// An amount from minor units.
    ///
    /// # Errors
    /// A negative number.
    pub fn new(minor: i64) -> Result<Self, AmountError> {
        if minor < 0 {
            Err(AmountError)
        } else {
            Ok(Self(minor))
        }
    }

    /// The amount in minor units.
    #[must_use]
    pub fn minor(self) -> i64 {
        self.0
    }

    /// Reads `50`, `50.0` or `50.00`. Signs, exponents, separators, spaces, a third decimal and digits of other scripts are refused:
    /// whatever is unclear about money must stop here rather than be guessed.
    ///
    /// # Errors
    /// Any other form.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        if text.len() > Self::MAX_TEXT {
            return Err(AmountError);
        }
        let (whole, cents) = match text.split_once('.') {
            Some((whole, cents)) if matches!(cents.len(), 1 | 2) => (whole, cents),
            Some(_) => return Err(AmountError),
            None => (text, ""),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(cents) {
            return Err(AmountError);
        }
        let major: i64 = whole.parse().map_err(|_| AmountError)?;
        let minor: i64 = match cents.len() {
            0 => 0,
            1 => cents
                .parse::<i64>()
                .map_err(|_| AmountError)?
                .saturating_mul(10),
            _ => cents.parse().map_err(|_| AmountError)?,
        };
        major
            .checked_mul(100)
            .and_then(|kopecks| kopecks.checked_add(minor))
            .map(Self)
            .ok_or(AmountError)
    }
}

/// Writes the form that goes on the wire: always two decimals.
impl fmt::Display for Kopecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_accepted_forms_are_read_exactly() {
        for (text, minor) in [
            ("50.00", 5_000),
            ("50", 5_000),
            ("50.5", 5_050),
            ("0.01", 1),
            ("0", 0),
            ("999999999999.99", 99_999_999_999_999),
        ] {
            assert_eq!(Kopecks::parse(text).unwrap().minor(), minor, "{text}");
        }
    }

    #[test]
    fn every_other_form_is_refused() {
        for text in [
            "",
            ".",
            "5.",
            ".5",
            "100.001",
            "1e2",
            "-1.00",
            "+1.00",
            " 1.00",
            "1.00 ",
            "1,00",
            "1 000.00",
            "1_0",
            "0x10",
            "NaN",
            "inf",
            "1.0.0",
            "００",
            "١٠",
            "1000000000000000000",
            "9999999999999999999999",
        ] {
            assert_eq!(Kopecks::parse(text), Err(AmountError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(minor in 0_i64..99_999_999_999_999) {
            let amount = Kopecks::new(minor).unwrap();
            prop_assert_eq!(Kopecks::parse(&amount.to_string()), Ok(amount));
        }
    }
}
