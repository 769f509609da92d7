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
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;
    use crate::money::Currency;

    fn request() -> PayoutCommand {
        let user_id = UserId::derived("t", "u");
        PayoutCommand::Request {
            user_id,
            wallet_id: WalletId {
                user: user_id,
                currency: Currency::Uah,
            },
            amount: Money::new(100, Currency::Uah),
            destination: Sealed::from_sealed("v1.k.x".into()),
            operator: Operator::Kyivstar,
            provider: ProviderName::Portmone,
            receipt_id: None,
            hold_id: HoldId::derived("t", "h"),
        }
    }
    fn run(payout: &mut Payout, command: &PayoutCommand) -> Result<usize, Rejection> {
        let events = payout.decide(command)?;
        let count = events.len();
        events.into_iter().for_each(|e| payout.evolve(e));
        Ok(count)
    }
    fn given(commands: &[PayoutCommand]) -> Payout {
        let mut payout = Payout::default();
        for command in commands {
            run(&mut payout, command).unwrap();
        }
        payout
    }
    fn created(attempt: u32) -> PayoutCommand {
        PayoutCommand::RecordCreated {
            attempt,
            bill_id: format!("b{attempt}"),
        }
    }
    fn sent(attempt: u32) -> PayoutCommand {
        PayoutCommand::RecordSent {
            attempt,
            sender: Uuid::nil(),
            at: DateTime::UNIX_EPOCH,
        }
    }
    fn unknown(attempt: u32) -> PayoutCommand {
        PayoutCommand::RecordUnknown {
            attempt,
            reason: "timeout".into(),
        }
    }
    fn failed(attempt: u32, is_final: bool) -> PayoutCommand {
        PayoutCommand::Fail {
            attempt,
            when: FailedWhen::AfterSending {
                sender: Uuid::nil(),
            },
            code: "p001".into(),
            is_final,
            retry_at: None,
        }
    }
    fn succeed(bill: &str) -> PayoutCommand {
        PayoutCommand::Succeed {
            bill_id: bill.into(),
            paid_at: None,
        }
    }

    #[test]
    fn a_payout_goes_from_hold_to_success() {
        let payout = given(&[request(), created(1), sent(1), succeed("b1")]);
        assert_eq!(payout.state, PayoutState::Succeeded);
    }

    #[test]
    fn paying_is_refused_before_a_bill_exists_and_twice() {
        assert!(run(&mut given(&[request()]), &sent(1)).is_err());
        assert!(run(&mut given(&[request(), created(1), sent(1)]), &sent(1)).is_err());
    }

    #[test]
    fn success_with_another_bill_is_refused() {
        assert!(
            run(
                &mut given(&[request(), created(1), sent(1)]),
                &succeed("other")
            )
            .is_err()
        );
    }

    #[test]
    fn an_unknown_payout_ends_only_by_proof() {
        let mut payout = given(&[request(), created(1), sent(1), unknown(1)]);
        assert!(run(&mut payout, &created(1)).is_err());
        assert!(run(&mut payout, &sent(1)).is_err());
        assert_eq!(run(&mut payout, &succeed("b1")), Ok(1));
    }

    #[test]
    fn the_same_bill_is_paid_again_only_on_purpose_and_only_while_unknown() {
        let again = PayoutCommand::RecordSentAgain {
            attempt: 1,
            sender: Uuid::from_u128(2),
            at: DateTime::UNIX_EPOCH,
        };
        let mut payout = given(&[request(), created(1), sent(1)]);
        assert!(run(&mut payout, &again).is_err());
        run(&mut payout, &unknown(1)).unwrap();
        run(&mut payout, &again).unwrap();
        assert_eq!(
            (payout.state, payout.sender),
            (PayoutState::Sent, Some(Uuid::from_u128(2)))
        );
        assert_eq!(payout.bill_id.as_deref(), Some("b1"));
    }

    #[test]
    fn a_proven_failure_starts_the_next_attempt_and_old_answers_are_refused() {
        let mut payout = given(&[request(), created(1), sent(1), failed(1, false)]);
        assert_eq!((payout.state, payout.attempt), (PayoutState::Held, 2));
        assert!(run(&mut payout, &succeed("b1")).is_err());
        assert!(run(&mut payout, &unknown(1)).is_err());
        run(&mut payout, &created(2)).unwrap();
    }

    #[test]
    fn a_failure_decided_on_an_earlier_state_is_refused() {
        let failed_when = |when| PayoutCommand::Fail {
            attempt: 1,
            when,
            code: "busy".into(),
            is_final: false,
            retry_at: None,
        };
        let other = FailedWhen::AfterSending {
            sender: Uuid::from_u128(9),
        };
        // Another worker has a bill, or is paying, or does not know: a failed try to make a bill proves nothing.
        for steps in [
            vec![request(), created(1)],
            vec![request(), created(1), sent(1)],
            vec![request(), created(1), sent(1), unknown(1)],
        ] {
            assert!(
                given(&steps)
                    .decide(&failed_when(FailedWhen::BeforeBill))
                    .is_err()
            );
            assert!(given(&steps).decide(&failed_when(other)).is_err());
        }
        let sending = given(&[request(), created(1), sent(1)]);
        assert!(
            sending
                .decide(&failed_when(FailedWhen::BeforeSending))
                .is_err()
        );
        assert!(
            given(&[request()])
                .decide(&failed_when(FailedWhen::BeforeBill))
                .is_ok()
        );
        assert!(
            given(&[request(), created(1)])
                .decide(&failed_when(FailedWhen::BeforeSending))
                .is_ok()
        );
    }

    #[test]
    fn a_terminal_state_never_changes() {
        for end in [succeed("b1"), failed(1, true)] {
            let payout = given(&[request(), created(1), sent(1), end]);
            for command in [
                created(1),
                sent(1),
                unknown(1),
                failed(1, true),
                succeed("b2"),
            ] {
                assert!(
                    payout.decide(&command).is_err(),
                    "{command:?} in {:?}",
                    payout.state
                );
            }
        }
    }

    #[test]
    fn the_same_request_twice_is_one_payout_and_another_body_is_a_conflict() {
        let mut payout = given(&[request()]);
        assert_eq!(run(&mut payout, &request()), Ok(0));
        let PayoutCommand::Request {
            user_id,
            wallet_id,
            destination,
            operator,
            provider,
            receipt_id,
            hold_id,
            ..
        } = request()
        else {
            return;
        };
        let amount = Money::new(101, Currency::Uah);
        let other = PayoutCommand::Request {
            user_id,
            wallet_id,
            amount,
            destination,
            operator,
            provider,
            receipt_id,
            hold_id,
        };
        assert_eq!(
            run(&mut payout, &other).unwrap_err().code,
            "idempotency_conflict"
        );
    }

    #[test]
    fn a_person_ends_an_unknown_payout_with_a_reason_and_no_other() {
        let decide = |paid, reason: &str| PayoutCommand::DecideReview {
            paid,
            reason: reason.into(),
        };
        let mut payout = given(&[request(), created(1), sent(1), unknown(1)]);
        assert_eq!(
            run(&mut payout, &decide(true, " ")).unwrap_err().code,
            "review_reason_required"
        );
        assert_eq!(
            run(&mut payout, &decide(true, "the provider's statement")),
            Ok(2)
        );
        assert_eq!(payout.state, PayoutState::Succeeded);
        let mut payout = given(&[request(), created(1), sent(1), unknown(1)]);
        assert_eq!(
            run(&mut payout, &decide(false, "the provider's statement")),
            Ok(2)
        );
        assert_eq!(payout.state, PayoutState::Failed);
        assert!(
            run(
                &mut given(&[request(), created(1), sent(1)]),
                &decide(true, "x")
            )
            .is_err()
        );
    }

    #[test]
    fn a_long_provider_text_is_cut_at_a_character() {
        assert_eq!(bounded("ї".repeat(150)).chars().count(), 100);
    }

    proptest! {
        #[test]
        fn money_leaves_at_most_once_whatever_arrives(steps in prop::collection::vec((0..6_u8, 1..4_u32), 0..40)) {
            let mut payout = given(&[request()]);
            let (mut successes, mut sends_since_failure) = (0, 0);
            for (kind, attempt) in steps {
                let command = match kind {
                    0 => created(attempt),
                    1 => sent(attempt),
                    2 => unknown(attempt),
                    3 => failed(attempt, attempt == 3),
                    4 => succeed(&format!("b{attempt}")),
                    _ => PayoutCommand::SendToReview { reason: "r".into() },
                };
                let Ok(events) = payout.decide(&command) else { continue };
                for event in events {
                    match &event {
                        PayoutEvent::PayoutSent { .. } => sends_since_failure += 1,
                        PayoutEvent::PayoutFailed { .. } => sends_since_failure = 0,
                        PayoutEvent::PayoutSucceeded { .. } => successes += 1,
                        _ => {}
                    }
                    payout.evolve(event);
                }
                prop_assert!(successes <= 1 && sends_since_failure <= 1);
            }
        }
    }
}
