//! `kvit demo`: real receipts through the whole platform, and what became of them.

use std::path::PathBuf;
use std::process::ExitCode;

/// What the demonstration may be told.
#[derive(Debug, Clone, clap::Args)]
pub struct DemoOptions {
    /// The state folder [default: KVIT_DIR or .kvit]
    #[arg(long, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
}

/// Why the demonstration ended.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The demonstration's code is not part of this build.
    #[error("`demo` is not in this build yet")]
    NotInThisBuild,
}

/// Runs the demonstration.
///
/// # Errors
/// See [`DemoError`].
pub async fn run(_options: DemoOptions) -> Result<ExitCode, DemoError> {
    Err(DemoError::NotInThisBuild)
}
