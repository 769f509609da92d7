//! A payout: money on its way from a wallet to a phone number, through every way it can go wrong.
//!
//! ```text
//! Held ── created ─▶ Created ── sent ─▶ Sent ──▶ Succeeded ──▶ Reversed
//!  ▲  ╲                 ╲                │ ╲──▶ Pending | Unknown ──▶ Succeeded | Failed | InReview
//!  │   ╲─ failed ──╮     ╲─ failed ──╮   ╰─ failed ──╮
//!  ╰── next attempt ◀── not final ◀──┴───────────────┴──▶ Failed (final): the hold is released
//! ```
//! `PayoutSent` is the durable intent: it is in the log before the first byte of the paying call leaves. From then on
//! nothing but a proven answer moves the payout on; unknown keeps the hold and is resolved only by asking. Where the
//! provider's contract says that a bill moves money once, a bill that it calls unpaid may be paid again under the same id.

mod decide;
#[cfg(test)]
mod tests;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::aggregate;
use crate::ids::{HoldId, ReceiptId, UserId, WalletId};
use crate::ledger::ProviderName;
use crate::money::Money;
use crate::phone::Operator;
use crate::sealed::Sealed;

/// What happened to a payout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PayoutEvent {
    /// Somebody or a policy wants it.
    PayoutRequested {
        /// Who gets it.
        user_id: UserId,
        /// From which wallet.
        wallet_id: WalletId,
        /// How much.
        amount: Money,
        /// What the method needs: a phone number, a wallet's number, a card's token.
        destination: Sealed,
        /// Whose account is credited, for a mobile top-up.
        operator: Option<Operator>,
        /// Through whom.
        provider: ProviderName,
        /// The receipt whose bonus it is, if it is one.
        receipt_id: Option<ReceiptId>,
        /// In which way.
        method: PayoutMethod,
    },
    /// The amount is reserved on the wallet (in the same append as the wallet's `HoldPlaced`).
    FundsHeld {
        /// The hold.
        hold_id: HoldId,
    },
    /// The provider has a bill; no money has moved.
    PayoutCreated {
        /// Attempt, from 1.
        attempt: u32,
        /// The provider's id of the bill.
        bill_id: String,
    },
    /// The paying call is about to leave.
    PayoutSent {
        /// Attempt, from 1.
        attempt: u32,
        /// Names the one call that may leave: who finds another name here must not pay.
        sender: Uuid,
        /// When, by the clock of the sender.
        at: DateTime<Utc>,
    },
    /// It counts against the budget of this day.
    BudgetTaken {
        /// The day, in the books' zone.
        day: NaiveDate,
    },
    /// It waits, visibly: for a budget, a breaker, or a person who stopped the provider.
    PayoutPostponed {
        /// Why: `daily_budget`, `breaker` or `kill_switch`.
        reason: String,
        /// Until when, if that is known.
        until: Option<DateTime<Utc>>,
    },
    /// The provider has accepted it; the money has not arrived yet.
    PayoutPending {
        /// Attempt, from 1.
        attempt: u32,
        /// The provider's id, where it is another one than the bill's.
        provider_id: Option<String>,
    },
    /// Nobody knows yet whether the money moved.
    PayoutUnknown {
        /// Attempt, from 1.
        attempt: u32,
        /// What was seen, without personal data.
        reason: String,
    },
    /// The provider proved that the money moved.
    PayoutSucceeded {
        /// The bill.
        bill_id: String,
        /// When, the provider's local time, if told.
        paid_at: Option<NaiveDateTime>,
        /// The provider's id, where it is another one than the bill's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider_id: Option<String>,
    },
    /// Proven: this attempt moved no money.
    PayoutFailed {
        /// Attempt, from 1.
        attempt: u32,
        /// Provider's or our code.
        code: String,
        /// Whether there will be no further attempt; then the hold is released in the same append.
        is_final: bool,
        /// When the next attempt may start, if there will be one.
        retry_at: Option<DateTime<Utc>>,
    },
    /// The provider took the money back; the wallet is credited again in the same append.
    PayoutReversed {
        /// The bill.
        bill_id: String,
    },
    /// A person says what had happened; another one must agree before anything follows.
    ReviewProposed {
        /// Whether the money moved.
        paid: bool,
        /// Who says so.
        by: String,
        /// How they know.
        reason: String,
    },
    /// The provider says that a payout that has ended otherwise was paid. Nothing follows by itself.
    PayoutContradicted {
        /// What it says.
        status: String,
    },
    /// A second person agreed; the outcome follows in the same append.
    ReviewDecided {
        /// Whether the money moved.
        paid: bool,
        /// How they know.
        reason: String,
    },
    /// A person must look: the hold stays.
    SentToReview {
        /// Why.
        reason: String,
    },
}

