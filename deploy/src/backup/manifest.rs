//! What is said about a dump in the file beside it.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use kvit_projections::export::snapshot::Facts;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::BackupError;
use crate::audit::export::Whole;

/// Name and version of the manifest's form.
pub const FORMAT: &str = "kvit-backup/1";

/// Longest manifest that is read.
const MANIFEST_MAX: u64 = 4 * 1024 * 1024;

/// What a dump holds and how to know it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// Version of the program that made the backup.
    pub kvit: String,
    /// When the backup was begun.
    pub taken_at: DateTime<Utc>,
    /// Version of the server.
    pub server: String,
    /// Version of `pg_dump`.
    pub pg_dump: String,
    /// Name of the dump, without its folder.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of it, hexadecimal.
    pub sha256: String,
    /// The role that owns the schema.
    pub owner: String,
    /// Roles that must exist where it is restored.
    pub roles: Vec<String>,
    /// Schemas that are not in it, because they are built again when they are needed.
    pub left_out: Vec<String>,
    /// What the database held at that moment.
    pub facts: Facts,
}

/// The manifest's place beside a dump.
pub(super) fn beside(dump: &Path) -> PathBuf {
    let mut name = dump.file_name().unwrap_or_default().to_owned();
    name.push(".manifest.json");
    dump.with_file_name(name)
}

impl Manifest {
    /// Writes the manifest beside its dump.
    pub(super) fn write(&self, dump: &Path) -> Result<(), BackupError> {
        let mut file = Whole::create(&beside(dump))?;
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::other)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        Ok(file.finish()?)
    }

    /// Reads the manifest beside a dump.
    pub(super) fn read(dump: &Path) -> Result<Self, BackupError> {
        let path = beside(dump);
        let unusable = |why: String| BackupError::Unusable {
            path: path.clone(),
            why,
        };
        let mut text = String::new();
        File::open(&path)
            .and_then(|file| file.take(MANIFEST_MAX).read_to_string(&mut text))
            .map_err(|error| unusable(error.to_string()))?;
        let form: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
        if form.get("format").and_then(|format| format.as_str()) != Some(FORMAT) {
            return Err(unusable(format!("it is no manifest of the form {FORMAT}")));
        }
        serde_json::from_value(form).map_err(|error| unusable(error.to_string()))
    }

    /// What is not as the manifest says about the dump itself.
    pub(super) fn check_file(&self, dump: &Path) -> Result<Option<String>, BackupError> {
        let (bytes, sha256) = digest(dump)?;
        Ok(if bytes != self.bytes {
            Some(format!("it has {bytes} bytes instead of {}", self.bytes))
        } else if sha256 != self.sha256 {
            Some(format!(
                "its SHA-256 is {sha256} instead of {}",
                self.sha256
            ))
        } else {
            None
        })
    }
}

/// Length and SHA-256 of a file.
pub(super) fn digest(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut digest, mut length) = (Sha256::new(), 0_u64);
    let mut buffer = vec![0_u8; 1 << 16];
    loop {
        let read = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return Ok((length, hex::encode(digest.finalize())));
        };
        digest.update(bytes);
        length = length.saturating_add(u64::try_from(read).unwrap_or_default());
    }
}
