//! Ports: what the use cases need from outside, as traits. `adapters` makes them real.

pub mod log;
pub mod payout;
