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

/// Numbers of a simple generator, so that a failing round can be run again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

#[test]
fn whatever_stands_in_a_bundle_the_answer_is_never_green_and_never_a_panic() {
    let strange = [
        json!(i64::MAX),
        json!(i64::MIN),
        json!(i64::MAX - 1),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(""),
        json!(null),
        json!([]),
        json!({}),
        json!("9999-12-31T23:59:59.999999Z"),
        json!("0000-01-01T00:00:00.000000Z"),
        json!("é".repeat(18)),
        json!("é".repeat(32)),
        json!(
            r#"{"A":{"transaction":{"legs":[{"account":"a","side":"debit","amount":{"minor":9223372036854775807,"currency":"UAH"}}]}}}"#
        ),
        json!("[".repeat(10_000)),
    ];
    let fields = [
        "position",
        "event_id",
        "aggregate_type",
        "aggregate_id",
        "sequence",
        "event_type",
        "event_version",
        "payload",
        "metadata",
        "recorded_at",
        "hash",
    ];
    // Many more have been tried; these are what a test run has time for.
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let mut bundle = Bundle::new();
        for _ in 0..=dice.below(3) {
            let at = dice.below(bundle.events.len());
            match dice.below(6) {
                0 => drop(bundle.events.remove(at)),
                1 => bundle.events.insert(at, bundle.events[at].clone()),
                2 => {
                    let line = dice.below(bundle.checkpoints.len());
                    let text = bundle.checkpoints[line].clone();
                    let cut = dice.below(text.len());
                    bundle.checkpoints[line] = match dice.below(3) {
                        0 => text[..cut].to_owned(),
                        1 => format!("{}9{}", &text[..cut], &text[cut..]),
                        _ => text.replacen("\":", "\":-", 1 + cut % 7),
                    };
                }
                _ => {
                    let value = strange[dice.below(strange.len())].clone();
                    bundle.events[at][fields[dice.below(fields.len())]] = value;
                }
            }
        }
        let good = Bundle::new();
        if (&bundle.events, &bundle.checkpoints) != (&good.events, &good.checkpoints) {
            assert_ne!(bundle.written().exit_code(), 0, "seed {seed}");
        }
    }
}
