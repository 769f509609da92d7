//! Signs put together into text lines, following the direction that the text has at each place.

use super::field::Field;
use super::glyphs::Glyph;

/// Signs from left to right on one baseline.
pub type Chain = Vec<Glyph>;

/// Dashes in a rule.
const RULE_MIN: usize = 10;

/// Links every sign with the next one on its baseline.
///
/// `reach` is the widest gap and `off` the largest step off the expected baseline, in heights of a capital.
pub fn chains(glyphs: &[Glyph], height: f32, field: &Field, reach: f32, off: f32) -> Vec<Chain> {
    let signs: Vec<&Glyph> = glyphs
        .iter()
        .filter(|g| (0.35..=2.6).contains(&(g.height() / height)))
        .collect();
    linked(&signs, height, field, reach, off)
}

/// Dashed rules: the widest and straightest lines on a receipt, and so the best evidence of a bend.
pub fn rules(glyphs: &[Glyph], height: f32, field: &Field, off: f32) -> Vec<Chain> {
    let dashes: Vec<&Glyph> = glyphs
        .iter()
        .filter(|g| g.height() < 0.35 * height && (0.2..1.5).contains(&(g.width() / height)))
        .collect();
    let mut rules = linked(&dashes, height, field, 1.2, off);
    rules.retain(|rule| rule.len() >= RULE_MIN);
    rules
}

fn linked(signs: &[&Glyph], height: f32, field: &Field, reach: f32, off: f32) -> Vec<Chain> {
    let mut next: Vec<Option<usize>> = vec![None; signs.len()];
    let mut before: Vec<Option<(usize, f32)>> = vec![None; signs.len()];
    for (index, a) in signs.iter().enumerate() {
        let mut nearest: Option<(f32, usize)> = None;
        for (other, b) in signs.iter().enumerate().skip(index + 1) {
            if b.left > a.right + reach * height {
                break;
            }
            if b.left < a.right - 0.4 * height || b.middle().0 <= a.middle().0 {
                continue;
            }
            let step = step(a, b, field);
            if step.abs() > off * height || !(0.45..2.2).contains(&(a.height() / b.height())) {
                continue;
            }
            let distance = (b.left - a.right).max(0.0) + 3.0 * step.abs();
            if nearest.is_none_or(|(least, _)| distance < least) {
                nearest = Some((distance, other));
            }
        }
        if let Some((distance, other)) = nearest
            && before[other].is_none_or(|(_, known)| distance < known)
        {
            if let Some((loser, _)) = before[other] {
                next[loser] = None;
            }
            before[other] = Some((index, distance));
            next[index] = Some(other);
        }
    }
    (0..signs.len())
        .filter(|index| before[*index].is_none())
        .map(|first| {
            let mut chain = vec![*signs[first]];
            let mut at = first;
            while let Some(following) = next[at] {
                chain.push(*signs[following]);
                at = following;
            }
            chain
        })
        .collect()
}

/// How far the second sign stands off the first one's baseline or upper line, whichever fits better: small letters and
/// capitals share the one, a comma's neighbour or a descender only the other.
pub fn step(a: &Glyph, b: &Glyph, field: &Field) -> f32 {
    let (ax, ay) = a.middle();
    let (bx, by) = b.middle();
    let expected = field.at((ax + bx) / 2.0, (ay + by) / 2.0) * (bx - ax);
    let steps = [b.bottom - a.bottom - expected, b.top - a.top - expected];
    if (0.85..1.18).contains(&(a.height() / b.height())) {
        return (steps[0] + steps[1]) / 2.0;
    }
    steps
        .into_iter()
        .min_by(|a, b| a.abs().total_cmp(&b.abs()))
        .unwrap_or(f32::MAX)
}
