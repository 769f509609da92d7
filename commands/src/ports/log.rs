//! The event log as the use cases see it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kvit_domain::event::{Position, RecordedEvent, Sequence, StreamId};
use serde_json::value::RawValue;
use uuid::Uuid;

/// An event on its way into the log.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Its id (uuid v7), made before the append so that a retry is the same event.
    pub event_id: Uuid,
    /// Its name.
    pub event_type: String,
    /// The version of its payload's shape.
    pub event_version: String,
    /// The payload's exact bytes.
    pub payload: Box<RawValue>,
    /// See [`kvit_domain::event::metadata`].
    pub metadata: BTreeMap<String, String>,
}

/// The part of an append that goes to one stream.
#[derive(Debug, Clone)]
pub struct StreamAppend {
    /// The stream.
    pub stream: StreamId,
    /// Sequence of the stream's last event as the decision saw it; 0 when it saw none.
    pub expected_sequence: Sequence,
    /// The new events, in order. None: the decision looked at this stream without extending it, and holds only if nobody
    /// else has extended it.
    pub events: Vec<NewEvent>,
}

/// A whole decision: all of its streams are extended, or none. Each stream occurs once, and at least one has events.
#[derive(Debug, Clone)]
pub struct Append {
    /// The streams to extend; never empty.
    pub streams: Vec<StreamAppend>,
}

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// It is durable; its events have the positions `first..=last`, in the order given.
    Stored {
        /// Position of its first event.
        first: Position,
        /// Position of its last event.
        last: Position,
        /// Time of its last event.
        recorded_at: DateTime<Utc>,
    },
    /// Somebody else extended one of the streams; nothing was stored. Load again and decide again.
    Conflict {
        /// A stream whose sequence was not the expected one.
        stream: StreamId,
        /// Its sequence now.
        actual: Sequence,
    },
}

/// Why the log did not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogFault {
    /// The log is away, full, read-only or too slow. Whether an append was stored is not known:
    /// load the stream to find out.
    #[error("the event log is not available: {0}")]
    Transient(String),
    /// The request or the data is broken; trying again does not help.
    #[error("the event log refused: {0}")]
    Fatal(String),
}

/// The append-only log of all events.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Appends one decision; many callers' appends travel to the store together. Answers only when durable.
    async fn append(&self, append: Append) -> Result<Appended, LogFault>;

    /// The events of a stream with a sequence above `after`, in order, at most `limit`.
    async fn load(
        &self,
        stream: &StreamId,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogFault>;

    /// The events with a position above `after`, in order, at most `limit`. Nothing appears later at or below a
    /// position once read.
    async fn read(&self, after: Position, limit: usize) -> Result<Vec<RecordedEvent>, LogFault>;

    /// Position of the last durable event; 0 for an empty log.
    async fn head(&self) -> Result<Position, LogFault>;

    /// Returns when the head may have moved past `after`, or after `at_most`; never later.
    async fn wait_beyond(&self, after: Position, at_most: std::time::Duration);
}
