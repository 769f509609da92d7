//! What a button does. It is stored behind an opaque token and never leaves the platform.

use std::time::Duration;

use kvit_commands::ports::messages::{
    ButtonTarget, CallbackTokens, InlineButton, Keyboard, MessageContent, MessagesFault,
};
use kvit_domain::ids::{ReceiptId, UserId};
use kvit_domain::user::Language;
use serde::{Deserialize, Serialize};

/// How long a button works after it was last drawn.
const TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What a button does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Action {
    AcceptTerms,
    SendAnother,
    ChangeNumber,
    Details {
        receipt: ReceiptId,
    },
    Appeal {
        receipt: ReceiptId,
    },
    /// Another page of the list in a slot: the cursors of the pages up to it, none for the first.
    History {
        slot: String,
        trail: Vec<String>,
    },
    Language {
        language: Language,
    },
    Notifications {
        on: bool,
    },
    Forget {
        yes: bool,
    },
}

/// A button as it is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Button {
    /// Does something.
    Act(String, Action),
    /// Opens a page.
    Open(String, String),
}

/// A message as it is drawn, before its buttons have tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drawn {
    /// Text in Telegram's HTML subset.
    pub html: String,
    /// Buttons under it, by rows.
    pub buttons: Vec<Vec<Button>>,
}

impl Drawn {
    /// A text without buttons.
    pub fn text(html: impl Into<String>) -> Self {
        Self {
            html: html.into(),
            buttons: Vec::new(),
        }
    }

    /// The same with one more row of buttons.
    #[must_use]
    pub fn row(mut self, buttons: impl IntoIterator<Item = Button>) -> Self {
        self.buttons.push(buttons.into_iter().collect());
        self
    }

    /// Gives the buttons their tokens.
    ///
    /// # Errors
    /// The token store's.
    pub async fn finish(
        self,
        tokens: &dyn CallbackTokens,
        user: UserId,
    ) -> Result<MessageContent, MessagesFault> {
        let mut rows = Vec::with_capacity(self.buttons.len());
        for row in self.buttons {
            let mut finished = Vec::with_capacity(row.len());
            for button in row {
                finished.push(match button {
                    Button::Open(label, url) => InlineButton {
                        label,
                        target: ButtonTarget::Url(url),
                    },
                    Button::Act(label, action) => {
                        let action = serde_json::to_string(&action)
                            .map_err(|error| MessagesFault::Fatal(error.to_string()))?;
                        let token = tokens.issue(user, &action, TTL).await?;
                        InlineButton {
                            label,
                            target: ButtonTarget::Callback(token),
                        }
                    }
                });
            }
            rows.push(finished);
        }
        let keyboard = if rows.is_empty() {
            Keyboard::None
        } else {
            Keyboard::Inline(rows)
        };
        Ok(MessageContent {
            html: self.html,
            keyboard,
            reply_to: None,
        })
    }
}
