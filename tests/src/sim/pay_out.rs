//! The providers of payouts, with books of their own: what they say is the truth about the money.
//!
//! Portmone makes bills that are paid by their id; whether a bill moves money once is a matter of the contract, and without
//! that contract it moves money as often as it is asked to. YooKassa makes a payout for each key that it does not remember.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kvit_commands::ports::payout::{BillStatus, BillView, PayoutOrder, RefusalKind, Repay};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::{Currency, Money};

use super::notices::notify;
use super::pay_in::KEY_LIFETIME;
use super::plan::Kind;
use super::world::World;

/// One thing that can move money.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The provider's id: the bill's, or the payout's.
    pub id: String,
    /// Our operation.
    pub operation: String,
    /// Its attempt.
    pub attempt: u32,
    /// How much.
    pub amount: Money,
    /// Where it stands.
    pub status: BillStatus,
    /// How often money has moved.
    pub moves: u32,
    created_at: DateTime<Utc>,
}

#[derive(Default)]
struct Books {
    sent: BTreeMap<String, Sent>,
    keys: BTreeMap<String, (DateTime<Utc>, String)>,
    last: u64,
}

/// The books.
pub struct PayOut {
    /// Whose.
    pub provider: ProviderName,
    pays_once: bool,
    books: Mutex<Books>,
}

