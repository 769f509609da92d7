//! Talking with people: updates that came in, messages that should be on their screens, buttons, and dialogue state.
//!
//! Both directions are durable. An update is stored before it is acknowledged and handled until it is done; what a person
//! should see is stored as a *wish* per slot, and the sender brings the screen in line with it. Handling an update twice
//! therefore sets the same wishes twice, which changes nothing.
//!
//! No clear chat id and no name rests here: people are named by [`UserId`], and whoever sends resolves the address at the
//! last moment. A message's text is kept only until it is delivered.

use std::time::Duration;

use async_trait::async_trait;
use kvit_domain::ids::UserId;
use serde::{Deserialize, Serialize};

/// Why a store of this module did not do it. Texts hold no personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessagesFault {
    /// The store is away; try again.
    #[error("the message store is not available: {0}")]
    Transient(String),
    /// The store or the data is broken; trying again does not help.
    #[error("the message store refused: {0}")]
    Fatal(String),
}

/// An update as it arrived.
#[derive(Clone, PartialEq, Eq)]
pub struct NewUpdate {
    /// Its id, unique for a bot; a repeat is the same update.
    pub update_id: i64,
    /// Updates with the same key are handled one after another: the chat's id. Forgotten with the payload.
    pub order_key: i64,
    /// The raw JSON.
    pub payload: String,
}

impl std::fmt::Debug for NewUpdate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUpdate")
            .field("update_id", &self.update_id)
            .finish_non_exhaustive()
    }
}

/// An update that is ours to handle now.
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimedUpdate {
    /// Its id.
    pub update_id: i64,
    /// The raw JSON.
    pub payload: String,
    /// How often it was claimed, this time included.
    pub attempt: u32,
    /// Seconds since it was stored.
    pub age_seconds: i64,
}

impl std::fmt::Debug for ClaimedUpdate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClaimedUpdate")
            .field("update_id", &self.update_id)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// Updates between their arrival and the end of their handling.
#[async_trait]
pub trait UpdateInbox: Send + Sync {
    /// Stores updates; durable when it returns. Answers how many were new: an id that is known, also a handled one, is not.
    async fn store(&self, updates: &[NewUpdate]) -> Result<u64, MessagesFault>;

    /// Takes up to `limit` updates that wait, the oldest of each order key, none of a key that is being handled. They are
    /// ours until `lease` has passed, then anybody's again.
    async fn claim(&self, limit: u32, lease: Duration)
    -> Result<Vec<ClaimedUpdate>, MessagesFault>;

    /// Keeps a claimed update for `lease` from now, while its handling goes on.
    async fn keep(&self, update_id: i64, lease: Duration) -> Result<(), MessagesFault>;

    /// The update is handled: its payload is deleted, the id stays so that a repeat is known.
    async fn done(&self, update_id: i64) -> Result<(), MessagesFault>;

    /// Not now: handle it again after `pause`. Later updates of its key wait behind it.
    async fn put_back(&self, update_id: i64, pause: Duration) -> Result<(), MessagesFault>;

    /// Forgets the ids of updates that were handled longer than `age` ago. Answers how many.
    async fn prune(&self, age: Duration) -> Result<u64, MessagesFault>;

    /// Returns when there may be something to claim, or after `at_most`.
    async fn wait(&self, at_most: Duration);
}

/// A button under a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InlineButton {
    /// What it says.
    pub label: String,
    /// What it does.
    pub target: ButtonTarget,
}

/// What a button does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ButtonTarget {
    /// Sends back an opaque token (see [`CallbackTokens`]).
    Callback(String),
    /// Opens a page.
    Url(String),
}

/// The keyboard of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keyboard {
    /// None.
    #[default]
    None,
    /// Buttons under the message, by rows.
    Inline(Vec<Vec<InlineButton>>),
    /// One large button that shares the person's own contact.
    ShareContact {
        /// What it says.
        label: String,
    },
    /// Takes such a large button away again.
    Remove,
}

/// What a message should look like.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageContent {
    /// Text in Telegram's HTML subset, at most 4096 characters.
    pub html: String,
    /// Its keyboard.
    #[serde(default)]
    pub keyboard: Keyboard,
    /// The person's message that it answers; only when it is sent for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<i32>,
}

impl std::fmt::Debug for MessageContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageContent")
            .field("bytes", &self.html.len())
            .finish_non_exhaustive()
    }
}

/// A message that is ours to bring in line with its wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueMessage {
    /// Its slot.
    pub slot: String,
    /// To whom.
    pub user: UserId,
    /// What it should look like.
    pub content: MessageContent,
    /// Version of that wish.
    pub version: i64,
    /// The message to edit; none: it was not sent yet.
    pub message_id: Option<i32>,
    /// How often this version was tried, this time included.
    pub attempt: u32,
}

