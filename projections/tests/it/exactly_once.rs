//! Each event counts once, whoever folds it and whatever breaks.

use kvit_projections::fold;
use kvit_projections::log::{Needs, read_page};
use kvit_projections::queries::ledger;
use kvit_projections::{Fault, Projector};
use kvit_testkit::PgServer;

use crate::world::{World, busy_world};

const ALL: Needs = Needs {
    aggregates: &["user", "receipt", "wallet", "payout", "job", "campaign"],
    actors: true,
};

#[tokio::test]
async fn a_page_whose_transaction_is_dropped_is_folded_again_and_counts_once() {
    let (mut world, people) = busy_world().await;
    let projection = fold::by_name("ledger").unwrap();
    let page = read_page(&world.pool, ALL, 0, None, 1_000).await.unwrap();
    world.projector().with_page(7).catch_up().await.unwrap();
    let schema = world.schema("ledger").await;
    // The same page again in a transaction that never commits: a process that was killed.
    let mut transaction = world.pool.begin().await.unwrap();
    sqlx::query(&format!(
        "TRUNCATE {schema}.wallets, {schema}.holds, {schema}.statement, {schema}.transactions, {schema}.accounts, {schema}.entries"
    ))
    .execute(&mut *transaction)
    .await
    .unwrap();
    assert!(
        projection
            .apply(&mut transaction, &schema, &page)
            .await
            .is_ok()
    );
    drop(transaction);
    world.settle().await;
    for person in &people {
        let row = ledger::wallet(&world.pool, person.wallet_id)
            .await
            .unwrap()
            .data
            .unwrap();
        assert_eq!(row.posted_minor, person.wallet.posted_minor);
        assert_eq!(row.held_minor, person.wallet.held_minor);
    }
}

#[tokio::test]
async fn many_runners_at_once_fold_each_event_once() {
    let (mut world, people) = busy_world().await;
    world.flush().await;
    let runs = (0..4).map(|_| {
        let projector = world.projector().with_page(3);
        async move { projector.catch_up().await.unwrap() }
    });
    let reached = futures::future::join_all(runs).await;
    assert!(reached.iter().all(|head| *head == world.head));
    for person in &people {
        let row = ledger::wallet(&world.pool, person.wallet_id)
            .await
            .unwrap()
            .data
            .unwrap();
        assert_eq!(row.posted_minor, person.wallet.posted_minor);
    }
    assert!(
        kvit_projections::replay::compare(&world.pool, None)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_hole_in_the_log_is_named_and_nothing_is_folded_over_it() {
    let (mut world, _) = busy_world().await;
    world.flush().await;
    let hole = world.head + 1;
    world.head += 1;
    world.person();
    world.flush().await;
    let fault = world.projector().catch_up().await.unwrap_err();
    assert!(
        matches!(fault, Fault::Gap(position) if position == hole),
        "{fault}"
    );
}

#[tokio::test]
async fn a_log_that_ends_before_the_checkpoint_is_refused_until_it_is_rebuilt() {
    let (mut world, _) = busy_world().await;
    world.settle().await;
    sqlx::query("UPDATE projection_builds SET checkpoint = checkpoint + 100 WHERE name = 'ledger'")
        .execute(&world.pool)
        .await
        .unwrap();
    let fault = world.projector().catch_up().await.unwrap_err();
    assert!(matches!(fault, Fault::AheadOfLog { .. }), "{fault}");
    let options = kvit_projections::rebuild::RebuildOptions::default();
    kvit_projections::rebuild::rebuild(&world.pool, "ledger", &options, |_| {})
        .await
        .unwrap();
    world.projector().catch_up().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_server_loses_and_doubles_nothing() {
    let server = tokio::task::spawn_blocking(|| PgServer::start(true))
        .await
        .unwrap();
    let mut world = World::on(server.database().await).await;
    world.campaign();
    let mut person = world.person();
    let shutdown = tokio_util::sync::CancellationToken::new();
    let (_hint, heard) = tokio::sync::watch::channel(0);
    let running = {
        let (projector, shutdown) = (Projector::new(world.pool.clone()), shutdown.clone());
        tokio::spawn(async move { projector.run(shutdown, heard).await })
    };
    for _ in 0..3 {
        for _ in 0..20 {
            world.reward(&mut person, 100);
        }
        world.flush().await;
        tokio::task::block_in_place(|| {
            server.crash();
            server.start_again();
        });
    }
    let names = ["ledger", "receipts", "daily"];
    let wait = std::time::Duration::from_secs(60);
    kvit_projections::queries::wait_for(&world.pool, &names, world.head, wait)
        .await
        .unwrap();
    let row = ledger::wallet(&world.pool, person.wallet_id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!((row.posted_minor, row.entries), (6_000, 60));
    assert!(
        kvit_projections::replay::compare(&world.pool, None)
            .await
            .unwrap()
            .is_empty()
    );
    shutdown.cancel();
    running.await.unwrap();
}
