//! The stack as a library: what is started is real, lives through crashes, and keeps its data.

use std::time::Duration;

use kvit::config::{Config, Purpose, Sources};
use kvit::stack::{External, Service, Stack, StackError, StackOptions, StateDir};
use kvit_adapters::nats::connect;
use sqlx::{Connection, PgConnection, Row};

use crate::support::{folder, processes_in, wait_for};

#[tokio::test]
async fn everything_starts_cold_and_can_be_used_and_is_there_again_after_a_warm_start() {
    let dir = folder();
    let state = dir.path().join("state");
    let stack = Stack::start_in(&state).await.unwrap();
    let endpoints = stack.endpoints().clone();
    let mut owner = PgConnection::connect(&endpoints.database_owner_url)
        .await
        .unwrap();
    sqlx::raw_sql(
        "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7); GRANT SELECT ON kept TO kvit_app",
    )
    .execute(&mut owner)
    .await
    .unwrap();
    let fsync: String = sqlx::query("SHOW fsync")
        .fetch_one(&mut owner)
        .await
        .unwrap()
        .get(0);
    assert_eq!(fsync, "on");
    owner.close().await.unwrap();
    let bus = connect(&endpoints.nats_url, "test").await.unwrap();
    let stream = async_nats::jetstream::new(bus.clone())
        .create_stream(async_nats::jetstream::stream::Config {
            name: "KEPT".to_owned(),
            ..Default::default()
        })
        .await;
    assert!(stream.is_ok(), "{stream:?}");
    let unsigned = reqwest::get(format!("{}/kvit", endpoints.storage.endpoint))
        .await
        .unwrap();
    assert_eq!(unsigned.status(), 403, "unsigned requests must be refused");
    stack.stop().await;
    assert_eq!(processes_in(&state), []);

    let stack = Stack::start_in(&state).await.unwrap();
    let mut application = PgConnection::connect(&stack.endpoints().database_url)
        .await
        .unwrap();
    let kept: i32 = sqlx::query("SELECT n FROM kept")
        .fetch_one(&mut application)
        .await
        .unwrap()
        .get(0);
    assert_eq!(kept, 7);
    let refused = sqlx::query("CREATE TABLE mine (n int)")
        .execute(&mut application)
        .await;
    assert!(refused.is_err(), "the application's role may create tables");
    let bus = connect(&stack.endpoints().nats_url, "test").await.unwrap();
    let kept = async_nats::jetstream::new(bus).get_stream("KEPT").await;
    assert!(kept.is_ok(), "{kept:?}");
    assert_eq!(
        stack.endpoints().storage.access_key,
        endpoints.storage.access_key
    );
    stack.stop().await;
}

#[tokio::test]
async fn the_object_store_speaks_signed_s3_and_its_bucket_is_there() {
    let dir = folder();
    let stack = Stack::start_in(dir.path()).await.unwrap();
    let settings = &stack.endpoints().storage;
    let bucket = s3::Bucket::new(
        &settings.bucket,
        s3::Region::Custom {
            region: settings.region.clone(),
            endpoint: settings.endpoint.clone(),
        },
        s3::creds::Credentials::new(
            Some(&settings.access_key),
            Some(&settings.secret_key),
            None,
            None,
            None,
        )
        .unwrap(),
    )
    .unwrap()
    .with_path_style();
    assert_eq!(bucket.list(String::new(), None).await.unwrap().len(), 1);
    bucket
        .put_object("receipts/2026/11/photo.jpg", b"light")
        .await
        .unwrap();
    let back = bucket
        .get_object("receipts/2026/11/photo.jpg")
        .await
        .unwrap();
    assert_eq!(back.as_slice(), b"light");
    stack.stop().await;
}

#[tokio::test]
async fn a_service_that_crashes_comes_back_at_the_same_address_with_its_data() {
    let dir = folder();
    let stack = Stack::start_in(dir.path()).await.unwrap();
    let url = stack.endpoints().database_owner_url.clone();
    let mut before = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
        .execute(&mut before)
        .await
        .unwrap();
    for service in [Service::Postgres, Service::Nats] {
        let pid = stack.pid(service).unwrap();
        stack.crash(service).await.unwrap();
        assert_ne!(stack.pid(service).unwrap(), pid);
    }
    let mut after = PgConnection::connect(&url).await.unwrap();
    let kept: i32 = sqlx::query("SELECT n FROM kept")
        .fetch_one(&mut after)
        .await
        .unwrap()
        .get(0);
    assert_eq!(kept, 7);
    assert!(connect(&stack.endpoints().nats_url, "test").await.is_ok());
    stack.stop().await;
}

