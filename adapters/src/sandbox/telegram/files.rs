//! Where uploaded bytes are kept: beside the journal, or in memory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use axum::body::Bytes;

use super::locked;

#[derive(Debug)]
pub(super) enum FileStore {
    Memory(Mutex<HashMap<String, Bytes>>),
    Folder(PathBuf),
}

impl FileStore {
    pub fn open(dir: Option<&Path>) -> Self {
        dir.map_or_else(
            || Self::Memory(Mutex::default()),
            |dir| Self::Folder(dir.join("telegram-files")),
        )
    }

    /// Keeps bytes under a path made by us, never by a caller.
    pub fn put(&self, path: &str, bytes: &Bytes) -> std::io::Result<()> {
        match self {
            Self::Memory(files) => {
                locked(files).insert(path.to_owned(), bytes.clone());
                Ok(())
            }
            Self::Folder(folder) => {
                let file = folder.join(path);
                if let Some(parent) = file.parent() {
                    std::fs::create_dir_all(parent)?;
                }
                std::fs::write(file, bytes)
            }
        }
    }

    /// The bytes under a path that is known from the journal.
    pub fn get(&self, path: &str) -> Option<Bytes> {
        match self {
            Self::Memory(files) => locked(files).get(path).cloned(),
            Self::Folder(folder) => std::fs::read(folder.join(path)).ok().map(Bytes::from),
        }
    }
}
