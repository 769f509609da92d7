//! Checks a bundle of the platform's history offline: no database, no network, and none of the platform's code.
//!
//! A bundle is a folder with `events.jsonl`, `checkpoints.jsonl` and `manifest.json`; `docs/audit.md` describes every byte
//! of it, and this crate is written from that page. It computes every hash again, follows the chain, checks each signed
//! checkpoint against a public key that the auditor brings along, adds up the books, and names what does not fit.
//!
//! Files are read line by line. Memory holds one line, a few dozen suspicious events, the sums of the chart of accounts
//! and 16 + 8 bytes for each stream.

mod books;
mod bundle;
mod chain;
mod checkpoint;
mod event;
mod follow;
pub mod key;
mod lines;
mod report;

pub use bundle::{Options, verify_bundle};
pub use key::PublicKey;
pub use report::{Finding, Kind, Report, Verdict};
