//! Any account of the chart, at any moment: its balance, its statement.
//!
//! The running balance of every entry is stored, so what was booked up to a moment is one look into an index. A balance by
//! value date is the running balance at the end of that day, corrected by the few entries whose value date is another day
//! than the one on which they were booked: it costs what there are of these, not the account's whole history.

use chrono::{DateTime, Days, NaiveDate, Utc};
use kvit_domain::event::Position;
use kvit_domain::ids::TransactionId;
use kvit_domain::ledger::Account;
use kvit_domain::money::Currency;
use kvit_domain::rules::kyiv_day_start;
use serde::Serialize;
use sqlx::{PgPool, Row};

pub use super::trial::{
    AccountTotal, CurrencyTotal, TrialBalance, WALLETS, ledger_totals, period_totals,
    trial_balance, trial_balance_at, wallets_balance,
};
use super::{AsOf, Page, View, arguments, bounded, projection};
use crate::column::{Column, Wide};
use crate::error::Fault;
use crate::fold::ledger::last_entry_no;
pub use crate::fold::ledger::{AccountRow, EntryRow};
use crate::table::read_column;

/// A moment at which a balance is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Everything that is booked.
    Now,
    /// What was booked up to and including this time.
    Booked(DateTime<Utc>),
    /// What was booked up to and including this place in the log.
    Position(Position),
    /// What counts up to and including this day, whenever it was booked.
    ValueDate(NaiveDate),
    /// What counts up to and including a day, as it was known at a time: bookings that came later are left out, however
    /// early they count from.
    ValueDateKnown {
        /// The last day that counts.
        day: NaiveDate,
        /// What was booked up to and including this time is known.
        known_at: DateTime<Utc>,
    },
}

/// A moment as bounds of entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The last entry that is known.
    pub known: i64,
    /// The last day that counts, and the last entry booked on it or before.
    pub value_date: Option<(NaiveDate, i64)>,
}

impl Moment {
    pub(super) async fn bounds(self, view: &mut View) -> Result<Bounds, Fault> {
        let by_booking = |known| Bounds {
            known,
            value_date: None,
        };
        Ok(match self {
            Self::Now => by_booking(i64::MAX),
            Self::Position(position) => by_booking(last_entry_no(position)),
            Self::Booked(at) => by_booking(last_entry_at(view, at).await?),
            Self::ValueDate(day) => Bounds {
                known: i64::MAX,
                value_date: Some((day, last_entry_of(view, day).await?)),
            },
            Self::ValueDateKnown { day, known_at } => Bounds {
                known: last_entry_at(view, known_at).await?,
                value_date: Some((day, last_entry_of(view, day).await?)),
            },
        })
    }
}

/// The largest number of an entry that was booked up to and including a time. The log's times grow with its positions.
async fn last_entry_at(view: &mut View, at: DateTime<Utc>) -> Result<i64, Fault> {
    let sql = format!(
        "SELECT booked_position FROM {}.transactions WHERE booked_at <= $1 ORDER BY booked_at DESC LIMIT 1",
        view.schema(0)
    );
    let rows = view.fetch(&sql, arguments![at]).await?;
    let position: Option<Position> = rows.first().map(|row| row.try_get(0)).transpose()?;
    Ok(position.map_or(0, last_entry_no))
}

/// The same for the end of a day in the books' zone.
async fn last_entry_of(view: &mut View, day: NaiveDate) -> Result<i64, Fault> {
    let end = day.checked_add_days(Days::new(1)).and_then(kyiv_day_start);
    match end.and_then(|end| end.checked_sub_signed(chrono::TimeDelta::microseconds(1))) {
        Some(last) => last_entry_at(view, last).await,
        // Beyond the calendar's end.
        None => Ok(i64::MAX),
    }
}

async fn find(
    view: &mut View,
    account: Account,
    currency: Currency,
) -> Result<Option<AccountRow>, Fault> {
    view.row(
        "WHERE t.account = $1 AND t.currency = $2",
        arguments![account.to_string(), currency.code()],
    )
    .await
}

/// An account with its sums; `None` when nothing was ever booked on it in this currency.
///
/// # Errors
/// [`Fault`].
pub async fn account(
    pool: &PgPool,
    account: Account,
    currency: Currency,
) -> Result<AsOf<Option<AccountRow>>, Fault> {
    let mut view = View::open(pool, &[projection::LEDGER]).await?;
    let row = find(&mut view, account, currency).await?;
    Ok(view.as_of(row))
}

/// The balance of an account on its normal side at a moment, minor units; `None` when nothing was ever booked on it in
/// this currency.
///
/// # Errors
/// [`Fault`].
pub async fn account_balance(
    pool: &PgPool,
    account: Account,
    currency: Currency,
    moment: Moment,
) -> Result<AsOf<Option<Wide>>, Fault> {
    let mut view = View::open(pool, &[projection::LEDGER]).await?;
    let balance = balance_in(&mut view, account, currency, moment).await?;
    Ok(view.as_of(balance))
}

