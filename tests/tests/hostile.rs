//! Every reader of bytes from outside against the corpus of the fuzzing targets, with the ordinary compiler and without an
//! engine: what was once found stays found. `docs/fuzzing.md` tells of the targets and how the corpus grows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

// In their own package the light properties find these beside them, compiled in without the rest of the crate.
use kvit_ocr::{fiscal_qr, layout, parser};

#[path = "../fuzz/heavy/src/properties/mod.rs"]
mod heavy;
#[path = "../fuzz/light/src/properties/mod.rs"]
mod light;

const FILES_MAX: usize = 60;
const FILE_BYTES_MAX: usize = 4_096;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn target(name: &str) -> fn(&[u8]) {
    let mut all = light::TARGETS.iter().chain(&heavy::TARGETS);
    let found = all.find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no target {name}")).1
}

/// Replays the corpus of a target: each file as it is, cut off at some places, and with a byte changed at others.
fn replay(name: &str, variations: usize) {
    let (holds, corpus) = (target(name), folder().join("corpus").join(name));
    for file in names(&corpus) {
        let bytes = std::fs::read(corpus.join(&file)).unwrap();
        let run = |bytes: &[u8], how: String| {
            if catch_unwind(AssertUnwindSafe(|| holds(bytes))).is_err() {
                panic!("{name}/{file}{how}: {:?}", String::from_utf8_lossy(bytes));
            }
        };
        run(&bytes, String::new());
        for step in 0..variations.min(bytes.len()) {
            let at = step * bytes.len() / variations.min(bytes.len());
            run(&bytes[..at], format!(" up to byte {at}"));
            let mut changed = bytes.clone();
            changed[at] = changed[at]
                .wrapping_mul(31)
                .wrapping_add(u8::try_from(step % 256).unwrap());
            run(&changed, format!(" with another byte {at}"));
        }
    }
}

#[test]
fn f22_a_strange_amount_is_refused_or_read_exactly() {
    replay("money", 32);
    replay("portmone_amount", 32);
}

#[test]
fn f24_unknown_words_in_notifications_and_answers_are_bounded_and_change_nothing_else() {
    replay("yookassa_notice", 24);
    replay("yookassa_answer", 24);
}

#[test]
fn f25_bodies_without_end_without_sense_or_without_bottom_are_refused() {
    let deep = |open: &str| open.repeat(2_000_000 / open.len());
    let bodies = [
        deep("["),
        deep("{\"object\":"),
        deep("<a>"),
        deep("&amp;"),
        deep("<BILL><BILL_ID>1</BILL_ID></BILL>"),
        format!("{{\"type\":\"{}\"}}", deep("x")),
        " ".repeat(10 * 1024 * 1024),
    ];
    for name in [
        "yookassa_notice",
        "yookassa_answer",
        "portmone_notice",
        "portmone_bill",
        "portmone_result",
        "telegram_update",
    ] {
        let holds = target(name);
        for body in &bodies {
            for first in ["", "\0", "\u{1}", "\u{2}"] {
                holds(format!("{first}{body}").as_bytes());
            }
        }
    }
    replay("telegram_update", 24);
}

/// Also F25.
#[test]
fn f45_a_document_that_is_not_whole_plain_and_in_utf8_is_believed_in_nothing() {
    replay("portmone_bill", 32);
    replay("portmone_result", 24);
    replay("portmone_notice", 24);
}

#[test]
fn numbers_and_names_have_one_meaning() {
    replay("phone", 32);
    replay("names", 32);
}

#[test]
fn what_a_photo_says_is_bounded() {
    replay("fiscal_code", 32);
    replay("receipt_text", 4);
}

#[test]
fn what_callers_bring_back_is_theirs_to_forge_and_ours_to_know() {
    for name in ["cursor", "api_key", "api_request", "sender", "button"] {
        replay(name, 32);
    }
}

#[test]
fn no_mistyped_setting_shows_a_secret() {
    replay("configuration", 4);
}

#[test]
fn no_forged_bundle_is_called_good() {
    replay("public_key", 32);
    replay("bundle", 1);
}

/// A corpus without a target would never be replayed, and a target without a corpus never tried.
#[test]
fn targets_corpora_and_engines_belong_together() {
    let mut known = BTreeSet::new();
    for (package, targets) in [
        ("light", &light::TARGETS[..]),
        ("heavy", &heavy::TARGETS[..]),
    ] {
        let package = folder().join(package);
        let manifest = std::fs::read_to_string(package.join("Cargo.toml")).unwrap();
        let engines = names(&package.join("fuzz_targets"));
        assert_eq!(engines.len(), targets.len(), "{engines:?}");
        for (name, _) in targets {
            assert!(engines.contains(&format!("{name}.rs")), "{name}");
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            known.insert((*name).to_owned());
        }
    }
    let corpus = folder().join("corpus");
    assert_eq!(names(&corpus), known);
    let this_file = include_str!("hostile.rs");
    for name in &known {
        let files = names(&corpus.join(name));
        assert!(
            (1..=FILES_MAX).contains(&files.len()),
            "{name}: {}",
            files.len()
        );
        for file in files {
            let size = std::fs::metadata(corpus.join(name).join(&file))
                .unwrap()
                .len();
            assert!(size <= FILE_BYTES_MAX as u64, "{name}/{file}: {size} bytes");
        }
        assert!(
            this_file.contains(&format!("\"{name}\"")),
            "{name} is not replayed"
        );
    }
}
