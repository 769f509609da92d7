//! Subjects and headers of our messages.

use async_nats::header::{HeaderMap, HeaderValue, NATS_EXPECTED_LAST_SEQUENCE, NATS_MESSAGE_ID};
use kvit_domain::event::{RecordedEvent, metadata};

/// Subjects of events begin so.
pub(super) const EVENTS: &str = "kvit.events";
/// Subjects of dead letters begin so.
pub(super) const DEAD: &str = "kvit.dead";
/// Subjects of the notes about dropped dead letters begin so.
pub(super) const DROPPED: &str = "kvit.dropped";
/// Subjects of dead letters on their second way begin so.
pub(super) const REDO: &str = "kvit.redo";

pub(super) const POSITION: &str = "Kvit-Position";
pub(super) const EVENT_TYPE: &str = "Kvit-Event-Type";
pub(super) const EVENT_VERSION: &str = "Kvit-Event-Version";
pub(super) const CORRELATION_ID: &str = "Kvit-Correlation-Id";
pub(super) const TRACEPARENT: &str = "traceparent";
pub(super) const REASON: &str = "Kvit-Reason";
pub(super) const HANDLER: &str = "Kvit-Handler";
pub(super) const TRIES: &str = "Kvit-Tries";

/// `kvit.events.<aggregate type>.<event type>.<aggregate id>`. The log takes no name that would not fit.
#[must_use]
pub fn event_subject(event: &RecordedEvent) -> String {
    format!(
        "{EVENTS}.{}.{}.{}",
        event.stream.aggregate_type, event.event_type, event.stream.aggregate_id
    )
}

/// Sets a header, or leaves it out when the value cannot be one (a line break in a caller's correlation id).
pub(super) fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    if let Ok(value) = value.parse::<HeaderValue>() {
        headers.insert(name, value);
    }
}

/// Headers of an event on its way from the log to the bus.
pub(super) fn event_headers(event: &RecordedEvent) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, event.event_id.to_string());
    headers.insert(
        NATS_EXPECTED_LAST_SEQUENCE,
        event.position.saturating_sub(1).to_string(),
    );
    headers.insert(POSITION, event.position.to_string());
    set(&mut headers, EVENT_TYPE, &event.event_type);
    set(&mut headers, EVENT_VERSION, &event.event_version);
    for (header, key) in [
        (CORRELATION_ID, metadata::CORRELATION_ID),
        (TRACEPARENT, metadata::TRACEPARENT),
    ] {
        if let Some(value) = event.meta(key) {
            set(&mut headers, header, value);
        }
    }
    headers
}
