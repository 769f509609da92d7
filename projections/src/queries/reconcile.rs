//! What a comparison with a provider's statement needs of ours, and what comparisons have found.

use chrono::{DateTime, NaiveDate, Utc};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::{Currency, Money};
use kvit_domain::reconciliation::{BreakClass, StatementKind};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::{AsOf, Page, View, arguments, bounded, projection};
use crate::error::Fault;
pub use crate::fold::payments::{BreakRow, ImportRow};
use crate::table::read_column;

/// Where an operation of ours stands, as far as a comparison is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OurStatus {
    /// Money moved.
    Done,
    /// Not finished, or nobody knows.
    Open,
    /// Ended without money.
    Failed,
    /// A person must decide or has decided about it.
    Exception,
}

/// An operation of ours with a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OurItem {
    /// Our operation's id.
    pub id: Uuid,
    /// The provider's id, once known. Of payouts through Portmone that is the bill's.
    pub provider_id: Option<String>,
    /// Of payouts, the bill's id.
    pub bill_id: Option<String>,
    /// How much: of payments what was paid, and before that what was asked for.
    pub amount: Money,
    /// What the provider kept, if it said so.
    pub fee: Option<Money>,
    /// Its state, as in its own read model.
    pub state: String,
    /// The same, as far as a comparison is concerned.
    pub status: OurStatus,
    /// When its call left, or when it was asked for if none has.
    pub at: DateTime<Utc>,
}

/// Most items of one answer; as many as a statement may have.
pub const OURS_MAX: i64 = 200_000;

/// All operations with a provider whose call left (or which were asked for, if none has) in `from..to`, in this order.
/// The provider's clock is another one: ask for a window somewhat wider than the statement's. Nothing of ours is behind a
/// settlement, so that list is empty.
///
/// # Errors
/// [`Fault::Fatal`] when there are more than [`OURS_MAX`]; [`Fault`].
pub async fn ours(
    pool: &PgPool,
    provider: ProviderName,
    kind: StatementKind,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<OurItem>, Fault> {
    let (name, select) = match kind {
        StatementKind::Payments => (
            projection::PAYMENTS,
            "SELECT payment_id, provider_id, NULL::text, coalesce(paid_minor, amount_minor),
                    coalesce(paid_currency, currency), fee_minor, state, coalesce(sent_at, intended_at) AS at,
                    paid_minor IS NOT NULL
               FROM {schema}.payments WHERE provider = $1 AND coalesce(sent_at, intended_at) >= $2
                AND coalesce(sent_at, intended_at) < $3",
        ),
        StatementKind::Refunds => (
            projection::PAYMENTS,
            "SELECT refund_id, provider_refund_id, NULL::text, amount_minor, currency, NULL::bigint, state,
                    coalesce(sent_at, intended_at) AS at, false
               FROM {schema}.refunds WHERE provider = $1 AND coalesce(sent_at, intended_at) >= $2
                AND coalesce(sent_at, intended_at) < $3",
        ),
        StatementKind::Payouts => (
            projection::PAYOUTS,
            // Elsewhere than at Portmone the bill's id is our own key, which no list of theirs knows.
            "SELECT payout_id, CASE WHEN provider = 'portmone' THEN coalesce(provider_id, bill_id) ELSE provider_id END,
                    bill_id, amount_minor, currency, NULL::bigint, state,
                    coalesce(sent_at, requested_at) AS at, false
               FROM {schema}.payouts WHERE provider = $1 AND coalesce(sent_at, requested_at) >= $2
                AND coalesce(sent_at, requested_at) < $3",
        ),
        StatementKind::Settlement => return Ok(Vec::new()),
    };
    let mut view = View::open(pool, &[name]).await?;
    let sql = format!(
        "{} ORDER BY at, 1 LIMIT {}",
        select.replace("{schema}", view.schema(0)),
        OURS_MAX + 1
    );
    let rows = view
        .fetch(&sql, arguments![provider.code(), from, to])
        .await?;
    if i64::try_from(rows.len()).unwrap_or(i64::MAX) > OURS_MAX {
        return Err(Fault::Fatal(
            "more operations than a comparison can hold; ask for a shorter window".to_owned(),
        ));
    }
    rows.iter().map(item).collect()
}

fn item(row: &PgRow) -> Result<OurItem, Fault> {
    let currency: Currency = read_column(row, 4)?;
    let state: String = row.try_get(6)?;
    let fee: Option<i64> = row.try_get(5)?;
    Ok(OurItem {
        id: row.try_get(0)?,
        provider_id: row.try_get(1)?,
        bill_id: row.try_get(2)?,
        amount: Money::new(row.try_get(3)?, currency),
        fee: fee.map(|minor| Money::new(minor, currency)),
        status: status(&state, row.try_get(8)?),
        state,
        at: row.try_get(7)?,
    })
}

/// The three kinds have different words for the same things, and none that means two.
fn status(state: &str, is_paid: bool) -> OurStatus {
    match state {
        "succeeded" => OurStatus::Done,
        // People have decided whose it is; that it came stands in the books either way.
        "resolved" if is_paid => OurStatus::Done,
        // A payout that was taken back.
        "canceled" | "failed" | "reversed" => OurStatus::Failed,
        "quarantined" | "resolved" | "in_review" => OurStatus::Exception,
        _ => OurStatus::Open,
    }
}

/// Which breaks are wanted; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct BreakFilter {
    /// Of this provider's statements.
    pub provider: Option<ProviderName>,
    /// Of this list.
    pub kind: Option<StatementKind>,
    /// Of this class.
    pub class: Option<BreakClass>,
    /// Of this person; with an empty name those that nobody takes care of.
    pub owner: Option<String>,
    /// Of this day.
    pub day: Option<NaiveDate>,
}

