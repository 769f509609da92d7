//! Reading what was just written, through the real log and a running projector.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cqrs_es::DomainEvent;
use kvit_adapters::postgres::{LogOptions, PgEventLog};
use kvit_commands::ports::log::{Append, Appended, EventLog, NewEvent, StreamAppend};
use kvit_domain::aggregate::Decide;
use kvit_domain::event::StreamId;
use kvit_domain::ids::TransactionId;
use kvit_domain::ledger::{Account, Transaction, TransactionKind};
use kvit_domain::wallet::WalletCommand;
use kvit_projections::queries::{WaitError, ledger, projection, wait_for};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::world::{World, busy_world, day, uah};

#[tokio::test]
async fn waiting_ends_when_the_position_is_reached_or_says_how_far_it_is() {
    let (mut world, _) = busy_world().await;
    let head = world.settle().await;
    let names = [projection::LEDGER, projection::RECEIPTS];
    wait_for(&world.pool, &names, head, Duration::ZERO)
        .await
        .unwrap();
    let started = Instant::now();
    let behind = wait_for(&world.pool, &names, head + 1, Duration::from_millis(120)).await;
    let Err(WaitError::Behind(behind)) = behind else {
        panic!("{behind:?}");
    };
    assert_eq!(behind.position, head);
    assert!(started.elapsed() >= Duration::from_millis(120));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_appended_command_is_seen_by_who_waits_for_its_position() {
    let mut world = World::new().await;
    let person = world.person();
    let log = PgEventLog::start(
        &world.db.settings(),
        world.pool.clone(),
        LogOptions::default(),
        None,
    )
    .unwrap();
    let shutdown = tokio_util::sync::CancellationToken::new();
    let (hint, heard) = tokio::sync::watch::channel(0);
    let running = {
        let (projector, shutdown) = (world.projector(), shutdown.clone());
        tokio::spawn(async move { projector.run(shutdown, heard).await })
    };
    let mut wallet = person.wallet.clone();
    let mut sequence = 0;
    let mut slowest = Duration::ZERO;
    for n in 1..=20_i64 {
        let transaction = Transaction::simple(
            TransactionId::derived("t", &n.to_string()),
            TransactionKind::Adjustment,
            Account::BonusExpense,
            Account::Wallet(person.wallet_id),
            uah(10),
            day("2026-03-10"),
            "test",
        );
        let command = WalletCommand::Post {
            wallet_id: person.wallet_id,
            transaction,
        };
        let events = wallet.decide(&command).unwrap();
        let mut new = Vec::new();
        for event in events {
            new.push(NewEvent {
                event_id: Uuid::now_v7(),
                event_type: event.event_type(),
                event_version: event.event_version(),
                payload: RawValue::from_string(serde_json::to_string(&event).unwrap()).unwrap(),
                metadata: BTreeMap::from([("actor".to_owned(), person.actor())]),
            });
            cqrs_es::Aggregate::apply(&mut wallet, event);
        }
        let count = new.len() as i64;
        let append = Append {
            streams: vec![StreamAppend {
                stream: StreamId::new("wallet", person.wallet_id.to_string()),
                expected_sequence: sequence,
                events: new,
            }],
        };
        sequence += count;
        let Appended::Stored { last, .. } = log.append(append).await.unwrap() else {
            panic!("refused");
        };
        let started = Instant::now();
        hint.send_replace(last);
        wait_for(
            &world.pool,
            &[projection::LEDGER],
            last,
            Duration::from_secs(30),
        )
        .await
        .unwrap();
        let seen = ledger::wallet(&world.pool, person.wallet_id).await.unwrap();
        if n > 1 {
            slowest = slowest.max(started.elapsed());
        }
        assert!(seen.position >= last);
        assert_eq!(seen.data.unwrap().posted_minor, n * 10);
    }
    println!("slowest append to visible balance: {slowest:?}");
    // Without hints it looks by itself.
    drop(hint);
    world.head = sequence;
    world.person();
    world.flush().await;
    wait_for(
        &world.pool,
        &[projection::USERS],
        world.head,
        Duration::from_secs(30),
    )
    .await
    .unwrap();
    shutdown.cancel();
    running.await.unwrap();
}
