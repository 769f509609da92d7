//! A process' clients of the providers.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use kvit_commands::ports::payment::{PaymentFault, PaymentOrder, PaymentProvider, RefundOrder};
use kvit_commands::ports::payout::{
    BillStatus, BillView, PayoutOrder, PayoutProvider, ProviderFault, RefusalKind, Repay,
};
use kvit_domain::ids::{PaymentId, RefundId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::Money;
use kvit_domain::payment::{PaymentSnapshot, RefundSnapshot};

use super::life::Life;
use super::net::{Away, Call, call};
use super::pay_in::{KEY_LIFETIME, PayIn};
use super::pay_out::{PayOut, could_be_made};
use super::plan::Kind;
use super::world::{Moves, World};

/// A client of payments in.
pub struct PayInPort {
    world: Arc<World>,
    life: Arc<Life>,
    books: Arc<PayIn>,
    /// Refunds that this process has sent to a provider that knows no keys: it sends none of them a second time.
    sent: Mutex<BTreeSet<RefundId>>,
}

impl PayInPort {
    /// The client of a process.
    #[must_use]
    pub fn new(world: &Arc<World>, life: &Arc<Life>, books: &Arc<PayIn>) -> Self {
        Self {
            world: Arc::clone(world),
            life: Arc::clone(life),
            books: Arc::clone(books),
            sent: Mutex::default(),
        }
    }

    /// A call that asks.
    async fn ask<R: Send + 'static>(
        &self,
        name: &'static str,
        effect: impl FnOnce(&PayIn, &Arc<World>) -> R + Send + 'static,
    ) -> Result<R, PaymentFault> {
        let books = Arc::clone(&self.books);
        let asked = Call {
            name,
            moves: None,
            refusable: false,
        };
        call(&self.world, &self.life, asked, move |world| {
            effect(&books, world)
        })
        .await
        .map_err(fault)
    }

    /// A call that changes something.
    async fn tell<R: Send + 'static>(
        &self,
        name: &'static str,
        (operation, under): (String, String),
        effect: impl FnOnce(&PayIn, &Arc<World>) -> Result<R, &'static str> + Send + 'static,
    ) -> Result<R, PaymentFault> {
        let books = Arc::clone(&self.books);
        let told = Call {
            name,
            moves: Some(Moves { operation, under }),
            refusable: true,
        };
        call(&self.world, &self.life, told, move |world| {
            effect(&books, world)
        })
        .await
        .map_err(fault)?
        .map_err(|code| PaymentFault::Refused {
            code: code.to_owned(),
        })
    }
}

impl PayInPort {
    /// Sometimes the answer speaks of somebody else's payment, with or without its name.
    fn heard(&self, seen: PaymentSnapshot) -> PaymentSnapshot {
        let world = &self.world;
        if !world.faults.on() || !world.schedule.permille(world.plan.wrong) {
            return seen;
        }
        let all = self.books.payments();
        let Some(other) = world
            .schedule
            .pick(&all)
            .and_then(|one| self.books.get(&one.id))
        else {
            return seen;
        };
        if other.provider_id == seen.provider_id {
            return seen;
        }
        world.faults.count(Kind::OtherAnswer);
        world.step(format_args!(
            "the answer about {} speaks of {}",
            seen.provider_id, other.provider_id
        ));
        let has_name = world.schedule.permille(500);
        PaymentSnapshot {
            operation_id: other.operation_id.filter(|_| has_name),
            ..other
        }
    }
}

/// Up to when a list is complete.
fn seen_until(world: &World) -> DateTime<Utc> {
    let behind = if world.faults.on() && world.schedule.permille(world.plan.net) {
        world.faults.count(Kind::StaleList);
        world.schedule.between(1, 5_000)
    } else {
        0
    };
    world.now() - TimeDelta::milliseconds(i64::try_from(behind).unwrap_or(0))
}

fn fault(away: Away) -> PaymentFault {
    match away {
        Away::NotSent => PaymentFault::NotSent("refused".to_owned()),
        Away::Busy(retry_after) => PaymentFault::TooManyRequests { retry_after },
        Away::Denied => PaymentFault::Denied,
        Away::Refused => PaymentFault::Refused {
            code: "not_supported".to_owned(),
        },
        Away::Unknown => PaymentFault::Unknown("no answer".to_owned()),
    }
}

