//! Updates on their way in.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use kvit_bot::{BotConfig, Mode, webhook_router};
use kvit_commands::ports::messages::UpdateInbox as _;
use serde_json::json;
use tower::ServiceExt as _;

use crate::support::{World, config, eventually};

fn text_from(person: i64, id: i64, text: &str) -> serde_json::Value {
    json!({"update_id": id, "message": {"message_id": id, "date": 1_795_000_000, "text": text,
        "chat": {"id": person, "type": "private", "first_name": "Оля"},
        "from": {"id": person, "is_bot": false, "first_name": "Оля", "language_code": "uk"}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_telegram_repeats_is_handled_once() {
    let world = World::new().await;
    let olya = world.shopper().await;
    let first = world.say(olya, "/help").await.update_id.unwrap();
    world.heard(olya, "Як це працює").await;
    world.telegram().repeat_update(first).await.unwrap();
    world.say(olya, "/language").await;
    world.telegram().repeat_update(first).await.unwrap();
    world.heard(olya, "Якою мовою").await;
    world.settled().await;
    assert_eq!(world.answered(olya, 3).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_that_a_webhook_brings_out_of_order_are_all_handled_once() {
    let world = World::new().await;
    let olya = world.shopper().await;
    for (id, words) in [
        (90, "/one"),
        (70, "/two"),
        (90, "/one"),
        (80, "/three"),
        (70, "/two"),
    ] {
        let update = text_from(olya, id, words).to_string();
        assert_eq!(
            bring(&world, Some("s3cret_-"), update).await,
            StatusCode::OK
        );
    }
    for words in ["/one", "/two", "/three"] {
        world.heard(olya, words).await;
    }
    world.settled().await;
    assert_eq!(
        world.said(olya).await.len(),
        4,
        "one answer each, and the one to /cancel"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_quiet_week_ids_may_begin_anew_and_lower() {
    let world = World::new().await;
    let olya = world.shopper().await;
    let polls = async || world.telegram().telegram_state().await.unwrap().calls["getupdates"];
    let before = polls().await;
    eventually("some quiet polls", async || {
        (polls().await >= before + 2).then_some(())
    })
    .await;
    world
        .telegram()
        .push_update(&text_from(olya, 3, "/help"))
        .await
        .unwrap();
    world.heard(olya, "Як це працює").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_nobody_understands_does_not_stop_the_next_one() {
    let world = World::new().await;
    let olya = world.shopper().await;
    world
        .telegram()
        .push_update(&json!({"update_id": 5, "message": {"chat": {"id": olya}, "odd": true}}))
        .await
        .unwrap();
    world
        .telegram()
        .push_update(&json!({"update_id": 6, "brand_new_kind": {"x": 1}}))
        .await
        .unwrap();
    world.say(olya, "/help").await;
    world.heard(olya, "Як це працює").await;
    world.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_in_a_group_or_from_a_bot_is_not_answered() {
    let world = World::new().await;
    let olya = world.shopper().await;
    let said = world.said(olya).await.len();
    let message = |id: i64, chat: serde_json::Value, is_bot: bool| {
        json!({"update_id": id, "message": {"message_id": id, "date": 1_795_000_000, "text": "/help", "chat": chat,
            "from": {"id": olya, "is_bot": is_bot, "first_name": "Оля"}}})
    };
    let group = json!({"id": -100, "type": "group", "title": "Група"});
    let private = json!({"id": olya, "type": "private", "first_name": "Оля"});
    world
        .telegram()
        .push_update(&message(11, group, false))
        .await
        .unwrap();
    world
        .telegram()
        .push_update(&message(12, private, true))
        .await
        .unwrap();
    world.settled().await;
    let wishes: i64 =
        sqlx::query_scalar("SELECT count(*) FROM telegram_messages WHERE sent_version < version")
            .fetch_one(&world.db.pool)
            .await
            .unwrap();
    assert_eq!((wishes, world.said(olya).await.len()), (0, said));
}

async fn bring(world: &World, secret: Option<&str>, body: impl Into<Body>) -> StatusCode {
    let router = webhook_router(
        "/webhooks/telegram",
        "s3cret_-",
        Arc::clone(&world.inbox) as _,
    );
    let mut request =
        Request::post("/webhooks/telegram").header("content-type", "application/json");
    if let Some(secret) = secret {
        request = request.header("x-telegram-bot-api-secret-token", secret);
    }
    router
        .oneshot(request.body(body.into()).unwrap())
        .await
        .unwrap()
        .status()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_takes_what_carries_the_secret_and_nothing_else() {
    let world = World::asleep().await;
    let update = json!({"update_id": 1, "message": {"chat": {"id": 5}}}).to_string();
    for wrong in [None, Some(""), Some("s3cret"), Some("s3cret_-x")] {
        assert_eq!(
            bring(&world, wrong, update.clone()).await,
            StatusCode::UNAUTHORIZED
        );
    }
    let right = Some("s3cret_-");
    for bad in ["", "{", "[]", "{\"message\":{}}", "{\"update_id\":\"1\"}"] {
        assert_eq!(
            bring(&world, right, bad).await,
            StatusCode::BAD_REQUEST,
            "{bad}"
        );
    }
    assert_eq!(
        bring(&world, right, vec![b' '; 300 * 1024]).await,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let lease = std::time::Duration::from_secs(60);
    assert!(world.inbox.claim(10, lease).await.unwrap().is_empty());
    assert_eq!(bring(&world, right, update.clone()).await, StatusCode::OK);
    assert_eq!(
        bring(&world, right, update).await,
        StatusCode::OK,
        "a repeat is fine"
    );
    assert_eq!(world.inbox.claim(10, lease).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_the_webhook_asks_telegram_to_come_again() {
    let world = World::asleep().await;
    world.db.pool.close().await;
    let update = json!({"update_id": 1, "message": {"chat": {"id": 5}}}).to_string();
    assert_eq!(
        bring(&world, Some("s3cret_-"), update).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn by_webhook_the_bot_works_as_by_polling_and_a_stop_leaves_the_webhook_in_place() {
    let mut world = World::asleep().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url::Url::parse(&format!("http://{}/tg", listener.local_addr().unwrap())).unwrap();
    let router = webhook_router("/tg", "abc", Arc::clone(&world.inbox) as _);
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let config = BotConfig {
        mode: Mode::Webhook {
            url: url.clone(),
            secret: "abc".to_owned(),
        },
        ..config()
    };
    world.start(config.clone());
    world.bot(config).register_webhook().await.unwrap();
    let olya = world.person("uk").await;
    world.say(olya, "/start").await;
    world.heard(olya, "Вітаю!").await;
    world.stop().await;
    let state = world.telegram().telegram_state().await.unwrap();
    assert_eq!(state.webhook_url.as_deref(), Some(url.as_str()));
    server.abort();
    // Configured for polling again, the bot removes the left-over by itself.
    world.say(olya, "/start").await;
    world.start(crate::support::config());
    eventually("polling after a webhook", async || {
        (world.said(olya).await.len() >= 2).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_menu_of_commands_is_set_in_each_language_and_a_failure_does_not_matter() {
    use kvit_adapters::sandbox::faults::Rule;
    use kvit_adapters::sandbox::telegram::faults::TelegramAction;
    let mut world = World::asleep().await;
    let away = TelegramAction::DropBefore;
    world
        .telegram()
        .add_telegram_fault(Rule::on("setMyCommands", away))
        .await
        .unwrap();
    world.start(config());
    let menus = eventually("menus", async || {
        let state = world.telegram().telegram_state().await.unwrap();
        (state.commands.len() == 4).then_some(state.commands)
    })
    .await;
    let ukrainian = menus
        .iter()
        .find(|(name, _)| name.contains("uk"))
        .unwrap()
        .1
        .to_string();
    assert!(
        ukrainian.contains("change_phone") && ukrainian.contains("змінити номер"),
        "{ukrainian}"
    );
}
