//! A payment: money that somebody pays in through a provider, and what is given back of it.
//!
//! ```text
//! Intended ─ sent ─▶ Sending ─ created ─▶ Pending ──▶ AwaitingCapture ──▶ Succeeded ── refunds
//!                       ╲                   ╲  ╲            │                 ▲
//!                        ╲                   ╲  ╰──▶ Canceled ◀──╯            │ (late, proven)
//!                         ╰──────────────────────────▶ Quarantined ──────────╯ (a person decides)
//! ```
//! Nothing that a provider sends is believed. What moves a payment is a *snapshot*: the provider's own object, read again
//! with our credentials, compared field by field with the intent. The same snapshot twice changes nothing; a snapshot
//! that is older than what is known changes nothing either, because states only move forwards.

mod decide;
mod refunds;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::aggregate::aggregate;
use crate::ids::{HoldId, PaymentId, RefundId, UserId, WalletId};
use crate::ledger::ProviderName;
use crate::money::Money;

pub use refunds::{Refund, RefundSnapshot, RefundState, RefundStatus};

/// Days after its creation for which a payment can be refunded: three years (YooKassa, refunds).
pub const REFUND_DAYS_MAX: i64 = 3 * 365;
/// Most refunds of one payment.
pub const REFUNDS_MAX: usize = 100;

/// What was asked for, fixed at the intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentTerms {
    /// Who pays and is credited.
    pub user_id: UserId,
    /// Which wallet.
    pub wallet_id: WalletId,
    /// Through whom.
    pub provider: ProviderName,
    /// How much.
    pub amount: Money,
    /// Whether the money is taken at once (one stage) or held until a capture (two stages).
    pub capture: bool,
    /// Whether the provider must call the payment a test: a test shop outside of production, never in it.
    pub test: bool,
    /// Where the payer's browser comes back to; it proves nothing.
    pub return_url: String,
    /// After this nobody waits for it any more. Money that still comes is credited and flagged.
    pub expires_at: DateTime<Utc>,
}

/// What happened to a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaymentEvent {
    /// Somebody wants to pay.
    PaymentIntended {
        /// What was asked for.
        terms: PaymentTerms,
    },
    /// The creating call is about to leave.
    PaymentSent {
        /// Generation of the idempotence key, from 1; raised only after proof that nothing was created.
        generation: u32,
        /// When the first call of this generation left: the key's age counts from here.
        at: DateTime<Utc>,
    },
    /// Proven: the creating call created nothing.
    PaymentNotCreated {
        /// Which generation.
        generation: u32,
        /// The provider's or our code.
        code: String,
        /// Whether there will be no further try. Then nothing was paid and nothing can be.
        is_final: bool,
    },
    /// The provider has the payment.
    PaymentCreated {
        /// The provider's id.
        provider_id: String,
        /// Where the payer pays.
        confirmation_url: Option<String>,
    },
    /// The payer's money is held by the provider.
    PaymentAwaitingCapture {
        /// How much.
        amount: Money,
        /// When the provider gives it back by itself.
        expires_at: Option<DateTime<Utc>>,
    },
    /// The held money, or a part of it, shall be taken. Durable before the call.
    CaptureIntended {
        /// How much.
        amount: Money,
    },
    /// The held money shall be given back. Durable before the call.
    CancelIntended {},
    /// The money is there, and the wallet is credited in the same append.
    PaymentSucceeded {
        /// What was paid, which after a partial capture is less than asked for.
        amount: Money,
        /// What the provider keeps of it, if it said so.
        fee: Option<Money>,
        /// Whether it came after we had given it up.
        late: bool,
    },
    /// It will not be paid.
    PaymentCanceled {
        /// Who ended it, the provider's word.
        party: String,
        /// Why, the provider's word.
        reason: String,
    },
    /// It does not fit the intent: nothing is credited, a person must look. What was really paid is booked to suspense in
    /// the same append.
    PaymentQuarantined {
        /// Why.
        reason: String,
        /// What the provider says was paid, when money did move.
        received: Option<Money>,
    },
    /// A person says what shall become of a quarantined payment; another one must agree before anything follows.
    ResolutionProposed {
        /// What would be credited.
        credited: Option<Money>,
        /// Who.
        by: String,
        /// How they know.
        reason: String,
    },
    /// A second person has agreed about a quarantined payment.
    QuarantineResolved {
        /// Credited to the wallet in the same append; `None`: it is not the user's.
        credited: Option<Money>,
        /// Who.
        by: String,
        /// How they know.
        reason: String,
    },
    /// More came than what is known of: the payer has paid a second time. The excess is booked to suspense in the same append.
    PaymentOverpaid {
        /// What has come in all, as the provider says.
        total: Money,
        /// What of it was not known before.
        excess: Money,
    },
    /// The provider now says something that contradicts a final state. Nothing follows by itself.
    PaymentContradicted {
        /// What it says.
        status: String,
    },
    /// A part of the money, or all, shall go back. The amount is held on the wallet in the same append.
    RefundIntended {
        /// The refund.
        refund_id: RefundId,
        /// How much.
        amount: Money,
        /// The hold.
        hold_id: HoldId,
        /// Why, for the statement.
        reason: String,
    },
    /// The refunding call is about to leave.
    RefundSent {
        /// The refund.
        refund_id: RefundId,
        /// Generation of the idempotence key, from 1.
        generation: u32,
        /// When the first call of this generation left.
        at: DateTime<Utc>,
    },
    /// Proven: the refunding call moved nothing, and another may leave.
    RefundNotSent {
        /// The refund.
        refund_id: RefundId,
        /// Generation of the key that was not used.
        generation: u32,
    },
    /// The provider has the refund; it is not done yet.
    RefundCreated {
        /// The refund.
        refund_id: RefundId,
        /// The provider's id.
        provider_refund_id: String,
    },
    /// The money went back: the hold becomes a booking in the same append.
    RefundSucceeded {
        /// The refund; derived from the provider's id when we had not asked for it.
        refund_id: RefundId,
        /// The provider's id.
        provider_refund_id: String,
        /// How much.
        amount: Money,
        /// Whether it was made without us, in the provider's cabinet.
        foreign: bool,
    },
    /// Proven: no money went back. The hold is released in the same append.
    RefundFailed {
        /// The refund.
        refund_id: RefundId,
        /// Why, the provider's word or ours.
        reason: String,
    },
}

