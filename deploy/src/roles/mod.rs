//! The roles of the one binary: what runs, out of which parts.
//!
//! `kvit up` runs all roles in one process, but for the reader of photos, which is native code and has a process of its
//! own. The same functions run each role alone.

mod checks;
mod dead;
mod gauges;
pub mod money;
pub mod parts;
mod photos;
mod provider;
mod reader;
mod retention;
mod sandbox;
mod schedule;
pub mod seed;
mod sweeper;
mod tasks;
mod traced;
mod yookassa;

use std::net::SocketAddr;
use std::sync::Arc;

use kvit_adapters::nats;
use kvit_adapters::postgres::migrate::{self, MigrateFault};
use kvit_commands::error::CommandError;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::shutdown::ShutdownToken;
use crate::stack::{Endpoints, ProcessSpec, Supervisor};
use crate::telemetry::Telemetry;
use crate::ui;

use parts::Parts;
pub use parts::PartsError;
pub use sandbox::SandboxInfo;

/// A part of the platform that can be a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// HTTP: webhooks, API, health, metrics.
    Gateway,
    /// Telegram.
    Bot,
    /// Policies: rules, payouts, jobs, notices.
    Worker,
    /// Reading photos.
    Ocr,
    /// Folding read models.
    Projector,
    /// Publishing the log on the bus.
    Relay,
    /// Bringing the schema up to date, then ending.
    Migrate,
}

impl Role {
    /// The command's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Bot => "bot",
            Self::Worker => "worker",
            Self::Ocr => "ocr",
            Self::Projector => "projector",
            Self::Relay => "relay",
            Self::Migrate => "migrate",
        }
    }
}

