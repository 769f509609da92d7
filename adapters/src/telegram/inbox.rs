//! The inbox of updates in Postgres.

use std::time::Duration;

use async_trait::async_trait;
use kvit_commands::ports::messages::{ClaimedUpdate, MessagesFault, NewUpdate, UpdateInbox};
use sqlx::{PgPool, Row};
use tokio::sync::Notify;

use super::{fault, millis, seconds};

/// Serialises claims, so that two claimers cannot both see a chat as idle. Any constant of our own does.
const CLAIM_LOCK: i64 = 0x6b76_6974_7467_0001;

/// Updates in the table `telegram_updates`.
#[derive(Debug)]
pub struct PgUpdateInbox {
    pool: PgPool,
    news: Notify,
}

impl PgUpdateInbox {
    /// An inbox over a pool.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self {
            pool,
            news: Notify::new(),
        }
    }
}

#[async_trait]
impl UpdateInbox for PgUpdateInbox {
    async fn store(&self, updates: &[NewUpdate]) -> Result<u64, MessagesFault> {
        if updates.is_empty() {
            return Ok(0);
        }
        let ids: Vec<i64> = updates.iter().map(|update| update.update_id).collect();
        let keys: Vec<i64> = updates.iter().map(|update| update.order_key).collect();
        let payloads: Vec<&str> = updates
            .iter()
            .map(|update| update.payload.as_str())
            .collect();
        let stored = sqlx::query(
            "INSERT INTO telegram_updates (update_id, order_key, payload)
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[])
             ON CONFLICT (update_id) DO NOTHING",
        )
        .bind(&ids)
        .bind(&keys)
        .bind(&payloads)
        .execute(&self.pool)
        .await
        .map_err(fault)?
        .rows_affected();
        if stored > 0 {
            self.news.notify_one();
        }
        Ok(stored)
    }

    async fn claim(
        &self,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<ClaimedUpdate>, MessagesFault> {
        let mut transaction = self.pool.begin().await.map_err(fault)?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(CLAIM_LOCK)
            .execute(&mut *transaction)
            .await
            .map_err(fault)?;
        // The oldest of each chat; not while a later one is being handled, which happens when they arrive out of order.
        let rows = sqlx::query(
            "WITH due AS (
                 SELECT u.update_id FROM telegram_updates u
                 WHERE u.handled_at IS NULL AND u.next_at <= clock_timestamp()
                   AND NOT EXISTS (
                       SELECT FROM telegram_updates o
                       WHERE o.order_key = u.order_key AND o.handled_at IS NULL AND o.update_id <> u.update_id
                         AND (o.update_id < u.update_id OR (o.attempts > 0 AND o.next_at > clock_timestamp())))
                 ORDER BY u.update_id LIMIT $1)
             UPDATE telegram_updates u
             SET attempts = u.attempts + 1, next_at = clock_timestamp() + $2 * interval '1 millisecond'
             FROM due WHERE due.update_id = u.update_id
             RETURNING u.update_id, u.payload, u.attempts,
                       extract(epoch FROM clock_timestamp() - u.received_at)::bigint AS age",
        )
        .bind(i64::from(limit))
        .bind(millis(lease))
        .fetch_all(&mut *transaction)
        .await
        .map_err(fault)?;
        transaction.commit().await.map_err(fault)?;
        let claimed = |row: &sqlx::postgres::PgRow| {
            Ok(ClaimedUpdate {
                update_id: row.try_get("update_id")?,
                payload: row.try_get("payload")?,
                attempt: u32::try_from(row.try_get::<i32, _>("attempts")?).unwrap_or(u32::MAX),
                age_seconds: row.try_get("age")?,
            })
        };
        let mut updates = rows
            .iter()
            .map(claimed)
            .collect::<Result<Vec<_>, sqlx::Error>>()
            .map_err(fault)?;
        updates.sort_by_key(|update| update.update_id);
        Ok(updates)
    }

    async fn keep(&self, update_id: i64, lease: Duration) -> Result<(), MessagesFault> {
        self.put_back(update_id, lease).await
    }

    async fn done(&self, update_id: i64) -> Result<(), MessagesFault> {
        sqlx::query(
            "UPDATE telegram_updates SET handled_at = clock_timestamp(), payload = NULL, order_key = NULL
             WHERE update_id = $1 AND handled_at IS NULL",
        )
        .bind(update_id)
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        // The next one of the same chat may be waiting.
        self.news.notify_one();
        Ok(())
    }

    async fn put_back(&self, update_id: i64, pause: Duration) -> Result<(), MessagesFault> {
        sqlx::query(
            "UPDATE telegram_updates SET next_at = clock_timestamp() + $2 * interval '1 millisecond'
             WHERE update_id = $1 AND handled_at IS NULL",
        )
        .bind(update_id)
        .bind(millis(pause))
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(())
    }

    async fn prune(&self, age: Duration) -> Result<u64, MessagesFault> {
        let pruned = sqlx::query(
            "DELETE FROM telegram_updates WHERE handled_at < clock_timestamp() - $1 * interval '1 second'",
        )
        .bind(seconds(age))
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(pruned.rows_affected())
    }

    async fn wait(&self, at_most: Duration) {
        let _ended = tokio::time::timeout(at_most, self.news.notified()).await;
    }
}
