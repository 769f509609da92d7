//! The meaning of buttons in Postgres.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use kvit_commands::ports::messages::{CallbackTokens, MessagesFault, Redeemed};
use kvit_domain::ids::UserId;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use uuid::Uuid;

use super::{fault, seconds};

/// Tokens in the table `telegram_callbacks`.
#[derive(Debug, Clone)]
pub struct PgCallbackTokens {
    pool: PgPool,
}

impl PgCallbackTokens {
    /// Tokens over a pool.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

/// A token of 122 random bits. It names a button and nothing in the log.
#[expect(
    clippy::disallowed_methods,
    reason = "must not follow from anything, so it comes from no port that a test steers"
)]
fn unguessable() -> String {
    URL_SAFE_NO_PAD.encode(Uuid::new_v4().as_bytes())
}

#[async_trait]
impl CallbackTokens for PgCallbackTokens {
    async fn issue(
        &self,
        user: UserId,
        action: &str,
        ttl: Duration,
    ) -> Result<String, MessagesFault> {
        let fresh = unguessable();
        sqlx::query_scalar(
            "INSERT INTO telegram_callbacks (token, user_id, action, digest, expires_at)
             VALUES ($1, $2, $3, $4, clock_timestamp() + $5 * interval '1 second')
             ON CONFLICT (user_id, digest) DO UPDATE SET expires_at = excluded.expires_at
             RETURNING token",
        )
        .bind(fresh)
        .bind(user.0)
        .bind(action)
        .bind(hex::encode(Sha256::digest(action)))
        .bind(seconds(ttl))
        .fetch_one(&self.pool)
        .await
        .map_err(fault)
    }

    async fn redeem(&self, token: &str, user: UserId) -> Result<Redeemed, MessagesFault> {
        // Anything can come back from a client; Postgres takes no NUL, and our tokens are short.
        if token.len() > 64 || token.contains('\0') {
            return Ok(Redeemed::Unknown);
        }
        let found: Option<(Uuid, String, DateTime<Utc>, DateTime<Utc>)> = sqlx::query_as(
            "SELECT user_id, action, expires_at, clock_timestamp() FROM telegram_callbacks WHERE token = $1",
        )
        .bind(token)
        .fetch_optional(&self.pool)
        .await
        .map_err(fault)?;
        Ok(match found {
            Some((owner, ..)) if owner != user.0 => Redeemed::Foreign,
            Some((_, action, expires_at, now)) if expires_at > now => Redeemed::Action(action),
            _ => Redeemed::Unknown,
        })
    }

    async fn forget(&self, user: UserId) -> Result<(), MessagesFault> {
        sqlx::query("DELETE FROM telegram_callbacks WHERE user_id = $1")
            .bind(user.0)
            .execute(&self.pool)
            .await
            .map_err(fault)?;
        Ok(())
    }

    async fn prune(&self) -> Result<u64, MessagesFault> {
        let pruned =
            sqlx::query("DELETE FROM telegram_callbacks WHERE expires_at < clock_timestamp()")
                .execute(&self.pool)
                .await
                .map_err(fault)?;
        Ok(pruned.rows_affected())
    }
}
