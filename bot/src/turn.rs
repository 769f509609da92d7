//! One update's turn: who speaks, in which language, where their dialogue stands, and the means to answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use kvit_commands::context::Context;
use kvit_commands::ports::messages::{Keyboard, MessageContent};
use kvit_domain::ids::UserId;
use kvit_domain::rejection::Rejection;
use kvit_domain::user::{Language, User};
use serde::{Deserialize, Serialize};
use teloxide::dispatching::dialogue::{Dialogue, ErasedStorage};
use teloxide::requests::Requester as _;
use teloxide::types::{ChatId, Update, UpdateKind};

use crate::actions::Drawn;
use crate::bot::Env;
use crate::texts::{Key, Value, key, say};
use crate::trouble::Trouble;

/// Where a person is in a step-by-step scenario. Kept in the database for four hours; `/cancel` leaves any of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "snake_case")]
pub enum DialogueState {
    /// In none.
    #[default]
    Idle,
    /// The terms were shown.
    Terms {
        /// What came with the deep link.
        payload: Option<String>,
    },
    /// The own contact was asked for.
    Contact {
        /// What came with the deep link.
        payload: Option<String>,
    },
    /// Whether the data shall be deleted was asked.
    Forgetting,
}

/// The store of dialogue states.
pub type Dialogues = ErasedStorage<DialogueState>;

/// One update's turn.
pub struct Turn {
    pub(crate) env: Arc<Env>,
    pub(crate) update_id: i64,
    pub(crate) telegram_id: i64,
    pub(crate) user_id: UserId,
    pub(crate) user: User,
    pub(crate) language: Language,
    pub(crate) state: DialogueState,
    traceparent: String,
    answers: AtomicU32,
}

impl Turn {
    /// Opens the turn of an update: finds out who speaks, and registers them at first contact. `None` when the update is
    /// not to be answered: groups, strangers to a private bot, the banned after their one message, the forgotten.
    pub(crate) async fn open(
        env: Arc<Env>,
        update: &Update,
        traceparent: String,
    ) -> Result<Option<Self>, Trouble> {
        let from = match &update.kind {
            UpdateKind::Message(message) if message.chat.is_private() => message.from.as_ref(),
            UpdateKind::CallbackQuery(query) => Some(&query.from),
            _ => None,
        };
        let Some(from) = from.filter(|from| !from.is_bot) else {
            return Ok(None);
        };
        let Ok(telegram_id) = i64::try_from(from.id.0) else {
            return Ok(None);
        };
        if !env.config.admits(telegram_id) {
            return Ok(None);
        }
        let user_id = env.app.user_id(telegram_id);
        let user = env.app.user(user_id).await?;
        let guess = Language::guess(from.language_code.as_deref());
        let language = user.language.unwrap_or(guess);
        if user.forgotten {
            if matches!(update.kind, UpdateKind::Message(_)) {
                env.say_directly(telegram_id, say(language, &key!("forgotten"), &[]))
                    .await;
            }
            return Ok(None);
        }
        let mut turn = Self {
            update_id: i64::from(update.id.0),
            state: DialogueState::Idle,
            env,
            telegram_id,
            user_id,
            user,
            language,
            traceparent,
            answers: AtomicU32::new(0),
        };
        if turn.user.banned {
            // One slot for ever: the first message is answered, then there is silence.
            let content = turn
                .content(Drawn::text(turn.say(&key!("banned"), &[])))
                .await?;
            turn.env
                .board
                .set(&format!("banned:{user_id}"), user_id, content, 0)
                .await?;
            return Ok(None);
        }
        if !turn.user.registered {
            turn.env
                .app
                .register(telegram_id, &turn.context("register"))
                .await?;
        }
        if turn.user.blocked_bot {
            turn.env
                .app
                .mark_returned(user_id, &turn.context("returned"))
                .await?;
            turn.env.board.unpark(user_id).await?;
        }
        turn.state = turn.dialogue().get().await?.unwrap_or_default();
        Ok(Some(turn))
    }

