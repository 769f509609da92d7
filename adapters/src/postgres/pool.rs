//! How the platform connects to Postgres.

use std::str::FromStr;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// Connection settings. Every wait has an end: no statement, lock or forgotten transaction holds others up for ever.
#[derive(Clone)]
pub struct PgSettings {
    /// `postgres://…`, TCP or unix socket. Holds a password: not in `Debug`.
    pub url: String,
    /// Shown in `pg_stat_activity`.
    pub application_name: String,
    /// Largest number of connections of a pool.
    pub max_connections: u32,
    /// Longest wait for a free connection of the pool.
    pub acquire_timeout: Duration,
    /// Longest run of one statement.
    pub statement_timeout: Duration,
    /// Longest wait for a lock.
    pub lock_timeout: Duration,
    /// Longest time that a transaction may stand idle.
    pub idle_in_transaction_timeout: Duration,
}

impl PgSettings {
    /// Settings with the usual limits: 10 connections, 5 s for a connection, 15 s for a statement, 5 s for a lock, 30 s idle.
    pub fn new(url: impl Into<String>, application_name: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            application_name: application_name.into(),
            max_connections: 10,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(15),
            lock_timeout: Duration::from_secs(5),
            idle_in_transaction_timeout: Duration::from_secs(30),
        }
    }

    /// The same with another size of the pool.
    #[must_use]
    pub fn with_max_connections(mut self, max_connections: u32) -> Self {
        self.max_connections = max_connections;
        self
    }

    /// Options of one connection.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn connect_options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        let millis = |limit: Duration| limit.as_millis().to_string();
        Ok(PgConnectOptions::from_str(&self.url)?
            .application_name(&self.application_name)
            .options([
                ("statement_timeout", millis(self.statement_timeout)),
                ("lock_timeout", millis(self.lock_timeout)),
                (
                    "idle_in_transaction_session_timeout",
                    millis(self.idle_in_transaction_timeout),
                ),
            ]))
    }

    /// A pool that connects when it is first used, so that a database which is away at start is no fault.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn pool(&self) -> Result<PgPool, sqlx::Error> {
        Ok(PgPoolOptions::new()
            .max_connections(self.max_connections)
            .acquire_timeout(self.acquire_timeout)
            .idle_timeout(Duration::from_secs(300))
            .connect_lazy_with(self.connect_options()?))
    }
}

impl std::fmt::Debug for PgSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgSettings")
            .field("application_name", &self.application_name)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}
