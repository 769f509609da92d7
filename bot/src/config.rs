//! What the bot is told by configuration.

use std::collections::BTreeSet;

use chrono_tz::Tz;

/// How updates arrive.
#[derive(Clone)]
pub enum Mode {
    /// The bot asks for them.
    Polling,
    /// Telegram brings them to [`crate::webhook_router`].
    Webhook {
        /// The public address of that route.
        url: url::Url,
        /// What Telegram sends along; 1 to 256 of `A-Z a-z 0-9 _ -`.
        secret: String,
    },
}

impl std::fmt::Debug for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Polling => "Polling",
            Self::Webhook { .. } => "Webhook",
        })
    }
}

/// Who may use the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// These Telegram ids and the admins; everybody else is ignored without an answer.
    Private(BTreeSet<i64>),
}

/// Configuration of the bot. Token and address of the Bot API are in the client that the wiring hands over.
#[derive(Debug, Clone)]
pub struct BotConfig {
    /// Telegram ids of the administrators.
    pub admin_ids: BTreeSet<i64>,
    /// How updates arrive.
    pub mode: Mode,
    /// Version of the terms that new people accept, 1 to 50 characters.
    pub terms_version: String,
    /// Where the terms and the privacy policy can be read.
    pub terms_url: url::Url,
    /// Who may use the bot.
    pub access: Access,
    /// In which zone times are shown.
    pub zone: Tz,
}

impl BotConfig {
    /// A public bot by long polling that shows times in Kyiv.
    #[must_use]
    pub fn new(terms_version: impl Into<String>, terms_url: url::Url) -> Self {
        Self {
            admin_ids: BTreeSet::new(),
            mode: Mode::Polling,
            terms_version: terms_version.into(),
            terms_url,
            access: Access::Public,
            zone: chrono_tz::Europe::Kyiv,
        }
    }

    /// Whether this Telegram id is an administrator's.
    #[must_use]
    pub fn is_admin(&self, telegram_id: i64) -> bool {
        self.admin_ids.contains(&telegram_id)
    }

    /// Whether the bot talks to this Telegram id at all.
    #[must_use]
    pub fn admits(&self, telegram_id: i64) -> bool {
        match &self.access {
            Access::Public => true,
            Access::Private(ids) => ids.contains(&telegram_id) || self.is_admin(telegram_id),
        }
    }
}
