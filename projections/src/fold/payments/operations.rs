//! Folds of transfers and adjustments.

use kvit_domain::adjustment::{AdjustmentEvent, AdjustmentState};
use kvit_domain::ids::{AdjustmentId, TransferId};
use kvit_domain::ledger::Account;
use kvit_domain::transfer::{TransferEvent, TransferState};

use super::PaymentsRows;
use super::rows::{AdjustmentKey, AdjustmentRow, TransferKey, TransferRow};
use crate::column::Json;
use crate::log::{FoldError, LogEvent};

pub(super) fn transfer(
    event: &LogEvent,
    transfer_id: TransferId,
    change: TransferEvent,
    rows: &mut PaymentsRows,
) -> Result<(), FoldError> {
    if let TransferEvent::TransferRequested { terms } = change {
        rows.transfers.put(TransferRow {
            transfer_id,
            from_wallet: terms.from,
            from_user: terms.from.user,
            to_wallet: terms.to,
            to_user: terms.to.user,
            amount_minor: terms.amount.minor,
            currency: terms.amount.currency,
            credited_minor: terms.credited.minor,
            credited_currency: terms.credited.currency,
            quote: terms.quote.map(Json),
            description: terms.description,
            state: TransferState::New.code().to_owned(),
            hold_id: None,
            debit_id: None,
            credit_id: None,
            failure: None,
            requested_at: event.recorded_at,
            finished_at: None,
            position: event.position,
        });
        return Ok(());
    }
    let row = rows
        .transfers
        .change(&TransferKey { transfer_id })
        .ok_or(FoldError::Missing("transfer"))?;
    row.position = event.position;
    let state = match change {
        TransferEvent::TransferRequested { .. } => return Ok(()),
        TransferEvent::FundsHeld { hold_id } => {
            row.hold_id = Some(hold_id);
            TransferState::Held
        }
        TransferEvent::TransferCompleted {
            debit_id,
            credit_id,
        } => {
            row.debit_id = Some(debit_id);
            row.credit_id = Some(credit_id);
            row.finished_at = Some(event.recorded_at);
            TransferState::Completed
        }
        TransferEvent::TransferFailed { code } => {
            row.failure = Some(code);
            row.finished_at = Some(event.recorded_at);
            TransferState::Failed
        }
    };
    state.code().clone_into(&mut row.state);
    Ok(())
}

pub(super) fn adjustment(
    event: &LogEvent,
    adjustment_id: AdjustmentId,
    change: AdjustmentEvent,
    rows: &mut PaymentsRows,
) -> Result<(), FoldError> {
    if let AdjustmentEvent::AdjustmentProposed {
        wallet_id,
        transaction,
        reason,
        corrects,
        by,
    } = change
    {
        let effect_minor = transaction
            .effect_on(Account::Wallet(wallet_id))
            .map_err(|_| FoldError::Overflow)?;
        rows.adjustments.put(AdjustmentRow {
            adjustment_id,
            wallet_id,
            user_id: wallet_id.user,
            effect_minor,
            currency: wallet_id.currency,
            transaction_id: transaction.id,
            legs: Json(transaction.legs),
            value_date: transaction.value_date,
            description: transaction.description,
            corrects,
            state: AdjustmentState::Proposed.code().to_owned(),
            reason,
            proposed_by: by,
            proposed_at: event.recorded_at,
            decided_by: None,
            decision: None,
            decided_at: None,
            position: event.position,
        });
        return Ok(());
    }
    let row = rows
        .adjustments
        .change(&AdjustmentKey { adjustment_id })
        .ok_or(FoldError::Missing("adjustment"))?;
    row.position = event.position;
    let (by, reason, declined) = match change {
        AdjustmentEvent::AdjustmentProposed { .. } => return Ok(()),
        AdjustmentEvent::AdjustmentPosted { .. } => {
            AdjustmentState::Posted.code().clone_into(&mut row.state);
            return Ok(());
        }
        AdjustmentEvent::AdjustmentApproved { by, reason } => (by, reason, false),
        AdjustmentEvent::AdjustmentDeclined { by, reason } => (by, reason, true),
    };
    if declined {
        AdjustmentState::Declined.code().clone_into(&mut row.state);
    }
    row.decided_by = Some(by);
    row.decision = Some(reason);
    row.decided_at = Some(event.recorded_at);
    Ok(())
}
