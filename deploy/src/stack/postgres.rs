//! The private Postgres server: made once, started in about a tenth of a second, reached only by a socket in a folder that
//! nobody else can enter. That folder is why `trust` is a sound way to log in.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::{Connection, PgConnection};

use super::child::{self, Child};
use super::cluster::{self, Place, Programs};
use super::error::{Service, StackError};
use super::proc;
use super::state::{self, StateDir};

const READY_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);
/// Fast shutdown, then immediate; SIGKILL is what [`Child::stop`] does when neither helps.
const STOP: [(Signal, Duration); 2] = [
    (Signal::SIGINT, Duration::from_secs(15)),
    (Signal::SIGQUIT, Duration::from_secs(5)),
];
/// When we die without a word the server ends at once, and recovers from its log at the next start. A fast shutdown could take
/// seconds in which the next start would have to wait.
const DEATH_SIGNAL: Signal = Signal::SIGQUIT;

/// The role that owns the schema.
pub(crate) const OWNER: &str = "kvit";
/// The role of the running application: no DDL, and only what the migrations grant.
pub(crate) const APPLICATION: &str = "kvit_app";
const DATABASE: &str = "kvit";

/// How to start the private server, again and again, always at the same address.
#[derive(Debug, Clone)]
pub(crate) struct Postgres {
    programs: Programs,
    place: Place,
    log: PathBuf,
}

impl Postgres {
    /// Finds the programs and the place, and makes the cluster when there is none. Starts nothing.
    pub async fn prepare(state: &StateDir) -> Result<Self, StackError> {
        let programs = cluster::find_programs()?;
        let place = cluster::place(state)?;
        let server = Self {
            programs,
            place,
            log: state.path().join("postgres.log"),
        };
        server.end_leftovers().await?;
        if !server.place.data.join("PG_VERSION").exists() {
            server.make_cluster().await?;
        }
        server.check_version()?;
        Ok(server)
    }

    /// Starts the server and waits until it takes connections.
    pub async fn start(&self) -> Result<Child, StackError> {
        self.end_leftovers().await?;
        self.write_settings()?;
        let log = state::open_log(&self.log)?;
        let mut command = self.place.command(&self.programs.postgres);
        command
            .arg("-D")
            .arg(&self.place.data)
            .stdout(
                log.try_clone()
                    .map_err(StackError::state("share", &self.log))?,
            )
            .stderr(log);
        let child = child::spawn("postgres", command, DEATH_SIGNAL)
            .await
            .map_err(|source| StackError::Spawn {
                program: self.programs.postgres.clone(),
                source,
            })?;
        self.wait_ready(&child).await?;
        Ok(child)
    }

    /// Stops the server: fast, then immediate, then hard.
    pub async fn stop(child: &Child) {
        child.stop(&STOP).await;
    }

    /// The address for a role, usable by any Postgres client.
    pub fn url(&self, role: &str) -> String {
        self.url_of(role, DATABASE)
    }

    fn url_of(&self, role: &str, database: &str) -> String {
        let folder = self.place.socket.to_string_lossy();
        let host = utf8_percent_encode(&folder, NON_ALPHANUMERIC);
        format!("postgres://{role}@localhost/{database}?host={host}&sslmode=disable")
    }

