//! What the clock makes due, for whoever expires it. The read models may be behind: the aggregate has the last word.

use chrono::{DateTime, Utc};
use kvit_domain::ids::{HoldId, JobId, PaymentId, TransferId, WalletId};
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

/// Payments that are not finished although their deadline has passed, the longest overdue first. Money may still come: a
/// worker asks on, and people may want to look.
///
/// # Errors
/// [`Fault`].
pub async fn payments(
    pool: &PgPool,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<PaymentId>, Fault> {
    let mut view = View::open(pool, &[projection::PAYMENTS]).await?;
    let sql = format!(
        "SELECT payment_id FROM {}.payments
          WHERE state IN ('intended', 'sending', 'pending', 'awaiting_capture') AND expires_at <= $1
          ORDER BY expires_at LIMIT $2",
        view.schema(0)
    );
    let rows = view.fetch(&sql, arguments![now, i64::from(limit)]).await?;
    rows.iter()
        .map(|row| Ok(PaymentId(row.try_get::<Uuid, _>(0)?)))
        .collect()
}

/// Transfers whose money has been held since before a time, the oldest first: whoever should have completed them has not.
///
/// # Errors
/// [`Fault`].
pub async fn transfers(
    pool: &PgPool,
    held_before: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<TransferId>, Fault> {
    let mut view = View::open(pool, &[projection::PAYMENTS]).await?;
    let sql = format!(
        "SELECT transfer_id FROM {}.transfers WHERE state = 'held' AND requested_at < $1
          ORDER BY requested_at LIMIT $2",
        view.schema(0)
    );
    let rows = view
        .fetch(&sql, arguments![held_before, i64::from(limit)])
        .await?;
    rows.iter()
        .map(|row| Ok(TransferId(row.try_get::<Uuid, _>(0)?)))
        .collect()
}

/// Keys of photos of receipts that were submitted before a time and that [`note_deleted`] does not know, oldest first.
///
/// # Errors
/// [`Fault`].
pub async fn images(
    pool: &PgPool,
    before: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<String>, Fault> {
    let mut view = View::open(pool, &[projection::RECEIPTS]).await?;
    let sql = format!(
        "SELECT r.image_key FROM {}.receipts r WHERE r.submitted_at < $1
            AND NOT EXISTS (SELECT FROM deleted_objects d WHERE d.key = r.image_key)
          ORDER BY r.submitted_at LIMIT $2",
        view.schema(0)
    );
    let rows = view
        .fetch(&sql, arguments![before, i64::from(limit)])
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Notes that an object was deleted from the object storage. Repeating it is harmless.
///
/// # Errors
/// [`Fault`].
pub async fn note_deleted(pool: &PgPool, key: &str, at: DateTime<Utc>) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO deleted_objects (key, deleted_at) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING",
    )
    .bind(key)
    .bind(at)
    .execute(pool)
    .await?;
    Ok(())
}
