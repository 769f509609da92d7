//! Fiscal codes on bad paper: what no plain decoder reads and the search does, and what ends it in time.

use std::time::{Duration, Instant};

use image::{GrayImage, Luma};
use kvit_domain::recognition::QrReading;
use kvit_ocr::fiscal_qr::{self, QrContent};
use kvit_ocr::qr;
use proptest::prelude::*;
use qrcode::EcLevel;

use super::qr_drawn::{Damage, Random, photo};

const LINK: &str = "https://cabinet.tax.gov.ua/cashregs/check?id=Zk3-vQ0aLm1&date=20260314&time=115416&fn=4000731284&sm=412.55";
const RUSSIAN: &str = "t=20260314T1154&s=412.55&fn=9282440199887766&i=70412&fp=2113344556&n=1";

fn search(picture: &GrayImage) -> qr::QrSearch {
    qr::search(picture, Instant::now() + Duration::from_secs(20))
}

fn plain_decoder_reads(picture: &GrayImage) -> bool {
    let (width, height) = picture.dimensions();
    rxing::helpers::detect_in_luma_slice(
        picture.as_raw(),
        width,
        height,
        Some(rxing::BarcodeFormat::QR_CODE),
    )
    .is_ok()
}

/// The search reads the code exactly, and the plain decoder alone does not read it at all.
fn only_the_search_reads(content: &str, level: EcLevel, damage: &Damage) {
    let picture = photo(content, level, damage);
    assert!(
        !plain_decoder_reads(&picture),
        "too easy to show anything: {damage:?}"
    );
    let QrContent::Fiscal(expected) = fiscal_qr::parse(content) else {
        panic!("the content is fiscal");
    };
    match search(&picture).reading {
        QrReading::Fiscal { fiscal, .. } => assert_eq!(fiscal, expected),
        other => panic!("{other:?} for {damage:?}"),
    }
}

#[test]
fn a_wavy_code_is_read() {
    let damage = Damage {
        waves: (0.6, 1.2),
        blur_px: 0.8,
        ..Damage::none(3.0)
    };
    only_the_search_reads(LINK, EcLevel::L, &damage);
}

#[test]
fn a_wavy_code_of_two_pixels_a_module_is_read() {
    let damage = Damage {
        waves: (0.4, 1.0),
        blur_px: 0.6,
        ..Damage::none(2.0)
    };
    only_the_search_reads(LINK, EcLevel::M, &damage);
}

#[test]
fn a_blurred_code_is_read() {
    let damage = Damage {
        waves: (0.3, 1.0),
        blur_px: 1.5,
        noise: 4.0,
        ..Damage::none(3.0)
    };
    only_the_search_reads(LINK, EcLevel::L, &damage);
}

#[test]
fn a_code_seen_from_the_side_on_wavy_paper_is_read() {
    let damage = Damage {
        perspective: 0.15,
        waves: (0.45, 1.0),
        turned: 17.0,
        blur_px: 0.7,
        ..Damage::none(3.0)
    };
    only_the_search_reads(LINK, EcLevel::M, &damage);
}

#[test]
fn a_curled_code_in_a_shadow_is_read() {
    let damage = Damage {
        curl: 2.0,
        shadow: 0.6,
        noise: 8.0,
        blur_px: 0.8,
        ..Damage::none(3.5)
    };
    only_the_search_reads(LINK, EcLevel::L, &damage);
}

#[test]
fn a_noisy_wavy_code_of_another_country_is_read() {
    let damage = Damage {
        waves: (0.6, 1.1),
        noise: 35.0,
        blur_px: 0.8,
        ..Damage::none(3.0)
    };
    only_the_search_reads(RUSSIAN, EcLevel::M, &damage);
}

#[test]
fn a_crumpled_code_tells_which_side_is_up() {
    for (turned, expected) in [(4.0, 0), (94.0, 3), (184.0, 2), (274.0, 1)] {
        let damage = Damage {
            turned,
            waves: (0.6, 1.2),
            blur_px: 0.8,
            ..Damage::none(3.0)
        };
        let found = search(&photo(LINK, EcLevel::L, &damage));
        assert_eq!(
            found.quarter_turns,
            Some(expected),
            "turned {turned}: {found:?}"
        );
    }
}

#[test]
fn a_crumpled_code_of_another_kind_is_not_a_receipt() {
    let damage = Damage {
        waves: (0.6, 1.2),
        blur_px: 0.8,
        ..Damage::none(3.0)
    };
    let picture = photo(
        "WIFI:T:WPA;S:pharmacy;P:not-a-receipt-at-all;;",
        EcLevel::M,
        &damage,
    );
    assert!(matches!(
        search(&picture).reading,
        QrReading::NotAReceipt { .. }
    ));
}

