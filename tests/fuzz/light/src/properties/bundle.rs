//! Bundles of the history that somebody has edited, line by line or byte by byte.
//!
//! The input is a list of edits of the golden bundle, so that the engine reaches what lies behind a valid signature. The
//! forger is a careful one: checksums and counts of the manifest are made to fit, and hashes are computed anew if wanted.
//! What they lack is the key.

mod edits;
mod golden;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use kvit_verify::{Options, PublicKey, Verdict, verify_bundle};

use edits::Cursor;

/// Only a bundle that says the same as the golden one is ever called good, and no report can steer a terminal.
pub fn holds(data: &[u8]) {
    let golden = golden::files();
    let (mut input, mut files) = (Cursor::new(data), golden.clone());
    let how = input.byte();
    edits::forge(&mut files, &mut input);
    if how & 1 == 1 {
        golden::rechain(&mut files.events);
    }
    if how & 2 == 2 {
        golden::seal(&mut files);
    }
    if how & 4 == 0 {
        files.fit_manifest();
    }
    let fitting = files.manifest.clone();
    if how & 8 == 8 {
        edits::splice(&mut files.manifest, &mut input);
    }
    let folder = scratch();
    files.write(folder);
    let options = Options {
        keys: vec![key()],
        allow_unsealed: how & 16 == 16,
        max_line: if how & 32 == 32 { 700 } else { 1_000_000 },
        max_streams: if how & 64 == 64 { 3 } else { 1_000 },
        ..Options::default()
    };
    let report = verify_bundle(folder, &options);
    assert!(report.findings.len() <= 200);
    let code = report.exit_code();
    assert!([0, 1, 3].contains(&code));
    assert_eq!(code == 0, report.verdict == Verdict::Verified);
    assert_eq!(code == 0, report.findings.is_empty(), "{report}");
    let shown = report.to_string();
    assert!(
        !shown.chars().any(|c| c.is_control() && c != '\n'),
        "{shown:?}"
    );
    if code == 0 {
        let said = |text: &[u8]| edits::manifest(text).expect("a good manifest can be read");
        assert_eq!(said(&files.manifest), said(&fitting), "{report}");
    }
    // Whoever has the key can sign another history; that is not a forgery.
    if code == 0 && how & 2 == 0 {
        let unsealed = how & 16 == 16;
        if let Err(what) = files.says_the_same_as(&golden, unsealed) {
            panic!("called good although {what} differs:\n{report}");
        }
    }
}

fn key() -> PublicKey {
    static KEY: OnceLock<PublicKey> = OnceLock::new();
    *KEY.get_or_init(|| PublicKey::parse(golden::KEY).unwrap())
}

/// A folder of this thread's own: tests run side by side.
fn scratch() -> &'static Path {
    thread_local! {
        static FOLDER: &'static Path = {
            let (process, thread) = (std::process::id(), std::thread::current().id());
            let memory = Path::new("/dev/shm");
            let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
            let folder: PathBuf = parent.join(format!("kvit-fuzz-{process}-{thread:?}"));
            std::fs::create_dir_all(&folder).unwrap();
            Box::leak(folder.into_boxed_path())
        };
    }
    FOLDER.with(|folder| *folder)
}
