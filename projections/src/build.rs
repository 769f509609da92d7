//! Builds of projections: a schema full of tables, folded up to a checkpoint by one version of the code.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kvit_domain::event::Position;
use sqlx::{Connection, Executor, PgConnection, PgPool, Row};

use crate::error::Fault;
use crate::log::LogEvent;
use crate::projection::{PageError, Projection};
use crate::runner::Policy;

/// What a build is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildState {
    /// Folded beside the active one.
    Building,
    /// What queries read.
    Active,
    /// Replaced; dropped some time later, so that running queries end first.
    Retired,
    /// For one comparison.
    Scratch,
}

impl BuildState {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Scratch => "scratch",
        }
    }

    fn from_code(code: &str) -> Self {
        match code {
            "building" => Self::Building,
            "active" => Self::Active,
            "scratch" => Self::Scratch,
            _ => Self::Retired,
        }
    }
}

/// A build as the control table has it.
#[derive(Debug, Clone)]
pub struct Build {
    /// The projection.
    pub name: String,
    /// Number of the build, from 1.
    pub build: i64,
    /// Version of the fold.
    pub version: i64,
    /// Where its tables are.
    pub schema: String,
    /// What it is for.
    pub state: BuildState,
    /// Position of the last folded event.
    pub checkpoint: Position,
}

const COLUMNS: &str = "name, build, version, schema_name, state, checkpoint";

fn read(row: &sqlx::postgres::PgRow) -> Result<Build, sqlx::Error> {
    Ok(Build {
        name: row.try_get(0)?,
        build: row.try_get(1)?,
        version: row.try_get(2)?,
        schema: row.try_get(3)?,
        state: BuildState::from_code(row.try_get(4)?),
        checkpoint: row.try_get(5)?,
    })
}

/// The build of a projection that is in this state, if any; its schema exists. A build whose schema is gone (it need not
/// be in a backup) is retired on the way.
pub(crate) async fn find(
    connection: &mut PgConnection,
    name: &str,
    state: BuildState,
) -> Result<Option<Build>, Fault> {
    let sql = format!(
        "SELECT {COLUMNS}, EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = schema_name)
           FROM projection_builds WHERE name = $1 AND state = $2"
    );
    let row = sqlx::query(&sql)
        .bind(name)
        .bind(state.code())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let build = read(&row)?;
    if row.try_get(6)? {
        return Ok(Some(build));
    }
    tracing::warn!(
        projection = name,
        schema = build.schema,
        "projection: the schema of a build is gone"
    );
    sqlx::query(
        "UPDATE projection_builds SET state = 'retired', retired_at = now() WHERE name = $1 AND build = $2",
    )
    .bind(name)
    .bind(build.build)
    .execute(connection)
    .await?;
    Ok(None)
}

/// Serialises everything that makes or switches builds of one projection, until the transaction ends.
async fn lock_name_in_op(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('projection ' || $1, 0))")
        .bind(name)
        .execute(connection)
        .await?;
    Ok(())
}

/// Makes an empty build, or answers the one that is in this state already (never for scratch builds).
pub(crate) async fn make(
    pool: &PgPool,
    projection: &dyn Projection,
    state: BuildState,
) -> Result<Build, Fault> {
    let mut transaction = pool.begin().await?;
    let name = projection.name();
    lock_name_in_op(&mut transaction, name).await?;
    if state != BuildState::Scratch
        && let Some(build) = find(&mut transaction, name, state).await?
    {
        transaction.commit().await?;
        return Ok(build);
    }
    let number: i64 = sqlx::query_scalar(
        "SELECT coalesce(max(build), 0) + 1 FROM projection_builds WHERE name = $1",
    )
    .bind(name)
    .fetch_one(&mut *transaction)
    .await?;
    let schema: String = sqlx::query_scalar("SELECT create_projection_schema($1, $2)")
        .bind(name)
        .bind(number)
        .fetch_one(&mut *transaction)
        .await?;
    let mut statements = projection.create(&schema);
    // A build that starts with a whole log before it gets its indexes at the end: that is much faster.
    if state == BuildState::Active {
        statements.extend(projection.indexes(&schema));
    }
    for statement in statements {
        (&mut *transaction).execute(statement.as_str()).await?;
    }
    // The owner of the database reads them: backups, and people with psql.
    let owner: String = sqlx::query_scalar(
        "SELECT quote_ident(pg_get_userbyid(nspowner)) FROM pg_namespace WHERE nspname = $1",
    )
    .bind(&schema)
    .fetch_one(&mut *transaction)
    .await?;
    let grant = format!("GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {owner}");
    (&mut *transaction).execute(grant.as_str()).await?;
    let sql = format!(
        "INSERT INTO projection_builds (name, build, version, schema_name, state, activated_at)
         VALUES ($1, $2, $3, $4, $5, CASE WHEN $5 = 'active' THEN now() END) RETURNING {COLUMNS}"
    );
    let row = sqlx::query(&sql)
        .bind(name)
        .bind(number)
        .bind(projection.version())
        .bind(&schema)
        .bind(state.code())
        .fetch_one(&mut *transaction)
        .await?;
    let build = read(&row)?;
    transaction.commit().await?;
    Ok(build)
}

