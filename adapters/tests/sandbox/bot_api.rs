//! The simulated Bot API's methods, as any library may call them.

use kvit_adapters::sandbox::telegram::NewPerson;
use serde_json::{Value, json};

use crate::common::{Bot, TOKEN, acquainted, sandbox};

#[tokio::test]
async fn method_names_are_taken_in_any_case_and_parameters_in_any_form() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = acquainted(control, &bot, "Olena").await.id;
    let root = format!("{}bot{TOKEN}", sandbox.telegram_url());
    let http = crate::common::http();
    let boundary = "--b\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n{id}\r\n--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nмульти\r\n--b--\r\n";
    let calls = [
        http.get(format!("{root}/SENDMESSAGE?chat_id={id}&text=query")),
        http.post(format!("{root}/SendMessage"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("chat_id={id}&text=form+text")),
        http.post(format!("{root}/sendMessage"))
            .json(&json!({"chat_id": id, "text": "json"})),
        http.post(format!("{root}/sendmessage"))
            .json(&json!({"chat_id": id.to_string(), "text": "json, id as text"})),
        http.post(format!("{root}/sendMessage"))
            .header("content-type", "multipart/form-data; boundary=b")
            .body(boundary.replace("{id}", &id.to_string())),
    ];
    for call in calls {
        let answer: Value = call.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["ok"], json!(true), "{answer}");
    }
    let shown: Vec<String> = control
        .chat_messages(id)
        .await
        .unwrap()
        .iter()
        .filter(|m| m.from_bot)
        .map(|m| m.text().to_owned())
        .collect();
    assert_eq!(
        shown,
        ["query", "form text", "json", "json, id as text", "мульти"]
    );
}

#[tokio::test]
async fn a_wrong_token_an_unknown_method_and_a_wrong_path_have_their_own_errors() {
    let sandbox = sandbox().await;
    let http = crate::common::http();
    let base = sandbox.telegram_url();
    for (path, code, description) in [
        ("bot1:wrong/getMe".to_owned(), 401, "Unauthorized"),
        (
            format!("bot{TOKEN}/getEverything"),
            404,
            "Not Found: method not found",
        ),
        ("robot/getMe".to_owned(), 404, "Not Found"),
        (
            "file/bot1:wrong/photos/file_0.jpg".to_owned(),
            401,
            "Unauthorized",
        ),
        (
            format!("file/bot{TOKEN}/photos%2F..%2F..%2Ftelegram.jsonl"),
            404,
            "Not Found",
        ),
    ] {
        let response = http.get(format!("{base}{path}")).send().await.unwrap();
        assert_eq!(response.status().as_u16(), code, "{path}");
        let body: Value = response.json().await.unwrap();
        assert!(
            body["description"]
                .as_str()
                .unwrap()
                .starts_with(description),
            "{path}: {body}"
        );
        assert_eq!(body["parameters"], Value::Null, "no empty parameters");
    }
}

#[tokio::test]
async fn a_message_and_its_sender_carry_every_required_field() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let new = NewPerson {
        id: Some(77),
        first_name: "Іван".into(),
        username: Some("ivan".into()),
        ..NewPerson::default()
    };
    control.create_user(&new).await.unwrap();
    control.send_text(77, "/start promo-7").await.unwrap();
    let update = bot.updates(0).await.remove(0);
    let message = &update["message"];
    assert!(update["update_id"].is_i64() && message["message_id"].is_i64());
    assert_eq!(
        message["from"],
        json!({"id": 77, "is_bot": false, "first_name": "Іван", "username": "ivan"})
    );
    assert_eq!(
        message["chat"],
        json!({"id": 77, "type": "private", "first_name": "Іван", "username": "ivan"})
    );
    assert_eq!(
        message["entities"],
        json!([{"type": "bot_command", "offset": 0, "length": 6}])
    );
    #[allow(
        clippy::disallowed_methods,
        reason = "the simulator lives in real time"
    )]
    let now = chrono::Utc::now();
    let age = now.timestamp() - message["date"].as_i64().unwrap();
    assert!((0..60).contains(&age), "the date is in seconds");
    let me = bot.ok("getMe", json!({})).await;
    assert_eq!(
        (&me["is_bot"], &me["id"], me["username"].is_string()),
        (&json!(true), &json!(4_242_424_242_i64), true)
    );
}

#[tokio::test]
async fn text_has_1_to_4096_characters_and_html_must_be_whole() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = acquainted(control, &bot, "Olena").await.id;
    let send = |text: String| json!({"chat_id": id, "text": text, "parse_mode": "HTML"});
    assert_eq!(
        bot.error("sendMessage", send("  ".into())).await,
        (400, "Bad Request: message text is empty".into())
    );
    assert_eq!(
        bot.error("sendMessage", send("я".repeat(4097))).await,
        (400, "Bad Request: message is too long".into())
    );
    bot.ok("sendMessage", send("я".repeat(4096))).await;
    let (code, description) = bot.error("sendMessage", send("Hello <Olena>".into())).await;
    assert!(
        code == 400 && description.starts_with("Bad Request: can't parse entities"),
        "{description}"
    );
    let sent = bot
        .ok("sendMessage", send("<b>1,00 ₴</b> &amp; more".into()))
        .await;
    assert_eq!(
        (&sent["text"], &sent["entities"]),
        (
            &json!("1,00 ₴ & more"),
            &json!([{"type": "bold", "offset": 0, "length": 6}])
        )
    );
}

