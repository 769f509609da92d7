//! From a straightened page back to the picture: a mesh of curves along the text.

use image::imageops::FilterType;
use image::{GrayImage, Luma};

use super::chains::Chain;
use super::field::Field;
use crate::pixels;
use crate::preprocess::affine::Affine;

/// Distance of the mesh's knots in pixels of the picture under study.
const KNOT: f32 = 8.0;
/// What is kept around the text, in heights of a capital.
const MARGIN: f32 = 2.5;
/// Most knots; a bound for absurd extents.
const KNOTS_MAX: usize = 400;

/// The curves of a page.
#[derive(Debug, Clone)]
pub struct Warp {
    /// Left and top of the straightened page in the turned picture; its size there.
    origin: (f32, f32),
    size: (f32, f32),
    /// Heights of the curves at the knots, row by row.
    curves: Vec<Vec<f32>>,
    field: Field,
    centre: f32,
    /// From the turned picture to the picture, and pixels of the picture for one of the turned one.
    back: Affine,
    factor: f32,
}

/// The picture turned so that text of this direction lies level.
pub fn turned(picture: &GrayImage, angle: f32) -> GrayImage {
    if angle.abs() < 0.002 {
        return picture.clone();
    }
    pixels::rotated_by(picture, -angle)
}

impl Warp {
    /// Follows the field from the middle of the text to both sides.
    pub fn along(field: &Field, lines: &[Chain], height: f32, bounds: (u32, u32)) -> Option<Self> {
        // Texture beside the paper forms chains as well, but not above or below the text.
        let mut middles: Vec<f32> = lines.iter().flatten().map(|g| g.middle().0).collect();
        middles.sort_by(f32::total_cmp);
        let part = |part: usize| middles.get(middles.len() * part / 100).copied();
        let (inner_left, inner_right) = (part(10)?, part(90)?);
        let signs = || {
            let within = |chain: &&Chain| {
                let left = chain.first().map_or(f32::MAX, |g| g.left);
                let right = chain.last().map_or(f32::MIN, |g| g.right);
                (left < inner_right && right > inner_left) || super::even(chain, height)
            };
            lines.iter().filter(within).flatten()
        };
        let left = signs().map(|g| g.left).fold(f32::MAX, f32::min) - MARGIN * height;
        let right = signs().map(|g| g.right).fold(f32::MIN, f32::max) + MARGIN * height;
        let (left, right) = (left.max(0.0), right.min(bounds.0 as f32));
        let centre = (left + right) / 2.0;
        let at_centre = |x: f32, y: f32| followed(field, x, y, centre);
        let tops = signs().map(|g| at_centre(g.middle().0, g.top));
        let top = tops.fold(f32::MAX, f32::min) - MARGIN * height;
        let bottoms = signs().map(|g| at_centre(g.middle().0, g.bottom));
        let bottom = bottoms.fold(f32::MIN, f32::max) + MARGIN * height;
        let (top, bottom) = (top.max(-height), bottom.min(bounds.1 as f32 + height));
        let columns = ((right - left) / KNOT).ceil() as usize + 1;
        let rows = ((bottom - top) / KNOT).ceil() as usize + 1;
        if !(4..KNOTS_MAX * 2).contains(&columns) || !(4..KNOTS_MAX * 4).contains(&rows) {
            return None;
        }
        let middle = ((centre - left) / KNOT) as usize;
        let curves = (0..rows)
            .map(|row| {
                let mut curve = vec![0.0; columns];
                let start = top + row as f32 * KNOT;
                // From the exact centre to the knot left of it.
                let knot_x = left + middle as f32 * KNOT;
                curve[middle] =
                    start + field.at((knot_x + centre) / 2.0, start) * (knot_x - centre);
                for column in middle + 1..columns {
                    let x = left + (column as f32 - 0.5) * KNOT;
                    curve[column] = curve[column - 1] + field.at(x, curve[column - 1]) * KNOT;
                }
                for column in (0..middle).rev() {
                    let x = left + (column as f32 + 0.5) * KNOT;
                    curve[column] = curve[column + 1] - field.at(x, curve[column + 1]) * KNOT;
                }
                curve
            })
            .collect();
        Some(Self {
            origin: (left, top),
            size: (right - left, bottom - top),
            curves,
            field: field.clone(),
            centre,
            back: Affine::scaling(1.0, 1.0),
            factor: 1.0,
        })
    }

    /// Where a place of the turned picture lies on the straightened page, in units of the turned picture.
    pub fn onto(&self, x: f32, y: f32) -> (f32, f32) {
        let centred = followed(&self.field, x, y, self.centre);
        (x - self.origin.0, centred - self.origin.1)
    }

    /// Size of the straightened page in the same units.
    pub const fn extent(&self) -> (f32, f32) {
        self.size
    }

    /// Pixels of the page drawn at `scale` for one of those units.
    #[must_use]
    pub fn on_page(&self, scale: f32) -> f32 {
        self.factor * scale
    }

    /// The same curves for the picture that was reduced by `factor` and turned before the text was looked for.
    pub fn of_turned(self, angle: f32, before: (u32, u32), after: (u32, u32), factor: f32) -> Self {
        let turn = if angle.abs() < 0.002 {
            Affine::scaling(1.0, 1.0)
        } else {
            Affine::turned_back(-angle, before, after)
        };
        Self {
            back: Affine::scaling(factor, factor).after(turn),
            factor,
            ..self
        }
    }

