//! Proof for auditors: signed checkpoints of the log, the check of a live log, and bundles that are checked offline.
//!
//! - [`make_checkpoint`] follows the log from the last checkpoint, checks the chain on the way, and signs position, hash
//!   and the totals of the books.
//! - [`verify_log`] reads everything and names what was changed, removed, swapped, inserted or re-ordered. What it cannot
//!   check makes its answer *incomplete*, which is not *intact*.
//! - [`export_bundle`] writes events and checkpoints to a folder that the separate program `kvit-verify` checks without
//!   this code, a database or a network.
//!
//! The formats are in `docs/audit.md`, byte by byte.

mod bundle;
mod checkpoint;
mod key;
mod link;
mod report;
mod rows;
mod seal;
mod store;
mod totals;
mod trace;
mod verify;

pub use bundle::{BundleFile, Manifest, export_bundle};
pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use key::{CheckpointKey, PublicKey};
pub use report::{Finding, Kind, Verdict, VerifyReport};
pub use seal::{Sealing, make_checkpoint};
pub use store::PgCheckpoints;
pub use totals::{AccountSums, CurrencySums};
pub use verify::{VerifyOptions, verify_log};

use crate::postgres::classify;

/// Why there is no answer. None of these says that the log is good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditFault {
    /// The database or the disk is away; try again.
    #[error("not available: {0}")]
    Transient(String),
    /// The log is not as it was written; nothing was signed. [`verify_log`] tells more.
    #[error("the log is not as it was written: {0}")]
    Broken(String),
    /// A key, a checkpoint or a folder is not usable.
    #[error("{0}")]
    Fatal(String),
}

impl From<sqlx::Error> for AuditFault {
    fn from(error: sqlx::Error) -> Self {
        match classify::lane(&error) {
            classify::Lane::Transient => Self::Transient(classify::describe(&error)),
            classify::Lane::Unique | classify::Lane::Fatal => {
                Self::Fatal(classify::describe(&error))
            }
        }
    }
}
