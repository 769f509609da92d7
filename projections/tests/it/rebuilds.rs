//! Building beside the live tables, and switching.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use kvit_projections::log::{LogEvent, Needs};
use kvit_projections::projection::{PageError, Projection};
use kvit_projections::queries::{ledger, projection, status, wait_for};
use kvit_projections::rebuild::{RebuildOptions, rebuild, rebuild_with};
use kvit_projections::table::TableInfo;
use kvit_projections::{Fault, Projector, build, fold};
use sqlx::PgConnection;

use crate::world::busy_world;

/// A projection of this program as a later program would have it.
struct Newer {
    inner: Arc<dyn Projection>,
}

impl Projection for Newer {
    fn name(&self) -> &'static str {
        self.inner.name()
    }
    fn version(&self) -> i64 {
        self.inner.version() + 1
    }
    fn needs(&self) -> Needs {
        self.inner.needs()
    }
    fn tables(&self) -> &'static [TableInfo] {
        self.inner.tables()
    }
    fn create(&self, schema: &str) -> Vec<String> {
        self.inner.create(schema)
    }
    fn indexes(&self, schema: &str) -> Vec<String> {
        self.inner.indexes(schema)
    }
    fn apply<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        schema: &'a str,
        page: &'a [LogEvent],
    ) -> BoxFuture<'a, Result<(), PageError>> {
        self.inner.apply(connection, schema, page)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_while_events_arrive_ends_with_the_same_rows_and_readers_never_go_back() {
    let (mut world, mut people) = busy_world().await;
    let mut person = people.remove(0);
    world.settle().await;
    let shutdown = tokio_util::sync::CancellationToken::new();
    let (_hint, heard) = tokio::sync::watch::channel(0);
    let projector = world.projector();
    let running = {
        let shutdown = shutdown.clone();
        tokio::spawn(async move { projector.run(shutdown, heard).await })
    };
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (pool, done, id) = (world.pool.clone(), Arc::clone(&done), person.wallet_id);
        tokio::spawn(async move {
            let (mut position, mut entries) = (0, 0);
            while !done.load(Ordering::SeqCst) {
                let seen = ledger::wallet(&pool, id).await.unwrap();
                assert!(seen.position >= position, "a reader went back");
                position = seen.position;
                let row = seen.data.expect("the wallet is there all the time");
                assert!(row.entries >= entries);
                entries = row.entries;
            }
        })
    };
    let old = world.schema("ledger").await;
    for _ in 0..3 {
        for _ in 0..10 {
            world.reward(&mut person, 10);
        }
        world.flush().await;
        let options = RebuildOptions {
            page: 50,
            ..RebuildOptions::default()
        };
        let mut told = Vec::new();
        let rebuilt = rebuild(&world.pool, "ledger", &options, |p| told.push(p.clone()))
            .await
            .unwrap();
        assert_eq!(rebuilt.name, "ledger");
        assert!(told.iter().all(|p| p.position <= p.head));
        assert!(told.is_sorted_by(|a, b| a.position <= b.position));
    }
    let wait = Duration::from_secs(30);
    wait_for(&world.pool, &[projection::LEDGER], world.head, wait)
        .await
        .unwrap();
    done.store(true, Ordering::SeqCst);
    reader.await.unwrap();
    shutdown.cancel();
    running.await.unwrap();
    let new = world.schema("ledger").await;
    assert_ne!(new, old);
    let indexes = |schema: String| {
        let pool = world.pool.clone();
        async move {
            let sql = "SELECT count(*) FROM pg_indexes WHERE schemaname = $1";
            let query = sqlx::query_scalar::<_, i64>(sql).bind(schema);
            query.fetch_one(&pool).await.unwrap()
        }
    };
    assert_eq!(indexes(new).await, indexes(old).await);
    let row = ledger::wallet(&world.pool, person.wallet_id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(row.posted_minor, person.wallet.posted_minor);
    assert!(
        kvit_projections::replay::compare(&world.pool, None)
            .await
            .is_ok_and(|d| d.is_empty())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_does_not_take_over_while_the_live_one_is_ahead() {
    let (mut world, mut people) = busy_world().await;
    let mut person = people.remove(0);
    world.settle().await;
    let (pool, before) = (world.pool.clone(), world.head);
    let mut once = true;
    let rebuilt = rebuild(&pool, "ledger", &RebuildOptions::default(), |progress| {
        // All pages are read; events arrive and the live build folds them before the switch.
        if progress.position == before && std::mem::take(&mut once) {
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async {
                    world.reward(&mut person, 10);
                    world.settle().await;
                });
            });
        }
    })
    .await
    .unwrap();
    assert!(!once);
    assert_eq!(rebuilt.position, world.head);
    let wallet = ledger::wallet(&pool, person.wallet_id).await.unwrap();
    assert_eq!(wallet.position, world.head);
}

