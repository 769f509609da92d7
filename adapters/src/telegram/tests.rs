//! Inbox, board, buttons and dialogues against a real Postgres.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kvit_commands::ports::messages::{
    CallbackTokens as _, DueMessage, MessageBoard as _, MessageContent, NewUpdate, Redeemed,
    UpdateInbox as _,
};
use kvit_domain::ids::UserId;
use kvit_testkit::{TestDb, pg};
use teloxide::dispatching::dialogue::Storage as _;
use teloxide::types::ChatId;

use super::*;
use crate::vault::{MasterKeys, PgVault};

const LEASE: Duration = Duration::from_secs(60);

async fn inbox(db: &TestDb) -> PgUpdateInbox {
    let masters = MasterKeys::try_new(&[7; 32]).unwrap();
    let vault = PgVault::open_with(db.pool.clone(), masters).await.unwrap();
    PgUpdateInbox::new(db.pool.clone(), Arc::new(vault))
}

fn update(update_id: i64, chat: i64) -> NewUpdate {
    NewUpdate {
        update_id,
        order_key: chat,
        payload: format!("{{\"update_id\":{update_id}}}"),
    }
}

async fn claimed(inbox: &PgUpdateInbox) -> Vec<i64> {
    inbox
        .claim(10, LEASE)
        .await
        .unwrap()
        .iter()
        .map(|update| update.update_id)
        .collect()
}

#[tokio::test]
async fn an_update_that_comes_again_is_no_new_update_even_after_it_was_handled() {
    let db = pg().await;
    let inbox = inbox(&db).await;
    assert_eq!(
        inbox
            .store(&[update(7, 1), update(7, 1), update(8, 2)])
            .await
            .unwrap(),
        2
    );
    assert_eq!(claimed(&inbox).await, [7, 8]);
    inbox.done(7).await.unwrap();
    assert_eq!(inbox.store(&[update(7, 1)]).await.unwrap(), 0);
    assert!(claimed(&inbox).await.is_empty());
    // After a quiet week Telegram's ids start anew, perhaps lower: an unknown id is new.
    assert_eq!(inbox.store(&[update(3, 1)]).await.unwrap(), 1);
    assert_eq!(claimed(&inbox).await, [3]);
}

#[tokio::test]
async fn updates_of_a_chat_wait_for_each_other_and_for_nobody_else() {
    let db = pg().await;
    let inbox = inbox(&db).await;
    // Stored out of order.
    inbox
        .store(&[update(12, 1), update(20, 2), update(11, 1)])
        .await
        .unwrap();
    assert_eq!(claimed(&inbox).await, [11, 20]);
    assert!(claimed(&inbox).await.is_empty());
    // An earlier one that arrives late does not run beside the one that is under way.
    inbox.store(&[update(10, 1)]).await.unwrap();
    assert!(claimed(&inbox).await.is_empty());
    inbox.done(11).await.unwrap();
    assert_eq!(claimed(&inbox).await, [10]);
    inbox.put_back(10, LEASE).await.unwrap();
    assert!(
        claimed(&inbox).await.is_empty(),
        "12 overtook 10, which is only put back"
    );
    inbox.put_back(10, Duration::ZERO).await.unwrap();
    assert_eq!(claimed(&inbox).await, [10]);
    inbox.done(10).await.unwrap();
    assert_eq!(claimed(&inbox).await, [12]);
}

#[tokio::test]
async fn an_update_whose_handler_died_is_handled_again_after_its_lease() {
    let db = pg().await;
    let before = inbox(&db).await;
    before.store(&[update(1, 1)]).await.unwrap();
    assert_eq!(
        before.claim(10, Duration::from_millis(50)).await.unwrap()[0].attempt,
        1
    );
    let after = inbox(&db).await;
    let again = until(async || after.claim(10, LEASE).await.unwrap().pop()).await;
    assert_eq!((again.update_id, again.attempt), (1, 2));
}

