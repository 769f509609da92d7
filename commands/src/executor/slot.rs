//! An aggregate in memory: its state, where its stream ends, and the keys of the commands that extended it.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use cqrs_es::DomainEvent;
use kvit_domain::aggregate::Decide;
use kvit_domain::event::{Position, RecordedEvent, Sequence, StreamId, metadata};
use kvit_domain::rejection::Rejection;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{Outcome, to_result};
use crate::context::{CommandDigest, Context};
use crate::error::CommandError;
use crate::ports::log::{EventLog, NewEvent, StreamAppend};
use crate::ports::time::IdSource;

/// Events read from the log at a time.
const LOAD_PAGE: usize = 1_000;

/// Longest idempotency key, bytes.
pub(super) const KEY_BYTES_MAX: usize = 400;

/// A hash of an idempotency key; 128 bits are enough to keep honest keys apart, and the digest of the body, which is
/// compared in full, tells a collision from a repeat.
type KeyHash = [u8; 16];

fn key_hash(key: &str) -> KeyHash {
    let mut short = [0; 16];
    short.copy_from_slice(&Sha256::digest(key.as_bytes())[..16]);
    short
}

/// What the stream remembers of a command.
struct Remembered {
    digest: CommandDigest,
    sequence: Sequence,
    /// 0 while the append is under way.
    position: Position,
    refusal: Option<Box<Rejection>>,
}

/// How a command was met; becomes an answer once the append is durable.
pub(super) enum Seen {
    /// It appended so many events (perhaps none: what it asks for is so already).
    Done { events: usize },
    /// It was done before and reached this far.
    Replayed {
        sequence: Sequence,
        position: Position,
    },
    /// It was refused, now or before.
    Refused(Rejection),
}

/// The state with its surroundings.
pub(super) struct Loaded<A> {
    pub(super) state: A,
    /// Sequence of the last event, pending ones included.
    pub(super) sequence: Sequence,
    position: Position,
    recorded_at: Option<DateTime<Utc>>,
    remembered: HashMap<KeyHash, Remembered>,
}

/// A place for an aggregate in memory. Empty until it is first needed and after every doubt.
pub(super) struct Slot<A: Decide> {
    loaded: Option<Loaded<A>>,
    /// Events decided on the state but not yet in the log. While there are any, the state is ahead of the log: whoever
    /// finds it so at taking the lock (the holder was cancelled) drops the state.
    pending: Vec<NewEvent>,
    pending_keys: Vec<KeyHash>,
    /// A refusal of a decision over several streams that the aggregate wants to remember.
    staged_refusal: Option<(A::Event, Rejection)>,
}

impl<A: Decide> Default for Slot<A> {
    fn default() -> Self {
        Self {
            loaded: None,
            pending: Vec::new(),
            pending_keys: Vec::new(),
            staged_refusal: None,
        }
    }
}

impl<A: Decide> Slot<A> {
    /// Drops everything: the log will be asked again.
    pub(super) fn forget(&mut self) {
        self.loaded = None;
        self.pending.clear();
        self.pending_keys.clear();
    }

    /// Loads the aggregate unless it is here.
    pub(super) async fn ensure(
        &mut self,
        log: &Arc<dyn EventLog>,
        stream: &StreamId,
    ) -> Result<(), CommandError> {
        if !self.pending.is_empty() {
            self.forget();
        }
        if self.loaded.is_none() {
            let mut loaded = Loaded {
                state: A::default(),
                sequence: 0,
                position: 0,
                recorded_at: None,
                remembered: HashMap::new(),
            };
            loaded.catch_up(log, stream).await?;
            self.loaded = Some(loaded);
        }
        Ok(())
    }

    /// Reads what others have appended since. Whether there was anything.
    pub(super) async fn refresh(
        &mut self,
        log: &Arc<dyn EventLog>,
        stream: &StreamId,
    ) -> Result<bool, CommandError> {
        match &mut self.loaded {
            Some(loaded) => match loaded.catch_up(log, stream).await {
                Ok(count) => Ok(count > 0),
                Err(fault) => {
                    self.forget();
                    Err(fault)
                }
            },
            None => Ok(true),
        }
    }

    /// The aggregate as the log has it now.
    pub(super) async fn current(
        &mut self,
        log: &Arc<dyn EventLog>,
        stream: &StreamId,
    ) -> Result<&Loaded<A>, CommandError> {
        let was_here = self.loaded.is_some() && self.pending.is_empty();
        self.ensure(log, stream).await?;
        if was_here {
            self.refresh(log, stream).await?;
        }
        self.loaded
            .as_ref()
            .ok_or_else(|| CommandError::transient("the aggregate was dropped"))
    }

