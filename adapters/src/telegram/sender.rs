//! Sending over teloxide, and what Telegram's answers mean.

use std::time::Duration;

use async_trait::async_trait;
use kvit_commands::ports::messages::{
    ButtonTarget, Keyboard, MessageContent, MessageSender, SendFault,
};
use teloxide::payloads::{EditMessageTextSetters as _, SendMessageSetters as _};
use teloxide::requests::Requester as _;
use teloxide::types::{
    ButtonRequest, ChatId, InlineKeyboardButton, InlineKeyboardMarkup, KeyboardButton,
    KeyboardMarkup, KeyboardRemove, LinkPreviewOptions, MessageId, ParseMode, ReplyMarkup,
    ReplyParameters,
};
use teloxide::{ApiError, Bot, RequestError};
use url::Url;

/// Longest wait for one sending. teloxide itself sleeps 10 s after an answer of 5xx, which is cut off here.
const SEND_LIMIT: Duration = Duration::from_secs(12);

/// Why no client for the Bot API could be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectFault {
    /// The token is not of the form `<bot id>:<secret>`.
    #[error("the bot token is not of the form <number>:<letters>")]
    Token,
    /// The address is not https, nor http on this machine.
    #[error("the address of the Bot API is not usable")]
    Address(#[source] crate::http::HttpError),
    /// The TLS stack refused the settings.
    #[error("the HTTP client cannot be built")]
    Build(#[source] reqwest::Error),
}

/// A client for the Bot API; nothing is sent yet. `api_url` is the root of another server than Telegram's own, such as the
/// sandbox. Connections are kept: unlike a payment, a message that was sent twice is only a nuisance, and a handshake for
/// each one would cost more than the message.
///
/// # Errors
/// See [`ConnectFault`].
pub fn connect(token: &str, api_url: Option<&Url>) -> Result<Bot, ConnectFault> {
    let well_formed = token.split_once(':').is_some_and(|(id, secret)| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        id.parse::<u64>().is_ok() && !secret.is_empty() && secret.bytes().all(fits)
    });
    if !well_formed {
        return Err(ConnectFault::Token);
    }
    // Longer than the long poll of 10 s.
    let mut builder = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(25))
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true);
    if let Some(url) = api_url {
        crate::http::check_address(url, false).map_err(ConnectFault::Address)?;
        // A proxy of the environment is meant for Telegram, not for a server of our own.
        builder = builder.no_proxy();
    }
    crate::http::ensure_crypto();
    let bot = Bot::with_client(token, builder.build().map_err(ConnectFault::Build)?);
    Ok(match api_url {
        Some(url) => bot.set_api_url(url.clone()),
        None => bot,
    })
}

/// Sends with a bot account.
#[derive(Debug, Clone)]
pub struct TelegramSender {
    bot: Bot,
}

impl TelegramSender {
    /// A sender over a client.
    #[must_use]
    pub fn new(bot: Bot) -> Self {
        Self { bot }
    }
}

#[async_trait]
impl MessageSender for TelegramSender {
    async fn send(&self, telegram_id: i64, content: &MessageContent) -> Result<i32, SendFault> {
        let mut request = self
            .bot
            .send_message(ChatId(telegram_id), content.html.clone())
            .parse_mode(ParseMode::Html)
            .link_preview_options(no_preview());
        if let Some(markup) = markup(&content.keyboard)? {
            request = request.reply_markup(markup);
        }
        if let Some(message) = content.reply_to {
            request = request.reply_parameters(
                ReplyParameters::new(MessageId(message)).allow_sending_without_reply(),
            );
        }
        Ok(limited(request.into_future()).await?.id.0)
    }

    async fn edit(
        &self,
        telegram_id: i64,
        message_id: i32,
        content: &MessageContent,
    ) -> Result<(), SendFault> {
        let mut request = self
            .bot
            .edit_message_text(
                ChatId(telegram_id),
                MessageId(message_id),
                content.html.clone(),
            )
            .parse_mode(ParseMode::Html)
            .link_preview_options(no_preview());
        // Only buttons under the message can be edited; the large ones belong to the chat.
        if let Some(ReplyMarkup::InlineKeyboard(buttons)) = markup(&content.keyboard)? {
            request = request.reply_markup(buttons);
        }
        limited(request.into_future()).await.map(drop)
    }
}

async fn limited<T>(call: impl Future<Output = Result<T, RequestError>>) -> Result<T, SendFault> {
    match tokio::time::timeout(SEND_LIMIT, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(classified(&error)),
        Err(_) => Err(SendFault::Transient("no answer in time".to_owned())),
    }
}

