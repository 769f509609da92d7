//! A user's wallet in one currency: the consistency boundary of the ledger.
//!
//! Only a wallet can refuse a transaction, so a transaction with **all** its legs is one event on the wallet's stream;
//! the operator's accounts are folds over these events and can never be a hot lock. A transaction names at most one
//! wallet: between two wallets money moves through a hold in two steps.

mod decide;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::aggregate::aggregate;
use crate::ids::{HoldId, TransactionId, WalletId};
use crate::ledger::{Account, Leg, Side, Transaction};
use crate::money::{Currency, Money};
use crate::rejection::Rejection;

/// Why a hold was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseReason {
    /// What it was for failed.
    Failed,
    /// What it was for was cancelled.
    Cancelled,
    /// The rest after the last capture.
    Remainder,
    /// An operator decided so.
    Operator,
}

/// What happened to a wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WalletEvent {
    /// The first posting opens it.
    WalletOpened {
        /// Owner and currency.
        wallet_id: WalletId,
    },
    /// A balanced transaction was booked.
    TransactionPosted {
        /// With all its legs.
        transaction: Transaction,
    },
    /// An amount was reserved.
    HoldPlaced {
        /// The hold.
        hold_id: HoldId,
        /// How much.
        amount: Money,
        /// What for, such as `payout:<id>`.
        purpose: String,
        /// When it expires by itself.
        expires_at: DateTime<Utc>,
    },
    /// Reserved money was spent: the transaction was booked and the hold shrank by as much.
    HoldCaptured {
        /// The hold.
        hold_id: HoldId,
        /// The booking.
        transaction: Transaction,
    },
    /// What was left of a hold became available again.
    HoldReleased {
        /// The hold.
        hold_id: HoldId,
        /// How much.
        amount: Money,
        /// Why.
        reason: ReleaseReason,
    },
    /// A hold's time ran out.
    HoldExpired {
        /// The hold.
        hold_id: HoldId,
        /// How much became available again.
        amount: Money,
    },
    /// An earlier transaction was undone by its opposite.
    TransactionReversed {
        /// The original.
        original_id: TransactionId,
        /// The opposite booking.
        transaction: Transaction,
    },
    /// A command was refused; kept so that its repeat gets the same answer and refusals can be counted.
    CommandRefused {
        /// Name of the command.
        command: String,
        /// The answer.
        rejection: Rejection,
    },
}

/// What can be asked of a wallet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum WalletCommand {
    /// Book a transaction; opens the wallet when it is the first.
    Post {
        /// The wallet, since a first posting meets an empty stream.
        wallet_id: WalletId,
        /// The transaction.
        transaction: Transaction,
    },
    /// Reserve an amount.
    PlaceHold {
        /// Chosen by the caller; the same hold twice is one hold.
        hold_id: HoldId,
        /// How much.
        amount: Money,
        /// What for.
        purpose: String,
        /// When it expires by itself.
        expires_at: DateTime<Utc>,
    },
    /// Spend reserved money. The transaction's debit of the wallet is taken from the hold.
    Capture {
        /// The hold.
        hold_id: HoldId,
        /// The booking; its id makes the capture happen once.
        transaction: Transaction,
        /// Whether the rest is released at once.
        release_rest: bool,
    },
    /// Give a hold up.
    Release {
        /// The hold.
        hold_id: HoldId,
        /// Why.
        reason: ReleaseReason,
    },
    /// Expire a hold whose time has run out.
    Expire {
        /// The hold.
        hold_id: HoldId,
        /// The clock's time.
        now: DateTime<Utc>,
    },
    /// Undo what is left of a transaction, or a part of it.
    Reverse {
        /// The original.
        original_id: TransactionId,
        /// Id of the opposite transaction; the same id twice is one reversal.
        transaction_id: TransactionId,
        /// Its value date.
        value_date: NaiveDate,
        /// The legs that undo a part, balanced and each on the other side of one of the original's legs. `None`: all that no
        /// earlier reversal has undone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        legs: Option<Vec<Leg>>,
    },
}

impl WalletCommand {
    /// The command's name, as refusals record it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Post { .. } => "post",
            Self::PlaceHold { .. } => "place_hold",
            Self::Capture { .. } => "capture",
            Self::Release { .. } => "release",
            Self::Expire { .. } => "expire",
            Self::Reverse { .. } => "reverse",
        }
    }
}

/// Where a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// Something is still reserved.
    Active,
    /// Fully captured.
    Captured,
    /// Given up.
    Released,
    /// Its time ran out.
    Expired,
}

/// A hold as its events left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What is still reserved, minor units.
    pub left_minor: i64,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
    /// What for.
    pub purpose: String,
    /// Where it stands.
    pub state: HoldState,
}

/// A booked transaction as the wallet remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Booked {
    transaction: Transaction,
    /// What reversals have undone so far, by the original's account and side.
    #[serde(default)]
    undone: Vec<(Account, Side, Money)>,
    /// The last reversal.
    reversed_by: Option<TransactionId>,
}

impl Booked {
    fn new(transaction: Transaction) -> Self {
        Self {
            transaction,
            undone: Vec::new(),
            reversed_by: None,
        }
    }

    /// What the original put on an account's side, summed over its legs and less what was undone.
    fn left(&self, account: Account, side: Side, currency: Currency) -> i64 {
        let put = self
            .transaction
            .legs
            .iter()
            .filter(|leg| leg.account == account && leg.side == side)
            .map(|leg| leg.amount);
        let undone = self
            .undone
            .iter()
            .filter(|(a, s, _)| *a == account && *s == side)
            .map(|(_, _, amount)| *amount);
        sum_in(put, currency).saturating_sub(sum_in(undone, currency))
    }