#[test]
fn a_code_is_read_right_or_not_at_all() {
    let mut readings = [0; 2];
    for seed in 0..24 {
        let mut random = Random(seed);
        let damage = Damage {
            waves: (0.2 + random.part(), 0.8 + random.part()),
            blur_px: 0.5 + random.part(),
            noise: 5.0 + 45.0 * random.part(),
            shadow: random.part() * 0.7,
            seed,
            ..Damage::none(2.3 + random.part())
        };
        let content = format!(
            "https://cabinet.tax.gov.ua/cashregs/check?id={}&date=20260314&time=1154&fn=4000{:06}&sm={}.55",
            random.next() % 1_000_000_000,
            random.next() % 1_000_000,
            random.next() % 5_000,
        );
        let QrContent::Fiscal(expected) = fiscal_qr::parse(&content) else {
            panic!("the content is fiscal");
        };
        match search(&photo(&content, EcLevel::L, &damage)).reading {
            QrReading::Missing => readings[0] += 1,
            QrReading::Fiscal { fiscal, .. } => {
                assert_eq!(fiscal, expected, "seed {seed}");
                readings[1] += 1;
            }
            other => panic!("{other:?} for seed {seed}"),
        }
    }
    assert!(
        readings.iter().all(|count| *count > 0),
        "no border between readable and not: {readings:?}"
    );
}

/// The search itself ends after a second and a half; the rest is for a busy machine.
fn ends_in_time_without_a_code(name: &str, picture: &GrayImage) {
    let started = Instant::now();
    assert_eq!(search(picture).reading, QrReading::Missing, "{name}");
    assert!(
        started.elapsed() < Duration::from_secs(12),
        "{name}: {:?}",
        started.elapsed()
    );
}

#[test]
fn hostile_pictures_end_in_time() {
    let mut random = Random(5);
    let mut grain = move |_: u32, _: u32| Luma([(random.next() >> 56) as u8]);
    let ring = |x: u32, y: u32, size: u32| {
        (x % size)
            .abs_diff(size / 2)
            .max((y % size).abs_diff(size / 2))
    };
    // A finder pattern is dark out to one and a half modules, light to two and a half, dark to three and a half.
    let finders = |pitch: u32, module: u32| {
        move |x: u32, y: u32| {
            let ring = 2 * ring(x, y, pitch) / module;
            Luma([if ring < 3 || (5..7).contains(&ring) {
                20
            } else {
                235
            }])
        }
    };
    for (name, picture) in [
        ("one pixel", GrayImage::from_pixel(1, 1, Luma([0]))),
        ("a hair", GrayImage::from_pixel(3, 7_000, Luma([9]))),
        ("black", GrayImage::from_pixel(2_000, 1_500, Luma([0]))),
        ("white", GrayImage::from_pixel(2_000, 1_500, Luma([255]))),
        ("noise", GrayImage::from_fn(1_600, 1_200, &mut grain)),
        ("large noise", GrayImage::from_fn(5_000, 4_000, &mut grain)),
        (
            "a chessboard",
            GrayImage::from_fn(1_500, 1_500, |x, y| {
                Luma([if (x / 4 + y / 4) % 2 == 0 { 0 } else { 255 }])
            }),
        ),
        (
            "thousands of small squares",
            GrayImage::from_fn(1_600, 1_600, finders(24, 2)),
        ),
        (
            "hundreds of large squares",
            GrayImage::from_fn(1_600, 1_600, finders(80, 8)),
        ),
    ] {
        ends_in_time_without_a_code(name, &picture);
    }
}

#[test]
fn a_wall_of_codes_that_cannot_be_read_ends_in_time() {
    // Three right corners each, and nothing but noise between them: every one is worth a try and none can be read.
    let mut random = Random(9);
    let module = 4;
    let dimension = 41;
    let picture = GrayImage::from_fn(1_600, 1_600, |x, y| {
        let (column, row) = (x / module % (dimension + 6), y / module % (dimension + 6));
        let corner = |left: u32, top: u32| (column.checked_sub(left), row.checked_sub(top));
        for (dx, dy) in [
            corner(0, 0),
            corner(dimension - 7, 0),
            corner(0, dimension - 7),
        ] {
            if let (Some(dx @ 0..=6), Some(dy @ 0..=6)) = (dx, dy) {
                let ring = dx.abs_diff(3).max(dy.abs_diff(3));
                return Luma([if ring == 2 { 230 } else { 25 }]);
            }
        }
        let is_paper = column >= dimension || row >= dimension;
        Luma([if is_paper || random.next().is_multiple_of(2) {
            230
        } else {
            25
        }])
    });
    ends_in_time_without_a_code("a wall of codes", &picture);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_small_picture_ends_without_a_panic(
        (width, height, pixels) in (1_u32..70, 1_u32..70).prop_flat_map(|(width, height)| {
            let count = usize::try_from(width * height).unwrap();
            (Just(width), Just(height), proptest::collection::vec(any::<u8>(), count))
        }),
    ) {
        let picture = GrayImage::from_raw(width, height, pixels).unwrap();
        let read_something = matches!(search(&picture).reading, QrReading::Fiscal { .. });
        prop_assert!(!read_something);
    }
}
