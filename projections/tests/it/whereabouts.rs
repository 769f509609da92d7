//! Where a person's money is.

use chrono::TimeDelta;
use kvit_domain::ids::HoldId;
use kvit_domain::job::JobCommand;
use kvit_domain::payment::{RefundStatus, SnapshotStatus};
use kvit_domain::payout::PayoutCommand;
use kvit_projections::queries::whereabouts::{
    Direction, ItemKind, MoneyItem, WaitsFor, whereabouts, whereabouts_of,
};

use crate::money::snapshot;
use crate::world::{Person, World, uah};

async fn items(world: &mut World, person: &Person) -> Vec<MoneyItem> {
    world.settle().await;
    let found = whereabouts(&world.pool, person.wallet_id, 0)
        .await
        .unwrap()
        .data;
    assert_eq!(
        found.held_minor,
        found
            .items
            .iter()
            .filter(|i| i.direction == Direction::Out)
            .map(|i| i.amount.minor)
            .sum::<i64>()
    );
    found.items
}

#[tokio::test]
async fn every_hold_says_what_it_is_for_and_what_it_waits_for() {
    let mut world = World::new().await;
    let (mut person, other) = (world.person(), world.person());
    let (payment_id, mut payment) = world.paid_in(&mut person, 10_000, 0);
    let (payout_id, mut payout) = world.payout(&mut person, None, 100);
    let until = Some(world.clock + TimeDelta::hours(3));
    let postpone = |reason: &str| PayoutCommand::Postpone {
        reason: reason.to_owned(),
        until,
    };
    world
        .run(
            payout_id,
            "policy:payout",
            &mut payout,
            &postpone("daily_budget"),
        )
        .unwrap();
    let refund_id = world.refund(&mut person, payment_id, &mut payment, 400);
    let (transfer_id, _) = world.transfer(&mut person, other.wallet_id, 200);
    let (job_id, mut job) = world.job(&person, 50);
    world.hold(
        &mut person,
        HoldId::derived("job", &job_id.to_string()),
        50,
        &format!("job:{job_id}"),
    );
    let start = JobCommand::Start { worker: "w".into() };
    world.run(job_id, "policy:jobs", &mut job, &start).unwrap();
    world.hold(&mut person, HoldId::derived("t", "own"), 10, "deposit");
    let seen = items(&mut world, &person).await;
    let told: Vec<_> = seen
        .iter()
        .map(|item| {
            (
                item.kind,
                item.amount.minor,
                item.state.as_str(),
                item.waits_for,
                item.reference.clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                ItemKind::Hold,
                10,
                "active",
                WaitsFor::Owner,
                "deposit".to_owned()
            ),
            (
                ItemKind::Job,
                50,
                "processing",
                WaitsFor::WorkerResult,
                format!("job:{job_id}")
            ),
            (
                ItemKind::Transfer,
                200,
                "held",
                WaitsFor::NextStep,
                format!("transfer:{transfer_id}")
            ),
            (
                ItemKind::Refund,
                400,
                "sending",
                WaitsFor::ProviderAnswer,
                format!("refund:{refund_id}")
            ),
            (
                ItemKind::Payout,
                100,
                "held",
                WaitsFor::DailyBudget,
                format!("payout:{payout_id}")
            ),
        ]
    );
    assert_eq!(seen[4].until, until);
    assert_eq!(seen[4].reason.as_deref(), Some("daily_budget"));
    world.refund_says(
        payment_id,
        &mut payment,
        Some(refund_id),
        uah(400),
        RefundStatus::Pending,
    );
    for (reason, expected) in [
        ("breaker", WaitsFor::Breaker),
        ("kill_switch", WaitsFor::KillSwitch),
    ] {
        world
            .run(payout_id, "policy:payout", &mut payout, &postpone(reason))
            .unwrap();
        let seen = items(&mut world, &person).await;
        assert_eq!(
            (seen[3].waits_for, seen[4].waits_for),
            (WaitsFor::Provider, expected)
        );
    }
    world.send(payout_id, &mut payout, 1);
    assert_eq!(
        items(&mut world, &person).await[4].waits_for,
        WaitsFor::ProviderAnswer
    );
    for (command, expected) in [
        (
            PayoutCommand::RecordUnknown {
                attempt: 1,
                reason: "timeout".into(),
            },
            WaitsFor::Clarification,
        ),
        (
            PayoutCommand::RecordPending {
                attempt: 1,
                provider_id: None,
            },
            WaitsFor::Provider,
        ),
        (
            PayoutCommand::SendToReview {
                reason: "too long".into(),
            },
            WaitsFor::Operator,
        ),
    ] {
        world
            .run(payout_id, "policy:payout", &mut payout, &command)
            .unwrap();
        assert_eq!(items(&mut world, &person).await[4].waits_for, expected);
    }
    // The receiver sees it coming, before having a wallet.
    let coming = items(&mut world, &other).await;
    assert_eq!(
        (coming[0].kind, coming[0].direction, coming[0].amount.minor),
        (ItemKind::Transfer, Direction::In, 200)
    );
}

#[tokio::test]
async fn a_payment_on_its_way_in_is_seen_until_it_is_a_movement() {
    let mut world = World::new().await;
    let mut person = world.person();
    let (id, mut payment) = world.intend(&person, 700);
    let waits = |items: &[MoneyItem]| {
        items
            .iter()
            .map(|item| (item.kind, item.waits_for))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        waits(&items(&mut world, &person).await),
        [(ItemKind::Payment, WaitsFor::NextStep)]
    );
    world.call(id, &mut payment);
    assert_eq!(
        waits(&items(&mut world, &person).await),
        [(ItemKind::Payment, WaitsFor::ProviderAnswer)]
    );
    world.observe(id, &mut payment, snapshot(id, 700, SnapshotStatus::Pending));
    let seen = items(&mut world, &person).await;
    assert_eq!(waits(&seen), [(ItemKind::Payment, WaitsFor::Payer)]);
    assert_eq!(
        (seen[0].amount, seen[0].reference.clone()),
        (uah(700), format!("payment:{id}"))
    );
    // It was paid with another amount: a person must look, and the person is told what came.
    world.observe(
        id,
        &mut payment,
        snapshot(id, 650, SnapshotStatus::Succeeded),
    );
    let seen = items(&mut world, &person).await;
    assert_eq!(
        (seen[0].waits_for, seen[0].amount),
        (WaitsFor::Operator, uah(650))
    );
    let (ok, _) = world.paid_in(&mut person, 300, 0);
    world.settle().await;
    let found = whereabouts(&world.pool, person.wallet_id, 5)
        .await
        .unwrap()
        .data;
    assert_eq!((found.posted_minor, found.available_minor), (300, 300));
    let last = found.items.last().unwrap();
    assert_eq!(
        (
            last.kind,
            last.direction,
            last.state.as_str(),
            last.waits_for,
            last.reference.clone()
        ),
        (
            ItemKind::Movement,
            Direction::In,
            "top_up",
            WaitsFor::Nothing,
            format!("payment:{ok}")
        )
    );
    let all = whereabouts_of(&world.pool, person.id, 5)
        .await
        .unwrap()
        .data;
    assert_eq!(all, [found]);
}