#[tokio::test]
async fn an_edit_answers_the_message_keeps_the_history_and_refuses_what_changes_nothing() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = acquainted(control, &bot, "Olena").await.id;
    let keyboard = json!({"inline_keyboard": [[{"text": "Details", "callback_data": "d1"}]]});
    let sent = bot
        .ok(
            "sendMessage",
            json!({"chat_id": id, "text": "reading…", "reply_markup": keyboard}),
        )
        .await;
    let message_id = sent["message_id"].as_i64().unwrap();
    assert_eq!(sent["reply_markup"], keyboard);
    let edit = json!({"chat_id": id, "message_id": message_id, "text": "credited", "reply_markup": keyboard.to_string()});
    let edited = bot.ok("editMessageText", edit.clone()).await;
    assert!(
        edited["text"] == "credited"
            && edited["edit_date"].is_i64()
            && edited["message_id"] == sent["message_id"]
    );
    let (_, why) = bot.error("editMessageText", edit.clone()).await;
    assert!(
        why.starts_with("Bad Request: message is not modified: specified new message content"),
        "{why}"
    );
    let without = bot
        .ok(
            "editMessageText",
            json!({"chat_id": id, "message_id": message_id, "text": "credited"}),
        )
        .await;
    assert_eq!(
        without["reply_markup"],
        Value::Null,
        "an edit without a keyboard takes it away"
    );
    bot.ok(
        "editMessageReplyMarkup",
        json!({"chat_id": id, "message_id": message_id, "reply_markup": keyboard}),
    )
    .await;
    let stored = control.chat_messages(id).await.unwrap().pop().unwrap();
    let texts: Vec<&str> = stored
        .versions
        .iter()
        .map(|version| version.text.as_str())
        .collect();
    assert_eq!(texts, ["reading…", "credited", "credited", "credited"]);
    assert_eq!(stored.buttons(), [("Details".to_owned(), "d1".to_owned())]);
}

#[tokio::test]
async fn messages_of_people_unknown_ones_and_deleted_ones_cannot_be_edited() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = acquainted(control, &bot, "Olena").await.id;
    let theirs = control.chat_messages(id).await.unwrap()[0].message_id;
    let edit = |message_id: i64| json!({"chat_id": id, "message_id": message_id, "text": "x"});
    assert_eq!(
        bot.error("editMessageText", edit(theirs)).await.1,
        "Bad Request: message can't be edited"
    );
    assert_eq!(
        bot.error("editMessageText", edit(999)).await.1,
        "Bad Request: message to edit not found"
    );
    let mine = bot
        .ok("sendMessage", json!({"chat_id": id, "text": "y"}))
        .await["message_id"]
        .as_i64()
        .unwrap();
    bot.ok("deleteMessage", json!({"chat_id": id, "message_id": mine}))
        .await;
    assert_eq!(
        bot.error("editMessageText", edit(mine)).await.1,
        "Bad Request: message to edit not found"
    );
    assert_eq!(
        bot.error("deleteMessage", json!({"chat_id": id, "message_id": mine}))
            .await
            .1,
        "Bad Request: message to delete not found"
    );
}

#[tokio::test]
async fn keyboards_are_checked() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = acquainted(control, &bot, "Olena").await.id;
    let send = |button: Value| json!({"chat_id": id, "text": "x", "reply_markup": {"inline_keyboard": [[button]]}});
    let data = |data: String| send(json!({"text": "b", "callback_data": data}));
    assert_eq!(
        bot.error("sendMessage", data("я".repeat(33))).await.1,
        "Bad Request: BUTTON_DATA_INVALID"
    );
    bot.ok("sendMessage", data("я".repeat(32))).await;
    assert!(
        bot.error("sendMessage", send(json!({"text": "b"})))
            .await
            .1
            .contains("Text buttons are unallowed")
    );
    assert!(
        bot.error(
            "sendMessage",
            send(json!({"text": "", "callback_data": "x"}))
        )
        .await
        .1
        .contains("text must be non-empty")
    );
    let contact = json!({"keyboard": [[{"text": "Share", "request_contact": true}]], "one_time_keyboard": true});
    let sent = bot
        .ok(
            "sendMessage",
            json!({"chat_id": id, "text": "phone?", "reply_markup": contact}),
        )
        .await;
    assert_eq!(
        sent["reply_markup"],
        Value::Null,
        "only inline keyboards belong to the message"
    );
    assert_eq!(
        control
            .chat_messages(id)
            .await
            .unwrap()
            .pop()
            .unwrap()
            .keyboard(),
        Some(&contact)
    );
}
