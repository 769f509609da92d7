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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeMap;

    use chrono::DateTime;
    use kvit_domain::event::StreamId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_message_carries_place_trace_and_correlation_of_its_event() {
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let event = RecordedEvent {
            position: 7,
            event_id: Uuid::from_u128(1),
            stream: StreamId::new("receipt", "r-1"),
            sequence: 1,
            event_type: "ReceiptSubmitted".to_owned(),
            event_version: "1".to_owned(),
            payload: serde_json::value::to_raw_value(&()).unwrap(),
            metadata: BTreeMap::from([
                (metadata::TRACEPARENT.to_owned(), trace.to_owned()),
                // Somebody's correlation id that cannot be a header is left out and stops nothing.
                (
                    metadata::CORRELATION_ID.to_owned(),
                    "two\r\nlines".to_owned(),
                ),
            ]),
            recorded_at: DateTime::UNIX_EPOCH,
            hash: String::new(),
        };
        let headers = event_headers(&event);
        let header = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
        assert_eq!(header(TRACEPARENT).as_deref(), Some(trace));
        assert_eq!(header(POSITION).as_deref(), Some("7"));
        assert_eq!(
            header(NATS_EXPECTED_LAST_SEQUENCE.as_ref()).as_deref(),
            Some("6")
        );
        assert_eq!(header(CORRELATION_ID), None);
        assert_eq!(
            event_subject(&event),
            "kvit.events.receipt.ReceiptSubmitted.r-1"
        );
    }
}
