//! A provider that moves a reward to a phone number.

use async_trait::async_trait;
use chrono::NaiveDateTime;
use kvit_domain::money::Money;

/// What is asked of a provider. The destination is in the clear here and nowhere else.
#[derive(Clone)]
pub struct PayoutOrder {
    /// Our operation id, carried in the provider's comment where it has one.
    pub operation_id: String,
    /// Phone number, twelve digits, `380XXXXXXXXX`.
    pub phone: String,
    /// Which operator's account to credit.
    pub operator: kvit_domain::phone::Operator,
    /// The amount.
    pub amount: Money,
}

/// What a provider says about a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillView {
    /// The provider's id of the bill: the only handle by which it can be asked about.
    pub bill_id: String,
    /// Where it stands.
    pub status: BillStatus,
    /// What the provider says was paid.
    pub paid_amount: Option<Money>,
    /// When, the provider's local time.
    pub paid_at: Option<NaiveDateTime>,
}

/// The states of a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BillStatus {
    /// It exists; no money has moved.
    Created,
    /// It was accepted; the end is not known yet.
    Pending,
    /// The money has moved.
    Paid,
    /// It will not be paid.
    Rejected,
}

/// A call that did not give a clear good answer, by "could the bytes have been processed?".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderFault {
    /// Proven: nothing was sent. Safe to try again.
    #[error("not sent: {0}")]
    NotSent(String),
    /// Proven: the provider refused.
    #[error("refused with code {code}")]
    Refused {
        /// The provider's code, opaque.
        code: String,
        /// What kind of refusal it is, as far as the adapter can tell.
        kind: RefusalKind,
    },
    /// Not known whether it was processed. Only asking can tell.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// The answer speaks of another bill, payee, phone or amount. A person must look.
    #[error("answer does not match: {0}")]
    Mismatch(String),
}

/// What a refusal means for the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The number or operator is wrong: another number is needed.
    Destination,
    /// The provider is busy, out of deposit or in maintenance: a later attempt may succeed.
    Temporary,
    /// Anything else: final.
    Permanent,
}

/// The provider's calls, none of which retries by itself.
#[async_trait]
pub trait PayoutProvider: Send + Sync {
    /// Name in events and metrics, such as `portmone`.
    fn name(&self) -> &'static str;
    /// Creates a bill. No money moves; an orphan bill is harmless.
    async fn create(&self, order: &PayoutOrder) -> Result<BillView, ProviderFault>;
    /// Pays a bill: the money moves.
    async fn pay(&self, order: &PayoutOrder, bill_id: &str) -> Result<BillView, ProviderFault>;
    /// Asks about a bill. `Ok(None)` when the provider offers no way to ask.
    async fn status(
        &self,
        order: &PayoutOrder,
        bill_id: &str,
    ) -> Result<Option<BillView>, ProviderFault>;
}
