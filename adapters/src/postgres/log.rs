//! The event log over Postgres.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kvit_commands::ports::log::{Append, Appended, EventLog, LogFault};
use kvit_domain::event::{Position, RecordedEvent, Sequence, StreamId};
use serde_json::value::RawValue;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::classify::{self, Lane};
use super::group_commit;
use super::head::Head;
use super::pool::PgSettings;
use super::unit::Unit;

/// Longest time between two looks at the head while somebody waits for it.
const POLL: Duration = Duration::from_millis(250);

/// Bounds of the group commit.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Appends that may wait before new ones are refused as transient.
    pub queue: usize,
    /// Most events of a batch of several units.
    pub batch_events: usize,
    /// Most bytes of payload and metadata of a batch of several units.
    pub batch_bytes: usize,
    /// Batches on their way at once, each on a connection of its own. The append lock lets only one work at a time; a
    /// second one waits at the lock, which hides a round trip and makes batches half as large. One is faster wherever a
    /// commit takes longer than a round trip.
    pub in_flight: usize,
    /// Longest wait for the callers that were just answered, see `group_commit`; never more than an eighth of the time
    /// that the last batch took.
    pub gather: Duration,
    /// Longest time that an append may take.
    pub deadline: Duration,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            queue: 8_192,
            batch_events: 512,
            batch_bytes: 4 * 1024 * 1024,
            in_flight: 1,
            gather: Duration::from_millis(2),
            deadline: Duration::from_secs(10),
        }
    }
}

/// The log of one process. Appends of all callers travel together; reads use the pool.
pub struct PgEventLog {
    queue: mpsc::Sender<Unit>,
    deadline: Duration,
    pool: PgPool,
    head: Head,
    last_poll: Mutex<Instant>,
    hints: Option<AbortHandle>,
}

impl PgEventLog {
    /// Starts the group commit on the current runtime. It connects when it is first used, and ends when this value is
    /// dropped and everything taken is answered. With a NATS client, processes tell each other about new positions.
    ///
    /// # Errors
    /// When the URL in the settings cannot be read.
    pub fn start(
        settings: &PgSettings,
        pool: PgPool,
        options: LogOptions,
        nats: Option<async_nats::Client>,
    ) -> Result<Arc<Self>, LogFault> {
        let connect = settings
            .connect_options()
            .map_err(|error| LogFault::Fatal(classify::describe(&error)))?;
        let (queue, units) = mpsc::channel(options.queue.max(1));
        let head = Head::new();
        let deadline = options.deadline;
        tokio::spawn(group_commit::dispatch(
            units,
            connect,
            options,
            head.clone(),
        ));
        let hints = nats.map(|nats| tokio::spawn(head.clone().exchange(nats)).abort_handle());
        Ok(Arc::new(Self {
            queue,
            deadline,
            pool,
            head,
            last_poll: Mutex::new(Instant::now()),
            hints,
        }))
    }

    async fn look_at_head(&self) -> Result<Position, LogFault> {
        let position: Option<Position> = sqlx::query_scalar("SELECT position FROM event_head")
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| fault(&error))?;
        let position = position.unwrap_or(0);
        self.head.stored(position);
        Ok(position)
    }

    /// Looks at the head every [`POLL`], however many callers wait.
    async fn poll_head(&self) {
        loop {
            tokio::time::sleep(POLL).await;
            let mut last = self.last_poll.lock().await;
            if last.elapsed() >= POLL / 2 {
                // A fault here shows itself to the caller when it reads.
                let _ = self.look_at_head().await;
                *last = Instant::now();
            }
        }
    }
}

impl Drop for PgEventLog {
    fn drop(&mut self) {
        if let Some(hints) = &self.hints {
            hints.abort();
        }
    }
}

impl std::fmt::Debug for PgEventLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgEventLog").finish_non_exhaustive()
    }
}

fn fault(error: &sqlx::Error) -> LogFault {
    match classify::lane(error) {
        Lane::Transient => LogFault::Transient(classify::describe(error)),
        Lane::Unique | Lane::Fatal => LogFault::Fatal(classify::describe(error)),
    }
}

/// Column list of a recorded event.
const COLUMNS: &str = "position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version, \
                       payload::text, metadata::text, recorded_at, hash";

