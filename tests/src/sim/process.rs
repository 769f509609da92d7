//! A process: the use cases and all policies over its own connection and its own memory, and the lanes of its consumers.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt as _;
use kvit_commands::app::{App, AppParts, PaymentSettings, Settings};
use kvit_commands::executor::{Executor, Limits};
use kvit_commands::policies::{
    Following, PayingOut, PaymentWorker, PaymentWorkerOptions, PayoutWorker, PayoutWorkerOptions,
    Rewarding, Transferring,
};
use kvit_commands::ports::bus::{EventHandler, Handled, HandlerFault};
use kvit_commands::ports::log::EventLog;
use kvit_commands::ports::payment::PaymentProvider;
use kvit_commands::ports::payout::PayoutProvider;
use kvit_commands::ports::time::{Clock, IdSource};
use kvit_commands::ports::vault::Vault;
use kvit_domain::event::StreamId;
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::{Currency, Money};
use tokio::task::AbortHandle;

use super::bus::Message;
use super::idle::Idle;
use super::life::Life;
use super::log::ProcessLog;
use super::notices::{InboxPort, OperationsPort, Words};
use super::ports::{PayInPort, PayOutPort};
use super::world::World;

/// Longest run of a handler for one event.
const HANDLER_TIME: Duration = Duration::from_secs(120);
/// Failed tries that are no other's fault before an event goes to the dead letters.
const TRIES_MAX: u32 = 20;

/// A clock that is wrong by a fixed amount.
pub struct SkewedClock {
    world: Arc<World>,
    off_ms: AtomicI64,
}

impl SkewedClock {
    /// A clock that is wrong by so much.
    #[must_use]
    pub const fn new(world: Arc<World>, off_ms: i64) -> Self {
        Self {
            world,
            off_ms: AtomicI64::new(off_ms),
        }
    }
}

impl Clock for SkewedClock {
    fn now(&self) -> DateTime<Utc> {
        self.world.now() + TimeDelta::milliseconds(self.off_ms.load(Ordering::Relaxed))
    }
}

/// A running process.
pub struct Running {
    /// Its life.
    pub life: Arc<Life>,
    /// Its use cases.
    pub app: App,
    /// Followers of the providers' notifications.
    pub following: Vec<Following>,
    handlers: Vec<Arc<dyn EventHandler>>,
    lanes: Mutex<HashMap<(usize, StreamId), VecDeque<Message>>>,
    in_hand: Mutex<BTreeSet<u64>>,
    tasks: Mutex<Vec<AbortHandle>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running {
    /// Starts a process with an empty memory.
    #[must_use]
    pub fn start(world: &Arc<World>, life: Arc<Life>) -> Self {
        let plan = &world.plan;
        let log = ProcessLog {
            life: Arc::clone(&life),
            world: Arc::clone(world),
        };
        let skew = plan.skew_ms.get(life.process).copied().unwrap_or(0);
        let clock = SkewedClock::new(Arc::clone(world), skew);
        let executor = Executor::new(
            Arc::new(log) as Arc<dyn EventLog>,
            Arc::new(clock) as Arc<dyn Clock>,
            Arc::clone(&world.ids) as Arc<dyn IdSource>,
            Limits {
                aggregates_max: plan.aggregates_max,
                ..Limits::default()
            },
        );
        let app = App::new(AppParts {
            executor,
            vault: Arc::clone(&world.vault) as Arc<dyn Vault>,
            objects: Arc::new(Idle),
            photos: Arc::new(Idle),
            limiter: Arc::new(Idle),
            settings: settings(world),
        });
        let payment_workers: Vec<_> = world
            .pay_in
            .iter()
            .map(|books| {
                let port = PayInPort::new(world, &life, books);
                Arc::new(PaymentWorker::new(
                    app.clone(),
                    Arc::new(port) as Arc<dyn PaymentProvider>,
                    PaymentWorkerOptions::default(),
                ))
            })
            .collect();
        let payout_workers: Vec<_> = world
            .pay_out
            .iter()
            .map(|books| {
                let port = PayOutPort::new(world, &life, books);
                let options = PayoutWorkerOptions {
                    repay_created: books.repays_created(),
                    ..PayoutWorkerOptions::default()
                };
                Arc::new(PayoutWorker::new(
                    app.clone(),
                    Arc::new(port) as Arc<dyn PayoutProvider>,
                    options,
                ))
            })
            .collect();
        let mut handlers: Vec<Arc<dyn EventHandler>> = vec![
            Arc::new(Rewarding::new(app.clone())),
            Arc::new(PayingOut::new(app.clone())),
            Arc::new(Transferring::new(app.clone())),
        ];
        for worker in &payment_workers {
            handlers.push(Arc::clone(worker) as Arc<dyn EventHandler>);
        }
        for worker in &payout_workers {
            handlers.push(Arc::clone(worker) as Arc<dyn EventHandler>);
        }
        let providers = [ProviderName::Portmone, ProviderName::Yookassa];
        let following = providers
            .into_iter()
            .map(|provider| {
                let (life, world) = (Arc::clone(&life), Arc::clone(world));
                let (there, here) = (Arc::clone(&life), Arc::clone(&world));
                let of_payments =
                    |worker: &&Arc<PaymentWorker>| worker.provider().provider() == provider;
                let payouts = usize::from(provider == ProviderName::Yookassa);
                Following::new(
                    app.clone(),
                    Arc::new(InboxPort { life, world }),
                    Arc::new(Words(provider)),
                    Arc::new(OperationsPort {
                        life: there,
                        world: here,
                    }),
                    payment_workers.iter().find(of_payments).cloned(),
                    payout_workers.get(payouts).cloned(),
                )
            })
            .collect();
        Self {
            life,
            app,
            following,
            handlers,
            lanes: Mutex::default(),
            in_hand: Mutex::default(),
            tasks: Mutex::default(),
        }
    }

    /// What its consumers want; the same in every process.
    #[must_use]
    pub fn consumers(&self) -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
        self.handlers
            .iter()
            .map(|handler| (handler.name(), handler.interests()))
            .collect()
    }

