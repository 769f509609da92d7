//! What one process may rely on when it appends and reads.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::future::join_all;
use kvit_adapters::postgres::chain::{BrokenChain, verify};
use kvit_adapters::postgres::{LogOptions, PgEventLog};
use kvit_commands::ports::log::{Append, Appended, EventLog, LogFault};
use kvit_domain::event::StreamId;
use serde_json::value::RawValue;
use sqlx::Row;

use crate::support::{assert_sound, event, open_log, slice, stored, to_one, whole};

#[tokio::test]
async fn an_event_comes_back_byte_for_byte() {
    let db = kvit_testkit::pg().await;
    let log = open_log(&db);
    let stream = StreamId::new("receipt", "r-1:a_B");
    let mut new = event(
        "ReceiptSubmitted",
        "{ \"ReceiptSubmitted\" : {\"b\":1, \"a\":\"\\u0061ї\\u0000\", \"n\":1.0} }",
    );
    new.metadata = BTreeMap::from([
        ("z".to_owned(), "ї\"\n".to_owned()),
        ("actor".to_owned(), "user:1".to_owned()),
    ]);
    let append = Append {
        streams: vec![kvit_commands::ports::log::StreamAppend {
            stream: stream.clone(),
            expected_sequence: 0,
            events: vec![new.clone()],
        }],
    };
    let answer = log.append(append).await.unwrap();
    let loaded = log.load(&stream, 0, 10).await.unwrap();
    let [back] = loaded.as_slice() else {
        panic!("one event, not {}", loaded.len())
    };
    assert_eq!(back.payload.get(), new.payload.get());
    assert_eq!(back.metadata, new.metadata);
    assert_eq!(
        (back.position, back.sequence, back.event_id),
        (1, 1, new.event_id)
    );
    assert_eq!(
        (back.event_type.as_str(), back.event_version.as_str()),
        ("ReceiptSubmitted", "1")
    );
    assert_eq!(
        answer,
        Appended::Stored {
            first: 1,
            last: 1,
            recorded_at: back.recorded_at
        }
    );
    assert_sound(&whole(&*log).await);
}

#[tokio::test]
async fn a_decision_over_several_streams_is_stored_whole_or_not_at_all() {
    let db = kvit_testkit::pg().await;
    let log = open_log(&db);
    let (a, b) = (StreamId::new("wallet", "a"), StreamId::new("wallet", "b"));
    assert_eq!(
        stored(
            &log,
            Append {
                streams: vec![slice(&a, 0, 2), slice(&b, 0, 1)]
            }
        )
        .await,
        (1, 3)
    );
    let refused = log
        .append(Append {
            streams: vec![slice(&a, 2, 1), slice(&b, 0, 1)],
        })
        .await
        .unwrap();
    assert_eq!(
        refused,
        Appended::Conflict {
            stream: b.clone(),
            actual: 1
        }
    );
    assert_eq!(log.head().await.unwrap(), 3);
    assert_eq!(log.load(&a, 0, 10).await.unwrap().len(), 2);
    assert_sound(&whole(&*log).await);
}

#[tokio::test]
async fn a_conflict_refuses_its_own_append_and_none_of_its_neighbours() {
    let db = kvit_testkit::pg().await;
    // One batch in flight, and the append lock held by somebody else: the second batch holds everything that waits.
    let options = LogOptions {
        in_flight: 1,
        ..LogOptions::default()
    };
    let log = PgEventLog::start(&db.settings(), db.pool.clone(), options, None).unwrap();
    let stale = StreamId::new("wallet", "stale");
    stored(&log, to_one(&stale, 0, 1)).await;
    let streams: Vec<StreamId> = (0..40)
        .map(|n| StreamId::new("wallet", format!("w{n}")))
        .collect();
    let appends = streams.iter().enumerate().map(|(n, stream)| {
        let wrong = n % 3 != 2; // also the first of a batch
        let log = &log;
        let append = if wrong {
            Append {
                streams: vec![
                    slice(stream, 0, 1),
                    slice(&StreamId::new("wallet", format!("x{n}")), 7, 1),
                ],
            }
        } else {
            to_one(stream, 0, 3)
        };
        async move { (wrong, log.append(append).await.unwrap()) }
    });
    for (wrong, answer) in join_all(appends).await {
        assert_eq!(
            wrong,
            matches!(answer, Appended::Conflict { actual: 0, .. }),
            "{answer:?}"
        );
        if let Appended::Stored {
            first,
            last,
            recorded_at,
        } = answer
        {
            let events = log.read(first - 1, 3).await.unwrap();
            assert_eq!((last - first, events[2].recorded_at), (2, recorded_at));
            assert!(
                events.iter().all(|event| event.stream == events[0].stream),
                "a unit's events stand together"
            );
        }
    }
    let events = whole(&*log).await;
    assert_eq!(events.len(), 1 + 13 * 3);
    assert_sound(&events);
}

