//! How far each part of a crumpled code lies from where a flat one would have it.
//!
//! A grid of nodes over the code, each with a shift out of a small set. What speaks for a shift: modules whose colour
//! is known (finder, timing and alignment patterns) have it there, and all others are clearly dark or light, which
//! they are at their middle and not at their edge. What binds the shifts: neighbours differ little. The best grid is
//! found by passing messages between neighbours, so that a part without known modules is carried by those around it,
//! and one whole module of slip, which would look as sharp, is ruled out by the patterns it would contradict.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "pixel work; no value of the result is computed here"
)]

use std::time::Instant;

use super::canvas::{Canvas, MARGIN, SCALE};

/// Largest shift, in steps of one canvas pixel.
const STEPS: usize = 7;
const ALONG: usize = 2 * STEPS + 1;
const LABELS: usize = ALONG * ALONG;
/// Modules between nodes.
const PITCH: usize = 4;
/// What a sharp module of unknown colour is worth beside a known one.
const UNKNOWN_WEIGHT: f32 = 0.8;
const SWEEPS: usize = 4;

/// Shifts in modules on a grid of nodes.
#[derive(Debug, Clone)]
pub struct Warp {
    nodes: usize,
    shifts: Vec<(f32, f32)>,
}

impl Warp {
    /// The shift at a place in modules.
    pub fn at(&self, u: f32, v: f32) -> (f32, f32) {
        let last = (self.nodes - 2) as f32;
        let place = |m: f32| {
            let p = (m / PITCH as f32).clamp(0.0, last + 0.999);
            (p as usize, p - p.floor())
        };
        let ((left, fx), (top, fy)) = (place(u), place(v));
        let i = top * self.nodes + left;
        let mix = |a: f32, b: f32, c: f32, d: f32| {
            (a * (1.0 - fx) + b * fx) * (1.0 - fy) + (c * (1.0 - fx) + d * fx) * fy
        };
        let (a, b) = (self.shifts[i], self.shifts[i + 1]);
        let (c, d) = (self.shifts[i + self.nodes], self.shifts[i + self.nodes + 1]);
        (mix(a.0, b.0, c.0, d.0), mix(a.1, b.1, c.1, d.1))
    }
}

impl Warp {
    /// The shifts that the two timing patterns alone suggest: what the paper does across the code at the height of the
    /// upper one, and along it at the left one, added up, and bent so that `pinned` does not move. Along these lines the
    /// colours are known, so there is no slip of a whole module to carry further.
    pub fn extended_from_edges(&self, pinned: (f32, f32)) -> Self {
        const LINE: f32 = 6.5;
        let corner = self.at(LINE, LINE);
        let sum = |u: f32, v: f32| {
            let (across, down) = (self.at(u, LINE), self.at(LINE, v));
            (across.0 + down.0 - corner.0, across.1 + down.1 - corner.1)
        };
        let off = sum(pinned.0, pinned.1);
        let area = (pinned.0 - LINE) * (pinned.1 - LINE);
        let shifts = (0..self.shifts.len())
            .map(|index| {
                let place = |node: usize| (node * PITCH) as f32;
                let (u, v) = (place(index % self.nodes), place(index / self.nodes));
                let shift = sum(u, v);
                let part = if area > 1.0 {
                    (u - LINE) * (v - LINE) / area
                } else {
                    0.0
                };
                (shift.0 - off.0 * part, shift.1 - off.1 * part)
            })
            .collect();
        Self {
            nodes: self.nodes,
            shifts,
        }
    }
}

/// How the grid is held together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paper {
    /// Modules around a node that speak for its shift.
    pub window: usize,
    /// Price of two neighbours that differ by one step.
    pub stiffness: f32,
}

