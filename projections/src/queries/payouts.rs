//! Payouts.

use kvit_domain::ids::{PayoutId, ReceiptId, UserId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::payout::PayoutState;
use sqlx::PgPool;

use super::{AsOf, Page, View, arguments, bounded, projection, read_time_cursor, time_cursor};
use crate::error::Fault;
pub use crate::fold::payouts::PayoutRow;

/// Which payouts are wanted; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct PayoutFilter {
    /// To this person.
    pub user_id: Option<UserId>,
    /// In this state.
    pub state: Option<PayoutState>,
    /// Of this receipt's reward.
    pub receipt_id: Option<ReceiptId>,
    /// Through this provider.
    pub provider: Option<ProviderName>,
    /// Only those that wait for a budget, a breaker or a person.
    pub postponed_only: bool,
}

/// A page of payouts, newest first.
///
/// # Errors
/// [`Fault::BadCursor`], [`Fault`].
pub async fn search(
    pool: &PgPool,
    filter: &PayoutFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<AsOf<Page<PayoutRow>>, Fault> {
    let after = read_time_cursor(cursor)?;
    let limit = bounded(limit);
    let mut view = View::open(pool, &[projection::PAYOUTS]).await?;
    let rows = view
        .rows(
            "WHERE ($1::uuid IS NULL OR t.user_id = $1) AND ($2::text IS NULL OR t.state = $2)
               AND ($3::uuid IS NULL OR t.receipt_id = $3) AND ($4::text IS NULL OR t.provider = $4)
               AND (t.postponed IS NOT NULL OR NOT $5)
               AND ($6::timestamptz IS NULL OR (t.requested_at, t.payout_id) < ($6, $7))
             ORDER BY t.requested_at DESC, t.payout_id DESC LIMIT $8",
            arguments![
                filter.user_id.map(|id| id.0),
                filter.state.map(PayoutState::code),
                filter.receipt_id.map(|id| id.0),
                filter.provider.map(ProviderName::code),
                filter.postponed_only,
                after.map(|(at, _)| at),
                after.map(|(_, id)| id),
                limit + 1
            ],
        )
        .await?;
    let page = Page::cut(rows, limit, |row: &PayoutRow| {
        time_cursor(row.requested_at, row.payout_id.0)
    });
    Ok(view.as_of(page))
}

/// A payout by its id.
///
/// # Errors
/// [`Fault`].
pub async fn payout(pool: &PgPool, payout_id: PayoutId) -> Result<AsOf<Option<PayoutRow>>, Fault> {
    let mut view = View::open(pool, &[projection::PAYOUTS]).await?;
    let row = view
        .row("WHERE t.payout_id = $1", arguments![payout_id.0])
        .await?;
    Ok(view.as_of(row))
}

/// Several payouts by their ids, in no order; ids that no payout has are left out. One question for a page of a list.
///
/// # Errors
/// [`Fault`].
pub async fn by_ids(pool: &PgPool, ids: &[PayoutId]) -> Result<AsOf<Vec<PayoutRow>>, Fault> {
    let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.0).collect();
    let mut view = View::open(pool, &[projection::PAYOUTS]).await?;
    let rows = view
        .rows("WHERE t.payout_id = ANY($1)", arguments![ids])
        .await?;
    Ok(view.as_of(rows))
}

/// A payout by the provider's id: the bill's, or the provider's own where that is another one.
///
/// # Errors
/// [`Fault`].
pub async fn by_provider_id(
    pool: &PgPool,
    provider: ProviderName,
    provider_id: &str,
) -> Result<AsOf<Option<PayoutRow>>, Fault> {
    let mut view = View::open(pool, &[projection::PAYOUTS]).await?;
    let row = view
        .row(
            "WHERE t.provider = $1 AND (t.provider_id = $2 OR t.bill_id = $2)
             ORDER BY t.requested_at DESC LIMIT 1",
            arguments![provider.code(), provider_id],
        )
        .await?;
    Ok(view.as_of(row))
}
