//! What providers send to us by themselves: kept as it came, before anybody believes a word of it.
//!
//! A notification moves no money. It is evidence, and a hint to ask the provider with our own credentials.

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

/// Most bytes of one notification.
pub const NOTIFICATION_BYTES_MAX: usize = 64 * 1024;

/// A notification as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawNotification {
    /// Who says so, such as `portmone`.
    pub provider: String,
    /// The body's media type as sent.
    pub content_type: String,
    /// The body's exact bytes.
    pub body: Bytes,
    /// When it came.
    pub received_at: DateTime<Utc>,
}

/// What became of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// It is stored.
    Stored,
    /// The same bytes came before from the same provider; the first copy stays.
    Duplicate,
}

/// A stored notification that nobody has followed up yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingNotification {
    /// SHA-256 of the body, hex; with the provider its identity.
    pub digest: String,
    /// As it came.
    pub raw: RawNotification,
}

/// The inbox did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InboxFault {
    /// Try again; the provider will.
    #[error("the inbox is not available: {0}")]
    Transient(String),
    /// Trying again does not help.
    #[error("the inbox refused: {0}")]
    Fatal(String),
}

/// Keeps notifications, sealed, each body of a provider once.
#[async_trait]
pub trait NotificationInbox: Send + Sync {
    /// Stores a notification durably, or meets its first copy.
    async fn receive(&self, notification: RawNotification) -> Result<Received, InboxFault>;

    /// Notifications of a provider that were not followed up, oldest first, at most `limit`.
    async fn pending(
        &self,
        provider: &str,
        limit: u32,
    ) -> Result<Vec<PendingNotification>, InboxFault>;

    /// Notes that a notification was followed up.
    async fn follow_up(
        &self,
        provider: &str,
        digest: &str,
        at: DateTime<Utc>,
    ) -> Result<(), InboxFault>;
}
