//! Payouts as they stand. The sealed destination stays in the log: no read model holds it.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use kvit_domain::ids::{HoldId, PayoutId, ReceiptId, UserId, WalletId};
use kvit_domain::money::Currency;
use kvit_domain::payout::{PayoutEvent, PayoutState};

use crate::log::{FoldError, LogEvent, Needs};
use crate::projection::Fold;
use crate::table::{table, tables};

table! {
    /// A payout.
    PayoutRow in "payouts"
    key PayoutKey {
        /// Its id.
        payout_id: PayoutId,
    }
    columns {
        /// Who gets it.
        user_id: UserId,
        /// From which wallet.
        wallet_id: WalletId,
        /// Above zero, minor units.
        amount_minor: i64,
        /// Currency of the amount.
        currency: Currency,
        /// In which way, such as `mobile_top_up` or `sbp`.
        method: String,
        /// Whose phone account is credited; empty for other ways than a mobile top-up.
        operator: String,
        /// Through whom.
        provider: String,
        /// The receipt whose bonus it is.
        receipt_id: Option<ReceiptId>,
        /// The hold on the wallet.
        hold_id: Option<HoldId>,
        /// A [`PayoutState`] in snake_case.
        state: String,
        /// Current attempt, from 1.
        attempt: i64,
        /// The provider's id of the bill of the current attempt.
        bill_id: Option<String>,
        /// The provider's own id of the current attempt, where it is another one than the bill's.
        provider_id: Option<String>,
        /// Why it failed, is unknown or is in review.
        reason: Option<String>,
        /// When the next attempt may start.
        retry_at: Option<DateTime<Utc>>,
        /// Why it waits before its next step: `daily_budget`, `breaker` or `kill_switch`; empty when it does not.
        postponed: Option<String>,
        /// Since when it waits so.
        postponed_since: Option<DateTime<Utc>>,
        /// Until when it waits so, if that is known.
        postponed_until: Option<DateTime<Utc>>,
        /// The day whose budget it has taken.
        budget_day: Option<NaiveDate>,
        /// What one person says of a payout in doubt, whether the money moved; a second one has to agree.
        proposed_paid: Option<bool>,
        /// Who says so.
        proposed_by: Option<String>,
        /// How they know.
        proposal: Option<String>,
        /// What the provider says against a final state.
        contradicted: Option<String>,
        /// When it was requested.
        requested_at: DateTime<Utc>,
        /// When the paying call of the current attempt was about to leave.
        sent_at: Option<DateTime<Utc>>,
        /// Since when the provider has it without having finished; empty when it does not.
        pending_since: Option<DateTime<Utc>>,
        /// Since when nobody knows; empty when it is known.
        unknown_since: Option<DateTime<Utc>>,
        /// When it ended: succeeded, failed for good or taken back.
        finished_at: Option<DateTime<Utc>>,
        /// When the provider paid, in the provider's local time, if told.
        paid_at: Option<NaiveDateTime>,
    }
    indexes [
        "(user_id, requested_at DESC)",
        "(receipt_id) WHERE receipt_id IS NOT NULL",
        "(state, requested_at DESC)",
        "(requested_at DESC, payout_id DESC)",
        "(provider, bill_id) WHERE bill_id IS NOT NULL",
        "(provider, provider_id) WHERE provider_id IS NOT NULL",
        "(provider, (coalesce(sent_at, requested_at)))",
        "(postponed_since) WHERE postponed IS NOT NULL",
        "(contradicted) WHERE contradicted IS NOT NULL"
    ]
}

tables! {
    /// The table of payouts.
    PayoutsRows {
        /// Payouts.
        payouts: Rows<PayoutRow>,
    }
}

/// The projection `payouts`.
#[derive(Debug)]
pub struct Payouts;

impl Fold for Payouts {
    const NAME: &'static str = "payouts";
    const VERSION: i64 = 3;
    const NEEDS: Needs = Needs {
        aggregates: &["payout"],
        actors: false,
    };
    type Rows = PayoutsRows;
    type Change = (PayoutId, PayoutEvent);

    fn decode(event: &LogEvent) -> Result<Option<Self::Change>, FoldError> {
        if event.stream.aggregate_type != "payout" {
            return Ok(None);
        }
        Ok(Some((event.id()?, event.decode()?)))
    }

    fn want(_event: &LogEvent, (payout_id, _): &Self::Change, rows: &mut PayoutsRows) {
        rows.payouts.want(PayoutKey {
            payout_id: *payout_id,
        });
    }

