//! Drives payouts through their provider: one step at a time, each durable before the next.
//!
//! The worker looks at the payout's state, never at the event alone, so it may be called for any event, twice, or after
//! a crash between any two lines. The one step that can move money is guarded by `PayoutSent`: the paying call leaves
//! only in the very call that wrote it. Whoever finds it written by somebody else, or by a life of this process that
//! ended, knows nothing about the money and asks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use kvit_domain::event::RecordedEvent;
use kvit_domain::ids::PayoutId;
use kvit_domain::payout::{Payout, PayoutCommand, PayoutState, PayoutTerms};

use super::{id_of, to_fault};
use crate::app::{App, PAYOUT_ATTEMPTS_MAX};
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
}

impl Default for PayoutWorkerOptions {
    fn default() -> Self {
        Self {
            retry_pause: TimeDelta::seconds(30),
            call_max: TimeDelta::seconds(60),
            ask_pause_min: Duration::from_secs(2),
            ask_pause_max: Duration::from_secs(600),
            unknown_max: TimeDelta::hours(24),
            repay_created: false,
        }
    }
}

/// The worker of one provider.
pub struct PayoutWorker {
    app: App,
    provider: Arc<dyn PayoutProvider>,
    options: PayoutWorkerOptions,
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
        let context = self.context(event, payout);
        match payout.state {
            PayoutState::Held => {
                if let Some(wait) = payout.retry_at.and_then(|at| self.until(at)) {
                    return Ok(Next::Stop(Handled::Later(wait)));
                }
                self.create(id, payout, terms, &context).await
            }
            PayoutState::Created => self.pay(id, payout, terms, &context).await,
            PayoutState::Sent => {
                // Perhaps another process waits for its answer at this moment: give it its time.
                let wait = (event.event_type == "PayoutSent")
                    .then(|| self.until(event.recorded_at + self.options.call_max))
                    .flatten();
                match wait {
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
            PayoutState::Unknown => self.ask(id, payout, terms, event, &context).await,
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
        let Some(order) = self.order(id, terms).await? else {
            return self
                .fail(id, payout.attempt, "destination_forgotten", None, context)
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
            Err(ProviderFault::NotSent(_)) => {
                self.retry(id, payout.attempt, "not_sent", context).await
            }
            Err(ProviderFault::Unknown(_)) => {
                self.retry(id, payout.attempt, "bill_unknown", context)
                    .await
            }
            Err(ProviderFault::Mismatch(_)) => {
                self.retry(id, payout.attempt, "bill_mismatch", context)
                    .await
            }
            Err(ProviderFault::Refused { code, kind }) => {
                self.refused(id, payout.attempt, code, kind, context).await
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
        let Some(bill_id) = payout.bill_id.clone() else {
            return Err(CommandError::Fatal("a created payout has no bill".into()));
        };
        let Some(order) = self.order(id, terms).await? else {
            return self
                .fail(id, payout.attempt, "destination_forgotten", None, context)
                .await;
        };
        let attempt = payout.attempt;
        let intent = |sender| PayoutCommand::RecordSent { attempt, sender };
        self.send(id, attempt, &order, &bill_id, intent, context)
            .await
    }

    /// Records the intent, then lets the paying call leave.
    async fn send(
        &self,
        id: PayoutId,
        attempt: u32,
        order: &PayoutOrder,
        bill_id: &str,
        intent: impl FnOnce(uuid::Uuid) -> PayoutCommand + Send,
        context: &Context,
    ) -> Result<Next, CommandError> {
        // The key names this very call. If the log's answer is lost and the append is tried again, the name tells that the
        // stored intent is ours and the call has not left yet.
        let sender = self.app.fresh_id();
        let context = &context.step(&sender.to_string());
        self.app
            .payout_step(id, intent(sender), &context.step("sent"))
            .await?;
        let now = self.app.payout(id).await?;
        if now.state != PayoutState::Sent || now.sender != Some(sender) {
            return Ok(Next::Again);
        }
        match self.provider.pay(order, bill_id).await {
            Ok(bill) => self.learn(id, attempt, bill_id, bill, context).await,
            Err(ProviderFault::NotSent(_)) => self.retry(id, attempt, "not_sent", context).await,
            Err(ProviderFault::Unknown(reason)) => {
                self.unknown(id, attempt, &reason, context).await
            }
            Err(ProviderFault::Mismatch(reason)) => {
                self.review(id, attempt, &reason, context).await
            }
            Err(ProviderFault::Refused { code, kind }) => {
                self.refused(id, attempt, code, kind, context).await
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
        let (Some(bill_id), Some(order)) = (payout.bill_id.clone(), self.order(id, terms).await?)
        else {
            return self
                .review(id, payout.attempt, "nothing to ask about", context)
                .await;
        };
        let age = self.now() - event.recorded_at;
        match self.provider.status(&order, &bill_id).await {
            Ok(Some(bill))
                if bill.status == BillStatus::Paid || bill.status == BillStatus::Rejected =>
            {
                return self
                    .learn(id, payout.attempt, &bill_id, bill, context)
                    .await;
            }
            // Long enough ago that no call of ours can still be under way.
            Ok(Some(bill))
                if bill.status == BillStatus::Created
                    && self.options.repay_created
                    && age >= self.options.call_max =>
            {
                let attempt = payout.attempt;
                let intent = |sender| PayoutCommand::RecordSentAgain { attempt, sender };
                return self
                    .send(id, attempt, &order, &bill_id, intent, context)
                    .await;
            }
            Err(ProviderFault::Mismatch(reason)) => {
                return self.review(id, payout.attempt, &reason, context).await;
            }
            Ok(_) | Err(_) => {}
        }
        if age >= self.options.unknown_max {
            return self
                .review(id, payout.attempt, "unknown for too long", context)
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
        id: PayoutId,
        attempt: u32,
        expected_bill: &str,
        bill: BillView,
        context: &Context,
    ) -> Result<Next, CommandError> {
        if bill.bill_id != expected_bill {
            return self
                .review(id, attempt, "the answer speaks of another bill", context)
                .await;
        }
        match bill.status {
            BillStatus::Paid => {
                self.app
                    .payout_succeeded(id, bill.bill_id, bill.paid_at, &context.step("succeeded"))
                    .await?;
                metrics::counter!("kvit_payouts_total", "outcome" => "succeeded").increment(1);
                Ok(Next::Again)
            }
            BillStatus::Rejected => self.retry(id, attempt, "rejected", context).await,
            BillStatus::Created | BillStatus::Pending => {
                self.unknown(id, attempt, "pending", context).await
            }
        }
    }

    async fn refused(
        &self,
        id: PayoutId,
        attempt: u32,
        code: String,
        kind: RefusalKind,
        context: &Context,
    ) -> Result<Next, CommandError> {
        match kind {
            RefusalKind::Temporary => self.retry(id, attempt, &code, context).await,
            RefusalKind::Destination | RefusalKind::Permanent => {
                self.fail(id, attempt, &code, None, context).await
            }
        }
    }

    /// Proven failure of an attempt: the next one later, or the end.
    async fn retry(
        &self,
        id: PayoutId,
        attempt: u32,
        code: &str,
        context: &Context,
    ) -> Result<Next, CommandError> {
        let factor = 2_i32.saturating_pow(attempt.saturating_sub(1).min(10));
        let retry_at =
            (attempt < PAYOUT_ATTEMPTS_MAX).then(|| self.now() + self.options.retry_pause * factor);
        self.fail(id, attempt, code, retry_at, context).await
    }

    async fn fail(
        &self,
        id: PayoutId,
        attempt: u32,
        code: &str,
        retry_at: Option<DateTime<Utc>>,
        context: &Context,
    ) -> Result<Next, CommandError> {
        self.app
            .payout_failed(
                id,
                attempt,
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
        terms: &PayoutTerms,
    ) -> Result<Option<PayoutOrder>, CommandError> {
        let phone = self.app.payout_destination(id, terms).await?;
        Ok(phone.map(|phone| PayoutOrder {
            operation_id: id.to_string(),
            phone: phone.digits().to_owned(),
            operator: terms.operator,
            amount: terms.amount,
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
        "payout-worker"
    }

    fn interests(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            ("payout", "FundsHeld"),
            ("payout", "PayoutFailed"),
            ("payout", "PayoutSent"),
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
                // Another worker moved it meanwhile; its own events will bring us back.
                Err(CommandError::Rejected(rejection))
                    if matches!(
                        rejection.code.as_str(),
                        "invalid_state" | "idempotency_conflict"
                    ) =>
                {
                    return Ok(Handled::Skipped);
                }
                Err(fault) => return Err(to_fault(fault)),
            }
        }
        Err(HandlerFault::transient("the payout did not settle"))
    }
}
