//! What is read on clean and damaged photos, against what was printed.

use kvit_domain::recognition::{Anomaly, QrReading, Recognition};
use kvit_ocr::samples::{Degradation, Layout, QrKind, Sample, demo_set, render};

use super::{photo, read, sold_at, spec};

const BOTH: [Layout; 2] = [Layout::SoftwareRegister, Layout::PaperRegister];

/// Identity, date and total by the code, goods by the text.
fn assert_read_right(read: &Recognition, sample: &Sample) {
    let (truth, name) = (&sample.truth, &sample.name);
    let qr = read
        .qr
        .fiscal()
        .unwrap_or_else(|| panic!("{name}: {:?}", read.qr));
    assert_eq!(qr.register_number, truth.register_number, "{name}");
    assert_eq!(
        qr.receipt_number,
        truth.receipt_number.trim_start_matches('0'),
        "{name}"
    );
    assert_eq!(qr.total_minor, truth.total_minor, "{name}");
    assert_eq!(qr.purchased_at.date(), truth.date_time.date(), "{name}");
    let printed: Vec<(i64, i64, i64)> = truth
        .items
        .iter()
        .map(|i| (i.quantity_thousandths, i.gross_minor(), i.discount_minor))
        .collect();
    let found: Vec<(i64, i64, i64)> = read
        .items
        .iter()
        .map(|i| (i.quantity.thousandths(), i.sum_minor, i.discount_minor))
        .collect();
    assert_eq!(found, printed, "{name}\n{}", read.text);
    for (found, printed) in read.items.iter().zip(&truth.items) {
        let alike = strsim::normalized_levenshtein(
            &found.name.to_lowercase(),
            &printed.name.to_lowercase(),
        );
        assert!(alike >= 0.8, "{name}: {} for {}", found.name, printed.name);
    }
}

#[test]
fn clean_photos_are_read_whole_and_with_confidence() {
    for layout in BOTH {
        let sample = photo(layout, 11, Degradation::Clean);
        let read = read(&sample.jpeg);
        assert_read_right(&read, &sample);
        assert_eq!(
            read.total_minor.as_ref().map(|f| f.value),
            Some(sample.truth.total_minor),
            "{}",
            read.text
        );
        assert_eq!(
            read.register_number.as_ref().map(|f| &f.value),
            Some(&sample.truth.register_number),
            "{}",
            read.text
        );
        assert_eq!(
            read.purchased_at.as_ref().map(|f| f.value),
            Some(sample.truth.date_time),
            "{}",
            read.text
        );
        assert_eq!(
            read.tax_id.as_ref().map(|f| &f.value),
            Some(&sample.truth.tax_id),
            "{}",
            read.text
        );
        assert_eq!(read.anomalies, [], "{}", read.text);
        assert!(
            read.confidence.thousandths() >= 800,
            "{:?}",
            read.confidence
        );
        assert!(!read.is_return);
        let stages: Vec<&str> = read
            .stage_ms
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(stages, ["decode", "qr", "preprocess", "ocr", "parse"]);
    }
}

#[test]
fn moderate_photos_give_the_same_goods() {
    for layout in BOTH {
        for seed in [3, 4] {
            let sample = photo(layout, seed, Degradation::Moderate);
            let read = read(&sample.jpeg);
            assert_read_right(&read, &sample);
            assert!(
                read.confidence.thousandths() >= 800,
                "{:?}\n{}",
                read.confidence,
                read.text
            );
            assert!(
                !read
                    .anomalies
                    .iter()
                    .any(|a| matches!(a, Anomaly::QrMismatch { .. })),
                "{:?}",
                read.anomalies
            );
        }
    }
}

#[test]
fn a_receipt_without_a_code_is_read_from_its_text() {
    let sample = render(&spec("no code", 8, Layout::SoftwareRegister).qr(QrKind::None)).unwrap();
    let read = read(&sample.jpeg);
    assert_eq!(read.qr, QrReading::Missing);
    assert_eq!(read.total(), Some(sample.truth.total_minor));
    assert_eq!(read.purchase_time(), Some(sample.truth.date_time));
    assert!(
        read.confidence.thousandths() >= 800,
        "{:?}",
        read.confidence
    );
}

