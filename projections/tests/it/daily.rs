//! The daily report and the figures it must agree with.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use kvit_domain::ids::TransactionId;
use kvit_domain::ledger::{Account, TransactionKind};
use kvit_domain::rules::{ReasonCode, kyiv_day};
use kvit_domain::user::UserCommand;
use kvit_projections::queries::daily::daily_report;
use kvit_projections::queries::ledger;
use sqlx::Row;

use crate::world::{World, busy_world, day, time};

#[tokio::test]
async fn the_report_of_a_busy_day_counts_everything() {
    let (mut world, people) = busy_world().await;
    let too_much = world.post(
        &mut { people }[1],
        TransactionId::derived("t", "x"),
        TransactionKind::Adjustment,
        Account::BonusExpense,
        -1_000,
        "x",
    );
    assert!(too_much.is_err());
    world.settle().await;
    let report = daily_report(&world.pool, day("2026-03-10")).await.unwrap();
    assert_eq!(report.position, world.head);
    let report = report.data;
    assert_eq!(
        (report.users.total, report.users.new, report.users.active),
        (3, 3, 3)
    );
    let receipts = &report.receipts;
    assert_eq!(
        (
            receipts.submitted,
            receipts.accepted,
            receipts.rejected,
            receipts.in_review
        ),
        (7, 5, 1, 1)
    );
    assert_eq!(receipts.rejected_by_reason.get("expired"), Some(&1));
    assert_eq!(
        receipts.rejected_by_reason.get("no_eligible_product"),
        Some(&1)
    );
    assert_eq!(receipts.review_by_reason.get("low_confidence"), Some(&1));
    assert_eq!(
        (
            report.funnel.uploaded,
            report.funnel.accepted,
            report.funnel.paid
        ),
        (7, 5, 3)
    );
    let money = &report.money[0];
    assert_eq!(
        (
            money.rewards_minor.0,
            money.paid_out_minor.0,
            money.held_minor.0
        ),
        (650, 300, 200)
    );
    let payouts = &report.payouts[0];
    assert_eq!(
        (payouts.provider.as_str(), payouts.currency.as_str()),
        ("portmone", "UAH")
    );
    assert_eq!(
        (payouts.requested.count, payouts.requested.minor.0),
        (5, 600)
    );
    assert_eq!(
        (payouts.succeeded.count, payouts.succeeded.minor.0),
        (3, 300)
    );
    assert_eq!((payouts.failed.count, payouts.failed.minor.0), (1, 100));
    assert_eq!((payouts.unknown.count, payouts.unknown.minor.0), (1, 200));
    assert_eq!(payouts.booked_minor, payouts.succeeded.minor);
    assert_eq!(
        report.jobs.by_state,
        BTreeMap::from([("processing".to_owned(), 1)])
    );
    assert_eq!(report.refusals.get("insufficient_funds"), Some(&1));
    // JSON, as the interface gives it.
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["money"][0]["rewards_minor"], 650);
}

#[tokio::test]
async fn a_day_begins_at_midnight_in_kyiv() {
    let mut world = World::new().await;
    // 23:59:59 and 00:00:00 in Kyiv, in winter time.
    world.clock = time("2026-03-10T21:59:59Z");
    world.push(
        "user",
        "x",
        "system",
        "Registered",
        &serde_json::json!({"Registered": {"telegram_id": "v1.k.x"}}),
    );
    world.clock = time("2026-03-10T22:00:00Z");
    world.flush().await;
    // Another kind of id than the aggregate has stops the fold, so use a real one from here on.
    let fault = world.projector().catch_up().await.unwrap_err();
    assert!(
        matches!(fault, kvit_projections::Fault::Stuck { position: 1, .. }),
        "{fault}"
    );
    let mut world = World::new().await;
    world.clock = time("2026-03-10T21:59:59Z");
    world.person();
    world.settle().await;
    let first = daily_report(&world.pool, day("2026-03-10"))
        .await
        .unwrap()
        .data;
    let second = daily_report(&world.pool, day("2026-03-11"))
        .await
        .unwrap()
        .data;
    assert_eq!((first.users.new, first.users.active), (1, 1));
    assert_eq!(
        (second.users.new, second.users.active, second.users.total),
        (0, 1, 1)
    );
    let empty = daily_report(&world.pool, day("2026-01-01"))
        .await
        .unwrap()
        .data;
    assert_eq!((empty.users.total, empty.money.len()), (0, 0));
}

