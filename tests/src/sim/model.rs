//! What the books must be: plain maps that follow the log, and every promise checked at every append.
//!
//! The model books twice. The wallets' own events say what was booked; the events of payments, payouts, refunds, transfers
//! and the rest say what should have been. After each append the two must agree, and the providers' own books must bear
//! them out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kvit_domain::adjustment::AdjustmentEvent;
use kvit_domain::claim::ProviderObjectEvent;
use kvit_domain::event::{RecordedEvent, metadata};
use kvit_domain::ids::{
    AdjustmentId, HoldId, PaymentId, PayoutId, TransactionId, TransferId, WalletId,
};
use kvit_domain::journal::JournalEvent;
use kvit_domain::ledger::{Account, Leg, ProviderName, Side, Transaction};
use kvit_domain::money::{Currency, Money};
use kvit_domain::provider::ProviderEvent;
use kvit_domain::quota::QuotaEvent;
use kvit_domain::receipt::ReceiptEvent;
use kvit_domain::transfer::{TransferEvent, TransferTerms};
use kvit_domain::wallet::WalletEvent;

use super::model_payments::PaymentModel;
use super::model_payouts::PayoutModel;
use super::world::World;

/// A broken promise, in words.
pub type Broken = String;

/// A hold.
#[derive(Debug, Clone)]
pub struct HoldModel {
    /// How much at first.
    pub amount: i64,
    /// What is left.
    pub left: i64,
    /// What for.
    pub purpose: String,
    /// When it expires.
    pub expires_at: chrono::DateTime<chrono::Utc>,
}

/// A wallet.
#[derive(Debug, Clone, Default)]
pub struct Purse {
    /// Sum of its legs.
    pub posted: i64,
    /// What the rest of the log says it should be.
    pub due: i64,
    /// Its holds.
    pub holds: BTreeMap<HoldId, HoldModel>,
}

impl Purse {
    /// Sum of what is held.
    #[must_use]
    pub fn held(&self) -> i64 {
        self.holds.values().map(|hold| hold.left).sum()
    }

    /// What can be spent.
    #[must_use]
    pub fn available(&self) -> i64 {
        self.posted - self.held()
    }
}

/// A booked transaction and what of it was undone.
#[derive(Debug, Clone)]
pub struct BookedModel {
    /// On which wallet's stream, if on one.
    pub wallet: Option<WalletId>,
    /// What was booked.
    pub transaction: Transaction,
    undone: BTreeMap<(Account, bool), i64>,
}

/// The books.
pub struct Model {
    /// Daily budgets: Portmone in UAH, YooKassa in RUB.
    pub budgets: [Option<i64>; 2],
    /// Wallets.
    pub purses: BTreeMap<WalletId, Purse>,
    /// Accounts: debits less credits.
    pub accounts: BTreeMap<(Account, Currency), i128>,
    /// Transactions.
    pub booked: BTreeMap<TransactionId, BookedModel>,
    /// Payments.
    pub payments: BTreeMap<PaymentId, PaymentModel>,
    /// Payouts.
    pub payouts: BTreeMap<PayoutId, PayoutModel>,
    /// Transfers: what was asked for, and how it ended.
    pub transfers: BTreeMap<TransferId, (TransferTerms, Option<bool>)>,
    /// Adjustments: what was proposed by whom, and whether it was booked.
    pub adjustments: BTreeMap<AdjustmentId, (Transaction, WalletId, String, Option<bool>)>,
    /// Providers that a person has stopped.
    pub stopped: BTreeSet<String>,
    /// What people have announced to book directly.
    pub announced: BTreeMap<TransactionId, (WalletId, i64)>,
    /// Which operation owns a provider's object.
    objects: BTreeMap<String, String>,
    /// What was credited or given back, by the provider's id: each at most once.
    pub settled_objects: BTreeSet<String>,
    /// Daily budgets as taken.
    pub quotas: BTreeMap<String, BTreeMap<String, i64>>,
    /// Recorded refusals by the request that they answer.
    refusals: BTreeMap<String, u64>,
    /// Rewards that were booked.
    rewards: BTreeSet<String>,
}

