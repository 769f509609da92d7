//! What people watch over: provider switches, closed periods, notifications.

use kvit_domain::ledger::ProviderName;
use sqlx::PgPool;

use super::{AsOf, Page, View, arguments, bounded, projection, read_time_cursor, time_cursor};
use crate::error::Fault;
pub use crate::fold::payments::{NotificationRow, PeriodRow, ProviderRow};

/// The switches of the providers. A provider without a row was never stopped.
///
/// # Errors
/// [`Fault`].
pub async fn providers(pool: &PgPool) -> Result<AsOf<Vec<ProviderRow>>, Fault> {
    let mut view = View::open(pool, &[projection::PAYMENTS]).await?;
    let rows = view.rows("ORDER BY t.provider", arguments![]).await?;
    Ok(view.as_of(rows))
}

/// The closed months, the last first, at most [`super::PAGE_MAX`].
///
/// # Errors
/// [`Fault`].
pub async fn periods(pool: &PgPool) -> Result<AsOf<Vec<PeriodRow>>, Fault> {
    let mut view = View::open(pool, &[projection::PAYMENTS]).await?;
    let rows = view
        .rows("ORDER BY t.month DESC LIMIT 200", arguments![])
        .await?;
    Ok(view.as_of(rows))
}

/// Where a notification stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationState {
    /// The provider has not been asked yet.
    Received,
    /// What the provider says now has been followed.
    Verified,
    /// It speaks of nothing that is ours.
    Quarantined,
}

impl NotificationState {
    /// The name in APIs and tables.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Verified => "verified",
            Self::Quarantined => "quarantined",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn by_code(code: &str) -> Option<Self> {
        [Self::Received, Self::Verified, Self::Quarantined]
            .into_iter()
            .find(|state| state.code() == code)
    }
}

/// Which notifications are wanted; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct NotificationFilter {
    /// Of this provider.
    pub provider: Option<ProviderName>,
    /// In this state.
    pub state: Option<NotificationState>,
    /// About this object of the provider.
    pub object_id: Option<String>,
}

/// A page of notifications, newest first.
///
/// # Errors
/// [`Fault::BadCursor`], [`Fault`].
pub async fn notifications(
    pool: &PgPool,
    filter: &NotificationFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<AsOf<Page<NotificationRow>>, Fault> {
    let after = read_time_cursor(cursor)?;
    let limit = bounded(limit);
    let mut view = View::open(pool, &[projection::PAYMENTS]).await?;
    let rows = view
        .rows(
            "WHERE ($1::text IS NULL OR t.provider = $1) AND ($2::text IS NULL OR t.state = $2)
               AND ($3::text IS NULL OR t.object_id = $3)
               AND ($4::timestamptz IS NULL OR (t.received_at, t.notification_id) < ($4, $5))
             ORDER BY t.received_at DESC, t.notification_id DESC LIMIT $6",
            arguments![
                filter.provider.map(ProviderName::code),
                filter.state.map(NotificationState::code),
                filter.object_id.clone(),
                after.map(|(at, _)| at),
                after.map(|(_, id)| id),
                limit + 1
            ],
        )
        .await?;
    let page = Page::cut(rows, limit, |row: &NotificationRow| {
        time_cursor(row.received_at, row.notification_id)
    });
    Ok(view.as_of(page))
}
