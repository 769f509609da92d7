//! The providers' part of the daily report equals the ledger; gauges and what is due.

use chrono::{Days, NaiveDate, TimeDelta};
use kvit_domain::ids::TransactionId;
use kvit_domain::ledger::{Account, ProviderName, Transaction, TransactionKind};
use kvit_domain::money::Currency;
use kvit_domain::payment::{RefundStatus, SnapshotStatus};
use kvit_domain::payout::PayoutCommand;
use kvit_domain::rules::{kyiv_day, kyiv_day_start};
use kvit_domain::wallet::WalletCommand;
use kvit_projections::queries::accounts::{self, Moment};
use kvit_projections::queries::daily::{ProviderOfDay, daily_report};
use kvit_projections::queries::due;
use kvit_projections::queries::gauges::gauges;
use kvit_projections::replay::compare;
use sqlx::Row;

use crate::money::{YOO, snapshot};
use crate::world::{Person, World, day, uah};

const PORTMONE: ProviderName = ProviderName::Portmone;

/// A day with payments, a refund, a payment that does not fit, payouts, a fee that came later and a settlement.
pub fn a_day(world: &mut World, person: &mut Person, round: i64) {
    let (id, mut payment) = world.paid_in(person, 10_000 + round, 300 + round);
    world.paid_in(person, 2_000, 0);
    let refund_id = world.refund(person, id, &mut payment, 700 + round);
    world.refund_says(
        id,
        &mut payment,
        Some(refund_id),
        uah(700 + round),
        RefundStatus::Succeeded,
    );
    world.refunded(person, refund_id, 700 + round);
    let (odd, mut other) = world.intend(person, 500);
    world.call(odd, &mut other);
    world.observe(
        odd,
        &mut other,
        snapshot(odd, 499, SnapshotStatus::Succeeded),
    );
    let on = kyiv_day(world.clock);
    let book = |name: &str, kind, debit, credit, minor| {
        let id = TransactionId::derived(name, &round.to_string());
        Transaction::simple(id, kind, debit, credit, uah(minor), on, name)
    };
    let (clearing, suspense) = (Account::PaymentsClearing(YOO), Account::Suspense(YOO));
    let unmatched = book("odd", TransactionKind::Suspense, clearing, suspense, 499);
    let settled = book(
        "settled",
        TransactionKind::Settlement,
        Account::Bank,
        clearing,
        5_000 + round,
    );
    let correction = book(
        "fix",
        TransactionKind::Adjustment,
        clearing,
        Account::Adjustments,
        3,
    );
    for transaction in [unmatched, settled, correction] {
        let name = format!("j:{}", transaction.id);
        world.journal(&name, transaction);
    }
    world.fee(&format!("fee:{round}"), 40, on);
    let (payout_id, mut payout) = world.payout(person, None, 900 + round);
    world.send(payout_id, &mut payout, 1);
    world.paid(person, payout_id, &mut payout);
    if round % 2 == 0 {
        let reversed = PayoutCommand::RecordReversed {
            bill_id: "bill-1".to_owned(),
        };
        world
            .run(payout_id, "policy:payout", &mut payout, &reversed)
            .unwrap();
        let reverse = WalletCommand::Reverse {
            original_id: TransactionId::derived("payout", &payout_id.to_string()),
            transaction_id: TransactionId::derived("payout_back", &payout_id.to_string()),
            value_date: on,
            legs: None,
        };
        world
            .run(
                person.wallet_id,
                "policy:payout",
                &mut person.wallet,
                &reverse,
            )
            .unwrap();
    }
    // These stay as they are.
    let (waiting, mut payout) = world.payout(person, None, 10);
    let postpone = PayoutCommand::Postpone {
        reason: "kill_switch".to_owned(),
        until: None,
    };
    world
        .run(waiting, "policy:payout", &mut payout, &postpone)
        .unwrap();
    let (id, mut payment) = world.paid_in(person, 50, 0);
    world.refund(person, id, &mut payment, 20);
}