/// What the provider refuses: its code and kind.
pub type Refused = (&'static str, RefusalKind);

/// What becomes of a paying call.
enum Course {
    Paid,
    Pending,
    Rejected,
    NoDeposit,
}

impl PayOut {
    /// Portmone's, by the contract about bills.
    #[must_use]
    pub fn portmone(pays_once: bool) -> Self {
        Self {
            provider: ProviderName::Portmone,
            pays_once,
            books: Mutex::default(),
        }
    }

    /// YooKassa's.
    #[must_use]
    pub fn yookassa() -> Self {
        Self {
            provider: ProviderName::Yookassa,
            pays_once: true,
            books: Mutex::default(),
        }
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the worker is told about paying again.
    #[must_use]
    pub const fn repays_created(&self) -> bool {
        self.pays_once
    }

    /// What the port says about paying again.
    #[must_use]
    pub fn repay(&self) -> Repay {
        match self.provider {
            ProviderName::Yookassa => Repay::Within(KEY_LIFETIME),
            _ => Repay::Always,
        }
    }

    /// Everything that was made for an operation.
    #[must_use]
    pub fn of(&self, operation: &str) -> Vec<Sent> {
        let books = self.books();
        let all = books.sent.values();
        all.filter(|one| one.operation == operation)
            .cloned()
            .collect()
    }

    /// How often money has moved for an operation, taken back or not.
    #[must_use]
    pub fn moves(&self, operation: &str) -> u32 {
        self.of(operation).iter().map(|one| one.moves).sum()
    }

    /// The bill of an operation whose money was taken back.
    #[must_use]
    pub fn is_taken_back(&self, operation: &str) -> Option<String> {
        let sent = self.of(operation).into_iter();
        sent.filter(|one| one.status == BillStatus::Reversed)
            .map(|one| one.id)
            .next()
    }

    /// Whether a paying call for this bill, or under this key, would move money or set it in motion.
    #[must_use]
    pub fn would_pay(&self, now: DateTime<Utc>, under: &str) -> bool {
        let books = self.books();
        if self.provider == ProviderName::Yookassa {
            let lifetime = TimeDelta::from_std(KEY_LIFETIME).unwrap_or_default();
            return books
                .keys
                .get(under)
                .is_none_or(|(at, _)| now - *at >= lifetime);
        }
        books.sent.get(under).is_some_and(|one| {
            one.status == BillStatus::Created
                || (!self.pays_once && one.status != BillStatus::Rejected)
        })
    }

    /// Whether something at the provider can still move money for an operation by itself.
    #[must_use]
    pub fn is_pending(&self, operation: &str) -> bool {
        let sent = self.of(operation);
        sent.iter().any(|one| one.status == BillStatus::Pending)
    }

    /// What went out and stayed out, by currency.
    #[must_use]
    pub fn balances(&self) -> BTreeMap<Currency, i64> {
        let mut sums = BTreeMap::new();
        for one in self.books().sent.values() {
            let back = i64::from(one.status == BillStatus::Reversed);
            let net = i64::from(one.moves) - back;
            *sums.entry(one.amount.currency).or_insert(0) += net * one.amount.minor;
        }
        sums
    }

    /// Makes a bill; each call makes another one.
    ///
    /// # Errors
    /// When the number is not of this operator.
    pub fn create(&self, world: &Arc<World>, order: &PayoutOrder) -> Result<BillView, Refused> {
        // A ported number: its true operator is another than its prefix says.
        if let Some(operator) = order.operator
            && operator != world.true_operator(&order.phone)
        {
            return Err(("payee_not_found", RefusalKind::Destination));
        }
        let mut books = self.books();
        let made = new_sent(&mut books, "bill", order, world.now());
        drop(books);
        world.step(format_args!("{} for {}", made.id, made.operation));
        Ok(view(&made, &made.id))
    }

    /// Pays a bill, or under a key.
    ///
    /// # Errors
    /// The provider's refusal.
    pub fn pay(
        &self,
        world: &Arc<World>,
        order: &PayoutOrder,
        bill_id: &str,
    ) -> Result<BillView, Refused> {
        let now = world.now();
        let course = match world.fate.below(20) {
            0..=11 => Course::Paid,
            12..=15 => Course::Pending,
            16 => Course::Rejected,
            17 | 18 => Course::NoDeposit,
            _ => Course::Paid,
        };
        let mut books = self.books();
        let id = if self.provider == ProviderName::Yookassa {
            let lifetime = TimeDelta::from_std(KEY_LIFETIME).unwrap_or_default();
            match books.keys.get(bill_id) {
                Some((at, id)) if now - *at < lifetime => {
                    return books
                        .sent
                        .get(id)
                        .map(|one| view(one, bill_id))
                        .ok_or(("not_found", RefusalKind::Permanent));
                }
                _ => {
                    let made = new_sent(&mut books, "po", order, now);
                    books
                        .keys
                        .insert(bill_id.to_owned(), (now, made.id.clone()));
                    made.id
                }
            }
        } else {
            bill_id.to_owned()
        };
        let Some(sent) = books.sent.get_mut(&id) else {
            return Err(("bill_not_found", RefusalKind::Permanent));
        };
        let mut moved = false;
        match (&sent.status, course) {
            (BillStatus::Created, Course::Paid) => moved = true,
            (BillStatus::Created, Course::Pending) => sent.status = BillStatus::Pending,
            (BillStatus::Created, Course::Rejected) => sent.status = BillStatus::Rejected,
            (BillStatus::Created, Course::NoDeposit) => {
                if self.provider == ProviderName::Yookassa {
                    // This provider makes an object of it, which has failed for good.
                    sent.status = BillStatus::Rejected;
                } else {
                    return Err(("no_deposit", RefusalKind::Temporary));
                }
            }
            (BillStatus::Rejected, _) => return Err(("bill_closed", RefusalKind::Permanent)),
            (BillStatus::Paid | BillStatus::Pending | BillStatus::Reversed, _) => {
                // Nobody has promised that a bill is paid once.
                moved = !self.pays_once;
            }
        }
        if moved {
            sent.status = BillStatus::Paid;
            sent.moves += 1;
        }
        let sent = sent.clone();
        drop(books);
        world.step(format_args!("{id} is to be paid: {:?}", sent.status));
        self.follow(world, &sent, moved);
        Ok(view(&sent, bill_id))
    }

    fn follow(&self, world: &Arc<World>, sent: &Sent, moved: bool) {
        let books = Arc::clone(world.pay_out(self.provider));
        let id = sent.id.clone();
        match sent.status {
            BillStatus::Paid if moved => self.moved(world, sent),
            BillStatus::Pending => {
                let after = match world.fate.below(6) {
                    0 => world
                        .fate
                        .time(Duration::from_secs(3_600), Duration::from_secs(30 * 3_600)),
                    _ => world
                        .fate
                        .time(Duration::from_secs(1), Duration::from_secs(900)),
                };
                world.later(after, move |world| books.finish(world, &id));
            }
            _ => {}
        }
    }

    fn moved(&self, world: &Arc<World>, sent: &Sent) {
        world.money_went_out(&sent.operation, sent.amount);
        self.tell(world, sent);
        let taken_back = self.provider == ProviderName::Portmone
            && world.faults.on()
            && world.fate.permille(world.plan.cabinet);
        if taken_back {
            let after = world
                .fate
                .time(Duration::from_secs(1), Duration::from_secs(40 * 3_600));
            let (books, id) = (Arc::clone(world.pay_out(self.provider)), sent.id.clone());
            world.later(after, move |world| books.take_back(world, &id));
        }
    }

    fn finish(&self, world: &Arc<World>, id: &str) {
        let pays = world.fate.permille(700);
        let sent = {
            let mut books = self.books();
            let Some(sent) = books.sent.get_mut(id) else {
                return;
            };
            if sent.status != BillStatus::Pending {
                return;
            }
            if pays {
                sent.status = BillStatus::Paid;
                sent.moves += 1;
            } else {
                sent.status = BillStatus::Rejected;
            }
            sent.clone()
        };
        world.step(format_args!("{id} ends: {:?}", sent.status));
        if pays {
            self.moved(world, &sent);
        } else {
            self.tell(world, &sent);
        }
    }

    fn take_back(&self, world: &Arc<World>, id: &str) {
        let sent = {
            let mut books = self.books();
            let Some(sent) = books.sent.get_mut(id) else {
                return;
            };
            if sent.status != BillStatus::Paid {
                return;
            }
            sent.status = BillStatus::Reversed;
            sent.clone()
        };
        world.faults.count(Kind::PayoutReversal);
        world.step(format_args!("{id} is taken back"));
        self.tell(world, &sent);
    }

    fn tell(&self, world: &Arc<World>, sent: &Sent) {
        let event = match sent.status {
            BillStatus::Paid => "payout.succeeded",
            BillStatus::Rejected => "payout.canceled",
            BillStatus::Reversed => "payout.reversed",
            _ => return,
        };
        // A bill carries nothing of ours.
        let operation = match self.provider {
            ProviderName::Yookassa => sent.operation.as_str(),
            _ => "-",
        };
        notify(
            world,
            self.provider,
            format!("{event} payout {} {operation}", sent.id),
        );
    }

    /// How a bill, or what was made under a key, stands; the list is a little behind.
    #[must_use]
    pub fn status(
        &self,
        order: &PayoutOrder,
        bill_id: &str,
        until: DateTime<Utc>,
    ) -> Option<BillView> {
        let books = self.books();
        if self.provider == ProviderName::Portmone {
            return books.sent.get(bill_id).map(|one| view(one, bill_id));
        }
        let found = books.sent.values().find(|one| {
            one.operation == order.operation_id
                && one.attempt == order.attempt
                && (one.created_at <= until || order.provider_id.as_ref() == Some(&one.id))
        });
        Some(found.map_or_else(|| could_be_made(bill_id), |one| view(one, bill_id)))
    }
}

fn new_sent(books: &mut Books, kind: &str, order: &PayoutOrder, now: DateTime<Utc>) -> Sent {
    books.last += 1;
    let made = Sent {
        id: format!("{kind}-{}", books.last),
        operation: order.operation_id.clone(),
        attempt: order.attempt,
        amount: order.amount,
        status: BillStatus::Created,
        moves: 0,
        created_at: now,
    };
    books.sent.insert(made.id.clone(), made.clone());
    made
}

/// A key under which nothing was made yet.
#[must_use]
pub fn could_be_made(key: &str) -> BillView {
    BillView {
        bill_id: key.to_owned(),
        status: BillStatus::Created,
        paid_amount: None,
        paid_at: None,
        provider_id: None,
    }
}

fn view(sent: &Sent, bill_id: &str) -> BillView {
    BillView {
        bill_id: bill_id.to_owned(),
        status: sent.status.clone(),
        paid_amount: (sent.status == BillStatus::Paid).then_some(sent.amount),
        paid_at: None,
        provider_id: (sent.id != bill_id).then(|| sent.id.clone()),
    }
}
