//! Our own operations, found by what a provider calls them, and listed for comparison.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kvit_domain::ids::PayoutId;
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::Money;
use kvit_domain::reconciliation::StatementKind;

use super::statement::ItemStatus;

/// One of our operations, as our books have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OurItem {
    /// Our operation's id.
    pub operation: String,
    /// The provider's id, once it told one.
    pub provider_id: Option<String>,
    /// How much.
    pub amount: Money,
    /// The fee that is booked with it.
    pub fee: Option<Money>,
    /// Where it stands.
    pub status: ItemStatus,
    /// When we began it.
    pub created_at: DateTime<Utc>,
}

/// The read models did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("our operations cannot be read: {0}")]
pub struct OperationsFault(pub String);

/// Finds and lists our operations. Answers are at least as new as the log was when the question was asked.
#[async_trait]
pub trait Operations: Send + Sync {
    /// The payout that has this bill, or this provider's id.
    async fn payout_by_bill(
        &self,
        provider: ProviderName,
        bill_id: &str,
    ) -> Result<Option<PayoutId>, OperationsFault>;

    /// Operations of a kind that were begun in `from..to`, each once.
    async fn list(
        &self,
        provider: ProviderName,
        kind: StatementKind,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<OurItem>, OperationsFault>;
}
