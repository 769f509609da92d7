//! Questions to the read models.
//!
//! Every answer says the position that it reflects ([`AsOf`]): rows and position are read in one snapshot. A caller that
//! has just written waits for its own position with [`wait_for`] first. Ids that do not exist give `None` or an empty
//! page, never an error.

pub mod accounts;
pub mod adjustments;
pub mod campaigns;
pub mod daily;
pub mod due;
pub mod gauges;
pub mod health;
pub mod jobs;
pub mod ledger;
pub mod oversight;
pub mod payments;
pub mod payouts;
pub mod receipts;
pub mod reconcile;
pub mod status;
pub mod transfers;
pub mod trial;
pub mod users;
pub mod whereabouts;

use std::time::{Duration, Instant};

use kvit_domain::event::Position;
use serde::Serialize;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{PgPool, Postgres, Row, Transaction};

use crate::error::Fault;
use crate::table::{TableRow, columns};

/// Names of the projections, for [`wait_for`].
pub mod projection {
    /// Wallets, holds, statements, transactions, accounts.
    pub const LEDGER: &str = "ledger";
    /// Receipts.
    pub const RECEIPTS: &str = "receipts";
    /// Payments, refunds, transfers, adjustments, provider switches, periods, notifications, reconciliations.
    pub const PAYMENTS: &str = "payments";
    /// Payouts.
    pub const PAYOUTS: &str = "payouts";
    /// Users.
    pub const USERS: &str = "users";
    /// Paid jobs.
    pub const JOBS: &str = "jobs";
    /// Campaigns.
    pub const CAMPAIGNS: &str = "campaigns";
    /// The daily report.
    pub const DAILY: &str = "daily";
}

/// An answer and the position up to which it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AsOf<T> {
    /// Position of the last event that the answer reflects.
    pub position: Position,
    /// The answer.
    pub data: T,
}

/// Part of a long list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Where the next page begins; empty when this is the last.
    pub next: Option<String>,
}

/// Most items of a page.
pub const PAGE_MAX: u32 = 200;

impl<T> Page<T> {
    /// Cuts off the one item more that tells whether there is a next page.
    fn cut(mut items: Vec<T>, limit: i64, cursor: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if items.len() <= limit {
            return Self { items, next: None };
        }
        items.truncate(limit);
        let next = items.last().map(cursor);
        Self { items, next }
    }
}

/// The number of items of a page, within bounds.
fn bounded(limit: u32) -> i64 {
    i64::from(limit.clamp(1, PAGE_MAX))
}

/// `<microseconds>_<uuid>`: a place in a list that is ordered by time and id.
fn time_cursor(at: chrono::DateTime<chrono::Utc>, id: uuid::Uuid) -> String {
    format!("{}_{}", at.timestamp_micros(), id.simple())
}

fn read_time_cursor(
    cursor: Option<&str>,
) -> Result<Option<(chrono::DateTime<chrono::Utc>, uuid::Uuid)>, Fault> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    cursor
        .split_once('_')
        .and_then(|(micros, id)| {
            let at = chrono::DateTime::from_timestamp_micros(micros.parse().ok()?)?;
            Some((at, uuid::Uuid::try_parse(id).ok()?))
        })
        .map(Some)
        .ok_or(Fault::BadCursor)
}

/// One snapshot of one or several projections.
pub(crate) struct View {
    transaction: Transaction<'static, Postgres>,
    /// Of the projection that stands furthest back.
    position: Position,
    /// Schemas in the order asked for.
    schemas: Vec<String>,
}

