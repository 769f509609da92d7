//! The adapters against real services. One binary, so that it links once and shares one Postgres cluster.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests"
)]

mod acceptance;
mod audit_bundle;
mod audit_checkpoints;
mod audit_rate;
mod audit_tamper;
mod audit_world;
mod consumer;
mod disturbances;
mod leases;
mod limiter;
mod log;
mod migrations;
mod objects;
mod relay;
mod standard_store;
mod support;
mod traffic;
mod vault;
