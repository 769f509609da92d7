//! What the executor promises: no command is lost, doubled or decided on a state that was not there.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate};
use kvit_commands::context::{CommandDigest, Context};
use kvit_commands::error::CommandError;
use kvit_commands::executor::{Executor, Limits, Streams};
use kvit_commands::ports::log::EventLog;
use kvit_commands::ports::time::System;
use kvit_commands::testing::{Fault, ManualClock, MemoryLog};
use kvit_domain::ids::{HoldId, TransactionId, UserId, WalletId};
use kvit_domain::ledger::{Account, ProviderName, Transaction, TransactionKind};
use kvit_domain::money::{Currency, Money};
use kvit_domain::quota::{Quota, QuotaCommand};
use kvit_domain::wallet::{Wallet, WalletCommand};

fn executor(log: &Arc<MemoryLog>) -> Executor {
    let log: Arc<dyn EventLog> = Arc::clone(log) as Arc<dyn EventLog>;
    let clock = Arc::new(ManualClock::at(DateTime::UNIX_EPOCH));
    Executor::new(
        log,
        clock,
        Arc::new(System),
        Limits {
            deadline: Duration::from_secs(5),
            ..Limits::default()
        },
    )
}

fn wallet(name: &str) -> WalletId {
    WalletId {
        user: UserId::derived("t", name),
        currency: Currency::Uah,
    }
}

fn credit(to: WalletId, name: &str, minor: i64) -> WalletCommand {
    let id = TransactionId::derived("t", name);
    let day = NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
    let amount = Money::new(minor, Currency::Uah);
    let transaction = Transaction::simple(
        id,
        TransactionKind::Reward,
        Account::BonusExpense,
        Account::Wallet(to),
        amount,
        day,
        name,
    );
    WalletCommand::Post {
        wallet_id: to,
        transaction,
    }
}

fn debit(from: WalletId, name: &str, minor: i64) -> WalletCommand {
    let id = TransactionId::derived("t", name);
    let day = NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
    let clearing = Account::PayoutsClearing(ProviderName::Portmone);
    let amount = Money::new(minor, Currency::Uah);
    let transaction = Transaction::simple(
        id,
        TransactionKind::Payout,
        Account::Wallet(from),
        clearing,
        amount,
        day,
        name,
    );
    WalletCommand::Post {
        wallet_id: from,
        transaction,
    }
}

fn hold(name: &str, minor: i64) -> WalletCommand {
    WalletCommand::PlaceHold {
        hold_id: HoldId::derived("t", name),
        amount: Money::new(minor, Currency::Uah),
        purpose: "test".into(),
        expires_at: DateTime::from_timestamp(4_000_000_000, 0).unwrap(),
    }
}

fn key(text: &str) -> Context {
    Context::new("test", text, "correlation")
}