/// Change of an account on a day as its entries say, and of one kind of transaction only.
async fn change(world: &World, account: Account, on: NaiveDate, kind: Option<&str>) -> i128 {
    let schema = world.schema("ledger").await;
    let sql = format!(
        "SELECT coalesce(sum(CASE WHEN e.side = a.normal_side THEN e.amount_minor ELSE -e.amount_minor END), 0)::bigint
           FROM {schema}.entries e JOIN {schema}.accounts a USING (account_no)
           JOIN {schema}.transactions t USING (transaction_id)
          WHERE a.account = $1 AND a.currency = 'UAH' AND (e.booked_at AT TIME ZONE 'Europe/Kyiv')::date = $2
            AND ($3::text IS NULL OR t.kind = $3)"
    );
    let row = sqlx::query(&sql)
        .bind(account.to_string())
        .bind(on)
        .bind(kind)
        .fetch_one(&world.pool)
        .await
        .unwrap();
    i128::from(row.get::<i64, _>(0))
}

async fn balance(world: &World, account: Account, on: NaiveDate) -> i128 {
    let end = kyiv_day_start(on + Days::new(1)).unwrap() - TimeDelta::microseconds(1);
    let found = accounts::account_balance(&world.pool, account, Currency::Uah, Moment::Booked(end));
    found.await.unwrap().data.map_or(0, |wide| wide.0)
}

async fn equals_the_ledger(
    world: &World,
    day: &ProviderOfDay,
    provider: ProviderName,
    on: NaiveDate,
) {
    let (payments, payouts) = (
        Account::PaymentsClearing(provider),
        Account::PayoutsClearing(provider),
    );
    let fees = Account::Fees(provider);
    let moved = change(world, payments, on, None).await + change(world, payouts, on, None).await;
    assert_eq!(
        moved,
        day.in_minor.0 - day.refunded_minor.0 - day.out_minor.0 + day.returned_minor.0
            - day.settled_minor.0
            + day.unmatched_minor.0
            + day.other_minor.0
            - day.fees_minor.0,
        "{on}: {day:?}"
    );
    assert_eq!(day.fees_minor.0, change(world, fees, on, None).await);
    let of_kind = |account, kind| change(world, account, on, Some(kind));
    assert_eq!(
        day.in_minor.0,
        of_kind(payments, "top_up").await + of_kind(fees, "top_up").await
    );
    assert_eq!(day.refunded_minor.0, -of_kind(payments, "refund").await);
    assert_eq!(day.out_minor.0, -of_kind(payouts, "payout").await);
    assert_eq!(day.returned_minor.0, of_kind(payouts, "reversal").await);
    assert_eq!(day.settled_minor.0, -of_kind(payments, "settlement").await);
    assert_eq!(day.unmatched_minor.0, of_kind(payments, "suspense").await);
    assert_eq!(
        day.payments_clearing_minor.0,
        balance(world, payments, on).await
    );
    assert_eq!(
        day.payouts_clearing_minor.0,
        balance(world, payouts, on).await
    );
    assert_eq!(
        day.suspense_minor.0,
        balance(world, Account::Suspense(provider), on).await
    );
}

