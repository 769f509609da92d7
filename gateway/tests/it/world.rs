//! A platform in one process: the use cases over the real log, the read models, and the router.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use kvit_adapters::keys::PgApiKeys;
use kvit_adapters::notifications::PgNotificationInbox;
use kvit_adapters::postgres::{LogOptions, PgEventLog};
use kvit_adapters::vault::{MasterKeys, PgVault};
use kvit_commands::app::{App, AppParts, PaymentSettings};
use kvit_commands::context::Context;
use kvit_commands::executor::{Executor, Limits};
use kvit_commands::policies::Reconciling;
use kvit_commands::ports::notifications::NotificationInbox;
use kvit_commands::ports::time::{Clock, System};
use kvit_commands::testing::{ManualClock, MarkingVault};
use kvit_domain::event::Position;
use kvit_domain::ids::{CampaignId, ReceiptId, UserId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::phone::Phone;
use kvit_domain::rules::CampaignTerms;
use kvit_domain::user::Language;
use kvit_gateway::health::CheckFn;
use kvit_gateway::helpers::PaymentAsker;
use kvit_gateway::sources::{Network, SourceList};
use kvit_gateway::{GatewayParts, Helpers, Settings};
use kvit_projections::Projector;
use kvit_testkit::TestDb;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tower::ServiceExt;

use crate::doubles::{AnyPhoto, Letters, MemoryObjects, NoLimit, recognition};
use crate::provider::{Asker, OnePayment, Unsteady, portmone_answer};

/// The key with all scopes, as configuration gives it.
pub const ADMIN: &str = "an-invented-bootstrap-key-of-the-tests";
/// The token of Portmone's callbacks.
pub const WEBHOOK_TOKEN: &str = "an-invented-webhook-token";

/// An answer of the router, read to its end.
#[derive(Debug)]
pub struct Got {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Got {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| {
            panic!(
                "{}: no JSON: {}",
                self.status,
                String::from_utf8_lossy(&self.body)
            )
        })
    }
    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
    /// The JSON of a good answer.
    pub fn ok(&self) -> Value {
        assert!(
            self.status.is_success(),
            "{} {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        if self.body.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }
    /// Status and code of a refusal.
    pub fn refusal(&self) -> (u16, String) {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{}",
            self.text()
        );
        (
            self.status.as_u16(),
            self.json()["code"].as_str().unwrap().to_owned(),
        )
    }
}

/// A request in the making.
pub struct Ask<'a> {
    world: &'a World,
    request: axum::http::request::Builder,
    body: Body,
}

impl Ask<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }
    pub fn key(self, key: &str) -> Self {
        let value = format!("Bearer {key}");
        self.header("authorization", &value)
    }
    pub fn admin(self) -> Self {
        self.key(ADMIN)
    }
    pub fn once(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }
    pub fn json(mut self, body: &Value) -> Self {
        self.body = Body::from(body.to_string());
        self.header("content-type", "application/json")
    }
    pub fn raw(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }
    /// Sent over a connection from this address.
    pub fn from(mut self, peer: &str) -> Self {
        let address = SocketAddr::new(peer.parse().unwrap(), 40_000);
        self.request = self.request.extension(ConnectInfo(address));
        self
    }
    pub async fn send(self) -> Got {
        let request = self.request.body(self.body).unwrap();
        let response = self.world.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 10_000_000).await.unwrap();
        Got {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }
}

pub struct World {
    pub db: TestDb,
    pub app: App,
    pub router: Router,
    pub clock: Arc<ManualClock>,
    pub letters: Arc<Letters>,
    pub inbox: Arc<dyn NotificationInbox>,
    /// Whether the inbox answers that its database is away.
    pub inbox_down: Arc<AtomicBool>,
    /// Who is asked when a payer comes back.
    pub asker: Arc<Asker>,
    /// Whether the check `nats` says that it is down.
    pub nats_down: Arc<AtomicBool>,
    /// Told when a request stands in `/extra/pause`.
    pub paused: Arc<Notify>,
    /// Lets it go on.
    pub go_on: Arc<Notify>,
}

