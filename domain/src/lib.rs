//! The pure heart of kvit: money, identifiers, aggregates, decisions.
//!
//! **Invariant:** nothing here reads a clock, draws a random number, touches a socket, a file or a database, or uses a
//! floating-point number. A decision is a function of the state and the command; time and ids arrive as arguments.

pub mod event;
pub mod money;
pub mod phone;
pub mod quantity;
pub mod recognition;
pub mod rejection;
pub mod sealed;
pub mod upcast;
