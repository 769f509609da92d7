//! Words with their places, put together into lines.
//!
//! A receipt has no columns that matter: a name on the left and its sum on the right are one line. The OCR engine
//! sometimes splits them, so lines are formed again here by where words stand, relative to their own height.

use kvit_domain::recognition::{Confidence, Region};

/// Confidence from which a word of three signs or more is certainly a word.
const CERTAIN_WORD: u16 = 880;
/// With fewer certain words the margins are not known.
const CERTAIN_WORDS_MIN: usize = 8;

/// A word as the engine read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Its text, without blanks.
    pub text: String,
    /// How sure the engine is.
    pub confidence: Confidence,
    /// Where it stands.
    pub region: Region,
}

/// Words on one baseline, from left to right.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// At least one word.
    pub words: Vec<Word>,
}

impl Line {
    /// The words with blanks between them.
    #[must_use]
    pub fn text(&self) -> String {
        self.words
            .iter()
            .map(|w| w.text.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The mean confidence of the words, weighted by their length.
    #[must_use]
    pub fn confidence(&self) -> Confidence {
        mean_confidence(&self.words)
    }

    /// The rectangle around all words.
    #[must_use]
    pub fn region(&self) -> Option<Region> {
        self.words.iter().map(|w| w.region).reduce(around)
    }
}

/// The rectangle around two.
#[must_use]
pub fn around(a: Region, b: Region) -> Region {
    let (x, y) = (a.x.min(b.x), a.y.min(b.y));
    let right = a.x.saturating_add(a.width).max(b.x.saturating_add(b.width));
    let bottom =
        a.y.saturating_add(a.height)
            .max(b.y.saturating_add(b.height));
    Region {
        x,
        y,
        width: right - x,
        height: bottom - y,
    }
}

/// The mean confidence of words, weighted by their length; zero without words.
#[must_use]
pub fn mean_confidence(words: &[Word]) -> Confidence {
    let weight = |w: &Word| u64::try_from(w.text.chars().count()).unwrap_or(1);
    let total: u64 = words.iter().map(weight).sum();
    if total == 0 {
        return Confidence::default();
    }
    let sum: u64 = words
        .iter()
        .map(|w| weight(w) * u64::from(w.confidence.thousandths()))
        .sum();
    Confidence::from_thousandths(u16::try_from(sum / total).unwrap_or(0))
}

/// Clusters words into lines, top to bottom.
///
/// A word joins the line whose horizontally nearest word shares at least half of the lower of the two heights with it.
/// Comparing with the nearest word instead of the whole line lets a line drift on a slightly slanted photo.
#[must_use]
pub fn lines(mut words: Vec<Word>) -> Vec<Line> {
    words.sort_by_key(|w| (w.region.x, w.region.y));
    let mut lines: Vec<Line> = Vec::new();
    for word in words {
        let best = lines
            .iter_mut()
            .filter_map(|line| {
                let last = line.words.last()?;
                let shared = overlap_permille(last.region, word.region);
                // A word that begins left of the previous one's end by more than a little stands above or below it.
                let end = last.region.x + last.region.width;
                let collides = end > word.region.x + word.region.height;
                (shared >= 500 && !collides).then_some((shared, line))
            })
            .max_by_key(|(shared, _)| *shared);
        match best {
            Some((_, line)) => line.words.push(word),
            None => lines.push(Line { words: vec![word] }),
        }
    }
    lines.sort_by_key(|line| {
        let sum: u64 = line
            .words
            .iter()
            .map(|w| u64::from(w.region.y) * 2 + u64::from(w.region.height))
            .sum();
        sum / (2 * line.words.len().max(1) as u64)
    });
    lines
}

/// Words within the text's own margins. Beside the paper the engine reads the table's grain as short words, which would
/// otherwise end up in the names of goods. The margins are those of the words that are certainly words.
#[must_use]
pub fn within_margins(words: Vec<Word>) -> Vec<Word> {
    let certain = |w: &&Word| {
        w.confidence.thousandths() >= CERTAIN_WORD
            && w.text.chars().filter(|c| c.is_alphanumeric()).count() >= 3
    };
    let mut lefts: Vec<u32> = words.iter().filter(certain).map(|w| w.region.x).collect();
    let mut rights: Vec<u32> = words
        .iter()
        .filter(certain)
        .map(|w| w.region.x.saturating_add(w.region.width))
        .collect();
    if lefts.len() < CERTAIN_WORDS_MIN {
        return words;
    }
    lefts.sort_unstable();
    rights.sort_unstable();
    // One certain word outside is a chance; the second one from the edge is the margin.
    let (Some(left), Some(right)) = (lefts.get(1).copied(), rights.iter().rev().nth(1).copied())
    else {
        return words;
    };
    words
        .into_iter()
        .filter(|w| {
            let slack = w.region.height;
            let centre = w.region.x.saturating_add(w.region.width / 2);
            certain(&w)
                || (centre.saturating_add(slack) >= left && centre <= right.saturating_add(slack))
        })
        .collect()
}

/// How much of the lower height two regions share vertically, in thousandths.
fn overlap_permille(a: Region, b: Region) -> u64 {
    let top = a.y.max(b.y);
    let bottom =
        a.y.saturating_add(a.height)
            .min(b.y.saturating_add(b.height));
    let lower = a.height.min(b.height).max(1);
    u64::from(bottom.saturating_sub(top)) * 1_000 / u64::from(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, x: u32, y: u32, width: u32, height: u32) -> Word {
        Word {
            text: text.into(),
            confidence: Confidence::from_thousandths(900),
            region: Region {
                x,
                y,
                width,
                height,
            },
        }
    }

    #[test]
    fn a_sum_far_to_the_right_belongs_to_its_name_even_on_a_slant() {
        let words = vec![
            word("95.30", 400, 114, 60, 20),
            word("СУМА", 10, 100, 80, 20),
            word("ПДВ", 10, 130, 50, 20),
            word("ДО", 110, 104, 30, 20),
            word("6.23", 400, 139, 50, 20),
            word("СПЛАТИ", 160, 107, 120, 20),
        ];
        let read: Vec<String> = lines(words).iter().map(Line::text).collect();
        assert_eq!(read, ["СУМА ДО СПЛАТИ 95.30", "ПДВ 6.23"]);
    }

    #[test]
    fn what_is_read_beside_the_text_is_dropped() {
        let mut words: Vec<Word> = (0..10)
            .map(|i| word("Аптека", 100 + i, 100 + i * 30, 300, 20))
            .collect();
        words.push(Word {
            confidence: Confidence::from_thousandths(400),
            ..word("ее", 10, 100, 20, 20)
        });
        words.push(Word {
            confidence: Confidence::from_thousandths(400),
            ..word("№1", 500, 130, 20, 20)
        });
        words.push(Word {
            confidence: Confidence::from_thousandths(400),
            ..word("Б", 395, 160, 15, 20)
        });
        let kept = within_margins(words);
        assert_eq!(
            kept.iter()
                .filter(|w| w.text != "Аптека")
                .map(|w| w.text.as_str())
                .collect::<Vec<_>>(),
            ["Б"]
        );
    }

    #[test]
    fn a_low_full_stop_stays_in_its_line() {
        let words = vec![
            word("АРТ", 10, 100, 40, 20),
            word(".", 52, 117, 3, 3),
            word("13204", 60, 100, 60, 20),
        ];
        assert_eq!(
            lines(words).iter().map(Line::text).collect::<Vec<_>>(),
            ["АРТ . 13204"]
        );
    }
}
