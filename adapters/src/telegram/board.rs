//! The board of wished messages in Postgres.

use std::time::Duration;

use async_trait::async_trait;
use kvit_commands::ports::messages::{DueMessage, MessageBoard, MessageContent, MessagesFault};
use kvit_domain::ids::UserId;
use sha2::{Digest, Sha256};
use sqlx::types::Json;
use sqlx::{PgPool, Row};
use tokio::sync::Notify;

use super::{fault, millis, seconds};

/// Time between two messages to anybody: 30 a second are allowed, a little less is asked for.
const OVERALL_MS: i32 = 34;
/// Time between two messages to one person: one a second is allowed.
const PERSON_MS: i32 = 1_000;

/// Wishes in the table `telegram_messages`.
#[derive(Debug)]
pub struct PgMessageBoard {
    pool: PgPool,
    news: Notify,
}

impl PgMessageBoard {
    /// A board over a pool.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self {
            pool,
            news: Notify::new(),
        }
    }

    async fn change(&self, query: &str, slot: &str, pause: Duration) -> Result<(), MessagesFault> {
        sqlx::query(query)
            .bind(slot)
            .bind(millis(pause))
            .execute(&self.pool)
            .await
            .map_err(fault)?;
        Ok(())
    }
}

/// Tells whether two wishes are the same. `reply_to` is not part of it: it only matters at the first sending.
fn digest(content: &MessageContent) -> Result<String, MessagesFault> {
    let seen = serde_json::to_vec(&(&content.html, &content.keyboard))
        .map_err(|error| MessagesFault::Fatal(error.to_string()))?;
    Ok(hex::encode(Sha256::digest(seen)))
}

#[async_trait]
impl MessageBoard for PgMessageBoard {
    async fn set(
        &self,
        slot: &str,
        user: UserId,
        content: MessageContent,
        as_of: i64,
    ) -> Result<bool, MessagesFault> {
        let changed: Option<bool> = sqlx::query_scalar(
            "WITH old AS (SELECT digest FROM telegram_messages WHERE slot = $1)
             INSERT INTO telegram_messages AS m (slot, user_id, content, digest, as_of) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (slot) DO UPDATE SET
                 as_of = excluded.as_of,
                 digest = excluded.digest,
                 content = CASE WHEN m.digest = excluded.digest THEN m.content ELSE excluded.content END,
                 version = CASE WHEN m.digest = excluded.digest THEN m.version ELSE m.version + 1 END,
                 attempts = CASE WHEN m.digest = excluded.digest THEN m.attempts ELSE 0 END,
                 changed_at = CASE WHEN m.digest = excluded.digest THEN m.changed_at ELSE clock_timestamp() END
             WHERE m.as_of <= excluded.as_of AND m.user_id = excluded.user_id
             RETURNING (SELECT digest FROM old) IS DISTINCT FROM $4",
        )
        .bind(slot)
        .bind(user.0)
        .bind(Json(&content))
        .bind(digest(&content)?)
        .bind(as_of)
        .fetch_optional(&self.pool)
        .await
        .map_err(fault)?;
        let changed = changed.unwrap_or(false);
        if changed {
            self.news.notify_one();
        }
        Ok(changed)
    }

