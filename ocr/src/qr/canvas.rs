//! The code alone, brought to an upright square of a few pixels a module, with dark and light measured against what
//! dark and light are nearby.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "pixel work; no value of the result is computed here"
)]

use image::GrayImage;

/// Pixels of the canvas along a module.
pub const SCALE: usize = 4;
/// Modules around the code on each side.
pub const MARGIN: usize = 4;

/// A projective map of the plane.
#[derive(Debug, Clone, Copy)]
pub struct Projection([f32; 9]);

impl Projection {
    /// The map that takes each first place to its second; `None` when three of them lie on a line.
    pub fn through(pairs: [((f32, f32), (f32, f32)); 4]) -> Option<Self> {
        let mut rows = [[0.0_f64; 9]; 8];
        for (i, ((u, v), (x, y))) in pairs.into_iter().enumerate() {
            let (u, v, x, y) = (f64::from(u), f64::from(v), f64::from(x), f64::from(y));
            rows[2 * i] = [u, v, 1.0, 0.0, 0.0, 0.0, -u * x, -v * x, x];
            rows[2 * i + 1] = [0.0, 0.0, 0.0, u, v, 1.0, -u * y, -v * y, y];
        }
        let solved = super::linear::solve(&mut rows.map(|row| row.to_vec()))?;
        let mut map = [1.0_f32; 9];
        for (place, value) in map.iter_mut().zip(&solved) {
            *place = *value as f32;
        }
        map.iter().all(|v| v.is_finite()).then_some(Self(map))
    }

    pub fn apply(&self, u: f32, v: f32) -> (f32, f32) {
        let m = &self.0;
        let w = m[6] * u + m[7] * v + m[8];
        let w = if w.abs() < 1e-6 { 1e-6 } else { w };
        (
            (m[0] * u + m[1] * v + m[2]) / w,
            (m[3] * u + m[4] * v + m[5]) / w,
        )
    }
}

/// The rectified code: `1` is as dark as it gets nearby, `-1` as light.
#[derive(Debug, Clone)]
pub struct Canvas {
    /// Pixels along an edge.
    pub side: usize,
    /// Modules along an edge of the code, without the margin.
    pub dimension: usize,
    pub tone: Vec<f32>,
}

impl Canvas {
    /// Samples the photo. `place` gives the place on the photo of a place in the code, in modules.
    pub fn draw(
        grey: &GrayImage,
        dimension: usize,
        place: impl Fn(f32, f32) -> (f32, f32),
    ) -> Self {
        let side = (dimension + 2 * MARGIN) * SCALE;
        let to_modules = |p: f32| p / SCALE as f32 - MARGIN as f32;
        // Where the photo is finer than the canvas, each pixel of the canvas is a mean.
        let middle = dimension as f32 / 2.0;
        let (near, far) = (place(middle, middle), place(middle + 1.0, middle + 1.0));
        let step =
            ((far.0 - near.0).hypot(far.1 - near.1) / std::f32::consts::SQRT_2) / SCALE as f32;
        let parts = (step.round() as usize).clamp(1, 4);
        let mut raw = Vec::with_capacity(side * side);
        for py in 0..side {
            for px in 0..side {
                let mut sum = 0.0;
                for sy in 0..parts {
                    for sx in 0..parts {
                        let within = |s: usize| (s as f32 + 0.5) / parts as f32 - 0.5;
                        let (x, y) = place(
                            to_modules(px as f32 + within(sx)),
                            to_modules(py as f32 + within(sy)),
                        );
                        sum += if parts > 1 {
                            bilinear(grey, x, y)
                        } else {
                            bicubic(grey, x, y)
                        };
                    }
                }
                raw.push(sum / (parts * parts) as f32);
            }
        }
        let tone = normalised(&raw, side);
        Self {
            side,
            dimension,
            tone,
        }
    }

    /// The tone at a place in modules.
    pub fn at(&self, u: f32, v: f32) -> f32 {
        let to_pixels = |m: f32| (m + MARGIN as f32) * SCALE as f32;
        let last = (self.side - 2) as f32;
        let (x, y) = (to_pixels(u).clamp(0.0, last), to_pixels(v).clamp(0.0, last));
        let (left, top) = (x as usize, y as usize);
        let (fx, fy) = (x - left as f32, y - top as f32);
        let i = top * self.side + left;
        let upper = self.tone[i] * (1.0 - fx) + self.tone[i + 1] * fx;
        let lower = self.tone[i + self.side] * (1.0 - fx) + self.tone[i + self.side + 1] * fx;
        upper * (1.0 - fy) + lower * fy
    }

    /// With finer detail: what differs from the mean over about a module counts more.
    pub fn sharpened(&self, strength: f32) -> Self {
        let blurred = blurred(
            &blurred(&self.tone, self.side, SCALE / 2),
            self.side,
            SCALE / 2,
        );
        let tone = self
            .tone
            .iter()
            .zip(&blurred)
            .map(|(t, b)| (t + strength * (t - b)).clamp(-1.3, 1.3))
            .collect();
        Self { tone, ..*self }
    }

    /// Smoothed over three pixels each way.
    pub fn smoothed(&self) -> Self {
        Self {
            tone: blurred(&self.tone, self.side, 1),
            ..*self
        }
    }
}

fn pixel(grey: &GrayImage, x: i64, y: i64) -> f32 {
    let x = x.clamp(0, i64::from(grey.width()) - 1) as u32;
    let y = y.clamp(0, i64::from(grey.height()) - 1) as u32;
    f32::from(grey.get_pixel(x, y).0[0])
}

