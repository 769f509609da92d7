//! What people do and what they may expect of a bot.

use kvit_adapters::sandbox::client::ContactOf;
use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::telegram::faults::TelegramAction;
use serde_json::{Value, json};

use crate::common::{Bot, TOKEN, acquainted, person, sandbox};

#[tokio::test]
async fn the_bot_may_write_only_to_people_who_wrote_first_and_have_not_blocked_it() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = person(control, "Olena").await.id;
    let message = json!({"chat_id": id, "text": "x"});
    assert_eq!(
        bot.error("sendMessage", json!({"chat_id": 1, "text": "x"}))
            .await,
        (400, "Bad Request: chat not found".into())
    );
    assert_eq!(bot.error("sendMessage", message.clone()).await.0, 403);
    control.send_text(id, "hi").await.unwrap();
    bot.ok("sendMessage", message.clone()).await;
    control.block_bot(id, true).await.unwrap();
    assert_eq!(
        bot.error("sendMessage", message.clone()).await,
        (403, "Forbidden: bot was blocked by the user".into())
    );
    control.send_text(id, "back").await.unwrap();
    bot.ok("sendMessage", message).await;
    let kinds: Vec<String> = bot
        .updates(0)
        .await
        .iter()
        .map(|u| {
            u.as_object()
                .unwrap()
                .keys()
                .find(|k| *k != "update_id")
                .unwrap()
                .clone()
        })
        .collect();
    assert_eq!(
        kinds,
        ["message", "my_chat_member", "my_chat_member", "message"]
    );
}

#[tokio::test]
async fn a_press_reaches_the_bot_and_its_answer_reaches_the_person() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = acquainted(control, &bot, "Olena").await.id;
    let keyboard = json!({"inline_keyboard": [[{"text": "Accept", "callback_data": "terms:1"}]]});
    let sent = bot
        .ok(
            "sendMessage",
            json!({"chat_id": id, "text": "Terms", "reply_markup": keyboard}),
        )
        .await;
    let message_id = sent["message_id"].as_i64().unwrap();
    assert!(
        control.press(id, message_id, "terms:2").await.is_err(),
        "no such button"
    );
    let pressed = control.press(id, message_id, "terms:1").await.unwrap();
    let query = bot.updates(0).await.remove(0)["callback_query"].clone();
    assert_eq!(
        (
            &query["data"],
            &query["message"]["message_id"],
            &query["from"]["id"]
        ),
        (&json!("terms:1"), &json!(message_id), &json!(id))
    );
    assert!(
        query["chat_instance"]
            .as_str()
            .is_some_and(|instance| !instance.is_empty())
    );
    let query_id = query["id"].as_str().unwrap();
    assert_eq!(pressed.callback_query_id.as_deref(), Some(query_id));
    bot.ok(
        "answerCallbackQuery",
        json!({"callback_query_id": query_id, "text": "Thanks", "show_alert": true}),
    )
    .await;
    let answer = control.callback(query_id).await.unwrap();
    assert!(answer.answered && answer.show_alert && answer.text.as_deref() == Some("Thanks"));
    let (code, why) = bot
        .error("answerCallbackQuery", json!({"callback_query_id": "1"}))
        .await;
    assert!(
        code == 400 && why.starts_with("Bad Request: query is too old"),
        "{why}"
    );
    let forged = control
        .forge_press(id, message_id, "someone:else")
        .await
        .unwrap();
    assert!(
        forged.update_id.is_some(),
        "a modified app can send any data"
    );
}

#[tokio::test]
async fn a_contact_says_whose_it_is() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let olena = acquainted(control, &bot, "Olena").await.id;
    let ivan = acquainted(control, &bot, "Ivan").await.id;
    for (of, user_id) in [
        (ContactOf::Own, json!(olena)),
        (ContactOf::Account(ivan), json!(ivan)),
        (ContactOf::Nobody, Value::Null),
    ] {
        let sent = control
            .send_contact(olena, "380671112233", of)
            .await
            .unwrap();
        let update = bot.updates(sent.update_id.unwrap()).await.remove(0);
        assert_eq!(update["message"]["contact"]["user_id"], user_id);
        assert_eq!(update["message"]["contact"]["phone_number"], "380671112233");
    }
}

#[tokio::test]
async fn commands_are_kept_per_language_and_scope() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let commands = json!([{"command": "help", "description": "Довідка"}]);
    bot.ok(
        "setMyCommands",
        json!({"commands": commands, "language_code": "uk"}),
    )
    .await;
    assert_eq!(
        bot.ok("getMyCommands", json!({"language_code": "uk"}))
            .await,
        commands
    );
    assert_eq!(bot.ok("getMyCommands", json!({})).await, json!([]));
    assert_eq!(
        control.telegram_state().await.unwrap().commands["{\"type\":\"default\"} uk"],
        commands
    );
    bot.ok("deleteMyCommands", json!({"language_code": "uk"}))
        .await;
    assert_eq!(
        bot.ok("getMyCommands", json!({"language_code": "uk"}))
            .await,
        json!([])
    );
    for bad in [
        json!([{"command": "Help", "description": "x"}]),
        json!([{"command": "help", "description": ""}]),
    ] {
        assert_eq!(
            bot.error("setMyCommands", json!({"commands": bad})).await.0,
            400
        );
    }
}

#[tokio::test]
async fn misfortunes_on_order_happen_to_the_calls_they_are_meant_for() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = acquainted(control, &bot, "Olena").await.id;
    let other = acquainted(control, &bot, "Ivan").await.id;
    let message = |id: i64| json!({"chat_id": id, "text": "x"});
    control
        .add_telegram_fault(
            Rule::on(
                "sendMessage",
                TelegramAction::TooManyRequests { retry_after: 3 },
            )
            .about(id.to_string()),
        )
        .await
        .unwrap();
    bot.ok("sendMessage", message(other)).await;
    let (status, answer) = bot.raw("sendMessage", message(id)).await;
    assert_eq!(
        (status, &answer["parameters"]),
        (429, &json!({"retry_after": 3}))
    );
    assert_eq!(answer["description"], "Too Many Requests: retry after 3");
    bot.ok("sendMessage", message(id)).await;
    let before = control.chat_messages(id).await.unwrap().len();
    for (action, sent) in [
        (TelegramAction::DropBefore, 0),
        (TelegramAction::DropAfter, 1),
    ] {
        control
            .add_telegram_fault(Rule::on("sendMessage", action))
            .await
            .unwrap();
        let url = format!("{}bot{TOKEN}/sendMessage", sandbox.telegram_url());
        assert!(
            crate::common::http()
                .post(url)
                .json(&message(id))
                .send()
                .await
                .is_err(),
            "the connection is cut"
        );
        assert_eq!(
            control.chat_messages(id).await.unwrap().len(),
            before + sent
        );
    }
}
