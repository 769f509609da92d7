//! A private Postgres cluster.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use kvit_adapters::postgres::PgSettings;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgPool};

use crate::process;

/// Longest wait for the server to start or stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// A cluster with the roles `kvit_owner` (owns the databases) and `kvit_app` (the application).
pub struct PgServer {
    folder: PathBuf,
    binaries: PathBuf,
    user: Option<&'static str>,
    durable: bool,
    child: Mutex<Option<Child>>,
    template: tokio::sync::OnceCell<()>,
    databases: AtomicU32,
}

/// A database of a test's own.
pub struct TestDb {
    /// As the owner, who migrates.
    pub owner_url: String,
    /// As the role of the application.
    pub app_url: String,
    /// A small pool of the application's role.
    pub pool: PgPool,
    /// Its name, for `pg_dump` and the like.
    pub name: String,
}

/// Patient: many tests run at once on few processors.
fn settings(url: &str) -> PgSettings {
    let mut settings = PgSettings::new(url, "kvit test").with_max_connections(8);
    settings.acquire_timeout = PATIENCE;
    settings
}

impl TestDb {
    /// Settings of the application's role.
    pub fn settings(&self) -> PgSettings {
        settings(&self.app_url)
    }

    /// A connection as the owner.
    pub async fn owner(&self) -> sqlx::PgConnection {
        PgConnectOptions::from_str(&self.owner_url)
            .unwrap()
            .connect()
            .await
            .expect("the owner connects")
    }
}

/// A fresh, migrated database on the cluster that all tests of this process share. Its cluster does not fsync: a crash of
/// a process loses nothing, only a crash of the machine would.
pub async fn pg() -> TestDb {
    static SHARED: OnceLock<PgServer> = OnceLock::new();
    // Started on a blocking thread: it takes about a second, once.
    let server = tokio::task::spawn_blocking(|| SHARED.get_or_init(|| PgServer::start(false)))
        .await
        .unwrap();
    server.database().await
}

