//! How the projections themselves are doing.

use chrono::{DateTime, Utc};
use kvit_domain::event::Position;
use serde::Serialize;
use sqlx::{PgPool, Row};

use crate::error::Fault;

/// A build of a projection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProjectionStatus {
    /// The projection.
    pub name: String,
    /// Number of the build.
    pub build: i64,
    /// Version of the fold.
    pub version: i64,
    /// `active`, `building` or `retired`; `stuck` when an event cannot be folded.
    pub state: String,
    /// Position of the last folded event.
    pub position: Position,
    /// Events behind the log.
    pub lag_events: i64,
    /// Age in seconds of the oldest event that is not folded; 0 when there is none.
    pub lag_seconds: i64,
    /// Events that were left out because they cannot be folded.
    pub parked: i64,
    /// The event before which it stands.
    pub stuck_at: Option<StuckAt>,
}

/// An event that cannot be folded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StuckAt {
    /// Its position.
    pub position: Position,
    /// Its name.
    pub event_type: String,
    /// Why not.
    pub reason: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was tried first.
    pub first_at: DateTime<Utc>,
}

/// All builds that are read, built or waiting to be dropped.
///
/// # Errors
/// [`Fault`].
pub async fn status(pool: &PgPool) -> Result<Vec<ProjectionStatus>, Fault> {
    let rows = sqlx::query(
        "SELECT b.name, b.build, b.version, b.state, b.checkpoint,
                coalesce((SELECT position FROM event_head), 0) - b.checkpoint,
                coalesce((SELECT extract(epoch FROM clock_timestamp() - e.recorded_at) FROM events e
                           WHERE e.position = b.checkpoint + 1), 0)::bigint,
                (SELECT count(*) FROM projection_faults f
                  WHERE (f.name, f.build) = (b.name, b.build) AND f.parked),
                s.position, s.event_type, s.reason, s.attempts, s.first_at
           FROM projection_builds b
           LEFT JOIN projection_faults s
             ON (s.name, s.build) = (b.name, b.build) AND NOT s.parked AND s.position = b.checkpoint + 1
          WHERE b.state <> 'scratch' ORDER BY b.name, b.build",
    )
    .fetch_all(pool)
    .await?;
    let mut answer = Vec::with_capacity(rows.len());
    for row in rows {
        let stuck_at = match row.try_get::<Option<Position>, _>(8)? {
            Some(position) => Some(StuckAt {
                position,
                event_type: row.try_get(9)?,
                reason: row.try_get(10)?,
                attempts: row.try_get(11)?,
                first_at: row.try_get(12)?,
            }),
            None => None,
        };
        let mut state: String = row.try_get(3)?;
        if stuck_at.is_some() && state != "retired" {
            "stuck".clone_into(&mut state);
        }
        answer.push(ProjectionStatus {
            name: row.try_get(0)?,
            build: row.try_get(1)?,
            version: row.try_get(2)?,
            state,
            position: row.try_get(4)?,
            lag_events: row.try_get(5)?,
            lag_seconds: row.try_get(6)?,
            parked: row.try_get(7)?,
            stuck_at,
        });
    }
    Ok(answer)
}
