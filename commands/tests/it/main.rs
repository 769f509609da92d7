//! The use cases against in-memory twins of the ports.
#![allow(
    clippy::cast_possible_wrap,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod executor;
mod flow;
mod payments;
mod payouts;
mod repeats;
mod settlement;
mod support;
mod till;
mod unnoticed;
