#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests; the figures compared are rounded or exact"
)]

mod sets;

use std::fs;
use std::slice::from_ref;

use chrono::{NaiveDate, NaiveTime};
use kvit_domain::money::Currency;
use kvit_domain::recognition::Recognition;
use serde_json::{Value, json};

use super::load::Labelled;
use super::meter::Spent;
use super::score::{FieldName, QrScore};
use super::truth::{Truth, TruthItem};
use super::verdict::Outcome;
use super::*;

const CODE: &str = "https://cabinet.tax.gov.ua/cashregs/check?id=0012345&date=20260314&time=1205&fn=4001234567&sm=131.81";

fn truth() -> Truth {
    Truth {
        merchant_key: Some("ВИГАДАНА АПТЕКА".into()),
        merchant: Some("ТОВ \"ВИГАДАНА АПТЕКА\"".into()),
        tax_id: Some("123456789012".into()),
        register_number: Some("4001234567".into()),
        receipt_number: Some("12345".into()),
        date: NaiveDate::from_ymd_opt(2026, 3, 14),
        time: NaiveTime::from_hms_opt(12, 5, 33),
        total_minor: Some(13_181),
        currency: Some(Currency::Uah),
        items: Some(vec![
            TruthItem {
                name: "Цитрамон-Дарниця табл. №10".into(),
                sum_minor: 3_650,
            },
            TruthItem {
                name: "Вода мінеральна 0,5".into(),
                sum_minor: 9_531,
            },
        ]),
        qr: Some(CODE.into()),
        text: Some("ТОВ \"ВИГАДАНА АПТЕКА\"\nСУМА 131,81".into()),
        tier: Some("easy".into()),
    }
}

fn labelled() -> Labelled {
    Labelled {
        name: "one".into(),
        path: "one.jpg".into(),
        truth: truth(),
    }
}

fn sure(value: impl Into<Value>) -> Value {
    json!({ "value": value.into(), "confidence": 950 })
}

/// The reading that a perfect reader would give, as JSON, so that a test can spoil any part of it.
fn perfect() -> Value {
    let item = |name: &str, sum: i64| json!({ "name": name, "quantity": 1_000, "unit_price_minor": sum, "sum_minor": sum, "confidence": 900 });
    json!({
        "qr": { "kind": "fiscal", "step": "grey", "fiscal": {
            "form": "link", "register_number": "4001234567", "receipt_number": "12345",
            "purchased_at": "2026-03-14T12:05:00", "total_minor": 13_181, "currency": "UAH", "is_return": false } },
        "merchant": sure("ТОВ «ВИГАДАНА АПТЕКА»"),
        "tax_id": sure("123456789012"),
        "register_number": sure("4001234567"),
        "receipt_number": sure("12345"),
        "purchased_at": sure("2026-03-14T12:05:33"),
        "purchased_on": null,
        "currency": "UAH",
        "total_minor": sure(13_181),
        "items": [item("Цитрамон-Дарниця табл. №10", 3_650), item("Вода мінеральна 0,5", 9_531)],
        "is_return": false,
        "confidence": 980,
        "anomalies": [],
        "text": "ТОВ \"ВИГАДАНА АПТЕКА\"\nСУМА 131,81",
        "stage_ms": [["ocr", 700]],
        "short_edge_px": 1_200,
    })
}

fn scored(reading: Value) -> ImageResult {
    let recognition: Recognition = serde_json::from_value(reading).unwrap();
    let spent = Spent {
        cpu: 1.5,
        wall: 2.0,
    };
    score::read(&labelled(), &recognition, spent)
}

fn spoilt(change: impl FnOnce(&mut Value)) -> ImageResult {
    let mut reading = perfect();
    change(&mut reading);
    scored(reading)
}

fn wrong(result: &ImageResult) -> Vec<FieldName> {
    result
        .fields
        .iter()
        .filter(|f| !f.right)
        .map(|f| f.field)
        .collect()
}

fn set(images: Vec<ImageResult>) -> SetResult {
    SetResult {
        set: "invented".into(),
        images,
        peak_mb: Some(105.25),
    }
}

#[test]
fn a_perfect_reading_is_right_in_everything_and_accepted() {
    let result = scored(perfect());
    assert_eq!(wrong(&result), []);
    assert_eq!(result.qr, Some(QrScore::Right));
    assert_eq!(result.cer, Some(0.0));
    let judged = result.decision.clone().unwrap();
    assert_eq!(
        (judged.outcome, judged.earns, judged.faults.len()),
        (Outcome::Accepted, true, 0),
        "{judged:?}"
    );
    let set = set(vec![result]);
    assert!(set.worst().is_empty());
    let figures = set.figures();
    assert_eq!(
        [
            figures.total,
            figures.r#fn,
            figures.item_f1,
            figures.qr,
            figures.auto_precision
        ],
        [Some(1.0); 5]
    );
}

