//! Figures for the health page.

use kvit_domain::event::Position;
use serde::Serialize;
use sqlx::{PgPool, Row};

use super::{AsOf, View, arguments, projection};
use crate::error::Fault;

/// A few figures about the platform's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthFigures {
    /// People who did something in the last 24 hours.
    pub active_users_24h: i64,
    /// Receipts that a person must look at.
    pub receipts_in_review: i64,
    /// Payouts of which nobody knows whether the money moved.
    pub payouts_unknown: i64,
    /// Seconds since the oldest of them is unknown; 0 when there is none.
    pub oldest_unknown_payout_seconds: i64,
    /// Position of the last event in the log.
    pub head: Position,
}

/// The figures, by the database's clock.
///
/// # Errors
/// [`Fault`].
pub async fn health(pool: &PgPool) -> Result<AsOf<HealthFigures>, Fault> {
    let names = [projection::USERS, projection::RECEIPTS, projection::PAYOUTS];
    let mut view = View::open(pool, &names).await?;
    let sql = format!(
        "SELECT (SELECT count(*) FROM {}.users WHERE last_seen > now() - interval '24 hours'),
                (SELECT count(*) FROM {}.receipts WHERE review_since IS NOT NULL),
                (SELECT count(*) FROM {payouts}.payouts WHERE state = 'unknown'),
                coalesce((SELECT extract(epoch FROM now() - min(unknown_since)) FROM {payouts}.payouts
                           WHERE state = 'unknown'), 0)::bigint,
                coalesce((SELECT position FROM event_head), 0)",
        view.schema(0),
        view.schema(1),
        payouts = view.schema(2)
    );
    let rows = view.fetch(&sql, arguments![]).await?;
    let row = rows
        .first()
        .ok_or_else(|| Fault::Fatal("no answer".to_owned()))?;
    let figures = HealthFigures {
        active_users_24h: row.try_get(0)?,
        receipts_in_review: row.try_get(1)?,
        payouts_unknown: row.try_get(2)?,
        oldest_unknown_payout_seconds: row.try_get(3)?,
        head: row.try_get(4)?,
    };
    Ok(view.as_of(figures))
}
