//! Why a receipt earns nothing, or must be looked at by a person.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! reason_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)+) => {
        /// The code of a reason; stored in events and shown to shoppers in their language, so a code never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ReasonCode {
            $($(#[$doc])* $name,)+
        }

        impl ReasonCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable name, as in JSON.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }
        }
    };
}

reason_codes! {
    /// Too little could be read.
    Unreadable = "unreadable",
    /// The photo shows something else.
    NotAReceipt = "not_a_receipt",
    /// Goods were given back.
    ReturnReceipt = "return_receipt",
    /// No line of goods was found.
    NoItems = "no_items",
    /// Nothing on it meets the campaign's conditions on goods.
    NoEligibleProduct = "no_eligible_product",
    /// Bought too long ago.
    Expired = "expired",
    /// Dated after it was sent.
    FutureDate = "future_date",
    /// The shopper has had as many rewards as the campaign gives.
    DailyLimit = "daily_limit",
    /// The same picture was sent before.
    DuplicateImage = "duplicate_image",
    /// The same fiscal receipt was sent before.
    DuplicateReceipt = "duplicate_receipt",
    /// The lines do not add up to the total.
    TotalMismatch = "total_mismatch",
    /// Not sure enough to decide without a person.
    LowConfidence = "low_confidence",
    /// The text and the QR code disagree.
    QrMismatch = "qr_mismatch",
    /// The campaign does not run, or not for this purchase.
    CampaignInactive = "campaign_inactive",
    /// The campaign has no money left for this reward.
    BudgetExhausted = "budget_exhausted",
    /// Signs of fraud.
    SuspectedFraud = "suspected_fraud",
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A reason with the facts that it follows from, by name: what a shopper is told and what a reviewer looks at.
///
/// Facts are text, so that an old event stays readable whatever facts a later version adds. Sums are in minor units,
/// times are local times of Kyiv (`2026-03-14T15:31:00`), confidences are thousandths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The code.
    pub code: ReasonCode,
    /// The facts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
}

impl Reason {
    /// A reason without facts yet.
    #[must_use]
    pub const fn new(code: ReasonCode) -> Self {
        Self {
            code,
            facts: BTreeMap::new(),
        }
    }

    /// The same reason with one more fact.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.facts.insert(name.to_owned(), value.to_string());
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn there_are_sixteen_codes_and_json_uses_the_same_names() {
        assert_eq!(ReasonCode::ALL.len(), 16);
        for code in ReasonCode::ALL {
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{code}\""));
        }
    }
}
