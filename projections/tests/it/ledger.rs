//! Balances, statements and the trial balance.

use chrono::TimeDelta;
use kvit_domain::ids::{HoldId, TransactionId};
use kvit_domain::ledger::{Account, ProviderName, Transaction, TransactionKind};
use kvit_domain::money::Currency;
use kvit_domain::wallet::{ReleaseReason, WalletCommand};
use kvit_projections::queries::accounts;
use kvit_projections::queries::ledger::{self, Moment};
use proptest::prelude::*;

use crate::world::{Person, World, busy_world, day, uah};

#[tokio::test]
async fn the_statement_runs_from_entry_to_entry_and_pages_stay_when_entries_are_added() {
    let mut world = World::new().await;
    let mut person = world.person();
    let id = |n: i64| TransactionId::derived("t", &n.to_string());
    for n in 1..=7 {
        let minor = if n % 3 == 0 { -40 } else { 100 };
        let bonus = Account::BonusExpense;
        world
            .post(
                &mut person,
                id(n),
                TransactionKind::Adjustment,
                bonus,
                minor,
                "test",
            )
            .unwrap();
    }
    world.settle().await;
    let first = ledger::statement(&world.pool, person.wallet_id, None, 3)
        .await
        .unwrap()
        .data;
    let bonus = Account::BonusExpense;
    world
        .post(
            &mut person,
            id(8),
            TransactionKind::Adjustment,
            bonus,
            1,
            "test",
        )
        .unwrap();
    world.settle().await;
    let mut entries = first.items;
    let mut cursor = first.next;
    while let Some(text) = cursor {
        let page = ledger::statement(&world.pool, person.wallet_id, Some(&text), 3)
            .await
            .unwrap();
        entries.extend(page.data.items);
        cursor = page.data.next;
    }
    entries.reverse();
    assert_eq!(
        entries.iter().map(|e| e.entry_no).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6, 7]
    );
    let mut balance = 0;
    for entry in &entries {
        balance += if entry.side == "credit" {
            entry.amount_minor
        } else {
            -entry.amount_minor
        };
        assert_eq!(entry.balance_minor, balance);
    }
    assert_eq!(balance, 420);
    let wallet = ledger::wallet(&world.pool, person.wallet_id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!((wallet.posted_minor, wallet.entries), (421, 8));
}

#[tokio::test]
async fn a_balance_is_known_at_any_moment_by_booking_time_and_by_value_date() {
    let mut world = World::new().await;
    let mut person = world.person();
    let own = Account::Wallet(person.wallet_id);
    let mut booked = Vec::new();
    // The second one is booked later but counts from a day before the first.
    for (n, minor, value_date) in [
        (1, 100, "2026-03-10"),
        (2, 50, "2026-03-01"),
        (3, 25, "2026-03-12"),
    ] {
        booked.push(world.clock);
        let transaction = Transaction::simple(
            TransactionId::derived("t", &n.to_string()),
            TransactionKind::TopUp,
            Account::PaymentsClearing(ProviderName::Yookassa),
            own,
            uah(minor),
            day(value_date),
            "test",
        );
        let post = WalletCommand::Post {
            wallet_id: person.wallet_id,
            transaction,
        };
        world
            .run(person.wallet_id, "policy:test", &mut person.wallet, &post)
            .unwrap();
        world.clock += TimeDelta::hours(1);
    }
    world.settle().await;
    let at = |moment| ledger::balance_at(&world.pool, person.wallet_id, moment);
    // Booking opens the wallet first, one second earlier.
    let second = TimeDelta::seconds(1);
    assert_eq!(at(Moment::Booked(booked[0])).await.unwrap().data, Some(0));
    assert_eq!(
        at(Moment::Booked(booked[0] + second)).await.unwrap().data,
        Some(100)
    );
    assert_eq!(at(Moment::Booked(booked[1])).await.unwrap().data, Some(150));
    assert_eq!(at(Moment::Booked(booked[2])).await.unwrap().data, Some(175));
    assert_eq!(
        at(Moment::ValueDate(day("2026-02-28"))).await.unwrap().data,
        Some(0)
    );
    assert_eq!(
        at(Moment::ValueDate(day("2026-03-09"))).await.unwrap().data,
        Some(50)
    );
    assert_eq!(
        at(Moment::ValueDate(day("2026-03-10"))).await.unwrap().data,
        Some(150)
    );
    assert_eq!(
        at(Moment::ValueDate(day("2026-04-01"))).await.unwrap().data,
        Some(175)
    );
}

