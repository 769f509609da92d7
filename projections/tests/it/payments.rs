//! Payments and refunds as they stand, and what a comparison with a provider needs of them.

use chrono::TimeDelta;
use kvit_domain::ids::PaymentId;
use kvit_domain::payment::{PaymentCommand, RefundStatus, SnapshotStatus};
use kvit_domain::payout::{PayoutCommand, PayoutState};
use kvit_domain::reconciliation::StatementKind;
use kvit_projections::queries::payments::{self, PaymentFilter, RefundFilter};
use kvit_projections::queries::payouts;
use kvit_projections::queries::reconcile::{self, OurStatus};
use kvit_projections::replay::compare;

use crate::money::{YOO, snapshot};
use crate::world::{World, day, uah};

#[tokio::test]
async fn a_payment_is_followed_from_the_intent_to_its_refunds() {
    let mut world = World::new().await;
    let mut person = world.person();
    let (id, mut payment) = world.paid_in(&mut person, 10_000, 350);
    world.settle().await;
    let row = payments::payment(&world.pool, id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!((row.state.as_str(), row.late), ("succeeded", false));
    assert_eq!((row.paid_minor, row.fee_minor), (Some(10_000), Some(350)));
    let provider_id = row.provider_id.clone().unwrap();
    let found = payments::by_provider_id(&world.pool, YOO, &provider_id)
        .await
        .unwrap();
    assert_eq!(found.data.unwrap().payment_id, id);

    let refund_id = world.refund(&mut person, id, &mut payment, 4_000);
    world.settle().await;
    let row = payments::payment(&world.pool, id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!((row.refunding_minor, row.refunded_minor), (4_000, 0));
    world.refund_says(
        id,
        &mut payment,
        Some(refund_id),
        uah(4_000),
        RefundStatus::Succeeded,
    );
    world.refunded(&mut person, refund_id, 4_000);
    // Another one was made in the provider's cabinet.
    world.refund_says(id, &mut payment, None, uah(500), RefundStatus::Succeeded);
    world.settle().await;
    let row = payments::payment(&world.pool, id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!((row.refunding_minor, row.refunded_minor), (0, 4_500));
    let of_payment = RefundFilter {
        payment_id: Some(id),
        ..RefundFilter::default()
    };
    let refunds = payments::refunds(&world.pool, &of_payment, None, 10)
        .await
        .unwrap()
        .data;
    let seen: Vec<_> = refunds
        .items
        .iter()
        .map(|row| (row.amount_minor, row.state.as_str(), row.is_foreign))
        .collect();
    assert_eq!(
        seen,
        [(500, "succeeded", true), (4_000, "succeeded", false)]
    );
    let back = payments::refund(&world.pool, refund_id)
        .await
        .unwrap()
        .data
        .unwrap();
    let provider_id = back.provider_refund_id.unwrap();
    let by_id = payments::refund_by_provider_id(&world.pool, YOO, &provider_id);
    assert_eq!(by_id.await.unwrap().data.unwrap().refund_id, refund_id);
    assert_eq!(compare(&world.pool, None).await.unwrap(), []);
}

#[tokio::test]
async fn a_failed_refund_is_not_on_its_way_any_more() {
    let mut world = World::new().await;
    let mut person = world.person();
    let (id, mut payment) = world.paid_in(&mut person, 1_000, 0);
    let refund_id = world.refund(&mut person, id, &mut payment, 400);
    let canceled = RefundStatus::Canceled {
        reason: "insufficient_funds".to_owned(),
    };
    world.refund_says(id, &mut payment, Some(refund_id), uah(400), canceled);
    world.settle().await;
    let row = payments::payment(&world.pool, id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!((row.refunding_minor, row.refunded_minor), (0, 0));
    let row = payments::refund(&world.pool, refund_id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(
        (row.state.as_str(), row.failure.as_deref()),
        ("failed", Some("insufficient_funds"))
    );
}

#[tokio::test]
async fn late_quarantined_and_contradicted_payments_are_found_by_their_marks() {
    let mut world = World::new().await;
    let person = world.person();
    let (late, mut payment) = world.intend(&person, 100);
    world.call(late, &mut payment);
    world.clock += TimeDelta::hours(2);
    world.observe(
        late,
        &mut payment,
        snapshot(late, 100, SnapshotStatus::Succeeded),
    );
    let canceled = SnapshotStatus::Canceled {
        party: "merchant".to_owned(),
        reason: "x".to_owned(),
    };
    world.observe(late, &mut payment, snapshot(late, 100, canceled));
    let (odd, mut other) = world.intend(&person, 100);
    world.call(odd, &mut other);
    world.observe(
        odd,
        &mut other,
        snapshot(odd, 99, SnapshotStatus::Succeeded),
    );
    world.settle().await;
    let find = |filter: PaymentFilter| {
        let pool = world.pool.clone();
        async move {
            let page = payments::search(&pool, &filter, None, 10)
                .await
                .unwrap()
                .data;
            page.items
                .into_iter()
                .map(|row| row.payment_id)
                .collect::<Vec<_>>()
        }
    };
    let any = PaymentFilter::default;
    assert_eq!(
        find(PaymentFilter {
            late_only: true,
            ..any()
        })
        .await,
        [late]
    );
    let contradicted = PaymentFilter {
        contradicted_only: true,
        ..any()
    };
    assert_eq!(find(contradicted).await, [late]);
    let quarantined = PaymentFilter {
        state: Some(kvit_domain::payment::PaymentState::Quarantined),
        ..any()
    };
    assert_eq!(find(quarantined).await, [odd]);
    assert_eq!(
        find(PaymentFilter {
            user_id: Some(person.id),
            provider: Some(YOO),
            ..any()
        })
        .await,
        [odd, late]
    );
    let row = payments::payment(&world.pool, odd)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(row.paid_minor, Some(99));
    assert_eq!(
        row.reason.as_deref(),
        Some("the amount is not the one asked for")
    );
    assert_eq!(compared(&world, odd).await, OurStatus::Exception);
    for by in ["api:1", "api:2"] {
        let resolve = PaymentCommand::ResolveQuarantine {
            credited: Some(uah(99)),
            by: by.to_owned(),
            reason: "the payer asked for it".to_owned(),
        };
        world.run(odd, by, &mut other, &resolve).unwrap();
    }
    world.settle().await;
    let row = payments::payment(&world.pool, odd)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(
        (row.state.as_str(), row.resolved_by.as_deref()),
        ("resolved", Some("api:2"))
    );
    assert_eq!(
        (row.proposed_by.as_deref(), row.proposed_minor),
        (Some("api:1"), Some(99))
    );
    // Whosever it is, it came: the provider's list says the same.
    assert_eq!(compared(&world, odd).await, OurStatus::Done);
    // The order is paid once more.
    world.observe(
        odd,
        &mut other,
        snapshot(odd, 150, SnapshotStatus::Succeeded),
    );
    world.settle().await;
    let row = payments::payment(&world.pool, odd)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(row.contradicted.as_deref(), Some("overpaid"));
}

/// How a payment stands for a comparison with the provider's list.
async fn compared(world: &World, id: PaymentId) -> OurStatus {
    let (from, to) = (
        world.clock - TimeDelta::days(1),
        world.clock + TimeDelta::days(1),
    );
    reconcile::ours(&world.pool, YOO, StatementKind::Payments, from, to)
        .await
        .unwrap()
        .into_iter()
        .find(|item| item.id == id.0)
        .unwrap()
        .status
}

#[tokio::test]
async fn a_payment_that_was_not_created_is_tried_again_under_the_next_generation() {
    let mut world = World::new().await;
    let person = world.person();
    let (id, mut payment) = world.intend(&person, 100);
    world.call(id, &mut payment);
    let failed = |generation, is_final| PaymentCommand::RecordNotCreated {
        generation,
        code: "invalid_request".to_owned(),
        is_final,
    };
    world
        .run(id, "policy:payments", &mut payment, &failed(1, false))
        .unwrap();
    world.settle().await;
    let row = payments::payment(&world.pool, id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(
        (row.state.as_str(), row.generation, row.sent_at),
        ("intended", 2, None)
    );
    world.call(id, &mut payment);
    world
        .run(id, "policy:payments", &mut payment, &failed(2, true))
        .unwrap();
    world.settle().await;
    let row = payments::payment(&world.pool, id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(row.state, "canceled");
    assert_eq!(row.reason.as_deref(), Some("invalid_request"));
    assert!(row.finished_at.is_some());
}

#[tokio::test]
async fn a_comparison_gets_all_of_ours_in_a_window_and_nothing_else() {
    let mut world = World::new().await;
    let mut person = world.person();
    world.campaign();
    let before = world.clock;
    let (id, mut payment) = world.paid_in(&mut person, 10_000, 350);
    let (open, _) = world.intend(&person, 700);
    let refund_id = world.refund(&mut person, id, &mut payment, 400);
    let (payout_id, mut payout) = world.payout(&mut person, None, 100);
    world.send(payout_id, &mut payout, 1);
    let after = world.clock;
    world.clock += TimeDelta::days(1);
    world.paid_in(&mut person, 1, 0);
    world.settle().await;
    let ours = |kind| {
        let pool = world.pool.clone();
        async move {
            reconcile::ours(&pool, YOO, kind, before, after)
                .await
                .unwrap()
        }
    };
    let items = ours(StatementKind::Payments).await;
    assert_eq!(
        items.iter().map(|item| item.id).collect::<Vec<_>>(),
        [id.0, open.0]
    );
    assert_eq!(
        (items[0].amount, items[0].fee),
        (uah(10_000), Some(uah(350)))
    );
    assert_eq!(
        (items[0].status, items[1].status),
        (OurStatus::Done, OurStatus::Open)
    );
    assert_eq!(
        items[0].provider_id.as_deref(),
        Some(format!("prov-{id}").as_str())
    );
    let items = ours(StatementKind::Refunds).await;
    assert_eq!(
        (items.len(), items[0].id, items[0].status),
        (1, refund_id.0, OurStatus::Open)
    );
    assert!(
        ours(StatementKind::Payouts).await.is_empty(),
        "another provider's"
    );
    assert!(ours(StatementKind::Settlement).await.is_empty());
    let portmone = kvit_domain::ledger::ProviderName::Portmone;
    let items = reconcile::ours(&world.pool, portmone, StatementKind::Payouts, before, after)
        .await
        .unwrap();
    assert_eq!(
        (items[0].id, items[0].bill_id.as_deref()),
        (payout_id.0, Some("bill-1"))
    );
}

#[tokio::test]
async fn a_payout_says_its_way_its_budget_and_why_it_waits() {
    let mut world = World::new().await;
    let mut person = world.person();
    world.campaign();
    world.reward(&mut person, 100);
    let (id, mut payout) = world.payout(&mut person, None, 100);
    let until = Some(world.clock + TimeDelta::hours(5));
    let postpone = PayoutCommand::Postpone {
        reason: "daily_budget".to_owned(),
        until,
    };
    world
        .run(id, "policy:payout", &mut payout, &postpone)
        .unwrap();
    world.settle().await;
    let row = payouts::payout(&world.pool, id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(row.method, "mobile_top_up");
    assert_eq!(
        (row.postponed.as_deref(), row.postponed_until),
        (Some("daily_budget"), until)
    );
    let waiting = payouts::PayoutFilter {
        postponed_only: true,
        ..payouts::PayoutFilter::default()
    };
    let page = payouts::search(&world.pool, &waiting, None, 10)
        .await
        .unwrap()
        .data;
    assert_eq!(page.items[0].payout_id, id);
    let budget = PayoutCommand::TakeBudget {
        day: day("2026-03-11"),
    };
    world
        .run(id, "policy:payout", &mut payout, &budget)
        .unwrap();
    world.send(id, &mut payout, 1);
    let pending = PayoutCommand::RecordPending {
        attempt: 1,
        provider_id: Some("po-1".to_owned()),
    };
    world
        .run(id, "policy:payout", &mut payout, &pending)
        .unwrap();
    world.settle().await;
    let portmone = kvit_domain::ledger::ProviderName::Portmone;
    for known in ["po-1", "bill-1"] {
        let row = payouts::by_provider_id(&world.pool, portmone, known)
            .await
            .unwrap();
        let row = row.data.unwrap();
        assert_eq!(row.state, PayoutState::Pending.code());
        assert_eq!(
            (row.postponed, row.budget_day),
            (None, Some(day("2026-03-11")))
        );
        assert!(row.pending_since.is_some());
    }
}

#[tokio::test]
async fn what_one_person_says_of_a_payout_in_doubt_is_seen_until_a_second_one_agrees() {
    let mut world = World::new().await;
    let mut person = world.person();
    world.campaign();
    world.reward(&mut person, 100);
    let (id, mut payout) = world.payout(&mut person, None, 100);
    world.send(id, &mut payout, 1);
    let unknown = PayoutCommand::RecordUnknown {
        attempt: 1,
        reason: "timeout".to_owned(),
    };
    world
        .run(id, "policy:payout", &mut payout, &unknown)
        .unwrap();
    let now = world.clock + TimeDelta::days(2);
    let decide = |by: &str| PayoutCommand::DecideReview {
        paid: false,
        by: by.to_owned(),
        reason: "not in the statement".to_owned(),
        now,
    };
    world
        .run(id, "api:1", &mut payout, &decide("api:1"))
        .unwrap();
    world.settle().await;
    let row = payouts::payout(&world.pool, id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(
        (row.state.as_str(), row.proposed_paid),
        ("unknown", Some(false))
    );
    assert_eq!(row.proposed_by.as_deref(), Some("api:1"));
    assert!(
        row.unknown_since.is_some(),
        "a word of a person does not make it known"
    );
    world
        .run(id, "api:2", &mut payout, &decide("api:2"))
        .unwrap();
    let contradict = PayoutCommand::Contradict {
        status: "paid".to_owned(),
    };
    world
        .run(id, "policy:payout", &mut payout, &contradict)
        .unwrap();
    world.settle().await;
    let row = payouts::payout(&world.pool, id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!((row.state.as_str(), row.proposed_by), ("failed", None));
    assert_eq!(row.contradicted.as_deref(), Some("paid"));
    let figures = kvit_projections::queries::gauges::gauges(&world.pool)
        .await
        .unwrap();
    assert_eq!(figures.data.payouts_contradicted, 1);
    assert_eq!(compare(&world.pool, None).await.unwrap(), []);
}
