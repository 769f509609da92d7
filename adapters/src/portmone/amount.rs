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
    /// Most digits of hryvnia: beyond any payout and far below overflow.
    const MAX_WHOLE: usize = 12;

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
        let (whole, cents) = match text.split_once('.') {
            Some((whole, cents)) if matches!(cents.len(), 1 | 2) => (whole, cents),
            Some(_) => return Err(AmountError),
            None => (text, ""),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let fits = (1..=Self::MAX_WHOLE).contains(&whole.len());
        if !fits || !digits(whole) || !digits(cents) {
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

/// A sum that moved, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Movement {
    /// To the payee.
    Forward(Kopecks),
    /// Back to the payer: the provider writes it with a minus.
    Back(Kopecks),
}

impl Movement {
    /// Reads an amount before which one minus may stand. Nothing at all has not moved, so zero is refused with either sign.
    ///
    /// # Errors
    /// Any form that [`Kopecks::parse`] refuses, and zero.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        let (back, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let amount = Kopecks::parse(digits)?;
        match (amount.minor(), back) {
            (0, _) => Err(AmountError),
            (_, true) => Ok(Self::Back(amount)),
            (_, false) => Ok(Self::Forward(amount)),
        }
    }

    /// The sum without its direction.
    #[must_use]
    pub fn amount(self) -> Kopecks {
        match self {
            Self::Forward(amount) | Self::Back(amount) => amount,
        }
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
            "1000000000000",
            "1000000000000000000",
            "9999999999999999999999",
        ] {
            assert_eq!(Kopecks::parse(text), Err(AmountError), "{text:?}");
        }
    }

    #[test]
    fn a_minus_means_back_and_nothing_else_is_a_sign() {
        let uah = |minor| Kopecks::new(minor).unwrap();
        assert_eq!(Movement::parse("50"), Ok(Movement::Forward(uah(5_000))));
        assert_eq!(Movement::parse("-9"), Ok(Movement::Back(uah(900))));
        assert_eq!(Movement::parse("1.01"), Ok(Movement::Forward(uah(101))));
        assert_eq!(Movement::parse("-120.35"), Ok(Movement::Back(uah(12_035))));
        for text in [
            "--9", "+9", "- 9", "9-", "-", "0", "-0", "0.00", "−9", "-1e2",
        ] {
            assert_eq!(Movement::parse(text), Err(AmountError), "{text:?}");
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
