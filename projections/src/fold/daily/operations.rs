//! Figures of payouts, payments and their refunds, and of notifications.

use kvit_domain::ids::{PaymentId, PayoutId};
use kvit_domain::money::Money;
use kvit_domain::notification::NotificationEvent;
use kvit_domain::payment::PaymentEvent;
use kvit_domain::payout::PayoutEvent;

use super::super::{payments, payouts};
use super::rows::{
    DailyRows, PaymentDayKey, PaymentDayRow, PayoutDayKey, PayoutDayRow, ReceiptDayKey,
    RefundDayKey, RefundDayRow,
};
use super::{Day, figure};
use crate::log::FoldError;

pub(super) fn want(payment_id: PaymentId, change: &PaymentEvent, rows: &mut DailyRows) {
    rows.payments.want(PaymentDayKey { payment_id });
    if let Some((refund_id, _)) = payments::refund_state_after(change) {
        rows.refunds.want(RefundDayKey {
            refund_id,
            payment_id,
        });
    }
}

impl Day<'_> {
    pub(super) fn payout(
        &mut self,
        payout_id: PayoutId,
        change: &PayoutEvent,
    ) -> Result<(), FoldError> {
        let key = PayoutDayKey { payout_id };
        if let PayoutEvent::PayoutRequested {
            amount,
            provider,
            receipt_id,
            ..
        } = change
        {
            self.rows.payouts.put(PayoutDayRow {
                payout_id,
                provider: provider.code().to_owned(),
                currency: amount.currency,
                amount_minor: amount.minor,
                receipt_id: *receipt_id,
                state: String::new(),
                postponed: None,
                position: self.event.position,
            });
        }
        let row = self
            .rows
            .payouts
            .change(&key)
            .ok_or(FoldError::Missing("payout"))?;
        row.position = self.event.position;
        let money = Some(Money::new(row.amount_minor, row.currency));
        let provider = row.provider.clone();
        let receipt_id = row.receipt_id;
        let state = payouts::state_after(change);
        let before = row.state.clone();
        let waited = match change {
            PayoutEvent::PayoutPostponed { reason, .. } => row.postponed.replace(reason.clone()),
            _ if state.is_some() => row.postponed.take(),
            _ => row.postponed.clone(),
        };
        let waits = row.postponed.clone();
        if let Some(state) = state {
            state.code().clone_into(&mut row.state);
        }
        let detail = match change {
            PayoutEvent::PayoutRequested { .. } => Some("requested"),
            PayoutEvent::PayoutUnknown { .. } => Some("unknown"),
            PayoutEvent::PayoutSucceeded { .. } => Some("succeeded"),
            PayoutEvent::PayoutFailed { is_final: true, .. } => Some("failed"),
            PayoutEvent::PayoutFailed { .. } => Some("attempt_failed"),
            PayoutEvent::PayoutReversed { .. } => Some("reversed"),
            PayoutEvent::SentToReview { .. } => Some("sent_to_review"),
            PayoutEvent::PayoutPostponed { .. } => Some("postponed"),
            PayoutEvent::FundsHeld { .. }
            | PayoutEvent::BudgetTaken { .. }
            | PayoutEvent::PayoutPending { .. }
            | PayoutEvent::PayoutCreated { .. }
            | PayoutEvent::PayoutSent { .. }
            | PayoutEvent::ReviewProposed { .. }
            | PayoutEvent::ReviewDecided { .. } => None,
            PayoutEvent::PayoutContradicted { .. } => Some("contradicted"),
        };
        if let Some(detail) = detail {
            self.add(figure::PAYOUTS, &format!("{provider}:{detail}"), 1, money);
        }
        if waited != waits {
            let waited = place(&provider, &waited.unwrap_or_default());
            let waits = place(&provider, &waits.unwrap_or_default());
            self.moved(figure::POSTPONED, &waited, &waits, money);
        }
        if let Some(state) = state {
            let before = place(&provider, &before);
            let after = place(&provider, state.code());
            self.moved(figure::PAYOUT_STATE, &before, &after, money);
        }
        if let (PayoutEvent::PayoutSucceeded { .. }, Some(receipt_id)) = (change, receipt_id)
            && let Some(row) = self.rows.receipts.change(&ReceiptDayKey { receipt_id })
            && !row.paid
        {
            row.paid = true;
            row.position = self.event.position;
            let uploaded_on = row.day;
            self.add_on(uploaded_on, figure::FUNNEL, "paid", 1, None);
        }
        Ok(())
    }

    pub(super) fn payment(
        &mut self,
        payment_id: PaymentId,
        change: &PaymentEvent,
    ) -> Result<(), FoldError> {
        let key = PaymentDayKey { payment_id };
        if let PaymentEvent::PaymentIntended { terms } = change {
            self.rows.payments.put(PaymentDayRow {
                payment_id,
                provider: terms.provider.code().to_owned(),
                currency: terms.amount.currency,
                amount_minor: terms.amount.minor,
                state: String::new(),
                position: self.event.position,
            });
        }
        let row = self
            .rows
            .payments
            .change(&key)
            .ok_or(FoldError::Missing("payment"))?;
        row.position = self.event.position;
        let asked = Money::new(row.amount_minor, row.currency);
        let provider = row.provider.clone();
        let state = payments::state_after(change);
        let before = row.state.clone();
        if let Some(state) = state {
            state.code().clone_into(&mut row.state);
            let before = place(&provider, &before);
            let after = place(&provider, state.code());
            self.moved(figure::PAYMENT_STATE, &before, &after, Some(asked));
        }
        let what = match change {
            PaymentEvent::PaymentIntended { .. } => Some(("intended", asked)),
            PaymentEvent::PaymentSucceeded { amount, late, .. } => {
                if *late {
                    let detail = place(&provider, "late");
                    self.add(figure::PAYMENTS, &detail, 1, Some(*amount));
                }
                Some(("succeeded", *amount))
            }
            PaymentEvent::PaymentCanceled { .. }
            | PaymentEvent::PaymentNotCreated { is_final: true, .. } => Some(("canceled", asked)),
            PaymentEvent::PaymentQuarantined { received, .. } => {
                Some(("quarantined", received.unwrap_or(asked)))
            }
            PaymentEvent::QuarantineResolved { credited, .. } => Some((
                "resolved",
                credited.unwrap_or(Money::new(0, asked.currency)),
            )),
            PaymentEvent::PaymentContradicted { .. } => Some(("contradicted", asked)),
            PaymentEvent::PaymentOverpaid { excess, .. } => Some(("contradicted", *excess)),
            _ => None,
        };
        if let Some((what, money)) = what {
            self.add(figure::PAYMENTS, &place(&provider, what), 1, Some(money));
        }
        self.refund(payment_id, &provider, change)
    }

    fn refund(
        &mut self,
        payment_id: PaymentId,
        provider: &str,
        change: &PaymentEvent,
    ) -> Result<(), FoldError> {
        let Some((refund_id, state)) = payments::refund_state_after(change) else {
            return Ok(());
        };
        let key = RefundDayKey {
            refund_id,
            payment_id,
        };
        let amount = match change {
            PaymentEvent::RefundIntended { amount, .. }
            | PaymentEvent::RefundSucceeded { amount, .. } => Some(*amount),
            _ => None,
        };
        if let (Some(amount), None) = (amount, self.rows.refunds.get(&key)) {
            self.rows.refunds.put(RefundDayRow {
                refund_id,
                payment_id,
                currency: amount.currency,
                amount_minor: amount.minor,
                state: String::new(),
                position: self.event.position,
            });
        }
        let row = self
            .rows
            .refunds
            .change(&key)
            .ok_or(FoldError::Missing("refund"))?;
        row.position = self.event.position;
        let money = Some(Money::new(row.amount_minor, row.currency));
        let before = std::mem::replace(&mut row.state, state.code().to_owned());
        let (before, after) = (place(provider, &before), place(provider, state.code()));
        self.moved(figure::REFUND_STATE, &before, &after, money);
        let what = match change {
            PaymentEvent::RefundIntended { .. } => "intended",
            PaymentEvent::RefundSucceeded { foreign: true, .. } => "foreign",
            PaymentEvent::RefundSucceeded { .. } => "succeeded",
            PaymentEvent::RefundFailed { .. } => "failed",
            _ => return Ok(()),
        };
        self.add(figure::REFUNDS, &place(provider, what), 1, money);
        Ok(())
    }

    /// The provider of a notification is named once; what follows is counted for all of them together.
    pub(super) fn notification(&mut self, change: &NotificationEvent) {
        let detail = match change {
            NotificationEvent::NotificationReceived { .. } => "received",
            NotificationEvent::NotificationVerified { .. } => "verified",
            NotificationEvent::NotificationQuarantined { .. } => "quarantined",
        };
        self.add(figure::NOTIFICATIONS, detail, 1, None);
    }
}

/// `<provider>:<what>`; the empty state is none.
fn place(provider: &str, what: &str) -> String {
    if what.is_empty() {
        String::new()
    } else {
        format!("{provider}:{what}")
    }
}