/// A provider's payment as it was read with our credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentSnapshot {
    /// The provider's id.
    pub provider_id: String,
    /// Our operation id in its metadata, if it carries one.
    pub operation_id: Option<String>,
    /// Where it stands.
    pub status: SnapshotStatus,
    /// What was asked for or, once paid, what was taken.
    pub amount: Money,
    /// What the provider keeps of it.
    pub fee: Option<Money>,
    /// Whether no real money moves.
    pub test: bool,
    /// Where the payer pays.
    pub confirmation_url: Option<String>,
    /// When the provider ends it by itself.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Where a provider's payment stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotStatus {
    /// Nobody has paid yet.
    Pending,
    /// Paid and held.
    AwaitingCapture,
    /// Paid and taken.
    Succeeded,
    /// Ended without money.
    Canceled {
        /// Who ended it.
        party: String,
        /// Why.
        reason: String,
    },
    /// A state that this program does not know. It changes nothing.
    Other(String),
}

/// What can be asked of a payment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields as in the events")]
pub enum PaymentCommand {
    /// Start it.
    Intend { terms: PaymentTerms },
    /// The creating call is about to leave. The same generation again repeats the call under the same key and records
    /// nothing.
    RecordSent { generation: u32, at: DateTime<Utc> },
    /// Proven: the call of this generation created nothing.
    RecordNotCreated {
        generation: u32,
        code: String,
        is_final: bool,
    },
    /// What the provider says now, read with our credentials.
    Observe {
        payment_id: PaymentId,
        snapshot: PaymentSnapshot,
        now: DateTime<Utc>,
    },
    /// Take the held money.
    IntendCapture { amount: Money },
    /// Give the held money back.
    IntendCancel,
    /// A person's decision about a quarantined payment.
    ResolveQuarantine {
        credited: Option<Money>,
        by: String,
        reason: String,
    },
    /// Give money back; the caller holds it on the wallet in the same append.
    IntendRefund {
        refund_id: RefundId,
        amount: Money,
        hold_id: HoldId,
        reason: String,
        now: DateTime<Utc>,
    },
    /// The refunding call is about to leave.
    RecordRefundSent {
        refund_id: RefundId,
        generation: u32,
        at: DateTime<Utc>,
    },
    /// Proven: the first refunding call of this generation moved nothing.
    RecordRefundNotSent {
        refund_id: RefundId,
        generation: u32,
    },
    /// What the provider says now about a refund, ours or not.
    ObserveRefund { snapshot: RefundSnapshot },
    /// Proven: the refunding call moved nothing and will not be repeated.
    FailRefund { refund_id: RefundId, reason: String },
}

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Not intended.
    #[default]
    New,
    /// Intended; no call has left.
    Intended,
    /// A creating call has left or is about to; whether the provider has the payment is not known.
    Sending,
    /// The provider waits for the payer.
    Pending,
    /// Paid and held by the provider.
    AwaitingCapture,
    /// Paid and credited. Terminal, but for refunds.
    Succeeded,
    /// Ended without money. Terminal, unless the provider proves that it was paid after all.
    Canceled,
    /// A person must decide.
    Quarantined,
    /// A person has decided. Terminal.
    Resolved,
}

impl PaymentState {
    /// The name in APIs, metrics and tables.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Intended => "intended",
            Self::Sending => "sending",
            Self::Pending => "pending",
            Self::AwaitingCapture => "awaiting_capture",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
            Self::Quarantined => "quarantined",
            Self::Resolved => "resolved",
        }
    }

    /// Whether the provider has nothing more to tell, refunds aside.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Canceled | Self::Quarantined | Self::Resolved
        )
    }
}