#[tokio::test]
async fn an_append_that_the_database_refuses_does_not_fail_its_neighbours() {
    let db = kvit_testkit::pg().await;
    let log = open_log(&db);
    let first = to_one(&StreamId::new("wallet", "first"), 0, 1);
    let mut copies = vec![first.clone()];
    stored(&log, first).await;
    // The same event id on another stream: only the unique index can see it.
    copies[0].streams[0].stream = StreamId::new("wallet", "copy");
    copies.extend((0..20).map(|n| to_one(&StreamId::new("wallet", format!("n{n}")), 0, 1)));
    let answers = join_all(copies.into_iter().map(|append| log.append(append))).await;
    assert!(
        matches!(answers[0], Err(LogFault::Transient(_))),
        "{:?}",
        answers[0]
    );
    for answer in &answers[1..] {
        assert!(matches!(answer, Ok(Appended::Stored { .. })), "{answer:?}");
    }
    assert_sound(&whole(&*log).await);
}

#[tokio::test]
async fn a_malformed_append_is_refused_before_it_travels() {
    let db = kvit_testkit::pg().await;
    let log = open_log(&db);
    let good = StreamId::new("wallet", "w");
    let mut dotted = to_one(&good, 0, 1);
    dotted.streams[0].events[0].event_type = "a.b".to_owned();
    let bad = [
        Append { streams: vec![] },
        to_one(&good, 0, 0),
        to_one(&good, -1, 1),
        to_one(&StreamId::new("wallet", "with space"), 0, 1),
        to_one(&StreamId::new("wal.let", "w"), 0, 1),
        to_one(&StreamId::new("wallet", "w".repeat(201)), 0, 1),
        Append {
            streams: vec![slice(&good, 0, 1), slice(&good, 1, 1)],
        },
        dotted,
    ];
    for append in bad {
        let answer = log.append(append.clone()).await;
        assert!(
            matches!(answer, Err(LogFault::Fatal(_))),
            "{append:?} gave {answer:?}"
        );
    }
    assert_eq!(log.head().await.unwrap(), 0);
}

#[tokio::test]
async fn two_hundred_writers_of_one_stream_leave_it_in_order() {
    let db = kvit_testkit::pg().await;
    let log = open_log(&db);
    let stream = StreamId::new("wallet", "hot");
    let writers = (0..200).map(|_| async {
        let (mut tries, mut seen) = (0, 0);
        loop {
            tries += 1;
            seen += log.load(&stream, seen, 1_000).await.unwrap().len() as i64;
            match log.append(to_one(&stream, seen, 1)).await.unwrap() {
                Appended::Stored { .. } => return tries,
                Appended::Conflict { .. } => {}
            }
        }
    });
    let tries: Vec<i32> = join_all(writers).await;
    assert!(
        tries.iter().any(|&tries| tries > 1),
        "the writers got in each other's way"
    );
    let events = whole(&*log).await;
    assert_eq!(events.len(), 200);
    assert_sound(&events);
}

#[tokio::test]
async fn nobody_can_change_what_is_stored() {
    let db = kvit_testkit::pg().await;
    let log = open_log(&db);
    stored(&log, to_one(&StreamId::new("wallet", "w"), 0, 3)).await;
    let mut owner = db.owner().await;
    for sql in [
        "UPDATE events SET payload = '{}'",
        "DELETE FROM events",
        "TRUNCATE events",
        "UPDATE events SET position = 9 WHERE false",
    ] {
        let by_app = sqlx::raw_sql(sql).execute(&db.pool).await.unwrap_err();
        assert!(
            by_app.to_string().contains("permission denied"),
            "{sql}: {by_app}"
        );
        let by_owner = sqlx::raw_sql(sql).execute(&mut owner).await.unwrap_err();
        assert!(
            by_owner.to_string().contains("append-only"),
            "{sql}: {by_owner}"
        );
    }
    let insert = "INSERT INTO events SELECT 9, gen_random_uuid(), 'a', 'b', 1, 'c', '1', '{}', '{}', now(), decode(repeat('00', 32), 'hex')";
    let by_app = sqlx::raw_sql(insert).execute(&db.pool).await.unwrap_err();
    assert!(by_app.to_string().contains("permission denied"), "{by_app}");
    for sql in [
        "ALTER TABLE events DISABLE TRIGGER ALL",
        "DROP TABLE events",
        "CREATE TRIGGER t BEFORE INSERT ON events EXECUTE FUNCTION refuse_event_change()",
    ] {
        assert!(
            sqlx::raw_sql(sql).execute(&db.pool).await.is_err(),
            "the application may not: {sql}"
        );
    }
    assert_sound(&whole(&*log).await);
}

