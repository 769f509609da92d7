//! Where the three large squares of a code may stand.
//!
//! Rows are cut where the brightness crosses the local mean, with the crossing placed between two pixels, so that
//! squares of a few pixels have usable proportions without enlarging the photo. A place whose dark and light runs stand
//! as 1:1:3:1:1 along the row must show the same along the column and both diagonals.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "pixel work; no value of the result is computed here"
)]

use std::borrow::Cow;
use std::time::Instant;

use image::GrayImage;

/// Brightness must leave the mean by this before a run changes, so that flat paper has no runs.
const HYSTERESIS: f32 = 3.0;
/// Longest centre-to-edge distance that is followed, in pixels.
const REACH_MAX: f32 = 160.0;
/// Places kept, the most often seen first.
const KEPT_MAX: usize = 24;
/// Places noted before the search stops looking for more: a texture made of squares must not cost minutes.
const NOTED_MAX: usize = 400;

/// A place that looks like a finder pattern.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finder {
    pub x: f32,
    pub y: f32,
    /// Size of a module along the row and along the column, in pixels.
    pub module: (f32, f32),
    /// Rows that agree.
    pub votes: u32,
}

/// The photo beside its local means.
pub struct Scene<'a> {
    grey: Cow<'a, [u8]>,
    width: usize,
    height: usize,
    mean: Vec<u8>,
}

impl<'a> Scene<'a> {
    /// `radius` of the window of the means, in pixels: more than the squares that are looked for. `raised` lifts detail
    /// of a pixel or two, for squares so small that their light ring is greyer than the paper around.
    pub fn of(grey: &'a GrayImage, radius: usize, raised: bool) -> Self {
        let (width, height) = (grey.width() as usize, grey.height() as usize);
        let mut grey = Cow::Borrowed(grey.as_raw().as_slice());
        if raised {
            let near = box_mean(&grey, width, height, 2);
            for (value, near) in grey.to_mut().iter_mut().zip(&near) {
                let (own, near) = (i16::from(*value), i16::from(*near));
                *value = (own + 2 * (own - near)).clamp(0, 255) as u8;
            }
        }
        let mean = box_mean(&grey, width, height, radius);
        Self {
            grey,
            width,
            height,
            mean,
        }
    }

    /// Brightness above the local mean.
    fn above(&self, index: usize) -> f32 {
        f32::from(self.grey[index]) - f32::from(self.mean[index])
    }

    fn above_at(&self, x: f32, y: f32) -> Option<f32> {
        if x < 0.0 || y < 0.0 {
            return None;
        }
        let (left, top) = (x as usize, y as usize);
        if left + 1 >= self.width || top + 1 >= self.height {
            return None;
        }
        let (fx, fy) = (x - left as f32, y - top as f32);
        let at = top * self.width + left;
        let upper = self.above(at) * (1.0 - fx) + self.above(at + 1) * fx;
        let lower = self.above(at + self.width) * (1.0 - fx) + self.above(at + self.width + 1) * fx;
        Some(upper * (1.0 - fy) + lower * fy)
    }

    /// Distances from a dark place to the three next changes of colour in a direction.
    fn changes(&self, x: f32, y: f32, dx: f32, dy: f32) -> Option<[f32; 3]> {
        const STEP: f32 = 0.5;
        let mut found = [0.0; 3];
        let mut count = 0;
        let mut dark = true;
        let mut last = self.above_at(x, y)?;
        let mut walked = 0.0;
        while walked < REACH_MAX {
            walked += STEP;
            let value = self.above_at(x + dx * walked, y + dy * walked)?;
            let changed = if dark { value > 0.0 } else { value < 0.0 };
            if changed {
                let part = if (value - last).abs() > 0.01 {
                    value / (value - last)
                } else {
                    0.0
                };
                *found.get_mut(count)? = walked - STEP * part;
                count += 1;
                dark = !dark;
                if count == 3 {
                    return Some(found);
                }
            }
            last = value;
        }
        None
    }

    /// The runs on a line through a place, and how far their middle is from it.
    fn runs(&self, x: f32, y: f32, dx: f32, dy: f32) -> Option<([f32; 5], f32)> {
        let ahead = self.changes(x, y, dx, dy)?;
        let behind = self.changes(x, y, -dx, -dy)?;
        let runs = [
            behind[2] - behind[1],
            behind[1] - behind[0],
            behind[0] + ahead[0],
            ahead[1] - ahead[0],
            ahead[2] - ahead[1],
        ];
        Some((runs, (ahead[2] - behind[2]) / 2.0))
    }

    /// The finder pattern around a place, when the four directions agree.
    fn confirm(&self, x: f32, y: f32) -> Option<Finder> {
        let (mut x, mut y) = (x, y);
        let mut module = (0.0, 0.0);
        for _ in 0..2 {
            let (runs, shift) = self.runs(x, y, 0.0, 1.0)?;
            module.1 = module_of(&runs, 0.8)?;
            y += shift;
            let (runs, shift) = self.runs(x, y, 1.0, 0.0)?;
            module.0 = module_of(&runs, 0.8)?;
            x += shift;
        }
        let ratio = module.0 / module.1;
        if !(0.55..1.8).contains(&ratio) {
            return None;
        }
        let slant = std::f32::consts::FRAC_1_SQRT_2;
        let diagonals = [(slant, slant), (slant, -slant)]
            .into_iter()
            .filter(|(dx, dy)| {
                self.runs(x, y, *dx, *dy)
                    .is_some_and(|(runs, _)| module_of(&runs, 1.2).is_some())
            })
            .count();
        (diagonals >= 1).then_some(Finder {
            x,
            y,
            module,
            votes: 1,
        })
    }
}

