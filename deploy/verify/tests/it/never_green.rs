//! Whatever cannot be checked is never taken for good.

use kvit_verify::{Kind, Options, Report, verify_bundle};
use serde_json::{Value, json};

use crate::support::{Bundle, FILES, key, kinds};

#[test]
fn what_cannot_be_checked_is_never_green() {
    let incomplete = |report: &Report, kind: Kind| {
        assert_eq!(report.exit_code(), 3, "{report}");
        assert!(kinds(report).contains(&kind), "{report}");
    };
    let bundle = Bundle::new();
    incomplete(
        &verify_bundle(bundle.path(), &Options::default()),
        Kind::NoKey,
    );
    for name in FILES {
        let bundle = Bundle::new();
        std::fs::remove_file(bundle.path().join(name)).unwrap();
        incomplete(&bundle.check(), Kind::Missing);
    }
    // A copy that broke off, between lines and within one.
    let text = std::fs::read(bundle.path().join("events.jsonl")).unwrap();
    let line_end = text
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .nth(14)
        .unwrap()
        .0;
    for length in [line_end + 1, line_end + 20, 0] {
        std::fs::write(bundle.path().join("events.jsonl"), &text[..length]).unwrap();
        let report = bundle.check();
        incomplete(&report, Kind::Truncated);
        assert!(report.events <= 15);
    }
    let mut bundle = Bundle::new();
    bundle.checkpoints.clear();
    bundle.write();
    let mut manifest: Value =
        serde_json::from_slice(&std::fs::read(bundle.path().join("manifest.json")).unwrap())
            .unwrap();
    manifest["public_keys"] = json!([]);
    std::fs::write(bundle.path().join("manifest.json"), manifest.to_string()).unwrap();
    incomplete(&bundle.check(), Kind::NoCheckpoint);

    let bundle = Bundle::new();
    let check = |options: Options| {
        let options = Options {
            keys: vec![key()],
            ..options
        };
        verify_bundle(bundle.path(), &options)
    };
    incomplete(
        &check(Options {
            max_line: 100,
            ..Options::default()
        }),
        Kind::Bound,
    );
    incomplete(
        &check(Options {
            max_streams: 3,
            ..Options::default()
        }),
        Kind::Bound,
    );
    let nowhere = vec![bundle.path().join("nowhere")];
    incomplete(
        &check(Options {
            checkpoints: nowhere,
            ..Options::default()
        }),
        Kind::Missing,
    );
}

#[test]
fn lines_that_are_none_are_named_and_cannot_steer_a_terminal() {
    let mut bundle = Bundle::new();
    bundle.events[4]["extra"] = json!("not covered by any hash");
    let report = bundle.written();
    assert_eq!(report.exit_code(), 1, "{report}");
    assert!(kinds(&report).contains(&Kind::Line), "{report}");

    let mut bundle = Bundle::new();
    bundle.events[4]["event_id"] = json!("\u{1b}[2Jgone\u{7}");
    bundle.events[5]["aggregate_id"] = json!("\u{1b}[31m");
    let text = bundle.written().to_string();
    assert!(
        !text.contains('\u{1b}') && !text.contains('\u{7}'),
        "{text:?}"
    );

    let bundle = Bundle::new();
    std::fs::write(bundle.path().join("events.jsonl"), b"\xff\xfe\n").unwrap();
    assert_eq!(bundle.check().exit_code(), 1);
}