/// The rule of the tests: documentation addresses play the provider.
pub fn is_the_providers(address: IpAddr) -> bool {
    let network: Network = "192.0.2.0/24".parse().unwrap();
    network.contains(address)
}

pub fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

impl World {
    pub async fn new() -> Self {
        Self::with(Settings {
            bootstrap_key: Some(ADMIN.into()),
            portmone_webhook_token: Some(WEBHOOK_TOKEN.into()),
            yookassa_sources: SourceList::Only(Arc::new(is_the_providers)),
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            webhook_body_time_max: Duration::from_millis(300),
            at_least_wait_max: Duration::from_millis(50),
            ..Settings::default()
        })
        .await
    }

    pub async fn with(settings: Settings) -> Self {
        let db = kvit_testkit::pg().await;
        let clock = Arc::new(ManualClock::at(start()));
        let log = PgEventLog::start(&db.settings(), db.pool.clone(), LogOptions::default(), None)
            .unwrap();
        let executor = Executor::new(
            log,
            Arc::clone(&clock) as Arc<dyn Clock>,
            Arc::new(System),
            Limits::default(),
        );
        let vault = Arc::new(MarkingVault::default());
        let app = App::new(AppParts {
            executor,
            vault: vault.clone(),
            objects: Arc::new(MemoryObjects::default()),
            photos: Arc::new(AnyPhoto),
            limiter: Arc::new(NoLimit),
            settings: kvit_commands::app::Settings {
                payments: PaymentSettings {
                    providers: vec![ProviderName::Yookassa],
                    return_url: "https://pay.example/return".into(),
                    ..PaymentSettings::default()
                },
                ..kvit_commands::app::Settings::default_campaign()
            },
        });
        let letters = Arc::new(Letters::default());
        let nats_down = Arc::new(AtomicBool::new(false));
        let down = Arc::clone(&nats_down);
        let nats = CheckFn::new("nats", move || {
            let down = down.load(Ordering::SeqCst);
            async move {
                if down {
                    Err("connection to 10.0.0.7 refused".to_owned())
                } else {
                    Ok(())
                }
            }
        });
        let masters = MasterKeys::try_new(&[7; 32]).unwrap();
        let sealing = PgVault::open_with(db.pool.clone(), masters).await.unwrap();
        let postgres = CheckFn::new("postgres", || async { Ok(()) });
        let inbox_down = Arc::new(AtomicBool::new(false));
        let inbox: Arc<dyn NotificationInbox> = Arc::new(Unsteady {
            inner: PgNotificationInbox::new(db.pool.clone(), Arc::new(sealing)),
            down: Arc::clone(&inbox_down),
        });
        let asker = Arc::new(Asker::new(app.clone()));
        let helpers = Helpers {
            payment_asker: Some(Arc::clone(&asker) as Arc<dyn PaymentAsker>),
            portmone_answer: Some(Arc::new(portmone_answer)),
            reconciling: BTreeMap::from([(
                ProviderName::Yookassa,
                Arc::new(Reconciling::new(
                    app.clone(),
                    Arc::new(OnePayment),
                    Arc::new(OnePayment),
                )),
            )]),
        };
        let (paused, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (at_pause, after_pause) = (Arc::clone(&paused), Arc::clone(&go_on));
        let pause = move || {
            let (at_pause, after_pause) = (Arc::clone(&at_pause), Arc::clone(&after_pause));
            async move {
                at_pause.notify_one();
                after_pause.notified().await;
            }
        };
        let extra = Router::new()
            .route("/extra/pause", axum::routing::get(pause))
            .route(
                "/extra/panic",
                axum::routing::get(|| async {
                    if true {
                        panic!("secret text")
                    }
                }),
            )
            .route(
                "/extra/slow",
                axum::routing::get(|| tokio::time::sleep(Duration::from_secs(3_600))),
            );
        let router = kvit_gateway::router(GatewayParts {
            app: app.clone(),
            pool: db.pool.clone(),
            keys: Arc::new(PgApiKeys::new(db.pool.clone())),
            inbox: Arc::clone(&inbox),
            dead_letters: letters.clone(),
            checks: vec![Arc::new(postgres), Arc::new(nats)],
            metrics_render: Arc::new(|| "kvit_test 1\n".to_owned()),
            clock: clock.clone(),
            settings,
            helpers,
            extra: vec![extra],
        });
        let world = Self {
            db,
            app,
            router,
            clock,
            letters,
            inbox,
            inbox_down,
            asker,
            nats_down,
            paused,
            go_on,
        };
        world.settle().await;
        world
    }

    pub fn ask(&self, method: Method, path: &str) -> Ask<'_> {
        Ask {
            world: self,
            request: Request::builder().method(method).uri(path),
            body: Body::empty(),
        }
    }

