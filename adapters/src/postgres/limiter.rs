//! The rate limiter that all processes share, in Postgres. The database's clock decides.

use std::time::Duration;

use async_trait::async_trait;
use kvit_commands::ports::limiter::{LimiterFault, RateLimiter};
use sqlx::PgPool;

use super::classify;

/// Rows of a key that no window reaches any more are swept out at its next use.
const SWEEP_AGE_HOURS: i32 = 24;

/// A limiter over the table `rate_uses`.
#[derive(Debug, Clone)]
pub struct PgRateLimiter {
    pool: PgPool,
}

impl PgRateLimiter {
    /// A limiter over a pool.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

fn fault(error: sqlx::Error) -> LimiterFault {
    LimiterFault(classify::describe(&error))
}

#[async_trait]
impl RateLimiter for PgRateLimiter {
    async fn take(
        &self,
        key: &str,
        token: &str,
        limit: u32,
        window: Duration,
    ) -> Result<Option<Duration>, LimiterFault> {
        let window_ms = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        let mut transaction = self.pool.begin().await.map_err(fault)?;
        // One user's uses are counted one after another, or two at once would both see the last free place.
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 5))")
            .bind(key)
            .execute(&mut *transaction)
            .await
            .map_err(fault)?;
        // Of the uses within the window, the one that must leave it before another may come.
        let wait_ms: Option<i64> = sqlx::query_scalar(
            "SELECT ceil(extract(epoch FROM used_at - clock_timestamp()) * 1000)::bigint + $3
               FROM rate_uses
              WHERE key = $1 AND token <> $2 AND used_at > clock_timestamp() - $3 * interval '1 millisecond'
                AND NOT EXISTS (SELECT FROM rate_uses WHERE key = $1 AND token = $2)
              ORDER BY used_at DESC OFFSET $4 LIMIT 1",
        )
        .bind(key)
        .bind(token)
        .bind(window_ms)
        .bind(i64::from(limit).saturating_sub(1).max(0))
        .fetch_optional(&mut *transaction)
        .await
        .map_err(fault)?;
        if let Some(wait_ms) = wait_ms {
            return Ok(Some(Duration::from_millis(
                u64::try_from(wait_ms).unwrap_or(0).max(1),
            )));
        }
        sqlx::query(
            "INSERT INTO rate_uses (key, token, used_at) VALUES ($1, $2, clock_timestamp()) ON CONFLICT DO NOTHING",
        )
        .bind(key)
        .bind(token)
        .execute(&mut *transaction)
        .await
        .map_err(fault)?;
        sqlx::query("DELETE FROM rate_uses WHERE key = $1 AND used_at < clock_timestamp() - $2 * interval '1 hour'")
            .bind(key)
            .bind(SWEEP_AGE_HOURS)
            .execute(&mut *transaction)
            .await
            .map_err(fault)?;
        transaction.commit().await.map_err(fault)?;
        Ok(None)
    }
}
