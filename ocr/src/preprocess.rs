//! From a photo to a page that the OCR engine reads well.
//!
//! Steps, each only when a measure of the picture asks for it: turn upright, crop to the paper, even out the light,
//! straighten, bring the text to one height. Binarisation is left to the engine, whose own is better on grey pages.
//! The way back from the page to the photo is kept, so that fields can be shown to a reviewer in place.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "pixel work; no value of the result is computed here"
)]

use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, Luma};
use imageproc::contrast;
use imageproc::region_labelling::{Connectivity, connected_components};
use kvit_domain::recognition::Region;

use crate::pixels;

/// Long side of the picture that the steps work on.
const WORKING_SIDE: u32 = 2_600;
/// Most pixels of the finished page; time and memory of the engine follow them.
const PAGE_PIXELS_MAX: f32 = 8_000_000.0;
/// Height of capitals that the engine reads best, in pixels.
const CAPITAL_PX: f32 = 28.0;
/// The light is uneven when the background's dark parts are so much below its bright ones, in parts of 255.
const UNEVEN_FROM: u8 = 10;
/// Tiles across the long side when the background is measured.
const TILES: u32 = 24;
/// Steepest slant that is straightened, and the one that is left alone, in degrees.
const SLANT_MAX: f32 = 20.0;
const SLANT_MIN: f32 = 0.1;
/// Grain from which a picture is smoothed, as [`grain`] measures it, and by how much.
const GRAIN_FROM: u32 = 11;
const SMOOTHING: f32 = 1.2;
/// Width of the paper's edge that is painted over, in pixels of a picture of 320.
const EDGE_PX: u32 = 2;
/// Fewer dark points are no text; more than the other are sampled.
const INK_POINTS_MIN: usize = 300;
const INK_POINTS_MAX: usize = 15_000;
/// Difference between the second darkest and brightest percentiles below which there is nothing to read.
const CONTRAST_MIN: u8 = 12;

/// A page with the way back to the photo.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The page for the engine.
    pub page: GrayImage,
    /// What was done, for the record and for tests.
    pub steps: Steps,
    to_photo: Affine,
    photo_size: (u32, u32),
}

/// What was done to a photo.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Steps {
    /// Whether the picture was cropped to the paper.
    pub cropped: bool,
    /// How grainy the photo was, in quarters of a brightness step.
    pub grain: u32,
    /// Whether grain was smoothed away.
    pub smoothed: bool,
    /// Whether the light was evened out.
    pub flattened: bool,
    /// Degrees by which the text was slanted.
    pub slant_degrees: f32,
    /// Factor by which the working picture was scaled.
    pub scale: f32,
}

impl Prepared {
    /// Where a region of the page lies on the upright photo.
    #[must_use]
    pub fn on_photo(&self, region: Region) -> Region {
        let (left, top) = (region.x as f32, region.y as f32);
        let (right, bottom) = (left + region.width as f32, top + region.height as f32);
        let corners = [(left, top), (right, top), (left, bottom), (right, bottom)].map(|(x, y)| self.to_photo.apply(x, y));
        let bound = |value: f32, limit: u32| (value.max(0.0) as u32).min(limit);
        let x = bound(corners.iter().map(|c| c.0).fold(f32::MAX, f32::min), self.photo_size.0);
        let y = bound(corners.iter().map(|c| c.1).fold(f32::MAX, f32::min), self.photo_size.1);
        let far_x = bound(corners.iter().map(|c| c.0).fold(0.0, f32::max).ceil(), self.photo_size.0);
        let far_y = bound(corners.iter().map(|c| c.1).fold(0.0, f32::max).ceil(), self.photo_size.1);
        Region { x, y, width: far_x.saturating_sub(x), height: far_y.saturating_sub(y) }
    }
}

