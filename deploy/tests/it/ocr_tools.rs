//! `kvit ocr read` and `kvit ocr bench` as a person meets them.

use std::fs;
use std::path::Path;
use std::process::Output;

use chrono::NaiveDate;
use kvit_ocr::samples::{Layout, Sample, SampleItem, SampleSpec, product, render};
use serde_json::{Value, json};

use crate::support::{folder, kvit};

fn sample() -> Sample {
    let sold_at = NaiveDate::from_ymd_opt(2026, 3, 14)
        .unwrap()
        .and_hms_opt(12, 5, 0)
        .unwrap();
    let items = vec![SampleItem::of(product("13310"))];
    render(&SampleSpec::new(
        "a",
        7,
        Layout::SoftwareRegister,
        sold_at,
        items,
    ))
    .unwrap()
}

/// A set of one photo in the folder `set`.
fn tiny_set(dir: &Path) {
    let sample = sample();
    let sum = |minor: i64| format!("{}.{:02}", minor / 100, minor % 100);
    let truth = &sample.truth;
    let items: Vec<Value> = truth
        .items
        .iter()
        .map(|item| json!({ "name": item.name, "sum": sum(item.net_minor()) }))
        .collect();
    let written = json!({
        "merchant": truth.merchant, "merchant_key": truth.merchant, "tax_id": truth.tax_id,
        "fiscal_number": truth.register_number, "receipt_no": truth.receipt_number,
        "date": "2026-03-14", "time": "12:05:00", "total": sum(truth.total_minor),
        "currency": "UAH", "qr": truth.qr, "items": items, "text": truth.text,
        "degrade": { "tier": "easy" },
    });
    fs::create_dir(dir.join("set")).unwrap();
    fs::write(dir.join("set/a.jpg"), &sample.jpeg).unwrap();
    fs::write(dir.join("set/a.json"), written.to_string()).unwrap();
}

fn run(dir: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = kvit(dir).arg("ocr").args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_photo_is_read_as_text_as_json_and_as_a_picture() {
    let dir = folder();
    let sample = sample();
    fs::write(dir.path().join("a.jpg"), &sample.jpeg).unwrap();
    let (status, out, told) = run(dir.path(), &["read", "a.jpg", "--annotate", "out.png"]);
    assert_eq!(status, Some(0), "{told}");
    assert!(out.contains("a.jpg: ") && out.contains("  total "), "{out}");
    assert!(out.contains("36.50"), "{out}");
    let picture = fs::read(dir.path().join("out.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n"));

    let (status, out, told) = run(dir.path(), &["read", "--json", "a.jpg"]);
    assert_eq!(status, Some(0), "{told}");
    let row: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(row["file"], "a.jpg");
    let total = &row["read"]["qr"]["fiscal"]["total_minor"];
    assert_eq!(*total, json!(sample.truth.total_minor), "{row}");
}

#[test]
fn a_photo_that_cannot_be_read_is_named_and_the_others_are_read() {
    let dir = folder();
    fs::write(dir.path().join("a.jpg"), sample().jpeg).unwrap();
    fs::write(dir.path().join("letter.jpg"), "Dear all").unwrap();
    let files = ["read", "missing.jpg", "letter.jpg", "a.jpg"];
    let (status, out, told) = run(dir.path(), &files);
    assert_eq!(status, Some(1));
    assert!(
        told.contains("missing.jpg: the photo cannot be read"),
        "{told}"
    );
    assert!(
        told.contains("letter.jpg: ") && told.contains("not a picture"),
        "{told}"
    );
    assert!(out.contains("a.jpg: "), "{out}");

    let (status, out, _) = run(dir.path(), &["read", "--json", "missing.jpg", "letter.jpg"]);
    assert_eq!(status, Some(1));
    let codes: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["error"]["code"].clone())
        .collect();
    assert_eq!(codes, ["file", "not_an_image"]);

    let (status, _, told) = run(dir.path(), &["read", "--lang", "zz_none", "a.jpg"]);
    assert_eq!(status, Some(1));
    assert!(told.contains("zz_none"), "{told}");
    let two = ["read", "a.jpg", "letter.jpg", "--annotate", "out.png"];
    let (status, _, told) = run(dir.path(), &two);
    assert_eq!(status, Some(2));
    assert!(told.contains("needs a folder that exists"), "{told}");
    let (status, _, told) = run(dir.path(), &["read", "a.jpg", "--annotate", "a.jpg"]);
    assert_eq!(status, Some(2));
    assert!(told.contains("would overwrite the photo"), "{told}");
    let (status, _, told) = run(dir.path(), &["read", "a.jpg", "--without", "nothing-such"]);
    assert_eq!(status, Some(2));
    assert!(told.contains("nothing-such"), "{told}");
}

