//! Supervising processes of our own binary, such as the photo reader.
//!
//! Reading photos happens in native code that may crash or grow without bound on a hostile image; as its own process that costs
//! one delivery instead of the platform. Also `OMP_THREAD_LIMIT` works only when it is in the environment before a process starts.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Endpoints;
use super::child::{self, Child};
use crate::config::LogFormat;
use crate::config::settings::{self, DATABASE_OWNER_URL, KVIT_DIR};
use crate::ui;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A process that lived this long was healthy; the next pause is short again.
const HEALTHY: Duration = Duration::from_secs(30);
/// Below the 30 s that platforms give us between SIGTERM and SIGKILL.
const STOP: [(Signal, Duration); 1] = [(Signal::SIGTERM, Duration::from_secs(20))];
const LINE_BYTES: u64 = 16 * 1024;

/// One process to keep running.
#[derive(Debug, Clone)]
pub struct ProcessSpec {
    /// Its name in the log prefix and in messages.
    pub name: String,
    /// Arguments after the program.
    pub args: Vec<String>,
    /// Additions to our own environment.
    pub env: Vec<(String, String)>,
    /// Names of our own environment that the process does not get.
    pub withheld: Vec<String>,
    /// Whether each line of its output gets `name | ` in front. Off for JSON logs, which name their role themselves.
    pub prefix: bool,
}

impl ProcessSpec {
    /// A role of this binary beside us: it uses our services and, outside of `prod`, the secrets of our state folder. Like
    /// every role it does not get the login of the database's owner from us, nor secrets that are not its business.
    pub fn role(role: &str, endpoints: &Endpoints, state: &Path, format: LogFormat) -> Self {
        let mut env = endpoints.to_env();
        env.retain(|(name, _)| name != DATABASE_OWNER_URL.name);
        let state = state.to_string_lossy().into_owned();
        env.push((KVIT_DIR.name.to_owned(), state));
        // Measured: one photo in 0.65 s, against 3.7 s when tesseract's threads compete.
        env.push(("OMP_THREAD_LIMIT".to_owned(), "1".to_owned()));
        let mut withheld = settings::withheld_from(role);
        withheld.push(DATABASE_OWNER_URL.name.to_owned());
        // A value and a file for one setting contradict each other; the value is what we know by now.
        withheld.extend(env.iter().map(|(name, _)| format!("{name}_FILE")));
        Self {
            name: role.to_owned(),
            args: vec![role.to_owned()],
            env,
            withheld,
            prefix: format == LogFormat::Text,
        }
    }
}

/// Keeps processes of one program running until it is stopped.
#[derive(Debug)]
pub struct Supervisor {
    program: PathBuf,
    stop: CancellationToken,
    tasks: Mutex<JoinSet<()>>,
}

impl Supervisor {
    /// For the running binary itself.
    ///
    /// # Errors
    /// When the operating system does not say which file we are.
    pub fn of_this_binary() -> std::io::Result<Self> {
        Ok(Self::new(std::env::current_exe()?))
    }

    /// For any program.
    pub fn new(program: PathBuf) -> Self {
        Self {
            program,
            stop: CancellationToken::new(),
            tasks: Mutex::new(JoinSet::new()),
        }
    }

    /// Starts a process and keeps it running. The handle tells the number of its current process.
    pub fn start(&self, spec: ProcessSpec) -> Supervised {
        let current = Arc::new(Mutex::new(None));
        let handle = Supervised {
            current: Arc::clone(&current),
        };
        let keep = keep(self.program.clone(), spec, self.stop.clone(), current);
        self.tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .spawn(keep);
        handle
    }

    /// Stops all processes side by side and waits for them.
    pub async fn stop(self) {
        self.stop.cancel();
        let mut tasks = self
            .tasks
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        while tasks.join_next().await.is_some() {}
    }
}

/// A supervised process.
#[derive(Debug, Clone)]
pub struct Supervised {
    current: Arc<Mutex<Option<u32>>>,
}

