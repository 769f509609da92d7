//! What the gateway is given, and what its handlers share.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use kvit_commands::app::App;
use kvit_commands::ports::keys::ApiKeys;
use kvit_commands::ports::notifications::NotificationInbox;
use kvit_commands::ports::time::Clock;
use sqlx::PgPool;
use tokio::sync::Semaphore;

use crate::auth::limit::Limits;
use crate::dead_letters::DeadLetters;
use crate::health::traffic::Traffic;
use crate::health::{Checks, ReadinessCheck};
use crate::helpers::Helpers;
use crate::sources::{Network, SourceList};

/// Shortest bootstrap key that is taken.
pub const BOOTSTRAP_KEY_BYTES_MIN: usize = 32;

/// What configuration says about the gateway.
#[derive(Clone)]
pub struct Settings {
    /// A key with all scopes, to make others with. Shorter ones than [`BOOTSTRAP_KEY_BYTES_MIN`] are ignored.
    pub bootstrap_key: Option<String>,
    /// The token that Portmone's callbacks carry. Without it they are refused.
    pub portmone_webhook_token: Option<String>,
    /// From where YooKassa's notifications are taken. Closed: there is no such address.
    pub yookassa_sources: SourceList,
    /// Our own reverse proxies: only what they say in `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<Network>,
    /// How long a provider may take to send the body of a notification.
    pub webhook_body_time_max: Duration,
    /// Whether `/metrics` asks for an API key.
    pub metrics_need_key: bool,
    /// How long a read may wait for `at_least`.
    pub at_least_wait_max: Duration,
    /// How long a request may take.
    pub request_time_max: Duration,
    /// Requests in work at once; more are refused.
    pub in_work_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bootstrap_key: None,
            portmone_webhook_token: None,
            yookassa_sources: SourceList::Closed,
            trusted_proxies: Vec::new(),
            webhook_body_time_max: Duration::from_secs(10),
            metrics_need_key: false,
            at_least_wait_max: Duration::from_secs(5),
            request_time_max: Duration::from_secs(30),
            in_work_max: 512,
        }
    }
}

/// Renders all figures in Prometheus' text form.
pub type MetricsRender = Arc<dyn Fn() -> String + Send + Sync>;

/// Everything that the gateway needs from outside.
pub struct GatewayParts {
    /// The use cases.
    pub app: App,
    /// The application's role, for the read models.
    pub pool: PgPool,
    /// API keys.
    pub keys: Arc<dyn ApiKeys>,
    /// Providers' notifications.
    pub inbox: Arc<dyn NotificationInbox>,
    /// Events that no handler could take.
    pub dead_letters: Arc<dyn DeadLetters>,
    /// What must work before requests make sense.
    pub checks: Vec<Arc<dyn ReadinessCheck>>,
    /// The figures of `/metrics`.
    pub metrics_render: MetricsRender,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Configuration.
    pub settings: Settings,
    /// What only other rooms know how to do.
    pub helpers: Helpers,
    /// Routes of others, such as the bot's webhook; they get the common layers.
    pub extra: Vec<Router>,
}

/// What handlers share.
pub struct Shared {
    /// The use cases.
    pub app: App,
    /// The read models.
    pub pool: PgPool,
    /// API keys.
    pub keys: Arc<dyn ApiKeys>,
    /// Providers' notifications.
    pub inbox: Arc<dyn NotificationInbox>,
    /// Events that no handler could take.
    pub dead_letters: Arc<dyn DeadLetters>,
    /// Readiness.
    pub checks: Checks,
    /// The figures.
    pub metrics_render: MetricsRender,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Configuration.
    pub settings: Settings,
    /// What only other rooms know how to do.
    pub helpers: Helpers,
    /// Requests a minute by key.
    pub limits: Limits,
    /// Requests of the last minute.
    pub traffic: Traffic,
    /// One permit for each request in work.
    pub places: Semaphore,
}

/// The state of all handlers. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Shared>);

impl Deref for Gateway {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Gateway {
    /// People who did something in the last 24 hours; `None` while the read models are away.
    pub(crate) async fn active_users(&self) -> Option<i64> {
        let figures = tokio::time::timeout(
            Duration::from_secs(1),
            kvit_projections::queries::health::health(&self.pool),
        );
        figures
            .await
            .ok()?
            .ok()
            .map(|answer| answer.data.active_users_24h)
    }

    /// Takes the parts apart into the handlers' state and the routes of others.
    pub(crate) fn new(parts: GatewayParts) -> (Self, Vec<Router>) {
        let mut settings = parts.settings;
        settings.bootstrap_key = settings.bootstrap_key.filter(|key| {
            let long_enough = key.len() >= BOOTSTRAP_KEY_BYTES_MIN;
            if !long_enough {
                tracing::warn!("the bootstrap API key is too short and is ignored");
            }
            long_enough
        });
        let shared = Shared {
            app: parts.app,
            pool: parts.pool,
            keys: parts.keys,
            inbox: parts.inbox,
            dead_letters: parts.dead_letters,
            checks: Checks::new(parts.checks),
            metrics_render: parts.metrics_render,
            clock: parts.clock,
            limits: Limits::default(),
            traffic: Traffic::default(),
            places: Semaphore::new(settings.in_work_max),
            settings,
            helpers: parts.helpers,
        };
        (Self(Arc::new(shared)), parts.extra)
    }
}
