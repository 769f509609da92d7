//! People: registration, consent, phone, language, bans, forgetting.

use kvit_domain::event::StreamId;
use kvit_domain::ids::UserId;
use kvit_domain::phone::{Operator, Phone};
use kvit_domain::rejection::Rejection;
use kvit_domain::user::{Language, User, UserCommand};

use super::{App, Done};
use crate::context::Context;
use crate::error::CommandError;

fn stream(user_id: UserId) -> StreamId {
    StreamId::new("user", user_id.to_string())
}

impl App {
    /// The id of a person by Telegram id. Keyed: without the key nobody can try all Telegram ids.
    #[must_use]
    pub fn user_id(&self, telegram_id: i64) -> UserId {
        UserId::derived(
            "user",
            &self
                .parts
                .vault
                .lookup_hash("telegram", &telegram_id.to_string()),
        )
    }

    /// The person's account; an unregistered one when there is none.
    ///
    /// # Errors
    /// When the log is away.
    pub async fn user(&self, user_id: UserId) -> Result<User, CommandError> {
        self.parts.executor.load::<User>(&user_id.to_string()).await
    }

    /// First contact. Nothing but the sealed Telegram id is kept.
    ///
    /// # Errors
    /// The lanes of [`CommandError`], here and in all methods below.
    pub async fn register(
        &self,
        telegram_id: i64,
        context: &Context,
    ) -> Result<UserId, CommandError> {
        let user_id = self.user_id(telegram_id);
        if self.user(user_id).await?.registered {
            return Ok(user_id);
        }
        let plain = telegram_id.to_string();
        let sealed = self
            .parts
            .vault
            .seal(user_id.0, &stream(user_id), "telegram_id", plain.as_bytes())
            .await?;
        self.user_command(
            user_id,
            UserCommand::Register {
                telegram_id: sealed,
            },
            context,
        )
        .await?;
        Ok(user_id)
    }

    /// Consent to a version of the terms.
    pub async fn accept_terms(
        &self,
        user_id: UserId,
        version: &str,
        language: Language,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.user_command(
            user_id,
            UserCommand::AcceptTerms {
                version: version.to_owned(),
                language,
            },
            context,
        )
        .await
    }

    /// The person's own number.
    pub async fn share_phone(
        &self,
        user_id: UserId,
        phone: &Phone,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let operator = Operator::by_prefix(phone).ok_or_else(|| {
            Rejection::new(
                "operator_not_supported",
                "numbers of this operator cannot be topped up",
            )
        })?;
        let phone_hash = self.parts.vault.lookup_hash("phone", phone.digits());
        let sealed = self
            .parts
            .vault
            .seal(
                user_id.0,
                &stream(user_id),
                "phone",
                phone.digits().as_bytes(),
            )
            .await?;
        self.user_command(
            user_id,
            UserCommand::SharePhone {
                phone: sealed,
                phone_hash,
                operator,
            },
            context,
        )
        .await
    }

    /// An explicit choice of language.
    pub async fn choose_language(
        &self,
        user_id: UserId,
        language: Language,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.user_command(user_id, UserCommand::ChooseLanguage { language }, context)
            .await
    }

    /// Opt in to or out of reminders and news.
    pub async fn set_notifications(
        &self,
        user_id: UserId,
        enabled: bool,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.user_command(user_id, UserCommand::SetNotifications { enabled }, context)
            .await
    }

    /// Bans an account.
    pub async fn ban(
        &self,
        user_id: UserId,
        reason: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.user_command(user_id, UserCommand::Ban { reason }, context)
            .await
    }

    /// Lifts a ban.
    pub async fn unban(
        &self,
        user_id: UserId,
        reason: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.user_command(user_id, UserCommand::Unban { reason }, context)
            .await
    }

    /// Telegram refused delivery to this person.
    pub async fn mark_blocked(
        &self,
        user_id: UserId,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.user_command(user_id, UserCommand::MarkBlocked {}, context)
            .await
    }

    /// The person wrote again.
    pub async fn mark_returned(
        &self,
        user_id: UserId,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.user_command(user_id, UserCommand::MarkReturned {}, context)
            .await
    }

    /// Crypto-erasure: the event first, then the key, so that a crash between the two is repaired by asking again.
    pub async fn forget(&self, user_id: UserId, context: &Context) -> Result<Done, CommandError> {
        let done = self
            .user_command(user_id, UserCommand::Forget {}, context)
            .await?;
        self.parts.vault.forget(user_id.0).await?;
        Ok(done)
    }

    /// The person's number in the clear, for a provider or for showing it masked.
    pub async fn phone(&self, user_id: UserId) -> Result<Option<Phone>, CommandError> {
        let Some(sealed) = self.user(user_id).await?.phone else {
            return Ok(None);
        };
        let Some(plain) = self
            .parts
            .vault
            .open(user_id.0, &stream(user_id), "phone", &sealed)
            .await?
        else {
            return Ok(None);
        };
        let text = String::from_utf8(plain)
            .map_err(|_| CommandError::Fatal("a sealed phone is not text".into()))?;
        Ok(Some(Phone::parse(&text)?))
    }

    /// The person's Telegram id, which is also the id of the private chat.
    pub async fn telegram_id(&self, user_id: UserId) -> Result<Option<i64>, CommandError> {
        let Some(sealed) = self.user(user_id).await?.telegram_id else {
            return Ok(None);
        };
        let Some(plain) = self
            .parts
            .vault
            .open(user_id.0, &stream(user_id), "telegram_id", &sealed)
            .await?
        else {
            return Ok(None);
        };
        let id = std::str::from_utf8(&plain)
            .ok()
            .and_then(|text| text.parse().ok());
        id.map(Some)
            .ok_or_else(|| CommandError::Fatal("a sealed Telegram id is not a number".into()))
    }

    async fn user_command(
        &self,
        user_id: UserId,
        command: UserCommand,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.execute::<User>(&user_id.to_string(), command, context)
            .await
    }
}