impl Supervised {
    /// The number of the running process; `None` between a death and the restart.
    pub fn pid(&self) -> Option<u32> {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn keep(
    program: PathBuf,
    spec: ProcessSpec,
    stop: CancellationToken,
    current: Arc<Mutex<Option<u32>>>,
) {
    let note = |pid| *current.lock().unwrap_or_else(PoisonError::into_inner) = pid;
    let mut pause = FIRST_PAUSE;
    loop {
        let begun = Instant::now();
        match launch(&program, &spec).await {
            Ok(child) => {
                note(Some(child.pid()));
                let status = tokio::select! {
                    () = stop.cancelled() => {
                        child.stop(&STOP).await;
                        note(None);
                        return;
                    }
                    status = child.wait() => status,
                };
                note(None);
                metrics::counter!("kvit_process_restarts_total", "process" => spec.name.clone())
                    .increment(1);
                tracing::error!(process = %spec.name, %status, "a supervised process died");
            }
            Err(error) => {
                tracing::error!(process = %spec.name, %error, "a supervised process did not start");
            }
        }
        if begun.elapsed() >= HEALTHY {
            pause = FIRST_PAUSE;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

async fn launch(program: &PathBuf, spec: &ProcessSpec) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    for name in &spec.withheld {
        command.env_remove(name);
    }
    command
        .args(&spec.args)
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = child::spawn(spec.name.clone(), command, Signal::SIGKILL).await?;
    let prefix = spec.prefix.then(|| format!("{} | ", spec.name));
    if let Some(pipe) = child.take_stdout() {
        forward(pipe, prefix.clone())?;
    }
    if let Some(pipe) = child.take_stderr() {
        forward(pipe, prefix)?;
    }
    Ok(child)
}

/// Copies lines to our standard error on a thread of its own, which ends with the pipe. A line without end is cut, not hoarded.
fn forward(pipe: impl Read + Send + 'static, prefix: Option<String>) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("child-output".to_owned())
        .spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            loop {
                line.clear();
                match (&mut reader).take(LINE_BYTES).read_until(b'\n', &mut line) {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {
                        let text = String::from_utf8_lossy(&line);
                        ui::say(format_args!(
                            "{}{}",
                            prefix.as_deref().unwrap_or_default(),
                            text.trim_end()
                        ));
                    }
                }
            }
        })
        .map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test may fail loudly"
    )]
    use super::super::proc;
    use super::*;

    fn sleeper() -> ProcessSpec {
        ProcessSpec {
            name: "sleeper".to_owned(),
            args: vec!["600".to_owned()],
            env: Vec::new(),
            withheld: Vec::new(),
            prefix: true,
        }
    }

    #[test]
    fn a_role_gets_the_services_but_not_the_owners_login() {
        let endpoints = Endpoints {
            database_url: "postgres://kvit_app@db/kvit".to_owned(),
            database_owner_url: "postgres://kvit@db/kvit".to_owned(),
            nats_url: "nats://bus:4222".to_owned(),
            storage: super::super::StorageSettings {
                endpoint: "http://store".to_owned(),
                bucket: "kvit".to_owned(),
                access_key: "a".to_owned(),
                secret_key: "s".to_owned(),
                region: "r".to_owned(),
            },
        };
        let spec = ProcessSpec::role("ocr", &endpoints, Path::new("/state"), LogFormat::Text);
        let value = |name: &str| spec.env.iter().find(|(known, _)| known == name);
        assert!(value("DATABASE_URL").is_some() && value("OMP_THREAD_LIMIT").is_some());
        assert_eq!(value("DATABASE_OWNER_URL"), None);
        let withheld = |name: &str| spec.withheld.iter().any(|known| known == name);
        for name in [
            "DATABASE_OWNER_URL",
            "DATABASE_URL_FILE",
            "TELEGRAM_BOT_TOKEN",
            "PORTMONE_PASSWORD_FILE",
            "KVIT_BOOTSTRAP_API_KEY",
            "SENTRY_DSN",
        ] {
            assert!(withheld(name), "{name} is handed on");
        }
        for name in ["ENCRYPTION_SECRET", "ENCRYPTION_SECRET_FILE", "LOG_LEVEL"] {
            assert!(!withheld(name), "{name} is needed");
        }
    }

    #[tokio::test]
    async fn a_process_that_dies_is_started_again_and_ends_with_its_supervisor() {
        let supervisor = Supervisor::new(PathBuf::from("sleep"));
        let handle = supervisor.start(sleeper());
        let patience = Duration::from_secs(10);
        assert!(proc::wait_until(patience, || handle.pid().is_some()).await);
        let first = handle.pid().unwrap();
        proc::send(first, Signal::SIGKILL);
        assert!(proc::wait_until(patience, || handle.pid().is_some_and(|pid| pid != first)).await);
        let second = handle.pid().unwrap();
        supervisor.stop().await;
        assert!(proc::command_line(second).is_empty());
    }
}