#[async_trait]
impl PaymentProvider for PayInPort {
    fn provider(&self) -> ProviderName {
        self.books.provider
    }

    fn key_lifetime(&self) -> Duration {
        KEY_LIFETIME
    }

    fn refund_key_lifetime(&self) -> Duration {
        self.books.refund_key_lifetime()
    }

    async fn create(&self, order: &PaymentOrder) -> Result<PaymentSnapshot, PaymentFault> {
        let under = (order.payment_id.to_string(), order.idempotence_key.clone());
        let order = order.clone();
        let made = self.tell("create payment", under, move |books, world| {
            books.create(world, &order)
        });
        made.await.map(|seen| self.heard(seen))
    }

    async fn get(&self, provider_id: &str) -> Result<Option<PaymentSnapshot>, PaymentFault> {
        let id = provider_id.to_owned();
        let seen = self.ask("get payment", move |books, _| books.get(&id));
        Ok(seen.await?.map(|seen| self.heard(seen)))
    }

    async fn find(
        &self,
        payment_id: PaymentId,
        _: DateTime<Utc>,
    ) -> Result<Option<PaymentSnapshot>, PaymentFault> {
        self.ask("find payment", move |books, world| {
            books.find(payment_id, seen_until(world))
        })
        .await
    }

    async fn capture(
        &self,
        provider_id: &str,
        amount: Money,
        _: &str,
    ) -> Result<PaymentSnapshot, PaymentFault> {
        let id = provider_id.to_owned();
        self.tell("capture", (id.clone(), id.clone()), move |books, world| {
            books.capture(world, &id, amount)
        })
        .await
    }

    async fn cancel(&self, provider_id: &str, _: &str) -> Result<PaymentSnapshot, PaymentFault> {
        let id = provider_id.to_owned();
        self.tell("cancel", (id.clone(), id.clone()), move |books, world| {
            books.cancel(world, &id)
        })
        .await
    }

    async fn refund(&self, order: &RefundOrder) -> Result<RefundSnapshot, PaymentFault> {
        let order = order.clone();
        if self.refund_key_lifetime().is_zero() {
            // As the product's client of such a provider: not beside one of the same sum, and not twice.
            let (id, amount) = (order.provider_payment_id.clone(), order.amount);
            let is_there = self.ask("list before a refund", move |books, _| {
                books.has_refund_of(&id, amount)
            });
            if is_there.await? {
                return Err(PaymentFault::Unknown(
                    "one of the same sum is there".to_owned(),
                ));
            }
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            if !sent.insert(order.refund_id) {
                return Err(PaymentFault::Unknown("it was sent before".to_owned()));
            }
        }
        let refund_id = order.refund_id;
        let under = (refund_id.to_string(), order.idempotence_key.clone());
        let told = self.tell("refund", under, move |books, world| {
            books.refund(world, &order)
        });
        let answer = told.await;
        if answer
            .as_ref()
            .is_err_and(|fault| !matches!(fault, PaymentFault::Unknown(_)))
        {
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.remove(&refund_id);
        }
        answer
    }

    async fn get_refund(
        &self,
        provider_refund_id: &str,
    ) -> Result<Option<RefundSnapshot>, PaymentFault> {
        let id = provider_refund_id.to_owned();
        self.ask("get refund", move |books, _| books.get_refund(&id))
            .await
    }

    async fn refunds_of(
        &self,
        provider_payment_id: &str,
    ) -> Result<Vec<RefundSnapshot>, PaymentFault> {
        let id = provider_payment_id.to_owned();
        self.ask("list refunds", move |books, world| {
            books.refunds_of(&id, seen_until(world))
        })
        .await
    }
}

/// A client of payouts.
pub struct PayOutPort {
    world: Arc<World>,
    life: Arc<Life>,
    books: Arc<PayOut>,
}

