//! Making events and logs for the tests.

use std::sync::Arc;

use kvit_adapters::postgres::{LogOptions, PgEventLog};
use kvit_commands::ports::log::{Append, Appended, EventLog, NewEvent, StreamAppend};
use kvit_domain::event::{Position, RecordedEvent, Sequence, StreamId, metadata};
use kvit_testkit::TestDb;
use serde_json::value::RawValue;
use uuid::Uuid;

/// A log over a test's database.
pub fn open_log(db: &TestDb) -> Arc<PgEventLog> {
    show_log();
    PgEventLog::start(&db.settings(), db.pool.clone(), LogOptions::default(), None).unwrap()
}

/// An event with a payload of its own.
pub fn event(event_type: &str, payload: &str) -> NewEvent {
    let meta = [
        (metadata::ACTOR, "user:1"),
        (metadata::CORRELATION_ID, "c-1"),
    ];
    NewEvent {
        event_id: Uuid::now_v7(),
        event_type: event_type.to_owned(),
        event_version: "1".to_owned(),
        payload: RawValue::from_string(payload.to_owned()).unwrap(),
        metadata: meta
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect(),
    }
}

/// A part of an append with `count` events.
pub fn slice(stream: &StreamId, expected_sequence: Sequence, count: usize) -> StreamAppend {
    let events = (0..count)
        .map(|n| event("Posted", &format!(r#"{{"Posted":{{"n":{n}}}}}"#)))
        .collect();
    StreamAppend {
        stream: stream.clone(),
        expected_sequence,
        events,
    }
}

/// An append of `count` events to one stream.
pub fn to_one(stream: &StreamId, expected_sequence: Sequence, count: usize) -> Append {
    Append {
        streams: vec![slice(stream, expected_sequence, count)],
    }
}

/// Appends and expects success.
pub async fn stored(log: &PgEventLog, append: Append) -> (Position, Position) {
    match log.append(append).await.unwrap() {
        Appended::Stored { first, last, .. } => (first, last),
        Appended::Conflict { stream, actual } => panic!("conflict on {stream} at {actual}"),
    }
}

/// Everything in the log.
pub async fn whole(log: &dyn EventLog) -> Vec<RecordedEvent> {
    let mut events: Vec<RecordedEvent> = Vec::new();
    loop {
        let after = events.last().map_or(0, |event| event.position);
        let page = log.read(after, 1_000).await.unwrap();
        if page.is_empty() {
            return events;
        }
        events.extend(page);
    }
}

/// Asserts that positions are dense, each stream is whole and in order, and the chain holds.
pub fn assert_sound(events: &[RecordedEvent]) {
    let mut sequences = std::collections::HashMap::new();
    for (due, event) in (1..).zip(events) {
        assert_eq!(event.position, due, "positions are dense");
        let sequence = sequences.entry(event.stream.clone()).or_insert(0);
        *sequence += 1;
        assert_eq!(
            event.sequence, *sequence,
            "stream {} is in order",
            event.stream
        );
    }
    kvit_adapters::postgres::chain::verify(events).unwrap();
}

/// Waits until a condition holds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let started = std::time::Instant::now();
    while !holds().await {
        assert!(
            started.elapsed() < std::time::Duration::from_secs(60),
            "not in time: {what}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// Shows log lines of failed tests as far as `RUST_LOG` asks for them.
pub fn show_log() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_test_writer()
        .try_init();
}
