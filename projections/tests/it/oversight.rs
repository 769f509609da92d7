//! What people watch over: adjustments, switches, periods, notifications, reconciliations.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use kvit_domain::adjustment::{Adjustment, AdjustmentCommand};
use kvit_domain::book::{Book, MAIN_BOOK, PeriodCommand};
use kvit_domain::ids::{AdjustmentId, TransactionId};
use kvit_domain::ledger::{Account, Transaction, TransactionKind};
use kvit_domain::notification::{Notification, NotificationCommand, stream_of};
use kvit_domain::provider::{Provider, ProviderCommand};
use kvit_domain::reconciliation::{
    Break, BreakClass, Matched, Reconciliation, ReconciliationCommand, StatementKind, id_of,
};
use kvit_projections::queries::oversight::{self, NotificationFilter, NotificationState};
use kvit_projections::queries::reconcile::{self, BreakFilter};
use kvit_projections::queries::{adjustments, transfers};
use kvit_projections::replay::compare;

use crate::money::YOO;
use crate::world::{World, day, uah};

#[tokio::test]
async fn a_proposed_adjustment_waits_in_the_queue_until_another_person_decides() {
    let mut world = World::new().await;
    let person = world.person();
    let mut known = Vec::new();
    for n in ["1", "2"] {
        let id = AdjustmentId::derived("test", n);
        let mut adjustment = Adjustment::default();
        let propose = AdjustmentCommand::Propose {
            wallet_id: person.wallet_id,
            transaction: Transaction::simple(
                TransactionId::derived("adjustment", n),
                TransactionKind::Adjustment,
                Account::Wallet(person.wallet_id),
                Account::Adjustments,
                uah(70),
                day("2026-03-10"),
                format!("adjustment:{id}"),
            ),
            reason: "paid twice".to_owned(),
            corrects: None,
            by: "api:one".to_owned(),
        };
        world.run(id, "api:one", &mut adjustment, &propose).unwrap();
        known.push((id, adjustment));
    }
    world.settle().await;
    let first = adjustments::queue(&world.pool, None, 1).await.unwrap().data;
    let second = adjustments::queue(&world.pool, first.next.as_deref(), 1)
        .await
        .unwrap()
        .data;
    assert_eq!(
        (
            first.items[0].adjustment_id,
            second.items[0].adjustment_id,
            second.next
        ),
        (known[0].0, known[1].0, None)
    );
    assert_eq!(first.items[0].effect_minor, -70);
    let (by, reason) = ("api:two".to_owned(), "seen".to_owned());
    let approve = AdjustmentCommand::Approve {
        by: by.clone(),
        reason: reason.clone(),
    };
    world
        .run(known[0].0, "api:two", &mut known[0].1, &approve)
        .unwrap();
    let decline = AdjustmentCommand::Decline { by, reason };
    world
        .run(known[1].0, "api:two", &mut known[1].1, &decline)
        .unwrap();
    world.settle().await;
    assert!(
        adjustments::queue(&world.pool, None, 9)
            .await
            .unwrap()
            .data
            .items
            .is_empty()
    );
    let states: Vec<_> = {
        let filter = adjustments::AdjustmentFilter {
            wallet_id: Some(person.wallet_id),
            state: None,
        };
        let page = adjustments::search(&world.pool, &filter, None, 9)
            .await
            .unwrap()
            .data;
        page.items
            .into_iter()
            .map(|row| (row.state, row.decided_by))
            .collect()
    };
    let two = Some("api:two".to_owned());
    assert_eq!(
        states,
        [
            ("declined".to_owned(), two.clone()),
            ("posted".to_owned(), two)
        ]
    );
}

