//! Simulated outside services on a socket, for the demo, the tests and a developer's machine.
//!
//! The platform under test speaks to them exactly as it would to the real ones: the same wire protocol, limits, errors and bad days
//! (faults by a seed or by instruction). Nothing of the platform is replaced by a stub. What a person would do, such as sending a
//! photo or pressing a button, is done over the control side under `/_sandbox/`, for which [`client::SandboxClient`] is the typed face.
//!
//! Like the real services, the simulated ones outlive the platform: their state is an append-only journal in a folder, and a
//! process that is killed in mid-write comes back with everything it had answered for.

pub mod client;
pub mod faults;
mod front;
mod journal;
pub mod portmone;
mod server;
pub mod telegram;
pub mod yookassa;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

pub use journal::JournalError;
pub use portmone::PortmoneSettings;
pub use telegram::TelegramSettings;
pub use yookassa::YookassaSettings;

use client::SandboxClient;
use yookassa::client::YookassaControl;

/// The simulated services stand outside the platform, and outside there is one clock.
#[expect(
    clippy::disallowed_methods,
    reason = "a provider's clock is not the platform's, which alone comes from the Clock port"
)]
fn now() -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now()
}

/// How to start the simulated services.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Where to listen; port 0 takes a free one. Keep it on a loopback address: the control side asks for no key.
    pub bind: SocketAddr,
    /// Where the journals and file bytes live. `None` keeps everything in memory.
    pub dir: Option<PathBuf>,
    /// Makes chance repeatable: ids and faults by probability.
    pub seed: u64,
    /// The simulated Telegram Bot API.
    pub telegram: TelegramSettings,
    /// The simulated PortmoneDirect.
    pub portmone: PortmoneSettings,
    /// The simulated YooKassa.
    pub yookassa: YookassaSettings,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            dir: None,
            seed: 1,
            telegram: TelegramSettings::default(),
            portmone: PortmoneSettings::default(),
            yookassa: YookassaSettings::default(),
        }
    }
}

/// Why the sandbox could not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The address is taken or not ours.
    #[error("cannot listen on {addr}")]
    Bind {
        /// The wanted address.
        addr: SocketAddr,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A journal could not be opened or is damaged before its last line.
    #[error("the sandbox's memory cannot be read")]
    Journal(#[from] JournalError),
    /// The HTTP client for webhooks or for the control side could not be built.
    #[error("the sandbox's HTTP client cannot be built")]
    Http(#[from] crate::http::HttpError),
    /// The address that was bound does not make a URL.
    #[error("the bound address is not usable")]
    Url(#[from] url::ParseError),
}

/// Starts simulated services.
#[derive(Debug)]
pub struct Sandbox;

impl Sandbox {
    /// Replays the journals, opens the socket and serves. Ready when it returns.
    ///
    /// # Errors
    /// See [`SandboxError`].
    pub async fn start(config: SandboxConfig) -> Result<RunningSandbox, SandboxError> {
        let telegram = telegram::Telegram::open(&config)?;
        let portmone = portmone::Portmone::open(&config)?;
        let yookassa = yookassa::Yookassa::open(&config)?;
        let listener = tokio::net::TcpListener::bind(config.bind)
            .await
            .map_err(|source| SandboxError::Bind {
                addr: config.bind,
                source,
            })?;
        let addr = listener.local_addr().map_err(|source| SandboxError::Bind {
            addr: config.bind,
            source,
        })?;
        let base_url = Url::parse(&format!("http://{addr}/"))?;
        let client = SandboxClient::new(base_url.clone())?;
        let yookassa_control = YookassaControl::new(base_url.clone())?;
        yookassa.listens_at(&base_url);

        let router = telegram::router(Arc::clone(&telegram))
            .merge(portmone::router(Arc::clone(&portmone)))
            .merge(yookassa::router(Arc::clone(&yookassa)))
            .route("/", axum::routing::get(front::show))
            .route(
                "/_sandbox/health",
                axum::routing::get(|| async { axum::Json(serde_json::json!({"ok": true})) }),
            );
        let (stop, stopped) = watch::channel(false);
        let deliveries = tokio::spawn(telegram::deliver_webhooks(telegram, stopped.clone())?);
        let notices = tokio::spawn(yookassa::deliver(yookassa, stopped.clone()));
        let server = tokio::spawn(server::serve(listener, router, stopped));
        tracing::info!(%addr, "sandbox listens");
        Ok(RunningSandbox {
            base_url,
            client,
            yookassa: yookassa_control,
            stop,
            tasks: vec![server, notices, deliveries],
        })
    }
}

/// Simulated services that are up. Dropping it stops them; [`shutdown`](Self::shutdown) also waits.
#[derive(Debug)]
pub struct RunningSandbox {
    base_url: Url,
    client: SandboxClient,
    yookassa: YookassaControl,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl RunningSandbox {
    /// Root of everything, with a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> Url {
        self.base_url.clone()
    }

    /// What a Bot API library takes as its API address.
    #[must_use]
    pub fn telegram_url(&self) -> Url {
        self.base_url.clone()
    }

    /// The endpoint for the Portmone client.
    #[must_use]
    pub fn portmone_url(&self) -> Url {
        let mut url = self.base_url.clone();
        url.set_path(portmone::ENDPOINT);
        url
    }

    /// The base of the YooKassa API, without a trailing slash, as the real one is written: paths such as `/payments` follow.
    #[must_use]
    pub fn yookassa_url(&self) -> Url {
        let mut url = self.base_url.clone();
        url.set_path(yookassa::ENDPOINT);
        url
    }

    /// The control side of the simulated YooKassa.
    #[must_use]
    pub fn yookassa(&self) -> &YookassaControl {
        &self.yookassa
    }

    /// The control side. It goes over the socket too, so it does exactly what another process could do.
    #[must_use]
    pub fn client(&self) -> &SandboxClient {
        &self.client
    }

    /// Stops accepting, lets answers under way finish for a moment, and returns when the port is free.
    pub async fn shutdown(mut self) {
        let _nobody_listens = self.stop.send(true);
        for task in self.tasks.drain(..) {
            let _ended = task.await;
        }
    }
}

impl Drop for RunningSandbox {
    fn drop(&mut self) {
        let _nobody_listens = self.stop.send(true);
    }
}
