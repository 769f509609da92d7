//! A person who talks to the bot. Whatever identifies them is sealed with their own key.

use serde::{Deserialize, Serialize};

use crate::aggregate::{Decide, aggregate};
use crate::phone::Operator;
use crate::rejection::{Rejection, required_reason};
use crate::sealed::Sealed;

/// A language of the bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Ukrainian, the default.
    #[default]
    Uk,
    /// Russian.
    Ru,
    /// English.
    En,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 3] = [Self::Uk, Self::Ru, Self::En];

    /// ISO 639-1 code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Uk => "uk",
            Self::Ru => "ru",
            Self::En => "en",
        }
    }

    /// The language that a Telegram `language_code` (`ru`, `en-US`) suggests; Ukrainian when it suggests none of ours.
    #[must_use]
    pub fn guess(code: Option<&str>) -> Self {
        let primary = code
            .unwrap_or_default()
            .split('-')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|l| l.code() == primary)
            .unwrap_or_default()
    }
}

/// What happened to a person's account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserEvent {
    /// The first message arrived; only the id is kept.
    Registered {
        /// Telegram id (also the private chat's id).
        telegram_id: Sealed,
    },
    /// The terms were accepted.
    TermsAccepted {
        /// Version of the terms.
        version: String,
        /// Language in which they were shown.
        language: Language,
    },
    /// The person's own contact was shared.
    PhoneShared {
        /// Twelve digits.
        phone: Sealed,
        /// Keyed hash, for finding accounts with the same number.
        phone_hash: String,
        /// Operator hinted at by the prefix.
        operator: Operator,
    },
    /// An explicit choice of language.
    LanguageChosen {
        /// The language.
        language: Language,
    },
    /// Notifications were switched.
    NotificationsSet {
        /// Whether reminders and news are wanted.
        enabled: bool,
    },
    /// An admin banned the account.
    Banned {
        /// Why.
        reason: String,
    },
    /// An admin lifted the ban.
    Unbanned {
        /// Why.
        reason: String,
    },
    /// Telegram says that the person blocked the bot.
    BlockedBot {},
    /// The person wrote again after blocking.
    Returned {},
    /// The person asked to be forgotten; their key is destroyed.
    Forgotten {},
}

/// What can be asked of a person's account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields as in UserEvent")]
pub enum UserCommand {
    /// First contact.
    Register { telegram_id: Sealed },
    /// Consent to the terms.
    AcceptTerms { version: String, language: Language },
    /// Own contact.
    SharePhone {
        phone: Sealed,
        phone_hash: String,
        operator: Operator,
    },
    /// Language choice.
    ChooseLanguage { language: Language },
    /// Opt in or out.
    SetNotifications { enabled: bool },
    /// By an admin.
    Ban { reason: String },
    /// By an admin.
    Unban { reason: String },
    /// Telegram refused delivery.
    MarkBlocked {},
    /// A message arrived from somebody who had blocked us.
    MarkReturned {},
    /// Crypto-erasure.
    Forget {},
}

/// The account as its events left it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct User {
    /// Whether it exists.
    pub registered: bool,
    /// Sealed Telegram id.
    pub telegram_id: Option<Sealed>,
    /// Version of the accepted terms.
    pub terms_version: Option<String>,
    /// Language of messages.
    pub language: Option<Language>,
    /// Sealed phone.
    pub phone: Option<Sealed>,
    /// Keyed hash of the phone.
    pub phone_hash: Option<String>,
    /// Operator of the phone.
    pub operator: Option<Operator>,
    /// Whether news are wanted; by default yes.
    pub notifications_off: bool,
    /// Banned accounts get nothing.
    pub banned: bool,
    /// The bot cannot write to this person now.
    pub blocked_bot: bool,
    /// Forgotten accounts stay empty.
    pub forgotten: bool,
}

impl User {
    /// Whether the person may act: registered, terms accepted, neither banned nor forgotten.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn may_act(&self) -> Result<(), Rejection> {
        if self.forgotten {
            return Err(Rejection::new(
                "user_forgotten",
                "this account was forgotten at its owner's wish",
            ));
        }
        if self.banned {
            return Err(Rejection::new("user_banned", "this account is banned"));
        }
        if self.terms_version.is_none() {
            return Err(Rejection::new(
                "terms_not_accepted",
                "accept the terms first: send /start",
            ));
        }
        Ok(())
    }

    fn evolve(&mut self, event: UserEvent) {
        match event {
            UserEvent::Registered { telegram_id } => {
                self.registered = true;
                self.telegram_id = Some(telegram_id);
            }
            UserEvent::TermsAccepted { version, language } => {
                self.terms_version = Some(version);
                self.language.get_or_insert(language);
            }
            UserEvent::PhoneShared {
                phone,
                phone_hash,
                operator,
            } => {
                self.phone = Some(phone);
                self.phone_hash = Some(phone_hash);
                self.operator = Some(operator);
            }
            UserEvent::LanguageChosen { language } => self.language = Some(language),
            UserEvent::NotificationsSet { enabled } => self.notifications_off = !enabled,
            UserEvent::Banned { .. } => self.banned = true,
            UserEvent::Unbanned { .. } => self.banned = false,
            UserEvent::BlockedBot {} => self.blocked_bot = true,
            UserEvent::Returned {} => self.blocked_bot = false,
            UserEvent::Forgotten {} => {
                *self = Self {
                    registered: true,
                    forgotten: true,
                    ..Self::default()
                };
            }
        }
    }
}