/// What can be asked of a payout.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields as in PayoutEvent")]
pub enum PayoutCommand {
    /// Start it; the caller places the hold in the same append.
    Request {
        user_id: UserId,
        wallet_id: WalletId,
        amount: Money,
        destination: Sealed,
        operator: Option<Operator>,
        provider: ProviderName,
        receipt_id: Option<ReceiptId>,
        method: PayoutMethod,
        hold_id: HoldId,
    },
    /// Count it against a day's budget; the caller takes the quota in the same append.
    TakeBudget { day: NaiveDate },
    /// Let it wait before its next step.
    Postpone {
        reason: String,
        until: Option<DateTime<Utc>>,
    },
    /// The provider made a bill.
    RecordCreated { attempt: u32, bill_id: String },
    /// The intent to pay, before the call.
    RecordSent {
        attempt: u32,
        sender: Uuid,
        at: DateTime<Utc>,
    },
    /// The intent to pay the same bill once more, because the provider says that it is unpaid. A bill moves money once,
    /// so this cannot pay twice; only for providers whose contract says so.
    RecordSentAgain {
        attempt: u32,
        sender: Uuid,
        at: DateTime<Utc>,
        /// When the provider forgets the key under which it recognises the call; from then on it must not be repeated.
        key_expires_at: Option<DateTime<Utc>>,
    },
    /// The provider has accepted it.
    RecordPending {
        attempt: u32,
        provider_id: Option<String>,
    },
    /// The call ended without a clear answer.
    RecordUnknown { attempt: u32, reason: String },
    /// The provider proved success.
    Succeed {
        bill_id: String,
        paid_at: Option<NaiveDateTime>,
        provider_id: Option<String>,
    },
    /// The provider proved that it took the money back; the caller credits the wallet in the same append.
    RecordReversed { bill_id: String },
    /// The provider, or the lack of a connection, proved that no money moved.
    Fail {
        attempt: u32,
        when: FailedWhen,
        code: String,
        is_final: bool,
        retry_at: Option<DateTime<Utc>>,
    },
    /// Give it to a person.
    SendToReview { reason: String },
    /// What a person found out: the first one proposes, a second one who says the same decides.
    DecideReview {
        paid: bool,
        by: String,
        reason: String,
        now: DateTime<Utc>,
    },
    /// End it before anything has left.
    Cancel { reason: String },
    /// The provider says that it is paid although it has ended otherwise.
    Contradict { status: String },
}

/// What a proven failure is about. A failure that was decided on an earlier state than the payout's is no proof any more:
/// meanwhile somebody else may be paying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailedWhen {
    /// No bill could be made.
    BeforeBill,
    /// There is a bill, and no paying call was let go.
    BeforeSending,
    /// This paying call moved nothing.
    AfterSending {
        /// The call.
        sender: Uuid,
    },
}

/// In which way money goes out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum PayoutMethod {
    /// To the account of a mobile number.
    #[default]
    MobileTopUp,
    /// To a bank account by phone number, through the system of fast payments.
    Sbp {
        /// The provider's id of the bank.
        bank_id: String,
    },
    /// To a YooMoney wallet.
    YoomoneyWallet,
    /// To a card, by a token that the provider's own form made.
    CardToken,
}

impl PayoutMethod {
    /// The name in APIs and tables.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MobileTopUp => "mobile_top_up",
            Self::Sbp { .. } => "sbp",
            Self::YoomoneyWallet => "yoomoney_wallet",
            Self::CardToken => "card_token",
        }
    }
}

/// How long after a call nobody may call its payout unpaid: the call, or what it set off, may still be under way.
pub const UNPAID_AFTER: TimeDelta = TimeDelta::minutes(10);

/// Most paying calls for one bill.
pub const SENDS_MAX: u32 = 5;

/// Where a payout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayoutState {
    /// Not requested.
    #[default]
    New,
    /// Money is held; an attempt may start.
    Held,
    /// A bill exists.
    Created,
    /// The paying call has left or is about to.
    Sent,
    /// The provider has accepted it and has not finished.
    Pending,
    /// Nobody knows.
    Unknown,
    /// Paid. Terminal but for a reversal by the provider.
    Succeeded,
    /// Not paid, hold released. Terminal.
    Failed,
    /// A person must decide.
    InReview,
    /// Paid and taken back. Terminal.
    Reversed,
}

impl PayoutState {
    /// The name in APIs, metrics and tables.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Held => "held",
            Self::Created => "created",
            Self::Sent => "sent",
            Self::Pending => "pending",
            Self::Unknown => "unknown",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::InReview => "in_review",
            Self::Reversed => "reversed",
        }
    }
}

/// What was asked for, fixed at the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayoutTerms {
    /// Who gets it.
    pub user_id: UserId,
    /// From which wallet.
    pub wallet_id: WalletId,
    /// How much.
    pub amount: Money,
    /// Sealed phone number, wallet number or token.
    pub destination: Sealed,
    /// Operator, for a mobile top-up.
    pub operator: Option<Operator>,
    /// Provider.
    pub provider: ProviderName,
    /// Receipt, if any.
    pub receipt_id: Option<ReceiptId>,
    /// In which way.
    #[serde(default)]
    pub method: PayoutMethod,
}

