//! One text from several readings of the same row.
//!
//! The engine reads a row differently at another size, and is right about different words. Words that stand at one
//! place are one word read several times: readings that agree support each other, and a reading in the shape of an
//! amount, a date or a plain word is worth more than a mixture of signs.

use kvit_domain::recognition::Confidence;

use crate::layout::{Word, mean_confidence};

/// What a shape is worth, in thousandths of confidence.
const AMOUNT: i64 = 120;
const MOMENT: i64 = 160;
const NUMBER: i64 = 60;
const LETTERS: i64 = 60;
const MIXTURE: i64 = -120;
/// A reading so much less sure than the best one of its row has no vote.
const OUTCLASSED: u16 = 220;
/// A word that most readings do not see at all has to be this sure.
const ALONE: u16 = 600;

/// The words that several readings of one row make together.
pub fn voted(readings: &[Vec<Word>]) -> Vec<Word> {
    let sure = |words: &Vec<Word>| mean_confidence(words).thousandths();
    let most = readings.iter().map(sure).max().unwrap_or(0);
    let readings: Vec<&Vec<Word>> = readings
        .iter()
        .filter(|words| sure(words).saturating_add(OUTCLASSED) >= most)
        .collect();
    let [first, rest @ ..] = readings.as_slice() else {
        return Vec::new();
    };
    if rest.is_empty() {
        return (*first).clone();
    }
    let mut all: Vec<(usize, &Word)> = readings
        .iter()
        .enumerate()
        .flat_map(|(index, words)| words.iter().map(move |word| (index, word)))
        .collect();
    all.sort_by_key(|(_, word)| word.region.x);
    let mut places: Vec<Vec<(usize, &Word)>> = Vec::new();
    let mut right = 0;
    for (index, word) in all {
        let end = word.region.x.saturating_add(word.region.width);
        let shared = right.min(end).saturating_sub(word.region.x);
        match places.last_mut() {
            // A third of the word within the place that is already taken.
            Some(place) if shared * 3 > word.region.width => place.push((index, word)),
            _ => places.push(vec![(index, word)]),
        }
        right = right.max(end);
    }
    places
        .iter()
        .flat_map(|place| chosen(place, readings.len()))
        .collect()
}

/// The best of the readings of one place.
fn chosen(place: &[(usize, &Word)], readings: usize) -> Vec<Word> {
    let candidates: Vec<Vec<Word>> = (0..readings)
        .map(|reading| {
            place
                .iter()
                .filter(|(index, _)| *index == reading)
                .map(|(_, word)| (*word).clone())
                .collect()
        })
        .collect();
    let seen = candidates.iter().filter(|words| !words.is_empty()).count();
    let text = |words: &[Word]| words.iter().map(|w| w.text.as_str()).collect::<String>();
    let value = |words: &[Word]| {
        let shapes: i64 = words.iter().map(|w| shape(&w.text)).sum();
        let count = i64::try_from(words.len().max(1)).unwrap_or(1);
        i64::from(mean_confidence(words).thousandths()) + shapes / count
    };
    let best = candidates
        .iter()
        .filter(|words| !words.is_empty())
        .max_by_key(|words| {
            let support: i64 = candidates
                .iter()
                .filter(|other| !other.is_empty() && text(other) == text(words))
                .map(|other| value(other).max(1))
                .sum();
            (support, value(words))
        });
    let Some(best) = best else {
        return Vec::new();
    };
    if seen * 2 < readings && mean_confidence(best).thousandths() < ALONE {
        return Vec::new();
    }
    let agreeing = candidates
        .iter()
        .filter(|other| text(other) == text(best))
        .count();
    best.iter()
        .map(|word| Word {
            confidence: supported(word.confidence, agreeing, seen),
            ..word.clone()
        })
        .collect()
}

