//! The text lines of a photo, found without the OCR engine, and the page made straight along them.
//!
//! Page segmentation is what fails first on photos: paper lies at an angle, in perspective and curled, and a table's
//! grain surrounds it. Signs of text have neighbours of their own height, so they are found among any texture; linked
//! into chains they show the direction of the text at each place ([`field`]), and following that direction across the
//! page gives the curves that become the rows of the straightened page ([`warp`]).

#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::indexing_slicing,
    reason = "pixel work; no value of the result is computed here"
)]

mod chains;
mod field;
mod glyphs;
mod rows;
#[cfg(test)]
mod tests;
mod warp;

use image::GrayImage;

use crate::pixels;
use chains::{Chain, chains, rules};
use field::{Field, Order};
use glyphs::{agreement, glyphs};
pub use rows::Row;
pub use warp::Warp;

/// Long side of the picture that lines are looked for in.
const STUDY_SIDE: u32 = 1_600;
/// Long side of the picture that its direction is judged by.
const GLANCE_SIDE: u32 = 1_200;
/// Signs in a line that counts as text.
const CHAIN_MIN: usize = 4;
/// Fewer lines are no page.
const CHAINS_MIN: usize = 4;

/// What the lines of a page tell.
#[derive(Debug, Clone)]
pub struct Straight {
    /// From the straightened page to the picture.
    pub warp: Warp,
    /// Height of capitals in pixels of the picture.
    pub capital: f32,
    /// The text lines, top to bottom, in units of the warp: see [`Warp::on_page`].
    pub rows: Vec<Row>,
    /// How far the most bent line leaves a straight one, in heights of a capital.
    pub bend: f32,
}

/// Finds the text and how to straighten it; `None` when there are too few lines.
#[must_use]
pub fn straighten(picture: &GrayImage) -> Option<Straight> {
    let small = pixels::at_most_side(picture, STUDY_SIDE);
    let factor = picture.width() as f32 / small.width().max(1) as f32;
    let first = agreement(&glyphs(&small))?;
    // Bounds of signs are upright, so the picture is turned first when the text is not.
    let turn = first.slope.atan();
    let turned = warp::turned(&small, turn);
    let signs = glyphs(&turned);
    let height = agreement(&signs).map_or(first.height, |a| a.height);
    let mut field = Field::level();
    let mut lines: Vec<Chain> = Vec::new();
    let mut evidence: Vec<Chain> = Vec::new();
    for (reach, off, order) in [
        (1.5, 0.35, Order { across: 2, down: 2 }),
        (2.5, 0.3, Order { across: 4, down: 3 }),
        (3.0, 0.25, Order { across: 8, down: 3 }),
        (
            3.0,
            0.25,
            Order {
                across: 10,
                down: 4,
            },
        ),
    ] {
        lines = chains(&signs, height, &field, reach, off);
        lines.retain(|chain| chain.len() >= CHAIN_MIN || (chain.len() >= 3 && even(chain, height)));
        if lines.len() < CHAINS_MIN {
            return None;
        }
        evidence.clone_from(&lines);
        evidence.extend(rules(&signs, height, &field, off));
        match field.fitted(&evidence, height, order) {
            Some(better) => field = better,
            None => break,
        }
    }
    let warp = Warp::along(&field, &evidence, height, turned.dimensions())?;
    let bend = warp.bend() / height;
    let rows = rows::rows(&lines, &signs, height, &warp);
    Some(Straight {
        warp: warp.of_turned(turn, small.dimensions(), turned.dimensions(), factor),
        capital: height * factor,
        rows,
        bend,
    })
}

/// How much better text a quarter turn clockwise would make of a photo, as signs in even lines now and then.
#[must_use]
pub fn upright_and_turned(photo: &GrayImage) -> (usize, usize) {
    let small = pixels::at_most_side(photo, GLANCE_SIDE);
    let turned = pixels::quarter_turned(small.clone(), 1);
    (signs_in_lines(&small), signs_in_lines(&turned))
}

fn signs_in_lines(picture: &GrayImage) -> usize {
    let Some(first) = agreement(&glyphs(picture)) else {
        return 0;
    };
    let turned = warp::turned(picture, first.slope.atan());
    chains(&glyphs(&turned), first.height, &Field::level(), 1.2, 0.25)
        .iter()
        .filter(|chain| chain.len() > CHAIN_MIN && even(chain, first.height))
        .map(Vec::len)
        .sum()
}

/// Whether the signs are of one height, as digits are: a column of prices stands apart from the names, and texture is
/// not even.
fn even(chain: &Chain, height: f32) -> bool {
    let near = chain
        .iter()
        .filter(|g| (0.75..1.3).contains(&(g.height() / height)))
        .count();
    near * 5 >= chain.len() * 4
}
