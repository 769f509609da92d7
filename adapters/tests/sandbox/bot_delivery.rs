//! How updates reach a bot.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use kvit_adapters::sandbox::faults::Faults;
use kvit_adapters::sandbox::telegram::faults::TelegramChance;
use serde_json::{Value, json};

use crate::common::{Bot, acquainted, person, sandbox};

#[tokio::test]
async fn an_update_comes_again_until_its_offset_confirms_it() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = person(control, "Olena").await.id;
    let first = control
        .send_text(id, "one")
        .await
        .unwrap()
        .update_id
        .unwrap();
    let second = control
        .send_text(id, "two")
        .await
        .unwrap()
        .update_id
        .unwrap();
    assert_eq!(second, first + 1);
    let ids = |updates: Vec<Value>| {
        updates
            .iter()
            .map(|update| update["update_id"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(bot.updates(0).await), [first, second]);
    assert_eq!(ids(bot.updates(first).await), [first, second]);
    assert_eq!(
        ids(bot
            .ok("getUpdates", json!({"limit": 1}))
            .await
            .as_array()
            .unwrap()
            .clone()),
        [first]
    );
    assert_eq!(ids(bot.updates(second).await), [second]);
    assert_eq!(
        ids(bot.updates(0).await),
        [second],
        "the first is confirmed for good"
    );
    assert_eq!(ids(bot.updates(second + 1).await), [0_i64; 0]);
}

#[tokio::test]
async fn a_negative_offset_forgets_all_but_the_last() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = person(control, "Olena").await.id;
    for text in ["one", "two", "three"] {
        control.send_text(id, text).await.unwrap();
    }
    let left = bot.updates(-1).await;
    assert_eq!(
        (left.len(), &left[0]["message"]["text"]),
        (1, &json!("three"))
    );
    assert_eq!(bot.updates(0).await.len(), 1);
}

#[tokio::test]
async fn a_long_poll_answers_as_soon_as_there_is_something_and_empty_at_its_end() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = person(control, "Olena").await.id;
    let started = Instant::now();
    let poll = bot.ok("getUpdates", json!({"timeout": 20}));
    let write = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        control.send_text(id, "hello").await.unwrap()
    };
    let (updates, sent) = tokio::join!(poll, write);
    assert_eq!(updates[0]["update_id"].as_i64(), sent.update_id);
    assert!(started.elapsed() < Duration::from_secs(5));
    let next = sent.update_id.unwrap() + 1;
    assert_eq!(
        bot.ok("getUpdates", json!({"offset": next, "timeout": 1}))
            .await,
        json!([])
    );
}

#[tokio::test]
async fn a_second_long_poll_ends_the_first_with_409() {
    let sandbox = sandbox().await;
    let bot = Bot::of(&sandbox);
    let first = bot.error("getUpdates", json!({"timeout": 20}));
    let second = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        bot.ok("getUpdates", json!({})).await
    };
    let ((code, why), _) = tokio::join!(first, second);
    assert!(
        code == 409 && why.starts_with("Conflict: terminated by other getUpdates request"),
        "{why}"
    );
}

#[tokio::test]
async fn polling_is_refused_while_a_webhook_is_set() {
    let sandbox = sandbox().await;
    let bot = Bot::of(&sandbox);
    bot.ok(
        "setWebhook",
        json!({"url": "http://127.0.0.1:1/hook", "secret_token": "s"}),
    )
    .await;
    let (code, why) = bot.error("getUpdates", json!({})).await;
    assert!(
        code == 409 && why.contains("can't use getUpdates method while webhook is active"),
        "{why}"
    );
    assert_eq!(
        bot.ok("getWebhookInfo", json!({})).await["url"],
        "http://127.0.0.1:1/hook"
    );
    bot.ok("deleteWebhook", json!({})).await;
    assert_eq!(bot.ok("getWebhookInfo", json!({})).await["url"], "");
    bot.ok("getUpdates", json!({})).await;
}

#[tokio::test]
async fn a_bad_webhook_is_refused() {
    let sandbox = sandbox().await;
    let bot = Bot::of(&sandbox);
    for (call, words) in [
        (
            json!({"url": "http://bot.example/hook"}),
            "An HTTPS URL must be provided",
        ),
        (
            json!({"url": "https://bot.example/hook", "secret_token": "no spaces"}),
            "unallowed characters",
        ),
        (
            json!({"url": "https://bot.example/hook", "max_connections": 101}),
            "max_connections",
        ),
    ] {
        assert!(bot.error("setWebhook", call).await.1.contains(words));
    }
}

