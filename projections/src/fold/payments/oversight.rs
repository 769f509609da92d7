//! Rows and folds of what people watch over: provider switches, closed periods, notifications, reconciliations.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use kvit_domain::book::PeriodEvent;
use kvit_domain::event::Position;
use kvit_domain::money::{Currency, Money};
use kvit_domain::notification::NotificationEvent;
use kvit_domain::provider::ProviderEvent;
use uuid::Uuid;

use super::PaymentsRows;
use crate::column::Json;
use crate::log::{FoldError, LogEvent};
use crate::table::table;

table! {
    /// The switch of a provider. A provider whose switch was never touched has no row: payouts may leave.
    ProviderRow in "providers"
    key ProviderKey {
        /// Its name.
        provider: String,
    }
    columns {
        /// Why a person stopped new payouts; empty when nobody did.
        stopped: Option<String>,
        /// Who.
        stopped_by: Option<String>,
        /// Since when.
        stopped_since: Option<DateTime<Utc>>,
        /// Until when the breaker lets nothing through, as it was set last; over when this has passed.
        breaker_until: Option<DateTime<Utc>>,
        /// The failure that opened it.
        breaker_code: Option<String>,
        /// Since when it is open, through all its tries.
        breaker_since: Option<DateTime<Utc>>,
        /// Who let payouts leave again the last time.
        resumed_by: Option<String>,
        /// Why.
        resumed_reason: Option<String>,
        /// When something changed last.
        changed_at: DateTime<Utc>,
    }
    indexes []
}

table! {
    /// A closed month of the book.
    PeriodRow in "periods"
    key PeriodKey {
        /// The first day of the month.
        month: NaiveDate,
    }
    columns {
        /// Position of the last event that was known when it was closed.
        closed_position: Position,
        /// Debits of the month by currency as they were seen then, minor units.
        totals: Json<BTreeMap<String, String>>,
        /// Who.
        closed_by: String,
        /// Why, or what was checked.
        reason: String,
        /// When.
        closed_at: DateTime<Utc>,
    }
    indexes []
}

table! {
    /// A notification that a provider sent by itself.
    NotificationRow in "notifications"
    key NotificationKey {
        /// Derived from provider, event and object.
        notification_id: Uuid,
    }
    columns {
        /// Who says so.
        provider: String,
        /// The provider's name of the event.
        event: String,
        /// The provider's id of the object.
        object_id: String,
        /// SHA-256 of the body, hex.
        digest: String,
        /// `received`, `verified` or `quarantined`.
        state: String,
        /// The provider's state of the object when it was asked.
        status: Option<String>,
        /// Our operation that it belongs to.
        operation: Option<String>,
        /// Why it was set aside.
        reason: Option<String>,
        /// When the first copy came.
        received_at: DateTime<Utc>,
        /// When it was verified or set aside.
        settled_at: Option<DateTime<Utc>>,
    }
    indexes [
        "(state, received_at DESC)",
        "(received_at DESC, notification_id DESC)",
        "(provider, object_id)"
    ]
}

pub(super) fn provider(event: &LogEvent, change: ProviderEvent, rows: &mut PaymentsRows) {
    let provider = event.stream.aggregate_id.clone();
    let key = ProviderKey { provider };
    let row = rows.providers.change_or(&key, || ProviderRow {
        provider: key.provider.clone(),
        stopped: None,
        stopped_by: None,
        stopped_since: None,
        breaker_until: None,
        breaker_code: None,
        breaker_since: None,
        resumed_by: None,
        resumed_reason: None,
        changed_at: event.recorded_at,
        position: event.position,
    });
    row.changed_at = event.recorded_at;
    row.position = event.position;
    let closes_breaker = matches!(
        change,
        ProviderEvent::ProviderResumed { .. } | ProviderEvent::BreakerClosed {}
    );
    if closes_breaker {
        row.breaker_until = None;
        row.breaker_code = None;
        row.breaker_since = None;
    }
    match change {
        ProviderEvent::ProviderStopped { by, reason } => {
            row.stopped = Some(reason);
            row.stopped_by = Some(by);
            row.stopped_since = Some(event.recorded_at);
        }
        ProviderEvent::ProviderResumed { by, reason } => {
            row.stopped = None;
            row.stopped_by = None;
            row.stopped_since = None;
            row.resumed_by = Some(by);
            row.resumed_reason = Some(reason);
        }
        ProviderEvent::BreakerOpened { until, code } => {
            row.breaker_until = Some(until);
            row.breaker_code = Some(code);
            row.breaker_since.get_or_insert(event.recorded_at);
        }
        ProviderEvent::BreakerClosed {} => {}
    }
}

pub(super) fn period(event: &LogEvent, change: PeriodEvent, rows: &mut PaymentsRows) {
    let PeriodEvent::PeriodClosed {
        month,
        position,
        totals,
        by,
        reason,
    } = change;
    rows.periods.put(PeriodRow {
        month,
        closed_position: position,
        totals: Json(totals),
        closed_by: by,
        reason,
        closed_at: event.recorded_at,
        position: event.position,
    });
}

pub(super) fn notification(
    event: &LogEvent,
    notification_id: Uuid,
    change: NotificationEvent,
    rows: &mut PaymentsRows,
) -> Result<(), FoldError> {
    if let NotificationEvent::NotificationReceived {
        provider,
        event: name,
        object_id,
        digest,
    } = change
    {
        rows.notifications.put(NotificationRow {
            notification_id,
            provider: provider.code().to_owned(),
            event: name,
            object_id,
            digest,
            state: "received".to_owned(),
            status: None,
            operation: None,
            reason: None,
            received_at: event.recorded_at,
            settled_at: None,
            position: event.position,
        });
        return Ok(());
    }
    let row = rows
        .notifications
        .change(&NotificationKey { notification_id })
        .ok_or(FoldError::Missing("notification"))?;
    row.position = event.position;
    row.settled_at = Some(event.recorded_at);
    match change {
        NotificationEvent::NotificationReceived { .. } => {}
        NotificationEvent::NotificationVerified { status, operation } => {
            "verified".clone_into(&mut row.state);
            row.status = Some(status);
            row.operation = Some(operation);
        }
        NotificationEvent::NotificationQuarantined { reason } => {
            "quarantined".clone_into(&mut row.state);
            row.reason = Some(reason);
        }
    }
    Ok(())
}

/// An optional amount as two columns.
pub(super) const fn columns(money: Option<Money>) -> (Option<i64>, Option<Currency>) {
    match money {
        Some(money) => (Some(money.minor), Some(money.currency)),
        None => (None, None),
    }
}
