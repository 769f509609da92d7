//! A provider's own lists and settlement documents, for reconciliation.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
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
    /// Of a refund, the provider's id of its payment, where it says so.
    pub of_payment: Option<String>,
    /// How much, above zero.
    pub amount: Money,
    /// What the provider kept, where it says so.
    pub fee: Option<Money>,
    /// Where it stands.
    pub status: ItemStatus,
    /// When it was created, the provider's clock.
    pub created_at: DateTime<Utc>,
}

/// What of an item cannot be read. The words are ours: nothing that somebody else wrote stands in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// It names neither itself nor an operation.
    Name,
    /// A sum that is absent or in no exact form.
    Amount,
    /// A currency in which no books are kept here.
    Currency,
    /// When it was created.
    Date,
    /// Where it stands.
    Status,
    /// Whether its money is real.
    Test,
    /// Anything else that it must have.
    Form,
}

impl Flaw {
    /// The word in names of breaks and in logs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Amount => "amount",
            Self::Currency => "currency",
            Self::Date => "date",
            Self::Status => "status",
            Self::Test => "test",
            Self::Form => "form",
        }
    }
}

/// An item of a provider's list that cannot be compared: a person must look at it where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The provider's id. Where it has none that can be used, a name made of a digest, the same in each reading.
    pub provider_id: String,
    /// Our operation's id, where the provider carries it.
    pub operation_id: Option<String>,
    /// What cannot be read.
    pub flaw: Flaw,
    /// Where it stands, as far as that can be read.
    pub status: Option<ItemStatus>,
    /// When it was created, as far as that is known.
    pub created_at: Option<DateTime<Utc>>,
}

/// A list of which not every item could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// What can be compared, in the order of creation.
    pub items: Vec<StatementItem>,
    /// The rest, so that nothing is passed over in silence.
    pub unreadable: Vec<Unreadable>,
}

impl Listing {
    /// The items, if these are all of the list.
    ///
    /// # Errors
    /// [`PaymentFault::Unknown`] when one of them could not be read.
    pub fn whole(self) -> Result<Vec<StatementItem>, PaymentFault> {
        match self.unreadable.len() {
            0 => Ok(self.items),
            count => Err(PaymentFault::Unknown(format!(
                "{count} items of the list cannot be read"
            ))),
        }
    }
}

/// What a provider says about itself.
#[async_trait]
pub trait StatementSource: Send + Sync {
    /// Whose.
    fn provider(&self) -> ProviderName;
    /// Which lists it can give.
    fn kinds(&self) -> Vec<StatementKind>;
    /// Every item created in `from..to`, each once, in the order of creation, however many appear while the pages are read. An
    /// item that cannot be read makes the answer a fault.
    async fn items(
        &self,
        kind: StatementKind,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<StatementItem>, PaymentFault>;
    /// The same, with the items that cannot be read set apart. One without a date may be told for more windows than one.
    async fn listing(
        &self,
        kind: StatementKind,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Listing, PaymentFault> {
        Ok(Listing {
            items: self.items(kind, from, to).await?,
            unreadable: Vec::new(),
        })
    }
    /// How far the provider's moment of an operation may lie from ours at most. Both sides are looked up so much further than
    /// the day that is compared.
    fn apart(&self) -> TimeDelta {
        TimeDelta::hours(2)
    }
    /// What the provider holds for payouts, if it can say so: the pre-flight of payouts, and a figure for operators.
    async fn payout_balance(&self) -> Result<Option<Money>, PaymentFault> {
        Ok(None)
    }
}
