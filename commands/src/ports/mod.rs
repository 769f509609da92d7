//! Ports: what the use cases need from outside, as traits. `adapters` makes them real.

pub mod bus;
pub mod keys;
pub mod lease;
pub mod limiter;
pub mod log;
pub mod messages;
pub mod notifications;
pub mod objects;
pub mod operations;
pub mod payment;
pub mod payout;
pub mod photos;
pub mod reader;
pub mod statement;
pub mod time;
pub mod vault;
