//! The ledger's read models: wallets, holds, the statement of each wallet, transactions, and every account of the chart.
//!
//! They share one checkpoint, so that a balance and the statement behind it are always of the same moment.

use chrono::{DateTime, NaiveDate, Utc};
use kvit_domain::event::Position;
use kvit_domain::ids::{HoldId, TransactionId, UserId, WalletId};
use kvit_domain::ledger::{Account, Leg, Side, Transaction, TransactionKind};
use kvit_domain::money::{Currency, Money};
use kvit_domain::wallet::WalletEvent;

use crate::column::{Json, Wide};
use crate::log::{FoldError, LogEvent, Needs};
use crate::projection::Fold;
use crate::table::{table, tables};

table! {
    /// A wallet with its balances, minor units.
    WalletRow in "wallets"
    key WalletKey {
        /// Owner and currency.
        wallet_id: WalletId,
    }
    columns {
        /// Owner.
        user_id: UserId,
        /// Currency of all its amounts.
        currency: Currency,
        /// Booked.
        posted_minor: i64,
        /// Reserved by active holds; what can be spent is `posted_minor - held_minor`.
        held_minor: i64,
        /// Number of its last statement entry.
        entries: i64,
        /// Refused commands so far.
        refusals: i64,
        /// When it was opened.
        opened_at: DateTime<Utc>,
    }
    indexes ["(user_id)"]
}

impl WalletRow {
    /// What can be spent: posted − held, minor units.
    #[must_use]
    pub const fn available_minor(&self) -> i64 {
        self.posted_minor.saturating_sub(self.held_minor)
    }
}

table! {
    /// A hold on a wallet.
    HoldRow in "holds"
    key HoldKey {
        /// The hold.
        hold_id: HoldId,
    }
    columns {
        /// On which wallet.
        wallet_id: WalletId,
        /// Currency of the amounts.
        currency: Currency,
        /// What was reserved at first, minor units.
        amount_minor: i64,
        /// What is still reserved.
        left_minor: i64,
        /// What was spent from it.
        captured_minor: i64,
        /// What for.
        purpose: String,
        /// `active`, `captured`, `released` or `expired`.
        state: String,
        /// When it was placed.
        placed_at: DateTime<Utc>,
        /// When it expires by itself.
        expires_at: DateTime<Utc>,
        /// When nothing was left of it.
        closed_at: Option<DateTime<Utc>>,
    }
    indexes ["(wallet_id, placed_at)", "(expires_at) WHERE state = 'active'"]
}

table! {
    /// An entry of a wallet's statement; its rows never change.
    StatementRow in "statement"
    key StatementKey {
        /// The wallet.
        wallet_id: WalletId,
        /// Number within the wallet, from 1, without gaps.
        entry_no: i64,
    }
    columns {
        /// The transaction.
        transaction_id: TransactionId,
        /// What it was for: a [`TransactionKind`] in snake_case.
        kind: String,
        /// `credit` when the balance grew, else `debit`.
        side: String,
        /// Currency of the amounts.
        currency: Currency,
        /// Above zero, minor units.
        amount_minor: i64,
        /// Booked balance after this entry.
        balance_minor: i64,
        /// When it was booked.
        booked_at: DateTime<Utc>,
        /// From which day it counts.
        value_date: NaiveDate,
        /// Words.
        description: String,
        /// What it came from: a receipt, a payout, a job, by id.
        reference: String,
    }
    indexes ["(wallet_id, booked_at)"]
}

table! {
    /// A transaction with all its legs.
    TransactionRow in "transactions"
    key TransactionKey {
        /// Its id.
        transaction_id: TransactionId,
    }
    columns {
        /// What it was for: a [`TransactionKind`] in snake_case.
        kind: String,
        /// On whose stream it stands.
        wallet_id: WalletId,
        /// All legs.
        legs: Json<Vec<Leg>>,
        /// The hold it was captured from.
        hold_id: Option<HoldId>,
        /// When it was booked.
        booked_at: DateTime<Utc>,
        /// From which day it counts.
        value_date: NaiveDate,
        /// Words.
        description: String,
        /// What it came from.
        reference: String,
        /// The earlier transaction that it undoes.
        reverses: Option<TransactionId>,
        /// The later transaction that undid it.
        reversed_by: Option<TransactionId>,
        /// Position of the event that booked it.
        booked_position: Position,
    }
    indexes []
}

table! {
    /// An account of the chart in one currency.
    AccountRow in "accounts"
    key AccountKey {
        /// The account.
        account: Account,
        /// The currency.
        currency: Currency,
    }
    columns {
        /// `debit` for assets and expenses, `credit` for liabilities and revenue.
        normal_side: String,
        /// Sum of all debits, minor units.
        debit_minor: Wide,
        /// Sum of all credits, minor units.
        credit_minor: Wide,
    }
    indexes []
}