impl View {
    pub(crate) async fn open(pool: &PgPool, names: &[&str]) -> Result<Self, Fault> {
        let mut transaction = pool
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        let rows = sqlx::query(
            "SELECT name, schema_name, checkpoint FROM projection_builds WHERE state = 'active' AND name = ANY($1)",
        )
        .bind(names)
        .fetch_all(&mut *transaction)
        .await?;
        let mut schemas = Vec::with_capacity(names.len());
        let mut position = Position::MAX;
        for name in names {
            let mut found = None;
            for row in &rows {
                if row.try_get::<&str, _>(0)? == *name {
                    found = Some((row.try_get::<String, _>(1)?, row.try_get::<Position, _>(2)?));
                }
            }
            let (schema, checkpoint) = found.ok_or_else(|| Fault::NotBuilt((*name).to_owned()))?;
            schemas.push(schema);
            position = position.min(checkpoint);
        }
        Ok(Self {
            transaction,
            position,
            schemas,
        })
    }

    /// Schema of the projection that was named at this place.
    pub(crate) fn schema(&self, index: usize) -> &str {
        self.schemas.get(index).map_or("", String::as_str)
    }

    pub(crate) fn as_of<T>(&self, data: T) -> AsOf<T> {
        AsOf {
            position: self.position,
            data,
        }
    }

    /// Rows of a table of the first projection; `rest` is what follows `FROM table AS t`.
    pub(crate) async fn rows<R: TableRow>(
        &mut self,
        rest: &str,
        arguments: PgArguments,
    ) -> Result<Vec<R>, Fault> {
        self.rows_of(0, rest, arguments).await
    }

    /// Rows of a table of the projection that was named at this place.
    pub(crate) async fn rows_of<R: TableRow>(
        &mut self,
        index: usize,
        rest: &str,
        arguments: PgArguments,
    ) -> Result<Vec<R>, Fault> {
        let sql = format!(
            "SELECT {} FROM {}.\"{}\" AS t {rest}",
            columns::<R>("t."),
            self.schema(index),
            R::TABLE
        );
        let rows = self.fetch(&sql, arguments).await?;
        Ok(rows.iter().map(R::read).collect::<Result<_, _>>()?)
    }

    /// The one row, if there is one.
    pub(crate) async fn row<R: TableRow>(
        &mut self,
        rest: &str,
        arguments: PgArguments,
    ) -> Result<Option<R>, Fault> {
        Ok(self.rows::<R>(rest, arguments).await?.into_iter().next())
    }

    pub(crate) async fn fetch(
        &mut self,
        sql: &str,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, Fault> {
        Ok(sqlx::query_with(sql, arguments)
            .fetch_all(&mut *self.transaction)
            .await?)
    }
}

/// Arguments of a statement, each with the type that its column has.
macro_rules! arguments {
    ($($value:expr),* $(,)?) => {{
        #[allow(unused_mut, reason = "a statement may have no arguments")]
        let mut arguments = sqlx::postgres::PgArguments::default();
        $( sqlx::Arguments::add(&mut arguments, $value).map_err(sqlx::Error::Encode)?; )*
        arguments
    }};
}
pub(crate) use arguments;

/// A read model has not come as far as its caller wants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the read model stands at position {position}")]
pub struct Behind {
    /// How far it has come.
    pub position: Position,
}

/// Why waiting ended without success.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WaitError {
    /// The time is over.
    #[error(transparent)]
    Behind(#[from] Behind),
    /// The database does not answer.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Waits until all named projections reflect a position, at most for a time.
///
/// # Errors
/// [`WaitError::Behind`] with how far the slowest has come.
pub async fn wait_for(
    pool: &PgPool,
    projections: &[&str],
    at_least: Position,
    timeout: Duration,
) -> Result<(), WaitError> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        let stands: Vec<Position> = sqlx::query_scalar(
            "SELECT checkpoint FROM projection_builds WHERE state = 'active' AND name = ANY($1)",
        )
        .bind(projections)
        .fetch_all(pool)
        .await
        .map_err(Fault::from)?;
        let position = if stands.len() < projections.len() {
            0
        } else {
            stands.into_iter().min().unwrap_or(0)
        };
        if position >= at_least {
            return Ok(());
        }
        let left = timeout.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(Behind { position }.into());
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(Duration::from_millis(25));
    }
}
