//! The simulated services' memory: one JSON line per change, replayed at start.
//!
//! A line is written before the change is answered for, in one `write` call, so a killed process leaves whole lines and at most one
//! torn one at the end. `fsync` is left out on purpose: it guards against a machine's death, and these are not real services.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused.
    #[error("journal {path}")]
    Io {
        /// The journal's file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A line other than a torn last one is not a change that this version knows.
    #[error("journal {path}, line {line}")]
    Line {
        /// The journal's file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// State that is a fold over its changes.
pub(crate) trait State: Default {
    type Change: Serialize + DeserializeOwned;
    fn apply(&mut self, change: Self::Change);
}

/// A state together with its journal. Changes enter only through [`commit`](Self::commit).
#[derive(Debug)]
pub(crate) struct Remembered<S> {
    state: S,
    file: Option<(File, PathBuf)>,
}

impl<S: State> Remembered<S> {
    /// Opens `dir/name`, or stays in memory without a folder.
    pub(crate) fn open(dir: Option<&Path>, name: &str) -> Result<Self, JournalError> {
        let Some(dir) = dir else {
            return Ok(Self {
                state: S::default(),
                file: None,
            });
        };
        let path = dir.join(name);
        let io = |source| JournalError::Io {
            path: path.clone(),
            source,
        };
        // Telephone numbers and photos, if only of invented people: for our eyes alone.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(io)?;
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        // One of an older version was open to everybody.
        file.set_permissions(Permissions::from_mode(0o600))
            .map_err(io)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(io)?;
        let whole = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |last| last.saturating_add(1));
        if whole < text.len() {
            tracing::warn!(path = %path.display(), "the journal's last line is torn and is cut off");
            file.set_len(u64::try_from(whole).unwrap_or(u64::MAX))
                .map_err(io)?;
            file.seek(SeekFrom::End(0)).map_err(io)?;
        }
        let mut state = S::default();
        let lines = text
            .get(..whole)
            .unwrap_or_default()
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        for (index, line) in lines.enumerate() {
            let changes: Vec<S::Change> =
                serde_json::from_slice(line).map_err(|source| JournalError::Line {
                    path: path.clone(),
                    line: index.saturating_add(1),
                    source,
                })?;
            changes.into_iter().for_each(|change| state.apply(change));
        }
        Ok(Self {
            state,
            file: Some((file, path)),
        })
    }

    /// Writes the changes as one line, all or none, and then makes them true.
    pub(crate) fn commit(&mut self, changes: Vec<S::Change>) -> Result<(), JournalError> {
        if let Some((file, path)) = &mut self.file {
            let mut line = serde_json::to_vec(&changes).map_err(|source| JournalError::Io {
                path: path.clone(),
                source: std::io::Error::other(source),
            })?;
            line.push(b'\n');
            file.write_all(&line).map_err(|source| JournalError::Io {
                path: path.clone(),
                source,
            })?;
        }
        changes
            .into_iter()
            .for_each(|change| self.state.apply(change));
        Ok(())
    }
}

impl<S> std::ops::Deref for Remembered<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.state
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Words(Vec<String>);

    impl State for Words {
        type Change = String;
        fn apply(&mut self, change: String) {
            self.0.push(change);
        }
    }

    fn words(dir: &Path) -> Result<Vec<String>, JournalError> {
        Remembered::<Words>::open(Some(dir), "words.jsonl").map(|memory| memory.0.clone())
    }

    #[test]
    fn what_was_committed_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut memory = Remembered::<Words>::open(Some(dir.path()), "words.jsonl").unwrap();
        memory.commit(vec!["one".into(), "two".into()]).unwrap();
        memory.commit(vec!["three\nlines".into()]).unwrap();
        drop(memory);
        assert_eq!(words(dir.path()).unwrap(), ["one", "two", "three\nlines"]);
    }

    #[test]
    fn only_the_owner_may_read_a_journal_also_one_that_was_open_before() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("sandbox");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(words(&inner).unwrap(), [""; 0]);
        let file = inner.join("words.jsonl");
        assert_eq!((mode(&inner), mode(&file)), (0o700, 0o600));
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        words(&inner).unwrap();
        assert_eq!(mode(&file), 0o600);
    }

    #[test]
    fn a_torn_last_line_is_cut_off_and_writing_goes_on_cleanly() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("words.jsonl");
        std::fs::write(&path, "[\"whole\"]\n[\"torn, and lon").unwrap();
        let mut memory = Remembered::<Words>::open(Some(dir.path()), "words.jsonl").unwrap();
        memory.commit(vec!["after".into()]).unwrap();
        drop(memory);
        assert_eq!(words(dir.path()).unwrap(), ["whole", "after"]);
    }

    #[test]
    fn a_damaged_line_in_the_middle_is_not_skipped_silently() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("words.jsonl"),
            "[\"a\"]\n{broken\n[\"b\"]\n",
        )
        .unwrap();
        assert!(matches!(
            words(dir.path()),
            Err(JournalError::Line { line: 2, .. })
        ));
    }
}
