//! Wallets, holds, statements, transactions, the trial balance.

use chrono::{DateTime, NaiveDate, Utc};
use kvit_domain::ids::{TransactionId, UserId, WalletId};
use kvit_domain::money::Currency;
use serde::Serialize;
use sqlx::{PgPool, Row};

use super::{AsOf, Page, View, arguments, bounded, projection};
use crate::column::{Column, Wide};
use crate::error::Fault;
pub use crate::fold::ledger::{AccountRow, HoldRow, StatementRow, TransactionRow, WalletRow};

/// The wallets of a person.
///
/// # Errors
/// [`Fault`].
pub async fn wallets_of(pool: &PgPool, user_id: UserId) -> Result<AsOf<Vec<WalletRow>>, Fault> {
    let mut view = View::open(pool, &[projection::LEDGER]).await?;
    let rows = view
        .rows(
            "WHERE t.user_id = $1 ORDER BY t.wallet_id",
            arguments![user_id.0],
        )
        .await?;
    Ok(view.as_of(rows))
}

/// A wallet with its balances.
///
/// # Errors
/// [`Fault`].
pub async fn wallet(pool: &PgPool, wallet_id: WalletId) -> Result<AsOf<Option<WalletRow>>, Fault> {
    let mut view = View::open(pool, &[projection::LEDGER]).await?;
    let row = view
        .row("WHERE t.wallet_id = $1", arguments![wallet_id.to_string()])
        .await?;
    Ok(view.as_of(row))
}

/// The holds of a wallet, newest first, at most [`super::PAGE_MAX`].
///
/// # Errors
/// [`Fault`].
pub async fn holds(
    pool: &PgPool,
    wallet_id: WalletId,
    active_only: bool,
) -> Result<AsOf<Vec<HoldRow>>, Fault> {
    let mut view = View::open(pool, &[projection::LEDGER]).await?;
    let rows = view
        .rows(
            "WHERE t.wallet_id = $1 AND (t.state = 'active' OR NOT $2)
              ORDER BY t.placed_at DESC, t.hold_id LIMIT 200",
            arguments![wallet_id.to_string(), active_only],
        )
        .await?;
    Ok(view.as_of(rows))
}

/// A page of a wallet's statement, newest entry first. Later bookings do not shift the pages after the first.
///
/// # Errors
/// [`Fault::BadCursor`], [`Fault`].
pub async fn statement(
    pool: &PgPool,
    wallet_id: WalletId,
    cursor: Option<&str>,
    limit: u32,
) -> Result<AsOf<Page<StatementRow>>, Fault> {
    let before = match cursor {
        Some(text) => text.parse::<i64>().map_err(|_| Fault::BadCursor)?,
        None => i64::MAX,
    };
    let limit = bounded(limit);
    let mut view = View::open(pool, &[projection::LEDGER]).await?;
    let rows = view
        .rows(
            "WHERE t.wallet_id = $1 AND t.entry_no < $2 ORDER BY t.entry_no DESC LIMIT $3",
            arguments![wallet_id.to_string(), before, limit + 1],
        )
        .await?;
    let page = Page::cut(rows, limit, |row: &StatementRow| row.entry_no.to_string());
    Ok(view.as_of(page))
}

/// A transaction with all its legs.
///
/// # Errors
/// [`Fault`].
pub async fn transaction(
    pool: &PgPool,
    id: TransactionId,
) -> Result<AsOf<Option<TransactionRow>>, Fault> {
    let mut view = View::open(pool, &[projection::LEDGER]).await?;
    let row = view
        .row("WHERE t.transaction_id = $1", arguments![id.0])
        .await?;
    Ok(view.as_of(row))
}

/// A moment at which a balance is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// What was booked up to and including this time.
    Booked(DateTime<Utc>),
    /// What counts up to and including this day, whenever it was booked.
    ValueDate(NaiveDate),
}

