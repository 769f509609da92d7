//! The events themselves, one JSON object a line, as the log returns them.
//!
//! The payload is the event's own JSON, not a text inside a text. Personal data in it is sealed, and stays so.

use std::io::Write;

use kvit_domain::event::{Position, RecordedEvent, StreamId};
use serde_json::value::RawValue;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::{ExportError, Exported, Period};
use crate::error::Fault;

const PAGE: i64 = 2_000;

/// Writes every event up to a position; a period counts by the day, in UTC, on which the log took it.
pub(super) async fn write(
    pool: &PgPool,
    until: Position,
    period: Period,
    out: &mut (dyn Write + Send),
) -> Result<Exported, ExportError> {
    let (mut after, mut events, mut written) = (0, 0_u64, 0_u64);
    let mut page = read(pool, after, until).await?;
    while !page.is_empty() {
        let begun = after;
        after = after.saturating_add(i64::try_from(page.len()).unwrap_or(i64::MAX));
        // The database reads the next page while this one is written.
        let (next, done) = tokio::join!(read(pool, after, until), async {
            let mut text = String::new();
            for (due, row) in (begun.saturating_add(1)..).zip(&page) {
                let event = recorded(row)?;
                if event.position != due {
                    return Err(ExportError::from(Fault::Gap(due)));
                }
                if period.has(event.recorded_at.date_naive()) {
                    let line = serde_json::to_string(&event).map_err(std::io::Error::other)?;
                    // A payload's own bytes; a line's end in them could only stand between two words.
                    text.push_str(&line.replace(['\n', '\r'], " "));
                    text.push('\n');
                    written = written.saturating_add(1);
                }
            }
            Ok(out.write_all(text.as_bytes())?)
        });
        done?;
        events = events.saturating_add(page.len().try_into().unwrap_or(u64::MAX));
        page = next?;
    }
    if after < until {
        return Err(ExportError::Short { ends: after, until });
    }
    Ok(Exported {
        position: until,
        events,
        written,
        accounts: 0,
    })
}

async fn read(pool: &PgPool, after: Position, until: Position) -> Result<Vec<PgRow>, Fault> {
    let rows = sqlx::query(
        "SELECT position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version,
                payload::text, metadata::text, recorded_at, hash
           FROM events WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3",
    )
    .bind(after)
    .bind(until)
    .bind(PAGE)
    .fetch_all(pool)
    .await?;
    Ok(rows)
}

fn recorded(row: &PgRow) -> Result<RecordedEvent, Fault> {
    let position = row.try_get(0)?;
    let broken = |_: serde_json::Error| Fault::Fatal(format!("event {position} holds broken JSON"));
    let payload: String = row.try_get(7)?;
    let metadata: &str = row.try_get(8)?;
    let hash: &[u8] = row.try_get(10)?;
    Ok(RecordedEvent {
        position,
        event_id: row.try_get(1)?,
        stream: StreamId {
            aggregate_type: row.try_get(2)?,
            aggregate_id: row.try_get(3)?,
        },
        sequence: row.try_get(4)?,
        event_type: row.try_get(5)?,
        event_version: row.try_get(6)?,
        payload: RawValue::from_string(payload).map_err(broken)?,
        metadata: serde_json::from_str(metadata).map_err(broken)?,
        recorded_at: row.try_get(9)?,
        hash: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}
