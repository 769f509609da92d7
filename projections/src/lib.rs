//! Read models: what the log says now, in tables that can be asked.
//!
//! Nothing here decides or appends. A projection is a pure fold ([`projection::Fold`]) that runs in pages; its rows and
//! its checkpoint commit together, so each event counts exactly once whatever breaks. Everything here can be thrown away
//! and built again from the log.

pub mod build;
pub mod column;
pub mod error;
pub mod export;
pub mod fold;
pub mod log;
pub mod projection;
pub mod queries;
pub mod rebuild;
pub mod replay;
pub mod runner;
pub mod table;

pub use error::Fault;
pub use runner::{Policy, Projector};
