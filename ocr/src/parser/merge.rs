//! Goods of several readings of one photo, line by line.
//!
//! A line whose quantity × price is not its sum takes the numbers of the same line in another reading where they agree.
//! Which line is the same is told by the name, never by the place alone: a reading may have lost a line.

use super::Page;
use super::arithmetic::is_proven;
use super::glyphs;
use super::items::Draft;
use super::words::folded;

/// Names of the same article differ by at most one sign in so many.
const SIGNS_A_DIFFERENCE: usize = 4;
/// Longest part of a name that is compared.
const COMPARED_CHARS: usize = 60;

/// Gives lines that do not prove themselves the numbers of the same line in another reading that does.
pub fn proven_lines(pages: &mut [Page]) {
    let proven: Vec<Vec<Draft>> = pages
        .iter()
        .map(|page| {
            page.items
                .iter()
                .filter(|i| is_proven(i))
                .cloned()
                .collect()
        })
        .collect();
    for (index, page) in pages.iter_mut().enumerate() {
        for item in page.items.iter_mut().filter(|item| !is_proven(item)) {
            let others = proven
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != index)
                .flat_map(|(_, drafts)| drafts);
            let same: Vec<&Draft> = others.filter(|other| same_article(item, other)).collect();
            let Some(better) = same.first() else { continue };
            // The same name twice on the receipt with different numbers tells nothing.
            if same.iter().any(|other| other.sum_minor != better.sum_minor) {
                continue;
            }
            item.quantity = better.quantity;
            item.unit_price_minor = better.unit_price_minor;
            item.sum_minor = better.sum_minor;
            item.confidence = item.confidence.min(better.confidence);
        }
    }
}

fn same_article(a: &Draft, b: &Draft) -> bool {
    let part = |name: &str| -> String { folded(name).chars().take(COMPARED_CHARS).collect() };
    let (a, b) = (part(&a.name), part(&b.name));
    let longer = a.chars().count().max(b.chars().count());
    let Ok(bound) = u32::try_from(longer * 10 / SIGNS_A_DIFFERENCE) else {
        return false;
    };
    glyphs::word_cost(&a, &b, bound) <= bound
}
