//! A line prepared for the parsers: its words, folded for comparison, and its lexemes.

use kvit_domain::recognition::{Confidence, Field};

use super::lexemes::{Lexed, Lexeme, Number, lex};
use super::words::{find_phrase, folded, mended};
use crate::layout::{Line, Word, around, mean_confidence};

/// One printed line.
#[derive(Debug, Clone)]
pub struct Row {
    /// The words from left to right; `ПН:123` is two.
    pub words: Vec<Word>,
    /// The words folded, index by index.
    pub folded: Vec<String>,
    /// Numbers and signs.
    pub lexed: Vec<Lexed>,
}

impl Row {
    /// Prepares a line.
    #[must_use]
    pub fn new(line: &Line) -> Self {
        let mend = |word: Word| Word {
            text: mended(&word.text),
            ..word
        };
        let words: Vec<Word> = line.words.iter().flat_map(unglued).map(mend).collect();
        let texts: Vec<&str> = words.iter().map(|w| w.text.as_str()).collect();
        let lexed = lex(&texts);
        let folded = words.iter().map(|w| folded(&w.text)).collect();
        Self {
            words,
            folded,
            lexed,
        }
    }

    /// The words with blanks between them.
    #[must_use]
    pub fn text(&self) -> String {
        self.words
            .iter()
            .map(|w| w.text.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The words of a range as one text.
    #[must_use]
    pub fn text_of(&self, range: std::ops::Range<usize>) -> String {
        self.words
            .get(range)
            .unwrap_or_default()
            .iter()
            .map(|w| w.text.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The mean confidence of the line.
    #[must_use]
    pub fn confidence(&self) -> Confidence {
        mean_confidence(&self.words)
    }

    /// Where a phrase of keywords begins.
    #[must_use]
    pub fn find(&self, phrase: &str) -> Option<usize> {
        find_phrase(&self.folded, phrase)
    }

    /// Whether any of the phrases stands in the line.
    #[must_use]
    pub fn has_any(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.find(phrase).is_some())
    }

    /// Whether one of the first `count` words is one of the keywords.
    #[must_use]
    pub fn begins_with_any(&self, count: usize, keywords: &[&str]) -> bool {
        keywords
            .iter()
            .filter_map(|keyword| self.find(keyword))
            .any(|at| at < count)
    }

    /// How many letters the line has.
    #[must_use]
    pub fn letters(&self) -> usize {
        self.words
            .iter()
            .flat_map(|w| w.text.chars())
            .filter(|c| c.is_alphabetic())
            .count()
    }

    /// A value read from a range of words, with their confidence and place.
    #[must_use]
    pub fn field<T>(&self, value: T, range: std::ops::Range<usize>) -> Field<T> {
        let words = self.words.get(range).unwrap_or_default();
        Field {
            value,
            confidence: mean_confidence(words),
            region: words.iter().map(|w| w.region).reduce(around),
        }
    }

    /// The last sum of the line with the index of its word; a sum in a per cent sign is none.
    #[must_use]
    pub fn last_sum(&self) -> Option<(i64, usize)> {
        self.lexed.iter().rev().find_map(|l| match &l.lexeme {
            Lexeme::Number(number) => number.minor().map(|minor| (minor, l.word)),
            _ => None,
        })
    }

    /// The last sum where thousands may stand apart (`1 143.63`), as totals print them. Never after `№`.
    #[must_use]
    pub fn last_grouped_sum(&self) -> Option<(i64, usize)> {
        let (minor, word) = self.last_sum()?;
        let at = self
            .lexed
            .iter()
            .rposition(|l| matches!(&l.lexeme, Lexeme::Number(n) if n.minor() == Some(minor)))?;
        let number = |index: usize| match self.lexed.get(index).map(|l| &l.lexeme) {
            Some(Lexeme::Number(n)) => Some(*n),
            _ => None,
        };
        let grouped = || -> Option<i64> {
            let (tail, head): (Number, Number) = (number(at)?, number(at.checked_sub(1)?)?);
            let group = tail.whole_digits == 3 && head.decimals == 0 && head.whole_digits <= 3;
            let numbered = self
                .words
                .get(word.checked_sub(2)?)
                .is_some_and(|w| w.text.contains('№'));
            if !group || numbered {
                return None;
            }
            head.digits.checked_mul(100_000)?.checked_add(minor)
        };
        Some((grouped().unwrap_or(minor), word))
    }

    /// Whether the line holds a sum and no words: the value of the line above.
    #[must_use]
    pub fn is_sum_alone(&self) -> bool {
        self.last_sum().is_some()
            && self.letters() <= 4
            && !self.lexed.iter().any(|l| l.lexeme == Lexeme::Times)
    }
}

/// `ПН:123` and `ЧЕК№7` are two words; times (`15:31`) and pack sizes (`№10`) stay whole.
fn unglued(word: &Word) -> Vec<Word> {
    let cut = word.text.char_indices().find_map(|(at, c)| {
        let before = word.text.get(..at)?.chars().next_back()?;
        let after = word.text.get(at + c.len_utf8()..)?;
        let number_sign = c == '№' && before.is_alphabetic() && !after.is_empty();
        // `ППО"НАЗВА"`: a form and a name in quotes.
        let quote = matches!(c, '"' | '«' | '„' | '“' | '”')
            && after.starts_with(char::is_alphabetic)
            && word.text.get(..at).is_some_and(|form| {
                (2..=4).contains(&form.chars().count()) && form.chars().all(char::is_alphabetic)
            });
        let colon = c == ':' && before.is_alphabetic() && !after.is_empty();
        (number_sign || colon || quote).then_some(if colon { at + 1 } else { at })
    });
    let Some((left, right)) = cut.and_then(|at| word.text.split_at_checked(at)) else {
        return vec![word.clone()];
    };
    let part = |text: &str| Word {
        text: text.to_owned(),
        ..word.clone()
    };
    vec![part(left), part(right)]
}
