//! Use cases: what can be asked of kvit, and what follows from what has happened.
//!
//! The [`executor`] runs commands against the event log, [`app`] offers the use cases to bot, gateway and policies, and
//! [`ports`] are what both need from outside. There is no SQL here and no word of any provider.

pub mod app;
pub mod context;
pub mod error;
pub mod executor;
pub mod policies;
pub mod ports;
#[cfg(feature = "testing")]
pub mod testing;