impl Decide for User {
    fn decide(&self, command: &UserCommand) -> Result<Vec<UserEvent>, Rejection> {
        use UserCommand as C;
        use UserEvent as E;
        if self.forgotten && !matches!(command, C::Forget {}) {
            self.may_act()?;
        }
        if !self.registered && !matches!(command, C::Register { .. }) {
            return Err(Rejection::new("not_found", "there is no such user"));
        }
        let one = |event, needed: bool| if needed { vec![event] } else { vec![] };
        Ok(match command.clone() {
            C::Register { telegram_id } => one(E::Registered { telegram_id }, !self.registered),
            C::AcceptTerms { version, language } => {
                let needed = self.terms_version.as_deref() != Some(version.as_str());
                one(E::TermsAccepted { version, language }, needed)
            }
            C::SharePhone {
                phone,
                phone_hash,
                operator,
            } => {
                self.may_act()?;
                let needed = self.phone_hash.as_deref() != Some(phone_hash.as_str());
                one(
                    E::PhoneShared {
                        phone,
                        phone_hash,
                        operator,
                    },
                    needed,
                )
            }
            C::ChooseLanguage { language } => one(
                E::LanguageChosen { language },
                self.language != Some(language),
            ),
            C::SetNotifications { enabled } => one(
                E::NotificationsSet { enabled },
                self.notifications_off == enabled,
            ),
            C::Ban { reason } => one(
                E::Banned {
                    reason: required_reason(reason)?,
                },
                !self.banned,
            ),
            C::Unban { reason } => one(
                E::Unbanned {
                    reason: required_reason(reason)?,
                },
                self.banned,
            ),
            C::MarkBlocked {} => one(E::BlockedBot {}, !self.blocked_bot),
            C::MarkReturned {} => one(E::Returned {}, self.blocked_bot),
            C::Forget {} => one(E::Forgotten {}, !self.forgotten),
        })
    }
}

aggregate!(
    User,
    "user",
    UserCommand,
    UserEvent {
        Registered,
        TermsAccepted,
        PhoneShared,
        LanguageChosen,
        NotificationsSet,
        Banned,
        Unbanned,
        BlockedBot,
        Returned,
        Forgotten,
    }
);

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::*;

    fn sealed(text: &str) -> Sealed {
        Sealed::from_sealed(text.to_owned())
    }
    fn registered() -> UserEvent {
        UserEvent::Registered {
            telegram_id: sealed("v1.k.id"),
        }
    }
    fn accepted() -> UserEvent {
        UserEvent::TermsAccepted {
            version: "1".into(),
            language: Language::Uk,
        }
    }
    fn share() -> UserCommand {
        UserCommand::SharePhone {
            phone: sealed("v1.k.p"),
            phone_hash: "h".into(),
            operator: Operator::Kyivstar,
        }
    }

    #[test]
    fn the_first_message_registers_and_the_second_changes_nothing() {
        let register = || UserCommand::Register {
            telegram_id: sealed("v1.k.id"),
        };
        TestFramework::<User>::with(())
            .given_no_previous_events()
            .when(register())
            .then_expect_events(vec![registered()]);
        TestFramework::<User>::with(())
            .given(vec![registered()])
            .when(register())
            .then_expect_events(vec![]);
    }

    #[test]
    fn a_phone_is_refused_before_the_terms_are_accepted() {
        TestFramework::<User>::with(())
            .given(vec![registered()])
            .when(share())
            .then_expect_error(Rejection::new(
                "terms_not_accepted",
                "accept the terms first: send /start",
            ));
    }

    #[test]
    fn a_phone_is_taken_after_the_terms() {
        TestFramework::<User>::with(())
            .given(vec![registered(), accepted()])
            .when(share())
            .then_expect_events(vec![UserEvent::PhoneShared {
                phone: sealed("v1.k.p"),
                phone_hash: "h".into(),
                operator: Operator::Kyivstar,
            }]);
    }

    #[test]
    fn nothing_is_done_in_the_name_of_a_forgotten_person() {
        TestFramework::<User>::with(())
            .given(vec![registered(), accepted(), UserEvent::Forgotten {}])
            .when(share())
            .then_expect_error(Rejection::new(
                "user_forgotten",
                "this account was forgotten at its owner's wish",
            ));
    }

    #[test]
    fn a_ban_without_a_reason_is_refused() {
        TestFramework::<User>::with(())
            .given(vec![registered()])
            .when(UserCommand::Ban { reason: " ".into() })
            .then_expect_error(Rejection::new(
                "review_reason_required",
                "say why, in at most 500 bytes",
            ));
    }
}
