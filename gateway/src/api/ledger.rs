//! Transactions and the trial balance.

use axum::extract::State;
use kvit_domain::ids::TransactionId;
use kvit_projections::queries::accounts::{self, TrialBalance};
use kvit_projections::queries::ledger;
use kvit_projections::queries::projection::LEDGER;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::Fresh;
use super::moment::MomentQuery;
use super::view::ledger::Transaction;
use crate::auth::{Read, Viewing};
use crate::http::amount::{Amount, wide};
use crate::http::extract::{Path, Query};
use crate::http::problem::Answer;
use crate::parts::Gateway;

/// A transaction with all its legs
#[utoipa::path(get, path = "/v1/transactions/{transaction_id}", tag = "ledger",
    params(("transaction_id" = Uuid, Path, description = "The transaction.")),
    responses((status = 200, description = "The transaction.", body = Transaction,
               headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn transaction(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Path(id): Path<Uuid>,
) -> Answer<Fresh<Transaction>> {
    read.reach(&gateway, &[LEDGER]).await?;
    Fresh::one(
        ledger::transaction(&gateway.pool, TransactionId(id)).await?,
        "transaction",
    )
}

/// Sums of an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountLine {
    /// Its name; all wallets of a currency are one line, `wallets`.
    #[schema(example = "bonus:expense")]
    pub account: String,
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

/// Sums of a currency over all accounts.
#[derive(Debug, Serialize, ToSchema)]
pub struct CurrencyLine {
    /// The currency.
    #[schema(example = "UAH")]
    pub currency: String,
    /// All debits.
    pub debit: Amount,
    /// All credits.
    pub credit: Amount,
    /// Debits less credits: zero, or the books are wrong.
    pub difference: Amount,
}

/// Every account of the chart with its sums.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrialBalanceView {
    /// Whether debits equal credits in every currency.
    pub balanced: bool,
    /// Accounts by name.
    pub accounts: Vec<AccountLine>,
    /// Totals by currency.
    pub totals: Vec<CurrencyLine>,
}

fn shown(balance: TrialBalance) -> Answer<TrialBalanceView> {
    let balanced = balance.is_balanced();
    let account = |line: ledger::AccountTotal| -> Answer<AccountLine> {
        Ok(AccountLine {
            account: line.account,
            normal_side: line.normal_side,
            debit: wide(line.debit_minor, line.currency)?,
            credit: wide(line.credit_minor, line.currency)?,
            balance: wide(line.balance_minor, line.currency)?,
        })
    };
    let total = |line: ledger::CurrencyTotal| -> Answer<CurrencyLine> {
        Ok(CurrencyLine {
            currency: line.currency.code().to_owned(),
            debit: wide(line.debit_minor, line.currency)?,
            credit: wide(line.credit_minor, line.currency)?,
            difference: wide(line.difference_minor, line.currency)?,
        })
    };
    Ok(TrialBalanceView {
        balanced,
        accounts: balance
            .accounts
            .into_iter()
            .map(account)
            .collect::<Answer<_>>()?,
        totals: balance
            .totals
            .into_iter()
            .map(total)
            .collect::<Answer<_>>()?,
    })
}

/// The trial balance, now or at a moment in the past
///
/// A moment in the past looks at every entry up to it: a question for auditors, not for a page that many people open.
#[utoipa::path(get, path = "/v1/trial-balance", tag = "ledger", params(MomentQuery),
    responses((status = 200, description = "All accounts.", body = TrialBalanceView,
               headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn trial_balance(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Query(query): Query<MomentQuery>,
) -> Answer<Fresh<TrialBalanceView>> {
    let moment = query.moment()?;
    read.reach(&gateway, &[LEDGER]).await?;
    let answer = accounts::trial_balance_at(&gateway.pool, moment).await?;
    Ok(Fresh {
        position: answer.position,
        body: shown(answer.data)?,
    })
}
