//! Folders of photos: their layouts, what can be wrong with them, and a run over a tiny one.

use std::fs;
use std::path::Path;

use chrono::{NaiveDate, NaiveTime};
use serde_json::{Value, json};

use super::super::*;
use crate::bench::score::{FieldName, QrScore};
use crate::samples::{Degradation, Layout, SampleItem, SampleSpec, product, render};

fn write(dir: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn side_truth() -> Value {
    json!({
        "merchant": "ТОВ \"ЗРАЗОК\"", "merchant_key": "ЗРАЗОК", "tax_id": "1234567890",
        "fiscal_number": "4001234567", "receipt_no": "77", "date": "2026-03-14", "time": "12:05",
        "total": "12.50", "currency": "UAH", "qr": "",
        "items": [{ "name": "Вода", "qty": "1", "price": "12.50", "sum": "12.50" }],
        "text": "СУМА 12,50", "degrade": { "tier": "hard" }
    })
}

#[test]
fn both_layouts_are_recognised_and_read() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "side/a.jpg", "photo");
    write(dir.path(), "side/a.json", side_truth().to_string());
    let set = DataSet::load(&dir.path().join("side"), None).unwrap();
    assert_eq!((set.name.as_str(), set.kind), ("side", SetKind::Synthetic));
    let truth = &set.images[0].truth;
    assert_eq!(truth.total_minor, Some(1_250));
    assert_eq!(truth.qr, None, "an empty code is none");
    assert_eq!(truth.tier.as_deref(), Some("hard"));
    assert_eq!(truth.time, NaiveTime::from_hms_opt(12, 5, 0));

    write(dir.path(), "scans/img/007.jpg", "photo");
    write(
        dir.path(),
        "scans/key/007.json",
        json!({ "company": "SAMPLE TRADING", "date": "12 MAR 2018", "address": "1, A ROAD", "total": "RM 8.20" }).to_string(),
    );
    write(
        dir.path(),
        "scans/box/007.csv",
        "10,60,90,60,90,80,10,80,TOTAL\n200,64,260,64,260,84,200,84,8.20\n10,10,90,10,90,30,10,30,SAMPLE, TRADING\n",
    );
    let set = DataSet::load(&dir.path().join("scans"), None).unwrap();
    assert_eq!(set.kind.languages(), "eng");
    let truth = &set.images[0].truth;
    assert_eq!(truth.total_minor, Some(820));
    assert_eq!(truth.date, NaiveDate::from_ymd_opt(2018, 3, 12));
    assert_eq!(truth.text.as_deref(), Some("SAMPLE, TRADING\nTOTAL 8.20"));
    assert_eq!((truth.items.clone(), truth.currency), (None, None));
}

#[test]
fn what_is_wrong_with_a_set_is_said_with_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let told = |name: &str| {
        DataSet::load(&dir.path().join(name), None)
            .map(|set| set.images.len())
            .unwrap_err()
            .to_string()
    };
    assert!(told("none").contains("none: no such directory"));
    write(dir.path(), "odd/readme.txt", "nothing");
    assert!(told("odd").contains("unknown layout"));
    write(dir.path(), "broken/a.jpg", "photo");
    write(dir.path(), "broken/a.json", "{ \"total\": ");
    assert!(told("broken").contains("a.json: the ground truth is not as expected"));
    let mut truth = side_truth();
    truth["date"] = json!("soon");
    write(dir.path(), "broken/a.json", truth.to_string());
    assert!(told("broken").contains("a.json: date is not readable: soon"));
    write(dir.path(), "lonely/a.json", side_truth().to_string());
    assert!(told("lonely").contains("a.json: there is no photo"));
    write(dir.path(), "bare/a.json", side_truth().to_string());
    write(dir.path(), "bare/a.jpg", "photo");
    write(dir.path(), "bare/b.jpg", "photo");
    assert!(told("bare").contains("b.jpg: there is no ground truth"));
    write(dir.path(), "scans/img/1.jpg", "photo");
    fs::create_dir_all(dir.path().join("scans/key")).unwrap();
    assert!(told("scans").contains("1.json: the ground truth cannot be read"));
    write(dir.path(), "fine/a.json", side_truth().to_string());
    write(dir.path(), "fine/a.jpg", "photo");
    let mut set = DataSet::load(&dir.path().join("fine"), None).unwrap();
    assert!(
        set.keep(&["b".into()])
            .unwrap_err()
            .to_string()
            .contains("is named b")
    );
}

#[test]
fn a_tiny_invented_set_is_read_and_a_file_that_is_no_photo_counts_as_unread() {
    let sold_at = NaiveDate::from_ymd_opt(2026, 3, 14)
        .unwrap()
        .and_hms_opt(12, 5, 0)
        .unwrap();
    let items = vec![SampleItem::of(product("13310"))];
    let spec = SampleSpec::new("a", 7, Layout::SoftwareRegister, sold_at, items)
        .degradation(Degradation::Light);
    let sample = render(&spec).unwrap();
    let minor = sample.truth.total_minor;
    let sum = |minor: i64| format!("{}.{:02}", minor / 100, minor % 100);
    let truth = json!({
        "merchant": sample.truth.merchant, "merchant_key": sample.truth.merchant,
        "tax_id": sample.truth.tax_id, "fiscal_number": sample.truth.register_number,
        "receipt_no": sample.truth.receipt_number, "date": "2026-03-14", "time": "12:05",
        "total": sum(minor), "currency": "UAH", "qr": sample.truth.qr, "text": sample.truth.text,
        "items": sample.truth.items.iter().map(|i| json!({ "name": i.name, "sum": sum(minor) })).collect::<Vec<_>>(),
    });
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.jpg", &sample.jpeg);
    write(dir.path(), "a.json", truth.to_string());
    write(dir.path(), "b.jpg", "not a photo");
    write(dir.path(), "b.json", truth.to_string());
    let set = DataSet::load(dir.path(), None).unwrap();
    let mut told = Vec::new();
    let options = BenchOptions {
        jobs: NonZeroUsize::new(2).unwrap(),
        ..BenchOptions::default()
    };
    let result = run(&set, &options, &mut |image| told.push(image.name.clone())).unwrap();
    told.sort();
    assert_eq!(told, ["a", "b"]);
    let [read, unread] = result.images.as_slice() else {
        unreachable!("two photos")
    };
    let total = read
        .fields
        .iter()
        .find(|f| f.field == FieldName::Total)
        .unwrap();
    assert!(total.right, "{total:?}");
    assert_eq!(read.qr, Some(QrScore::Right));
    assert!(read.seconds > 0.0 && read.cer.unwrap() < 0.6, "{read:?}");
    assert!(
        unread.error.as_deref().unwrap().contains("not a picture"),
        "{unread:?}"
    );
    assert_eq!(result.figures().total, Some(0.5));
    assert_eq!(result.more().unread, 1);
}