fn code(result: Result<impl std::fmt::Debug, CommandError>) -> String {
    match result {
        Err(CommandError::Rejected(rejection)) => rejection.code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_commands_at_once_on_one_wallet_are_each_booked_once() {
    let log = Arc::new(MemoryLog::default());
    let executor = executor(&log);
    let id = wallet("hot");
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let executor = executor.clone();
            tokio::spawn(async move {
                let name = format!("c{n}");
                executor
                    .execute::<Wallet>(&id.to_string(), credit(id, &name, 1), &key(&name))
                    .await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(
        executor
            .load::<Wallet>(&id.to_string())
            .await
            .unwrap()
            .posted_minor,
        200
    );
    let sequences: Vec<_> = log.all().iter().map(|e| e.sequence).collect();
    assert_eq!(sequences, (1..=201).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_copies_of_one_credit_are_one_credit_and_fifty_equal_answers() {
    let log = Arc::new(MemoryLog::default());
    let executor = executor(&log);
    let id = wallet("copies");
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let executor = executor.clone();
            tokio::spawn(async move {
                executor
                    .execute::<Wallet>(&id.to_string(), credit(id, "one", 7), &key("same"))
                    .await
                    .unwrap()
            })
        })
        .collect();
    let mut fresh = 0;
    for task in tasks {
        let outcome = task.await.unwrap();
        assert_eq!(outcome.sequence, 2);
        assert_eq!(outcome.position, 2);
        fresh += usize::from(!outcome.replayed);
    }
    assert_eq!(fresh, 1);
    assert_eq!(log.all().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_five_holds_of_the_whole_balance_exactly_one_wins() {
    let log = Arc::new(MemoryLog::default());
    // Two executors, as two processes would be: each with a memory of its own.
    let executors = [executor(&log), executor(&log)];
    let id = wallet("holds");
    executors[0]
        .execute::<Wallet>(&id.to_string(), credit(id, "start", 100), &key("start"))
        .await
        .unwrap();
    let tasks: Vec<_> = (0..5)
        .map(|n| {
            let executor = executors[n % 2].clone();
            tokio::spawn(async move {
                let name = format!("h{n}");
                executor
                    .execute::<Wallet>(&id.to_string(), hold(&name, 100), &key(&name))
                    .await
            })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => won += 1,
            refused => assert_eq!(code(refused), "insufficient_funds"),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_key_used_again_with_another_body_is_refused_and_books_nothing() {
    let log = Arc::new(MemoryLog::default());
    let executor = executor(&log);
    let id = wallet("conflict");
    executor
        .execute::<Wallet>(&id.to_string(), credit(id, "a", 5), &key("k"))
        .await
        .unwrap();
    let other = executor
        .execute::<Wallet>(&id.to_string(), credit(id, "b", 6), &key("k"))
        .await;
    assert_eq!(code(other), "idempotency_conflict");
    assert_eq!(log.all().len(), 2);
}

#[tokio::test]
async fn a_refusal_is_remembered_by_the_next_process_even_when_the_money_is_there_by_then() {
    let log = Arc::new(MemoryLog::default());
    let id = wallet("refusal");
    let first = executor(&log);
    first
        .execute::<Wallet>(&id.to_string(), credit(id, "start", 10), &key("start"))
        .await
        .unwrap();
    let refused = first
        .execute::<Wallet>(&id.to_string(), debit(id, "d", 11), &key("d"))
        .await;
    assert_eq!(code(refused), "insufficient_funds");
    first
        .execute::<Wallet>(&id.to_string(), credit(id, "more", 10), &key("more"))
        .await
        .unwrap();
    let next_process = executor(&log);
    let again = next_process
        .execute::<Wallet>(&id.to_string(), debit(id, "d", 11), &key("d"))
        .await;
    assert_eq!(code(again), "insufficient_funds");
}

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_found_and_not_repeated() {
    let log = Arc::new(MemoryLog::default());
    let executor = executor(&log);
    let id = wallet("lost");
    log.inject([Fault::AfterStore]);
    let outcome = executor
        .execute::<Wallet>(&id.to_string(), credit(id, "a", 5), &key("a"))
        .await
        .unwrap();
    assert!(outcome.replayed, "the retry found the first try in the log");
    log.inject([Fault::BeforeStore, Fault::BeforeStore]);
    let outcome = executor
        .execute::<Wallet>(&id.to_string(), credit(id, "b", 5), &key("b"))
        .await
        .unwrap();
    assert!(!outcome.replayed);
    assert_eq!(log.all().len(), 3);
    assert_eq!(
        executor
            .load::<Wallet>(&id.to_string())
            .await
            .unwrap()
            .posted_minor,
        10
    );
}

#[tokio::test]
async fn a_refusal_is_never_decided_on_a_stale_state() {
    let log = Arc::new(MemoryLog::default());
    let (here, there) = (executor(&log), executor(&log));
    let id = wallet("stale");
    here.execute::<Wallet>(&id.to_string(), credit(id, "start", 10), &key("start"))
        .await
        .unwrap();
    there
        .execute::<Wallet>(&id.to_string(), credit(id, "more", 10), &key("more"))
        .await
        .unwrap();
    here.execute::<Wallet>(&id.to_string(), debit(id, "d", 15), &key("d"))
        .await
        .unwrap();
    assert_eq!(
        here.load::<Wallet>(&id.to_string())
            .await
            .unwrap()
            .posted_minor,
        5
    );
}

fn digest(text: &str) -> CommandDigest {
    CommandDigest::of("test", &text).unwrap()
}

#[tokio::test]
async fn a_decision_over_two_streams_stores_both_or_none() {
    let log = Arc::new(MemoryLog::default());
    let executor = executor(&log);
    let id = wallet("unit").to_string();
    let take = |taker: &str| QuotaCommand::Take {
        taker: taker.into(),
        units: 1,
        limit: 1,
    };
    let streams = || Streams::new().with::<Wallet>(&id).with::<Quota>("q");
    let both = |name: &'static str| {
        let (id, command, take) = (id.clone(), credit(wallet("unit"), name, 5), take(name));
        move |unit: &mut kvit_commands::executor::Unit<'_>| {
            unit.run::<Wallet>(&id, &command)?;
            unit.run::<Quota>("q", &take)
        }
    };
    let first = executor
        .transact(streams(), &key("a"), digest("a"), both("a"))
        .await
        .unwrap();
    assert_eq!((first.position, first.replayed), (3, false));
    let refused = executor
        .transact(streams(), &key("b"), digest("b"), both("b"))
        .await;
    assert_eq!(code(refused), "quota_exceeded");
    assert_eq!(
        executor.load::<Wallet>(&id).await.unwrap().posted_minor,
        5,
        "the refused decision left nothing behind"
    );
    let again = executor
        .transact(streams(), &key("a"), digest("a"), both("a"))
        .await
        .unwrap();
    assert!(again.replayed && again.value.is_none());
    assert_eq!(log.all().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_unit_of_a_quota_goes_to_one_of_many_decisions_in_two_processes() {
    let log = Arc::new(MemoryLog::default());
    let executors = [executor(&log), executor(&log)];
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let executor = executors[n % 2].clone();
            tokio::spawn(async move {
                let name = format!("t{n}");
                let id = wallet(&name).to_string();
                let streams = Streams::new().with::<Wallet>(&id).with::<Quota>("q");
                let command = credit(wallet(&name), &name, 1);
                executor
                    .transact(streams, &key(&name), digest(&name), |unit| {
                        unit.run::<Quota>(
                            "q",
                            &QuotaCommand::Take {
                                taker: name.clone(),
                                units: 1,
                                limit: 3,
                            },
                        )?;
                        unit.run::<Wallet>(&id, &command)
                    })
                    .await
            })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => won += 1,
            refused => assert_eq!(code(refused), "quota_exceeded"),
        }
    }
    assert_eq!(won, 3);
    assert_eq!(
        log.all()
            .iter()
            .filter(|e| e.event_type == "QuotaTaken")
            .count(),
        3
    );
}

#[tokio::test]
async fn a_refused_decision_over_two_streams_stays_refused_when_the_money_is_there_by_then() {
    let log = Arc::new(MemoryLog::default());
    let executor = executor(&log);
    let id = wallet("short").to_string();
    executor
        .execute::<Wallet>(&id, credit(wallet("short"), "start", 5), &key("start"))
        .await
        .unwrap();
    let order = |name: &'static str| {
        let (id, hold) = (id.clone(), hold(name, 8));
        move |unit: &mut kvit_commands::executor::Unit<'_>| {
            unit.run::<Quota>(
                "q",
                &QuotaCommand::Take {
                    taker: name.into(),
                    units: 1,
                    limit: 9,
                },
            )?;
            unit.run::<Wallet>(&id, &hold)
        }
    };
    let streams = || Streams::new().with::<Quota>("q").with::<Wallet>(&id);
    let refused = executor
        .transact(streams(), &key("a"), digest("a"), order("a"))
        .await;
    assert_eq!(code(refused), "insufficient_funds");
    executor
        .execute::<Wallet>(&id, credit(wallet("short"), "more", 5), &key("more"))
        .await
        .unwrap();
    let again = executor
        .transact(streams(), &key("a"), digest("a"), order("a"))
        .await;
    assert_eq!(
        code(again),
        "insufficient_funds",
        "the key was refused before"
    );
    executor
        .transact(streams(), &key("b"), digest("b"), order("b"))
        .await
        .unwrap();
    let wallet = executor.load::<Wallet>(&id).await.unwrap();
    assert_eq!((wallet.held_minor, wallet.refusals), (8, 1));
    assert_eq!(
        executor.load::<Quota>("q").await.unwrap().used,
        1,
        "a refused decision takes nothing"
    );
}

#[tokio::test]
async fn a_decision_that_only_looks_at_a_stream_is_decided_again_when_somebody_extends_it() {
    let log = Arc::new(MemoryLog::default());
    let (here, there) = (executor(&log), executor(&log));
    let id = wallet("looks").to_string();
    let take = |taker: &str| QuotaCommand::Take {
        taker: taker.into(),
        units: 1,
        limit: 9,
    };
    here.execute::<Quota>("q", take("a"), &key("a"))
        .await
        .unwrap();
    // The other process extends the quota, of which this one has an older state in memory.
    there
        .execute::<Quota>("q", take("b"), &key("b"))
        .await
        .unwrap();
    let streams = Streams::new().with::<Wallet>(&id).with::<Quota>("q");
    let mut seen = Vec::new();
    here.transact(streams, &key("c"), digest("c"), |unit| {
        seen.push(unit.state::<Quota>("q")?.used);
        unit.run::<Wallet>(&id, &credit(wallet("looks"), "c", 5))
    })
    .await
    .unwrap();
    assert_eq!(seen, [1, 2]);
}

#[tokio::test]
async fn a_caller_that_goes_away_in_the_middle_of_a_decision_leaves_no_ghost_balance() {
    let log = Arc::new(MemoryLog::default());
    let executor = executor(&log);
    let id = wallet("ghost").to_string();
    let command = credit(wallet("ghost"), "a", 5);
    {
        let streams = Streams::new().with::<Wallet>(&id);
        let context = key("a");
        let decision = executor.transact(streams, &context, digest("a"), |unit| {
            unit.run::<Wallet>(&id, &command)
        });
        let mut decision = Box::pin(decision);
        // Polled once, it decides and waits for the log; then it is dropped.
        assert!(futures::poll!(decision.as_mut()).is_pending());
    }
    assert_eq!(executor.load::<Wallet>(&id).await.unwrap().posted_minor, 0);
}
