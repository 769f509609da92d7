//! What people watch over: switches, periods, notifications, comparisons with providers.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use kvit_projections::fold::payments::{
    BreakRow, ImportRow, NotificationRow, PeriodRow, ProviderRow,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::amount::Amount;

/// Whether payouts may leave through a provider.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProviderSwitch {
    /// Its name.
    #[schema(example = "portmone")]
    pub name: String,
    /// Whether new payouts may leave now.
    pub open: bool,
    /// Why a person stopped it, if one did.
    pub stopped: Option<String>,
    /// Who.
    pub stopped_by: Option<String>,
    /// Since when.
    pub stopped_since: Option<DateTime<Utc>>,
    /// Until when it is stopped because of failures in a row.
    pub breaker_until: Option<DateTime<Utc>>,
    /// The failure that did it.
    pub breaker_code: Option<String>,
    /// Since when, through all its tries.
    pub breaker_since: Option<DateTime<Utc>>,
    /// Who let payouts leave again the last time.
    pub resumed_by: Option<String>,
    /// Why.
    pub resumed_reason: Option<String>,
    /// When something changed last; absent when nothing ever did.
    pub changed_at: Option<DateTime<Utc>>,
}

impl ProviderSwitch {
    /// A switch as it stands at a time; without a row it was never touched.
    pub fn at(name: &str, row: Option<ProviderRow>, now: DateTime<Utc>) -> Self {
        let name = name.to_owned();
        let Some(row) = row else {
            return Self {
                name,
                open: true,
                stopped: None,
                stopped_by: None,
                stopped_since: None,
                breaker_until: None,
                breaker_code: None,
                breaker_since: None,
                resumed_by: None,
                resumed_reason: None,
                changed_at: None,
            };
        };
        // What is over is not shown as if it were not.
        let broken = row.breaker_until.is_some_and(|until| now < until);
        Self {
            name,
            open: row.stopped.is_none() && !broken,
            stopped: row.stopped,
            stopped_by: row.stopped_by,
            stopped_since: row.stopped_since,
            breaker_until: row.breaker_until.filter(|_| broken),
            breaker_code: row.breaker_code.filter(|_| broken),
            breaker_since: row.breaker_since.filter(|_| broken),
            resumed_by: row.resumed_by,
            resumed_reason: row.resumed_reason,
            changed_at: Some(row.changed_at),
        }
    }
}

/// A closed month of the book.
#[derive(Debug, Serialize, ToSchema)]
pub struct Period {
    /// The month.
    #[schema(example = "2026-10")]
    pub month: String,
    /// Position of the last event that was known when it was closed.
    pub closed_position: i64,
    /// Debits of the month by currency as they were seen then, minor units as text.
    pub totals: BTreeMap<String, String>,
    /// Who closed it.
    pub closed_by: String,
    /// Why, or what was checked.
    pub reason: String,
    /// When.
    pub closed_at: DateTime<Utc>,
}

impl From<PeriodRow> for Period {
    fn from(row: PeriodRow) -> Self {
        Self {
            month: row.month.format("%Y-%m").to_string(),
            closed_position: row.closed_position,
            totals: row.totals.0,
            closed_by: row.closed_by,
            reason: row.reason,
            closed_at: row.closed_at,
        }
    }
}

/// A notification that a provider sent by itself. Its body is kept sealed and is not shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct Notification {
    /// Derived from provider, event and object.
    pub id: Uuid,
    /// Who says so.
    #[schema(example = "yookassa")]
    pub provider: String,
    /// The provider's name of the event.
    #[schema(example = "payment.succeeded")]
    pub event: String,
    /// The provider's id of the object.
    pub object_id: String,
    /// SHA-256 of the body, hexadecimal.
    pub digest: String,
    /// `received`, `verified` or `quarantined`.
    #[schema(example = "verified")]
    pub state: String,
    /// The provider's state of the object when it was asked.
    pub status: Option<String>,
    /// Our operation that it belongs to.
    pub operation: Option<String>,
    /// Why it was set aside.
    pub reason: Option<String>,
    /// When the first copy came.
    pub received_at: DateTime<Utc>,
    /// When it was verified or set aside.
    pub settled_at: Option<DateTime<Utc>>,
}

