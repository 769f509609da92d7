//! The wallet's laws as given/when/then, and as properties over any sequence of commands.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]

use chrono::{DateTime, NaiveDate, Utc};
use cqrs_es::test::TestFramework;
use proptest::prelude::*;

use super::*;
use crate::aggregate::Decide;
use crate::ids::UserId;
use crate::ledger::TransactionKind;
use crate::money::Currency;

fn id() -> WalletId {
    WalletId {
        user: UserId::derived("t", "u"),
        currency: Currency::Uah,
    }
}
fn uah(minor: i64) -> Money {
    Money::new(minor, Currency::Uah)
}
fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 20).unwrap()
}
fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
}
fn credit(name: &str, minor: i64) -> Transaction {
    let id_of = TransactionId::derived("t", name);
    Transaction::simple(
        id_of,
        TransactionKind::Reward,
        Account::BonusExpense,
        Account::Wallet(id()),
        uah(minor),
        day(),
        name,
    )
}
fn debit(name: &str, minor: i64) -> Transaction {
    let id_of = TransactionId::derived("t", name);
    let clearing = Account::PayoutsClearing(crate::ledger::ProviderName::Portmone);
    Transaction::simple(
        id_of,
        TransactionKind::Payout,
        Account::Wallet(id()),
        clearing,
        uah(minor),
        day(),
        name,
    )
}
fn hold(name: &str) -> HoldId {
    HoldId::derived("t", name)
}
fn post(transaction: Transaction) -> WalletCommand {
    WalletCommand::Post {
        wallet_id: id(),
        transaction,
    }
}
fn place(name: &str, minor: i64) -> WalletCommand {
    WalletCommand::PlaceHold {
        hold_id: hold(name),
        amount: uah(minor),
        purpose: "test".into(),
        expires_at: at(60),
    }
}
fn run(wallet: &mut Wallet, command: &WalletCommand) -> Result<usize, Rejection> {
    let events = wallet.decide(command)?;
    let count = events.len();
    events.into_iter().for_each(|event| wallet.evolve(event));
    Ok(count)
}
fn with_balance(minor: i64) -> Wallet {
    let mut wallet = Wallet::default();
    run(&mut wallet, &post(credit("start", minor))).unwrap();
    wallet
}

#[test]
fn the_first_credit_opens_the_wallet() {
    TestFramework::<Wallet>::with(())
        .given_no_previous_events()
        .when(post(credit("a", 100)))
        .then_expect_events(vec![
            WalletEvent::WalletOpened { wallet_id: id() },
            WalletEvent::TransactionPosted {
                transaction: credit("a", 100),
            },
        ]);
}

#[test]
fn the_same_transaction_twice_is_one_and_another_body_is_a_conflict() {
    let mut wallet = with_balance(100);
    assert_eq!(run(&mut wallet, &post(credit("start", 100))), Ok(0));
    assert_eq!(wallet.posted_minor, 100);
    assert_eq!(
        run(&mut wallet, &post(credit("start", 101)))
            .unwrap_err()
            .code,
        "idempotency_conflict"
    );
}

#[test]
fn a_debit_over_what_is_available_is_refused_with_both_figures() {
    let mut wallet = with_balance(100);
    run(&mut wallet, &place("h", 60)).unwrap();
    let refusal = run(&mut wallet, &post(debit("d", 41))).unwrap_err();
    assert_eq!(refusal.code, "insufficient_funds");
    assert_eq!(refusal.details["required_minor"], "41");
    assert_eq!(refusal.details["available_minor"], "40");
    let recorded = wallet
        .record_refusal(&post(debit("d", 41)), &refusal)
        .unwrap();
    wallet.evolve(recorded);
    assert_eq!(
        (wallet.posted_minor, wallet.held_minor, wallet.refusals),
        (100, 60, 1)
    );
}

