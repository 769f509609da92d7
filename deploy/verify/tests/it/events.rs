//! Events that were changed, removed, inserted, swapped and re-ordered: each at every place of the golden bundle.

use kvit_verify::{Kind, Verdict};
use serde_json::json;

use crate::support::{Bundle, FILES, accused, hash, kinds, rechain};

#[test]
fn the_golden_bundle_is_verified() {
    let bundle = Bundle::new();
    let report = bundle.check();
    assert_eq!(
        (report.verdict, report.exit_code()),
        (Verdict::Verified, 0),
        "{report}"
    );
    assert_eq!(
        (
            report.events,
            report.position,
            report.checkpoints,
            report.sealed_to
        ),
        (25, 25, 3, 25)
    );
    assert_eq!(
        report.totals,
        [("RUB", "84", "84"), ("UAH", "1463", "1463")].map(|(a, b, c)| (
            a.to_owned(),
            b.to_owned(),
            c.to_owned()
        ))
    );
    // The helpers of these tests write and compute as the bundle was made.
    let mut bundle = bundle;
    let before = bundle.events.clone();
    rechain(&mut bundle.events, 0);
    assert_eq!(bundle.events, before);
    assert_eq!(bundle.written().exit_code(), 0);
}

#[test]
fn no_changed_byte_goes_unseen() {
    let bundle = Bundle::new();
    for name in FILES {
        let path = bundle.path().join(name);
        let good = std::fs::read(&path).unwrap();
        // Each place would take a minute without optimisation; the step and the lengths have no common divisor.
        for at in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            let report = bundle.check();
            assert_ne!(report.verdict, Verdict::Verified, "{name}, byte {at}");
        }
        std::fs::write(&path, &good).unwrap();
    }
    assert_eq!(bundle.check().exit_code(), 0);
}

#[test]
fn a_changed_event_is_named_wherever_it_is() {
    for at in 0..25 {
        let position = i64::try_from(at).unwrap() + 1;
        for (field, value) in [
            ("event_type", json!("Other")),
            ("event_id", json!("00000000-0000-7000-8000-000000000000")),
            ("aggregate_id", json!("z")),
            ("metadata", json!("{}")),
            ("event_version", json!("2")),
        ] {
            let mut bundle = Bundle::new();
            bundle.events[at][field] = value;
            let report = bundle.written();
            assert_eq!(report.exit_code(), 1, "{report}");
            assert_eq!(
                accused(&report),
                [(Kind::Changed, position, None)],
                "{field}: {report}"
            );
        }
        // Only the hash.
        let mut bundle = Bundle::new();
        bundle.events[at]["hash"] = json!("ab".repeat(32));
        let named = accused(&bundle.written());
        assert!(
            named.contains(&(Kind::Changed, position, None)),
            "{named:?}"
        );
    }
}

#[test]
fn a_removed_event_is_named_wherever_it_was() {
    for at in 0..25 {
        let position = i64::try_from(at).unwrap() + 1;
        let mut bundle = Bundle::new();
        bundle.events.remove(at);
        let report = bundle.written();
        if position == 25 {
            assert_eq!(report.exit_code(), 3, "{report}");
            assert!(kinds(&report).contains(&Kind::Truncated), "{report}");
            continue;
        }
        assert_eq!(report.exit_code(), 1, "{report}");
        assert_eq!(
            accused(&report),
            [(Kind::Removed, position, Some(position))],
            "{report}"
        );

        // Those after it renumbered, so that no number is missing.
        for event in &mut bundle.events[at..] {
            event["position"] = json!(event["position"].as_i64().unwrap() - 1);
        }
        let report = bundle.written();
        assert_eq!(report.exit_code(), 1, "{report}");
        // Of the last event alone nobody can tell where it stood.
        let expected = if position == 24 {
            Kind::Changed
        } else {
            Kind::Removed
        };
        assert_eq!(accused(&report), [(expected, position, None)], "{report}");
    }
}

