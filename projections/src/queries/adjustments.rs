//! Corrections of wallets by people, and the queue of those that wait for a second pair of eyes.

use kvit_domain::adjustment::AdjustmentState;
use kvit_domain::ids::{AdjustmentId, WalletId};
use sqlx::PgPool;

use super::{AsOf, Page, View, arguments, bounded, projection, read_time_cursor, time_cursor};
use crate::error::Fault;
pub use crate::fold::payments::AdjustmentRow;

/// Which adjustments are wanted; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct AdjustmentFilter {
    /// Of this wallet.
    pub wallet_id: Option<WalletId>,
    /// In this state.
    pub state: Option<AdjustmentState>,
}

/// A page of adjustments, newest first.
///
/// # Errors
/// [`Fault::BadCursor`], [`Fault`].
pub async fn search(
    pool: &PgPool,
    filter: &AdjustmentFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<AsOf<Page<AdjustmentRow>>, Fault> {
    let after = read_time_cursor(cursor)?;
    let limit = bounded(limit);
    let mut view = View::open(pool, &[projection::PAYMENTS]).await?;
    let rows = view
        .rows(
            "WHERE ($1::text IS NULL OR t.wallet_id = $1) AND ($2::text IS NULL OR t.state = $2)
               AND ($3::timestamptz IS NULL OR (t.proposed_at, t.adjustment_id) < ($3, $4))
             ORDER BY t.proposed_at DESC, t.adjustment_id DESC LIMIT $5",
            arguments![
                filter.wallet_id.map(|id| id.to_string()),
                filter.state.map(AdjustmentState::code),
                after.map(|(at, _)| at),
                after.map(|(_, id)| id),
                limit + 1
            ],
        )
        .await?;
    let page = Page::cut(rows, limit, cursor_of);
    Ok(view.as_of(page))
}

/// A page of the adjustments that wait for another person, the longest waiting first.
///
/// # Errors
/// [`Fault::BadCursor`], [`Fault`].
pub async fn queue(
    pool: &PgPool,
    cursor: Option<&str>,
    limit: u32,
) -> Result<AsOf<Page<AdjustmentRow>>, Fault> {
    let after = read_time_cursor(cursor)?;
    let limit = bounded(limit);
    let mut view = View::open(pool, &[projection::PAYMENTS]).await?;
    let rows = view
        .rows(
            "WHERE t.state = 'proposed'
               AND ($1::timestamptz IS NULL OR (t.proposed_at, t.adjustment_id) > ($1, $2))
             ORDER BY t.proposed_at, t.adjustment_id LIMIT $3",
            arguments![after.map(|(at, _)| at), after.map(|(_, id)| id), limit + 1],
        )
        .await?;
    let page = Page::cut(rows, limit, cursor_of);
    Ok(view.as_of(page))
}

fn cursor_of(row: &AdjustmentRow) -> String {
    time_cursor(row.proposed_at, row.adjustment_id.0)
}

/// An adjustment by its id.
///
/// # Errors
/// [`Fault`].
pub async fn adjustment(
    pool: &PgPool,
    adjustment_id: AdjustmentId,
) -> Result<AsOf<Option<AdjustmentRow>>, Fault> {
    let mut view = View::open(pool, &[projection::PAYMENTS]).await?;
    let row = view
        .row("WHERE t.adjustment_id = $1", arguments![adjustment_id.0])
        .await?;
    Ok(view.as_of(row))
}