#[tokio::test]
async fn every_money_figure_of_each_day_equals_the_ledgers() {
    let mut world = World::new().await;
    world.campaign();
    let mut people: Vec<_> = (0..4).map(|_| world.person()).collect();
    for round in 0..5_i64 {
        for person in &mut people {
            let receipt = world.reward(person, 100 + round);
            let (id, mut payout) = world.payout(person, Some(receipt), 90 + round);
            world.send(id, &mut payout, 1);
            if round % 2 == 0 {
                world.paid(person, id, &mut payout);
            } else {
                world.failed(person, id, &mut payout);
            }
        }
        world.reject(&people[0], &[ReasonCode::Expired]);
        world.clock += TimeDelta::hours(11);
    }
    world.settle().await;
    let (ledger_schema, mut day_before) = (world.schema("ledger").await, None);
    let mut days: Vec<NaiveDate> = Vec::new();
    let mut at = day("2026-03-10");
    while at <= kyiv_day(world.clock) {
        days.push(at);
        at = at.succ_opt().unwrap();
    }
    assert!(days.len() >= 3);
    for day in days {
        let report = daily_report(&world.pool, day).await.unwrap().data;
        let money = report
            .money
            .iter()
            .find(|money| money.currency == "UAH")
            .unwrap();
        // The ledger's own statement of that day.
        let sql = format!(
            "SELECT coalesce(sum(amount_minor) FILTER (WHERE kind = 'reward' AND side = 'credit'), 0)::bigint,
                    coalesce(sum(amount_minor) FILTER (WHERE kind = 'payout' AND side = 'debit'), 0)::bigint,
                    coalesce(sum(CASE side WHEN 'credit' THEN amount_minor ELSE -amount_minor END), 0)::bigint
               FROM {ledger_schema}.statement WHERE (booked_at AT TIME ZONE 'Europe/Kyiv')::date = $1"
        );
        let row = sqlx::query(&sql)
            .bind(day)
            .fetch_one(&world.pool)
            .await
            .unwrap();
        let (rewards, paid, change): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(money.rewards_minor.0, i128::from(rewards), "{day}");
        assert_eq!(money.paid_out_minor.0, i128::from(paid), "{day}");
        let booked: i128 = report.payouts.iter().map(|p| p.booked_minor.0).sum();
        assert_eq!(booked, i128::from(paid), "{day}");
        let succeeded: i128 = report.payouts.iter().map(|p| p.succeeded.minor.0).sum();
        assert_eq!(succeeded, i128::from(paid), "{day}");
        let before = day_before.replace(money.wallets_minor.0).unwrap_or(0);
        assert_eq!(money.wallets_minor.0 - before, i128::from(change), "{day}");
        let bonus = money
            .by_account
            .get("bonus:expense")
            .map_or(0, |wide| wide.0);
        assert_eq!(bonus, i128::from(rewards), "{day}");
    }
    let trial = ledger::trial_balance(&world.pool).await.unwrap().data;
    let wallets = trial
        .accounts
        .iter()
        .find(|a| a.account == "wallets")
        .unwrap();
    assert_eq!(day_before, Some(wallets.balance_minor.0));
    let held: i64 = people.iter().map(|person| person.wallet.held_minor).sum();
    let last = daily_report(&world.pool, kyiv_day(world.clock))
        .await
        .unwrap()
        .data;
    assert_eq!(last.money[0].held_minor.0, i128::from(held));
}

#[tokio::test]
async fn who_registered_a_week_ago_and_comes_back_is_retained() {
    let mut world = World::new().await;
    let mut people: Vec<_> = (0..3).map(|_| world.person()).collect();
    world.clock += TimeDelta::days(7);
    let actor = people[0].actor();
    let command = UserCommand::SetNotifications { enabled: false };
    world
        .run(people[0].id, &actor, &mut people[0].user, &command)
        .unwrap();
    let forgotten = people[1].actor();
    world
        .run(
            people[1].id,
            &forgotten,
            &mut people[1].user,
            &UserCommand::Forget {},
        )
        .unwrap();
    world.settle().await;
    let report = daily_report(&world.pool, day("2026-03-17"))
        .await
        .unwrap()
        .data;
    assert_eq!((report.users.cohort_7d, report.users.retained_7d), (3, 2));
    assert_eq!((report.users.total, report.users.forgotten), (2, 1));
}