#[tokio::test]
async fn a_rebuild_can_say_how_the_live_tables_differed() {
    let (mut world, people) = busy_world().await;
    world.settle().await;
    let schema = world.schema("ledger").await;
    sqlx::query(&format!(
        "UPDATE {schema}.wallets SET posted_minor = posted_minor + 1 WHERE wallet_id = $1"
    ))
    .bind(people[1].wallet_id.to_string())
    .execute(&world.pool)
    .await
    .unwrap();
    let options = RebuildOptions {
        compare: true,
        ..RebuildOptions::default()
    };
    let rebuilt = rebuild(&world.pool, "ledger", &options, |_| {})
        .await
        .unwrap();
    let differences = rebuilt.differences.unwrap();
    assert_eq!(differences.len(), 1, "{differences:?}");
    let row = ledger::wallet(&world.pool, people[1].wallet_id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(
        row.posted_minor, people[1].wallet.posted_minor,
        "the log is the truth"
    );
    let again = rebuild(&world.pool, "ledger", &options, |_| {})
        .await
        .unwrap();
    assert_eq!(again.differences.unwrap(), []);
}

#[tokio::test]
async fn a_newer_version_is_built_beside_the_old_one_and_an_older_program_leaves_it_alone() {
    let (mut world, people) = busy_world().await;
    world.settle().await;
    let old = world.schema("ledger").await;
    let newer: Arc<dyn Projection> = Arc::new(Newer {
        inner: fold::by_name("ledger").unwrap(),
    });
    Projector::of(world.pool.clone(), vec![newer])
        .catch_up()
        .await
        .unwrap();
    let new = world.schema("ledger").await;
    assert_ne!(new, old);
    world.reward(&mut { people }[0], 5);
    world.flush().await;
    // The older program finds a newer build and does not touch it; its other projections go on.
    world.projector().catch_up().await.unwrap();
    let all = status::status(&world.pool).await.unwrap();
    let ledger = all
        .iter()
        .find(|s| s.name == "ledger" && s.state == "active")
        .unwrap();
    assert!(ledger.lag_events > 0);
    assert!(
        all.iter()
            .any(|s| s.name == "receipts" && s.lag_events == 0)
    );
    assert_eq!(
        build::drop_old(&world.pool, Duration::ZERO).await.unwrap(),
        1
    );
    let schemas: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_namespace WHERE nspname = $1")
        .bind(&old)
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(schemas, 0);
}

#[tokio::test]
async fn tables_of_another_version_are_replaced_without_being_compared() {
    let (mut world, _) = busy_world().await;
    world.settle().await;
    let schema = world.schema("ledger").await;
    sqlx::query(&format!("UPDATE {schema}.wallets SET posted_minor = 0"))
        .execute(&world.pool)
        .await
        .unwrap();
    let newer = Newer {
        inner: fold::by_name("ledger").unwrap(),
    };
    let options = RebuildOptions {
        compare: true,
        ..RebuildOptions::default()
    };
    let rebuilt = rebuild_with(&world.pool, &newer, &options, |_| {})
        .await
        .unwrap();
    assert_eq!(rebuilt.differences, None);
    assert_ne!(world.schema("ledger").await, schema);
}

#[tokio::test]
async fn tables_that_are_gone_are_built_again() {
    let (mut world, people) = busy_world().await;
    world.settle().await;
    let schema = world.schema("ledger").await;
    // As after restoring a backup without the read models.
    world
        .as_owner(&format!("DROP SCHEMA {schema} CASCADE"))
        .await;
    world.projector().catch_up().await.unwrap();
    let row = ledger::wallet(&world.pool, people[0].wallet_id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(row.posted_minor, people[0].wallet.posted_minor);
}

#[tokio::test]
async fn an_unknown_projection_and_one_that_was_never_built_are_told_apart() {
    let (world, people) = busy_world().await;
    let options = RebuildOptions::default();
    let unknown = rebuild(&world.pool, "nothing", &options, |_| {}).await;
    assert!(matches!(unknown, Err(Fault::Unknown(_))));
    let early = ledger::wallet(&world.pool, people[0].wallet_id).await;
    assert!(matches!(early, Err(Fault::NotBuilt(_))));
}

#[tokio::test]
async fn the_applications_role_cannot_make_or_drop_other_schemas() {
    let (mut world, _) = busy_world().await;
    world.settle().await;
    let active = world.schema("ledger").await;
    for sql in [
        "CREATE SCHEMA mine".to_owned(),
        "SELECT create_projection_schema('x; DROP TABLE events', 1)".to_owned(),
        format!("SELECT drop_projection_schema('{active}')"),
        "SELECT drop_projection_schema('public')".to_owned(),
    ] {
        assert!(
            sqlx::query(&sql).execute(&world.pool).await.is_err(),
            "{sql}"
        );
    }
}
