//! A payout: money on its way from a wallet to a phone number, through every way it can go wrong.
//!
//! ```text
//! Held ── created ─▶ Created ── sent ─▶ Sent ──▶ Succeeded
//!  ▲  ╲                 ╲                │ ╲──▶ Unknown ──▶ Succeeded | Failed | InReview
//!  │   ╲─ failed ──╮     ╲─ failed ──╮   ╰─ failed ──╮
//!  ╰── next attempt ◀── not final ◀──┴───────────────┴──▶ Failed (final): the hold is released
//! ```
//! `PayoutSent` is the durable intent: it is in the log before the first byte of the paying call leaves. From then on
//! nothing but a proven answer moves the payout on; unknown keeps the hold and is resolved only by asking. Where the
//! provider's contract says that a bill moves money once, a bill that it calls unpaid may be paid again under the same id.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::{Decide, aggregate};
use crate::ids::{HoldId, ReceiptId, UserId, WalletId};
use crate::ledger::ProviderName;
use crate::money::Money;
use crate::phone::Operator;
use crate::rejection::Rejection;
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
        /// Twelve digits of the phone number.
        destination: Sealed,
        /// Whose account is credited.
        operator: Operator,
        /// Through whom.
        provider: ProviderName,
        /// The receipt whose bonus it is, if it is one.
        receipt_id: Option<ReceiptId>,
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
    /// The provider took the money back.
    PayoutReversed {
        /// The bill.
        bill_id: String,
    },
    /// A person found out what had happened; the outcome follows in the same append.
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
        operator: Operator,
        provider: ProviderName,
        receipt_id: Option<ReceiptId>,
        hold_id: HoldId,
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
    },
    /// The call ended without a clear answer.
    RecordUnknown { attempt: u32, reason: String },
    /// The provider proved success.
    Succeed {
        bill_id: String,
        paid_at: Option<NaiveDateTime>,
    },
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
    /// What the person found out.
    DecideReview { paid: bool, reason: String },
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
    /// Sealed phone number.
    pub destination: Sealed,
    /// Operator.
    pub operator: Operator,
    /// Provider.
    pub provider: ProviderName,
    /// Receipt, if any.
    pub receipt_id: Option<ReceiptId>,
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
            } => {
                self.terms = Some(PayoutTerms {
                    user_id,
                    wallet_id,
                    amount,
                    destination,
                    operator,
                    provider,
                    receipt_id,
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
                self.state = PayoutState::Created;
            }
            PayoutEvent::PayoutSent { sender, at, .. } => {
                self.state = PayoutState::Sent;
                self.sender = Some(sender);
                self.sent_at = Some(at);
                self.sends = self.sends.saturating_add(1);
            }
            PayoutEvent::PayoutUnknown { .. } => self.state = PayoutState::Unknown,
            PayoutEvent::PayoutSucceeded { bill_id, .. } => {
                self.bill_id = Some(bill_id);
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
                self.sends = 0;
                self.retry_at = retry_at;
            }
            PayoutEvent::PayoutReversed { .. } => self.state = PayoutState::Reversed,
            PayoutEvent::ReviewDecided { .. } => {}
            PayoutEvent::SentToReview { .. } => self.state = PayoutState::InReview,
        }
    }

    fn refuse(&self, wanted: &str) -> Rejection {
        Rejection::new(
            "invalid_state",
            format!("the payout cannot be {wanted} now"),
        )
        .with("state", self.state.code())
    }

    fn current(&self, attempt: u32, wanted: &str) -> Result<(), Rejection> {
        if attempt == self.attempt {
            Ok(())
        } else {
            Err(self.refuse(wanted).with("attempt", self.attempt))
        }
    }
}

