//! One world: the log, the bus, the providers, the processes, the people, and one clock that only moves when nobody has
//! anything to do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kvit_commands::testing::{CountingIds, MarkingVault};
use kvit_domain::event::RecordedEvent;
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::Money;
use kvit_domain::phone::Operator;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::bus::Bus;
use super::life::Life;
use super::log::Store;
use super::model::Model;
use super::notices::{self, Inbox};
use super::pay_in::PayIn;
use super::pay_out::PayOut;
use super::plan::{Faults, Plan};
use super::process::Running;
use super::rng::Rng;
use super::trace::Trace;

/// When every run begins.
const ORIGIN: i64 = 1_795_000_000;

/// More steps than any honest run needs.
const STEPS_MAX: u64 = 60_000;

/// What a call can move money for, and under which key or bill.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moves {
    /// Our operation.
    pub operation: String,
    /// The key or bill under which it moves at most once, as far as the provider remembers.
    pub under: String,
}

/// Something that will still happen by itself.
pub struct Coming(Arc<World>);

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.coming.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The world of one run.
pub struct World {
    /// What decides everything.
    pub seed: u64,
    /// What it has decided before the run.
    pub plan: Plan,
    /// Delays, faults, who gets which message.
    pub schedule: Rng,
    /// What people want.
    pub wishes: Rng,
    /// What happens at the providers by itself.
    pub fate: Rng,
    /// The steps.
    pub trace: Trace,
    /// The faults.
    pub faults: Faults,
    /// Ids in a row.
    pub ids: Arc<CountingIds>,
    /// One vault for all processes.
    pub vault: Arc<MarkingVault>,
    /// The log.
    pub store: Store,
    /// The bus.
    pub bus: Bus,
    /// What the providers have sent by themselves.
    pub inbox: Inbox,
    /// What the books must be.
    model: Mutex<Model>,
    /// The providers' own books of what came in.
    pub pay_in: [Arc<PayIn>; 2],
    /// The providers' own books of what went out.
    pub pay_out: [Arc<PayOut>; 2],
    processes: Mutex<Vec<Option<Arc<Running>>>>,
    lives: AtomicU64,
    /// Calls that can move money, by operation, from the moment when their bytes leave until they are there.
    calls: Mutex<BTreeMap<Moves, i32>>,
    away: Mutex<Option<(Instant, Instant)>>,
    coming: AtomicU64,
    started: Instant,
    /// Wakes the run when something went wrong.
    pub trouble: Notify,
}

impl World {
    /// The world of a seed. Inside of a runtime, whose clock is the world's.
    #[must_use]
    pub fn new(seed: u64, plan: Plan, verbose: bool) -> Arc<Self> {
        let pay_out = [
            Arc::new(PayOut::portmone(plan.bill_pays_once)),
            Arc::new(PayOut::yookassa()),
        ];
        let model = Model::new(plan.budgets);
        Arc::new(Self {
            seed,
            plan,
            schedule: Rng::named(seed, "schedule"),
            wishes: Rng::named(seed, "wishes"),
            fate: Rng::named(seed, "fate"),
            trace: Trace::new(verbose),
            faults: Faults::default(),
            ids: Arc::default(),
            vault: Arc::default(),
            store: Store::default(),
            bus: Bus::default(),
            inbox: Inbox::default(),
            model: Mutex::new(model),
            pay_in: [
                Arc::new(PayIn::new(ProviderName::Yookassa)),
                Arc::new(PayIn::new(ProviderName::Portmone)),
            ],
            pay_out,
            processes: Mutex::default(),
            lives: AtomicU64::new(0),
            calls: Mutex::default(),
            away: Mutex::default(),
            coming: AtomicU64::new(0),
            started: Instant::now(),
            trouble: Notify::new(),
        })
    }

