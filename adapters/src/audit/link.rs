//! A row as a link of the chain.

use std::collections::BTreeMap;

use kvit_domain::event::{Position, RecordedEvent, StreamId};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::rows::StoredEvent;
use crate::postgres::chain::{self, Hash};

/// A row with what the chain needs of it.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) position: Position,
    pub(super) event_id: Uuid,
    /// The hash that stands in the row; `None` when it is no hash.
    pub(super) stored: Option<Hash>,
    /// The event; `None` when the row cannot be what was appended, whatever its hash says.
    pub(super) event: Option<RecordedEvent>,
}

impl From<StoredEvent> for Link {
    fn from(row: StoredEvent) -> Self {
        Self {
            position: row.position,
            event_id: row.event_id,
            stored: row.hash.as_slice().try_into().ok(),
            event: event(row),
        }
    }
}

impl Link {
    /// The hash that this event must have behind `previous` at a position.
    pub(super) fn hash(&mut self, previous: &Hash, position: Position) -> Option<Hash> {
        let event = self.event.as_mut()?;
        event.position = position;
        let hash = chain::event_hash(previous, event);
        event.position = self.position;
        hash
    }

    /// Whether the stored hash is the one that belongs to this event behind `previous` at a position.
    pub(super) fn follows(&mut self, previous: &Hash, position: Position) -> bool {
        self.stored.is_some() && self.hash(previous, position) == self.stored
    }
}

/// The event in a row. The chain's second computation takes metadata as a map and a payload without spaces around it, so
/// a row with any other spelling is none that was ever appended.
fn event(row: StoredEvent) -> Option<RecordedEvent> {
    let metadata: BTreeMap<String, String> = serde_json::from_str(&row.metadata).ok()?;
    if serde_json::to_string(&metadata).ok()? != row.metadata {
        return None;
    }
    let length = row.payload.len();
    let payload = RawValue::from_string(row.payload).ok()?;
    if payload.get().len() != length {
        return None;
    }
    Some(RecordedEvent {
        position: row.position,
        event_id: row.event_id,
        stream: StreamId {
            aggregate_type: row.aggregate_type,
            aggregate_id: row.aggregate_id,
        },
        sequence: row.sequence,
        event_type: row.event_type,
        event_version: row.event_version,
        payload,
        metadata,
        recorded_at: row.recorded_at?,
        hash: hex::encode(row.hash),
    })
}
