//! Light and grain: how evenly the paper is lit, and evening it out.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "pixel work; no value of the result is computed here"
)]

use image::imageops::FilterType;
use image::{DynamicImage, GrayImage};

use super::paper::Paper;
use crate::pixels;

/// The light is uneven when the background's dark parts are so much below its bright ones, in parts of 255.
const UNEVEN_FROM: u8 = 10;
/// Tiles across the long side when the background is measured.
const TILES: u32 = 24;
/// A tile below this part of its brightest neighbour is no longer the same paper.
const TABLE_BELOW: (u32, u32) = (7, 10);

/// The brightness of the bare background, tile by tile.
pub struct Background {
    tiles: GrayImage,
    /// Edge of a tile in pixels of the page.
    tile: u32,
}

impl Background {
    pub fn of(page: &GrayImage) -> Self {
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
    pub fn is_uneven(&self, paper: Option<&Paper>) -> bool {
        self.percentile(paper, 92)
            .saturating_sub(self.percentile(paper, 8))
            >= UNEVEN_FROM
    }

    /// The brightness of bare paper.
    pub fn level(&self, paper: Option<&Paper>) -> u8 {
        self.percentile(paper, 60)
    }

    /// A brightness of tiles, on the paper when it is known.
    fn percentile(&self, paper: Option<&Paper>, percent: usize) -> u8 {
        let middle = |index: u32| index * self.tile + self.tile / 2;
        let places = self.tiles.enumerate_pixels();
        let mut seen: Vec<u8> = places
            .filter(|(x, y, _)| paper.is_none_or(|paper| paper.covers(middle(*x), middle(*y))))
            .map(|(_, _, value)| value.0[0])
            .collect();
        seen.sort_unstable();
        seen.get(seen.len() * percent / 100)
            .copied()
            .unwrap_or(u8::MAX)
    }

    /// The page with its background at one brightness.
    pub fn flatten(&self, page: &GrayImage) -> GrayImage {
        // What lies far below the paper's brightness is the table, not a shadow: raising it would only raise noise.
        let floor = (pixels::percentile(&self.tiles, 90) / 2).max(1);
        let mut tiles = without_table(&self.tiles);
        for value in tiles.iter_mut() {
            *value = (*value).max(floor);
        }
        let smooth = DynamicImage::ImageLuma8(tiles).blur(0.8).into_luma8();
        let light = pixels::resized(&smooth, page.width(), page.height(), FilterType::Triangle);
        let mut even = page.clone();
        for (value, light) in even.iter_mut().zip(light.iter()) {
            *value = lit(*value, *light);
        }
        even
    }
}

/// Brightness of bare paper on an evened-out page, and what is left of it for grain.
const PAPER: u8 = 250;
const GRAIN: u8 = 14;
/// How dark print is made, below the paper's brightness, and how much fainter print may be than the page's darkest to
/// be still print.
const INK: u32 = 200;
const FAINTEST: u8 = 5;
const DEPTH_MIN: u8 = 24;

/// How dark the print is, tile by tile.
pub struct Ink {
    tiles: GrayImage,
    /// Depth of the page's dark print.
    pub depth: u8,
}

impl Ink {
    /// `capital` is the height of capitals; a tile holds some signs.
    pub fn of(page: &GrayImage, capital: u32) -> Self {
        let tile = (capital * 3).max(16);
        let mut tiles = GrayImage::new(page.width().div_ceil(tile), page.height().div_ceil(tile));
        for (column, row, value) in tiles.enumerate_pixels_mut() {
            let (x, y) = (column * tile, row * tile);
            let (width, height) = (tile.min(page.width() - x), tile.min(page.height() - y));
            let mut depths: Vec<u8> = Vec::with_capacity((width * height / 4) as usize + 1);
            for py in (y..y + height).step_by(2) {
                for px in (x..x + width).step_by(2) {
                    depths.push(depth(page.get_pixel(px, py).0[0]));
                }
            }
            // A line of text inks more than this part of its tile.
            let at = depths.len() * 96 / 100;
            if at < depths.len() {
                value.0 = [*depths.select_nth_unstable(at).1];
            }
        }
        let depth = pixels::percentile(&tiles, 85);
        Self { tiles, depth }
    }

    /// Makes faint print as dark as the rest. The engine's thresholds take print that is half as dark as its
    /// surroundings for paper.
    pub fn even(&self, page: &mut GrayImage) {
        let floor = (self.depth / FAINTEST).max(DEPTH_MIN);
        let mut filled = self.tiles.clone();
        for (x, y, value) in filled.enumerate_pixels_mut() {
            let columns = x.saturating_sub(1)..=(x + 1).min(self.tiles.width() - 1);
            let around = columns.map(|column| self.tiles.get_pixel(column, y).0[0]);
            // An empty tile follows its darkest neighbour, so that bare paper is not made grainy.
            let own = value.0[0];
            let most = around.max().unwrap_or(own);
            value.0[0] = own.max(most / 2).max(floor);
        }
        let levels = pixels::resized(&filled, page.width(), page.height(), FilterType::Triangle);
        for (value, level) in page.iter_mut().zip(levels.iter()) {
            let dark = u32::from(depth(*value)) * INK / u32::from((*level).max(1));
            *value =
                PAPER.saturating_sub(u8::try_from(dark.min(u32::from(PAPER))).unwrap_or(PAPER));
        }
    }
}

fn depth(value: u8) -> u8 {
    PAPER.saturating_sub(value).saturating_sub(GRAIN)
}

/// Brings paper of this brightness to that of evened-out pages.
pub fn raise(page: &mut GrayImage, level: u8) {
    for value in page.iter_mut() {
        *value = lit(*value, level);
    }
}

/// A pixel as it would be if the light on it gave bare paper nearly full brightness.
fn lit(value: u8, light: u8) -> u8 {
    u8::try_from(u32::from(value) * 250 / u32::from(light.max(1))).unwrap_or(u8::MAX)
}

/// The tiles with those that are far darker than a neighbour at that neighbour's brightness: they show the table beside
/// the paper, and smoothing would wash out the print at the paper's edge.
fn without_table(tiles: &GrayImage) -> GrayImage {
    let mut filled = tiles.clone();
    for (x, y, value) in filled.enumerate_pixels_mut() {
        let columns = x.saturating_sub(1)..=(x + 1).min(tiles.width() - 1);
        let around = columns.flat_map(|column| {
            let rows = y.saturating_sub(1)..=(y + 1).min(tiles.height() - 1);
            rows.map(move |row| tiles.get_pixel(column, row).0[0])
        });
        let bright = around.max().unwrap_or(value.0[0]);
        if u32::from(value.0[0]) * TABLE_BELOW.1 < u32::from(bright) * TABLE_BELOW.0 {
            value.0[0] = bright;
        }
    }
    filled
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

/// How grainy a picture is: the middle difference between a pixel and the mean of its neighbours, in quarters of a
/// brightness step. Most of a receipt is bare paper, so print does not count.
pub fn grain(page: &GrayImage) -> u32 {
    let width = page.width() as usize;
    let mut counts = [0_u32; 1_024];
    let mut total = 0;
    for row in page.chunks_exact(width.max(1)).step_by(3) {
        for triple in row.windows(3).step_by(5) {
            let difference = (i32::from(triple[0]) + i32::from(triple[2])
                - 2 * i32::from(triple[1]))
            .unsigned_abs();
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
