//! Words made comparable: one alphabet, one case, and a little forgiveness.
//!
//! The engine mixes Latin and Cyrillic letters that look alike and reads `І` as `1` inside a word. Keywords are
//! compared after folding both sides the same way; longer ones may differ by a letter.

use super::glyphs;

/// A word folded for comparison: capitals, Cyrillic look-alikes, letters and digits only.
#[must_use]
pub fn folded(word: &str) -> String {
    let letters = word.chars().filter(|c| c.is_alphabetic()).count();
    let mut out = String::with_capacity(word.len());
    for c in word
        .chars()
        .flat_map(char::to_uppercase)
        .filter(|c| c.is_alphanumeric())
    {
        out.push(if letters >= 2 { letter_of_digit(c) } else { c });
    }
    out.chars().map(look_alike).collect()
}

/// A digit inside a word of letters is a misread letter.
const fn letter_of_digit(c: char) -> char {
    match c {
        '0' => 'О',
        '1' => 'І',
        '3' => 'З',
        '4' => 'Ч',
        '5' | '6' => 'Б',
        '8' => 'В',
        _ => c,
    }
}

const fn look_alike(c: char) -> char {
    match c {
        'A' => 'А',
        'B' => 'В',
        'C' => 'С',
        'E' | 'Ё' | 'Є' => 'Е',
        // Small Latin letters that look like other Cyrillic ones: `ngs` and `roTIBKA` are `пдв` and `гоТІВКА`.
        'G' => 'Д',
        'H' => 'Н',
        'N' => 'П',
        'R' => 'Г',
        'U' => 'И',
        'I' | 'Ї' | '|' => 'І',
        'K' => 'К',
        'M' => 'М',
        'O' => 'О',
        'P' => 'Р',
        'T' => 'Т',
        'X' => 'Х',
        'Y' => 'У',
        'Ґ' => 'Г',
        'Й' => 'И',
        _ => c,
    }
}

/// A word as it was meant: `1` behind a Cyrillic letter is the letter `і`, which the engine misses most often.
#[must_use]
pub fn mended(word: &str) -> String {
    let cyrillic = word.chars().filter(|c| is_cyrillic(*c)).count();
    let other_digits = word.chars().any(|c| c.is_ascii_digit() && c != '1');
    if cyrillic < 2 || other_digits || !word.contains('1') {
        return word.to_owned();
    }
    let chars: Vec<char> = word.chars().collect();
    let letter = |index: Option<usize>| {
        index
            .and_then(|i| chars.get(i))
            .copied()
            .filter(|c| is_cyrillic(*c))
    };
    let meant = |(index, c): (usize, &char)| match (
        c,
        letter(index.checked_sub(1)),
        letter(Some(index + 1)),
    ) {
        ('1', Some(before), after) => {
            if before.is_lowercase() || after.is_some_and(char::is_lowercase) {
                'і'
            } else {
                'І'
            }
        }
        _ => *c,
    };
    chars.iter().enumerate().map(meant).collect()
}

/// A word that looks Cyrillic in every letter and holds Latin ones (`BITAMIH`, `KAPTKA`) in Cyrillic letters; any other
/// word as it is.
#[must_use]
pub fn cyrillic(word: &str) -> String {
    let letters = || word.chars().filter(|c| c.is_alphabetic());
    let twin = |c: char| match c {
        'I' => 'І',
        'i' => 'і',
        'a' => 'а',
        'c' => 'с',
        'e' => 'е',
        'o' => 'о',
        'p' => 'р',
        'x' => 'х',
        'y' => 'у',
        other => look_alike(other),
    };
    let mixed = letters().any(is_cyrillic) && letters().any(|c| c.is_ascii_alphabetic());
    let all_twins = letters().count() >= 4
        && letters().all(|c| is_cyrillic(twin(c)) && !matches!(c, 'N' | 'R' | 'U' | 'G'));
    if !(mixed || all_twins) {
        return word.to_owned();
    }
    word.chars()
        .map(|c| {
            if c.is_ascii_alphabetic() && !matches!(c, 'N' | 'R' | 'U' | 'G') {
                twin(c)
            } else {
                c
            }
        })
        .collect()
}

fn is_cyrillic(c: char) -> bool {
    ('\u{400}'..='\u{4ff}').contains(&c)
}

/// Whether a folded word is this keyword: exact up to two letters, one look-alike from three, one wrong letter from
/// five, two from nine.
#[must_use]
pub fn is_keyword(folded_word: &str, keyword: &str) -> bool {
    is_folded_keyword(folded_word, &folded(keyword))
}

fn is_folded_keyword(word: &str, keyword: &str) -> bool {
    if word == keyword {
        return true;
    }
    let forgiven = match keyword.chars().count() {
        0..=2 => return false,
        3 => 4,
        4 => 8,
        5..=8 => 12,
        _ => 22,
    };
    glyphs::word_cost(word, keyword, forgiven) <= forgiven
}

/// Where a phrase begins among folded words.
#[must_use]
pub fn find_phrase(folded_words: &[String], phrase: &str) -> Option<usize> {
    // Once, and not for each of what may be thousands of words.
    let parts: Vec<String> = phrase.split(' ').map(folded).collect();
    folded_words.windows(parts.len()).position(|window| {
        window
            .iter()
            .zip(&parts)
            .all(|(word, part)| is_folded_keyword(word, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Vec<String> {
        text.split(' ').map(folded).collect()
    }

    #[test]
    fn latin_look_alikes_and_digits_inside_words_are_forgiven() {
        assert_eq!(folded("CYMA:"), folded("СУМА"));
        assert_eq!(folded("ГОТ1ВКА"), folded("Готівка"));
        assert!(find_phrase(&line("СУМА ДО СПЛАТИ: 95.30"), "ДО СПЛАТИ").is_some());
        assert!(find_phrase(&line("СУМА ДО СПЛАТM"), "ДО СПЛАТИ").is_some());
    }

    #[test]
    fn a_one_behind_a_cyrillic_letter_is_the_letter_it_stands_for() {
        assert_eq!(mended("Крапл1"), "Краплі");
        assert_eq!(mended("БЕЗГОТ1ВКА"), "БЕЗГОТІВКА");
        for kept in ["В12", "№10", "1мл", "D1", "1.000", "Х1"] {
            assert_eq!(mended(kept), kept);
        }
    }

    #[test]
    fn a_medicine_that_begins_like_a_keyword_is_not_it() {
        assert!(!is_keyword(&folded("Сумамед"), "СУМА"));
        assert!(!is_keyword(&folded("Чека"), "ЧЕК"));
    }
}
