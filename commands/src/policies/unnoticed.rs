//! Asks about what a provider's list shows as done and what no notification has brought to us.
//!
//! Notifications get lost, and a refund made in the provider's cabinet has no other messenger. The list itself books
//! nothing: it only chooses what to ask about, with our own credentials, and the answer goes the same way as every other.
//! What the books then agree with is no difference any more; all else stays one for a person.

use std::collections::BTreeMap;
use std::sync::Arc;

use kvit_domain::ledger::ProviderName;
use kvit_domain::payment::{PaymentState, RefundState};
use kvit_domain::reconciliation::{Break, BreakClass, Matched, StatementKind};

use super::PaymentWorker;
use super::settling::claimed_payment;
use crate::app::App;
use crate::context::Context;
use crate::ports::bus::HandlerFault;
use crate::ports::statement::{ItemStatus, StatementItem};

/// Most questions that one comparison asks; a day with more has another trouble than lost notifications.
const QUESTIONS_MAX: usize = 200;

/// Asks about the payments of one provider.
pub(super) struct Unnoticed<'a> {
    pub(super) app: &'a App,
    pub(super) worker: &'a Arc<PaymentWorker>,
    pub(super) provider: ProviderName,
    pub(super) context: &'a Context,
}

impl Unnoticed<'_> {
    /// Asks about each difference that a lost notification explains. Returns those that stay differences; what agrees now joins
    /// `matched`.
    pub(super) async fn follow(
        &self,
        kind: StatementKind,
        items: &[StatementItem],
        breaks: Vec<Break>,
        matched: &mut Vec<Matched>,
    ) -> Vec<Break> {
        let done: BTreeMap<&str, &StatementItem> = items
            .iter()
            .filter(|item| item.status == ItemStatus::Done)
            .map(|item| (item.provider_id.as_str(), item))
            .collect();
        let (mut left, mut questions) = (Vec::new(), 0_usize);
        for found in breaks {
            let explained = matches!(
                found.class,
                BreakClass::TheirsOnly | BreakClass::StatusDiffers
            );
            let item = done.get(found.item.as_str()).copied();
            let (true, Some(item), true) = (explained, item, questions < QUESTIONS_MAX) else {
                left.push(found);
                continue;
            };
            questions += 1;
            let asked = match kind {
                StatementKind::Payments => self.payment(item).await,
                StatementKind::Refunds => self.refund(item).await,
                StatementKind::Payouts | StatementKind::Settlement => Ok(None),
            };
            match asked {
                Ok(Some(operation)) => {
                    metrics::counter!("kvit_unnoticed_total", "provider" => self.provider.code(), "kind" => kind.code())
                        .increment(1);
                    matched.push(Matched {
                        item: found.item,
                        operation,
                        amount: item.amount,
                        fee: item.fee,
                    });
                }
                Ok(None) => left.push(found),
                Err(fault) => {
                    tracing::warn!(%fault, provider = self.provider.code(), "what a list shows could not be asked about");
                    left.push(found);
                }
            }
        }
        left
    }

    async fn payment(&self, item: &StatementItem) -> Result<Option<String>, HandlerFault> {
        let claimed = claimed_payment(self.app, self.provider, &item.provider_id).await?;
        let named = || item.operation_id.as_deref()?.parse().ok();
        let Some(id) = claimed.or_else(named) else {
            return Ok(None);
        };
        self.worker.ask_now(id, self.context).await?;
        let payment = self.app.payment(id).await.map_err(super::to_fault)?;
        let agrees = payment.state == PaymentState::Succeeded
            && payment.provider_id.as_ref() == Some(&item.provider_id)
            && payment.paid == Some(item.amount);
        Ok(agrees.then(|| id.to_string()))
    }

    async fn refund(&self, item: &StatementItem) -> Result<Option<String>, HandlerFault> {
        let Some(of_payment) = item.of_payment.as_deref() else {
            return Ok(None);
        };
        let Some(id) = claimed_payment(self.app, self.provider, of_payment).await? else {
            return Ok(None);
        };
        self.worker.ask_refunds_now(id, self.context).await?;
        let payment = self.app.payment(id).await.map_err(super::to_fault)?;
        Ok(payment
            .refunds
            .iter()
            .find(|(_, refund)| {
                refund.provider_refund_id.as_ref() == Some(&item.provider_id)
                    && refund.state == RefundState::Succeeded
                    && refund.amount == item.amount
            })
            .map(|(refund_id, _)| refund_id.to_string()))
    }
}