    /// The furthest that a curve leaves its own height, in pixels of the picture under study.
    pub fn bend(&self) -> f32 {
        let spread = |curve: &Vec<f32>| {
            curve.iter().copied().fold(f32::MIN, f32::max)
                - curve.iter().copied().fold(f32::MAX, f32::min)
        };
        self.curves.iter().map(spread).fold(0.0, f32::max)
    }

    /// Size of the straightened page when it is drawn at this scale of the picture.
    #[must_use]
    pub fn page_size(&self, scale: f32) -> (u32, u32) {
        let part = |length: f32| ((length * self.factor * scale) as u32).max(1);
        (part(self.size.0), part(self.size.1))
    }

    /// Where a place of the page drawn at `scale` lies on the picture.
    #[must_use]
    pub fn apply(&self, x: f32, y: f32, scale: f32) -> (f32, f32) {
        let unit = self.factor * scale;
        let (u, v) = (x / unit, y / unit);
        let (column, row) = (u / KNOT, v / KNOT);
        let rows = self.curves.len();
        let columns = self.curves.first().map_or(0, Vec::len);
        if rows < 2 || columns < 2 {
            return (x, y);
        }
        let i = (column.max(0.0) as usize).min(columns - 2);
        let j = (row.max(0.0) as usize).min(rows - 2);
        let (p, q) = (column - i as f32, row - j as f32);
        let (above, below) = (&self.curves[j], &self.curves[j + 1]);
        let upper = above[i] * (1.0 - p) + above[i + 1] * p;
        let lower = below[i] * (1.0 - p) + below[i + 1] * p;
        self.back
            .apply(self.origin.0 + u, upper * (1.0 - q) + lower * q)
    }

    /// Draws the straightened page at this scale of the picture.
    #[must_use]
    pub fn drawn(&self, picture: &GrayImage, scale: f32) -> GrayImage {
        let (width, height) = self.page_size(scale);
        // Sampling a picture that is much larger than the page would skip pixels.
        let reduced = (scale < 0.75).then(|| {
            let part = |edge: u32| ((edge as f32 * scale) as u32).max(1);
            pixels::resized(
                picture,
                part(picture.width()),
                part(picture.height()),
                FilterType::Triangle,
            )
        });
        let picture_scale = if reduced.is_some() { scale } else { 1.0 };
        let picture = reduced.as_ref().unwrap_or(picture);
        let mut page = GrayImage::new(width, height);
        // Between the knots everything is a straight line, so that every fourth place is exact enough.
        const STRIDE: u32 = 4;
        for y in 0..height {
            let place = |x: f32| {
                let place = self.apply(x + 0.5, y as f32 + 0.5, scale);
                (place.0 * picture_scale, place.1 * picture_scale)
            };
            let mut x = 0;
            while x < width {
                let from = place(x as f32);
                let to = place((x + STRIDE) as f32);
                for k in 0..STRIDE.min(width - x) {
                    let part = k as f32 / STRIDE as f32;
                    let place = (
                        from.0 + (to.0 - from.0) * part - 0.5,
                        from.1 + (to.1 - from.1) * part - 0.5,
                    );
                    page.put_pixel(x + k, y, Luma([sampled(picture, place)]));
                }
                x += STRIDE;
            }
        }
        page
    }
}

/// The height that text at this place has in the middle of the page.
fn followed(field: &Field, x: f32, y: f32, centre: f32) -> f32 {
    let steps = ((x - centre).abs() / KNOT).ceil().max(1.0);
    let dx = (centre - x) / steps;
    let (mut x, mut y) = (x, y);
    for _ in 0..steps as usize {
        y += field.at(x + dx / 2.0, y) * dx;
        x += dx;
    }
    y
}

/// The brightness between pixels, by Catmull and Rom's cubic; white outside.
fn sampled(picture: &GrayImage, (x, y): (f32, f32)) -> u8 {
    let (width, height) = (picture.width() as i32, picture.height() as i32);
    let (column, row) = (x.floor(), y.floor());
    let (i, j) = (column as i32, row as i32);
    if i < 0 || j < 0 || i >= width - 1 || j >= height - 1 {
        return u8::MAX;
    }
    let (across, down) = (weights(x - column), weights(y - row));
    let raw = picture.as_raw();
    let mut sum = 0.0;
    for (dy, weight) in (-1..3).zip(down) {
        let row = (j + dy).clamp(0, height - 1) * width;
        let mut line = 0.0;
        for (dx, weight) in (-1..3).zip(across) {
            line += weight * f32::from(raw[(row + (i + dx).clamp(0, width - 1)) as usize]);
        }
        sum += weight * line;
    }
    sum.clamp(0.0, 255.0) as u8
}

fn weights(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [
        0.5 * (-t3 + 2.0 * t2 - t),
        0.5 * (3.0 * t3 - 5.0 * t2 + 2.0),
        0.5 * (-3.0 * t3 + 4.0 * t2 + t),
        0.5 * (t3 - t2),
    ]
}
