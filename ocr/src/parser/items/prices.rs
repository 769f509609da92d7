//! Lines with prices: `quantity x price = sum` in its many prints, and `name  sum`.

use kvit_domain::quantity::Quantity;

use crate::layout::Word;
use crate::parser::glyphs;
use crate::parser::lexemes::{Lexeme, Number};
use crate::parser::row::Row;

/// Longest `price*quantity` without its star.
const HIDDEN_CHARS_MAX: usize = 14;

/// What a quantity line says.
#[derive(Debug, Clone)]
pub struct Priced {
    pub quantity: Quantity,
    pub unit_price_minor: i64,
    pub sum_minor: Option<i64>,
    pub tax: Option<char>,
    /// Words before the first number.
    pub name_words: std::ops::Range<usize>,
    /// The words of the numbers.
    pub words: Vec<Word>,
}

pub fn quantity_line(row: &Row) -> Option<Priced> {
    plain_quantity_line(row)
        .or_else(|| hidden_quantity_line(row))
        .or_else(|| spoilt_quantity_line(row))
}

/// `1 000. х 95.31 = 95.31`: the quantity is spoilt, but price and sum tell a whole number of pieces.
fn spoilt_quantity_line(row: &Row) -> Option<Priced> {
    let times = row.lexed.iter().position(|l| l.lexeme == Lexeme::Times)?;
    let mut sums = row
        .lexed
        .iter()
        .skip(times + 1)
        .filter_map(|l| match &l.lexeme {
            Lexeme::Number(n) => n.minor(),
            _ => None,
        });
    let (unit_price_minor, sum_minor) = (sums.next().filter(|unit| *unit > 0)?, sums.next()?);
    let (pieces, rest) = (sum_minor / unit_price_minor, sum_minor % unit_price_minor);
    let before = row.words.get(..row.lexed.get(times)?.word)?;
    let letters = before
        .iter()
        .flat_map(|w| w.text.chars())
        .filter(|c| c.is_alphabetic())
        .count();
    if rest != 0 || !(1..100).contains(&pieces) || letters > 1 {
        return None;
    }
    Some(Priced {
        quantity: Quantity::from_thousandths(pieces * 1_000),
        unit_price_minor,
        sum_minor: Some(sum_minor),
        tax: None,
        name_words: 0..0,
        words: row.words.clone(),
    })
}

/// `42. 7542 шт 85.50`: the star of `42.75*2` was read as a digit, or not at all. It is believed when the product holds.
fn hidden_quantity_line(row: &Row) -> Option<Priced> {
    let unit = row.lexed.iter().find(|l| l.lexeme == Lexeme::Unit)?.word;
    let (sum_minor, sum_word) = row.last_sum().filter(|(_, word)| *word > unit)?;
    if row.lexed.iter().any(|l| l.lexeme == Lexeme::Times) {
        return None;
    }
    let glued: String = row
        .words
        .get(..unit)?
        .iter()
        .map(|w| w.text.as_str())
        .collect();
    // One strange sign may stand for the star.
    let strange = glued
        .chars()
        .filter(|c| !c.is_ascii_digit() && !matches!(c, '.' | ','))
        .count();
    if glued.len() > HIDDEN_CHARS_MAX || strange > 1 {
        return None;
    }
    let digits: String = glued.chars().filter(char::is_ascii_digit).collect();
    // Every way to cut it into a price, perhaps a false digit for the star, and a quantity of up to three digits.
    let cuts =
        (3..digits.len()).flat_map(|price| [price + 1, price].map(|quantity| (price, quantity)));
    let (unit_price_minor, quantity) = cuts.into_iter().find_map(|(price, quantity)| {
        let count = digits
            .get(quantity..)
            .filter(|q| (1..=3).contains(&q.len()) && !q.starts_with('0'))?;
        let unit_price_minor: i64 = digits.get(..price)?.parse().ok()?;
        let quantity = Quantity::from_thousandths(count.parse::<i64>().ok()?.checked_mul(1_000)?);
        (quantity.price(unit_price_minor) == Ok(sum_minor)).then_some((unit_price_minor, quantity))
    })?;
    let tax = row.lexed.iter().find_map(|l| match l.lexeme {
        Lexeme::Letter(letter) if l.word >= sum_word => Some(letter),
        _ => None,
    });
    Some(Priced {
        quantity,
        unit_price_minor,
        sum_minor: Some(sum_minor),
        tax,
        name_words: 0..0,
        words: row.words.clone(),
    })
}

