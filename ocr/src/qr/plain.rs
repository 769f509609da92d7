//! The plain decoders, and the versions of the photo that they are shown.

use std::panic::{AssertUnwindSafe, catch_unwind};

use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, Luma};

use crate::pixels;

/// Most pixels that a rung shows to the decoder.
const RUNG_PIXELS_MAX: u64 = 12_000_000;
/// Most pixels for the second decoder, whose search is slow on large textures.
const RQRR_PIXELS_MAX: u64 = 1_500_000;

/// One version of the photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    Grey,
    Sharpened2,
    Stretched,
    Full,
    Rqrr,
    Rotated(i32),
}

impl Rung {
    /// Pixels that the decoder has to look at, for a photo and its reduced form: what a rung costs grows with them.
    pub fn pixels(self, photo: &GrayImage, first_look: &GrayImage) -> u64 {
        let size = |picture: &GrayImage| u64::from(picture.width()) * u64::from(picture.height());
        match self {
            Self::Grey | Self::Stretched => size(first_look),
            Self::Sharpened2 => size(first_look) * 6,
            Self::Full => size(photo),
            Self::Rotated(_) => size(first_look) * 2,
            // Its search is slower than the other decoder's.
            Self::Rqrr => size(first_look).min(RQRR_PIXELS_MAX) * 2,
        }
    }
}

/// The version of the photo for a rung; `None` when it would be too large or no different from an earlier one.
pub fn show(rung: Rung, photo: &GrayImage, first_look: &GrayImage) -> Option<GrayImage> {
    match rung {
        Rung::Grey => Some(first_look.clone()),
        Rung::Sharpened2 => {
            let fits = rung.pixels(photo, first_look) <= RUNG_PIXELS_MAX;
            fits.then(|| {
                let (width, height) = (first_look.width() * 2, first_look.height() * 2);
                let larger = pixels::resized(first_look, width, height, FilterType::CatmullRom);
                DynamicImage::ImageLuma8(larger)
                    .unsharpen(2.0, 1)
                    .into_luma8()
            })
        }
        Rung::Full => {
            let larger = photo.dimensions() != first_look.dimensions();
            let fits = rung.pixels(photo, first_look) <= RUNG_PIXELS_MAX * 2;
            (larger && fits).then(|| photo.clone())
        }
        Rung::Stretched => Some(pixels::stretched(first_look)),
        Rung::Rotated(degrees) => Some(pixels::rotated(first_look, degrees)),
        Rung::Rqrr => Some(pixels::at_most_pixels(first_look, RQRR_PIXELS_MAX)),
    }
}

/// A code that a plain decoder read.
pub struct Decoded {
    pub content: String,
    /// Places of the code on the shown picture.
    pub corners: Vec<(i64, i64)>,
    pub quarter_turns: Option<u8>,
}

/// Both decoders are guarded: a panic on a strange pattern is "no code here", not the end of the worker.
pub fn decode_rxing(shown: &GrayImage) -> Option<Decoded> {
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

pub fn decode_rqrr(shown: &GrayImage) -> Option<Decoded> {
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
pub fn turns_to_upright(dx: i64, dy: i64) -> u8 {
    if dx.abs() >= dy.abs() {
        if dx >= 0 { 0 } else { 2 }
    } else if dy >= 0 {
        3 // the edge runs down: the photo was turned clockwise once
    } else {
        1
    }
}

/// Whites out the code with a margin, so that the next look finds another one.
pub fn paint_over(shown: &mut GrayImage, corners: &[(i64, i64)]) {
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
pub fn whole(place: f32) -> i64 {
    place as i64
}
