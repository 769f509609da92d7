//! What the dark points of a page tell: slant, direction and height of the text.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "pixel work; no value of the result is computed here"
)]

use image::{GrayImage, Luma};
use imageproc::contrast;
use imageproc::region_labelling::{Connectivity, connected_components};

use super::ratio;
use crate::pixels;

/// Steepest slant that is straightened, in degrees.
const SLANT_MAX: f32 = 20.0;
/// Fewer dark points are no text; more than the other are sampled.
const INK_POINTS_MIN: usize = 300;
const INK_POINTS_MAX: usize = 15_000;

/// The slant of the text lines: the angle at which the rows' ink is most unequal.
pub fn slant_degrees(page: &GrayImage) -> f32 {
    let Some(ink) = InkPoints::of(page) else {
        return 0.0;
    };
    let sharpness = |degrees: f32| ink.sharpness(degrees);
    let mut best = best_angle(&sharpness, 0.0, SLANT_MAX, 1.0);
    best = best_angle(&sharpness, best, 1.0, 0.25);
    best_angle(&sharpness, best, 0.25, 0.05)
}

/// Whether the text lines of a photo run downwards instead of across, so that it wants a quarter turn.
#[must_use]
pub fn runs_down(photo: &GrayImage) -> bool {
    let small = pixels::at_most_side(photo, 900);
    let best = |picture: &GrayImage| {
        InkPoints::of(picture).map_or(0, |ink| {
            (-10..=10)
                .map(|degrees| ink.sharpness(degrees as f32 * 1.5))
                .max()
                .unwrap_or(0)
        })
    };
    best(&pixels::quarter_turned(small.clone(), 1)) > best(&small) * 5 / 4
}

/// A sample of the dark points of a page.
struct InkPoints {
    points: Vec<(f32, f32)>,
    width: f32,
    height: f32,
}

impl InkPoints {
    /// `None` when there is too little ink for text.
    fn of(page: &GrayImage) -> Option<Self> {
        let small = pixels::at_most_side(page, 900);
        let ink = ink(&small);
        let (width, height) = small.dimensions();
        let (edge_x, edge_y) = (width / 50, height / 50);
        let mut points: Vec<(f32, f32)> = Vec::new();
        for (x, y, value) in ink.enumerate_pixels() {
            let inside =
                (edge_x..width - edge_x).contains(&x) && (edge_y..height - edge_y).contains(&y);
            if value.0[0] == 0 && inside {
                points.push((x as f32, y as f32));
            }
        }
        if points.len() < INK_POINTS_MIN {
            return None;
        }
        let stride = points.len().div_ceil(INK_POINTS_MAX);
        let points = points.into_iter().step_by(stride).collect();
        Some(Self {
            points,
            width: width as f32,
            height: height as f32,
        })
    }

    /// How unequal the rows are when the page is looked at under an angle. Differences between neighbours count, so
    /// that one broad dark area (a QR code, a border) does not decide.
    fn sharpness(&self, degrees: f32) -> u64 {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let offset = self.width * sin.abs();
        let mut rows = vec![0_u32; (self.height * cos + 2.0 * offset) as usize + 2];
        for (x, y) in &self.points {
            let row = (y * cos - x * sin + offset) as usize;
            if let Some(count) = rows.get_mut(row) {
                *count += 1;
            }
        }
        rows.windows(2)
            .map(|w| u64::from(w[0].abs_diff(w[1])).pow(2))
            .sum()
    }
}

fn best_angle(sharpness: &impl Fn(f32) -> u64, around: f32, reach: f32, step: f32) -> f32 {
    let count = (reach / step).round() as i32;
    let angles = (-count..=count).map(|i| around + i as f32 * step);
    angles
        .map(|angle| (sharpness(angle), angle))
        .max_by_key(|(score, _)| *score)
        .map_or(around, |(_, angle)| angle)
}

/// Ink as black on white, by comparison with the neighbourhood.
fn ink(page: &GrayImage) -> GrayImage {
    contrast::adaptive_threshold(page, 12, 12)
}

/// Height of capitals in pixels, from the sizes of connected ink; `None` when there is too little text.
pub fn capital_height(page: &GrayImage) -> Option<f32> {
    let small = pixels::at_most_side(page, 1_400);
    let labels = connected_components(&ink(&small), Connectivity::Eight, Luma([u8::MAX]));
    let mut boxes: Vec<(u32, u32, u32, u32)> = Vec::new(); // left, top, right, bottom
    for (x, y, label) in labels.enumerate_pixels() {
        let Some(index) = (label.0[0] as usize).checked_sub(1) else {
            continue;
        };
        if boxes.len() <= index {
            boxes.resize(index + 1, (u32::MAX, u32::MAX, 0, 0));
        }
        if let Some(b) = boxes.get_mut(index) {
            *b = (b.0.min(x), b.1.min(y), b.2.max(x), b.3.max(y));
        }
    }
    let mut heights: Vec<u32> = boxes
        .into_iter()
        .filter(|b| b.2 >= b.0)
        .map(|b| (b.2 - b.0 + 1, b.3 - b.1 + 1))
        .filter(|(width, height)| {
            (6..=90).contains(height) && (3..=90).contains(width) && width < &(height * 3)
        })
        .map(|(_, height)| height)
        .collect();
    if heights.len() < 25 {
        return None;
    }
    heights.sort_unstable();
    // Digits and capitals are the upper part of the sizes; a large headline is above this quantile.
    let capital = *heights.get(heights.len() * 7 / 10)?;
    Some(capital as f32 * ratio(page.width(), small.width()))
}
