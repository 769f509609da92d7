//! The private `nats-server` with JetStream on a free port of the loopback interface.
//!
//! Which server: `$NATS_BIN`, a good one in PATH, the one that `deploy/setup.sh` keeps in the cache, and only then an old one.
//! Debian's 2.9 silently ignores several consumer settings (more than one filter subject, metadata, per-message TTL), so it is
//! a degraded choice that is said aloud.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::child::{self, Child};
use super::error::{Service, StackError};
use super::proc;
use super::state::{self, StateDir};

/// The release that set-up keeps in the cache; `deploy/setup.sh` names the same one.
const CACHED_RELEASE: &str = "2.15.1";
/// The oldest release that honours everything we ask of a consumer.
const FULL: Version = Version(2, 10, 0);
const READY_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);
/// SIGINT is the orderly stop: 2.9 answers SIGTERM with exit status 1.
const STOP: [(Signal, Duration); 1] = [(Signal::SIGINT, Duration::from_secs(10))];

/// A server release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// Reads `2.9.10`, `v2.9.10` or `2.12.0-RC.1`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().trim_start_matches('v').splitn(3, '.');
        let mut next = || {
            let part = parts.next()?;
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u32>().ok()
        };
        Some(Self(next()?, next()?, next()?))
    }

    /// Whether the server honours everything that we ask of it.
    pub fn is_full(self) -> bool {
        self >= FULL
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// How to start the private server, again and again, at one address once that is known.
#[derive(Clone)]
pub(crate) struct Nats {
    program: PathBuf,
    version: Version,
    folder: PathBuf,
    log: PathBuf,
    /// Zero until the first start has found a free port.
    port: u16,
    /// What clients must say: every user of this machine reaches the port.
    token: String,
}

impl std::fmt::Debug for Nats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nats")
            .field("program", &self.program)
            .field("folder", &self.folder)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Nats {
    /// Finds the program and ends what an earlier run left. Starts nothing.
    pub async fn prepare(state: &StateDir) -> Result<Self, StackError> {
        let (program, version) = find_program(state.path())?;
        if !version.is_full() {
            tracing::warn!(program = %program.display(), %version, "this nats-server is older than 2.10 and ignores some consumer settings; `make setup` fetches a newer one");
        }
        let server = Self {
            program,
            version,
            folder: state.private_folder("nats")?,
            log: state.path().join("nats.log"),
            port: 0,
            token: state.secret(state::BUS_TOKEN).to_owned(),
        };
        server.end_leftover().await;
        Ok(server)
    }

    /// The release of the program.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The address with its token, once started.
    pub fn url(&self) -> String {
        format!("nats://{}@127.0.0.1:{}", self.token, self.port)
    }

    /// Starts the server and waits until it greets. A second start takes the port of the first, so that clients find it again.
    pub async fn start(&mut self) -> Result<Child, StackError> {
        let settings = self.folder.join("nats.conf");
        let ports = self.folder.join("ports");
        state::make_private(&ports)?;
        for old in fs::read_dir(&ports)
            .map_err(StackError::state("list", &ports))?
            .flatten()
        {
            let _already_gone = fs::remove_file(old.path());
        }
        state::write_private(&settings, &self.settings(&ports))?;
        let log = state::open_log(&self.log)?;
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(&settings)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(
                log.try_clone()
                    .map_err(StackError::state("share", &self.log))?,
            )
            .stderr(log);
        let child = child::spawn("nats-server", command, Signal::SIGTERM)
            .await
            .map_err(|source| StackError::Spawn {
                program: self.program.clone(),
                source,
            })?;
        let pid_file = self.folder.join("nats.pid");
        state::write_private(&pid_file, &format!("{}\n", child.pid()))?;
        self.port = self.wait_ready(&child, &ports).await?;
        Ok(child)
    }

    /// Stops the server in order.
    pub async fn stop(child: &Child) {
        child.stop(&STOP).await;
    }

    fn settings(&self, ports: &Path) -> String {
        let listen = match self.port {
            0 => "127.0.0.1:-1".to_owned(),
            port => format!("127.0.0.1:{port}"),
        };
        // Quoted strings of this format know backslash escapes, as JSON does.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let quote = |path: &Path| quoted(&path.to_string_lossy());
        format!(
            "# Written by kvit at every start; changes are lost.\n\
             listen: \"{listen}\"\n\
             server_name: \"kvit\"\n\
             ports_file_dir: {}\n\
             jetstream {{ store_dir: {} }}\n\
             max_payload: 1MB\n\
             authorization {{ token: {} }}\n",
            quote(ports),
            quote(&self.folder.join("store")),
            quoted(&self.token),
        )
    }

    async fn wait_ready(&self, child: &Child, ports: &Path) -> Result<u16, StackError> {
        let begun = Instant::now();
        loop {
            if let Some(status) = child.exited() {
                return Err(StackError::Failed {
                    service: Service::Nats,
                    reason: format!("it ended with {status}"),
                    log: proc::log_tail(&self.log),
                });
            }
            if let Some(port) = listening_port(ports) {
                let address = SocketAddr::from(([127, 0, 0, 1], port));
                let greeted = tokio::task::spawn_blocking(move || greeting(&address)).await;
                if let Ok(Ok(_version)) = greeted {
                    return Ok(port);
                }
            }
            if begun.elapsed() > READY_WITHIN {
                return Err(StackError::Timeout {
                    service: Service::Nats,
                    waited: READY_WITHIN,
                    log: proc::log_tail(&self.log),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Ends a server of this folder that outlived an earlier run.
    async fn end_leftover(&self) {
        let settings = self.folder.join("nats.conf");
        let is_ours = |pid: u32| {
            proc::command_line(pid)
                .iter()
                .any(|word| Path::new(word) == settings)
        };
        let noted = fs::read_to_string(self.folder.join("nats.pid"));
        let Some(pid) = noted
            .ok()
            .and_then(|text| text.trim().parse::<u32>().ok())
            .filter(|pid| is_ours(*pid))
        else {
            return;
        };
        for signal in [Signal::SIGINT, Signal::SIGKILL] {
            tracing::warn!(pid, signal = %signal, "ending a bus server left by an earlier run");
            proc::send(pid, signal);
            if proc::wait_until(Duration::from_secs(5), || !is_ours(pid)).await {
                break;
            }
        }
    }
}

/// The port from the file that the server writes when it listens.
fn listening_port(folder: &Path) -> Option<u16> {
    fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let text = fs::read_to_string(entry.path()).ok()?;
        let ports: serde_json::Value = serde_json::from_str(&text).ok()?;
        let url = ports.get("nats")?.get(0)?.as_str()?;
        url.rsplit(':').next()?.trim_end_matches('/').parse().ok()
    })
}

/// Connects and reads the server's first line, which names its release. Blocking, at most some seconds.
///
/// # Errors
/// When nobody listens, or when what listens is no NATS server.
pub(crate) fn greeting(address: &SocketAddr) -> std::io::Result<Version> {
    const PATIENCE: Duration = Duration::from_secs(3);
    let stream = TcpStream::connect_timeout(address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream)
        .take(64 * 1024)
        .read_line(&mut line)?;
    let wrong = || std::io::Error::new(std::io::ErrorKind::InvalidData, "not a NATS server");
    let info = line.trim_end().strip_prefix("INFO ").ok_or_else(wrong)?;
    let info: serde_json::Value = serde_json::from_str(info).map_err(|_text| wrong())?;
    info.get("version")
        .and_then(serde_json::Value::as_str)
        .and_then(Version::parse)
        .ok_or_else(wrong)
}

/// As [`greeting`], for a name and port that may have several addresses.
pub(crate) fn greeting_of(host: &str, port: u16) -> std::io::Result<Version> {
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match greeting(&address) {
            Ok(version) => return Ok(version),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn find_program(state: &Path) -> Result<(PathBuf, Version), StackError> {
    if let Some(named) = std::env::var_os("NATS_BIN").filter(|value| !value.is_empty()) {
        let program = PathBuf::from(named);
        return match version_of(&program) {
            Some(version) => Ok((program, version)),
            None => Err(StackError::Missing {
                service: Service::Nats,
                hint: format!(
                    "NATS_BIN names {}, which is no nats-server",
                    program.display()
                ),
            }),
        };
    }
    let mut candidates: Vec<PathBuf> =
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
            .map(|folder| folder.join("nats-server"))
            .collect();
    let cached = format!("nats-server-{CACHED_RELEASE}/nats-server");
    candidates.push(state.join("bin").join(&cached));
    candidates.extend(cache_folder().map(|folder| folder.join(&cached)));
    let mut fallback = None;
    for program in candidates {
        let Some(version) = program.is_file().then(|| version_of(&program)).flatten() else {
            continue;
        };
        if version.is_full() {
            return Ok((program, version));
        }
        fallback.get_or_insert((program, version));
    }
    fallback.ok_or_else(|| StackError::Missing {
        service: Service::Nats,
        hint: "no nats-server in PATH or in the cache; `make setup` installs it, or give NATS_URL"
            .to_owned(),
    })
}

/// `$XDG_CACHE_HOME/kvit` or `~/.cache/kvit`, where set-up keeps the fetched server.
fn cache_folder() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    Some(base.join("kvit"))
}

fn version_of(program: &Path) -> Option<Version> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace().last().and_then(Version::parse)
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
    fn releases_are_compared_by_number_not_by_letter() {
        assert!(!Version::parse("v2.9.10").unwrap().is_full());
        assert!(Version::parse("2.10.0").unwrap().is_full());
        assert!(Version::parse("2.12.1-RC.2").unwrap().is_full());
        assert_eq!(Version::parse("nats"), None);
    }
}
