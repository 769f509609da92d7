//! The pure heart of kvit: money, identifiers, aggregates, decisions.
//!
//! **Invariant:** nothing here reads a clock, draws a random number, touches a socket, a file or a database, or uses a
//! floating-point number. A decision is a function of the state and the command; time and ids arrive as arguments.

pub mod adjustment;
pub mod aggregate;
pub mod book;
pub mod campaign;
pub mod catalogue;
pub mod claim;
pub mod event;
pub mod exchange;
pub mod ids;
pub mod job;
pub mod journal;
pub mod ledger;
pub mod matching;
pub mod money;
pub mod notification;
pub mod payment;
pub mod payout;
pub mod phone;
pub mod provider;
pub mod quantity;
pub mod quota;
pub mod receipt;
pub mod recognition;
pub mod reconciliation;
pub mod rejection;
pub mod rules;
pub mod sealed;
pub mod transfer;
pub mod upcast;
pub mod user;
pub mod wallet;