/// The size of a module when the runs stand as 1:1:3:1:1, each within `slack` modules.
fn module_of(runs: &[f32; 5], slack: f32) -> Option<f32> {
    let module = runs.iter().sum::<f32>() / 7.0;
    if module < 0.9 {
        return None;
    }
    let fits = runs
        .iter()
        .zip([1.0, 1.0, 3.0, 1.0, 1.0])
        .all(|(run, wanted): (_, f32)| {
            let slack = if wanted > 2.0 { slack * 1.5 } else { slack };
            (run - wanted * module).abs() <= slack * module
        });
    fits.then_some(module)
}

/// How often every eighth row shows the proportions of a finder pattern: tens on a receipt, thousands on a picture made
/// to keep a decoder busy with them.
pub fn crowd(scene: &Scene<'_>) -> usize {
    let mut edges = Vec::new();
    let mut count = 0;
    for y in (0..scene.height).step_by(8) {
        crossings(scene, y, &mut edges);
        count += edges
            .windows(6)
            .step_by(2)
            .filter(|edges| {
                let [a, b, c, d, e, f] = edges else {
                    return false;
                };
                module_of(&[b - a, c - b, d - c, e - d, f - e], 0.65).is_some()
            })
            .count();
    }
    count
}

/// The places that look like finder patterns, those seen by most rows first.
pub fn find(scene: &Scene<'_>, deadline: Instant) -> Vec<Finder> {
    let mut noted: Vec<Finder> = Vec::new();
    let mut edges: Vec<f32> = Vec::new();
    for y in 0..scene.height {
        if y % 16 == 0 && Instant::now() >= deadline {
            break;
        }
        crossings(scene, y, &mut edges);
        for window in edges.windows(6).step_by(2) {
            let [a, b, c, d, e, f] = window else { continue };
            let runs = [b - a, c - b, d - c, e - d, f - e];
            if module_of(&runs, 0.65).is_none() {
                continue;
            }
            let (x, y) = ((c + d) / 2.0, y as f32);
            let near = |other: &&mut Finder| {
                let reach = other.module.0.max(other.module.1) * 1.5;
                (other.x - x).abs() < reach && (other.y - y).abs() < reach
            };
            if let Some(known) = noted.iter_mut().find(near) {
                known.votes += 1;
                continue;
            }
            if noted.len() >= NOTED_MAX {
                continue;
            }
            if let Some(found) = scene.confirm(x, y) {
                let near = |other: &&mut Finder| {
                    let reach = other.module.0.max(other.module.1) * 2.0;
                    (other.x - found.x).abs() < reach && (other.y - found.y).abs() < reach
                };
                match noted.iter_mut().find(near) {
                    Some(known) => known.votes += 1,
                    None => noted.push(found),
                }
            }
        }
    }
    // Votes grow with the size of the square; what counts is the part of its rows that agree.
    noted.sort_by(|a, b| agreement(b).total_cmp(&agreement(a)));
    noted.truncate(KEPT_MAX);
    noted
}

/// The part of the middle bar's rows that agree, at most one.
fn agreement(finder: &Finder) -> f32 {
    (finder.votes as f32 / (finder.module.1 * 3.0)).min(1.0)
}

/// Where a row changes between light and dark; a row begins light, so every second place begins a dark run.
fn crossings(scene: &Scene<'_>, y: usize, edges: &mut Vec<f32>) {
    edges.clear();
    let base = y * scene.width;
    let mut dark = false;
    let mut last = 0.0;
    let mut crossed = 0.0_f32;
    for x in 0..scene.width {
        let value = scene.above(base + x);
        if (value > 0.0) != (last > 0.0) && (value - last).abs() > 0.01 {
            crossed = x as f32 - value / (value - last);
        }
        if !dark && value < -HYSTERESIS {
            dark = true;
            edges.push(crossed);
        } else if dark && value > HYSTERESIS {
            dark = false;
            edges.push(crossed);
        }
        last = value;
    }
}

/// Means over square windows, cut at the borders.
pub fn box_mean(values: &[u8], width: usize, height: usize, radius: usize) -> Vec<u8> {
    let stride = width + 1;
    let mut sums = vec![0_u32; stride * (height + 1)];
    for y in 0..height {
        let mut row = 0_u32;
        for x in 0..width {
            row = row.wrapping_add(u32::from(values[y * width + x]));
            sums[(y + 1) * stride + x + 1] = sums[y * stride + x + 1].wrapping_add(row);
        }
    }
    let mut mean = Vec::with_capacity(width * height);
    for y in 0..height {
        let (top, bottom) = (y.saturating_sub(radius), (y + radius + 1).min(height));
        for x in 0..width {
            let (left, right) = (x.saturating_sub(radius), (x + radius + 1).min(width));
            let sum = sums[bottom * stride + right]
                .wrapping_sub(sums[top * stride + right])
                .wrapping_sub(sums[bottom * stride + left])
                .wrapping_add(sums[top * stride + left]);
            let count = (bottom - top) * (right - left);
            mean.push((sum as usize / count.max(1)).min(255) as u8);
        }
    }
    mean
}
