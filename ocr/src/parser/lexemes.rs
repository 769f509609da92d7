//! A line of a receipt cut into numbers, signs and words.
//!
//! Numbers keep how many decimals were printed: `1.000` is a quantity, `95.31` a sum, `10` may be a pack size. A
//! number is never put together from two unless a separator was torn off, so `№10 179.90` stays a pack size and a sum.

use super::glyphs;

/// A printed number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// The digits without the separator.
    pub digits: i64,
    /// How many of them stand behind the separator.
    pub decimals: u8,
    /// How many stand before it.
    pub whole_digits: u8,
    /// Whether a minus stood before it.
    pub negative: bool,
}

impl Number {
    /// The number as a sum in minor units: exactly two decimals and at most seven digits before them, so that
    /// neither a barcode nor a card number becomes a sum.
    #[must_use]
    pub const fn minor(&self) -> Option<i64> {
        if self.decimals == 2 && self.whole_digits <= 7 {
            Some(self.digits)
        } else {
            None
        }
    }

    /// The number as a quantity in thousandths: up to four digits before the separator and three behind.
    #[must_use]
    pub fn thousandths(&self) -> Option<i64> {
        if self.decimals > 3 || self.whole_digits > 4 {
            return None;
        }
        self.digits
            .checked_mul(10_i64.pow(u32::from(3 - self.decimals)))
    }
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lexeme {
    /// A number that stands alone.
    Number(Number),
    /// A number with a per cent sign.
    Percent(Number),
    /// `x`, `х`, `×`, `*` between numbers.
    Times,
    /// `=`.
    Equals,
    /// A single capital, alone or in brackets, behind a sum: the VAT letter.
    Letter(char),
    /// `шт` and its like behind a quantity.
    Unit,
    /// Anything else.
    Word,
}

/// A lexeme with the index of the word it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lexed {
    /// What it is.
    pub lexeme: Lexeme,
    /// Index of the word in the line.
    pub word: usize,
}

/// Most digits in a number that is kept as one; longer runs are codes and count as words.
const DIGITS_MAX: usize = 9;

/// Cuts words into lexemes.
#[must_use]
pub fn lex(words: &[&str]) -> Vec<Lexed> {
    let mut out: Vec<Lexed> = Vec::new();
    let mut index = 0;
    while let Some(word) = words.get(index) {
        let (text, taken) = rejoined(word, words.get(index + 1).copied());
        let factor = matches!(out.last().map(|l| &l.lexeme), Some(Lexeme::Times));
        match dashed_price(&text).filter(|_| factor) {
            Some(number) => out.push(Lexed {
                lexeme: Lexeme::Number(number),
                word: index,
            }),
            None => lex_word(&text, index, &mut out),
        }
        index += taken;
    }
    // `2 К. 57,95`, `2.000 , 120,79`: between a quantity and a price any short sign is the multiplication.
    if let [first, sign, price, ..] = out.as_mut_slice()
        && let (Lexeme::Number(quantity), Lexeme::Number(factor)) = (&first.lexeme, &price.lexeme)
        && matches!(quantity.decimals, 0 | 3)
        && quantity.whole_digits <= 3
        && factor.decimals == 2
        && matches!(sign.lexeme, Lexeme::Word | Lexeme::Letter(_))
        && sign.word == first.word + 1
        && words.get(sign.word).is_some_and(|w| {
            w.chars().count() <= 2 && !w.contains(|c: char| c.is_ascii_digit() || c == '%')
        })
    {
        sign.lexeme = Lexeme::Times;
    }
    // `З x 26.30`: the same with a blank between.
    if let [first, sign, ..] = out.as_mut_slice()
        && sign.lexeme == Lexeme::Times
        && let Some(text) = words.get(first.word)
        && let (Some(letter), None) = (text.chars().next(), text.chars().nth(1))
        && let Some(number) = factor_of_letter(letter)
    {
        first.lexeme = Lexeme::Number(number);
    }
    out
}

/// A number of pieces that was read as a letter; `None` for digits and for letters like no digit.
fn factor_of_letter(letter: char) -> Option<Number> {
    let digit = match letter {
        'T' | 'Т' | 'г' => '1',
        other => digit_of_letter(other)?,
    };
    Some(Number {
        digits: digit.to_digit(10).filter(|d| *d > 0)?.into(),
        decimals: 0,
        whole_digits: 1,
        negative: false,
    })
}