/// The best grid for a code of so many modules along an edge, or `None` when the time is over. `believed` gives each
/// module's colour as far as it is known: `1` dark, `-1` light, `0` not known. Shifts are looked for around those of
/// `before`, when there are any.
pub fn fit(
    canvas: &Canvas,
    dimension: usize,
    believed: &[i8],
    paper: Paper,
    before: Option<&Warp>,
    deadline: Instant,
) -> Option<Warp> {
    let nodes = dimension.div_ceil(PITCH) + 1;
    let mut field = Field {
        nodes,
        stiffness: paper.stiffness,
        cost: unary(canvas, dimension, believed, paper.window, nodes, before),
        messages: Default::default(),
    };
    field.messages = std::array::from_fn(|_| vec![0.0; nodes * nodes * LABELS]);
    for _ in 0..SWEEPS {
        if Instant::now() >= deadline {
            return None;
        }
        field.sweep();
    }
    let mut warp = field.best();
    if let Some(before) = before {
        for (index, shift) in warp.shifts.iter_mut().enumerate() {
            let at = |node: usize| (node * PITCH) as f32;
            let (du, dv) = before.at(at(index % nodes), at(index / nodes));
            *shift = (shift.0 + du, shift.1 + dv);
        }
    }
    Some(warp)
}

/// For each node and shift, how much the modules around speak against it.
fn unary(
    canvas: &Canvas,
    dimension: usize,
    believed: &[i8],
    window: usize,
    nodes: usize,
    before: Option<&Warp>,
) -> Vec<f32> {
    let mut cost = vec![0.0_f32; nodes * nodes * LABELS];
    let mut worth = [0.0_f32; LABELS];
    for (module, known) in believed.iter().enumerate() {
        let (x, y) = (module % dimension, module / dimension);
        let (du, dv) = before.map_or((0.0, 0.0), |w| w.at(x as f32 + 0.5, y as f32 + 0.5));
        // The first shift's place; shifts that lead off the canvas see its border.
        let first = |m: usize, shift: f32| {
            let place = ((m + MARGIN) * SCALE + SCALE / 2) as f32 + (shift * SCALE as f32).round();
            (place as usize)
                .saturating_sub(STEPS)
                .min(canvas.side - ALONG)
        };
        let (left, top) = (first(x, du), first(y, dv));
        for (row, line) in worth.chunks_exact_mut(ALONG).enumerate() {
            let from = (top + row) * canvas.side + left;
            for (value, tone) in line.iter_mut().zip(&canvas.tone[from..from + ALONG]) {
                *value = match known {
                    0 => tone.abs().min(1.0) * UNKNOWN_WEIGHT,
                    _ => tone.clamp(-1.0, 1.0) * f32::from(*known),
                };
            }
        }
        let near = |m: usize| {
            let first = (m + 1).saturating_sub(window).div_ceil(PITCH);
            first..=((m + window) / PITCH).min(nodes - 1)
        };
        for node_y in near(y) {
            for node_x in near(x) {
                let at = (node_y * nodes + node_x) * LABELS;
                for (sum, value) in cost[at..at + LABELS].iter_mut().zip(&worth) {
                    *sum -= value;
                }
            }
        }
    }
    // A slight preference for no shift, for nodes that nothing speaks for.
    for (index, value) in cost.iter_mut().enumerate() {
        let label = index % LABELS;
        let away = |l: usize| (l as f32 - STEPS as f32).powi(2);
        *value += 0.01 * (away(label % ALONG) + away(label / ALONG));
    }
    cost
}

/// Messages into each node, from its left, right, upper and lower neighbour.
struct Field {
    nodes: usize,
    stiffness: f32,
    cost: Vec<f32>,
    messages: [Vec<f32>; 4],
}

const FROM_LEFT: usize = 0;
const FROM_RIGHT: usize = 1;
const FROM_ABOVE: usize = 2;
const FROM_BELOW: usize = 3;

impl Field {
    /// Once forwards and once backwards over the grid.
    fn sweep(&mut self) {
        let n = self.nodes;
        for y in 0..n {
            for x in 0..n {
                if x + 1 < n {
                    self.pass((x, y), (x + 1, y), FROM_RIGHT, FROM_LEFT);
                }
                if y + 1 < n {
                    self.pass((x, y), (x, y + 1), FROM_BELOW, FROM_ABOVE);
                }
            }
        }
        for y in (0..n).rev() {
            for x in (0..n).rev() {
                if x > 0 {
                    self.pass((x, y), (x - 1, y), FROM_LEFT, FROM_RIGHT);
                }
                if y > 0 {
                    self.pass((x, y), (x, y - 1), FROM_ABOVE, FROM_BELOW);
                }
            }
        }
    }