/// Prepares a photo. `quarter_turns` clockwise bring it upright, as the QR code or an earlier try told.
/// `None` when the photo is blank.
#[must_use]
pub fn prepare(photo: &GrayImage, quarter_turns: u8) -> Option<Prepared> {
    let photo_size = photo.dimensions();
    if pixels::percentile(photo, 98).saturating_sub(pixels::percentile(photo, 2)) < CONTRAST_MIN {
        return None;
    }
    let mut steps = Steps { scale: 1.0, ..Steps::default() };
    let mut to_photo = Affine::quarter_turns(quarter_turns, photo_size);
    let turned = pixels::quarter_turned(photo.clone(), quarter_turns);

    let mut page = pixels::at_most_side(&turned, WORKING_SIDE);
    to_photo = to_photo.after(Affine::scaling(ratio(turned.width(), page.width()), ratio(turned.height(), page.height())));

    steps.grain = grain(&page);
    if steps.grain >= GRAIN_FROM {
        page = DynamicImage::ImageLuma8(page).blur(SMOOTHING).into_luma8();
        steps.smoothed = true;
    }
    // The paper is looked for under even light, since paper in shade is as dark as a bright table; but only uneven
    // light on the paper itself is worth evening out.
    let background = Background::of(&page);
    let even = background.is_uneven(None).then(|| background.flatten(&page));
    let paper = paper(even.as_ref().unwrap_or(&page));
    if let Some(even) = even.filter(|_| background.is_uneven(paper.as_ref())) {
        page = even;
        steps.flattened = true;
    }
    if let Some(paper) = paper {
        paper.whiten_outside(&mut page);
        let (x, y, width, height) = paper.bounds;
        page = DynamicImage::ImageLuma8(page).crop_imm(x, y, width, height).into_luma8();
        to_photo = to_photo.after(Affine::shift(x as f32, y as f32));
        steps.cropped = true;
    }
    let slant = slant_degrees(&page);
    if slant.abs() >= SLANT_MIN {
        let size = page.dimensions();
        let radians = -slant.to_radians();
        page = pixels::rotated_by(&page, radians);
        to_photo = to_photo.after(Affine::turned_back(radians, size, page.dimensions()));
        steps.slant_degrees = slant;
    }
    if let Some(capital) = capital_height(&page) {
        let most = (PAGE_PIXELS_MAX / (page.width() as f32 * page.height() as f32)).sqrt();
        let scale = (CAPITAL_PX / capital).clamp(0.4, 3.0).min(most.max(1.0));
        if !(0.9..=1.15).contains(&scale) {
            let (width, height) = page.dimensions();
            let (new_width, new_height) = ((width as f32 * scale) as u32, (height as f32 * scale) as u32);
            page = pixels::resized(&page, new_width.max(1), new_height.max(1), FilterType::CatmullRom);
            to_photo = to_photo.after(Affine::scaling(ratio(width, page.width()), ratio(height, page.height())));
            steps.scale = scale;
        }
    }
    Some(Prepared { page, steps, to_photo, photo_size })
}

/// How grainy a picture is: the middle difference between a pixel and the mean of its neighbours, in quarters of a
/// brightness step. Most of a receipt is bare paper, so print does not count.
fn grain(page: &GrayImage) -> u32 {
    let width = page.width() as usize;
    let mut counts = [0_u32; 1_024];
    let mut total = 0;
    for row in page.chunks_exact(width.max(1)).step_by(3) {
        for triple in row.windows(3).step_by(5) {
            let difference = (i32::from(triple[0]) + i32::from(triple[2]) - 2 * i32::from(triple[1])).unsigned_abs();
            counts[(difference as usize * 2).min(1_023)] += 1;
            total += 1;
        }
    }
    let mut seen = 0;
    for (value, count) in (0_u32..).zip(counts) {
        seen += count;
        if seen * 2 > total {
            return value;
        }
    }
    0
}

fn ratio(from: u32, to: u32) -> f32 {
    from as f32 / to.max(1) as f32
}

/// The paper on something clearly darker.
struct Paper {
    /// Left, top, width and height on the page.
    bounds: (u32, u32, u32, u32),
    /// First and last pixel of the paper in each row of the small picture; `None` where a row has none.
    rows: Vec<Option<(u32, u32)>>,
    /// The same for its columns.
    columns: Vec<Option<(u32, u32)>>,
    /// Pixels of the page for one of the small picture.
    factor: f32,
}

impl Paper {
    /// Whether a place of the page lies on the paper.
    fn covers(&self, x: u32, y: u32) -> bool {
        let row = self.rows.get((y as f32 / self.factor) as usize).copied().flatten();
        row.is_some_and(|(first, last)| (first..=last).contains(&((x as f32 / self.factor) as u32)))
    }

    /// Paints everything beside the paper white, so that no table grain is read as words.
    fn whiten_outside(&self, page: &mut GrayImage) {
        // The outermost pixels are a mixture of paper and table.
        let inner = |extent: Option<&Option<(u32, u32)>>| {
            let (first, last) = extent.copied().flatten()?;
            Some((((first + EDGE_PX) as f32 * self.factor) as u32, ((last + 1).saturating_sub(EDGE_PX) as f32 * self.factor) as u32))
        };
        let columns: Vec<Option<(u32, u32)>> =
            (0..page.width()).map(|x| inner(self.columns.get((x as f32 / self.factor) as usize))).collect();
        let width = page.width() as usize;
        for (y, row) in (0_u32..).zip(page.chunks_exact_mut(width.max(1))) {
            let across = inner(self.rows.get((y as f32 / self.factor) as usize));
            for ((x, value), down) in (0_u32..).zip(row).zip(&columns) {
                let inside = |at: u32, extent: &Option<(u32, u32)>| extent.is_some_and(|(from, to)| (from..to).contains(&at));
                if !inside(x, &across) || !inside(y, down) {
                    *value = u8::MAX;
                }
            }
        }
    }
}