#[tokio::test]
async fn a_handled_update_leaves_nothing_but_its_id_and_that_not_for_ever() {
    let db = pg().await;
    let inbox = inbox(&db).await;
    inbox.store(&[update(1, 4_242)]).await.unwrap();
    claimed(&inbox).await;
    inbox.done(1).await.unwrap();
    let row: String = sqlx::query_scalar("SELECT u::text FROM telegram_updates u")
        .fetch_one(&db.pool)
        .await
        .unwrap();
    assert!(!row.contains("4242") && !row.contains("update_id"), "{row}");
    assert_eq!(inbox.prune(Duration::from_secs(3_600)).await.unwrap(), 0);
    sqlx::query("UPDATE telegram_updates SET handled_at = now() - interval '2 hours'")
        .execute(&db.pool)
        .await
        .unwrap();
    assert_eq!(inbox.prune(Duration::from_secs(3_600)).await.unwrap(), 1);
}

/// All rows as the database would dump them.
async fn dumped(db: &TestDb) -> String {
    sqlx::query_scalar("SELECT string_agg(u::text, ' ') FROM telegram_updates u")
        .fetch_one(&db.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_people_send_rests_sealed_and_comes_out_as_it_was() {
    let db = pg().await;
    let inbox = inbox(&db).await;
    let payload = r#"{"phone_number":"+380671234567","first_name":"Olya","text":"мій чек"}"#;
    let sent = NewUpdate {
        payload: payload.to_owned(),
        ..update(1, 1)
    };
    inbox.store(&[sent]).await.unwrap();
    // Bytes are dumped as hexadecimal digits.
    for secret in ["380671234567", "Olya", "мій чек", "phone_number"] {
        let row = dumped(&db).await;
        let hidden = hex::encode(secret);
        assert!(!row.contains(secret) && !row.contains(&hidden), "{row}");
    }
    let claimed = inbox.claim(10, LEASE).await.unwrap();
    assert_eq!(claimed[0].payload, payload);
}

#[tokio::test]
async fn an_update_that_the_last_release_stored_in_the_clear_is_handled_too() {
    let db = pg().await;
    let inbox = inbox(&db).await;
    sqlx::query(
        "INSERT INTO telegram_updates (update_id, order_key, payload) VALUES (1, 5, 'old')",
    )
    .execute(&db.pool)
    .await
    .unwrap();
    inbox.store(&[update(2, 5)]).await.unwrap();
    let first = inbox.claim(10, LEASE).await.unwrap();
    assert_eq!(
        (first.len(), first[0].update_id, first[0].payload.as_str()),
        (1, 1, "old")
    );
    inbox.done(1).await.unwrap();
    assert_eq!(claimed(&inbox).await, [2]);
    inbox.done(2).await.unwrap();
    let row = dumped(&db).await;
    assert!(!row.contains("old") && !row.contains("\\x"), "{row}");
}

#[tokio::test]
async fn an_update_moved_to_another_row_does_not_open_and_holds_up_nobody() {
    let db = pg().await;
    let inbox = inbox(&db).await;
    inbox.store(&[update(1, 1), update(2, 2)]).await.unwrap();
    sqlx::query(
        "UPDATE telegram_updates u SET sealed = o.sealed FROM telegram_updates o
         WHERE u.update_id = 1 AND o.update_id = 2",
    )
    .execute(&db.pool)
    .await
    .unwrap();
    let claimed = inbox.claim(10, LEASE).await.unwrap();
    let payloads: Vec<&str> = claimed
        .iter()
        .map(|update| update.payload.as_str())
        .collect();
    assert_eq!(payloads, ["", "{\"update_id\":2}"]);
}

fn person(n: u32) -> UserId {
    UserId::derived("user", &n.to_string())
}

fn text(html: &str) -> MessageContent {
    MessageContent {
        html: html.to_owned(),
        ..MessageContent::default()
    }
}

/// Waits for the next due messages; the limits of speed make them late.
async fn due(board: &PgMessageBoard) -> Vec<DueMessage> {
    until(async || Some(board.claim(10, LEASE).await.unwrap()).filter(|due| !due.is_empty())).await
}

async fn until<T>(mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = found().await {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "not in time");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn only_the_last_of_several_wishes_is_sent_and_the_next_one_edits() {
    let db = pg().await;
    let board = PgMessageBoard::new(db.pool.clone());
    for html in ["one", "two", "three"] {
        assert!(
            board
                .set("receipt:1", person(1), text(html), 0)
                .await
                .unwrap()
        );
    }
    let first = due(&board).await.remove(0);
    assert_eq!(
        (first.content.html.as_str(), first.message_id),
        ("three", None)
    );
    // A new wish while the old one is on its way is not lost.
    board
        .set("receipt:1", person(1), text("four"), 0)
        .await
        .unwrap();
    board
        .delivered("receipt:1", first.version, 99)
        .await
        .unwrap();
    let second = due(&board).await.remove(0);
    assert_eq!(
        (second.content.html.as_str(), second.message_id),
        ("four", Some(99))
    );
    board
        .delivered("receipt:1", second.version, 99)
        .await
        .unwrap();
    assert!(
        !board
            .set("receipt:1", person(1), text("four"), 0)
            .await
            .unwrap(),
        "the same wish is no wish"
    );
    let kept: Option<i64> = sqlx::query_scalar("SELECT count(content) FROM telegram_messages")
        .fetch_one(&db.pool)
        .await
        .unwrap();
    assert_eq!(kept, Some(0), "a delivered text stays nowhere");
}

#[tokio::test]
async fn an_older_wish_does_not_bring_an_old_text_back_and_a_slot_stays_its_owners() {
    let db = pg().await;
    let board = PgMessageBoard::new(db.pool.clone());
    board
        .set("receipt:1", person(1), text("paid"), 20)
        .await
        .unwrap();
    assert!(
        !board
            .set("receipt:1", person(1), text("reading"), 0)
            .await
            .unwrap()
    );
    assert!(
        !board
            .set("receipt:1", person(2), text("mine now"), 30)
            .await
            .unwrap()
    );
    // The same text at a later time counts as later.
    assert!(
        !board
            .set("receipt:1", person(1), text("paid"), 25)
            .await
            .unwrap()
    );
    assert!(
        !board
            .set("receipt:1", person(1), text("sending"), 22)
            .await
            .unwrap()
    );
    assert_eq!(due(&board).await[0].content.html, "paid");
}

#[tokio::test]
async fn a_person_gets_one_message_a_second_and_everybody_together_thirty() {
    let db = pg().await;
    let board = PgMessageBoard::new(db.pool.clone());
    for n in 0..60 {
        board
            .set(&format!("reply:{n}:a"), person(n), text("a"), 0)
            .await
            .unwrap();
        board
            .set(&format!("reply:{n}:b"), person(n), text("b"), 0)
            .await
            .unwrap();
    }
    let started = Instant::now();
    let mut sent = Vec::new();
    while started.elapsed() < Duration::from_millis(900) {
        sent.extend(board.claim(10, LEASE).await.unwrap());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let people: BTreeSet<UserId> = sent.iter().map(|message| message.user).collect();
    assert_eq!(people.len(), sent.len(), "somebody got two within a second");
    assert!((10..=40).contains(&sent.len()), "{} in 0.9 s", sent.len());
    assert!(
        sent.iter().all(|message| message.content.html == "a"),
        "first come, first served"
    );
}

#[tokio::test]
async fn while_telegram_asks_to_wait_nothing_is_sent_by_anybody() {
    let db = pg().await;
    let board = PgMessageBoard::new(db.pool.clone());
    board.set("a", person(1), text("a"), 0).await.unwrap();
    board.freeze(Duration::from_millis(300)).await.unwrap();
    board.freeze(Duration::ZERO).await.unwrap();
    let other = PgMessageBoard::new(db.pool.clone());
    let started = Instant::now();
    assert_eq!(due(&other).await.len(), 1);
    assert!(
        started.elapsed() >= Duration::from_millis(250),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn who_blocked_the_bot_is_left_alone_until_they_are_back_and_loses_nothing() {
    let db = pg().await;
    let board = PgMessageBoard::new(db.pool.clone());
    board.set("a", person(1), text("a"), 0).await.unwrap();
    let message = due(&board).await.remove(0);
    board.park(person(1)).await.unwrap();
    board.postpone(&message.slot, Duration::ZERO).await.unwrap();
    board.set("b", person(2), text("b"), 0).await.unwrap();
    assert_eq!(due(&board).await[0].user, person(2));
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert!(board.claim(10, LEASE).await.unwrap().is_empty());
    board.unpark(person(1)).await.unwrap();
    assert_eq!(due(&board).await[0].content.html, "a");
}

#[tokio::test]
async fn a_message_that_is_gone_is_sent_anew_and_one_that_cannot_be_sent_is_given_up() {
    let db = pg().await;
    let board = PgMessageBoard::new(db.pool.clone());
    board.set("a", person(1), text("one"), 0).await.unwrap();
    let first = due(&board).await.remove(0);
    board.delivered("a", first.version, 5).await.unwrap();
    board.set("a", person(1), text("two"), 0).await.unwrap();
    assert_eq!(due(&board).await[0].message_id, Some(5));
    board.vanished("a").await.unwrap();
    let anew = due(&board).await.remove(0);
    assert_eq!((anew.message_id, anew.content.html.as_str()), (None, "two"));
    board.give_up("a", anew.version).await.unwrap();
    board.set("b", person(2), text("b"), 0).await.unwrap();
    assert_eq!(due(&board).await[0].slot, "b");
}

#[tokio::test]
async fn a_button_works_for_its_owner_only_and_not_for_ever() {
    let db = pg().await;
    let tokens = PgCallbackTokens::new(db.pool.clone());
    let hour = Duration::from_secs(3_600);
    let token = tokens.issue(person(1), "details", hour).await.unwrap();
    assert!(token.len() <= 64);
    assert_eq!(
        tokens.issue(person(1), "details", hour).await.unwrap(),
        token,
        "drawn again, it is the same button"
    );
    assert_ne!(
        tokens.issue(person(2), "details", hour).await.unwrap(),
        token
    );
    assert_eq!(
        tokens.redeem(&token, person(1)).await.unwrap(),
        Redeemed::Action("details".to_owned())
    );
    assert_eq!(
        tokens.redeem(&token, person(2)).await.unwrap(),
        Redeemed::Foreign
    );
    for forged in ["", "details", "\0", &"x".repeat(65)] {
        assert_eq!(
            tokens.redeem(forged, person(1)).await.unwrap(),
            Redeemed::Unknown
        );
    }
    let short = tokens
        .issue(person(1), "appeal", Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(
        tokens.redeem(&short, person(1)).await.unwrap(),
        Redeemed::Unknown
    );
    assert_eq!(tokens.prune().await.unwrap(), 1);
}

#[tokio::test]
async fn a_dialogue_survives_a_restart_ends_after_its_time_and_hides_whose_it_is() {
    let db = pg().await;
    let store = || {
        PgDialogues::<String>::new(db.pool.clone(), |id| {
            UserId::derived("secret", &id.to_string())
        })
    };
    let chat = ChatId(4_242_424);
    Arc::new(store())
        .update_dialogue(chat, "asked".to_owned())
        .await
        .unwrap();
    assert_eq!(
        Arc::new(store())
            .get_dialogue(chat)
            .await
            .unwrap()
            .as_deref(),
        Some("asked")
    );
    assert_eq!(
        Arc::new(store()).get_dialogue(ChatId(1)).await.unwrap(),
        None
    );
    let row: String = sqlx::query_scalar("SELECT d::text FROM telegram_dialogues d")
        .fetch_one(&db.pool)
        .await
        .unwrap();
    assert!(!row.contains("4242424"), "{row}");
    // A later program whose states look different starts over instead of failing.
    let other = PgDialogues::<u32>::new(db.pool.clone(), |id| {
        UserId::derived("secret", &id.to_string())
    });
    assert_eq!(Arc::new(other).get_dialogue(chat).await.unwrap(), None);
    Arc::new(store().with_expiry(Duration::ZERO))
        .update_dialogue(chat, "asked".to_owned())
        .await
        .unwrap();
    assert_eq!(Arc::new(store()).get_dialogue(chat).await.unwrap(), None);
    Arc::new(store()).remove_dialogue(chat).await.unwrap();
    Arc::new(store()).remove_dialogue(chat).await.unwrap();
}