/// Why a role ended.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// What the role stands on is not there.
    #[error("the parts of the role could not be put together")]
    Parts(#[from] PartsError),
    /// The schema could not be brought up to date.
    #[error("the database schema could not be brought up to date")]
    Migrate(#[from] MigrateFault),
    /// The address to listen on is taken or not ours.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// The role needs a setting that is not given.
    #[error("the role `{role}` needs {setting}")]
    Missing {
        /// The role.
        role: &'static str,
        /// The setting.
        setting: &'static str,
    },
    /// A setting is there but cannot be used.
    #[error("{setting} cannot be used: {why}")]
    Unusable {
        /// The setting.
        setting: &'static str,
        /// Why, without its value.
        why: String,
    },
    /// A task of the platform ended although nobody stopped it.
    #[error("the {0} ended unexpectedly")]
    Ended(&'static str),
    /// The relay found two histories.
    #[error("the relay stopped")]
    Relay(#[from] nats::RelayFault),
    /// The campaign of the sandbox could not be set up.
    #[error("the sandbox's campaign could not be set up")]
    Seed(#[from] CommandError),
    /// The simulated services did not start.
    #[error("the sandbox did not start")]
    Sandbox(#[from] kvit_adapters::sandbox::SandboxError),
}

/// The whole platform in one process, as `kvit up` runs it.
#[derive(Debug)]
pub struct Platform<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Where the services are.
    pub endpoints: &'a Endpoints,
    /// For processes of our own binary, such as `kvit ocr`. It is stopped by the caller, before the services.
    pub supervisor: &'a Supervisor,
    /// Logs, traces, and the metrics to render.
    pub telemetry: &'a Telemetry,
    /// Whether the simulated providers run.
    pub sandbox: bool,
    /// Cancelled when the platform shall stop.
    pub shutdown: ShutdownToken,
}

/// What a running platform tells about itself.
#[derive(Debug, Clone)]
pub struct Running {
    /// Where the gateway listens.
    pub gateway: SocketAddr,
    /// The simulated services, when they run.
    pub sandbox: Option<SandboxInfo>,
}

/// The tasks of a process; the first that ends without being told to is an error.
type Tasks = JoinSet<Result<(), RoleError>>;

/// Runs one role until `shutdown`.
///
/// # Errors
/// See [`RoleError`].
pub async fn run(
    role: Role,
    config: &Config,
    endpoints: &Endpoints,
    telemetry: &Telemetry,
    shutdown: ShutdownToken,
) -> Result<(), RoleError> {
    if role == Role::Migrate {
        return migrate(endpoints).await;
    }
    let parts = tokio::select! {
        parts = Parts::open(config, endpoints, role.name()) => Arc::new(parts?),
        () = shutdown.cancelled() => return Ok(()),
    };
    let mut tasks = Tasks::new();
    match role {
        Role::Gateway => {
            let listener = listen(config).await?;
            ui::note(format_args!(
                "the gateway listens on http://{}",
                address(&listener)?
            ));
            tasks::gateway(&mut tasks, &parts, config, telemetry, listener, &shutdown)?;
        }
        Role::Bot => tasks::bot(&mut tasks, &parts, config, &shutdown)?,
        Role::Worker => tasks::worker(&mut tasks, &parts, config, &shutdown)?,
        Role::Ocr => tasks::ocr(&mut tasks, &parts, config, &shutdown)?,
        Role::Projector => tasks::projector(&mut tasks, &parts, &shutdown),
        Role::Relay => tasks::relay(&mut tasks, &parts, &shutdown),
        Role::Migrate => {}
    }
    join(tasks, &shutdown, role.name()).await
}

/// Runs all roles until `shutdown`.
///
/// # Errors
/// See [`RoleError`].
pub async fn run_all(platform: Platform<'_>) -> Result<(), RoleError> {
    run_all_and_tell(platform, |running| {
        ui::note(format_args!(
            "API, documentation and admin page: http://{}/docs /admin",
            running.gateway
        ));
        if let Some(sandbox) = &running.sandbox {
            ui::note(format_args!(
                "simulated Telegram, Portmone and YooKassa: {}",
                sandbox.base_url
            ));
        }
    })
    .await
}

/// Runs all roles until `shutdown`, and says once where they are.
///
/// # Errors
/// See [`RoleError`].
pub async fn run_all_and_tell(
    platform: Platform<'_>,
    tell: impl FnOnce(Running),
) -> Result<(), RoleError> {
    let Platform {
        config,
        endpoints,
        supervisor,
        telemetry,
        sandbox,
        shutdown,
    } = platform;
    migrate(endpoints).await?;
    let simulated = if sandbox {
        Some(sandbox::start(&config.dir).await?)
    } else {
        None
    };
    let config = match &simulated {
        Some((_, info)) => info.apply_to(config),
        None => config.clone(),
    };
    let parts = Arc::new(Parts::open(&config, endpoints, "up").await?);
    // Whoever tries the sandbox wants to send a receipt, and without a campaign none can be decided.
    if sandbox {
        seed::default_campaign(&parts.app).await?;
    }
    let listener = listen(&config).await?;
    let gateway = address(&listener)?;
    if let Some((running, _)) = &simulated {
        let token = config.portmone.webhook_token.as_ref();
        sandbox::point_notifications(running, gateway, token).await;
    }
    let mut tasks = Tasks::new();
    tasks::relay(&mut tasks, &parts, &shutdown);
    tasks::projector(&mut tasks, &parts, &shutdown);
    tasks::worker(&mut tasks, &parts, &config, &shutdown)?;
    tasks::gateway(&mut tasks, &parts, &config, telemetry, listener, &shutdown)?;
    if config.telegram.bot_token.is_some() {
        tasks::bot(&mut tasks, &parts, &config, &shutdown)?;
    } else {
        ui::note("no TELEGRAM_BOT_TOKEN: the bot does not run");
    }
    supervisor.start(ProcessSpec::role(
        "ocr",
        endpoints,
        &config.dir,
        config.log.format,
    ));
    tell(Running {
        gateway,
        sandbox: simulated.as_ref().map(|(_, info)| info.clone()),
    });
    let ended = join(tasks, &shutdown, "platform").await;
    if let Some((running, _)) = simulated {
        running.shutdown().await;
    }
    ended
}

async fn migrate(endpoints: &Endpoints) -> Result<(), RoleError> {
    Ok(migrate::migrate(&endpoints.database_owner_url).await?)
}

async fn listen(config: &Config) -> Result<TcpListener, RoleError> {
    let wanted = SocketAddr::new(config.http.bind, config.http.port);
    TcpListener::bind(wanted)
        .await
        .map_err(|error| RoleError::Listen(wanted, error))
}

fn address(listener: &TcpListener) -> Result<SocketAddr, RoleError> {
    let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
    listener
        .local_addr()
        .map_err(|error| RoleError::Listen(unknown, error))
}

/// Waits for the stop and then for the tasks. A task that ends before the stop takes the process down: a platform without
/// its relay or its worker must not look alive.
async fn join(
    mut tasks: Tasks,
    shutdown: &ShutdownToken,
    name: &'static str,
) -> Result<(), RoleError> {
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.unwrap_or(Err(RoleError::Ended(name)));
        if !shutdown.is_cancelled() {
            outcome = ended.and(Err(RoleError::Ended(name)));
            shutdown.cancel();
        }
    }
    outcome
}
