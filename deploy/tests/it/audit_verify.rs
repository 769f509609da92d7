//! `kvit verify`, `kvit checkpoint` and the bundle as an auditor meets them. What each kind of tampering looks like is
//! tested where the check is.

use serde_json::Value;
use sqlx::Connection;

use crate::books::{Books, run};
use crate::support::folder;

/// Makes a key; gives the names of the key file and of its public half.
fn key(books: &Books, dir: &std::path::Path) -> String {
    let arguments = ["checkpoint", "--key-file", "seal.key", "--new-key"];
    let (status, out, said) = run(&mut books.kvit(dir, &arguments));
    assert_eq!(status, 0, "{said}");
    out.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untouched_log_is_intact_once_it_was_signed_and_incomplete_before() {
    let books = Books::busy().await;
    let dir = folder();
    let (status, out, said) = run(&mut books.kvit(dir.path(), &["verify"]));
    assert_eq!(status, 3, "{out}{said}");
    assert!(out.contains("INCOMPLETE"), "{out}");
    let public = key(&books, dir.path());
    let seal = ["checkpoint", "--key-file", "seal.key"];
    let (status, line, said) = run(&mut books.kvit(dir.path(), &seal));
    assert_eq!(status, 0, "{said}");
    std::fs::write(dir.path().join("kept.jsonl"), &line).unwrap();
    let verify = [
        "verify",
        "--key",
        &public,
        "--checkpoint",
        "kept.jsonl",
        "--require-sealed",
    ];
    let (status, out, said) = run(&mut books.kvit(dir.path(), &verify));
    assert_eq!(status, 0, "{out}{said}");
    assert!(out.contains("intact") && out.contains("events/s"), "{out}");
    let (_, shown, _) = run(&mut books.kvit(
        dir.path(),
        &["checkpoint", "--key-file", "seal.key", "--show-key"],
    ));
    assert_eq!(shown.trim(), public);
    // The key of the settings serves as well, and vouches for its own checkpoints.
    let seed = std::fs::read_to_string(dir.path().join("seal.key")).unwrap();
    for (arguments, found) in [(&["checkpoint"][..], line.trim()), (&["verify"], "intact")] {
        let mut command = books.kvit(dir.path(), arguments);
        let (status, out, said) = run(command.env("KVIT_CHECKPOINT_KEY", seed.trim()));
        assert_eq!(status, 0, "{out}{said}");
        assert!(out.contains(found), "{out}");
    }
    assert_eq!(run(&mut books.kvit(dir.path(), &["checkpoint"])).0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_event_is_named_and_the_status_says_so() {
    let books = Books::busy().await;
    let dir = folder();
    let public = key(&books, dir.path());
    let mut root = books.db.owner().await;
    // Who owns the table can take its guard away.
    sqlx::raw_sql(
        "ALTER TABLE events DISABLE TRIGGER events_append_only;
         UPDATE events SET payload = replace(payload::text, '12345', '92345')::json WHERE position = 2;
         ALTER TABLE events ENABLE ALWAYS TRIGGER events_append_only",
    )
    .execute(&mut root)
    .await
    .unwrap();
    root.close().await.unwrap();
    let verify = ["verify", "--json", "--key", &public];
    let (status, out, said) = run(&mut books.kvit(dir.path(), &verify));
    assert_eq!(status, 1, "{out}{said}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["verdict"], "tampered");
    assert_eq!(report["findings"][0]["position"], 2, "{out}");
    // Nobody signs that.
    let seal = ["checkpoint", "--key-file", "seal.key"];
    let (status, out, said) = run(&mut books.kvit(dir.path(), &seal));
    assert_eq!(status, 1, "{out}{said}");
    assert_eq!(out, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_never_a_good_one() {
    let books = Books::new().await;
    let dir = folder();
    let public = key(&books, dir.path());
    let mut away = books.kvit(dir.path(), &["verify", "--key", &public]);
    away.env("DATABASE_URL", "postgres://kvit:hunter2@127.0.0.1:9/kvit");
    let (status, out, said) = run(&mut away);
    assert_eq!(status, 3, "{out}{said}");
    assert!(!said.contains("hunter2"), "{said}");
    // Nothing to sign.
    let seal = ["checkpoint", "--key-file", "seal.key"];
    assert_eq!(run(&mut books.kvit(dir.path(), &seal)).0, 3);
    // A key that others may read is no key.
    use std::os::unix::fs::PermissionsExt;
    let file = dir.path().join("seal.key");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (status, _, said) = run(&mut books.kvit(dir.path(), &seal));
    assert_eq!(status, 2, "{said}");
    let wrong = ["verify", "--key", "nothing"];
    assert_eq!(run(&mut books.kvit(dir.path(), &wrong)).0, 2);
    let again = ["checkpoint", "--key-file", "seal.key", "--new-key"];
    assert_eq!(
        run(&mut books.kvit(dir.path(), &again)).0,
        2,
        "a key was overwritten"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_a_folder_that_is_whole_or_not_there() {
    let books = Books::busy().await;
    let dir = folder();
    let bundle = ["export", "--format", "bundle", "--out", "bundle"];
    let (status, out, said) = run(&mut books.kvit(dir.path(), &bundle));
    assert_eq!(status, 0, "{out}{said}");
    assert!(
        said.contains(&format!("{} events", books.head)) && said.contains("events/s"),
        "{said}"
    );
    assert!(
        dir.path()
            .join("bundle")
            .read_dir()
            .unwrap()
            .next()
            .is_some()
    );
    assert_ne!(run(&mut books.kvit(dir.path(), &bundle)).0, 0);
    let part = [
        "export",
        "--format",
        "bundle",
        "--out",
        "other",
        "--from",
        "2026-01-01",
    ];
    assert_eq!(run(&mut books.kvit(dir.path(), &part)).0, 2);
    assert!(!dir.path().join("other").exists());
}
