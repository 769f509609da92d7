//! The inbox of updates in Postgres. Updates hold phone numbers, names and what people wrote, so they rest sealed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kvit_commands::ports::messages::{ClaimedUpdate, MessagesFault, NewUpdate, UpdateInbox};
use kvit_commands::ports::vault::{Vault, VaultFault};
use sqlx::{PgPool, Row};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{fault, millis, seconds};

/// Updates are sealed with one key of their own: whose an update is, is known only once it is open.
const UPDATES: Uuid = Uuid::from_u128(0x5b17_c02e_93d8_4f6a_a1e4_70cb_2d96_38f5);

/// Serialises claims, so that two claimers cannot both see a chat as idle. Any constant of our own does.
const CLAIM_LOCK: i64 = 0x6b76_6974_7467_0001;

/// Updates in the table `telegram_updates`.
pub struct PgUpdateInbox {
    pool: PgPool,
    vault: Arc<dyn Vault>,
    news: Notify,
}

impl std::fmt::Debug for PgUpdateInbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgUpdateInbox").finish_non_exhaustive()
    }
}

/// An update as it rests in the table.
enum Resting {
    Sealed(Vec<u8>),
    /// Stored by a program that did not seal yet.
    Clear(String),
}

impl PgUpdateInbox {
    /// An inbox over a pool, sealing with a vault.
    #[must_use]
    pub fn new(pool: PgPool, vault: Arc<dyn Vault>) -> Self {
        Self {
            pool,
            vault,
            news: Notify::new(),
        }
    }

    /// The update's text. Empty when it can never be opened: whoever handles it sets it aside as unreadable, and the later
    /// ones of its chat do not wait for ever.
    async fn open(&self, update_id: i64, resting: Resting) -> Result<String, MessagesFault> {
        let sealed = match resting {
            Resting::Sealed(sealed) => sealed,
            Resting::Clear(payload) => return Ok(payload),
        };
        let opened = self
            .vault
            .open_bytes(UPDATES, &context(update_id), &sealed)
            .await;
        match opened {
            Ok(Some(bytes)) => Ok(String::from_utf8(bytes).unwrap_or_default()),
            Ok(None) => {
                tracing::error!(update_id, "the key of stored updates is gone");
                Ok(String::new())
            }
            Err(VaultFault::Transient(cause)) => Err(MessagesFault::Transient(cause)),
            Err(error) => {
                tracing::error!(update_id, %error, "a stored update cannot be opened");
                Ok(String::new())
            }
        }
    }
}

/// A sealed update opens in its own row only.
fn context(update_id: i64) -> String {
    format!("telegram-update:{update_id}")
}

fn sealing(fault: VaultFault) -> MessagesFault {
    match fault {
        VaultFault::Transient(cause) => MessagesFault::Transient(cause),
        other => MessagesFault::Fatal(other.to_string()),
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
        let mut sealed = Vec::with_capacity(updates.len());
        for update in updates {
            let place = context(update.update_id);
            let bytes = update.payload.as_bytes();
            let body = self.vault.seal_bytes(UPDATES, &place, bytes).await;
            sealed.push(body.map_err(sealing)?);
        }
        let stored = sqlx::query(
            "INSERT INTO telegram_updates (update_id, order_key, sealed)
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])
             ON CONFLICT (update_id) DO NOTHING",
        )
        .bind(&ids)
        .bind(&keys)
        .bind(&sealed)
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
             RETURNING u.update_id, u.sealed, u.payload, u.attempts,
                       extract(epoch FROM clock_timestamp() - u.received_at)::bigint AS age",
        )
        .bind(i64::from(limit))
        .bind(millis(lease))
        .fetch_all(&mut *transaction)
        .await
        .map_err(fault)?;
        transaction.commit().await.map_err(fault)?;
        let mut updates = Vec::with_capacity(rows.len());
        for row in rows {
            let update_id = row.try_get("update_id").map_err(fault)?;
            let resting = match row.try_get("sealed").map_err(fault)? {
                Some(sealed) => Resting::Sealed(sealed),
                None => Resting::Clear(row.try_get("payload").map_err(fault)?),
            };
            let attempts: i32 = row.try_get("attempts").map_err(fault)?;
            updates.push(ClaimedUpdate {
                update_id,
                payload: self.open(update_id, resting).await?,
                attempt: u32::try_from(attempts).unwrap_or(u32::MAX),
                age_seconds: row.try_get("age").map_err(fault)?,
            });
        }
        updates.sort_by_key(|update| update.update_id);
        Ok(updates)
    }

    async fn keep(&self, update_id: i64, lease: Duration) -> Result<(), MessagesFault> {
        self.put_back(update_id, lease).await
    }

    async fn done(&self, update_id: i64) -> Result<(), MessagesFault> {
        sqlx::query(
            "UPDATE telegram_updates SET handled_at = clock_timestamp(), sealed = NULL, payload = NULL, order_key = NULL
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
