//! Drives payouts through their provider: one step at a time, each durable before the next.
//!
//! The worker looks at the payout's state, never at the event alone, so it may be called for any event, twice, or after
//! a crash between any two lines. The one step that can move money is guarded by `PayoutSent`: the paying call leaves
//! only in the very call that wrote it. Whoever finds it written by somebody else, or by a life of this process that
//! ended, knows nothing about the money and asks.

mod asking;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use kvit_domain::event::RecordedEvent;
use kvit_domain::ids::PayoutId;
use kvit_domain::ledger::ProviderName;
use kvit_domain::payout::{FailedWhen, Payout, PayoutCommand, PayoutState, PayoutTerms, SENDS_MAX};
use uuid::Uuid;

use super::breaker::{Breaker, BreakerOptions};
use super::{id_of, to_fault};
use crate::app::{App, Gate, PAYOUT_ATTEMPTS_MAX};
use crate::context::Context;
use crate::error::CommandError;
use crate::ports::bus::{EventHandler, Handled, HandlerFault};
use crate::ports::payout::{
    BillStatus, BillView, PayoutOrder, PayoutProvider, ProviderFault, RefusalKind,
};

/// Pauses of the worker.
#[derive(Debug, Clone, Copy)]
pub struct PayoutWorkerOptions {
    /// Pause before the second attempt; doubled for each further one.
    pub retry_pause: TimeDelta,
    /// How long a paying call may be under way in another process before it counts as interrupted.
    pub call_max: TimeDelta,
    /// Shortest pause between two questions about an unknown payout; they grow with its age.
    pub ask_pause_min: Duration,
    /// Longest pause between two questions.
    pub ask_pause_max: Duration,
    /// After this a person must look.
    pub unknown_max: TimeDelta,
    /// Whether a bill that the provider calls unpaid, `call_max` after an unclear answer, is paid again under the same
    /// id. Only where the provider's contract says that a bill moves money once.
    pub repay_created: bool,
    /// When failures in a row stop new payouts.
    pub breaker: BreakerOptions,
}

impl Default for PayoutWorkerOptions {
    fn default() -> Self {
        Self {
            retry_pause: TimeDelta::seconds(30),
            // Waiting for a free place, the call, and the question whether a refusal is one: two minutes at the longest.
            call_max: TimeDelta::seconds(150),
            ask_pause_min: Duration::from_secs(2),
            ask_pause_max: Duration::from_secs(600),
            unknown_max: TimeDelta::hours(24),
            repay_created: false,
            breaker: BreakerOptions::default(),
        }
    }
}

/// The worker of one provider.
pub struct PayoutWorker {
    app: App,
    provider: Arc<dyn PayoutProvider>,
    options: PayoutWorkerOptions,
    breaker: Breaker,
}

/// Longest stream of a payout that is looked at.
const STREAM_EVENTS_MAX: usize = 1_000;
/// Attempts of which no bill came: about a day of them.
const ATTEMPTS_BEFORE_BILL_MAX: u32 = 150;
/// Longest pause between two attempts.
const RETRY_PAUSE_MAX: TimeDelta = TimeDelta::minutes(10);
/// Longest pause before another look at a switch or a budget that keeps a payout waiting: people change them.
const GATE_AGAIN: Duration = Duration::from_secs(30);
/// Pause before another look at a payout that somebody else is moving.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// An attempt, and what a failure of it would be about.
#[derive(Clone, Copy)]
struct Failure {
    id: PayoutId,
    attempt: u32,
    when: FailedWhen,
}

/// A paying call.
struct Call<'a> {
    id: PayoutId,
    attempt: u32,
    order: &'a PayoutOrder,
    bill_id: &'a str,
    sender: Uuid,
    /// Whether it is the first one for its bill.
    is_first: bool,
}

/// What to do after a step.
enum Next {
    /// Look at the state again and go on.
    Again,
    /// Nothing more with this event.
    Stop(Handled),
}

impl PayoutWorker {
    /// A worker for this provider.
    pub fn new(app: App, provider: Arc<dyn PayoutProvider>, options: PayoutWorkerOptions) -> Self {
        Self {
            app,
            provider,
            options,
            breaker: Breaker::new(options.breaker),
        }
    }

