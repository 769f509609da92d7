//! A private nats-server with JetStream.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::process;

/// Longest wait for the server to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server of a test's own. It ends when this value is dropped.
pub struct TestNats {
    /// Where it listens; the same after a restart.
    pub url: String,
    port: u16,
    program: PathBuf,
    folder: PathBuf,
    child: Mutex<Option<Child>>,
}

/// Starts a server of the best version on this machine.
pub async fn nats() -> TestNats {
    nats_with(
        find_server().expect(
            "nats-server is not installed: install the package `nats-server` or set NATS_BIN",
        ),
    )
    .await
}

/// Starts a server from a given program.
pub async fn nats_with(program: PathBuf) -> TestNats {
    tokio::task::spawn_blocking(|| {
        let port = free_port();
        let server = TestNats {
            url: format!("nats://127.0.0.1:{port}"),
            port,
            program,
            folder: process::new_folder("nats"),
            child: Mutex::new(None),
        };
        server.start_again();
        server
    })
    .await
    .unwrap()
}

/// Debian's server, whatever its version, if it is installed: for tests of the older protocol.
pub fn debian_server() -> Option<PathBuf> {
    Some(PathBuf::from("/usr/sbin/nats-server")).filter(|file| file.is_file())
}

impl TestNats {
    /// A client that connects.
    pub async fn client(&self) -> async_nats::Client {
        async_nats::connect(&self.url)
            .await
            .expect("the client connects")
    }

    /// Starts it after [`TestNats::stop`] or [`TestNats::crash`], on the same port with the same files.
    pub fn start_again(&self) {
        let mut command = process::bound_command(&self.program, "KILL", None);
        command
            .args([
                "-a",
                "127.0.0.1",
                "-p",
                &self.port.to_string(),
                "-js",
                "-sd",
            ])
            .arg(&self.folder);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        *self.child.lock().unwrap() = Some(process::spawn(command).expect("nats-server starts"));
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(started.elapsed() < PATIENCE, "nats-server did not start");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn end(&self, signal: Signal) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            let _ = kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal);
            let _ = child.wait();
        }
    }

    /// Stops it in good order.
    pub fn stop(&self) {
        self.end(Signal::SIGTERM);
    }

    /// Kills it with `kill -9`.
    pub fn crash(&self) {
        self.end(Signal::SIGKILL);
    }
}

impl Drop for TestNats {
    fn drop(&mut self) {
        self.end(Signal::SIGKILL);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

/// `NATS_BIN`, then a server of 2.10 or later on `PATH`, then the one in the user's cache, then any.
fn find_server() -> Option<PathBuf> {
    if let Some(program) = std::env::var_os("NATS_BIN") {
        return Some(program.into());
    }
    let installed = process::on_path("nats-server");
    if let Some(program) = installed.as_ref().filter(|program| is_recent(program)) {
        return Some(program.clone());
    }
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let cached = cache
        .map(|cache| cache.join("kvit/nats-server-2.15.1/nats-server"))
        .filter(|file| file.is_file());
    cached.or(installed)
}

fn is_recent(program: &PathBuf) -> bool {
    let Ok(output) = Command::new(program).arg("--version").output() else {
        return false;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let Some(version) = text.rsplit('v').next() else {
        return false;
    };
    let mut numbers = version
        .trim()
        .split('.')
        .map_while(|part| part.parse::<u32>().ok());
    matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) >= (2, 10))
}