    fn belief(&self, node: usize, without: Option<usize>) -> [f32; LABELS] {
        let range = node * LABELS..(node + 1) * LABELS;
        let mut sum = [0.0; LABELS];
        sum.copy_from_slice(&self.cost[range.clone()]);
        for (side, messages) in self.messages.iter().enumerate() {
            if Some(side) != without {
                for (s, m) in sum.iter_mut().zip(&messages[range.clone()]) {
                    *s += m;
                }
            }
        }
        sum
    }

    /// What `from` tells `to`, leaving out what `to` told it through `back`.
    fn pass(&mut self, from: (usize, usize), to: (usize, usize), back: usize, into: usize) {
        let told = spread(
            &self.belief(from.1 * self.nodes + from.0, Some(back)),
            self.stiffness,
        );
        let least = told.iter().copied().fold(f32::MAX, f32::min);
        let at = (to.1 * self.nodes + to.0) * LABELS;
        for (message, value) in self.messages[into][at..at + LABELS].iter_mut().zip(&told) {
            *message = value - least;
        }
    }

    fn best(&self) -> Warp {
        let shifts = (0..self.nodes * self.nodes)
            .map(|node| {
                let belief = self.belief(node, None);
                let label = (0..LABELS)
                    .min_by(|a, b| belief[*a].total_cmp(&belief[*b]))
                    .unwrap_or(LABELS / 2);
                let (column, row) = (label % ALONG, label / ALONG);
                let fine = |place: usize, before: Option<f32>, after: Option<f32>| {
                    let offset = match (before, after) {
                        (Some(b), Some(a)) => {
                            let bend = b + a - 2.0 * belief[label];
                            if bend > 1e-6 {
                                ((b - a) / (2.0 * bend)).clamp(-0.5, 0.5)
                            } else {
                                0.0
                            }
                        }
                        _ => 0.0,
                    };
                    (place as f32 - STEPS as f32 + offset) / SCALE as f32
                };
                let beside = |l: Option<usize>| l.and_then(|l| belief.get(l).copied());
                let left = (column > 0).then(|| label - 1);
                let right = (column + 1 < ALONG).then_some(label + 1);
                (
                    fine(column, beside(left), beside(right)),
                    fine(
                        row,
                        beside(label.checked_sub(ALONG)),
                        beside(Some(label + ALONG)),
                    ),
                )
            })
            .collect();
        Warp {
            nodes: self.nodes,
            shifts,
        }
    }
}

/// The least of every shift plus the price of changing to it, direction by direction.
fn spread(belief: &[f32; LABELS], stiffness: f32) -> [f32; LABELS] {
    const REACH: usize = 3;
    let price = |a: usize, b: usize| {
        let steps = a.abs_diff(b) as f32;
        stiffness * steps * steps
    };
    let (mut rows, mut out) = ([0.0; LABELS], [0.0; LABELS]);
    for (line, result) in belief.chunks_exact(ALONG).zip(rows.chunks_exact_mut(ALONG)) {
        for (x, value) in result.iter_mut().enumerate() {
            let near = x.saturating_sub(REACH)..(x + REACH + 1).min(ALONG);
            *value = near.map(|o| line[o] + price(o, x)).fold(f32::MAX, f32::min);
        }
    }
    for y in 0..ALONG {
        let near = y.saturating_sub(REACH)..(y + REACH + 1).min(ALONG);
        let result = &mut out[y * ALONG..(y + 1) * ALONG];
        result.fill(f32::MAX);
        for o in near {
            let by = price(o, y);
            for (value, other) in result.iter_mut().zip(&rows[o * ALONG..(o + 1) * ALONG]) {
                *value = value.min(other + by);
            }
        }
    }
    out
}
