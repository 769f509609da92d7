//! Everything the simulated Telegram knows, as a fold over its changes.

use std::collections::{BTreeMap, HashMap, VecDeque};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::markup;
use crate::sandbox::journal::State;

/// A person with a Telegram account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The account's id, which is also the id of the private chat with the bot.
    pub id: i64,
    /// Shown name.
    pub first_name: String,
    /// Family name, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// `@name`, if taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Language of the person's app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language_code: Option<String>,
}

impl Person {
    fn with_names(&self, mut object: Value) -> Value {
        if let Some(fields) = object.as_object_mut() {
            fields.insert("first_name".to_owned(), json!(self.first_name));
            for (name, value) in [("last_name", &self.last_name), ("username", &self.username)] {
                if let Some(value) = value {
                    fields.insert(name.to_owned(), json!(value));
                }
            }
        }
        object
    }

    /// The Bot API's `User`.
    pub(super) fn user_json(&self) -> Value {
        let mut user = self.with_names(json!({"id": self.id, "is_bot": false}));
        if let (Some(code), Some(fields)) = (&self.language_code, user.as_object_mut()) {
            fields.insert("language_code".to_owned(), json!(code));
        }
        user
    }

    /// The Bot API's `Chat` of the private conversation.
    pub(super) fn chat_json(&self) -> Value {
        self.with_names(json!({"id": self.id, "type": "private"}))
    }
}

/// What a message looked like at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageVersion {
    /// When it took this form.
    pub at: DateTime<Utc>,
    /// Its text, or its caption.
    pub text: String,
    /// The keyboard sent with it, of any kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyboard: Option<Value>,
}

/// A message of a chat with everything that happened to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Its id.
    pub message_id: i64,
    /// Whether the bot sent it.
    pub from_bot: bool,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Every form it has had, oldest first; never empty.
    pub versions: Vec<MessageVersion>,
    /// The Bot API's `Message` as it is now.
    pub message: Value,
}

impl ChatMessage {
    /// The text or caption that is shown now.
    #[must_use]
    pub fn text(&self) -> &str {
        self.versions
            .last()
            .map_or("", |version| version.text.as_str())
    }

    /// The keyboard that is shown now.
    #[must_use]
    pub fn keyboard(&self) -> Option<&Value> {
        self.versions
            .last()
            .and_then(|version| version.keyboard.as_ref())
    }

    /// The buttons that can be pressed now, as (text, callback data) in reading order.
    #[must_use]
    pub fn buttons(&self) -> Vec<(String, String)> {
        markup::callbacks(self.keyboard())
    }
}

/// A file on the simulated servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredFile {
    pub file_id: String,
    pub unique_id: String,
    /// Path for the download, and under the sandbox's folder.
    pub path: String,
    pub size: u64,
    pub name: Option<String>,
    pub mime: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
}

/// A button press that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallbackPress {
    /// When the button was pressed.
    pub at: DateTime<Utc>,
    /// The data on the button.
    pub data: String,
    /// Whether the bot has answered.
    pub answered: bool,
    /// What the person was shown.
    pub text: Option<String>,
    /// Whether it was shown as an alert.
    pub show_alert: bool,
}

/// Where updates are pushed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Webhook {
    pub url: String,
    pub secret: Option<String>,
    pub max_connections: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub(super) enum Change {
    Person {
        person: Person,
    },
    Started {
        id: i64,
    },
    Blocked {
        id: i64,
        blocked: bool,
    },
    Stored {
        chat: i64,
        from_bot: bool,
        at: DateTime<Utc>,
        message: Value,
        keyboard: Option<Value>,
    },
    Edited {
        chat: i64,
        message_id: i64,
        at: DateTime<Utc>,
        message: Value,
        keyboard: Option<Value>,
    },
    Deleted {
        chat: i64,
        message_id: i64,
    },
    Queued {
        update: Value,
    },
    Confirmed {
        below: i64,
    },
    /// Taken by the webhook. Ids need not be in order there, so one goes at a time.
    Delivered {
        update_id: i64,
    },
    Pressed {
        id: String,
        at: DateTime<Utc>,
        data: String,
    },
    Answered {
        id: String,
        text: Option<String>,
        show_alert: bool,
    },
    File {
        file: StoredFile,
    },
    WebhookSet {
        webhook: Webhook,
    },
    WebhookRemoved,
    Allowed {
        kinds: Vec<String>,
    },
    Commands {
        scope: String,
        language: String,
        commands: Value,
    },
}

/// A chat's messages by id.
pub(super) type Chat = BTreeMap<i64, ChatMessage>;