#[test]
fn an_inserted_event_is_named_wherever_it_is() {
    for at in 0..25 {
        for fits in [false, true] {
            let position = i64::try_from(at).unwrap() + 1;
            let mut bundle = Bundle::new();
            let mut forged = bundle.events[at].clone();
            forged["event_id"] = json!("00000000-0000-7000-8000-000000000000");
            forged["aggregate_id"] = json!("forged");
            forged["sequence"] = json!(1);
            for event in &mut bundle.events[at..] {
                event["position"] = json!(event["position"].as_i64().unwrap() + 1);
            }
            bundle.events.insert(at, forged);
            if fits {
                let previous = match at {
                    0 => "00".repeat(32),
                    at => bundle.events[at - 1]["hash"].as_str().unwrap().to_owned(),
                };
                bundle.events[at]["hash"] = json!(hash(&previous, &bundle.events[at]));
            }
            let report = bundle.written();
            assert_eq!(report.exit_code(), 1, "{report}");
            assert_eq!(
                accused(&report),
                [(Kind::Inserted, position, None)],
                "{fits}: {report}"
            );
        }
    }
}

#[test]
fn two_swapped_events_are_named_wherever_they_are() {
    for first in 0..25 {
        for second in first + 1..25 {
            let places = |at: usize| i64::try_from(at).unwrap() + 1;
            let expected = [(Kind::Swapped, places(first), Some(places(second)))];
            // The events exchange their places and keep their hashes.
            let mut bundle = Bundle::new();
            bundle.events.swap(first, second);
            for at in [first, second] {
                bundle.events[at]["position"] = json!(places(at));
            }
            let report = bundle.written();
            assert_eq!(report.exit_code(), 1, "{report}");
            assert_eq!(accused(&report), expected, "{report}");
            // The hashes stay where they were.
            let (a, b) = (
                bundle.events[first]["hash"].clone(),
                bundle.events[second]["hash"].clone(),
            );
            bundle.events[first]["hash"] = b;
            bundle.events[second]["hash"] = a;
            let report = bundle.written();
            assert_eq!(accused(&report), expected, "{report}");
        }
    }
}

#[test]
fn lines_in_another_order_or_twice_are_named() {
    for at in 1..25 {
        let position = i64::try_from(at).unwrap() + 1;
        // A line that comes too late, by one and by as much as there is.
        for to in [at.min(23) + 1, 24] {
            if at == 24 {
                continue;
            }
            let mut bundle = Bundle::new();
            let line = bundle.events.remove(at);
            bundle.events.insert(to, line);
            let report = bundle.written();
            assert_eq!(report.exit_code(), 1, "{report}");
            assert_eq!(
                accused(&report),
                [(Kind::Reordered, position, None)],
                "{report}"
            );
        }
        let mut bundle = Bundle::new();
        let line = bundle.events[at].clone();
        bundle.events.insert(at, line);
        let report = bundle.written();
        assert_eq!(
            accused(&report),
            [(Kind::Inserted, position, None)],
            "{report}"
        );
    }
    // Three events in a ring.
    let mut bundle = Bundle::new();
    bundle.events[5..12].rotate_left(3);
    for at in 5..12 {
        bundle.events[at]["position"] = json!(at + 1);
    }
    assert_eq!(bundle.written().exit_code(), 1);
}

#[test]
fn a_chain_computed_anew_is_found_by_the_signatures_alone() {
    for (at, from, to) in [(0, 1, 10), (9, 1, 10), (10, 11, 20), (22, 21, 25)] {
        let mut bundle = Bundle::new();
        bundle.events[at]["metadata"] = json!("{\"actor\":\"user:2\"}");
        rechain(&mut bundle.events, at);
        let report = bundle.written();
        assert_eq!(report.exit_code(), 1, "{report}");
        assert_eq!(
            accused(&report)[0],
            (Kind::Rewritten, from, Some(to)),
            "{report}"
        );
    }
}