    fn fold(
        event: &LogEvent,
        (payout_id, change): Self::Change,
        rows: &mut PayoutsRows,
    ) -> Result<(), FoldError> {
        if let PayoutEvent::PayoutRequested {
            user_id,
            wallet_id,
            amount,
            operator,
            provider,
            receipt_id,
            method,
            destination: _,
        } = change
        {
            rows.payouts.put(PayoutRow {
                payout_id,
                user_id,
                wallet_id,
                amount_minor: amount.minor,
                currency: amount.currency,
                method: method.code().to_owned(),
                operator: operator.map_or_else(String::new, |operator| operator.code().to_owned()),
                provider: provider.code().to_owned(),
                receipt_id,
                hold_id: None,
                state: PayoutState::New.code().to_owned(),
                attempt: 1,
                bill_id: None,
                provider_id: None,
                reason: None,
                retry_at: None,
                postponed: None,
                postponed_since: None,
                postponed_until: None,
                budget_day: None,
                proposed_paid: None,
                proposed_by: None,
                proposal: None,
                contradicted: None,
                requested_at: event.recorded_at,
                sent_at: None,
                pending_since: None,
                unknown_since: None,
                finished_at: None,
                paid_at: None,
                position: event.position,
            });
            return Ok(());
        }
        let row = rows
            .payouts
            .change(&PayoutKey { payout_id })
            .ok_or(FoldError::Missing("payout"))?;
        row.position = event.position;
        if let Some(state) = state_after(&change) {
            state.code().clone_into(&mut row.state);
            row.postponed = None;
            row.postponed_since = None;
            row.postponed_until = None;
            if state != PayoutState::InReview {
                row.unknown_since = None;
                row.pending_since = None;
                row.proposed_paid = None;
                row.proposed_by = None;
                row.proposal = None;
            }
        }
        match change {
            PayoutEvent::PayoutRequested { .. } | PayoutEvent::ReviewDecided { .. } => {}
            PayoutEvent::ReviewProposed { paid, by, reason } => {
                row.proposed_paid = Some(paid);
                row.proposed_by = Some(by);
                row.proposal = Some(reason);
            }
            PayoutEvent::PayoutContradicted { status } => row.contradicted = Some(status),
            PayoutEvent::FundsHeld { hold_id } => row.hold_id = Some(hold_id),
            PayoutEvent::PayoutCreated { attempt, bill_id } => {
                row.attempt = i64::from(attempt);
                row.bill_id = Some(bill_id);
                row.retry_at = None;
            }
            PayoutEvent::PayoutSent { .. } => row.sent_at = Some(event.recorded_at),
            PayoutEvent::PayoutUnknown { reason, .. } => {
                row.unknown_since = Some(event.recorded_at);
                row.reason = Some(reason);
            }
            PayoutEvent::BudgetTaken { day } => row.budget_day = Some(day),
            PayoutEvent::PayoutPostponed { reason, until } => {
                row.postponed = Some(reason);
                row.postponed_since.get_or_insert(event.recorded_at);
                row.postponed_until = until;
                row.retry_at = until;
            }
            PayoutEvent::PayoutPending { provider_id, .. } => {
                row.pending_since = Some(event.recorded_at);
                row.provider_id = provider_id.or_else(|| row.provider_id.take());
                row.reason = None;
            }
            PayoutEvent::PayoutSucceeded {
                bill_id,
                paid_at,
                provider_id,
            } => {
                row.bill_id = Some(bill_id);
                row.provider_id = provider_id.or_else(|| row.provider_id.take());
                row.paid_at = paid_at;
                row.reason = None;
                row.finished_at = Some(event.recorded_at);
            }
            PayoutEvent::PayoutFailed {
                attempt,
                code,
                is_final,
                retry_at,
            } => {
                row.reason = Some(code);
                if is_final {
                    row.finished_at = Some(event.recorded_at);
                } else {
                    row.attempt = i64::from(attempt).saturating_add(1);
                    row.bill_id = None;
                    row.provider_id = None;
                    row.retry_at = retry_at;
                }
            }
            PayoutEvent::PayoutReversed { .. } => row.finished_at = Some(event.recorded_at),
            PayoutEvent::SentToReview { reason } => row.reason = Some(reason),
        }
        Ok(())
    }
}

/// The state that an event leads to; none when the state stays.
pub(crate) const fn state_after(change: &PayoutEvent) -> Option<PayoutState> {
    Some(match change {
        PayoutEvent::PayoutRequested { .. }
        | PayoutEvent::ReviewProposed { .. }
        | PayoutEvent::PayoutContradicted { .. }
        | PayoutEvent::ReviewDecided { .. }
        | PayoutEvent::BudgetTaken { .. }
        | PayoutEvent::PayoutPostponed { .. } => return None,
        PayoutEvent::PayoutPending { .. } => PayoutState::Pending,
        PayoutEvent::FundsHeld { .. }
        | PayoutEvent::PayoutFailed {
            is_final: false, ..
        } => PayoutState::Held,
        PayoutEvent::PayoutCreated { .. } => PayoutState::Created,
        PayoutEvent::PayoutSent { .. } => PayoutState::Sent,
        PayoutEvent::PayoutUnknown { .. } => PayoutState::Unknown,
        PayoutEvent::PayoutSucceeded { .. } => PayoutState::Succeeded,
        PayoutEvent::PayoutFailed { is_final: true, .. } => PayoutState::Failed,
        PayoutEvent::PayoutReversed { .. } => PayoutState::Reversed,
        PayoutEvent::SentToReview { .. } => PayoutState::InReview,
    })
}