impl PgServer {
    /// Makes and starts a cluster. `durable` switches fsync on, as in production.
    pub fn start(durable: bool) -> Self {
        let binaries = find_binaries();
        let folder = process::new_folder("pg");
        let user = process::is_root().then(|| user_for_postgres(&folder));
        let server = Self {
            folder,
            binaries,
            user,
            durable,
            child: Mutex::new(None),
            template: tokio::sync::OnceCell::new(),
            databases: AtomicU32::new(0),
        };
        let data = server.data_folder();
        let made = process::bound_command(&server.binaries.join("initdb"), "KILL", user)
            .args([
                "--no-sync",
                "--auth=trust",
                "--locale=C.UTF-8",
                "--encoding=UTF8",
                "--username=kvit_root",
                "-D",
            ])
            .arg(&data)
            .stdout(Stdio::null())
            .output()
            .expect("initdb starts");
        assert!(
            made.status.success(),
            "initdb failed: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        server.start_again();
        server.psql(
            "postgres",
            "CREATE ROLE kvit_owner LOGIN CREATEDB; CREATE ROLE kvit_app LOGIN;",
        );
        server
    }

    fn data_folder(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Process id of the postmaster.
    pub fn pid(&self) -> u32 {
        self.child
            .lock()
            .unwrap()
            .as_ref()
            .expect("the server runs")
            .id()
    }

    /// Starts the server after [`PgServer::stop`] or [`PgServer::crash`].
    pub fn start_again(&self) {
        let data = self.data_folder();
        let log = std::fs::File::create(self.folder.join("log")).expect("the log file opens");
        let fsync = if self.durable { "on" } else { "off" };
        let mut command =
            process::bound_command(&self.binaries.join("postgres"), "QUIT", self.user);
        command
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&self.folder)
            .stdout(Stdio::null())
            .stderr(log);
        for setting in [
            "listen_addresses=",
            "max_connections=300",
            "shared_buffers=128MB",
            &format!("fsync={fsync}"),
            "synchronous_commit=on",
            &format!("full_page_writes={fsync}"),
            "max_wal_size=2GB",
            "log_min_messages=warning",
        ] {
            command.arg("-c").arg(setting);
        }
        let child = process::spawn(command).expect("postgres starts");
        *self.child.lock().unwrap() = Some(child);
        let started = Instant::now();
        // Line 8 of the pid file says when connections are taken.
        let pid_file = data.join("postmaster.pid");
        while !std::fs::read_to_string(&pid_file)
            .is_ok_and(|text| text.lines().nth(7).is_some_and(|l| l.trim() == "ready"))
        {
            let log = || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            let ended = self
                .child
                .lock()
                .unwrap()
                .as_mut()
                .is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))));
            assert!(
                !ended && started.elapsed() < PATIENCE,
                "postgres did not start: {}",
                log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn end(&self, signal: Signal) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            let pid = child.id();
            let own_children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
                .unwrap_or_default();
            let _ = kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal);
            let _ = child.wait();
            // After SIGKILL the server's own children end by themselves, a little later; a new server would refuse to
            // start beside them.
            let started = Instant::now();
            let lives = |pid: &str| Path::new("/proc").join(pid).exists();
            while own_children.split_whitespace().any(lives) && started.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = std::fs::remove_file(self.data_folder().join("postmaster.pid"));
        }
    }

    /// Stops it as an operator would, breaking off connections.
    pub fn stop(&self) {
        self.end(Signal::SIGINT);
    }

    /// Kills it with `kill -9`.
    pub fn crash(&self) {
        self.end(Signal::SIGKILL);
    }

    /// Runs SQL as the superuser.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        let output = self
            .tool("psql")
            .args([
                "-U",
                "kvit_root",
                "-d",
                database,
                "-Atq",
                "-v",
                "ON_ERROR_STOP=1",
                "-c",
                sql,
            ])
            .output();
        let output = output.expect("psql starts");
        assert!(
            output.status.success(),
            "psql failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A Postgres client program such as `pg_dump`, pointed at this server.
    pub fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        command.env("PGHOST", &self.folder).env("PGPORT", "5432");
        command
    }

    /// Connection string of a role for a database.
    pub fn url(&self, role: &str, database: &str) -> String {
        let host = self
            .folder
            .to_str()
            .expect("the folder is plain text")
            .replace('/', "%2F");
        format!("postgres://{role}@{host}:5432/{database}")
    }

    /// A fresh, migrated database.
    pub async fn database(&self) -> TestDb {
        self.template
            .get_or_init(|| async {
                self.create("kvit_template", "template1").await;
                let url = self.url("kvit_owner", "kvit_template");
                kvit_adapters::postgres::migrate::migrate(&url)
                    .await
                    .expect("the template migrates");
            })
            .await;
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.create(&name, "kvit_template").await;
        self.open(&name)
    }

    /// A database without anything in it.
    pub async fn empty_database(&self) -> TestDb {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.create(&name, "template1").await;
        self.open(&name)
    }

    fn open(&self, name: &str) -> TestDb {
        let app_url = self.url("kvit_app", name);
        let pool = settings(&app_url).pool().expect("the URL is good");
        TestDb {
            owner_url: self.url("kvit_owner", name),
            app_url,
            pool,
            name: name.to_owned(),
        }
    }

    async fn create(&self, name: &str, template: &str) {
        let options = PgConnectOptions::from_str(&self.url("kvit_root", "postgres")).unwrap();
        let mut root = options.connect().await.expect("the superuser connects");
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template} OWNER kvit_owner");
        sqlx::raw_sql(&sql)
            .execute(&mut root)
            .await
            .expect("the database is created");
        root.close().await.expect("the superuser leaves");
        if template == "template1" {
            // Since Postgres 15 only the owner may create in `public`; the database's owner is not its owner.
            self.psql(name, "ALTER SCHEMA public OWNER TO kvit_owner");
        }
    }
}

impl Drop for PgServer {
    fn drop(&mut self) {
        self.end(Signal::SIGQUIT);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Folder of `postgres` and its tools: `PG_BIN`, Debian's newest, or `PATH`.
fn find_binaries() -> PathBuf {
    if let Some(folder) = std::env::var_os("PG_BIN") {
        return folder.into();
    }
    let mut debian: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .filter(|(_, folder): &(u32, PathBuf)| folder.join("initdb").is_file())
        .collect();
    debian.sort();
    if let Some((_, folder)) = debian.pop() {
        return folder;
    }
    let postgres = process::on_path("postgres")
        .expect("Postgres is not installed: install the package `postgresql` or set PG_BIN");
    postgres
        .parent()
        .unwrap_or(Path::new("/usr/bin"))
        .to_owned()
}

/// Postgres refuses root; it runs as `postgres`, or as `nobody` where there is no such user.
fn user_for_postgres(folder: &Path) -> &'static str {
    let users = [
        ("postgres", nix::unistd::User::from_name("postgres")),
        ("nobody", nix::unistd::User::from_name("nobody")),
    ];
    for (name, user) in users {
        if let Ok(Some(user)) = user {
            nix::unistd::chown(folder, Some(user.uid), Some(user.gid))
                .expect("the folder changes its owner");
            return name;
        }
    }
    panic!("Postgres cannot run as root, and there is no user `postgres` or `nobody`");
}