tables! {
    /// The ledger's tables.
    LedgerRows {
        /// Wallets.
        wallets: Rows<WalletRow>,
        /// Holds.
        holds: Rows<HoldRow>,
        /// Statement entries.
        statement: Appends<StatementRow>,
        /// Transactions.
        transactions: Rows<TransactionRow>,
        /// Accounts.
        accounts: Rows<AccountRow>,
    }
}

/// The projection `ledger`.
#[derive(Debug)]
pub struct Ledger;

impl Fold for Ledger {
    const NAME: &'static str = "ledger";
    const VERSION: i64 = 1;
    const NEEDS: Needs = Needs {
        aggregates: &["wallet"],
        actors: false,
    };
    type Rows = LedgerRows;
    type Change = (WalletId, WalletEvent);

    fn decode(event: &LogEvent) -> Result<Option<Self::Change>, FoldError> {
        if event.stream.aggregate_type != "wallet" {
            return Ok(None);
        }
        Ok(Some((event.id()?, event.decode()?)))
    }

    fn want(_event: &LogEvent, (wallet_id, change): &Self::Change, rows: &mut LedgerRows) {
        rows.wallets.want(WalletKey {
            wallet_id: *wallet_id,
        });
        match change {
            WalletEvent::TransactionPosted { transaction } => want_accounts(transaction, rows),
            WalletEvent::HoldCaptured {
                hold_id,
                transaction,
            } => {
                rows.holds.want(HoldKey { hold_id: *hold_id });
                want_accounts(transaction, rows);
            }
            WalletEvent::TransactionReversed {
                original_id,
                transaction,
            } => {
                rows.transactions.want(TransactionKey {
                    transaction_id: *original_id,
                });
                want_accounts(transaction, rows);
            }
            WalletEvent::HoldReleased { hold_id, .. }
            | WalletEvent::HoldExpired { hold_id, .. } => {
                rows.holds.want(HoldKey { hold_id: *hold_id });
            }
            WalletEvent::WalletOpened { .. }
            | WalletEvent::HoldPlaced { .. }
            | WalletEvent::CommandRefused { .. } => {}
        }
    }

    fn fold(
        event: &LogEvent,
        (wallet_id, change): Self::Change,
        rows: &mut LedgerRows,
    ) -> Result<(), FoldError> {
        let key = WalletKey { wallet_id };
        if let WalletEvent::WalletOpened { .. } = change {
            rows.wallets.put(WalletRow {
                wallet_id,
                user_id: wallet_id.user,
                currency: wallet_id.currency,
                posted_minor: 0,
                held_minor: 0,
                entries: 0,
                refusals: 0,
                opened_at: event.recorded_at,
                position: event.position,
            });
            return Ok(());
        }
        let wallet = rows
            .wallets
            .change(&key)
            .ok_or(FoldError::Missing("wallet"))?;
        wallet.position = event.position;
        match change {
            WalletEvent::WalletOpened { .. } => {}
            WalletEvent::TransactionPosted { transaction } => {
                book(event, wallet_id, transaction, None, None, rows)?;
            }
            WalletEvent::HoldPlaced {
                hold_id,
                amount,
                purpose,
                expires_at,
            } => {
                wallet.held_minor = add(wallet.held_minor, amount.minor)?;
                rows.holds.put(HoldRow {
                    hold_id,
                    wallet_id,
                    currency: wallet_id.currency,
                    amount_minor: amount.minor,
                    left_minor: amount.minor,
                    captured_minor: 0,
                    purpose,
                    state: "active".to_owned(),
                    placed_at: event.recorded_at,
                    expires_at,
                    closed_at: None,
                    position: event.position,
                });
            }
            WalletEvent::HoldCaptured {
                hold_id,
                transaction,
            } => {
                let spent = transaction
                    .effect_on(Account::Wallet(wallet_id))
                    .ok()
                    .and_then(i64::checked_neg)
                    .ok_or(FoldError::Overflow)?;
                let hold = shrink(event, wallet_id, hold_id, spent, "captured", rows)?;
                hold.captured_minor = add(hold.captured_minor, spent)?;
                book(event, wallet_id, transaction, Some(hold_id), None, rows)?;
            }
            WalletEvent::HoldReleased {
                hold_id, amount, ..
            } => {
                shrink(event, wallet_id, hold_id, amount.minor, "released", rows)?;
            }
            WalletEvent::HoldExpired { hold_id, amount } => {
                shrink(event, wallet_id, hold_id, amount.minor, "expired", rows)?;
            }
            WalletEvent::TransactionReversed {
                original_id,
                transaction,
            } => {
                let original = rows
                    .transactions
                    .change(&TransactionKey {
                        transaction_id: original_id,
                    })
                    .ok_or(FoldError::Missing("transaction"))?;
                original.reversed_by = Some(transaction.id);
                original.position = event.position;
                book(event, wallet_id, transaction, None, Some(original_id), rows)?;
            }
            WalletEvent::CommandRefused { .. } => {
                wallet.refusals = add(wallet.refusals, 1)?;
            }
        }
        Ok(())
    }
}

fn want_accounts(transaction: &Transaction, rows: &mut LedgerRows) {
    for leg in &transaction.legs {
        rows.accounts.want(AccountKey {
            account: leg.account,
            currency: leg.amount.currency,
        });
    }
}

