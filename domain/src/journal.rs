//! Bookings that concern no wallet: a provider's fees, its settlement to the bank, money that cannot be matched yet.
//!
//! The stream's id names what they come from (`settlement:yookassa:20261120`), so booking the same thing twice meets the
//! first booking. Like the operator's accounts in a wallet's transactions, these bookings can never be refused for lack
//! of funds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::aggregate::{Decide, aggregate};
use crate::ids::TransactionId;
use crate::ledger::{Account, Transaction};
use crate::rejection::Rejection;

/// What happened to a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JournalEvent {
    /// A balanced transaction was booked.
    TransactionPosted {
        /// With all its legs, none of them on a wallet.
        transaction: Transaction,
    },
    /// An earlier transaction was undone by its opposite.
    TransactionReversed {
        /// The original.
        original_id: TransactionId,
        /// The opposite booking.
        transaction: Transaction,
    },
}

/// What can be asked of a journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum JournalCommand {
    /// Book a transaction; the same one twice is booked once.
    Post {
        /// The transaction.
        transaction: Transaction,
    },
    /// Undo a transaction as a whole, once.
    Reverse {
        /// The original.
        original_id: TransactionId,
        /// Id of the opposite transaction.
        transaction_id: TransactionId,
        /// Its value date.
        value_date: chrono::NaiveDate,
    },
}

/// The journal as its events left it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    booked: BTreeMap<TransactionId, Transaction>,
    reversed: BTreeMap<TransactionId, TransactionId>,
}

impl Journal {
    /// A booked transaction by its id.
    #[must_use]
    pub fn transaction(&self, id: TransactionId) -> Option<&Transaction> {
        self.booked.get(&id)
    }

    fn evolve(&mut self, event: JournalEvent) {
        match event {
            JournalEvent::TransactionPosted { transaction } => {
                self.booked.insert(transaction.id, transaction);
            }
            JournalEvent::TransactionReversed {
                original_id,
                transaction,
            } => {
                self.reversed.insert(original_id, transaction.id);
                self.booked.insert(transaction.id, transaction);
            }
        }
    }
}

impl Decide for Journal {
    fn decide(&self, command: &JournalCommand) -> Result<Vec<JournalEvent>, Rejection> {
        match command {
            JournalCommand::Post { transaction } => {
                if let Some(known) = self.booked.get(&transaction.id) {
                    return if known == transaction {
                        Ok(vec![])
                    } else {
                        Err(Rejection::new(
                            "idempotency_conflict",
                            "the id belongs to another transaction",
                        ))
                    };
                }
                transaction.validate()?;
                if transaction
                    .legs
                    .iter()
                    .any(|leg| matches!(leg.account, Account::Wallet(_)))
                {
                    return Err(Rejection::new(
                        "invalid_command",
                        "a journal books no wallet; post to the wallet itself",
                    ));
                }
                Ok(vec![JournalEvent::TransactionPosted {
                    transaction: transaction.clone(),
                }])
            }
            JournalCommand::Reverse {
                original_id,
                transaction_id,
                value_date,
            } => {
                let original = self.booked.get(original_id).ok_or_else(|| {
                    Rejection::new("not_found", "this journal has no such transaction")
                })?;
                match self.reversed.get(original_id) {
                    Some(by) if by == transaction_id => Ok(vec![]),
                    Some(by) => Err(Rejection::new(
                        "already_reversed",
                        "the transaction was reversed before",
                    )
                    .with("reversed_by", by)),
                    None => Ok(vec![JournalEvent::TransactionReversed {
                        original_id: *original_id,
                        transaction: original.reversed(*transaction_id, *value_date),
                    }]),
                }
            }
        }
    }
}

aggregate!(
    Journal,
    "journal",
    JournalCommand,
    JournalEvent {
        TransactionPosted,
        TransactionReversed
    }
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use cqrs_es::test::TestFramework;

    use super::*;
    use crate::ids::{UserId, WalletId};
    use crate::ledger::{ProviderName, TransactionKind};
    use crate::money::{Currency, Money};

    fn fee(credit: Account) -> Transaction {
        Transaction::simple(
            TransactionId::derived("t", "fee"),
            TransactionKind::Fee,
            Account::Fees(ProviderName::Yookassa),
            credit,
            Money::new(350, Currency::Rub),
            chrono::NaiveDate::from_ymd_opt(2026, 11, 20).unwrap(),
            "r",
        )
    }

    #[test]
    fn the_same_booking_twice_is_booked_once() {
        let transaction = fee(Account::PaymentsClearing(ProviderName::Yookassa));
        let posted = JournalEvent::TransactionPosted {
            transaction: transaction.clone(),
        };
        let post = JournalCommand::Post { transaction };
        TestFramework::<Journal>::with(())
            .given_no_previous_events()
            .when(post.clone())
            .then_expect_events(vec![posted.clone()]);
        TestFramework::<Journal>::with(())
            .given(vec![posted])
            .when(post)
            .then_expect_events(vec![]);
    }

    #[test]
    fn a_wallet_cannot_be_booked_past_its_own_stream() {
        let wallet = Account::Wallet(WalletId {
            user: UserId::derived("t", "u"),
            currency: Currency::Rub,
        });
        let refused = Journal::default().decide(&JournalCommand::Post {
            transaction: fee(wallet),
        });
        assert_eq!(refused.unwrap_err().code, "invalid_command");
    }
}
