//! The roles of the one binary.

use crate::config::Config;
use crate::shutdown::ShutdownToken;
use crate::stack::{Endpoints, Supervisor};
use crate::telemetry::Telemetry;

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
    /// The role's code is not part of this build.
    #[error("`{0}` is not in this build yet")]
    NotInThisBuild(&'static str),
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

/// Runs one role until `shutdown`.
///
/// # Errors
/// See [`RoleError`].
pub async fn run(
    role: Role,
    _config: &Config,
    _endpoints: &Endpoints,
    _telemetry: &Telemetry,
    _shutdown: ShutdownToken,
) -> Result<(), RoleError> {
    Err(RoleError::NotInThisBuild(role.name()))
}

/// Runs all roles until `shutdown`.
///
/// # Errors
/// See [`RoleError`].
pub async fn run_all(_platform: Platform<'_>) -> Result<(), RoleError> {
    Err(RoleError::NotInThisBuild("up"))
}
