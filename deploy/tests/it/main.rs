//! The binary and its library as a person meets them: the local stack, the configuration, the command line.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod audit_replay;
mod audit_verify;
mod backup_drill;
mod books;
mod config;
mod export_journals;
mod ocr_tools;
mod process;
mod setup;
mod stack;
mod support;
mod telemetry;
