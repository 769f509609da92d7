//! The binary as a process: signals, kill -9, a second start, leftovers.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::{Up, children_of, endpoint, folder, kvit, processes_in, send, wait_for};

#[test]
fn both_stop_signals_end_everything_in_order() {
    let dir = folder();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let up = Up::start(kvit(dir.path()));
        assert_eq!(children_of(up.pid()).len(), 2, "Postgres and NATS");
        let (status, said) = up.end(signal);
        assert!(status.success(), "{signal}: {status}\n{said}");
        assert_eq!(processes_in(dir.path()), []);
        assert!(!dir.path().join(".kvit/endpoints.env").exists());
        let log = std::fs::read_to_string(dir.path().join(".kvit/postgres.log")).unwrap();
        assert!(!log.contains("not properly shut down"), "{log}");
    }
}

#[test]
fn a_second_start_is_refused_with_the_number_of_the_first() {
    let dir = folder();
    let up = Up::start(kvit(dir.path()));
    let second = kvit(dir.path())
        .args(["up", "--services-only"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(
        said.contains("already runs") && said.contains(&format!("process {}", up.pid())),
        "{said}"
    );
    up.end(Signal::SIGTERM);
}

#[test]
fn kill_9_of_the_parent_leaves_no_process_and_the_next_start_recovers() {
    let dir = folder();
    let up = Up::start(kvit(dir.path()));
    up.end(Signal::SIGKILL);
    wait_for("the services to follow their parent", || {
        processes_in(dir.path()).is_empty()
    });
    let (status, said) = Up::start(kvit(dir.path())).end(Signal::SIGTERM);
    assert!(status.success(), "{said}");
}

#[test]
fn kill_9_of_everything_at_once_leaves_only_files_that_the_next_start_understands() {
    let dir = folder();
    let up = Up::start(kvit(dir.path()));
    for pid in children_of(up.pid()) {
        send(pid, Signal::SIGKILL);
    }
    up.end(Signal::SIGKILL);
    assert!(
        dir.path()
            .join(".kvit/postgres/data/postmaster.pid")
            .exists()
    );
    let (status, said) = Up::start(kvit(dir.path())).end(Signal::SIGTERM);
    assert!(status.success(), "{said}");
}

#[test]
fn a_database_left_running_by_an_earlier_run_is_ended_first() {
    let dir = folder();
    Up::start(kvit(dir.path())).end(Signal::SIGTERM);
    // As if the death signal had not come: the same server, started by somebody else.
    let data = dir.path().join(".kvit/postgres/data");
    let postgres = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .chain(
            std::fs::read_dir("/usr/lib/postgresql")
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path().join("bin")),
        )
        .map(|folder| folder.join("postgres"))
        .find(|program| program.exists())
        .unwrap();
    let mut orphan = as_owner_of(&data, &postgres)
        .arg("-D")
        .arg(&data)
        .spawn()
        .unwrap();
    wait_for("the orphan to run", || data.join("postmaster.pid").exists());
    let up = Up::start(kvit(dir.path()));
    wait_for("the orphan to end", || orphan.try_wait().unwrap().is_some());
    let (status, said) = up.end(Signal::SIGTERM);
    assert!(status.success(), "{said}");
}

#[test]
fn a_pid_file_that_names_a_stranger_does_not_stop_the_start() {
    let dir = folder();
    Up::start(kvit(dir.path())).end(Signal::SIGTERM);
    let data = dir.path().join(".kvit/postgres/data");
    // Ourselves: alive, and surely not the database.
    let text = format!(
        "{}\n{}\n0\n5432\n\n\n\nready\n",
        std::process::id(),
        data.display()
    );
    std::fs::write(data.join("postmaster.pid"), text).unwrap();
    let (status, said) = Up::start(kvit(dir.path())).end(Signal::SIGTERM);
    assert!(status.success(), "{said}");
}

#[test]
fn a_role_of_its_own_finds_the_services_of_the_running_stack() {
    let dir = folder();
    let up = Up::start(kvit(dir.path()));
    let shown = kvit(dir.path()).args(["config", "show"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let url = endpoint(&dir.path().join(".kvit"), "NATS_URL");
    let (_token, place) = url.split_once('@').unwrap();
    assert!(shown.contains(&format!("nats://***@{place}")), "{shown}");
    up.end(Signal::SIGTERM);
}

#[test]
fn a_normal_user_can_run_it_too() {
    use std::os::unix::process::CommandExt;
    if !nix::unistd::geteuid().is_root() {
        return; // then all the other tests have shown it
    }
    let dir = folder();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    nix::unistd::chown(dir.path(), Some(nobody.uid), Some(nobody.gid)).unwrap();
    // The binary may lie where that user cannot look.
    let program = dir.path().join("kvit-binary");
    std::fs::copy(env!("CARGO_BIN_EXE_kvit"), &program).unwrap();
    let mut command = Command::new(&program);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin")
        .env("HOME", dir.path())
        .uid(nobody.uid.as_raw())
        .gid(nobody.gid.as_raw())
        .current_dir(dir.path());
    let (status, said) = Up::start(command).end(Signal::SIGTERM);
    assert!(status.success(), "{said}");
    assert_eq!(processes_in(dir.path()), []);
}

#[test]
fn simulated_providers_are_refused_in_production_before_the_disk_is_touched() {
    for arguments in [&["up", "--sandbox"][..], &["demo"]] {
        let dir = folder();
        let output = kvit(dir.path())
            .args(arguments)
            .env("APP_ENV", "prod")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains("APP_ENV=prod refuses"), "{said}");
        assert!(!dir.path().join(".kvit").exists(), "the disk was touched");
    }
}

#[test]
fn the_demo_does_not_write_into_a_given_database() {
    let dir = folder();
    let output = kvit(dir.path())
        .args(["demo"])
        .env("DATABASE_URL", "postgres://kvit:hunter2@127.0.0.1:9/kvit")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("unset DATABASE_URL") && !said.contains("hunter2"),
        "{said}"
    );
}

#[test]
fn the_reader_of_photos_gets_no_secret_that_it_does_not_need() {
    let dir = folder();
    let withheld = [
        ("TELEGRAM_BOT_TOKEN", "12345:word-of-the-bot"),
        ("TELEGRAM_WEBHOOK_URL", "https://bot.example/updates"),
        ("TELEGRAM_WEBHOOK_SECRET", "word-of-the-webhook"),
        ("PORTMONE_LOGIN", "company"),
        ("PORTMONE_PASSWORD", "word-of-the-company"),
        ("PORTMONE_PAYEE_ID", "payee-7700001"),
        (
            "KVIT_BOOTSTRAP_API_KEY",
            "key-of-the-first-hour-0123456789ab",
        ),
        ("YOOKASSA_SECRET_KEY", "word-of-the-shop"),
        ("SENTRY_DSN", "https://word@sentry.example/1"),
    ];
    let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeefe";
    let up = Up::start_platform(
        kvit(dir.path())
            .envs(withheld)
            .env("PORT", "0")
            .env("ENCRYPTION_SECRET", key),
    );
    let reader = up.child_named("ocr");
    let environment = std::fs::read(format!("/proc/{reader}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment).into_owned();
    let variables: Vec<&str> = environment.split('\0').collect();
    let has = |name: &str| {
        variables
            .iter()
            .any(|variable| variable.starts_with(&format!("{name}=")))
    };
    for (name, value) in withheld {
        assert!(!has(name), "{name} is handed on");
        assert!(!environment.contains(value), "the value of {name} is there");
    }
    assert!(!has("DATABASE_OWNER_URL"));
    for name in [
        "DATABASE_URL",
        "NATS_URL",
        "STORAGE_SECRET_KEY",
        "ENCRYPTION_SECRET",
    ] {
        assert!(has(name), "{name} is missing");
    }
    let (status, said) = up.end(Signal::SIGTERM);
    assert!(status.success(), "{said}");
}

/// A command with the uid of a folder's owner.
fn as_owner_of(folder: &std::path::Path, program: &std::path::Path) -> Command {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::process::CommandExt;
    let meta = std::fs::metadata(folder).unwrap();
    let mut command = Command::new(program);
    if nix::unistd::geteuid().is_root() {
        command.uid(meta.uid()).gid(meta.gid());
    }
    command
        .current_dir("/")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    command
}
