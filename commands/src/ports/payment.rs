//! A provider through which people pay in, and its refunds.
//!
//! None of the calls retries by itself. What a fault means for the money follows from one question: could the bytes have
//! been processed?

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use kvit_domain::ids::{PaymentId, RefundId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::Money;
use kvit_domain::payment::{PaymentSnapshot, RefundSnapshot};

/// A payment to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentOrder {
    /// Our operation, carried in the provider's metadata.
    pub payment_id: PaymentId,
    /// The key under which the provider recognises the same call again; made of operation and generation.
    pub idempotence_key: String,
    /// How much.
    pub amount: Money,
    /// Whether the money is taken at once.
    pub capture: bool,
    /// What the payer reads; no personal data.
    pub description: String,
    /// Where the payer's browser comes back to.
    pub return_url: String,
}

/// A refund to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundOrder {
    /// Our refund.
    pub refund_id: RefundId,
    /// Of which payment of ours.
    pub payment_id: PaymentId,
    /// The provider's id of the payment.
    pub provider_payment_id: String,
    /// The key under which the provider recognises the same call again.
    pub idempotence_key: String,
    /// How much.
    pub amount: Money,
    /// Why; no personal data.
    pub description: String,
}

/// A call that did not give a clear good answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentFault {
    /// Proven: nothing was sent. Safe to try again with the same key.
    #[error("not sent: {0}")]
    NotSent(String),
    /// Proven: the provider refused; nothing was executed. The same request will be refused again.
    #[error("refused with code {code}")]
    Refused {
        /// The provider's code, opaque.
        code: String,
    },
    /// Proven not executed, because the provider wants fewer calls. The same key later.
    #[error("too many requests")]
    TooManyRequests {
        /// When to try again.
        retry_after: Duration,
    },
    /// Our login or rights are wrong: nothing was executed, an operator must act. The same key later.
    #[error("the provider denies access")]
    Denied,
    /// Not known whether it was executed. Ask, or repeat under the same key while the provider remembers it.
    #[error("outcome unknown: {0}")]
    Unknown(String),
}

/// What a notification claims, before anybody has asked. Only names to ask with; nothing of it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoticeTopic {
    /// A payment of this provider's id, perhaps with our operation's id in its metadata.
    Payment {
        /// The provider's id.
        provider_id: String,
        /// Our operation's id, as claimed.
        operation_id: Option<String>,
        /// Whether it claims that the money came.
        paid: bool,
    },
    /// A refund.
    Refund {
        /// The provider's id of the refund.
        provider_refund_id: String,
        /// The provider's id of the payment.
        provider_payment_id: String,
    },
    /// A payout.
    Payout {
        /// The provider's id, or the bill's.
        provider_id: String,
        /// Our operation's id, as claimed.
        operation_id: Option<String>,
        /// Whether it claims that paid money came back.
        reversed: bool,
    },
    /// A settlement to the bank, for the reconciliation of that day.
    Settlement(SettlementDocument),
    /// Something that we have no use for.
    Other,
}

/// What a provider says that it has paid to the bank, and for which bills. It is compared with our books, bill by bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlementDocument {
    /// The provider's id of it.
    pub id: String,
    /// Its day by the provider's calendar, where that is told and can be read.
    pub day: Option<NaiveDate>,
    /// What it says that the bank got; zero when reversals and fees ate all of it.
    pub sum: Money,
    /// What the sum is made of, in the document's order.
    pub bills: Vec<SettlementBill>,
}

/// One bill of a settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlementBill {
    /// The provider's id of the bill. What went back carries the id of the bill that had been paid.
    pub bill_id: String,
    /// The provider's id of our payment, when the bill carries a number of ours; none has a payout.
    pub order_number: Option<String>,
    /// How much, above zero in both directions.
    pub amount: Money,
    /// What the provider kept of it, or gave back of that for a reversal; `None` where it says nothing.
    pub fee: Option<Money>,
    /// Whether the money went back.
    pub reversed: bool,
}

/// One claim of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The provider's name of the event, such as `payment.succeeded`.
    pub event: String,
    /// What it is about.
    pub topic: NoticeTopic,
}

/// A notification that cannot be read. It is kept and set aside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a notification of this provider: {0}")]
pub struct NoticeFault(pub String);

/// Reads a provider's notifications.
pub trait NoticeReader: Send + Sync {
    /// Whose.
    fn provider(&self) -> ProviderName;
    /// The claims of a body: one in most cases, several for a list, none for what we have no use for. Never panics, whatever
    /// the bytes.
    ///
    /// # Errors
    /// [`NoticeFault`] without any of the body's content.
    fn read(&self, content_type: &str, body: &[u8]) -> Result<Vec<Notice>, NoticeFault>;
}

/// The provider's calls.
#[async_trait]
pub trait PaymentProvider: Send + Sync {
    /// Whose books it is in.
    fn provider(&self) -> ProviderName;
    /// How long the provider remembers an idempotence key. A call is not repeated when the key is older.
    fn key_lifetime(&self) -> Duration;
    /// The same for refunding calls, where the provider makes a difference. Zero: it recognises none, so an unclear refund is
    /// never sent again.
    fn refund_key_lifetime(&self) -> Duration {
        self.key_lifetime()
    }
    /// Creates a payment, or answers the one that this key created, as it is now.
    async fn create(&self, order: &PaymentOrder) -> Result<PaymentSnapshot, PaymentFault>;
    /// The payment as it is now; `None` when the provider has none of this id, or it is another shop's.
    async fn get(&self, provider_id: &str) -> Result<Option<PaymentSnapshot>, PaymentFault>;
    /// The payment that carries our operation id, created not long after `since`. `None`: proven that there is none.
    async fn find(
        &self,
        payment_id: PaymentId,
        since: DateTime<Utc>,
    ) -> Result<Option<PaymentSnapshot>, PaymentFault>;
    /// Takes held money, all or a part.
    async fn capture(
        &self,
        provider_id: &str,
        amount: Money,
        idempotence_key: &str,
    ) -> Result<PaymentSnapshot, PaymentFault>;
    /// Gives held money back.
    async fn cancel(
        &self,
        provider_id: &str,
        idempotence_key: &str,
    ) -> Result<PaymentSnapshot, PaymentFault>;
    /// Creates a refund, or answers the one that this key created, as it is now. The answer's `refund_id` is the order's.
    async fn refund(&self, order: &RefundOrder) -> Result<RefundSnapshot, PaymentFault>;
    /// The refund as it is now.
    async fn get_refund(
        &self,
        provider_refund_id: &str,
    ) -> Result<Option<RefundSnapshot>, PaymentFault>;
    /// All refunds of a payment as they are now, those made in the provider's cabinet as well. Where the provider carries our
    /// id in a refund, `refund_id` is set.
    async fn refunds_of(
        &self,
        provider_payment_id: &str,
    ) -> Result<Vec<RefundSnapshot>, PaymentFault>;
}
