//! The log's rows as they stand in the table, whatever somebody did to them.
//!
//! The ordinary reader of the log takes a row for an event and fails when it is none. Here a broken row is what is looked
//! for, so each field is taken as it comes, and even rows that share a position are all seen.

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use kvit_domain::event::Position;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::AuditFault;

/// Most rows of a page.
const PAGE_ROWS: i64 = 1_000;
/// A page ends early when it holds this many bytes.
const PAGE_BYTES: usize = 16 * 1024 * 1024;

/// One row.
#[derive(Debug, Clone)]
pub(super) struct StoredEvent {
    pub(super) position: Position,
    pub(super) event_id: Uuid,
    pub(super) aggregate_type: String,
    pub(super) aggregate_id: String,
    pub(super) sequence: i64,
    pub(super) event_type: String,
    pub(super) event_version: String,
    /// The exact text.
    pub(super) payload: String,
    /// The exact text.
    pub(super) metadata: String,
    /// `None` for a time that no event can have (before 1970, after 9999, infinity).
    pub(super) recorded_at: Option<DateTime<Utc>>,
    /// 32 bytes, if nobody changed that.
    pub(super) hash: Vec<u8>,
}

fn read(row: &PgRow) -> Result<StoredEvent, sqlx::Error> {
    Ok(StoredEvent {
        position: row.try_get(0)?,
        event_id: row.try_get(1)?,
        aggregate_type: row.try_get(2)?,
        aggregate_id: row.try_get(3)?,
        sequence: row.try_get(4)?,
        event_type: row.try_get(5)?,
        event_version: row.try_get(6)?,
        payload: row.try_get(7)?,
        metadata: row.try_get(8)?,
        recorded_at: row.try_get(9)?,
        hash: row.try_get(10)?,
    })
}

/// Position of the last row; 0 for an empty log.
pub(super) async fn head(pool: &PgPool) -> Result<Position, AuditFault> {
    let head: Option<Position> =
        sqlx::query_scalar("SELECT position FROM events ORDER BY position DESC LIMIT 1")
            .fetch_optional(pool)
            .await?;
    Ok(head.unwrap_or(0))
}

/// How many rows there are up to a position.
pub(super) async fn count(pool: &PgPool, until: Position) -> Result<u64, AuditFault> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM events WHERE position <= $1")
        .bind(until)
        .fetch_one(pool)
        .await?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// The hash that stands at a position, if there is a row.
pub(super) async fn hash_at(
    pool: &PgPool,
    position: Position,
) -> Result<Option<Vec<u8>>, AuditFault> {
    let hash = sqlx::query_scalar("SELECT hash FROM events WHERE position = $1")
        .bind(position)
        .fetch_optional(pool)
        .await?;
    Ok(hash)
}

/// Reads the rows of a range in order, page by page.
pub(super) struct Pages {
    pool: PgPool,
    after: (Position, Uuid),
    until: Position,
}

impl Pages {
    /// The rows above a position and up to another.
    pub(super) fn new(pool: PgPool, after: Position, until: Position) -> Self {
        Self {
            pool,
            after: (after, Uuid::max()),
            until,
        }
    }

    /// All rows up to a position, also at positions that no event can have.
    pub(super) fn all(pool: PgPool, until: Position) -> Self {
        Self::new(pool, i64::MIN, until)
    }

    /// The next rows; none at the end.
    pub(super) async fn next(&mut self) -> Result<Vec<StoredEvent>, AuditFault> {
        const SQL: &str = "SELECT position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version,
                    payload::text, metadata::text,
                    CASE WHEN recorded_at >= '1970-01-01Z' AND recorded_at < '10000-01-01Z' THEN recorded_at END, hash
               FROM events WHERE (position, event_id) > ($1, $2) AND position <= $3
              ORDER BY position, event_id LIMIT $4";
        let mut rows = sqlx::query(SQL)
            .bind(self.after.0)
            .bind(self.after.1)
            .bind(self.until)
            .bind(PAGE_ROWS)
            .fetch(&self.pool);
        let (mut page, mut bytes) = (Vec::new(), 0_usize);
        while bytes < PAGE_BYTES
            && let Some(row) = rows.try_next().await?
        {
            let event = read(&row)?;
            bytes = bytes.saturating_add(event.payload.len() + event.metadata.len());
            self.after = (event.position, event.event_id);
            page.push(event);
        }
        Ok(page)
    }
}