#[test]
fn a_bench_prints_its_table_writes_its_figures_and_compares_them() {
    let dir = folder();
    tiny_set(dir.path());
    let args = [
        "bench",
        "set",
        "--json",
        "run.json",
        "--details",
        "all.jsonl",
    ];
    let (status, out, told) = run(dir.path(), &args);
    assert_eq!(status, Some(0), "{told}");
    assert!(out.contains("| set ") && out.contains("· easy"), "{out}");
    let written = fs::read_to_string(dir.path().join("run.json")).unwrap();
    let mut figures: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(figures[0]["set"], "set");
    assert_eq!(figures[0]["images"], 1);
    assert_eq!(figures[0]["total"], 1.0);
    assert_eq!(figures[0]["qr"], 1.0);
    let details = fs::read_to_string(dir.path().join("all.jsonl")).unwrap();
    let row: Value = serde_json::from_str(details.lines().next().unwrap()).unwrap();
    assert_eq!(row["name"], "a");

    figures[0]["total"] = json!(0.5);
    fs::write(dir.path().join("before.json"), figures.to_string()).unwrap();
    let (status, out, told) = run(dir.path(), &["bench", "set", "--compare", "before.json"]);
    assert_eq!(status, Some(0), "{told}");
    let changed = out
        .lines()
        .find(|l| l.contains("| ") && l.contains("better") && l.contains("total"));
    assert!(changed.is_some_and(|l| l.contains("+0.500")), "{out}");
}

#[test]
fn a_folder_that_is_no_set_is_refused_with_the_file_and_the_reason() {
    let dir = folder();
    tiny_set(dir.path());
    let refused = |args: &[&str], words: &str| {
        let (status, out, told) = run(dir.path(), args);
        assert_eq!(status, Some(2), "{args:?}: {out}{told}");
        assert!(told.contains(words), "{args:?}: {told}");
    };
    refused(&["bench", "nowhere"], "nowhere: no such directory");
    fs::create_dir(dir.path().join("empty")).unwrap();
    refused(&["bench", "empty"], "empty: unknown layout");
    refused(
        &["bench", "set", "--only", "b"],
        "no image of the set is named b",
    );
    refused(
        &["bench", "set", "--compare", "before.json"],
        "before.json: the earlier run cannot be read",
    );
    refused(
        &["bench", "set", "--json", "nowhere/run.json"],
        "nowhere/run.json: the folder of this file does not exist",
    );
    refused(&["bench", "set", "--set", "capital"], "expected STEP=VALUE");
    refused(&["bench"], "required");
    fs::write(dir.path().join("set/a.json"), "{}").unwrap();
    refused(
        &["bench", "set"],
        "set/a.json: the ground truth is not as expected",
    );
}

#[test]
fn the_help_tells_what_can_be_done_by_hand() {
    let dir = folder();
    let (status, out, _) = run(dir.path(), &["--help"]);
    assert_eq!(status, Some(0));
    assert!(out.contains("read ") && out.contains("bench "), "{out}");
    let (status, out, _) = run(dir.path(), &["bench", "--help"]);
    assert_eq!(status, Some(0));
    for option in ["--json", "--compare", "--worst", "--limit", "--without"] {
        assert!(out.contains(option), "{option}: {out}");
    }
}