fn plain_quantity_line(row: &Row) -> Option<Priced> {
    let lexed = &row.lexed;
    let times = lexed.iter().position(|l| l.lexeme == Lexeme::Times)?;
    let number = |index: usize| match lexed.get(index).map(|l| &l.lexeme) {
        Some(Lexeme::Number(n)) => Some(*n),
        _ => None,
    };
    let is_unit = |index: usize| lexed.get(index).is_some_and(|l| l.lexeme == Lexeme::Unit);
    // `1 шт x 36.50`
    let left_at = if is_unit(times.checked_sub(1)?) {
        times.checked_sub(2)?
    } else {
        times - 1
    };
    let (left, right) = (number(left_at)?, number(times + 1)?);
    let (quantity, price) = quantity_and_price(left, right)?;
    // `1,9х 36.40` behind words is a size at the end of a name and its sum: quantities have three decimals or none.
    let sums_behind = lexed
        .iter()
        .skip(times + 2)
        .any(|l| matches!(&l.lexeme, Lexeme::Number(n) if n.minor().is_some()));
    let words_before = lexed.get(left_at).is_some_and(|l| l.word > 0);
    if matches!(quantity.decimals, 1 | 2) && words_before && !sums_behind {
        return None;
    }
    let quantity = Quantity::from_thousandths(quantity.thousandths().filter(|q| *q > 0)?);
    let unit_price_minor = price.minor()?;
    // Behind the price: units, `=`, the sum, the VAT letter.
    let mut sum_minor = None;
    let mut tax = None;
    for l in lexed.iter().skip(times + 2) {
        match l.lexeme {
            Lexeme::Number(n) => sum_minor = n.minor().or(sum_minor),
            Lexeme::Letter(letter) if sum_minor.is_some() => tax = Some(letter),
            _ => {}
        }
    }
    // `1000 x 95.31 = 95.31`: the separator of the quantity was lost, and the product tells.
    let thousandths = Quantity::from_thousandths(quantity.thousandths() / 1_000);
    let lost_separator = quantity.thousandths() >= 1_000_000
        && sum_minor.is_some_and(|sum| {
            quantity.price(unit_price_minor) != Ok(sum)
                && thousandths.price(unit_price_minor) == Ok(sum)
        });
    let quantity = if lost_separator {
        thousandths
    } else {
        whole_when_crossed(quantity, unit_price_minor, sum_minor)
    };
    let first_word = lexed.get(left_at)?.word;
    Some(Priced {
        quantity,
        unit_price_minor,
        sum_minor,
        tax,
        name_words: 0..first_word,
        words: row.words.get(first_word..).unwrap_or_default().to_vec(),
    })
}

/// `2.008` where the zeros are crossed is two: when the product says so, or when there is no sum to ask and every
/// decimal is a sign that crossed zeros are read as. Less than one is never touched: `0.868` is a weight.
fn whole_when_crossed(quantity: Quantity, unit: i64, sum: Option<i64>) -> Quantity {
    let (whole, decimals) = (
        quantity.thousandths() / 1_000,
        quantity.thousandths() % 1_000,
    );
    if decimals == 0 || !(1..100).contains(&whole) {
        return quantity;
    }
    let crossed = format!("{decimals:03}")
        .chars()
        .all(glyphs::is_crossed_zero);
    let near = |quantity: Quantity| {
        sum.is_some_and(|sum| {
            quantity
                .price(unit)
                .is_ok_and(|product| product.abs_diff(sum) <= 1)
        })
    };
    let pieces = Quantity::from_thousandths(whole * 1_000);
    if near(pieces) || (crossed && !near(quantity)) {
        pieces
    } else {
        quantity
    }
}

/// Which of two factors is the quantity: the one with three decimals or none; with two decimals on both sides the
/// left one, as most registers print.
fn quantity_and_price(left: Number, right: Number) -> Option<(Number, Number)> {
    let can_be_price = |n: Number| n.decimals == 2;
    match (can_be_price(left), can_be_price(right)) {
        (true, false) => Some((right, left)),
        (_, true) => Some((left, right)),
        (false, false) => None,
    }
}

