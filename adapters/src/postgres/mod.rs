//! Postgres: the event log with its group commit and hash chain, the migrations, leases, and the pool.
//!
//! The table and the append function are explained in `migrations/0001_events.sql`; this side fills the batches and
//! reads the log back.

pub mod chain;
pub mod classify;
mod group_commit;
mod head;
pub mod lease;
pub mod limiter;
pub mod log;
pub mod migrate;
pub mod pool;
pub mod store;
mod unit;

pub use lease::PgLease;
pub use limiter::PgRateLimiter;
pub use log::{LogOptions, PgEventLog};
pub use pool::PgSettings;
pub use store::PgEventStore;
