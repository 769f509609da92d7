//! Making checkpoints: what they say, when they are refused, and that their line never forks.

use futures::future::join_all;
use kvit_adapters::audit::{
    AuditFault, PgCheckpoints, Sealing, SignedCheckpoint, Verdict, VerifyOptions, make_checkpoint,
};
use kvit_domain::event::StreamId;

use crate::audit_world::{World, key, now, posting};
use crate::support::event;

fn refused(answer: Result<Sealing, AuditFault>) -> String {
    match answer {
        Err(AuditFault::Broken(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_checkpoint_says_what_the_log_and_the_books_are_and_is_signed() {
    let world = World::sealed().await;
    let [first, second] = world.checkpoints.as_slice() else {
        panic!()
    };
    let said = second.checkpoint();
    assert_eq!((said.position, said.events), (20, 20));
    assert_eq!(said.made_at, now());
    assert_eq!(said.previous, Some(hex::encode(first.digest())));
    assert_eq!(first.checkpoint().previous, None);
    // Wallets: 101+105+…+117 and 102+106+…+118; fees: 4+8+…+20.
    let sums: Vec<_> = said
        .totals
        .iter()
        .map(|sum| (sum.currency.as_str(), sum.debits, sum.credits))
        .collect();
    assert_eq!(sums, [("RUB", 60, 60), ("UAH", 1095, 1095)]);
    let accounts: Vec<_> = said
        .accounts
        .iter()
        .map(|sum| (sum.account.as_str(), sum.debits, sum.credits))
        .collect();
    assert_eq!(
        accounts,
        [
            ("bonus:expense", 1095, 0),
            ("fees:yookassa", 60, 0),
            ("payments:yookassa:clearing", 0, 60)
        ]
    );
    assert_eq!(said.wallets.len(), 1);
    assert_eq!((said.wallets[0].debits, said.wallets[0].credits), (0, 1095));
    assert!(second.is_signed_by(&world.key.public()));
    assert!(!second.is_signed_by(&key(2).public()));

    let store = PgCheckpoints::new(world.db.pool.clone());
    assert_eq!(store.latest().await.unwrap().as_ref(), Some(second));
    assert_eq!(store.list(0, 10).await.unwrap(), world.checkpoints);
    assert_eq!(store.list(10, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_new_gives_the_last_checkpoint_again() {
    let world = World::empty().await;
    let pool = &world.db.pool;
    let empty = make_checkpoint(pool, &world.key, now()).await.unwrap();
    assert_eq!(empty, Sealing::Empty);
    world.grow(3).await;
    let made = make_checkpoint(pool, &world.key, now()).await.unwrap();
    let later = now() + chrono::TimeDelta::days(1);
    let again = make_checkpoint(pool, &world.key, later).await.unwrap();
    assert!(matches!(made, Sealing::Made(_)));
    assert!(matches!(again, Sealing::Unchanged(_)));
    assert_eq!(made.checkpoint(), again.checkpoint());
}

#[tokio::test]
async fn totals_carried_on_step_by_step_are_those_of_the_whole() {
    let mut world = World::empty().await;
    for step in [1, 3, 7, 1] {
        world.grow(step).await;
        world.seal().await;
    }
    let stepwise = world.checkpoints.last().unwrap().checkpoint().clone();
    world.tamper("DELETE FROM checkpoints").await;
    let whole = make_checkpoint(&world.db.pool, &world.key, now())
        .await
        .unwrap();
    let whole = whole.checkpoint().unwrap().checkpoint().clone();
    assert_eq!(
        (
            stepwise.totals,
            stepwise.accounts,
            stepwise.wallets,
            stepwise.hash
        ),
        (whole.totals, whole.accounts, whole.wallets, whole.hash)
    );
}

#[tokio::test]
async fn a_log_that_was_changed_is_not_signed() {
    let bad = [
        (
            "UPDATE events SET payload = '{\"Posted\":{\"n\":9}}' WHERE position = 15",
            "event 15 was changed",
        ),
        (
            "UPDATE events SET payload = (' ' || payload::text)::json WHERE position = 15",
            "event 15 was changed",
        ),
        (
            "UPDATE events SET metadata = (metadata::text || ' ')::json WHERE position = 15",
            "event 15 was changed",
        ),
        (
            "DELETE FROM events WHERE position = 15",
            "event 15 is missing",
        ),
        (
            "DELETE FROM events WHERE position >= 10",
            "before the checkpoint",
        ),
        (
            "DELETE FROM events WHERE position = 10",
            "event 10 is not the one",
        ),
        (
            "UPDATE checkpoints SET body = replace(body, '\"debits\":\"', '\"debits\":\"1')",
            "wrong signature",
        ),
    ];
    for (sql, words) in bad {
        let mut world = World::empty().await;
        world.grow(10).await;
        world.seal().await;
        world.grow(10).await;
        world.tamper(sql).await;
        let why = refused(make_checkpoint(&world.db.pool, &world.key, now()).await);
        assert!(why.contains(words), "{sql}: {why}");
        let store = PgCheckpoints::new(world.db.pool.clone());
        assert_eq!(store.list(0, 10).await.unwrap().len(), 1, "{sql}");
    }
}

#[tokio::test]
async fn a_booking_that_does_not_balance_is_not_signed() {
    let world = World::empty().await;
    let mut lame = posting("a", 500);
    let text = lame
        .payload
        .get()
        .replacen("500,\"currency\"", "499,\"currency\"", 1);
    lame.payload = serde_json::value::RawValue::from_string(text).unwrap();
    world.append(&StreamId::new("wallet", "a"), 0, lame).await;
    let why = refused(make_checkpoint(&world.db.pool, &world.key, now()).await);
    assert!(
        why.contains("event 1") && why.contains("UAH differ"),
        "{why}"
    );

    let world = World::empty().await;
    let odd = event(
        "TransactionPosted",
        r#"{"TransactionPosted":{"transaction":{"legs":"none"}}}"#,
    );
    world.append(&StreamId::new("journal", "j"), 0, odd).await;
    let why = refused(make_checkpoint(&world.db.pool, &world.key, now()).await);
    assert!(why.contains("cannot be read"), "{why}");
}

#[tokio::test]
async fn checkpoints_of_several_processes_form_one_line() {
    let world = World::empty().await;
    world.grow(5).await;
    let makers = (0..8).map(|_| async {
        for _ in 0..5 {
            match make_checkpoint(&world.db.pool, &world.key, now()).await {
                Ok(_) => {}
                // Too many others were first.
                Err(AuditFault::Transient(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    });
    let growing = async {
        for _ in 0..20 {
            world.grow(1).await;
        }
    };
    futures::join!(join_all(makers), growing);
    let store = PgCheckpoints::new(world.db.pool.clone());
    let all = store.list(0, 1_000).await.unwrap();
    assert!(all.len() > 1, "there was something to race for");
    let mut previous: Option<&SignedCheckpoint> = None;
    for signed in &all {
        let digest = previous.map(|previous| hex::encode(previous.digest()));
        assert_eq!(signed.checkpoint().previous, digest);
        previous = Some(signed);
    }
    assert_eq!(world.verify().await.verdict, Verdict::Intact);
}

#[tokio::test]
async fn a_new_key_reads_everything_again_and_goes_on() {
    let mut world = World::sealed().await;
    let old = world.key.public();
    world.key = key(2);
    world.grow(1).await;
    world.seal().await;
    let last = world.checkpoints.last().unwrap();
    assert!(last.is_signed_by(&key(2).public()) && !last.is_signed_by(&old));
    let both = VerifyOptions {
        keys: vec![old, key(2).public()],
        ..VerifyOptions::default()
    };
    assert_eq!(world.verify_with(both).await.verdict, Verdict::Intact);
    // Without the former key its checkpoints are anybody's.
    assert_eq!(world.verify().await.verdict, Verdict::Tampered);

    // What the old key's totals hide is found, since the new key does not stand on them.
    let mut world = World::sealed().await;
    world.tamper("UPDATE events SET payload = '{\"Posted\":{\"n\":9}}' WHERE position = 3; SELECT pg_temp.rechain(3)").await;
    world.key = key(2);
    world.grow(1).await;
    // The last checkpoint's event is another one now.
    let why = refused(make_checkpoint(&world.db.pool, &world.key, now()).await);
    assert!(why.contains("event 20 is not the one"), "{why}");
}

#[tokio::test]
async fn nobody_can_change_a_checkpoint() {
    let world = World::sealed().await;
    let mut owner = world.db.owner().await;
    for sql in [
        "UPDATE checkpoints SET body = '{}'",
        "DELETE FROM checkpoints",
        "TRUNCATE checkpoints",
    ] {
        assert!(
            sqlx::raw_sql(sql).execute(&world.db.pool).await.is_err(),
            "{sql}"
        );
        let by_owner = sqlx::raw_sql(sql).execute(&mut owner).await.unwrap_err();
        assert!(
            by_owner.to_string().contains("append-only"),
            "{sql}: {by_owner}"
        );
    }
    assert_eq!(world.verify().await.verdict, Verdict::Intact);
}
