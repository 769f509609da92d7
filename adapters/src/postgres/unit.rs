//! One caller's append on its way into a batch, and the call that stores a batch.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kvit_commands::ports::log::{Append, Appended, LogFault};
use kvit_domain::event::{Position, StreamId};
use sqlx::{PgConnection, Row};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::chain::metadata_text;

/// Longest wait for the answer to a batch; above the statement timeout.
const CALL_MAX: Duration = Duration::from_secs(20);
/// Most events of one unit.
const MAX_UNIT_EVENTS: usize = 10_000;
/// Most bytes of payload and metadata of one event. The bus takes messages of 1 MiB with their envelope; a larger event
/// would be in the log and could never be published.
const MAX_EVENT_BYTES: usize = 768 * 1024;
/// Most bytes of payload and metadata of one unit.
const MAX_UNIT_BYTES: usize = 16 * 1024 * 1024;

/// An append that was checked and is ready to be sent.
pub(super) struct Unit {
    append: Append,
    /// Metadata texts of all events, in order.
    metadata: Vec<String>,
    /// Number of events.
    pub(super) events: usize,
    /// Bytes of payload and metadata.
    pub(super) bytes: usize,
    /// Where the answer goes.
    pub(super) reply: oneshot::Sender<Result<Appended, LogFault>>,
}

/// What one call stored: the answer for each unit, in order, or the error that rolled all of it back.
pub(super) type BatchResult = Result<Vec<Result<Appended, LogFault>>, sqlx::Error>;

fn word_is_valid(word: &str) -> bool {
    (1..=100).contains(&word.len())
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

impl Unit {
    /// Checks everything that would make the database refuse the call, because a refused call fails its neighbours too.
    pub(super) fn try_new(
        append: Append,
        reply: oneshot::Sender<Result<Appended, LogFault>>,
    ) -> Result<Self, LogFault> {
        let refuse = |why: &str| Err(LogFault::Fatal(why.to_owned()));
        if append.streams.iter().all(|slice| slice.events.is_empty()) {
            return refuse("an append needs at least one event");
        }
        let mut metadata = Vec::new();
        let mut bytes = 0_usize;
        for (index, slice) in append.streams.iter().enumerate() {
            // A dot would shift the parts of the bus subject, which is made of these words.
            let type_fits = word_is_valid(&slice.stream.aggregate_type)
                && !slice.stream.aggregate_type.contains('.');
            if !slice.stream.is_valid() || !type_fits {
                return refuse("the name of a stream is not valid");
            }
            if slice.expected_sequence < 0 {
                return refuse("an expected sequence is negative");
            }
            if append
                .streams
                .iter()
                .take(index)
                .any(|other| other.stream == slice.stream)
            {
                return refuse("a stream occurs twice in one append");
            }
            for event in &slice.events {
                if !word_is_valid(&event.event_type)
                    || event.event_type.contains('.')
                    || !word_is_valid(&event.event_version)
                {
                    return refuse("the type or version of an event is not valid");
                }
                let text = metadata_text(&event.metadata)
                    .map_err(|error| LogFault::Fatal(error.to_string()))?;
                let event_bytes = event.payload.get().len().saturating_add(text.len());
                if event_bytes > MAX_EVENT_BYTES {
                    return refuse("an event is too large");
                }
                bytes = bytes.saturating_add(event_bytes);
                metadata.push(text);
            }
        }
        if metadata.len() > MAX_UNIT_EVENTS || bytes > MAX_UNIT_BYTES {
            return refuse("an append is too large");
        }
        Ok(Self {
            events: metadata.len(),
            append,
            metadata,
            bytes,
            reply,
        })
    }

    /// The streams that it extends.
    pub(super) fn streams(&self) -> impl Iterator<Item = &StreamId> {
        self.append.streams.iter().map(|slice| &slice.stream)
    }
}

/// The arguments of `append_events`, borrowed from the units.
#[derive(Default)]
struct Arguments<'a> {
    slice_unit: Vec<i32>,
    slice_type: Vec<&'a str>,
    slice_id: Vec<&'a str>,
    slice_expected: Vec<i64>,
    event_slice: Vec<i32>,
    event_ids: Vec<Uuid>,
    event_types: Vec<&'a str>,
    event_versions: Vec<&'a str>,
    event_payload: Vec<&'a str>,
    event_metadata: Vec<&'a str>,
}