    /// The context of a command of this turn. A second handling of the update has the same keys.
    pub(crate) fn context(&self, step: &str) -> Context {
        let actor = format!("user:{}", self.user_id);
        Context::new(
            actor,
            format!("tg:{}:{step}", self.update_id),
            format!("tg:{}", self.update_id),
        )
        .with_traceparent(Some(self.traceparent.clone()))
    }

    pub(crate) fn dialogue(&self) -> Dialogue<DialogueState, Dialogues> {
        Dialogue::new(Arc::clone(&self.env.dialogues), ChatId(self.telegram_id))
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.env.config.is_admin(self.telegram_id)
    }

    pub(crate) fn say(&self, key: &Key, args: &[(&'static str, Value)]) -> String {
        say(self.language, key, args)
    }

    pub(crate) async fn content(&self, drawn: Drawn) -> Result<MessageContent, Trouble> {
        Ok(drawn.finish(self.env.tokens.as_ref(), self.user_id).await?)
    }

    /// Wishes for the message of a slot.
    pub(crate) async fn wish(
        &self,
        slot: &str,
        content: MessageContent,
        as_of: i64,
    ) -> Result<(), Trouble> {
        self.env
            .board
            .set(slot, self.user_id, content, as_of)
            .await?;
        Ok(())
    }

    /// Slot of the next answer of this turn. A second handling of the update counts anew and meets the same slots.
    pub(crate) fn answer_slot(&self) -> String {
        format!(
            "reply:{}:{}",
            self.update_id,
            self.answers.fetch_add(1, Ordering::Relaxed)
        )
    }

    /// Answers with a message of its own.
    pub(crate) async fn answer(&self, drawn: Drawn) -> Result<(), Trouble> {
        let content = self.content(drawn).await?;
        self.wish(&self.answer_slot(), content, 0).await
    }

    /// Answers with a text.
    pub(crate) async fn tell(
        &self,
        key: &Key,
        args: &[(&'static str, Value)],
    ) -> Result<(), Trouble> {
        self.answer(Drawn::text(self.say(key, args))).await
    }

    /// Answers with a text and a keyboard of the chat.
    pub(crate) async fn tell_with(&self, html: String, keyboard: Keyboard) -> Result<(), Trouble> {
        self.wish(
            &self.answer_slot(),
            MessageContent {
                html,
                keyboard,
                reply_to: None,
            },
            0,
        )
        .await
    }

    /// Tells what was refused and what to do.
    pub(crate) async fn refuse(&self, rejection: &Rejection) -> Result<(), Trouble> {
        let number = |name: &str| {
            rejection
                .details
                .get(name)
                .and_then(|text| text.parse::<i64>().ok())
        };
        match rejection.code.as_str() {
            "terms_not_accepted" => {
                crate::handlers::onboarding::ask_for_terms(self, &key!("terms-first")).await
            }
            "phone_missing" => crate::handlers::onboarding::ask_for_contact(self, None).await,
            "payload_too_large" => {
                self.tell(
                    &key!("upload-too-large"),
                    &[("limit", crate::handlers::upload::LIMIT_MB.into())],
                )
                .await
            }
            "unsupported_type" => self.tell(&key!("upload-type"), &[]).await,
            "not_an_image" => self.tell(&key!("upload-broken"), &[]).await,
            "rate_limited" => {
                let seconds = number("retry_after_seconds").unwrap_or(60);
                self.tell(&key!("upload-rate"), &[("seconds", seconds.into())])
                    .await
            }
            "invalid_phone" => self.tell(&key!("contact-invalid"), &[]).await,
            "operator_not_supported" => self.tell(&key!("contact-unsupported"), &[]).await,
            // Between two looks at the account somebody banned or forgot it.
            "user_banned" | "user_forgotten" => Ok(()),
            code => self.tell(&key!("refused"), &[("code", code.into())]).await,
        }
    }
}

impl Env {
    /// Sends past the board, to somebody whose address the platform no longer has. Best effort, since nothing may be stored.
    pub(crate) async fn say_directly(&self, telegram_id: i64, html: String) {
        let sent = tokio::time::timeout(
            std::time::Duration::from_secs(10),
            self.telegram.send_message(ChatId(telegram_id), html),
        );
        if !matches!(sent.await, Ok(Ok(_))) {
            tracing::info!("a direct answer could not be sent");
        }
    }
}