#[tokio::test]
async fn services_that_are_given_are_used_and_not_started() {
    let (theirs, ours) = (folder(), folder());
    let other = Stack::start_in(theirs.path()).await.unwrap();
    let given = other.endpoints().clone();
    let stack = Stack::start(StackOptions {
        state: StateDir::open(ours.path(), false).unwrap(),
        external: External {
            database: Some((given.database_url.clone(), given.database_owner_url.clone())),
            nats: Some(given.nats_url.clone()),
            storage: Some(given.storage.clone()),
        },
        patience: Duration::from_secs(10),
    })
    .await
    .unwrap();
    assert_eq!(stack.endpoints(), &given);
    assert_eq!(stack.pid(Service::Postgres), None);
    assert_eq!(processes_in(ours.path()), []);
    assert!(!ours.path().join("postgres").exists());
    stack.stop().await;
    assert!(PgConnection::connect(&given.database_url).await.is_ok());
    other.stop().await;
}

#[tokio::test]
async fn a_given_service_that_is_away_ends_the_start_at_the_deadline_and_leaves_nothing_running() {
    let dir = folder();
    let refusal = Stack::start(StackOptions {
        state: StateDir::open(dir.path(), false).unwrap(),
        external: External {
            // Nobody serves "discard" on the loopback interface.
            nats: Some("nats://127.0.0.1:9".to_owned()),
            ..External::default()
        },
        patience: Duration::from_secs(1),
    })
    .await
    .unwrap_err();
    assert!(
        matches!(
            refusal,
            StackError::Timeout {
                service: Service::Nats,
                ..
            }
        ),
        "{refusal}"
    );
    tokio::task::spawn_blocking(move || {
        wait_for("the database to end", || {
            processes_in(dir.path()).is_empty()
        });
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_wrong_login_is_told_at_once_instead_of_waited_for() {
    let (theirs, ours) = (folder(), folder());
    let other = Stack::start_in(theirs.path()).await.unwrap();
    let wrong = other
        .endpoints()
        .database_url
        .replace("kvit_app@", "nobody_here@");
    let refusal = Stack::start(StackOptions {
        state: StateDir::open(ours.path(), false).unwrap(),
        external: External {
            database: Some((wrong.clone(), wrong)),
            ..External::default()
        },
        patience: Duration::from_secs(60),
    })
    .await
    .unwrap_err();
    assert!(
        matches!(
            refusal,
            StackError::Failed {
                service: Service::Postgres,
                ..
            }
        ),
        "{refusal}"
    );
    other.stop().await;
}

#[tokio::test]
async fn a_state_folder_too_deep_for_a_socket_keeps_its_database_elsewhere() {
    let dir = folder();
    let deep = dir.path().join("x".repeat(100));
    let stack = Stack::start_in(&deep).await.unwrap();
    let marker = std::fs::read_to_string(deep.join("postgres.path")).unwrap();
    assert!(marker.starts_with("/var/tmp/kvit-"), "{marker}");
    let config = Config::load(
        &Sources::default().with_state_file(&deep.join("endpoints.env")),
        Purpose::Show,
    )
    .unwrap();
    assert_eq!(&config.endpoints().unwrap(), stack.endpoints());
    stack.stop().await;
    let again = Stack::start_in(&deep).await.unwrap();
    assert_eq!(
        std::fs::read_to_string(deep.join("postgres.path")).unwrap(),
        marker
    );
    again.stop().await;
    std::fs::remove_dir_all(marker.trim()).unwrap();
}

#[tokio::test]
async fn the_bus_asks_for_its_token_which_only_the_owners_files_hold() {
    let dir = folder();
    let stack = Stack::start_in(dir.path()).await.unwrap();
    let url = stack.endpoints().nats_url.clone();
    let (token, place) = url
        .strip_prefix("nats://")
        .and_then(|rest| rest.split_once('@'))
        .unwrap();
    assert!(connect(&url, "test").await.is_ok());
    for stranger in [format!("nats://{place}"), format!("nats://guess@{place}")] {
        assert!(connect(&stranger, "test").await.is_err(), "{stranger}");
    }
    // Also after a restart, and the same in the next run.
    stack.crash(Service::Nats).await.unwrap();
    assert!(
        connect(&format!("nats://{place}"), "test").await.is_err(),
        "the restarted server asks for nothing"
    );
    assert!(connect(&url, "test").await.is_ok());
    let log = std::fs::read_to_string(dir.path().join("nats.log")).unwrap();
    assert!(!log.contains(token), "the server logs the token");
    assert!(!format!("{stack:?}").contains(token), "Debug prints it");
    stack.stop().await;
    let again = Stack::start_in(dir.path()).await.unwrap();
    assert!(again.endpoints().nats_url.contains(token));
    again.stop().await;
}

#[tokio::test]
async fn nobody_else_may_read_the_state_folder() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let dir = folder();
    let stack = Stack::start_in(dir.path()).await.unwrap();
    let mut looked_at = 0;
    for entry in std::fs::read_dir(dir.path()).unwrap().flatten() {
        let meta = entry.metadata().unwrap();
        let mode = meta.permissions().mode() & 0o777;
        let expected = if meta.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{:?} of uid {}", entry.path(), meta.uid());
        looked_at += 1;
    }
    assert!(looked_at >= 7, "only {looked_at} entries");
    for settings in ["nats/nats.conf", "endpoints.env"] {
        let meta = std::fs::metadata(dir.path().join(settings)).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, 0o600, "{settings}");
    }
    stack.stop().await;
}
