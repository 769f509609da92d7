//! What a booked transaction does to the tables: every leg is an entry of its account, legs on a wallet are entries of its
//! statement as well.

use kvit_domain::ids::{HoldId, TransactionId, WalletId};
use kvit_domain::ledger::{Account, Leg, Side, Transaction};
use kvit_domain::money::Money;
use kvit_domain::rules::kyiv_day;

use super::rows::{
    AccountKey, AccountRow, BookingRow, EntryRow, LedgerRows, StatementRow, WalletKey, entry_no,
};
use super::{add, kind_code, side_code};
use crate::column::{JsonText, Wide};
use crate::log::{FoldError, LogEvent};

/// On which stream a transaction stands.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// On this wallet's.
    Wallet(WalletId),
    /// On this journal's.
    Journal(String),
}

/// A transaction as an event books it.
pub(super) struct Booking<'a> {
    event: &'a LogEvent,
    place: Place,
    /// The hold it is captured from.
    pub hold_id: Option<HoldId>,
    /// The transaction it undoes, or a part of it.
    pub reverses: Option<TransactionId>,
}

pub(super) fn want_accounts(transaction: &Transaction, rows: &mut LedgerRows) {
    for leg in &transaction.legs {
        rows.accounts.want(AccountKey {
            account: leg.account,
            currency: leg.amount.currency,
        });
    }
}

/// Sum of the debits in the currency of `zero`, minor units.
fn debits(legs: &[Leg], zero: Money) -> Result<i64, FoldError> {
    legs.iter()
        .filter(|leg| leg.side == Side::Debit && leg.amount.currency == zero.currency)
        .try_fold(zero.minor, |sum, leg| add(sum, leg.amount.minor))
}

impl<'a> Booking<'a> {
    pub(super) const fn of(event: &'a LogEvent, place: Place) -> Self {
        Self {
            event,
            place,
            hold_id: None,
            reverses: None,
        }
    }

    /// Books the transaction.
    pub(super) fn post(
        self,
        transaction: Transaction,
        rows: &mut LedgerRows,
    ) -> Result<(), FoldError> {
        let event = self.event;
        let is_off_day = transaction.value_date != kyiv_day(event.recorded_at);
        for (index, leg) in transaction.legs.iter().enumerate() {
            let entry_no = entry_no(event.position, index)
                .ok_or(FoldError::Law("a transaction has too many legs"))?;
            let account = account(event, leg, entry_no, rows);
            let entry = EntryRow {
                account_no: account.account_no,
                entry_no,
                side: side_code(leg.side).to_owned(),
                amount_minor: leg.amount.minor,
                balance_minor: account.balance_minor(),
                booked_at: event.recorded_at,
                value_date: transaction.value_date,
                is_off_day,
                transaction_id: transaction.id,
                position: event.position,
            };
            rows.entries.push(entry);
            match (leg.account, &self.place) {
                (Account::Wallet(wallet_id), Place::Wallet(own)) if wallet_id == *own => {
                    self.state(wallet_id, leg, &transaction, rows)?;
                }
                (Account::Wallet(_), Place::Wallet(_)) => {
                    return Err(FoldError::Law("a transaction names another wallet"));
                }
                (Account::Wallet(_), Place::Journal(_)) => {
                    return Err(FoldError::Law("a journal books a wallet"));
                }
                _ => {}
            }
        }
        let Some(first) = transaction.legs.first() else {
            return Err(FoldError::Law("a transaction has no legs"));
        };
        let currency = first.amount.currency;
        let amount_minor = debits(&transaction.legs, Money::new(0, currency))?;
        let (wallet_id, journal) = match self.place {
            Place::Wallet(wallet_id) => (Some(wallet_id), None),
            Place::Journal(id) => (None, Some(id)),
        };
        rows.transactions.push(BookingRow {
            booked_position: event.position,
            transaction_id: transaction.id,
            kind: kind_code(transaction.kind).to_owned(),
            wallet_id,
            journal,
            currency,
            amount_minor,
            legs: JsonText(transaction.legs),
            hold_id: self.hold_id,
            booked_at: event.recorded_at,
            value_date: transaction.value_date,
            description: transaction.description,
            reference: transaction.reference,
            reverses: self.reverses,
            position: event.position,
        });
        Ok(())
    }

    /// An entry of the wallet's statement.
    fn state(
        &self,
        wallet_id: WalletId,
        leg: &Leg,
        transaction: &Transaction,
        rows: &mut LedgerRows,
    ) -> Result<(), FoldError> {
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
            kind: kind_code(transaction.kind).to_owned(),
            side: side_code(leg.side).to_owned(),
            currency: leg.amount.currency,
            amount_minor: leg.amount.minor,
            balance_minor: wallet.posted_minor,
            booked_at: self.event.recorded_at,
            value_date: transaction.value_date,
            description: transaction.description.clone(),
            reference: transaction.reference.clone(),
            position: self.event.position,
        });
        Ok(())
    }
}

/// The leg's account with the leg on it. An account that is new takes the leg's number as its own.
fn account<'a>(
    event: &LogEvent,
    leg: &Leg,
    entry_no: i64,
    rows: &'a mut LedgerRows,
) -> &'a AccountRow {
    let Money { minor, currency } = leg.amount;
    let key = AccountKey {
        account: leg.account,
        currency,
    };
    let row = rows.accounts.change_or(&key, || AccountRow {
        account: leg.account,
        currency,
        account_no: entry_no,
        kind: leg.account.kind().code().to_owned(),
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
    row
}
