//! Reading a code that plain decoders give up on: find its corners, flatten it, follow its crumples, undo the blur,
//! and repair with the knowledge of what was seen badly.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "pixel work; no value of the result is computed here"
)]

use std::time::Instant;

use image::GrayImage;

use super::canvas::{Canvas, Projection};
use super::content::{self, Outcome};
use super::finders::{self, Scene};
use super::modules;
use super::plain::{turns_to_upright, whole};
use super::symbol::Symbol;
use super::triples::{self, Triple};
use super::warp::{self, Paper, Warp};

/// Ways to look for the corners: the window of the local means in pixels, and whether small detail is raised first.
const LOOKS: [(usize, bool); 3] = [(24, false), (10, true), (10, false)];
/// Rows with the proportions of a finder pattern, of every eighth, beyond which plain decoders are left out.
const CROWD_MAX: usize = 600;
/// Sizes tried around the one that the corners suggest.
const DIMENSIONS_TRIED: usize = 3;

/// Rounds in which what was read for certain helps to find the rest.
const FEEDBACK_MAX: usize = 3;
/// More known modules than this part with the wrong colour, and it is no code of that size: a right one has next to none.
const MISFIT_MAX: f32 = 0.1;
/// How far from its place the last alignment pattern is looked for, in half modules: perspective moves it.
const ALIGNMENT_REACH: i32 = 12;
/// How the paper may be crumpled, the commonest way first, with the names of the step that reads so at once, of the one
/// that begins where the code's edges lead, and of the one with the help of what was read before.
const PAPERS: [(Paper, [&str; 3]); 3] = [
    (
        Paper {
            window: 4,
            stiffness: 0.2,
        },
        ["warped", "warped_edges", "warped_again"],
    ),
    (
        Paper {
            window: 3,
            stiffness: 0.1,
        },
        ["soft", "soft_edges", "soft_again"],
    ),
    (
        Paper {
            window: 5,
            stiffness: 0.5,
        },
        ["stiff", "stiff_edges", "stiff_again"],
    ),
];

/// A code that was read.
#[derive(Debug, Clone)]
pub struct Found {
    pub text: String,
    /// Top left, top right, bottom left, on the photo.
    pub corners: [(f32, f32); 3],
    /// How it was read.
    pub step: &'static str,
    /// Unused redundancy of the block that needed most of it: the proof that this was read and not made up.
    pub spare: usize,
}

