//! The golden bundle, as it is and tampered with in every way that its files allow.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod books_and_checkpoints;
mod events;
mod never_green;
mod program;
mod support;
