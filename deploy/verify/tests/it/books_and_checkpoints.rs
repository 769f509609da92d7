//! Books that do not add up, and checkpoints that are not what was signed or kept elsewhere.

use kvit_verify::{Kind, Options, verify_bundle};
use serde_json::{Value, json};

use crate::support::{Bundle, accused, key, kinds, rechain, seal};

#[test]
fn books_that_do_not_add_up_are_named() {
    let mut bundle = Bundle::new();
    let payload = bundle.events[12]["payload"]
        .as_str()
        .unwrap()
        .replace("113,", "913,");
    bundle.events[12]["payload"] = json!(payload);
    let report = bundle.written();
    assert_eq!(accused(&report), [(Kind::Changed, 13, None)], "{report}");
    let totals: Vec<_> = report
        .findings
        .iter()
        .filter(|found| found.kind == Kind::Totals)
        .collect();
    // All accounts, the bonus account and the wallets; told once, at the checkpoint after it.
    assert_eq!(totals.len(), 3, "{report}");
    assert!(
        totals
            .iter()
            .all(|found| found.position == Some(20) && found.detail.contains("UAH"))
    );

    let payload = payload_with_one_leg(&bundle.events[12]);
    bundle.events[12]["payload"] = json!(payload);
    let report = bundle.written();
    assert!(kinds(&report).contains(&Kind::Booking), "{report}");
}

fn payload_with_one_leg(event: &Value) -> String {
    let mut payload: Value = serde_json::from_str(event["payload"].as_str().unwrap()).unwrap();
    let legs = &mut payload["TransactionPosted"]["transaction"]["legs"];
    legs.as_array_mut().unwrap().pop();
    payload.to_string()
}

#[test]
fn checkpoints_that_were_changed_removed_or_signed_by_another_are_named() {
    type Change = fn(&mut Vec<String>);
    let cases: [(Change, &[Kind]); 7] = [
        (
            |lines| lines[1] = lines[1].replace("\"debits\":\"60\"", "\"debits\":\"61\""),
            &[Kind::Signature],
        ),
        (
            |lines| lines[1] = lines[1].replace("\"position\":20", "\"position\": 20"),
            &[Kind::Signature],
        ),
        (
            |lines| {
                lines[1] = lines[1]
                    .replace("\"signature\":\"", "\"signature\":\"00")
                    .replace("00\"}", "\"}")
            },
            &[Kind::Checkpoint, Kind::Unsealed],
        ),
        (|lines| drop(lines.remove(1)), &[Kind::Checkpoint]),
        (|lines| lines.swap(0, 1), &[Kind::Checkpoint]),
        (
            |lines| lines[2] = "{}".to_owned(),
            &[Kind::Checkpoint, Kind::Unsealed],
        ),
        (
            |lines| lines[0] = lines[0].replace("\"key\":\"06", "\"key\":\"07"),
            &[Kind::Signature, Kind::Checksum],
        ),
    ];
    for (number, (change, expected)) in cases.into_iter().enumerate() {
        let mut bundle = Bundle::new();
        change(&mut bundle.checkpoints);
        let report = bundle.written();
        assert_eq!(report.exit_code(), 1, "{number}: {report}");
        let found = kinds(&report);
        let strangers = found.iter().filter(|kind| !expected.contains(kind)).count();
        assert!(
            strangers == 0 && found.contains(&expected[0]),
            "{number}: {report}"
        );
    }
    // Without its last checkpoint the end is chained, but nobody vouches for it.
    let mut bundle = Bundle::new();
    bundle.checkpoints.pop();
    let report = bundle.written();
    assert_eq!(
        (report.exit_code(), kinds(&report)),
        (3, vec![Kind::Unsealed]),
        "{report}"
    );
    let lenient = Options {
        keys: vec![key()],
        allow_unsealed: true,
        ..Options::default()
    };
    let report = verify_bundle(bundle.path(), &lenient);
    assert_eq!((report.exit_code(), report.notes.len()), (0, 1), "{report}");
}

