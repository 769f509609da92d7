//! Users: nothing here identifies a person outside of this platform.

use chrono::{DateTime, Utc};
use kvit_projections::fold::users::UserRow;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A person's account.
#[derive(Debug, Serialize, ToSchema)]
pub struct User {
    /// Its id.
    pub id: Uuid,
    /// `registered`, `active`, `banned`, `blocked` or `forgotten`.
    #[schema(example = "active")]
    pub state: String,
    /// Language of messages.
    #[schema(example = "uk")]
    pub language: Option<String>,
    /// Version of the accepted terms.
    pub terms_version: Option<String>,
    /// Whether a phone number is known.
    pub has_phone: bool,
    /// Operator of the phone.
    pub operator: Option<String>,
    /// Whether news are wanted.
    pub notifications: bool,
    /// Banned by an admin.
    pub banned: bool,
    /// The bot cannot write to this person.
    pub blocked: bool,
    /// Forgotten at their own wish.
    pub forgotten: bool,
    /// When the first message arrived.
    pub created_at: DateTime<Utc>,
    /// Their last own act.
    pub last_seen: DateTime<Utc>,
    /// Position of the event that changed it last.
    pub position: i64,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.user_id.0,
            state: row.state,
            language: row.language,
            terms_version: row.terms_version,
            has_phone: row.phone_hash.is_some(),
            operator: row.operator,
            notifications: row.notifications,
            banned: row.banned,
            blocked: row.blocked,
            forgotten: row.forgotten,
            created_at: row.created_at,
            last_seen: row.last_seen,
            position: row.position,
        }
    }
}
