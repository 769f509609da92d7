//! API keys in the table `api_keys`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kvit_commands::ports::keys::{ApiKey, ApiKeys, KeyFault, KeyMade, Revocation, Scope};
use sqlx::PgPool;
use sqlx::postgres::PgRow;
use sqlx::{Row, postgres::PgQueryResult};

use crate::postgres::classify;

const COLUMNS: &str = "id, secret_sha256, name, scopes, per_minute, created_by, created_at, expires_at, last_used_at, \
                       revoked_at, revoked_by, revoke_reason";

/// Keys in Postgres.
#[derive(Debug, Clone)]
pub struct PgApiKeys {
    pool: PgPool,
}

impl PgApiKeys {
    /// Keys over a pool of the application's role.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

fn fault(error: sqlx::Error) -> KeyFault {
    match classify::lane(&error) {
        classify::Lane::Transient => KeyFault::Transient(classify::describe(&error)),
        classify::Lane::Unique | classify::Lane::Fatal => {
            KeyFault::Fatal(classify::describe(&error))
        }
    }
}

fn broken(what: &str) -> KeyFault {
    KeyFault::Fatal(format!("a stored key has a broken {what}"))
}

fn key_of(row: &PgRow) -> Result<ApiKey, KeyFault> {
    let secret: Vec<u8> = row.try_get("secret_sha256").map_err(fault)?;
    let scopes: Vec<String> = row.try_get("scopes").map_err(fault)?;
    let per_minute: i32 = row.try_get("per_minute").map_err(fault)?;
    let revoked_at: Option<DateTime<Utc>> = row.try_get("revoked_at").map_err(fault)?;
    let revoked = match revoked_at {
        None => None,
        Some(at) => Some(Revocation {
            at,
            by: row.try_get("revoked_by").map_err(fault)?,
            reason: row.try_get("revoke_reason").map_err(fault)?,
        }),
    };
    Ok(ApiKey {
        id: row.try_get("id").map_err(fault)?,
        secret_sha256: secret.try_into().map_err(|_| broken("hash"))?,
        name: row.try_get("name").map_err(fault)?,
        // A scope that this program does not know allows nothing; the others stay as they are.
        scopes: scopes
            .iter()
            .filter_map(|code| Scope::by_code(code))
            .collect(),
        per_minute: u32::try_from(per_minute).map_err(|_| broken("limit"))?,
        created_by: row.try_get("created_by").map_err(fault)?,
        created_at: row.try_get("created_at").map_err(fault)?,
        expires_at: row.try_get("expires_at").map_err(fault)?,
        last_used_at: row.try_get("last_used_at").map_err(fault)?,
        revoked,
    })
}

#[async_trait]
impl ApiKeys for PgApiKeys {
    async fn create(&self, key: &ApiKey) -> Result<KeyMade, KeyFault> {
        let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.code()).collect();
        let made: PgQueryResult = sqlx::query(
            "INSERT INTO api_keys (id, secret_sha256, name, scopes, per_minute, created_by, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING",
        )
        .bind(&key.id)
        .bind(key.secret_sha256.as_slice())
        .bind(&key.name)
        .bind(scopes)
        .bind(i32::try_from(key.per_minute).unwrap_or(i32::MAX))
        .bind(&key.created_by)
        .bind(key.created_at)
        .bind(key.expires_at)
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        if made.rows_affected() == 1 {
            return Ok(KeyMade::Stored);
        }
        let known = self
            .find(&key.id)
            .await?
            .ok_or_else(|| broken("id: it was there a moment ago"))?;
        Ok(KeyMade::Known(Box::new(known)))
    }

    async fn find(&self, id: &str) -> Result<Option<ApiKey>, KeyFault> {
        let row = sqlx::query(&format!("SELECT {COLUMNS} FROM api_keys WHERE id = $1"))
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(fault)?;
        row.as_ref().map(key_of).transpose()
    }

    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<ApiKey>, KeyFault> {
        let rows = sqlx::query(&format!(
            "SELECT {COLUMNS} FROM api_keys WHERE id > $1 ORDER BY id LIMIT $2"
        ))
        .bind(after.unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?;
        rows.iter().map(key_of).collect()
    }

    async fn revoke(&self, id: &str, revocation: &Revocation) -> Result<Option<ApiKey>, KeyFault> {
        sqlx::query(
            "UPDATE api_keys SET revoked_at = $2, revoked_by = $3, revoke_reason = $4
             WHERE id = $1 AND revoked_at IS NULL",
        )
        .bind(id)
        .bind(revocation.at)
        .bind(&revocation.by)
        .bind(&revocation.reason)
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        self.find(id).await
    }

    async fn touch(&self, id: &str, at: DateTime<Utc>) -> Result<(), KeyFault> {
        sqlx::query("UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)")
            .bind(id)
            .bind(at)
            .execute(&self.pool)
            .await
            .map(|_| ())
            .map_err(fault)
    }
}
