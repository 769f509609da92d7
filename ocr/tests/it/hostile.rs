//! Bytes from strangers: a typed answer for everything, in bounded time, without a panic.

use std::io::Cursor;
use std::time::{Duration, Instant};

use image::{DynamicImage, GrayImage, ImageFormat, Luma, RgbImage};
use kvit_ocr::intake::{self, FILE_BYTES_MAX, IntakeError, PREVIEW_BYTES_MAX};
use kvit_ocr::samples::{Degradation, Layout};
use kvit_ocr::{ReadError, preview};
use proptest::prelude::*;

use super::{photo, try_read};

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn small_jpeg() -> Vec<u8> {
    encoded(
        &DynamicImage::ImageLuma8(GrayImage::from_fn(64, 48, |x, y| {
            Luma([(x * 3 + y * 5).to_le_bytes()[0]])
        })),
        ImageFormat::Jpeg,
    )
}

#[test]
fn jpeg_png_and_webp_are_accepted_by_their_bytes() {
    let picture =
        DynamicImage::ImageRgb8(RgbImage::from_pixel(20, 30, image::Rgb([250, 250, 250])));
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let header = intake::inspect(&encoded(&picture, format)).unwrap();
        assert_eq!(
            (header.width, header.height, header.short_edge_px()),
            (20, 30, 20),
            "{format:?}"
        );
        assert!(header.deserves_retake_hint());
        let read = try_read(&encoded(&picture, format)).unwrap();
        assert_eq!(
            (read.short_edge_px, read.confidence.thousandths()),
            (20, 0),
            "{format:?}"
        );
    }
}

#[test]
fn other_kinds_are_refused_by_name() {
    let cases: [(&[u8], &str); 6] = [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "AVIF"),
        (b"%PDF-1.7\n", "PDF"),
        (b"GIF89a\x01\0\x01\0", "GIF"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"PK\x03\x04", "ZIP"),
    ];
    for (bytes, found) in cases {
        let error = intake::inspect(bytes).unwrap_err();
        assert_eq!(error, IntakeError::UnsupportedType { found });
        assert!(error.to_string().contains("JPEG, PNG, WebP"), "{error}");
        assert!(matches!(try_read(bytes), Err(ReadError::Intake(_))));
    }
    for bytes in [&b""[..], b"hello", b"<svg/>", &[0; 64]] {
        assert_eq!(intake::inspect(bytes).unwrap_err().code(), "not_an_image");
    }
}

#[test]
fn the_size_limit_is_exact() {
    let mut bytes = small_jpeg();
    bytes.resize(FILE_BYTES_MAX, 0);
    assert!(intake::inspect(&bytes).is_ok());
    bytes.push(0);
    assert_eq!(
        intake::inspect(&bytes),
        Err(IntakeError::TooLarge {
            bytes: FILE_BYTES_MAX + 1
        })
    );
}

#[test]
fn a_picture_that_claims_to_be_huge_costs_nothing() {
    // The header of a PNG of 60 000 x 60 000 pixels, with a right checksum and no pixels.
    let mut png = encoded(
        &DynamicImage::ImageLuma8(GrayImage::new(1, 1)),
        ImageFormat::Png,
    );
    let side = 60_000_u32.to_be_bytes();
    png[16..20].copy_from_slice(&side);
    png[20..24].copy_from_slice(&side);
    let checksum = crc32(&png[12..29]).to_be_bytes();
    png[29..33].copy_from_slice(&checksum);
    let started = Instant::now();
    assert_eq!(
        intake::decode(&png).unwrap_err(),
        IntakeError::TooManyPixels
    );
    assert!(started.elapsed() < Duration::from_millis(500));
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            }
        })
    })
}

#[test]
fn a_cut_off_photo_is_named_so() {
    let sample = photo(Layout::SoftwareRegister, 11, Degradation::Clean);
    let half = &sample.jpeg[..sample.jpeg.len() / 2];
    assert_eq!(intake::inspect(half), Err(IntakeError::Truncated));
    let picture = image::load_from_memory(&small_jpeg()).unwrap();
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let bytes = encoded(&picture, format);
        assert_eq!(
            intake::decode(&bytes[..bytes.len() * 2 / 3]).unwrap_err(),
            IntakeError::Truncated,
            "{format:?}"
        );
    }
}

#[test]
fn previews_are_small_and_upright() {
    let noisy = RgbImage::from_fn(3_000, 2_000, |x, y| {
        let value = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 7;
        let [red, green, blue, _] = value.to_le_bytes();
        image::Rgb([red, green, blue])
    });
    let made = preview(&encoded(&DynamicImage::ImageRgb8(noisy), ImageFormat::Jpeg)).unwrap();
    assert!(made.len() <= PREVIEW_BYTES_MAX, "{}", made.len());
    // Orientation 6: the camera was held upright, the sensor lies on its side.
    let turned = preview(&with_orientation(&small_jpeg(), 6)).unwrap();
    let turned = image::load_from_memory(&turned).unwrap();
    assert_eq!((turned.width(), turned.height()), (48, 64));
}

/// Puts an EXIF segment with an orientation behind the start of a JPEG.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0]);
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    let mut out = jpeg[..2].to_vec();
    out.extend_from_slice(&[0xFF, 0xE1]);
    out.extend_from_slice(&length);
    out.extend_from_slice(&exif);
    out.extend_from_slice(&jpeg[2..]);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_bytes_end_in_an_answer(head in 0_usize..6, tail in proptest::collection::vec(any::<u8>(), 0..600)) {
        let heads: [&[u8]; 6] = [b"", &[0xFF, 0xD8, 0xFF, 0xE0], b"\x89PNG\r\n\x1a\n", b"RIFF\x10\0\0\0WEBPVP8 ", b"GIF89a", b"RIFF\x10\0\0\0WEBPVP8L"];
        let bytes = [heads[head], &tail].concat();
        let _ = intake::decode(&bytes);
        let _ = preview(&bytes);
    }

    #[test]
    fn a_damaged_photo_ends_in_an_answer(cut in 0_usize..1_000, at in 0_usize..1_000, value in any::<u8>()) {
        let mut bytes = small_jpeg();
        let place = bytes.len() * at / 1_000;
        if let Some(byte) = bytes.get_mut(place) {
            *byte = value;
        }
        let _ = intake::decode(&bytes);
        bytes.truncate(bytes.len() * cut / 1_000);
        let _ = intake::decode(&bytes);
        let _ = preview(&bytes);
    }
}

#[test]
fn damaged_photos_go_the_whole_way_without_a_panic() {
    let whole = small_jpeg();
    for at in (20..whole.len()).step_by(whole.len() / 6) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        let _ = try_read(&bytes);
    }
}
