//! The relay between the log and the bus.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::Context;
use kvit_adapters::nats::{self, EVENTS, Relay, RelayFault, RelayOptions};
use kvit_adapters::postgres::{PgEventLog, PgLease};
use kvit_commands::ports::log::EventLog;
use kvit_domain::event::{RecordedEvent, StreamId};
use kvit_testkit::{TestDb, TestNats};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::{open_log, stored, to_one, until, whole};

/// Streams on a new bus.
pub async fn bus(server: &TestNats) -> Context {
    let bus = nats::jetstream(nats::connect(&server.url, "test").await.unwrap());
    nats::ensure_streams(&bus, 1).await.unwrap();
    bus
}

/// A running relay and its stop.
pub struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), RelayFault>>,
}

impl Running {
    pub async fn stop(self) -> Result<(), RelayFault> {
        self.stop.send_replace(true);
        self.ended().await
    }

    pub async fn ended(self) -> Result<(), RelayFault> {
        tokio::time::timeout(Duration::from_secs(20), self.task)
            .await
            .expect("the relay ends")
            .unwrap()
    }
}

pub fn relay(db: &TestDb, log: &Arc<PgEventLog>, bus: &Context, owner: &str) -> Running {
    let options = RelayOptions {
        lease: Duration::from_secs(2),
        ..RelayOptions::default()
    };
    let lease = Arc::new(PgLease::new(db.pool.clone()));
    let relay = Relay::new(log.clone(), bus.clone(), lease, owner, options);
    let (stop, shutdown) = watch::channel(false);
    Running {
        stop,
        task: tokio::spawn(relay.run(shutdown)),
    }
}

pub async fn last_on_bus(bus: &Context) -> i64 {
    // While the server is down nobody can tell.
    match bus.get_stream(EVENTS).await {
        Ok(stream) => stream.cached_info().state.last_sequence as i64,
        Err(_) => -1,
    }
}

async fn append_many(log: &PgEventLog, from: usize, to: usize) {
    let appends = (from..to).map(|n| async move {
        stored(log, to_one(&StreamId::new("wallet", format!("w{n}")), 0, 5)).await
    });
    futures::future::join_all(appends).await;
}

/// Every message of the bus is the event of its own number, byte for byte.
async fn assert_mirrors(bus: &Context, log: &PgEventLog) {
    let events = whole(log).await;
    let stream = bus.get_stream(EVENTS).await.unwrap();
    let state = &stream.cached_info().state;
    assert_eq!(
        (state.messages, state.last_sequence),
        (events.len() as u64, events.len() as u64)
    );
    for event in &events {
        let message = stream.get_raw_message(event.position as u64).await.unwrap();
        assert_eq!(message.subject.as_str(), nats::event_subject(event));
        assert_eq!(
            message.headers.get("Nats-Msg-Id").unwrap().as_str(),
            event.event_id.to_string()
        );
        assert_eq!(
            message.headers.get("Kvit-Position").unwrap().as_str(),
            event.position.to_string()
        );
        let carried: RecordedEvent = serde_json::from_slice(&message.payload).unwrap();
        assert_eq!(
            (carried.position, carried.hash.as_str()),
            (event.position, event.hash.as_str())
        );
        assert_eq!(
            (carried.payload.get(), &carried.metadata),
            (event.payload.get(), &event.metadata)
        );
    }
}

#[tokio::test]
async fn each_event_becomes_the_message_of_its_own_number() {
    for program in [None, kvit_testkit::nats::debian_server()] {
        let db = kvit_testkit::pg().await;
        let server = match program {
            None => kvit_testkit::nats().await,
            Some(program) => kvit_testkit::nats_with(program).await,
        };
        let log = open_log(&db);
        let bus = bus(&server).await;
        append_many(&log, 0, 100).await;
        let running = relay(&db, &log, &bus, "a");
        until("the old events are there", || async {
            last_on_bus(&bus).await == 500
        })
        .await;
        append_many(&log, 100, 120).await;
        until("the new events are there", || async {
            last_on_bus(&bus).await == 600
        })
        .await;
        running.stop().await.unwrap();
        assert_mirrors(&bus, &log).await;
        let purged = bus.get_stream(EVENTS).await.unwrap().purge().await;
        assert!(purged.is_err(), "the stream cannot be purged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bus_going_down_while_publishing_loses_and_doubles_nothing() {
    let db = kvit_testkit::pg().await;
    let server = kvit_testkit::nats().await;
    let log = open_log(&db);
    let bus = bus(&server).await;
    let running = relay(&db, &log, &bus, "a");
    for round in 0..4 {
        append_many(&log, round * 400, round * 400 + 400).await;
        until("publishing has begun", || async {
            last_on_bus(&bus).await > (round * 2_000) as i64
        })
        .await;
        if round % 2 == 0 {
            server.crash()
        } else {
            server.stop()
        }
        append_many(&log, 10_000 + round, 10_001 + round).await;
        server.start_again();
    }
    let head = log.head().await.unwrap();
    until("everything is there", || async {
        last_on_bus(&bus).await == head
    })
    .await;
    running.stop().await.unwrap();
    assert_mirrors(&bus, &log).await;
}

#[tokio::test]
async fn a_second_relay_takes_over_when_the_first_is_gone() {
    let db = kvit_testkit::pg().await;
    let server = kvit_testkit::nats().await;
    let log = open_log(&db);
    let bus = bus(&server).await;
    let first = relay(&db, &log, &bus, "a");
    append_many(&log, 0, 4).await;
    until("the first works", || async {
        last_on_bus(&bus).await == 20
    })
    .await;
    let second = relay(&db, &log, &bus, "b");
    // Without a farewell, as after kill -9: the lease must run out.
    first.task.abort();
    append_many(&log, 4, 8).await;
    until("the second works", || async {
        last_on_bus(&bus).await == 40
    })
    .await;
    second.stop().await.unwrap();
    assert_mirrors(&bus, &log).await;
}

#[tokio::test]
async fn a_bus_ahead_of_the_log_is_a_fork_and_nothing_is_published() {
    let db = kvit_testkit::pg().await;
    let restored = kvit_testkit::pg().await;
    let server = kvit_testkit::nats().await;
    let bus = bus(&server).await;
    let log = open_log(&db);
    append_many(&log, 0, 4).await;
    let running = relay(&db, &log, &bus, "a");
    until("all is there", || async { last_on_bus(&bus).await == 20 }).await;
    running.stop().await.unwrap();

    // The database was restored to an earlier point: here, to nothing.
    let earlier = open_log(&restored);
    let fork = relay(&restored, &earlier, &bus, "a")
        .ended()
        .await
        .unwrap_err();
    assert!(
        matches!(&fork, RelayFault::Fork { position: 20, why } if why.contains("ahead")),
        "{fork}"
    );
    // And then other events got the same numbers.
    append_many(&earlier, 0, 6).await;
    let fork = relay(&restored, &earlier, &bus, "a")
        .ended()
        .await
        .unwrap_err();
    assert!(
        matches!(&fork, RelayFault::Fork { position: 20, why } if why.contains("another")),
        "{fork}"
    );
    assert_eq!(last_on_bus(&bus).await, 20);
}
