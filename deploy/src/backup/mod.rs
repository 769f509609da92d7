//! Backups that are known to be good: dumps with a manifest of what they hold, and the drill that restores one.
//!
//! A dump and its manifest are of one moment of the database, so a restored copy must agree with the manifest to the last
//! hash and kopeck. Neither holds the master key (`ENCRYPTION_SECRET`) nor photos; the runbook says what else to keep.

pub mod drill;
mod dump;
mod keep;
mod manifest;
mod steps;
mod tools;

use std::path::PathBuf;

use crate::audit::AuditError;
use crate::stack::StackError;

pub use dump::{BackupArgs, run};
pub use manifest::{FORMAT, Manifest};

/// Why a backup or a drill could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The settings, the database or a file.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A program of Postgres is not installed.
    #[error(
        "{0} is not installed; it comes with Postgres' client programs (Debian: postgresql-client)"
    )]
    Missing(&'static str),
    /// A program of Postgres failed.
    #[error("{program} ended with {status}: {said}")]
    Program {
        /// Which.
        program: &'static str,
        /// How it ended.
        status: String,
        /// What it said last.
        said: String,
    },
    /// The file is not a whole backup of ours.
    #[error("{path} cannot be used: {why}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The private cluster did not start.
    #[error("the private cluster could not be started")]
    Stack(#[from] StackError),
    /// Stopped by a signal.
    #[error("stopped before the end")]
    Stopped,
}

impl From<std::io::Error> for BackupError {
    fn from(error: std::io::Error) -> Self {
        Self::Audit(error.into())
    }
}

impl From<kvit_projections::Fault> for BackupError {
    fn from(fault: kvit_projections::Fault) -> Self {
        Self::Audit(fault.into())
    }
}

impl BackupError {
    /// The exit status: 2 for wrong use, 3 for everything that left the question open.
    #[must_use]
    pub fn exit(&self) -> std::process::ExitCode {
        match self {
            Self::Audit(error) => error.exit(),
            _ => std::process::ExitCode::from(3),
        }
    }
}
