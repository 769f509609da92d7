//! A campaign's terms as the API reads and shows them.

use chrono::NaiveDate;
use kvit_domain::money::Currency;
use kvit_domain::quantity::Quantity;
use kvit_domain::rules::{CampaignTerms, ProductCondition, Reward};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::problem::{Answer, Problem};

/// What an accepted receipt earns. Amounts are minor units of the campaign's currency.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RewardTerms {
    /// A fixed sum for the receipt.
    Fixed {
        /// The sum.
        #[schema(example = 100)]
        minor: i64,
    },
    /// A sum for each whole unit of the goods that count.
    PerItem {
        /// For one unit.
        minor: i64,
        /// At most for a receipt.
        #[serde(default)]
        cap_minor: Option<i64>,
    },
    /// A share of the price of the goods that count.
    Percent {
        /// Hundredths of a percent: 500 is 5 %.
        basis_points: u32,
        /// At most for a receipt.
        cap_minor: i64,
    },
}

/// Conditions on the goods; all must hold.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductTerms {
    /// Codes of the catalogue's products that count; all of it when empty.
    #[serde(default)]
    pub codes: Vec<String>,
    /// Brand words; a line with one of them counts.
    #[serde(default)]
    pub brand_keywords: Vec<String>,
    /// Least quantity of such goods, thousandths of a unit.
    #[serde(default = "one_thousandth")]
    #[schema(example = 1)]
    pub minimum_quantity_thousandths: i64,
    /// Least sum of such goods, minor units.
    #[serde(default)]
    pub minimum_sum_minor: i64,
}

const fn one_thousandth() -> i64 {
    1
}

/// The terms of a campaign.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Currency of the reward, the budgets and the receipts.
    #[schema(example = "UAH")]
    pub currency: String,
    /// How old a purchase may be, days.
    #[schema(example = 7)]
    pub window_days: u16,
    /// First day on which a purchase counts.
    #[serde(default, deserialize_with = "crate::http::extract::plausible_or_none")]
    pub starts_on: Option<NaiveDate>,
    /// Last day on which a purchase counts.
    #[serde(default, deserialize_with = "crate::http::extract::plausible_or_none")]
    pub ends_on: Option<NaiveDate>,
    /// What must have been bought.
    pub products: ProductTerms,
    /// Tax ids of the shops that take part; all when empty.
    #[serde(default)]
    pub merchant_tax_ids: Vec<String>,
    /// What is paid.
    pub reward: RewardTerms,
    /// Accepted receipts of one person a day.
    #[schema(example = 3)]
    pub daily_limit: u32,
    /// Accepted receipts of one person in all.
    #[serde(default)]
    pub limit_in_all: Option<u32>,
    /// Rewards of a day, minor units.
    #[serde(default)]
    pub budget_daily_minor: Option<i64>,
    /// Rewards in all, minor units.
    #[serde(default)]
    pub budget_total_minor: Option<i64>,
    /// Whether text alone may earn, without a QR code.
    #[serde(default)]
    pub allow_without_qr: bool,
}

impl Terms {
    /// The terms as the rules know them.
    ///
    /// # Errors
    /// `invalid_body` when the currency is unknown.
    pub fn into_domain(self) -> Answer<CampaignTerms> {
        let currency: Currency = self.currency.parse().map_err(|error| {
            Problem::new("invalid_body", "a field of the body is not as expected")
                .field("/terms/currency", format!("{error}"))
        })?;
        Ok(CampaignTerms {
            currency,
            window_days: self.window_days,
            starts_on: self.starts_on,
            ends_on: self.ends_on,
            products: ProductCondition {
                codes: self.products.codes,
                brand_keywords: self.products.brand_keywords,
                minimum_quantity: Quantity::from_thousandths(
                    self.products.minimum_quantity_thousandths,
                ),
                minimum_sum_minor: self.products.minimum_sum_minor,
            },
            merchant_tax_ids: self.merchant_tax_ids,
            reward: match self.reward {
                RewardTerms::Fixed { minor } => Reward::Fixed { minor },
                RewardTerms::PerItem { minor, cap_minor } => Reward::PerItem { minor, cap_minor },
                RewardTerms::Percent {
                    basis_points,
                    cap_minor,
                } => Reward::Percent {
                    basis_points,
                    cap_minor,
                },
            },
            daily_limit: self.daily_limit,
            limit_in_all: self.limit_in_all,
            budget_daily_minor: self.budget_daily_minor,
            budget_total_minor: self.budget_total_minor,
            allow_without_qr: self.allow_without_qr,
        })
    }
}

impl From<CampaignTerms> for Terms {
    fn from(terms: CampaignTerms) -> Self {
        Self {
            currency: terms.currency.code().to_owned(),
            window_days: terms.window_days,
            starts_on: terms.starts_on,
            ends_on: terms.ends_on,
            products: ProductTerms {
                codes: terms.products.codes,
                brand_keywords: terms.products.brand_keywords,
                minimum_quantity_thousandths: terms.products.minimum_quantity.thousandths(),
                minimum_sum_minor: terms.products.minimum_sum_minor,
            },
            merchant_tax_ids: terms.merchant_tax_ids,
            reward: match terms.reward {
                Reward::Fixed { minor } => RewardTerms::Fixed { minor },
                Reward::PerItem { minor, cap_minor } => RewardTerms::PerItem { minor, cap_minor },
                Reward::Percent {
                    basis_points,
                    cap_minor,
                } => RewardTerms::Percent {
                    basis_points,
                    cap_minor,
                },
            },
            daily_limit: terms.daily_limit,
            limit_in_all: terms.limit_in_all,
            budget_daily_minor: terms.budget_daily_minor,
            budget_total_minor: terms.budget_total_minor,
            allow_without_qr: terms.allow_without_qr,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn terms_come_back_as_they_went() {
        let mut terms = CampaignTerms::default_campaign(100, 1_000);
        terms.reward = Reward::Percent {
            basis_points: 500,
            cap_minor: 300,
        };
        terms.limit_in_all = Some(9);
        assert_eq!(Terms::from(terms.clone()).into_domain().unwrap(), terms);
    }
}