/// The payout as its events left it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Payout {
    /// Where it stands.
    pub state: PayoutState,
    /// What was asked for.
    pub terms: Option<PayoutTerms>,
    /// The hold.
    pub hold_id: Option<HoldId>,
    /// Current attempt, from 1.
    pub attempt: u32,
    /// Bill of the current attempt.
    pub bill_id: Option<String>,
    /// The one call that may pay, once the intent is recorded.
    pub sender: Option<Uuid>,
    /// When that call was let go.
    pub sent_at: Option<DateTime<Utc>>,
    /// When the first call for the current bill was let go: a provider's memory of the key counts from here.
    pub first_sent_at: Option<DateTime<Utc>>,
    /// The provider's own id, once it told one.
    pub provider_id: Option<String>,
    /// The day whose budget it has taken.
    pub budget_day: Option<NaiveDate>,
    /// Why it waits, if it does.
    pub postponed: Option<String>,
    /// What a person has proposed, and who.
    pub proposed: Option<(bool, String)>,
    contradicted: Option<String>,
    /// Paying calls for the current bill.
    pub sends: u32,
    /// When the next attempt may start.
    pub retry_at: Option<DateTime<Utc>>,
}

impl Payout {
    fn evolve(&mut self, event: PayoutEvent) {
        match event {
            PayoutEvent::PayoutRequested {
                user_id,
                wallet_id,
                amount,
                destination,
                operator,
                provider,
                receipt_id,
                method,
            } => {
                self.terms = Some(PayoutTerms {
                    user_id,
                    wallet_id,
                    amount,
                    destination,
                    operator,
                    provider,
                    receipt_id,
                    method,
                });
                self.attempt = 1;
            }
            PayoutEvent::FundsHeld { hold_id } => {
                self.hold_id = Some(hold_id);
                self.state = PayoutState::Held;
            }
            PayoutEvent::PayoutCreated { attempt, bill_id } => {
                self.attempt = attempt;
                self.bill_id = Some(bill_id);
                self.postponed = None;
                self.retry_at = None;
                self.state = PayoutState::Created;
            }
            PayoutEvent::PayoutSent { sender, at, .. } => {
                self.state = PayoutState::Sent;
                self.sender = Some(sender);
                self.sent_at = Some(at);
                self.first_sent_at.get_or_insert(at);
                self.sends = self.sends.saturating_add(1);
                self.postponed = None;
                self.proposed = None;
            }
            PayoutEvent::BudgetTaken { day } => self.budget_day = Some(day),
            PayoutEvent::PayoutPostponed { reason, until } => {
                self.postponed = Some(reason);
                self.retry_at = until;
            }
            PayoutEvent::PayoutPending { provider_id, .. } => {
                self.state = PayoutState::Pending;
                self.provider_id = provider_id.or_else(|| self.provider_id.take());
            }
            PayoutEvent::PayoutUnknown { .. } => self.state = PayoutState::Unknown,
            PayoutEvent::PayoutSucceeded {
                bill_id,
                provider_id,
                ..
            } => {
                self.bill_id = Some(bill_id);
                self.provider_id = provider_id.or_else(|| self.provider_id.take());
                self.state = PayoutState::Succeeded;
            }
            PayoutEvent::PayoutFailed { is_final: true, .. } => self.state = PayoutState::Failed,
            PayoutEvent::PayoutFailed {
                attempt, retry_at, ..
            } => {
                self.state = PayoutState::Held;
                self.attempt = attempt.saturating_add(1);
                self.bill_id = None;
                self.sender = None;
                self.sent_at = None;
                self.first_sent_at = None;
                self.provider_id = None;
                self.postponed = None;
                self.proposed = None;
                self.sends = 0;
                self.retry_at = retry_at;
            }
            PayoutEvent::PayoutReversed { .. } => self.state = PayoutState::Reversed,
            PayoutEvent::ReviewProposed { paid, by, .. } => self.proposed = Some((paid, by)),
            PayoutEvent::ReviewDecided { .. } => self.proposed = None,
            PayoutEvent::PayoutContradicted { status } => self.contradicted = Some(status),
            PayoutEvent::SentToReview { .. } => self.state = PayoutState::InReview,
        }
    }
}

aggregate!(
    Payout,
    "payout",
    PayoutCommand,
    PayoutEvent {
        PayoutRequested @ "2",
        FundsHeld,
        PayoutCreated,
        PayoutSent,
        BudgetTaken,
        PayoutPostponed,
        PayoutPending,
        PayoutUnknown,
        PayoutSucceeded,
        PayoutFailed,
        PayoutReversed,
        ReviewProposed,
        ReviewDecided,
        PayoutContradicted,
        SentToReview,
    }
);
