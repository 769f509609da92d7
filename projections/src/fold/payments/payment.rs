//! The fold of payments and their refunds.

use kvit_domain::ids::{PaymentId, RefundId};
use kvit_domain::money::Money;
use kvit_domain::payment::{PaymentEvent, PaymentState, PaymentTerms, RefundState};

use super::PaymentsRows;
use super::oversight::columns;
use super::rows::{PaymentKey, PaymentRow, RefundKey, RefundRow};
use crate::log::{FoldError, LogEvent};

/// The refund that an event is about.
const fn refund_of(change: &PaymentEvent) -> Option<RefundId> {
    match change {
        PaymentEvent::RefundIntended { refund_id, .. }
        | PaymentEvent::RefundSent { refund_id, .. }
        | PaymentEvent::RefundCreated { refund_id, .. }
        | PaymentEvent::RefundSucceeded { refund_id, .. }
        | PaymentEvent::RefundFailed { refund_id, .. } => Some(*refund_id),
        _ => None,
    }
}

pub(super) fn want(payment_id: PaymentId, change: &PaymentEvent, rows: &mut PaymentsRows) {
    rows.payments.want(PaymentKey { payment_id });
    if let Some(refund_id) = refund_of(change) {
        rows.refunds.want(RefundKey {
            refund_id,
            payment_id,
        });
    }
}

/// The state that an event leads to; none when the state stays.
pub(crate) const fn state_after(change: &PaymentEvent) -> Option<PaymentState> {
    Some(match change {
        PaymentEvent::PaymentIntended { .. }
        | PaymentEvent::PaymentNotCreated {
            is_final: false, ..
        } => PaymentState::Intended,
        PaymentEvent::PaymentSent { .. } => PaymentState::Sending,
        PaymentEvent::PaymentCreated { .. } => PaymentState::Pending,
        PaymentEvent::PaymentAwaitingCapture { .. } => PaymentState::AwaitingCapture,
        PaymentEvent::PaymentSucceeded { .. } => PaymentState::Succeeded,
        PaymentEvent::PaymentNotCreated { is_final: true, .. }
        | PaymentEvent::PaymentCanceled { .. } => PaymentState::Canceled,
        PaymentEvent::PaymentQuarantined { .. } => PaymentState::Quarantined,
        PaymentEvent::QuarantineResolved { .. } => PaymentState::Resolved,
        _ => return None,
    })
}

/// The state of its refund that an event leads to; none when the event is about no refund.
pub(crate) const fn refund_state_after(change: &PaymentEvent) -> Option<(RefundId, RefundState)> {
    Some(match change {
        PaymentEvent::RefundIntended { refund_id, .. } => (*refund_id, RefundState::Intended),
        PaymentEvent::RefundSent { refund_id, .. } => (*refund_id, RefundState::Sending),
        PaymentEvent::RefundCreated { refund_id, .. } => (*refund_id, RefundState::Pending),
        PaymentEvent::RefundSucceeded { refund_id, .. } => (*refund_id, RefundState::Succeeded),
        PaymentEvent::RefundFailed { refund_id, .. } => (*refund_id, RefundState::Failed),
        _ => return None,
    })
}

pub(super) fn fold(
    event: &LogEvent,
    payment_id: PaymentId,
    change: PaymentEvent,
    rows: &mut PaymentsRows,
) -> Result<(), FoldError> {
    if let PaymentEvent::PaymentIntended { terms } = change {
        rows.payments.put(intended(event, payment_id, terms));
        return Ok(());
    }
    let row = rows
        .payments
        .change(&PaymentKey { payment_id })
        .ok_or(FoldError::Missing("payment"))?;
    row.position = event.position;
    if let Some(state) = state_after(&change) {
        state.code().clone_into(&mut row.state);
        row.state_since = event.recorded_at;
        row.finished_at = state.is_final().then_some(event.recorded_at);
    }
    match change {
        PaymentEvent::PaymentIntended { .. } => {}
        PaymentEvent::PaymentSent { generation, at } => {
            row.generation = i64::from(generation);
            row.sent_at = Some(at);
        }
        PaymentEvent::PaymentNotCreated {
            generation, code, ..
        } => {
            row.generation = i64::from(generation).saturating_add(1);
            row.sent_at = None;
            row.reason = Some(code);
        }
        PaymentEvent::PaymentCreated {
            provider_id,
            confirmation_url,
        } => {
            row.provider_id = Some(provider_id);
            row.confirmation_url = confirmation_url;
            row.created_at = Some(event.recorded_at);
            row.reason = None;
        }
        PaymentEvent::PaymentAwaitingCapture { expires_at, .. } => row.capture_until = expires_at,
        PaymentEvent::CaptureIntended { amount } => row.capture_minor = Some(amount.minor),
        PaymentEvent::CancelIntended {} => row.cancel_intended = true,
        PaymentEvent::PaymentSucceeded { amount, fee, late } => {
            (row.paid_minor, row.paid_currency) = columns(Some(amount));
            row.fee_minor = fee.map(|fee| fee.minor);
            row.late = late;
            row.reason = None;
            row.canceled_by = None;
        }
        PaymentEvent::PaymentCanceled { party, reason } => {
            row.canceled_by = Some(party);
            row.reason = Some(reason);
        }
        PaymentEvent::PaymentQuarantined { reason, received } => {
            (row.paid_minor, row.paid_currency) = columns(received);
            row.reason = Some(reason);
        }
        PaymentEvent::ResolutionProposed {
            credited,
            by,
            reason,
        } => {
            row.proposed_by = Some(by);
            row.proposed_minor = credited.map(|amount| amount.minor);
            row.proposal = Some(reason);
        }
        PaymentEvent::QuarantineResolved { by, reason, .. } => {
            row.resolved_by = Some(by);
            row.resolution = Some(reason);
        }
        PaymentEvent::PaymentContradicted { status } => row.contradicted = Some(status),
        PaymentEvent::PaymentOverpaid { .. } => row.contradicted = Some("overpaid".to_owned()),
        refund => return fold_refund(event, payment_id, refund, rows),
    }
    Ok(())
}

