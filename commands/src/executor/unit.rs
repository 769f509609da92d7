//! One decision over several aggregates: all of its events are stored, or none.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kvit_domain::aggregate::Decide;
use kvit_domain::event::{Position, StreamId};
use kvit_domain::rejection::Rejection;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::slot::{Seen, Slot};
use super::{Executor, Inner, observe};
use crate::context::{CommandDigest, Context};
use crate::error::CommandError;
use crate::ports::log::{Append, Appended, EventLog, StreamAppend};
use crate::ports::time::IdSource;

/// The aggregates that a decision reads or extends, the first being the one that remembers the key.
#[derive(Default)]
pub struct Streams {
    order: Vec<StreamId>,
    /// Sorted by name: everybody locks in the same order, so nobody waits in a circle.
    lockers: BTreeMap<StreamId, Box<dyn Locker>>,
}

impl Streams {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more; naming one twice is harmless.
    #[must_use]
    pub fn with<A>(mut self, id: &str) -> Self
    where
        A: Decide + 'static,
        A::Command: Send + Sync + 'static,
        A::Event: 'static,
    {
        let stream = StreamId::new(A::TYPE, id);
        self.order.push(stream.clone());
        self.lockers
            .insert(stream, Box::new(Typed::<A>(std::marker::PhantomData)));
        self
    }
}

/// A decision's result once it is durable.
#[derive(Debug, Clone)]
pub struct Committed<T> {
    /// What the decision answered; `None` when the same key was done before.
    pub value: Option<T>,
    /// Position up to which the effect reaches; 0 when nothing had to be appended and nothing was there.
    pub position: Position,
    /// Whether this was a repeat.
    pub replayed: bool,
}

/// The aggregates of one decision, loaded and locked.
pub struct Unit<'a> {
    slots: &'a mut BTreeMap<StreamId, Box<dyn Locked>>,
    context: &'a Context,
    digest: CommandDigest,
    ids: &'a dyn IdSource,
}

impl Unit<'_> {
    /// The state of an aggregate, with what this decision did to it so far.
    ///
    /// # Errors
    /// Fatal when the stream was not named in [`Streams`].
    pub fn state<A>(&self, id: &str) -> Result<&A, CommandError>
    where
        A: Decide + 'static,
        A::Command: Send + Sync + 'static,
        A::Event: 'static,
    {
        self.slots
            .get(&StreamId::new(A::TYPE, id))
            .and_then(|slot| slot.as_any().downcast_ref::<Guard<A>>())
            .and_then(|guard| guard.0.state())
            .ok_or_else(|| unnamed(A::TYPE))
    }

    /// Decides a command on one of the aggregates. How many events followed.
    ///
    /// # Errors
    /// The aggregate's refusal: give it back to roll the whole decision back, or go on without this part.
    pub fn run<A>(&mut self, id: &str, command: &A::Command) -> Result<usize, CommandError>
    where
        A: Decide + 'static,
        A::Command: Send + Sync + 'static,
        A::Event: 'static,
    {
        let guard = self
            .slots
            .get_mut(&StreamId::new(A::TYPE, id))
            .and_then(|slot| slot.as_any_mut().downcast_mut::<Guard<A>>())
            .ok_or_else(|| unnamed(A::TYPE))?;
        let decided = guard
            .0
            .state()
            .ok_or_else(|| unnamed(A::TYPE))?
            .decide(command);
        let events = match decided {
            Ok(events) => events,
            Err(rejection) => {
                guard.0.stage_refusal(command, &rejection);
                return Err(rejection.into());
            }
        };
        let count = events.len();
        guard
            .0
            .write(events, self.context, self.digest, None, self.ids)?;
        Ok(count)
    }
}

fn unnamed(aggregate: &str) -> CommandError {
    CommandError::Fatal(format!(
        "a decision used a {aggregate} that it had not named"
    ))
}