    /// Makes the roles and the database that are missing. Idempotent, one short connection on a warm start.
    pub async fn provision(&self) -> Result<(), StackError> {
        let failed = |step| move |source| StackError::Provision { step, source };
        let mut admin = PgConnection::connect(&self.url_of("postgres", "postgres"))
            .await
            .map_err(failed("connect"))?;
        let (roles, databases): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM pg_roles WHERE rolname IN ('kvit', 'kvit_app')), \
                    (SELECT count(*) FROM pg_database WHERE datname = 'kvit')",
        )
        .fetch_one(&mut admin)
        .await
        .map_err(failed("look"))?;
        if roles < 2 || databases < 1 {
            // CREATE ROLE and CREATE DATABASE know no IF NOT EXISTS, and CREATE DATABASE no transaction; a start that was
            // killed between them is finished by the next one.
            for (step, present, statement) in [
                (
                    "owner role",
                    "SELECT 1 FROM pg_roles WHERE rolname = 'kvit'",
                    "CREATE ROLE kvit LOGIN NOSUPERUSER",
                ),
                (
                    "application role",
                    "SELECT 1 FROM pg_roles WHERE rolname = 'kvit_app'",
                    "CREATE ROLE kvit_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION",
                ),
                (
                    "database",
                    "SELECT 1 FROM pg_database WHERE datname = 'kvit'",
                    "CREATE DATABASE kvit OWNER kvit TEMPLATE template0 ENCODING 'UTF8'",
                ),
            ] {
                let there = sqlx::query(present)
                    .fetch_optional(&mut admin)
                    .await
                    .map_err(failed(step))?
                    .is_some();
                if !there {
                    sqlx::query(statement)
                        .execute(&mut admin)
                        .await
                        .map_err(failed(step))?;
                }
            }
        }
        admin.close().await.map_err(failed("close"))?;
        if roles < 2 || databases < 1 {
            // Before version 15 everybody may make tables in `public`, and the superuser owns it.
            let mut inside = PgConnection::connect(&self.url_of("postgres", DATABASE))
                .await
                .map_err(failed("connect"))?;
            sqlx::raw_sql(
                "ALTER SCHEMA public OWNER TO kvit; REVOKE CREATE ON SCHEMA public FROM PUBLIC",
            )
            .execute(&mut inside)
            .await
            .map_err(failed("schema"))?;
            inside.close().await.map_err(failed("close"))?;
        }
        Ok(())
    }

    /// `initdb` into a folder beside, renamed when whole: a killed `initdb` never looks like a cluster. The folder's name is
    /// new each time, because a half-dead `initdb` of a killed run may still be writing into the old one.
    async fn make_cluster(&self) -> Result<(), StackError> {
        let root = &self.place.root;
        let stale = fs::read_dir(root).map_err(StackError::state("list", root))?;
        for entry in stale.flatten() {
            if entry.file_name().to_string_lossy().starts_with("part-") {
                let _someone_still_writes = fs::remove_dir_all(entry.path());
            }
        }
        let part = root.join(format!("part-{}", state::random_hex(4)?));
        let log = state::open_log(&self.log)?;
        let mut command = self.place.command(&self.programs.initdb);
        command
            .arg("--pgdata")
            .arg(&part)
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
            .args(["--locale=C.UTF-8", "--no-sync", "--no-instructions"])
            .stdout(
                log.try_clone()
                    .map_err(StackError::state("share", &self.log))?,
            )
            .stderr(log);
        tracing::info!(folder = %root.display(), version = self.programs.major, "making the private database cluster");
        let initdb = child::spawn("initdb", command, Signal::SIGKILL)
            .await
            .map_err(|source| StackError::Spawn {
                program: self.programs.initdb.clone(),
                source,
            })?;
        let status = tokio::time::timeout(READY_WITHIN, initdb.wait())
            .await
            .map_err(|_late| StackError::Timeout {
                service: Service::Postgres,
                waited: READY_WITHIN,
                log: proc::log_tail(&self.log),
            })?;
        if !status.success() {
            return Err(StackError::Failed {
                service: Service::Postgres,
                reason: format!("initdb ended with {status}"),
                log: proc::log_tail(&self.log),
            });
        }
        fs::rename(&part, &self.place.data).map_err(StackError::state("rename", &part))
    }

    /// A cluster is bound to the major version that made it.
    fn check_version(&self) -> Result<(), StackError> {
        let path = self.place.data.join("PG_VERSION");
        let text = fs::read_to_string(&path).map_err(StackError::state("read", &path))?;
        if text.trim().parse() == Ok(self.programs.major) {
            return Ok(());
        }
        Err(StackError::Failed {
            service: Service::Postgres,
            reason: format!(
                "{} was made by version {}, version {} is installed; move the data with pg_upgrade or begin anew with `make clean-state`",
                self.place.data.display(),
                text.trim(),
                self.programs.major
            ),
            log: String::new(),
        })
    }

    /// The whole configuration is ours and written anew at each start, so that an upgrade of kvit reaches old clusters.
    fn write_settings(&self) -> Result<(), StackError> {
        let path = self.place.data.join("postgresql.conf");
        let socket = self.place.socket.to_string_lossy().replace('\'', "''");
        let text = format!(
            "# Written by kvit at every start; changes are lost.\n\
             listen_addresses = ''\n\
             unix_socket_directories = '{socket}'\n\
             unix_socket_permissions = 0700\n\
             port = 5432\n\
             cluster_name = 'kvit'\n\
             max_connections = 100\n\
             shared_buffers = 128MB\n\
             # An acknowledged command must survive a power cut; no setting here trades that away.\n\
             fsync = on\n\
             synchronous_commit = on\n\
             full_page_writes = on\n\
             wal_level = replica\n\
             wal_compression = on\n\
             max_wal_size = 1GB\n\
             min_wal_size = 80MB\n\
             checkpoint_timeout = 15min\n\
             # Plans here are short; compiling them costs more than it gives.\n\
             jit = off\n\
             timezone = 'UTC'\n\
             log_timezone = 'UTC'\n\
             datestyle = 'iso, ymd'\n\
             lc_messages = 'C'\n\
             log_destination = 'stderr'\n\
             logging_collector = off\n\
             log_line_prefix = '%m [%p] '\n\
             log_min_messages = warning\n\
             log_parameter_max_length_on_error = 0\n"
        );
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        let written = fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
        written.map_err(StackError::state("write", &path))
    }

    /// Ready when line 8 of the pid file says so. Asking the file costs nothing; trying to connect fills the log with refusals.
    async fn wait_ready(&self, child: &Child) -> Result<(), StackError> {
        let begun = Instant::now();
        let pid_file = self.place.data.join("postmaster.pid");
        loop {
            if let Some(status) = child.exited() {
                return Err(StackError::Failed {
                    service: Service::Postgres,
                    reason: format!("it ended with {status}"),
                    log: proc::log_tail(&self.log),
                });
            }
            if pid_file_ready(&pid_file, child.pid()) {
                return Ok(());
            }
            if begun.elapsed() > READY_WITHIN {
                return Err(StackError::Timeout {
                    service: Service::Postgres,
                    waited: READY_WITHIN,
                    log: proc::log_tail(&self.log),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Ends a server (or its helpers) that outlived an earlier run, and removes a pid file that names nobody of ours. We hold
    /// the state folder's lock, so whatever works in the cluster now is a leftover.
    async fn end_leftovers(&self) -> Result<(), StackError> {
        let data = &self.place.data;
        if !data.exists() {
            return Ok(());
        }
        let steps = [
            (Signal::SIGINT, Duration::from_secs(10)),
            (Signal::SIGQUIT, Duration::from_secs(5)),
            (Signal::SIGKILL, Duration::from_secs(5)),
        ];
        for (signal, patience) in steps {
            let left = proc::working_in(data);
            if left.is_empty() {
                break;
            }
            tracing::warn!(processes = ?left, signal = %signal, "ending a database server left by an earlier run");
            for pid in left {
                proc::send(pid, signal);
            }
            proc::wait_until(patience, || proc::working_in(data).is_empty()).await;
        }
        // The server trusts a lock file whose process exists; it may be a stranger by now, or a dead one that nobody reaped,
        // as in a container whose first process is no init.
        for lock in [
            data.join("postmaster.pid"),
            self.place.socket.join(cluster::SOCKET_LOCK),
        ] {
            match fs::remove_file(&lock) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(StackError::state("remove", &lock)(error)),
            }
        }
        Ok(())
    }
}

fn pid_file_ready(path: &Path, pid: u32) -> bool {
    let Ok(text) = fs::read_to_string(path) else {
        return false;
    };
    let mut lines = text.lines().map(str::trim);
    let ours = lines
        .next()
        .and_then(|line| line.parse::<u32>().ok())
        .is_some_and(|found| found == pid);
    // Line 1 is taken, so line 8 is the seventh of the rest.
    ours && lines.nth(6) == Some("ready")
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
    fn only_the_pid_file_of_our_own_server_can_say_ready() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("postmaster.pid");
        let text = "42\n/data\n1700000000\n5432\n/socket\n\n  123 456\nready   \n";
        fs::write(&path, text).unwrap();
        assert!(pid_file_ready(&path, 42));
        assert!(!pid_file_ready(&path, 43));
        fs::write(&path, text.replace("ready   ", "starting")).unwrap();
        assert!(!pid_file_ready(&path, 42));
    }
}
