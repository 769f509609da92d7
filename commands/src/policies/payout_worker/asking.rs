//! Questions about payouts out of their turn, and what comes to light too late.

use chrono::{DateTime, TimeDelta, Utc};
use kvit_domain::event::StreamId;
use kvit_domain::ids::PayoutId;
use kvit_domain::payout::{Payout, PayoutCommand, PayoutEvent, PayoutState};

use super::{Next, PayoutWorker, STREAM_EVENTS_MAX};
use crate::context::Context;
use crate::error::CommandError;
use crate::policies::to_fault;
use crate::ports::bus::{EventHandler as _, Handled, HandlerFault};
use crate::ports::payout::{BillStatus, ProviderFault, Repay};

impl PayoutWorker {
    /// Asks about a payout out of turn, because the provider has just said that something happened. No effect unless the
    /// payout is unknown.
    ///
    /// # Errors
    /// When the log or the provider is away; the payout's own turn comes anyway.
    pub async fn ask_now(&self, id: PayoutId) -> Result<(), HandlerFault> {
        let payout = self.app.payout(id).await.map_err(to_fault)?;
        if payout.state == PayoutState::InReview {
            return self.ask_in_review(id, &payout).await;
        }
        if !matches!(payout.state, PayoutState::Unknown | PayoutState::Pending) {
            return Ok(());
        }
        let stream = StreamId::new("payout", id.to_string());
        let events = self
            .app
            .stream_events(&stream, 0, STREAM_EVENTS_MAX)
            .await
            .map_err(to_fault)?;
        match events
            .iter()
            .rev()
            .find(|event| matches!(event.event_type.as_str(), "PayoutUnknown" | "PayoutPending"))
        {
            Some(event) => self.handle(event).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// A payout that a person looks at may be proven meanwhile: success needs no person.
    async fn ask_in_review(&self, id: PayoutId, payout: &Payout) -> Result<(), HandlerFault> {
        let (Some(terms), Some(bill_id)) = (&payout.terms, &payout.bill_id) else {
            return Ok(());
        };
        let Some(order) = self.order(id, payout, terms).await.map_err(to_fault)? else {
            return Ok(());
        };
        match self.provider.status(&order, bill_id).await {
            Ok(Some(bill)) if bill.status == BillStatus::Paid && bill.bill_id == *bill_id => {
                let key = format!("payout:{id}:in-review");
                let context = Context::new(format!("policy:{}", self.name()), key, id.to_string());
                self.app
                    .payout_succeeded(
                        id,
                        bill.bill_id,
                        bill.paid_at,
                        bill.provider_id,
                        &context.step("succeeded"),
                    )
                    .await
                    .map_err(to_fault)?;
                metrics::counter!("kvit_payouts_total", "outcome" => "succeeded").increment(1);
                Ok(())
            }
            Ok(_) | Err(ProviderFault::Mismatch(_) | ProviderFault::Refused { .. }) => Ok(()),
            Err(fault) => Err(HandlerFault::transient(fault.to_string())),
        }
    }

    /// Asks whether a paid payout came back, because somebody says so, and books it when the provider confirms. Whether it
    /// did.
    ///
    /// # Errors
    /// When the log or the provider is away.
    pub async fn ask_reversal(
        &self,
        id: PayoutId,
        context: &Context,
    ) -> Result<bool, HandlerFault> {
        let payout = self.app.payout(id).await.map_err(to_fault)?;
        match payout.state {
            PayoutState::Reversed => return Ok(true),
            PayoutState::Succeeded => {}
            _ => return Ok(false),
        }
        let (Some(terms), Some(bill_id)) = (&payout.terms, payout.bill_id.clone()) else {
            return Ok(false);
        };
        let Some(order) = self.order(id, &payout, terms).await.map_err(to_fault)? else {
            return Ok(false);
        };
        match self.provider.status(&order, &bill_id).await {
            Ok(Some(bill)) if bill.status == BillStatus::Reversed && bill.bill_id == bill_id => {
                self.app
                    .payout_reversed(id, bill_id, &context.step("reversed"))
                    .await
                    .map_err(to_fault)?;
                metrics::counter!("kvit_payouts_total", "outcome" => "reversed").increment(1);
                Ok(true)
            }
            Ok(_) | Err(ProviderFault::Mismatch(_)) => Ok(false),
            Err(fault) => Err(HandlerFault::transient(fault.to_string())),
        }
    }

    /// Paid, but it has ended otherwise, or its hold is gone: kept in its history and brought before a person.
    pub(super) async fn late_proof(
        &self,
        id: PayoutId,
        attempt: u32,
        context: &Context,
    ) -> Result<Next, CommandError> {
        let payout = self.app.payout(id).await?;
        match payout.state {
            PayoutState::Sent | PayoutState::Unknown | PayoutState::Pending => {
                self.review(
                    id,
                    attempt,
                    "paid, and its money is not held any more",
                    context,
                )
                .await
            }
            PayoutState::Failed | PayoutState::Reversed => {
                let command = PayoutCommand::Contradict {
                    status: "paid".to_owned(),
                };
                self.app
                    .payout_step(id, command, &context.step("contradicted"))
                    .await?;
                Ok(Next::Stop(Handled::Done))
            }
            _ => Ok(Next::Stop(Handled::Done)),
        }
    }

    /// Until when the provider recognises the paying call, by the clock of the first call.
    pub(super) fn key_lives_until(&self, payout: &Payout) -> Option<DateTime<Utc>> {
        match self.provider.repay() {
            Repay::Always => None,
            Repay::Within(lifetime) => {
                let lifetime = TimeDelta::from_std(lifetime).unwrap_or_default();
                payout.first_sent_at.map(|first| first + lifetime)
            }
        }
    }

    /// Whether the provider still recognises the call that was just recorded again, by the log's own clock: the clocks of
    /// processes may be wrong, the log's only moves forwards.
    pub(super) async fn key_lives(&self, id: PayoutId, attempt: u32) -> Result<bool, CommandError> {
        let Repay::Within(lifetime) = self.provider.repay() else {
            return Ok(true);
        };
        let stream = StreamId::new("payout", id.to_string());
        let events = self
            .app
            .stream_events(&stream, 0, STREAM_EVENTS_MAX)
            .await?;
        let mut sent = events.iter().filter(|event| {
            event.event_type == "PayoutSent"
                && event
                    .decode::<PayoutEvent>()
                    .is_ok_and(|sent| matches!(sent, PayoutEvent::PayoutSent { attempt: a, .. } if a == attempt))
        });
        let (first, last) = (sent.next(), events.last());
        Ok(first.zip(last).is_some_and(|(first, last)| {
            (last.recorded_at - first.recorded_at)
                .to_std()
                .is_ok_and(|age| age < lifetime)
        }))
    }
}
