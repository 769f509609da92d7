//! Payments and refunds.

use chrono::{DateTime, Utc};
use kvit_domain::ids::{PaymentId, RefundId, UserId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::payment::{PaymentState, RefundState};
use sqlx::PgPool;

use super::{AsOf, Page, View, arguments, bounded, projection, read_time_cursor, time_cursor};
use crate::error::Fault;
pub use crate::fold::payments::{PaymentRow, RefundRow};

/// Which payments are wanted; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct PaymentFilter {
    /// Of this person.
    pub user_id: Option<UserId>,
    /// In this state.
    pub state: Option<PaymentState>,
    /// Through this provider.
    pub provider: Option<ProviderName>,
    /// Intended at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Intended before this time.
    pub to: Option<DateTime<Utc>>,
    /// Only those whose money came after nobody waited for it any more.
    pub late_only: bool,
    /// Only those against whose final state the provider says something.
    pub contradicted_only: bool,
}

/// A page of payments, newest first.
///
/// # Errors
/// [`Fault::BadCursor`], [`Fault`].
pub async fn search(
    pool: &PgPool,
    filter: &PaymentFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<AsOf<Page<PaymentRow>>, Fault> {
    let after = read_time_cursor(cursor)?;
    let limit = bounded(limit);
    let mut view = View::open(pool, &[projection::PAYMENTS]).await?;
    let rows = view
        .rows(
            "WHERE ($1::uuid IS NULL OR t.user_id = $1) AND ($2::text IS NULL OR t.state = $2)
               AND ($3::text IS NULL OR t.provider = $3)
               AND ($4::timestamptz IS NULL OR t.intended_at >= $4)
               AND ($5::timestamptz IS NULL OR t.intended_at < $5)
               AND (t.late OR NOT $6) AND (t.contradicted IS NOT NULL OR NOT $7)
               AND ($8::timestamptz IS NULL OR (t.intended_at, t.payment_id) < ($8, $9))
             ORDER BY t.intended_at DESC, t.payment_id DESC LIMIT $10",
            arguments![
                filter.user_id.map(|id| id.0),
                filter.state.map(PaymentState::code),
                filter.provider.map(ProviderName::code),
                filter.from,
                filter.to,
                filter.late_only,
                filter.contradicted_only,
                after.map(|(at, _)| at),
                after.map(|(_, id)| id),
                limit + 1
            ],
        )
        .await?;
    let page = Page::cut(rows, limit, |row: &PaymentRow| {
        time_cursor(row.intended_at, row.payment_id.0)
    });
    Ok(view.as_of(page))
}

/// A payment by its id.
///
/// # Errors
/// [`Fault`].
pub async fn payment(
    pool: &PgPool,
    payment_id: PaymentId,
) -> Result<AsOf<Option<PaymentRow>>, Fault> {
    let mut view = View::open(pool, &[projection::PAYMENTS]).await?;
    let row = view
        .row("WHERE t.payment_id = $1", arguments![payment_id.0])
        .await?;
    Ok(view.as_of(row))
}

/// A payment by the provider's id. The log keeps a provider's object to one operation, so there is at most one.
///
/// # Errors
/// [`Fault`].
pub async fn by_provider_id(
    pool: &PgPool,
    provider: ProviderName,
    provider_id: &str,
) -> Result<AsOf<Option<PaymentRow>>, Fault> {
    let mut view = View::open(pool, &[projection::PAYMENTS]).await?;
    let row = view
        .row(
            "WHERE t.provider = $1 AND t.provider_id = $2 ORDER BY t.intended_at LIMIT 1",
            arguments![provider.code(), provider_id],
        )
        .await?;
    Ok(view.as_of(row))
}

/// Which refunds are wanted; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct RefundFilter {
    /// To this person.
    pub user_id: Option<UserId>,
    /// Of this payment.
    pub payment_id: Option<PaymentId>,
    /// In this state.
    pub state: Option<RefundState>,
    /// Through this provider.
    pub provider: Option<ProviderName>,
    /// Only those that were made without us.
    pub foreign_only: bool,
}

/// A page of refunds, newest first.
///
/// # Errors
/// [`Fault::BadCursor`], [`Fault`].
pub async fn refunds(
    pool: &PgPool,
    filter: &RefundFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<AsOf<Page<RefundRow>>, Fault> {
    let after = read_time_cursor(cursor)?;
    let limit = bounded(limit);
    let mut view = View::open(pool, &[projection::PAYMENTS]).await?;
    let rows = view
        .rows(
            "WHERE ($1::uuid IS NULL OR t.user_id = $1) AND ($2::uuid IS NULL OR t.payment_id = $2)
               AND ($3::text IS NULL OR t.state = $3) AND ($4::text IS NULL OR t.provider = $4)
               AND (t.is_foreign OR NOT $5)
               AND ($6::timestamptz IS NULL OR (t.intended_at, t.refund_id) < ($6, $7))
             ORDER BY t.intended_at DESC, t.refund_id DESC LIMIT $8",
            arguments![
                filter.user_id.map(|id| id.0),
                filter.payment_id.map(|id| id.0),
                filter.state.map(RefundState::code),
                filter.provider.map(ProviderName::code),
                filter.foreign_only,
                after.map(|(at, _)| at),
                after.map(|(_, id)| id),
                limit + 1
            ],
        )
        .await?;
    let page = Page::cut(rows, limit, |row: &RefundRow| {
        time_cursor(row.intended_at, row.refund_id.0)
    });
    Ok(view.as_of(page))
}

/// A refund by its id.
///
/// # Errors
/// [`Fault`].
pub async fn refund(pool: &PgPool, refund_id: RefundId) -> Result<AsOf<Option<RefundRow>>, Fault> {
    let mut view = View::open(pool, &[projection::PAYMENTS]).await?;
    let row = view
        .row(
            "WHERE t.refund_id = $1 ORDER BY t.intended_at LIMIT 1",
            arguments![refund_id.0],
        )
        .await?;
    Ok(view.as_of(row))
}

/// A refund by the provider's id.
///
/// # Errors
/// [`Fault`].
pub async fn refund_by_provider_id(
    pool: &PgPool,
    provider: ProviderName,
    provider_refund_id: &str,
) -> Result<AsOf<Option<RefundRow>>, Fault> {
    let mut view = View::open(pool, &[projection::PAYMENTS]).await?;
    let row = view
        .row(
            "WHERE t.provider = $1 AND t.provider_refund_id = $2 ORDER BY t.intended_at LIMIT 1",
            arguments![provider.code(), provider_refund_id],
        )
        .await?;
    Ok(view.as_of(row))
}