    async fn step(
        &self,
        id: PayoutId,
        payout: &Payout,
        event: &RecordedEvent,
    ) -> Result<Next, CommandError> {
        let Some(terms) = &payout.terms else {
            return Ok(Next::Stop(Handled::Skipped));
        };
        if terms.provider != self.provider.provider() {
            return Ok(Next::Stop(Handled::Skipped));
        }
        let context = self.context(event, payout);
        match payout.state {
            PayoutState::Held | PayoutState::Created => {
                // A postponed payout asks at the gate itself: what keeps it may have been lifted early.
                let wait = payout.retry_at.and_then(|at| self.until(at));
                if let (Some(wait), None) = (wait, &payout.postponed) {
                    return Ok(Next::Stop(Handled::Later(wait)));
                }
                match self.app.open_gate(id, &context).await? {
                    Gate::Postponed(until) => {
                        metrics::counter!("kvit_payouts_total", "outcome" => "postponed")
                            .increment(1);
                        let wait = until.and_then(|at| self.until(at)).unwrap_or(GATE_AGAIN);
                        Ok(Next::Stop(Handled::Later(wait.min(GATE_AGAIN))))
                    }
                    Gate::Open if payout.state == PayoutState::Held => {
                        self.create(id, payout, terms, &context).await
                    }
                    Gate::Open => self.pay(id, payout, terms, &context).await,
                }
            }
            PayoutState::Sent => {
                // Perhaps its answer is waited for at this moment, here or in another process: give it its time.
                match payout
                    .sent_at
                    .and_then(|at| self.until(at + self.options.call_max))
                {
                    Some(wait) => Ok(Next::Stop(Handled::Later(wait))),
                    // The paying call left, or was about to, in another life: nobody knows.
                    None => {
                        let sender = payout
                            .sender
                            .map(|sender| sender.to_string())
                            .unwrap_or_default();
                        let context = context.step(&sender);
                        self.unknown(id, payout.attempt, "interrupted while paying", &context)
                            .await
                    }
                }
            }
            PayoutState::Unknown | PayoutState::Pending => {
                self.ask(id, payout, terms, event, &context).await
            }
            _ => Ok(Next::Stop(Handled::Done)),
        }
    }

    async fn create(
        &self,
        id: PayoutId,
        payout: &Payout,
        terms: &PayoutTerms,
        context: &Context,
    ) -> Result<Next, CommandError> {
        let failure = Failure {
            id,
            attempt: payout.attempt,
            when: FailedWhen::BeforeBill,
        };
        let Some(order) = self.order(id, payout, terms).await? else {
            return self
                .fail(failure, "destination_forgotten", None, context)
                .await;
        };
        match self.provider.create(&order).await {
            Ok(bill) => {
                let command = PayoutCommand::RecordCreated {
                    attempt: payout.attempt,
                    bill_id: bill.bill_id,
                };
                self.app
                    .payout_step(id, command, &context.step("created"))
                    .await?;
                Ok(Next::Again)
            }
            // No money moves before the bill is paid: a bill that nobody knows of is harmless.
            Err(ProviderFault::NotSent(_)) => self.retry(failure, "not_sent", context).await,
            Err(ProviderFault::Unknown(_)) => self.retry(failure, "bill_unknown", context).await,
            Err(ProviderFault::Mismatch(_)) => self.retry(failure, "bill_mismatch", context).await,
            Err(ProviderFault::Refused { code, kind }) => {
                self.refused(failure, &code, kind, context).await
            }
        }
    }

    async fn pay(
        &self,
        id: PayoutId,
        payout: &Payout,
        terms: &PayoutTerms,
        context: &Context,
    ) -> Result<Next, CommandError> {
        let attempt = payout.attempt;
        let Some(bill_id) = payout.bill_id.clone() else {
            return Err(CommandError::Fatal("a created payout has no bill".into()));
        };
        let Some(order) = self.order(id, payout, terms).await? else {
            let failure = Failure {
                id,
                attempt,
                when: FailedWhen::BeforeSending,
            };
            return self
                .fail(failure, "destination_forgotten", None, context)
                .await;
        };
        let at = self.now();
        let sender = self.app.fresh_id();
        let intent = PayoutCommand::RecordSent {
            attempt,
            sender,
            at,
        };
        let call = Call {
            id,
            attempt,
            order: &order,
            bill_id: &bill_id,
            sender,
            is_first: true,
        };
        self.send(call, intent, context).await
    }

