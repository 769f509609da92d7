//! What can go wrong while the local services start.
//!
//! Each variant says only what this layer knows; the cause hangs below it as its source.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A service of the stack, by the name that people see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// The database with the event log.
    Postgres,
    /// The bus, `nats-server` with JetStream.
    Nats,
    /// The object store with the photos.
    Storage,
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Postgres => "Postgres",
            Self::Nats => "NATS",
            Self::Storage => "object storage",
        })
    }
}

/// Why the stack did not start or did not stay up.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// Another process holds the state folder.
    #[error("another kvit already runs on {dir}{}; stop it or give another folder with --dir", pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    AlreadyRunning {
        /// The state folder.
        dir: PathBuf,
        /// The process that holds the lock, when it wrote its number.
        pid: Option<u32>,
    },

    /// A file or folder of the state could not be used.
    #[error("cannot {what} {path}")]
    State {
        /// What was tried, as a verb phrase.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },

    /// `secrets.env` is gone although data sealed with its keys is there.
    #[error(
        "{path} is missing although {data} holds data sealed with its keys; put the file back, give ENCRYPTION_SECRET, or remove the state folder to begin anew"
    )]
    SecretsLost {
        /// Where the secrets should be.
        path: PathBuf,
        /// The data that needs them.
        data: PathBuf,
    },

    /// The file with generated secrets cannot be read as such.
    #[error("{path} is damaged: {reason}")]
    SecretsDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, without any value.
        reason: String,
    },

    /// The operating system gave no random bytes.
    #[error("the operating system gives no random numbers: {0}")]
    Randomness(String),

    /// A program that is needed is not installed.
    #[error("{service} is not installed: {hint}")]
    Missing {
        /// Which service.
        service: Service,
        /// What to do about it.
        hint: String,
    },

    /// A program could not be started at all.
    #[error("cannot start {program}")]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },

    /// A service ended or refused while it started.
    #[error("{service} did not start: {reason}{}", log_tail(log))]
    Failed {
        /// Which service.
        service: Service,
        /// What was seen.
        reason: String,
        /// The last lines of its log.
        log: String,
    },

    /// A service did not become ready in time.
    #[error("{service} was not ready after {} s{}", waited.as_secs(), log_tail(log))]
    Timeout {
        /// Which service.
        service: Service,
        /// How long we waited.
        waited: Duration,
        /// The last lines of its log, or the last refusal.
        log: String,
    },

    /// The database refused a set-up statement.
    #[error("the database refused its set-up ({step})")]
    Provision {
        /// Which step.
        step: &'static str,
        /// The database's own words.
        #[source]
        source: sqlx::Error,
    },

    /// A running service died again and again.
    #[error("{service} died {times} times within a minute and is given up")]
    GaveUp {
        /// Which service.
        service: Service,
        /// How often it was started.
        times: u32,
    },
}

impl StackError {
    /// Wraps an I/O error of the state folder.
    pub(crate) fn state(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::State { what, path, source }
    }
}

fn log_tail(log: &str) -> String {
    if log.trim().is_empty() {
        String::new()
    } else {
        format!("; it said last:\n{}", log.trim_end())
    }
}
