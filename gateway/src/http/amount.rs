//! Amounts as the API writes and reads them.

use kvit_domain::money::{Currency, Money};
use kvit_projections::column::Wide;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{Answer, Problem};

/// An amount: programs calculate with `minor`, people read `decimal`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Amount {
    /// Minor units: kopiykas, cents, stars.
    #[schema(example = 100)]
    pub minor: i64,
    /// UAH, RUB, USD, EUR or XTR.
    #[schema(example = "UAH")]
    pub currency: String,
    /// The same amount with a dot and the currency's decimals.
    #[schema(example = "1.00")]
    pub decimal: String,
}

impl From<Money> for Amount {
    fn from(money: Money) -> Self {
        Self {
            minor: money.minor,
            currency: money.currency.code().to_owned(),
            decimal: money.to_decimal(),
        }
    }
}

impl Amount {
    /// So many minor units of a currency.
    #[must_use]
    pub fn of(minor: i64, currency: Currency) -> Self {
        Money::new(minor, currency).into()
    }
}

/// A sum of many amounts.
///
/// # Errors
/// `internal_error` when it does not fit into 64 bits.
pub fn wide(sum: Wide, currency: Currency) -> Answer<Amount> {
    let minor =
        i64::try_from(sum.0).map_err(|_| Problem::fatal(&"a sum does not fit into 64 bits"))?;
    Ok(Amount::of(minor, currency))
}

/// An amount in a request.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AmountInput {
    /// Minor units.
    #[schema(example = 100)]
    pub minor: i64,
    /// UAH, RUB, USD, EUR or XTR.
    #[schema(example = "UAH")]
    pub currency: String,
}

impl AmountInput {
    /// The amount, when the currency is known.
    ///
    /// # Errors
    /// `invalid_body` at `pointer`.
    pub fn money(&self, pointer: &str) -> Answer<Money> {
        self.currency
            .parse()
            .map(|currency| Money::new(self.minor, currency))
            .map_err(|error| {
                Problem::new("invalid_body", "a field of the body is not as expected")
                    .field(format!("{pointer}/currency"), format!("{error}"))
            })
    }
}
