//! Folding again and comparing row by row.

use chrono::TimeDelta;
use kvit_projections::queries::accounts::{Moment, trial_balance_at};
use kvit_projections::rebuild::{RebuildOptions, rebuild};
use kvit_projections::replay::compare;
use kvit_projections::{Fault, fold};

use crate::providers::a_day;
use crate::world::{World, busy_world};

#[tokio::test]
async fn untouched_tables_are_what_the_log_says() {
    let (mut world, _) = busy_world().await;
    let head = world.settle().await;
    assert_eq!(compare(&world.pool, Some(head)).await.unwrap(), []);
    let scratch: i64 =
        sqlx::query_scalar("SELECT count(*) FROM projection_builds WHERE state = 'scratch'")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!(scratch, 0, "comparisons leave nothing behind");
}

#[tokio::test]
async fn a_changed_a_removed_and_an_added_row_are_found_and_named() {
    let (mut world, people) = busy_world().await;
    let head = world.settle().await;
    let (ledger, payouts) = (world.schema("ledger").await, world.schema("payouts").await);
    let tampered = people[0].wallet_id.to_string();
    for sql in [
        format!("UPDATE {ledger}.wallets SET posted_minor = 1000000 WHERE wallet_id = '{tampered}'"),
        format!("DELETE FROM {ledger}.statement WHERE wallet_id = '{tampered}' AND entry_no = 1"),
        format!(
            "INSERT INTO {payouts}.payouts SELECT (jsonb_populate_record(t, '{{\"payout_id\": \"00000000-0000-0000-0000-000000000009\"}}')).*
               FROM {payouts}.payouts t LIMIT 1"
        ),
    ] {
        sqlx::query(&sql).execute(&world.pool).await.unwrap();
    }
    let differences = compare(&world.pool, Some(head)).await.unwrap();
    assert_eq!(differences.len(), 3, "{differences:?}");
    let wallet = differences.iter().find(|d| d.table == "wallets").unwrap();
    assert_eq!(wallet.columns, ["posted_minor"]);
    assert_eq!(wallet.key["wallet_id"], tampered);
    assert_eq!(wallet.live.as_ref().unwrap()["posted_minor"], 1_000_000);
    let replayed = wallet.replayed.as_ref().unwrap();
    assert_eq!(replayed["posted_minor"], people[0].wallet.posted_minor);
    let entry = differences.iter().find(|d| d.table == "statement").unwrap();
    assert!(entry.live.is_none() && entry.replayed.is_some());
    let payout = differences.iter().find(|d| d.table == "payouts").unwrap();
    assert!(payout.live.is_some() && payout.replayed.is_none());
}

#[tokio::test]
async fn a_comparison_at_a_position_where_the_live_tables_do_not_stand_is_refused() {
    let (mut world, _) = busy_world().await;
    let head = world.settle().await;
    let refused = compare(&world.pool, Some(head - 1)).await;
    assert!(matches!(refused, Err(Fault::LiveElsewhere { live, .. }) if live == head));
}

#[tokio::test(flavor = "multi_thread")]
async fn f57_folding_the_log_again_gives_the_same_rows_and_balances() {
    let mut world = World::new().await;
    let (mut from, mut to) = (world.person(), world.person());
    for round in 0..3 {
        a_day(&mut world, &mut from, round);
        let (id, mut transfer) = world.transfer(&mut from, to.wallet_id, 100);
        if round > 0 {
            world.transferred(id, &mut transfer, &mut from, &mut to);
        }
        world.clock += TimeDelta::days(1);
        // Folded in small steps, as life brings it.
        world.flush().await;
        world.projector().with_page(3).catch_up().await.unwrap();
    }
    let halfway = Moment::Position(world.head / 2);
    let before = trial_balance_at(&world.pool, halfway).await.unwrap();
    let options = RebuildOptions {
        compare: true,
        ..RebuildOptions::default()
    };
    for projection in fold::all() {
        let rebuilt = rebuild(&world.pool, projection.name(), &options, |_| {})
            .await
            .unwrap();
        assert_eq!(rebuilt.differences.unwrap(), [], "{}", projection.name());
    }
    assert_eq!(
        trial_balance_at(&world.pool, halfway).await.unwrap(),
        before
    );
    assert!(before.data.is_balanced() && !before.data.accounts.is_empty());
    assert_eq!(compare(&world.pool, None).await.unwrap(), []);
}
