//! Pressed buttons.

use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::telegram::faults::TelegramAction;

use crate::support::{World, button};

#[tokio::test(flavor = "multi_thread")]
async fn another_users_button_is_refused_and_does_nothing() {
    let world = World::new().await;
    let (olya, taras) = (world.shopper().await, world.shopper().await);
    world.say(olya, "/forget").await;
    let question = world.heard(olya, "Видалити ваші дані?").await;
    let stolen = button(&question, "Так, видалити назавжди");
    world.say(taras, "/language").await;
    let own = world.heard(taras, "Якою мовою").await;
    let press = world
        .telegram()
        .forge_press(taras, own.message_id, &stolen)
        .await
        .unwrap();
    assert_eq!(
        world
            .toast(&press.callback_query_id.unwrap())
            .await
            .as_deref(),
        Some("Ця кнопка не ваша.")
    );
    for forged in ["forget", "{\"do\":\"forget\",\"yes\":true}", "ї\u{1f4a3}"] {
        let press = world
            .telegram()
            .forge_press(taras, own.message_id, forged)
            .await
            .unwrap();
        let toast = world
            .toast(&press.callback_query_id.unwrap())
            .await
            .unwrap();
        assert!(toast.contains("застаріла"), "{toast}");
    }
    world.settled().await;
    assert_eq!(world.count("Forgotten").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_whose_query_is_too_old_still_counts() {
    let world = World::new().await;
    let olya = world.shopper().await;
    world.say(olya, "/language").await;
    let question = world.heard(olya, "Якою мовою").await;
    let description =
        "Bad Request: query is too old and response timeout expired or query ID is invalid"
            .to_owned();
    let old = TelegramAction::Error {
        code: 400,
        description,
    };
    world
        .telegram()
        .add_telegram_fault(Rule::on("answerCallbackQuery", old))
        .await
        .unwrap();
    world.press(olya, &question, "English").await;
    world.heard(olya, "English from now on").await;
    world.settled().await;
    assert_eq!(world.count("LanguageChosen").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_takes_a_confirmation_and_leaves_nobody_to_write_to() {
    let world = World::new().await;
    let olya = world.shopper().await;
    world.say(olya, "/forget").await;
    let question = world.heard(olya, "Видалити ваші дані?").await;
    world.press(olya, &question, "Ні, залишити").await;
    world.heard(olya, "усе лишається як є").await;
    // The question is over, so its other button is dead.
    let press = world.press(olya, &question, "Так, видалити назавжди").await;
    assert!(world.toast(&press).await.unwrap().contains("застаріла"));
    assert_eq!(world.count("Forgotten").await, 0);

    world.say(olya, "/forget").await;
    let last = crate::support::eventually("a second question of its own", async || {
        let said = world.said(olya).await;
        said.into_iter().rfind(|said| {
            said.text().contains("Видалити ваші дані?") && said.message_id > question.message_id
        })
    })
    .await;
    world.press(olya, &last, "Так, видалити назавжди").await;
    world.heard(olya, "видалено назавжди").await;
    assert_eq!(world.app.telegram_id(world.user(olya)).await.unwrap(), None);
    let kept: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM telegram_messages) + (SELECT count(*) FROM telegram_callbacks)
              + (SELECT count(*) FROM telegram_dialogues)",
    )
    .fetch_one(&world.db.pool)
    .await
    .unwrap();
    assert_eq!(kept, 0);
    world.say(olya, "агов").await;
    world.heard(olya, "продовжити з нього не можна").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reminders_are_switched_by_their_button() {
    let world = World::new().await;
    let olya = world.shopper().await;
    world.say(olya, "/notifications").await;
    let on = world.heard(olya, "Нагадування ввімкнено").await;
    world.press(olya, &on, "Вимкнути").await;
    world.heard(olya, "Нагадування вимкнено").await;
    assert!(
        world
            .app
            .user(world.user(olya))
            .await
            .unwrap()
            .notifications_off
    );
}