#[test]
fn each_field_can_be_wrong_by_itself() {
    let no_code = |reading: &mut Value| reading["qr"] = json!({ "kind": "missing" });
    let cases: [(&str, Value, FieldName); 6] = [
        ("total_minor", sure(13_180), FieldName::Total),
        ("merchant", sure("ІНША АПТЕКА"), FieldName::Merchant),
        ("tax_id", sure("123456789013"), FieldName::Tax),
        ("register_number", Value::Null, FieldName::Fn),
        ("purchased_at", sure("2026-03-14T12:06:00"), FieldName::Time),
        ("purchased_at", sure("2026-03-15T12:05:33"), FieldName::Date),
    ];
    for (name, value, field) in cases {
        let result = spoilt(|reading| {
            no_code(reading);
            reading[name] = value;
        });
        assert_eq!(wrong(&result), [field]);
        assert_eq!(result.qr, Some(QrScore::Missed));
    }
    // The code wins over the text, so the same mistakes do no harm beside it.
    assert_eq!(wrong(&spoilt(|r| r["total_minor"] = sure(1))), []);
    // A day without a time is a day.
    let result = spoilt(|reading| {
        no_code(reading);
        reading["purchased_at"] = Value::Null;
        reading["purchased_on"] = sure("2026-03-14");
    });
    assert_eq!(wrong(&result), [FieldName::Time]);
}

#[test]
fn a_line_of_goods_counts_once_and_only_with_its_sum_and_name() {
    let lines = |change: &dyn Fn(&mut Value)| {
        let items = spoilt(|reading| change(&mut reading["items"]))
            .items
            .unwrap();
        (items.expected, items.got, items.right)
    };
    assert_eq!(lines(&|_| ()), (2, 2, 2));
    assert_eq!(lines(&|i| i[0]["sum_minor"] = json!(3_651)), (2, 2, 1));
    assert_eq!(lines(&|i| i[0]["name"] = json!("Щось інше")), (2, 2, 1));
    // One letter in ten is forgiven.
    assert_eq!(
        lines(&|i| i[0]["name"] = json!("Цитрамон-Дарниия табп. №10")),
        (2, 2, 2)
    );
    assert_eq!(lines(&|i| *i = json!([])), (2, 0, 0));
    // Read twice, the second one is invented.
    assert_eq!(
        lines(&|i| {
            let twice = i[0].clone();
            i.as_array_mut().unwrap().push(twice);
        }),
        (2, 3, 2)
    );
}

#[test]
fn rates_are_taken_over_all_lines_and_a_wrong_code_costs_ten() {
    let missed = spoilt(|r| {
        r["items"] = json!([]);
        r["qr"] = json!({ "kind": "missing" });
    });
    let other = spoilt(|r| r["qr"]["fiscal"]["total_minor"] = json!(13_182));
    assert_eq!(other.qr, Some(QrScore::Wrong));
    assert_eq!(wrong(&other), [FieldName::Total]);
    let set = set(vec![scored(perfect()), missed, other]);
    let figures = set.figures();
    assert_eq!(figures.images, 3);
    assert_eq!(figures.total, Some(0.6667));
    assert_eq!(figures.item_f1, Some(0.8)); // 4 of 6 found, 4 of 4 right
    assert_eq!(figures.qr_wrong, Some(1));
    assert_eq!(figures.qr, Some(-3.0)); // one right of three, less ten thirds
    assert_eq!(figures.seconds_median, Some(1.5));
    assert_eq!(set.more().item_precision, Some(1.0));
    let worst = set.worst();
    assert_eq!(worst.len(), 2);
    assert_eq!(worst[0].qr, Some(QrScore::Wrong));
}

#[test]
fn an_acceptance_of_something_else_is_no_precision() {
    // The code of another receipt of the same shop: everything fits, and it is not this receipt.
    let other = spoilt(|r| r["qr"]["fiscal"]["receipt_number"] = json!("12346"));
    let judged = other.decision.clone().unwrap();
    assert_eq!(judged.outcome, Outcome::Accepted);
    assert_eq!(judged.faults, ["identity"]);
    // The brand was read where it does not stand.
    let mut image = labelled();
    for item in image.truth.items.as_mut().unwrap() {
        item.name = "Вода мінеральна 0,5".into();
    }
    let recognition: Recognition = serde_json::from_value(perfect()).unwrap();
    let invented = score::read(&image, &recognition, Spent::default());
    assert_eq!(invented.decision.clone().unwrap().faults, ["eligibility"]);
    let figures = set(vec![scored(perfect()), other, invented]).figures();
    assert_eq!(figures.auto_precision, Some(0.3333));
    assert_eq!(figures.auto_decided, Some(1.0));
}

