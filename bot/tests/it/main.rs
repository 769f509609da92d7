//! The bot against the simulated Bot API on a socket and a real Postgres. One binary, so that it links once and shares one
//! Postgres cluster.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod buttons;
mod delivery;
mod figures;
mod money;
mod notices;
mod onboarding;
mod overview;
mod people;
mod privacy;
mod support;
mod updates;
mod uploads;
