//! What the clock makes due, for whoever expires it. The read models may be behind: the aggregate has the last word.

use chrono::{DateTime, Utc};
use kvit_domain::ids::{HoldId, JobId, WalletId};
use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::{View, arguments, projection};
use crate::error::Fault;

/// Running jobs whose time has run out, the longest overdue first.
///
/// # Errors
/// [`Fault`].
pub async fn jobs(pool: &PgPool, now: DateTime<Utc>, limit: u32) -> Result<Vec<JobId>, Fault> {
    let mut view = View::open(pool, &[projection::JOBS]).await?;
    let sql = format!(
        "SELECT job_id FROM {}.jobs WHERE state IN ('pending', 'processing') AND expires_at <= $1
          ORDER BY expires_at LIMIT $2",
        view.schema(0)
    );
    let rows = view.fetch(&sql, arguments![now, i64::from(limit)]).await?;
    rows.iter()
        .map(|row| Ok(JobId(row.try_get::<Uuid, _>(0)?)))
        .collect()
}

/// Active holds whose time has run out, the longest overdue first.
///
/// # Errors
/// [`Fault`].
pub async fn holds(
    pool: &PgPool,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<(WalletId, HoldId)>, Fault> {
    let mut view = View::open(pool, &[projection::LEDGER]).await?;
    let sql = format!(
        "SELECT wallet_id, hold_id FROM {}.holds WHERE state = 'active' AND expires_at <= $1
          ORDER BY expires_at LIMIT $2",
        view.schema(0)
    );
    let rows = view.fetch(&sql, arguments![now, i64::from(limit)]).await?;
    rows.iter()
        .map(|row| {
            let wallet: &str = row.try_get(0)?;
            let wallet = wallet
                .parse()
                .map_err(|_| Fault::Fatal(format!("not a wallet id: {wallet}")))?;
            Ok((wallet, HoldId(row.try_get::<Uuid, _>(1)?)))
        })
        .collect()
}
