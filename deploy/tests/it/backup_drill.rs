//! `kvit backup` and `kvit restore-drill`: a backup counts only when it was restored.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::books::{Books, run};
use crate::support::{folder, processes_in, send, wait_for};

fn backup(books: &Books, dir: &Path, out: &str, more: &[&str]) -> PathBuf {
    let arguments = [&["backup", "--out", out], more].concat();
    let (status, path, said) = run(&mut books.kvit(dir, &arguments));
    assert_eq!(status, 0, "{path}{said}");
    dir.join(path.trim())
}

/// The drill, with a folder for temporary files of its own; gives its status, what it found and what it said.
fn drill(dir: &Path, dump: &Path) -> (i32, Value, String) {
    let scratch = dir.join("scratch");
    std::fs::create_dir_all(&scratch).unwrap();
    std::fs::set_permissions(&scratch, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = crate::support::kvit(dir);
    command
        .args(["restore-drill", "--json"])
        .arg(dump)
        .env("TMPDIR", &scratch);
    let (status, out, said) = run(&mut command);
    let left: Vec<_> = std::fs::read_dir(&scratch).unwrap().flatten().collect();
    assert!(left.is_empty(), "the drill left {left:?}");
    assert_eq!(processes_in(&scratch), []);
    let found = serde_json::from_str(&out).unwrap_or_default();
    (status, found, said)
}

fn manifest_of(dump: &Path) -> PathBuf {
    PathBuf::from(format!("{}.manifest.json", dump.display()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_restores_into_a_fresh_cluster_and_is_what_its_manifest_says() {
    let books = Books::busy().await;
    books.settle().await;
    let dir = folder();
    // Leaves the old build behind, which nobody reads any more: it stays out of the backup, and the copy is whole all the same.
    let (status, _, said) = run(&mut books.kvit(dir.path(), &["rebuild", "ledger"]));
    assert_eq!(status, 0, "{said}");
    let begun = std::time::Instant::now();
    let dump = backup(&books, dir.path(), ".", &[]);
    let backed_up = begun.elapsed();
    for file in [dump.clone(), manifest_of(&dump)] {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    let manifest: Value =
        serde_json::from_str(&std::fs::read_to_string(manifest_of(&dump)).unwrap()).unwrap();
    assert_eq!(manifest["left_out"][0], "proj_ledger_1");
    assert_eq!(manifest["facts"]["position"], books.head);
    assert_eq!(manifest["facts"]["rows"]["events"], books.head);
    assert_eq!(manifest["facts"]["hash"].as_str().unwrap().len(), 64);
    assert!(!manifest["facts"]["balances"].as_array().unwrap().is_empty());
    let begun = std::time::Instant::now();
    let (status, found, said) = drill(dir.path(), &dump);
    assert_eq!(status, 0, "{found:#}\n{said}");
    let steps = found["steps"].as_array().unwrap();
    let names: Vec<&str> = steps
        .iter()
        .map(|step| step["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "file", "cluster", "restore", "contents", "migrate", "chain", "replay", "catch up",
            "key"
        ]
    );
    println!(
        "backup {} ms, drill {} ms",
        backed_up.as_millis(),
        begun.elapsed().as_millis()
    );
    for step in steps {
        println!(
            "{:>8} ms  {}: {}",
            step["elapsed_ms"], step["name"], step["found"]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_dump_another_manifest_and_changed_read_models_are_all_found() {
    let books = Books::busy().await;
    books.settle().await;
    let schema = books.schema().await;
    books
        .tamper(&format!(
            "UPDATE {schema}.wallets SET posted_minor = posted_minor + 1"
        ))
        .await;
    let dir = folder();
    let dump = backup(&books, dir.path(), "one.dump", &[]);
    let (bytes, text) = (
        std::fs::read(&dump).unwrap(),
        std::fs::read_to_string(manifest_of(&dump)).unwrap(),
    );
    let mut damaged = bytes.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&dump, damaged).unwrap();
    let (status, found, _) = drill(dir.path(), &dump);
    assert_eq!(status, 1);
    assert!(found.to_string().contains("SHA-256"), "{found}");
    std::fs::write(&dump, bytes).unwrap();
    let mut manifest: Value = serde_json::from_str(&text).unwrap();
    manifest["facts"]["balances"][0]["debit_minor"] = "1".into();
    manifest["facts"]["hash"] = "00".repeat(32).into();
    std::fs::write(manifest_of(&dump), manifest.to_string()).unwrap();
    let (status, found, _) = drill(dir.path(), &dump);
    assert_eq!(status, 1);
    let found = found.to_string();
    for sign in ["balances", "the chain ends at", "posted_minor: live"] {
        assert!(found.contains(sign), "{sign}: {found}");
    }
    std::fs::remove_file(manifest_of(&dump)).unwrap();
    assert_eq!(drill(dir.path(), &dump).0, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_that_is_interrupted_leaves_nothing_behind() {
    let books = Books::busy().await;
    let dir = folder();
    let dump = backup(&books, dir.path(), "one.dump", &[]);
    let scratch = dir.path().join("scratch");
    std::fs::create_dir_all(&scratch).unwrap();
    std::fs::set_permissions(&scratch, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut running = crate::support::kvit(dir.path())
        .arg("restore-drill")
        .arg(&dump)
        .arg("--dir")
        .arg(&scratch)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the cluster", || {
        processes_in(&scratch)
            .iter()
            .any(|(pid, _)| *pid != running.id())
    });
    send(running.id(), Signal::SIGTERM);
    assert_eq!(running.wait().unwrap().code(), Some(3));
    wait_for("the end of the cluster", || {
        processes_in(&scratch).is_empty()
    });
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_backups_go_and_an_existing_one_is_never_overwritten() {
    let books = Books::busy().await;
    let dir = folder();
    let first = backup(&books, dir.path(), "first.dump", &[]);
    let again = ["backup", "--out", "first.dump"];
    let (status, _, said) = run(&mut books.kvit(dir.path(), &again));
    assert_eq!(status, 2, "{said}");
    let second = backup(&books, dir.path(), "second.dump", &["--keep", "2"]);
    assert!(first.exists() && second.exists());
    let third = backup(&books, dir.path(), ".", &["--keep", "1"]);
    assert!(third.exists() && !first.exists() && !second.exists());
    assert!(!manifest_of(&first).exists());
    // A folder that is not there yet; what lies elsewhere does not count for it.
    let fourth = backup(&books, dir.path(), "kept/daily/", &["--keep", "1"]);
    assert_eq!(
        fourth.parent(),
        Some(dir.path().join("kept/daily").as_path())
    );
    assert!(fourth.is_file() && manifest_of(&fourth).is_file() && third.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_in_no_command_line_and_a_failed_dump_leaves_nothing() {
    let books = Books::busy().await;
    let dir = folder();
    let programs = dir.path().join("bin");
    std::fs::create_dir_all(&programs).unwrap();
    let fake = programs.join("pg_dump");
    let seen = dir.path().join("seen");
    let body = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'pg_dump (PostgreSQL) 99.0'; exit; fi\n\
         echo \"$@\" >{0}; echo \"$PGPASSWORD\" >{0}.password; echo 'no room' >&2; exit 1\n",
        seen.display()
    );
    std::fs::write(&fake, body).unwrap();
    std::fs::set_permissions(&fake, std::fs::Permissions::from_mode(0o755)).unwrap();
    let url = books.db.owner_url.replacen('@', ":hunter2@", 1);
    let mut command = books.kvit(dir.path(), &["backup", "--out", "one.dump"]);
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    command.env("DATABASE_OWNER_URL", &url).env("PATH", path);
    let (status, out, said) = run(&mut command);
    assert_eq!(status, 3, "{out}{said}");
    assert!(
        said.contains("no room") && !said.contains("hunter2"),
        "{said}"
    );
    let words = std::fs::read_to_string(&seen).unwrap();
    assert!(
        words.contains("--snapshot=") && !words.contains("hunter2"),
        "{words}"
    );
    let password = std::fs::read_to_string(dir.path().join("seen.password")).unwrap();
    assert_eq!(password.trim(), "hunter2");
    let left: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains("one.dump"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