/// The paper when the photo shows it on something clearly darker.
fn paper(page: &GrayImage) -> Option<Paper> {
    let small = DynamicImage::ImageLuma8(pixels::at_most_side(page, 320)).blur(2.0).into_luma8();
    let level = contrast::otsu_level(&small);
    let bright = contrast::threshold(&small, level, contrast::ThresholdType::Binary);
    let labels = connected_components(&bright, Connectivity::Four, Luma([0]));
    let mut boxes: Vec<(u32, u32, u32, u32, u32)> = Vec::new(); // count, left, top, right, bottom
    for (x, y, label) in labels.enumerate_pixels() {
        let Some(index) = (label.0[0] as usize).checked_sub(1) else { continue };
        if boxes.len() <= index {
            boxes.resize(index + 1, (0, u32::MAX, u32::MAX, 0, 0));
        }
        if let Some(b) = boxes.get_mut(index) {
            *b = (b.0 + 1, b.1.min(x), b.2.min(y), b.3.max(x), b.4.max(y));
        }
    }
    let (largest, (_, left, top, right, bottom)) = boxes.into_iter().enumerate().max_by_key(|(_, b)| b.0)?;
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
        let sum = if (left..=right).contains(&x) && (top..=bottom).contains(&y) { &mut inside } else { &mut outside };
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
    (far_x > x && far_y > y).then(|| Paper { bounds: (x, y, far_x - x, far_y - y), rows, columns, factor })
}

fn widen(extents: &mut [Option<(u32, u32)>], index: u32, at: u32) {
    if let Some(extent) = extents.get_mut(index as usize) {
        let (first, last) = extent.unwrap_or((at, at));
        *extent = Some((at.min(first), at.max(last)));
    }
}

/// The brightness of the bare background, tile by tile.
struct Background {
    tiles: GrayImage,
    /// Edge of a tile in pixels of the page.
    tile: u32,
}

impl Background {
    fn of(page: &GrayImage) -> Self {
        let tile = (page.width().max(page.height()) / TILES).max(8);
        let mut tiles = GrayImage::new(page.width().div_ceil(tile), page.height().div_ceil(tile));
        for (column, row, value) in tiles.enumerate_pixels_mut() {
            let (x, y) = (column * tile, row * tile);
            let (width, height) = (tile.min(page.width() - x), tile.min(page.height() - y));
            let mut counts = [0_u32; 256];
            for py in (y..y + height).step_by(2) {
                for px in (x..x + width).step_by(2) {
                    counts[usize::from(page.get_pixel(px, py).0[0])] += 1;
                }
            }
            value.0 = [upper_decile(&counts)];
        }
        Self { tiles, tile }
    }

    /// Whether the light differs from place to place, on the paper when it is known. A clean scan is not touched: it
    /// would lose by evening out.
    fn is_uneven(&self, paper: Option<&Paper>) -> bool {
        let middle = |index: u32| index * self.tile + self.tile / 2;
        let places = self.tiles.enumerate_pixels();
        let mut seen: Vec<u8> = places
            .filter(|(x, y, _)| paper.is_none_or(|paper| paper.covers(middle(*x), middle(*y))))
            .map(|(_, _, value)| value.0[0])
            .collect();
        seen.sort_unstable();
        let at = |percent: usize| seen.get(seen.len() * percent / 100).copied().unwrap_or(0);
        at(92).saturating_sub(at(8)) >= UNEVEN_FROM
    }

    /// The page with its background at one brightness.
    fn flatten(&self, page: &GrayImage) -> GrayImage {
        // What lies far below the paper's brightness is the table, not a shadow: raising it would only raise noise.
        let floor = (pixels::percentile(&self.tiles, 90) / 2).max(1);
        let mut tiles = self.tiles.clone();
        for value in tiles.iter_mut() {
            *value = (*value).max(floor);
        }
        let smooth = DynamicImage::ImageLuma8(tiles).blur(0.8).into_luma8();
        let light = pixels::resized(&smooth, page.width(), page.height(), FilterType::Triangle);
        let mut even = page.clone();
        for (value, light) in even.iter_mut().zip(light.iter()) {
            let raised = u32::from(*value) * 250 / u32::from((*light).max(1));
            *value = u8::try_from(raised).unwrap_or(u8::MAX);
        }
        even
    }
}

