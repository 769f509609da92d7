//! An event that cannot be folded: seen, never silent.

use std::time::Duration;

use kvit_projections::queries::{ledger, projection, status, wait_for};
use kvit_projections::{Fault, Policy};
use serde_json::json;

use crate::world::{World, busy_world};

/// An event of a wallet that no version of the code has ever written.
fn poison(world: &mut World, wallet: &str) -> i64 {
    let payload = json!({ "MoneyMelted": { "secret": "text of a person" } });
    world.push("wallet", wallet, "system", "MoneyMelted", &payload);
    world.head + 1
}

#[tokio::test]
async fn by_default_a_projection_stands_before_the_event_and_says_so() {
    let (mut world, people) = busy_world().await;
    let good = world.head;
    let bad = poison(&mut world, &people[0].wallet_id.to_string());
    world.flush().await;
    for attempt in 1..=2 {
        let fault = world.projector().catch_up().await.unwrap_err();
        assert!(
            matches!(&fault, Fault::Stuck { position, .. } if *position == bad),
            "{fault}"
        );
        assert!(!fault.to_string().contains("text of a person"));
        let status = status::status(&world.pool).await.unwrap();
        let ledger = status.iter().find(|s| s.name == "ledger").unwrap();
        assert_eq!(
            (ledger.state.as_str(), ledger.position, ledger.lag_events),
            ("stuck", good, 1)
        );
        let stuck = ledger.stuck_at.as_ref().unwrap();
        assert_eq!((stuck.position, stuck.attempts), (bad, attempt));
        assert_eq!(stuck.event_type, "MoneyMelted");
        assert_eq!(stuck.reason, "the payload cannot be read");
    }
    // Everything before it is folded and can be read.
    let wallet = ledger::wallet(&world.pool, people[0].wallet_id)
        .await
        .unwrap();
    assert_eq!(wallet.position, good);
}

#[tokio::test]
async fn other_projections_go_on_and_a_parked_event_is_recorded_and_left_out() {
    let (mut world, mut people) = busy_world().await;
    let bad = poison(&mut world, &people[0].wallet_id.to_string());
    world.flush().await;
    let mut person = people.remove(1);
    world.reward(&mut person, 10);
    world.flush().await;
    let shutdown = tokio_util::sync::CancellationToken::new();
    let (_hint, heard) = tokio::sync::watch::channel(0);
    let projector = world
        .projector()
        .with_page(2)
        .with_policy("ledger", Policy::Park);
    let running = {
        let shutdown = shutdown.clone();
        tokio::spawn(async move { projector.run(shutdown, heard).await })
    };
    let wait = Duration::from_secs(30);
    // `daily` folds wallets as well and has the usual policy.
    let others = [
        projection::LEDGER,
        projection::RECEIPTS,
        projection::PAYOUTS,
    ];
    wait_for(&world.pool, &others, world.head, wait)
        .await
        .unwrap();
    assert!(
        wait_for(
            &world.pool,
            &[projection::DAILY],
            bad,
            Duration::from_millis(50)
        )
        .await
        .is_err()
    );
    let status = status::status(&world.pool).await.unwrap();
    let ledger_status = status.iter().find(|s| s.name == "ledger").unwrap();
    assert_eq!(
        (ledger_status.state.as_str(), ledger_status.parked),
        ("active", 1)
    );
    let wallet = ledger::wallet(&world.pool, person.wallet_id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(wallet.posted_minor, person.wallet.posted_minor);
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn an_event_without_what_it_changes_is_stuck_and_not_skipped() {
    let mut world = World::new().await;
    let person = world.person();
    let payload = json!({ "HoldExpired": {
        "hold_id": "00000000-0000-0000-0000-000000000001",
        "amount": { "minor": 5, "currency": "UAH" },
    } });
    let wallet = person.wallet_id.to_string();
    world.push("wallet", &wallet, "system", "HoldExpired", &payload);
    world.flush().await;
    let fault = world.projector().catch_up().await.unwrap_err();
    let Fault::Stuck { reason, .. } = fault else {
        panic!("{fault}");
    };
    assert_eq!(reason, "the event changes a wallet that does not exist");
}
