//! The state folder (`.kvit/` by default): one owner at a time, and the secrets that were made for it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rand::TryRngCore;

use super::error::StackError;

/// The generated secrets and how many random bytes each has. All are written as hexadecimal digits.
const GENERATED: [(&str, usize); 8] = [
    ("ENCRYPTION_SECRET", 32),
    ("KVIT_BOOTSTRAP_API_KEY", 32),
    ("STORAGE_ACCESS_KEY", 10),
    ("STORAGE_SECRET_KEY", 32),
    ("TELEGRAM_WEBHOOK_SECRET", 24),
    ("PORTMONE_WEBHOOK_TOKEN", 24),
    ("KVIT_CHECKPOINT_KEY", 32),
    (BUS_TOKEN, 32),
];
/// The word that the private bus asks for. Not a setting: a given bus has its login in NATS_URL.
pub(crate) const BUS_TOKEN: &str = "BUS_TOKEN";

const HEADER: &str = "# Made by kvit for this state folder. Whoever loses this file loses the personal data sealed with it.\n";

/// An open state folder, held by a file lock until dropped.
pub struct StateDir {
    path: PathBuf,
    secrets: BTreeMap<String, String>,
    /// The lock lives as long as the file is open; the kernel frees it when the process dies in any way.
    _lock: File,
}

impl fmt::Debug for StateDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateDir")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl StateDir {
    /// Opens or makes the folder, takes its lock and makes the missing secrets.
    ///
    /// `sealing_key_given` says that ENCRYPTION_SECRET comes from elsewhere, so that a missing `secrets.env` is no loss.
    ///
    /// # Errors
    /// [`StackError::AlreadyRunning`] when another process holds the folder; [`StackError::SecretsLost`] when data is there
    /// without its keys; otherwise what the file system says.
    pub fn open(path: &Path, sealing_key_given: bool) -> Result<Self, StackError> {
        // The database may run under another uid, which must be able to pass through; nothing here can be listed by it.
        let mode = if nix::unistd::geteuid().is_root() {
            0o711
        } else {
            0o700
        };
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(path)
            .map_err(StackError::state("make the folder", path))?;
        let path = fs::canonicalize(path).map_err(StackError::state("find", path))?;
        fs::set_permissions(&path, Permissions::from_mode(mode))
            .map_err(StackError::state("set the permissions of", &path))?;
        let lock = take_lock(&path)?;
        let secrets = ensure_secrets(&path, sealing_key_given)?;
        Ok(Self {
            path,
            secrets,
            _lock: lock,
        })
    }

    /// Where the folder is, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The generated settings by name, to be laid below the environment when the configuration is read.
    pub fn secrets(&self) -> &BTreeMap<String, String> {
        &self.secrets
    }

    /// One generated secret. Every name of the generated list is present.
    pub(crate) fn secret(&self, name: &str) -> &str {
        self.secrets.get(name).map_or("", String::as_str)
    }

    /// A sub-folder only for us, made when missing.
    pub(crate) fn private_folder(&self, name: &str) -> Result<PathBuf, StackError> {
        let folder = self.path.join(name);
        make_private(&folder)?;
        Ok(folder)
    }
}

/// Makes a folder that only its owner may enter; one that is there already is closed to others.
pub(crate) fn make_private(folder: &Path) -> Result<(), StackError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(StackError::state("make the folder", folder))?;
    fs::set_permissions(folder, Permissions::from_mode(0o700))
        .map_err(StackError::state("set the permissions of", folder))
}

/// Opens a log file for appending. A log that has grown past 8 MiB starts anew: it is help for a developer, not a record.
pub(crate) fn open_log(path: &Path) -> Result<File, StackError> {
    const LIMIT: u64 = 8 * 1024 * 1024;
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(StackError::state("open the log", path))?;
    file.set_permissions(Permissions::from_mode(0o600))
        .map_err(StackError::state("set the permissions of", path))?;
    if file.metadata().is_ok_and(|meta| meta.len() > LIMIT) {
        file.set_len(0)
            .map_err(StackError::state("shorten the log", path))?;
    }
    Ok(file)
}