#[tokio::test]
async fn a_switch_tells_who_stopped_it_why_and_until_when_the_breaker_holds() {
    let mut world = World::new().await;
    let mut provider = Provider::default();
    let until = world.clock + TimeDelta::minutes(5);
    let open = ProviderCommand::OpenBreaker {
        until,
        code: "timeout".to_owned(),
        now: world.clock,
    };
    let stop = ProviderCommand::Stop {
        by: "api:one".to_owned(),
        reason: "wrong amounts".to_owned(),
    };
    for command in [open, stop] {
        world
            .run("yookassa", "api:one", &mut provider, &command)
            .unwrap();
    }
    world.settle().await;
    let rows = oversight::providers(&world.pool).await.unwrap().data;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].stopped.as_deref(), Some("wrong amounts"));
    assert_eq!(
        (rows[0].breaker_until, rows[0].breaker_code.as_deref()),
        (Some(until), Some("timeout"))
    );
    let resume = ProviderCommand::Resume {
        by: "api:two".to_owned(),
        reason: "fixed".to_owned(),
    };
    world
        .run("yookassa", "api:two", &mut provider, &resume)
        .unwrap();
    world.settle().await;
    let row = &oversight::providers(&world.pool).await.unwrap().data[0];
    assert_eq!(
        (&row.stopped, row.breaker_until, row.stopped_since),
        (&None, None, None)
    );
    assert_eq!(row.resumed_by.as_deref(), Some("api:two"));
}

#[tokio::test]
async fn a_closed_month_and_a_notification_are_seen_with_what_became_of_them() {
    let mut world = World::new().await;
    let close = PeriodCommand::Close {
        month: day("2026-02-01"),
        position: 7,
        totals: BTreeMap::from([("UAH".to_owned(), "130".to_owned())]),
        by: "api:one".to_owned(),
        reason: "checked".to_owned(),
        today: day("2026-03-10"),
    };
    world
        .run(MAIN_BOOK, "api:one", &mut Book::default(), &close)
        .unwrap();
    let ids: Vec<String> = ["a", "b", "c"]
        .map(|object| stream_of(YOO, "payment.succeeded", object).aggregate_id)
        .into();
    for (n, id) in ids.iter().enumerate() {
        let mut notification = Notification::default();
        let receive = NotificationCommand::Receive {
            provider: YOO,
            event: "payment.succeeded".to_owned(),
            object_id: ["a", "b", "c"][n].to_owned(),
            digest: "0".repeat(64),
        };
        world
            .run(id, "provider:yookassa", &mut notification, &receive)
            .unwrap();
        let settle = match n {
            0 => NotificationCommand::Verify {
                status: "succeeded".to_owned(),
                operation: "payment:1".to_owned(),
            },
            1 => NotificationCommand::Quarantine {
                reason: "unknown object".to_owned(),
            },
            _ => continue,
        };
        world
            .run(id, "policy:notifications", &mut notification, &settle)
            .unwrap();
    }
    world.settle().await;
    let months = oversight::periods(&world.pool).await.unwrap().data;
    assert_eq!(
        (months[0].month, months[0].closed_position),
        (day("2026-02-01"), 7)
    );
    assert_eq!(
        months[0].totals.0.get("UAH").map(String::as_str),
        Some("130")
    );
    let quarantined = NotificationFilter {
        state: Some(NotificationState::Quarantined),
        ..NotificationFilter::default()
    };
    let page = oversight::notifications(&world.pool, &quarantined, None, 9)
        .await
        .unwrap()
        .data;
    assert_eq!(
        (page.items.len(), page.items[0].object_id.as_str()),
        (1, "b")
    );
    let first = oversight::notifications(&world.pool, &NotificationFilter::default(), None, 2)
        .await
        .unwrap()
        .data;
    let any = NotificationFilter::default();
    let rest = oversight::notifications(&world.pool, &any, first.next.as_deref(), 2);
    let rest = rest.await.unwrap().data;
    let seen: Vec<_> = first
        .items
        .iter()
        .chain(&rest.items)
        .map(|row| row.state.as_str())
        .collect();
    assert_eq!(seen, ["received", "quarantined", "verified"]);
}

fn theirs(item: &str, class: BreakClass) -> Break {
    Break {
        item: item.to_owned(),
        class,
        operation: None,
        theirs: Some(uah(100)),
        ours: None,
    }
}

fn record(matched: Vec<Matched>, breaks: Vec<Break>, digest: &str) -> ReconciliationCommand {
    ReconciliationCommand::Record {
        provider: YOO,
        kind: StatementKind::Payments,
        day: day("2026-03-09"),
        items: 3,
        digest: digest.to_owned(),
        matched,
        breaks,
    }
}