    /// Starts a task that dies with the process.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let task = tokio::spawn(work);
        let mut tasks = lock(&self.tasks);
        if tasks.len() > 256 {
            tasks.retain(|task| !task.is_finished());
        }
        tasks.push(task.abort_handle());
    }

    /// Drops everything that the process was doing.
    pub fn drop_tasks(&self) {
        for task in lock(&self.tasks).drain(..) {
            task.abort();
        }
        lock(&self.lanes).clear();
    }

    /// Takes a message: behind the others of its stream and consumer, beside all others.
    pub fn take(self: &Arc<Self>, world: &Arc<World>, message: Message) {
        if !lock(&self.in_hand).insert(message.id) {
            return;
        }
        let key = (message.consumer, message.event.stream.clone());
        let mut lanes = lock(&self.lanes);
        if let Some(lane) = lanes.get_mut(&key) {
            lane.push_back(message);
            return;
        }
        lanes.insert(key.clone(), VecDeque::from([message]));
        drop(lanes);
        let (running, world) = (Arc::clone(self), Arc::clone(world));
        self.spawn(async move { running.work(&world, &key).await });
    }

    async fn work(&self, world: &Arc<World>, key: &(usize, StreamId)) {
        loop {
            let next = {
                let mut lanes = lock(&self.lanes);
                let next = lanes.get_mut(key).and_then(VecDeque::pop_front);
                if next.is_none() {
                    lanes.remove(key);
                }
                next
            };
            let Some(message) = next else { return };
            self.settle(world, &message).await;
        }
    }

    async fn settle(&self, world: &Arc<World>, message: &Message) {
        let Some(handler) = self.handlers.get(message.consumer) else {
            return;
        };
        let (name, event) = (handler.name(), &message.event);
        let who = format!("p{}.{}", self.life.process, self.life.number);
        let mut failures = 0_u32;
        let mut own_failures = 0_u32;
        loop {
            self.life.still().await;
            let call = AssertUnwindSafe(handler.handle(event)).catch_unwind();
            let answer = tokio::time::timeout(HANDLER_TIME, call).await;
            self.life.still().await;
            world.step(format_args!(
                "{who} {name} on #{} {}: {}",
                event.position,
                event.event_type,
                said(&answer)
            ));
            let retry_after = match answer {
                Ok(Ok(Ok(Handled::Done | Handled::Skipped))) => {
                    lock(&self.in_hand).remove(&message.id);
                    world.bus.ack(world, message.id);
                    return;
                }
                Ok(Ok(Ok(Handled::Later(pause)))) => {
                    lock(&self.in_hand).remove(&message.id);
                    world.bus.put_off(message.id, pause);
                    return;
                }
                Ok(Ok(Err(HandlerFault::Poison { reason }))) => {
                    world.fail(format!(
                        "{name} gives {} {} up: {reason}",
                        event.stream, event.event_type
                    ));
                    return;
                }
                Ok(Ok(Err(HandlerFault::Transient { retry_after, .. }))) => {
                    retry_after.unwrap_or_default()
                }
                Ok(Err(_)) => {
                    world.fail(format!(
                        "{name} panics on {} {}",
                        event.stream, event.event_type
                    ));
                    return;
                }
                Err(_) => {
                    own_failures += 1;
                    if own_failures >= TRIES_MAX {
                        world.fail(format!("{name} never ends on {}", event.stream));
                        return;
                    }
                    Duration::ZERO
                }
            };
            failures += 1;
            let pause = Duration::from_millis(200)
                .saturating_mul(2_u32.saturating_pow(failures - 1))
                .min(Duration::from_secs(60))
                .max(retry_after);
            tokio::time::sleep(pause).await;
        }
    }
}

type Answer = Result<
    Result<Result<Handled, HandlerFault>, Box<dyn std::any::Any + Send>>,
    tokio::time::error::Elapsed,
>;

fn said(answer: &Answer) -> String {
    match answer {
        Ok(Ok(Ok(handled))) => format!("{handled:?}"),
        Ok(Ok(Err(fault))) => fault.to_string(),
        Ok(Err(_)) => "panicked".to_owned(),
        Err(_) => "took too long".to_owned(),
    }
}

fn settings(world: &World) -> Settings {
    let budgets = [
        (ProviderName::Portmone, Currency::Uah),
        (ProviderName::Yookassa, Currency::Rub),
    ];
    let payout_budgets = budgets
        .into_iter()
        .zip(world.plan.budgets)
        .filter_map(|((provider, currency), minor)| {
            minor.map(|minor| (provider, Money::new(minor, currency)))
        })
        .collect();
    Settings {
        payout_budgets,
        payments: PaymentSettings {
            providers: vec![ProviderName::Yookassa, ProviderName::Portmone],
            test: true,
            return_url: "https://kvit.example/return".to_owned(),
            lifetime: TimeDelta::hours(1),
        },
        ..Settings::default_campaign()
    }
}
