//! Finding the paper, when it lies on something darker.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "pixel work; no value of the result is computed here"
)]

use image::{DynamicImage, GrayImage, Luma};
use imageproc::contrast;
use imageproc::region_labelling::{Connectivity, connected_components};

use super::ratio;
use crate::pixels;

/// Width of the paper's edge that is painted over, in pixels of a picture of 320.
const EDGE_PX: u32 = 2;

/// The paper on something clearly darker.
pub struct Paper {
    /// Left, top, width and height on the page.
    pub bounds: (u32, u32, u32, u32),
    /// First and last pixel of the paper in each row of the small picture; `None` where a row has none.
    rows: Vec<Option<(u32, u32)>>,
    /// The same for its columns.
    columns: Vec<Option<(u32, u32)>>,
    /// Pixels of the page for one of the small picture.
    factor: f32,
}

impl Paper {
    /// Whether a place of the page lies on the paper.
    pub fn covers(&self, x: u32, y: u32) -> bool {
        let row = self
            .rows
            .get((y as f32 / self.factor) as usize)
            .copied()
            .flatten();
        row.is_some_and(|(first, last)| (first..=last).contains(&((x as f32 / self.factor) as u32)))
    }

    /// Paints everything beside the paper white, so that no table grain is read as words.
    pub fn whiten_outside(&self, page: &mut GrayImage) {
        // The outermost pixels are a mixture of paper and table.
        let inner = |extent: Option<&Option<(u32, u32)>>| {
            let (first, last) = extent.copied().flatten()?;
            Some((
                ((first + EDGE_PX) as f32 * self.factor) as u32,
                ((last + 1).saturating_sub(EDGE_PX) as f32 * self.factor) as u32,
            ))
        };
        let columns: Vec<Option<(u32, u32)>> = (0..page.width())
            .map(|x| inner(self.columns.get((x as f32 / self.factor) as usize)))
            .collect();
        let width = page.width() as usize;
        for (y, row) in (0_u32..).zip(page.chunks_exact_mut(width.max(1))) {
            let across = inner(self.rows.get((y as f32 / self.factor) as usize));
            for ((x, value), down) in (0_u32..).zip(row).zip(&columns) {
                let inside = |at: u32, extent: &Option<(u32, u32)>| {
                    extent.is_some_and(|(from, to)| (from..to).contains(&at))
                };
                if !inside(x, &across) || !inside(y, down) {
                    *value = u8::MAX;
                }
            }
        }
    }
}

/// The paper when the photo shows it on something clearly darker.
pub fn paper(page: &GrayImage) -> Option<Paper> {
    let small = DynamicImage::ImageLuma8(pixels::at_most_side(page, 320))
        .blur(2.0)
        .into_luma8();
    let level = contrast::otsu_level(&small);
    let bright = contrast::threshold(&small, level, contrast::ThresholdType::Binary);
    let labels = connected_components(&bright, Connectivity::Four, Luma([0]));
    let mut boxes: Vec<(u32, u32, u32, u32, u32)> = Vec::new(); // count, left, top, right, bottom
    for (x, y, label) in labels.enumerate_pixels() {
        let Some(index) = (label.0[0] as usize).checked_sub(1) else {
            continue;
        };
        if boxes.len() <= index {
            boxes.resize(index + 1, (0, u32::MAX, u32::MAX, 0, 0));
        }
        if let Some(b) = boxes.get_mut(index) {
            *b = (b.0 + 1, b.1.min(x), b.2.min(y), b.3.max(x), b.4.max(y));
        }
    }
    let (largest, (_, left, top, right, bottom)) =
        boxes.into_iter().enumerate().max_by_key(|(_, b)| b.0)?;
    let mut rows = vec![None; small.height() as usize];
    let mut columns = vec![None; small.width() as usize];
    for (x, y, label) in labels.enumerate_pixels() {
        if label.0[0] as usize == largest + 1 {
            widen(&mut rows, y, x);
            widen(&mut columns, x, y);
        }
    }
    let (width, height) = (right - left + 1, bottom - top + 1);
    let all = small.width() * small.height();
    let share = width * height * 100 / all.max(1);
    if !(12..=90).contains(&share) {
        return None;
    }
    let (mut inside, mut outside) = ((0_u64, 0_u64), (0_u64, 0_u64));
    for (x, y, value) in small.enumerate_pixels() {
        let sum = if (left..=right).contains(&x) && (top..=bottom).contains(&y) {
            &mut inside
        } else {
            &mut outside
        };
        *sum = (sum.0 + u64::from(value.0[0]), sum.1 + 1);
    }
    let mean = |sum: (u64, u64)| sum.0 / sum.1.max(1);
    if mean(inside) < mean(outside) + 30 {
        return None;
    }
    let factor = ratio(page.width(), small.width());
    let margin = small.width().max(small.height()) / 80 + 1;
    let x = (left.saturating_sub(margin) as f32 * factor) as u32;
    let y = (top.saturating_sub(margin) as f32 * factor) as u32;
    let far_x = (((right + 1 + margin) as f32 * factor) as u32).min(page.width());
    let far_y = (((bottom + 1 + margin) as f32 * factor) as u32).min(page.height());
    (far_x > x && far_y > y).then(|| Paper {
        bounds: (x, y, far_x - x, far_y - y),
        rows,
        columns,
        factor,
    })
}

fn widen(extents: &mut [Option<(u32, u32)>], index: u32, at: u32) {
    if let Some(extent) = extents.get_mut(index as usize) {
        let (first, last) = extent.unwrap_or((at, at));
        *extent = Some((at.min(first), at.max(last)));
    }
}
