//! Processes of the platform: starting, killing, reading what they say.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kvit::boot;
use kvit::config::Sources;
use kvit::roles::parts::Parts;
use kvit::roles::seed::default_campaign;
use kvit_adapters::sandbox::client::SandboxClient;
use kvit_adapters::sandbox::portmone::{GATEWAY, GatewaySettings, PortmoneSettings};
use kvit_adapters::sandbox::telegram::TelegramSettings;
use kvit_adapters::sandbox::yookassa::YookassaSettings;
use kvit_adapters::sandbox::yookassa::faults::Outcome;
use kvit_adapters::sandbox::{RunningSandbox, Sandbox, SandboxConfig};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::until;

/// A folder of its own: the platform's working folder, with the state folder in it.
pub struct Home(Option<tempfile::TempDir>);

impl Home {
    pub fn new() -> Self {
        // The database may run under another uid and has a socket in here: reachable, and short.
        let dir = tempfile::Builder::new()
            .prefix("kvit-e2e-")
            .tempdir_in("/tmp")
            .unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self(Some(dir))
    }

    pub fn path(&self) -> &Path {
        self.0.as_ref().unwrap().path()
    }

    pub fn state(&self) -> PathBuf {
        self.path().join(".kvit")
    }

    /// Runs a command of the binary to its end; its exit status and everything that it said.
    pub async fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kvit-under-test"));
        command
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(self.path())
            .stdin(Stdio::null());
        let done = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned()
            + &String::from_utf8_lossy(&done.stderr);
        (done.status.code(), said)
    }

    /// Everything that the platform's processes said.
    pub fn log(&self) -> PathBuf {
        self.path().join("said.log")
    }

    /// A generated secret.
    pub fn secret(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.state().join("secrets.env")).unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .unwrap()
            .to_owned()
    }

    /// Our own connections to what the running platform stands on.
    pub async fn parts(&self) -> Parts {
        let state = self.state();
        let sources = Sources::of([
            ("KVIT_DIR", state.to_str().unwrap()),
            ("KVIT_DATABASE_POOL", "4"),
        ]);
        let (config, endpoints) = boot::role(sources).unwrap();
        Parts::open(&config, &endpoints, "test").await.unwrap()
    }

    /// Sets up the campaign that the photos are made for.
    pub async fn campaign(&self) {
        default_campaign(&self.parts().await.app).await.unwrap();
    }

    /// What went wrong must not be lost with the folder.
    pub fn panics(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        log.lines()
            .filter(|line| line.contains("panicked at") || line.contains("panic:"))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let keep = std::env::var_os("KVIT_TEST_KEEP").is_some() || std::thread::panicking();
        if let (true, Some(dir)) = (keep, self.0.take()) {
            println!("kept: {}", dir.keep().display());
        }
    }
}

/// One process of the binary.
pub struct Program {
    child: Child,
    said: Arc<Mutex<String>>,
    reading: std::thread::JoinHandle<()>,
}

