//! The search for a QR code: a ladder of attempts, cheap ones first, within a time budget.
//!
//! A fiscal code decides identity, date and total with certainty, so it is worth several looks at the photo. A plain
//! decoder looks first; what it cannot read, our own reader does ([`deep`]), which follows a crumpled code; then the
//! plain decoders see other versions of the photo. The first attempt that decodes ends the search and its name is
//! recorded, so that the order can be judged by counts from production. A code of another kind (Wi-Fi on the wall
//! behind) is painted over and the same attempt looks again, since it may stand beside the fiscal one.
//!
//! ```text
//! plain ─▶ deep: finders ─▶ triples ─▶ canvas ─▶ warp ─▶ modules ─▶ content ─▶ other versions of the photo
//! ```

mod canvas;
mod content;
mod deep;
mod finders;
mod linear;
mod modules;
mod plain;
mod symbol;
mod triples;
mod warp;

use std::time::{Duration, Instant};

use image::GrayImage;
use kvit_domain::recognition::QrReading;

use crate::fiscal_qr::{self, QrContent};
use crate::pixels;
use plain::Rung;

/// Photos with more pixels are reduced for the first look. By pixels and not by side: a long receipt keeps the detail
/// of its width.
const FIRST_LOOK_PIXELS: u64 = 1_920_000;
/// The search takes no longer than this, whatever the caller grants.
const SEARCH_MAX: Duration = Duration::from_millis(1_500);
/// Redundant bytes that our own reader must have left unused for a content that is not a complete fiscal form.
const SPARE_MIN: usize = 2;
/// Codes painted over at one rung before giving up on it.
const FOREIGN_CODES_MAX: usize = 3;

/// Versions of the photo for the plain decoders after our own reader, by yield for the price as measured on
/// photographed receipts.
const LADDER: [(Rung, &str); 5] = [
    (Rung::Sharpened2, "sharpened_x2"),
    (Rung::Full, "full_size"),
    (Rung::Stretched, "stretched"),
    (Rung::Rqrr, "rqrr"),
    (Rung::Rotated(45), "rotated_45"),
];

/// What the search found, with the direction of the photo as the code shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QrSearch {
    /// The reading that goes into the result.
    pub reading: QrReading,
    /// Quarter turns clockwise that bring the photo upright, when a decoded code told.
    pub quarter_turns: Option<u8>,
}

/// Searches until the deadline or [`SEARCH_MAX`], whichever is earlier. A rung that would overrun it by the pace seen
/// so far is not begun.
#[must_use]
pub fn search(photo: &GrayImage, deadline: Instant) -> QrSearch {
    let started = Instant::now();
    let deadline = deadline.min(started + SEARCH_MAX);
    let mut best = Best::nothing();
    if started >= deadline {
        return best.search;
    }
    let first_look = pixels::at_most_pixels(photo, FIRST_LOOK_PIXELS);
    let is_crowded = deep::is_crowded(&first_look);
    let looked = Instant::now();
    if !is_crowded && look(Rung::Grey, "grey", photo, &first_look, &mut best) {
        return best.search;
    }
    let pace = looked.elapsed()
        / u32::try_from(Rung::Grey.pixels(photo, &first_look) / 1_000 + 1).unwrap_or(1);
    deep::read(photo, &first_look, deadline, &mut |found| {
        // Only a fiscal form carries its own proof; that a code is something else must be read with some margin.
        let is_sure = found.spare >= SPARE_MIN
            || matches!(fiscal_qr::parse(&found.text), QrContent::Fiscal(_));
        is_sure && best.take(&found.text, found.step, Some(found.quarter_turns()))
    });
    for (rung, name) in LADDER {
        // A photo that is sharp enough for a foreign code would have shown a fiscal one beside it.
        if is_crowded || best.is_settled() {
            break;
        }
        let thousands =
            u32::try_from(rung.pixels(photo, &first_look) / 1_000 + 1).unwrap_or(u32::MAX);
        if Instant::now() + pace.saturating_mul(thousands) >= deadline {
            continue;
        }
        look(rung, name, photo, &first_look, &mut best);
    }
    best.search
}

/// The best that was seen so far.
struct Best {
    search: QrSearch,
}

impl Best {
    fn nothing() -> Self {
        Self {
            search: QrSearch {
                reading: QrReading::Missing,
                quarter_turns: None,
            },
        }
    }

    /// Takes a content that was decoded; whether the search is at its end with it.
    fn take(&mut self, content: &str, step: &str, quarter_turns: Option<u8>) -> bool {
        let step = step.to_owned();
        let (reading, ends) = match fiscal_qr::parse(content) {
            QrContent::Fiscal(fiscal) => (QrReading::Fiscal { fiscal, step }, true),
            QrContent::Incomplete { missing } => (QrReading::Incomplete { missing, step }, true),
            QrContent::NotAReceipt => (QrReading::NotAReceipt { step }, false),
        };
        self.search = QrSearch {
            reading,
            quarter_turns,
        };
        ends
    }

    fn is_settled(&self) -> bool {
        self.search.reading != QrReading::Missing
    }
}

/// Shows a plain decoder one version of the photo; whether the search is at its end.
fn look(
    rung: Rung,
    name: &str,
    photo: &GrayImage,
    first_look: &GrayImage,
    best: &mut Best,
) -> bool {
    let Some(mut shown) = plain::show(rung, photo, first_look) else {
        return false;
    };
    for _ in 0..FOREIGN_CODES_MAX {
        let decoded = if rung == Rung::Rqrr {
            plain::decode_rqrr(&shown)
        } else {
            plain::decode_rxing(&shown)
        };
        let Some(found) = decoded else {
            return false;
        };
        if best.take(&found.content, name, found.quarter_turns) {
            return true;
        }
        plain::paint_over(&mut shown, &found.corners);
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests"
    )]
    use std::time::Duration;

    use image::Luma;

    use super::*;
    use crate::samples;

    fn photo() -> GrayImage {
        let now = chrono::NaiveDate::from_ymd_opt(2026, 3, 14)
            .unwrap()
            .and_hms_opt(15, 0, 0)
            .unwrap();
        let set = samples::demo_set(now, 1).unwrap();
        let first = set.first().unwrap();
        image::load_from_memory(&first.sample.jpeg)
            .unwrap()
            .into_luma8()
    }

    #[test]
    fn a_code_tells_which_side_is_up() {
        let upright = photo();
        for turned in 0..4_u8 {
            let search = search(
                &pixels::quarter_turned(upright.clone(), turned),
                Instant::now() + Duration::from_secs(20),
            );
            assert!(
                matches!(search.reading, QrReading::Fiscal { .. }),
                "{:?}",
                search.reading
            );
            assert_eq!(
                search.quarter_turns,
                Some((4 - turned) % 4),
                "turned {turned}"
            );
        }
    }

    #[test]
    fn a_spent_budget_ends_the_search_before_it_begins() {
        assert_eq!(search(&photo(), Instant::now()).reading, QrReading::Missing);
    }

    #[test]
    fn pictures_without_a_code_and_tiny_ones_end_quietly() {
        for (width, height) in [(1, 1), (3, 700), (40, 40), (300, 300)] {
            let noise = GrayImage::from_fn(width, height, |x, y| {
                Luma([u8::try_from((x * 7 + y * 13 + x * y) % 256).unwrap()])
            });
            let found = search(&noise, Instant::now() + Duration::from_secs(20));
            assert_eq!(found.reading, QrReading::Missing, "{width}x{height}");
        }
    }
}