/// What an error of the Bot API means for a message. Its text is not passed on: it may quote the message.
fn classified(error: &RequestError) -> SendFault {
    match error {
        RequestError::RetryAfter(seconds) => SendFault::Wait(seconds.duration()),
        RequestError::Network(_) => SendFault::Transient("no connection to Telegram".to_owned()),
        RequestError::InvalidJson { .. } => {
            SendFault::Transient("an answer that is not the Bot API's".to_owned())
        }
        RequestError::Io(_) => SendFault::Transient("input or output failed".to_owned()),
        RequestError::MigrateToChatId(_) => SendFault::Fatal("the chat is a group".to_owned()),
        RequestError::Api(error) => match error {
            ApiError::MessageNotModified => SendFault::NotModified,
            ApiError::MessageToEditNotFound
            | ApiError::MessageCantBeEdited
            | ApiError::MessageIdInvalid => SendFault::Vanished,
            ApiError::BotBlocked
            | ApiError::UserDeactivated
            | ApiError::ChatNotFound
            | ApiError::CantInitiateConversation => SendFault::Unreachable,
            ApiError::Unknown(text) => unknown(text),
            _ => SendFault::Fatal("a refusal that repeats".to_owned()),
        },
    }
}

/// Texts that teloxide has no name for.
fn unknown(text: &str) -> SendFault {
    let text = text.to_ascii_lowercase();
    if text.contains("message is not modified") {
        SendFault::NotModified
    } else if text.contains("message to edit not found") || text.contains("message can't be edited")
    {
        SendFault::Vanished
    } else if text.starts_with("forbidden") {
        SendFault::Unreachable
    } else if text.starts_with("bad request") || text.starts_with("unauthorized") {
        SendFault::Fatal("a refusal without a known name".to_owned())
    } else {
        SendFault::Transient("an error without a known name".to_owned())
    }
}

fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}

fn markup(keyboard: &Keyboard) -> Result<Option<ReplyMarkup>, SendFault> {
    Ok(match keyboard {
        Keyboard::None => None,
        Keyboard::Remove => Some(ReplyMarkup::KeyboardRemove(KeyboardRemove::new())),
        Keyboard::ShareContact { label } => {
            let button = KeyboardButton::new(label.clone()).request(ButtonRequest::Contact);
            let mut markup = KeyboardMarkup::new([[button]]);
            markup.resize_keyboard = true;
            markup.one_time_keyboard = true;
            Some(ReplyMarkup::Keyboard(markup))
        }
        Keyboard::Inline(rows) => {
            let mut markup = InlineKeyboardMarkup::default();
            for row in rows {
                let buttons = row.iter().map(|button| match &button.target {
                    ButtonTarget::Callback(token) => Ok(InlineKeyboardButton::callback(
                        button.label.clone(),
                        token.clone(),
                    )),
                    ButtonTarget::Url(url) => Url::parse(url)
                        .map(|url| InlineKeyboardButton::url(button.label.clone(), url))
                        .map_err(|_| {
                            SendFault::Fatal("a button's address is not valid".to_owned())
                        }),
                });
                markup
                    .inline_keyboard
                    .push(buttons.collect::<Result<_, _>>()?);
            }
            Some(ReplyMarkup::InlineKeyboard(markup))
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn telegrams_words_become_what_the_sender_does_about_them() {
        let api = |error| classified(&RequestError::Api(error));
        assert_eq!(api(ApiError::MessageNotModified), SendFault::NotModified);
        assert_eq!(api(ApiError::MessageToEditNotFound), SendFault::Vanished);
        assert_eq!(api(ApiError::BotBlocked), SendFault::Unreachable);
        assert_eq!(api(ApiError::UserDeactivated), SendFault::Unreachable);
        let named = |text: &str| api(ApiError::Unknown(text.to_owned()));
        assert_eq!(
            named("Bad Request: message is not modified"),
            SendFault::NotModified
        );
        assert_eq!(named("Forbidden: something new"), SendFault::Unreachable);
        assert!(matches!(
            named("Internal Server Error"),
            SendFault::Transient(_)
        ));
        assert!(matches!(
            named("Bad Request: can't parse entities"),
            SendFault::Fatal(_)
        ));
    }

    #[test]
    fn a_token_or_address_that_cannot_work_is_refused_at_once() {
        let local = Url::parse("http://127.0.0.1:1/").unwrap();
        assert!(connect("42:abc_-D", Some(&local)).is_ok());
        for bad in ["", "42", "x:abc", "42:", "42:a/b"] {
            assert!(
                matches!(connect(bad, None), Err(ConnectFault::Token)),
                "{bad}"
            );
        }
        let plain = Url::parse("http://example.org/").unwrap();
        assert!(matches!(
            connect("42:abc", Some(&plain)),
            Err(ConnectFault::Address(_))
        ));
    }
}
