//! The bus: every event to every consumer that wants it, at least once, in the order of its stream, and never when one would
//! like it.
//!
//! A message that a process holds comes again when the process dies, when it shows no sign of life for longer than its lease,
//! and sometimes for no reason. [`kvit_commands::ports::bus::Handled::Later`] gives it back until its time.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kvit_commands::ports::bus::ANY_EVENT;
use kvit_domain::event::{RecordedEvent, StreamId};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::life::Life;
use super::plan::Kind;
use super::process::Running;
use super::world::World;

/// How long the bus waits for a sign of life.
const LEASE: Duration = Duration::from_secs(15);

/// A message of a consumer.
#[derive(Clone)]
pub struct Message {
    /// Its number.
    pub id: u64,
    /// Of which consumer.
    pub consumer: usize,
    /// What it carries.
    pub event: Arc<RecordedEvent>,
}

struct State {
    message: Message,
    /// When it is given out next; `None` while somebody holds it.
    ready_at: Option<Instant>,
    /// Which life holds it.
    holder: Option<u64>,
}

/// A consumer: a policy's name, and what it wants.
pub struct Consumer {
    /// The policy.
    pub name: &'static str,
    interests: Vec<(&'static str, &'static str)>,
}

/// The bus.
#[derive(Default)]
pub struct Bus {
    inner: Mutex<Inner>,
    news: Notify,
}

#[derive(Default)]
struct Inner {
    consumers: Vec<Consumer>,
    messages: BTreeMap<u64, State>,
    /// Those that are ready by when they are, so that the next one is found at once.
    ready: BTreeMap<(Instant, u64), ()>,
    /// No message of a stream is ready before the one before it was.
    order: HashMap<(usize, StreamId), Instant>,
    paused: Option<(usize, Instant)>,
    last: u64,
}

impl Inner {
    fn set_ready(&mut self, id: u64, at: Instant) {
        if let Some(state) = self.messages.get_mut(&id) {
            if let Some(before) = state.ready_at.replace(at) {
                self.ready.remove(&(before, id));
            }
            self.ready.insert((at, id), ());
        }
    }

    fn remove(&mut self, id: u64) {
        if let Some(state) = self.messages.remove(&id)
            && let Some(at) = state.ready_at
        {
            self.ready.remove(&(at, id));
        }
    }
}

impl Bus {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the consumers up; before the first event.
    pub fn consume(&self, consumers: Vec<(&'static str, Vec<(&'static str, &'static str)>)>) {
        self.lock().consumers = consumers
            .into_iter()
            .map(|(name, interests)| Consumer { name, interests })
            .collect();
    }

    /// Lets one consumer stand still until then.
    pub fn pause(&self, name: &str, until: Instant) {
        let mut inner = self.lock();
        let index = inner.consumers.iter().position(|one| one.name == name);
        inner.paused = index.map(|index| (index, until));
    }

    /// Takes events from the log.
    pub fn publish(&self, world: &Arc<World>, events: &[Arc<RecordedEvent>]) {
        let mut inner = self.lock();
        for event in events {
            for consumer in 0..inner.consumers.len() {
                let wanted = inner.consumers.get(consumer).is_some_and(|one| {
                    one.interests.iter().any(|(aggregate, name)| {
                        *aggregate == event.stream.aggregate_type
                            && (*name == ANY_EVENT || *name == event.event_type)
                    })
                });
                if !wanted {
                    continue;
                }
                let mut at = Instant::now() + Duration::from_millis(world.schedule.below(40));
                if world.faults.on() && world.schedule.permille(world.plan.bus) {
                    world.faults.count(Kind::BusDelay);
                    at += world
                        .schedule
                        .time(Duration::from_secs(1), Duration::from_secs(90));
                }
                if let Some((paused, until)) = inner.paused
                    && paused == consumer
                {
                    at = at.max(until);
                }
                let order = inner
                    .order
                    .entry((consumer, event.stream.clone()))
                    .or_insert(at);
                *order = at.max(*order);
                let at = *order;
                inner.last += 1;
                let id = inner.last;
                let message = Message {
                    id,
                    consumer,
                    event: Arc::clone(event),
                };
                let state = State {
                    message,
                    ready_at: None,
                    holder: None,
                };
                inner.messages.insert(id, state);
                inner.set_ready(id, at);
            }
        }
        drop(inner);
        self.news.notify_one();
    }

    /// Gives messages out for ever.
    pub async fn run(&self, world: Arc<World>) {
        loop {
            let next = self.lock().ready.keys().next().copied();
            match next {
                None => self.news.notified().await,
                Some((at, _)) if at > Instant::now() => {
                    let news = self.news.notified();
                    tokio::select! {
                        biased;
                        () = news => {}
                        () = tokio::time::sleep_until(at) => {}
                    }
                }
                Some((_, id)) => match world.somebody() {
                    Some(running) => self.give(&world, id, &running),
                    // Nobody is there: the next start looks again.
                    None => tokio::time::sleep(Duration::from_millis(200)).await,
                },
            }
        }
    }

    fn give(&self, world: &Arc<World>, id: u64, running: &Arc<Running>) {
        let mut inner = self.lock();
        let Some(state) = inner.messages.get_mut(&id) else {
            return;
        };
        let at = state.ready_at.take();
        state.holder = Some(running.life.number);
        let message = state.message.clone();
        if let Some(at) = at {
            inner.ready.remove(&(at, id));
        }
        if world.faults.on() && world.schedule.permille(world.plan.bus) {
            world.faults.count(Kind::BusDuplicate);
            let again =
                Instant::now() + world.schedule.time(Duration::ZERO, Duration::from_secs(20));
            inner.set_ready(id, again);
        }
        drop(inner);
        running.take(world, message);
    }

    /// A message was handled.
    pub fn ack(&self, world: &Arc<World>, id: u64) {
        let mut inner = self.lock();
        if world.faults.on() && world.schedule.permille(world.plan.bus) {
            world.faults.count(Kind::AckLost);
            inner.set_ready(id, Instant::now() + LEASE);
        } else {
            inner.remove(id);
        }
        drop(inner);
        self.news.notify_one();
    }

    /// A message is given back until then.
    pub fn put_off(&self, id: u64, pause: Duration) {
        self.lock().set_ready(id, Instant::now() + pause);
        self.news.notify_one();
    }

    /// What a dead process held comes again.
    pub fn lost(&self, life: &Life) {
        self.redeliver(life.number, LEASE);
    }

    /// A process that stands still for longer than its lease loses what it holds, without knowing.
    pub fn stalled(&self, world: &Arc<World>, life: &Life, time: Duration) {
        if time > LEASE {
            world.faults.count(Kind::LeaseLost);
            self.redeliver(life.number, LEASE);
        }
    }

    fn redeliver(&self, holder: u64, after: Duration) {
        let at = Instant::now() + after;
        let mut inner = self.lock();
        let ids: Vec<u64> = inner
            .messages
            .values()
            .filter(|state| state.holder == Some(holder) && state.ready_at.is_none())
            .map(|state| state.message.id)
            .collect();
        for id in ids {
            inner.set_ready(id, at);
        }
        drop(inner);
        self.news.notify_one();
    }

    /// What is not done yet, in words.
    #[must_use]
    pub fn open(&self) -> Vec<String> {
        let inner = self.lock();
        let name = |consumer: usize| inner.consumers.get(consumer).map_or("?", |one| one.name);
        inner
            .messages
            .values()
            .map(|state| {
                let event = &state.message.event;
                format!(
                    "{} {} {}",
                    name(state.message.consumer),
                    event.stream,
                    event.event_type
                )
            })
            .collect()
    }
}
