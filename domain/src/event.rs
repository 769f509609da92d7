//! An event as the log stores it, and how its payload becomes a value again.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::upcast;

/// A place in the log: 1 is the first event, the numbers are dense and in commit order. 0 stands before all events.
pub type Position = i64;

/// Number of an event within its stream; the first is 1.
pub type Sequence = i64;

/// The name of a stream: the kind of aggregate and its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamId {
    /// The aggregate's `TYPE`, such as `wallet`.
    pub aggregate_type: String,
    /// The id within the type: 1 to 200 characters out of `A-Za-z0-9_:-`, so that it fits a URL and a bus subject.
    pub aggregate_id: String,
}

impl StreamId {
    /// A stream name from its two parts.
    pub fn new(aggregate_type: impl Into<String>, aggregate_id: impl Into<String>) -> Self {
        Self {
            aggregate_type: aggregate_type.into(),
            aggregate_id: aggregate_id.into(),
        }
    }

    /// Whether the id keeps to the allowed characters and length.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let id = self.aggregate_id.as_bytes();
        (1..=200).contains(&id.len())
            && id
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':' | b'-'))
            && !self.aggregate_type.is_empty()
    }
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.aggregate_type, self.aggregate_id)
    }
}

/// Names of the metadata entries that every event carries (a flat map of strings, as `postgres-es` reads it).
pub mod metadata {
    /// Who caused it: `user:<id>`, `admin:<id>`, `policy:<name>`, `provider:<name>`, `api:<key id>`.
    pub const ACTOR: &str = "actor";
    /// One id for everything that follows from one outside action.
    pub const CORRELATION_ID: &str = "correlation_id";
    /// The event id or command id that directly led here.
    pub const CAUSATION_ID: &str = "causation_id";
    /// The command's idempotency key.
    pub const IDEMPOTENCY_KEY: &str = "idempotency_key";
    /// SHA-256 of the command's body in hex; the same key with another digest is a conflict.
    pub const COMMAND_DIGEST: &str = "command_digest";
    /// W3C trace context of the command.
    pub const TRACEPARENT: &str = "traceparent";
}

/// One stored event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecordedEvent {
    /// Place in the log.
    pub position: Position,
    /// Unique id (uuid v7), also the bus message id.
    pub event_id: Uuid,
    /// The stream it belongs to.
    #[serde(flatten)]
    pub stream: StreamId,
    /// Number within the stream.
    pub sequence: Sequence,
    /// Name of the event, such as `ReceiptSubmitted`.
    pub event_type: String,
    /// Version of the payload's shape, such as `1`.
    pub event_version: String,
    /// The payload's exact bytes: `{"ReceiptSubmitted":{…}}`.
    pub payload: Box<RawValue>,
    /// See [`metadata`].
    pub metadata: BTreeMap<String, String>,
    /// When the log took it; strictly increasing with the position, microseconds.
    pub recorded_at: DateTime<Utc>,
    /// SHA-256 chained over every stored field, hex.
    pub hash: String,
}

/// Why a stored payload could not become a value.
#[derive(Debug, thiserror::Error)]
#[error("event {event_type} v{event_version} at position {position} cannot be read")]
pub struct DecodeError {
    /// Where it is.
    pub position: Position,
    /// Its name.
    pub event_type: String,
    /// Its version.
    pub event_version: String,
    #[source]
    source: serde_json::Error,
}

impl RecordedEvent {
    /// The payload as today's type, old versions upcast first.
    ///
    /// # Errors
    /// [`DecodeError`] when the payload is not of this type, which means that the log and the code disagree.
    pub fn decode<E: DomainEvent>(&self) -> Result<E, DecodeError> {
        upcast::decode(
            &self.stream.aggregate_type,
            &self.event_type,
            &self.event_version,
            &self.payload,
        )
        .map_err(|source| DecodeError {
            position: self.position,
            event_type: self.event_type.clone(),
            event_version: self.event_version.clone(),
            source,
        })
    }

    /// A metadata entry.
    #[must_use]
    pub fn meta(&self, name: &str) -> Option<&str> {
        self.metadata.get(name).map(String::as_str)
    }
}