impl Program {
    /// Starts the binary in an environment that knows only where programs are, and what is given.
    pub fn start(home: &Home, args: &[&str], env: &[(String, String)]) -> Self {
        // Ends with this process, also when the test is killed.
        let mut command = Command::new("setpriv");
        command
            .args([
                "--pdeathsig",
                "KILL",
                "--",
                env!("CARGO_BIN_EXE_kvit-under-test"),
            ])
            .args(args)
            .env_clear()
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        for name in ["PATH", "HOME", "XDG_CACHE_HOME", "NATS_BIN"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("PORT", "0").envs(env.iter().cloned());
        let mut child = command.spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (memory, path, name) = (
            Arc::clone(&said),
            home.log(),
            args.first().copied().unwrap_or_default(),
        );
        let (name, pid) = (name.to_owned(), child.id());
        let reading = std::thread::spawn(move || {
            use std::io::Write;
            let mut file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .unwrap();
            for line in lines.map_while(Result::ok) {
                let _folder_gone = writeln!(file, "{name}[{pid}] {line}");
                let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
                memory.push_str(&line);
                memory.push('\n');
            }
        });
        Self {
            child,
            said,
            reading,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it said until now.
    pub fn said(&self) -> String {
        self.said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// All that it said until its end.
    pub async fn all_said(&self) -> String {
        until("the last words", || async {
            self.reading.is_finished().then_some(())
        })
        .await;
        self.said()
    }

    /// The first line with these words.
    pub async fn line(&mut self, words: &str) -> String {
        loop {
            if let Some(line) = self.said().lines().find(|line| line.contains(words)) {
                return line.to_owned();
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                tokio::time::sleep(Duration::from_millis(100)).await;
                panic!(
                    "it ended ({status}) before it said `{words}`:\n{}",
                    self.said()
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How it ended, if it has.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The end that nobody can prepare for.
    pub fn kill(&mut self) {
        let _already_gone = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and waits.
    pub async fn stop(&mut self) -> ExitStatus {
        send(self.pid(), Signal::SIGTERM);
        self.ended().await
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// `kvit up`, with the simulated services inside or not.
pub struct Platform {
    pub program: Program,
    pub gateway: String,
    /// Where the simulated services are, when they run inside.
    pub sandbox: Option<SandboxClient>,
    env: Vec<(String, String)>,
    inside: bool,
}

impl Platform {
    pub async fn start(home: &Home, inside: bool, env: Vec<(String, String)>) -> Self {
        let args: &[&str] = if inside {
            &["up", "--sandbox"]
        } else {
            &["up"]
        };
        let mut program = Program::start(home, args, &env);
        let line = program.line("API, documentation and admin page: ").await;
        let gateway = between(&line, "admin page: ", "/docs").to_owned();
        let sandbox = if inside {
            let line = program.line("simulated Telegram, ").await;
            let url = between(&line, "YooKassa: ", "\n").parse().unwrap();
            Some(SandboxClient::new(url).unwrap())
        } else {
            None
        };
        Self {
            program,
            gateway,
            sandbox,
            env,
            inside,
        }
    }

    /// The simulated services inside.
    pub fn sandbox(&self) -> &SandboxClient {
        self.sandbox.as_ref().unwrap()
    }

    /// Kills the main process without warning and starts another one in the same folder.
    pub async fn crash(&mut self, home: &Home) {
        self.program.kill();
        *self = Self::start(home, self.inside, self.env.clone()).await;
    }

    /// A child process by what its command line has in it.
    pub fn child(&self, words: &str) -> Option<u32> {
        child_of(self.program.pid(), words)
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap().1;
    rest.split_once(after).map_or(rest, |(part, _)| part)
}

/// Signals a process; one that has just ended is no fault.
pub fn send(pid: u32, signal: Signal) {
    let _already_gone = kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal);
}

fn command_line(pid: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// A child of a process by what its command line has in it.
pub fn child_of(pid: u32, words: &str) -> Option<u32> {
    let mut children = children_of(pid).into_iter();
    children.find(|child| command_line(*child).contains(words))
}

/// The processes that a process has started and that still run.
pub fn children_of(pid: u32) -> Vec<u32> {
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|other| {
            let stat = std::fs::read_to_string(format!("/proc/{other}/stat")).unwrap_or_default();
            stat.rsplit_once(')')
                .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok())
                == Some(pid)
        })
        .collect()
}

/// Telegram and the providers outside of the platform, as they really are: they do not die with it.
pub struct Outside {
    pub running: RunningSandbox,
}

impl Outside {
    pub async fn start(seed: u64) -> Self {
        let config = SandboxConfig {
            seed,
            yookassa: YookassaSettings {
                // As often as the real one notifies, but for a test that has less than a day.
                webhook_offsets: vec![1, 3, 6, 12, 25, 60, 120],
                payout_outcome: Outcome::Succeeded { after_seconds: 1 },
                ..YookassaSettings::default()
            },
            ..SandboxConfig::default()
        };
        Self {
            running: Sandbox::start(config).await.unwrap(),
        }
    }

    pub fn client(&self) -> &SandboxClient {
        self.running.client()
    }

    /// The settings that lead there.
    pub fn env(&self) -> Vec<(String, String)> {
        let (telegram, portmone) = (TelegramSettings::default(), PortmoneSettings::default());
        let (yookassa, cards) = (YookassaSettings::default(), GatewaySettings::default());
        let payee = |index: usize| portmone.payees[index].id.clone();
        let mut gateway = self.running.base_url();
        gateway.set_path(GATEWAY);
        [
            ("TELEGRAM_API_URL", self.running.telegram_url().to_string()),
            ("TELEGRAM_BOT_TOKEN", telegram.token),
            ("PORTMONE_URL", self.running.portmone_url().to_string()),
            ("PORTMONE_STATUS_METHOD", portmone.status_method.clone()),
            ("PORTMONE_REPAY_CREATED_BILL", "yes".to_owned()),
            ("PORTMONE_TEMPORARY_CODES", "s401,s901".to_owned()),
            ("PORTMONE_DESTINATION_CODES", "s202,s203".to_owned()),
            ("PORTMONE_PAYEE_ID_KYIVSTAR", payee(0)),
            ("PORTMONE_PAYEE_ID_VODAFONE", payee(1)),
            ("PORTMONE_PAYEE_ID_LIFECELL", payee(2)),
            ("PORTMONE_LOGIN", portmone.login.clone()),
            ("PORTMONE_PASSWORD", portmone.password.clone()),
            ("PORTMONE_GATEWAY_URL", gateway.to_string()),
            ("PORTMONE_GATEWAY_PAYEE_ID", cards.payee_id),
            ("PORTMONE_GATEWAY_LOGIN", cards.login),
            ("PORTMONE_GATEWAY_PASSWORD", cards.password),
            ("PORTMONE_GATEWAY_KEY", cards.key),
            ("YOOKASSA_URL", self.running.yookassa_url().to_string()),
            ("YOOKASSA_SHOP_ID", yookassa.shop.id),
            ("YOOKASSA_SECRET_KEY", yookassa.shop.secret),
            ("YOOKASSA_PAYOUT_GATEWAY_ID", yookassa.gateway.id),
            ("YOOKASSA_PAYOUT_SECRET_KEY", yookassa.gateway.secret),
            ("YOOKASSA_RETURN_URL", "http://127.0.0.1/thanks".to_owned()),
            // The simulated provider sends from this machine.
            ("YOOKASSA_SOURCES", "any".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}