/// Writes a small file whole or not at all, readable only by its owner.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<(), StackError> {
    let part = path.with_extension("part");
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&part)?;
        // One that a killed run left keeps the mode that it had.
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().map_err(StackError::state("write", path))
}

fn take_lock(dir: &Path) -> Result<File, StackError> {
    let path = dir.join("lock");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(StackError::state("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _unreadable = (&mut file).take(32).read_to_string(&mut text);
            return Err(StackError::AlreadyRunning {
                dir: dir.to_path_buf(),
                pid: text.trim().parse().ok(),
            });
        }
        Err(TryLockError::Error(source)) => {
            return Err(StackError::state("lock", &path)(source));
        }
    }
    let mut note = || -> std::io::Result<()> {
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        writeln!(file, "{}", std::process::id())
    };
    note().map_err(StackError::state("write", &path))?;
    Ok(file)
}

fn ensure_secrets(
    dir: &Path,
    sealing_key_given: bool,
) -> Result<BTreeMap<String, String>, StackError> {
    let path = dir.join("secrets.env");
    let mut secrets = if path.exists() {
        read_secrets(&path)?
    } else {
        BTreeMap::new()
    };
    let data = dir.join("postgres");
    if !secrets.contains_key("ENCRYPTION_SECRET") && !sealing_key_given && data.exists() {
        return Err(StackError::SecretsLost { path, data });
    }
    let mut changed = false;
    for (name, length) in GENERATED {
        if !secrets.contains_key(name) {
            secrets.insert(name.to_owned(), random_hex(length)?);
            changed = true;
        }
    }
    if changed {
        let mut text = HEADER.to_owned();
        for (name, value) in &secrets {
            text.push_str(&format!("{name}={value}\n"));
        }
        write_private(&path, &text)?;
    }
    Ok(secrets)
}

fn read_secrets(path: &Path) -> Result<BTreeMap<String, String>, StackError> {
    let damaged = |reason: &str| StackError::SecretsDamaged {
        path: path.to_path_buf(),
        reason: reason.to_owned(),
    };
    let text = fs::read_to_string(path).map_err(StackError::state("read", path))?;
    let mut secrets = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line
            .split_once('=')
            .ok_or_else(|| damaged("a line is not NAME=value"))?;
        if value.is_empty() {
            return Err(damaged("a value is empty"));
        }
        secrets.insert(name.to_owned(), value.to_owned());
    }
    Ok(secrets)
}

/// Random bytes from the operating system, as hexadecimal digits.
pub(crate) fn random_hex(bytes: usize) -> Result<String, StackError> {
    let mut buffer = vec![0_u8; bytes];
    rand::rngs::OsRng
        .try_fill_bytes(&mut buffer)
        .map_err(|error| StackError::Randomness(error.to_string()))?;
    Ok(hex::encode(buffer))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test may fail loudly"
    )]
    use super::*;

    #[test]
    fn secrets_are_made_once_and_only_the_owner_may_read_them() {
        let dir = tempfile::tempdir().unwrap();
        let first = StateDir::open(dir.path(), false).unwrap();
        let made = first.secrets().clone();
        drop(first);
        let mode = fs::metadata(dir.path().join("secrets.env"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(made["ENCRYPTION_SECRET"].len(), 64);
        let second = StateDir::open(dir.path(), false).unwrap();
        assert_eq!(second.secrets(), &made);
    }

    #[test]
    fn a_second_owner_is_refused_and_told_who_holds_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let _first = StateDir::open(dir.path(), false).unwrap();
        let refusal = StateDir::open(dir.path(), false).unwrap_err();
        assert!(
            matches!(refusal, StackError::AlreadyRunning { pid: Some(pid), .. } if pid == std::process::id()),
            "{refusal}"
        );
    }

    #[test]
    fn lost_secrets_are_not_replaced_when_sealed_data_is_there() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("postgres")).unwrap();
        assert!(matches!(
            StateDir::open(dir.path(), false),
            Err(StackError::SecretsLost { .. })
        ));
        assert!(StateDir::open(dir.path(), true).is_ok());
    }
}
