//! From the rectified code to one number for each module: dark above zero, light below, doubtful near it.
//!
//! A blurred photo mixes every module with its neighbours. How, is learnt from the modules whose colour is known: the
//! weights of a five by five neighbourhood that best bring back their colours, and then once more with the modules
//! that came out clearly.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "pixel work; no value of the result is computed here"
)]

use super::canvas::Canvas;
use super::linear;
use super::symbol::Symbol;
use super::warp::Warp;

/// Neighbours on each side that are weighed.
const REACH: usize = 2;
const WIDTH: usize = 2 * REACH + 1;
/// The neighbourhood and a constant.
const TAPS: usize = WIDTH * WIDTH + 1;
/// How strongly the weights hold to "only the module itself", in known modules.
const HOLD: f64 = 12.0;
/// A module beyond this is believed when the weights are learnt again.
const CLEAR: f32 = 0.5;

/// The tone of each module at its shifted middle.
pub fn sample(canvas: &Canvas, symbol: &Symbol, warp: Option<&Warp>) -> Vec<f32> {
    const OFFSETS: [f32; 3] = [-0.22, 0.0, 0.22];
    let mut tones = Vec::with_capacity(symbol.known.len());
    for module in 0..symbol.known.len() {
        let (u, v) = (
            (module % symbol.dimension) as f32 + 0.5,
            (module / symbol.dimension) as f32 + 0.5,
        );
        let (du, dv) = warp.map_or((0.0, 0.0), |w| w.at(u, v));
        let mut sum = 0.0;
        for dy in OFFSETS {
            for dx in OFFSETS {
                sum += canvas.at(u + du + dx, v + dv + dy);
            }
        }
        tones.push(sum / 9.0);
    }
    tones
}

/// The tones with the neighbours' share taken out. `believed` gives the colours known beyond the fixed patterns, as
/// the symbol does; `rounds` how often clear modules teach.
pub fn equalised(tones: &[f32], symbol: &Symbol, believed: &[i8], rounds: usize) -> Vec<f32> {
    let mut weights = learn(
        tones,
        symbol.dimension,
        believed.iter().map(|k| f32::from(*k)),
    );
    let mut result = apply(tones, symbol.dimension, &weights);
    for _ in 0..rounds {
        let taught: Vec<f32> = believed
            .iter()
            .zip(&result)
            .map(|(known, value)| match known {
                0 if value.abs() > CLEAR => value.signum(),
                known => f32::from(*known),
            })
            .collect();
        weights = learn(tones, symbol.dimension, taught.into_iter());
        result = apply(tones, symbol.dimension, &weights);
    }
    result
}

/// The part of the modules with a fixed colour that came out with the other one.
pub fn misfit(tones: &[f32], symbol: &Symbol) -> f32 {
    let (mut wrong, mut all) = (0_u16, 0_u16);
    for (tone, known) in tones
        .iter()
        .zip(&symbol.known)
        .filter(|(_, known)| **known != 0)
    {
        all += 1;
        wrong += u16::from((*tone > 0.0) != (*known > 0));
    }
    f32::from(wrong) / f32::from(all.max(1))
}

fn neighbourhood(tones: &[f32], dimension: usize, module: usize) -> [f32; TAPS] {
    let (x, y) = (module % dimension, module / dimension);
    let mut taps = [1.0; TAPS];
    for (index, tap) in taps.iter_mut().take(TAPS - 1).enumerate() {
        let place =
            |at: usize, offset: usize| (at + offset).checked_sub(REACH).filter(|p| *p < dimension);
        // Around the code is paper.
        *tap = match (place(x, index % WIDTH), place(y, index / WIDTH)) {
            (Some(x), Some(y)) => tones[y * dimension + x],
            _ => -1.0,
        };
    }
    taps
}

fn learn(tones: &[f32], dimension: usize, wanted: impl Iterator<Item = f32>) -> Vec<f64> {
    let mut rows = vec![vec![0.0_f64; TAPS + 1]; TAPS];
    for (module, wanted) in wanted.enumerate().filter(|(_, w)| *w != 0.0) {
        let taps = neighbourhood(tones, dimension, module);
        for (row, a) in rows.iter_mut().zip(&taps) {
            for (sum, b) in row.iter_mut().zip(taps.iter().chain([&wanted])) {
                *sum += f64::from(a * b);
            }
        }
    }
    let own = (TAPS - 1) / 2;
    for (i, row) in rows.iter_mut().enumerate() {
        row[i] += HOLD;
        if i == own {
            row[TAPS] += HOLD;
        }
    }
    linear::solve(&mut rows).unwrap_or_else(|| {
        let mut plain = vec![0.0; TAPS];
        plain[own] = 1.0;
        plain
    })
}

fn apply(tones: &[f32], dimension: usize, weights: &[f64]) -> Vec<f32> {
    (0..tones.len())
        .map(|module| {
            let taps = neighbourhood(tones, dimension, module);
            taps.iter()
                .zip(weights)
                .map(|(t, w)| f64::from(*t) * w)
                .sum::<f64>() as f32
        })
        .collect()
}