/// The payment as its events left it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Payment {
    /// Where it stands.
    pub state: PaymentState,
    /// What was asked for.
    pub terms: Option<PaymentTerms>,
    /// Generation of the creating call's key, from 1.
    pub generation: u32,
    /// When the first call of this generation left.
    pub sent_at: Option<DateTime<Utc>>,
    /// The provider's id.
    pub provider_id: Option<String>,
    /// Where the payer pays.
    pub confirmation_url: Option<String>,
    /// What was paid of what was asked for; for one that was set aside, what was received.
    pub paid: Option<Money>,
    /// What came beyond that, minor units.
    pub excess_minor: i64,
    /// What of all this stands in the suspense account, minor units of `paid`'s currency.
    pub suspense_minor: i64,
    /// Whether a wallet was credited.
    pub is_credited: bool,
    /// What the provider took or was asked to take.
    pub capture: Option<Money>,
    /// Whether the held money shall be given back.
    pub cancel_intended: bool,
    /// When the provider gives held money back by itself.
    pub capture_until: Option<DateTime<Utc>>,
    /// Refunds by id.
    pub refunds: BTreeMap<RefundId, Refund>,
    /// What a person has proposed for a quarantined payment, and who.
    pub proposed: Option<(Option<Money>, String)>,
    /// The last contradiction, so that each is recorded once.
    contradicted: Option<String>,
}

impl Payment {
    /// What went back or is on its way back, minor units.
    #[must_use]
    pub fn refunded_minor(&self) -> i64 {
        self.refunds
            .values()
            .filter(|refund| refund.state != RefundState::Failed)
            .fold(0, |sum, refund| sum.saturating_add(refund.amount.minor))
    }

    /// How much of a refund that we did not ask for comes out of the suspense account, minor units: what never became the
    /// user's goes back first, and a user who was credited nothing owes nothing.
    #[must_use]
    pub fn from_suspense_minor(&self, amount: Money) -> i64 {
        if self.is_credited {
            amount.minor.min(self.suspense_minor.max(0))
        } else {
            amount.minor
        }
    }

    fn evolve(&mut self, event: PaymentEvent) {
        match event {
            PaymentEvent::PaymentIntended { terms } => {
                self.terms = Some(terms);
                self.state = PaymentState::Intended;
                self.generation = 1;
            }
            PaymentEvent::PaymentSent { generation, at } => {
                self.state = PaymentState::Sending;
                self.generation = generation;
                self.sent_at = Some(at);
            }
            PaymentEvent::PaymentNotCreated {
                generation,
                is_final,
                ..
            } => {
                self.sent_at = None;
                self.generation = generation.saturating_add(1);
                self.state = if is_final {
                    PaymentState::Canceled
                } else {
                    PaymentState::Intended
                };
            }
            PaymentEvent::PaymentCreated {
                provider_id,
                confirmation_url,
            } => {
                self.provider_id = Some(provider_id);
                self.confirmation_url = confirmation_url;
                self.state = PaymentState::Pending;
            }
            PaymentEvent::PaymentAwaitingCapture { expires_at, .. } => {
                self.state = PaymentState::AwaitingCapture;
                self.capture_until = expires_at;
            }
            PaymentEvent::CaptureIntended { amount } => self.capture = Some(amount),
            PaymentEvent::CancelIntended {} => self.cancel_intended = true,
            PaymentEvent::PaymentSucceeded { amount, .. } => {
                self.state = PaymentState::Succeeded;
                self.paid = Some(amount);
                self.is_credited = true;
            }
            PaymentEvent::PaymentCanceled { .. } => self.state = PaymentState::Canceled,
            PaymentEvent::PaymentQuarantined { received, .. } => {
                self.state = PaymentState::Quarantined;
                self.paid = received;
                self.suspense_minor = received.map_or(0, |amount| amount.minor);
            }
            PaymentEvent::ResolutionProposed { credited, by, .. } => {
                self.proposed = Some((credited, by));
            }
            PaymentEvent::QuarantineResolved { credited, .. } => {
                self.state = PaymentState::Resolved;
                if let Some(amount) = credited {
                    self.suspense_minor = self.suspense_minor.saturating_sub(amount.minor);
                    self.is_credited = true;
                }
            }
            PaymentEvent::PaymentOverpaid { excess, .. } => {
                self.excess_minor = self.excess_minor.saturating_add(excess.minor);
                self.suspense_minor = self.suspense_minor.saturating_add(excess.minor);
            }
            PaymentEvent::PaymentContradicted { status } => self.contradicted = Some(status),
            refund => self.evolve_refund(refund),
        }
    }
}

aggregate!(
    Payment,
    "payment",
    PaymentCommand,
    PaymentEvent {
        PaymentIntended,
        PaymentSent,
        PaymentNotCreated,
        PaymentCreated,
        PaymentAwaitingCapture,
        CaptureIntended,
        CancelIntended,
        PaymentSucceeded,
        PaymentCanceled,
        PaymentQuarantined,
        ResolutionProposed,
        QuarantineResolved,
        PaymentOverpaid,
        PaymentContradicted,
        RefundIntended,
        RefundSent,
        RefundNotSent,
        RefundCreated,
        RefundSucceeded,
        RefundFailed,
    }
);
