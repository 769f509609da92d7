//! The ledger's read models: wallets, holds, the statement of each wallet, transactions, every account of the chart and
//! all its entries.
//!
//! They share one checkpoint, so that a balance and the statement behind it are always of the same moment.

mod booking;
mod rows;

use kvit_domain::ids::{HoldId, WalletId};
use kvit_domain::journal::JournalEvent;
use kvit_domain::ledger::{Account, Side, TransactionKind};
use kvit_domain::wallet::WalletEvent;

use crate::log::{FoldError, LogEvent, Needs};
use crate::projection::Fold;
use booking::{Booking, Place, want_accounts};
pub use rows::{
    AccountKey, AccountRow, BookingKey, BookingRow, EntryKey, EntryRow, HoldKey, HoldRow,
    LedgerRows, StatementKey, StatementRow, TransactionRow, WalletKey, WalletRow, entry_no,
    last_entry_no,
};

/// What the fold takes from the log.
#[derive(Debug)]
pub enum Change {
    /// Of a wallet.
    Wallet(WalletId, WalletEvent),
    /// Of a journal, by the id of its stream.
    Journal(String, JournalEvent),
}

/// The projection `ledger`.
#[derive(Debug)]
pub struct Ledger;

impl Fold for Ledger {
    const NAME: &'static str = "ledger";
    const VERSION: i64 = 4;
    const NEEDS: Needs = Needs {
        aggregates: &["wallet", "journal"],
        actors: false,
    };
    type Rows = LedgerRows;
    type Change = Change;

    fn decode(event: &LogEvent) -> Result<Option<Change>, FoldError> {
        Ok(match event.stream.aggregate_type.as_str() {
            "wallet" => Some(Change::Wallet(event.id()?, event.decode()?)),
            "journal" => {
                let id = event.stream.aggregate_id.clone();
                Some(Change::Journal(id, event.decode()?))
            }
            _ => None,
        })
    }

    fn want(_event: &LogEvent, change: &Change, rows: &mut LedgerRows) {
        let (wallet_id, change) = match change {
            Change::Wallet(wallet_id, change) => (*wallet_id, change),
            Change::Journal(
                _,
                JournalEvent::TransactionPosted { transaction }
                | JournalEvent::TransactionReversed { transaction, .. },
            ) => return want_accounts(transaction, rows),
        };
        rows.wallets.want(WalletKey { wallet_id });
        match change {
            WalletEvent::TransactionPosted { transaction }
            | WalletEvent::TransactionReversed { transaction, .. } => {
                want_accounts(transaction, rows);
            }
            WalletEvent::HoldCaptured {
                hold_id,
                transaction,
            } => {
                let hold_id = *hold_id;
                rows.holds.want(HoldKey { hold_id, wallet_id });
                want_accounts(transaction, rows);
            }
            WalletEvent::HoldReleased { hold_id, .. }
            | WalletEvent::HoldExpired { hold_id, .. } => {
                let hold_id = *hold_id;
                rows.holds.want(HoldKey { hold_id, wallet_id });
            }
            WalletEvent::WalletOpened { .. }
            | WalletEvent::HoldPlaced { .. }
            | WalletEvent::CommandRefused { .. } => {}
        }
    }

    fn fold(event: &LogEvent, change: Change, rows: &mut LedgerRows) -> Result<(), FoldError> {
        match change {
            Change::Wallet(wallet_id, change) => wallet(event, wallet_id, change, rows),
            Change::Journal(id, change) => journal(event, id, change, rows),
        }
    }
}

fn journal(
    event: &LogEvent,
    id: String,
    change: JournalEvent,
    rows: &mut LedgerRows,
) -> Result<(), FoldError> {
    let mut booking = Booking::of(event, Place::Journal(id));
    match change {
        JournalEvent::TransactionPosted { transaction } => booking.post(transaction, rows),
        JournalEvent::TransactionReversed {
            original_id,
            transaction,
        } => {
            booking.reverses = Some(original_id);
            booking.post(transaction, rows)
        }
    }
}

fn wallet(
    event: &LogEvent,
    wallet_id: WalletId,
    change: WalletEvent,
    rows: &mut LedgerRows,
) -> Result<(), FoldError> {
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
        .change(&WalletKey { wallet_id })
        .ok_or(FoldError::Missing("wallet"))?;
    wallet.position = event.position;
    let mut booking = Booking::of(event, Place::Wallet(wallet_id));
    match change {
        WalletEvent::WalletOpened { .. } => {}
        WalletEvent::TransactionPosted { transaction } => booking.post(transaction, rows)?,
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
            booking.hold_id = Some(hold_id);
            booking.post(transaction, rows)?;
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
            booking.reverses = Some(original_id);
            booking.post(transaction, rows)?;
        }
        WalletEvent::CommandRefused { .. } => {
            wallet.refusals = add(wallet.refusals, 1)?;
        }
    }
    Ok(())
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
        .change(&HoldKey { hold_id, wallet_id })
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
