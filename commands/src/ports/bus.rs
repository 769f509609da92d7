//! What follows the log: handlers of events, called by the bus consumer.

use std::time::Duration;

use async_trait::async_trait;
use kvit_domain::event::RecordedEvent;

/// How a handler finished with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// Its work is done and durable.
    Done,
    /// There was nothing to do.
    Skipped,
    /// Not yet: call again with the same event after this time. It is no failure and never leads to the dead letters.
    /// Later events of the same aggregate do not wait for it.
    Later(Duration),
}

/// Why a handler could not finish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandlerFault {
    /// Something it needs is away. The event is tried again, with growing pauses, and the later events of the same
    /// aggregate wait behind it; it goes to the dead letters only when that lasts very long.
    #[error("not now: {reason}")]
    Transient {
        /// Why; no personal data.
        reason: String,
        /// When to try again, if known better than by the usual pauses.
        retry_after: Option<Duration>,
    },
    /// It can never be handled. It goes to the dead letters at once.
    #[error("never: {reason}")]
    Poison {
        /// Why; no personal data.
        reason: String,
    },
}

impl HandlerFault {
    /// A transient fault with the usual pauses.
    pub fn transient(reason: impl Into<String>) -> Self {
        Self::Transient {
            reason: reason.into(),
            retry_after: None,
        }
    }

    /// An event that can never be handled.
    pub fn poison(reason: impl Into<String>) -> Self {
        Self::Poison {
            reason: reason.into(),
        }
    }
}

/// Stands for every event type of an aggregate in [`EventHandler::interests`].
pub const ANY_EVENT: &str = "*";

/// A policy or worker: on an event it does something, usually by issuing a command.
///
/// Delivery is at least once, and after a crash or a restart an old event may come again: handlers must be idempotent,
/// which they are when they only issue commands with a key made from the event. Events of one aggregate come in order
/// within one process; with several processes on one handler the order between processes is not promised.
#[async_trait]
pub trait EventHandler: Send + Sync {
    /// Its name, lower case with `-`: the durable consumer is `kvit-<name>`. Never change it: another name starts from
    /// the first event again.
    fn name(&self) -> &'static str;

    /// The (aggregate type, event type) pairs that it wants; [`ANY_EVENT`] as event type means all of the aggregate.
    fn interests(&self) -> Vec<(&'static str, &'static str)>;

    /// Whether it may answer [`Handled::Later`]. An event can then wait through many restarts, so restarts do not count as
    /// failed tries of it. Without it, an event that takes the process down again and again is set aside in the end.
    fn defers(&self) -> bool {
        false
    }

    /// The event goes to the dead letters after this: the last chance to tell whoever waits for its outcome. By default
    /// there is nobody.
    async fn give_up(&self, _event: &RecordedEvent) -> Result<(), HandlerFault> {
        Ok(())
    }

    /// Handles one event. The trace context of the command that caused it is `event.meta(metadata::TRACEPARENT)`.
    async fn handle(&self, event: &RecordedEvent) -> Result<Handled, HandlerFault>;
}
