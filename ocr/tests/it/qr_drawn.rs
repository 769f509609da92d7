//! Codes drawn as a camera would see them on bad paper: tilted, wavy, curled, blurred, shaded and noisy.
#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    reason = "pixels of a test picture"
)]

use image::{GrayImage, Luma};
use qrcode::{Color, EcLevel, QrCode};

/// What happened to the paper and the photo. Lengths are in modules unless said otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Damage {
    /// Pixels of a module.
    pub module_px: f32,
    /// Degrees clockwise.
    pub turned: f32,
    /// How much narrower the far edge is, as a part.
    pub perspective: f32,
    /// Height of the waves in the paper, and how many cross the code.
    pub waves: (f32, f32),
    /// How far the middle of a curled code lies towards one side.
    pub curl: f32,
    /// Radius of the blur in pixels.
    pub blur_px: f32,
    /// Part of the light that the deepest shadow takes.
    pub shadow: f32,
    /// Largest change of a pixel by noise, of 255.
    pub noise: f32,
    pub seed: u64,
}

impl Damage {
    pub fn none(module_px: f32) -> Self {
        Self {
            module_px,
            turned: 0.0,
            perspective: 0.0,
            waves: (0.0, 0.0),
            curl: 0.0,
            blur_px: 0.0,
            shadow: 0.0,
            noise: 2.0,
            seed: 1,
        }
    }
}

/// A photo of some paper with the code in its middle and lines of something like text around it.
pub fn photo(content: &str, level: EcLevel, damage: &Damage) -> GrayImage {
    let code = QrCode::with_error_correction_level(content, level).expect("the content fits");
    let (modules, width) = (code.to_colors(), code.width());
    let dimension = width as f32;
    let side = ((dimension + 40.0) * damage.module_px) as u32;
    let mut random = Random(damage.seed);
    let phases: Vec<f32> = (0..4)
        .map(|_| random.part() * std::f32::consts::TAU)
        .collect();
    let (sin, cos) = damage.turned.to_radians().sin_cos();
    // From a place on the photo back to the module, in the order in which paper and camera moved it.
    let darkness = |px: f32, py: f32| {
        let (x, y) = (
            px / damage.module_px - dimension / 2.0 - 20.0,
            py / damage.module_px - dimension / 2.0 - 20.0,
        );
        let (x, y) = (x * cos + y * sin, y * cos - x * sin);
        let depth = 1.0 + damage.perspective * (y / dimension);
        let (x, y) = (x * depth, y * depth);
        let (amplitude, count) = damage.waves;
        let wave = |along: f32, phase: f32| {
            amplitude * (along / dimension * count * std::f32::consts::TAU + phase).sin()
        };
        let bulge = |p: f32| damage.curl * (1.0 - (2.0 * p / dimension).clamp(-1.0, 1.0).powi(2));
        let (u, v) = (
            x + wave(y, phases[0]) + 0.4 * wave(x, phases[1]) + bulge(x),
            y + wave(x, phases[2]) + 0.4 * wave(y, phases[3]),
        );
        let (column, row) = ((u + dimension / 2.0).floor(), (v + dimension / 2.0).floor());
        if (0.0..dimension).contains(&column) && (0.0..dimension).contains(&row) {
            return f32::from(u8::from(
                modules[row as usize * width + column as usize] == Color::Dark,
            ));
        }
        // Lines of marks above and below, beyond the quiet zone.
        let beyond = -4.0 - row.min(dimension - 1.0 - row);
        let is_text = beyond > 0.0
            && beyond % 6.0 < 4.0
            && (column * 7.0 + row * 3.0 + (column * row) % 5.0) % 11.0 < 4.0;
        f32::from(u8::from(is_text))
    };
    let mut light = vec![0.0_f32; (side * side) as usize];
    for (index, value) in light.iter_mut().enumerate() {
        let (x, y) = ((index as u32 % side) as f32, (index as u32 / side) as f32);
        let mut sum = 0.0;
        for (dx, dy) in [
            (0.17, 0.17),
            (0.5, 0.17),
            (0.83, 0.17),
            (0.17, 0.5),
            (0.5, 0.5),
            (0.83, 0.5),
            (0.17, 0.83),
            (0.5, 0.83),
            (0.83, 0.83),
        ] {
            sum += darkness(x + dx, y + dy);
        }
        *value = 205.0 - 150.0 * sum / 9.0;
    }
    blur(&mut light, side as usize, damage.blur_px);
    GrayImage::from_fn(side, side, |x, y| {
        let shade = 1.0
            - damage.shadow
                * (0.5 + 0.5 * ((x as f32 * 1.3 + y as f32) / side as f32 * 3.0 + phases[0]).sin());
        let grain = (random.part() + random.part() - 1.0) * damage.noise;
        Luma([(light[(y * side + x) as usize] * shade + grain).clamp(0.0, 255.0) as u8])
    })
}

/// A Gaussian of this radius, along rows and then along columns.
fn blur(light: &mut Vec<f32>, side: usize, radius: f32) {
    if radius <= 0.0 {
        return;
    }
    let reach = (radius * 3.0).ceil() as isize;
    let kernel: Vec<f32> = (-reach..=reach)
        .map(|o| (-(o * o) as f32 / (2.0 * radius * radius)).exp())
        .collect();
    let sum: f32 = kernel.iter().sum();
    for (step, other) in [(1, side), (side, 1)] {
        let mut out = vec![0.0; light.len()];
        for line in 0..side {
            for at in 0..side {
                let value: f32 = (-reach..=reach)
                    .zip(&kernel)
                    .map(|(o, k)| {
                        light[line * other
                            + (at as isize + o).clamp(0, side as isize - 1) as usize * step]
                            * k
                    })
                    .sum();
                out[line * other + at * step] = value / sum;
            }
        }
        *light = out;
    }
}

/// A small generator, so that a seed means the same picture everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From zero up to one.
    pub fn part(&mut self) -> f32 {
        (self.next() >> 40) as f32 / 16_777_216.0
    }
}
