//! API keys: who may call the HTTP interface, and what they may do there.
//!
//! A key is shown once, when it is made. The store keeps only a SHA-256 of its secret: the secret is 256 random bits, so
//! there is nothing to guess and no slow hash is needed.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// What a key may do. Each scope allows more than reading in its own direction only.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Reads lists and single things.
    Viewer,
    /// Reads everything, also raw events; changes nothing.
    Auditor,
    /// Reads, decides reviews, corrects, retries payouts, runs jobs.
    Operator,
    /// May do everything, also make keys.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Auditor, Self::Operator, Self::Admin];

    /// The name in the API and in the store.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The scope of this name.
    #[must_use]
    pub fn by_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.code() == code)
    }
}

/// A key as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The public part, 16 hexadecimal digits.
    pub id: String,
    /// SHA-256 of the secret part.
    pub secret_sha256: [u8; 32],
    /// What it is for, in words.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Requests a minute that it may make.
    pub per_minute: u32,
    /// Who made it: an actor, such as `api:<key id>`.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// About when it was used last, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Its revocation; final.
    pub revoked: Option<Revocation>,
}

/// The end of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// When.
    pub at: DateTime<Utc>,
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What became of the making of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyMade {
    /// It is stored.
    Stored,
    /// A key with this id was there before; it is unchanged.
    Known(Box<ApiKey>),
}

/// The store of keys did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Try again.
    #[error("the key store is not available: {0}")]
    Transient(String),
    /// Trying again does not help.
    #[error("the key store refused: {0}")]
    Fatal(String),
}

/// The store of API keys.
#[async_trait]
pub trait ApiKeys: Send + Sync {
    /// Stores a new key. The same id twice keeps the first.
    async fn create(&self, key: &ApiKey) -> Result<KeyMade, KeyFault>;

    /// The key of an id, revoked ones as well.
    async fn find(&self, id: &str) -> Result<Option<ApiKey>, KeyFault>;

    /// Keys in the order of their ids, those above `after`, at most `limit`.
    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<ApiKey>, KeyFault>;

    /// Ends a key for good and answers it; a second revocation changes nothing. `None`: there is no such key.
    async fn revoke(&self, id: &str, revocation: &Revocation) -> Result<Option<ApiKey>, KeyFault>;

    /// Notes that a key was used. Never goes back in time.
    async fn touch(&self, id: &str, at: DateTime<Utc>) -> Result<(), KeyFault>;
}