#[test]
fn what_was_kept_outside_finds_an_end_that_was_cut_off_with_its_checkpoints() {
    let outside = |lines: &[String]| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), lines.join("\n") + "\n").unwrap();
        file
    };
    let check = |bundle: &Bundle, kept: &tempfile::NamedTempFile| {
        bundle.write();
        let options = Options {
            keys: vec![key()],
            checkpoints: vec![kept.path().to_owned()],
            ..Options::default()
        };
        verify_bundle(bundle.path(), &options)
    };
    let mut bundle = Bundle::new();
    let kept = outside(&bundle.checkpoints[1..]);
    assert_eq!(check(&bundle, &kept).exit_code(), 0);
    bundle.events.truncate(20);
    bundle.checkpoints.pop();
    assert_eq!(bundle.written().exit_code(), 0, "in itself it is right");
    let report = check(&bundle, &kept);
    assert_eq!(
        (report.exit_code(), kinds(&report)),
        (3, vec![Kind::Truncated]),
        "{report}"
    );
    bundle.checkpoints.remove(1);
    bundle.events.truncate(10);
    assert_eq!(check(&bundle, &kept).exit_code(), 3);

    // A checkpoint that the bundle should have and has not.
    let mut bundle = Bundle::new();
    let kept = outside(&bundle.checkpoints);
    bundle.checkpoints.remove(0);
    let report = check(&bundle, &kept);
    assert_eq!(report.exit_code(), 1, "{report}");
    // One that was made and then left out of the line, and one of another history.
    let mut made = Bundle::new();
    made.checkpoints.truncate(1);
    made.checkpoints[0] = made.checkpoints[0]
        .replace("\"position\":10", "\"position\":15")
        .replace("\"events\":10", "\"events\":15");
    seal(&mut made, |_| {});
    let report = check(&Bundle::new(), &outside(&made.checkpoints));
    assert_eq!(
        (report.exit_code(), kinds(&report)),
        (1, vec![Kind::Checkpoint]),
        "{report}"
    );
    seal(&mut made, |body| body["hash"] = json!("ab".repeat(32)));
    let report = check(&Bundle::new(), &outside(&made.checkpoints));
    assert_eq!(
        kinds(&report),
        [Kind::Rewritten, Kind::Checkpoint],
        "{report}"
    );
    // One that cannot be read, and one that is not signed.
    let report = check(&Bundle::new(), &outside(&["{}".to_owned()]));
    assert_eq!(report.exit_code(), 3, "{report}");
    let forged = bundle.checkpoints[0].replace("\"made_at\":\"2026", "\"made_at\":\"2025");
    let report = check(&Bundle::new(), &outside(&[forged]));
    assert_eq!(report.exit_code(), 1, "{report}");
}

/// The operator holds the key. A signature under a history that cannot be does not make it right.
#[test]
fn a_signature_does_not_hide_what_cannot_be() {
    let mut bundle = Bundle::new();
    seal(&mut bundle, |_| {});
    assert_eq!(
        bundle.written().exit_code(),
        0,
        "the helper signs as the operator does"
    );

    type Forge = fn(&mut Bundle);
    let cases: [(Forge, Kind); 4] = [
        (
            |bundle| bundle.events[7]["sequence"] = json!(99),
            Kind::Sequence,
        ),
        (
            |bundle| {
                let before = bundle.events[6]["recorded_at"].clone();
                bundle.events[7]["recorded_at"] = before;
            },
            Kind::Time,
        ),
        (
            |bundle| {
                let payload = payload_with_one_leg(&bundle.events[8]);
                bundle.events[8]["payload"] = json!(payload);
            },
            Kind::Booking,
        ),
        (
            |bundle| {
                let payload = bundle.events[8]["payload"]
                    .as_str()
                    .unwrap()
                    .replace("109,", "908,");
                bundle.events[8]["payload"] = json!(payload);
            },
            Kind::Totals,
        ),
    ];
    for (forge, kind) in cases {
        let mut bundle = Bundle::new();
        forge(&mut bundle);
        rechain(&mut bundle.events, 0);
        seal(&mut bundle, |_| {});
        let report = bundle.written();
        assert_eq!(report.exit_code(), 1, "{report}");
        let found = kinds(&report);
        let strangers = found
            .iter()
            .filter(|found| **found != kind && **found != Kind::Totals);
        assert!(found.contains(&kind) && strangers.count() == 0, "{report}");
    }

    type Say = fn(&mut Value);
    let sayings: [(Say, Kind); 6] = [
        (
            |body| body["totals"][0]["debits"] = json!("1"),
            Kind::Totals,
        ),
        (|body| body["accounts"] = json!([]), Kind::Totals),
        (
            |body| body["wallets"][0]["credits"] = json!("1"),
            Kind::Totals,
        ),
        (|body| body["previous"] = Value::Null, Kind::Checkpoint),
        (|body| body["events"] = json!(7), Kind::Checkpoint),
        (
            |body| body["recorded_at"] = json!("2026-11-20T00:00:00.000000Z"),
            Kind::Rewritten,
        ),
    ];
    for (say, kind) in sayings {
        let mut bundle = Bundle::new();
        seal(&mut bundle, say);
        let report = bundle.written();
        assert_eq!(report.exit_code(), 1, "{report}");
        assert!(kinds(&report).contains(&kind), "{report}");
    }
}
