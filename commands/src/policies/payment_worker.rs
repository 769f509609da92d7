//! Drives payments in and their refunds through their provider: one step at a time, each durable before the next.
//!
//! Like the payout worker it looks at the payment's state, never at the event alone. Nothing here credits anybody by what
//! a caller says: every answer of the provider, whether to a call of ours or to a question, goes the one way through
//! [`App::observe_payment`] and [`App::observe_refund`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use kvit_domain::event::RecordedEvent;
use kvit_domain::ids::{PaymentId, RefundId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::payment::{
    Payment, PaymentCommand, PaymentEvent, PaymentState, PaymentTerms, Refund, RefundSnapshot,
    RefundState,
};
use tokio::time::Instant;

use super::{id_of, to_fault};
use crate::app::{App, KeyAge, key_age, payment_key, refund_key};
use crate::context::Context;
use crate::error::CommandError;
use crate::ports::bus::{EventHandler, Handled, HandlerFault};
use crate::ports::payment::{PaymentFault, PaymentOrder, PaymentProvider, RefundOrder};

/// Pauses of the worker.
#[derive(Debug, Clone, Copy)]
pub struct PaymentWorkerOptions {
    /// Shortest pause between two questions; they grow with the age of what is asked about.
    pub ask_pause_min: Duration,
    /// Longest pause between two questions.
    pub ask_pause_max: Duration,
    /// Pause when the provider cannot be reached or denies access.
    pub away_pause: Duration,
    /// How long a refunding call may be under way in another process before it counts as interrupted.
    pub call_max: Duration,
    /// How long after its deadline a payment is asked about: the provider ends it by itself before.
    pub ask_beyond: TimeDelta,
}

impl Default for PaymentWorkerOptions {
    fn default() -> Self {
        Self {
            ask_pause_min: Duration::from_secs(2),
            ask_pause_max: Duration::from_secs(600),
            away_pause: Duration::from_secs(15),
            // Waiting for a free place, and the call: two minutes at the longest.
            call_max: Duration::from_secs(150),
            ask_beyond: TimeDelta::days(8),
        }
    }
}

/// The worker of one provider.
pub struct PaymentWorker {
    app: App,
    provider: Arc<dyn PaymentProvider>,
    options: PaymentWorkerOptions,
}

/// What to do after a step.
enum Next {
    /// Look at the state again and go on.
    Again,
    /// Nothing more with this event.
    Stop(Handled),
}

/// What an event is about.
enum Concern {
    /// The payment itself.
    Payment,
    /// One of its refunds.
    Refund(RefundId),
}

impl PaymentWorker {
    /// A worker for this provider.
    pub fn new(
        app: App,
        provider: Arc<dyn PaymentProvider>,
        options: PaymentWorkerOptions,
    ) -> Self {
        Self {
            app,
            provider,
            options,
        }
    }

    /// Asks about a payment out of turn, because somebody says that something happened. `None`: the provider has no such
    /// payment.
    ///
    /// # Errors
    /// When the log or the provider is away; the payment's own turn comes anyway.
    pub async fn ask_now(
        &self,
        id: PaymentId,
        context: &Context,
    ) -> Result<Option<PaymentState>, HandlerFault> {
        let payment = self.app.payment(id).await.map_err(to_fault)?;
        let Some(terms) = payment.terms.clone() else {
            return Ok(None);
        };
        let snapshot = match &payment.provider_id {
            Some(provider_id) => self.provider.get(provider_id).await,
            None => self.provider.find(id, asked_since(&payment, &terms)).await,
        }
        .map_err(|fault| HandlerFault::transient(fault.to_string()))?;
        let Some(snapshot) = snapshot else {
            return Ok(None);
        };
        self.app
            .observe_payment(id, &snapshot, context)
            .await
            .map_err(|fault| match fault {
                // An answer that went astray.
                CommandError::Rejected(refusal) => HandlerFault::transient(refusal.code),
                fault => to_fault(fault),
            })?;
        Ok(Some(self.app.payment(id).await.map_err(to_fault)?.state))
    }

    /// Asks about all refunds of a payment: ours, and those that somebody made in the provider's cabinet. Returns what the provider
    /// has.
    ///
    /// # Errors
    /// When the log or the provider is away.
    pub async fn ask_refunds_now(
        &self,
        id: PaymentId,
        context: &Context,
    ) -> Result<Vec<RefundSnapshot>, HandlerFault> {
        let payment = self.app.payment(id).await.map_err(to_fault)?;
        let away = |fault: PaymentFault| HandlerFault::transient(fault.to_string());
        let provider_id = match (&payment.provider_id, &payment.terms) {
            (Some(provider_id), _) => provider_id.clone(),
            // Set aside before anybody took down what the provider calls it.
            (None, Some(terms)) if payment.state.is_final() => {
                let since = asked_since(&payment, terms);
                match self.provider.find(id, since).await.map_err(away)? {
                    Some(found) => found.provider_id,
                    None => return Ok(vec![]),
                }
            }
            _ => return Ok(vec![]),
        };
        let refunds = self.provider.refunds_of(&provider_id).await.map_err(away)?;
        if payment.paid.is_none() && !refunds.is_empty() {
            // Money went back of what we do not know to be paid yet: the payment comes first.
            self.ask_now(id, context).await?;
        }
        for snapshot in &refunds {
            match self.app.observe_refund(id, snapshot, context).await {
                Ok(_) => {}
                // Kept for a person: reconciliation shows the difference.
                Err(CommandError::Rejected(refusal)) => {
                    tracing::error!(payment.id = %id, code = refusal.code, "a refund at the provider does not fit ours");
                }
                Err(fault) => return Err(to_fault(fault)),
            }
        }
        Ok(refunds)
    }

    /// The provider behind the worker.
    #[must_use]
    pub fn provider(&self) -> &Arc<dyn PaymentProvider> {
        &self.provider
    }

    async fn step(
        &self,
        id: PaymentId,
        payment: &Payment,
        context: &Context,
        age: TimeDelta,
    ) -> Result<Next, CommandError> {
        let Some(terms) = &payment.terms else {
            return Ok(Next::Stop(Handled::Skipped));
        };
        if terms.provider != self.provider.provider() {
            return Ok(Next::Stop(Handled::Skipped));
        }
        match payment.state {
            PaymentState::Intended => {
                let command = PaymentCommand::RecordSent {
                    generation: payment.generation,
                    at: self.now(),
                };
                let step = format!("sent:{}", payment.generation);
                self.app
                    .payment_step(id, command, &context.step(&step))
                    .await?;
                Ok(Next::Again)
            }
            PaymentState::Sending => self.create(id, payment, terms, context, age).await,
            PaymentState::Pending | PaymentState::AwaitingCapture => {
                self.follow(id, payment, terms, context, age).await
            }
            _ => Ok(Next::Stop(Handled::Done)),
        }
    }

    /// The creating call, or the same call again, or, when the provider has forgotten its key, only the question.
    async fn create(
        &self,
        id: PaymentId,
        payment: &Payment,
        terms: &PaymentTerms,
        context: &Context,
        age: TimeDelta,
    ) -> Result<Next, CommandError> {
        let key = key_age(payment.sent_at, self.now(), self.provider.key_lifetime());
        let answer = if key == KeyAge::Fresh {
            let order = PaymentOrder {
                payment_id: id,
                idempotence_key: payment_key(id, payment.generation),
                amount: terms.amount,
                capture: terms.capture,
                description: format!("kvit {id}"),
                return_url: terms.return_url.clone(),
            };
            self.provider.create(&order).await.map(Some)
        } else {
            self.provider.find(id, asked_since(payment, terms)).await
        };
        match answer {
            Ok(Some(snapshot)) => {
                self.app.observe_payment(id, &snapshot, context).await?;
                Ok(Next::Again)
            }
            Ok(None) if key == KeyAge::Unknown => {
                tracing::error!(payment.id = %id, "this process's clock is behind the others by minutes");
                Ok(Next::Stop(Handled::Later(self.options.ask_pause_max)))
            }
            // Proven: there is none, and nobody can pay what is not there.
            Ok(None) => {
                self.not_created(id, payment, "never_created", context)
                    .await
            }
            Err(PaymentFault::Refused { code }) => {
                self.not_created(id, payment, &code, context).await
            }
            Err(fault) => Ok(Next::Stop(Handled::Later(self.pause(&fault, age)))),
        }
    }

    async fn not_created(
        &self,
        id: PaymentId,
        payment: &Payment,
        code: &str,
        context: &Context,
    ) -> Result<Next, CommandError> {
        let command = PaymentCommand::RecordNotCreated {
            generation: payment.generation,
            code: code.to_owned(),
            is_final: true,
        };
        self.app
            .payment_step(id, command, &context.step("not_created"))
            .await?;
        metrics::counter!("kvit_payments_total", "outcome" => "not_created").increment(1);
        Ok(Next::Stop(Handled::Done))
    }

    /// What a person has decided about held money, then the question how the payment stands.
    async fn follow(
        &self,
        id: PaymentId,
        payment: &Payment,
        terms: &PaymentTerms,
        context: &Context,
        age: TimeDelta,
    ) -> Result<Next, CommandError> {
        let Some(provider_id) = payment.provider_id.clone() else {
            return Err(CommandError::Fatal("a created payment has no id".into()));
        };
        let is_held = payment.state == PaymentState::AwaitingCapture;
        // Capturing and cancelling name the payment, which ends once: repeating them later cannot move money twice.
        let answer = match payment.capture {
            Some(amount) if is_held => {
                let key = payment_key(id, 0) + "-capture";
                self.provider
                    .capture(&provider_id, amount, &key)
                    .await
                    .map(Some)
            }
            None if is_held && payment.cancel_intended => {
                let key = payment_key(id, 0) + "-cancel";
                self.provider.cancel(&provider_id, &key).await.map(Some)
            }
            _ => self.provider.get(&provider_id).await,
        };
        // A refusal to capture or cancel says that it ended otherwise: ask how.
        let answer = match answer {
            Err(PaymentFault::Refused { .. }) => self.provider.get(&provider_id).await,
            answer => answer,
        };
        match answer {
            Ok(Some(snapshot)) => {
                self.app.observe_payment(id, &snapshot, context).await?;
                let now = self.app.payment(id).await?;
                if now.state != payment.state {
                    metrics::counter!("kvit_payments_total", "outcome" => now.state.code())
                        .increment(1);
                    return Ok(Next::Again);
                }
                if self.now() > terms.expires_at + self.options.ask_beyond && !is_held {
                    // The provider ends what nobody pays; should it ever be paid, its notification brings it back.
                    return Ok(Next::Stop(Handled::Done));
                }
                Ok(Next::Stop(Handled::Later(self.ask_pause(age))))
            }
            Ok(None) => {
                tracing::error!(payment.id = %id, "the provider does not know its own payment");
                Ok(Next::Stop(Handled::Later(self.options.ask_pause_max)))
            }
            Err(fault) => Ok(Next::Stop(Handled::Later(self.pause(&fault, age)))),
        }
    }

    async fn refund_step(
        &self,
        id: PaymentId,
        refund_id: RefundId,
        payment: &Payment,
        refund: &Refund,
        context: &Context,
        age: TimeDelta,
    ) -> Result<Next, CommandError> {
        let is_ours = payment
            .terms
            .as_ref()
            .is_some_and(|terms| terms.provider == self.provider.provider());
        let (true, Some(provider_payment_id)) = (is_ours, payment.provider_id.clone()) else {
            return Ok(Next::Stop(Handled::Skipped));
        };
        match refund.state {
            RefundState::Intended => {
                let command = PaymentCommand::RecordRefundSent {
                    refund_id,
                    generation: refund.generation,
                    at: self.now(),
                };
                let started = Instant::now();
                let done = self
                    .app
                    .payment_step(
                        id,
                        command,
                        &context.step(&format!("refund_sent:{}", refund.generation)),
                    )
                    .await?;
                if done.replayed {
                    // Somebody else let the call go, or the log's answer was lost: what became of it is asked first.
                    return Ok(Next::Again);
                }
                let order = RefundOrder {
                    refund_id,
                    payment_id: id,
                    provider_payment_id,
                    idempotence_key: refund_key(refund_id, refund.generation),
                    amount: refund.amount,
                    description: format!("kvit {refund_id}"),
                };
                self.send_refund(&order, (Some(started), refund.generation), context, age)
                    .await
            }
            RefundState::Sending => {
                // The call left in another life or had no clear answer. The provider's list tells; only what is not in it, and
                // whose key the provider still knows, is sent again.
                let known = match self.provider.refunds_of(&provider_payment_id).await {
                    Ok(known) => known,
                    Err(fault) => return Ok(Next::Stop(Handled::Later(self.pause(&fault, age)))),
                };
                // One without a name may be ours: the domain knows which.
                for snapshot in known
                    .iter()
                    .filter(|snapshot| snapshot.refund_id.is_none_or(|of| of == refund_id))
                {
                    if snapshot.refund_id == Some(refund_id) && snapshot.amount != refund.amount {
                        metrics::counter!("kvit_refunds_total", "outcome" => "amount_differs")
                            .increment(1);
                        tracing::error!(payment.id = %id, refund.id = %refund_id, "the provider's refund has another amount than ours: an operator must look");
                        return Ok(Next::Stop(Handled::Later(self.options.ask_pause_max)));
                    }
                    self.app.observe_refund(id, snapshot, context).await?;
                }
                let now = self.app.payment(id).await?;
                if now.refunds.get(&refund_id).map(|now| now.state) != Some(RefundState::Sending) {
                    return Ok(Next::Again);
                }
                // Perhaps the call is under way at this moment, here or in another process: it gets its time.
                let call_max = TimeDelta::from_std(self.options.call_max).unwrap_or_default();
                let wait = refund.sent_at.map(|at| at + call_max - self.now());
                if let Some(wait) = wait.and_then(|wait| wait.to_std().ok()) {
                    return Ok(Next::Stop(Handled::Later(wait.min(self.ask_pause(age)))));
                }
                let lifetime = self.provider.refund_key_lifetime();
                if key_age(refund.sent_at, self.now(), lifetime) != KeyAge::Fresh {
                    metrics::counter!("kvit_refunds_total", "outcome" => "stuck").increment(1);
                    tracing::error!(payment.id = %id, refund.id = %refund_id, "a refund's outcome is unknown and its key forgotten: an operator must look");
                    return Ok(Next::Stop(Handled::Later(self.options.ask_pause_max)));
                }
                let order = RefundOrder {
                    refund_id,
                    payment_id: id,
                    provider_payment_id,
                    idempotence_key: refund_key(refund_id, refund.generation),
                    amount: refund.amount,
                    description: format!("kvit {refund_id}"),
                };
                self.send_refund(&order, (None, refund.generation), context, age)
                    .await
            }
            RefundState::Pending => {
                let Some(provider_refund_id) = &refund.provider_refund_id else {
                    return Err(CommandError::Fatal("a created refund has no id".into()));
                };
                match self.provider.get_refund(provider_refund_id).await {
                    Ok(Some(snapshot)) => {
                        self.app.observe_refund(id, &snapshot, context).await?;
                        let now = self.app.payment(id).await?;
                        let moved = now
                            .refunds
                            .get(&refund_id)
                            .is_some_and(|now| now.state != refund.state);
                        Ok(if moved {
                            Next::Again
                        } else {
                            Next::Stop(Handled::Later(self.ask_pause(age)))
                        })
                    }
                    Ok(None) => Ok(Next::Stop(Handled::Later(self.options.ask_pause_max))),
                    Err(fault) => Ok(Next::Stop(Handled::Later(self.pause(&fault, age)))),
                }
            }
            RefundState::Succeeded | RefundState::Failed => Ok(Next::Stop(Handled::Done)),
        }
    }

    async fn send_refund(
        &self,
        order: &RefundOrder,
        (first_since, generation): (Option<Instant>, u32),
        context: &Context,
        age: TimeDelta,
    ) -> Result<Next, CommandError> {
        match self.provider.refund(order).await {
            Ok(snapshot) => {
                self.app
                    .observe_refund(order.payment_id, &snapshot, context)
                    .await?;
                Ok(Next::Again)
            }
            // Nobody else has sent it yet: they give the first call its time.
            Err(PaymentFault::Refused { code })
                if first_since.is_some_and(|since| since.elapsed() < self.options.call_max) =>
            {
                self.app
                    .refund_failed(order.payment_id, order.refund_id, code, context)
                    .await?;
                Ok(Next::Stop(Handled::Done))
            }
            // Proven not executed, and nobody else has sent it: the next call is as good as the first.
            Err(
                fault @ (PaymentFault::NotSent(_)
                | PaymentFault::Denied
                | PaymentFault::TooManyRequests { .. }),
            ) if first_since.is_some_and(|since| since.elapsed() < self.options.call_max) => {
                let command = PaymentCommand::RecordRefundNotSent {
                    refund_id: order.refund_id,
                    generation,
                };
                let step = format!("refund_not_sent:{generation}");
                self.app
                    .payment_step(order.payment_id, command, &context.step(&step))
                    .await?;
                Ok(Next::Stop(Handled::Later(self.pause(&fault, age))))
            }
            // What became of this call says nothing about another one for the same refund, which may still be executed. The list
            // tells, or a person who has looked there.
            Err(PaymentFault::Refused { code }) => {
                tracing::warn!(payment.id = %order.payment_id, refund.id = %order.refund_id, code, "a repeated refund was refused: the first one is asked about");
                Ok(Next::Stop(Handled::Later(self.ask_pause(age))))
            }
            Err(fault) => Ok(Next::Stop(Handled::Later(self.pause(&fault, age)))),
        }
    }

    /// Somebody may have given money back in the cabinet before we knew that the payment was paid: the notification of that
    /// could not be followed then, and there is no other.
    async fn look_for_refunds(
        &self,
        id: PaymentId,
        event: &RecordedEvent,
    ) -> Result<Handled, HandlerFault> {
        let payment = self.app.payment(id).await.map_err(to_fault)?;
        let is_ours = payment
            .terms
            .as_ref()
            .is_some_and(|terms| terms.provider == self.provider.provider());
        if !is_ours {
            return Ok(Handled::Skipped);
        }
        let context = Context::caused_by(event, self.name(), "refunds");
        self.ask_refunds_now(id, &context).await?;
        Ok(Handled::Done)
    }

    /// Half of the age, within bounds: often at first, seldom later.
    fn ask_pause(&self, age: TimeDelta) -> Duration {
        let half = age.to_std().unwrap_or_default() / 2;
        half.clamp(self.options.ask_pause_min, self.options.ask_pause_max)
    }

    fn pause(&self, fault: &PaymentFault, age: TimeDelta) -> Duration {
        match fault {
            PaymentFault::TooManyRequests { retry_after } => {
                (*retry_after).clamp(Duration::from_millis(100), self.options.ask_pause_max)
            }
            PaymentFault::Denied => self.options.away_pause.max(self.ask_pause(age)),
            // Soon again at first, and ever more seldom while the provider stays away.
            _ => {
                let away = age.to_std().unwrap_or_default() / 20;
                self.ask_pause(age).min(self.options.away_pause.max(away))
            }
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.app.clock().now()
    }

    async fn handle_payment(
        &self,
        id: PaymentId,
        concern: Concern,
        event: &RecordedEvent,
    ) -> Result<Handled, HandlerFault> {
        let age = self.now() - event.recorded_at;
        // Intended, sent, created, and one outcome: no honest course is longer.
        for _ in 0..8 {
            let payment = self.app.payment(id).await.map_err(to_fault)?;
            let mut context = Context::caused_by(event, self.name(), "step");
            // Keys follow from the payment, not from the event: two events that lead to the same step are one.
            context.idempotency_key = format!("payment:{id}");
            // Each state has an event of its own that asks on: two would ask twice.
            let has_moved_on = match event.event_type.as_str() {
                "PaymentIntended" => !matches!(
                    payment.state,
                    PaymentState::Intended | PaymentState::Sending
                ),
                "PaymentCreated" => payment.state != PaymentState::Pending,
                _ => false,
            };
            if has_moved_on {
                return Ok(Handled::Done);
            }
            let next = match &concern {
                Concern::Payment => self.step(id, &payment, &context, age).await,
                Concern::Refund(refund_id) => match payment.refunds.get(refund_id) {
                    Some(refund) => {
                        context.idempotency_key = format!("refund:{refund_id}");
                        self.refund_step(id, *refund_id, &payment, refund, &context, age)
                            .await
                    }
                    None => return Ok(Handled::Skipped),
                },
            };
            match next {
                Ok(Next::Again) => {}
                Ok(Next::Stop(handled)) => return Ok(handled),
                // Somebody else moved it meanwhile.
                Err(CommandError::Rejected(rejection))
                    if matches!(
                        rejection.code.as_str(),
                        "invalid_state" | "idempotency_conflict"
                    ) =>
                {
                    return Ok(Handled::Later(self.options.ask_pause_min));
                }
                // An answer about somebody else's object: the right one is asked for again.
                Err(CommandError::Rejected(rejection)) if rejection.code == "already_exists" => {
                    metrics::counter!("kvit_payments_astray_total").increment(1);
                    tracing::error!(payment.id = %id, "the provider answered about another operation's object");
                    return Ok(Handled::Later(self.ask_pause(age)));
                }
                Err(fault) => return Err(to_fault(fault)),
            }
        }
        Ok(Handled::Later(self.options.ask_pause_min))
    }
}

/// When the first creating call may have left: before that the provider cannot have the payment.
fn asked_since(payment: &Payment, terms: &PaymentTerms) -> DateTime<Utc> {
    payment.sent_at.unwrap_or(terms.expires_at) - TimeDelta::days(1)
}

#[async_trait]
impl EventHandler for PaymentWorker {
    fn name(&self) -> &'static str {
        match self.provider.provider() {
            ProviderName::Portmone => "payment-worker-portmone",
            ProviderName::Yookassa => "payment-worker-yookassa",
            ProviderName::Telegram => "payment-worker-telegram",
        }
    }

    fn interests(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            ("payment", "PaymentIntended"),
            ("payment", "PaymentCreated"),
            ("payment", "PaymentAwaitingCapture"),
            ("payment", "CaptureIntended"),
            ("payment", "CancelIntended"),
            ("payment", "PaymentSucceeded"),
            ("payment", "PaymentQuarantined"),
            ("payment", "RefundIntended"),
        ]
    }

    fn defers(&self) -> bool {
        true
    }

    async fn handle(&self, event: &RecordedEvent) -> Result<Handled, HandlerFault> {
        let id: PaymentId = id_of(event)?;
        let decoded: PaymentEvent = event
            .decode()
            .map_err(|fault| HandlerFault::poison(fault.to_string()))?;
        let concern = match decoded {
            PaymentEvent::PaymentSucceeded { .. }
            | PaymentEvent::PaymentQuarantined {
                received: Some(_), ..
            } => return self.look_for_refunds(id, event).await,
            PaymentEvent::PaymentQuarantined { received: None, .. } => {
                return Ok(Handled::Skipped);
            }
            PaymentEvent::RefundIntended { refund_id, .. } => Concern::Refund(refund_id),
            _ => Concern::Payment,
        };
        self.handle_payment(id, concern, event).await
    }
}
