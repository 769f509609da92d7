//! Postgres' own programs, run so that no secret stands on a command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use percent_encoding::percent_decode_str;
use tokio::process::Command;
use url::Url;

use super::BackupError;
use crate::audit::AuditError;

/// Most that is repeated of what a program said.
const SAID_MAX: usize = 2_000;

/// The client programs of one installation.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    folder: PathBuf,
    /// What `pg_dump --version` says.
    pub version: String,
}

impl Tools {
    /// Finds the newest installation: in PATH and in Debian's version folders. An older `pg_dump` refuses a newer server.
    pub async fn find() -> Result<Self, BackupError> {
        let mut folders: Vec<PathBuf> =
            std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
        if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
            folders.extend(versions.flatten().map(|entry| entry.path().join("bin")));
        }
        let mut best: Option<(u32, Self)> = None;
        for folder in folders {
            // Debian's own `pg_dump` in PATH is a script that chooses by clusters which need not be ours.
            let real = fs::canonicalize(folder.join("pg_dump")).ok();
            let Some(real) = real.filter(|real| real.ends_with("pg_dump")) else {
                continue;
            };
            let Some(folder) = real.parent() else {
                continue;
            };
            let output = Command::new(&real).arg("--version").output().await?;
            let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            let Some(major) = major_of(&version) else {
                continue;
            };
            if best.as_ref().is_none_or(|(newest, _)| major > *newest) {
                let folder = folder.to_owned();
                best = Some((major, Self { folder, version }));
            }
        }
        best.map(|(_, tools)| tools)
            .ok_or(BackupError::Missing("pg_dump"))
    }

    /// A command in an environment that knows the database and nothing else of ours.
    pub fn command(&self, program: &'static str, database: &Database) -> Command {
        let mut command = Command::new(self.folder.join(program));
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LANG", "C.UTF-8")
            .env("PGCONNECT_TIMEOUT", "10")
            .env("PGAPPNAME", format!("kvit {program}"))
            .envs(database.0.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// The table of contents of a dump; a damaged one has none.
    pub async fn list(&self, dump: &Path) -> Result<String, BackupError> {
        let mut command = self.command("pg_restore", &Database::default());
        command.arg("--list").arg(dump);
        let output = run("pg_restore", &mut command).await?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Runs a command to its end.
pub(super) async fn run(
    program: &'static str,
    command: &mut Command,
) -> Result<Output, BackupError> {
    let output = command.spawn()?.wait_with_output().await?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let from = said
        .char_indices()
        .map(|(index, _)| index)
        .find(|index| said.len().saturating_sub(*index) <= SAID_MAX)
        .unwrap_or(0);
    Err(BackupError::Program {
        program,
        status: output.status.to_string(),
        said: said.get(from..).unwrap_or_default().trim().to_owned(),
    })
}

fn major_of(version: &str) -> Option<u32> {
    let number = version
        .split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    number
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

/// Where a database is, as environment variables. Holds the password: not in `Debug`.
#[derive(Clone, Default)]
pub(super) struct Database(Vec<(&'static str, String)>);

/// Parameters of an address, and the variables that mean the same.
const PARAMETERS: [(&str, &str); 17] = [
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("dbname", "PGDATABASE"),
    ("sslmode", "PGSSLMODE"),
    ("ssl-mode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("ssl-root-cert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("ssl-cert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("ssl-key", "PGSSLKEY"),
    ("options", "PGOPTIONS"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("gssencmode", "PGGSSENCMODE"),
];

impl Database {
    /// Reads an address.
    pub fn of(url: &str) -> Result<Self, BackupError> {
        let unreadable = || {
            BackupError::Audit(AuditError::Use(
                "the database's address cannot be read".to_owned(),
            ))
        };
        let url = Url::parse(url).map_err(|_text| unreadable())?;
        let decoded = |text: &str| {
            percent_decode_str(text)
                .decode_utf8()
                .map(std::borrow::Cow::into_owned)
                .map_err(|_bytes| unreadable())
        };
        let mut set: Vec<(&'static str, String)> = Vec::new();
        let mut put = |name: &'static str, value: String| {
            set.retain(|(known, _)| *known != name);
            if !value.is_empty() {
                set.push((name, value));
            }
        };
        let host = url.host_str().unwrap_or_default();
        put("PGHOST", decoded(host.trim_matches(['[', ']']))?);
        if let Some(port) = url.port() {
            put("PGPORT", port.to_string());
        }
        put("PGUSER", decoded(url.username())?);
        put("PGPASSWORD", decoded(url.password().unwrap_or_default())?);
        put("PGDATABASE", decoded(url.path().trim_start_matches('/'))?);
        for (name, value) in url.query_pairs() {
            if let Some((_, variable)) = PARAMETERS.iter().find(|(known, _)| *known == name) {
                put(variable, value.into_owned());
            }
        }
        Ok(Self(set))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_address_becomes_variables_and_its_parameters_go_before_its_host() {
        let database = Database::of(
            "postgres://own%40er:p%3Aw@db.example:5433/kvit?sslmode=require&application_name=x",
        )
        .unwrap();
        assert_eq!(
            database.0,
            [
                ("PGHOST", "db.example".to_owned()),
                ("PGPORT", "5433".to_owned()),
                ("PGUSER", "own@er".to_owned()),
                ("PGPASSWORD", "p:w".to_owned()),
                ("PGDATABASE", "kvit".to_owned()),
                ("PGSSLMODE", "require".to_owned()),
            ]
        );
        let socket = Database::of("postgres://kvit@localhost/kvit?host=%2Frun%2Fpg").unwrap();
        assert!(socket.0.contains(&("PGHOST", "/run/pg".to_owned())));
        assert!(!socket.0.iter().any(|(name, _)| *name == "PGPASSWORD"));
    }

    #[test]
    fn the_release_is_read_from_what_the_program_says() {
        assert_eq!(
            major_of("pg_dump (PostgreSQL) 15.14 (Debian 15.14-0)"),
            Some(15)
        );
        assert_eq!(major_of("pg_dump (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_of("nothing"), None);
    }
}
