//! The whole platform as its users meet it: real processes of the real binary, a simulated Telegram and Portmone on sockets,
//! people who send photos, and machines that die.
//!
//! Chance comes from a seed, which each test prints; `KVIT_TEST_SEED=<seed>` plays it again. `KVIT_TEST_KEEP=1` keeps the
//! folders with the logs. Two platforms run at once, since that is what two cores can carry.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod chaos;
mod erasure;
mod scenes;
mod support;
