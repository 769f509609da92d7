//! A provider that moves money out: to a phone number, a bank account, a wallet or a card.

use std::time::Duration;

use async_trait::async_trait;
use chrono::NaiveDateTime;
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::Money;

/// What is asked of a provider. The destination is in the clear here and nowhere else.
#[derive(Clone)]
pub struct PayoutOrder {
    /// Our operation id, carried in the provider's comment where it has one.
    pub operation_id: String,
    /// Phone number, twelve digits, `380XXXXXXXXX`; for other methods the wallet's number or the card's token.
    pub phone: String,
    /// Which operator's account to credit, for a mobile top-up.
    pub operator: Option<kvit_domain::phone::Operator>,
    /// In which way.
    pub method: kvit_domain::payout::PayoutMethod,
    /// The amount.
    pub amount: Money,
    /// Attempt, from 1: with the operation it makes the key under which a provider recognises the same call.
    pub attempt: u32,
    /// The provider's own id, once it told one.
    pub provider_id: Option<String>,
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
    /// The provider's id of the payout, where it is another one than the bill's.
    pub provider_id: Option<String>,
}

/// The states of a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BillStatus {
    /// It exists, or could still be made under the same key; no money has moved.
    Created,
    /// It was accepted; the end is not known yet.
    Pending,
    /// The money has moved.
    Paid,
    /// It will not be paid.
    Rejected,
    /// It was paid and taken back.
    Reversed,
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

/// When a paying call may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repay {
    /// At any time: a bill moves money once.
    Always,
    /// While the provider remembers the key, counted from the first call.
    Within(Duration),
}

/// The provider's calls, none of which retries by itself.
#[async_trait]
pub trait PayoutProvider: Send + Sync {
    /// Whose books it is in; its code is the name in events and metrics.
    fn provider(&self) -> ProviderName;
    /// While a bill that the provider calls [`BillStatus::Created`] some time after an unclear answer may be paid again under
    /// the same id: where a bill, or the provider's memory of a key, lets the money move once.
    fn repay(&self) -> Repay {
        Repay::Always
    }
    /// Makes a bill, or only the key of the paying call where the provider knows no bills. No money moves; an orphan is
    /// harmless.
    async fn create(&self, order: &PayoutOrder) -> Result<BillView, ProviderFault>;
    /// Pays a bill: the money moves.
    async fn pay(&self, order: &PayoutOrder, bill_id: &str) -> Result<BillView, ProviderFault>;
    /// Asks about a bill. `Ok(None)` when the provider offers no way to ask. [`ProviderFault::Refused`] is an answer here: the
    /// provider has refused the payout for good. A provider that refuses to *tell* is [`ProviderFault::Unknown`].
    async fn status(
        &self,
        order: &PayoutOrder,
        bill_id: &str,
    ) -> Result<Option<BillView>, ProviderFault>;
}
