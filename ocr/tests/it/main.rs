//! Reading whole photos of the project's own receipts with the real engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod hostile;
mod photos;
mod picking;
mod qr_codes;
mod qr_drawn;

use std::sync::Mutex;
use std::time::Duration;

use chrono::{NaiveDate, NaiveDateTime};
use kvit_domain::recognition::Recognition;
use kvit_ocr::samples::{Degradation, Layout, Sample, SampleItem, SampleSpec, product, render};
use kvit_ocr::{EngineConfig, ReadOptions, Reader};

/// One warm engine for all tests: starting one takes longer than reading a photo.
static READER: Mutex<Option<Reader>> = Mutex::new(None);

fn read(image: &[u8]) -> Recognition {
    try_read(image).expect("the photo is accepted")
}

fn try_read(image: &[u8]) -> Result<Recognition, kvit_ocr::ReadError> {
    let mut slot = READER
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let reader = slot.get_or_insert_with(|| {
        Reader::init(&EngineConfig::default()).expect("tesseract with ukr, rus, eng")
    });
    // Generous times: a busy machine must not change what is read.
    let options = ReadOptions {
        qr_budget: Duration::from_secs(10),
        text_budget: Duration::from_secs(20),
    };
    reader.read(image, &options)
}

fn sold_at() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2026, 3, 14)
        .unwrap()
        .and_hms_opt(11, 54, 16)
        .unwrap()
}

/// Three articles, one of them twice and one with a discount.
fn spec(name: &str, seed: u64, layout: Layout) -> SampleSpec {
    let items = vec![
        SampleItem::of(product("13310")).quantity(2_000),
        SampleItem::of(product("20118")),
        SampleItem::of(product("13204")).discount(1),
    ];
    SampleSpec::new(name, seed, layout, sold_at(), items)
}

fn photo(layout: Layout, seed: u64, degradation: Degradation) -> Sample {
    render(&spec("photo", seed, layout).degradation(degradation)).expect("a sample")
}