fn recorded(row: &PgRow) -> Result<RecordedEvent, LogFault> {
    let position: Position = row.try_get(0).map_err(|error| fault(&error))?;
    let broken = |error: serde_json::Error| {
        LogFault::Fatal(format!("event {position} holds broken JSON: {error}"))
    };
    let read = || -> Result<(RecordedEvent, String), sqlx::Error> {
        let hash: Vec<u8> = row.try_get(10)?;
        Ok((
            RecordedEvent {
                position,
                event_id: row.try_get(1)?,
                stream: StreamId {
                    aggregate_type: row.try_get(2)?,
                    aggregate_id: row.try_get(3)?,
                },
                sequence: row.try_get(4)?,
                event_type: row.try_get(5)?,
                event_version: row.try_get(6)?,
                payload: Box::default(),
                metadata: std::collections::BTreeMap::new(),
                recorded_at: row.try_get(9)?,
                hash: hex::encode(hash),
            },
            row.try_get(7)?,
        ))
    };
    let (mut event, payload) = read().map_err(|error| fault(&error))?;
    event.payload = RawValue::from_string(payload).map_err(broken)?;
    let metadata: &str = row.try_get(8).map_err(|error| fault(&error))?;
    event.metadata = serde_json::from_str(metadata).map_err(broken)?;
    Ok(event)
}

/// The database's own limits are on the far side of the connection; when that is gone without a word, ours is what ends
/// the wait.
const CALL_MAX: Duration = Duration::from_secs(20);

async fn in_time<T>(call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, LogFault> {
    match tokio::time::timeout(CALL_MAX, call).await {
        Ok(answer) => answer.map_err(|error| fault(&error)),
        Err(_) => Err(LogFault::Transient(
            "the database did not answer in time".to_owned(),
        )),
    }
}

fn row_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[async_trait]
impl EventLog for PgEventLog {
    async fn append(&self, append: Append) -> Result<Appended, LogFault> {
        let (reply, answer) = oneshot::channel();
        let unit = Unit::try_new(append, reply)?;
        let started = Instant::now();
        self.queue.try_send(unit).map_err(|error| {
            let why = match error {
                mpsc::error::TrySendError::Full(_) => "too many appends are waiting",
                mpsc::error::TrySendError::Closed(_) => "the program is stopping",
            };
            LogFault::Transient(why.to_owned())
        })?;
        let answered = tokio::time::timeout(self.deadline, answer).await;
        metrics::histogram!("kvit_append_seconds").record(started.elapsed().as_secs_f64());
        match answered {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(LogFault::Transient("the program is stopping".to_owned())),
            Err(_) => Err(LogFault::Transient("no answer in time".to_owned())),
        }
    }

    async fn load(
        &self,
        stream: &StreamId,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogFault> {
        let sql = format!(
            "SELECT {COLUMNS} FROM events WHERE aggregate_type = $1 AND aggregate_id = $2 AND sequence > $3
             ORDER BY sequence LIMIT $4"
        );
        let rows = sqlx::query(&sql)
            .bind(&stream.aggregate_type)
            .bind(&stream.aggregate_id)
            .bind(after)
            .bind(row_limit(limit))
            .fetch_all(&self.pool);
        let rows = in_time(rows).await?;
        let events = rows.iter().map(recorded).collect::<Result<Vec<_>, _>>()?;
        for (due, event) in (after.saturating_add(1)..).zip(&events) {
            if event.sequence != due {
                return Err(LogFault::Fatal(format!(
                    "event {due} of stream {stream} is missing from the log"
                )));
            }
        }
        Ok(events)
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<RecordedEvent>, LogFault> {
        let sql =
            format!("SELECT {COLUMNS} FROM events WHERE position > $1 ORDER BY position LIMIT $2");
        let rows = sqlx::query(&sql)
            .bind(after)
            .bind(row_limit(limit))
            .fetch_all(&self.pool);
        let rows = in_time(rows).await?;
        let events = rows.iter().map(recorded).collect::<Result<Vec<_>, _>>()?;
        for (due, event) in (after.saturating_add(1)..).zip(&events) {
            if event.position != due {
                return Err(LogFault::Fatal(format!(
                    "position {due} is missing from the log"
                )));
            }
        }
        Ok(events)
    }

    async fn head(&self) -> Result<Position, LogFault> {
        self.look_at_head().await
    }

    async fn wait_beyond(&self, after: Position, at_most: Duration) {
        tokio::select! {
            () = self.head.beyond(after) => {}
            () = self.poll_head() => {}
            () = tokio::time::sleep(at_most) => {}
        }
    }
}
