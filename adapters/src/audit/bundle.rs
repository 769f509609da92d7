//! Bundles: a folder with everything that is needed to check the history without us.
//!
//! | file | what |
//! |---|---|
//! | `events.jsonl` | every stored field of every event, one JSON object a line, payload and metadata as exact texts |
//! | `checkpoints.jsonl` | the signed checkpoints, one a line |
//! | `manifest.json` | counts, the last hash, the keys, and the SHA-256 and size of the two files |
//!
//! The same log gives the same bytes. Nothing in a bundle needs to be trusted: the checkpoints are signed, and everything
//! else follows from them.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use chrono::SecondsFormat;
use kvit_domain::event::Position;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;

use super::rows::{self, Pages, StoredEvent};
use super::store::PgCheckpoints;
use super::{AuditFault, PublicKey};

const EVENTS: &str = "events.jsonl";
const CHECKPOINTS: &str = "checkpoints.jsonl";
const MANIFEST: &str = "manifest.json";
/// Checkpoints that are read at once.
const CHECKPOINTS_PAGE: u32 = 100;

/// What a bundle holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// `kvit-bundle`.
    pub format: String,
    /// Version of the format: 1.
    pub version: u32,
    /// The last event.
    pub until: Position,
    /// Number of events; the first has position 1.
    pub events: u64,
    /// Hash of the last event, hex.
    pub last_hash: String,
    /// Number of checkpoints.
    pub checkpoints: u64,
    /// Keys that the checkpoints say they are signed with. To be compared with a key from elsewhere, not to be believed.
    pub public_keys: Vec<PublicKey>,
    /// The other files.
    pub files: Vec<BundleFile>,
}

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleFile {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
}

#[derive(Serialize)]
struct EventLine<'a> {
    position: Position,
    event_id: uuid::Uuid,
    aggregate_type: &'a str,
    aggregate_id: &'a str,
    sequence: i64,
    event_type: &'a str,
    event_version: &'a str,
    payload: &'a str,
    metadata: &'a str,
    recorded_at: String,
    hash: String,
}

/// Writes a bundle to a folder that does not exist yet. `until`: the last event; without it the bundle ends at the last
/// checkpoint, so that all of it is signed, or at the end of a log without any. What is exported is what is stored, also
/// when somebody has tampered with it.
///
/// The files are written beside the folder under another name first: a folder of the name asked for is always whole.
///
/// # Errors
/// [`AuditFault`]; nothing is left behind then. [`AuditFault::Fatal`] when the folder exists.
pub async fn export_bundle(
    pool: &PgPool,
    until: Option<Position>,
    folder: &Path,
) -> Result<Manifest, AuditFault> {
    if fs::try_exists(folder).await.map_err(|error| disk(&error))? {
        return Err(AuditFault::Fatal(format!(
            "{} exists already",
            folder.display()
        )));
    }
    let partial = partial_name(folder)?;
    fs::create_dir_all(&partial)
        .await
        .map_err(|error| disk(&error))?;
    let written = async {
        let manifest = write(pool, until, &partial).await?;
        fs::rename(&partial, folder)
            .await
            .map_err(|error| disk(&error))?;
        Ok(manifest)
    };
    let written = written.await;
    if written.is_err() {
        let _best_effort = fs::remove_dir_all(&partial).await;
    }
    written
}

fn disk(error: &io::Error) -> AuditFault {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::Interrupted | io::ErrorKind::TimedOut => {
            AuditFault::Transient(error.to_string())
        }
        _ => AuditFault::Fatal(format!("the bundle cannot be written: {error}")),
    }
}

fn partial_name(folder: &Path) -> Result<PathBuf, AuditFault> {
    let name = folder
        .file_name()
        .ok_or_else(|| AuditFault::Fatal("the bundle needs the name of a folder".to_owned()))?;
    let mut partial = std::ffi::OsString::from(".");
    partial.push(name);
    partial.push(format!(".{}.partial", std::process::id()));
    Ok(folder.with_file_name(partial))
}

/// A file whose digest is taken while it is written.
struct Output {
    name: &'static str,
    file: File,
    digest: Sha256,
    bytes: u64,
}