/// Makes the indexes that a build still lacks.
pub(crate) async fn index(
    pool: &PgPool,
    projection: &dyn Projection,
    build: &Build,
) -> Result<(), Fault> {
    let statements = projection.indexes(&build.schema);
    // Two at a time: each keeps one core of the server busy, and a server has more than one.
    let (left, right): (Vec<_>, Vec<_>) = statements
        .into_iter()
        .enumerate()
        .partition(|(number, _)| number % 2 == 0);
    let make = async |share: Vec<(usize, String)>| -> Result<(), Fault> {
        let mut transaction = pool.begin().await?;
        // For as long as it takes; nobody reads these tables yet.
        for setting in [
            "SET LOCAL statement_timeout = 0",
            "SET LOCAL maintenance_work_mem = '128MB'",
        ] {
            (&mut *transaction).execute(setting).await?;
        }
        for (_, statement) in share {
            (&mut *transaction).execute(statement.as_str()).await?;
        }
        transaction.commit().await?;
        Ok(())
    };
    tokio::try_join!(make(left), make(right))?;
    Ok(())
}

/// Forgets a build and drops its tables. An active build is not dropped.
pub(crate) async fn drop_build(pool: &PgPool, build: &Build) -> Result<(), Fault> {
    let mut transaction = pool.begin().await?;
    lock_name_in_op(&mut transaction, &build.name).await?;
    let gone = sqlx::query(
        "DELETE FROM projection_builds WHERE name = $1 AND build = $2 AND state <> 'active'",
    )
    .bind(&build.name)
    .bind(build.build)
    .execute(&mut *transaction)
    .await?;
    if gone.rows_affected() == 1 {
        sqlx::query("SELECT drop_projection_schema($1)")
            .bind(&build.schema)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Drops builds that were replaced, and leftovers of comparisons, at least this long ago. Answers how many.
///
/// # Errors
/// When the database does not answer.
pub async fn drop_old(pool: &PgPool, older_than: Duration) -> Result<usize, Fault> {
    let sql = format!(
        "SELECT {COLUMNS} FROM projection_builds
          WHERE (state = 'retired' AND retired_at <= now() - make_interval(secs => $1))
             OR (state = 'scratch' AND created_at <= now() - make_interval(secs => $1) - interval '1 day')"
    );
    let rows = sqlx::query(&sql)
        .bind(older_than.as_secs_f64())
        .fetch_all(pool)
        .await?;
    for row in &rows {
        drop_build(pool, &read(row)?).await?;
    }
    Ok(rows.len())
}

/// Locks the build's row until the transaction ends and answers its state and checkpoint. `None` when it was dropped.
pub(crate) async fn lock_in_op(
    connection: &mut PgConnection,
    name: &str,
    build: i64,
) -> Result<Option<(BuildState, Position)>, Fault> {
    let row = sqlx::query(
        "SELECT state, checkpoint FROM projection_builds WHERE name = $1 AND build = $2 FOR UPDATE",
    )
    .bind(name)
    .bind(build)
    .fetch_optional(connection)
    .await?;
    Ok(match row {
        Some(row) => Some((BuildState::from_code(row.try_get(0)?), row.try_get(1)?)),
        None => None,
    })
}

/// Moves the checkpoint; answers how long ago, by the database's clock, the log took the event there.
pub(crate) async fn move_checkpoint_in_op(
    connection: &mut PgConnection,
    build: &Build,
    to: Position,
    at: DateTime<Utc>,
) -> Result<Duration, Fault> {
    let micros: i64 = sqlx::query_scalar(
        "UPDATE projection_builds SET checkpoint = $3, checkpoint_at = $4 WHERE name = $1 AND build = $2
         RETURNING (extract(epoch FROM clock_timestamp() - $4) * 1000000)::bigint",
    )
    .bind(&build.name)
    .bind(build.build)
    .bind(to)
    .bind(at)
    .fetch_one(connection)
    .await?;
    Ok(Duration::from_micros(micros.max(0).unsigned_abs()))
}

/// What became of a page.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Advanced {
    /// Folded.
    To {
        /// The build stands here now.
        position: Position,
        /// Age of the last folded event.
        lag: Duration,
    },
    /// Somebody else has moved the build, or it was replaced: look at it again.
    Elsewhere,
}

/// Folds a page into a build: rows and checkpoint in one transaction.
///
/// # Errors
/// [`Fault::Stuck`] when an event cannot be folded and the policy is to stop: the events before it are folded.
pub(crate) async fn advance(
    pool: &PgPool,
    projection: &dyn Projection,
    build: &Build,
    page: &[LogEvent],
    policy: Policy,
) -> Result<Advanced, Fault> {
    let mut length = page.len();
    let mut failed = None;
    let mut lag = Duration::ZERO;
    // Shorter and shorter, until all of it can be folded.
    while let Some(part) = page.get(..length).filter(|part| !part.is_empty()) {
        let mut transaction = pool.begin().await?;
        match advance_in_op(&mut transaction, projection, build, part).await {
            Ok(Some(age)) => {
                transaction.commit().await?;
                lag = age;
                break;
            }
            Ok(None) => return Ok(Advanced::Elsewhere),
            Err(PageError::Database(fault)) => return Err(fault),
            Err(PageError::Event { index, error, .. }) => {
                transaction.rollback().await?;
                length = index;
                failed = Some(error);
            }
        }
    }
    let Some(error) = failed else {
        let position = page.last().map_or(build.checkpoint, |event| event.position);
        return Ok(Advanced::To { position, lag });
    };
    let Some(event) = page.get(length) else {
        return Ok(Advanced::Elsewhere);
    };
    let reason = error.to_string();
    let parked = policy == Policy::Park;
    let mut transaction = pool.begin().await?;
    if parked {
        let standing = lock_in_op(&mut transaction, &build.name, build.build).await?;
        if standing.map(|(_, checkpoint)| checkpoint) != Some(event.position.saturating_sub(1)) {
            return Ok(Advanced::Elsewhere);
        }
        lag = move_checkpoint_in_op(&mut transaction, build, event.position, event.recorded_at)
            .await?;
    }
    sqlx::query(
        "INSERT INTO projection_faults AS f (name, build, position, event_type, reason, parked)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (name, build, position) DO UPDATE
            SET reason = excluded.reason, parked = excluded.parked, attempts = f.attempts + 1, last_at = now()",
    )
    .bind(&build.name)
    .bind(build.build)
    .bind(event.position)
    .bind(&event.event_type)
    .bind(&reason)
    .bind(parked)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    if parked {
        tracing::warn!(
            projection = build.name,
            position = event.position,
            reason,
            "projection: event parked"
        );
        metrics::counter!("kvit_projection_parked_total", "projection" => build.name.clone())
            .increment(1);
        let position = event.position;
        return Ok(Advanced::To { position, lag });
    }
    Err(Fault::Stuck {
        projection: build.name.clone(),
        position: event.position,
        reason,
    })
}

/// Answers the age of the last event; `None` when the build stands elsewhere or was replaced.
async fn advance_in_op(
    connection: &mut PgConnection,
    projection: &dyn Projection,
    build: &Build,
    page: &[LogEvent],
) -> Result<Option<Duration>, PageError> {
    let (Some(first), Some(last)) = (page.first(), page.last()) else {
        return Ok(None);
    };
    // A crash of the server may take the last commits back. Rows and checkpoint go back together, and the runner, which
    // reads the checkpoint under its lock, folds the events again. So there is nothing to wait for.
    sqlx::query("SET LOCAL synchronous_commit = off")
        .execute(&mut *connection)
        .await?;
    let standing = lock_in_op(connection, &build.name, build.build)
        .await
        .map_err(PageError::Database)?;
    if standing != Some((build.state, first.position.saturating_sub(1))) {
        return Ok(None);
    }
    projection.apply(connection, &build.schema, page).await?;
    let lag = move_checkpoint_in_op(connection, build, last.position, last.recorded_at)
        .await
        .map_err(PageError::Database)?;
    Ok(Some(lag))
}

/// Puts a build that has caught up in the place of the active one, in one transaction: a query sees the one or the other.
///
/// `false` when the active build is further on; fold on and try again.
pub(crate) async fn switch(pool: &PgPool, building: &Build, head: Position) -> Result<bool, Fault> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    lock_name_in_op(&mut transaction, &building.name).await?;
    let active = find(&mut transaction, &building.name, BuildState::Active).await?;
    if let Some(active) = &active {
        let Some((_, live)) = lock_in_op(&mut transaction, &active.name, active.build).await?
        else {
            return Ok(false);
        };
        let Some((state, checkpoint)) =
            lock_in_op(&mut transaction, &building.name, building.build).await?
        else {
            return Ok(false);
        };
        // Readers never go back, unless the log itself ends before the place where the active build stands.
        if state != BuildState::Building || checkpoint < live.min(head) {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE projection_builds SET state = 'retired', retired_at = now() WHERE name = $1 AND build = $2",
        )
        .bind(&active.name)
        .bind(active.build)
        .execute(&mut *transaction)
        .await?;
    }
    sqlx::query(
        "UPDATE projection_builds SET state = 'active', activated_at = now() WHERE name = $1 AND build = $2",
    )
    .bind(&building.name)
    .bind(building.build)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(true)
}
