//! The binary and its library as a person meets them: the local stack, the configuration, the command line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod config;
mod process;
mod setup;
mod stack;
mod support;
mod telemetry;