/// Text, step and spare redundancy.
type Reading = (String, &'static str, usize);

impl Found {
    /// Quarter turns clockwise that bring the photo upright.
    pub fn quarter_turns(&self) -> u8 {
        let [left, right, _] = self.corners;
        turns_to_upright(whole(right.0 - left.0), whole(right.1 - left.1))
    }
}

/// Whether there are so many squares that a plain decoder, which compares every three of them, would not end in time.
pub fn is_crowded(look: &GrayImage) -> bool {
    finders::crowd(&Scene::of(look, LOOKS[0].0, false)) > CROWD_MAX
}

/// Reads codes on the photo until `accept` takes one or the time is over. The corners are looked for on `look`, the
/// same photo or a reduced one; the code itself is always read from the photo.
pub fn read(
    photo: &GrayImage,
    look: &GrayImage,
    deadline: Instant,
    accept: &mut dyn FnMut(&Found) -> bool,
) -> Option<Found> {
    let enlarged = photo.width() as f32 / look.width().max(1) as f32;
    let mut tried: Vec<Triple> = Vec::new();
    for (radius, raised) in LOOKS {
        let scene = Scene::of(look, radius, raised);
        let finders = finders::find(&scene, deadline);
        for triple in triples::choose(&finders) {
            if Instant::now() >= deadline {
                return None;
            }
            if tried.iter().any(|t| t.is_near(&triple)) {
                continue;
            }
            tried.push(triple);
            let triple = triple.enlarged(enlarged);
            if let Some((text, step, spare)) = read_triple(photo, &triple, deadline) {
                let found = Found {
                    text,
                    corners: [triple.top_left, triple.top_right, triple.bottom_left],
                    step,
                    spare,
                };
                if accept(&found) {
                    return Some(found);
                }
            }
        }
    }
    None
}

fn read_triple(grey: &GrayImage, triple: &Triple, deadline: Instant) -> Option<Reading> {
    let guess = nearest_version(triple.dimension);
    let first = Symbol::of_version(guess)?;
    let flat = Canvas::draw(grey, first.dimension, affine(triple, first.dimension)?).smoothed();
    let mut versions: Vec<(f32, u32)> = (guess.saturating_sub(2)..=guess + 2)
        .filter_map(|version| {
            let symbol = Symbol::of_version(version)?;
            Some((timing_score(&flat, symbol.dimension), version))
        })
        .collect();
    versions.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (_, version) in versions.into_iter().take(DIMENSIONS_TRIED) {
        if Instant::now() >= deadline {
            return None;
        }
        let symbol = Symbol::of_version(version)?;
        if let Some(found) = read_version(grey, triple, &symbol, deadline) {
            return Some(found);
        }
    }
    None
}

fn read_version(
    grey: &GrayImage,
    triple: &Triple,
    symbol: &Symbol,
    deadline: Instant,
) -> Option<Reading> {
    let canvas = Canvas::draw(grey, symbol.dimension, affine(triple, symbol.dimension)?);
    let projection = projection(triple, symbol, &canvas)?;
    let canvas = Canvas::draw(grey, symbol.dimension, |u, v| projection.apply(u, v));
    if let (Outcome::Read { text, spare }, _) = attempt(&canvas, symbol, &symbol.known, None) {
        return Some((text, "rectified", spare));
    }
    let sharp = canvas.sharpened(1.0);
    let pinned = symbol.alignment_centres().into_iter().max().map_or(
        (symbol.dimension as f32 - 3.5, symbol.dimension as f32 - 3.5),
        |(x, y)| (x as f32 + 0.5, y as f32 + 0.5),
    );
    for (paper, names) in PAPERS {
        let mut believed = symbol.known.clone();
        let mut before: Option<Warp> = None;
        for round in 0..=FEEDBACK_MAX {
            let warp = warp::fit(
                &sharp,
                symbol.dimension,
                &believed,
                paper,
                before.as_ref(),
                deadline,
            )?;
            let (outcome, misfit) = attempt(&canvas, symbol, &believed, Some(&warp));
            let more = match outcome {
                Outcome::Read { text, spare } => {
                    return Some((text, names[round.min(names.len() - 1)], spare));
                }
                Outcome::Partly { believed, .. } => believed,
            };
            if misfit > MISFIT_MAX {
                return None; // this is no code of this size
            }
            // The second round begins where the edges of the first lead to, later ones where the one before ended; those
            // must know more than it did.
            if round > 0 && content::certain(&more) <= content::certain(&believed) {
                break;
            }
            before = Some(if round == 0 {
                warp.extended_from_edges(pinned)
            } else {
                warp
            });
            believed = more;
        }
    }
    None
}

/// Reads the modules as they are and with the blur taken out; also the part of the known modules that came out wrong.
fn attempt(
    canvas: &Canvas,
    symbol: &Symbol,
    believed: &[i8],
    warp: Option<&Warp>,
) -> (Outcome, f32) {
    let tones = modules::sample(canvas, symbol, warp);
    let plain = modules::equalised(&tones, symbol, believed, 0);
    let misfit = modules::misfit(&plain, symbol);
    let outcome = content::read(symbol, &plain);
    if matches!(outcome, Outcome::Read { .. }) {
        return (outcome, misfit);
    }
    (
        content::read(symbol, &modules::equalised(&tones, symbol, believed, 2)),
        misfit,
    )
}

fn nearest_version(dimension: f32) -> u32 {
    (((dimension - 17.0) / 4.0).round() as u32).max(1)
}

/// The map from modules to the photo that the three corners give, with the fourth as in a parallelogram.
fn affine(triple: &Triple, dimension: usize) -> Option<impl Fn(f32, f32) -> (f32, f32) + use<>> {
    let (a, b, c) = (triple.top_left, triple.top_right, triple.bottom_left);
    let fourth = (b.0 + c.0 - a.0, b.1 + c.1 - a.1);
    let projection = with_fourth(
        triple,
        dimension,
        (dimension as f32 - 3.5, dimension as f32 - 3.5),
        fourth,
    )?;
    Some(move |u, v| projection.apply(u, v))
}

fn with_fourth(
    triple: &Triple,
    dimension: usize,
    module: (f32, f32),
    place: (f32, f32),
) -> Option<Projection> {
    let far = dimension as f32 - 3.5;
    Projection::through([
        ((3.5, 3.5), triple.top_left),
        ((far, 3.5), triple.top_right),
        ((3.5, far), triple.bottom_left),
        (module, place),
    ])
}

/// The projection with the last alignment pattern where it is seen.
fn projection(triple: &Triple, symbol: &Symbol, canvas: &Canvas) -> Option<Projection> {
    let far = symbol.dimension as f32 - 3.5;
    let flat = affine(triple, symbol.dimension)?;
    let Some((x, y)) = symbol.alignment_centres().into_iter().max() else {
        return with_fourth(triple, symbol.dimension, (far, far), flat(far, far));
    };
    let centre = (x as f32 + 0.5, y as f32 + 0.5);
    // Half modules over a wide square, then finer around the best.
    let mut best = (f32::MIN, (0.0, 0.0));
    for (step, reach) in [(0.5, ALIGNMENT_REACH), (0.2, 2)] {
        let around = best.1;
        for sy in -reach..=reach {
            for sx in -reach..=reach {
                let shift = (around.0 + sx as f32 * step, around.1 + sy as f32 * step);
                let score = alignment_score(canvas, (centre.0 + shift.0, centre.1 + shift.1))
                    - 0.25 * shift.0.hypot(shift.1);
                if score > best.0 {
                    best = (score, shift);
                }
            }
        }
    }
    let seen = (centre.0 + best.1.0, centre.1 + best.1.1);
    with_fourth(triple, symbol.dimension, centre, flat(seen.0, seen.1))
}

/// How much the tones around a place look like an alignment pattern.
fn alignment_score(canvas: &Canvas, centre: (f32, f32)) -> f32 {
    let mut score = 0.0;
    for dy in -2_i8..=2 {
        for dx in -2_i8..=2 {
            let tone = canvas.at(centre.0 + f32::from(dx), centre.1 + f32::from(dy));
            score += if dx.abs().max(dy.abs()) == 1 {
                -tone
            } else {
                tone
            };
        }
    }
    score
}

const ACROSS: usize = 13;
const ALONG: usize = 7;

/// The best way to a shift from the shifts of the module before.
fn best_before(sums: &[[f32; ACROSS]; ALONG], a: usize, b: usize) -> f32 {
    let mut best = f32::MIN;
    for (na, line) in sums
        .iter()
        .enumerate()
        .take(a + 2)
        .skip(a.saturating_sub(1))
    {
        for (nb, sum) in line
            .iter()
            .enumerate()
            .take(b + 2)
            .skip(b.saturating_sub(1))
        {
            best = best.max(sum - 0.15 * (na.abs_diff(a) + nb.abs_diff(b)) as f32);
        }
    }
    best
}

/// How well both timing patterns alternate for a size, following them where they bend. The canvas may be drawn for
/// another size.
fn timing_score(canvas: &Canvas, dimension: usize) -> f32 {
    let scale = (canvas.dimension as f32 - 7.0) / (dimension as f32 - 7.0);
    let mut total = 0.0;
    for vertical in [false, true] {
        // Best sum so far for each shift along and across.
        let mut sums = [[0.0_f32; ACROSS]; ALONG];
        for (a, line) in sums.iter_mut().enumerate() {
            for (b, sum) in line.iter_mut().enumerate() {
                *sum = -0.3 * (a.abs_diff(ALONG / 2) + b.abs_diff(ACROSS / 2)) as f32;
            }
        }
        for index in 7..dimension - 7 {
            let mut next = [[f32::MIN; ACROSS]; ALONG];
            for (a, line) in next.iter_mut().enumerate() {
                for (b, sum) in line.iter_mut().enumerate() {
                    let along =
                        3.5 + (index as f32 - 3.0) * scale + (a as f32 - (ALONG / 2) as f32) * 0.25;
                    let across = 3.5 + 3.0 * scale + (b as f32 - (ACROSS / 2) as f32) * 0.25;
                    let tone = if vertical {
                        canvas.at(across, along)
                    } else {
                        canvas.at(along, across)
                    };
                    *sum = best_before(&sums, a, b) + if index % 2 == 0 { tone } else { -tone };
                }
            }
            sums = next;
        }
        let mut best = f32::MIN;
        for (a, line) in sums.iter().enumerate() {
            for (b, sum) in line.iter().enumerate() {
                best =
                    best.max(sum - 0.3 * (a.abs_diff(ALONG / 2) + b.abs_diff(ACROSS / 2)) as f32);
            }
        }
        total += best / (dimension - 14) as f32;
    }
    total
}