    pub fn get(&self, path: &str) -> Ask<'_> {
        self.ask(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Ask<'_> {
        self.ask(Method::POST, path)
    }

    /// Reads as the admin; the answer must be good.
    pub async fn read(&self, path: &str) -> Value {
        self.get(path).admin().send().await.ok()
    }

    /// Folds the whole log into the read models.
    pub async fn settle(&self) -> Position {
        Projector::new(self.db.pool.clone())
            .catch_up()
            .await
            .unwrap()
    }

    /// Makes a key with these scopes.
    pub async fn key(&self, scopes: &[&str]) -> String {
        let body = json!({ "name": "a test", "scopes": scopes, "per_minute": 100_000 });
        let name = format!("key-{}", scopes.join("-"));
        let made = self
            .post("/v1/api-keys")
            .admin()
            .once(&name)
            .json(&body)
            .send()
            .await
            .ok();
        made["token"].as_str().unwrap().to_owned()
    }

    fn context(step: impl Into<String>) -> Context {
        Context::new("test", step, "setup")
    }

    /// The default campaign, running.
    pub async fn campaign(&self) -> CampaignId {
        let (id, _) = self.app.active_campaign().await.unwrap();
        let terms = CampaignTerms::default_campaign(100_000, 1_000_000);
        self.app
            .draft_campaign(id, "Default".into(), terms, &Self::context("draft"))
            .await
            .unwrap();
        self.app
            .activate_campaign(id, &Self::context("activate"))
            .await
            .unwrap();
        id
    }

    pub async fn shopper(&self, telegram_id: i64) -> UserId {
        let context = |step: &str| Self::context(format!("{telegram_id}:{step}"));
        let id = self
            .app
            .register(telegram_id, &context("register"))
            .await
            .unwrap();
        self.app
            .accept_terms(id, "1", Language::Uk, &context("terms"))
            .await
            .unwrap();
        let phone = Phone::parse("0671234567").unwrap();
        self.app
            .share_phone(id, &phone, &context("phone"))
            .await
            .unwrap();
        id
    }

    /// A receipt that was sent, read and decided by the rules; a good one when it has a QR code.
    pub async fn receipt(&self, user: UserId, number: u32, with_qr: bool) -> ReceiptId {
        let context = |step: &str| Self::context(format!("{number}:{step}"));
        let photo = Bytes::from(format!("photo {number}"));
        let submitted = self
            .app
            .submit_receipt(user, photo, self.clock.now(), &context("submit"))
            .await
            .unwrap();
        let id = submitted.receipt_id;
        let recognition = recognition(number, self.clock.now() - TimeDelta::hours(1), with_qr);
        self.app
            .record_recognition(id, recognition, &context("read"))
            .await
            .unwrap();
        self.app
            .decide_receipt(id, &context("decide"))
            .await
            .unwrap();
        id
    }

    /// A receipt whose reward is in the wallet.
    pub async fn rewarded(&self, user: UserId, number: u32) -> ReceiptId {
        let id = self.receipt(user, number, true).await;
        self.app
            .post_reward(id, &Self::context(format!("{number}:reward")))
            .await
            .unwrap();
        id
    }
}
