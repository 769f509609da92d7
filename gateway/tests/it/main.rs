//! The gateway through its real router, over a real database, log and read models.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod access;
mod bulk;
mod coverage;
mod description;
mod doubles;
mod health;
mod money;
mod oversight;
mod pages;
mod problems;
mod provider;
mod reading;
mod returning;
mod serving;
mod webhooks;
mod work;
mod world;