    /// Records the intent, then lets the paying call leave.
    async fn send(
        &self,
        call: Call<'_>,
        intent: PayoutCommand,
        context: &Context,
    ) -> Result<Next, CommandError> {
        let Call {
            id,
            attempt,
            bill_id,
            sender,
            ..
        } = call;
        // The key names this very call. If the log's answer is lost and the append is tried again, the name tells that the
        // stored intent is ours and the call has not left yet.
        let context = &context.step(&sender.to_string());
        match self
            .app
            .send_payout(id, &intent, &context.step("sent"))
            .await
        {
            Ok(_) => {}
            Err(CommandError::Rejected(refusal)) if refusal.code == "hold_not_active" => {
                return self
                    .review(id, attempt, "its money is not held any more", context)
                    .await;
            }
            Err(fault) => return Err(fault),
        }
        let now = self.app.payout(id).await?;
        if now.state != PayoutState::Sent || now.sender != Some(sender) {
            return Ok(Next::Again);
        }
        let failure = Failure {
            id,
            attempt,
            when: FailedWhen::AfterSending { sender },
        };
        if !call.is_first && !self.key_lives(id, attempt).await? {
            return self
                .unknown(id, attempt, "the provider has forgotten the key", context)
                .await;
        }
        let answer = self.provider.pay(call.order, bill_id).await;
        self.breaker
            .count(&self.app, self.provider.provider(), &answer, context)
            .await;
        match answer {
            Ok(bill) => self.learn(failure, bill_id, bill, context).await,
            Err(ProviderFault::Unknown(reason)) => {
                self.unknown(id, attempt, &reason, context).await
            }
            Err(ProviderFault::Mismatch(reason)) => {
                self.review(id, attempt, &reason, context).await
            }
            // What became of this call says nothing about the earlier one for the same bill, which may still be executed.
            Err(ProviderFault::NotSent(_) | ProviderFault::Refused { .. }) if !call.is_first => {
                self.unknown(id, attempt, "paying again was not possible", context)
                    .await
            }
            Err(ProviderFault::NotSent(_)) => self.retry(failure, "not_sent", context).await,
            Err(ProviderFault::Refused { code, kind }) => {
                self.refused(failure, &code, kind, context).await
            }
        }
    }

    async fn ask(
        &self,
        id: PayoutId,
        payout: &Payout,
        terms: &PayoutTerms,
        event: &RecordedEvent,
        context: &Context,
    ) -> Result<Next, CommandError> {
        let attempt = payout.attempt;
        let (Some(bill_id), Some(order)) =
            (payout.bill_id.clone(), self.order(id, payout, terms).await?)
        else {
            return self
                .review(id, attempt, "nothing to ask about", context)
                .await;
        };
        let age = self.now() - event.recorded_at;
        match self.provider.status(&order, &bill_id).await {
            Ok(Some(bill))
                if matches!(
                    bill.status,
                    BillStatus::Paid | BillStatus::Rejected | BillStatus::Reversed
                ) || (bill.status == BillStatus::Pending
                    && payout.state == PayoutState::Unknown) =>
            {
                let when = payout.sender.map_or(FailedWhen::BeforeSending, |sender| {
                    FailedWhen::AfterSending { sender }
                });
                return self
                    .learn(Failure { id, attempt, when }, &bill_id, bill, context)
                    .await;
            }
            // Long enough ago that no call of ours can still be under way.
            Ok(Some(bill))
                if bill.status == BillStatus::Created
                    && payout.state == PayoutState::Unknown
                    && self.options.repay_created
                    && payout.sends < SENDS_MAX
                    && self
                        .key_lives_until(payout)
                        .is_none_or(|end| self.now() < end)
                    && payout
                        .sent_at
                        .is_some_and(|at| self.until(at + self.options.call_max).is_none()) =>
            {
                let (sender, at) = (self.app.fresh_id(), self.now());
                let intent = PayoutCommand::RecordSentAgain {
                    attempt,
                    sender,
                    at,
                    key_expires_at: self.key_lives_until(payout),
                };
                let call = Call {
                    id,
                    attempt,
                    order: &order,
                    bill_id: &bill_id,
                    sender,
                    is_first: false,
                };
                match self.send(call, intent, context).await {
                    // Stopped: it is asked about as before, and in the end given to a person.
                    Err(CommandError::Rejected(refusal)) if refusal.code == "provider_stopped" => {}
                    sent => return sent,
                }
            }
            Err(ProviderFault::Mismatch(reason)) => {
                return self.review(id, attempt, &reason, context).await;
            }
            // An answer to the question what became of it, and so proof.
            Err(ProviderFault::Refused { code, kind }) => {
                let when = payout.sender.map_or(FailedWhen::BeforeSending, |sender| {
                    FailedWhen::AfterSending { sender }
                });
                return self
                    .refused(Failure { id, attempt, when }, &code, kind, context)
                    .await;
            }
            Ok(_) | Err(_) => {}
        }
        if age >= self.options.unknown_max {
            return self
                .review(id, attempt, "unknown for too long", context)
                .await;
        }
        Ok(Next::Stop(Handled::Later(self.ask_pause(age))))
    }

