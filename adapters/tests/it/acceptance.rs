//! The promise of the log under many writers in several processes, some of which are killed: a reader that follows
//! positions misses nothing, streams are in order, and what was acknowledged is there.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use kvit_adapters::postgres::{LogOptions, PgEventLog, PgSettings};
use kvit_commands::ports::log::{Append, Appended, EventLog, LogFault, NewEvent, StreamAppend};
use kvit_domain::event::{Position, RecordedEvent, StreamId};
use kvit_testkit::TestDb;
use sqlx::Connection;
use uuid::Uuid;

use crate::support::{assert_sound, event, open_log, until, whole};

/// Tells a copy of this test program to be a writer, and where to.
const WRITER_URL: &str = "KVIT_TEST_WRITER_URL";

/// A decision of three events over a hot stream and one of the writer's own, all marked with one number.
fn decision(unit: Uuid, hot: &StreamId, hot_seen: i64, own: &StreamId, own_seen: i64) -> Append {
    let marked = |n: usize| -> NewEvent {
        event(
            "Posted",
            &format!(r#"{{"Posted":{{"unit":"{unit}","n":{n}}}}}"#),
        )
    };
    Append {
        streams: vec![
            StreamAppend {
                stream: hot.clone(),
                expected_sequence: hot_seen,
                events: vec![marked(0), marked(1)],
            },
            StreamAppend {
                stream: own.clone(),
                expected_sequence: own_seen,
                events: vec![marked(2)],
            },
        ],
    }
}

/// The mark of an event.
fn unit_of(event: &RecordedEvent) -> Uuid {
    let payload: serde_json::Value = serde_json::from_str(event.payload.get()).unwrap();
    payload["Posted"]["unit"].as_str().unwrap().parse().unwrap()
}

/// Writes until it is told to stop; after each answer it says what it was told.
async fn write(
    log: &PgEventLog,
    name: &str,
    hot: &StreamId,
    stop: &AtomicBool,
    say: impl Fn(Uuid, Position, Position),
) {
    let own = StreamId::new("writer", name);
    let (mut hot_seen, mut own_seen) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        hot_seen += log.load(hot, hot_seen, 1_000).await.unwrap().len() as i64;
        let unit = Uuid::now_v7();
        match log
            .append(decision(unit, hot, hot_seen, &own, own_seen))
            .await
        {
            Ok(Appended::Stored { first, last, .. }) => {
                (hot_seen, own_seen) = (hot_seen + 2, own_seen + 1);
                say(unit, first, last);
            }
            Ok(Appended::Conflict { .. }) => {}
            Err(LogFault::Transient(_)) => {
                own_seen += log
                    .load(&own, own_seen, 10)
                    .await
                    .map_or(0, |e| e.len() as i64)
            }
            Err(fault) => panic!("{fault}"),
        }
    }
}

/// Not a test: what a copy of this program does for the test below, until it is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a writer process of another test"]
async fn writer_process() {
    let Ok(url) = std::env::var(WRITER_URL) else {
        return;
    };
    let settings = PgSettings::new(url, "writer").with_max_connections(4);
    let log = PgEventLog::start(
        &settings,
        settings.pool().unwrap(),
        LogOptions::default(),
        None,
    )
    .unwrap();
    let name = std::process::id().to_string();
    let never = AtomicBool::new(false);
    let writers = (0..6).map(|n| {
        let (log, never) = (&log, &never);
        let hot = StreamId::new("hot", format!("h{}", n % 3));
        let name = format!("{name}-{n}");
        async move {
            write(log, &name, &hot, never, |unit, first, last| {
                let mut out = std::io::stdout().lock();
                writeln!(out, "acknowledged {unit} {first} {last}").unwrap();
                out.flush().unwrap();
            })
            .await;
        }
    });
    join_all(writers).await;
}

struct WriterProcess {
    child: Child,
    lines: std::thread::JoinHandle<Vec<(Uuid, Position, Position)>>,
}

impl WriterProcess {
    fn start(db: &TestDb) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "acceptance::writer_process",
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(WRITER_URL, &db.app_url)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let lines = std::thread::spawn(move || {
            out.lines()
                .map_while(Result::ok)
                .filter_map(|line| {
                    let mut words = line
                        .split(' ')
                        .skip_while(|word| *word != "acknowledged")
                        .skip(1);
                    let unit = words.next()?.parse().ok()?;
                    Some((
                        unit,
                        words.next()?.parse().ok()?,
                        words.next()?.parse().ok()?,
                    ))
                })
                .collect()
        });
        Self { child, lines }
    }

    /// Kills it with `kill -9` and returns what it had acknowledged.
    fn kill(mut self) -> Vec<(Uuid, Position, Position)> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.lines.join().unwrap()
    }
}

