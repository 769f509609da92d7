//! Exchange rates as integers: a quote, and what an amount is at it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::money::{Currency, Money};
use crate::rejection::Rejection;

/// A rate that somebody promised for a time: `numerator` minor units of `to` for `denominator` minor units of `from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// What is given.
    pub from: Currency,
    /// What is got.
    pub to: Currency,
    /// Minor units got, above zero.
    pub numerator: i64,
    /// Minor units given for them, above zero.
    pub denominator: i64,
    /// Who promised it.
    pub source: String,
    /// Since when.
    pub quoted_at: DateTime<Utc>,
    /// Until when; not valid at this moment any more.
    pub expires_at: DateTime<Utc>,
}

impl Quote {
    /// What an amount is at this rate. A fraction of a minor unit is cut off: it stays with the operator's exchange account,
    /// where both sides are booked whole, so that nothing appears or vanishes in either currency.
    ///
    /// # Errors
    /// `quote_expired`, `currency_mismatch`, `invalid_command` for a rate that is none, `amount_not_positive` when nothing
    /// would be left, `amount_too_large`.
    pub fn convert(&self, amount: Money, now: DateTime<Utc>) -> Result<Money, Rejection> {
        if self.numerator <= 0
            || self.denominator <= 0
            || self.from == self.to
            || self.source.is_empty()
            || self.source.len() > 100
        {
            return Err(Rejection::new(
                "invalid_command",
                "a quote needs two currencies, a rate above zero and a source of at most 100 bytes",
            ));
        }
        if now < self.quoted_at || now >= self.expires_at {
            return Err(Rejection::new("quote_expired", "ask for a new quote")
                .with("expires_at", self.expires_at.to_rfc3339()));
        }
        if amount.currency != self.from {
            return Err(Rejection::new(
                "currency_mismatch",
                "the quote is for another currency",
            ));
        }
        if !amount.is_positive() {
            return Err(Rejection::new(
                "amount_not_positive",
                "there is nothing to exchange",
            ));
        }
        let exact = i128::from(amount.minor) * i128::from(self.numerator);
        let got = i64::try_from(exact / i128::from(self.denominator))
            .map_err(|_| Rejection::new("amount_too_large", "the exchanged amount does not fit"))?;
        if got == 0 {
            return Err(Rejection::new(
                "amount_not_positive",
                "the amount is too small to exchange: nothing would be left",
            ));
        }
        Ok(Money::new(got, self.to))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
    }

    fn quote(numerator: i64, denominator: i64) -> Quote {
        Quote {
            from: Currency::Rub,
            to: Currency::Uah,
            numerator,
            denominator,
            source: "desk".to_owned(),
            quoted_at: at(0),
            expires_at: at(60),
        }
    }

    #[test]
    fn f54_an_expired_quote_and_a_result_of_nothing_are_refused() {
        let rub = |minor| Money::new(minor, Currency::Rub);
        assert_eq!(
            quote(1, 2).convert(rub(101), at(1)),
            Ok(Money::new(50, Currency::Uah))
        );
        let code = |result: Result<Money, Rejection>| result.unwrap_err().code;
        assert_eq!(code(quote(1, 2).convert(rub(101), at(60))), "quote_expired");
        assert_eq!(code(quote(1, 2).convert(rub(101), at(-1))), "quote_expired");
        assert_eq!(
            code(quote(1, 2).convert(rub(1), at(1))),
            "amount_not_positive"
        );
        assert_eq!(
            code(quote(i64::MAX, 1).convert(rub(i64::MAX), at(1))),
            "amount_too_large"
        );
        assert_eq!(code(quote(1, 0).convert(rub(1), at(1))), "invalid_command");
    }

    proptest! {
        #[test]
        fn exchange_never_gives_more_than_the_rate_and_less_than_one_unit_below_it(
            minor in 1..1_000_000_000_i64, numerator in 1..1_000_000_i64, denominator in 1..1_000_000_i64
        ) {
            if let Ok(got) = quote(numerator, denominator).convert(Money::new(minor, Currency::Rub), at(1)) {
                let exact = i128::from(minor) * i128::from(numerator);
                let back = i128::from(got.minor) * i128::from(denominator);
                prop_assert!(back <= exact && exact - back < i128::from(denominator));
            }
        }
    }
}
