//! Any account at any moment, by booking and by value date, as it is known now or was known then.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use kvit_domain::ids::{HoldId, TransactionId};
use kvit_domain::journal::JournalCommand;
use kvit_domain::ledger::{Account, Leg, Side, Transaction, TransactionKind};
use kvit_domain::money::{Currency, Money};
use kvit_domain::wallet::WalletCommand;
use kvit_projections::queries::accounts::{self, Moment};
use kvit_projections::queries::ledger;
use kvit_projections::replay::compare;
use proptest::prelude::*;

use crate::money::YOO;
use crate::world::{World, day, time, uah};

/// A leg as a test remembers it.
#[derive(Debug, Clone, Copy)]
struct Booked {
    leg: Leg,
    at: DateTime<Utc>,
    position: i64,
    value_date: NaiveDate,
}

fn counts(booked: &Booked, moment: Moment) -> bool {
    match moment {
        Moment::Now => true,
        Moment::Booked(at) => booked.at <= at,
        Moment::Position(position) => booked.position <= position,
        Moment::ValueDate(day) => booked.value_date <= day,
        Moment::ValueDateKnown { day, known_at } => {
            booked.value_date <= day && booked.at <= known_at
        }
    }
}

fn balance(all: &[Booked], account: Account, moment: Moment) -> i128 {
    all.iter()
        .filter(|booked| booked.leg.account == account && counts(booked, moment))
        .map(|booked| {
            let minor = i128::from(booked.leg.amount.minor);
            if booked.leg.side == account.normal_side() {
                minor
            } else {
                -minor
            }
        })
        .sum()
}

/// One booking: on which of two wallets or a journal, how much, how many days its value date is off, how long after the
/// last one it comes.
type Step = (usize, i64, i64, i64);

async fn check(steps: &[Step], page: u32) {
    let mut world = World::new().await;
    let mut people: Vec<_> = (0..2).map(|_| world.person()).collect();
    let mut all: Vec<Booked> = Vec::new();
    let mut moments = vec![Moment::Now];
    for (n, (place, minor, off, hours)) in steps.iter().enumerate() {
        world.clock += TimeDelta::hours(*hours);
        let booked_on = kvit_domain::rules::kyiv_day(world.clock);
        let value_date = booked_on + TimeDelta::days(*off);
        let id = TransactionId::derived("prop", &n.to_string());
        if let Some(person) = people.get_mut(*place) {
            let transaction = Transaction::simple(
                id,
                TransactionKind::TopUp,
                Account::PaymentsClearing(YOO),
                Account::Wallet(person.wallet_id),
                uah(*minor),
                value_date,
                "prop",
            );
            world.book(person.wallet_id, &mut person.wallet, transaction.clone());
            remember(&mut all, &world, &transaction);
        } else {
            let transaction = Transaction::simple(
                id,
                TransactionKind::Fee,
                Account::Fees(YOO),
                Account::PaymentsClearing(YOO),
                uah(*minor),
                value_date,
                "prop",
            );
            world.journal(&format!("fee:{n}"), transaction.clone());
            remember(&mut all, &world, &transaction);
        }
        let last = all.last().unwrap();
        moments.push(Moment::Booked(last.at));
        moments.push(Moment::Booked(last.at - TimeDelta::microseconds(1)));
        moments.push(Moment::Position(last.position));
        moments.push(Moment::ValueDate(value_date));
        moments.push(Moment::ValueDate(booked_on));
        let known_at = last.at;
        for day in [value_date, booked_on, booked_on - TimeDelta::days(1)] {
            moments.push(Moment::ValueDateKnown { day, known_at });
        }
    }
    world.flush().await;
    // Positions are given by the flush; the clock orders them alike.
    let times: Vec<DateTime<Utc>> =
        sqlx::query_scalar("SELECT recorded_at FROM events ORDER BY position")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    for booked in &mut all {
        booked.position = times.iter().position(|at| *at == booked.at).unwrap() as i64 + 1;
    }
    world.projector().with_page(page).catch_up().await.unwrap();
    let mut of_interest = vec![Account::PaymentsClearing(YOO), Account::Fees(YOO)];
    of_interest.extend(
        people
            .iter()
            .map(|person| Account::Wallet(person.wallet_id)),
    );
    for moment in moments {
        for account in &of_interest {
            let found = accounts::account_balance(&world.pool, *account, Currency::Uah, moment)
                .await
                .unwrap();
            let expected = balance(&all, *account, moment);
            assert_eq!(
                found.data.map_or(0, |wide| wide.0),
                expected,
                "{account} at {moment:?} of {steps:?}"
            );
        }
        let trial = accounts::trial_balance_at(&world.pool, moment)
            .await
            .unwrap();
        assert!(trial.data.is_balanced(), "{moment:?}: {:?}", trial.data);
    }
    assert_eq!(compare(&world.pool, None).await.unwrap(), []);
}