fn bilinear(grey: &GrayImage, x: f32, y: f32) -> f32 {
    let (left, top) = (x.floor(), y.floor());
    let (fx, fy) = (x - left, y - top);
    let (left, top) = (left as i64, top as i64);
    let upper = pixel(grey, left, top) * (1.0 - fx) + pixel(grey, left + 1, top) * fx;
    let lower = pixel(grey, left, top + 1) * (1.0 - fx) + pixel(grey, left + 1, top + 1) * fx;
    upper * (1.0 - fy) + lower * fy
}

/// Catmull and Rom's cubic, which keeps more contrast of small modules than straight lines do.
fn bicubic(grey: &GrayImage, x: f32, y: f32) -> f32 {
    let weights = |t: f32| {
        [
            ((-0.5 * t + 1.0) * t - 0.5) * t,
            (1.5 * t - 2.5) * t * t + 1.0,
            ((-1.5 * t + 2.0) * t + 0.5) * t,
            (0.5 * t - 0.5) * t * t,
        ]
    };
    let (left, top) = (x.floor(), y.floor());
    let (wx, wy) = (weights(x - left), weights(y - top));
    let (left, top) = (left as i64, top as i64);
    let mut sum = 0.0;
    for (dy, weight_y) in (-1_i64..).zip(wy) {
        let mut row = 0.0;
        for (dx, weight_x) in (-1_i64..).zip(wx) {
            row += weight_x * pixel(grey, left + dx, top + dy);
        }
        sum += weight_y * row;
    }
    sum
}

/// A mean over squares of `2 * radius + 1`, cut at the borders.
fn blurred(values: &[f32], side: usize, radius: usize) -> Vec<f32> {
    let pass = |values: &[f32]| {
        // Along rows, written transposed, so that two passes give both directions.
        let mut out = vec![0.0; values.len()];
        for (y, row) in values.chunks_exact(side).enumerate() {
            let mut sum: f32 = row.iter().take(radius).sum();
            let mut count = radius.min(side);
            for x in 0..side {
                if x + radius < side {
                    sum += row[x + radius];
                    count += 1;
                }
                if x > radius {
                    sum -= row[x - radius - 1];
                    count -= 1;
                }
                out[x * side + y] = sum / count.max(1) as f32;
            }
        }
        out
    };
    pass(&pass(values))
}

/// Brightness against the darkest and lightest module-sized cells within four modules.
fn normalised(raw: &[f32], side: usize) -> Vec<f32> {
    const REACH: usize = 4;
    let cells = side / SCALE;
    let calm = blurred(raw, side, 1);
    let (mut low, mut high) = (vec![f32::MAX; cells * cells], vec![f32::MIN; cells * cells]);
    for y in 0..side {
        for x in 0..side {
            let (cell, value) = ((y / SCALE) * cells + x / SCALE, calm[y * side + x]);
            low[cell] = low[cell].min(value);
            high[cell] = high[cell].max(value);
        }
    }
    let low = spread(&low, cells, REACH, f32::min);
    let high = spread(&high, cells, REACH, f32::max);
    let mut amplitudes: Vec<f32> = low.iter().zip(&high).map(|(l, h)| (h - l) / 2.0).collect();
    let middles: Vec<f32> = low
        .iter()
        .zip(&high)
        .map(|(l, h)| f32::midpoint(*h, *l))
        .collect();
    let mut sorted = amplitudes.clone();
    sorted.sort_unstable_by(f32::total_cmp);
    let floor = (sorted.get(sorted.len() / 2).copied().unwrap_or(1.0) * 0.4).max(2.0);
    for amplitude in &mut amplitudes {
        *amplitude = amplitude.max(floor);
    }
    let middles = blurred(&middles, cells, 2);
    let amplitudes = blurred(&amplitudes, cells, 2);
    let between = |values: &[f32], x: usize, y: usize| {
        let place = |p: usize| {
            let p = ((p as f32 + 0.5) / SCALE as f32 - 0.5).clamp(0.0, (cells - 2) as f32);
            (p as usize, p - (p as usize) as f32)
        };
        let ((left, fx), (top, fy)) = (place(x), place(y));
        let i = top * cells + left;
        let upper = values[i] * (1.0 - fx) + values[i + 1] * fx;
        let lower = values[i + cells] * (1.0 - fx) + values[i + cells + 1] * fx;
        upper * (1.0 - fy) + lower * fy
    };
    let mut tone = Vec::with_capacity(raw.len());
    for y in 0..side {
        for x in 0..side {
            let value = (between(&middles, x, y) - raw[y * side + x]) / between(&amplitudes, x, y);
            tone.push(value.clamp(-1.3, 1.3));
        }
    }
    tone
}

/// The extreme of each cell's square neighbourhood.
fn spread(values: &[f32], cells: usize, reach: usize, extreme: fn(f32, f32) -> f32) -> Vec<f32> {
    let pass = |values: &[f32]| {
        let mut out = vec![0.0; values.len()];
        for (y, row) in values.chunks_exact(cells).enumerate() {
            for x in 0..cells {
                let near = &row[x.saturating_sub(reach)..(x + reach + 1).min(cells)];
                out[x * cells + y] = near.iter().copied().reduce(extreme).unwrap_or_default();
            }
        }
        out
    };
    pass(&pass(values))
}
