//! The search for a QR code: a ladder of attempts, cheap ones first, within a time budget.
//!
//! A fiscal code decides identity, date and total with certainty, so it is worth several looks at the photo. Each rung
//! shows the decoder another version of it; the first rung that decodes ends the search and its name is recorded, so
//! that the order can be judged by counts from production. A code of another kind (Wi-Fi on the wall behind) is
//! painted over and the same rung looks again, since it may stand beside the fiscal one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, Luma};
use imageproc::contrast;
use kvit_domain::recognition::QrReading;

use crate::fiscal_qr::{self, QrContent};
use crate::pixels;

/// Photos larger than this are reduced for the first look, in pixels of the long side.
const FIRST_LOOK_SIDE: u32 = 1_600;
/// Most pixels that a rung shows to the decoder.
const RUNG_PIXELS_MAX: u64 = 9_000_000;
/// Most pixels for the second decoder, whose search is slow on large textures.
const RQRR_PIXELS_MAX: u64 = 1_500_000;
/// Codes painted over at one rung before giving up on it.
const FOREIGN_CODES_MAX: usize = 3;

/// One version of the photo.
#[derive(Debug, Clone, Copy)]
enum Rung {
    Grey,
    Sharpened2,
    Scaled(u32),
    Stretched,
    Otsu,
    Adaptive,
    Rotated(i32),
    Full,
    Rqrr,
}

/// The order is by yield for the price, as measured on photographed receipts.
const LADDER: [(Rung, &str); 12] = [
    (Rung::Grey, "grey"),
    (Rung::Sharpened2, "sharpened_x2"),
    (Rung::Scaled(150), "x1.5"),
    (Rung::Scaled(200), "x2"),
    (Rung::Full, "full_size"),
    (Rung::Stretched, "stretched"),
    (Rung::Scaled(300), "x3"),
    (Rung::Otsu, "otsu"),
    (Rung::Adaptive, "adaptive"),
    (Rung::Rqrr, "rqrr"),
    (Rung::Rotated(20), "rotated_20"),
    (Rung::Rotated(45), "rotated_45"),
];

/// What the search found, with the direction of the photo as the code shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QrSearch {
    /// The reading that goes into the result.
    pub reading: QrReading,
    /// Quarter turns clockwise that bring the photo upright, when a decoded code told.
    pub quarter_turns: Option<u8>,
}

/// Searches until the deadline. A rung that has begun is finished, so the deadline may be overrun by one rung.
#[must_use]
pub fn search(photo: &GrayImage, deadline: Instant) -> QrSearch {
    let first_look = pixels::at_most_side(photo, FIRST_LOOK_SIDE);
    let mut second_best = QrSearch {
        reading: QrReading::Missing,
        quarter_turns: None,
    };
    for (rung, name) in LADDER {
        if Instant::now() >= deadline {
            break;
        }
        let Some(mut shown) = show(rung, photo, &first_look) else {
            continue;
        };
        for _ in 0..FOREIGN_CODES_MAX {
            let Some(found) = (if matches!(rung, Rung::Rqrr) {
                decode_rqrr(&shown)
            } else {
                decode_rxing(&shown)
            }) else {
                break;
            };
            let quarter_turns = found.quarter_turns;
            match fiscal_qr::parse(&found.content) {
                QrContent::Fiscal(fiscal) => {
                    return QrSearch {
                        reading: QrReading::Fiscal {
                            fiscal,
                            step: name.into(),
                        },
                        quarter_turns,
                    };
                }
                QrContent::Incomplete { missing } => {
                    return QrSearch {
                        reading: QrReading::Incomplete {
                            missing,
                            step: name.into(),
                        },
                        quarter_turns,
                    };
                }
                QrContent::NotAReceipt => {
                    second_best = QrSearch {
                        reading: QrReading::NotAReceipt { step: name.into() },
                        quarter_turns,
                    };
                    paint_over(&mut shown, &found.corners);
                }
            }
        }
        if matches!(second_best.reading, QrReading::NotAReceipt { .. }) {
            break; // the photo is sharp enough for this rung: a fiscal code beside it would have been seen
        }
    }
    second_best
}

/// The version of the photo for a rung; `None` when it would be too large or no different from an earlier one.
fn show(rung: Rung, photo: &GrayImage, first_look: &GrayImage) -> Option<GrayImage> {
    let scaled = |percent: u32| {
        let (width, height) = (
            first_look.width() * percent / 100,
            first_look.height() * percent / 100,
        );
        let fits = u64::from(width) * u64::from(height) <= RUNG_PIXELS_MAX;
        fits.then(|| {
            pixels::resized(
                first_look,
                width.max(1),
                height.max(1),
                FilterType::CatmullRom,
            )
        })
    };
    match rung {
        Rung::Grey => Some(first_look.clone()),
        Rung::Sharpened2 => scaled(200).map(|larger| {
            DynamicImage::ImageLuma8(larger)
                .unsharpen(2.0, 1)
                .into_luma8()
        }),
        Rung::Scaled(percent) => scaled(percent),
        Rung::Full => {
            let larger = photo.width().max(photo.height()) > FIRST_LOOK_SIDE;
            let fits = u64::from(photo.width()) * u64::from(photo.height()) <= RUNG_PIXELS_MAX * 2;
            (larger && fits).then(|| photo.clone())
        }
        Rung::Stretched => Some(pixels::stretched(first_look)),
        Rung::Otsu => {
            let level = contrast::otsu_level(first_look);
            Some(contrast::threshold(
                first_look,
                level,
                contrast::ThresholdType::Binary,
            ))
        }
        Rung::Adaptive => Some(contrast::adaptive_threshold(first_look, 25, 8)),
        Rung::Rotated(degrees) => Some(pixels::rotated(first_look, degrees)),
        Rung::Rqrr => Some(pixels::at_most_pixels(first_look, RQRR_PIXELS_MAX)),
    }
}

