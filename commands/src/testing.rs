//! In-memory twins of the ports, with faults on demand. For tests only.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use kvit_domain::event::{Position, RecordedEvent, Sequence, StreamId};
use kvit_domain::sealed::Sealed;
use tokio::sync::watch;
use uuid::Uuid;

use crate::ports::log::{Append, Appended, EventLog, LogFault};
use crate::ports::time::{Clock, IdSource};
use crate::ports::vault::{Vault, VaultFault};

/// What the next append meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: this append goes well.
    None,
    /// The connection breaks before the append is stored.
    BeforeStore,
    /// The connection breaks after the append is stored: the caller does not learn of its success.
    AfterStore,
}

/// A log in memory.
pub struct MemoryLog {
    events: Mutex<Vec<RecordedEvent>>,
    heads: Mutex<HashMap<StreamId, Sequence>>,
    faults: Mutex<VecDeque<Fault>>,
    head: watch::Sender<Position>,
    clock: Option<std::sync::Arc<dyn Clock>>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self {
            events: Mutex::default(),
            heads: Mutex::default(),
            faults: Mutex::default(),
            head: watch::Sender::new(0),
            clock: None,
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryLog {
    /// A log that stamps by this clock instead of by counting microseconds.
    #[must_use]
    pub fn stamped_by(clock: std::sync::Arc<dyn Clock>) -> Self {
        Self {
            clock: Some(clock),
            ..Self::default()
        }
    }

    /// Lets coming appends meet these faults, one each.
    pub fn inject(&self, faults: impl IntoIterator<Item = Fault>) {
        locked(&self.faults).extend(faults);
    }

    /// Lets coming appends go well again.
    pub fn heal(&self) {
        locked(&self.faults).clear();
    }

    /// Everything stored, in order.
    #[must_use]
    pub fn all(&self) -> Vec<RecordedEvent> {
        locked(&self.events).clone()
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn append(&self, append: Append) -> Result<Appended, LogFault> {
        // A real log answers later, not at once: let others run, so that interleavings happen.
        tokio::task::yield_now().await;
        let fault = locked(&self.faults).pop_front();
        if fault == Some(Fault::BeforeStore) {
            return Err(LogFault::Transient("injected before the store".into()));
        }
        let mut events = locked(&self.events);
        let mut heads = locked(&self.heads);
        for part in &append.streams {
            let actual = heads.get(&part.stream).copied().unwrap_or_default();
            if actual != part.expected_sequence {
                return Ok(Appended::Conflict {
                    stream: part.stream.clone(),
                    actual,
                });
            }
        }
        let first = Position::try_from(events.len()).unwrap_or(Position::MAX) + 1;
        let mut recorded_at = DateTime::UNIX_EPOCH;
        for part in append.streams {
            for (index, event) in part.events.into_iter().enumerate() {
                let position = Position::try_from(events.len()).unwrap_or(Position::MAX) + 1;
                let now = self
                    .clock
                    .as_ref()
                    .map_or(DateTime::UNIX_EPOCH, |clock| clock.now());
                let last = events
                    .last()
                    .map_or(DateTime::UNIX_EPOCH, |event| event.recorded_at);
                recorded_at = now.max(last + TimeDelta::microseconds(1));
                let sequence =
                    part.expected_sequence + Sequence::try_from(index).unwrap_or(Sequence::MAX) + 1;
                heads.insert(part.stream.clone(), sequence);
                events.push(RecordedEvent {
                    position,
                    event_id: event.event_id,
                    stream: part.stream.clone(),
                    sequence,
                    event_type: event.event_type,
                    event_version: event.event_version,
                    payload: event.payload,
                    metadata: event.metadata,
                    recorded_at,
                    hash: String::new(),
                });
            }
        }
        let last = Position::try_from(events.len()).unwrap_or(Position::MAX);
        self.head.send_replace(last);
        if fault == Some(Fault::AfterStore) {
            return Err(LogFault::Transient("injected after the store".into()));
        }
        Ok(Appended::Stored {
            first,
            last,
            recorded_at,
        })
    }

    async fn load(
        &self,
        stream: &StreamId,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogFault> {
        let events = locked(&self.events);
        Ok(events
            .iter()
            .filter(|e| e.stream == *stream && e.sequence > after)
            .take(limit)
            .cloned()
            .collect())
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<RecordedEvent>, LogFault> {
        Ok(locked(&self.events)
            .iter()
            .filter(|e| e.position > after)
            .take(limit)
            .cloned()
            .collect())
    }

    async fn head(&self) -> Result<Position, LogFault> {
        Ok(*self.head.borrow())
    }

    async fn wait_beyond(&self, after: Position, at_most: Duration) {
        let mut head = self.head.subscribe();
        let _ = tokio::time::timeout(at_most, head.wait_for(|position| *position > after)).await;
    }
}

/// A clock that stands still until it is moved.
pub struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    /// A clock at this time.
    #[must_use]
    pub const fn at(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves the clock.
    pub fn advance(&self, by: TimeDelta) {
        *locked(&self.0) += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *locked(&self.0)
    }
}

/// Ids in a row, so that a test's history is the same at each run.
#[derive(Default)]
pub struct CountingIds(Mutex<u128>);

impl IdSource for CountingIds {
    fn fresh(&self) -> Uuid {
        let mut last = locked(&self.0);
        *last += 1;
        Uuid::from_u128(*last)
    }
}

/// A vault that only marks what is sealed. It keeps no secret and must never stand outside a test.
#[derive(Default)]
pub struct MarkingVault {
    forgotten: Mutex<Vec<Uuid>>,
}

impl MarkingVault {
    fn gone(&self, person: Uuid) -> bool {
        locked(&self.forgotten).contains(&person)
    }
}

#[async_trait]
impl Vault for MarkingVault {
    async fn seal(
        &self,
        person: Uuid,
        _: &StreamId,
        field: &str,
        plaintext: &[u8],
    ) -> Result<Sealed, VaultFault> {
        if self.gone(person) {
            return Err(VaultFault::Forgotten);
        }
        Ok(Sealed::from_sealed(format!(
            "v1.{field}.{}",
            hex::encode(plaintext)
        )))
    }

    async fn open(
        &self,
        person: Uuid,
        _: &StreamId,
        _: &str,
        sealed: &Sealed,
    ) -> Result<Option<Vec<u8>>, VaultFault> {
        if self.gone(person) {
            return Ok(None);
        }
        let body = sealed.as_str().rsplit('.').next().unwrap_or_default();
        hex::decode(body)
            .map(Some)
            .map_err(|_| VaultFault::Fatal("not sealed".into()))
    }

    async fn seal_bytes(
        &self,
        person: Uuid,
        _: &str,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, VaultFault> {
        if self.gone(person) {
            Err(VaultFault::Forgotten)
        } else {
            Ok(plaintext.to_vec())
        }
    }

    async fn open_bytes(
        &self,
        person: Uuid,
        _: &str,
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, VaultFault> {
        Ok((!self.gone(person)).then(|| sealed.to_vec()))
    }

    async fn forget(&self, person: Uuid) -> Result<(), VaultFault> {
        locked(&self.forgotten).push(person);
        Ok(())
    }

    async fn reopen(&self, person: Uuid) -> Result<(), VaultFault> {
        locked(&self.forgotten).retain(|known| *known != person);
        Ok(())
    }

    fn lookup_hash(&self, kind: &str, value: &str) -> String {
        hex::encode(format!("{kind}:{value}"))
    }
}
