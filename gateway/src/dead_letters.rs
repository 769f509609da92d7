//! Events that a policy or worker could not take, as the gateway sees them. The wiring brings the real store.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// An event that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its id in the store of dead letters, a text without spaces or `/`.
    pub id: String,
    /// The handler that could not take it.
    pub handler: String,
    /// The event's name.
    pub event_type: String,
    /// Its stream: kind and id.
    pub stream: String,
    /// Its position in the log.
    pub position: i64,
    /// Why; no personal data.
    pub reason: String,
    /// How often it was tried.
    pub deliveries: u32,
    /// When it was set aside.
    pub dead_since: DateTime<Utc>,
}

/// A page of dead letters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterPage {
    /// Oldest first.
    pub letters: Vec<DeadLetter>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// The store did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeadLetterFault {
    /// Try again.
    #[error("the dead letters are not available: {0}")]
    Transient(String),
    /// Trying again does not help.
    #[error("the store of dead letters refused: {0}")]
    Fatal(String),
}

/// The store of dead letters.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Letters after a place, at most `limit`.
    async fn list(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<DeadLetterPage, DeadLetterFault>;

    /// Gives a letter to its handler again and takes it out of the store. `false`: there is no such letter.
    async fn replay(&self, id: &str, actor: &str) -> Result<bool, DeadLetterFault>;

    /// Takes a letter out of the store for good; who and why go to the log. `false`: there is no such letter.
    async fn discard(&self, id: &str, actor: &str, reason: &str) -> Result<bool, DeadLetterFault>;
}
