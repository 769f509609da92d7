//! A provider of payments in, with books of its own: what they say is the truth about the money.
//!
//! Nothing here is kind: an idempotence key that is older than its time makes a second payment, and a second refund really
//! gives the money back a second time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kvit_commands::ports::payment::{PaymentOrder, RefundOrder};
use kvit_domain::ids::{PaymentId, RefundId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::Money;
use kvit_domain::payment::{PaymentSnapshot, RefundSnapshot, RefundStatus, SnapshotStatus};

use super::notices::notify;
use super::plan::Kind;
use super::world::World;

/// How long a key is remembered.
pub const KEY_LIFETIME: Duration = Duration::from_secs(24 * 3_600);

/// Where a payment stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Nobody has paid.
    Pending,
    /// Paid and held.
    Held,
    /// Paid and taken.
    Succeeded,
    /// Ended without money.
    Canceled(&'static str),
}

/// A payment.
#[derive(Debug, Clone)]
pub struct Paid {
    /// The provider's id.
    pub id: String,
    /// Whose it is.
    pub operation: PaymentId,
    /// What was asked.
    pub asked: Money,
    /// One stage or two.
    pub capture: bool,
    /// Where it stands.
    pub status: Status,
    /// What was taken.
    pub taken: i64,
    /// What was taken before somebody paid a second time.
    before: Option<i64>,
    /// What the provider keeps.
    pub fee: i64,
    /// Whether it says so in the payment.
    pub tells_fee: bool,
    /// Whether it calls it a test.
    pub test: bool,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    shown: bool,
}

impl Paid {
    /// Whether this much was taken, now or at an earlier look.
    #[must_use]
    pub fn has_taken(&self, amount: Money) -> bool {
        amount.currency == self.asked.currency
            && (amount.minor == self.taken || Some(amount.minor) == self.before)
    }
}

/// A refund.
#[derive(Debug, Clone)]
pub struct Returned {
    /// The provider's id.
    pub id: String,
    /// Of which payment.
    pub payment: String,
    /// Ours, if we asked for it.
    pub refund_id: Option<RefundId>,
    /// How much.
    pub amount: Money,
    /// Where it stands.
    pub status: RefundStatus,
    created_at: DateTime<Utc>,
}

#[derive(Default)]
struct Books {
    payments: BTreeMap<String, Paid>,
    refunds: BTreeMap<String, Returned>,
    /// By key: when it was first seen, what was asked, which object it made.
    keys: BTreeMap<String, (DateTime<Utc>, String, String)>,
    last: u64,
}

/// The books.
pub struct PayIn {
    /// Whose.
    pub provider: ProviderName,
    /// Whether keys are remembered and our ids carried. Without, every call is a new one, and a page that nobody has paid on
    /// is not in any list.
    has_keys: bool,
    books: Mutex<Books>,
}

/// What the provider refuses, with its code.
pub type Refused = &'static str;

impl PayIn {
    /// Empty books.
    #[must_use]
    pub fn new(provider: ProviderName) -> Self {
        Self {
            provider,
            has_keys: provider == ProviderName::Yookassa,
            books: Mutex::default(),
        }
    }

    /// How long the key of a refunding call is remembered.
    #[must_use]
    pub const fn refund_key_lifetime(&self) -> Duration {
        if self.has_keys {
            KEY_LIFETIME
        } else {
            Duration::ZERO
        }
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A payment by the provider's id.
    #[must_use]
    pub fn payment(&self, id: &str) -> Option<Paid> {
        self.books().payments.get(id).cloned()
    }

    /// All payments.
    #[must_use]
    pub fn payments(&self) -> Vec<Paid> {
        self.books().payments.values().cloned().collect()
    }

    /// Whether something can still become of an operation's payment.
    #[must_use]
    pub fn is_open(&self, operation: PaymentId) -> bool {
        let books = self.books();
        books.payments.values().any(|paid| {
            paid.operation == operation && matches!(paid.status, Status::Pending | Status::Held)
        })
    }

    /// A refund by the provider's id.
    #[must_use]
    pub fn refund_by_id(&self, id: &str) -> Option<Returned> {
        self.books().refunds.get(id).cloned()
    }

    /// All refunds.
    #[must_use]
    pub fn refunds(&self) -> Vec<Returned> {
        self.books().refunds.values().cloned().collect()
    }

    /// What the provider has of ours: taken, less its fees and what it gave back; by currency.
    #[must_use]
    pub fn balances(&self) -> BTreeMap<kvit_domain::money::Currency, i64> {
        let books = self.books();
        let mut sums = BTreeMap::new();
        for paid in books.payments.values() {
            if paid.status == Status::Succeeded && paid.test {
                *sums.entry(paid.asked.currency).or_insert(0) += paid.taken - paid.fee;
            }
        }
        for back in books.refunds.values() {
            if back.status == RefundStatus::Succeeded {
                *sums.entry(back.amount.currency).or_insert(0) -= back.amount.minor;
            }
        }
        sums
    }

    fn known_key(
        &self,
        books: &Books,
        now: DateTime<Utc>,
        key: &str,
        body: &str,
    ) -> Result<Option<String>, Refused> {
        let lifetime = TimeDelta::from_std(KEY_LIFETIME).unwrap_or_default();
        match books.keys.get(key) {
            Some((at, known, id)) if self.has_keys && now - *at < lifetime => {
                if known == body {
                    Ok(Some(id.clone()))
                } else {
                    Err("invalid_request")
                }
            }
            _ => Ok(None),
        }
    }

    /// Creates a payment, or meets the one of the key.
    ///
    /// # Errors
    /// A known key with another body.
    pub fn create(
        &self,
        world: &Arc<World>,
        order: &PaymentOrder,
    ) -> Result<PaymentSnapshot, Refused> {
        let now = world.now();
        let body = format!("{} {} {}", order.payment_id, order.amount, order.capture);
        let mut books = self.books();
        if let Some(id) = self.known_key(&books, now, &order.idempotence_key, &body)? {
            return books.payments.get(&id).map(snapshot).ok_or("not_found");
        }
        books.last += 1;
        let id = format!("{}-pay-{}", self.provider.code(), books.last);
        let wrong = world.faults.on() && world.fate.permille(world.plan.wrong);
        let (mut asked, mut test) = (order.amount, true);
        if wrong {
            world.faults.count(Kind::WrongObject);
            if world.fate.permille(500) {
                asked.minor += 1;
            } else {
                test = false;
            }
        }
        let paid = Paid {
            id: id.clone(),
            operation: order.payment_id,
            asked,
            capture: order.capture,
            status: Status::Pending,
            taken: 0,
            before: None,
            fee: 0,
            tells_fee: world.fate.permille(700),
            test,
            created_at: now,
            expires_at: None,
            shown: false,
        };
        let seen = snapshot(&paid);
        books.payments.insert(id.clone(), paid);
        books
            .keys
            .insert(order.idempotence_key.clone(), (now, body, id.clone()));
        drop(books);
        world.step(format_args!(
            "{} makes {id} of {asked} for {}",
            self.provider.code(),
            order.payment_id
        ));
        // Whom the page was never shown cannot pay; but some pay without a page.
        if self.has_keys && world.fate.permille(250) {
            self.shown(world, &id);
        }
        let (books, expired) = (Arc::clone(world.pay_in(self.provider)), id);
        world.later(Duration::from_secs(3_700), move |world| {
            books.end(world, &expired, Status::Canceled("expired_on_confirmation"));
        });
        Ok(seen)
    }

    /// The payer sees the page, and does something or nothing.
    pub fn shown(&self, world: &Arc<World>, id: &str) {
        {
            let mut books = self.books();
            let Some(paid) = books.payments.get_mut(id) else {
                return;
            };
            if std::mem::replace(&mut paid.shown, true) {
                return;
            }
        }
        let (books, id) = (Arc::clone(world.pay_in(self.provider)), id.to_owned());
        let after = match world.fate.below(10) {
            0..=6 => world
                .fate
                .time(Duration::from_millis(200), Duration::from_secs(300)),
            7 | 8 => world
                .fate
                .time(Duration::from_secs(300), Duration::from_secs(3_500)),
            // After our own deadline, before the provider's.
            _ => world
                .fate
                .time(Duration::from_secs(3_590), Duration::from_secs(3_690)),
        };
        match world.fate.below(10) {
            0..=6 => world.later(after, move |world| books.pay(world, &id)),
            7 => world.later(after, move |world| {
                books.end(world, &id, Status::Canceled("general_decline"));
            }),
            _ => {}
        }
    }

    fn pay(&self, world: &Arc<World>, id: &str) {
        let hold = match world.fate.below(4) {
            0 => world
                .fate
                .time(Duration::from_secs(600), Duration::from_secs(3_600)),
            _ => Duration::from_secs(6 * 3_600),
        };
        let stage = {
            let mut books = self.books();
            let Some(paid) = books.payments.get_mut(id) else {
                return;
            };
            if paid.status != Status::Pending {
                return;
            }
            if paid.capture {
                take(paid, paid.asked.minor);
            } else {
                paid.status = Status::Held;
                paid.expires_at = Some(world.now() + TimeDelta::from_std(hold).unwrap_or_default());
            }
            paid.capture
        };
        world.step(format_args!("somebody pays {id}"));
        if stage && !self.has_keys && world.faults.on() && world.fate.permille(world.plan.wrong) {
            let (books, id) = (Arc::clone(world.pay_in(self.provider)), id.to_owned());
            let after = world
                .fate
                .time(Duration::from_secs(1), Duration::from_secs(4_000));
            world.later(after, move |world| books.pay_again(world, &id));
        }
        if !stage {
            let (books, id) = (Arc::clone(world.pay_in(self.provider)), id.to_owned());
            world.later(hold, move |world| {
                books.end(world, &id, Status::Canceled("expired_on_capture"));
            });
        }
        self.tell(world, id);
    }

    /// The payer pays the same page once more.
    fn pay_again(&self, world: &Arc<World>, id: &str) {
        {
            let mut books = self.books();
            let Some(paid) = books.payments.get_mut(id) else {
                return;
            };
            let once = paid.taken;
            take(paid, once * 2);
            paid.before = Some(once);
        }
        world.faults.count(Kind::PaidTwice);
        world.step(format_args!("somebody pays {id} once more"));
        let Some(paid) = self.payment(id) else { return };
        let body = format!(
            "payment.succeeded.again payment {} {}",
            paid.id, paid.operation
        );
        notify(world, self.provider, body);
    }

    /// Ends a payment that is not paid yet.
    fn end(&self, world: &Arc<World>, id: &str, status: Status) {
        {
            let mut books = self.books();
            let Some(paid) = books.payments.get_mut(id) else {
                return;
            };
            let fits = match &status {
                Status::Canceled("expired_on_capture") => paid.status == Status::Held,
                _ => paid.status == Status::Pending,
            };
            if !fits {
                return;
            }
            paid.status = status;
        }
        world.step(format_args!("{id} ends without money"));
        self.tell(world, id);
    }

    fn tell(&self, world: &Arc<World>, id: &str) {
        let Some(paid) = self.payment(id) else { return };
        let event = match paid.status {
            Status::Pending => return,
            Status::Held => "payment.waiting_for_capture",
            Status::Succeeded => "payment.succeeded",
            Status::Canceled(_) => "payment.canceled",
        };
        let body = format!("{event} payment {} {}", paid.id, paid.operation);
        notify(world, self.provider, body);
    }

    /// Takes held money.
    ///
    /// # Errors
    /// When none is held, or less.
    pub fn capture(
        &self,
        world: &Arc<World>,
        id: &str,
        amount: Money,
    ) -> Result<PaymentSnapshot, Refused> {
        let seen = {
            let mut books = self.books();
            let paid = books.payments.get_mut(id).ok_or("not_found")?;
            if paid.status != Status::Held || amount.minor > paid.asked.minor {
                return Err("invalid_request");
            }
            take(paid, amount.minor);
            snapshot(paid)
        };
        world.step(format_args!("{amount} of {id} are captured"));
        self.tell(world, id);
        Ok(seen)
    }

    /// Gives held money back.
    ///
    /// # Errors
    /// When none is held.
    pub fn cancel(&self, world: &Arc<World>, id: &str) -> Result<PaymentSnapshot, Refused> {
        let seen = {
            let mut books = self.books();
            let paid = books.payments.get_mut(id).ok_or("not_found")?;
            if paid.status != Status::Held {
                return Err("invalid_request");
            }
            paid.status = Status::Canceled("canceled_by_merchant");
            snapshot(paid)
        };
        world.step(format_args!("{id} is cancelled"));
        self.tell(world, id);
        Ok(seen)
    }

    /// The payment as it is now.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<PaymentSnapshot> {
        self.books().payments.get(id).map(snapshot)
    }

    /// The payment of an operation in the list, which is a little behind.
    #[must_use]
    pub fn find(&self, operation: PaymentId, until: DateTime<Utc>) -> Option<PaymentSnapshot> {
        let books = self.books();
        let all = books.payments.values();
        all.filter(|paid| paid.operation == operation && paid.created_at <= until)
            .filter(|paid| self.has_keys || paid.status != Status::Pending)
            .max_by_key(|paid| paid.status == Status::Succeeded)
            .map(snapshot)
    }

    /// Whether a call under this key would make something new.
    #[must_use]
    pub fn is_new(&self, now: DateTime<Utc>, key: &str) -> bool {
        if !self.has_keys {
            return true;
        }
        let lifetime = TimeDelta::from_std(KEY_LIFETIME).unwrap_or_default();
        let books = self.books();
        books
            .keys
            .get(key)
            .is_none_or(|(at, _, _)| now - *at >= lifetime)
    }

    /// Makes a refund, or meets the one of the key.
    ///
    /// # Errors
    /// When the payment was not paid, or more would go back than came in.
    pub fn refund(
        &self,
        world: &Arc<World>,
        order: &RefundOrder,
    ) -> Result<RefundSnapshot, Refused> {
        let now = world.now();
        let body = format!("{} {}", order.provider_payment_id, order.amount);
        let mut books = self.books();
        if let Some(id) = self.known_key(&books, now, &order.idempotence_key, &body)? {
            return books
                .refunds
                .get(&id)
                .map(refund_snapshot)
                .ok_or("not_found");
        }
        let made = self.new_refund(
            &mut books,
            world,
            &order.provider_payment_id,
            order.amount,
            Some(order.refund_id),
        )?;
        books
            .keys
            .insert(order.idempotence_key.clone(), (now, body, made.id.clone()));
        drop(books);
        self.follow_refund(world, &made);
        Ok(refund_snapshot(&made))
    }

    /// Somebody gives money back in the provider's cabinet.
    pub fn refund_in_cabinet(&self, world: &Arc<World>, id: &str, amount: Money) {
        let mut books = self.books();
        let made = self.new_refund(&mut books, world, id, amount, None);
        drop(books);
        if let Ok(made) = made {
            world.faults.count(Kind::CabinetRefund);
            self.follow_refund(world, &made);
        }
    }

    fn new_refund(
        &self,
        books: &mut Books,
        world: &Arc<World>,
        payment: &str,
        amount: Money,
        refund_id: Option<RefundId>,
    ) -> Result<Returned, Refused> {
        let paid = books.payments.get(payment).ok_or("not_found")?;
        if paid.status != Status::Succeeded {
            return Err("not_refundable");
        }
        let given: i64 = books
            .refunds
            .values()
            .filter(|one| {
                one.payment == payment && !matches!(one.status, RefundStatus::Canceled { .. })
            })
            .map(|one| one.amount.minor)
            .sum();
        if given + amount.minor > paid.taken {
            return Err("refund_exceeds_payment");
        }
        books.last += 1;
        let status = match world.fate.below(10) {
            0..=5 => RefundStatus::Succeeded,
            6 => RefundStatus::Canceled {
                reason: "insufficient_funds".to_owned(),
            },
            _ => RefundStatus::Pending,
        };
        let made = Returned {
            id: format!("{}-refund-{}", self.provider.code(), books.last),
            payment: payment.to_owned(),
            refund_id,
            amount,
            status,
            created_at: world.now(),
        };
        books.refunds.insert(made.id.clone(), made.clone());
        Ok(made)
    }

    fn follow_refund(&self, world: &Arc<World>, made: &Returned) {
        world.step(format_args!(
            "{} of {} as {} for {:?}: {:?}",
            made.amount, made.payment, made.id, made.refund_id, made.status
        ));
        match made.status {
            RefundStatus::Pending => {
                let after = match world.fate.below(5) {
                    0 => world
                        .fate
                        .time(Duration::from_secs(3_600), Duration::from_secs(50 * 3_600)),
                    _ => world
                        .fate
                        .time(Duration::from_secs(1), Duration::from_secs(900)),
                };
                let (books, id) = (Arc::clone(world.pay_in(self.provider)), made.id.clone());
                world.later(after, move |world| books.finish_refund(world, &id));
            }
            RefundStatus::Succeeded => self.tell_refund(world, &made.id, &made.payment),
            _ => {}
        }
    }

    fn finish_refund(&self, world: &Arc<World>, id: &str) {
        let goes_back = world.fate.permille(750);
        let payment = {
            let mut books = self.books();
            let Some(back) = books.refunds.get_mut(id) else {
                return;
            };
            back.status = if goes_back {
                RefundStatus::Succeeded
            } else {
                RefundStatus::Canceled {
                    reason: "rejected_by_payee".to_owned(),
                }
            };
            back.payment.clone()
        };
        world.step(format_args!("{id} ends, money back: {goes_back}"));
        // There is no notification of a refund that failed.
        if goes_back {
            self.tell_refund(world, id, &payment);
        }
    }

    fn tell_refund(&self, world: &Arc<World>, id: &str, payment: &str) {
        notify(
            world,
            self.provider,
            format!("refund.succeeded refund {id} {payment}"),
        );
    }

    /// A refund as it is now.
    #[must_use]
    pub fn get_refund(&self, id: &str) -> Option<RefundSnapshot> {
        self.books().refunds.get(id).map(|one| self.listed(one))
    }

    /// The refunds of a payment in the list, which is a little behind.
    #[must_use]
    pub fn refunds_of(&self, payment: &str, until: DateTime<Utc>) -> Vec<RefundSnapshot> {
        let books = self.books();
        // What was notified is in the list; only the answer to our own call may be ahead of it.
        let listed = books.refunds.values().filter(|one| {
            one.payment == payment && (one.created_at <= until || one.refund_id.is_none())
        });
        listed.map(|one| self.listed(one)).collect()
    }

    /// A refund as the list and the question about it show it.
    fn listed(&self, one: &Returned) -> RefundSnapshot {
        RefundSnapshot {
            refund_id: one.refund_id.filter(|_| self.has_keys),
            ..refund_snapshot(one)
        }
    }

    /// Whether money went back, or is on its way back, for a refund of ours.
    #[must_use]
    pub fn goes_back(&self, refund_id: RefundId) -> bool {
        let books = self.books();
        books.refunds.values().any(|one| {
            one.refund_id == Some(refund_id) && !matches!(one.status, RefundStatus::Canceled { .. })
        })
    }

    /// Whether money of this amount went back, or is on its way back, of a payment.
    #[must_use]
    pub fn has_refund_of(&self, payment: &str, amount: Money) -> bool {
        let books = self.books();
        books.refunds.values().any(|one| {
            one.payment == payment
                && one.amount == amount
                && !matches!(one.status, RefundStatus::Canceled { .. })
        })
    }
}

fn take(paid: &mut Paid, minor: i64) {
    paid.status = Status::Succeeded;
    paid.taken = minor;
    paid.fee = minor * 35 / 1_000;
}

fn snapshot(paid: &Paid) -> PaymentSnapshot {
    let currency = paid.asked.currency;
    let taken = paid.status == Status::Succeeded;
    PaymentSnapshot {
        provider_id: paid.id.clone(),
        operation_id: Some(paid.operation.to_string()),
        status: match &paid.status {
            Status::Pending => SnapshotStatus::Pending,
            Status::Held => SnapshotStatus::AwaitingCapture,
            Status::Succeeded => SnapshotStatus::Succeeded,
            Status::Canceled(reason) => SnapshotStatus::Canceled {
                party: "provider".to_owned(),
                reason: (*reason).to_owned(),
            },
        },
        amount: if taken {
            Money::new(paid.taken, currency)
        } else {
            paid.asked
        },
        fee: (taken && paid.tells_fee).then(|| Money::new(paid.fee, currency)),
        test: paid.test,
        confirmation_url: Some(format!("https://pay.example/{}", paid.id)),
        expires_at: paid.expires_at,
    }
}

fn refund_snapshot(back: &Returned) -> RefundSnapshot {
    RefundSnapshot {
        provider_refund_id: back.id.clone(),
        refund_id: back.refund_id,
        amount: back.amount,
        status: back.status.clone(),
    }
}