    /// The legs that undo everything that is left.
    fn rest(&self) -> Vec<Leg> {
        let mut done: Vec<(Account, Side, Currency)> = Vec::new();
        let mut rest = Vec::new();
        for leg in &self.transaction.legs {
            let place = (leg.account, leg.side, leg.amount.currency);
            let left = self.left(leg.account, leg.side, leg.amount.currency);
            if left > 0 && !done.contains(&place) {
                done.push(place);
                rest.push(Leg {
                    account: leg.account,
                    side: leg.side.opposite(),
                    amount: Money::new(left, leg.amount.currency),
                });
            }
        }
        rest
    }

    fn undo(&mut self, reversal: &Transaction) {
        self.reversed_by = Some(reversal.id);
        for leg in &reversal.legs {
            self.undone
                .push((leg.account, leg.side.opposite(), leg.amount));
        }
    }
}

/// Sum of the amounts in a currency; a booked transaction has been checked to fit.
fn sum_in(amounts: impl Iterator<Item = Money>, currency: Currency) -> i64 {
    amounts
        .filter(|amount| amount.currency == currency)
        .fold(0, |sum, amount| sum.saturating_add(amount.minor))
}

/// The wallet as its events left it. Balances are folds and are never written by a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet {
    /// Owner and currency; `None` before the first posting.
    pub id: Option<WalletId>,
    /// Booked balance, minor units.
    pub posted_minor: i64,
    /// Sum of active holds, minor units.
    pub held_minor: i64,
    /// Refused commands so far.
    pub refusals: u64,
    holds: BTreeMap<HoldId, Hold>,
    booked: BTreeMap<TransactionId, Booked>,
}

impl Wallet {
    /// What can be spent: posted − held, minor units.
    #[must_use]
    pub const fn available_minor(&self) -> i64 {
        self.posted_minor.saturating_sub(self.held_minor)
    }

    /// A hold by its id.
    #[must_use]
    pub fn hold(&self, id: HoldId) -> Option<&Hold> {
        self.holds.get(&id)
    }

    /// Whether a transaction was booked here.
    #[must_use]
    pub fn has_booked(&self, id: TransactionId) -> bool {
        self.booked.contains_key(&id)
    }

    /// A booked transaction by its id.
    #[must_use]
    pub fn transaction(&self, id: TransactionId) -> Option<&Transaction> {
        self.booked.get(&id).map(|booked| &booked.transaction)
    }

    fn evolve(&mut self, event: WalletEvent) {
        match event {
            WalletEvent::WalletOpened { wallet_id } => self.id = Some(wallet_id),
            WalletEvent::TransactionPosted { transaction } => self.book(transaction),
            WalletEvent::HoldPlaced {
                hold_id,
                amount,
                purpose,
                expires_at,
            } => {
                self.held_minor = self.held_minor.saturating_add(amount.minor);
                let hold = Hold {
                    left_minor: amount.minor,
                    expires_at,
                    purpose,
                    state: HoldState::Active,
                };
                self.holds.insert(hold_id, hold);
            }
            WalletEvent::HoldCaptured {
                hold_id,
                transaction,
            } => {
                let spent = self.spent_by(&transaction);
                self.shrink_hold(hold_id, spent, HoldState::Captured);
                self.book(transaction);
            }
            WalletEvent::HoldReleased {
                hold_id, amount, ..
            } => {
                self.shrink_hold(hold_id, amount.minor, HoldState::Released);
            }
            WalletEvent::HoldExpired { hold_id, amount } => {
                self.shrink_hold(hold_id, amount.minor, HoldState::Expired);
            }
            WalletEvent::TransactionReversed {
                original_id,
                transaction,
            } => {
                if let Some(original) = self.booked.get_mut(&original_id) {
                    original.undo(&transaction);
                }
                self.book(transaction);
            }
            WalletEvent::CommandRefused { .. } => self.refusals = self.refusals.saturating_add(1),
        }
    }

    fn book(&mut self, transaction: Transaction) {
        let effect = self.effect_of(&transaction);
        self.posted_minor = self.posted_minor.saturating_add(effect);
        self.booked.insert(transaction.id, Booked::new(transaction));
    }

    fn shrink_hold(&mut self, hold_id: HoldId, by_minor: i64, state_at_zero: HoldState) {
        self.held_minor = self.held_minor.saturating_sub(by_minor);
        if let Some(hold) = self.holds.get_mut(&hold_id) {
            hold.left_minor = hold.left_minor.saturating_sub(by_minor);
            if hold.left_minor == 0 {
                hold.state = state_at_zero;
            }
        }
    }

    /// Effect on this wallet's balance; decisions have refused what does not fit before it became an event.
    fn effect_of(&self, transaction: &Transaction) -> i64 {
        self.id.map_or(0, |id| {
            transaction
                .effect_on(Account::Wallet(id))
                .unwrap_or_default()
        })
    }

    fn spent_by(&self, transaction: &Transaction) -> i64 {
        self.effect_of(transaction).saturating_neg()
    }
}

aggregate!(
    Wallet,
    "wallet",
    WalletCommand,
    WalletEvent {
        WalletOpened,
        TransactionPosted,
        HoldPlaced,
        HoldCaptured,
        HoldReleased,
        HoldExpired,
        TransactionReversed,
        CommandRefused,
    }
);
