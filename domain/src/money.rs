//! Money as integers in minor units, with checked arithmetic only.
//!
//! There is no `Add` and no `From<f64>`: every sum can overflow and says so, and a fraction of a minor unit cannot be
//! written down. Amounts of different currencies never meet: the arithmetic refuses them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A currency the ledger keeps books in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// Ukrainian hryvnia, 100 kopiykas.
    Uah,
    /// Russian rouble, 100 kopecks.
    Rub,
    /// US dollar, 100 cents.
    Usd,
    /// Euro, 100 cents.
    Eur,
    /// Telegram Stars; whole stars only.
    Xtr,
}

impl Currency {
    /// Every currency, in the order of the enum.
    pub const ALL: [Self; 5] = [Self::Uah, Self::Rub, Self::Usd, Self::Eur, Self::Xtr];

    /// The ISO 4217 code (XTR is Telegram's own).
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Uah => "UAH",
            Self::Rub => "RUB",
            Self::Usd => "USD",
            Self::Eur => "EUR",
            Self::Xtr => "XTR",
        }
    }

    /// Digits after the decimal separator.
    #[must_use]
    pub const fn decimals(self) -> u32 {
        match self {
            Self::Xtr => 0,
            _ => 2,
        }
    }

    /// Minor units in one major unit.
    #[must_use]
    pub const fn scale(self) -> i64 {
        10_i64.pow(self.decimals())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Why a text is not an amount or a sum cannot be formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The result does not fit into 64 bits.
    #[error("the amount is too large")]
    Overflow,
    /// Two currencies met in one operation.
    #[error("amounts of {0} and {1} cannot be combined")]
    CurrencyMismatch(Currency, Currency),
    /// The text is not a decimal number of the currency.
    #[error("not an amount: digits, a dot and exactly {0} decimals are expected")]
    Malformed(u32),
    /// No currency has this code.
    #[error("unknown currency; one of UAH, RUB, USD, EUR, XTR is expected")]
    UnknownCurrency,
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|c| c.code() == text)
            .ok_or(MoneyError::UnknownCurrency)
    }
}

/// An amount in the minor units of its currency; may be zero or negative (a difference, an overdrawn account).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Minor units: kopiykas, cents, stars.
    pub minor: i64,
    /// The currency whose minor units these are.
    pub currency: Currency,
}

impl Money {
    /// An amount of `minor` minor units.
    #[must_use]
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing, in a currency.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// The sum.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`], [`MoneyError::Overflow`].
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let minor = self
            .minor
            .checked_add(other.minor)
            .ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// The difference.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`], [`MoneyError::Overflow`].
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let minor = self
            .minor
            .checked_sub(other.minor)
            .ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// Whether the amount is above zero.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.minor > 0
    }

    /// The number alone with a dot and the currency's decimals: `1234.50`, `-0.05`, `7` (XTR).
    #[must_use]
    pub fn to_decimal(self) -> String {
        let sign = if self.minor < 0 { "-" } else { "" };
        let absolute = self.minor.unsigned_abs();
        let scale = self.currency.scale().unsigned_abs();
        let width = self.currency.decimals() as usize;
        if width == 0 {
            return format!("{sign}{absolute}");
        }
        format!("{sign}{}.{:0width$}", absolute / scale, absolute % scale)
    }

    /// Reads a provider's amount strictly: ASCII digits, a dot and exactly the currency's decimals; no sign, no spaces,
    /// no exponent, no leading zero before another digit.
    ///
    /// # Errors
    /// [`MoneyError::Malformed`], [`MoneyError::Overflow`].
    pub fn parse_strict(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let decimals = currency.decimals();
        let malformed = MoneyError::Malformed(decimals);
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) if decimals > 0 => (whole, fraction),
            None if decimals == 0 => (text, ""),
            _ => return Err(malformed),
        };
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty()
            || leading_zero
            || fraction.len() != decimals as usize
            || !digits(whole)
            || !digits(fraction)
        {
            return Err(malformed);
        }
        let minor = format!("{whole}{fraction}")
            .parse()
            .map_err(|_| MoneyError::Overflow)?;
        Ok(Self { minor, currency })
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::CurrencyMismatch(self.currency, other.currency))
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_decimal(), self.currency)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_amount_prints_with_its_decimals_and_sign() {
        assert_eq!(Money::new(123_450, Currency::Uah).to_decimal(), "1234.50");
        assert_eq!(Money::new(-5, Currency::Rub).to_decimal(), "-0.05");
        assert_eq!(Money::new(7, Currency::Xtr).to_string(), "7 XTR");
        assert_eq!(
            Money::new(i64::MIN, Currency::Uah).to_decimal(),
            "-92233720368547758.08"
        );
    }

    #[test]
    fn a_providers_amount_is_read_strictly_or_refused() {
        assert_eq!(
            Money::parse_strict("100.00", Currency::Rub),
            Ok(Money::new(10_000, Currency::Rub))
        );
        for bad in [
            "100.0",
            "100",
            "1e2",
            "100.001",
            "-1.00",
            "+1.00",
            "００.00",
            "",
            ".",
            ".50",
            "1.",
            "01.00",
            " 1.00",
        ] {
            assert!(
                Money::parse_strict(bad, Currency::Rub).is_err(),
                "{bad:?} was accepted"
            );
        }
        assert_eq!(
            Money::parse_strict("1000000000000000000.00", Currency::Rub),
            Err(MoneyError::Overflow)
        );
        assert!(Money::parse_strict("5.0", Currency::Xtr).is_err());
    }

    #[test]
    fn sums_that_do_not_fit_or_mix_currencies_are_refused() {
        let most = Money::new(i64::MAX, Currency::Uah);
        assert_eq!(
            most.checked_add(Money::new(1, Currency::Uah)),
            Err(MoneyError::Overflow)
        );
        assert!(most.checked_add(Money::new(1, Currency::Rub)).is_err());
    }
}