const BREAK_CONDITIONS: &str = "($1::text IS NULL OR t.provider = $1) AND ($2::text IS NULL OR t.kind = $2)
               AND ($3::text IS NULL OR t.class = $3) AND ($4::text IS NULL OR coalesce(t.owner, '') = $4)
               AND ($5::date IS NULL OR t.day = $5)";

/// A page of the breaks that nobody has resolved, the oldest first.
///
/// # Errors
/// [`Fault::BadCursor`], [`Fault`].
pub async fn open_breaks(
    pool: &PgPool,
    filter: &BreakFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<AsOf<Page<BreakRow>>, Fault> {
    let rest = format!(
        "WHERE t.state = 'open' AND {BREAK_CONDITIONS}
           AND ($6::timestamptz IS NULL OR (t.opened_at, t.item, t.provider, t.kind, t.day) > ($6, $7, $8, $9, $10))
         ORDER BY t.opened_at, t.item, t.provider, t.kind, t.day LIMIT $11"
    );
    breaks(pool, &rest, filter, cursor, limit).await
}

/// A page of all breaks, open and resolved, the newest first.
///
/// # Errors
/// [`Fault::BadCursor`], [`Fault`].
pub async fn all_breaks(
    pool: &PgPool,
    filter: &BreakFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<AsOf<Page<BreakRow>>, Fault> {
    let rest = format!(
        "WHERE {BREAK_CONDITIONS}
           AND ($6::timestamptz IS NULL OR (t.opened_at, t.item, t.provider, t.kind, t.day) < ($6, $7, $8, $9, $10))
         ORDER BY t.opened_at DESC, t.item DESC, t.provider DESC, t.kind DESC, t.day DESC LIMIT $11"
    );
    breaks(pool, &rest, filter, cursor, limit).await
}

async fn breaks(
    pool: &PgPool,
    rest: &str,
    filter: &BreakFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<AsOf<Page<BreakRow>>, Fault> {
    let after = cursor.map(read_cursor).transpose()?;
    let limit = bounded(limit);
    let mut view = View::open(pool, &[projection::PAYMENTS]).await?;
    let arguments = arguments![
        filter.provider.map(ProviderName::code),
        filter.kind.map(StatementKind::code),
        filter.class.map(BreakClass::code),
        filter.owner.clone(),
        filter.day,
        after.as_ref().map(|after| after.opened_at),
        after.as_ref().map(|after| after.item.clone()),
        after.as_ref().map(|after| after.provider.clone()),
        after.as_ref().map(|after| after.kind.clone()),
        after.as_ref().map(|after| after.day),
        limit + 1
    ];
    let rows = view.rows(rest, arguments).await?;
    let page = Page::cut(rows, limit, |row: &BreakRow| {
        format!(
            "{}/{}/{}/{}/{}",
            row.opened_at.timestamp_micros(),
            row.provider,
            row.kind,
            row.day,
            row.item
        )
    });
    Ok(view.as_of(page))
}

/// A place in a list of breaks.
struct BreakCursor {
    opened_at: DateTime<Utc>,
    provider: String,
    kind: String,
    day: NaiveDate,
    item: String,
}

fn read_cursor(cursor: &str) -> Result<BreakCursor, Fault> {
    let mut parts = cursor.splitn(5, '/');
    let mut next = || parts.next().ok_or(Fault::BadCursor);
    let micros = next()?.parse().map_err(|_| Fault::BadCursor)?;
    let opened_at = DateTime::from_timestamp_micros(micros).ok_or(Fault::BadCursor)?;
    let (provider, kind) = (next()?.to_owned(), next()?.to_owned());
    let day = next()?.parse().map_err(|_| Fault::BadCursor)?;
    // The rest is the item, whatever the provider's id holds.
    let item = next()?.to_owned();
    Ok(BreakCursor {
        opened_at,
        provider,
        kind,
        day,
        item,
    })
}

/// The statements that were read for the days `from..=to`, the newest day first, at most [`super::PAGE_MAX`].
///
/// # Errors
/// [`Fault`].
pub async fn statements(
    pool: &PgPool,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<AsOf<Vec<ImportRow>>, Fault> {
    let mut view = View::open(pool, &[projection::PAYMENTS]).await?;
    let rows = view
        .rows(
            "WHERE t.day >= $1 AND t.day <= $2 ORDER BY t.day DESC, t.provider, t.kind LIMIT 200",
            arguments![from, to],
        )
        .await?;
    Ok(view.as_of(rows))
}