fn remember(all: &mut Vec<Booked>, world: &World, transaction: &Transaction) {
    // The event was recorded a second before the clock's next one.
    let at = world.clock - TimeDelta::seconds(1);
    for leg in &transaction.legs {
        all.push(Booked {
            leg: *leg,
            at,
            position: 0,
            value_date: transaction.value_date,
        });
    }
}

#[test]
fn every_account_is_known_at_every_moment_by_booking_and_by_value_date_as_known_then() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let off = prop_oneof![4 => Just(0_i64), 1 => -5..5_i64];
    let history = prop::collection::vec((0..3_usize, 1..500_i64, off, 0..40_i64), 1..25);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(6));
    runner
        .run(&(history, 1..40_u32), |(history, page)| {
            runtime.block_on(check(&history, page));
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_booking_that_comes_late_changes_the_day_but_not_what_was_known_of_it() {
    let mut world = World::new().await;
    world.fee("early", 100, day("2026-03-10"));
    let known_at = world.clock;
    world.clock = time("2026-03-20T09:00:00Z");
    // Booked ten days later, counts from the tenth.
    world.fee("late", 30, day("2026-03-10"));
    world.settle().await;
    let fees = |moment| {
        let pool = world.pool.clone();
        async move {
            accounts::account_balance(&pool, Account::Fees(YOO), Currency::Uah, moment)
                .await
                .unwrap()
                .data
                .unwrap()
                .0
        }
    };
    let tenth = day("2026-03-10");
    assert_eq!(fees(Moment::ValueDate(tenth)).await, 130);
    let then = Moment::ValueDateKnown {
        day: tenth,
        known_at,
    };
    assert_eq!(fees(then).await, 100);
    assert_eq!(fees(Moment::Booked(known_at)).await, 100);
    assert_eq!(fees(Moment::ValueDate(day("2026-03-09"))).await, 0);
    let totals = accounts::period_totals(&world.pool, day("2026-03-01"))
        .await
        .unwrap()
        .data;
    assert_eq!(totals.get("UAH").map(String::as_str), Some("130"));
    let of_april = accounts::period_totals(&world.pool, day("2026-04-01"))
        .await
        .unwrap();
    assert!(of_april.data.is_empty());
}

#[tokio::test]
async fn f62_the_pages_of_an_accounts_statement_stay_when_entries_are_added() {
    let mut world = World::new().await;
    for n in 1..=7 {
        world.fee(&format!("fee:{n}"), n * 10, day("2026-03-10"));
    }
    world.settle().await;
    let page = |cursor: Option<String>, pool: sqlx::PgPool| async move {
        accounts::account_statement(
            &pool,
            Account::Fees(YOO),
            Currency::Uah,
            cursor.as_deref(),
            3,
        )
        .await
        .unwrap()
        .data
    };
    let first = page(None, world.pool.clone()).await;
    world.fee("fee:8", 80, day("2026-03-10"));
    world.settle().await;
    let mut entries = first.items;
    let mut cursor = first.next;
    while cursor.is_some() {
        let next = page(cursor, world.pool.clone()).await;
        entries.extend(next.items);
        cursor = next.next;
    }
    entries.reverse();
    let amounts: Vec<i64> = entries.iter().map(|entry| entry.amount_minor).collect();
    assert_eq!(amounts, [10, 20, 30, 40, 50, 60, 70]);
    let mut running = 0;
    for entry in &entries {
        running += i128::from(entry.amount_minor);
        assert_eq!(entry.balance_minor.0, running);
        assert_eq!((entry.kind.as_str(), entry.side.as_str()), ("fee", "debit"));
    }
}

#[tokio::test]
async fn a_journals_booking_has_no_wallet_and_names_its_journal() {
    let mut world = World::new().await;
    let (id, mut journal) = world.fee("fee:yookassa:1", 350, day("2026-03-10"));
    let undone = TransactionId::derived("t", "undone");
    let reverse = JournalCommand::Reverse {
        original_id: id,
        transaction_id: undone,
        value_date: day("2026-03-11"),
    };
    world
        .run("fee:yookassa:1", "admin:1", &mut journal, &reverse)
        .unwrap();
    world.settle().await;
    let row = ledger::transaction(&world.pool, id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(
        (row.wallet_id, row.journal.as_deref()),
        (None, Some("fee:yookassa:1"))
    );
    assert_eq!((row.amount_minor, row.reversed_minor), (350, 350));
    assert_eq!(row.reversed_by, Some(undone));
    let fees = accounts::account(&world.pool, Account::Fees(YOO), Currency::Uah)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!((fees.kind.as_str(), fees.balance_minor().0), ("expense", 0));
    assert_eq!(fees.debit_minor.0, 350);
}

#[tokio::test]
async fn partial_reversals_add_up_on_their_original() {
    let mut world = World::new().await;
    let mut person = world.person();
    let original_id = TransactionId::derived("t", "1");
    let bonus = Account::BonusExpense;
    world
        .post(
            &mut person,
            original_id,
            TransactionKind::Reward,
            bonus,
            100,
            "r",
        )
        .unwrap();
    let part = |minor| {
        let leg = |account, side| Leg {
            account,
            side,
            amount: Money::new(minor, Currency::Uah),
        };
        Some(vec![
            leg(Account::Wallet(person.wallet_id), Side::Debit),
            leg(Account::BonusExpense, Side::Credit),
        ])
    };
    let (first, rest) = (part(30), None);
    let mut undone = Vec::new();
    for (n, legs) in [first, rest].into_iter().enumerate() {
        let transaction_id = TransactionId::derived("undo", &n.to_string());
        let reverse = WalletCommand::Reverse {
            original_id,
            transaction_id,
            value_date: day("2026-03-11"),
            legs,
        };
        world
            .run(person.wallet_id, "admin:1", &mut person.wallet, &reverse)
            .unwrap();
        world.settle().await;
        let row = ledger::transaction(&world.pool, original_id)
            .await
            .unwrap()
            .data
            .unwrap();
        assert_eq!(row.reversed_by, Some(transaction_id));
        undone.push(row.reversed_minor);
    }
    assert_eq!(undone, [30, 100]);
    let wallet = ledger::wallet(&world.pool, person.wallet_id).await.unwrap();
    assert_eq!(wallet.data.unwrap().posted_minor, 0);
    assert_eq!(compare(&world.pool, None).await.unwrap(), []);
}

#[tokio::test]
async fn between_the_steps_of_a_transfer_nothing_is_missing_and_at_rest_clearing_is_zero() {
    let mut world = World::new().await;
    let (mut from, mut to) = (world.person(), world.person());
    world.campaign();
    world.reward(&mut from, 500);
    let (id, mut transfer) = world.transfer(&mut from, to.wallet_id, 200);
    world.settle().await;
    let held = ledger::wallet(&world.pool, from.wallet_id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!((held.posted_minor, held.held_minor), (500, 200));
    world.transferred(id, &mut transfer, &mut from, &mut to);
    world.settle().await;
    // Debits equal credits after every single event, the steps between included.
    for position in 1..=world.head {
        let totals = accounts::ledger_totals(&world.pool, Moment::Position(position))
            .await
            .unwrap();
        assert!(
            totals
                .data
                .iter()
                .all(|total| total.difference_minor.0 == 0)
        );
    }
    let clearing = accounts::account_balance(
        &world.pool,
        Account::TransfersClearing,
        Currency::Uah,
        Moment::Now,
    );
    assert_eq!(clearing.await.unwrap().data.unwrap().0, 0);
    let (from, to) = (
        ledger::wallet(&world.pool, from.wallet_id)
            .await
            .unwrap()
            .data
            .unwrap(),
        ledger::wallet(&world.pool, to.wallet_id)
            .await
            .unwrap()
            .data
            .unwrap(),
    );
    assert_eq!(
        (from.posted_minor, from.held_minor, to.posted_minor),
        (300, 0, 200)
    );
}

#[tokio::test]
async fn the_same_ids_on_two_wallets_are_two_bookings_and_two_holds() {
    let mut world = World::new().await;
    let mut people = [world.person(), world.person()];
    let (id, hold_id) = (
        TransactionId::derived("t", "same"),
        HoldId::derived("t", "same"),
    );
    for (person, minor) in people.iter_mut().zip([100, 50]) {
        let bonus = Account::BonusExpense;
        world
            .post(person, id, TransactionKind::Reward, bonus, minor, "r")
            .unwrap();
        world.hold(person, hold_id, minor, "deposit");
    }
    world.settle().await;
    let release = WalletCommand::Release {
        hold_id,
        reason: kvit_domain::wallet::ReleaseReason::Operator,
    };
    let first = &mut people[0];
    world
        .run(first.wallet_id, "api:1", &mut first.wallet, &release)
        .unwrap();
    world.settle().await;
    let mut held = Vec::new();
    for person in &people {
        let holds = ledger::holds(&world.pool, person.wallet_id, true)
            .await
            .unwrap();
        held.push(holds.data.iter().map(|hold| hold.left_minor).sum::<i64>());
    }
    assert_eq!(held, [0, 50]);
    let row = ledger::transaction(&world.pool, id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(
        (row.wallet_id, row.amount_minor),
        (Some(people[0].wallet_id), 100)
    );
    let page =
        accounts::account_statement(&world.pool, Account::BonusExpense, Currency::Uah, None, 9);
    let amounts: Vec<i64> = page
        .await
        .unwrap()
        .data
        .items
        .iter()
        .map(|e| e.amount_minor)
        .collect();
    assert_eq!(amounts, [50, 100]);
    assert_eq!(compare(&world.pool, None).await.unwrap(), []);
}

#[tokio::test]
async fn an_account_of_the_operator_can_hold_more_than_64_bits_one_by_one_and_in_bulk() {
    for page in [1, 1_000] {
        let mut world = World::new().await;
        let mut people: Vec<_> = (0..40).map(|_| world.person()).collect();
        let most = i64::MAX / 4;
        for (n, person) in people.iter_mut().enumerate() {
            let id = TransactionId::derived("t", &n.to_string());
            let bonus = Account::BonusExpense;
            world
                .post(person, id, TransactionKind::Reward, bonus, most, "r")
                .unwrap();
        }
        world.flush().await;
        world.projector().with_page(page).catch_up().await.unwrap();
        let total = i128::from(most) * 40;
        for moment in [
            Moment::Now,
            Moment::Position(world.head),
            Moment::ValueDate(day("2026-03-11")),
        ] {
            let bonus = accounts::account_balance(
                &world.pool,
                Account::BonusExpense,
                Currency::Uah,
                moment,
            );
            assert_eq!(
                bonus.await.unwrap().data.unwrap().0,
                total,
                "{moment:?} by {page}"
            );
        }
        assert!(
            accounts::trial_balance_at(&world.pool, Moment::Position(world.head))
                .await
                .unwrap()
                .data
                .is_balanced()
        );
    }
}
