//! Runs the migrations that are embedded in the program. The rules are in `migrations/README.md`.

use std::borrow::Cow;
use std::str::FromStr;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgPool};

use super::classify;

/// All migrations in order: number, name, text. The build script makes the list from the folder.
const MIGRATIONS: &[(i64, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// Runs after every migration run.
const GRANTS: &str = include_str!("../../../migrations/grants.sql");

/// Why the database could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateFault {
    /// The database is away; try again.
    #[error("the database is not available: {0}")]
    Transient(String),
    /// A migration that was applied earlier is not the one in this program.
    #[error("migration {0} was applied with another text; an applied migration must not be edited")]
    Edited(i64),
    /// The database was migrated by a newer program.
    #[error("migration {0} was applied by a newer program")]
    Newer(i64),
    /// The migration itself fails, or the role may not do it.
    #[error("migration failed: {0}")]
    Fatal(String),
}

impl From<sqlx::Error> for MigrateFault {
    fn from(error: sqlx::Error) -> Self {
        match classify::lane(&error) {
            classify::Lane::Transient => Self::Transient(classify::describe(&error)),
            _ => Self::Fatal(classify::describe(&error)),
        }
    }
}

impl From<MigrateError> for MigrateFault {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            MigrateError::VersionMismatch(version) => Self::Edited(version),
            MigrateError::VersionMissing(version) => Self::Newer(version),
            other => Self::Fatal(other.to_string()),
        }
    }
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS
        .iter()
        .map(|&(version, name, sql)| {
            Migration::new(
                version,
                Cow::Borrowed(name),
                MigrationType::Simple,
                Cow::Borrowed(sql),
                false,
            )
        })
        .collect();
    Migrator {
        migrations: Cow::Owned(migrations),
        ..Migrator::DEFAULT
    }
}

/// Brings the database up to date, as its owner. A second run at the same time waits for the first.
///
/// # Errors
/// [`MigrateFault`]; the migrations before the failing one stay applied.
pub async fn migrate(owner_url: &str) -> Result<(), MigrateFault> {
    let options = PgConnectOptions::from_str(owner_url)?
        .application_name("kvit migrate")
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    migrator().run(&mut connection).await?;
    sqlx::raw_sql(GRANTS).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Numbers of the migrations that this program has and the database has not: empty when it may serve.
///
/// # Errors
/// [`MigrateFault`] when the database does not answer.
pub async fn pending(pool: &PgPool) -> Result<Vec<i64>, MigrateFault> {
    let known: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(pool)
        .await?;
    let applied: Vec<i64> = if known {
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
            .fetch_all(pool)
            .await?
    } else {
        Vec::new()
    };
    Ok(MIGRATIONS
        .iter()
        .map(|&(version, ..)| version)
        .filter(|version| !applied.contains(version))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;

    #[test]
    fn each_migration_has_a_number_of_its_own() {
        let numbers: Vec<i64> = MIGRATIONS.iter().map(|&(number, ..)| number).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        assert_eq!(numbers.first(), Some(&1));
    }
}
