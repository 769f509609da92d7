//! Notifications of providers in the table `notifications`, their bodies sealed.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use kvit_commands::ports::notifications::{
    InboxFault, NOTIFICATION_BYTES_MAX, NotificationInbox, PendingNotification, RawNotification,
    Received,
};
use kvit_commands::ports::vault::{Vault, VaultFault};
use sha2::{Digest, Sha256};
use sqlx::{PgPool, Row};
use uuid::Uuid;

use crate::postgres::classify;

/// Bodies are sealed with a key per provider: they belong to no single person that could be forgotten.
const PROVIDERS: Uuid = Uuid::from_u128(0x8f0e_41b2_6a57_4c0d_b1d9_3e60_5a2c_77f4);
/// Longest media type that is kept.
const CONTENT_TYPE_MAX: usize = 100;

/// The inbox in Postgres.
#[derive(Clone)]
pub struct PgNotificationInbox {
    pool: PgPool,
    vault: Arc<dyn Vault>,
}

impl PgNotificationInbox {
    /// An inbox over a pool of the application's role.
    #[must_use]
    pub fn new(pool: PgPool, vault: Arc<dyn Vault>) -> Self {
        Self { pool, vault }
    }
}

fn fault(error: sqlx::Error) -> InboxFault {
    match classify::lane(&error) {
        classify::Lane::Transient => InboxFault::Transient(classify::describe(&error)),
        classify::Lane::Unique | classify::Lane::Fatal => {
            InboxFault::Fatal(classify::describe(&error))
        }
    }
}

fn sealing(fault: VaultFault) -> InboxFault {
    match fault {
        VaultFault::Transient(cause) => InboxFault::Transient(cause),
        other => InboxFault::Fatal(other.to_string()),
    }
}

fn owner(provider: &str) -> Uuid {
    Uuid::new_v5(&PROVIDERS, provider.as_bytes())
}

fn context(provider: &str, digest: &[u8]) -> String {
    format!("notification:{provider}:{}", hex::encode(digest))
}

#[async_trait]
impl NotificationInbox for PgNotificationInbox {
    async fn receive(&self, notification: RawNotification) -> Result<Received, InboxFault> {
        if notification.body.len() > NOTIFICATION_BYTES_MAX {
            return Err(InboxFault::Fatal(
                "the notification is larger than accepted".to_owned(),
            ));
        }
        let provider = notification.provider.as_str();
        let digest = Sha256::digest(&notification.body);
        let known = sqlx::query(
            "UPDATE notifications SET copies = copies + 1 WHERE provider = $1 AND digest = $2",
        )
        .bind(provider)
        .bind(digest.as_slice())
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        if known.rows_affected() > 0 {
            return Ok(Received::Duplicate);
        }
        let sealed = self
            .vault
            .seal_bytes(
                owner(provider),
                &context(provider, &digest),
                &notification.body,
            )
            .await
            .map_err(sealing)?;
        let content_type: String = notification
            .content_type
            .chars()
            .take(CONTENT_TYPE_MAX)
            .collect();
        // One row a statement, so the conflict clause cannot hide another row's fate.
        let stored = sqlx::query(
            "INSERT INTO notifications (provider, digest, content_type, body, received_at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (provider, digest) DO NOTHING",
        )
        .bind(provider)
        .bind(digest.as_slice())
        .bind(content_type)
        .bind(sealed)
        .bind(notification.received_at)
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(if stored.rows_affected() == 1 {
            Received::Stored
        } else {
            Received::Duplicate
        })
    }

    async fn pending(
        &self,
        provider: &str,
        limit: u32,
    ) -> Result<Vec<PendingNotification>, InboxFault> {
        let rows = sqlx::query(
            "SELECT digest, content_type, body, received_at FROM notifications
             WHERE provider = $1 AND followed_up IS NULL ORDER BY received_at, digest LIMIT $2",
        )
        .bind(provider)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?;
        let mut pending = Vec::with_capacity(rows.len());
        for row in rows {
            let digest: Vec<u8> = row.try_get("digest").map_err(fault)?;
            let sealed: Vec<u8> = row.try_get("body").map_err(fault)?;
            let body = self
                .vault
                .open_bytes(owner(provider), &context(provider, &digest), &sealed)
                .await
                .map_err(sealing)?
                .ok_or_else(|| {
                    InboxFault::Fatal("the key of the provider's notifications is gone".to_owned())
                })?;
            let raw = RawNotification {
                provider: provider.to_owned(),
                content_type: row.try_get("content_type").map_err(fault)?,
                body: Bytes::from(body),
                received_at: row.try_get("received_at").map_err(fault)?,
            };
            pending.push(PendingNotification {
                digest: hex::encode(digest),
                raw,
            });
        }
        Ok(pending)
    }

    async fn follow_up(
        &self,
        provider: &str,
        digest: &str,
        at: DateTime<Utc>,
    ) -> Result<(), InboxFault> {
        let digest = hex::decode(digest)
            .map_err(|_| InboxFault::Fatal("a digest is hexadecimal".to_owned()))?;
        sqlx::query(
            "UPDATE notifications SET followed_up = $3 WHERE provider = $1 AND digest = $2 AND followed_up IS NULL",
        )
        .bind(provider)
        .bind(digest)
        .bind(at)
        .execute(&self.pool)
        .await
        .map(|_| ())
        .map_err(fault)
    }
}
