//! Any account of the chart: its balance at any moment, its statement.

use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use kvit_domain::ledger::Account;
use kvit_domain::money::Currency;
use kvit_projections::queries::accounts::{self, AccountEntry, AccountRow};
use kvit_projections::queries::projection::LEDGER;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::PageQuery;
use super::answer::{Fresh, Links, Page};
use super::moment::MomentQuery;
use crate::auth::{Read, Viewing};
use crate::http::amount::{Amount, wide};
use crate::http::cursor::{self, Listing};
use crate::http::extract::{Path, Query};
use crate::http::problem::{Answer, Problem};
use crate::parts::Gateway;

/// Parts of the address of an account.
#[derive(Debug, Deserialize)]
pub struct AccountPath {
    account: String,
    currency: String,
}

impl AccountPath {
    fn read(&self) -> Answer<(Account, Currency)> {
        let account = self
            .account
            .parse()
            .map_err(|_| Problem::not_found("account of the chart"))?;
        Ok((account, self.currency()?))
    }

    fn currency(&self) -> Answer<Currency> {
        self.currency
            .parse()
            .map_err(|_| Problem::not_found("currency"))
    }

    /// Whether it is the line of a trial balance that stands for every wallet.
    fn is_all_wallets(&self) -> bool {
        self.account == accounts::WALLETS
    }
}

/// An account of the chart in one currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountView {
    /// Its name.
    #[schema(example = "payments:yookassa:clearing")]
    pub account: String,
    /// `asset`, `liability`, `revenue` or `expense`.
    #[schema(example = "asset")]
    pub kind: String,
    /// The side on which it grows.
    #[schema(example = "debit")]
    pub normal_side: String,
    /// All debits.
    pub debit: Amount,
    /// All credits.
    pub credit: Amount,
    /// The balance on its normal side.
    pub balance: Amount,
}

fn shown(row: AccountRow) -> Answer<AccountView> {
    Ok(AccountView {
        debit: wide(row.debit_minor, row.currency)?,
        credit: wide(row.credit_minor, row.currency)?,
        balance: wide(row.balance_minor(), row.currency)?,
        account: row.account.to_string(),
        kind: row.kind,
        normal_side: row.normal_side,
    })
}

/// The accounts of the chart, wallets included, by name
#[utoipa::path(get, path = "/v1/accounts", tag = "ledger", params(PageQuery),
    responses((status = 200, description = "Accounts on which something was booked.", body = Page<AccountView>, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn list_accounts(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Query(query): Query<PageQuery>,
) -> Answer<Fresh<Page<AccountView>>> {
    let listing = Listing::new("/v1/accounts");
    let after = listing.open(query.cursor.as_deref())?;
    let limit = cursor::limit(query.limit)?;
    read.reach(&gateway, &[LEDGER]).await?;
    let answer = accounts::accounts(&gateway.pool, after.as_deref(), limit).await?;
    let data = answer.data.items.into_iter().map(shown);
    Ok(Fresh {
        position: answer.position,
        body: Page {
            data: data.collect::<Answer<_>>()?,
            links: Links::to(answer.data.next, &listing, limit),
        },
    })
}

/// The balance of an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountBalance {
    /// The account.
    #[schema(example = "payments:yookassa:clearing")]
    pub account: String,
    /// The balance on its normal side.
    pub balance: Amount,
}

/// The balance of an account, now or at a moment in the past
///
/// By booking time, by position of the log, or by value date; by value date also as it was known at a time. The account
/// `wallets` is all wallets together, as in the trial balance.
#[utoipa::path(get, path = "/v1/accounts/{account}/{currency}/balance", tag = "ledger",
    params(("account" = String, Path, description = "Its name in the chart.", example = "payments:yookassa:clearing"),
           ("currency" = String, Path, description = "UAH, RUB, USD, EUR or XTR.", example = "RUB"), MomentQuery),
    responses((status = 200, description = "The balance.", body = AccountBalance, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn account_balance(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Path(path): Path<AccountPath>,
    Query(query): Query<MomentQuery>,
) -> Answer<Fresh<AccountBalance>> {
    let moment = query.moment()?;
    let currency = path.currency()?;
    let single = if path.is_all_wallets() {
        None
    } else {
        Some(path.read()?.0)
    };
    read.reach(&gateway, &[LEDGER]).await?;
    let answer = match single {
        Some(account) => {
            accounts::account_balance(&gateway.pool, account, currency, moment).await?
        }
        None => accounts::wallets_balance(&gateway.pool, currency, moment).await?,
    };
    let balance = answer
        .data
        .ok_or_else(|| Problem::not_found("booking on this account"))?;
    Ok(Fresh {
        position: answer.position,
        body: AccountBalance {
            account: path.account,
            balance: wide(balance, currency)?,
        },
    })
}

/// An entry of an account's statement. It never changes.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountEntryView {
    /// Grows with the place of the booking in the log; names the entry.
    pub number: i64,
    /// The transaction.
    pub transaction_id: Uuid,
    /// What it was for.
    #[schema(example = "top_up")]
    pub kind: String,
    /// `debit` or `credit`.
    #[schema(example = "debit")]
    pub side: String,
    /// Always above zero.
    pub amount: Amount,
    /// The account's balance on its normal side after this entry.
    pub balance: Amount,
    /// When it was booked.
    pub booked_at: DateTime<Utc>,
    /// From which day it counts.
    pub value_date: NaiveDate,
    /// Words.
    pub description: String,
    /// What it came from, by id.
    pub reference: String,
    /// Position of the event that booked it.
    pub position: i64,
}

fn entry(row: AccountEntry, currency: Currency) -> Answer<AccountEntryView> {
    Ok(AccountEntryView {
        number: row.entry_no,
        transaction_id: row.transaction_id.0,
        kind: row.kind,
        side: row.side,
        amount: Amount::of(row.amount_minor, currency),
        balance: wide(row.balance_minor, currency)?,
        booked_at: row.booked_at,
        value_date: row.value_date,
        description: row.description,
        reference: row.reference,
        position: row.position,
    })
}

/// The statement of an account, newest entry first
///
/// Each entry carries the balance after it. Later bookings do not shift the pages after the first.
#[utoipa::path(get, path = "/v1/accounts/{account}/{currency}/statement", tag = "ledger",
    params(("account" = String, Path, description = "Its name in the chart.", example = "payments:yookassa:clearing"),
           ("currency" = String, Path, description = "UAH, RUB, USD, EUR or XTR.", example = "RUB"), PageQuery),
    responses((status = 200, description = "Entries.", body = Page<AccountEntryView>, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn account_statement(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Path(path): Path<AccountPath>,
    Query(query): Query<PageQuery>,
) -> Answer<Fresh<Page<AccountEntryView>>> {
    if path.is_all_wallets() {
        return Err(Problem::not_found(
            "statement of all wallets together; each wallet has its own, see /v1/accounts",
        ));
    }
    let (account, currency) = path.read()?;
    let listing = Listing::new(format!("/v1/accounts/{account}/{currency}/statement"));
    let after = listing.open(query.cursor.as_deref())?;
    let limit = cursor::limit(query.limit)?;
    read.reach(&gateway, &[LEDGER]).await?;
    let answer =
        accounts::account_statement(&gateway.pool, account, currency, after.as_deref(), limit)
            .await?;
    let entries = answer.data.items.into_iter();
    Ok(Fresh {
        position: answer.position,
        body: Page {
            data: entries
                .map(|row| entry(row, currency))
                .collect::<Answer<_>>()?,
            links: Links::to(answer.data.next, &listing, limit),
        },
    })
}
