//! The telephone: a view of the paper lying on a table, with light, blur, noise and JPEG.
//!
//! One pass over the photo does everything that is per pixel, in integers and small tables, because the demo runs
//! in an unoptimised build too.

use super::print::Grey;
use super::{Degradation, SampleError};
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use rand::{Rng, SeedableRng, rngs::StdRng};

/// What a level of damage means in numbers.
struct Damage {
    /// Largest rotation in degrees.
    degrees: f32,
    /// Largest shift of a corner as a share of the paper's width.
    perspective: f32,
    /// Blur passes, each [1 2 1] over this many pixels' distance.
    blur: &'static [usize],
    /// Fall of the light from one side to the other, in 1/256.
    fall: i32,
    /// Depth of the shadow of hand and telephone, in 1/256.
    shadow: i32,
    /// Standard deviation of the noise, in grey levels.
    noise: i32,
    quality: u8,
}

fn damage(level: Degradation) -> Damage {
    let d = |degrees, perspective, blur, fall, shadow, noise, quality| Damage {
        degrees,
        perspective,
        blur,
        fall,
        shadow,
        noise,
        quality,
    };
    match level {
        Degradation::Clean => d(0.4, 0.003, &[], 14, 0, 2, 90),
        Degradation::Light => d(1.5, 0.010, &[1], 32, 20, 4, 82),
        Degradation::Moderate => d(4.0, 0.022, &[1, 1], 60, 50, 7, 70),
        Degradation::Strong => d(9.0, 0.045, &[1, 1, 2, 2], 90, 80, 13, 45),
        Degradation::Ruined => d(12.0, 0.060, &[2, 3, 5, 7, 9, 9], 110, 90, 16, 35),
    }
}

/// Space between paper and the picture's edge.
const TABLE: f32 = 96.0;
const NOISE_LENGTH: usize = 1 << 13;

/// Photographs the paper; the seed gives angle, light, table and noise.
pub(super) fn take(paper: &Grey, seed: u64, level: Degradation) -> Result<Vec<u8>, SampleError> {
    let damage = damage(level);
    let mut rng = StdRng::seed_from_u64(seed ^ 0x5EED_0003);
    let view = View::new(paper, &damage, &mut rng)?;
    let blurred = blur(paper, damage.blur);
    let light = Light::new(&view, &damage, &mut rng);
    let table = Table::new(&view, &mut rng);
    let noise: Vec<i16> = (0..NOISE_LENGTH)
        .map(|_| gaussian(&mut rng, damage.noise))
        .collect();
    // White balance of the camera: paper is never pure grey.
    let tint = [
        256 - rng.random_range(0..8),
        254 - rng.random_range(0..6),
        248 - rng.random_range(0..18),
    ];

    let mut rgb = vec![0_u8; view.width * view.height * 3];
    for y in 0..view.height {
        let mut grain = rng.random_range(0..NOISE_LENGTH);
        let mut walk = view.row(y);
        let light_row = light.rows[y];
        let mut at = y * view.width * 3;
        for x in 0..view.width {
            let (u, v) = walk.next();
            let shade = light_row + light.columns[x] - light.shadow((x as i32, y as i32));
            grain = (grain + 1) & (NOISE_LENGTH - 1);
            let noise = i32::from(noise[grain]);
            let colour = match sample(&blurred, u, v) {
                Some(grey) => [
                    (grey * tint[0]) >> 8,
                    (grey * tint[1]) >> 8,
                    (grey * tint[2]) >> 8,
                ],
                None => table.colour((x, y), u, v, &blurred),
            };
            for (channel, value) in colour.into_iter().enumerate() {
                rgb[at + channel] = (((value * shade) >> 8) + noise).clamp(0, 255) as u8;
            }
            at += 3;
        }
    }
    let mut jpeg = Vec::with_capacity(rgb.len() / 10);
    JpegEncoder::new_with_quality(&mut jpeg, damage.quality).encode(
        &rgb,
        view.width as u32,
        view.height as u32,
        ExtendedColorType::Rgb8,
    )?;
    Ok(jpeg)
}

/// Roughly normal, by the sum of uniform values.
fn gaussian(rng: &mut StdRng, deviation: i32) -> i16 {
    let sum: i32 = (0..4).map(|_| rng.random_range(-100..=100)).sum();
    // Four uniform values of ±100 have a deviation of about 115.
    (sum * deviation / 115) as i16
}

