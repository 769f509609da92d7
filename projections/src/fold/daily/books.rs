//! Figures of the ledger: holds, transactions, accounts, and what moved between us and the providers.

use kvit_domain::ids::WalletId;
use kvit_domain::journal::JournalEvent;
use kvit_domain::ledger::{Account, Side, Transaction};
use kvit_domain::money::Money;
use kvit_domain::wallet::WalletEvent;

use super::super::ledger;
use super::{Day, figure, flows};
use crate::log::FoldError;

impl Day<'_> {
    pub(super) fn wallet(
        &mut self,
        wallet_id: WalletId,
        change: &WalletEvent,
    ) -> Result<(), FoldError> {
        let money = |minor| Money::new(minor, wallet_id.currency);
        match change {
            WalletEvent::WalletOpened { .. } => {}
            WalletEvent::TransactionPosted { transaction }
            | WalletEvent::TransactionReversed { transaction, .. } => {
                self.transaction(wallet_id, transaction)?;
            }
            WalletEvent::HoldPlaced { amount, .. } => {
                self.add(figure::HOLDS, "placed", 1, Some(*amount));
                self.add(figure::HELD, "", 0, Some(*amount));
            }
            WalletEvent::HoldCaptured { transaction, .. } => {
                let effect = self.transaction(wallet_id, transaction)?;
                let spent = effect.checked_neg().ok_or(FoldError::Overflow)?;
                self.add(figure::HOLDS, "captured", 1, Some(money(spent)));
                self.add(figure::HELD, "", 0, Some(money(effect)));
            }
            WalletEvent::HoldReleased { amount, .. } => self.let_go("released", *amount),
            WalletEvent::HoldExpired { amount, .. } => self.let_go("expired", *amount),
            WalletEvent::CommandRefused { rejection, .. } => {
                self.add(figure::REFUSALS, &rejection.code, 1, None);
            }
        }
        Ok(())
    }

    fn let_go(&mut self, how: &str, amount: Money) {
        self.add(figure::HOLDS, how, 1, Some(amount));
        let back = Money::new(amount.minor.saturating_neg(), amount.currency);
        self.add(figure::HELD, "", 0, Some(back));
    }

    /// Counts a transaction and what it does to each account; answers its effect on the wallet.
    fn transaction(
        &mut self,
        wallet_id: WalletId,
        transaction: &Transaction,
    ) -> Result<i64, FoldError> {
        let effect = transaction
            .effect_on(Account::Wallet(wallet_id))
            .map_err(|_| FoldError::Overflow)?;
        self.booked(transaction, Money::new(effect, wallet_id.currency))?;
        Ok(effect)
    }

    /// Bookings that concern no wallet.
    pub(super) fn journal(&mut self, change: &JournalEvent) -> Result<(), FoldError> {
        let (JournalEvent::TransactionPosted { transaction }
        | JournalEvent::TransactionReversed { transaction, .. }) = change;
        let first = transaction.legs.first();
        let currency = first
            .map(|leg| leg.amount.currency)
            .ok_or(FoldError::Law("a transaction has no legs"))?;
        self.booked(transaction, Money::new(0, currency))
    }

    /// A transaction, what it does to the wallets, to each account, and between us and a provider.
    fn booked(&mut self, transaction: &Transaction, effect: Money) -> Result<(), FoldError> {
        let kind = ledger::kind_code(transaction.kind);
        self.add(figure::TRANSACTION, kind, 1, Some(effect));
        for flow in flows::of(transaction)? {
            self.add(figure::FLOW, &flow.detail(), 1, Some(flow.amount));
        }
        for leg in &transaction.legs {
            let account = match leg.account {
                Account::Wallet(_) => "wallets".to_owned(),
                other => other.to_string(),
            };
            let grows: Side = leg.account.normal_side();
            let minor = if leg.side == grows {
                leg.amount.minor
            } else {
                leg.amount.minor.saturating_neg()
            };
            let money = Money::new(minor, leg.amount.currency);
            self.add(figure::ACCOUNT, &account, 1, Some(money));
        }
        Ok(())
    }
}
