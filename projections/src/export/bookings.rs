//! The bookings of the log: every event that carries a transaction, whichever aggregate wrote it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use cqrs_es::DomainEvent;
use kvit_domain::event::Position;
use kvit_domain::ids::{HoldId, TransactionId};
use kvit_domain::ledger::Transaction;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use super::ExportError;
use crate::log::{FoldError, LogEvent, Needs, read_page};

/// The aggregates whose events book. An event of theirs books when its payload has a `transaction`.
const BOOKING: &[&str] = &["wallet", "journal"];

const NEEDS: Needs = Needs {
    aggregates: BOOKING,
    actors: false,
};

/// Events in one page.
const PAGE: i64 = 5_000;

/// A transaction as the log booked it.
#[derive(Debug, Clone)]
pub struct Booking {
    /// Place of the event in the log.
    pub position: Position,
    /// When the log took it.
    pub booked_at: DateTime<Utc>,
    /// Name of the event.
    pub event_type: String,
    /// The hold that it was captured from.
    pub hold_id: Option<HoldId>,
    /// The earlier transaction that it undoes, or a part of it.
    pub reverses: Option<TransactionId>,
    /// The transaction with all its legs.
    pub transaction: Transaction,
}

/// Any event of a booking aggregate, as far as bookings go: `{"Name":{"transaction":…}}`, with all its other fields left
/// alone. One type for all aggregates, so that an export does not have to follow every change of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Carrier(HashMap<String, Carried>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Carried {
    #[serde(default)]
    transaction: Option<Transaction>,
    #[serde(default)]
    hold_id: Option<HoldId>,
    #[serde(default)]
    original_id: Option<TransactionId>,
}

/// Only so that old shapes are upcast on the way; nothing here is ever written.
impl DomainEvent for Carrier {
    fn event_type(&self) -> String {
        self.0.keys().next().cloned().unwrap_or_default()
    }

    fn event_version(&self) -> String {
        String::new()
    }
}

/// The booking of an event; `None` when it books nothing, as a hold does.
///
/// # Errors
/// [`FoldError`] when the event has a transaction that cannot be read.
pub fn booking(event: &LogEvent) -> Result<Option<Booking>, FoldError> {
    if !BOOKING.contains(&event.stream.aggregate_type.as_str()) {
        return Ok(None);
    }
    let carrier: Carrier = event.decode()?;
    let Some(carried) = carrier.0.into_values().next() else {
        return Err(FoldError::Payload);
    };
    Ok(carried.transaction.map(|transaction| Booking {
        position: event.position,
        booked_at: event.recorded_at,
        event_type: event.event_type.clone(),
        hold_id: carried.hold_id,
        reverses: carried.original_id,
        transaction,
    }))
}

/// Gives every booking up to a position to `take`, in the log's order, page by page. Answers how many events were read.
///
/// # Errors
/// [`ExportError`] of the log, of an event, or of `take`.
pub async fn each_booking(
    pool: &PgPool,
    until: Position,
    take: &mut (dyn FnMut(Booking) -> Result<(), ExportError> + Send),
) -> Result<u64, ExportError> {
    let (mut after, mut events) = (0, 0_u64);
    let mut page = read_page(pool, NEEDS, after, Some(until), PAGE).await?;
    while let Some(last) = page.last() {
        after = last.position;
        // The database reads the next page while this one is looked at.
        let ahead = read_page(pool, NEEDS, after, Some(until), PAGE);
        let (next, taken) = tokio::join!(ahead, async {
            for event in &page {
                let found = booking(event).map_err(|error| ExportError::Event {
                    position: event.position,
                    error,
                })?;
                if let Some(found) = found {
                    take(found)?;
                }
            }
            Ok::<_, ExportError>(())
        });
        taken?;
        events = events.saturating_add(page.len().try_into().unwrap_or(u64::MAX));
        page = next?;
    }
    if after < until {
        return Err(ExportError::Short { ends: after, until });
    }
    Ok(events)
}
