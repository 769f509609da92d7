//! Who is answered, and what the unexpected is answered with.

use std::collections::BTreeSet;

use kvit_bot::{Access, BotConfig};
use kvit_commands::context::Context;

use crate::support::{World, config};

#[tokio::test(flavor = "multi_thread")]
async fn unknown_commands_texts_and_stickers_get_a_helpful_answer() {
    let world = World::new().await;
    let olya = world.shopper().await;
    world.say(olya, "/abracadabra <b>").await;
    world.heard(olya, "Не знаю команди /abracadabra").await;
    world.say(olya, "добрий день").await;
    world.heard(olya, "Я розумію фото чеків і команди").await;
    let sticker = serde_json::json!({"update_id": 50, "message": {"message_id": 5_000, "date": 1_795_000_000,
        "chat": {"id": olya, "type": "private", "first_name": "Оля"},
        "from": {"id": olya, "is_bot": false, "first_name": "Оля"},
        "location": {"latitude": 50.4, "longitude": 30.5}}});
    world.telegram().push_update(&sticker).await.unwrap();
    world
        .heard(olya, "З таким повідомленням я нічого не вдію")
        .await;
    world.say(olya, "/report").await;
    world.heard(olya, "Не знаю команди /report").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_banned_person_gets_one_message_and_then_silence() {
    let world = World::new().await;
    let olya = world.shopper().await;
    world
        .app
        .ban(
            world.user(olya),
            "spam".into(),
            &Context::new("admin:1", "ban", "test"),
        )
        .await
        .unwrap();
    world.say(olya, "/help").await;
    world.heard(olya, "заблоковано за порушення").await;
    for text in ["/start", "чому?", "/balance"] {
        world.say(olya, text).await;
    }
    world.settled().await;
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert_eq!(
        world.said(olya).await.len(),
        2,
        "the answer to /cancel, and one about the ban"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_bot_ignores_strangers_without_a_word_or_a_trace() {
    let mut world = World::asleep().await;
    let (friend, stranger) = (world.person("uk").await, world.person("uk").await);
    world.start(BotConfig {
        access: Access::Private(BTreeSet::from([friend])),
        ..config()
    });
    world.say(stranger, "/start").await;
    world.say(friend, "/start").await;
    world.heard(friend, "Вітаю!").await;
    world.settled().await;
    assert!(world.said(stranger).await.is_empty());
    assert_eq!(world.count("Registered").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_ours_is_owned_up_to_with_a_code_and_the_bot_goes_on() {
    let world = World::new().await;
    let olya = world.shopper().await;
    // The read models were never built here... and then their table is broken: a fault that trying again does not mend.
    let mut owner = world.db.owner().await;
    sqlx::raw_sql("DROP TABLE projection_builds CASCADE")
        .execute(&mut owner)
        .await
        .unwrap();
    world.say(olya, "/balance").await;
    let owned = world.heard(olya, "помилка на нашому боці").await;
    let code = owned
        .text()
        .rsplit("код ")
        .next()
        .unwrap()
        .trim_end_matches('.');
    assert!(
        code.len() == 8 && code.bytes().all(|b| b.is_ascii_hexdigit()),
        "{}",
        owned.text()
    );
    world.say(olya, "/help").await;
    world.heard(olya, "Як це працює").await;
}