/// The grey of the paper at this point, between pixels too; `None` beside the paper.
fn sample(paper: &Grey, u: i32, v: i32) -> Option<i32> {
    let (x, y) = (u >> 8, v >> 8);
    if x < 0 || y < 0 || x as usize + 1 >= paper.width || y as usize + 1 >= paper.height {
        return None;
    }
    let (fx, fy) = (u & 255, v & 255);
    let i = y as usize * paper.width + x as usize;
    let (a, b) = (i32::from(paper.pixels[i]), i32::from(paper.pixels[i + 1]));
    let below = i + paper.width;
    let (c, d) = (
        i32::from(paper.pixels[below]),
        i32::from(paper.pixels[below + 1]),
    );
    let upper = a * 256 + (b - a) * fx;
    let lower = c * 256 + (d - c) * fx;
    Some((upper * 256 + (lower - upper) * fy) >> 16)
}

/// From photo to paper coordinates.
struct View {
    width: usize,
    height: usize,
    /// Row-major 3×3 homography.
    inverse: [f32; 9],
}

impl View {
    fn new(paper: &Grey, damage: &Damage, rng: &mut StdRng) -> Result<Self, SampleError> {
        let (w, h) = (paper.width as f32, paper.height as f32);
        // At least a third of the largest angle, so that a level means what it says.
        let angle =
            damage.degrees * rng.random_range(0.35..=1.0) * if rng.random() { 1.0 } else { -1.0 };
        let (sin, cos) = angle.to_radians().sin_cos();
        let mut corners = [(0.0, 0.0), (w, 0.0), (w, h), (0.0, h)];
        for (x, y) in &mut corners {
            let reach = damage.perspective * w;
            let (px, py) = (
                *x + rng.random_range(-reach..=reach),
                *y + rng.random_range(-reach..=reach),
            );
            (*x, *y) = (px * cos - py * sin, px * sin + py * cos);
        }
        let low = corners
            .iter()
            .fold((f32::MAX, f32::MAX), |m, c| (m.0.min(c.0), m.1.min(c.1)));
        let high = corners
            .iter()
            .fold((f32::MIN, f32::MIN), |m, c| (m.0.max(c.0), m.1.max(c.1)));
        let margin = TABLE * rng.random_range(0.6..=1.0);
        for (x, y) in &mut corners {
            *x += margin - low.0;
            *y += margin - low.1;
        }
        Ok(Self {
            width: (high.0 - low.0 + 2.0 * margin) as usize,
            height: (high.1 - low.1 + 2.0 * margin) as usize,
            inverse: inverse_of_quad(corners, w, h).ok_or(SampleError::Geometry)?,
        })
    }

    fn row(&self, y: usize) -> Walk {
        let m = &self.inverse;
        let y = y as f32;
        Walk {
            at: [m[1] * y + m[2], m[4] * y + m[5], m[7] * y + m[8]],
            step: [m[0], m[3], m[6]],
        }
    }
}

/// Steps along a row of the photo, giving paper coordinates in 1/256 of a pixel.
struct Walk {
    at: [f32; 3],
    step: [f32; 3],
}

impl Walk {
    fn next(&mut self) -> (i32, i32) {
        let scale = 256.0 / self.at[2];
        let point = ((self.at[0] * scale) as i32, (self.at[1] * scale) as i32);
        self.at[0] += self.step[0];
        self.at[1] += self.step[1];
        self.at[2] += self.step[2];
        point
    }
}

/// The matrix that takes a point of the quadrilateral to the rectangle `w` × `h`.
///
/// The unit square goes to a quadrilateral by a closed formula; its adjugate is the inverse up to a factor, which a
/// homography does not mind.
fn inverse_of_quad(c: [(f32, f32); 4], w: f32, h: f32) -> Option<[f32; 9]> {
    let [(x0, y0), (x1, y1), (x2, y2), (x3, y3)] = c;
    let (dx1, dx2, dy1, dy2) = (x1 - x2, x3 - x2, y1 - y2, y3 - y2);
    let (sx, sy) = (x0 - x1 + x2 - x3, y0 - y1 + y2 - y3);
    let det = dx1 * dy2 - dx2 * dy1;
    if det.abs() < 1.0 {
        return None;
    }
    let (g, k) = ((sx * dy2 - dx2 * sy) / det, (dx1 * sy - sx * dy1) / det);
    let (a, b) = (x1 - x0 + g * x1, x3 - x0 + k * x3);
    let (d, e) = (y1 - y0 + g * y1, y3 - y0 + k * y3);
    Some([
        w * (e - y0 * k),
        w * (x0 * k - b),
        w * (b * y0 - x0 * e),
        h * (y0 * g - d),
        h * (a - x0 * g),
        h * (x0 * d - a * y0),
        d * k - e * g,
        b * g - a * k,
        a * e - b * d,
    ])
}

