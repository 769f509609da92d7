//! Wallets, holds, statements of wallets, transactions. Of accounts in general, see [`super::accounts`].

use kvit_domain::ids::{TransactionId, UserId, WalletId};
use kvit_domain::ledger::Account;
use sqlx::PgPool;

pub use super::accounts::{
    AccountTotal, CurrencyTotal, Moment, TrialBalance, accounts, trial_balance,
};
use super::{AsOf, Page, View, arguments, bounded, projection};
use crate::error::Fault;
use crate::fold::ledger::BookingRow;
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

/// A transaction with all its legs. Ids are chosen by who books: should two streams have booked the same one, this is the
/// one that was booked first.
///
/// # Errors
/// [`Fault`].
pub async fn transaction(
    pool: &PgPool,
    id: TransactionId,
) -> Result<AsOf<Option<TransactionRow>>, Fault> {
    let mut view = View::open(pool, &[projection::LEDGER]).await?;
    let booked: Option<BookingRow> = view
        .row(
            "WHERE t.transaction_id = $1 ORDER BY t.booked_position LIMIT 1",
            arguments![id.0],
        )
        .await?;
    let Some(booked) = booked else {
        return Ok(view.as_of(None));
    };
    // A reversal stands on the stream of its original.
    let reversals: Vec<BookingRow> = view
        .rows(
            "WHERE t.reverses = $1 AND t.wallet_id IS NOT DISTINCT FROM $2 AND t.journal IS NOT DISTINCT FROM $3
             ORDER BY t.booked_position",
            arguments![id.0, booked.wallet_id.map(|id| id.to_string()), booked.journal.clone()],
        )
        .await?;
    let row = TransactionRow::of(booked, &reversals);
    Ok(view.as_of(Some(row)))
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
    let account = Account::Wallet(wallet_id);
    let mut view = View::open(pool, &[projection::LEDGER]).await?;
    let balance =
        super::accounts::balance_in(&mut view, account, wallet_id.currency, moment).await?;
    if let Some(balance) = balance {
        // A wallet whose balance would not fit was refused the booking.
        let minor = i64::try_from(balance.0)
            .map_err(|_| Fault::Fatal("a wallet's balance does not fit".to_owned()))?;
        return Ok(view.as_of(Some(minor)));
    }
    let row: Option<WalletRow> = view
        .row("WHERE t.wallet_id = $1", arguments![wallet_id.to_string()])
        .await?;
    Ok(view.as_of(row.map(|_| 0)))
}
