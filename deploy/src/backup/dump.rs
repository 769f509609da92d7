//! `kvit backup`: a dump and its manifest, of one moment.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Instant;

use chrono::{DateTime, Utc};
use kvit_commands::ports::time::{Clock, System};
use kvit_projections::export::snapshot::Snapshot;

use super::manifest::{FORMAT, Manifest, beside, digest};
use super::tools::{Database, Tools, run as run_program};
use super::{BackupError, keep};
use crate::audit::export::Whole;
use crate::audit::{AuditError, Desk, pool_of};
use crate::shutdown;
use crate::ui;

/// Where to and how many.
#[derive(Debug, Clone, clap::Args)]
pub struct BackupArgs {
    /// The file to write, or a folder for a file named by the time; a path that ends in `/` is a folder, made where it is missing
    #[arg(long, value_name = "FILE|FOLDER")]
    pub out: PathBuf,
    /// Afterwards, remove the oldest backups of this ledger in the folder until so many are left; the newest always stays
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: Option<u32>,
}

/// Makes a backup; the file appears when it is whole and was read back.
///
/// # Errors
/// [`BackupError`]; then there is no new file, and none was removed.
pub async fn run(args: &BackupArgs) -> Result<ExitCode, BackupError> {
    let desk = Desk::open("backup")?;
    let database = &desk.config.database;
    // The owner reads every table.
    let url = database.owner_url.as_ref().or(database.url.as_ref());
    let url = url.map(|url| url.expose()).unwrap_or_default();
    let taken_at = System.now();
    // Programs of Postgres run in a folder of their own.
    let path = std::path::absolute(place(&args.out, taken_at)?)?;
    let shutdown = shutdown::on_signals()?;
    let manifest = tokio::select! {
        made = make(url, &path, taken_at) => made?,
        () = shutdown.cancelled() => return Err(BackupError::Stopped),
    };
    ui::data(format_args!("{}\n", path.display()));
    if let Some(keep) = args.keep {
        let folder = folder_of(&path);
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        for removed in keep::prune(folder, &manifest.facts.ledger, keep)? {
            ui::note(format_args!("removed {}", removed.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// The file to write. A folder that is asked for is made, and only its owner can look into it.
fn place(out: &Path, taken_at: DateTime<Utc>) -> Result<PathBuf, BackupError> {
    let folder = out.as_os_str().as_bytes().ends_with(b"/");
    if folder && !out.is_dir() {
        let mut made = fs::DirBuilder::new();
        made.recursive(true).mode(0o700);
        made.create(out).map_err(|error| {
            AuditError::Use(format!("{} cannot be made: {error}", out.display()))
        })?;
    }
    let path = if folder || out.is_dir() {
        out.join(format!(
            "kvit-{}.dump",
            taken_at.format("%Y%m%dT%H%M%S%3fZ")
        ))
    } else {
        out.to_owned()
    };
    if path.exists() || beside(&path).exists() {
        return Err(AuditError::Use(format!("{} is there already", path.display())).into());
    }
    Ok(path)
}

async fn make(url: &str, path: &Path, taken_at: DateTime<Utc>) -> Result<Manifest, BackupError> {
    let tools = Tools::find().await?;
    let target = Database::of(url)?;
    let pool = pool_of(url, "backup")?;
    let begun = Instant::now();
    let mut snapshot = Snapshot::hold(&pool).await?;
    let server = snapshot.server_version().await?;
    let owner = snapshot.owner().await?;
    let roles = snapshot.roles().await?;
    let left_out = snapshot.spare_schemas().await?;
    let facts = snapshot.facts().await?;
    let looked = begun.elapsed();

    let begun = Instant::now();
    let file = Whole::create(path)?;
    let mut command = tools.command("pg_dump", &target);
    command
        .args([
            "--format=custom",
            "--no-password",
            "--lock-wait-timeout=60000",
        ])
        .arg(format!("--snapshot={}", snapshot.id))
        .args(
            left_out
                .iter()
                .map(|schema| format!("--exclude-schema={schema}")),
        )
        .stdout(Stdio::from(file.handle()?));
    run_program("pg_dump", &mut command).await?;
    snapshot.release().await?;
    pool.close().await;
    let dumped = begun.elapsed();

    let begun = Instant::now();
    let contents = tools.list(file.part()).await?;
    if !contents.contains("TABLE DATA public events ") {
        return Err(BackupError::Unusable {
            path: path.to_owned(),
            why: "the dump lacks the event log".to_owned(),
        });
    }
    let (bytes, sha256) = digest(file.part())?;
    file.finish()?;
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        kvit: env!("CARGO_PKG_VERSION").to_owned(),
        taken_at,
        server,
        pg_dump: tools.version,
        file: path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        bytes,
        sha256,
        owner,
        roles,
        left_out,
        facts,
    };
    if let Err(error) = manifest.write(path) {
        // A dump without a manifest proves nothing.
        let _reported_above = fs::remove_file(path);
        return Err(error);
    }
    ui::note(format_args!(
        "{} events up to position {}, {bytes} bytes; looked {} ms, dumped {} ms, checked {} ms",
        manifest
            .facts
            .rows
            .get("events")
            .copied()
            .unwrap_or_default(),
        manifest.facts.position,
        looked.as_millis(),
        dumped.as_millis(),
        begun.elapsed().as_millis()
    ));
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_path_that_ends_like_a_folder_is_one_and_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let taken_at = DateTime::UNIX_EPOCH;
        let name = "kvit-19700101T000000000Z.dump";
        let missing = dir.path().join("one/two");
        let asked = PathBuf::from(format!("{}/", missing.display()));
        assert_eq!(place(&asked, taken_at).unwrap(), missing.join(name));
        let mode = fs::metadata(&missing).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        // Now it is there, with and without the stroke.
        assert_eq!(place(&asked, taken_at).unwrap(), missing.join(name));
        assert_eq!(place(&missing, taken_at).unwrap(), missing.join(name));
        // Without it a name that is not there is a file's.
        let file = dir.path().join("three");
        assert_eq!(place(&file, taken_at).unwrap(), file);
        assert!(!file.exists());
        fs::write(&file, "mine").unwrap();
        let through_a_file = PathBuf::from(format!("{}/", file.display()));
        assert!(place(&through_a_file, taken_at).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    }
}
