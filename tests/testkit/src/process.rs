//! Child processes that cannot outlive this one.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, Once, OnceLock, mpsc};

type Order = (Command, mpsc::Sender<std::io::Result<Child>>);

/// Starts a child from a thread that lives as long as the process. The kernel sends the death signal when the *thread*
/// that started the child ends, and the thread of a test ends with the test.
pub(crate) fn spawn(command: Command) -> std::io::Result<Child> {
    static ORDERS: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let orders = ORDERS.get_or_init(|| {
        let (sender, receiver) = mpsc::channel::<Order>();
        std::thread::Builder::new()
            .name("testkit-spawner".to_owned())
            .spawn(move || {
                for (mut command, answer) in receiver {
                    let _ = answer.send(command.spawn());
                }
            })
            .expect("the spawner thread starts");
        Mutex::new(sender)
    });
    let (answer, child) = mpsc::channel();
    orders
        .lock()
        .expect("the spawner lives")
        .send((command, answer))
        .expect("the spawner lives");
    child.recv().expect("the spawner answers")
}

/// A command that gets `signal` when this process ends, in a process group of its own, as another user if we are root and
/// `user` is given.
pub(crate) fn bound_command(program: &Path, signal: &str, user: Option<&str>) -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig").arg(signal);
    if let Some(user) = user {
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
    }
    command.arg("--").arg(program);
    command.stdin(Stdio::null()).process_group(0);
    command
}

/// Whether this process is root, whom Postgres refuses.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A new folder for a service, traversable by other users. Folders of processes that are gone are removed first.
pub(crate) fn new_folder(kind: &str) -> PathBuf {
    static SWEEP: Once = Once::new();
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let temp = std::env::temp_dir();
    // A unix socket's path has at most 107 bytes.
    let base = if temp.as_os_str().len() < 60 {
        temp
    } else {
        PathBuf::from("/tmp")
    };
    SWEEP.call_once(|| sweep(&base));
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = base.join(format!("kvit-test-{}-{kind}{number}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder)
        .unwrap_or_else(|error| panic!("cannot create {}: {error}", folder.display()));
    folder
}

fn sweep(base: &Path) {
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.strip_prefix("kvit-test-"))
            .and_then(|rest| rest.split('-').next());
        if let Some(pid) = pid
            && pid.parse::<u32>().is_ok()
            && !Path::new("/proc").join(pid).exists()
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// A program on `PATH`.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/bin")])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}
