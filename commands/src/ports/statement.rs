//! A provider's own lists and settlement documents, for reconciliation.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::Money;
use kvit_domain::reconciliation::StatementKind;

use super::payment::PaymentFault;

/// Most items of one statement; a day with more is refused loudly, not cut.
pub const STATEMENT_ITEMS_MAX: usize = 200_000;

/// Where an item of a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemStatus {
    /// Money moved.
    Done,
    /// Not finished.
    Open,
    /// Ended without money.
    Failed,
}

/// One item of a provider's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementItem {
    /// The provider's id.
    pub provider_id: String,
    /// Our operation's id, where the provider carries it.
    pub operation_id: Option<String>,
    /// How much, above zero.
    pub amount: Money,
    /// What the provider kept, where it says so.
    pub fee: Option<Money>,
    /// Where it stands.
    pub status: ItemStatus,
    /// When it was created, the provider's clock.
    pub created_at: DateTime<Utc>,
}

/// What a provider says about itself.
#[async_trait]
pub trait StatementSource: Send + Sync {
    /// Whose.
    fn provider(&self) -> ProviderName;
    /// Which lists it can give.
    fn kinds(&self) -> Vec<StatementKind>;
    /// Every item created in `from..to`, each once, in the order of creation, however many appear while the pages are read.
    async fn items(
        &self,
        kind: StatementKind,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<StatementItem>, PaymentFault>;
    /// What the provider holds for payouts, if it can say so: the pre-flight of payouts, and a figure for operators.
    async fn payout_balance(&self) -> Result<Option<Money>, PaymentFault> {
        Ok(None)
    }
}
