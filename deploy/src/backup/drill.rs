//! `kvit restore-drill`: a backup restored into a cluster of its own, proven, and thrown away.
//!
//! What is proven: the file is the one that the manifest names; a fresh server takes it; the restored database holds the
//! same rows, the same head and the same balances; its hash chain is unbroken; its read models are what its log says; and
//! this program can go on from there. The times are those that an operator would wait.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use kvit_adapters::audit::{Kind, VerifyOptions, verify_log};
use kvit_adapters::postgres::migrate;
use kvit_adapters::vault::{MasterKeys, PgVault};
use kvit_projections::export::snapshot::Snapshot;
use kvit_projections::queries::status;
use kvit_projections::{Projector, fold};
use sqlx::PgPool;
use tempfile::TempDir;
use url::Url;

use super::BackupError;
use super::manifest::Manifest;
use super::steps::{Drill, compare};
use super::tools::{Database, Tools, run as run_program};
use crate::audit::{AuditError, Desk, Verdict, pool_of, rate, replay};
use crate::config::Config;
use crate::shutdown;
use crate::stack::Stack;
use crate::ui;

/// The superuser of a private cluster.
const SUPERUSER: &str = "postgres";
/// The roles that a private cluster has already.
const MADE: [&str; 3] = [SUPERUSER, "kvit", "kvit_app"];
/// The database that is restored into.
const RESTORED: &str = "restored";

/// Which backup.
#[derive(Debug, Clone, clap::Args)]
pub struct DrillArgs {
    /// The dump; its manifest stands beside it
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where there is room for the restored cluster [default: the folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Carries the drill out; nothing of it stays, however it ends.
///
/// # Errors
/// [`BackupError`] when it could not be carried out.
pub async fn run(args: &DrillArgs) -> Result<ExitCode, BackupError> {
    let desk = Desk::open_without_database("restore-drill")?;
    let file = std::path::absolute(&args.file)?;
    let mut drill = Drill::default();
    let begun = Instant::now();
    let manifest = Manifest::read(&file)?;
    let wrong = manifest.check_file(&file)?;
    drill.note(
        "file",
        begun,
        format!("{} bytes, taken at {}", manifest.bytes, manifest.taken_at),
        wrong.into_iter().collect(),
    );
    if drill.verdict() == Verdict::Equal {
        let shutdown = shutdown::on_signals()?;
        let place = Place::make(args.dir.as_deref())?;
        let begun = Instant::now();
        // Not interrupted: a start that is torn apart could still be writing into a folder that we have removed.
        let stack = Stack::start_in(place.folder.path()).await?;
        drill.note("cluster", begun, "a fresh private cluster", Vec::new());
        let done = tokio::select! {
            done = prove(&desk.config, &stack, &file, &manifest, &mut drill) => done,
            error = stack.failed() => Err(error.into()),
            () = shutdown.cancelled() => Err(BackupError::Stopped),
        };
        stack.stop().await;
        drop(place);
        done?;
    }
    if args.json {
        let text = serde_json::to_string_pretty(&drill).map_err(std::io::Error::other)?;
        ui::data(format_args!("{text}\n"));
    } else {
        ui::data(drill.text());
    }
    Ok(drill.verdict().exit())
}

/// The folder of the private cluster. Everything in it goes when this is dropped, and so does a data folder that had to
/// live elsewhere because the server's uid could not reach this one.
struct Place {
    folder: TempDir,
}

impl Place {
    fn make(within: Option<&Path>) -> Result<Self, BackupError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("kvit-drill-");
        let folder = match within {
            Some(within) => builder.tempdir_in(within)?,
            None => builder.tempdir()?,
        };
        // Another uid must be able to pass through; nothing here can be listed by it.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))?;
        Ok(Self { folder })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let marker = self.folder.path().join("postgres.path");
        let far = std::fs::read_to_string(marker).unwrap_or_default();
        let far = PathBuf::from(far.trim());
        let ours = far.parent() == Some(Path::new("/var/tmp"))
            && far
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("kvit-"));
        if ours {
            remove(&far);
        }
        remove(self.folder.path());
    }
}

/// Removes a folder in which a server may still be dying, as after one that did not start, and writing its last lines.
fn remove(folder: &Path) {
    for _ in 0..100 {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(()) | Err(_) => return,
        }
    }
    tracing::warn!(folder = %folder.display(), "the drill's folder could not be removed");
}

async fn prove(
    config: &Config,
    stack: &Stack,
    file: &Path,
    manifest: &Manifest,
    drill: &mut Drill,
) -> Result<(), BackupError> {
    let cluster = &stack.endpoints().database_owner_url;
    restore(cluster, file, manifest, drill).await?;
    let owner_url = restored_url(cluster, &manifest.owner)?;

    let owner = pool_of(&owner_url, "restore-drill")?;
    let begun = Instant::now();
    let mut snapshot = Snapshot::hold(&owner).await?;
    let restored = snapshot.facts().await?;
    snapshot.release().await?;
    drill.note(
        "contents",
        begun,
        format!(
            "{} events, head {} {}",
            restored.rows.get("events").copied().unwrap_or_default(),
            restored.position,
            restored.hash.get(..16).unwrap_or_default()
        ),
        compare(&manifest.facts, &restored),
    );

    let begun = Instant::now();
    migrate::migrate(&owner_url)
        .await
        .map_err(|fault| AuditError::Use(fault.to_string()))?;
    drill.note(
        "migrate",
        begun,
        "schema and rights are current",
        Vec::new(),
    );

    chain(&owner, manifest, drill).await?;
    models(&owner, drill).await?;
    key(config, &owner, drill).await?;
    owner.close().await;
    Ok(())
}