#[tokio::test]
async fn a_reversal_names_its_original_and_is_named_by_it() {
    let mut world = World::new().await;
    let mut person = world.person();
    let (original, reversal) = (
        TransactionId::derived("t", "1"),
        TransactionId::derived("t", "2"),
    );
    let bonus = Account::BonusExpense;
    world
        .post(
            &mut person,
            original,
            TransactionKind::Reward,
            bonus,
            100,
            "r",
        )
        .unwrap();
    world.settle().await;
    let reverse = WalletCommand::Reverse {
        original_id: original,
        transaction_id: reversal,
        value_date: day("2026-03-11"),
        legs: None,
    };
    world
        .run(person.wallet_id, "admin:1", &mut person.wallet, &reverse)
        .unwrap();
    world.settle().await;
    let row = ledger::transaction(&world.pool, original)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(row.reversed_by, Some(reversal));
    let row = ledger::transaction(&world.pool, reversal)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(row.reverses, Some(original));
    assert_eq!(row.legs.0.len(), 2);
    let wallet = ledger::wallet(&world.pool, person.wallet_id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(wallet.posted_minor, 0);
}

#[tokio::test]
async fn the_trial_balance_is_zero_and_names_every_account_that_was_used() {
    let (mut world, people) = busy_world().await;
    world.settle().await;
    let balance = ledger::trial_balance(&world.pool).await.unwrap().data;
    assert!(balance.is_balanced());
    let names: Vec<&str> = balance
        .accounts
        .iter()
        .map(|a| a.account.as_str())
        .collect();
    assert_eq!(
        names,
        ["bonus:expense", "payouts:portmone:clearing", "wallets"]
    );
    let of = |name: &str| {
        let found = balance.accounts.iter().find(|a| a.account == name);
        found.unwrap().balance_minor.0
    };
    let owed: i64 = people.iter().map(|p| p.wallet.posted_minor).sum();
    assert_eq!(of("wallets"), i128::from(owed));
    assert_eq!(of("bonus:expense"), 650);
    assert_eq!(of("payouts:portmone:clearing"), -300);
    let accounts = ledger::accounts(&world.pool, None, 2).await.unwrap().data;
    let rest = ledger::accounts(&world.pool, accounts.next.as_deref(), 100)
        .await
        .unwrap()
        .data;
    assert_eq!(accounts.items.len() + rest.items.len(), 5);
}

#[tokio::test]
async fn the_line_of_all_wallets_is_no_account_but_has_a_balance_at_any_moment() {
    let (mut world, people) = busy_world().await;
    world.settle().await;
    let balance = ledger::trial_balance(&world.pool).await.unwrap().data;
    for line in &balance.accounts {
        let is_sum = line.account == accounts::WALLETS;
        assert_eq!(line.single().is_none(), is_sum, "{}", line.account);
    }
    let of = |currency, moment| accounts::wallets_balance(&world.pool, currency, moment);
    let owed: i64 = people.iter().map(|p| p.wallet.posted_minor).sum();
    let now = of(Currency::Uah, Moment::Now).await.unwrap();
    assert_eq!(now.data.unwrap().0, i128::from(owed));
    let then = Moment::Position(now.position);
    assert_eq!(of(Currency::Uah, then).await.unwrap(), now);
    let before = of(Currency::Uah, Moment::Position(0)).await.unwrap();
    assert_eq!(before.data, None, "nothing was booked then");
    let elsewhere = of(Currency::Eur, Moment::Now).await.unwrap();
    assert_eq!(elsewhere.data, None, "nobody has euros");
}

/// What a test does to a wallet.
#[derive(Debug, Clone)]
enum Act {
    Post(i64),
    Hold(i64),
    Capture(i64, bool),
    Release,
    Reverse,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (1..500_i64).prop_map(Act::Post),
        (-300..-1_i64).prop_map(Act::Post),
        (1..200_i64).prop_map(Act::Hold),
        ((1..150_i64), any::<bool>()).prop_map(|(minor, rest)| Act::Capture(minor, rest)),
        Just(Act::Release),
        Just(Act::Reverse),
    ]
}

