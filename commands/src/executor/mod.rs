//! Runs commands: load, decide, append, answer.
//!
//! Aggregates are kept in memory. Commands for one aggregate are decided one after another on that state and travel to
//! the log together, so a hot wallet costs one durable write for many commands. At most one append of an aggregate is
//! under way in a process; what arrives meanwhile waits and goes next, which makes batches as large as the load needs
//! without any timer.
//!
//! The memory is only a cache of the log. Every append carries the sequence that its decision saw, so a stale state is
//! found out by the log; it is then dropped, loaded and asked again. An answer that appends nothing (a refusal, a
//! repeat) is given only after the log has confirmed that the state was current. A failed append leaves nothing behind:
//! the state is dropped too, and the same command is simply run again, which is safe because every stream remembers the
//! keys of the commands that extended it.

mod cells;
mod slot;
mod unit;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use kvit_domain::aggregate::Decide;
use kvit_domain::event::{Position, Sequence, StreamId};
use kvit_domain::rejection::Rejection;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::Instant;

use self::cells::{Cell, Cells, Pending};
use self::slot::{Seen, Slot};
use crate::context::{CommandDigest, Context};
use crate::error::CommandError;
use crate::ports::log::{Append, Appended, EventLog};
use crate::ports::time::{Clock, IdSource};

pub use self::unit::{Committed, Streams, Unit};

/// Bounds of the executor.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Aggregates kept in memory.
    pub aggregates_max: usize,
    /// Commands waiting for one aggregate; the next is told to come later.
    pub waiting_max: usize,
    /// Commands decided together and appended at once for one aggregate.
    pub combined_max: usize,
    /// How long a command may take in all.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            aggregates_max: 20_000,
            waiting_max: 4_096,
            combined_max: 256,
            deadline: Duration::from_secs(10),
        }
    }
}

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Sequence of the stream's last event after the command.
    pub sequence: Sequence,
    /// Position in the log up to which the command's effect reaches; a query at this position shows it.
    pub position: Position,
    /// Time of the last event.
    pub recorded_at: Option<DateTime<Utc>>,
    /// Whether this was a repeat of a command that was done before.
    pub replayed: bool,
    /// How many events the command itself appended now.
    pub events: usize,
}

/// Runs commands against a log.
#[derive(Clone)]
pub struct Executor {
    inner: Arc<Inner>,
}

struct Inner {
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    cells: Cells,
    limits: Limits,
}

impl Executor {
    /// An executor with an empty memory.
    #[must_use]
    pub fn new(
        log: Arc<dyn EventLog>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        limits: Limits,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                log,
                clock,
                ids,
                cells: Cells::new(limits.aggregates_max),
                limits,
            }),
        }
    }

    /// The clock that decisions are given.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// A fresh unique id.
    #[must_use]
    pub fn fresh_id(&self) -> uuid::Uuid {
        self.inner.ids.fresh()
    }

    /// The log behind it.
    #[must_use]
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.inner.log
    }

    /// Runs a command on one aggregate.
    ///
    /// # Errors
    /// [`CommandError::Rejected`] when the aggregate refuses (the first refusal, if the aggregate remembers refusals) or
    /// the key was used with another body; [`CommandError::Transient`] when the log is away or the deadline has passed:
    /// repeat with the same key.
    pub async fn execute<A>(
        &self,
        id: &str,
        command: A::Command,
        context: &Context,
    ) -> Result<Outcome, CommandError>
    where
        A: Decide + 'static,
        A::Command: Serialize + Send + Sync + 'static,
        A::Event: 'static,
    {
        let started = Instant::now();
        let stream = StreamId::new(A::TYPE, id);
        if !stream.is_valid() {
            return Err(Rejection::new(
                "invalid_command",
                "the id has characters that no stream may have",
            )
            .into());
        }
        let digest = CommandDigest::of(A::TYPE, &command)
            .map_err(|fault| CommandError::Fatal(fault.to_string()))?;
        let cell = self.inner.cells.get::<A>(&stream);
        let (reply, answer) = oneshot::channel();
        let deadline = started + self.inner.limits.deadline;
        let pending = Pending {
            command,
            context: context.clone(),
            digest,
            deadline,
            reply,
        };
        if cell
            .enqueue(pending, self.inner.limits.waiting_max)
            .is_err()
        {
            return Err(CommandError::transient(
                "too many commands wait for this aggregate",
            ));
        }
        if cell.claim_runner() {
            tokio::spawn(run_cell(Arc::clone(&self.inner), Arc::clone(&cell)));
        }
        let result = match tokio::time::timeout_at(deadline, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(CommandError::transient("the command was interrupted")),
            Err(_) => Err(CommandError::transient("the command took too long")),
        };
        observe(A::TYPE, started, result.as_ref().map(|_| ()));
        result
    }

    /// The aggregate as the log has it now.
    ///
    /// # Errors
    /// When the log is away or holds what the code cannot read.
    pub async fn load<A>(&self, id: &str) -> Result<A, CommandError>
    where
        A: Decide + Clone + 'static,
        A::Command: Send + Sync + 'static,
        A::Event: 'static,
    {
        let stream = StreamId::new(A::TYPE, id);
        if !stream.is_valid() {
            return Ok(A::default());
        }
        let cell = self.inner.cells.get::<A>(&stream);
        let look = async {
            let mut slot = cell.slot.lock().await;
            let loaded = slot.current(&self.inner.log, &stream).await?;
            Ok(loaded.state.clone())
        };
        let bounded = tokio::time::timeout(self.inner.limits.deadline, look).await;
        bounded.unwrap_or_else(|_| Err(CommandError::transient("the log did not answer in time")))
    }
}

