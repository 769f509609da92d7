//! Rows of the ledger's tables.

use chrono::{DateTime, NaiveDate, Utc};
use kvit_domain::event::Position;
use kvit_domain::ids::{HoldId, TransactionId, UserId, WalletId};
use kvit_domain::ledger::{Account, Leg, Side};
use kvit_domain::money::Currency;
use serde::Serialize;

use crate::column::{Json, JsonText, Wide};
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
        /// On which wallet: holds of two wallets may have the same id.
        wallet_id: WalletId,
    }
    columns {
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
        /// What it was for: a transaction kind in snake_case.
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
    indexes []
}

table! {
    /// A transaction with all its legs; its rows never change. Bookings on two streams may have the same id, so the place in
    /// the log names them.
    BookingRow in "transactions"
    key BookingKey {
        /// Position of the event that booked it.
        booked_position: Position,
    }
    columns {
        /// Its id.
        transaction_id: TransactionId,
        /// What it was for: a transaction kind in snake_case.
        kind: String,
        /// On which wallet's stream it stands; empty for bookings that concern no wallet.
        wallet_id: Option<WalletId>,
        /// On which journal's stream it stands; empty for bookings of a wallet.
        journal: Option<String>,
        /// Currency of its first leg.
        currency: Currency,
        /// Sum of its debits in that currency, minor units.
        amount_minor: i64,
        /// All legs.
        legs: JsonText<Vec<Leg>>,
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
        /// The earlier transaction that it undoes, or a part of it.
        reverses: Option<TransactionId>,
    }
    indexes ["(transaction_id)", "(booked_at)", "(reverses) WHERE reverses IS NOT NULL"]
}

/// A transaction with all its legs and what later ones have undone of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransactionRow {
    /// Its id.
    pub transaction_id: TransactionId,
    /// What it was for: a transaction kind in snake_case.
    pub kind: String,
    /// On which wallet's stream it stands; empty for bookings that concern no wallet.
    pub wallet_id: Option<WalletId>,
    /// On which journal's stream it stands; empty for bookings of a wallet.
    pub journal: Option<String>,
    /// Currency of its first leg.
    pub currency: Currency,
    /// Sum of its debits in that currency, minor units.
    pub amount_minor: i64,
    /// How much of that sum later transactions have undone: all of it when it equals the sum.
    pub reversed_minor: i64,
    /// All legs.
    pub legs: Json<Vec<Leg>>,
    /// The hold it was captured from.
    pub hold_id: Option<HoldId>,
    /// When it was booked.
    pub booked_at: DateTime<Utc>,
    /// From which day it counts.
    pub value_date: NaiveDate,
    /// Words.
    pub description: String,
    /// What it came from.
    pub reference: String,
    /// The earlier transaction that it undoes, or a part of it.
    pub reverses: Option<TransactionId>,
    /// The last later transaction that undid it or a part of it.
    pub reversed_by: Option<TransactionId>,
    /// Position of the event that booked it.
    pub booked_position: Position,
}

impl TransactionRow {
    /// The transaction and what its reversals, in the order of the log, have undone of it.
    #[must_use]
    pub fn of(row: BookingRow, reversals: &[BookingRow]) -> Self {
        let reversed_minor = reversals
            .iter()
            .flat_map(|reversal| &reversal.legs.0)
            .filter(|leg| leg.side == Side::Debit && leg.amount.currency == row.currency)
            .fold(0_i64, |sum, leg| sum.saturating_add(leg.amount.minor));
        Self {
            transaction_id: row.transaction_id,
            kind: row.kind,
            wallet_id: row.wallet_id,
            journal: row.journal,
            currency: row.currency,
            amount_minor: row.amount_minor,
            reversed_minor,
            legs: Json(row.legs.0),
            hold_id: row.hold_id,
            booked_at: row.booked_at,
            value_date: row.value_date,
            description: row.description,
            reference: row.reference,
            reverses: row.reverses,
            reversed_by: reversals.last().map(|reversal| reversal.transaction_id),
            booked_position: row.booked_position,
        }
    }
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
        /// Its number in the table of entries: unique, and the same in every build.
        account_no: i64,
        /// `asset`, `liability`, `revenue` or `expense`.
        kind: String,
        /// `debit` for assets and expenses, `credit` for liabilities and revenue.
        normal_side: String,
        /// Sum of all debits, minor units.
        debit_minor: Wide,
        /// Sum of all credits, minor units.
        credit_minor: Wide,
    }
    indexes ["(account_no)"]
}

impl AccountRow {
    /// The balance on the account's normal side, minor units.
    #[must_use]
    pub fn balance_minor(&self) -> Wide {
        let net = self.debit_minor.0.saturating_sub(self.credit_minor.0);
        Wide(if self.normal_side == "debit" {
            net
        } else {
            net.saturating_neg()
        })
    }
}

table! {
    /// A leg of a transaction on its account; its rows never change. `position` is the place of the booking in the log.
    EntryRow in "entries"
    key EntryKey {
        /// The account's number.
        account_no: i64,
        /// Grows with the place of the booking in the log, see [`entry_no`].
        entry_no: i64,
    }
    columns {
        /// `debit` or `credit`.
        side: String,
        /// Above zero, minor units.
        amount_minor: i64,
        /// The account's balance on its normal side after this entry.
        balance_minor: Wide,
        /// When it was booked.
        booked_at: DateTime<Utc>,
        /// From which day it counts.
        value_date: NaiveDate,
        /// Whether that is another day than the one on which it was booked, in the books' zone. These are few, and they are
        /// all that a balance by value date must look at besides the running balance.
        is_off_day: bool,
        /// The transaction.
        transaction_id: TransactionId,
    }
    indexes ["(account_no, value_date) WHERE is_off_day"]
}

/// Legs for which a position of the log has numbers; a transaction has at most a hundred.
const LEGS_OF_POSITION: i64 = 128;

/// The number of a leg: unique over the whole ledger, and larger for later bookings. `None` when it does not fit.
#[must_use]
pub fn entry_no(position: Position, leg: usize) -> Option<i64> {
    let leg = i64::try_from(leg)
        .ok()
        .filter(|leg| *leg < LEGS_OF_POSITION)?;
    position.checked_mul(LEGS_OF_POSITION)?.checked_add(leg)
}

/// The largest number of a leg that was booked up to and including a position.
#[must_use]
pub const fn last_entry_no(position: Position) -> i64 {
    position
        .saturating_mul(LEGS_OF_POSITION)
        .saturating_add(LEGS_OF_POSITION - 1)
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
        transactions: Appends<BookingRow>,
        /// Accounts.
        accounts: Rows<AccountRow>,
        /// Entries of all accounts.
        entries: Appends<EntryRow>,
    }
}