impl Output {
    async fn create(folder: &Path, name: &'static str) -> Result<Self, AuditFault> {
        let file = File::create_new(folder.join(name)).await;
        Ok(Self {
            name,
            file: file.map_err(|error| disk(&error))?,
            digest: Sha256::new(),
            bytes: 0,
        })
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), AuditFault> {
        self.digest.update(bytes);
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.file
            .write_all(bytes)
            .await
            .map_err(|error| disk(&error))
    }

    /// On the disk, not only on the way to it.
    async fn finish(mut self) -> Result<BundleFile, AuditFault> {
        self.file.flush().await.map_err(|error| disk(&error))?;
        self.file.sync_all().await.map_err(|error| disk(&error))?;
        Ok(BundleFile {
            name: self.name.to_owned(),
            bytes: self.bytes,
            sha256: hex::encode(self.digest.finalize()),
        })
    }
}

async fn write(
    pool: &PgPool,
    until: Option<Position>,
    folder: &Path,
) -> Result<Manifest, AuditFault> {
    let store = PgCheckpoints::new(pool.clone());
    let head = rows::head(pool).await?;
    let until = match until {
        Some(until) => until.clamp(0, head),
        None => store
            .last_position()
            .await?
            .map_or(head, |position| position.min(head)),
    };
    let mut output = Output::create(folder, EVENTS).await?;
    let (mut events, mut last_hash, mut position) = (0_u64, vec![0; 32], 0);
    let mut pages = Pages::all(pool.clone(), until);
    loop {
        let page = pages.next().await?;
        let Some(last) = page.last() else { break };
        (last_hash, position) = (last.hash.clone(), last.position);
        let mut text = Vec::new();
        for event in &page {
            line(event, &mut text)?;
            events = events.saturating_add(1);
        }
        output.write(&text).await?;
    }
    let events_file = output.finish().await?;

    let mut output = Output::create(folder, CHECKPOINTS).await?;
    let (mut checkpoints, mut after, mut keys) = (0_u64, 0, BTreeSet::new());
    loop {
        let page = store.list(after, CHECKPOINTS_PAGE).await?;
        let mut text = String::new();
        for signed in &page {
            after = signed.checkpoint().position;
            // One beyond the end of the log belongs to the bundle of the whole log: it shows that the end is gone.
            if after > until && until < head {
                break;
            }
            text.push_str(&signed.to_line());
            text.push('\n');
            keys.insert(signed.key());
            checkpoints = checkpoints.saturating_add(1);
        }
        output.write(text.as_bytes()).await?;
        if page.is_empty() || (after > until && until < head) {
            break;
        }
    }
    let manifest = Manifest {
        format: "kvit-bundle".to_owned(),
        version: 1,
        until: position,
        events,
        last_hash: hex::encode(last_hash),
        checkpoints,
        public_keys: keys.into_iter().collect(),
        files: vec![events_file, output.finish().await?],
    };
    let mut text = serde_json::to_vec_pretty(&manifest)
        .map_err(|error| AuditFault::Fatal(error.to_string()))?;
    text.push(b'\n');
    let mut output = Output::create(folder, MANIFEST).await?;
    output.write(&text).await?;
    output.finish().await?;
    Ok(manifest)
}

fn line(event: &StoredEvent, text: &mut Vec<u8>) -> Result<(), AuditFault> {
    let broken = |why: String| {
        AuditFault::Broken(format!("event {} cannot be written: {why}", event.position))
    };
    let recorded_at = event
        .recorded_at
        .ok_or_else(|| broken("its time is none that an event can have".to_owned()))?;
    let line = EventLine {
        position: event.position,
        event_id: event.event_id,
        aggregate_type: &event.aggregate_type,
        aggregate_id: &event.aggregate_id,
        sequence: event.sequence,
        event_type: &event.event_type,
        event_version: &event.event_version,
        payload: &event.payload,
        metadata: &event.metadata,
        recorded_at: recorded_at.to_rfc3339_opts(SecondsFormat::Micros, true),
        hash: hex::encode(&event.hash),
    };
    serde_json::to_writer(&mut *text, &line).map_err(|error| broken(error.to_string()))?;
    text.push(b'\n');
    Ok(())
}