impl Model {
    /// Empty books.
    #[must_use]
    pub fn new(budgets: [Option<i64>; 2]) -> Self {
        Self {
            budgets,
            purses: BTreeMap::new(),
            accounts: BTreeMap::new(),
            booked: BTreeMap::new(),
            payments: BTreeMap::new(),
            payouts: BTreeMap::new(),
            transfers: BTreeMap::new(),
            adjustments: BTreeMap::new(),
            stopped: BTreeSet::new(),
            announced: BTreeMap::new(),
            objects: BTreeMap::new(),
            settled_objects: BTreeSet::new(),
            quotas: BTreeMap::new(),
            refusals: BTreeMap::new(),
            rewards: BTreeSet::new(),
        }
    }

    /// The daily budget of a provider.
    #[must_use]
    pub fn budget(&self, provider: ProviderName) -> Option<i64> {
        match provider {
            ProviderName::Portmone => self.budgets[0],
            ProviderName::Yookassa => self.budgets[1],
            ProviderName::Telegram => None,
        }
    }

    /// How many refusals were recorded for a request.
    #[must_use]
    pub fn refusals(&self, request: &str) -> u64 {
        self.refusals.get(request).copied().unwrap_or(0)
    }

    /// Says that the wallet should have changed.
    pub fn due(&mut self, wallet: WalletId, minor: i64) {
        self.purses.entry(wallet).or_default().due += minor;
    }

    /// Follows one append.
    ///
    /// # Errors
    /// The first promise that it breaks.
    pub fn follow(
        &mut self,
        world: &Arc<World>,
        events: &[Arc<RecordedEvent>],
    ) -> Result<(), Broken> {
        // What happened first, then what was booked for it: they came in one append, and the books as they were before are
        // needed to say what should follow.
        for event in events {
            self.happened(world, event).map_err(|why| {
                format!(
                    "{} at #{} {}: {why}",
                    event.stream, event.position, event.event_type
                )
            })?;
        }
        let mut touched = BTreeSet::new();
        for event in events {
            self.booked(world, event, &mut touched).map_err(|why| {
                format!(
                    "{} at #{} {}: {why}",
                    event.stream, event.position, event.event_type
                )
            })?;
        }
        for wallet in touched {
            self.check_purse(wallet)?;
        }
        self.check_totals()
    }

