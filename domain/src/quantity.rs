//! Quantities of goods in thousandths, as fiscal registers print them (`1.000`, `0.345`).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::money::MoneyError;

/// A quantity in thousandths of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quantity(i64);

impl Quantity {
    /// One whole unit.
    pub const ONE: Self = Self(1_000);

    /// A quantity of so many thousandths.
    #[must_use]
    pub const fn from_thousandths(thousandths: i64) -> Self {
        Self(thousandths)
    }

    /// The quantity in thousandths.
    #[must_use]
    pub const fn thousandths(self) -> i64 {
        self.0
    }

    /// The price of this quantity in minor units, rounded half away from zero as fiscal registers do.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn price(self, unit_price_minor: i64) -> Result<i64, MoneyError> {
        let exact = i128::from(self.0) * i128::from(unit_price_minor);
        let half = if exact < 0 { -500 } else { 500 };
        i64::try_from((exact + half) / 1_000).map_err(|_| MoneyError::Overflow)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let absolute = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:03}", absolute / 1_000, absolute % 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fractional_quantity_is_priced_to_the_nearest_minor_unit() {
        assert_eq!(Quantity::from_thousandths(345).price(10_000), Ok(3_450));
        assert_eq!(Quantity::from_thousandths(333).price(1_001), Ok(333));
        assert_eq!(Quantity::from_thousandths(500).price(1), Ok(1));
        assert_eq!(
            Quantity::from_thousandths(i64::MAX).price(i64::MAX),
            Err(MoneyError::Overflow)
        );
        assert_eq!(Quantity::from_thousandths(-1_500).to_string(), "-1.500");
    }
}
