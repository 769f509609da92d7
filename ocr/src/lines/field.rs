//! The direction of the text at every place: a smooth surface fitted to what the lines themselves show.
//!
//! Perspective turns the lines by degrees from top to bottom, curled paper bends them all in much the same way; a
//! polynomial of low order describes both, and hundreds of signs determine it well.

use super::chains::{Chain, step};

/// Terms across and down the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    pub across: usize,
    pub down: usize,
}

/// Slope of the text as a function of the place.
#[derive(Debug, Clone)]
pub struct Field {
    order: Order,
    terms: Vec<f64>,
    centre: (f32, f32),
    half: (f32, f32),
}

impl Field {
    /// Text that runs straight across.
    pub fn level() -> Self {
        Self {
            order: Order { across: 0, down: 0 },
            terms: Vec::new(),
            centre: (0.0, 0.0),
            half: (1.0, 1.0),
        }
    }

    /// The slope at a place; outside of the text that of its nearest part.
    pub fn at(&self, x: f32, y: f32) -> f32 {
        if self.terms.is_empty() {
            return 0.0;
        }
        let basis = basis(self.order, self.local(x, y));
        basis
            .iter()
            .zip(&self.terms)
            .map(|(b, t)| b * t)
            .sum::<f64>() as f32
    }

    fn local(&self, x: f32, y: f32) -> (f64, f64) {
        let part = |value: f32, centre: f32, half: f32| {
            f64::from(((value - centre) / half).clamp(-1.0, 1.0))
        };
        (
            part(x, self.centre.0, self.half.0),
            part(y, self.centre.1, self.half.1),
        )
    }

    /// Fits the surface to chains. `self` tells which of a sign's edges to believe.
    pub fn fitted(&self, chains: &[Chain], height: f32, order: Order) -> Option<Self> {
        // x, y, slope, weight
        let mut seen: Vec<(f32, f32, f64, f64)> = Vec::new();
        for chain in chains.iter().filter(|c| c.len() >= 4) {
            for (index, a) in chain.iter().enumerate() {
                for b in chain.iter().skip(index + 1).take(8) {
                    let dx = b.middle().0 - a.middle().0;
                    if dx < 1.2 * height {
                        continue;
                    }
                    if dx > 5.0 * height {
                        break;
                    }
                    let off = step(a, b, self);
                    if off.abs() > 0.12 * height + 0.03 * dx {
                        continue;
                    }
                    let (x, y) = (
                        (a.middle().0 + b.middle().0) / 2.0,
                        (a.middle().1 + b.middle().1) / 2.0,
                    );
                    let slope = f64::from(off / dx + self.at(x, y));
                    // The edges' error is the same at any distance.
                    let weight = f64::from((dx / height).min(5.0)).powi(2);
                    seen.push((x, y, slope, weight));
                }
            }
        }
        let count = order.across * order.down;
        if seen.len() < 10 * count.max(4) {
            return None;
        }
        let bounds = |mut values: Vec<f32>| {
            values.sort_by(f32::total_cmp);
            let at = |part: usize| {
                values
                    .get(values.len() * part / 100)
                    .copied()
                    .unwrap_or(0.0)
            };
            ((at(1) + at(99)) / 2.0, ((at(99) - at(1)) / 2.0).max(1.0))
        };
        let across = bounds(seen.iter().map(|s| s.0).collect());
        let down = bounds(seen.iter().map(|s| s.1).collect());
        let mut field = Self {
            order,
            terms: Vec::new(),
            centre: (across.0, down.0),
            half: (across.1, down.1),
        };
        let total: f64 = seen.iter().map(|s| s.3).sum();
        let mut believed = vec![1.0_f64; seen.len()];
        for _ in 0..4 {
            let mut normal = vec![vec![0.0_f64; count + 1]; count];
            for ((x, y, slope, weight), belief) in seen.iter().zip(&believed) {
                let basis = basis(order, field.local(*x, *y));
                for (row, a) in normal.iter_mut().zip(&basis) {
                    for (cell, b) in row.iter_mut().zip(&basis) {
                        *cell += weight * belief * a * b;
                    }
                    if let Some(last) = row.last_mut() {
                        *last += weight * belief * a * slope;
                    }
                }
            }
            for (index, row) in normal.iter_mut().enumerate() {
                // Little evidence shall not bend the page: the higher the term, the more it takes.
                let degree = (index / order.down) + 2 * (index % order.down);
                if let Some(cell) = row.get_mut(index) {
                    *cell += total * 1e-3 * degree as f64;
                }
            }
            field.terms = solved(normal)?;
            for ((x, y, slope, _), belief) in seen.iter().zip(&mut believed) {
                let off = (slope - f64::from(field.at(*x, *y))) / 0.02;
                *belief = 1.0 / (1.0 + off * off);
            }
        }
        Some(field)
    }
}

fn basis(order: Order, (x, y): (f64, f64)) -> Vec<f64> {
    let mut terms = Vec::with_capacity(order.across * order.down);
    // Legendre polynomials: nearly independent of each other over the page.
    for i in 0..order.across {
        for j in 0..order.down {
            terms.push(legendre(i, x) * legendre(j, y));
        }
    }
    terms
}

fn legendre(degree: usize, x: f64) -> f64 {
    let (mut before, mut now) = (1.0, x);
    if degree == 0 {
        return before;
    }
    for n in 1..degree {
        let n = n as f64;
        let next = ((2.0 * n + 1.0) * x * now - n * before) / (n + 1.0);
        (before, now) = (now, next);
    }
    now
}

/// Gauss with the largest pivot; each row ends with its right side.
fn solved(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let count = rows.len();
    for column in 0..count {
        let pivot = (column..count)
            .max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        rows.swap(column, pivot);
        let lead = rows[column].clone();
        if lead[column].abs() < 1e-9 {
            return None;
        }
        for (index, row) in rows.iter_mut().enumerate() {
            if index == column {
                continue;
            }
            let factor = row[column] / lead[column];
            for (cell, value) in row.iter_mut().zip(&lead) {
                *cell -= factor * value;
            }
        }
    }
    Some((0..count).map(|i| rows[i][count] / rows[i][i]).collect())
}