/// Appends in a transaction of its own, dawdles, and rolls back: its positions must be given to others.
async fn roll_back(db: &TestDb, stop: &AtomicBool) -> usize {
    let mut connection = sqlx::PgConnection::connect(&db.app_url).await.unwrap();
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut transaction = connection.begin().await.unwrap();
        let position: i64 = sqlx::query_scalar(
            "SELECT first_position FROM append_events(ARRAY[0], ARRAY['ghost'], ARRAY[$1], ARRAY[0]::bigint[], ARRAY[1],
                ARRAY[gen_random_uuid()], ARRAY['Posted'], ARRAY['1'], ARRAY['{}'], ARRAY['{}'])",
        )
        .bind(format!("g{rounds}"))
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
        assert!(position > 0);
        tokio::time::sleep(Duration::from_millis(rounds % 7)).await;
        transaction.rollback().await.unwrap();
        rounds += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    rounds as usize
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_miss_nothing_while_processes_write_roll_back_and_are_killed() {
    let db = kvit_testkit::pg().await;
    let log = open_log(&db);
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = std::sync::Mutex::new(Vec::new());

    let reader = {
        let (log, stop) = (Arc::clone(&log), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut seen: Vec<RecordedEvent> = Vec::new();
            loop {
                let stopping = stop.load(Ordering::Relaxed);
                let after = seen.last().map_or(0, |event| event.position);
                let page = log.read(after, 100).await.unwrap();
                let empty = page.is_empty();
                seen.extend(page);
                if empty && stopping {
                    return seen;
                }
                if empty {
                    log.wait_beyond(after, Duration::from_millis(50)).await;
                }
            }
        })
    };
    let rollbacks = {
        let (url, stop) = (db.app_url.clone(), Arc::clone(&stop));
        let other = TestDb {
            app_url: url,
            owner_url: String::new(),
            pool: db.pool.clone(),
            name: String::new(),
        };
        tokio::spawn(async move { roll_back(&other, &stop).await })
    };
    let own_writers = {
        let (log, stop) = (&log, &stop);
        let acknowledged = &acknowledged;
        join_all((0..6).map(move |n| async move {
            let hot = StreamId::new("hot", format!("h{}", n % 3));
            let say = |unit, first, last| acknowledged.lock().unwrap().push((unit, first, last));
            write(log, &format!("own-{n}"), &hot, stop, say).await;
        }))
    };
    let killer = async {
        let mut told = Vec::new();
        for _ in 0..3 {
            let before = log.head().await.unwrap();
            let (one, two) = (WriterProcess::start(&db), WriterProcess::start(&db));
            // Both have written when their own streams are in the log.
            until("both processes write", || async {
                let writers: i64 = sqlx::query_scalar(
                    "SELECT count(DISTINCT split_part(aggregate_id, '-', 1)) FROM events
                     WHERE aggregate_type = 'writer' AND aggregate_id NOT LIKE 'own%' AND position > $1",
                )
                .bind(before)
                .fetch_one(&db.pool)
                .await
                .unwrap();
                writers == 2
            })
            .await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            told.extend(one.kill());
            told.extend(two.kill());
        }
        stop.store(true, Ordering::Relaxed);
        told
    };
    let (mut told, _) = tokio::join!(killer, own_writers);
    assert!(
        told.len() > 30,
        "the processes had acknowledged much: {}",
        told.len()
    );
    told.append(&mut acknowledged.lock().unwrap());
    let rolled_back = rollbacks.await.unwrap();
    assert!(
        rolled_back > 10,
        "transactions were rolled back in between: {rolled_back}"
    );

    // The server may still finish an append of a killed process: its connection is gone, its statement is not.
    let backends = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'writer'";
    until("the killed processes' statements have ended", || async {
        sqlx::query_scalar::<_, i64>(backends)
            .fetch_one(&db.pool)
            .await
            .unwrap()
            == 0
    })
    .await;
    let mut followed = reader.await.unwrap();
    followed.extend(
        log.read(followed.last().map_or(0, |event| event.position), 1_000)
            .await
            .unwrap(),
    );
    let events = whole(&*log).await;
    assert_sound(&events);
    let ids = |events: &[RecordedEvent]| {
        events
            .iter()
            .map(|event| event.event_id)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids(&followed),
        ids(&events),
        "the reader saw every event once and in order"
    );

    let by_position: HashMap<Position, Uuid> = events
        .iter()
        .map(|event| (event.position, unit_of(event)))
        .collect();
    for (unit, first, last) in &told {
        assert_eq!(last - first, 2);
        for position in *first..=*last {
            assert_eq!(
                by_position.get(&position),
                Some(unit),
                "acknowledged at {position}"
            );
        }
    }
    let mut sizes: HashMap<Uuid, usize> = HashMap::new();
    for event in &events {
        *sizes.entry(unit_of(event)).or_insert(0) += 1;
    }
    assert!(
        sizes.values().all(|size| *size == 3),
        "each decision is whole or absent"
    );
    let writers: HashSet<&str> = events
        .iter()
        .filter_map(|event| event.stream.aggregate_id.split('-').next())
        .collect();
    assert!(writers.len() > 6, "several processes wrote");
}
