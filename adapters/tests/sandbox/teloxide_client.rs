//! The library that the bot is built on, against the simulated Bot API.

use kvit_adapters::sandbox::client::{Attachment, ContactOf};
use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::telegram::faults::TelegramAction;
use teloxide::net::Download;
use teloxide::prelude::*;
use teloxide::types::{
    BotCommand, ChatAction, FileId, InlineKeyboardButton, InlineKeyboardMarkup, InputFile,
    ParseMode, Seconds, UpdateKind,
};
use teloxide::{ApiError, RequestError};

use crate::common::{TOKEN, person, sandbox};

fn bot(running: &kvit_adapters::sandbox::RunningSandbox) -> Bot {
    kvit_adapters::http::ensure_crypto();
    Bot::new(TOKEN).set_api_url(running.telegram_url())
}

async fn next(bot: &Bot, offset: &mut i32) -> UpdateKind {
    let mut updates = bot
        .get_updates()
        .offset(*offset)
        .timeout(5)
        .limit(1)
        .await
        .unwrap();
    let update = updates.pop().expect("an update in time");
    *offset = i32::try_from(update.id.0).unwrap() + 1;
    update.kind
}

fn message(kind: UpdateKind) -> Message {
    match kind {
        UpdateKind::Message(message) => message,
        other => panic!("not a message: {other:?}"),
    }
}

#[tokio::test]
async fn teloxide_receives_answers_edits_downloads_and_uploads() {
    let sandbox = sandbox().await;
    let (control, bot, mut offset) = (sandbox.client(), bot(&sandbox), 0);
    assert!(bot.get_me().await.unwrap().username().ends_with("bot"));
    assert!(bot.get_webhook_info().await.unwrap().url.is_none());
    let id = person(control, "Олена").await.id;
    let chat = ChatId(id);

    control.send_text(id, "/start promo").await.unwrap();
    let start = message(next(&bot, &mut offset).await);
    assert_eq!((start.chat.id, start.text()), (chat, Some("/start promo")));
    assert_eq!(start.from.unwrap().language_code.as_deref(), Some("uk"));

    let keyboard =
        InlineKeyboardMarkup::new([[InlineKeyboardButton::callback("Приймаю", "terms:1")]]);
    let sent = bot
        .send_message(chat, "<b>Вітаємо</b>")
        .parse_mode(ParseMode::Html)
        .reply_markup(keyboard)
        .await
        .unwrap();
    control
        .press(id, i64::from(sent.id.0), "terms:1")
        .await
        .unwrap();
    let UpdateKind::CallbackQuery(query) = next(&bot, &mut offset).await else {
        panic!("not a press")
    };
    assert_eq!(query.data.as_deref(), Some("terms:1"));
    bot.answer_callback_query(query.id)
        .text("Дякуємо")
        .await
        .unwrap();
    let edited = bot
        .edit_message_text(chat, sent.id, "Прийнято")
        .await
        .unwrap();
    assert_eq!(edited.text(), Some("Прийнято"));
    let unchanged = bot
        .edit_message_text(chat, sent.id, "Прийнято")
        .await
        .unwrap_err();
    assert!(
        matches!(unchanged, RequestError::Api(ApiError::MessageNotModified)),
        "{unchanged:?}"
    );

    control
        .send_photo(
            id,
            &Attachment {
                bytes: b"the photo",
                ..Attachment::default()
            },
        )
        .await
        .unwrap();
    let photo = message(next(&bot, &mut offset).await);
    let largest = photo.photo().unwrap().last().unwrap().file.id.clone();
    let file = bot.get_file(largest).await.unwrap();
    let mut content = Vec::new();
    bot.download_file(&file.path, &mut content).await.unwrap();
    assert_eq!(content, b"the photo");

    control
        .send_contact(id, "380671112233", ContactOf::Own)
        .await
        .unwrap();
    let contact = message(next(&bot, &mut offset).await);
    assert_eq!(
        contact.contact().unwrap().user_id.unwrap().0,
        u64::try_from(id).unwrap()
    );

    let upload = InputFile::memory(&b"{}"[..]).file_name("export.json");
    let document = bot.send_document(chat, upload).await.unwrap();
    let file_id: FileId = document.document().unwrap().file.id.clone();
    assert_eq!(control.file(&file_id.0).await.unwrap(), b"{}".as_slice());

    bot.send_chat_action(chat, ChatAction::Typing)
        .await
        .unwrap();
    bot.set_my_commands([BotCommand::new("help", "Довідка")])
        .language_code("uk")
        .await
        .unwrap();
    assert_eq!(
        bot.get_my_commands().language_code("uk").await.unwrap()[0].command,
        "help"
    );
}

#[tokio::test]
async fn teloxide_understands_the_errors() {
    let sandbox = sandbox().await;
    let (control, bot, mut offset) = (sandbox.client(), bot(&sandbox), 0);
    let id = person(control, "Олена").await.id;
    control.send_text(id, "hi").await.unwrap();
    next(&bot, &mut offset).await;
    let send = || bot.send_message(ChatId(id), "x");
    control
        .add_telegram_fault(Rule::on(
            "sendMessage",
            TelegramAction::TooManyRequests { retry_after: 7 },
        ))
        .await
        .unwrap();
    let slow = send().await.unwrap_err();
    assert!(
        matches!(slow, RequestError::RetryAfter(wait) if wait == Seconds::from_seconds(7)),
        "{slow:?}"
    );
    control.block_bot(id, true).await.unwrap();
    let UpdateKind::MyChatMember(member) = next(&bot, &mut offset).await else {
        panic!("not a membership")
    };
    assert!(member.new_chat_member.is_banned());
    assert!(matches!(
        send().await.unwrap_err(),
        RequestError::Api(ApiError::BotBlocked)
    ));
    assert!(matches!(
        bot.send_message(ChatId(1), "x").await.unwrap_err(),
        RequestError::Api(ApiError::ChatNotFound)
    ));
    let stranger = Bot::new("1:wrong").set_api_url(sandbox.telegram_url());
    assert!(matches!(
        stranger.get_me().await.unwrap_err(),
        RequestError::Api(ApiError::InvalidToken)
    ));
}

#[tokio::test]
async fn teloxide_sets_a_webhook_with_its_multipart_call_and_polling_then_conflicts() {
    let sandbox = sandbox().await;
    let bot = bot(&sandbox);
    bot.set_webhook("http://127.0.0.1:9/hook".parse().unwrap())
        .secret_token("s3cret")
        .await
        .unwrap();
    assert_eq!(
        bot.get_webhook_info().await.unwrap().url.unwrap().as_str(),
        "http://127.0.0.1:9/hook"
    );
    let conflict = bot.get_updates().await.unwrap_err();
    assert!(matches!(conflict, RequestError::Api(_)), "{conflict:?}");
    bot.delete_webhook().await.unwrap();
    assert!(bot.get_updates().await.unwrap().is_empty());
}