impl<'a> Arguments<'a> {
    fn of(units: &'a [Unit]) -> Self {
        let mut arguments = Self::default();
        let mut slice_number = 0_i32;
        for (unit_number, unit) in (0_i32..).zip(units) {
            let mut metadata = unit.metadata.iter();
            for slice in &unit.append.streams {
                slice_number = slice_number.saturating_add(1);
                arguments.slice_unit.push(unit_number);
                arguments.slice_type.push(&slice.stream.aggregate_type);
                arguments.slice_id.push(&slice.stream.aggregate_id);
                arguments.slice_expected.push(slice.expected_sequence);
                for (event, metadata) in slice.events.iter().zip(&mut metadata) {
                    arguments.event_slice.push(slice_number);
                    arguments.event_ids.push(event.event_id);
                    arguments.event_types.push(&event.event_type);
                    arguments.event_versions.push(&event.event_version);
                    arguments.event_payload.push(event.payload.get());
                    arguments.event_metadata.push(metadata);
                }
            }
        }
        arguments
    }
}

/// Stores a batch in one round trip. `Ok` means that the transaction is committed.
pub(super) async fn append_batch(connection: &mut PgConnection, units: &[Unit]) -> BatchResult {
    let arguments = Arguments::of(units);
    // All rows are read, not one: the statement commits after its row was sent, and only the end of the answer says that
    // the commit went well.
    let rows = sqlx::query(
        "SELECT first_position, first_recorded_at, refused, actual
         FROM append_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(&arguments.slice_unit)
    .bind(&arguments.slice_type)
    .bind(&arguments.slice_id)
    .bind(&arguments.slice_expected)
    .bind(&arguments.event_slice)
    .bind(&arguments.event_ids)
    .bind(&arguments.event_types)
    .bind(&arguments.event_versions)
    .bind(&arguments.event_payload)
    .bind(&arguments.event_metadata)
    .fetch_all(connection);
    // The database's own limit is on the far side of the connection. Without one here, a connection that is gone without a
    // word would hold its batch, and this worker, for ever.
    let rows = tokio::time::timeout(CALL_MAX, rows)
        .await
        .map_err(|_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))??;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let first: Option<Position> = row.try_get(0)?;
    let first_at: Option<DateTime<Utc>> = row.try_get(1)?;
    let refused: Option<Vec<i32>> = row.try_get(2)?;
    let actual: Option<Vec<i64>> = row.try_get(3)?;
    let refused: Vec<(i32, i64)> = refused
        .unwrap_or_default()
        .into_iter()
        .zip(actual.unwrap_or_default())
        .collect();
    Ok(answers(units, first, first_at, &refused))
}

/// Gives each unit its part of the answer: stored units are numbered on in their order, refused ones left out.
fn answers(
    units: &[Unit],
    first: Option<Position>,
    first_at: Option<DateTime<Utc>>,
    refused: &[(i32, i64)],
) -> Vec<Result<Appended, LogFault>> {
    let mut slice_number = 0_i32;
    let mut stored = 0_i64;
    let mut answers = Vec::with_capacity(units.len());
    for unit in units {
        let mut conflict = None;
        for slice in &unit.append.streams {
            slice_number = slice_number.saturating_add(1);
            let found = refused.iter().find(|(number, _)| *number == slice_number);
            if let (None, Some((_, actual))) = (&conflict, found) {
                conflict = Some(Appended::Conflict {
                    stream: slice.stream.clone(),
                    actual: *actual,
                });
            }
        }
        answers.push(match (conflict, first, first_at) {
            (Some(conflict), ..) => Ok(conflict),
            (None, Some(first), Some(first_at)) => {
                let start = first.saturating_add(stored);
                stored = stored.saturating_add(i64::try_from(unit.events).unwrap_or(i64::MAX));
                let last = first.saturating_add(stored).saturating_sub(1);
                let after_first = TimeDelta::microseconds(last.saturating_sub(first));
                Ok(Appended::Stored {
                    first: start,
                    last,
                    recorded_at: first_at + after_first,
                })
            }
            (None, ..) => Err(LogFault::Fatal(
                "the database stored nothing and named no conflict".to_owned(),
            )),
        });
    }
    answers
}