    /// Half of the age, within bounds: often at first, seldom later.
    fn ask_pause(&self, age: TimeDelta) -> Duration {
        let half = age.to_std().unwrap_or_default() / 2;
        half.clamp(self.options.ask_pause_min, self.options.ask_pause_max)
    }

    /// What a bill says about a payout whose paying call has left.
    async fn learn(
        &self,
        failure: Failure,
        expected_bill: &str,
        bill: BillView,
        context: &Context,
    ) -> Result<Next, CommandError> {
        let Failure { id, attempt, .. } = failure;
        if bill.bill_id != expected_bill {
            return self
                .review(id, attempt, "the answer speaks of another bill", context)
                .await;
        }
        match bill.status {
            BillStatus::Paid => {
                let context = context.step("succeeded");
                match self
                    .app
                    .payout_succeeded(id, bill.bill_id, bill.paid_at, bill.provider_id, &context)
                    .await
                {
                    Ok(_) => {}
                    // The money is out and cannot be booked: somebody must look, and nothing may be repaired silently.
                    Err(CommandError::Rejected(rejection)) => {
                        metrics::counter!("kvit_payouts_late_proof_total").increment(1);
                        tracing::error!(payout.id = %id, code = rejection.code, "the provider has paid a payout that cannot be booked");
                        return self.late_proof(id, attempt, &context).await;
                    }
                    Err(fault) => return Err(fault),
                }
                metrics::counter!("kvit_payouts_total", "outcome" => "succeeded").increment(1);
                Ok(Next::Again)
            }
            BillStatus::Rejected => self.retry(failure, "rejected", context).await,
            BillStatus::Pending => {
                let command = PayoutCommand::RecordPending {
                    attempt,
                    provider_id: bill.provider_id,
                };
                self.app
                    .payout_step(id, command, &context.step("pending"))
                    .await?;
                metrics::counter!("kvit_payouts_total", "outcome" => "pending").increment(1);
                // Its event brings the questions.
                Ok(Next::Stop(Handled::Done))
            }
            BillStatus::Created => self.unknown(id, attempt, "not paid yet", context).await,
            // Paid and taken back before we knew of either: a person books what is left to book.
            BillStatus::Reversed => {
                self.review(id, attempt, "paid and taken back", context)
                    .await
            }
        }
    }

    async fn refused(
        &self,
        failure: Failure,
        code: &str,
        kind: RefusalKind,
        context: &Context,
    ) -> Result<Next, CommandError> {
        match kind {
            RefusalKind::Temporary => self.retry(failure, code, context).await,
            RefusalKind::Destination | RefusalKind::Permanent => {
                self.fail(failure, code, None, context).await
            }
        }
    }

    /// Proven failure of an attempt: the next one later, or the end.
    async fn retry(
        &self,
        failure: Failure,
        code: &str,
        context: &Context,
    ) -> Result<Next, CommandError> {
        let factor = 2_i32.saturating_pow(failure.attempt.saturating_sub(1).min(10));
        // Before there is a bill no money can have moved: a provider that is away for a night costs no payout.
        let most = match failure.when {
            FailedWhen::BeforeBill => ATTEMPTS_BEFORE_BILL_MAX,
            _ => PAYOUT_ATTEMPTS_MAX,
        };
        let more = failure.attempt < most;
        let pause = (self.options.retry_pause * factor).min(RETRY_PAUSE_MAX);
        let retry_at = more.then(|| self.now() + pause);
        self.fail(failure, code, retry_at, context).await
    }

    async fn fail(
        &self,
        Failure { id, attempt, when }: Failure,
        code: &str,
        retry_at: Option<DateTime<Utc>>,
        context: &Context,
    ) -> Result<Next, CommandError> {
        self.app
            .payout_failed(
                id,
                attempt,
                when,
                code.to_owned(),
                retry_at,
                &context.step("failed"),
            )
            .await?;
        let outcome = if retry_at.is_some() {
            "failed_attempt"
        } else {
            "failed"
        };
        metrics::counter!("kvit_payouts_total", "outcome" => outcome).increment(1);
        // The event of the failure brings the next attempt.
        Ok(Next::Stop(Handled::Done))
    }