/// Readings that agree make a word surer, readings that contradict make it less sure.
fn supported(confidence: Confidence, agreeing: usize, seen: usize) -> Confidence {
    let own = confidence.thousandths();
    if agreeing >= 2 {
        let doubt = 1_000_u16.saturating_sub(own);
        return Confidence::from_thousandths(1_000_u16.saturating_sub(doubt / 2));
    }
    if seen >= 2 {
        return Confidence::from_thousandths(own / 10 * 9);
    }
    confidence
}

/// What the shape of a word says about how likely it was read right.
fn shape(text: &str) -> i64 {
    let inner = text.trim_matches(|c: char| !c.is_alphanumeric());
    let digits = inner.chars().filter(char::is_ascii_digit).count();
    let letters = inner.chars().filter(|c| c.is_alphabetic()).count();
    let others: Vec<char> = inner.chars().filter(|c| !c.is_alphanumeric()).collect();
    if digits >= 4 && letters == 0 && others.len() >= 2 {
        let one =
            others.iter().all(|c| *c == ':') || others.iter().all(|c| matches!(c, '.' | '-' | '/'));
        return if one { MOMENT } else { 0 };
    }
    if digits >= 3 && letters == 0 && others.len() == 1 {
        let cents = inner.rsplit(['.', ',']).next().map_or(0, str::len);
        return if cents == 2 { AMOUNT } else { 0 };
    }
    match (digits, letters, others.len()) {
        (5.., 0, 0) => NUMBER,
        (0, 2.., 0..=1) => LETTERS,
        (1.., 3.., _) => MIXTURE,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvit_domain::recognition::Region;

    fn word(text: &str, x: u32, width: u32, confidence: u16) -> Word {
        Word {
            text: text.into(),
            confidence: Confidence::from_thousandths(confidence),
            region: Region {
                x,
                y: 10,
                width,
                height: 20,
            },
        }
    }

    fn texts(words: &[Word]) -> Vec<&str> {
        words.iter().map(|w| w.text.as_str()).collect()
    }

    #[test]
    fn two_readings_that_agree_beat_a_surer_third_one() {
        let voted = voted(&[
            vec![word("СУМА", 10, 80, 950), word("585.30", 300, 90, 700)],
            vec![word("СУМА", 11, 80, 900), word("505.30", 301, 90, 900)],
            vec![word("СУМА", 10, 79, 960), word("585.30", 300, 91, 650)],
        ]);
        assert_eq!(texts(&voted), ["СУМА", "585.30"]);
    }

    #[test]
    fn the_shape_of_an_amount_decides_between_two_readings_of_about_one_confidence() {
        let voted = voted(&[
            vec![word("585.3О", 300, 90, 760)],
            vec![word("585.30", 300, 90, 720)],
        ]);
        assert_eq!(texts(&voted), ["585.30"]);
    }

    #[test]
    fn a_word_split_by_one_reading_competes_with_the_whole_one() {
        let voted = voted(&[
            vec![word("ФІСКА", 10, 100, 500), word("ЬНИЙ", 115, 80, 400)],
            vec![word("ФІСКАЛЬНИЙ", 10, 185, 900)],
        ]);
        assert_eq!(texts(&voted), ["ФІСКАЛЬНИЙ"]);
    }

    #[test]
    fn a_reading_of_a_faint_row_that_saw_next_to_nothing_has_no_vote() {
        let voted = voted(&[
            vec![word("м", 10, 20, 300), word("22", 200, 30, 420)],
            vec![word("м.", 10, 25, 800), word("Вигадка,", 60, 100, 850)],
        ]);
        assert_eq!(texts(&voted), ["м.", "Вигадка,"]);
    }

    #[test]
    fn a_doubtful_word_that_only_one_of_three_saw_is_dropped() {
        let kept = word("ЧЕК", 10, 60, 900);
        let voted = voted(&[
            vec![kept.clone(), word("|", 200, 5, 300)],
            vec![kept.clone()],
            vec![kept],
        ]);
        assert_eq!(texts(&voted), ["ЧЕК"]);
    }
}
