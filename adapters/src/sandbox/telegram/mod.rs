//! The simulated Telegram Bot API.
//!
//! It keeps people, chats, files and the queue of updates, and speaks the Bot API's wire protocol to whatever library the bot uses.
//! Delivery is at least once, as in life: an update stays until its `offset` confirms it or the webhook answers 2xx.

mod control;
mod error;
pub mod faults;
mod files;
mod html;
mod markup;
mod media;
mod methods;
mod params;
mod people;
mod state;
mod updates;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Extension, Router};
use serde_json::{Value, json};
use tokio::sync::watch;

use self::error::{ApiError, respond};
use self::faults::{TelegramAction, TelegramChance};
use self::files::FileStore;
use self::params::Params;
use self::state::World;
use super::faults::{Dice, FaultBox, Faults};
use super::journal::Remembered;
use super::server::Wire;
use super::{SandboxConfig, SandboxError};

pub use self::control::{NewPerson, Sent, TelegramView};
pub use self::state::{CallbackPress, ChatMessage, MessageVersion, Person};
pub(crate) use self::updates::deliver_webhooks;

/// Settings of the simulated bot account.
#[derive(Clone)]
pub struct TelegramSettings {
    /// The one token that is accepted. The part before the colon is the bot's id.
    pub token: String,
    /// The bot's `@name`.
    pub username: String,
    /// The bot's shown name.
    pub first_name: String,
    /// What goes wrong from the start.
    pub faults: Faults<TelegramAction, TelegramChance>,
}

impl fmt::Debug for TelegramSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelegramSettings")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl Default for TelegramSettings {
    fn default() -> Self {
        Self {
            token: "4242424242:sandbox".to_owned(),
            username: "kvit_sandbox_bot".to_owned(),
            first_name: "Kvit".to_owned(),
            faults: Faults::default(),
        }
    }
}

/// What need not outlive the process.
#[derive(Debug)]
struct Passing {
    dice: Dice,
    /// Updates to deliver once more although they were confirmed.
    again: VecDeque<Value>,
    /// Counts long polls; a newer one ends the older.
    polls: u64,
    webhook_error: Option<(i64, String)>,
    calls: BTreeMap<String, u64>,
}

#[derive(Debug)]
pub(crate) struct Telegram {
    settings: TelegramSettings,
    bot_id: i64,
    files: FileStore,
    world: Mutex<Remembered<World>>,
    faults: Mutex<FaultBox<TelegramAction, TelegramChance>>,
    passing: Mutex<Passing>,
    /// Moves whenever there may be something new to deliver.
    news: watch::Sender<u64>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves the state between two commits, where it is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Telegram {
    pub(crate) fn open(config: &SandboxConfig) -> Result<Arc<Self>, SandboxError> {
        let settings = config.telegram.clone();
        let bot_id = settings
            .token
            .split(':')
            .next()
            .and_then(|id| id.parse().ok())
            .unwrap_or(4_242_424_242);
        let passing = Passing {
            dice: Dice::new(config.seed.rotate_left(17)),
            again: VecDeque::new(),
            polls: 0,
            webhook_error: None,
            calls: BTreeMap::new(),
        };
        Ok(Arc::new(Self {
            bot_id,
            files: FileStore::open(config.dir.as_deref()),
            world: Mutex::new(Remembered::open(config.dir.as_deref(), "telegram.jsonl")?),
            faults: Mutex::new(FaultBox::new(settings.faults.clone(), config.seed)),
            passing: Mutex::new(passing),
            news: watch::Sender::new(0),
            settings,
        }))
    }

    fn world(&self) -> MutexGuard<'_, Remembered<World>> {
        locked(&self.world)
    }

    fn tell(&self) {
        self.news
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The bot's own `User`.
    fn bot_json(&self) -> Value {
        json!({"id": self.bot_id, "is_bot": true, "first_name": self.settings.first_name, "username": self.settings.username})
    }
}

pub(crate) fn router(telegram: Arc<Telegram>) -> Router {
    Router::new()
        .route("/{bot}/{method}", any(call))
        .route("/file/{bot}/{*path}", any(download))
        .merge(control::routes())
        .layer(DefaultBodyLimit::max(params::MAX_UPLOAD))
        .with_state(telegram)
}

/// Checks the `bot<token>` part of a path.
fn authorised(telegram: &Telegram, bot: &str) -> Result<(), ApiError> {
    match bot.strip_prefix("bot") {
        Some(token) if token == telegram.settings.token => Ok(()),
        Some(_) => Err(ApiError::new(401, "Unauthorized")),
        None => Err(ApiError::new(404, "Not Found")),
    }
}

async fn call(
    State(telegram): State<Arc<Telegram>>,
    Path((bot, method)): Path<(String, String)>,
    Extension(wire): Extension<Wire>,
    request: Request,
) -> Response {
    if let Err(error) = authorised(&telegram, &bot) {
        return respond(Err(error));
    }
    let method = method.to_ascii_lowercase();
    let params = match Params::read(request, params::MAX_BODY).await {
        Ok(params) => params,
        Err(error) => return respond(Err(error)),
    };
    {
        let mut passing = locked(&telegram.passing);
        let calls = passing.calls.entry(method.clone()).or_default();
        *calls = calls.saturating_add(1);
    }
    let subject = params
        .chat_id()
        .map(|id| id.to_string())
        .unwrap_or_default();
    let action = locked(&telegram.faults).meet(&method, &[&subject]);
    match action {
        None => {}
        Some(TelegramAction::TooManyRequests { retry_after }) => {
            return respond(Err(ApiError::too_many(retry_after)));
        }
        Some(TelegramAction::Error { code, description }) => {
            return respond(Err(ApiError::new(code, description)));
        }
        Some(TelegramAction::Delay { millis }) => {
            tokio::time::sleep(Duration::from_millis(millis)).await
        }
        Some(TelegramAction::DropBefore) => match wire.cut().await {},
        Some(TelegramAction::DropAfter) => {
            let _processed = methods::dispatch(&telegram, &method, &params).await;
            match wire.cut().await {}
        }
    }
    respond(methods::dispatch(&telegram, &method, &params).await)
}

async fn download(
    State(telegram): State<Arc<Telegram>>,
    Path((bot, path)): Path<(String, String)>,
) -> Response {
    if let Err(error) = authorised(&telegram, &bot) {
        return respond(Err(error));
    }
    // Libraries may escape the slashes of the path; the extractor has undone that.
    let known = telegram
        .world()
        .files
        .values()
        .any(|file| file.path == path);
    match telegram.files.get(&path).filter(|_| known) {
        Some(bytes) => (
            StatusCode::OK,
            [(header::CONTENT_TYPE, "application/octet-stream")],
            bytes,
        )
            .into_response(),
        None => respond(Err(ApiError::new(404, "Not Found"))),
    }
}