#[tokio::test]
async fn breaks_wait_by_age_with_their_owner_until_they_are_resolved_and_come_back_when_found_again()
 {
    let mut world = World::new().await;
    let id = id_of(YOO, StatementKind::Payments, day("2026-03-09"));
    let mut sheet = Reconciliation::default();
    let matched = Matched {
        item: "m".to_owned(),
        operation: "payment:1".to_owned(),
        amount: uah(100),
        fee: None,
    };
    let found = vec![
        theirs("p/1", BreakClass::TheirsOnly),
        theirs("p2", BreakClass::AmountDiffers),
    ];
    let commands = [
        record(vec![matched], found, "d1"),
        ReconciliationCommand::Assign {
            item: "p2".to_owned(),
            owner: "api:one".to_owned(),
        },
    ];
    for command in &commands {
        world
            .run(&id, "policy:reconciliation", &mut sheet, command)
            .unwrap();
    }
    world.settle().await;
    let open = |filter: BreakFilter, cursor: Option<String>| {
        let pool = world.pool.clone();
        async move {
            reconcile::open_breaks(&pool, &filter, cursor.as_deref(), 1)
                .await
                .unwrap()
                .data
        }
    };
    let first = open(BreakFilter::default(), None).await;
    let second = open(BreakFilter::default(), first.next.clone()).await;
    assert_eq!(
        (first.items[0].item.as_str(), second.items[0].item.as_str()),
        ("p/1", "p2")
    );
    assert_eq!(second.next, None);
    let nobodys = BreakFilter {
        owner: Some(String::new()),
        ..BreakFilter::default()
    };
    assert_eq!(open(nobodys, None).await.items[0].item, "p/1");
    let resolve = ReconciliationCommand::Resolve {
        item: "p/1".to_owned(),
        by: "api:one".to_owned(),
        reason: "another shop's".to_owned(),
    };
    world.run(&id, "api:one", &mut sheet, &resolve).unwrap();
    world.settle().await;
    let statement = |world: &World| {
        let pool = world.pool.clone();
        async move {
            let days = reconcile::statements(&pool, day("2026-03-01"), day("2026-03-31"));
            let row = days.await.unwrap().data.remove(0);
            (
                row.items,
                row.matched,
                row.open_breaks,
                row.resolved_breaks,
                row.imports,
            )
        }
    };
    assert_eq!(statement(&world).await, (3, 1, 1, 1, 1));
    // The next statement says something else about it.
    let again = record(vec![], vec![theirs("p/1", BreakClass::StatusDiffers)], "d2");
    world
        .run(&id, "policy:reconciliation", &mut sheet, &again)
        .unwrap();
    world.settle().await;
    assert_eq!(statement(&world).await, (3, 1, 2, 0, 2));
    let of_class = BreakFilter {
        class: Some(BreakClass::StatusDiffers),
        ..BreakFilter::default()
    };
    let row = reconcile::open_breaks(&world.pool, &of_class, None, 9)
        .await
        .unwrap()
        .data;
    assert_eq!(
        (row.items.len(), row.items[0].resolved_by.as_deref()),
        (1, None)
    );
    let all = reconcile::all_breaks(&world.pool, &BreakFilter::default(), None, 1)
        .await
        .unwrap()
        .data;
    let any = BreakFilter::default();
    let rest = reconcile::all_breaks(&world.pool, &any, all.next.as_deref(), 9);
    assert_eq!(
        (
            all.items[0].item.as_str(),
            rest.await.unwrap().data.items.len()
        ),
        ("p/1", 1)
    );
    assert_eq!(compare(&world.pool, None).await.unwrap(), []);
}

#[tokio::test]
async fn transfers_are_found_by_either_side() {
    let mut world = World::new().await;
    world.campaign();
    let (mut from, mut to) = (world.person(), world.person());
    world.reward(&mut from, 500);
    let (id, mut transfer) = world.transfer(&mut from, to.wallet_id, 200);
    world.settle().await;
    let of = |user_id| transfers::TransferFilter {
        user_id: Some(user_id),
        state: Some(kvit_domain::transfer::TransferState::Held),
    };
    for user_id in [from.id, to.id] {
        let page = transfers::search(&world.pool, &of(user_id), None, 9)
            .await
            .unwrap()
            .data;
        assert_eq!(
            page.items
                .iter()
                .map(|row| row.transfer_id)
                .collect::<Vec<_>>(),
            [id]
        );
    }
    world.transferred(id, &mut transfer, &mut from, &mut to);
    world.settle().await;
    let row = transfers::transfer(&world.pool, id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(row.state, "completed");
    assert!(row.debit_id.is_some() && row.credit_id.is_some());
}
