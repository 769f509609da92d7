//! A small world: a simulated Telegram, a database, the use cases over the real log, and a bot that can be restarted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use image::{ImageFormat, RgbImage};
use kvit_adapters::postgres::{LogOptions, PgEventLog, PgRateLimiter};
use kvit_adapters::sandbox::client::{Attachment, ContactOf, SandboxClient};
use kvit_adapters::sandbox::telegram::{ChatMessage, NewPerson, Sent};
use kvit_adapters::sandbox::{RunningSandbox, Sandbox, SandboxConfig};
use kvit_adapters::telegram::{
    PgCallbackTokens, PgDialogues, PgMessageBoard, PgUpdateInbox, TelegramSender, connect,
};
use kvit_bot::{Bot, BotConfig, BotDeps, DialogueState};
use kvit_commands::app::{App, AppParts, PaymentSettings, Settings};
use kvit_commands::context::Context;
use kvit_commands::executor::{Executor, Limits};
use kvit_commands::ports::log::EventLog;
use kvit_commands::ports::objects::{ObjectFault, ObjectInfo, ObjectKey, ObjectStore};
use kvit_commands::ports::photos::{PhotoFacts, PhotoInspector};
use kvit_commands::ports::time::{Clock, System};
use kvit_commands::ports::vault::Vault;
use kvit_commands::testing::MarkingVault;
use kvit_domain::event::RecordedEvent;
use kvit_domain::ids::UserId;
use kvit_domain::ledger::ProviderName;
use kvit_domain::rejection::Rejection;
use kvit_testkit::TestDb;
use teloxide::dispatching::dialogue::Storage as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const TOKEN: &str = "4242424242:sandbox";
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct MemoryObjects(Mutex<HashMap<String, Bytes>>);

#[async_trait]
impl ObjectStore for MemoryObjects {
    async fn put(&self, key: &ObjectKey, body: Bytes, _: &str) -> Result<(), ObjectFault> {
        self.0.lock().unwrap().insert(key.to_string(), body);
        Ok(())
    }
    async fn get(&self, key: &ObjectKey, _: usize) -> Result<Bytes, ObjectFault> {
        self.0
            .lock()
            .unwrap()
            .get(key.as_str())
            .cloned()
            .ok_or(ObjectFault::NotFound)
    }
    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, ObjectFault> {
        let size = self
            .0
            .lock()
            .unwrap()
            .get(key.as_str())
            .map(|bytes| bytes.len() as u64);
        Ok(size.map(|size| ObjectInfo {
            size,
            content_type: None,
        }))
    }
    async fn delete(&self, key: &ObjectKey) -> Result<(), ObjectFault> {
        self.0.lock().unwrap().remove(key.as_str());
        Ok(())
    }
}

/// Looks at photos with the image library alone; the reader's own intake is tried where it lives.
struct Looker;

impl PhotoInspector for Looker {
    fn inspect(&self, bytes: &[u8]) -> Result<PhotoFacts, Rejection> {
        let (content_type, extension) = match image::guess_format(bytes) {
            Ok(ImageFormat::Jpeg) => ("image/jpeg", "jpg"),
            Ok(ImageFormat::Png) => ("image/png", "png"),
            _ => return Err(Rejection::new("unsupported_type", "not a photo")),
        };
        let photo = image::load_from_memory(bytes)
            .map_err(|_| Rejection::new("not_an_image", "damaged"))?;
        Ok(PhotoFacts {
            content_type,
            extension,
            short_edge_px: photo.width().min(photo.height()),
        })
    }
    fn preview(&self, bytes: &[u8]) -> Result<Vec<u8>, Rejection> {
        Ok(bytes.to_vec())
    }
}

