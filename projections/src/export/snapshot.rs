//! One moment of the database held still, so that a backup and what is said about it are of the same moment.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kvit_domain::event::Position;
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, Postgres, Row, Transaction};

use crate::error::Fault;

/// What a database holds, as far as a restored copy must hold the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Position of the last event; 0 for an empty log.
    pub position: Position,
    /// Its hash in the chain, hexadecimal; empty for an empty log.
    pub hash: String,
    /// When the log took it.
    pub recorded_at: Option<DateTime<Utc>>,
    /// Hash of the first event, hexadecimal: two databases with the same one hold the same ledger.
    pub ledger: String,
    /// Number of the last migration.
    pub migration: i64,
    /// Rows by table of the main schema.
    pub rows: BTreeMap<String, i64>,
    /// Streams by kind of aggregate.
    pub streams: BTreeMap<String, i64>,
    /// Where each read model stands.
    pub projections: BTreeMap<String, Position>,
    /// The trial balance by account and currency, wallets in one line: debits and credits, minor units. Empty before the
    /// ledger's read model was built.
    pub balances: Vec<Balance>,
    /// SHA-256 over the balance of every single account, wallets included, hexadecimal.
    pub accounts_sha256: String,
}

/// A line of the trial balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// The account, or `wallets`.
    pub account: String,
    /// The currency.
    pub currency: String,
    /// All debits, minor units, as decimal digits.
    pub debit_minor: String,
    /// All credits.
    pub credit_minor: String,
}

/// A moment that others can read too, as long as this lives.
pub struct Snapshot {
    transaction: Transaction<'static, Postgres>,
    /// The name under which `pg_dump` and other sessions take part.
    pub id: String,
}

