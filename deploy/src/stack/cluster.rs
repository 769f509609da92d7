//! Where the private Postgres cluster lives, whose it is, and which programs serve it.
//!
//! Postgres refuses to run as root, so a root user needs a second uid and a folder which that uid can reach; and a Unix socket
//! path has at most 107 bytes. Both can fail for a state folder in `/root` or deep below a home, so there is one fallback: a
//! folder with a random name in `/var/tmp`. A marker file remembers it, and is the only thing that decides on the next start.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::{Gid, Uid, User, chown, geteuid};

use super::error::{Service, StackError};
use super::state::{self, StateDir};

/// The oldest server that the migrations are written for.
const OLDEST: u32 = 14;
/// `sun_path` has 108 bytes with its closing zero.
const SOCKET_PATH_BYTES: usize = 107;
const SOCKET_FILE: &str = ".s.PGSQL.5432";
/// Beside the socket, names the process that made it.
pub(crate) const SOCKET_LOCK: &str = ".s.PGSQL.5432.lock";
const MARKER: &str = "postgres.path";

/// The programs of one Postgres installation.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub initdb: PathBuf,
    pub postgres: PathBuf,
    pub major: u32,
}

/// The folders of a cluster and the uid that owns it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Holds everything below.
    pub root: PathBuf,
    /// The cluster itself.
    pub data: PathBuf,
    /// Holds the socket.
    pub socket: PathBuf,
    /// Uid and gid for the server, when they are not ours.
    pub owner: Option<(Uid, Gid)>,
}

impl Place {
    /// A command that runs as the cluster's owner, in a folder which that owner can enter.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((uid, gid)) = self.owner {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        command
            .current_dir(&self.root)
            .stdin(Stdio::null())
            // Settings of the person's own psql must not reach the private server.
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC");
        command
    }
}

/// Finds the newest installed Postgres: in PATH and in Debian's version folders.
pub(crate) fn find_programs() -> Result<Programs, StackError> {
    let mut folders: Vec<PathBuf> =
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|entry| entry.path().join("bin")));
    }
    let found = folders
        .into_iter()
        .filter_map(|folder| {
            // A link in PATH must lead to its real folder: the server looks for its own files beside itself.
            let postgres = fs::canonicalize(folder.join("postgres")).ok()?;
            let initdb = postgres.with_file_name("initdb");
            initdb.exists().then_some((postgres, initdb))
        })
        .filter_map(|(postgres, initdb)| {
            let major = major_version(&postgres)?;
            Some(Programs {
                initdb,
                postgres,
                major,
            })
        })
        .max_by_key(|programs| programs.major);
    match found {
        Some(programs) if programs.major >= OLDEST => Ok(programs),
        Some(programs) => Err(StackError::Missing {
            service: Service::Postgres,
            hint: format!("version {} is too old, {OLDEST} or newer is needed", programs.major),
        }),
        None => Err(StackError::Missing {
            service: Service::Postgres,
            hint: "no postgres in PATH or /usr/lib/postgresql; `make setup` installs it, or give DATABASE_URL".to_owned(),
        }),
    }
}

fn major_version(postgres: &Path) -> Option<u32> {
    let output = Command::new(postgres)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    parse_major(&String::from_utf8_lossy(&output.stdout))
}

fn parse_major(text: &str) -> Option<u32> {
    let version = text
        .split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Decides where the cluster lives: where it already is, else below the state folder, else in `/var/tmp`.
pub(crate) fn place(state: &StateDir) -> Result<Place, StackError> {
    let marker = state.path().join(MARKER);
    if let Ok(text) = fs::read_to_string(&marker) {
        let root = PathBuf::from(text.trim());
        if root.is_dir() {
            return adopt(root);
        }
        // The fallback folder was cleaned away by the system or by hand; what it held is gone in any case.
        tracing::warn!(missing = %root.display(), "the database folder of the last run is gone; a new one is made");
    }
    let owner = server_owner()?;
    let near = state.path().join("postgres");
    if near.is_dir() || (fits(&near) && make_for(&near, owner).is_ok() && reachable(&near, owner)) {
        return adopt(near);
    }
    // An empty folder from the attempt must not look like a cluster later.
    let _not_empty_or_missing = fs::remove_dir(&near);
    let far = PathBuf::from(format!("/var/tmp/kvit-{}", state::random_hex(8)?));
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&far)
        .map_err(StackError::state("make the folder", &far))?;
    make_for(&far, owner)?;
    state::write_private(&marker, &format!("{}\n", far.display()))?;
    tracing::info!(folder = %far.display(), "the database lives outside of the state folder, which its uid cannot reach or whose path is too long for a socket");
    adopt(far)
}

/// Uses an existing folder with the uid that owns it.
fn adopt(root: PathBuf) -> Result<Place, StackError> {
    let meta = fs::symlink_metadata(&root).map_err(StackError::state("look at", &root))?;
    let owner = (geteuid().is_root() && meta.uid() != 0)
        .then(|| (Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid())));
    let foreign = !geteuid().is_root() && meta.uid() != geteuid().as_raw();
    if !meta.is_dir() || foreign || (geteuid().is_root() && owner.is_none()) {
        return Err(StackError::Failed {
            service: Service::Postgres,
            reason: format!(
                "{} belongs to uid {}, which cannot run the database here",
                root.display(),
                meta.uid()
            ),
            log: String::new(),
        });
    }
    let place = Place {
        data: root.join("data"),
        socket: root.join("s"),
        root,
        owner,
    };
    for folder in [&place.root, &place.socket] {
        make_for(folder, place.owner)?;
    }
    Ok(place)
}

/// The uid for the server: none when we are not root, else `postgres` or, failing that, `nobody`.
fn server_owner() -> Result<Option<(Uid, Gid)>, StackError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| User::from_name(name).ok().flatten())
        .map(|user| Some((user.uid, user.gid)))
        .ok_or_else(|| StackError::Missing {
            service: Service::Postgres,
            hint: "it refuses to run as root and there is no user postgres or nobody".to_owned(),
        })
}

fn make_for(folder: &Path, owner: Option<(Uid, Gid)>) -> Result<(), StackError> {
    state::make_private(folder)?;
    if let Some((uid, gid)) = owner {
        chown(folder, Some(uid), Some(gid))
            .map_err(|errno| StackError::state("give away", folder)(errno.into()))?;
    }
    Ok(())
}

/// Asks a process of that uid, which is surer than reading permission bits: access lists and mounts count too.
fn reachable(folder: &Path, owner: Option<(Uid, Gid)>) -> bool {
    let Some((uid, gid)) = owner else { return true };
    Command::new("test")
        .arg("-w")
        .arg(folder)
        .uid(uid.as_raw())
        .gid(gid.as_raw())
        .current_dir("/")
        .stdin(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn fits(root: &Path) -> bool {
    root.join("s").join(SOCKET_FILE).as_os_str().len() <= SOCKET_PATH_BYTES
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
    fn the_major_version_is_read_from_what_the_server_says() {
        assert_eq!(
            parse_major("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(parse_major("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(parse_major("no version"), None);
    }

    #[test]
    fn a_socket_path_of_107_bytes_fits_and_108_do_not() {
        let rest = "/s/.s.PGSQL.5432".len();
        let root = format!("/{}", "x".repeat(SOCKET_PATH_BYTES - rest - 1));
        assert!(fits(Path::new(&root)));
        assert!(!fits(Path::new(&format!("{root}x"))));
    }
}