    /// The true time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let origin = DateTime::from_timestamp(ORIGIN, 0).unwrap_or_default();
        origin + TimeDelta::from_std(self.started.elapsed()).unwrap_or_default()
    }

    /// Notes a step.
    pub fn step(&self, what: std::fmt::Arguments<'_>) {
        let steps = self.trace.step(self.started.elapsed().as_millis(), what);
        if steps == STEPS_MAX {
            self.fail(format!("{STEPS_MAX} steps, and no rest"));
        }
    }

    /// Notes that a promise is broken.
    pub fn fail(&self, why: String) {
        self.step(format_args!("BROKEN {why}"));
        self.trace.fail(why);
        self.trouble.notify_one();
    }

    /// The model of the books.
    pub fn model(&self) -> std::sync::MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the model follow what was just stored, and checks every promise.
    pub fn follow(self: &Arc<Self>, events: &[Arc<RecordedEvent>]) {
        let followed = self.model().follow(self, events);
        if let Err(why) = followed {
            self.fail(why);
        }
    }

    /// The provider's books of payments in.
    #[must_use]
    pub fn pay_in(&self, provider: ProviderName) -> &Arc<PayIn> {
        match provider {
            ProviderName::Yookassa => &self.pay_in[0],
            _ => &self.pay_in[1],
        }
    }

    /// The provider's books of payouts.
    #[must_use]
    pub fn pay_out(&self, provider: ProviderName) -> &Arc<PayOut> {
        match provider {
            ProviderName::Portmone => &self.pay_out[0],
            _ => &self.pay_out[1],
        }
    }

    fn processes(&self) -> std::sync::MutexGuard<'_, Vec<Option<Arc<Running>>>> {
        self.processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts all processes.
    pub fn start(self: &Arc<Self>) {
        for process in 0..self.plan.processes {
            self.processes().push(None);
            self.start_process(process);
        }
        let consumers = self.somebody().map(|running| running.consumers());
        self.bus.consume(consumers.unwrap_or_default());
    }

    fn start_process(self: &Arc<Self>, process: usize) {
        let number = self.lives.fetch_add(1, Ordering::Relaxed);
        let life = Arc::new(Life::new(process, number));
        self.step(format_args!("p{process}.{number} starts"));
        let running = Arc::new(Running::start(self, life));
        running.spawn(notices::follow(Arc::clone(self), Arc::clone(&running)));
        if let Some(place) = self.processes().get_mut(process) {
            *place = Some(running);
        }
    }

    /// A process that runs, by chance.
    #[must_use]
    pub fn somebody(&self) -> Option<Arc<Running>> {
        let running: Vec<Arc<Running>> = self.processes().iter().flatten().cloned().collect();
        self.schedule.pick(&running).cloned()
    }

    /// A process that runs, as soon as there is one.
    pub async fn anybody(&self) -> Arc<Running> {
        loop {
            match self.somebody() {
                Some(running) => return running,
                None => tokio::time::sleep(Duration::from_millis(500)).await,
            }
        }
    }

    /// Ends a life at once; the process is started again after a while.
    pub fn crash(self: &Arc<Self>, life: &Life) {
        if !life.end() {
            return;
        }
        let gone = self
            .processes()
            .get_mut(life.process)
            .and_then(Option::take);
        if let Some(running) = gone {
            running.drop_tasks();
        }
        self.bus.lost(life);
        let pause = self
            .schedule
            .time(Duration::from_millis(200), Duration::from_secs(40));
        let (world, process) = (Arc::clone(self), life.process);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            world.start_process(process);
        });
    }

    /// Does something at a provider by itself, after a while.
    pub fn later(
        self: &Arc<Self>,
        after: Duration,
        what: impl FnOnce(&Arc<Self>) + Send + 'static,
    ) {
        let world = Arc::clone(self);
        let coming = self.coming();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            what(&world);
            drop(coming);
        });
    }

    /// Something that will still happen by itself, until this is dropped.
    #[must_use]
    pub fn coming(self: &Arc<Self>) -> Coming {
        self.coming.fetch_add(1, Ordering::Relaxed);
        Coming(Arc::clone(self))
    }

    /// How much will still happen by itself.
    #[must_use]
    pub fn to_come(&self) -> u64 {
        self.coming.load(Ordering::Relaxed)
    }

    /// Counts a call that can move money: on its way, or there.
    pub fn on_its_way(&self, moves: &Moves, by: i32) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let count = calls.entry(moves.clone()).or_insert(0);
        *count += by;
        if *count == 0 {
            calls.remove(moves);
        }
    }

    /// The keys or bills of the calls on their way that can move money for an operation.
    #[must_use]
    pub fn under_way(&self, operation: &str) -> Vec<String> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let of_it = calls.keys().filter(|moves| moves.operation == operation);
        of_it.map(|moves| moves.under.clone()).collect()
    }

    /// Whether a provider may still pay for an operation without a further call of ours.
    #[must_use]
    pub fn may_still_pay(&self, provider: ProviderName, operation: &str) -> bool {
        let (books, now) = (self.pay_out(provider), self.now());
        let under_way = self.under_way(operation);
        books.is_pending(operation) || under_way.iter().any(|under| books.would_pay(now, under))
    }

    /// Lets the providers be away from now until then.
    pub fn away_until(&self, until: Instant) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        // A short one within a long one ends nothing.
        if away.is_none_or(|(_, known)| known < until) {
            *away = Some((Instant::now(), until));
        }
    }

    /// For how long the providers have been away, if they are.
    #[must_use]
    pub fn away_since(&self) -> Option<Duration> {
        let away = *self.away.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, until) = away?;
        (Instant::now() < until).then(|| since.elapsed())
    }

    /// Who really serves a number: some numbers were ported.
    #[must_use]
    pub fn true_operator(&self, phone: &str) -> Operator {
        let by_prefix = match phone.get(3..5) {
            Some("50" | "66" | "95" | "99") => Operator::Vodafone,
            Some("63" | "73" | "93") => Operator::Lifecell,
            _ => Operator::Kyivstar,
        };
        let ported = Rng::named(self.seed, phone);
        match ported.below(5) {
            0 => *ported.pick(&Operator::ALL).unwrap_or(&by_prefix),
            _ => by_prefix,
        }
    }

    /// Money went out at a provider.
    pub fn money_went_out(self: &Arc<Self>, operation: &str, amount: Money) {
        let allowed = self.model().went_out(self, operation, amount);
        if let Err(why) = allowed {
            self.fail(why);
        }
    }

    /// Breaks the circles of a world that has ended, so that its memory is given back.
    pub fn dissolve(&self) {
        let all: Vec<_> = self.processes().drain(..).flatten().collect();
        for running in all {
            running.life.end();
            running.drop_tasks();
        }
    }
}