impl Snapshot {
    /// Holds the moment.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn hold(pool: &PgPool) -> Result<Self, Fault> {
        let mut transaction = pool
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        // It reads whole tables, and then stands idle for as long as somebody else reads.
        for setting in ["statement_timeout", "idle_in_transaction_session_timeout"] {
            sqlx::query("SELECT set_config($1, '0', true)")
                .bind(setting)
                .execute(&mut *transaction)
                .await?;
        }
        let id = sqlx::query_scalar("SELECT pg_export_snapshot()")
            .fetch_one(&mut *transaction)
            .await?;
        Ok(Self { transaction, id })
    }

    /// Version of the server.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn server_version(&mut self) -> Result<String, Fault> {
        let version = sqlx::query_scalar("SELECT current_setting('server_version')")
            .fetch_one(&mut *self.transaction)
            .await?;
        Ok(version)
    }

    /// The role that owns the schema, who migrates.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn owner(&mut self) -> Result<String, Fault> {
        let owner = sqlx::query_scalar(
            "SELECT pg_get_userbyid(relowner)::text FROM pg_class WHERE oid = 'events'::regclass",
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(owner)
    }

    /// Roles that own something in this database or were granted something; a copy needs them before it can be made.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn roles(&mut self) -> Result<Vec<String>, Fault> {
        let roles = sqlx::query_scalar(
            "SELECT DISTINCT r.rolname::text FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
              WHERE d.refclassid = 'pg_authid'::regclass AND r.rolname !~ '^pg_'
                AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
              ORDER BY 1",
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(roles)
    }

    /// Schemas of builds that nobody reads: comparisons, rebuilds under way, builds that were replaced.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn spare_schemas(&mut self) -> Result<Vec<String>, Fault> {
        let schemas = sqlx::query_scalar(
            "SELECT schema_name FROM projection_builds WHERE state <> 'active' ORDER BY 1",
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(schemas)
    }

    /// What the database holds at this moment.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn facts(&mut self) -> Result<Facts, Fault> {
        let head = sqlx::query("SELECT position, encode(hash, 'hex'), recorded_at FROM event_head")
            .fetch_optional(&mut *self.transaction)
            .await?;
        let (position, hash, recorded_at) = match head {
            Some(row) => (row.try_get(0)?, row.try_get(1)?, Some(row.try_get(2)?)),
            None => (0, String::new(), None),
        };
        let ledger: Option<String> =
            sqlx::query_scalar("SELECT encode(hash, 'hex') FROM events WHERE position = 1")
                .fetch_optional(&mut *self.transaction)
                .await?;
        let migration: Option<i64> =
            sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
                .fetch_one(&mut *self.transaction)
                .await?;
        let rows = self.rows().await?;
        let streams = self
            .counted("SELECT aggregate_type, count(*) FROM events WHERE sequence = 1 GROUP BY 1")
            .await?;
        let projections = self
            .counted("SELECT name, checkpoint FROM projection_builds WHERE state = 'active'")
            .await?;
        let (balances, accounts_sha256) = self.balances().await?;
        Ok(Facts {
            position,
            hash,
            recorded_at,
            ledger: ledger.unwrap_or_default(),
            migration: migration.unwrap_or(0),
            rows,
            streams,
            projections,
            balances,
            accounts_sha256,
        })
    }

    async fn counted(&mut self, sql: &'static str) -> Result<BTreeMap<String, i64>, Fault> {
        let mut counts = BTreeMap::new();
        for row in sqlx::query(sql).fetch_all(&mut *self.transaction).await? {
            counts.insert(row.try_get(0)?, row.try_get(1)?);
        }
        Ok(counts)
    }

    async fn rows(&mut self) -> Result<BTreeMap<String, i64>, Fault> {
        let tables: Vec<(String, String)> = sqlx::query_as(
            "SELECT c.relname::text, c.oid::regclass::text FROM pg_class c
              WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace ORDER BY 1",
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let mut rows = BTreeMap::new();
        for (name, quoted) in tables {
            let count: i64 = sqlx::query_scalar(&format!("SELECT count(*) FROM {quoted}"))
                .fetch_one(&mut *self.transaction)
                .await?;
            rows.insert(name, count);
        }
        Ok(rows)
    }

    async fn balances(&mut self) -> Result<(Vec<Balance>, String), Fault> {
        let schema: Option<String> = sqlx::query_scalar(
            "SELECT quote_ident(schema_name) FROM projection_builds WHERE name = 'ledger' AND state = 'active'",
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let Some(schema) = schema else {
            return Ok((Vec::new(), String::new()));
        };
        let sql = format!(
            "SELECT name, currency, sum(debit_minor)::text, sum(credit_minor)::text
               FROM (SELECT CASE WHEN account LIKE 'wallet:%' THEN 'wallets' ELSE account END AS name,
                            currency, debit_minor, credit_minor FROM {schema}.accounts) lines
              GROUP BY name, currency ORDER BY name COLLATE \"C\", currency COLLATE \"C\""
        );
        let mut balances = Vec::new();
        for row in sqlx::query(&sql).fetch_all(&mut *self.transaction).await? {
            balances.push(Balance {
                account: row.try_get(0)?,
                currency: row.try_get(1)?,
                debit_minor: row.try_get(2)?,
                credit_minor: row.try_get(3)?,
            });
        }
        let sql = format!(
            "SELECT encode(sha256(convert_to(coalesce(string_agg(
                        concat_ws(' ', account, currency, debit_minor, credit_minor), E'\\n'
                        ORDER BY account COLLATE \"C\", currency COLLATE \"C\"), ''), 'UTF8')), 'hex')
               FROM {schema}.accounts"
        );
        let sha256 = sqlx::query_scalar(&sql)
            .fetch_one(&mut *self.transaction)
            .await?;
        Ok((balances, sha256))
    }

    /// Lets the moment go.
    ///
    /// # Errors
    /// [`Fault`] when the connection is gone, which also means that others may have lost the moment before their end.
    pub async fn release(self) -> Result<(), Fault> {
        Ok(self.transaction.rollback().await?)
    }
}
