//! The projections against a real server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::print_stdout,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "tests"
)]

mod books;
mod daily;
mod exactly_once;
mod faults;
mod ledger;
mod models;
mod money;
mod oversight;
mod payments;
mod providers;
mod rebuilds;
mod replays;
mod speed;
mod waits;
mod whereabouts;
mod world;