impl PayOutPort {
    /// The client of a process.
    #[must_use]
    pub fn new(world: &Arc<World>, life: &Arc<Life>, books: &Arc<PayOut>) -> Self {
        Self {
            world: Arc::clone(world),
            life: Arc::clone(life),
            books: Arc::clone(books),
        }
    }

    /// Sometimes the answer speaks of something else.
    fn heard(&self, view: BillView) -> Result<BillView, ProviderFault> {
        let world = &self.world;
        if world.faults.on() && world.schedule.permille(world.plan.wrong) {
            world.faults.count(Kind::OtherAnswer);
            world.step(format_args!(
                "the answer about {} speaks of another",
                view.bill_id
            ));
            return if world.schedule.permille(500) {
                Err(ProviderFault::Mismatch("another payee".to_owned()))
            } else {
                Ok(BillView {
                    bill_id: "another-bill".to_owned(),
                    ..view
                })
            };
        }
        Ok(view)
    }
}

fn out_fault(away: Away) -> ProviderFault {
    match away {
        Away::NotSent => ProviderFault::NotSent("refused".to_owned()),
        Away::Busy(_) => ProviderFault::Refused {
            code: "busy".to_owned(),
            kind: RefusalKind::Temporary,
        },
        Away::Denied => ProviderFault::Refused {
            code: "denied".to_owned(),
            kind: RefusalKind::Temporary,
        },
        Away::Refused => ProviderFault::Refused {
            code: "not_supported".to_owned(),
            kind: RefusalKind::Permanent,
        },
        Away::Unknown => ProviderFault::Unknown("no answer".to_owned()),
    }
}

#[async_trait]
impl PayoutProvider for PayOutPort {
    fn provider(&self) -> ProviderName {
        self.books.provider
    }

    fn repay(&self) -> Repay {
        self.books.repay()
    }

    async fn create(&self, order: &PayoutOrder) -> Result<BillView, ProviderFault> {
        if self.books.provider == ProviderName::Yookassa {
            return Ok(could_be_made(&format!(
                "{}-{}",
                order.operation_id, order.attempt
            )));
        }
        let (books, order) = (Arc::clone(&self.books), order.clone());
        let made = Call {
            name: "make bill",
            moves: None,
            refusable: true,
        };
        call(&self.world, &self.life, made, move |world| {
            books.create(world, &order)
        })
        .await
        .map_err(out_fault)?
        .map_err(refused)
    }

    async fn pay(&self, order: &PayoutOrder, bill_id: &str) -> Result<BillView, ProviderFault> {
        let (books, order, bill) = (Arc::clone(&self.books), order.clone(), bill_id.to_owned());
        let paid = Call {
            name: "pay",
            moves: Some(Moves {
                operation: order.operation_id.clone(),
                under: bill_id.to_owned(),
            }),
            refusable: true,
        };
        let view = call(&self.world, &self.life, paid, move |world| {
            books.pay(world, &order, &bill)
        })
        .await
        .map_err(out_fault)?
        .map_err(refused)?;
        self.heard(view)
    }

    async fn status(
        &self,
        order: &PayoutOrder,
        bill_id: &str,
    ) -> Result<Option<BillView>, ProviderFault> {
        let (books, order, bill) = (Arc::clone(&self.books), order.clone(), bill_id.to_owned());
        let asked = Call {
            name: "ask about a bill",
            moves: None,
            refusable: false,
        };
        let seen = call(&self.world, &self.life, asked, move |world| {
            books.status(&order, &bill, seen_until(world))
        })
        .await
        // A provider that refuses to tell has said nothing about the payout.
        .map_err(|_| ProviderFault::Unknown("no answer".to_owned()))?;
        // That it refused the payout can be told in two ways.
        if seen
            .as_ref()
            .is_some_and(|view| view.status == BillStatus::Rejected)
            && self.world.fate.permille(500)
        {
            return Err(ProviderFault::Refused {
                code: "general_decline".to_owned(),
                kind: RefusalKind::Temporary,
            });
        }
        seen.map(|view| self.heard(view)).transpose()
    }
}

fn refused((code, kind): (&'static str, RefusalKind)) -> ProviderFault {
    ProviderFault::Refused {
        code: code.to_owned(),
        kind,
    }
}