/// `43-60`, `43_60` or `43:60` behind a multiplication sign is a price whose point was misread.
fn dashed_price(text: &str) -> Option<Number> {
    let (whole, decimals) = text.split_once(['-', '_', ':', '*', '~'])?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || whole.len() > 5 || decimals.len() != 2 {
        return None;
    }
    Some(Number {
        digits: format!("{whole}{decimals}").parse().ok()?,
        decimals: 2,
        whole_digits: u8::try_from(whole.len()).ok()?,
        negative: false,
    })
}

/// A number whose separator was torn off (`198. 78`, `198 .78`) is one again.
fn rejoined(word: &str, next: Option<&str>) -> (String, usize) {
    let alone = (word.to_owned(), 1);
    let Some(next) = next else { return alone };
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let leading = |text: &str| text.chars().take_while(char::is_ascii_digit).count();
    let separator = |c: char| c == '.' || c == ',';
    let open = word
        .strip_suffix(separator)
        .is_some_and(|w| digits(w.trim_start_matches(['=', '-'])) && w.len() <= 6);
    if open && (2..=3).contains(&leading(next)) {
        return (format!("{word}{next}"), 2);
    }
    if digits(word)
        && word.len() <= 6
        && next
            .strip_prefix(separator)
            .is_some_and(|n| leading(n) == 2)
    {
        return (format!("{word}{next}"), 2);
    }
    alone
}

fn lex_word(text: &str, word: usize, out: &mut Vec<Lexed>) {
    let mut push = |lexeme| out.push(Lexed { lexeme, word });
    let trimmed = text.trim_matches([':', ';', '"', '\'', '„', '“', '_', '~', '|', '«', '»', '`']);
    if is_times(trimmed) {
        return push(Lexeme::Times);
    }
    // `Тх`, `Зх`: a digit read as a letter before the sign.
    let mut signs = trimmed.chars();
    if let (Some(first), Some(times), None) = (signs.next(), signs.next(), signs.next())
        && is_times(times.encode_utf8(&mut [0; 4]))
        && let Some(number) = factor_of_letter(first)
    {
        push(Lexeme::Number(number));
        return push(Lexeme::Times);
    }
    if is_unit(trimmed) {
        return push(Lexeme::Unit);
    }
    if let Some(letter) = tax_letter(trimmed) {
        return push(Lexeme::Letter(letter));
    }
    let mut rest = without_currency(trimmed);
    let mut parts = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('=') {
            parts.push(Lexeme::Equals);
            rest = after;
        } else if let Some((number, after)) = number(rest) {
            if let Some(after) = after.strip_prefix('%') {
                parts.push(Lexeme::Percent(number));
                rest = after.trim_start_matches([',', '.']);
            } else {
                parts.push(Lexeme::Number(number));
                rest = after;
            }
        } else if let Some(after) = after_times(rest, &parts) {
            parts.push(Lexeme::Times);
            rest = after;
        } else if let Some(Lexeme::Number(_)) = parts.last() {
            // What hangs on a number: a VAT letter, a unit, a currency, or it was a word after all (`10мг`).
            let tail = rest.trim_matches(['(', ')', '.', ',', ';', '-', '|', '*']);
            let sum = parts
                .last()
                .is_some_and(|p| matches!(p, Lexeme::Number(n) if n.decimals == 2));
            match tax_letter(tail).filter(|_| sum) {
                Some(letter) => parts.push(Lexeme::Letter(letter)),
                None if tail.is_empty() => {}
                None if is_counted_unit(tail) => parts.push(Lexeme::Unit),
                None if sum && is_currency(tail) => {}
                None => return push(Lexeme::Word),
            }
            rest = "";
        } else {
            return push(Lexeme::Word);
        }
    }
    if parts.is_empty() {
        push(Lexeme::Word);
    }
    for part in parts {
        push(part);
    }
}

