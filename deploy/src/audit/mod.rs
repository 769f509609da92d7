//! Commands for auditors and operators: proof that the read models are what the log says, the books in other programs'
//! forms, rebuilds.
//!
//! They need nothing but the database, so they also run where the platform does not. What they find goes to standard
//! output, words for people to standard error, and the exit status is the answer: 0 all is well, 1 something differs, 3 it
//! could not be found out, 2 wrong use.

pub mod export;
pub mod providers;
pub mod rebuild;
pub mod replay;
pub mod verify;

use std::process::ExitCode;

use kvit_adapters::audit::AuditFault;
use kvit_adapters::postgres::PgSettings;
use kvit_projections::Fault;
use kvit_projections::export::ExportError;
use sqlx::PgPool;

use crate::boot::{self, BootError};
use crate::config::{Config, Purpose, settings};
use crate::telemetry::{Telemetry, TelemetryError};

const NO_DATABASE: &str =
    "DATABASE_URL must be given, or start this beside a running `kvit up`, in the same folder";

/// The answer of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything is as it should be.
    Equal,
    /// Something differs.
    Different,
    /// It could not be found out, which is never a good sign.
    NotCompared,
}

impl Verdict {
    /// The exit status.
    #[must_use]
    pub fn exit(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Equal => 0,
            Self::Different => 1,
            Self::NotCompared => 3,
        })
    }
}

/// Why a command ended without an answer.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The settings are wrong; exit status 2.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// What was asked cannot be; exit status 2.
    #[error("{0}")]
    Use(String),
    /// Logs could not be set up.
    #[error("logs could not be set up")]
    Telemetry(#[from] TelemetryError),
    /// The log or the read models could not be read.
    #[error("the log or the read models could not be read")]
    Database(#[from] Fault),
    /// The books could not be read or written.
    #[error("the books could not be read")]
    Books(#[from] ExportError),
    /// There is no answer about the log's history.
    #[error("there is no answer")]
    History(#[from] AuditFault),
    /// A file could not be used, or the operating system refused something else.
    #[error("the operating system refused")]
    System(#[from] std::io::Error),
}

impl AuditError {
    /// The exit status: 2 for wrong use, 1 for a log that is not as it was written, 3 for everything that left the question
    /// open.
    #[must_use]
    pub fn exit(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Boot(BootError::Config(_) | BootError::NotHere { .. }) | Self::Use(_) => 2,
            Self::History(AuditFault::Broken(_)) => 1,
            _ => 3,
        })
    }
}

/// What every command stands on.
pub struct Desk {
    /// The configuration; only the database is sure to be given.
    pub config: Config,
    /// Logs.
    pub telemetry: Telemetry,
}

impl Desk {
    /// Reads the configuration. Outside of `prod`, a running `kvit up` in the same folder is found.
    ///
    /// # Errors
    /// [`AuditError`] when the settings are wrong or no database is given.
    pub fn open(command: &'static str) -> Result<Self, AuditError> {
        let desk = Self::open_without_database(command)?;
        if desk.config.database.url.is_none() {
            return Err(AuditError::Use(NO_DATABASE.to_owned()));
        }
        Ok(desk)
    }

    /// As [`Desk::open`], for commands that bring a database of their own.
    ///
    /// # Errors
    /// [`AuditError`] when the settings are wrong.
    pub fn open_without_database(command: &'static str) -> Result<Self, AuditError> {
        let mut sources = boot::with_state_files(boot::sources(None));
        // What is worth telling is told by the command itself; here a statement over whole tables is no news.
        sources
            .environment
            .entry(settings::LOG_LEVEL.name.to_owned())
            .or_insert_with(|| "warn,sqlx=error".to_owned());
        let config = Config::load(&sources, Purpose::Show).map_err(BootError::Config)?;
        let telemetry = Telemetry::install(&config, command)?;
        Ok(Self { config, telemetry })
    }

    /// Connections as the application's role, which may make scratch builds and nothing more.
    ///
    /// # Errors
    /// [`AuditError::Use`] when the address cannot be read.
    pub fn pool(&self, command: &str) -> Result<PgPool, AuditError> {
        match &self.config.database.url {
            Some(url) => pool_of(url.expose(), command),
            None => Err(AuditError::Use(NO_DATABASE.to_owned())),
        }
    }
}

/// A small pool for a command.
///
/// # Errors
/// [`AuditError::Use`] when the address cannot be read.
pub fn pool_of(url: &str, command: &str) -> Result<PgPool, AuditError> {
    PgSettings::new(url, format!("kvit-{command}"))
        .with_max_connections(4)
        .pool()
        .map_err(|_unreadable| AuditError::Use("the database's address cannot be used".to_owned()))
}

/// Events in a second.
#[must_use]
pub fn rate(events: u64, took: std::time::Duration) -> u64 {
    let micros = took.as_micros().max(1);
    u64::try_from(u128::from(events).saturating_mul(1_000_000) / micros).unwrap_or(u64::MAX)
}
