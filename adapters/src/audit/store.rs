//! Checkpoints in the table `checkpoints`.

use kvit_domain::event::Position;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::{AuditFault, PublicKey, SignedCheckpoint};
use crate::postgres::classify;

/// The stored checkpoints.
#[derive(Debug, Clone)]
pub struct PgCheckpoints {
    pool: PgPool,
}

/// A row as it stands there; whether it is a checkpoint shows when it is read.
pub(super) struct CheckpointRow {
    pub(super) position: Position,
    pub(super) checkpoint: Result<SignedCheckpoint, AuditFault>,
}

fn read(row: &PgRow) -> Result<CheckpointRow, AuditFault> {
    let position: Position = row.try_get(0)?;
    let (body, key, signature): (String, Vec<u8>, Vec<u8>) =
        (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    let parts = || {
        let broken = |_| AuditFault::Fatal("a key or signature has a wrong length".to_owned());
        let key = PublicKey::from_bytes(key.try_into().map_err(broken)?);
        let signed =
            SignedCheckpoint::from_parts(body, key, signature.try_into().map_err(broken)?)?;
        if signed.checkpoint().position == position {
            Ok(signed)
        } else {
            Err(AuditFault::Fatal(format!(
                "the checkpoint stored at {position} is for another position"
            )))
        }
    };
    Ok(CheckpointRow {
        position,
        checkpoint: parts(),
    })
}

impl PgCheckpoints {
    /// Checkpoints over a pool; the application's role is enough.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// The last one.
    ///
    /// # Errors
    /// [`AuditFault`], also when the stored one cannot be read.
    pub async fn latest(&self) -> Result<Option<SignedCheckpoint>, AuditFault> {
        let sql = "SELECT position, body, public_key, signature FROM checkpoints ORDER BY position DESC LIMIT 1";
        let row = sqlx::query(sql).fetch_optional(&self.pool).await?;
        row.as_ref().map(|row| read(row)?.checkpoint).transpose()
    }

    /// Those above a position, in order, at most `limit`.
    ///
    /// # Errors
    /// [`AuditFault`], also when one of them cannot be read.
    pub async fn list(
        &self,
        after: Position,
        limit: u32,
    ) -> Result<Vec<SignedCheckpoint>, AuditFault> {
        let rows = self.rows(after, limit).await?;
        rows.into_iter().map(|row| row.checkpoint).collect()
    }

    /// Position of the last one, whether or not it can be read.
    pub(super) async fn last_position(&self) -> Result<Option<Position>, AuditFault> {
        let sql = "SELECT position FROM checkpoints ORDER BY position DESC LIMIT 1";
        Ok(sqlx::query_scalar(sql).fetch_optional(&self.pool).await?)
    }

    pub(super) async fn rows(
        &self,
        after: Position,
        limit: u32,
    ) -> Result<Vec<CheckpointRow>, AuditFault> {
        let sql = "SELECT position, body, public_key, signature FROM checkpoints
                    WHERE position > $1 ORDER BY position LIMIT $2";
        let rows = sqlx::query(sql)
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read).collect()
    }

    /// Stores one. `false` when another process has continued the same checkpoint first.
    pub(super) async fn put(&self, signed: &SignedCheckpoint) -> Result<bool, AuditFault> {
        let mut previous = [0; 32];
        if let Some(digest) = &signed.checkpoint().previous {
            hex::decode_to_slice(digest, &mut previous).map_err(|_| {
                AuditFault::Fatal("the previous checkpoint's digest is malformed".to_owned())
            })?;
        }
        let sql = "INSERT INTO checkpoints (position, body, previous, public_key, signature) VALUES ($1, $2, $3, $4, $5)";
        let stored = sqlx::query(sql)
            .bind(signed.checkpoint().position)
            .bind(signed.body())
            .bind(previous.as_slice())
            .bind(signed.key().bytes().as_slice())
            .bind(signed.signature().as_slice())
            .execute(&self.pool)
            .await;
        match stored {
            Ok(_) => Ok(true),
            Err(error) if classify::lane(&error) == classify::Lane::Unique => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