#[test]
fn a_receipt_without_a_code_waits_for_a_person_and_a_wrong_rejection_is_counted() {
    let waiting = spoilt(|r| r["qr"] = json!({ "kind": "missing" }));
    let judged = waiting.decision.clone().unwrap();
    assert_eq!(judged.outcome, Outcome::Review);
    assert!(
        judged.reasons.iter().any(|r| r.contains("no_qr")),
        "{judged:?}"
    );
    let refused = spoilt(|r| r["items"][0]["name"] = json!("Щось інше"));
    assert!(refused.decision.clone().unwrap().is_wrongly_rejected());
    let set = set(vec![waiting, refused]);
    let figures = set.figures();
    assert_eq!(figures.auto_decided, Some(0.5));
    assert_eq!(figures.auto_precision, None);
    assert_eq!(set.more().wrongly_rejected, 1);
}

#[test]
fn a_photo_that_cannot_be_read_is_wrong_in_everything() {
    let result = score::unread(
        &labelled(),
        "this is not a picture".into(),
        Spent::default(),
    );
    assert_eq!(wrong(&result).len(), 6);
    let figures = set(vec![result.clone()]).figures();
    assert_eq!(
        (figures.total, figures.item_f1, figures.cer, figures.qr),
        (Some(0.0), Some(0.0), Some(1.0), Some(0.0))
    );
    assert_eq!(figures.auto_decided, Some(0.0));
    let told = report::worst(&set(vec![result]), 3);
    assert!(told.contains("invented/one [easy]"), "{told}");
    assert!(told.contains("this is not a picture"), "{told}");
}

#[test]
fn the_json_has_exactly_the_agreed_keys_and_is_read_back() {
    let figures = set(vec![scored(perfect())]).figures();
    let written = summary::to_json(from_ref(&figures));
    let value: Value = serde_json::from_str(&written).unwrap();
    let mut keys: Vec<&str> = value[0]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    let mut agreed = vec![
        "set",
        "images",
        "total",
        "date",
        "time",
        "merchant90",
        "fn",
        "item_f1",
        "cer",
        "qr",
        "qr_wrong",
        "auto_decided",
        "auto_precision",
        "seconds_median",
        "seconds_p95",
        "peak_mb",
    ];
    agreed.sort_unstable();
    assert_eq!(keys, agreed);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.json");
    fs::write(&path, &written).unwrap();
    assert_eq!(summary::from_file(&path).unwrap(), [figures]);
    fs::write(&path, "{}").unwrap();
    let told = summary::from_file(&path).unwrap_err().to_string();
    assert!(
        told.contains("run.json") && told.contains("not the JSON of a run"),
        "{told}"
    );
}

#[test]
fn a_comparison_names_what_became_better_and_what_worse() {
    let before = set(vec![scored(perfect()), scored(perfect())]).figures();
    let mut now = before.clone();
    assert!(report::differences(from_ref(&now), from_ref(&before)).contains("nothing differs"));
    now.total = Some(0.5);
    now.cer = Some(0.25);
    now.seconds_median = Some(1.0);
    let text = report::differences(from_ref(&now), from_ref(&before));
    let row = |name: &str| text.lines().find(|l| l.contains(name)).unwrap_or_default();
    assert!(
        row("total").contains("-0.500") && row("total").contains("worse"),
        "{text}"
    );
    assert!(
        row("cer").contains("+0.250") && row("cer").contains("worse"),
        "{text}"
    );
    assert!(row("seconds_median").contains("better"), "{text}");
    assert!(row("date").is_empty(), "{text}");
    now.set = "another".into();
    assert!(report::differences(&[now], &[before]).contains("not in the earlier run"));
}

#[test]
fn the_table_has_a_row_for_each_tier() {
    let mut hard = spoilt(|r| r["total_minor"] = sure(1));
    hard.tier = Some("hard".into());
    let table = report::table(&[set(vec![scored(perfect()), hard])]);
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 5, "{table}");
    assert!(
        rows[2].starts_with("| invented") && rows[3].contains("easy") && rows[4].contains("hard")
    );
    assert!(
        rows.iter()
            .all(|row| row.chars().count() == rows[0].chars().count()),
        "{table}"
    );
}
