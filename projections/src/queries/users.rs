//! People and their bonuses.

use std::collections::BTreeMap;

use kvit_domain::ids::UserId;
use kvit_domain::money::Currency;
use serde::Serialize;
use sqlx::{PgPool, Row};

use super::{AsOf, Page, View, arguments, bounded, projection, read_time_cursor, time_cursor};
use crate::column::Column;
use crate::error::Fault;
pub use crate::fold::users::UserRow;

/// Which users are wanted; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// With a phone of this keyed hash.
    pub phone_hash: Option<String>,
    /// In this state: `registered`, `active`, `banned`, `blocked`, `forgotten`.
    pub state: Option<String>,
}

/// A page of users, newest first.
///
/// # Errors
/// [`Fault::BadCursor`], [`Fault`].
pub async fn search(
    pool: &PgPool,
    filter: &UserFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<AsOf<Page<UserRow>>, Fault> {
    let after = read_time_cursor(cursor)?;
    let limit = bounded(limit);
    let mut view = View::open(pool, &[projection::USERS]).await?;
    let rows = view
        .rows(
            "WHERE ($1::text IS NULL OR t.phone_hash = $1) AND ($2::text IS NULL OR t.state = $2)
               AND ($3::timestamptz IS NULL OR (t.created_at, t.user_id) < ($3, $4))
             ORDER BY t.created_at DESC, t.user_id DESC LIMIT $5",
            arguments![
                filter.phone_hash.clone(),
                filter.state.clone(),
                after.map(|(at, _)| at),
                after.map(|(_, id)| id),
                limit + 1
            ],
        )
        .await?;
    let page = Page::cut(rows, limit, |row: &UserRow| {
        time_cursor(row.created_at, row.user_id.0)
    });
    Ok(view.as_of(page))
}

/// A user by their id.
///
/// # Errors
/// [`Fault`].
pub async fn user(pool: &PgPool, user_id: UserId) -> Result<AsOf<Option<UserRow>>, Fault> {
    let mut view = View::open(pool, &[projection::USERS]).await?;
    let row = view
        .row("WHERE t.user_id = $1", arguments![user_id.0])
        .await?;
    Ok(view.as_of(row))
}

/// A person's receipts and money at a glance ("my bonuses").
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Bonuses {
    /// Receipts by state.
    pub receipts: BTreeMap<String, i64>,
    /// Money by currency.
    pub money: Vec<BonusMoney>,
}

/// A person's money in one currency, minor units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BonusMoney {
    /// The currency.
    pub currency: Currency,
    /// Rewards credited so far.
    pub earned_minor: i64,
    /// Paid out so far.
    pub paid_minor: i64,
    /// On its way out.
    pub underway_minor: i64,
    /// What can be spent now.
    pub available_minor: i64,
}

/// Counts by state and sums of one person.
///
/// # Errors
/// [`Fault`].
pub async fn bonuses(pool: &PgPool, user_id: UserId) -> Result<AsOf<Bonuses>, Fault> {
    let mut view = View::open(pool, &[projection::RECEIPTS, projection::LEDGER]).await?;
    let (receipts, ledger) = (view.schema(0).to_owned(), view.schema(1).to_owned());
    let mut answer = Bonuses::default();
    let counts = format!(
        "SELECT state, count(*) FROM {receipts}.receipts WHERE user_id = $1 GROUP BY state"
    );
    for row in view.fetch(&counts, arguments![user_id.0]).await? {
        answer.receipts.insert(row.try_get(0)?, row.try_get(1)?);
    }
    let money = format!(
        "SELECT w.currency, w.posted_minor - w.held_minor,
                coalesce(sum(s.amount_minor) FILTER (WHERE s.kind = 'reward' AND s.side = 'credit'), 0)::bigint,
                coalesce(sum(s.amount_minor) FILTER (WHERE s.kind = 'payout' AND s.side = 'debit'), 0)::bigint,
                coalesce((SELECT sum(h.left_minor) FROM {ledger}.holds h
                           WHERE h.wallet_id = w.wallet_id AND h.state = 'active' AND h.purpose LIKE 'payout:%'), 0)::bigint
           FROM {ledger}.wallets w LEFT JOIN {ledger}.statement s ON s.wallet_id = w.wallet_id
          WHERE w.user_id = $1 GROUP BY w.wallet_id ORDER BY w.wallet_id"
    );
    for row in view.fetch(&money, arguments![user_id.0]).await? {
        answer.money.push(BonusMoney {
            currency: Currency::from_wire(row.try_get(0)?).map_err(Fault::Fatal)?,
            available_minor: row.try_get(1)?,
            earned_minor: row.try_get(2)?,
            paid_minor: row.try_get(3)?,
            underway_minor: row.try_get(4)?,
        });
    }
    Ok(view.as_of(answer))
}