impl From<NotificationRow> for Notification {
    fn from(row: NotificationRow) -> Self {
        Self {
            id: row.notification_id,
            provider: row.provider,
            event: row.event,
            object_id: row.object_id,
            digest: row.digest,
            state: row.state,
            status: row.status,
            operation: row.operation,
            reason: row.reason,
            received_at: row.received_at,
            settled_at: row.settled_at,
        }
    }
}

/// A provider's list of a day as it was compared last.
#[derive(Debug, Serialize, ToSchema)]
pub struct Statement {
    /// Whose.
    #[schema(example = "yookassa")]
    pub provider: String,
    /// `payments`, `refunds`, `payouts` or `settlement`.
    #[schema(example = "payments")]
    pub kind: String,
    /// Which day.
    pub day: NaiveDate,
    /// Items of the list.
    pub items: i64,
    /// Items that agree.
    pub matched: i64,
    /// Differences that nobody has resolved.
    pub open_breaks: i64,
    /// Differences that were resolved.
    pub resolved_breaks: i64,
    /// SHA-256 over the items, hexadecimal.
    pub digest: String,
    /// How often a new list was read.
    pub imports: i64,
    /// When it was read last.
    pub imported_at: DateTime<Utc>,
}

impl From<ImportRow> for Statement {
    fn from(row: ImportRow) -> Self {
        Self {
            provider: row.provider,
            kind: row.kind,
            day: row.day,
            items: row.items,
            matched: row.matched,
            open_breaks: row.open_breaks,
            resolved_breaks: row.resolved_breaks,
            digest: row.digest,
            imports: row.imports,
            imported_at: row.imported_at,
        }
    }
}

/// Something in which a provider's list and our books differ.
#[derive(Debug, Serialize, ToSchema)]
pub struct BreakView {
    /// Whose list.
    #[schema(example = "yookassa")]
    pub provider: String,
    /// Which list.
    #[schema(example = "payments")]
    pub kind: String,
    /// Which day.
    pub day: NaiveDate,
    /// The provider's id, or ours where they have none.
    pub item: String,
    /// `theirs_only`, `ours_only`, `amount_differs`, `fee_differs` or `status_differs`.
    #[schema(example = "theirs_only")]
    pub class: String,
    /// Our operation, if there is one.
    pub operation: Option<String>,
    /// What the provider says.
    pub theirs: Option<Amount>,
    /// What we have.
    pub ours: Option<Amount>,
    /// `open` or `resolved`.
    #[schema(example = "open")]
    pub state: String,
    /// Who takes care of it.
    pub owner: Option<String>,
    /// When it was found.
    pub opened_at: DateTime<Utc>,
    /// When it was resolved.
    pub resolved_at: Option<DateTime<Utc>>,
    /// Who resolved it.
    pub resolved_by: Option<String>,
    /// How.
    pub resolution: Option<String>,
}

impl From<BreakRow> for BreakView {
    fn from(row: BreakRow) -> Self {
        let amount = |minor: Option<i64>, currency| Some(Amount::of(minor?, currency?));
        Self {
            provider: row.provider,
            kind: row.kind,
            day: row.day,
            item: row.item,
            class: row.class,
            operation: row.operation,
            theirs: amount(row.theirs_minor, row.theirs_currency),
            ours: amount(row.ours_minor, row.ours_currency),
            state: row.state,
            owner: row.owner,
            opened_at: row.opened_at,
            resolved_at: row.resolved_at,
            resolved_by: row.resolved_by,
            resolution: row.resolution,
        }
    }
}