/// A PNG of a width; each colour is another photo.
pub fn photo(colour: u8, width: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::from_pixel(width, 640, image::Rgb([colour, 10, 200]))
        .write_to(&mut bytes, ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

pub struct World {
    pub db: TestDb,
    sandbox: RunningSandbox,
    vault: Arc<dyn Vault>,
    /// The clock of bots that are started from now on.
    pub clock: Arc<dyn Clock>,
    pub app: App,
    pub log: Arc<PgEventLog>,
    pub inbox: Arc<PgUpdateInbox>,
    pub board: Arc<PgMessageBoard>,
    pub tokens: Arc<PgCallbackTokens>,
    running: Option<(CancellationToken, JoinHandle<()>)>,
}

pub fn config() -> BotConfig {
    BotConfig::new(
        "2026-11",
        url::Url::parse("https://kvit.example/terms").unwrap(),
    )
}

impl World {
    /// A world with a running bot.
    pub async fn new() -> Self {
        Self::with(config()).await
    }

    /// A world whose bot is configured otherwise.
    pub async fn with(config: BotConfig) -> Self {
        let mut world = Self::asleep().await;
        world.start(config);
        world
    }

    /// A world whose bot does not run yet.
    pub async fn asleep() -> Self {
        let db = kvit_testkit::pg().await;
        let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
        let log = PgEventLog::start(&db.settings(), db.pool.clone(), LogOptions::default(), None)
            .unwrap();
        let executor = Executor::new(
            Arc::clone(&log) as Arc<dyn EventLog>,
            Arc::new(System),
            Arc::new(System),
            Limits::default(),
        );
        let vault: Arc<dyn Vault> = Arc::new(MarkingVault::default());
        let app = App::new(AppParts {
            executor,
            vault: Arc::clone(&vault),
            objects: Arc::new(MemoryObjects::default()),
            photos: Arc::new(Looker),
            limiter: Arc::new(PgRateLimiter::new(db.pool.clone())),
            settings: Settings {
                payments: PaymentSettings {
                    providers: vec![ProviderName::Yookassa],
                    ..PaymentSettings::default()
                },
                ..Settings::default_campaign()
            },
        });
        Self {
            inbox: Arc::new(PgUpdateInbox::new(db.pool.clone(), Arc::clone(&vault))),
            board: Arc::new(PgMessageBoard::new(db.pool.clone())),
            tokens: Arc::new(PgCallbackTokens::new(db.pool.clone())),
            db,
            sandbox,
            vault,
            clock: Arc::new(System),
            app,
            log,
            running: None,
        }
    }

    /// A bot over this world that does not run yet.
    pub fn bot(&self, config: BotConfig) -> Bot {
        let telegram = connect(TOKEN, Some(&self.sandbox.telegram_url())).unwrap();
        let named = self.app.clone();
        let dialogues =
            PgDialogues::<DialogueState>::new(self.db.pool.clone(), move |id| named.user_id(id));
        Bot::new(BotDeps {
            config,
            telegram: telegram.clone(),
            app: self.app.clone(),
            pool: self.db.pool.clone(),
            // Stores of its own, as another process would have.
            inbox: Arc::new(PgUpdateInbox::new(
                self.db.pool.clone(),
                Arc::clone(&self.vault),
            )),
            board: Arc::new(PgMessageBoard::new(self.db.pool.clone())),
            sender: Arc::new(TelegramSender::new(telegram)),
            tokens: self.tokens.clone(),
            dialogues: Arc::new(dialogues).erase(),
            clock: Arc::clone(&self.clock),
        })
    }

    pub fn start(&mut self, config: BotConfig) {
        let (bot, stop) = (self.bot(config), CancellationToken::new());
        let stopped = stop.clone();
        self.running = Some((stop, tokio::spawn(async move { bot.run(stopped).await })));
    }

    pub async fn stop(&mut self) {
        if let Some((stop, task)) = self.running.take() {
            stop.cancel();
            task.await.unwrap();
        }
    }

    /// As after a crash: what was under way is cut off.
    pub fn kill(&mut self) {
        if let Some((_, task)) = self.running.take() {
            task.abort();
        }
    }

    pub fn telegram(&self) -> &SandboxClient {
        self.sandbox.client()
    }

    pub async fn person(&self, language: &str) -> i64 {
        let person = NewPerson {
            first_name: "Оля <b>".to_owned(),
            language_code: Some(language.to_owned()),
            ..NewPerson::default()
        };
        self.telegram().create_user(&person).await.unwrap().id
    }

    /// A person who has gone through the onboarding, without the bot's help.
    pub async fn shopper(&self) -> i64 {
        let id = self.person("uk").await;
        let context = |step: &str| Context::new("test", format!("{id}:{step}"), "setup");
        let user = self.app.register(id, &context("register")).await.unwrap();
        self.app
            .accept_terms(
                user,
                "2026-11",
                kvit_domain::user::Language::Uk,
                &context("terms"),
            )
            .await
            .unwrap();
        let phone = kvit_domain::phone::Phone::parse("0671234567").unwrap();
        self.app
            .share_phone(user, &phone, &context("phone"))
            .await
            .unwrap();
        // The bot may write to those only who wrote first.
        let began = self.telegram().send_text(id, "/cancel").await.unwrap();
        if self.running.is_some() {
            self.answered(id, 1).await;
        }
        assert!(began.message_id > 0);
        id
    }

    pub fn user(&self, person: i64) -> UserId {
        self.app.user_id(person)
    }

    pub async fn say(&self, person: i64, text: &str) -> Sent {
        self.telegram().send_text(person, text).await.unwrap()
    }

    pub async fn send_photo(&self, person: i64, bytes: &[u8]) -> Sent {
        self.telegram()
            .send_photo(
                person,
                &Attachment {
                    bytes,
                    ..Attachment::default()
                },
            )
            .await
            .unwrap()
    }

    pub async fn send_document(&self, person: i64, bytes: &[u8]) -> Sent {
        let file = Attachment {
            bytes,
            file_name: Some("чек.png"),
            ..Attachment::default()
        };
        self.telegram().send_document(person, &file).await.unwrap()
    }

    pub async fn own_contact(&self, person: i64, phone: &str) {
        self.telegram()
            .send_contact(person, phone, ContactOf::Own)
            .await
            .unwrap();
    }

    /// What the bot has said to a person so far.
    pub async fn said(&self, person: i64) -> Vec<ChatMessage> {
        let all = self.telegram().chat_messages(person).await.unwrap();
        all.into_iter()
            .filter(|message| message.from_bot && !message.deleted)
            .collect()
    }

    /// Waits until the bot has said so many things, and answers them.
    pub async fn answered(&self, person: i64, count: usize) -> Vec<ChatMessage> {
        eventually(&format!("{count} answers"), async || {
            let said = self.said(person).await;
            (said.len() >= count).then_some(said)
        })
        .await
    }

    /// Waits for a message of the bot with this text in it.
    pub async fn heard(&self, person: i64, text: &str) -> ChatMessage {
        eventually(text, async || {
            self.said(person)
                .await
                .into_iter()
                .find(|message| message.text().contains(text))
        })
        .await
    }

    /// Presses the button with this label on a message; answers the id of the press.
    pub async fn press(&self, person: i64, message: &ChatMessage, label: &str) -> String {
        let data = button(message, label);
        let sent = self
            .telegram()
            .press(person, message.message_id, &data)
            .await
            .unwrap();
        sent.callback_query_id.unwrap()
    }

    /// Waits for what a press was answered with.
    pub async fn toast(&self, press: &str) -> Option<String> {
        let press = eventually("an answer to a press", async || {
            Some(self.telegram().callback(press).await.unwrap()).filter(|press| press.answered)
        })
        .await;
        press.text
    }

    /// Waits until every update that came in is handled.
    pub async fn settled(&self) {
        eventually("all updates handled", async || {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM telegram_updates WHERE handled_at IS NULL",
            )
            .fetch_one(&self.db.pool)
            .await
            .unwrap();
            let state = self.telegram().telegram_state().await.unwrap();
            (waiting == 0 && state.pending_updates.is_empty()).then_some(())
        })
        .await;
    }

    /// Everything in the log.
    pub async fn events(&self) -> Vec<RecordedEvent> {
        self.log.read(0, 10_000).await.unwrap()
    }

    /// Names of the events in the log, in order.
    pub async fn event_types(&self) -> Vec<String> {
        self.events()
            .await
            .into_iter()
            .map(|event| event.event_type)
            .collect()
    }

    pub async fn count(&self, event_type: &str) -> usize {
        self.event_types()
            .await
            .iter()
            .filter(|known| *known == event_type)
            .count()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The data of the button with this label.
pub fn button(message: &ChatMessage, label: &str) -> String {
    let buttons = message.buttons();
    let found = buttons.iter().find(|(text, _)| text == label);
    found
        .unwrap_or_else(|| panic!("no button {label} among {buttons:?}"))
        .1
        .clone()
}

/// Waits until something is there.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