fn upper_decile(counts: &[u32; 256]) -> u8 {
    let total: u32 = counts.iter().sum();
    let mut above = 0;
    for (value, count) in counts.iter().enumerate().rev() {
        above += count;
        if above * 10 > total {
            return value as u8;
        }
    }
    0
}

/// The slant of the text lines: the angle at which the rows' ink is most unequal.
fn slant_degrees(page: &GrayImage) -> f32 {
    let Some(ink) = InkPoints::of(page) else { return 0.0 };
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
            (-10..=10).map(|degrees| ink.sharpness(degrees as f32 * 1.5)).max().unwrap_or(0)
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
            let inside = (edge_x..width - edge_x).contains(&x) && (edge_y..height - edge_y).contains(&y);
            if value.0[0] == 0 && inside {
                points.push((x as f32, y as f32));
            }
        }
        if points.len() < INK_POINTS_MIN {
            return None;
        }
        let stride = points.len().div_ceil(INK_POINTS_MAX);
        let points = points.into_iter().step_by(stride).collect();
        Some(Self { points, width: width as f32, height: height as f32 })
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
        rows.windows(2).map(|w| u64::from(w[0].abs_diff(w[1])).pow(2)).sum()
    }
}

fn best_angle(sharpness: &impl Fn(f32) -> u64, around: f32, reach: f32, step: f32) -> f32 {
    let count = (reach / step).round() as i32;
    let angles = (-count..=count).map(|i| around + i as f32 * step);
    angles.map(|angle| (sharpness(angle), angle)).max_by_key(|(score, _)| *score).map_or(around, |(_, angle)| angle)
}

/// Ink as black on white, by comparison with the neighbourhood.
fn ink(page: &GrayImage) -> GrayImage {
    contrast::adaptive_threshold(page, 12, 12)
}

/// Height of capitals in pixels, from the sizes of connected ink; `None` when there is too little text.
fn capital_height(page: &GrayImage) -> Option<f32> {
    let small = pixels::at_most_side(page, 1_400);
    let labels = connected_components(&ink(&small), Connectivity::Eight, Luma([u8::MAX]));
    let mut boxes: Vec<(u32, u32, u32, u32)> = Vec::new(); // left, top, right, bottom
    for (x, y, label) in labels.enumerate_pixels() {
        let Some(index) = (label.0[0] as usize).checked_sub(1) else { continue };
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
        .filter(|(width, height)| (6..=90).contains(height) && (3..=90).contains(width) && width < &(height * 3))
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

/// `(x, y)` of one picture to `(x, y)` of another.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Affine {
    x: [f32; 3],
    y: [f32; 3],
}

impl Affine {
    fn apply(self, x: f32, y: f32) -> (f32, f32) {
        (self.x[0] * x + self.x[1] * y + self.x[2], self.y[0] * x + self.y[1] * y + self.y[2])
    }

    /// First `inner`, then this.
    fn after(self, inner: Self) -> Self {
        let compose = |row: [f32; 3]| {
            [
                row[0] * inner.x[0] + row[1] * inner.y[0],
                row[0] * inner.x[1] + row[1] * inner.y[1],
                row[0] * inner.x[2] + row[1] * inner.y[2] + row[2],
            ]
        };
        Self { x: compose(self.x), y: compose(self.y) }
    }

    const fn scaling(x: f32, y: f32) -> Self {
        Self { x: [x, 0.0, 0.0], y: [0.0, y, 0.0] }
    }

    const fn shift(x: f32, y: f32) -> Self {
        Self { x: [1.0, 0.0, x], y: [0.0, 1.0, y] }
    }

    /// From a picture after quarter turns clockwise back to the picture of this size.
    fn quarter_turns(turns: u8, (width, height): (u32, u32)) -> Self {
        let (width, height) = (width as f32, height as f32);
        match turns % 4 {
            1 => Self { x: [0.0, 1.0, 0.0], y: [-1.0, 0.0, height] },
            2 => Self { x: [-1.0, 0.0, width], y: [0.0, -1.0, height] },
            3 => Self { x: [0.0, -1.0, width], y: [1.0, 0.0, 0.0] },
            _ => Self::scaling(1.0, 1.0),
        }
    }

    /// From a picture turned clockwise about its centre back to the picture before.
    fn turned_back(radians: f32, before: (u32, u32), after: (u32, u32)) -> Self {
        let (sin, cos) = radians.sin_cos();
        let (cx, cy) = (before.0 as f32 / 2.0, before.1 as f32 / 2.0);
        let (ox, oy) = (after.0 as f32 / 2.0, after.1 as f32 / 2.0);
        Self { x: [cos, sin, cx - cos * ox - sin * oy], y: [-sin, cos, cy + sin * ox - cos * oy] }
    }
}