impl Executor {
    /// Loads and locks the named aggregates, lets `decide` decide, and appends all of its events at once. `decide` is
    /// pure and may be called again after a conflict, each time on fresh states.
    ///
    /// # Errors
    /// What `decide` answers (nothing is stored then); `idempotency_conflict` when the key was used with another body on
    /// the first stream; transient faults when the log is away: repeat with the same key.
    pub async fn transact<T, F>(
        &self,
        streams: Streams,
        context: &Context,
        digest: CommandDigest,
        mut decide: F,
    ) -> Result<Committed<T>, CommandError>
    where
        T: Send,
        F: FnMut(&mut Unit<'_>) -> Result<T, CommandError> + Send,
    {
        let started = Instant::now();
        let deadline = started + self.inner.limits.deadline;
        let primary = streams.order.first().cloned();
        let mut pause = std::time::Duration::from_millis(20);
        let result = loop {
            let tried = self.attempt(&streams, primary.as_ref(), context, digest, &mut decide);
            // A try that is cut off leaves its slots to be loaded anew by whoever locks them next.
            let tried = tokio::time::timeout_at(deadline, tried)
                .await
                .unwrap_or_else(|_| Err(CommandError::transient("the decision took too long")));
            match tried {
                Ok(Some(committed)) => break Ok(committed),
                Ok(None) if Instant::now() < deadline => {
                    metrics::counter!("kvit_command_conflicts_total", "aggregate" => "several")
                        .increment(1);
                }
                Err(CommandError::Transient { .. }) if Instant::now() + pause < deadline => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(std::time::Duration::from_secs(1));
                }
                Ok(None) => break Err(CommandError::transient("too many conflicts")),
                Err(fault) => break Err(fault),
            }
        };
        observe("several", started, result.as_ref().map(|_| ()));
        result
    }

