//! Messages on their way out, on Telegram's bad days.

use std::time::{Duration, Instant};

use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::telegram::faults::TelegramAction;
use kvit_commands::ports::messages::{MessageBoard as _, MessageContent};

use crate::support::{World, eventually};

fn text(html: &str) -> MessageContent {
    MessageContent {
        html: html.to_owned(),
        ..MessageContent::default()
    }
}

async fn wish(world: &World, person: i64, slot: &str, html: &str) {
    world
        .board
        .set(slot, world.user(person), text(html), 0)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_wait_during_a_fan_out_the_bot_waits_and_everybody_gets_one_message() {
    let mut world = World::asleep().await;
    let mut people = Vec::new();
    for _ in 0..12 {
        people.push(world.shopper().await);
    }
    let wait = TelegramAction::TooManyRequests { retry_after: 2 };
    world
        .telegram()
        .add_telegram_fault(Rule::on("sendMessage", wait).after(3).times(2))
        .await
        .unwrap();
    for person in &people {
        wish(&world, *person, &format!("notice:{person}"), "Новина").await;
    }
    let started = Instant::now();
    world.start(crate::support::config());
    for person in &people {
        world.heard(*person, "Новина").await;
    }
    assert!(
        started.elapsed() >= Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
    for person in &people {
        assert_eq!(
            world
                .said(*person)
                .await
                .iter()
                .filter(|said| said.text() == "Новина")
                .count(),
            1
        );
    }
}

/// Also F59.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_whose_answer_was_lost_is_repeated_without_harm() {
    let world = World::new().await;
    let olya = world.shopper().await;
    wish(&world, olya, "receipt:x", "перше").await;
    world.heard(olya, "перше").await;
    // Processed, but the connection breaks: the repeat meets "message is not modified".
    world
        .telegram()
        .add_telegram_fault(Rule::on("editMessageText", TelegramAction::DropAfter))
        .await
        .unwrap();
    wish(&world, olya, "receipt:x", "друге").await;
    eventually("the edit is noted", async || {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM telegram_messages WHERE sent_version < version",
        )
        .fetch_one(&world.db.pool)
        .await
        .unwrap();
        (waiting == 0).then_some(())
    })
    .await;
    let said = world.said(olya).await;
    let last = said.last().unwrap();
    assert_eq!((said.len(), last.text()), (2, "друге"));
    assert_eq!(last.versions.len(), 2, "one edit is seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_person_deleted_is_sent_anew() {
    let world = World::new().await;
    let olya = world.shopper().await;
    wish(&world, olya, "receipt:x", "перше").await;
    world.heard(olya, "перше").await;
    let description = "Bad Request: message to edit not found".to_owned();
    let gone = TelegramAction::Error {
        code: 400,
        description,
    };
    world
        .telegram()
        .add_telegram_fault(Rule::on("editMessageText", gone))
        .await
        .unwrap();
    wish(&world, olya, "receipt:x", "друге").await;
    world.heard(olya, "друге").await;
    assert_eq!(world.said(olya).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_blocks_the_bot_is_marked_and_skipped_until_they_are_back() {
    let world = World::new().await;
    let (olya, taras) = (world.shopper().await, world.shopper().await);
    world.telegram().block_bot(olya, true).await.unwrap();
    eventually("marked", async || {
        world
            .app
            .user(world.user(olya))
            .await
            .unwrap()
            .blocked_bot
            .then_some(())
    })
    .await;
    wish(&world, olya, "receipt:o", "виплачено").await;
    wish(&world, taras, "receipt:t", "виплачено").await;
    world.heard(taras, "виплачено").await;
    let calls = |state: kvit_adapters::sandbox::telegram::TelegramView| {
        state.calls.get("sendmessage").copied()
    };
    let before = calls(world.telegram().telegram_state().await.unwrap());
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(
        calls(world.telegram().telegram_state().await.unwrap()),
        before,
        "nothing is tried meanwhile"
    );
    world.telegram().block_bot(olya, false).await.unwrap();
    world.heard(olya, "виплачено").await;
    assert!(!world.app.user(world.user(olya)).await.unwrap().blocked_bot);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_is_learned_from_a_refused_message_counts_too() {
    let world = World::new().await;
    let olya = world.shopper().await;
    let description = "Forbidden: bot was blocked by the user".to_owned();
    let blocked = TelegramAction::Error {
        code: 403,
        description,
    };
    world
        .telegram()
        .add_telegram_fault(Rule::on("sendMessage", blocked))
        .await
        .unwrap();
    wish(&world, olya, "receipt:o", "виплачено").await;
    eventually("marked", async || {
        world
            .app
            .user(world.user(olya))
            .await
            .unwrap()
            .blocked_bot
            .then_some(())
    })
    .await;
    world.say(olya, "/help").await;
    world.heard(olya, "Як це працює").await;
    world.heard(olya, "виплачено").await;
    assert_eq!(
        (
            world.count("BlockedBot").await,
            world.count("Returned").await
        ),
        (1, 1)
    );
}