/// The restored database, as its owner. The private cluster trusts whoever reaches its socket.
fn restored_url(cluster: &str, role: &str) -> Result<String, BackupError> {
    let unreadable = || AuditError::Use("the cluster's address cannot be read".to_owned());
    let mut url = Url::parse(cluster).map_err(|_text| unreadable())?;
    url.set_username(role).map_err(|()| unreadable())?;
    url.set_path(RESTORED);
    Ok(url.into())
}

async fn restore(
    cluster: &str,
    file: &Path,
    manifest: &Manifest,
    drill: &mut Drill,
) -> Result<(), BackupError> {
    let begun = Instant::now();
    let tools = Tools::find().await?;
    // Owners and rights are restored as they were, which only a superuser can.
    let admin = Database::of(&restored_url(cluster, SUPERUSER)?)?;
    for role in manifest
        .roles
        .iter()
        .filter(|role| !MADE.contains(&role.as_str()))
    {
        let mut command = tools.command("createuser", &admin);
        // So that we can be the owner; whoever asks for a database gets one that is there.
        command
            .env("PGDATABASE", "postgres")
            .args(["--login", "--no-password", "--", role]);
        run_program("createuser", &mut command).await?;
    }
    let mut command = tools.command("createdb", &admin);
    command
        .env("PGDATABASE", "postgres")
        .args(["--template=template0", "--encoding=UTF8", "--no-password"])
        .arg(format!("--owner={}", manifest.owner))
        .arg(RESTORED);
    run_program("createdb", &mut command).await?;
    let jobs = std::thread::available_parallelism().map_or(1, |jobs| jobs.get().min(4));
    let mut command = tools.command("pg_restore", &admin);
    command
        .args(["--exit-on-error", "--no-password"])
        .arg(format!("--dbname={RESTORED}"))
        .arg(format!("--jobs={jobs}"))
        .arg(file);
    run_program("pg_restore", &mut command).await?;
    drill.note(
        "restore",
        begun,
        format!("{jobs} at a time, {}", tools.version),
        Vec::new(),
    );
    Ok(())
}

/// Follows the history from the first event to the head of the manifest.
async fn chain(owner: &PgPool, manifest: &Manifest, drill: &mut Drill) -> Result<(), BackupError> {
    let begun = Instant::now();
    let report = verify_log(owner, &VerifyOptions::default(), |_, _| {})
        .await
        .map_err(AuditError::from)?;
    // Whose signatures count is a matter for `kvit verify`; here it is whether the copy is whole.
    let mut differences: Vec<String> = report
        .findings
        .iter()
        .filter(|finding| !finding.kind.is_incomplete() || finding.kind == Kind::Truncated)
        .map(ToString::to_string)
        .collect();
    let facts = &manifest.facts;
    let there = (report.position, report.hash.as_str());
    if facts.position > 0 && there != (facts.position, facts.hash.as_str()) {
        differences.push(format!(
            "the chain ends at {} with {}; the manifest says {} with {}",
            report.position, report.hash, facts.position, facts.hash
        ));
    }
    let found = format!(
        "{} events follow each other, {} checkpoints, {} events/s",
        report.events,
        report.checkpoints,
        rate(report.events, begun.elapsed())
    );
    drill.note("chain", begun, found, differences);
    Ok(())
}

/// Compares every read model with the log, and lets this program go on from where they stand.
async fn models(owner: &PgPool, drill: &mut Drill) -> Result<(), BackupError> {
    let begun = Instant::now();
    let live = status::status(owner).await?;
    let ours = fold::all();
    // Tables of another version have other columns; they are built anew below.
    let names: Vec<String> = ours
        .iter()
        .filter(|fold| {
            live.iter().any(|one| {
                one.name == fold.name()
                    && one.version == fold.version()
                    && matches!(one.state.as_str(), "active" | "stuck")
            })
        })
        .map(|fold| fold.name().to_owned())
        .collect();
    let report = replay::report(owner, &names, None).await?;
    let mut differences = Vec::new();
    let mut events = 0_u64;
    for one in &report.projections {
        events = events.saturating_add(one.events);
        if let Some(reason) = &one.reason {
            differences.push(format!("{} was not compared: {reason}", one.name));
        }
        differences.extend(one.differences.iter().map(replay::words));
    }
    let others = match ours.len().saturating_sub(names.len()) {
        0 => String::new(),
        others => format!("; {others} are of another version and are built anew below"),
    };
    let found = format!(
        "{} of {} read models were compared with the log, {} events/s{others}",
        names.len(),
        ours.len(),
        rate(events, begun.elapsed())
    );
    drill.note("replay", begun, found, differences);

    let begun = Instant::now();
    let position = Projector::new(owner.clone()).catch_up().await?;
    drill.note(
        "catch up",
        begun,
        format!("every read model stands at {position}"),
        Vec::new(),
    );
    Ok(())
}

/// Whether the master key at hand opens what was sealed; without it the personal data in a backup is lost.
async fn key(config: &Config, owner: &PgPool, drill: &mut Drill) -> Result<(), BackupError> {
    let begun = Instant::now();
    let Some(secret) = &config.encryption_secret else {
        drill.note(
            "key",
            begun,
            "not tried: ENCRYPTION_SECRET is not given here",
            Vec::new(),
        );
        return Ok(());
    };
    let opened = match MasterKeys::try_new(secret.expose()) {
        Ok(masters) => PgVault::open_with(owner.clone(), masters)
            .await
            .map(|_vault| ()),
        Err(fault) => Err(fault),
    };
    let differences = opened
        .err()
        .map(|fault| format!("ENCRYPTION_SECRET does not open this backup: {fault}"));
    drill.note(
        "key",
        begun,
        "ENCRYPTION_SECRET opens the vault",
        differences.into_iter().collect(),
    );
    Ok(())
}