/// What a line with a name and a sum says.
pub struct PricedName {
    pub name_end: usize,
    pub sum_word: usize,
    pub sum_minor: i64,
    pub tax: Option<char>,
    pub quantity: Option<(Quantity, i64)>,
}

/// `name  95.31 Г`, or `name  2 26.71 53.42 Г` where the product holds. Nothing but the VAT letter may follow the sum.
pub fn priced_name(row: &Row) -> Option<PricedName> {
    let mut end = row.lexed.len();
    let mut tax = None;
    while let Some(last) = end.checked_sub(1).and_then(|i| row.lexed.get(i)) {
        match &last.lexeme {
            Lexeme::Letter(letter) => tax = Some(*letter),
            Lexeme::Unit | Lexeme::Equals => {}
            Lexeme::Word if is_dirt_or_currency(&row.words.get(last.word)?.text) => {}
            _ => break,
        }
        end -= 1;
    }
    // `160.80 5`: a letter read as the digit that looks like it.
    let letter_like =
        |n: &Number| n.decimals == 0 && n.whole_digits == 1 && letter_of(n.digits).is_some();
    if let (Some(Lexeme::Number(last)), Some(Lexeme::Number(before))) = (
        end.checked_sub(1)
            .and_then(|i| row.lexed.get(i))
            .map(|l| &l.lexeme),
        end.checked_sub(2)
            .and_then(|i| row.lexed.get(i))
            .map(|l| &l.lexeme),
    ) && letter_like(last)
        && before.minor().is_some()
    {
        tax = letter_of(last.digits);
        end -= 1;
    }
    let at = end.checked_sub(1)?;
    let sum = row.lexed.get(at)?;
    let Lexeme::Number(n) = sum.lexeme else {
        return None;
    };
    let sum_minor = match n.minor() {
        Some(minor) => Some(minor),
        // `140.455`: the letter hangs on the sum. Behind a name only, since quantities have three decimals.
        None if n.decimals == 3 && n.whole_digits >= 2 && sum.word > 0 => {
            tax = letter_of(n.digits % 10);
            tax.map(|_| n.digits / 10)
        }
        // `51957 Б`: the point was lost, and the letter behind tells that this is a sum.
        None if n.decimals == 0
            && (4..=7).contains(&n.whole_digits)
            && sum.word > 0
            && tax.is_some_and(|letter| matches!(letter, 'А' | 'Б' | 'В' | 'Г' | 'Д' | 'Е')) =>
        {
            Some(n.digits)
        }
        None => None,
    }
    .filter(|_| !n.negative)?;
    let number = |back: usize| match at
        .checked_sub(back)
        .and_then(|i| row.lexed.get(i))
        .map(|l| &l.lexeme)
    {
        Some(Lexeme::Number(n)) => Some(*n),
        _ => None,
    };
    let factors = number(2).zip(number(1)).and_then(|(quantity, price)| {
        let (quantity, price) = (
            Quantity::from_thousandths(quantity.thousandths()?),
            price.minor()?,
        );
        (quantity.price(price) == Ok(sum_minor)).then_some((quantity, price))
    });
    let name_end = match factors {
        Some(_) => row.lexed.get(at - 2)?.word,
        None => at
            .checked_sub(1)
            .and_then(|i| row.lexed.get(i))
            .map_or(sum.word, |l| {
                if l.lexeme == Lexeme::Equals {
                    l.word.min(sum.word)
                } else {
                    sum.word
                }
            }),
    };
    Some(PricedName {
        name_end,
        sum_word: sum.word,
        sum_minor,
        tax,
        quantity: factors,
    })
}

/// The VAT letter that a digit behind a sum stands for.
const fn letter_of(digit: i64) -> Option<char> {
    match digit {
        4 => Some('А'),
        5 | 6 => Some('Б'),
        8 => Some('В'),
        _ => None,
    }
}

fn is_dirt_or_currency(text: &str) -> bool {
    let lowered = text.to_lowercase();
    let one_sign = text.chars().count() == 1 && !text.chars().any(|c| c.is_ascii_digit());
    one_sign
        || !text.chars().any(char::is_alphanumeric)
        || matches!(lowered.trim_matches('.'), "грн" | "uah" | "руб")
}
