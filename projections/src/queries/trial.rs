//! The trial balance, now and at any moment, and sums by currency.

use std::collections::BTreeMap;

use chrono::{Datelike, Months, NaiveDate};
use kvit_domain::ledger::Account;
use kvit_domain::money::Currency;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::accounts::{Moment, wide};
use super::{AsOf, View, arguments, projection};
use crate::column::{Column, Wide};
use crate::error::Fault;

/// The longest time that a look over all entries may take: some ten million of them.
const PATIENCE: &str = "SET LOCAL statement_timeout = '60s'";

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

/// The line of a trial balance in which all wallets of a currency stand together. No account has this name: its balance is
/// [`wallets_balance`], and the wallets one by one are among [`super::accounts::accounts`].
pub const WALLETS: &str = "wallets";

/// Every account of the chart with its sums; all wallets of a currency are one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrialBalance {
    /// Accounts by name. The wallets stand together as [`WALLETS`].
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
    /// Its name, or [`WALLETS`].
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

impl AccountTotal {
    /// The account whose line this is; `None` for the line of all wallets, which has no statement of its own.
    #[must_use]
    pub fn single(&self) -> Option<Account> {
        self.account.parse().ok()
    }
}

/// What all people together have in a currency at a moment, minor units: the balance of the line [`WALLETS`] then. `None`
/// when nothing was booked on any wallet up to there. As costly as [`trial_balance_at`].
///
/// # Errors
/// [`Fault`].
pub async fn wallets_balance(
    pool: &PgPool,
    currency: Currency,
    moment: Moment,
) -> Result<AsOf<Option<Wide>>, Fault> {
    let AsOf { position, data } = trial_balance_at(pool, moment).await?;
    let line = data
        .accounts
        .into_iter()
        .find(|line| line.account == WALLETS && line.currency == currency);
    Ok(AsOf {
        position,
        data: line.map(|line| line.balance_minor),
    })
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
    let rows = view.fetch(&sql, arguments![]).await?;
    Ok(view.as_of(summed(&rows)?))
}

/// The trial balance at a moment. It looks at every entry up to there: a question for auditors, not for a page that many
/// people open.
///
/// # Errors
/// [`Fault`].
pub async fn trial_balance_at(pool: &PgPool, moment: Moment) -> Result<AsOf<TrialBalance>, Fault> {
    if moment == Moment::Now {
        return trial_balance(pool).await;
    }
    let mut view = View::open(pool, &[projection::LEDGER]).await?;
    let bounds = moment.bounds(&mut view).await?;
    view.fetch(PATIENCE, arguments![]).await?;
    let sql = format!(
        "SELECT CASE WHEN a.account LIKE 'wallet:%' THEN 'wallets' ELSE a.account END AS name, a.currency,
                min(a.normal_side), sum(e.debit)::text, sum(e.credit)::text
           FROM (SELECT account_no, coalesce(sum(amount_minor) FILTER (WHERE side = 'debit'), 0) AS debit,
                        coalesce(sum(amount_minor) FILTER (WHERE side = 'credit'), 0) AS credit
                   FROM {schema}.entries
                  WHERE entry_no <= $1 AND ($2::date IS NULL OR value_date <= $2) GROUP BY account_no) e
           JOIN {schema}.accounts a USING (account_no) GROUP BY name, a.currency ORDER BY name, a.currency",
        schema = view.schema(0)
    );
    let day = bounds.value_date.map(|(day, _)| day);
    let rows = view.fetch(&sql, arguments![bounds.known, day]).await?;
    Ok(view.as_of(summed(&rows)?))
}

/// Sums of each currency over the whole ledger: the differences are zero, or the books are wrong.
///
/// # Errors
/// [`Fault`].
pub async fn ledger_totals(
    pool: &PgPool,
    moment: Moment,
) -> Result<AsOf<Vec<CurrencyTotal>>, Fault> {
    let balance = trial_balance_at(pool, moment).await?;
    Ok(AsOf {
        position: balance.position,
        data: balance.data.totals,
    })
}

/// Debits of a month by currency code, minor units as text: what is sealed when the month is closed.
///
/// # Errors
/// [`Fault`].
pub async fn period_totals(
    pool: &PgPool,
    month: NaiveDate,
) -> Result<AsOf<BTreeMap<String, String>>, Fault> {
    let mut view = View::open(pool, &[projection::LEDGER]).await?;
    view.fetch(PATIENCE, arguments![]).await?;
    let from = month.with_day(1).unwrap_or(month);
    let to = from
        .checked_add_months(Months::new(1))
        .unwrap_or(NaiveDate::MAX);
    let sql = format!(
        "SELECT a.currency, sum(e.amount_minor)::text
           FROM {schema}.entries e JOIN {schema}.accounts a USING (account_no)
          WHERE e.side = 'debit' AND e.value_date >= $1 AND e.value_date < $2 GROUP BY a.currency",
        schema = view.schema(0)
    );
    let mut totals = BTreeMap::new();
    for row in view.fetch(&sql, arguments![from, to]).await? {
        totals.insert(row.try_get(0)?, row.try_get(1)?);
    }
    Ok(view.as_of(totals))
}

/// Lines of name, currency, normal side, debits and credits as a trial balance.
fn summed(rows: &[PgRow]) -> Result<TrialBalance, Fault> {
    let mut balance = TrialBalance {
        accounts: Vec::new(),
        totals: Vec::new(),
    };
    for row in rows {
        let currency = Currency::from_wire(row.try_get(1)?).map_err(Fault::Fatal)?;
        let normal_side: String = row.try_get(2)?;
        let (debit_minor, credit_minor) = (wide(Some(row), 3)?, wide(Some(row), 4)?);
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
    Ok(balance)
}