#[derive(Debug, Default)]
pub(super) struct World {
    pub people: BTreeMap<i64, Person>,
    /// Whether each person has ever written to the bot, which alone lets the bot write to them.
    pub started: HashMap<i64, bool>,
    pub blocked: HashMap<i64, bool>,
    pub chats: BTreeMap<i64, Chat>,
    pub last_message: i64,
    /// Not yet confirmed, in order.
    pub updates: VecDeque<Value>,
    /// The last ones ever queued, for delivering one again.
    pub recent: VecDeque<Value>,
    pub last_update: Option<i64>,
    pub presses: HashMap<String, CallbackPress>,
    pub files: HashMap<String, StoredFile>,
    pub webhook: Option<Webhook>,
    /// Kinds of update that the bot wants; empty means all usual ones.
    pub allowed: Vec<String>,
    pub commands: BTreeMap<(String, String), Value>,
}

pub(super) fn update_id(update: &Value) -> i64 {
    update
        .get("update_id")
        .and_then(Value::as_i64)
        .unwrap_or_default()
}

fn shown_text(message: &Value) -> String {
    let text = message.get("text").or_else(|| message.get("caption"));
    text.and_then(Value::as_str).unwrap_or_default().to_owned()
}

impl World {
    pub fn is_blocked(&self, id: i64) -> bool {
        self.blocked.get(&id).copied().unwrap_or_default()
    }

    pub fn has_started(&self, id: i64) -> bool {
        self.started.get(&id).copied().unwrap_or_default()
    }

    pub fn message(&self, chat: i64, message_id: i64) -> Option<&ChatMessage> {
        self.chats
            .get(&chat)?
            .get(&message_id)
            .filter(|message| !message.deleted)
    }
}

impl State for World {
    type Change = Change;

    fn apply(&mut self, change: Change) {
        match change {
            Change::Person { person } => {
                self.people.insert(person.id, person);
            }
            Change::Started { id } => {
                self.started.insert(id, true);
            }
            Change::Blocked { id, blocked } => {
                self.blocked.insert(id, blocked);
            }
            Change::Stored {
                chat,
                from_bot,
                at,
                message,
                keyboard,
            } => {
                let message_id = message
                    .get("message_id")
                    .and_then(Value::as_i64)
                    .unwrap_or_default();
                self.last_message = self.last_message.max(message_id);
                let versions = vec![MessageVersion {
                    at,
                    text: shown_text(&message),
                    keyboard,
                }];
                let message = ChatMessage {
                    message_id,
                    from_bot,
                    deleted: false,
                    versions,
                    message,
                };
                self.chats
                    .entry(chat)
                    .or_default()
                    .insert(message_id, message);
            }
            Change::Edited {
                chat,
                message_id,
                at,
                message,
                keyboard,
            } => {
                if let Some(stored) = self
                    .chats
                    .get_mut(&chat)
                    .and_then(|chat| chat.get_mut(&message_id))
                {
                    stored.versions.push(MessageVersion {
                        at,
                        text: shown_text(&message),
                        keyboard,
                    });
                    stored.message = message;
                }
            }
            Change::Deleted { chat, message_id } => {
                if let Some(stored) = self
                    .chats
                    .get_mut(&chat)
                    .and_then(|chat| chat.get_mut(&message_id))
                {
                    stored.deleted = true;
                }
            }
            Change::Queued { update } => {
                self.last_update = self.last_update.max(Some(update_id(&update)));
                self.recent.push_back(update.clone());
                if self.recent.len() > 256 {
                    self.recent.pop_front();
                }
                self.updates.push_back(update);
            }
            Change::Confirmed { below } => self.updates.retain(|update| update_id(update) >= below),
            Change::Delivered { update_id: id } => {
                if let Some(index) = self
                    .updates
                    .iter()
                    .position(|update| update_id(update) == id)
                {
                    self.updates.remove(index);
                }
            }
            Change::Pressed { id, at, data } => {
                let press = CallbackPress {
                    at,
                    data,
                    answered: false,
                    text: None,
                    show_alert: false,
                };
                self.presses.insert(id, press);
            }
            Change::Answered {
                id,
                text,
                show_alert,
            } => {
                if let Some(press) = self.presses.get_mut(&id) {
                    press.answered = true;
                    press.text = text;
                    press.show_alert = show_alert;
                }
            }
            Change::File { file } => {
                self.files.insert(file.file_id.clone(), file);
            }
            Change::WebhookSet { webhook } => self.webhook = Some(webhook),
            Change::WebhookRemoved => self.webhook = None,
            Change::Allowed { kinds } => self.allowed = kinds,
            Change::Commands {
                scope,
                language,
                commands,
            } => {
                self.commands.insert((scope, language), commands);
            }
        }
    }
}