fn add(left: i64, right: i64) -> Result<i64, FoldError> {
    left.checked_add(right).ok_or(FoldError::Overflow)
}

/// Takes from a hold and from what the wallet has reserved.
fn shrink<'a>(
    event: &LogEvent,
    wallet_id: WalletId,
    hold_id: HoldId,
    by_minor: i64,
    state_at_zero: &str,
    rows: &'a mut LedgerRows,
) -> Result<&'a mut HoldRow, FoldError> {
    let wallet = rows
        .wallets
        .change(&WalletKey { wallet_id })
        .ok_or(FoldError::Missing("wallet"))?;
    wallet.held_minor = wallet
        .held_minor
        .checked_sub(by_minor)
        .ok_or(FoldError::Overflow)?;
    let hold = rows
        .holds
        .change(&HoldKey { hold_id })
        .ok_or(FoldError::Missing("hold"))?;
    hold.left_minor = hold
        .left_minor
        .checked_sub(by_minor)
        .ok_or(FoldError::Overflow)?;
    hold.position = event.position;
    if hold.left_minor == 0 {
        state_at_zero.clone_into(&mut hold.state);
        hold.closed_at = Some(event.recorded_at);
    }
    Ok(hold)
}

/// Books a transaction: every leg on its account, legs on the wallet as entries of its statement.
fn book(
    event: &LogEvent,
    wallet_id: WalletId,
    transaction: Transaction,
    hold_id: Option<HoldId>,
    reverses: Option<TransactionId>,
    rows: &mut LedgerRows,
) -> Result<(), FoldError> {
    let kind = kind_code(transaction.kind);
    for leg in &transaction.legs {
        account(event, leg, rows);
        match leg.account {
            Account::Wallet(own) if own == wallet_id => {
                let wallet = rows
                    .wallets
                    .change(&WalletKey { wallet_id })
                    .ok_or(FoldError::Missing("wallet"))?;
                wallet.posted_minor = match leg.side {
                    Side::Credit => wallet.posted_minor.checked_add(leg.amount.minor),
                    Side::Debit => wallet.posted_minor.checked_sub(leg.amount.minor),
                }
                .ok_or(FoldError::Overflow)?;
                wallet.entries = add(wallet.entries, 1)?;
                rows.statement.push(StatementRow {
                    wallet_id,
                    entry_no: wallet.entries,
                    transaction_id: transaction.id,
                    kind: kind.to_owned(),
                    side: side_code(leg.side).to_owned(),
                    currency: leg.amount.currency,
                    amount_minor: leg.amount.minor,
                    balance_minor: wallet.posted_minor,
                    booked_at: event.recorded_at,
                    value_date: transaction.value_date,
                    description: transaction.description.clone(),
                    reference: transaction.reference.clone(),
                    position: event.position,
                });
            }
            Account::Wallet(_) => {
                return Err(FoldError::Law("a transaction names another wallet"));
            }
            _ => {}
        }
    }
    rows.transactions.put(TransactionRow {
        transaction_id: transaction.id,
        kind: kind.to_owned(),
        wallet_id,
        legs: Json(transaction.legs),
        hold_id,
        booked_at: event.recorded_at,
        value_date: transaction.value_date,
        description: transaction.description,
        reference: transaction.reference,
        reverses,
        reversed_by: None,
        booked_position: event.position,
        position: event.position,
    });
    Ok(())
}

fn account(event: &LogEvent, leg: &Leg, rows: &mut LedgerRows) {
    let Money { minor, currency } = leg.amount;
    let key = AccountKey {
        account: leg.account,
        currency,
    };
    let row = rows.accounts.change_or(&key, || AccountRow {
        account: leg.account,
        currency,
        normal_side: side_code(leg.account.normal_side()).to_owned(),
        debit_minor: Wide(0),
        credit_minor: Wide(0),
        position: 0,
    });
    row.position = event.position;
    match leg.side {
        Side::Debit => row.debit_minor = row.debit_minor.plus(minor),
        Side::Credit => row.credit_minor = row.credit_minor.plus(minor),
    }
}

pub(crate) const fn side_code(side: Side) -> &'static str {
    match side {
        Side::Debit => "debit",
        Side::Credit => "credit",
    }
}

/// The kind's name in tables and answers, as in the events.
pub(crate) const fn kind_code(kind: TransactionKind) -> &'static str {
    match kind {
        TransactionKind::Reward => "reward",
        TransactionKind::TopUp => "top_up",
        TransactionKind::Payout => "payout",
        TransactionKind::Job => "job",
        TransactionKind::Refund => "refund",
        TransactionKind::Adjustment => "adjustment",
        TransactionKind::Transfer => "transfer",
        TransactionKind::Reversal => "reversal",
        TransactionKind::Conversion => "conversion",
        TransactionKind::Fee => "fee",
        TransactionKind::Settlement => "settlement",
        TransactionKind::Suspense => "suspense",
    }
}
