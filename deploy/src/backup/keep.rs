//! Which backups of a folder stay.

use std::fs;
use std::path::{Path, PathBuf};

use super::BackupError;
use super::manifest::{Manifest, beside};

/// Removes the oldest backups of a ledger in a folder until `keep` are left, at least one. Files without a manifest of ours,
/// and backups of other ledgers, are nobody's business here. Answers what was removed.
pub(super) fn prune(folder: &Path, ledger: &str, keep: usize) -> Result<Vec<PathBuf>, BackupError> {
    let mut found: Vec<(Manifest, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(dump) = name.strip_suffix(".manifest.json") else {
            continue;
        };
        let dump = path.with_file_name(dump);
        if let Ok(manifest) = Manifest::read(&dump)
            && manifest.facts.ledger == ledger
            && dump.is_file()
        {
            found.push((manifest, dump));
        }
    }
    found.sort_by(|(one, a), (other, b)| (other.taken_at, b).cmp(&(one.taken_at, a)));
    let mut removed = Vec::new();
    for (_, dump) in found.into_iter().skip(keep.max(1)) {
        // The manifest last: a dump without one would never be looked at again.
        fs::remove_file(&dump)?;
        fs::remove_file(beside(&dump))?;
        removed.push(dump);
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeMap;

    use chrono::{DateTime, TimeDelta};
    use kvit_projections::export::snapshot::Facts;

    use super::*;
    use crate::backup::FORMAT;

    fn backup(folder: &Path, name: &str, day: i64, ledger: &str) -> PathBuf {
        let dump = folder.join(name);
        fs::write(&dump, "dump").unwrap();
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            kvit: "0".to_owned(),
            taken_at: DateTime::UNIX_EPOCH + TimeDelta::days(day),
            server: String::new(),
            pg_dump: String::new(),
            file: name.to_owned(),
            bytes: 4,
            sha256: String::new(),
            owner: String::new(),
            roles: Vec::new(),
            left_out: Vec::new(),
            facts: Facts {
                position: 0,
                hash: String::new(),
                recorded_at: None,
                ledger: ledger.to_owned(),
                migration: 0,
                rows: BTreeMap::new(),
                streams: BTreeMap::new(),
                projections: BTreeMap::new(),
                balances: Vec::new(),
                accounts_sha256: String::new(),
            },
        };
        manifest.write(&dump).unwrap();
        dump
    }

    #[test]
    fn the_oldest_go_and_the_newest_stays_whatever_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let dumps: Vec<PathBuf> = [3, 1, 2]
            .iter()
            .map(|day| backup(folder.path(), &format!("{day}.dump"), *day, "a"))
            .collect();
        let other = backup(folder.path(), "other.dump", 0, "b");
        let stranger = folder.path().join("notes.txt");
        fs::write(&stranger, "mine").unwrap();
        assert_eq!(prune(folder.path(), "a", 2).unwrap(), [dumps[1].clone()]);
        assert!(!beside(&dumps[1]).exists());
        assert_eq!(prune(folder.path(), "a", 0).unwrap(), [dumps[2].clone()]);
        assert!(dumps[0].exists() && beside(&dumps[0]).exists());
        assert!(other.exists() && stranger.exists());
    }
}