pub(super) async fn balance_in(
    view: &mut View,
    account: Account,
    currency: Currency,
    moment: Moment,
) -> Result<Option<Wide>, Fault> {
    let Some(row) = find(view, account, currency).await? else {
        return Ok(None);
    };
    if moment == Moment::Now {
        return Ok(Some(row.balance_minor()));
    }
    let bounds = moment.bounds(view).await?;
    let schema = view.schema(0).to_owned();
    // Up to here the running balance counts whole.
    let (day, whole) = match bounds.value_date {
        None => (None, bounds.known),
        Some((day, end)) => (Some(day), end.min(bounds.known)),
    };
    let sql = format!(
        "SELECT coalesce((SELECT e.balance_minor FROM {schema}.entries e
                           WHERE e.account_no = $1 AND e.entry_no <= $2 ORDER BY e.entry_no DESC LIMIT 1), 0)::text"
    );
    let rows = view.fetch(&sql, arguments![row.account_no, whole]).await?;
    let running = wide(rows.first(), 0)?;
    let Some(day) = day else {
        return Ok(Some(running));
    };
    let sql = format!(
        "SELECT coalesce(sum(CASE WHEN e.side = $5 THEN e.amount_minor ELSE -e.amount_minor END::numeric
                         * CASE WHEN e.entry_no > $2 THEN 1 ELSE -1 END), 0)::text
           FROM {schema}.entries e
          WHERE e.account_no = $1 AND e.is_off_day AND e.entry_no <= $3
            AND ((e.entry_no > $2 AND e.value_date <= $4) OR (e.entry_no <= $2 AND e.value_date > $4))"
    );
    let arguments = arguments![row.account_no, whole, bounds.known, day, row.normal_side];
    let rows = view.fetch(&sql, arguments).await?;
    let correction = wide(rows.first(), 0)?;
    Ok(Some(Wide(running.0.saturating_add(correction.0))))
}

/// A sum out of a row; zero without a row.
pub(super) fn wide(row: Option<&sqlx::postgres::PgRow>, index: usize) -> Result<Wide, Fault> {
    match row {
        Some(row) => Wide::from_wire(row.try_get(index)?).map_err(Fault::Fatal),
        None => Ok(Wide(0)),
    }
}

/// An entry of an account with the transaction that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountEntry {
    /// Grows with the place of the booking in the log; names the entry.
    pub entry_no: i64,
    /// The transaction.
    pub transaction_id: TransactionId,
    /// What it was for, in snake_case.
    pub kind: String,
    /// `debit` or `credit`.
    pub side: String,
    /// Above zero, minor units.
    pub amount_minor: i64,
    /// The account's balance on its normal side after this entry.
    pub balance_minor: Wide,
    /// When it was booked.
    pub booked_at: DateTime<Utc>,
    /// From which day it counts.
    pub value_date: NaiveDate,
    /// Words.
    pub description: String,
    /// What it came from.
    pub reference: String,
    /// Place of the booking in the log.
    pub position: Position,
}

/// A page of an account's statement, newest entry first. Later bookings do not shift the pages after the first.
///
/// # Errors
/// [`Fault::BadCursor`], [`Fault`].
pub async fn account_statement(
    pool: &PgPool,
    account: Account,
    currency: Currency,
    cursor: Option<&str>,
    limit: u32,
) -> Result<AsOf<Page<AccountEntry>>, Fault> {
    let before = match cursor {
        Some(text) => text.parse::<i64>().map_err(|_| Fault::BadCursor)?,
        None => i64::MAX,
    };
    let limit = bounded(limit);
    let mut view = View::open(pool, &[projection::LEDGER]).await?;
    let Some(account) = find(&mut view, account, currency).await? else {
        return Ok(view.as_of(Page::cut(Vec::new(), limit, |_: &AccountEntry| {
            String::new()
        })));
    };
    let sql = format!(
        "SELECT e.entry_no, e.transaction_id, t.kind, e.side, e.amount_minor, e.balance_minor::text, e.booked_at,
                e.value_date, t.description, t.reference, e.position
           FROM (SELECT * FROM {schema}.entries
                  WHERE account_no = $1 AND entry_no < $2 ORDER BY entry_no DESC LIMIT $3) e
           JOIN {schema}.transactions t ON t.booked_position = e.position ORDER BY e.entry_no DESC",
        schema = view.schema(0)
    );
    let mut items = Vec::new();
    for row in view
        .fetch(&sql, arguments![account.account_no, before, limit + 1])
        .await?
    {
        items.push(AccountEntry {
            entry_no: row.try_get(0)?,
            transaction_id: read_column(&row, 1)?,
            kind: row.try_get(2)?,
            side: row.try_get(3)?,
            amount_minor: row.try_get(4)?,
            balance_minor: read_column(&row, 5)?,
            booked_at: row.try_get(6)?,
            value_date: row.try_get(7)?,
            description: row.try_get(8)?,
            reference: row.try_get(9)?,
            position: row.try_get(10)?,
        });
    }
    let page = Page::cut(items, limit, |entry: &AccountEntry| {
        entry.entry_no.to_string()
    });
    Ok(view.as_of(page))
}

/// The accounts of the chart one by one, wallets included, by name after a cursor.
///
/// # Errors
/// [`Fault::BadCursor`], [`Fault`].
pub async fn accounts(
    pool: &PgPool,
    cursor: Option<&str>,
    limit: u32,
) -> Result<AsOf<Page<AccountRow>>, Fault> {
    let (account, currency) = match cursor {
        Some(text) => text.rsplit_once('/').ok_or(Fault::BadCursor)?,
        None => ("", ""),
    };
    let limit = bounded(limit);
    let mut view = View::open(pool, &[projection::LEDGER]).await?;
    let rows = view
        .rows(
            "WHERE (t.account, t.currency) > ($1, $2) ORDER BY t.account, t.currency LIMIT $3",
            arguments![account, currency, limit + 1],
        )
        .await?;
    let page = Page::cut(rows, limit, |row: &AccountRow| {
        format!("{}/{}", row.account, row.currency)
    });
    Ok(view.as_of(page))
}