#[test]
fn hold_fifty_of_a_hundred_and_capture_thirty_leaves_seventy_and_nothing_held() {
    let mut wallet = with_balance(100);
    run(&mut wallet, &place("h", 50)).unwrap();
    let capture = WalletCommand::Capture {
        hold_id: hold("h"),
        transaction: debit("c", 30),
        release_rest: true,
    };
    assert_eq!(run(&mut wallet, &capture), Ok(2));
    assert_eq!((wallet.posted_minor, wallet.held_minor), (70, 0));
    assert_eq!(
        run(&mut wallet, &capture),
        Ok(0),
        "the same capture again changes nothing"
    );
    assert_eq!((wallet.posted_minor, wallet.held_minor), (70, 0));
}

#[test]
fn captures_in_steps_never_exceed_the_hold() {
    let mut wallet = with_balance(100);
    run(&mut wallet, &place("h", 50)).unwrap();
    let step = |name: &str, minor| WalletCommand::Capture {
        hold_id: hold("h"),
        transaction: debit(name, minor),
        release_rest: false,
    };
    run(&mut wallet, &step("1", 30)).unwrap();
    assert_eq!(
        run(&mut wallet, &step("2", 21)).unwrap_err().code,
        "hold_exceeded"
    );
    run(&mut wallet, &step("3", 20)).unwrap();
    assert_eq!(
        run(&mut wallet, &step("4", 1)).unwrap_err().code,
        "hold_not_active"
    );
    assert_eq!((wallet.posted_minor, wallet.held_minor), (50, 0));
}

#[test]
fn a_released_hold_gives_the_balance_back() {
    let mut wallet = with_balance(100);
    run(&mut wallet, &place("h", 50)).unwrap();
    let release = WalletCommand::Release {
        hold_id: hold("h"),
        reason: ReleaseReason::Failed,
    };
    assert_eq!(run(&mut wallet, &release), Ok(1));
    assert_eq!(run(&mut wallet, &release), Ok(0));
    assert_eq!(wallet.available_minor(), 100);
}

#[test]
fn a_hold_expires_at_its_time_and_not_before() {
    let mut wallet = with_balance(100);
    run(&mut wallet, &place("h", 50)).unwrap();
    let expire = |seconds| WalletCommand::Expire {
        hold_id: hold("h"),
        now: at(seconds),
    };
    assert_eq!(
        run(&mut wallet, &expire(59)).unwrap_err().code,
        "invalid_state"
    );
    assert_eq!(run(&mut wallet, &expire(60)), Ok(1));
    assert_eq!(wallet.available_minor(), 100);
    let late = WalletCommand::Capture {
        hold_id: hold("h"),
        transaction: debit("c", 30),
        release_rest: true,
    };
    assert_eq!(run(&mut wallet, &late).unwrap_err().code, "hold_not_active");
}

#[test]
fn a_transaction_is_reversed_once() {
    let mut wallet = with_balance(100);
    let reverse = |name: &str| WalletCommand::Reverse {
        original_id: TransactionId::derived("t", "start"),
        transaction_id: TransactionId::derived("t", name),
        value_date: day(),
        legs: None,
    };
    assert_eq!(run(&mut wallet, &reverse("r1")), Ok(1));
    assert_eq!(run(&mut wallet, &reverse("r1")), Ok(0));
    assert_eq!(
        run(&mut wallet, &reverse("r2")).unwrap_err().code,
        "already_reversed"
    );
    assert_eq!(wallet.posted_minor, 0);
}

#[test]
fn partial_reversals_undo_at_most_the_original() {
    let mut wallet = with_balance(100);
    let part = |name: &str, minor: Option<i64>| WalletCommand::Reverse {
        original_id: TransactionId::derived("t", "start"),
        transaction_id: TransactionId::derived("t", name),
        value_date: day(),
        legs: minor.map(|minor| crate::ledger::opposite(&credit("start", minor).legs)),
    };
    assert_eq!(run(&mut wallet, &part("r1", Some(30))), Ok(1));
    assert_eq!(run(&mut wallet, &part("r1", Some(30))), Ok(0));
    assert_eq!(
        run(&mut wallet, &part("r1", Some(31))).unwrap_err().code,
        "idempotency_conflict"
    );
    assert_eq!(
        run(&mut wallet, &part("r2", Some(71))).unwrap_err().code,
        "reversal_exceeded"
    );
    assert_eq!(run(&mut wallet, &part("r3", Some(50))), Ok(1));
    assert_eq!(wallet.posted_minor, 20);
    assert_eq!(run(&mut wallet, &part("r4", None)), Ok(1));
    assert_eq!(wallet.posted_minor, 0);
    assert_eq!(
        run(&mut wallet, &part("r5", None)).unwrap_err().code,
        "already_reversed"
    );
}

