//! The generator keeps its promises: same input, same bytes; codes that decode; sums that add up.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use chrono::NaiveDate;

fn sold_at() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2026, 3, 13)
        .unwrap()
        .and_hms_opt(15, 31, 18)
        .unwrap()
}

fn spec(layout: Layout, seed: u64) -> SampleSpec {
    let items = vec![
        SampleItem::of(product("13204")).discount(1),
        SampleItem::of(product("30334")).quantity(1500),
        SampleItem::of(product("20118")),
    ];
    SampleSpec::new("test", seed, layout, sold_at(), items)
}

fn decode(jpeg: &[u8]) -> Option<String> {
    let grey = image::load_from_memory(jpeg).unwrap().to_luma8();
    let (width, height) = grey.dimensions();
    let found = rxing::helpers::detect_in_luma(
        grey.into_raw(),
        width,
        height,
        Some(rxing::BarcodeFormat::QR_CODE),
    );
    found.ok().map(|result| result.getText().to_owned())
}

#[test]
fn the_same_specification_gives_the_same_bytes_and_another_seed_another_photo() {
    let one = render(&spec(Layout::SoftwareRegister, 5)).unwrap();
    let same = render(&spec(Layout::SoftwareRegister, 5)).unwrap();
    assert_eq!(one.jpeg, same.jpeg);
    let mut other = spec(Layout::SoftwareRegister, 5);
    other.seed = 6;
    let other = render(&other).unwrap();
    assert_ne!(one.jpeg, other.jpeg);
    assert_eq!(one.truth.qr, other.truth.qr);
}

#[test]
fn the_code_can_be_read_from_every_photo_but_the_worst() {
    for degradation in [
        Degradation::Clean,
        Degradation::Light,
        Degradation::Moderate,
    ] {
        for (layout, seed) in [(Layout::SoftwareRegister, 11), (Layout::PaperRegister, 12)] {
            let sample = render(&spec(layout, seed).degradation(degradation)).unwrap();
            assert_eq!(
                decode(&sample.jpeg),
                sample.truth.qr,
                "{layout:?} {degradation:?}"
            );
            assert!(
                sample.jpeg.len() < 600 * 1024,
                "{} bytes",
                sample.jpeg.len()
            );
        }
    }
}

#[test]
fn each_form_of_code_says_the_same_sale() {
    let payload = |qr| qr::payload(&spec(Layout::PaperRegister, 3).qr(qr)).unwrap();
    let spec = spec(Layout::PaperRegister, 3);
    let (register, number) = (&spec.register, &spec.number);
    assert_eq!(spec.total_minor(), 9530 + 1500 + 2890);
    assert_eq!(
        payload(QrKind::Link),
        format!(
            "https://cabinet.tax.gov.ua/cashregs/check?id={number}&date=20260313&time=1531&fn={register}&sm=139.20"
        )
    );
    assert!(payload(QrKind::OldLink).contains("date=20260313153118"));
    let mac = payload(QrKind::Mac);
    assert!(
        mac.ends_with(&format!("=;0000013920;1303261531;{register};{number:0>10}")),
        "{mac}"
    );
    let russian = payload(QrKind::Russian);
    assert!(
        russian.starts_with("t=20260313T1531&s=139.20&fn=000000"),
        "{russian}"
    );
    assert!(russian.ends_with("&n=1"));
}

#[test]
fn the_printed_lines_add_up_to_the_printed_total() {
    for layout in [Layout::SoftwareRegister, Layout::PaperRegister] {
        let spec = spec(layout, 9);
        let text = layout::text(&layout::lines(&spec, None));
        for part in ["95.31", "15.00", "28.90", "139.20", "0.01"] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        assert!(
            text.lines()
                .all(|line| line.chars().count() <= layout::COLUMNS),
            "{text}"
        );
        assert!(!text.contains("ПОВЕРНЕННЯ"));
        let text = layout::text(&layout::lines(&spec.returned(), None));
        assert!(text.contains("ПОВЕРНЕННЯ"));
    }
}

#[test]
fn invented_barcodes_have_a_right_check_digit_and_codes_are_unique() {
    for product in PRODUCTS {
        let digits: Vec<u32> = product
            .barcode
            .chars()
            .map(|c| c.to_digit(10).unwrap())
            .collect();
        let sum: u32 = digits
            .iter()
            .enumerate()
            .map(|(i, d)| d * if i % 2 == 0 { 1 } else { 3 })
            .sum();
        assert_eq!((digits.len(), sum % 10), (13, 0), "{}", product.barcode);
        assert_eq!(
            PRODUCTS.iter().filter(|p| p.code == product.code).count(),
            1
        );
    }
}