    /// The state, when loaded.
    pub(super) fn state(&self) -> Option<&A> {
        self.loaded.as_ref().map(|loaded| &loaded.state)
    }

    /// Keeps a refusal for [`Slot::refusal_part`], if the aggregate remembers such refusals.
    pub(super) fn stage_refusal(&mut self, command: &A::Command, rejection: &Rejection) {
        let event = self
            .state()
            .and_then(|state| state.record_refusal(command, rejection));
        self.staged_refusal = event.map(|event| (event, rejection.clone()));
    }

    /// The staged refusal as a part of an append of its own, if it is the one that ended the decision. What the decision had
    /// done before it was refused is dropped.
    pub(super) async fn refusal_part(
        &mut self,
        log: &Arc<dyn EventLog>,
        stream: &StreamId,
        ended_by: &Rejection,
        cause: (&Context, CommandDigest, &dyn IdSource),
    ) -> Result<Option<StreamAppend>, CommandError> {
        let Some((event, rejection)) = self
            .staged_refusal
            .take()
            .filter(|(_, staged)| staged == ended_by)
        else {
            return Ok(None);
        };
        self.ensure(log, stream).await?;
        let (context, digest, ids) = cause;
        self.write(vec![event], context, digest, Some(rejection), ids)?;
        Ok(self.take_append(stream))
    }

    /// What the stream remembers of a key: a repeat, a conflict, or nothing.
    pub(super) fn recall(&self, context: &Context, digest: CommandDigest) -> Option<Seen> {
        let known = self
            .loaded
            .as_ref()?
            .remembered
            .get(&key_hash(&context.idempotency_key))?;
        Some(if known.digest != digest {
            Seen::Refused(Rejection::new(
                "idempotency_conflict",
                "this key was used before with another body",
            ))
        } else if let Some(refusal) = &known.refusal {
            Seen::Refused((**refusal).clone())
        } else {
            Seen::Replayed {
                sequence: known.sequence,
                position: known.position,
            }
        })
    }

    /// Decides a command on the state and applies its events to it; they wait in `pending` for the append.
    pub(super) fn decide(
        &mut self,
        command: &A::Command,
        context: &Context,
        digest: CommandDigest,
        ids: &dyn IdSource,
    ) -> Result<Seen, CommandError> {
        let key = &context.idempotency_key;
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            let message = format!("an idempotency key has 1 to {KEY_BYTES_MAX} bytes");
            return Ok(Seen::Refused(Rejection::new("invalid_command", message)));
        }
        if let Some(seen) = self.recall(context, digest) {
            return Ok(seen);
        }
        let Some(loaded) = &mut self.loaded else {
            return Err(CommandError::transient("the aggregate was dropped"));
        };
        let (events, refusal) = match loaded.state.decide(command) {
            Ok(events) => (events, None),
            Err(rejection) => match loaded.state.record_refusal(command, &rejection) {
                Some(event) => (vec![event], Some(rejection)),
                None => return Ok(Seen::Refused(rejection)),
            },
        };
        let count = events.len();
        self.write(events, context, digest, refusal.clone(), ids)?;
        Ok(refusal.map_or(Seen::Done { events: count }, Seen::Refused))
    }

    /// Applies events and queues them.
    pub(super) fn write(
        &mut self,
        events: Vec<A::Event>,
        context: &Context,
        digest: CommandDigest,
        refusal: Option<Rejection>,
        ids: &dyn IdSource,
    ) -> Result<(), CommandError> {
        let Some(loaded) = &mut self.loaded else {
            return Err(CommandError::transient("the aggregate was dropped"));
        };
        if events.is_empty() {
            return Ok(());
        }
        let metadata = context.metadata(&digest);
        for event in events {
            let payload = serde_json::value::to_raw_value(&event).map_err(|fault| {
                CommandError::Fatal(format!("an event cannot be written down: {fault}"))
            })?;
            self.pending
                .push(new_event(&event, payload, metadata.clone(), ids));
            loaded.state.apply(event);
            loaded.sequence = loaded.sequence.saturating_add(1);
        }
        let hash = key_hash(&context.idempotency_key);
        let remembered = Remembered {
            digest,
            sequence: loaded.sequence,
            position: 0,
            refusal: refusal.map(Box::new),
        };
        loaded.remembered.insert(hash, remembered);
        self.pending_keys.push(hash);
        Ok(())
    }

    /// The pending events as the part of an append, if there are any. They stay pending until [`Slot::committed`].
    pub(super) fn take_append(&self, stream: &StreamId) -> Option<StreamAppend> {
        self.part(stream).filter(|part| !part.events.is_empty())
    }

    /// This stream's part in a decision over several: its pending events, or none when it was only looked at.
    pub(super) fn part(&self, stream: &StreamId) -> Option<StreamAppend> {
        let count = Sequence::try_from(self.pending.len()).ok()?;
        Some(StreamAppend {
            stream: stream.clone(),
            expected_sequence: self.loaded.as_ref()?.sequence.saturating_sub(count),
            events: self.pending.clone(),
        })
    }

    /// The pending events are in the log, the last of them not after `last`.
    pub(super) fn committed(&mut self, last: Position, recorded_at: DateTime<Utc>) {
        if let Some(loaded) = &mut self.loaded {
            loaded.position = last;
            loaded.recorded_at = Some(recorded_at);
            for key in &self.pending_keys {
                if let Some(remembered) = loaded.remembered.get_mut(key) {
                    remembered.position = last;
                }
            }
        }
        self.pending.clear();
        self.pending_keys.clear();
    }

    /// As [`Slot::committed`], for a slot that may have had no part in the append.
    pub(super) fn committed_if_pending(&mut self, last: Position, recorded_at: DateTime<Utc>) {
        if !self.pending.is_empty() {
            self.committed(last, recorded_at);
        }
    }

    /// Position of the stream's last event; 0 when there is none.
    pub(super) fn position(&self) -> Position {
        self.loaded.as_ref().map_or(0, |loaded| loaded.position)
    }

    /// Drops what was decided in vain and says whether the state that it was decided on was stale.
    pub(super) async fn confirm(
        &mut self,
        log: &Arc<dyn EventLog>,
        stream: &StreamId,
    ) -> Result<bool, CommandError> {
        let Some(loaded) = &self.loaded else {
            return Ok(true);
        };
        let count = Sequence::try_from(self.pending.len()).unwrap_or(Sequence::MAX);
        let seen = loaded.sequence.saturating_sub(count);
        if count > 0 {
            self.forget();
            return Ok(!log.load(stream, seen, 1).await?.is_empty());
        }
        self.refresh(log, stream).await
    }

    /// The answer to a command once its effect is durable.
    pub(super) fn answer(&self, seen: Seen) -> Result<Outcome, CommandError> {
        let last = self.loaded.as_ref().map_or(
            Outcome {
                sequence: 0,
                position: 0,
                recorded_at: None,
                replayed: false,
                events: 0,
            },
            |loaded| Outcome {
                sequence: loaded.sequence,
                position: loaded.position,
                recorded_at: loaded.recorded_at,
                replayed: false,
                events: 0,
            },
        );
        // A repeat that waited in the same batch as its first copy learns the position only now.
        let seen = match seen {
            Seen::Replayed {
                sequence,
                position: 0,
            } => Seen::Replayed {
                sequence,
                position: last.position,
            },
            other => other,
        };
        to_result(seen, last)
    }
}

