//! What a campaign promises and on which conditions: the part of a campaign that the rules read.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::money::{Currency, Money, MoneyError};
use crate::quantity::Quantity;
use crate::rejection::Rejection;

/// The terms of one version of a campaign. Sums are minor units of [`CampaignTerms::currency`], days are days in Kyiv.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignTerms {
    /// Currency of the reward, the budgets and the receipts.
    pub currency: Currency,
    /// How old a purchase may be, in days; exactly so many days, to the minute, is still in time.
    pub window_days: u16,
    /// First day on which a purchase counts; any when absent.
    #[serde(default)]
    pub starts_on: Option<NaiveDate>,
    /// Last day on which a purchase counts; any when absent.
    #[serde(default)]
    pub ends_on: Option<NaiveDate>,
    /// What must have been bought.
    pub products: ProductCondition,
    /// Tax ids of the shops that take part; all when empty.
    #[serde(default)]
    pub merchant_tax_ids: Vec<String>,
    /// What is paid.
    pub reward: Reward,
    /// Accepted receipts of one person a day.
    pub daily_limit: u32,
    /// Accepted receipts of one person in all; no limit when absent.
    #[serde(default)]
    pub limit_in_all: Option<u32>,
    /// Rewards of a day; no limit when absent.
    #[serde(default)]
    pub budget_daily_minor: Option<i64>,
    /// Rewards in all; no limit when absent.
    #[serde(default)]
    pub budget_total_minor: Option<i64>,
    /// Whether text alone may earn, without a QR code that vouches for total and date.
    #[serde(default)]
    pub allow_without_qr: bool,
}

/// Conditions on the goods; all must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductCondition {
    /// Codes of the catalogue's products that count; all of it when empty.
    #[serde(default)]
    pub codes: Vec<String>,
    /// Brand words; a line with one of them counts, known to the catalogue or not.
    #[serde(default)]
    pub brand_keywords: Vec<String>,
    /// Least quantity of such goods on the receipt.
    pub minimum_quantity: Quantity,
    /// Least sum of such goods on the receipt, after discounts.
    #[serde(default)]
    pub minimum_sum_minor: i64,
}

/// What an accepted receipt earns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reward {
    /// A fixed sum for the receipt.
    Fixed {
        /// The sum.
        minor: i64,
    },
    /// A sum for each whole unit of the goods that count; part of a pack earns nothing.
    PerItem {
        /// For one unit.
        minor: i64,
        /// At most for a receipt.
        #[serde(default)]
        cap_minor: Option<i64>,
    },
    /// A share of the price of the goods that count, after discounts, rounded down.
    Percent {
        /// Hundredths of a percent: 500 is 5 %.
        basis_points: u32,
        /// At most for a receipt.
        cap_minor: i64,
    },
}

impl Reward {
    /// The reward for goods of this quantity (whole units) and price.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn amount(
        self,
        units: i64,
        price_minor: i64,
        currency: Currency,
    ) -> Result<Money, MoneyError> {
        let minor = match self {
            Self::Fixed { minor } => minor,
            Self::PerItem { minor, cap_minor } => {
                let sum = units.checked_mul(minor).ok_or(MoneyError::Overflow)?;
                cap_minor.map_or(sum, |cap| sum.min(cap))
            }
            Self::Percent {
                basis_points,
                cap_minor,
            } => {
                let share = i128::from(price_minor) * i128::from(basis_points) / 10_000;
                i64::try_from(share)
                    .map_err(|_| MoneyError::Overflow)?
                    .min(cap_minor)
            }
        };
        Ok(Money::new(minor, currency))
    }

    const fn largest_parameter_is_positive(self) -> bool {
        match self {
            Self::Fixed { minor }
            | Self::PerItem {
                minor,
                cap_minor: None,
            } => minor > 0,
            Self::PerItem {
                minor,
                cap_minor: Some(cap),
            } => minor > 0 && cap > 0,
            Self::Percent {
                basis_points,
                cap_minor,
            } => basis_points > 0 && basis_points <= 10_000 && cap_minor > 0,
        }
    }
}

impl CampaignTerms {
    /// The default campaign: 1.00 UAH for a receipt with a product of «Дарниця», at most 7 days old, three a day.
    #[must_use]
    pub fn default_campaign(budget_daily_minor: i64, budget_total_minor: i64) -> Self {
        Self {
            currency: Currency::Uah,
            window_days: 7,
            starts_on: None,
            ends_on: None,
            products: ProductCondition {
                codes: Vec::new(),
                brand_keywords: vec!["Дарниця".to_owned()],
                minimum_quantity: Quantity::from_thousandths(1),
                minimum_sum_minor: 0,
            },
            merchant_tax_ids: Vec::new(),
            reward: Reward::Fixed { minor: 100 },
            daily_limit: 3,
            limit_in_all: None,
            budget_daily_minor: Some(budget_daily_minor),
            budget_total_minor: Some(budget_total_minor),
            allow_without_qr: false,
        }
    }

    /// Refuses terms that no receipt could meet or that contradict themselves.
    ///
    /// # Errors
    /// `invalid_command` with the field's name.
    pub fn validate(&self) -> Result<(), Rejection> {
        let limits = [self.budget_daily_minor, self.budget_total_minor];
        let wrong = if self.window_days == 0 || self.window_days > 366 {
            "window_days"
        } else if self
            .starts_on
            .zip(self.ends_on)
            .is_some_and(|(first, last)| first > last)
        {
            "ends_on"
        } else if !self.reward.largest_parameter_is_positive() {
            "reward"
        } else if self.daily_limit == 0 {
            "daily_limit"
        } else if limits.into_iter().flatten().any(|budget| budget < 0) {
            "budget"
        } else if self.products.minimum_sum_minor < 0
            || self.products.minimum_quantity.thousandths() < 0
        {
            "products"
        } else {
            return Ok(());
        };
        Err(Rejection::new(
            "invalid_command",
            "the campaign's terms contradict themselves",
        )
        .with("field", wrong))
    }
}