fn intended(event: &LogEvent, payment_id: PaymentId, terms: PaymentTerms) -> PaymentRow {
    PaymentRow {
        payment_id,
        user_id: terms.user_id,
        wallet_id: terms.wallet_id,
        provider: terms.provider.code().to_owned(),
        amount_minor: terms.amount.minor,
        currency: terms.amount.currency,
        capture: terms.capture,
        test: terms.test,
        state: PaymentState::Intended.code().to_owned(),
        state_since: event.recorded_at,
        generation: 1,
        provider_id: None,
        confirmation_url: None,
        paid_minor: None,
        paid_currency: None,
        fee_minor: None,
        refunded_minor: 0,
        refunding_minor: 0,
        late: false,
        reason: None,
        canceled_by: None,
        contradicted: None,
        capture_minor: None,
        cancel_intended: false,
        capture_until: None,
        proposed_by: None,
        proposed_minor: None,
        proposal: None,
        resolved_by: None,
        resolution: None,
        intended_at: event.recorded_at,
        sent_at: None,
        created_at: None,
        expires_at: terms.expires_at,
        finished_at: None,
        position: event.position,
    }
}

fn fold_refund(
    event: &LogEvent,
    payment_id: PaymentId,
    change: PaymentEvent,
    rows: &mut PaymentsRows,
) -> Result<(), FoldError> {
    let Some((refund_id, state)) = refund_state_after(&change) else {
        return Ok(());
    };
    let payment = rows
        .payments
        .change(&PaymentKey { payment_id })
        .ok_or(FoldError::Missing("payment"))?;
    let key = RefundKey {
        refund_id,
        payment_id,
    };
    let known = rows.refunds.get(&key).map(|row| row.amount_minor);
    match &change {
        PaymentEvent::RefundIntended { amount, .. } => {
            payment.refunding_minor = plus(payment.refunding_minor, amount.minor)?;
            rows.refunds
                .put(started(event, payment, refund_id, *amount));
        }
        PaymentEvent::RefundSucceeded { amount, .. } => {
            payment.refunded_minor = plus(payment.refunded_minor, amount.minor)?;
            match known {
                Some(minor) => payment.refunding_minor = minus(payment.refunding_minor, minor)?,
                None => rows
                    .refunds
                    .put(started(event, payment, refund_id, *amount)),
            }
        }
        PaymentEvent::RefundFailed { .. } => {
            let minor = known.ok_or(FoldError::Missing("refund"))?;
            payment.refunding_minor = minus(payment.refunding_minor, minor)?;
        }
        _ => {}
    }
    let row = rows
        .refunds
        .change(&key)
        .ok_or(FoldError::Missing("refund"))?;
    row.position = event.position;
    state.code().clone_into(&mut row.state);
    row.state_since = event.recorded_at;
    match change {
        PaymentEvent::RefundIntended {
            hold_id, reason, ..
        } => {
            row.hold_id = Some(hold_id);
            row.reason = reason;
            row.generation = 1;
        }
        PaymentEvent::RefundSent { generation, at, .. } => {
            row.generation = i64::from(generation);
            row.sent_at = Some(at);
        }
        PaymentEvent::RefundCreated {
            provider_refund_id, ..
        } => row.provider_refund_id = Some(provider_refund_id),
        PaymentEvent::RefundSucceeded {
            provider_refund_id,
            foreign,
            ..
        } => {
            row.provider_refund_id = Some(provider_refund_id);
            row.is_foreign = foreign;
            row.finished_at = Some(event.recorded_at);
        }
        PaymentEvent::RefundFailed { reason, .. } => {
            row.failure = Some(reason);
            row.finished_at = Some(event.recorded_at);
        }
        _ => {}
    }
    Ok(())
}

fn started(
    event: &LogEvent,
    payment: &PaymentRow,
    refund_id: RefundId,
    amount: Money,
) -> RefundRow {
    RefundRow {
        refund_id,
        payment_id: payment.payment_id,
        user_id: payment.user_id,
        wallet_id: payment.wallet_id,
        provider: payment.provider.clone(),
        amount_minor: amount.minor,
        currency: amount.currency,
        state: String::new(),
        state_since: event.recorded_at,
        generation: 0,
        hold_id: None,
        provider_refund_id: None,
        reason: String::new(),
        failure: None,
        is_foreign: false,
        intended_at: event.recorded_at,
        sent_at: None,
        finished_at: None,
        position: event.position,
    }
}

fn plus(left: i64, right: i64) -> Result<i64, FoldError> {
    left.checked_add(right).ok_or(FoldError::Overflow)
}

fn minus(left: i64, right: i64) -> Result<i64, FoldError> {
    left.checked_sub(right).ok_or(FoldError::Overflow)
}