    async fn claim(&self, limit: u32, lease: Duration) -> Result<Vec<DueMessage>, MessagesFault> {
        let mut transaction = self.pool.begin().await.map_err(fault)?;
        // The row lock makes claimers take turns, so the limits hold over all processes.
        let free: bool =
            sqlx::query_scalar("SELECT next_at <= clock_timestamp() FROM telegram_pace FOR UPDATE")
                .fetch_one(&mut *transaction)
                .await
                .map_err(fault)?;
        if !free {
            return Ok(Vec::new());
        }
        let rows = sqlx::query(
            "WITH due AS (
                 SELECT DISTINCT ON (m.user_id) m.slot, m.user_id, m.turn
                 FROM telegram_messages m LEFT JOIN telegram_chats c USING (user_id)
                 WHERE m.sent_version < m.version AND m.next_at <= clock_timestamp()
                   AND coalesce(c.next_at, '-infinity') <= clock_timestamp()
                 ORDER BY m.user_id, m.turn),
             picked AS (SELECT * FROM due ORDER BY turn LIMIT $1),
             chats AS (
                 INSERT INTO telegram_chats (user_id, next_at)
                 SELECT user_id, clock_timestamp() + $3 * interval '1 millisecond' FROM picked
                 ON CONFLICT (user_id) DO UPDATE SET next_at = excluded.next_at)
             UPDATE telegram_messages m
             SET attempts = m.attempts + 1, next_at = clock_timestamp() + $2 * interval '1 millisecond'
             FROM picked WHERE picked.slot = m.slot
             RETURNING m.slot, m.user_id, m.content, m.version, m.message_id, m.attempts, m.turn",
        )
        .bind(i64::from(limit))
        .bind(millis(lease))
        .bind(PERSON_MS)
        .fetch_all(&mut *transaction)
        .await
        .map_err(fault)?;
        if !rows.is_empty() {
            let pause = i32::try_from(rows.len())
                .unwrap_or(i32::MAX)
                .saturating_mul(OVERALL_MS);
            sqlx::query("UPDATE telegram_pace SET next_at = clock_timestamp() + $1 * interval '1 millisecond'")
                .bind(pause)
                .execute(&mut *transaction)
                .await
                .map_err(fault)?;
        }
        transaction.commit().await.map_err(fault)?;
        let due = |row: &sqlx::postgres::PgRow| {
            let message = DueMessage {
                slot: row.try_get("slot")?,
                user: UserId(row.try_get("user_id")?),
                content: row.try_get::<Json<MessageContent>, _>("content")?.0,
                version: row.try_get("version")?,
                message_id: row.try_get("message_id")?,
                attempt: u32::try_from(row.try_get::<i32, _>("attempts")?).unwrap_or(u32::MAX),
            };
            Ok((row.try_get::<i64, _>("turn")?, message))
        };
        let mut messages = rows
            .iter()
            .map(due)
            .collect::<Result<Vec<_>, sqlx::Error>>()
            .map_err(fault)?;
        messages.sort_by_key(|(turn, _)| *turn);
        Ok(messages.into_iter().map(|(_, message)| message).collect())
    }

    async fn delivered(
        &self,
        slot: &str,
        version: i64,
        message_id: i32,
    ) -> Result<(), MessagesFault> {
        sqlx::query(
            "UPDATE telegram_messages
             SET sent_version = $2, message_id = $3, attempts = 0, next_at = clock_timestamp(),
                 content = CASE WHEN version = $2 THEN NULL ELSE content END
             WHERE slot = $1 AND sent_version < $2",
        )
        .bind(slot)
        .bind(version)
        .bind(message_id)
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(())
    }

    async fn vanished(&self, slot: &str) -> Result<(), MessagesFault> {
        self.change(
            "UPDATE telegram_messages
             SET message_id = NULL, next_at = clock_timestamp() + $2 * interval '1 millisecond' WHERE slot = $1",
            slot,
            Duration::ZERO,
        )
        .await
    }

    async fn postpone(&self, slot: &str, pause: Duration) -> Result<(), MessagesFault> {
        self.change(
            "UPDATE telegram_messages SET next_at = clock_timestamp() + $2 * interval '1 millisecond' WHERE slot = $1",
            slot,
            pause,
        )
        .await
    }

    async fn give_up(&self, slot: &str, version: i64) -> Result<(), MessagesFault> {
        sqlx::query(
            "UPDATE telegram_messages
             SET sent_version = $2, attempts = 0, next_at = clock_timestamp(),
                 content = CASE WHEN version = $2 THEN NULL ELSE content END
             WHERE slot = $1 AND sent_version < $2",
        )
        .bind(slot)
        .bind(version)
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(())
    }

    async fn freeze(&self, pause: Duration) -> Result<(), MessagesFault> {
        sqlx::query(
            "UPDATE telegram_pace SET next_at = greatest(next_at, clock_timestamp() + $1 * interval '1 millisecond')",
        )
        .bind(millis(pause))
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(())
    }

    async fn park(&self, user: UserId) -> Result<(), MessagesFault> {
        sqlx::query(
            "INSERT INTO telegram_chats (user_id, next_at) VALUES ($1, 'infinity')
             ON CONFLICT (user_id) DO UPDATE SET next_at = excluded.next_at",
        )
        .bind(user.0)
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(())
    }

    async fn unpark(&self, user: UserId) -> Result<(), MessagesFault> {
        let mut transaction = self.pool.begin().await.map_err(fault)?;
        let parked =
            sqlx::query("DELETE FROM telegram_chats WHERE user_id = $1 AND next_at = 'infinity'")
                .bind(user.0)
                .execute(&mut *transaction)
                .await
                .map_err(fault)?
                .rows_affected();
        if parked > 0 {
            sqlx::query(
                "UPDATE telegram_messages SET next_at = clock_timestamp() WHERE user_id = $1 AND sent_version < version",
            )
            .bind(user.0)
            .execute(&mut *transaction)
            .await
            .map_err(fault)?;
        }
        transaction.commit().await.map_err(fault)?;
        self.news.notify_one();
        Ok(())
    }

    async fn forget(&self, user: UserId) -> Result<(), MessagesFault> {
        let mut transaction = self.pool.begin().await.map_err(fault)?;
        for query in [
            "DELETE FROM telegram_messages WHERE user_id = $1",
            "DELETE FROM telegram_chats WHERE user_id = $1",
        ] {
            sqlx::query(query)
                .bind(user.0)
                .execute(&mut *transaction)
                .await
                .map_err(fault)?;
        }
        transaction.commit().await.map_err(fault)
    }

    async fn prune(&self, age: Duration) -> Result<u64, MessagesFault> {
        // An answer is never edited; its slot only has to outlive a second handling of its update.
        let pruned = sqlx::query(
            "DELETE FROM telegram_messages
             WHERE changed_at < clock_timestamp() - $1 * interval '1 second'
                OR (slot LIKE 'reply:%' AND sent_version = version
                    AND changed_at < clock_timestamp() - interval '2 days')",
        )
        .bind(seconds(age))
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        // A pause that is over says nothing any more.
        sqlx::query(
            "DELETE FROM telegram_chats WHERE next_at < clock_timestamp() - interval '1 day'",
        )
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(pruned.rows_affected())
    }

    async fn wait(&self, at_most: Duration) {
        let _ended = tokio::time::timeout(at_most, self.news.notified()).await;
    }
}
