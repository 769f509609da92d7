//! Events of one stream, straight from the log.

use std::collections::BTreeMap;

use axum::Json as JsonAnswer;
use axum::extract::State;
use chrono::{DateTime, Utc};
use kvit_domain::event::{RecordedEvent, StreamId};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use super::PageQuery;
use super::answer::Page;
use crate::auth::{Admit, Auditing};
use crate::http::cursor::{self, Listing};
use crate::http::extract::{Path, Query};
use crate::http::problem::{Answer, Problem};
use crate::parts::Gateway;

/// A stored event, exactly as the log has it. Personal data in it is sealed.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventView {
    /// Place in the log.
    pub position: i64,
    /// Unique id.
    pub event_id: Uuid,
    /// Kind of aggregate.
    #[schema(example = "wallet")]
    pub aggregate_type: String,
    /// Its id.
    pub aggregate_id: String,
    /// Number within the stream, from 1.
    pub sequence: i64,
    /// Name of the event.
    #[schema(example = "TransactionPosted")]
    pub event_type: String,
    /// Version of the payload's shape.
    #[schema(example = "1")]
    pub event_version: String,
    /// What happened.
    #[schema(value_type = Object)]
    pub payload: Box<RawValue>,
    /// Actor, correlation, causation, idempotency key, trace.
    pub metadata: BTreeMap<String, String>,
    /// When the log took it.
    pub recorded_at: DateTime<Utc>,
    /// SHA-256 chained over every stored field, hex.
    pub hash: String,
}

impl From<RecordedEvent> for EventView {
    fn from(event: RecordedEvent) -> Self {
        Self {
            position: event.position,
            event_id: event.event_id,
            aggregate_type: event.stream.aggregate_type,
            aggregate_id: event.stream.aggregate_id,
            sequence: event.sequence,
            event_type: event.event_type,
            event_version: event.event_version,
            payload: event.payload,
            metadata: event.metadata,
            recorded_at: event.recorded_at,
            hash: event.hash,
        }
    }
}

/// Events of a stream, in order
#[utoipa::path(get, path = "/v1/streams/{aggregate_type}/{aggregate_id}/events", tag = "ledger",
    params(("aggregate_type" = String, Path, description = "Kind of aggregate.", example = "wallet"),
           ("aggregate_id" = String, Path, description = "Id within the kind."), PageQuery),
    responses((status = 200, description = "Events.", body = Page<EventView>)),
    security(("api_key" = ["auditor", "admin"])))]
pub async fn stream_events(
    _: Admit<Auditing>,
    State(gateway): State<Gateway>,
    Path((aggregate_type, aggregate_id)): Path<(String, String)>,
    Query(query): Query<PageQuery>,
) -> Answer<JsonAnswer<Page<EventView>>> {
    let stream = StreamId::new(aggregate_type, aggregate_id);
    let known_kind = stream.aggregate_type.len() <= 60
        && stream
            .aggregate_type
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b == b'_');
    if !stream.is_valid() || !known_kind {
        return Err(Problem::new(
            "invalid_path",
            "this is not the name of a stream",
        ));
    }
    let listing = Listing::new(format!(
        "/v1/streams/{}/{}/events",
        stream.aggregate_type, stream.aggregate_id
    ));
    let limit = cursor::limit(query.limit)?;
    let after = match listing.open(query.cursor.as_deref())? {
        None => 0,
        Some(place) => place
            .parse()
            .map_err(|_| Problem::new("invalid_cursor", "take cursors from links.next"))?,
    };
    // One more than asked tells whether there is a next page.
    let wanted = limit as usize;
    let mut events = gateway
        .app
        .stream_events(&stream, after, wanted.saturating_add(1))
        .await?;
    if events.is_empty() && after == 0 {
        return Err(Problem::not_found("stream"));
    }
    let more = events.len() > wanted;
    events.truncate(wanted);
    let next = if more {
        events.last().map(|event| event.sequence.to_string())
    } else {
        None
    };
    Ok(JsonAnswer(Page::new(events, next, &listing, limit)))
}
