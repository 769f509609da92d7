//! Receipts: searches, one by its id, the review queue.

use chrono::{DateTime, Utc};
use kvit_domain::ids::{ReceiptId, UserId};
use kvit_domain::receipt::ReceiptState;
use kvit_domain::recognition::Recognition;
use kvit_domain::rules::ReasonCode;
use serde::Serialize;
use sqlx::PgPool;

use super::{AsOf, Page, View, arguments, bounded, projection, read_time_cursor, time_cursor};
use crate::error::Fault;
pub use crate::fold::receipts::ReceiptRow;
use crate::fold::receipts::RecognitionRow;

/// Which receipts are wanted; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct ReceiptFilter {
    /// Of this person.
    pub user_id: Option<UserId>,
    /// In this state.
    pub state: Option<ReceiptState>,
    /// Submitted at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Submitted before this time.
    pub to: Option<DateTime<Utc>>,
    /// Rejected or in review for this reason, among others.
    pub reason: Option<ReasonCode>,
}

/// A page of receipts, newest first.
///
/// # Errors
/// [`Fault::BadCursor`], [`Fault`].
pub async fn search(
    pool: &PgPool,
    filter: &ReceiptFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<AsOf<Page<ReceiptRow>>, Fault> {
    let after = read_time_cursor(cursor)?;
    let limit = bounded(limit);
    let reason = filter
        .reason
        .map(|reason| format!("[{{\"code\":\"{}\"}}]", reason.code()));
    let mut view = View::open(pool, &[projection::RECEIPTS]).await?;
    // Only the conditions that are set: the planner then sees which index serves.
    let mut conditions = vec!["TRUE"];
    let mut set = |is_set: bool, condition| {
        if is_set {
            conditions.push(condition);
        }
    };
    set(filter.user_id.is_some(), "t.user_id = $1");
    set(filter.state.is_some(), "t.state = $2");
    set(filter.from.is_some(), "t.submitted_at >= $3");
    set(filter.to.is_some(), "t.submitted_at < $4");
    set(
        reason.is_some(),
        "t.reasons <> '[]' AND t.reasons @> $5::text::jsonb",
    );
    set(after.is_some(), "(t.submitted_at, t.receipt_id) < ($6, $7)");
    // Parameters carry their types, so one that no condition names is no fault.
    let rest = format!(
        "WHERE {} ORDER BY t.submitted_at DESC, t.receipt_id DESC LIMIT $8",
        conditions.join(" AND ")
    );
    let arguments = arguments![
        filter.user_id.map(|id| id.0),
        filter.state.map(ReceiptState::code),
        filter.from,
        filter.to,
        reason,
        after.map(|(at, _)| at),
        after.map(|(_, id)| id),
        limit + 1
    ];
    let rows = view.rows(&rest, arguments).await?;
    let page = Page::cut(rows, limit, |row: &ReceiptRow| {
        time_cursor(row.submitted_at, row.receipt_id.0)
    });
    Ok(view.as_of(page))
}

/// A receipt with what was read on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReceiptDetail {
    /// The receipt.
    #[serde(flatten)]
    pub receipt: ReceiptRow,
    /// What was read, corrections applied.
    pub recognition: Option<Recognition>,
}

/// A receipt by its id, with what was read on it.
///
/// # Errors
/// [`Fault`].
pub async fn receipt(
    pool: &PgPool,
    receipt_id: ReceiptId,
) -> Result<AsOf<Option<ReceiptDetail>>, Fault> {
    let mut view = View::open(pool, &[projection::RECEIPTS]).await?;
    let by_id = "WHERE t.receipt_id = $1";
    let Some(receipt) = view
        .row::<ReceiptRow>(by_id, arguments![receipt_id.0])
        .await?
    else {
        return Ok(view.as_of(None));
    };
    let read = view
        .row::<RecognitionRow>(by_id, arguments![receipt_id.0])
        .await?;
    let recognition = read.map(|row| row.recognition.0);
    Ok(view.as_of(Some(ReceiptDetail {
        receipt,
        recognition,
    })))
}

/// Receipts that a person must look at, the longest waiting first ([`ReceiptRow::review_since`] gives the age).
///
/// # Errors
/// [`Fault::BadCursor`], [`Fault`].
pub async fn review_queue(
    pool: &PgPool,
    cursor: Option<&str>,
    limit: u32,
) -> Result<AsOf<Page<ReceiptRow>>, Fault> {
    let after = read_time_cursor(cursor)?;
    let limit = bounded(limit);
    let mut view = View::open(pool, &[projection::RECEIPTS]).await?;
    let rows = view
        .rows(
            "WHERE t.review_since IS NOT NULL AND ($1 IS NULL OR (t.review_since, t.receipt_id) > ($1, $2))
              ORDER BY t.review_since, t.receipt_id LIMIT $3",
            arguments![after.map(|(at, _)| at), after.map(|(_, id)| id), limit + 1],
        )
        .await?;
    let page = Page::cut(rows, limit, |row: &ReceiptRow| {
        time_cursor(row.review_since.unwrap_or_default(), row.receipt_id.0)
    });
    Ok(view.as_of(page))
}