struct Decoded {
    content: String,
    /// Places of the code on the shown picture.
    corners: Vec<(i64, i64)>,
    quarter_turns: Option<u8>,
}

/// Both decoders are guarded: a panic on a strange pattern is "no code here", not the end of the worker.
fn decode_rxing(shown: &GrayImage) -> Option<Decoded> {
    let (width, height) = shown.dimensions();
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        rxing::helpers::detect_in_luma_slice(
            shown.as_raw(),
            width,
            height,
            Some(rxing::BarcodeFormat::QR_CODE),
        )
    }));
    let result = decoded.ok()?.ok()?;
    let corners: Vec<(i64, i64)> = result
        .getPoints()
        .iter()
        .map(|p| (whole(p.x), whole(p.y)))
        .collect();
    // Four corners come as top left, top right, ...; three finder patterns as bottom left, top left, top right.
    let upper_edge = match corners.as_slice() {
        [top_left, top_right, _, _] | [_, top_left, top_right] => Some((top_left, top_right)),
        _ => None,
    };
    let quarter_turns =
        upper_edge.map(|(left, right)| turns_to_upright(right.0 - left.0, right.1 - left.1));
    Some(Decoded {
        content: result.getText().to_owned(),
        corners,
        quarter_turns,
    })
}

fn decode_rqrr(shown: &GrayImage) -> Option<Decoded> {
    let (width, height) = (
        usize::try_from(shown.width()).ok()?,
        usize::try_from(shown.height()).ok()?,
    );
    let raw = shown.as_raw();
    catch_unwind(AssertUnwindSafe(|| {
        let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
            raw.get(y * width + x).copied().unwrap_or(u8::MAX)
        });
        prepared.detect_grids().iter().find_map(|grid| {
            let (_, content) = grid.decode().ok()?;
            let corners: Vec<(i64, i64)> = grid
                .bounds
                .iter()
                .map(|p| (i64::from(p.x), i64::from(p.y)))
                .collect();
            let quarter_turns = match corners.as_slice() {
                [top_left, top_right, ..] => Some(turns_to_upright(
                    top_right.0 - top_left.0,
                    top_right.1 - top_left.1,
                )),
                _ => None,
            };
            Some(Decoded {
                content,
                corners,
                quarter_turns,
            })
        })
    }))
    .ok()?
}

/// Quarter turns clockwise that make the code's upper edge, seen along `(dx, dy)`, run to the right.
fn turns_to_upright(dx: i64, dy: i64) -> u8 {
    if dx.abs() >= dy.abs() {
        if dx >= 0 { 0 } else { 2 }
    } else if dy >= 0 {
        3 // the edge runs down: the photo was turned clockwise once
    } else {
        1
    }
}

/// Whites out the code with a margin, so that the next look finds another one.
fn paint_over(shown: &mut GrayImage, corners: &[(i64, i64)]) {
    let (Some(left), Some(right)) = (
        corners.iter().map(|c| c.0).min(),
        corners.iter().map(|c| c.0).max(),
    ) else {
        return;
    };
    let (Some(top), Some(bottom)) = (
        corners.iter().map(|c| c.1).min(),
        corners.iter().map(|c| c.1).max(),
    ) else {
        return;
    };
    let margin = (right - left).max(bottom - top) / 4 + 8;
    let (width, height) = (i64::from(shown.width()), i64::from(shown.height()));
    for y in (top - margin).max(0)..(bottom + margin).min(height) {
        for x in (left - margin).max(0)..(right + margin).min(width) {
            if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) {
                shown.put_pixel(x, y, Luma([u8::MAX]));
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a place on a picture; a float cast saturates"
)]
fn whole(place: f32) -> i64 {
    place as i64
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests"
    )]
    use std::time::Duration;

    use super::*;
    use crate::samples;

    fn photo() -> GrayImage {
        let now = chrono::NaiveDate::from_ymd_opt(2026, 3, 14)
            .unwrap()
            .and_hms_opt(15, 0, 0)
            .unwrap();
        let set = samples::demo_set(now, 1).unwrap();
        let first = set.first().unwrap();
        image::load_from_memory(&first.sample.jpeg)
            .unwrap()
            .into_luma8()
    }

    #[test]
    fn a_code_tells_which_side_is_up() {
        let upright = photo();
        for turned in 0..4_u8 {
            let search = search(
                &pixels::quarter_turned(upright.clone(), turned),
                Instant::now() + Duration::from_secs(20),
            );
            assert!(
                matches!(search.reading, QrReading::Fiscal { .. }),
                "{:?}",
                search.reading
            );
            assert_eq!(
                search.quarter_turns,
                Some((4 - turned) % 4),
                "turned {turned}"
            );
        }
    }

    #[test]
    fn a_spent_budget_ends_the_search_before_it_begins() {
        assert_eq!(search(&photo(), Instant::now()).reading, QrReading::Missing);
    }

    #[test]
    fn pictures_without_a_code_and_tiny_ones_end_quietly() {
        for (width, height) in [(1, 1), (3, 700), (40, 40), (300, 300)] {
            let noise = GrayImage::from_fn(width, height, |x, y| {
                Luma([u8::try_from((x * 7 + y * 13 + x * y) % 256).unwrap()])
            });
            let found = search(&noise, Instant::now() + Duration::from_secs(20));
            assert_eq!(found.reading, QrReading::Missing, "{width}x{height}");
        }
    }
}