#[derive(Clone, Default)]
struct Hook {
    /// Answers for the coming deliveries; when it is empty, 200.
    answers: Arc<Mutex<Vec<u16>>>,
    seen: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Hook {
    async fn start(self) -> String {
        async fn take(State(hook): State<Hook>, headers: HeaderMap, body: String) -> StatusCode {
            let secret = headers
                .get("x-telegram-bot-api-secret-token")
                .map(|value| value.to_str().unwrap().to_owned());
            hook.seen.lock().unwrap().push((
                secret.unwrap_or_default(),
                serde_json::from_str(&body).unwrap(),
            ));
            StatusCode::from_u16(hook.answers.lock().unwrap().pop().unwrap_or(200)).unwrap()
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move {
            axum::serve(
                listener,
                Router::new().route("/hook", post(take)).with_state(self),
            )
            .await
        });
        url
    }

    async fn texts(&self, count: usize) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let texts: Vec<String> = self
                .seen
                .lock()
                .unwrap()
                .iter()
                .map(|(_, update)| update["message"]["text"].as_str().unwrap_or("?").to_owned())
                .collect();
            if texts.len() >= count || Instant::now() > deadline {
                return texts;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn the_webhook_gets_updates_in_order_with_the_secret_and_a_failed_one_again() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = person(control, "Olena").await.id;
    control.send_text(id, "before").await.unwrap();
    let hook = Hook {
        answers: Arc::new(Mutex::new(vec![500, 401])),
        ..Hook::default()
    };
    let url = hook.clone().start().await;
    bot.ok(
        "setWebhook",
        json!({"url": url, "secret_token": "s3cret_-"}),
    )
    .await;
    control.send_text(id, "after").await.unwrap();
    assert_eq!(hook.texts(4).await, ["before", "before", "before", "after"]);
    assert!(
        hook.seen
            .lock()
            .unwrap()
            .iter()
            .all(|(secret, _)| secret == "s3cret_-")
    );
    let deadline = Instant::now() + Duration::from_secs(5);
    while !control
        .telegram_state()
        .await
        .unwrap()
        .pending_updates
        .is_empty()
    {
        assert!(Instant::now() < deadline, "delivered updates are confirmed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(
        bot.ok("getWebhookInfo", json!({})).await["last_error_message"]
            .as_str()
            .unwrap()
            .contains("500")
    );
}

#[tokio::test]
async fn a_new_webhook_can_drop_what_is_pending() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = person(control, "Olena").await.id;
    control.send_text(id, "old").await.unwrap();
    let hook = Hook::default();
    let url = hook.clone().start().await;
    bot.ok(
        "setWebhook",
        json!({"url": url, "drop_pending_updates": true}),
    )
    .await;
    control.send_text(id, "new").await.unwrap();
    assert_eq!(hook.texts(1).await, ["new"]);
}

#[tokio::test]
async fn only_the_wanted_kinds_of_update_are_queued() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = acquainted(control, &bot, "Olena").await.id;
    bot.ok("getUpdates", json!({"allowed_updates": ["message"]}))
        .await;
    control.block_bot(id, true).await.unwrap();
    control.send_text(id, "still here").await.unwrap();
    let updates = bot.updates(0).await;
    assert!(
        updates
            .iter()
            .any(|update| update["message"]["text"] == "still here")
    );
    assert!(
        updates
            .iter()
            .all(|update| update["my_chat_member"].is_null())
    );
}

#[tokio::test]
async fn a_confirmed_update_can_come_once_more_on_order_or_by_chance() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = person(control, "Olena").await.id;
    let update_id = control
        .send_text(id, "once")
        .await
        .unwrap()
        .update_id
        .unwrap();
    bot.updates(update_id + 1).await;
    control.repeat_update(update_id).await.unwrap();
    assert_eq!(
        bot.updates(update_id + 1).await[0]["update_id"],
        json!(update_id)
    );
    assert!(
        bot.updates(update_id + 1).await.is_empty(),
        "once more, not for ever"
    );
    let chance = TelegramChance {
        duplicate_update: 1000,
        ..TelegramChance::default()
    };
    control
        .add_telegram_faults(&Faults {
            rules: Vec::new(),
            chance: Some(chance),
        })
        .await
        .unwrap();
    let second = control
        .send_text(id, "twice")
        .await
        .unwrap()
        .update_id
        .unwrap();
    assert_eq!(bot.updates(second).await.len(), 1);
    assert_eq!(
        bot.updates(second + 1).await[0]["update_id"],
        json!(second),
        "confirmed, yet again"
    );
}

#[tokio::test]
async fn an_update_of_any_shape_and_id_can_be_pushed() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let next = control
        .push_update(&json!({"something_new": {"a": 1}}))
        .await
        .unwrap();
    let jumped = control
        .push_update(&json!({"update_id": next + 5000, "message": "not an object"}))
        .await
        .unwrap();
    let updates = bot.updates(0).await;
    assert_eq!(
        (&updates[0]["something_new"]["a"], &updates[1]["update_id"]),
        (&json!(1), &json!(jumped))
    );
    assert!(control.push_update(&json!([1])).await.is_err());
}
