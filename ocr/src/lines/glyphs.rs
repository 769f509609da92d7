//! Connected ink that may be a sign of text, and how high the text is.

use image::{GrayImage, Luma};
use imageproc::contrast;
use imageproc::region_labelling::{Connectivity, connected_components};

/// Sizes of connected ink that may be a sign, in pixels of the picture under study.
const HEIGHT: std::ops::RangeInclusive<f32> = 1.0..=90.0;
/// Lowest ink that may be a letter; lower ink may be a dash.
const LETTER_FROM: f32 = 5.0;
/// Radius of the neighbourhood that ink is compared with, and by how much it has to be darker.
const RADIUS: u32 = 14;
const DARKER: i32 = 16;
/// Most signs looked at; a receipt has some hundred, a texture tens of thousands.
const GLYPHS_MAX: usize = 9_000;

/// The bounds of a piece of connected ink.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Glyph {
    pub left: f32,
    pub top: f32,
    pub right: f32,
    pub bottom: f32,
}

impl Glyph {
    pub fn height(&self) -> f32 {
        self.bottom - self.top
    }

    pub fn width(&self) -> f32 {
        self.right - self.left
    }

    pub fn middle(&self) -> (f32, f32) {
        (
            (self.left + self.right) / 2.0,
            (self.top + self.bottom) / 2.0,
        )
    }
}

/// All pieces of ink of a plausible size, from left to right.
pub fn glyphs(picture: &GrayImage) -> Vec<Glyph> {
    let ink = contrast::adaptive_threshold(picture, RADIUS, DARKER);
    let labels = connected_components(&ink, Connectivity::Eight, Luma([u8::MAX]));
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
    let mut glyphs: Vec<Glyph> = boxes
        .into_iter()
        .filter(|b| b.2 >= b.0)
        .map(|(left, top, right, bottom)| Glyph {
            left: left as f32,
            top: top as f32,
            right: right as f32 + 1.0,
            bottom: bottom as f32 + 1.0,
        })
        .filter(|g| {
            HEIGHT.contains(&g.height())
                && g.width() >= 2.0
                && g.width() < g.height().max(LETTER_FROM) * 10.0
        })
        .collect();
    glyphs.sort_by(|a, b| a.left.total_cmp(&b.left));
    glyphs.truncate(GLYPHS_MAX);
    glyphs
}

/// What neighbouring signs of about one height agree on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Height of capitals and digits.
    pub height: f32,
    /// The direction of the text lines, as a slope.
    pub slope: f32,
}

/// Pairs needed before anything is said.
const PAIRS_MIN: usize = 25;
/// Steepest direction considered, as a slope (about 27°).
const STEEPEST: f32 = 0.5;
/// Width of a bin of slopes, about 0.6°.
const BIN: f32 = 0.01;

/// Lets every sign and its next neighbour to the right vote for height and direction. Texture votes for all directions,
/// text for one.
pub fn agreement(glyphs: &[Glyph]) -> Option<Agreement> {
    let mut pairs: Vec<(f32, f32)> = Vec::new(); // height, slope
    for (index, a) in glyphs.iter().enumerate() {
        if a.height() < LETTER_FROM {
            continue;
        }
        let (ax, ay) = a.middle();
        let height = a.height();
        let mut nearest: Option<(f32, f32, f32)> = None; // distance, height, slope
        for b in glyphs.iter().skip(index + 1) {
            if b.left > a.right + 1.6 * height {
                break;
            }
            let (bx, by) = b.middle();
            let (dx, dy) = (bx - ax, by - ay);
            let alike = (0.7..1.43).contains(&(b.height() / height));
            if !alike || dx < 0.4 * height || b.left < a.right - 0.3 * height {
                continue;
            }
            // The bottoms tell the direction better than the middles: capitals and small letters share them.
            let slope = (b.bottom - a.bottom) / dx;
            if slope.abs() > STEEPEST || dy.abs() > STEEPEST * dx + 0.3 * height {
                continue;
            }
            let distance = dx + 2.0 * dy.abs();
            if nearest.is_none_or(|(least, _, _)| distance < least) {
                nearest = Some((distance, height.max(b.height()), slope));
            }
        }
        if let Some((_, height, slope)) = nearest {
            pairs.push((height, slope));
        }
    }
    if pairs.len() < PAIRS_MIN {
        return None;
    }
    let bins = (2.0 * STEEPEST / BIN) as usize + 1;
    let mut votes = vec![0.0_f32; bins];
    for (_, slope) in &pairs {
        let at = (slope + STEEPEST) / BIN;
        for (bin, vote) in votes.iter_mut().enumerate() {
            let off = (bin as f32 - at) / 2.5;
            if off.abs() < 3.0 {
                *vote += (-off * off / 2.0).exp();
            }
        }
    }
    let (best, _) = votes.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    let slope = best as f32 * BIN - STEEPEST;
    let mut heights: Vec<f32> = pairs
        .iter()
        .filter(|(_, s)| (s - slope).abs() < 0.12)
        .map(|(height, _)| *height)
        .collect();
    if heights.len() < PAIRS_MIN {
        return None;
    }
    heights.sort_by(f32::total_cmp);
    let height = *heights.get(heights.len() * 6 / 10)?;
    Some(Agreement { height, slope })
}