impl<A: Decide> Loaded<A> {
    async fn catch_up(
        &mut self,
        log: &Arc<dyn EventLog>,
        stream: &StreamId,
    ) -> Result<usize, CommandError> {
        let mut count = 0_usize;
        loop {
            let page = log.load(stream, self.sequence, LOAD_PAGE).await?;
            let full = page.len() == LOAD_PAGE;
            count = count.saturating_add(page.len());
            for event in &page {
                self.take(event)?;
            }
            if !full {
                return Ok(count);
            }
        }
    }

    fn take(&mut self, recorded: &RecordedEvent) -> Result<(), CommandError> {
        if recorded.sequence != self.sequence.saturating_add(1) {
            return Err(CommandError::Fatal(format!(
                "stream {} has sequence {} after {}",
                recorded.stream, recorded.sequence, self.sequence
            )));
        }
        let event: A::Event = recorded
            .decode()
            .map_err(|fault| CommandError::Fatal(fault.to_string()))?;
        if let Some(key) = recorded.meta(metadata::IDEMPOTENCY_KEY)
            && let Some(digest) = recorded
                .meta(metadata::COMMAND_DIGEST)
                .and_then(CommandDigest::from_hex)
        {
            let refusal = A::recorded_refusal(&event).cloned().map(Box::new);
            let remembered = Remembered {
                digest,
                sequence: recorded.sequence,
                position: recorded.position,
                refusal,
            };
            self.remembered.insert(key_hash(key), remembered);
        }
        self.state.apply(event);
        self.sequence = recorded.sequence;
        self.position = recorded.position;
        self.recorded_at = Some(recorded.recorded_at);
        Ok(())
    }
}

fn new_event<E: DomainEvent>(
    event: &E,
    payload: Box<RawValue>,
    metadata: std::collections::BTreeMap<String, String>,
    ids: &dyn IdSource,
) -> NewEvent {
    NewEvent {
        event_id: ids.fresh(),
        event_type: event.event_type(),
        event_version: event.event_version(),
        payload,
        metadata,
    }
}
