//! The log while the database is crashed, read-only, dumped and restored, or held up by others.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::join_all;
use kvit_adapters::postgres::{LogOptions, PgEventLog};
use kvit_commands::ports::log::{Appended, EventLog, LogFault};
use kvit_domain::event::StreamId;
use kvit_testkit::PgServer;
use sqlx::Connection;

use crate::support::{assert_sound, open_log, stored, to_one, until, whole};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_crash_of_the_database() {
    let server = tokio::task::spawn_blocking(|| PgServer::start(true))
        .await
        .unwrap();
    let db = server.database().await;
    let log = open_log(&db);
    let acknowledged = Mutex::new(Vec::new());
    let faults = Mutex::new(0);
    let writers = join_all((0..8).map(|n| {
        let (log, acknowledged, faults) = (&log, &acknowledged, &faults);
        async move {
            let stream = StreamId::new("wallet", format!("w{n}"));
            let mut seen = 0;
            while acknowledged.lock().unwrap().len() < 600 {
                match log.append(to_one(&stream, seen, 2)).await {
                    Ok(Appended::Stored { first, last, .. }) => {
                        seen += 2;
                        acknowledged
                            .lock()
                            .unwrap()
                            .push((stream.clone(), first, last));
                    }
                    Ok(Appended::Conflict { actual, .. }) => seen = actual,
                    Err(LogFault::Transient(_)) => {
                        *faults.lock().unwrap() += 1;
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    Err(fault) => panic!("{fault}"),
                }
            }
        }
    }));
    let crashes = async {
        for due in [100, 300] {
            until("enough is written", || async {
                acknowledged.lock().unwrap().len() >= due
            })
            .await;
            tokio::task::block_in_place(|| {
                server.crash();
                server.start_again();
            });
        }
    };
    tokio::join!(writers, crashes);
    assert!(*faults.lock().unwrap() > 0, "the crashes were felt");
    let events = whole(&*log).await;
    assert_sound(&events);
    for (stream, first, last) in acknowledged.lock().unwrap().iter() {
        for position in *first..=*last {
            assert_eq!(&events[position as usize - 1].stream, stream);
        }
    }
}

#[tokio::test]
async fn a_read_only_database_refuses_writes_as_transient_and_reads_go_on() {
    let server = tokio::task::spawn_blocking(|| PgServer::start(false))
        .await
        .unwrap();
    let db = server.database().await;
    let stream = StreamId::new("wallet", "w");
    stored(&open_log(&db), to_one(&stream, 0, 3)).await;
    server.psql(
        "postgres",
        &format!(
            "ALTER DATABASE {} SET default_transaction_read_only = on",
            db.name
        ),
    );
    let log = open_log(&db);
    for _ in 0..3 {
        let fault = log.append(to_one(&stream, 3, 1)).await.unwrap_err();
        assert!(
            matches!(&fault, LogFault::Transient(why) if why.contains("25006")),
            "{fault}"
        );
    }
    assert_eq!(log.read(0, 10).await.unwrap().len(), 3);
    assert_eq!(log.load(&stream, 1, 10).await.unwrap().len(), 2);
    server.psql(
        "postgres",
        &format!(
            "ALTER DATABASE {} RESET default_transaction_read_only",
            db.name
        ),
    );
    assert_eq!(stored(&log, to_one(&stream, 3, 1)).await, (4, 4));
    assert_sound(&whole(&*log).await);
}

#[tokio::test]
async fn an_open_write_transaction_elsewhere_delays_nobody() {
    let db = kvit_testkit::pg().await;
    let log = open_log(&db);
    let mut elsewhere = sqlx::PgConnection::connect(&db.app_url).await.unwrap();
    let mut transaction = elsewhere.begin().await.unwrap();
    sqlx::raw_sql("INSERT INTO leases VALUES ('open', 'transaction', 1, now())")
        .execute(&mut *transaction)
        .await
        .unwrap();
    let mut slowest = Duration::ZERO;
    let started = Instant::now();
    let mut n = 0;
    while started.elapsed() < Duration::from_secs(3) {
        let appended = Instant::now();
        let (_, last) = stored(
            &log,
            to_one(&StreamId::new("wallet", format!("w{n}")), 0, 1),
        )
        .await;
        assert_eq!(
            log.read(last - 1, 10).await.unwrap().len(),
            1,
            "a reader sees it at once"
        );
        slowest = slowest.max(appended.elapsed());
        n += 1;
    }
    transaction.rollback().await.unwrap();
    assert!(
        slowest < Duration::from_secs(1),
        "the slowest took {slowest:?}"
    );
    assert_eq!(log.head().await.unwrap(), n);
}

#[tokio::test]
async fn a_restored_dump_goes_on_at_the_next_position() {
    let server = tokio::task::spawn_blocking(|| PgServer::start(false))
        .await
        .unwrap();
    let db = server.database().await;
    let log = open_log(&db);
    for n in 0..10 {
        stored(
            &log,
            to_one(&StreamId::new("wallet", format!("w{n}")), 0, 3),
        )
        .await;
    }
    let dump = server
        .tool("pg_dump")
        .args(["-U", "kvit_root", "-Fc", &db.name])
        .output()
        .unwrap();
    assert!(
        dump.status.success(),
        "{}",
        String::from_utf8_lossy(&dump.stderr)
    );
    let file = std::env::temp_dir().join(format!("kvit-test-{}-dump", std::process::id()));
    std::fs::write(&file, &dump.stdout).unwrap();
    let restored = server.empty_database().await;
    let restore = server
        .tool("pg_restore")
        .args([
            "-U",
            "kvit_root",
            "--exit-on-error",
            "--clean",
            "--if-exists",
            "-d",
            &restored.name,
        ])
        .arg(&file)
        .output();
    let restore = restore.unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(
        restore.status.success(),
        "{}",
        String::from_utf8_lossy(&restore.stderr)
    );

    let again = open_log(&restored);
    assert_eq!(again.head().await.unwrap(), 30);
    assert_eq!(
        stored(&again, to_one(&StreamId::new("wallet", "w0"), 3, 1)).await,
        (31, 31)
    );
    let events = whole(&*again).await;
    assert_eq!(events.len(), 31);
    assert_sound(&events);
    let changed = sqlx::raw_sql("DELETE FROM events")
        .execute(&mut restored.owner().await)
        .await;
    assert!(
        changed.unwrap_err().to_string().contains("append-only"),
        "the guard is restored too"
    );
}

#[tokio::test]
async fn an_append_has_a_deadline_and_the_queue_an_end() {
    let db = kvit_testkit::pg().await;
    let options = LogOptions {
        queue: 4,
        deadline: Duration::from_millis(300),
        ..LogOptions::default()
    };
    let log = PgEventLog::start(&db.settings(), db.pool.clone(), options, None).unwrap();
    // Somebody holds the append lock.
    let mut elsewhere = sqlx::PgConnection::connect(&db.app_url).await.unwrap();
    let mut transaction = elsewhere.begin().await.unwrap();
    sqlx::raw_sql(
        "SELECT append_events(ARRAY[0], ARRAY['ghost'], ARRAY['g'], ARRAY[0]::bigint[], ARRAY[1],
            ARRAY[gen_random_uuid()], ARRAY['Posted'], ARRAY['1'], ARRAY['{}'], ARRAY['{}'])",
    )
    .execute(&mut *transaction)
    .await
    .unwrap();
    let started = Instant::now();
    let appends = (0..20).map(|n| {
        let log = &log;
        async move {
            log.append(to_one(&StreamId::new("wallet", format!("w{n}")), 0, 1))
                .await
        }
    });
    let answers = join_all(appends).await;
    assert!(started.elapsed() < Duration::from_secs(3));
    let says = |words: &str| {
        let fits = |answer: &&Result<Appended, LogFault>| matches!(answer, Err(LogFault::Transient(why)) if why.contains(words));
        answers.iter().filter(fits).count()
    };
    assert!(says("in time") > 0 && says("too many") > 0, "{answers:?}");
    assert_eq!(says("in time") + says("too many"), 20, "{answers:?}");
    transaction.rollback().await.unwrap();
    until("appends go on", || async {
        let answer = log
            .append(to_one(&StreamId::new("wallet", "after"), 0, 1))
            .await;
        answer.is_ok()
    })
    .await;
    assert_sound(&whole(&*log).await);
}