/// A number at the beginning of the text and what follows. Letters that look like digits count as digits when the
/// number has a separator and mostly real digits.
fn number(text: &str) -> Option<(Number, &str)> {
    let text = without_currency(text);
    let (negative, body) = match text.strip_prefix(['-', '−', '–']) {
        Some(body) => (true, body),
        None => (false, text),
    };
    // `.40` is how some registers print less than one.
    let bare_decimals = body
        .strip_prefix('.')
        .is_some_and(|rest| rest.len() == 2 && rest.bytes().all(|b| b.is_ascii_digit()));
    if bare_decimals {
        let digits = body.get(1..).and_then(|rest| rest.parse().ok())?;
        let number = Number {
            digits,
            decimals: 2,
            whole_digits: 1,
            negative,
        };
        return Some((number, ""));
    }
    if let Some(grouped) = grouped_thousands(body, negative) {
        return Some(grouped);
    }
    let mut digits = String::new();
    let mut whole_digits = 0;
    let mut decimals = 0;
    let mut separated = false;
    let mut guessed = 0;
    let mut end = 0;
    for (at, c) in body.char_indices() {
        let digit = if c.is_ascii_digit() {
            Some(c)
        } else {
            digit_of_letter(c).filter(|_| inside_number(body, at, separated, decimals))
        };
        if let Some(digit) = digit {
            guessed += usize::from(!c.is_ascii_digit());
            digits.push(digit);
            if separated {
                decimals += 1
            } else {
                whole_digits += 1
            }
        } else if (c == '.' || c == ',')
            && !separated
            && whole_digits > 0
            && next_is_digit(body, at)
        {
            separated = true;
        } else {
            break;
        }
        end = at + c.len_utf8();
    }
    if whole_digits == 0 || digits.len() > DIGITS_MAX || guessed * 2 > digits.len() {
        return None;
    }
    let value = digits.parse().ok()?;
    let number = Number {
        digits: value,
        decimals: u8::try_from(decimals).ok()?,
        whole_digits,
        negative,
    };
    Some((number, body.get(end..).unwrap_or_default()))
}

/// A currency printed before its sum: `$8.20`, `RM13.58`.
fn without_currency(text: &str) -> &str {
    ["$", "RM", "₴", "€", "£", "₽"]
        .iter()
        .find_map(|sign| text.strip_prefix(sign))
        .filter(|rest| {
            rest.trim_start_matches(['.', '-'])
                .starts_with(|c: char| c.is_ascii_digit())
        })
        .unwrap_or(text)
}

/// `1,143.63`: one to three digits, groups of three behind commas, a point and two decimals.
fn grouped_thousands(body: &str, negative: bool) -> Option<(Number, &str)> {
    let end = body
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, ',' | '.')))
        .unwrap_or(body.len());
    let (number, rest) = body.split_at_checked(end)?;
    let (whole, decimals) = number.split_once('.')?;
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let grouped = whole.contains(',')
        && (1..=3).contains(&first.len())
        && groups.all(|group| group.len() == 3)
        && decimals.len() == 2
        && decimals.bytes().all(|b| b.is_ascii_digit());
    let digits: String = whole.chars().filter(char::is_ascii_digit).collect();
    if !grouped || digits.len() + 2 > DIGITS_MAX {
        return None;
    }
    let number = Number {
        digits: format!("{digits}{decimals}").parse().ok()?,
        decimals: 2,
        whole_digits: u8::try_from(digits.len()).ok()?,
        negative,
    };
    Some((number, rest))
}

fn next_is_digit(body: &str, at: usize) -> bool {
    body.get(at + 1..)
        .and_then(|rest| rest.chars().next())
        .is_some_and(|c| c.is_ascii_digit() || digit_of_letter(c).is_some())
}

/// A look-alike letter counts only in the middle of a number: followed by a digit or a separator with a digit, or as
/// the second decimal at the end of the word.
fn inside_number(body: &str, at: usize, separated: bool, decimals: usize) -> bool {
    let mut rest = body.get(at..).unwrap_or_default().chars();
    rest.next();
    match rest.next() {
        Some(c) if c.is_ascii_digit() => at > 0 || separated,
        Some('.' | ',') => !separated && rest.next().is_some_and(|c| c.is_ascii_digit()),
        None => separated && decimals == 1,
        _ => false,
    }
}

fn digit_of_letter(c: char) -> Option<char> {
    (!c.is_ascii_digit())
        .then(|| glyphs::digit(c).map(|(digit, _)| digit))
        .flatten()
}