impl Decide for Payout {
    fn decide(&self, command: &PayoutCommand) -> Result<Vec<PayoutEvent>, Rejection> {
        use PayoutCommand as C;
        use PayoutEvent as E;
        use PayoutState as S;
        match command.clone() {
            C::Request {
                user_id,
                wallet_id,
                amount,
                destination,
                operator,
                provider,
                receipt_id,
                hold_id,
            } => {
                let terms = PayoutTerms {
                    user_id,
                    wallet_id,
                    amount,
                    destination: destination.clone(),
                    operator,
                    provider,
                    receipt_id,
                };
                if let Some(known) = &self.terms {
                    // The destination is sealed anew at each try, so it is not part of the comparison.
                    let same = PayoutTerms {
                        destination,
                        ..known.clone()
                    } == terms
                        && self.hold_id == Some(hold_id);
                    return if same {
                        Ok(vec![])
                    } else {
                        Err(Rejection::new(
                            "idempotency_conflict",
                            "the id belongs to another payout",
                        ))
                    };
                }
                if !amount.is_positive() {
                    return Err(Rejection::new(
                        "amount_not_positive",
                        "a payout needs an amount above zero",
                    ));
                }
                if amount.currency != wallet_id.currency || wallet_id.user != user_id {
                    return Err(Rejection::new(
                        "invalid_command",
                        "the wallet is not of this user and currency",
                    ));
                }
                Ok(vec![
                    E::PayoutRequested {
                        user_id,
                        wallet_id,
                        amount,
                        destination,
                        operator,
                        provider,
                        receipt_id,
                    },
                    E::FundsHeld { hold_id },
                ])
            }
            C::RecordCreated { attempt, bill_id } => {
                self.current(attempt, "created")?;
                match self.state {
                    S::Held => Ok(vec![E::PayoutCreated { attempt, bill_id }]),
                    S::Created if self.bill_id.as_ref() == Some(&bill_id) => Ok(vec![]),
                    _ => Err(self.refuse("created")),
                }
            }
            C::RecordSent {
                attempt,
                sender,
                at,
            } => {
                self.current(attempt, "sent")?;
                match self.state {
                    S::Created => Ok(vec![E::PayoutSent {
                        attempt,
                        sender,
                        at,
                    }]),
                    _ => Err(self.refuse("sent")),
                }
            }
            C::RecordSentAgain {
                attempt,
                sender,
                at,
            } => {
                self.current(attempt, "sent again")?;
                match self.state {
                    S::Unknown if self.sends < SENDS_MAX => Ok(vec![E::PayoutSent {
                        attempt,
                        sender,
                        at,
                    }]),
                    _ => Err(self.refuse("sent again")),
                }
            }
            C::RecordUnknown { attempt, reason } => {
                self.current(attempt, "unknown")?;
                match self.state {
                    S::Sent => Ok(vec![E::PayoutUnknown {
                        attempt,
                        reason: bounded(reason),
                    }]),
                    S::Unknown => Ok(vec![]),
                    _ => Err(self.refuse("unknown")),
                }
            }
            C::Succeed { bill_id, paid_at } => match self.state {
                S::Sent | S::Unknown | S::InReview if self.bill_id.as_ref() == Some(&bill_id) => {
                    Ok(vec![E::PayoutSucceeded { bill_id, paid_at }])
                }
                S::Succeeded if self.bill_id.as_ref() == Some(&bill_id) => Ok(vec![]),
                _ => Err(self.refuse("succeeded")),
            },
            C::Fail {
                attempt,
                when,
                code,
                is_final,
                retry_at,
            } => {
                self.current(attempt, "failed")?;
                let is_about_now = match when {
                    FailedWhen::BeforeBill => self.state == S::Held,
                    FailedWhen::BeforeSending => self.state == S::Created,
                    FailedWhen::AfterSending { sender } => {
                        matches!(self.state, S::Sent | S::Unknown) && self.sender == Some(sender)
                    }
                };
                if !is_about_now {
                    return Err(self.refuse("failed"));
                }
                Ok(vec![E::PayoutFailed {
                    attempt,
                    code: bounded(code),
                    is_final,
                    retry_at,
                }])
            }
            C::DecideReview { paid, reason } => {
                if reason.trim().is_empty() {
                    return Err(Rejection::new("review_reason_required", "say how you know"));
                }
                if !matches!(self.state, S::Unknown | S::InReview) {
                    return Err(self.refuse("decided by a person"));
                }
                let outcome = match (paid, self.bill_id.clone()) {
                    (true, Some(bill_id)) => E::PayoutSucceeded {
                        bill_id,
                        paid_at: None,
                    },
                    (true, None) => {
                        return Err(self.refuse("paid, since no bill was made"));
                    }
                    (false, _) => E::PayoutFailed {
                        attempt: self.attempt,
                        code: "decided_by_operator".to_owned(),
                        is_final: true,
                        retry_at: None,
                    },
                };
                Ok(vec![
                    E::ReviewDecided {
                        paid,
                        reason: bounded(reason),
                    },
                    outcome,
                ])
            }
            C::SendToReview { reason } => match self.state {
                S::Held | S::Created | S::Sent | S::Unknown => Ok(vec![E::SentToReview {
                    reason: bounded(reason),
                }]),
                S::InReview => Ok(vec![]),
                _ => Err(self.refuse("reviewed")),
            },
        }
    }
}

/// Provider texts are not ours: they are cut to 200 bytes at a character.
fn bounded(mut text: String) -> String {
    let mut end = text.len().min(200);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.truncate(end);
    text
}

aggregate!(
    Payout,
    "payout",
    PayoutCommand,
    PayoutEvent {
        PayoutRequested,
        FundsHeld,
        PayoutCreated,
        PayoutSent,
        PayoutUnknown,
        PayoutSucceeded,
        PayoutFailed,
        PayoutReversed,
        ReviewDecided,
        SentToReview,
    }
);

#[cfg(test)]
mod tests;
