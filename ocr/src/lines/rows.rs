//! The rows of the straightened page: which place each text line takes there.

use super::chains::Chain;
use super::glyphs::Glyph;
use super::warp::Warp;

/// A text line, in pixels of the picture under study, measured on the straightened page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    pub left: f32,
    pub right: f32,
    /// Where capitals and digits stand.
    pub baseline: f32,
    /// Their height in this row.
    pub capital: f32,
}

/// A sign on the straightened page.
#[derive(Debug, Clone, Copy)]
struct Placed {
    left: f32,
    right: f32,
    top: f32,
    bottom: f32,
}

/// Signs that a row needs when no chain made it.
const LOOSE_MIN: usize = 2;
/// Most rows; more than any receipt has.
const ROWS_MAX: usize = 240;

/// The rows, top to bottom: chains on one baseline together, and what is left over where it stands.
pub fn rows(chains: &[Chain], signs: &[Glyph], height: f32, warp: &Warp) -> Vec<Row> {
    let place = |g: &Glyph| {
        let (x, _) = g.middle();
        let (_, top) = warp.onto(x, g.top);
        let (_, bottom) = warp.onto(x, g.bottom);
        let (left, _) = warp.onto(g.left, g.bottom);
        Placed {
            left,
            right: left + g.width(),
            top,
            bottom,
        }
    };
    let (page_width, page_height) = warp.extent();
    let mut groups: Vec<Vec<Placed>> = chains
        .iter()
        .map(|chain| chain.iter().map(place).collect::<Vec<_>>())
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let mut rows: Vec<Row> = Vec::new();
    for group in &groups {
        if let Some(row) = of(group) {
            join(&mut rows, row);
        }
    }
    // Short words form no chain; they stand on a row or make one.
    let mut loose: Vec<Placed> = Vec::new();
    for sign in signs
        .iter()
        .filter(|g| (0.3..=2.2).contains(&(g.height() / height)) && g.width() < 8.0 * height)
    {
        let placed = place(sign);
        if placed.left < 0.0
            || placed.right > page_width
            || placed.top < 0.0
            || placed.bottom > page_height
        {
            continue;
        }
        let middle = (placed.top + placed.bottom) / 2.0;
        let on = rows.iter_mut().find(|row| {
            (row.baseline - 1.15 * row.capital..row.baseline + 0.2 * row.capital).contains(&middle)
        });
        match on {
            Some(row) => {
                row.left = row.left.min(placed.left);
                row.right = row.right.max(placed.right);
            }
            None => loose.push(placed),
        }
    }
    loose.sort_by(|a, b| a.bottom.total_cmp(&b.bottom));
    let mut group: Vec<Placed> = Vec::new();
    for sign in loose {
        if group
            .last()
            .is_some_and(|last| sign.bottom - last.bottom > 0.3 * height)
        {
            flush(&mut rows, &group, height);
            group.clear();
        }
        group.push(sign);
    }
    flush(&mut rows, &group, height);
    // A double rule is as wide as a row and lower than any text.
    rows.retain(|row| row.capital > 0.5 * height);
    rows.sort_by(|a, b| a.baseline.total_cmp(&b.baseline));
    rows.truncate(ROWS_MAX);
    rows
}

fn flush(rows: &mut Vec<Row>, group: &[Placed], height: f32) {
    let tall = group
        .iter()
        .filter(|g| g.bottom - g.top > 0.6 * height)
        .count();
    if tall >= LOOSE_MIN
        && let Some(row) = of(group)
    {
        join(rows, row);
    }
}

/// The row that signs of one baseline make.
fn of(group: &[Placed]) -> Option<Row> {
    let mut heights: Vec<f32> = group.iter().map(|g| g.bottom - g.top).collect();
    heights.sort_by(f32::total_cmp);
    let capital = *heights.get(heights.len() * 7 / 10)?;
    // Low signs (dashes, commas) say nothing about the baseline.
    let mut bottoms: Vec<f32> = group
        .iter()
        .filter(|g| g.bottom - g.top > 0.5 * capital)
        .map(|g| g.bottom)
        .collect();
    bottoms.sort_by(f32::total_cmp);
    Some(Row {
        left: group.iter().map(|g| g.left).fold(f32::MAX, f32::min),
        right: group.iter().map(|g| g.right).fold(f32::MIN, f32::max),
        baseline: *bottoms.get(bottoms.len() / 2)?,
        capital,
    })
}

/// Adds to the row of the same baseline, or as a new one.
fn join(rows: &mut Vec<Row>, row: Row) {
    let same = rows.iter_mut().find(|known| {
        let (above, below) = (known.baseline - known.capital, known.baseline);
        let shared = below.min(row.baseline) - above.max(row.baseline - row.capital);
        shared > 0.5 * known.capital.min(row.capital)
    });
    match same {
        Some(known) => {
            known.left = known.left.min(row.left);
            known.right = known.right.max(row.right);
            known.capital = known.capital.max(row.capital);
        }
        None => rows.push(row),
    }
}