fn is_times(text: &str) -> bool {
    matches!(text, "x" | "X" | "х" | "Х" | "×" | "*" | "✕" | "✖")
}

/// `x` glued between a number and another: `2x247.65`, `36.50*1`, `2x`, `x247.65`.
fn after_times<'a>(rest: &'a str, parts: &[Lexeme]) -> Option<&'a str> {
    let after = rest.strip_prefix(['x', 'X', 'х', 'Х', '×', '*', '✕'])?;
    let before_is_number = matches!(parts.last(), Some(Lexeme::Number(_)));
    let number_follows = after.chars().next().is_some_and(|c| c.is_ascii_digit());
    let ends_after_number = before_is_number && after.is_empty();
    ((before_is_number && number_follows)
        || ends_after_number
        || (parts.is_empty() && number_follows))
        .then_some(after)
}

fn is_unit(text: &str) -> bool {
    let text = text.trim_end_matches(['.', ',']);
    ["шт", "уп", "кг", "г", "л", "мл", "pcs", "ea"]
        .iter()
        .any(|unit| text.to_lowercase() == *unit)
        && text != "Г"
}

/// Units that registers glue to a quantity. `40мл` and `5г` glued are the strength in a name.
fn is_counted_unit(text: &str) -> bool {
    matches!(
        text.to_lowercase().trim_end_matches(['.', ',']),
        "шт" | "уп" | "кг" | "pcs"
    )
}

fn is_currency(text: &str) -> bool {
    let text = text.trim_end_matches('.');
    ["грн", "uah", "руб", "р", "₴", "₽", "sr", "zr", "-"]
        .iter()
        .any(|currency| text.to_lowercase() == *currency)
}

/// A single capital letter, possibly in brackets.
fn tax_letter(text: &str) -> Option<char> {
    let mut letters = text.trim_matches(['(', ')', '[', ']', '.', ',']).chars();
    let letter = letters.next().filter(|c| c.is_uppercase())?;
    letters
        .next()
        .is_none()
        .then(|| super::words::folded(&letter.to_string()).chars().next())
        .flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    fn shapes(text: &str) -> String {
        let words: Vec<&str> = text.split_whitespace().collect();
        let shape = |l: &Lexed| match &l.lexeme {
            Lexeme::Number(n) => format!("{}/{}", n.digits, n.decimals),
            Lexeme::Percent(n) => format!("{}/{}%", n.digits, n.decimals),
            Lexeme::Times => "x".into(),
            Lexeme::Equals => "=".into(),
            Lexeme::Letter(c) => format!("[{c}]"),
            Lexeme::Unit => "u".into(),
            Lexeme::Word => "w".into(),
        };
        lex(&words).iter().map(shape).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn quantity_lines_of_every_shape_are_cut() {
        assert_eq!(
            shapes("1.000 x 95.31 = 95.31 Г"),
            "1000/3 x 9531/2 = 9531/2 [Г]"
        );
        assert_eq!(shapes("36.50*1 шт 36.50(Б)"), "3650/2 x 1/0 u 3650/2 [Б]");
        assert_eq!(shapes("2x247,65 =495,30"), "2/0 x 24765/2 = 49530/2");
        assert_eq!(shapes("3 х 26,30"), "3/0 x 2630/2");
        assert_eq!(shapes("ПДВ Г 7.00% 61,05"), "w [Г] 700/2% 6105/2");
    }

    #[test]
    fn a_pack_size_and_a_price_stay_apart() {
        assert_eq!(shapes("табл. №10 179.90"), "w w 17990/2");
        assert_eq!(shapes("10 179.90"), "10/0 17990/2");
    }

    #[test]
    fn strengths_and_long_codes_are_words() {
        assert_eq!(
            shapes("10мг 40мл D3 4823006401024 0,05% 5.5kg"),
            "w w w w 5/2% w"
        );
    }

    #[test]
    fn a_torn_separator_and_a_misread_digit_are_mended() {
        assert_eq!(shapes("198. 78 Б"), "19878/2 [Б]");
        assert_eq!(shapes("198 .78"), "19878/2");
        assert_eq!(shapes("1О5.4О"), "10540/2");
        assert_eq!(shapes("ЗОБ"), "w");
    }
}
