//! Which three squares are the corners of one code.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "pixel work; no value of the result is computed here"
)]

use super::finders::Finder;
use super::symbol::VERSION_MAX;

/// Codes looked at on one photo.
const TRIPLES_MAX: usize = 6;

/// Three corners of a supposed code, on the photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Triple {
    pub top_left: (f32, f32),
    pub top_right: (f32, f32),
    pub bottom_left: (f32, f32),
    /// Modules along an edge, as the sizes of the squares suggest; a few per cent wrong.
    pub dimension: f32,
    /// How far from a square with three equal corners.
    oddity: f32,
}

/// The likeliest codes first.
pub fn choose(finders: &[Finder]) -> Vec<Triple> {
    let mut triples = Vec::new();
    for (i, a) in finders.iter().enumerate() {
        for (j, b) in finders.iter().enumerate().skip(i + 1) {
            for c in finders.iter().skip(j + 1) {
                triples.extend(triple(a, b, c));
            }
        }
    }
    triples.sort_by(|a, b| a.oddity.total_cmp(&b.oddity));
    triples.truncate(TRIPLES_MAX);
    triples
}

fn triple(a: &Finder, b: &Finder, c: &Finder) -> Option<Triple> {
    let distance = |p: &Finder, q: &Finder| (p.x - q.x).hypot(p.y - q.y);
    // The corner lies opposite the longest side.
    let sides = [
        (distance(b, c), a, b, c),
        (distance(a, c), b, a, c),
        (distance(a, b), c, a, b),
    ];
    let (_, corner, one, other) = sides.into_iter().max_by(|x, y| x.0.total_cmp(&y.0))?;
    let leg = |p: &Finder| (p.x - corner.x, p.y - corner.y);
    let (first, second) = (leg(one), leg(other));
    let cross = first.0 * second.1 - first.1 * second.0;
    let (right, down, right_end, down_end) = if cross > 0.0 {
        (first, second, one, other)
    } else {
        (second, first, other, one)
    };
    let (across, along) = (right.0.hypot(right.1), down.0.hypot(down.1));
    if across < 10.0 || along < 10.0 {
        return None;
    }
    let lean = (right.0 * down.0 + right.1 * down.1).abs() / (across * along);
    let uneven = (across / along).ln().abs();
    // Runs along the row cut a turned square on a slant: its true modules are smaller.
    let upright = (right.0.abs().max(right.1.abs())) / across;
    let size = |f: &Finder| (f.module.0 * f.module.1).sqrt() * upright;
    let sizes = [size(corner), size(right_end), size(down_end)];
    let largest = sizes.iter().copied().fold(f32::MIN, f32::max);
    let smallest = sizes.iter().copied().fold(f32::MAX, f32::min);
    let spread = (largest / smallest).ln();
    if lean > 0.45 || uneven > 0.55 || spread > 0.55 {
        return None;
    }
    let module = sizes.iter().sum::<f32>() / 3.0;
    let dimension = f32::midpoint(across, along) / module + 7.0;
    let largest_code = (17 + 4 * VERSION_MAX) as f32;
    if !(17.0..largest_code + 6.0).contains(&dimension) {
        return None;
    }
    Some(Triple {
        top_left: (corner.x, corner.y),
        top_right: (right_end.x, right_end.y),
        bottom_left: (down_end.x, down_end.y),
        dimension,
        oddity: lean * 2.0 + uneven * 2.0 + spread * 1.5,
    })
}

impl Triple {
    /// The same code on a photo larger by this factor.
    pub fn enlarged(&self, factor: f32) -> Self {
        // A pixel of the small picture is a square of the large one, and places are middles of pixels.
        let place = |p: (f32, f32)| ((p.0 + 0.5) * factor - 0.5, (p.1 + 0.5) * factor - 0.5);
        Self {
            top_left: place(self.top_left),
            top_right: place(self.top_right),
            bottom_left: place(self.bottom_left),
            ..*self
        }
    }

    /// Whether it is the same code, seen again.
    pub fn is_near(&self, other: &Self) -> bool {
        let near =
            |a: (f32, f32), b: (f32, f32)| (a.0 - b.0).abs() < 4.0 && (a.1 - b.1).abs() < 4.0;
        near(self.top_left, other.top_left)
            && near(self.top_right, other.top_right)
            && near(self.bottom_left, other.bottom_left)
    }
}
