//! Clock and ids, so that decisions and tests can be given theirs.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> DateTime<Utc>;
}

/// Makes unique ids.
pub trait IdSource: Send + Sync {
    /// A fresh uuid v7.
    fn fresh(&self) -> Uuid;
}

/// The machine's clock and randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Clock for System {
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that reads the clock"
    )]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

impl IdSource for System {
    #[allow(clippy::disallowed_methods, reason = "the one place that makes ids")]
    fn fresh(&self) -> Uuid {
        Uuid::now_v7()
    }
}
