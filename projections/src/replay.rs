//! Folding the log again and comparing the result with the live tables, row by row.

use kvit_domain::event::Position;
use serde::Serialize;
use sqlx::{PgConnection, PgPool, Row};

use crate::build::{self, Build, BuildState};
use crate::error::Fault;
use crate::fold;
use crate::log::read_page;
use crate::projection::{PageError, Projection};
use crate::rebuild::{self, RebuildOptions};
use crate::table::TableInfo;

/// Most differences that are listed for one table.
pub const LISTED_MAX: i64 = 100;

/// A row that is not what the log says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The projection.
    pub projection: String,
    /// The table.
    pub table: String,
    /// What names the row.
    pub key: serde_json::Value,
    /// Columns that differ; all of them when one side has no such row.
    pub columns: Vec<String>,
    /// The live row; absent when the log says that there is one, and there is none.
    pub live: Option<serde_json::Value>,
    /// The row that the log gives; absent when there should be none.
    pub replayed: Option<serde_json::Value>,
}

/// Folds the whole log again for every projection and lists how the live tables differ, at most [`LISTED_MAX`] rows a
/// table. The live tables are left alone and may go on meanwhile.
///
/// # Errors
/// [`Fault::LiveElsewhere`] when `until` is given and a projection stands somewhere else; [`Fault`].
pub async fn compare(pool: &PgPool, until: Option<Position>) -> Result<Vec<Difference>, Fault> {
    let mut differences = Vec::new();
    for projection in fold::all() {
        differences.extend(compare_one(pool, &*projection, until).await?);
    }
    Ok(differences)
}

/// As [`compare`], for one projection.
///
/// # Errors
/// As [`compare`].
pub async fn compare_one(
    pool: &PgPool,
    projection: &dyn Projection,
    until: Option<Position>,
) -> Result<Vec<Difference>, Fault> {
    let live = live_build(pool, projection.name()).await?;
    if let Some(until) = until.filter(|until| *until != live.checkpoint) {
        return Err(Fault::LiveElsewhere {
            live: live.checkpoint,
            until,
        });
    }
    let mut scratch = build::make(pool, projection, BuildState::Scratch).await?;
    let compared = async {
        let options = RebuildOptions::default();
        let stop = Some(live.checkpoint);
        rebuild::fold_on(
            pool,
            projection,
            &mut scratch,
            stop,
            &options,
            &mut |_, _| {},
        )
        .await?;
        compare_builds(pool, projection, &scratch).await
    }
    .await;
    let dropped = build::drop_build(pool, &scratch).await;
    let differences = compared?;
    dropped?;
    Ok(differences)
}

async fn live_build(pool: &PgPool, name: &str) -> Result<Build, Fault> {
    let mut connection = pool.acquire().await?;
    build::find(&mut connection, name, BuildState::Active)
        .await?
        .ok_or_else(|| Fault::NotBuilt(name.to_owned()))
}

/// Compares a build with the live one at the position of the live one. One snapshot holds the live side still without
/// a lock; what the other build lacks is folded inside it and thrown away afterwards.
pub(crate) async fn compare_builds(
    pool: &PgPool,
    projection: &dyn Projection,
    other: &Build,
) -> Result<Vec<Difference>, Fault> {
    let mut transaction = pool
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ")
        .await?;
    // A comparison reads whole tables, for as long as it takes.
    sqlx::query("SET LOCAL statement_timeout = 0")
        .execute(&mut *transaction)
        .await?;
    let row = sqlx::query(
        "SELECT a.schema_name, a.checkpoint, b.checkpoint FROM projection_builds a, projection_builds b
          WHERE a.name = $1 AND a.state = 'active' AND b.name = $1 AND b.build = $2",
    )
    .bind(projection.name())
    .bind(other.build)
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(row) = row else {
        return Err(Fault::NotBuilt(projection.name().to_owned()));
    };
    let live: String = row.try_get(0)?;
    let until: Position = row.try_get(1)?;
    let mut stands: Position = row.try_get(2)?;
    while stands < until {
        let page = read_page(pool, projection.needs(), stands, Some(until), 1_000).await?;
        let Some(last) = page.last() else {
            return Err(Fault::Gap(stands.saturating_add(1)));
        };
        let to = last.position;
        projection
            .apply(&mut transaction, &other.schema, &page)
            .await
            .map_err(|error| match error {
                PageError::Database(fault) => fault,
                PageError::Event {
                    position, error, ..
                } => Fault::Stuck {
                    projection: projection.name().to_owned(),
                    position,
                    reason: error.to_string(),
                },
            })?;
        stands = to;
    }
    if stands > until {
        // A rebuild can be a few events ahead of a live build that stands still; there is no common position then.
        return Err(Fault::LiveElsewhere {
            live: until,
            until: stands,
        });
    }
    let mut differences = Vec::new();
    for table in projection.tables() {
        let rows = table_differences(&mut transaction, *table, &live, &other.schema).await?;
        for (key, columns, live, replayed) in rows {
            differences.push(Difference {
                projection: projection.name().to_owned(),
                table: table.name.to_owned(),
                key,
                columns,
                live,
                replayed,
            });
        }
    }
    transaction.rollback().await?;
    Ok(differences)
}

type RowDifference = (
    serde_json::Value,
    Vec<String>,
    Option<serde_json::Value>,
    Option<serde_json::Value>,
);

async fn table_differences(
    connection: &mut PgConnection,
    table: TableInfo,
    live: &str,
    replayed: &str,
) -> Result<Vec<RowDifference>, Fault> {
    let keys: Vec<String> = table
        .columns
        .iter()
        .take(table.key_columns)
        .map(|column| format!("\"{}\"", column.name))
        .collect();
    let on = keys
        .iter()
        .map(|key| format!("l.{key} = r.{key}"))
        .collect::<Vec<_>>()
        .join(" AND ");
    let name = table.name;
    let sql = format!(
        "SELECT to_jsonb(l), to_jsonb(r) FROM {live}.\"{name}\" l FULL JOIN {replayed}.\"{name}\" r ON {on}
          WHERE to_jsonb(l) IS DISTINCT FROM to_jsonb(r) ORDER BY coalesce(l.position, r.position) LIMIT {LISTED_MAX}"
    );
    let mut answer = Vec::new();
    for row in sqlx::query(&sql).fetch_all(connection).await? {
        let live: Option<serde_json::Value> = row.try_get(0)?;
        let replayed: Option<serde_json::Value> = row.try_get(1)?;
        let of = |side: &Option<serde_json::Value>, name: &str| {
            side.as_ref().and_then(|side| side.get(name)).cloned()
        };
        let key = table
            .columns
            .iter()
            .take(table.key_columns)
            .map(|column| {
                let value = of(&live, column.name).or_else(|| of(&replayed, column.name));
                (column.name.to_owned(), value.unwrap_or_default())
            })
            .collect();
        let columns = table
            .columns
            .iter()
            .filter(|column| of(&live, column.name) != of(&replayed, column.name))
            .map(|column| column.name.to_owned())
            .collect();
        answer.push((serde_json::Value::Object(key), columns, live, replayed));
    }
    Ok(answer)
}
