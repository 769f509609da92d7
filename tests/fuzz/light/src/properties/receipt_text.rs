//! What the characters on a photo say, after somebody could choose each of them.

use kvit_domain::recognition::{Confidence, Region};

use crate::layout::{Line, Word, lines, within_margins};
use crate::parser::{ReceiptText, arithmetic, parse};

/// The reading is bounded and repeatable, and goods that are said to add up do so.
///
/// The first two bytes are how sure the engine is and whether a code told the total; the rest is the text, by lines.
pub fn holds(data: &[u8]) {
    let Some(([sure, known], text)) = data.split_first_chunk() else {
        return;
    };
    let text = String::from_utf8_lossy(text);
    let confidence = Confidence::from_thousandths(u16::from(*sure) * 4);
    let words = words(&text, confidence);
    let count = words.len();
    let known_total = (known % 2 == 1).then_some(i64::from(*known) * 105);

    let placed = lines(within_margins(words.clone()));
    assert!(placed.iter().map(|line| line.words.len()).sum::<usize>() <= count);
    for lines in [placed, as_typed(words)] {
        let read = parse(&lines, known_total);
        is_sound(&read, known_total);
        assert_eq!(
            parse(&lines, known_total),
            read,
            "the same text reads the same"
        );
    }
}

fn words(text: &str, confidence: Confidence) -> Vec<Word> {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let mut words = Vec::new();
    for (row, line) in text.lines().take(700).enumerate() {
        let mut x = 10;
        for word in line.split_whitespace().take(100) {
            let width = number(word.chars().count()) * 12;
            let (y, height) = (number(row) * 30, 20);
            words.push(Word {
                text: word.to_owned(),
                confidence,
                region: Region {
                    x,
                    y,
                    width,
                    height,
                },
            });
            x += width + 12;
        }
    }
    words
}

fn as_typed(words: Vec<Word>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.words[0].region.y == word.region.y => line.words.push(word),
            _ => lines.push(Line { words: vec![word] }),
        }
    }
    lines
}

fn is_sound(read: &ReceiptText, known_total: Option<i64>) {
    assert!(read.items.len() <= 200);
    for item in &read.items {
        assert!(item.sum_minor > 0, "{item:?}");
        assert!(item.name.chars().count() <= 2_000);
    }
    let printed =
        [&read.totals.sum, &read.totals.to_pay].map(|field| field.as_ref().map(|f| f.value));
    assert!(printed.iter().flatten().all(|total| *total > 0));
    if read.adds_up {
        let lines = arithmetic::lines_total(&read.items).unwrap();
        let near = |total: i64| total.abs_diff(lines) <= 50;
        assert!(
            printed.into_iter().chain([known_total]).flatten().any(near),
            "{lines} is none of {printed:?} and {known_total:?}"
        );
    }
}