#[tokio::test]
async fn the_second_computation_of_the_chain_finds_any_change() {
    let db = kvit_testkit::pg().await;
    let log = open_log(&db);
    for n in 0..3 {
        stored(
            &log,
            to_one(&StreamId::new("wallet", format!("w{n}")), 0, 2),
        )
        .await;
    }
    let good = whole(&*log).await;
    assert_eq!(verify(&good).unwrap().0, 6);

    let mut bad = good.clone();
    bad[2].payload = RawValue::from_string(r#"{"Posted":{"n":9}}"#.to_owned()).unwrap();
    assert_eq!(verify(&bad), Err(BrokenChain::Changed { position: 3 }));
    let mut bad = good.clone();
    bad[3]
        .metadata
        .insert("actor".to_owned(), "user:2".to_owned());
    assert_eq!(verify(&bad), Err(BrokenChain::Changed { position: 4 }));
    let mut bad = good.clone();
    bad[1].recorded_at += chrono::TimeDelta::microseconds(1);
    assert_eq!(verify(&bad), Err(BrokenChain::Changed { position: 2 }));
    let mut bad = good.clone();
    bad[0].stream.aggregate_id = "w9".to_owned();
    assert_eq!(verify(&bad), Err(BrokenChain::Changed { position: 1 }));
    let mut bad = good.clone();
    bad.remove(3);
    assert_eq!(verify(&bad), Err(BrokenChain::Missing { position: 4 }));
    let mut bad = good.clone();
    bad.insert(3, good[1].clone());
    assert_eq!(verify(&bad), Err(BrokenChain::Reordered { position: 2 }));
    // Two events that swap their places, renumbered: the hashes tell.
    let mut bad = good.clone();
    bad.swap(1, 2);
    bad[1].position = 2;
    bad[2].position = 3;
    assert_eq!(verify(&bad), Err(BrokenChain::Changed { position: 2 }));
}

#[tokio::test]
async fn a_missing_number_is_a_fault_and_not_an_empty_page() {
    let db = kvit_testkit::pg().await;
    let log = open_log(&db);
    let stream = StreamId::new("wallet", "w");
    stored(&log, to_one(&stream, 0, 5)).await;
    let mut owner = db.owner().await;
    let tamper = "ALTER TABLE events DISABLE TRIGGER ALL; DELETE FROM events WHERE position = 3";
    sqlx::raw_sql(tamper).execute(&mut owner).await.unwrap();
    let fault = log.read(0, 10).await.unwrap_err();
    assert!(
        matches!(&fault, LogFault::Fatal(why) if why.contains("position 3")),
        "{fault}"
    );
    let fault = log.load(&stream, 0, 10).await.unwrap_err();
    assert!(
        matches!(&fault, LogFault::Fatal(why) if why.contains("event 3")),
        "{fault}"
    );
}

#[tokio::test]
async fn waiting_readers_wake_for_own_appends_for_hints_and_by_polling() {
    let db = kvit_testkit::pg().await;
    let nats = kvit_testkit::nats().await;
    let stream = StreamId::new("wallet", "w");
    let options = LogOptions::default;
    let first = PgEventLog::start(
        &db.settings(),
        db.pool.clone(),
        options(),
        Some(nats.client().await),
    )
    .unwrap();
    let second = PgEventLog::start(
        &db.settings(),
        db.pool.clone(),
        options(),
        Some(nats.client().await),
    )
    .unwrap();
    let lonely = open_log(&db);
    let minute = Duration::from_secs(60);

    let started = Instant::now();
    first.wait_beyond(0, Duration::from_millis(50)).await;
    assert!(
        started.elapsed() < Duration::from_millis(240),
        "the limit is kept"
    );
    for n in 0..3 {
        let started = Instant::now();
        let waits = async {
            tokio::join!(
                first.wait_beyond(n, minute),
                second.wait_beyond(n, minute),
                lonely.wait_beyond(n, minute)
            )
        };
        tokio::join!(waits, async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            stored(&first, to_one(&stream, n, 1)).await;
        });
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "everybody woke by polling at the latest"
        );
        assert!(second.head().await.unwrap() > n);
    }
}

#[tokio::test]
async fn a_broken_connection_is_transient_and_heals() {
    let db = kvit_testkit::pg().await;
    let log = open_log(&db);
    let stream = StreamId::new("wallet", "w");
    stored(&log, to_one(&stream, 0, 1)).await;
    let mut owner = db.owner().await;
    let killed: i64 = sqlx::query(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .fetch_one(&mut owner)
    .await
    .map(|row| row.get(0))
    .unwrap_or(0);
    if killed == 0 {
        // The owner may not end the sessions of another role on every server; then the session ends itself.
        let by_app = sqlx::raw_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user",
        );
        let _ = by_app.execute(&db.pool).await;
    }
    let mut tries = 0;
    loop {
        tries += 1;
        match log.append(to_one(&stream, 1, 1)).await {
            Ok(Appended::Stored { first, .. }) => {
                assert_eq!(first, 2);
                break;
            }
            Err(LogFault::Transient(_)) if tries < 100 => {
                tokio::time::sleep(Duration::from_millis(20)).await
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(tries > 1, "the first try met the broken connection");
}
