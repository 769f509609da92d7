//! The set-up script against a package manager of straw: what it puts into the system for the time of an installation is gone
//! afterwards, however that ends.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::support::{folder, wait_for};

/// A system of its own: its root, and programs that go before the real ones.
struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    /// A library is missing; `apt_get` is the body of the package manager.
    fn new(apt_get: &str) -> Self {
        let machine = Self { dir: folder() };
        std::fs::create_dir_all(machine.root().join("usr/sbin")).unwrap();
        std::fs::create_dir_all(machine.root().join("etc")).unwrap();
        machine.program("apt-get", apt_get);
        machine.program("sudo", "while [ \"$1\" = -n ]; do shift; done; exec \"$@\"");
        machine.program(
            "pkg-config",
            "case \"$*\" in *lept*) exit 1;; --modversion*) echo 5.3.0;; esac",
        );
        machine
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn program(&self, name: &str, body: &str) {
        let folder = self.dir.path().join("bin");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/bash\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn policy(&self) -> PathBuf {
        self.root().join("usr/sbin/policy-rc.d")
    }

    fn set_up(&self) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("setup.sh");
        let path = std::env::var("PATH").unwrap();
        // The home folder would bring rustup's programs to the front, before ours; so there is none, and Rust comes last.
        let rust = Path::new(env!("CARGO")).parent().unwrap().display();
        // A shell cannot catch a signal that was ignored when it began, as it is for what a script starts in the background.
        let mut command = Command::new("env");
        command
            .args(["--default-signal=INT"])
            .arg(script)
            .env(
                "PATH",
                format!("{}/bin:{path}:{rust}", self.dir.path().display()),
            )
            .env("KVIT_TEST_ROOT", self.root())
            .env("NATS_BIN", "/bin/true")
            .env("SEEN", self.dir.path().join("seen"))
            .env_remove("HOME")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
        command
    }

    fn seen(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("seen")).unwrap_or_default()
    }
}

#[test]
fn services_do_not_start_during_an_installation_and_everything_is_as_before_afterwards() {
    let machine = Machine::new(
        "case \"$*\" in *install*) [ -x \"$KVIT_TEST_ROOT/usr/sbin/policy-rc.d\" ] && echo held \"$@\" >>\"$SEEN\";; esac",
    );
    let output = machine.set_up().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let seen = machine.seen();
    assert!(
        seen.starts_with("held") && seen.contains("libleptonica-dev"),
        "{seen}"
    );
    assert!(seen.contains("DPkg::Lock::Timeout=300"), "{seen}");
    assert!(!machine.policy().exists(), "services stay switched off");
}

#[test]
fn tools_that_only_tests_need_are_installed_and_their_absence_stops_nobody() {
    // A PATH of its own, so that a machine which has the tools looks like one that has not.
    let machine =
        Machine::new("case \"$*\" in *hledger*) echo tools \"$@\" >>\"$SEEN\"; exit 100;; esac");
    machine.program(
        "pkg-config",
        "case \"$1\" in --modversion) echo 5.3.0;; esac",
    );
    for name in ["cc", "clang", "tesseract", "postgres", "initdb"] {
        machine.program(
            name,
            "case \"$1\" in --version) echo 'x 15.0'; echo 'tesseract 5.3.0';; --list-langs) printf 'eng\\nrus\\nukr\\n';; esac",
        );
    }
    machine.program(
        "tesseract",
        "case \"$1\" in --version) echo 'tesseract 5.3.0';; *) printf 'eng\\nrus\\nukr\\n';; esac",
    );
    let tools = machine.dir.path().join("tools");
    std::fs::create_dir_all(&tools).unwrap();
    for name in [
        "bash",
        "sed",
        "sort",
        "head",
        "tail",
        "id",
        "env",
        "tee",
        "chmod",
        "rm",
        "rmdir",
        "mkdir",
        "dirname",
        "dpkg-query",
    ] {
        let real = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|folder| folder.join(name))
            .find(|program| program.exists());
        if let Some(real) = real {
            std::os::unix::fs::symlink(real, tools.join(name)).unwrap();
        }
    }
    let rust = Path::new(env!("CARGO")).parent().unwrap().display();
    let path = format!(
        "{}/bin:{}:{rust}",
        machine.dir.path().display(),
        tools.display()
    );
    let output = machine.set_up().env("PATH", path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let seen = machine.seen();
    assert!(
        seen.contains("install") && seen.contains("hledger") && seen.contains("beancount"),
        "{seen}\n{said}"
    );
    assert!(
        said.contains("WARNING: hledger beancount could not be installed"),
        "{said}"
    );
}

#[test]
fn a_stop_during_an_installation_leaves_nothing_behind() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let machine = Machine::new("case \"$*\" in *install*) exec sleep 60;; esac");
        let mut running = machine.set_up().spawn().unwrap();
        wait_for("the installation", || machine.policy().exists());
        // As a terminal does it: everybody in the group gets it.
        std::thread::sleep(std::time::Duration::from_millis(100));
        killpg(Pid::from_raw(running.id().try_into().unwrap()), signal).unwrap();
        let status = running.wait().unwrap();
        assert!(!status.success(), "{signal}: {status}");
        assert!(
            !machine.policy().exists(),
            "{signal}: services stay switched off"
        );
    }
}

#[test]
fn what_a_killed_set_up_left_is_removed_and_the_files_of_others_stay() {
    let machine = Machine::new("exit 0");
    // No process has this number.
    let ours = "#!/bin/sh\nexit 101\n# made by kvit deploy/setup.sh, process 4194999\n";
    std::fs::write(machine.policy(), ours).unwrap();
    assert!(machine.set_up().output().unwrap().status.success());
    assert!(!machine.policy().exists(), "the left-over is still there");
    let theirs = "#!/bin/sh\nexit 101\n";
    std::fs::write(machine.policy(), theirs).unwrap();
    assert!(machine.set_up().output().unwrap().status.success());
    assert_eq!(std::fs::read_to_string(machine.policy()).unwrap(), theirs);
}

#[test]
fn without_a_network_the_last_words_name_what_is_missing_and_what_to_do() {
    let machine = Machine::new("exit 100");
    let output = machine.set_up().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let last = said.lines().last().unwrap();
    assert!(
        last.contains("missing libleptonica-dev") && last.contains("apt-get install"),
        "{said}"
    );
    assert!(!machine.policy().exists());
}

#[test]
fn an_old_reader_is_named_with_the_release_that_is_needed() {
    let machine = Machine::new("exit 0");
    machine.program("pkg-config", "exit 0");
    machine.program(
        "tesseract",
        "case \"$1\" in --version) echo 'tesseract 4.1.1';; *) printf 'eng\\nrus\\nukr\\n';; esac",
    );
    let output = machine.set_up().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("tesseract 4 is too old, 5 or newer"),
        "{said}"
    );
}