fn observe(aggregate: &'static str, started: Instant, result: Result<(), &CommandError>) {
    let outcome = match result {
        Ok(()) => "ok",
        Err(CommandError::Rejected(_)) => "rejected",
        Err(CommandError::Transient { .. }) => "transient",
        Err(CommandError::Fatal(_)) => "fatal",
    };
    metrics::counter!("kvit_commands_total", "aggregate" => aggregate, "outcome" => outcome)
        .increment(1);
    metrics::histogram!("kvit_command_seconds", "aggregate" => aggregate).record(started.elapsed());
}

/// Serves a cell until nothing waits. It runs in a task of its own, so a caller that goes away interrupts nothing.
async fn run_cell<A>(inner: Arc<Inner>, cell: Arc<Cell<A>>)
where
    A: Decide + 'static,
    A::Command: Send + Sync + 'static,
    A::Event: 'static,
{
    // If this task dies on the way, the claim must not stay behind or the aggregate would be stuck for ever.
    let claim = cell.release_on_drop();
    loop {
        let mut slot = cell.slot.lock().await;
        let batch = cell.take(inner.limits.combined_max);
        if batch.is_empty() {
            drop(slot);
            if claim.yield_if_idle() {
                return;
            }
            continue;
        }
        serve(&inner, &cell.stream, &mut slot, batch).await;
    }
}

/// Decides a batch, appends it, answers it. Faults are retried within each command's deadline.
async fn serve<A>(inner: &Inner, stream: &StreamId, slot: &mut Slot<A>, mut batch: Vec<Pending<A>>)
where
    A: Decide + 'static,
    A::Command: Send + Sync + 'static,
    A::Event: 'static,
{
    let mut pause = Duration::from_millis(20);
    loop {
        let now = Instant::now();
        batch.retain(|pending| pending.deadline > now && !pending.reply.is_closed());
        if batch.is_empty() {
            return;
        }
        let tried =
            tokio::time::timeout(inner.limits.deadline, attempt(inner, stream, slot, &batch)).await;
        let tried = tried.unwrap_or_else(|_| {
            // Cut off in the middle: what was decided may or may not be stored, so the log is asked again.
            slot.forget();
            Err(CommandError::transient("the log did not answer in time"))
        });
        match tried {
            Ok(Some(answers)) => {
                for (pending, answer) in batch.into_iter().zip(answers) {
                    let _ = pending.reply.send(answer);
                }
                return;
            }
            // Somebody else extended the stream: decide again at once on the new state.
            Ok(None) => metrics::counter!("kvit_command_conflicts_total", "aggregate" => A::TYPE)
                .increment(1),
            Err(CommandError::Transient { .. }) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
            Err(fault) => {
                for pending in batch {
                    let _ = pending.reply.send(Err(fault.clone()));
                }
                return;
            }
        }
    }
}

/// One try. `None`: the state was stale and nothing was stored.
async fn attempt<A>(
    inner: &Inner,
    stream: &StreamId,
    slot: &mut Slot<A>,
    batch: &[Pending<A>],
) -> Result<Option<Vec<Result<Outcome, CommandError>>>, CommandError>
where
    A: Decide + 'static,
    A::Event: 'static,
{
    slot.ensure(&inner.log, stream).await?;
    let mut decided = Vec::with_capacity(batch.len());
    for pending in batch {
        decided.push(slot.decide(
            &pending.command,
            &pending.context,
            pending.digest,
            inner.ids.as_ref(),
        )?);
    }
    let Some(part) = slot.take_append(stream) else {
        // Nothing to append: the answers hold only if the state was current.
        return Ok(if slot.refresh(&inner.log, stream).await? {
            None
        } else {
            Some(decided.into_iter().map(|seen| slot.answer(seen)).collect())
        });
    };
    let appended = inner
        .log
        .append(Append {
            streams: vec![part],
        })
        .await;
    match appended {
        Ok(Appended::Stored {
            last, recorded_at, ..
        }) => {
            slot.committed(last, recorded_at);
            Ok(Some(
                decided.into_iter().map(|seen| slot.answer(seen)).collect(),
            ))
        }
        Ok(Appended::Conflict { .. }) => {
            slot.forget();
            Ok(None)
        }
        Err(fault) => {
            slot.forget();
            Err(fault.into())
        }
    }
}

/// Answers of the slot as results of commands.
fn to_result(seen: Seen, last: Outcome) -> Result<Outcome, CommandError> {
    match seen {
        Seen::Done { events } => Ok(Outcome {
            events,
            replayed: false,
            ..last
        }),
        Seen::Replayed { sequence, position } => Ok(Outcome {
            sequence,
            position,
            recorded_at: None,
            replayed: true,
            events: 0,
        }),
        Seen::Refused(rejection) => Err(CommandError::Rejected(rejection)),
    }
}
