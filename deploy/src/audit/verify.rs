//! `kvit verify` and `kvit checkpoint`: whether the history is the one that was written, and signed statements about it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use kvit_adapters::audit::{
    CheckpointKey, PublicKey, Sealing, SignedCheckpoint, Verdict, VerifyOptions, VerifyReport,
    make_checkpoint, verify_log,
};
use kvit_commands::ports::time::{Clock, System};
use rand::TryRngCore;

use super::{AuditError, Desk, rate};
use crate::config::Config;
use crate::ui;

/// How often progress is told.
const TELL: Duration = Duration::from_secs(1);
/// Longest file of keys or checkpoints that is read.
const FILE_MAX: u64 = 64 * 1024 * 1024;

/// What to verify.
#[derive(Debug, Clone, clap::Args)]
pub struct VerifyArgs {
    /// A public key whose checkpoints count: 64 hex digits, or a file with one in each line. May be given several times
    /// [default: the public half of KVIT_CHECKPOINT_KEY; without any key the answer is at best incomplete]
    #[arg(long = "key", visible_alias = "key-file", value_name = "KEY|FILE")]
    pub keys: Vec<String>,
    /// A file of checkpoints that was kept elsewhere, one in each line; the log must be the one that they describe
    #[arg(long = "checkpoint", value_name = "FILE")]
    pub outside: Vec<PathBuf>,
    /// Call the answer incomplete when there are events after the last checkpoint
    #[arg(long)]
    pub require_sealed: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Verifies, prints, and answers by the exit status.
///
/// # Errors
/// [`AuditError`] when there is no answer.
pub async fn verify(args: &VerifyArgs) -> Result<ExitCode, AuditError> {
    let (mut keys, outside) = (public_keys(&args.keys)?, outside(&args.outside)?);
    let desk = Desk::open("verify")?;
    if keys.is_empty()
        && let Some(key) = key_of(&desk.config)?
    {
        keys.push(key.public());
    }
    let options = VerifyOptions {
        keys,
        outside,
        require_sealed: args.require_sealed,
        ..VerifyOptions::default()
    };
    let pool = desk.pool("verify")?;
    let (begun, mut told) = (Instant::now(), Instant::now());
    let report = verify_log(&pool, &options, |position, head| {
        if told.elapsed() >= TELL {
            told = Instant::now();
            ui::note(format_args!("position {position} of {head}"));
        }
    })
    .await?;
    pool.close().await;
    if args.json {
        let text = serde_json::to_string_pretty(&report).map_err(std::io::Error::other)?;
        ui::data(format_args!("{text}\n"));
    } else {
        ui::data(text(&report, begun.elapsed()));
    }
    Ok(ExitCode::from(report.exit_code()))
}

fn text(report: &VerifyReport, took: Duration) -> String {
    let mut out = String::new();
    for finding in &report.findings {
        out.push_str(&format!("{finding}\n"));
    }
    if report.more_findings > 0 {
        out.push_str(&format!("and {} more findings\n", report.more_findings));
    }
    let answer = match report.verdict {
        Verdict::Intact => "intact",
        Verdict::Tampered => "TAMPERED",
        Verdict::Incomplete => "INCOMPLETE",
    };
    out.push_str(&format!(
        "{answer}: {} events up to position {} with hash {}, {} checkpoints, sealed to {}; {} ms, {} events/s\n",
        report.events,
        report.position,
        report.hash,
        report.checkpoints,
        report.sealed_to,
        took.as_millis(),
        rate(report.events, took)
    ));
    out
}

fn public_keys(given: &[String]) -> Result<Vec<PublicKey>, AuditError> {
    let mut keys = Vec::new();
    for one in given {
        if let Ok(key) = one.parse() {
            keys.push(key);
            continue;
        }
        for line in read_text(Path::new(one))?.lines() {
            if !line.trim().is_empty() {
                keys.push(line.parse()?);
            }
        }
    }
    Ok(keys)
}

fn outside(files: &[PathBuf]) -> Result<Vec<SignedCheckpoint>, AuditError> {
    let mut checkpoints = Vec::new();
    for file in files {
        for line in read_text(file)?.lines() {
            if !line.trim().is_empty() {
                checkpoints.push(SignedCheckpoint::from_line(line)?);
            }
        }
    }
    Ok(checkpoints)
}

fn read_text(path: &Path) -> Result<String, AuditError> {
    let unusable =
        |why: String| AuditError::Use(format!("{} cannot be read: {why}", path.display()));
    let mut text = String::new();
    let read = File::open(path)
        .and_then(|file| {
            file.take(FILE_MAX.saturating_add(1))
                .read_to_string(&mut text)
        })
        .map_err(|error| unusable(error.to_string()))?;
    if u64::try_from(read).unwrap_or(u64::MAX) > FILE_MAX {
        return Err(unusable("it is too long".to_owned()));
    }
    Ok(text)
}

/// What to sign with.
#[derive(Debug, Clone, clap::Args)]
pub struct CheckpointArgs {
    /// The signing key: a file with 64 hex digits that only its owner may read [default: KVIT_CHECKPOINT_KEY]
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Make the key file and print its public half, which verifiers need; sign nothing
    #[arg(long, requires = "key_file")]
    pub new_key: bool,
    /// Print the public half of the key; sign nothing
    #[arg(long, conflicts_with = "new_key")]
    pub show_key: bool,
}

/// Signs the log as it is now, and prints the checkpoint in one line, to be kept elsewhere.
///
/// # Errors
/// [`AuditError`]; nothing is signed then. A log that is not as it was written is one of them.
pub async fn checkpoint(args: &CheckpointArgs) -> Result<ExitCode, AuditError> {
    if let (true, Some(file)) = (args.new_key, &args.key_file) {
        let key = make_key(file)?;
        ui::data(format_args!("{}\n", key.public()));
        return Ok(ExitCode::SUCCESS);
    }
    let desk = Desk::open_without_database("checkpoint")?;
    let key = match &args.key_file {
        Some(file) => Some(read_key(file)?),
        None => key_of(&desk.config)?,
    };
    let key = key.ok_or_else(|| {
        AuditError::Use(
            "there is no signing key: give KVIT_CHECKPOINT_KEY or --key-file".to_owned(),
        )
    })?;
    if args.show_key {
        ui::data(format_args!("{}\n", key.public()));
        return Ok(ExitCode::SUCCESS);
    }
    let pool = desk.pool("checkpoint")?;
    let sealing = make_checkpoint(&pool, &key, System.now()).await?;
    pool.close().await;
    match &sealing {
        Sealing::Empty => ui::note("the log is empty; there is nothing to sign"),
        Sealing::Unchanged(_) => ui::note("the log has not grown since this checkpoint"),
        Sealing::Made(_) => {}
    }
    match sealing.checkpoint() {
        Some(checkpoint) => {
            ui::data(format_args!("{}\n", checkpoint.to_line()));
            Ok(ExitCode::SUCCESS)
        }
        None => Ok(super::Verdict::NotCompared.exit()),
    }
}

fn key_of(config: &Config) -> Result<Option<CheckpointKey>, AuditError> {
    let seed = config.money.checkpoint_key.as_ref();
    Ok(seed
        .map(|seed| CheckpointKey::from_seed(seed.expose()))
        .transpose()?)
}

fn make_key(path: &Path) -> Result<CheckpointKey, AuditError> {
    let mut seed = [0_u8; 32];
    rand::rngs::OsRng
        .try_fill_bytes(&mut seed)
        .map_err(|error| std::io::Error::other(error.to_string()))?;
    let key = CheckpointKey::from_seed(&seed)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| AuditError::Use(format!("{}: {error}", path.display())))?;
    writeln!(file, "{}", hex::encode(seed))?;
    file.sync_all()?;
    Ok(key)
}

fn read_key(path: &Path) -> Result<CheckpointKey, AuditError> {
    let unusable = |why: &str| AuditError::Use(format!("{}: {why}", path.display()));
    let text = read_text(path)?;
    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        return Err(unusable(
            "others than its owner may read the key; chmod 600 it",
        ));
    }
    let mut seed = [0_u8; 32];
    hex::decode_to_slice(text.trim(), &mut seed)
        .map_err(|_digits| unusable("a signing key is written as 64 hex digits"))?;
    Ok(CheckpointKey::from_seed(&seed)?)
}