#[test]
fn a_transaction_that_names_two_wallets_is_refused() {
    let other = Account::Wallet(WalletId {
        user: UserId::derived("t", "v"),
        currency: Currency::Uah,
    });
    let mut transaction = credit("x", 10);
    transaction.legs[0].account = other;
    assert_eq!(
        run(&mut with_balance(1), &post(transaction))
            .unwrap_err()
            .code,
        "invalid_command"
    );
}

#[test]
fn a_balance_that_would_not_fit_is_refused() {
    let mut wallet = with_balance(i64::MAX / 2);
    run(&mut wallet, &post(credit("b", i64::MAX / 2))).unwrap();
    assert_eq!(
        run(&mut wallet, &post(credit("c", 2))).unwrap_err().code,
        "amount_too_large"
    );
}

fn any_command() -> impl Strategy<Value = WalletCommand> {
    let name = prop::sample::select(vec!["a", "b", "c", "d"]);
    (0..7_u8, name, -5_i64..120, any::<bool>(), 0_i64..120).prop_map(
        |(kind, name, minor, flag, seconds)| match kind {
            0 => post(credit(&format!("credit-{name}"), minor)),
            1 => post(debit(&format!("debit-{name}"), minor)),
            2 => place(name, minor),
            3 => WalletCommand::Capture {
                hold_id: hold(name),
                transaction: debit(&format!("capture-{name}-{minor}"), minor),
                release_rest: flag,
            },
            4 => WalletCommand::Release {
                hold_id: hold(name),
                reason: ReleaseReason::Cancelled,
            },
            5 => WalletCommand::Expire {
                hold_id: hold(name),
                now: at(seconds),
            },
            _ => WalletCommand::Reverse {
                original_id: TransactionId::derived("t", &format!("credit-{name}")),
                transaction_id: TransactionId::derived("t", &format!("reverse-{name}-{minor}")),
                value_date: day(),
                legs: flag.then(|| crate::ledger::opposite(&credit(name, minor).legs)),
            },
        },
    )
}

proptest! {
    #[test]
    fn whatever_is_asked_the_wallet_is_never_overdrawn_and_holds_add_up(
        commands in prop::collection::vec(any_command(), 1..60)
    ) {
        let mut wallet = Wallet::default();
        let mut history = Vec::new();
        for command in &commands {
            if let Ok(events) = wallet.decide(command) {
                for event in events {
                    history.push(event.clone());
                    wallet.evolve(event);
                }
                // Once done, the same command again does nothing or is refused; it never moves money twice.
                let before = (wallet.posted_minor, wallet.held_minor);
                if let Ok(again) = wallet.decide(command) {
                    prop_assert!(again.is_empty(), "{command:?} acted twice");
                }
                prop_assert_eq!(before, (wallet.posted_minor, wallet.held_minor));
            }
            prop_assert!(wallet.held_minor >= 0);
            prop_assert!(wallet.available_minor() >= 0);
            let active: i64 = wallet.holds.values().filter(|h| h.state == HoldState::Active).map(|h| h.left_minor).sum();
            prop_assert_eq!(active, wallet.held_minor);
            let booked: i64 = wallet.booked.values().map(|b| wallet.effect_of(&b.transaction)).sum();
            prop_assert_eq!(booked, wallet.posted_minor);
        }
        let mut replayed = Wallet::default();
        history.into_iter().for_each(|event| replayed.evolve(event));
        prop_assert_eq!(replayed, wallet);
    }
}