    fn happened(&mut self, world: &Arc<World>, event: &RecordedEvent) -> Result<(), Broken> {
        let id = event.stream.aggregate_id.as_str();
        match event.stream.aggregate_type.as_str() {
            "payment" => self.payment_happened(world, parsed(id)?, decoded(event)?),
            "payout" => self.payout_happened(world, parsed(id)?, decoded(event)?),
            "transfer" => self.transfer_happened(parsed(id)?, decoded(event)?),
            "adjustment" => self.adjustment_happened(parsed(id)?, decoded(event)?),
            "provider" => {
                match decoded::<ProviderEvent>(event)? {
                    ProviderEvent::ProviderStopped { .. } => self.stopped.insert(id.to_owned()),
                    ProviderEvent::ProviderResumed { .. } => self.stopped.remove(id),
                    _ => false,
                };
                Ok(())
            }
            "provider_object" => {
                let ProviderObjectEvent::ObjectClaimed { operation, .. } = decoded(event)?;
                match self.objects.insert(id.to_owned(), operation) {
                    None => Ok(()),
                    Some(owner) => Err(format!("it belonged to {owner}")),
                }
            }
            "quota" => self.quota_happened(id, decoded(event)?),
            "receipt" => {
                if let ReceiptEvent::RewardPosted {
                    user_id, amount, ..
                } = decoded(event)?
                {
                    if !self.rewards.insert(id.to_owned()) {
                        return Err("a reward was posted twice".to_owned());
                    }
                    let user = WalletId {
                        user: user_id,
                        currency: amount.currency,
                    };
                    self.due(user, amount.minor);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn transfer_happened(&mut self, id: TransferId, event: TransferEvent) -> Result<(), Broken> {
        match event {
            TransferEvent::TransferRequested { terms } => {
                if self.transfers.insert(id, (terms, None)).is_some() {
                    return Err("it was requested twice".to_owned());
                }
                Ok(())
            }
            TransferEvent::FundsHeld { .. } => Ok(()),
            TransferEvent::TransferCompleted { .. } => {
                let terms = self.end_transfer(id, true)?;
                self.due(terms.from, -terms.amount.minor);
                self.due(terms.to, terms.credited.minor);
                Ok(())
            }
            TransferEvent::TransferFailed { .. } => self.end_transfer(id, false).map(|_| ()),
        }
    }

    fn end_transfer(&mut self, id: TransferId, done: bool) -> Result<TransferTerms, Broken> {
        let (terms, end) = self
            .transfers
            .get_mut(&id)
            .ok_or("it was never requested")?;
        if end.replace(done).is_some() {
            return Err("it had ended before".to_owned());
        }
        Ok(terms.clone())
    }

    fn adjustment_happened(
        &mut self,
        id: AdjustmentId,
        event: AdjustmentEvent,
    ) -> Result<(), Broken> {
        match event {
            AdjustmentEvent::AdjustmentProposed {
                wallet_id,
                transaction,
                by,
                ..
            } => {
                let known = self
                    .adjustments
                    .insert(id, (transaction, wallet_id, by, None));
                if known.is_some() {
                    return Err("it was proposed twice".to_owned());
                }
                Ok(())
            }
            AdjustmentEvent::AdjustmentApproved { by, .. } => match self.adjustments.get(&id) {
                Some((_, _, proposer, None)) if *proposer != by => Ok(()),
                _ => Err(format!("{by} could approve it")),
            },
            AdjustmentEvent::AdjustmentPosted { .. } => {
                let (transaction, wallet, _, end) = self
                    .adjustments
                    .get_mut(&id)
                    .ok_or("it was never proposed")?;
                if end.replace(true).is_some() {
                    return Err("it had ended before".to_owned());
                }
                let (wallet, minor) = (
                    *wallet,
                    effect_on(&transaction.legs, Account::Wallet(*wallet)),
                );
                self.due(wallet, minor);
                Ok(())
            }
            AdjustmentEvent::AdjustmentDeclined { .. } => {
                let (_, _, _, end) = self
                    .adjustments
                    .get_mut(&id)
                    .ok_or("it was never proposed")?;
                if end.replace(false).is_some() {
                    return Err("it had ended before".to_owned());
                }
                Ok(())
            }
        }
    }

    fn quota_happened(&mut self, id: &str, event: QuotaEvent) -> Result<(), Broken> {
        let takers = self.quotas.entry(id.to_owned()).or_default();
        match event {
            QuotaEvent::QuotaTaken { taker, units } => {
                takers.insert(taker, units);
            }
            QuotaEvent::QuotaReturned { taker, .. } => {
                takers.remove(&taker);
            }
        }
        let used: i64 = takers.values().sum();
        let provider = id.split(':').nth(1).and_then(ProviderName::by_code);
        match provider.and_then(|provider| self.budget(provider)) {
            Some(limit) if id.starts_with("payouts:") && used > limit => {
                Err(format!("{used} of {limit} are taken"))
            }
            _ => Ok(()),
        }
    }

    fn booked(
        &mut self,
        world: &Arc<World>,
        event: &RecordedEvent,
        touched: &mut BTreeSet<WalletId>,
    ) -> Result<(), Broken> {
        match event.stream.aggregate_type.as_str() {
            "wallet" => {
                let wallet: WalletId = parsed(&event.stream.aggregate_id)?;
                touched.insert(wallet);
                if event.event_type == "CommandRefused" {
                    // The commands of a bulk have keys that begin with the bulk's.
                    let key = event.meta(metadata::IDEMPOTENCY_KEY).unwrap_or_default();
                    let request = key.split(":bulk:").next().unwrap_or_default();
                    *self.refusals.entry(request.to_owned()).or_default() += 1;
                }
                self.wallet_booked(world, wallet, decoded(event)?)
            }
            "journal" => match decoded::<JournalEvent>(event)? {
                JournalEvent::TransactionPosted { transaction } => self.book(None, transaction),
                JournalEvent::TransactionReversed {
                    original_id,
                    transaction,
                } => self.undo(None, original_id, transaction),
            },
            "payout" | "payment" | "transfer" | "adjustment" | "receipt" => {
                touched.extend(self.unsettled());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Wallets about which something was said that is not booked yet.
    fn unsettled(&self) -> Vec<WalletId> {
        let all = self.purses.iter();
        all.filter(|(_, purse)| purse.posted != purse.due)
            .map(|(id, _)| *id)
            .collect()
    }

    fn wallet_booked(
        &mut self,
        world: &Arc<World>,
        wallet: WalletId,
        event: WalletEvent,
    ) -> Result<(), Broken> {
        match event {
            WalletEvent::WalletOpened { wallet_id } if wallet_id == wallet => Ok(()),
            WalletEvent::WalletOpened { .. } => Err("it opens another wallet".to_owned()),
            WalletEvent::TransactionPosted { transaction } => self.book(Some(wallet), transaction),
            WalletEvent::HoldPlaced {
                hold_id,
                amount,
                purpose,
                expires_at,
            } => {
                let hold = HoldModel {
                    amount: amount.minor,
                    left: amount.minor,
                    purpose,
                    expires_at,
                };
                let purse = self.purses.entry(wallet).or_default();
                match purse.holds.insert(hold_id, hold) {
                    None => Ok(()),
                    Some(_) => Err("a hold was placed twice".to_owned()),
                }
            }
            WalletEvent::HoldCaptured {
                hold_id,
                transaction,
            } => {
                let spent = -effect_on(&transaction.legs, Account::Wallet(wallet));
                self.shrink(wallet, hold_id, spent)?;
                self.book(Some(wallet), transaction)
            }
            WalletEvent::HoldReleased {
                hold_id, amount, ..
            } => {
                let hold = self.shrink(wallet, hold_id, amount.minor)?;
                if hold.left != 0 {
                    return Err("a release leaves something held".to_owned());
                }
                self.check_release(world, &hold)
            }
            WalletEvent::HoldExpired { hold_id, amount } => {
                let hold = self.shrink(wallet, hold_id, amount.minor)?;
                let kind = hold.purpose.split(':').next().unwrap_or_default();
                if matches!(kind, "payout" | "refund") {
                    return Err(format!("the hold of {} has expired", hold.purpose));
                }
                // No clock here is wrong by more than this.
                if world.now() + chrono::TimeDelta::minutes(11) < hold.expires_at {
                    return Err("a hold has expired before its time".to_owned());
                }
                Ok(())
            }
            WalletEvent::TransactionReversed {
                original_id,
                transaction,
            } => self.undo(Some(wallet), original_id, transaction),
            WalletEvent::CommandRefused { .. } => Ok(()),
        }
    }

    fn shrink(&mut self, wallet: WalletId, hold_id: HoldId, by: i64) -> Result<HoldModel, Broken> {
        let purse = self.purses.entry(wallet).or_default();
        let hold = purse
            .holds
            .get_mut(&hold_id)
            .ok_or("there is no such hold")?;
        if by <= 0 || by > hold.left {
            return Err(format!(
                "{by} are taken from a hold of {} with {} left",
                hold.amount, hold.left
            ));
        }
        hold.left -= by;
        Ok(hold.clone())
    }

    /// Books a transaction, which must balance and be new; a wallet's change must have been announced.
    fn book(&mut self, wallet: Option<WalletId>, transaction: Transaction) -> Result<(), Broken> {
        let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
        for leg in &transaction.legs {
            if leg.amount.minor <= 0 {
                return Err("a leg of nothing or less".to_owned());
            }
            let signed = signed(leg);
            *sums.entry(leg.amount.currency).or_default() += signed;
            *self
                .accounts
                .entry((leg.account, leg.amount.currency))
                .or_default() += signed;
            if let Account::Wallet(own) = leg.account {
                if Some(own) != wallet {
                    return Err(format!("a leg on {own} on another stream"));
                }
                self.purses.entry(own).or_default().posted -= i64::try_from(signed).unwrap_or(0);
            }
        }
        if let Some((currency, sum)) = sums.iter().find(|(_, sum)| **sum != 0) {
            return Err(format!("debits and credits differ by {sum} {currency}"));
        }
        if let Some((wallet, minor)) = self.announced.get(&transaction.id) {
            let (wallet, minor) = (*wallet, *minor);
            self.due(wallet, minor);
        }
        let id = transaction.id;
        let booked = BookedModel {
            wallet,
            transaction,
            undone: BTreeMap::new(),
        };
        match self.booked.insert(id, booked) {
            None => Ok(()),
            Some(_) => Err(format!("transaction {id} was booked twice")),
        }
    }

    fn undo(
        &mut self,
        wallet: Option<WalletId>,
        original_id: TransactionId,
        transaction: Transaction,
    ) -> Result<(), Broken> {
        let original = self
            .booked
            .get_mut(&original_id)
            .ok_or("what was reversed was never booked")?;
        for leg in &transaction.legs {
            let place = (leg.account, leg.side == Side::Credit);
            let undone = original.undone.entry(place).or_default();
            *undone += leg.amount.minor;
            let put: i64 = original
                .transaction
                .legs
                .iter()
                .filter(|one| one.account == leg.account && one.side != leg.side)
                .map(|one| one.amount.minor)
                .sum();
            if *undone > put {
                return Err(format!("{undone} of {put} are undone on {}", leg.account));
            }
        }
        self.book(wallet, transaction)
    }

    fn check_purse(&self, wallet: WalletId) -> Result<(), Broken> {
        let Some(purse) = self.purses.get(&wallet) else {
            return Ok(());
        };
        if purse.posted != purse.due {
            return Err(format!(
                "{wallet} has {} and should have {}",
                purse.posted, purse.due
            ));
        }
        if purse.available() < 0 {
            return Err(format!(
                "{wallet} has {} and holds {}",
                purse.posted,
                purse.held()
            ));
        }
        Ok(())
    }

    fn check_totals(&self) -> Result<(), Broken> {
        let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
        for ((_, currency), sum) in &self.accounts {
            *sums.entry(*currency).or_default() += sum;
        }
        match sums.iter().find(|(_, sum)| **sum != 0) {
            None => Ok(()),
            Some((currency, sum)) => Err(format!("the ledger is off by {sum} {currency}")),
        }
    }

    /// A hold that is given up: nothing may be paid for it any more.
    fn check_release(&self, world: &Arc<World>, hold: &HoldModel) -> Result<(), Broken> {
        let Some((kind, id)) = hold.purpose.split_once(':') else {
            return Ok(());
        };
        match kind {
            "payout" => self.check_payout_release(world, parsed(id)?),
            "refund" => self.check_refund_release(world, id),
            "transfer" => match self.transfers.get(&parsed(id)?) {
                Some((_, Some(_))) => Ok(()),
                _ => Err("the hold of an open transfer is released".to_owned()),
            },
            _ => Ok(()),
        }
    }

    /// What an account holds on its debit side.
    #[must_use]
    pub fn account(&self, account: Account, currency: Currency) -> i128 {
        self.accounts
            .get(&(account, currency))
            .copied()
            .unwrap_or_default()
    }
}

/// Above zero on the debit side.
fn signed(leg: &Leg) -> i128 {
    let minor = i128::from(leg.amount.minor);
    match leg.side {
        Side::Debit => minor,
        Side::Credit => -minor,
    }
}

/// What legs do to a wallet.
#[must_use]
pub fn effect_on(legs: &[Leg], account: Account) -> i64 {
    let own = legs.iter().filter(|leg| leg.account == account);
    let sum: i128 = own.map(|leg| -signed(leg)).sum();
    i64::try_from(sum).unwrap_or(0)
}

/// The wallet of somebody for an amount.
#[must_use]
pub fn wallet_of(user: kvit_domain::ids::UserId, amount: Money) -> WalletId {
    WalletId {
        user,
        currency: amount.currency,
    }
}

pub(super) fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, Broken> {
    text.parse().map_err(|_| format!("{text} is no id"))
}

fn decoded<E: cqrs_es::DomainEvent>(event: &RecordedEvent) -> Result<E, Broken> {
    event.decode().map_err(|fault| fault.to_string())
}