    async fn attempt<T, F>(
        &self,
        streams: &Streams,
        primary: Option<&StreamId>,
        context: &Context,
        digest: CommandDigest,
        decide: &mut F,
    ) -> Result<Option<Committed<T>>, CommandError>
    where
        F: FnMut(&mut Unit<'_>) -> Result<T, CommandError> + Send,
    {
        let inner = &self.inner;
        let mut slots = BTreeMap::new();
        for (stream, locker) in &streams.lockers {
            if !stream.is_valid() {
                let message = "an id has characters that no stream may have";
                return Err(Rejection::new("invalid_command", message).into());
            }
            slots.insert(stream.clone(), locker.lock(inner, stream).await?);
        }
        // The first stream answers first; the others may have refused the decision before.
        let seen = primary
            .into_iter()
            .chain(streams.lockers.keys())
            .find_map(|stream| slots.get(stream)?.recall(context, digest));
        if let Some(seen) = seen {
            return match seen {
                Seen::Refused(rejection) => Err(rejection.into()),
                Seen::Replayed { .. } => {
                    // Another process may have done it: a slot knows its own stream's event only, and perhaps not even that one
                    // yet. The decision reaches as far as the last of them.
                    finish(&mut slots, None, inner).await?;
                    let position = slots
                        .values()
                        .filter_map(|slot| slot.recall(context, digest))
                        .map(|seen| match seen {
                            Seen::Replayed { position, .. } => position,
                            _ => 0,
                        })
                        .max()
                        .unwrap_or_default();
                    Ok(Some(Committed {
                        value: None,
                        position,
                        replayed: true,
                    }))
                }
                Seen::Done { .. } => Err(CommandError::Fatal("a key recalled no answer".into())),
            };
        }
        let mut unit = Unit {
            slots: &mut slots,
            context,
            digest,
            ids: inner.ids.as_ref(),
        };
        let decided = decide(&mut unit);
        let parts: Vec<StreamAppend> = slots
            .iter()
            .filter_map(|(stream, slot)| slot.part(stream))
            .collect();
        let value = match decided {
            Ok(value) => value,
            Err(refusal) => {
                // A refusal holds only if it was decided on the current state of everything it looked at.
                if finish(&mut slots, None, inner).await? {
                    return Ok(None);
                }
                let remembered = remember(&mut slots, &refusal, context, digest, inner).await?;
                return if remembered { Err(refusal) } else { Ok(None) };
            }
        };
        if parts.iter().all(|part| part.events.is_empty()) {
            let stale = finish(&mut slots, None, inner).await?;
            let position = slots
                .values()
                .map(|slot| slot.position())
                .max()
                .unwrap_or_default();
            return Ok((!stale).then_some(Committed {
                value: Some(value),
                position,
                replayed: false,
            }));
        }
        match inner.log.append(Append { streams: parts }).await {
            Ok(Appended::Stored {
                last, recorded_at, ..
            }) => {
                finish(&mut slots, Some((last, recorded_at)), inner).await?;
                Ok(Some(Committed {
                    value: Some(value),
                    position: last,
                    replayed: false,
                }))
            }
            Ok(Appended::Conflict { .. }) => {
                // Streams that were only looked at are brought up to date; the others are ahead of the log and go.
                for (stream, slot) in &mut slots {
                    slot.confirm(&inner.log, stream).await?;
                }
                Ok(None)
            }
            Err(fault) => {
                slots.values_mut().for_each(|slot| slot.forget());
                Err(fault.into())
            }
        }
    }
}

/// Records a refusal on the streams that want to remember it, so that a repeat under the same key is refused for ever.
/// `false`: somebody else has extended the stream meanwhile, so it must be decided again.
async fn remember(
    slots: &mut BTreeMap<StreamId, Box<dyn Locked>>,
    refusal: &CommandError,
    context: &Context,
    digest: CommandDigest,
    inner: &Inner,
) -> Result<bool, CommandError> {
    let CommandError::Rejected(rejection) = refusal else {
        return Ok(true);
    };
    let mut parts = Vec::new();
    for (stream, slot) in slots.iter_mut() {
        let cause = (context, digest, inner.ids.as_ref());
        parts.extend(
            slot.refusal_part(&inner.log, stream, rejection, cause)
                .await?,
        );
    }
    if parts.is_empty() {
        return Ok(true);
    }
    match inner.log.append(Append { streams: parts }).await {
        Ok(Appended::Stored {
            last, recorded_at, ..
        }) => {
            slots
                .values_mut()
                .for_each(|slot| slot.committed(last, recorded_at));
            Ok(true)
        }
        Ok(Appended::Conflict { .. }) => {
            slots.values_mut().for_each(|slot| slot.forget());
            Ok(false)
        }
        Err(fault) => {
            slots.values_mut().for_each(|slot| slot.forget());
            Err(fault.into())
        }
    }
}

/// After an append: marks what was appended as durable. Without one: drops what was decided in vain, and says whether
/// somebody else had extended any of the streams meanwhile.
async fn finish(
    slots: &mut BTreeMap<StreamId, Box<dyn Locked>>,
    stored: Option<(Position, DateTime<Utc>)>,
    inner: &Inner,
) -> Result<bool, CommandError> {
    if let Some((last, recorded_at)) = stored {
        slots
            .values_mut()
            .for_each(|slot| slot.committed(last, recorded_at));
        return Ok(false);
    }
    let mut stale = false;
    for (stream, slot) in slots.iter_mut() {
        stale |= slot.confirm(&inner.log, stream).await?;
    }
    Ok(stale)
}

#[async_trait]
trait Locker: Send + Sync {
    async fn lock(&self, inner: &Inner, stream: &StreamId)
    -> Result<Box<dyn Locked>, CommandError>;
}

struct Typed<A>(std::marker::PhantomData<fn() -> A>);

#[async_trait]
impl<A> Locker for Typed<A>
where
    A: Decide + 'static,
    A::Command: Send + Sync + 'static,
    A::Event: 'static,
{
    async fn lock(
        &self,
        inner: &Inner,
        stream: &StreamId,
    ) -> Result<Box<dyn Locked>, CommandError> {
        let cell = inner.cells.get::<A>(stream);
        let mut guard = Arc::clone(&cell.slot).lock_owned().await;
        guard.ensure(&inner.log, stream).await?;
        Ok(Box::new(Guard(guard)))
    }
}

struct Guard<A: Decide>(OwnedMutexGuard<Slot<A>>);

#[async_trait]
trait Locked: Send {
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
    fn recall(&self, context: &Context, digest: CommandDigest) -> Option<Seen>;
    fn part(&self, stream: &StreamId) -> Option<StreamAppend>;
    fn committed(&mut self, last: Position, recorded_at: DateTime<Utc>);
    fn forget(&mut self);
    fn position(&self) -> Position;
    async fn refusal_part(
        &mut self,
        log: &Arc<dyn EventLog>,
        stream: &StreamId,
        ended_by: &Rejection,
        cause: (&Context, CommandDigest, &dyn IdSource),
    ) -> Result<Option<StreamAppend>, CommandError>;
    async fn confirm(
        &mut self,
        log: &Arc<dyn EventLog>,
        stream: &StreamId,
    ) -> Result<bool, CommandError>;
}

#[async_trait]
impl<A> Locked for Guard<A>
where
    A: Decide + 'static,
    A::Command: Send + Sync + 'static,
    A::Event: 'static,
{
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
    fn recall(&self, context: &Context, digest: CommandDigest) -> Option<Seen> {
        self.0.recall(context, digest)
    }
    fn part(&self, stream: &StreamId) -> Option<StreamAppend> {
        self.0.part(stream)
    }
    fn committed(&mut self, last: Position, recorded_at: DateTime<Utc>) {
        self.0.committed_if_pending(last, recorded_at);
    }
    fn forget(&mut self) {
        self.0.forget();
    }
    fn position(&self) -> Position {
        self.0.position()
    }
    async fn refusal_part(
        &mut self,
        log: &Arc<dyn EventLog>,
        stream: &StreamId,
        ended_by: &Rejection,
        cause: (&Context, CommandDigest, &dyn IdSource),
    ) -> Result<Option<StreamAppend>, CommandError> {
        self.0.refusal_part(log, stream, ended_by, cause).await
    }
    async fn confirm(
        &mut self,
        log: &Arc<dyn EventLog>,
        stream: &StreamId,
    ) -> Result<bool, CommandError> {
        self.0.confirm(log, stream).await
    }
}