    async fn unknown(
        &self,
        id: PayoutId,
        attempt: u32,
        reason: &str,
        context: &Context,
    ) -> Result<Next, CommandError> {
        let command = PayoutCommand::RecordUnknown {
            attempt,
            reason: reason.to_owned(),
        };
        self.app
            .payout_step(id, command, &context.step("unknown"))
            .await?;
        metrics::counter!("kvit_payouts_total", "outcome" => "unknown").increment(1);
        // The event of the unknown outcome brings the questions.
        Ok(Next::Stop(Handled::Done))
    }

    async fn review(
        &self,
        id: PayoutId,
        attempt: u32,
        reason: &str,
        context: &Context,
    ) -> Result<Next, CommandError> {
        let command = PayoutCommand::SendToReview {
            reason: format!("attempt {attempt}: {reason}"),
        };
        self.app
            .payout_step(id, command, &context.step("review"))
            .await?;
        metrics::counter!("kvit_payouts_total", "outcome" => "in_review").increment(1);
        Ok(Next::Stop(Handled::Done))
    }

    async fn order(
        &self,
        id: PayoutId,
        payout: &Payout,
        terms: &PayoutTerms,
    ) -> Result<Option<PayoutOrder>, CommandError> {
        let destination = self.app.payout_destination(id, terms).await?;
        Ok(destination.map(|phone| PayoutOrder {
            operation_id: id.to_string(),
            phone,
            operator: terms.operator,
            method: terms.method.clone(),
            amount: terms.amount,
            attempt: payout.attempt,
            provider_id: payout.provider_id.clone(),
        }))
    }

    /// Keys follow from the payout and its attempt, not from the event: two events that lead to the same step are one.
    fn context(&self, event: &RecordedEvent, payout: &Payout) -> Context {
        let mut context = Context::caused_by(event, self.name(), "step");
        context.idempotency_key =
            format!("payout:{}:{}", event.stream.aggregate_id, payout.attempt);
        context
    }

    /// How long until then; `None` when it has come.
    fn until(&self, then: DateTime<Utc>) -> Option<Duration> {
        (then - self.now())
            .to_std()
            .ok()
            .filter(|wait| !wait.is_zero())
    }

    fn now(&self) -> DateTime<Utc> {
        self.app.clock().now()
    }
}

#[async_trait]
impl EventHandler for PayoutWorker {
    fn name(&self) -> &'static str {
        // The first provider's consumer was named before there was a second one.
        match self.provider.provider() {
            ProviderName::Portmone => "payout-worker",
            ProviderName::Yookassa => "payout-worker-yookassa",
            ProviderName::Telegram => "payout-worker-telegram",
        }
    }

    fn interests(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            ("payout", "FundsHeld"),
            ("payout", "PayoutFailed"),
            ("payout", "PayoutSent"),
            ("payout", "PayoutPending"),
            ("payout", "PayoutUnknown"),
        ]
    }

    fn defers(&self) -> bool {
        true
    }

    async fn handle(&self, event: &RecordedEvent) -> Result<Handled, HandlerFault> {
        let id: PayoutId = id_of(event)?;
        // Held, created, sent and one outcome: no honest course is longer.
        for _ in 0..8 {
            let payout = self.app.payout(id).await.map_err(to_fault)?;
            match self.step(id, &payout, event).await {
                Ok(Next::Again) => {}
                Ok(Next::Stop(handled)) => return Ok(handled),
                // Somebody else moved it meanwhile.
                Err(CommandError::Rejected(rejection))
                    if matches!(
                        rejection.code.as_str(),
                        "invalid_state" | "idempotency_conflict" | "provider_stopped"
                    ) =>
                {
                    let state = self.app.payout(id).await.map_err(to_fault)?.state;
                    // A sent or unknown payout has an event of its own that brings a worker back. The others depend on
                    // this one, should whoever moved it die.
                    return Ok(match state {
                        PayoutState::Held | PayoutState::Created => Handled::Later(LOOK_AGAIN),
                        // The event that asks must go on asking.
                        PayoutState::Unknown | PayoutState::Pending
                            if matches!(
                                event.event_type.as_str(),
                                "PayoutUnknown" | "PayoutPending"
                            ) =>
                        {
                            Handled::Later(self.options.ask_pause_min)
                        }
                        _ => Handled::Skipped,
                    });
                }
                Err(fault) => return Err(to_fault(fault)),
            }
        }
        Err(HandlerFault::transient("the payout did not settle"))
    }
}