/// A window on one side and a shadow across a corner.
struct Light {
    columns: Vec<i32>,
    rows: Vec<i32>,
    /// The shadow's edge: `x * nx + y * ny > start`, in 1/256; soft over `SOFT` pixels.
    normal: (i32, i32),
    start: i32,
    depth: i32,
}

const SOFT: i32 = 220;

impl Light {
    fn new(view: &View, damage: &Damage, rng: &mut StdRng) -> Self {
        let across = damage.fall * rng.random_range(-100..=100) / 100;
        let down = damage.fall - across.abs() / 2;
        let ramp = |length: usize, fall: i32| -> Vec<i32> {
            (0..length as i32)
                .map(|i| -(fall * i / length as i32) + fall.min(0))
                .collect()
        };
        let columns = ramp(view.width, across);
        let rows = ramp(view.height, down)
            .into_iter()
            .map(|v| v + 262)
            .collect();
        let (w, h) = (view.width as i32, view.height as i32);
        // The shadow falls over the lower right or left corner, where the hand is.
        let (nx, offset) = if rng.random() {
            (150, 0)
        } else {
            (-150, -150 * w)
        };
        let ny = 208;
        let corner = 150 * w + ny * h;
        let start = offset + corner * rng.random_range(52..=72) / 100;
        Self {
            columns,
            rows,
            normal: (nx, ny),
            start: start / 256,
            depth: damage.shadow,
        }
    }

    fn shadow(&self, (x, y): (i32, i32)) -> i32 {
        let inside = ((x * self.normal.0 + y * self.normal.1) >> 8) - self.start;
        if inside <= 0 {
            0
        } else {
            self.depth * inside.min(SOFT) / SOFT
        }
    }
}

/// A wooden table: stripes of slowly changing brown.
struct Table {
    base: [i32; 3],
    grain: Vec<i32>,
}

impl Table {
    fn new(view: &View, rng: &mut StdRng) -> Self {
        let base = match rng.random_range(0..4) {
            0 => [126, 92, 64],
            1 => [92, 70, 56],
            2 => [74, 78, 84],
            _ => [142, 118, 88],
        };
        let mut value = 0_i32;
        let grain = (0..view.height + view.width)
            .map(|_| {
                value = (value + rng.random_range(-4..=4)).clamp(-16, 16);
                value
            })
            .collect();
        Self { base, grain }
    }

    /// The table at a point of the photo; darker in the narrow shadow under the paper's edge.
    fn colour(&self, (x, y): (usize, usize), u: i32, v: i32, paper: &Grey) -> [i32; 3] {
        let grain = self.grain[y + x / 24];
        let gap = |p: i32, length: usize| (-(p >> 8)).max((p >> 8) - length as i32 + 1).max(0);
        let distance = gap(u, paper.width) + gap(v, paper.height);
        let under = (18 - distance).max(0) * 3;
        self.base.map(|c| (c + grain - under).max(0))
    }
}

/// Blurs with [1 2 1] kernels at the given distances, each across and down.
fn blur(paper: &Grey, passes: &[usize]) -> Grey {
    let mut pixels = paper.pixels.clone();
    for &distance in passes {
        pixels = smooth(&pixels, distance);
        pixels = smooth(&pixels, distance * paper.width);
    }
    Grey {
        width: paper.width,
        height: paper.height,
        pixels,
    }
}

/// The mean of each pixel with its neighbours `step` before and after (ends stay as they are; paper edges are white).
fn smooth(pixels: &[u8], step: usize) -> Vec<u8> {
    let mut out = pixels.to_vec();
    if pixels.len() > 2 * step {
        for i in step..pixels.len() - step {
            let sum = u16::from(pixels[i - step])
                + 2 * u16::from(pixels[i])
                + u16::from(pixels[i + step]);
            out[i] = (sum >> 2) as u8;
        }
    }
    out
}