fn perform(world: &mut World, person: &mut Person, n: usize, act: &Act) {
    let hold_id = |n: usize| HoldId::derived("prop", &format!("{}-{n}", person.id));
    let id = TransactionId::derived("prop", &format!("{}-{n}", person.id));
    let own = Account::Wallet(person.wallet_id);
    let last_hold = (0..n)
        .rev()
        .map(&hold_id)
        .find(|id| person.wallet.hold(*id).is_some());
    let booked = (0..n)
        .rev()
        .map(|n| TransactionId::derived("prop", &format!("{}-{n}", person.id)))
        .find(|id| person.wallet.has_booked(*id));
    let value_date = day("2026-03-10");
    let command = match act {
        Act::Post(minor) => {
            let other = Account::PaymentsClearing(ProviderName::Yookassa);
            let (debit, credit) = if *minor < 0 {
                (own, other)
            } else {
                (other, own)
            };
            let kind = TransactionKind::Adjustment;
            let transaction = Transaction::simple(
                id,
                kind,
                debit,
                credit,
                uah(minor.abs()),
                value_date,
                "prop",
            );
            WalletCommand::Post {
                wallet_id: person.wallet_id,
                transaction,
            }
        }
        Act::Hold(minor) => WalletCommand::PlaceHold {
            hold_id: hold_id(n),
            amount: uah(*minor),
            purpose: "prop".into(),
            expires_at: world.clock,
        },
        Act::Capture(minor, release_rest) => {
            let Some(hold_id) = last_hold else { return };
            let revenue = Account::JobsRevenue;
            let kind = TransactionKind::Job;
            let transaction =
                Transaction::simple(id, kind, own, revenue, uah(*minor), value_date, "prop");
            WalletCommand::Capture {
                hold_id,
                transaction,
                release_rest: *release_rest,
            }
        }
        Act::Release => {
            let Some(hold_id) = last_hold else { return };
            let reason = ReleaseReason::Operator;
            WalletCommand::Release { hold_id, reason }
        }
        Act::Reverse => {
            let Some(original_id) = booked else { return };
            WalletCommand::Reverse {
                original_id,
                transaction_id: id,
                value_date,
                legs: None,
            }
        }
    };
    let wallet_id = person.wallet_id;
    // Refusals are part of the history.
    let _ = world.run(wallet_id, "policy:prop", &mut person.wallet, &command);
}

#[test]
fn whatever_wallets_do_the_books_balance_and_the_read_models_agree_with_the_aggregates() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let history = prop::collection::vec((0..4_usize, act()), 1..120);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(12));
    runner
        .run(&(history, 1..40_u32), |(history, page)| {
            runtime.block_on(check(&history, page));
            Ok(())
        })
        .unwrap();
}

async fn check(history: &[(usize, Act)], page: u32) {
    let mut world = World::new().await;
    let mut people: Vec<Person> = (0..4).map(|_| world.person()).collect();
    for (n, (who, act)) in history.iter().enumerate() {
        perform(&mut world, &mut people[*who], n, act);
    }
    world.flush().await;
    // Pages of any size give the same rows.
    world.projector().with_page(page).catch_up().await.unwrap();
    let balance = ledger::trial_balance(&world.pool).await.unwrap().data;
    assert!(balance.is_balanced(), "{balance:?}");
    for person in &people {
        let row = ledger::wallet(&world.pool, person.wallet_id)
            .await
            .unwrap()
            .data;
        let Some(row) = row else {
            assert_eq!(person.wallet.id, None);
            continue;
        };
        let wallet = &person.wallet;
        assert_eq!(row.posted_minor, wallet.posted_minor);
        assert_eq!(row.held_minor, wallet.held_minor);
        assert_eq!(row.refusals.unsigned_abs(), wallet.refusals);
        let entries = ledger::statement(&world.pool, person.wallet_id, None, 200)
            .await
            .unwrap();
        let mut entries = entries.data.items;
        entries.reverse();
        let mut balance = 0;
        for (n, entry) in entries.iter().enumerate() {
            assert_eq!(entry.entry_no, n as i64 + 1);
            balance += if entry.side == "credit" {
                entry.amount_minor
            } else {
                -entry.amount_minor
            };
            assert_eq!(entry.balance_minor, balance);
        }
        assert_eq!(balance, wallet.posted_minor);
        let holds = ledger::holds(&world.pool, person.wallet_id, true)
            .await
            .unwrap()
            .data;
        let held: i64 = holds.iter().map(|hold| hold.left_minor).sum();
        assert_eq!(held, wallet.held_minor);
        for hold in holds {
            assert_eq!(
                wallet.hold(hold.hold_id).unwrap().left_minor,
                hold.left_minor
            );
        }
    }
}
