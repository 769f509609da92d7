//! Transfers between wallets.

use kvit_domain::ids::{TransferId, UserId};
use kvit_domain::transfer::TransferState;
use sqlx::PgPool;

use super::{AsOf, Page, View, arguments, bounded, projection, read_time_cursor, time_cursor};
use crate::error::Fault;
pub use crate::fold::payments::TransferRow;

/// Which transfers are wanted; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct TransferFilter {
    /// From or to this person.
    pub user_id: Option<UserId>,
    /// In this state.
    pub state: Option<TransferState>,
}

/// A page of transfers, newest first.
///
/// # Errors
/// [`Fault::BadCursor`], [`Fault`].
pub async fn search(
    pool: &PgPool,
    filter: &TransferFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<AsOf<Page<TransferRow>>, Fault> {
    let after = read_time_cursor(cursor)?;
    let limit = bounded(limit);
    let mut view = View::open(pool, &[projection::PAYMENTS]).await?;
    let rows = view
        .rows(
            "WHERE ($1::uuid IS NULL OR t.from_user = $1 OR t.to_user = $1) AND ($2::text IS NULL OR t.state = $2)
               AND ($3::timestamptz IS NULL OR (t.requested_at, t.transfer_id) < ($3, $4))
             ORDER BY t.requested_at DESC, t.transfer_id DESC LIMIT $5",
            arguments![
                filter.user_id.map(|id| id.0),
                filter.state.map(TransferState::code),
                after.map(|(at, _)| at),
                after.map(|(_, id)| id),
                limit + 1
            ],
        )
        .await?;
    let page = Page::cut(rows, limit, |row: &TransferRow| {
        time_cursor(row.requested_at, row.transfer_id.0)
    });
    Ok(view.as_of(page))
}

/// A transfer by its id.
///
/// # Errors
/// [`Fault`].
pub async fn transfer(
    pool: &PgPool,
    transfer_id: TransferId,
) -> Result<AsOf<Option<TransferRow>>, Fault> {
    let mut view = View::open(pool, &[projection::PAYMENTS]).await?;
    let row = view
        .row("WHERE t.transfer_id = $1", arguments![transfer_id.0])
        .await?;
    Ok(view.as_of(row))
}
