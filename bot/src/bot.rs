//! The bot as a whole: what it needs, and the tasks that it runs.

use std::sync::Arc;
use std::time::Duration;

use kvit_commands::app::App;
use kvit_commands::ports::messages::{CallbackTokens, MessageBoard, MessageSender, UpdateInbox};
use kvit_commands::ports::time::Clock;
use kvit_domain::user::Language;
use sqlx::PgPool;
use teloxide::payloads::{SetMyCommandsSetters as _, SetWebhookSetters as _};
use teloxide::requests::Requester as _;
use teloxide::types::{AllowedUpdate, BotCommand, BotCommandScope};
use tokio_util::sync::CancellationToken;

use crate::config::{BotConfig, Mode};
use crate::delivery::Delivery;
use crate::handlers::commands::LISTED;
use crate::intake::polling;
use crate::texts::{command_key, say};
use crate::turn::Dialogues;
use crate::worker::Worker;

/// Ids of handled updates are kept so long. Telegram repeats an update for at most a day.
const UPDATE_WINDOW: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// A message that nobody changed for so long is edited no more.
const MESSAGE_WINDOW: Duration = Duration::from_secs(100 * 24 * 60 * 60);
/// Between two sweeps of what is over.
const SWEEP: Duration = Duration::from_secs(60 * 60);

/// The kinds of update that the bot wants.
pub(crate) const WANTED: [AllowedUpdate; 3] = [
    AllowedUpdate::Message,
    AllowedUpdate::CallbackQuery,
    AllowedUpdate::MyChatMember,
];

/// What the bot needs.
pub struct BotDeps {
    /// Configuration.
    pub config: BotConfig,
    /// The client of the Bot API.
    pub telegram: teloxide::Bot,
    /// The use cases.
    pub app: App,
    /// Where the read models are.
    pub pool: PgPool,
    /// Updates that came in.
    pub inbox: Arc<dyn UpdateInbox>,
    /// Messages that should be on screens.
    pub board: Arc<dyn MessageBoard>,
    /// Sends those.
    pub sender: Arc<dyn MessageSender>,
    /// Meaning of buttons.
    pub tokens: Arc<dyn CallbackTokens>,
    /// Where people are in scenarios.
    pub dialogues: Arc<Dialogues>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// What handlers use.
pub(crate) struct Env {
    pub config: BotConfig,
    pub telegram: teloxide::Bot,
    pub app: App,
    pub pool: PgPool,
    pub board: Arc<dyn MessageBoard>,
    pub tokens: Arc<dyn CallbackTokens>,
    pub dialogues: Arc<Dialogues>,
    pub clock: Arc<dyn Clock>,
}

/// The bot. Nothing happens before [`Bot::run`].
pub struct Bot {
    env: Arc<Env>,
    inbox: Arc<dyn UpdateInbox>,
    sender: Arc<dyn MessageSender>,
}

impl Bot {
    /// A bot over these parts.
    #[must_use]
    pub fn new(deps: BotDeps) -> Self {
        let env = Env {
            config: deps.config,
            telegram: deps.telegram,
            app: deps.app,
            pool: deps.pool,
            board: deps.board,
            tokens: deps.tokens,
            dialogues: deps.dialogues,
            clock: deps.clock,
        };
        Self {
            env: Arc::new(env),
            inbox: deps.inbox,
            sender: deps.sender,
        }
    }

    /// Runs intake, worker, sender and sweeper until `stop` is cancelled, then lets what is under way
    /// finish. What is not finished is finished by the next run.
    ///
    /// In webhook mode intake is the route of [`crate::webhook_router`]; call [`Bot::register_webhook`] once it is served.
    pub async fn run(&self, stop: CancellationToken) {
        let worker = Worker::new(Arc::clone(&self.env), Arc::clone(&self.inbox));
        let delivery = Delivery {
            app: self.env.app.clone(),
            board: Arc::clone(&self.env.board),
            sender: Arc::clone(&self.sender),
        };
        let intake = async {
            if matches!(self.env.config.mode, Mode::Polling) {
                polling::run(&self.env.telegram, self.inbox.as_ref(), stop.clone()).await;
            }
        };
        // Never waited for: a bot without a menu is still a bot.
        let menu = tokio::spawn(offer_commands(self.env.telegram.clone(), stop.clone()));
        tokio::join!(
            intake,
            worker.run(stop.clone()),
            delivery.run(stop.clone()),
            self.sweep(stop.clone())
        );
        menu.abort();
    }

    /// Tells Telegram where to bring updates. Call it when the server listens, never before: Telegram tries at once.
    /// Waiting updates stay. Nothing to do in polling mode.
    ///
    /// # Errors
    /// Telegram's, after some tries.
    pub async fn register_webhook(&self) -> Result<(), teloxide::RequestError> {
        let Mode::Webhook { url, secret } = &self.env.config.mode else {
            return Ok(());
        };
        let mut pause = Duration::from_secs(1);
        loop {
            let request = self
                .env
                .telegram
                .set_webhook(url.clone())
                .secret_token(secret.clone())
                .allowed_updates(WANTED)
                .drop_pending_updates(false);
            match request.await {
                Ok(_) => return Ok(()),
                Err(error) if pause > Duration::from_secs(30) => return Err(error),
                Err(_) => {
                    tokio::time::sleep(pause).await;
                    pause = pause.saturating_mul(2);
                }
            }
        }
    }

    async fn sweep(&self, stop: CancellationToken) {
        while !pause_or_stop(SWEEP, &stop).await {
            let swept = async {
                let updates = self.inbox.prune(UPDATE_WINDOW).await?;
                let messages = self.env.board.prune(MESSAGE_WINDOW).await?;
                let buttons = self.env.tokens.prune().await?;
                Ok::<_, kvit_commands::ports::messages::MessagesFault>((updates, messages, buttons))
            };
            match swept.await {
                Ok((updates, messages, buttons)) => {
                    tracing::info!(updates, messages, buttons, "swept what is over");
                }
                Err(error) => tracing::warn!(%error, "sweeping failed, the next run tries again"),
            }
        }
    }
}

/// Waits; `true` when told to stop meanwhile.
pub(crate) async fn pause_or_stop(pause: Duration, stop: &CancellationToken) -> bool {
    tokio::time::timeout(pause, stop.cancelled()).await.is_ok()
}

/// Puts the commands into the menu of private chats, in each language, and without one for everybody else.
async fn offer_commands(telegram: teloxide::Bot, stop: CancellationToken) {
    let menus = [(None, Language::default())]
        .into_iter()
        .chain(Language::ALL.map(|language| (Some(language), language)));
    for (shown_to, language) in menus {
        let mut pause = Duration::from_secs(1);
        loop {
            let commands =
                LISTED.map(|name| BotCommand::new(name, say(language, &command_key(name), &[])));
            let mut request = telegram
                .set_my_commands(commands)
                .scope(BotCommandScope::AllPrivateChats);
            if let Some(language) = shown_to {
                request = request.language_code(language.code());
            }
            match request.await {
                Ok(_) => break,
                Err(_) if pause > Duration::from_secs(60) => {
                    tracing::warn!(
                        language = language.code(),
                        "the menu of commands could not be set"
                    );
                    break;
                }
                Err(_) => {
                    if pause_or_stop(pause, &stop).await {
                        return;
                    }
                    pause = pause.saturating_mul(2);
                }
            }
        }
    }
}
