//! The aggregates in memory, each with its lock and its queue of waiting commands.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kvit_domain::aggregate::Decide;
use kvit_domain::event::StreamId;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Outcome;
use super::slot::Slot;
use crate::context::{CommandDigest, Context};
use crate::error::CommandError;

/// A command that waits for its aggregate.
pub(super) struct Pending<A: Decide> {
    pub(super) command: A::Command,
    pub(super) context: Context,
    pub(super) digest: CommandDigest,
    pub(super) deadline: Instant,
    pub(super) reply: oneshot::Sender<Result<Outcome, CommandError>>,
}

/// One aggregate.
pub(super) struct Cell<A: Decide> {
    pub(super) stream: StreamId,
    pub(super) slot: Arc<tokio::sync::Mutex<Slot<A>>>,
    queue: Mutex<VecDeque<Pending<A>>>,
    running: AtomicBool,
}

impl<A: Decide> Cell<A> {
    fn new(stream: StreamId) -> Self {
        Self {
            stream,
            slot: Arc::default(),
            queue: Mutex::default(),
            running: AtomicBool::new(false),
        }
    }

    /// Adds a command unless too many wait.
    pub(super) fn enqueue(&self, pending: Pending<A>, waiting_max: usize) -> Result<(), ()> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() >= waiting_max {
            return Err(());
        }
        queue.push_back(pending);
        Ok(())
    }

    /// The commands that waited longest.
    pub(super) fn take(&self, at_most: usize) -> Vec<Pending<A>> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let count = queue.len().min(at_most);
        queue.drain(..count).collect()
    }

    /// Whether the caller is now the one who must serve the cell.
    pub(super) fn claim_runner(&self) -> bool {
        !self.running.swap(true, Ordering::AcqRel)
    }

    /// The claim of a runner, given back when dropped.
    pub(super) fn release_on_drop(self: &Arc<Self>) -> RunnerClaim<A> {
        RunnerClaim {
            cell: Arc::clone(self),
            released: AtomicBool::new(false),
        }
    }
}

/// Proof of being the one who serves a cell.
pub(super) struct RunnerClaim<A: Decide> {
    cell: Arc<Cell<A>>,
    released: AtomicBool,
}

impl<A: Decide> RunnerClaim<A> {
    /// Gives the claim back unless a command has arrived since; then the claim stays (or another runner has it).
    /// Whether the runner is done.
    pub(super) fn yield_if_idle(&self) -> bool {
        self.cell.running.store(false, Ordering::Release);
        let idle = self
            .cell
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty();
        if idle || !self.cell.claim_runner() {
            self.released.store(true, Ordering::Relaxed);
            return true;
        }
        false
    }
}

impl<A: Decide> Drop for RunnerClaim<A> {
    fn drop(&mut self) {
        if !self.released.load(Ordering::Relaxed) {
            // The runner panicked or the runtime stops: whoever waits is told by the closed channel.
            self.cell
                .queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clear();
            self.cell.running.store(false, Ordering::Release);
        }
    }
}

struct Entry {
    cell: Arc<dyn Any + Send + Sync>,
    used: u64,
}

/// All aggregates in memory. When there are too many, the longest unused that nobody holds are dropped.
pub(super) struct Cells {
    entries: Mutex<HashMap<StreamId, Entry>>,
    ticks: AtomicU64,
    aggregates_max: usize,
}

impl Cells {
    pub(super) fn new(aggregates_max: usize) -> Self {
        Self {
            entries: Mutex::default(),
            ticks: AtomicU64::new(0),
            aggregates_max: aggregates_max.max(1),
        }
    }

    /// The cell of a stream, made when there is none.
    pub(super) fn get<A>(&self, stream: &StreamId) -> Arc<Cell<A>>
    where
        A: Decide + 'static,
        A::Command: Send + Sync + 'static,
        A::Event: 'static,
    {
        let used = self.ticks.fetch_add(1, Ordering::Relaxed);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get_mut(stream) {
            entry.used = used;
            if let Ok(cell) = Arc::clone(&entry.cell).downcast::<Cell<A>>() {
                return cell;
            }
        }
        if entries.len() >= self.aggregates_max {
            drop_unused(&mut entries, self.aggregates_max);
        }
        let cell = Arc::new(Cell::<A>::new(stream.clone()));
        entries.insert(
            stream.clone(),
            Entry {
                cell: Arc::clone(&cell) as Arc<dyn Any + Send + Sync>,
                used,
            },
        );
        cell
    }
}

/// Drops the longest unused quarter. A cell that somebody holds stays: two cells of one stream in a process would only
/// cost conflicts, but needlessly.
fn drop_unused(entries: &mut HashMap<StreamId, Entry>, aggregates_max: usize) {
    let mut ages: Vec<u64> = entries.values().map(|entry| entry.used).collect();
    ages.sort_unstable();
    let limit = ages.get(aggregates_max / 4).copied().unwrap_or(u64::MAX);
    entries.retain(|_, entry| entry.used > limit || Arc::strong_count(&entry.cell) > 1);
}