#[tokio::test]
async fn what_moved_through_each_provider_equals_the_ledger_on_every_day() {
    let mut world = World::new().await;
    let mut person = world.person();
    let mut held_on = Vec::new();
    for round in 0..4 {
        a_day(&mut world, &mut person, round);
        held_on.push(person.wallet.held_minor);
        world.clock += TimeDelta::days(1);
    }
    world.settle().await;
    for (round, held) in held_on.into_iter().enumerate() {
        let on = day("2026-03-10") + Days::new(round as u64);
        let report = daily_report(&world.pool, on).await.unwrap().data;
        let of = |provider: ProviderName| {
            let found = report
                .providers
                .iter()
                .find(|p| p.provider == provider.code());
            found.unwrap().clone()
        };
        let (yoo, portmone) = (of(YOO), of(PORTMONE));
        equals_the_ledger(&world, &yoo, YOO, on).await;
        equals_the_ledger(&world, &portmone, PORTMONE, on).await;
        let round = round as i128;
        assert_eq!(yoo.in_minor.0, 12_050 + round);
        assert_eq!((yoo.fees_minor.0, yoo.other_minor.0), (340 + round, 3));
        assert_eq!(portmone.out_minor.0, 900 + round);
        assert_eq!(
            portmone.returned_minor.0,
            if round % 2 == 0 { 900 + round } else { 0 }
        );
        assert_eq!(yoo.payments["succeeded"].count, 3);
        assert_eq!(
            (
                yoo.payments["quarantined"].count,
                yoo.payments["quarantined"].minor.0
            ),
            (1, 499)
        );
        assert_eq!(
            i128::from(yoo.payments_by_state["quarantined"].count),
            round + 1
        );
        assert_eq!(
            (
                yoo.refunds["succeeded"].minor.0,
                yoo.refunds["intended"].count
            ),
            (700 + round, 2)
        );
        assert_eq!(portmone.postponed["kill_switch"].minor.0, 10 * (round + 1));
        // Everything that is held in wallets is held for one of them.
        assert_eq!(
            yoo.held.minor.0 + portmone.held.minor.0,
            i128::from(held),
            "{on}"
        );
        let money = &report.money[0];
        assert_eq!(money.held_minor.0, i128::from(held));
    }
    let quiet = daily_report(&world.pool, day("2026-01-01"))
        .await
        .unwrap()
        .data;
    assert_eq!(quiet.providers, []);
    assert_eq!(compare(&world.pool, None).await.unwrap(), []);
}

#[tokio::test]
async fn gauges_tell_what_waits_and_since_when() {
    let mut world = World::new().await;
    let mut person = world.person();
    let before = {
        world.settle().await;
        gauges(&world.pool).await.unwrap().data
    };
    assert_eq!(before.payments.get("quarantined"), Some(&0));
    assert_eq!(
        (
            before.open_breaks,
            before.refunds_stuck,
            before.payment_open_oldest_seconds
        ),
        (0, 0, 0)
    );
    a_day(&mut world, &mut person, 0);
    world.intend(&person, 5);
    let (payout_id, mut payout) = world.payout(&mut person, None, 7);
    world.send(payout_id, &mut payout, 1);
    let pending = PayoutCommand::RecordPending {
        attempt: 1,
        provider_id: None,
    };
    world
        .run(payout_id, "policy:payout", &mut payout, &pending)
        .unwrap();
    let other = world.person();
    let held_before = world.clock + TimeDelta::hours(1);
    let (transfer_id, _) = world.transfer(&mut person, other.wallet_id, 5);
    world.settle().await;
    let now = gauges(&world.pool).await.unwrap().data;
    assert_eq!(
        (now.payments["quarantined"], now.payments["intended"]),
        (1, 1)
    );
    assert_eq!((now.payments_quarantined, now.payments_overdue), (1, 1));
    assert_eq!(
        (now.postponed["kill_switch"], now.postponed["breaker"]),
        (1, 0)
    );
    assert_eq!(
        (
            now.payouts["pending"],
            now.refunds["sending"],
            now.refunds_stuck
        ),
        (1, 1, 1)
    );
    for seconds in [
        now.payout_pending_oldest_seconds,
        now.payout_postponed_oldest_seconds,
        now.payment_open_oldest_seconds,
        now.refund_open_oldest_seconds,
        now.transfer_held_oldest_seconds,
    ] {
        assert!(seconds > 86_400, "{now:?}");
    }
    let late = world.clock + TimeDelta::days(1);
    let overdue = due::payments(&world.pool, late, 10).await.unwrap();
    assert_eq!(overdue.len(), 1);
    let early = world.clock - TimeDelta::days(1);
    assert!(
        due::payments(&world.pool, early, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        due::transfers(&world.pool, held_before, 10).await.unwrap(),
        [transfer_id]
    );
    assert!(
        due::transfers(&world.pool, early, 10)
            .await
            .unwrap()
            .is_empty()
    );
}