/// The booked balance of a wallet at a moment, minor units; `None` when there is no such wallet.
///
/// # Errors
/// [`Fault`].
pub async fn balance_at(
    pool: &PgPool,
    wallet_id: WalletId,
    moment: Moment,
) -> Result<AsOf<Option<i64>>, Fault> {
    let mut view = View::open(pool, &[projection::LEDGER]).await?;
    let schema = view.schema(0).to_owned();
    let wallet = wallet_id.to_string();
    let (sql, arguments) = match moment {
        Moment::Booked(at) => (
            format!(
                "SELECT coalesce((SELECT s.balance_minor FROM {schema}.statement s
                                   WHERE s.wallet_id = w.wallet_id AND s.booked_at <= $2
                                   ORDER BY s.entry_no DESC LIMIT 1), 0)
                   FROM {schema}.wallets w WHERE w.wallet_id = $1"
            ),
            arguments![wallet, at],
        ),
        Moment::ValueDate(day) => (
            format!(
                "SELECT coalesce((SELECT sum(CASE s.side WHEN 'credit' THEN s.amount_minor ELSE -s.amount_minor END)
                                    FROM {schema}.statement s
                                   WHERE s.wallet_id = w.wallet_id AND s.value_date <= $2), 0)::bigint
                   FROM {schema}.wallets w WHERE w.wallet_id = $1"
            ),
            arguments![wallet, day],
        ),
    };
    let rows = view.fetch(&sql, arguments).await?;
    let balance = rows.first().map(|row| row.try_get(0)).transpose()?;
    Ok(view.as_of(balance))
}

/// Sums of a currency over all accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CurrencyTotal {
    /// The currency.
    pub currency: Currency,
    /// All debits, minor units.
    pub debit_minor: Wide,
    /// All credits, minor units.
    pub credit_minor: Wide,
    /// Debits less credits: zero, or the books are wrong.
    pub difference_minor: Wide,
}

/// Every account of the chart with its sums; all wallets of a currency are one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrialBalance {
    /// Accounts by name. The wallets stand together as `wallets`.
    pub accounts: Vec<AccountTotal>,
    /// Totals by currency.
    pub totals: Vec<CurrencyTotal>,
}

impl TrialBalance {
    /// Whether debits equal credits in every currency.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.totals
            .iter()
            .all(|total| total.difference_minor.0 == 0)
    }
}

/// Sums of an account in a currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountTotal {
    /// Its name, or `wallets`.
    pub account: String,
    /// The currency.
    pub currency: Currency,
    /// The side on which it grows.
    pub normal_side: String,
    /// All debits, minor units.
    pub debit_minor: Wide,
    /// All credits, minor units.
    pub credit_minor: Wide,
    /// The balance on its normal side, minor units.
    pub balance_minor: Wide,
}

/// The trial balance.
///
/// # Errors
/// [`Fault`].
pub async fn trial_balance(pool: &PgPool) -> Result<AsOf<TrialBalance>, Fault> {
    let mut view = View::open(pool, &[projection::LEDGER]).await?;
    let sql = format!(
        "SELECT CASE WHEN account LIKE 'wallet:%' THEN 'wallets' ELSE account END AS name, currency, min(normal_side),
                sum(debit_minor)::text, sum(credit_minor)::text
           FROM {}.accounts GROUP BY name, currency ORDER BY name, currency",
        view.schema(0)
    );
    let mut balance = TrialBalance {
        accounts: Vec::new(),
        totals: Vec::new(),
    };
    for row in view.fetch(&sql, arguments![]).await? {
        let wide = |index: usize| -> Result<Wide, Fault> {
            Wide::from_wire(row.try_get(index)?).map_err(Fault::Fatal)
        };
        let currency = Currency::from_wire(row.try_get(1)?).map_err(Fault::Fatal)?;
        let normal_side: String = row.try_get(2)?;
        let (debit_minor, credit_minor) = (wide(3)?, wide(4)?);
        let difference = debit_minor.0.saturating_sub(credit_minor.0);
        let balance_minor = if normal_side == "debit" {
            Wide(difference)
        } else {
            Wide(difference.saturating_neg())
        };
        balance.accounts.push(AccountTotal {
            account: row.try_get(0)?,
            currency,
            normal_side,
            debit_minor,
            credit_minor,
            balance_minor,
        });
        let known = balance
            .totals
            .iter_mut()
            .find(|total| total.currency == currency);
        match known {
            Some(total) => {
                total.debit_minor.0 = total.debit_minor.0.saturating_add(debit_minor.0);
                total.credit_minor.0 = total.credit_minor.0.saturating_add(credit_minor.0);
                total.difference_minor.0 = total.difference_minor.0.saturating_add(difference);
            }
            None => balance.totals.push(CurrencyTotal {
                currency,
                debit_minor,
                credit_minor,
                difference_minor: Wide(difference),
            }),
        }
    }
    Ok(view.as_of(balance))
}

/// The accounts of the chart one by one, wallets included, by name after a cursor.
///
/// # Errors
/// [`Fault`].
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
