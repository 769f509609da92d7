//! The simulated Bot API's methods, as any library may call them.

use kvit_adapters::sandbox::client::{Attachment, ContactOf};
use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::telegram::NewPerson;
use kvit_adapters::sandbox::telegram::faults::TelegramAction;
use serde_json::{Value, json};

use crate::common::{Bot, TOKEN, acquainted, person, sandbox};

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(width, height)
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

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
    let age = chrono::Utc::now().timestamp() - message["date"].as_i64().unwrap();
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
async fn a_photo_has_several_sizes_and_the_last_is_the_original() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = acquainted(control, &bot, "Olena").await.id;
    let bytes = b"not really an image, but the very bytes that were sent".as_slice();
    let sent = control
        .send_photo(
            id,
            &Attachment {
                bytes,
                caption: Some("mine"),
                ..Attachment::default()
            },
        )
        .await
        .unwrap();
    let message = bot.updates(sent.update_id.unwrap()).await.remove(0)["message"].clone();
    let sizes = message["photo"].as_array().unwrap();
    assert!(sizes.len() > 1 && message["caption"] == "mine");
    let widths: Vec<i64> = sizes
        .iter()
        .map(|size| size["width"].as_i64().unwrap())
        .collect();
    assert!(widths.is_sorted(), "{widths:?}");
    let file = bot
        .ok(
            "getFile",
            json!({"file_id": sizes.last().unwrap()["file_id"]}),
        )
        .await;
    let path = file["file_path"].as_str().unwrap();
    for path in [path.to_owned(), path.replace('/', "%2F")] {
        let url = format!("{}file/bot{TOKEN}/{path}", sandbox.telegram_url());
        assert_eq!(
            reqwest::get(url).await.unwrap().bytes().await.unwrap(),
            bytes,
            "{path}"
        );
    }
    let sent = control
        .send_photo(
            id,
            &Attachment {
                bytes: &png(400, 1000),
                ..Attachment::default()
            },
        )
        .await
        .unwrap();
    let message = bot.updates(sent.update_id.unwrap()).await.remove(0)["message"].clone();
    let sides: Vec<_> = message["photo"]
        .as_array()
        .unwrap()
        .iter()
        .map(|size| (size["width"].clone(), size["height"].clone()))
        .collect();
    assert_eq!(
        sides,
        [(36, 90), (128, 320), (320, 800), (400, 1000)]
            .map(|(width, height)| (json!(width), json!(height)))
    );
}

#[tokio::test]
async fn a_document_keeps_its_name_and_type_and_one_over_20_mb_cannot_be_downloaded() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = acquainted(control, &bot, "Olena").await.id;
    let small = Attachment {
        bytes: b"%PDF",
        file_name: Some("чек.pdf"),
        mime_type: Some("application/pdf"),
        ..Attachment::default()
    };
    let sent = control.send_document(id, &small).await.unwrap();
    let document =
        bot.updates(sent.update_id.unwrap()).await.remove(0)["message"]["document"].clone();
    assert_eq!(
        (
            &document["file_name"],
            &document["mime_type"],
            &document["file_size"]
        ),
        (&json!("чек.pdf"), &json!("application/pdf"), &json!(4))
    );
    let huge = vec![0_u8; 20 * 1024 * 1024 + 1];
    let sent = control
        .send_document(
            id,
            &Attachment {
                bytes: &huge,
                file_name: Some("big.bin"),
                ..Attachment::default()
            },
        )
        .await
        .unwrap();
    let document =
        bot.updates(sent.update_id.unwrap()).await.remove(0)["message"]["document"].clone();
    assert_eq!(
        bot.error("getFile", json!({"file_id": document["file_id"]}))
            .await
            .1,
        "Bad Request: file is too big"
    );
    assert_eq!(
        bot.error("getFile", json!({"file_id": "guess"})).await.1,
        "Bad Request: invalid file_id"
    );
}

#[tokio::test]
async fn the_bot_can_upload_a_document_by_attachment_and_send_it_again_by_id() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = acquainted(control, &bot, "Olena").await.id;
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n{id}\r\n--b\r\nContent-Disposition: form-data; name=\"document\"\r\n\r\nattach://p1\r\n\
         --b\r\nContent-Disposition: form-data; name=\"p1\"; filename=\"export.json\"\r\nContent-Type: application/json\r\n\r\n{{\"a\":1}}\r\n--b--\r\n"
    );
    let url = format!("{}bot{TOKEN}/SendDocument", sandbox.telegram_url());
    let request = crate::common::http()
        .post(url)
        .header("content-type", "multipart/form-data; boundary=b")
        .body(form);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let document = &answer["result"]["document"];
    assert_eq!(document["file_name"], "export.json", "{answer}");
    let file_id = document["file_id"].as_str().unwrap();
    assert_eq!(
        control.file(file_id).await.unwrap(),
        b"{\"a\":1}".as_slice()
    );
    let again = bot
        .ok(
            "sendDocument",
            json!({"chat_id": id, "document": file_id, "caption": "again"}),
        )
        .await;
    assert_eq!(again["document"]["file_id"], file_id);
    assert!(
        bot.error("sendDocument", json!({"chat_id": id, "document": "nope"}))
            .await
            .1
            .contains("wrong file identifier")
    );
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
