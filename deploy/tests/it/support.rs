//! What several tests need: a folder, the binary, waiting for conditions.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Enough for a cold start on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// An empty folder that a database of another uid can reach, with a short path.
pub fn folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::Builder::new()
        .prefix("kvit-it-")
        .tempdir_in("/tmp")
        .unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// The binary in an empty environment that knows only where programs are.
pub fn kvit(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvit"));
    command.env_clear().current_dir(dir).stdin(Stdio::null());
    for name in ["PATH", "HOME", "XDG_CACHE_HOME", "NATS_BIN"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// `kvit up --services-only`, running.
pub struct Up {
    child: Child,
    /// What it said until it was ready.
    pub said: String,
    errors: BufReader<std::process::ChildStderr>,
}

impl Up {
    /// Starts it and waits until it says that the services are ready.
    pub fn start(mut command: Command) -> Self {
        Self::start_until(command.args(["up", "--services-only"]), " are ready after ")
    }

    /// Starts the whole platform with simulated providers and waits until it says where they are.
    pub fn start_platform(command: &mut Command) -> Self {
        Self::start_until(
            command.args(["up", "--sandbox"]),
            "simulated Telegram, Portmone and YooKassa",
        )
    }

    fn start_until(command: &mut Command, ready: &str) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        let mut up = Self {
            child,
            said: String::new(),
            errors,
        };
        loop {
            let from = up.said.len();
            if up.errors.read_line(&mut up.said).unwrap() == 0 {
                panic!("kvit ended before it was ready:\n{}", up.said);
            }
            if up.said[from..].contains(ready) {
                return up;
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The child that was started with this first argument, once it is there.
    pub fn child_named(&self, argument: &str) -> u32 {
        let mut found = None;
        wait_for(argument, || {
            found = children_of(self.pid()).into_iter().find(|pid| {
                let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                line.split(|byte| *byte == 0).nth(1) == Some(argument.as_bytes())
            });
            found.is_some()
        });
        found.unwrap()
    }

    /// Sends a signal and waits for the end; gives the status and what was said last.
    pub fn end(mut self, signal: Signal) -> (ExitStatus, String) {
        send(self.child.id(), signal);
        let mut said = String::new();
        self.errors.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap(), said)
    }
}

impl Drop for Up {
    /// A failed test must leave nothing behind.
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

pub fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

/// The direct children of a process.
pub fn children_of(pid: u32) -> Vec<u32> {
    processes()
        .filter(|other| {
            let stat = std::fs::read_to_string(format!("/proc/{other}/stat")).unwrap_or_default();
            // After the name, which may hold anything but ends with the last bracket: state, then parent.
            stat.rsplit_once(')')
                .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok())
                == Some(pid)
        })
        .collect()
}

/// Processes whose command line or working folder lies in `dir`.
pub fn processes_in(dir: &Path) -> Vec<(u32, String)> {
    let dir = dir.canonicalize().unwrap();
    processes()
        .filter_map(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let cwd = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
            (line.contains(&*dir.to_string_lossy()) || cwd.starts_with(&dir)).then_some((pid, line))
        })
        .collect()
}

fn processes() -> impl Iterator<Item = u32> {
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Waits for a condition; panics with `what` when it does not come.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The value of a line in `endpoints.env`.
pub fn endpoint(state: &Path, name: &str) -> String {
    let path: PathBuf = state.join("endpoints.env");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .unwrap()
        .to_owned()
}
