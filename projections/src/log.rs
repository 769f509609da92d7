//! Reading the log in pages, straight from its table.

use chrono::{DateTime, Utc};
use cqrs_es::DomainEvent;
use futures::TryStreamExt;
use kvit_domain::event::{Position, RecordedEvent, StreamId, metadata};
use kvit_domain::ids::UserId;
use kvit_domain::upcast;
use serde_json::value::RawValue;
use sqlx::{PgPool, Row};
use tokio::task::JoinSet;

use crate::error::Fault;

/// An event as a fold sees it: what it is about, and nothing that only the log's own checks need.
#[derive(Debug, Clone)]
pub struct LogEvent {
    /// Place in the log.
    pub position: Position,
    /// Its stream.
    pub stream: StreamId,
    /// Its name.
    pub event_type: String,
    /// Version of its payload's shape.
    pub event_version: String,
    /// The payload; absent for kinds of aggregates that the reader did not ask for.
    pub payload: Option<Box<RawValue>>,
    /// Who caused it; absent unless asked for.
    pub actor: Option<String>,
    /// When the log took it.
    pub recorded_at: DateTime<Utc>,
}

/// Why an event cannot be folded. Never with data from the payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The payload is not of the shape that its name and version promise.
    #[error("the payload cannot be read")]
    Payload,
    /// The name of the stream is not of the form that its kind has.
    #[error("the id of the stream is not of the expected form")]
    Stream,
    /// The event speaks of something that no earlier event made.
    #[error("the event changes a {0} that does not exist")]
    Missing(&'static str),
    /// A balance does not fit into 64 bits.
    #[error("a sum does not fit")]
    Overflow,
    /// The event breaks a law that decisions keep.
    #[error("{0}")]
    Law(&'static str),
}

impl LogEvent {
    /// The payload as today's type.
    ///
    /// # Errors
    /// [`FoldError::Payload`].
    pub fn decode<E: DomainEvent>(&self) -> Result<E, FoldError> {
        let payload = self.payload.as_deref().ok_or(FoldError::Payload)?;
        upcast::decode(
            &self.stream.aggregate_type,
            &self.event_type,
            &self.event_version,
            payload,
        )
        .map_err(|_| FoldError::Payload)
    }

    /// The stream's id as a typed id.
    ///
    /// # Errors
    /// [`FoldError::Stream`].
    pub fn id<T: std::str::FromStr>(&self) -> Result<T, FoldError> {
        self.stream
            .aggregate_id
            .parse()
            .map_err(|_| FoldError::Stream)
    }

    /// The person whose own act caused the event.
    #[must_use]
    pub fn acting_user(&self) -> Option<UserId> {
        self.actor.as_deref()?.strip_prefix("user:")?.parse().ok()
    }
}

impl From<&RecordedEvent> for LogEvent {
    fn from(event: &RecordedEvent) -> Self {
        Self {
            position: event.position,
            stream: event.stream.clone(),
            event_type: event.event_type.clone(),
            event_version: event.event_version.clone(),
            payload: Some(event.payload.clone()),
            actor: event.meta(metadata::ACTOR).map(str::to_owned),
            recorded_at: event.recorded_at,
        }
    }
}

/// What a reader needs of each event; the rest does not travel.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    /// Kinds of aggregates whose payloads are wanted.
    pub aggregates: &'static [&'static str],
    /// Whether the actor is wanted.
    pub actors: bool,
}

/// The next events after a position, at most `limit` and none beyond `until`.
///
/// # Errors
/// [`Fault::Gap`] when a position is missing: the log numbers densely in commit order, so nothing can still appear there.
pub async fn read_page(
    pool: &PgPool,
    needs: Needs,
    after: Position,
    until: Option<Position>,
    limit: i64,
) -> Result<Vec<LogEvent>, Fault> {
    let mut rows = sqlx::query(
        "SELECT position, aggregate_type, aggregate_id, event_type, event_version,
                CASE WHEN aggregate_type = ANY($4) THEN payload::text END,
                CASE WHEN $5 THEN metadata->>'actor' END,
                recorded_at
           FROM events WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3",
    )
    .bind(after)
    .bind(until.unwrap_or(Position::MAX))
    .bind(limit)
    .bind(needs.aggregates)
    .bind(needs.actors)
    .fetch(pool);
    let mut page = Vec::new();
    let mut due = after;
    // Each row becomes an event as it comes, so that only one of the two is kept.
    while let Some(row) = rows.try_next().await? {
        due = due.saturating_add(1);
        let position: Position = row.try_get(0)?;
        if position != due {
            return Err(Fault::Gap(due));
        }
        let payload: Option<String> = row.try_get(5)?;
        // The column is of type json, so its text is JSON.
        let payload = payload.and_then(|text| RawValue::from_string(text).ok());
        page.push(LogEvent {
            position,
            stream: StreamId {
                aggregate_type: row.try_get(1)?,
                aggregate_id: row.try_get(2)?,
            },
            event_type: row.try_get(3)?,
            event_version: row.try_get(4)?,
            payload,
            actor: row.try_get(6)?,
            recorded_at: row.try_get(7)?,
        });
    }
    Ok(page)
}

/// A page that is read by a task of its own, so that another core can work at it while the one before is folded. Nothing is
/// read any more once this is dropped.
#[derive(Debug)]
pub(crate) struct Ahead(JoinSet<Result<Vec<LogEvent>, Fault>>);

impl Ahead {
    /// Begins; arguments as those of [`read_page`].
    pub(crate) fn read(
        pool: &PgPool,
        needs: Needs,
        after: Position,
        until: Option<Position>,
        limit: i64,
    ) -> Self {
        let (pool, mut task) = (pool.clone(), JoinSet::new());
        task.spawn(async move { read_page(&pool, needs, after, until, limit).await });
        Self(task)
    }

    /// The page.
    ///
    /// # Errors
    /// As [`read_page`].
    pub(crate) async fn page(mut self) -> Result<Vec<LogEvent>, Fault> {
        match self.0.join_next().await {
            Some(Ok(page)) => page,
            Some(Err(_)) | None => Err(Fault::Transient("the reader was stopped".to_owned())),
        }
    }
}

/// Position of the last event; 0 for an empty log.
///
/// # Errors
/// When the database does not answer.
pub async fn head(pool: &PgPool) -> Result<Position, Fault> {
    let head: Option<Position> = sqlx::query_scalar("SELECT position FROM event_head")
        .fetch_optional(pool)
        .await?;
    Ok(head.unwrap_or(0))
}