#[test]
fn every_form_of_the_code_is_read() {
    for qr in [QrKind::OldLink, QrKind::Mac] {
        let sample = render(&spec("forms", 9, Layout::PaperRegister).qr(qr.clone())).unwrap();
        let read = read(&sample.jpeg);
        assert_eq!(
            read.qr.fiscal().map(|f| f.total_minor),
            Some(sample.truth.total_minor),
            "{qr:?}: {:?}",
            read.qr
        );
    }
}

#[test]
fn a_foreign_code_is_told_from_a_receipt() {
    let sample = render(
        &spec("leaflet", 2, Layout::WifiLeaflet)
            .qr(QrKind::Text("WIFI:T:WPA;S:guest;P:12345678;;".into())),
    )
    .unwrap();
    let read = read(&sample.jpeg);
    assert!(
        matches!(read.qr, QrReading::NotAReceipt { .. }),
        "{:?}",
        read.qr
    );
    assert!(read.confidence.thousandths() < 400, "{:?}", read.confidence);
    assert_eq!(read.items, []);
}

#[test]
fn a_return_is_recognised() {
    for layout in BOTH {
        let sample = render(&spec("return", 6, layout).returned()).unwrap();
        assert!(read(&sample.jpeg).is_return, "{}", sample.truth.text);
    }
}

#[test]
fn blank_paper_and_a_ruined_photo_are_readings_with_little_confidence() {
    let blank = render(&spec("blank", 7, Layout::Blank).qr(QrKind::None)).unwrap();
    let read_blank = read(&blank.jpeg);
    assert_eq!(
        (read_blank.items.len(), read_blank.total_minor.as_ref()),
        (0, None)
    );
    assert!(read_blank.confidence.thousandths() < 400);
    let ruined = photo(Layout::SoftwareRegister, 7, Degradation::Ruined);
    let read_ruined = read(&ruined.jpeg);
    assert!(
        read_ruined.qr.fiscal().is_some() || read_ruined.confidence.thousandths() < 400,
        "{:?}",
        read_ruined.confidence
    );
}

#[test]
fn a_photo_lying_on_its_side_is_turned_upright() {
    let sample = photo(Layout::SoftwareRegister, 11, Degradation::Light);
    let turned = image::load_from_memory(&sample.jpeg).unwrap().rotate90();
    let mut jpeg = std::io::Cursor::new(Vec::new());
    turned
        .write_to(&mut jpeg, image::ImageFormat::Jpeg)
        .unwrap();
    assert_read_right(&read(jpeg.get_ref()), &sample);
}

#[test]
fn a_field_is_shown_where_it_stands_on_the_photo() {
    let sample = photo(Layout::SoftwareRegister, 11, Degradation::Moderate);
    let read = read(&sample.jpeg);
    let photo = image::load_from_memory(&sample.jpeg).unwrap();
    let merchant = read.merchant.unwrap().region.unwrap();
    let total = read.total_minor.unwrap().region.unwrap();
    assert!(
        merchant.y + merchant.height < total.y,
        "the merchant stands above the total"
    );
    for region in [merchant, total] {
        assert!(region.width > 10 && region.height > 5);
        assert!(
            region.x + region.width <= photo.width() && region.y + region.height <= photo.height()
        );
    }
}

#[test]
fn the_demo_receipts_are_read_as_the_demo_expects() {
    for demo in demo_set(sold_at(), 1).unwrap() {
        let read = read(&demo.sample.jpeg);
        if let kvit_ocr::samples::Expected::Accepted = demo.expected {
            assert_read_right(&read, &demo.sample);
            assert_eq!(read.anomalies, [], "{}\n{}", demo.sample.name, read.text);
            assert!(
                read.confidence.thousandths() >= 800,
                "{}: {:?}",
                demo.sample.name,
                read.confidence
            );
        }
    }
}
