//! The log that all processes share, and each process' own connection to it.
//!
//! The rules are those of the in-memory log of the commands' tests; streams are indexed here, because a run reads them many
//! thousand times, and every connection can break before the append, after it, or while it is on its way.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use kvit_commands::ports::log::{Append, Appended, EventLog, LogFault};
use kvit_domain::event::{Position, RecordedEvent, Sequence, StreamId};

use super::life::Life;
use super::plan::Kind;
use super::world::World;

/// The durable part.
#[derive(Default)]
pub struct Store(Mutex<Stored>);

#[derive(Default)]
struct Stored {
    events: Vec<Arc<RecordedEvent>>,
    streams: HashMap<StreamId, Vec<Arc<RecordedEvent>>>,
}

impl Store {
    fn lock(&self) -> std::sync::MutexGuard<'_, Stored> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many events there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().events.len()
    }

    /// How many events there are of each aggregate and name.
    #[must_use]
    pub fn by_name(&self) -> BTreeMap<(String, String), u64> {
        let mut counts = BTreeMap::new();
        for event in &self.lock().events {
            let name = (
                event.stream.aggregate_type.clone(),
                event.event_type.clone(),
            );
            *counts.entry(name).or_insert(0) += 1;
        }
        counts
    }

    /// Stores a whole decision, or nothing when somebody was faster.
    fn append(&self, append: &Append, now: DateTime<Utc>) -> (Appended, Vec<Arc<RecordedEvent>>) {
        let mut stored = self.lock();
        for part in &append.streams {
            let actual = stored
                .streams
                .get(&part.stream)
                .map_or(0, |events| position(events.len()));
            if actual != part.expected_sequence {
                let stream = part.stream.clone();
                return (Appended::Conflict { stream, actual }, Vec::new());
            }
        }
        let mut added = Vec::new();
        for part in &append.streams {
            for (index, event) in part.events.iter().enumerate() {
                let last = stored
                    .events
                    .last()
                    .map_or(DateTime::UNIX_EPOCH, |event| event.recorded_at);
                let recorded = Arc::new(RecordedEvent {
                    position: position(stored.events.len()) + 1,
                    event_id: event.event_id,
                    stream: part.stream.clone(),
                    sequence: part.expected_sequence + position(index) + 1,
                    event_type: event.event_type.clone(),
                    event_version: event.event_version.clone(),
                    payload: event.payload.clone(),
                    metadata: event.metadata.clone(),
                    recorded_at: now.max(last + TimeDelta::microseconds(1)),
                    hash: String::new(),
                });
                stored.events.push(Arc::clone(&recorded));
                stored
                    .streams
                    .entry(part.stream.clone())
                    .or_default()
                    .push(Arc::clone(&recorded));
                added.push(recorded);
            }
        }
        let last = position(stored.events.len());
        let recorded_at = added
            .last()
            .map_or(DateTime::UNIX_EPOCH, |event| event.recorded_at);
        let appended = Appended::Stored {
            first: last - position(added.len()) + 1,
            last,
            recorded_at,
        };
        (appended, added)
    }

    fn load(&self, stream: &StreamId, after: Sequence, limit: usize) -> Vec<RecordedEvent> {
        let stored = self.lock();
        let Some(events) = stored.streams.get(stream) else {
            return Vec::new();
        };
        let skip = usize::try_from(after).unwrap_or(0);
        let page = events.iter().skip(skip).take(limit);
        page.map(|event| RecordedEvent::clone(event)).collect()
    }

    fn read(&self, after: Position, limit: usize) -> Vec<RecordedEvent> {
        let skip = usize::try_from(after).unwrap_or(0);
        let stored = self.lock();
        let page = stored.events.iter().skip(skip).take(limit);
        page.map(|event| RecordedEvent::clone(event)).collect()
    }
}

fn position(count: usize) -> Position {
    Position::try_from(count).unwrap_or(Position::MAX)
}

/// Stores an append, and lets everybody who follows the log know of it.
fn store(world: &Arc<World>, who: &str, append: &Append) -> Appended {
    let (appended, events) = world.store.append(append, world.now());
    match &appended {
        Appended::Conflict { stream, .. } => {
            world.step(format_args!("{who} meets a conflict on {stream}"));
        }
        Appended::Stored { .. } => {
            for event in &events {
                world.step(format_args!(
                    "{who} #{} {}[{}] {}",
                    event.position, event.stream, event.sequence, event.event_type
                ));
            }
            world.follow(&events);
            world.bus.publish(world, &events);
        }
    }
    appended
}

/// A process' connection.
pub struct ProcessLog {
    /// The process.
    pub life: Arc<Life>,
    /// Where.
    pub world: Arc<World>,
}

impl ProcessLog {
    fn who(&self) -> String {
        format!("p{}.{}", self.life.process, self.life.number)
    }

    /// A broken connection while reading.
    async fn reading(&self) -> Result<(), LogFault> {
        self.life.at(&self.world, "reading the log").await;
        if self.world.faults.on() && self.world.schedule.permille(self.world.plan.log / 2) {
            self.world.faults.count(Kind::LogRead);
            return Err(LogFault::Transient("the connection broke".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl EventLog for ProcessLog {
    async fn append(&self, append: Append) -> Result<Appended, LogFault> {
        let (world, who) = (&self.world, self.who());
        self.life.at(world, "before an append").await;
        let broke = || LogFault::Transient("the connection broke".into());
        let faults = world.faults.on();
        if faults && world.schedule.permille(world.plan.log) {
            world.faults.count(Kind::LogBefore);
            world.step(format_args!("{who} loses the log before an append"));
            return Err(broke());
        }
        if faults && world.schedule.permille(world.plan.log / 2) {
            // The connection breaks while the commit is on its way: it may be stored after the caller has given it up.
            world.faults.count(Kind::LogLate);
            world.step(format_args!(
                "{who} loses the log while an append is on its way"
            ));
            let late = world
                .schedule
                .time(Duration::from_millis(1), Duration::from_secs(3));
            let world = Arc::clone(world);
            tokio::spawn(async move {
                tokio::time::sleep(late).await;
                store(&world, "late", &append);
            });
            return Err(broke());
        }
        let appended = store(world, &who, &append);
        if faults && world.schedule.permille(world.plan.log) {
            world.faults.count(Kind::LogAfter);
            world.step(format_args!("{who} loses the log after an append"));
            return Err(broke());
        }
        self.life.at(world, "after an append").await;
        Ok(appended)
    }

    async fn load(
        &self,
        stream: &StreamId,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogFault> {
        self.reading().await?;
        Ok(self.world.store.load(stream, after, limit))
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<RecordedEvent>, LogFault> {
        self.reading().await?;
        Ok(self.world.store.read(after, limit))
    }

    async fn head(&self) -> Result<Position, LogFault> {
        self.reading().await?;
        Ok(position(self.world.store.count()))
    }

    async fn wait_beyond(&self, _: Position, at_most: Duration) {
        tokio::time::sleep(at_most).await;
    }
}
