//! Private services for tests and benchmarks: a Postgres cluster and nats-servers that live and die with the process.
//!
//! One cluster serves all tests of a process. Its template database is migrated once; each test gets a copy of its own,
//! so tests run side by side and see nothing of each other. A nats-server starts in some milliseconds, so each test that
//! wants one gets its own.
//!
//! A helper of tests may stop the test when the machine lacks something, so it panics with a clear text.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a helper of tests fails the test"
)]

pub mod nats;
pub mod pg;
mod process;

pub use nats::{TestNats, nats, nats_with};
pub use pg::{PgServer, TestDb, pg};