/// The wishes: what should be on people's screens.
#[async_trait]
pub trait MessageBoard: Send + Sync {
    /// Sets what the message of a slot should look like. The first wish of a slot makes a message, later ones edit it; what
    /// was never sent in between is skipped.
    ///
    /// `as_of` orders the wishes of a slot (a log position, or 0): a wish older than the present one is ignored, so that a
    /// repeated old event cannot bring an old text back. Answers whether the wish changed anything.
    async fn set(
        &self,
        slot: &str,
        user: UserId,
        content: MessageContent,
        as_of: i64,
    ) -> Result<bool, MessagesFault>;

    /// Takes up to `limit` messages that should be sent or edited now, at most one per person, within the limits of speed
    /// (30 a second in all processes together, one a second for a person). They are ours until `lease` has passed.
    async fn claim(&self, limit: u32, lease: Duration) -> Result<Vec<DueMessage>, MessagesFault>;

    /// The version is on the screen. Its text is deleted here.
    async fn delivered(
        &self,
        slot: &str,
        version: i64,
        message_id: i32,
    ) -> Result<(), MessagesFault>;

    /// The message is gone from the person's chat: the wish is sent anew.
    async fn vanished(&self, slot: &str) -> Result<(), MessagesFault>;

    /// Not now: try this message again after `pause`.
    async fn postpone(&self, slot: &str, pause: Duration) -> Result<(), MessagesFault>;

    /// This version can never be delivered; it is given up, and its text deleted.
    async fn give_up(&self, slot: &str, version: i64) -> Result<(), MessagesFault>;

    /// Nothing at all is sent for `pause`: Telegram asked for it.
    async fn freeze(&self, pause: Duration) -> Result<(), MessagesFault>;

    /// Nothing is sent to this person until [`Self::unpark`]: they blocked the bot. The wishes stay.
    async fn park(&self, user: UserId) -> Result<(), MessagesFault>;

    /// The person is back: their waiting wishes are due again.
    async fn unpark(&self, user: UserId) -> Result<(), MessagesFault>;

    /// Removes everything about a person.
    async fn forget(&self, user: UserId) -> Result<(), MessagesFault>;

    /// Removes slots that nobody has changed for `age`. Answers how many.
    async fn prune(&self, age: Duration) -> Result<u64, MessagesFault>;

    /// Returns when there may be something to claim, or after `at_most`.
    async fn wait(&self, at_most: Duration);
}

/// What a pressed button means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redeemed {
    /// The action it stands for.
    Action(String),
    /// It belongs to somebody else.
    Foreign,
    /// There is no such button, or its time has passed.
    Unknown,
}

/// Buttons: an opaque id stands for an action of one person. What comes back from a client can be forged, so nothing in it is
/// believed but the id, and the owner is compared here.
#[async_trait]
pub trait CallbackTokens: Send + Sync {
    /// The token of an action for a person: at most 64 bytes. The same action gets the same token, and its time starts anew.
    async fn issue(
        &self,
        user: UserId,
        action: &str,
        ttl: Duration,
    ) -> Result<String, MessagesFault>;

    /// What a token means when this person presses it. A token may be pressed more than once.
    async fn redeem(&self, token: &str, user: UserId) -> Result<Redeemed, MessagesFault>;

    /// Removes everything about a person.
    async fn forget(&self, user: UserId) -> Result<(), MessagesFault>;

    /// Removes what has expired. Answers how many.
    async fn prune(&self) -> Result<u64, MessagesFault>;
}

/// How a message could not be sent or edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendFault {
    /// Too fast: wait so long before sending anything.
    #[error("told to wait {0:?}")]
    Wait(Duration),
    /// The message to edit looks like that already.
    #[error("not modified")]
    NotModified,
    /// The message to edit is gone or may not be edited any more.
    #[error("no such message")]
    Vanished,
    /// The person does not want to hear from the bot, or is gone.
    #[error("the person cannot be reached")]
    Unreachable,
    /// Telegram is away; try again. Whether the message was sent may be unknown.
    #[error("not now: {0}")]
    Transient(String),
    /// Telegram refuses this content for good.
    #[error("refused: {0}")]
    Fatal(String),
}

/// Sends and edits messages. Nothing is repeated inside.
#[async_trait]
pub trait MessageSender: Send + Sync {
    /// Sends a new message and answers its id.
    async fn send(&self, telegram_id: i64, content: &MessageContent) -> Result<i32, SendFault>;

    /// Changes a message that was sent before.
    async fn edit(
        &self,
        telegram_id: i64,
        message_id: i32,
        content: &MessageContent,
    ) -> Result<(), SendFault>;
}
