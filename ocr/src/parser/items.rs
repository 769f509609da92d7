//! Lines of goods: which printed lines belong to one article, and what they say.
//!
//! The body of a receipt is walked from top to bottom with a draft of the article at hand. Software registers print
//! the name above `quantity x price = sum`, others the quantity above `name  sum`, others the name and its sum on one
//! line with the rest of a long name below. Barcodes, customs codes, totals, VAT, payments and terminals are never
//! goods: their lines are recognised by their words before any number is looked at.

use kvit_domain::quantity::Quantity;
use kvit_domain::recognition::Confidence;

use super::kinds::{self, Kind};
use super::lexemes::{Lexeme, Number};
use super::row::Row;
use crate::layout::{Word, mean_confidence};

/// Most articles of a receipt; a photo of anything else must not become an endless list.
const ITEMS_MAX: usize = 200;
/// Most lines of one name.
const NAME_LINES_MAX: usize = 4;
/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 200;
/// Most that one line can cost, minor units: a million.
pub const SUM_MINOR_MAX: i64 = 100_000_000;
/// Longest `price*quantity` without its star.
const HIDDEN_CHARS_MAX: usize = 14;
/// Lines above the first price that can be the first article's name.
const NAME_LINES_ABOVE: usize = 3;

/// An article as printed, before arithmetic has looked at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The name.
    pub name: String,
    /// How much; one when nothing was printed.
    pub quantity: Quantity,
    /// Price of one unit, minor units.
    pub unit_price_minor: Option<i64>,
    /// Sum of the line before its discount, minor units.
    pub sum_minor: i64,
    /// Discount on the line, minor units.
    pub discount_minor: i64,
    /// VAT letter.
    pub tax: Option<char>,
    /// EAN with a valid check digit.
    pub barcode: Option<String>,
    /// The shop's article number.
    pub code: Option<String>,
    /// Confidence of the words it was read from.
    pub confidence: Confidence,
}

/// Finds the goods above the first total (above the end, when no total was read).
#[must_use]
pub fn find(rows: &[Row], kinds: &[Kind], first_total: Option<usize>) -> Vec<Draft> {
    let end = first_total.unwrap_or(rows.len()).min(rows.len());
    let Some(body) = body(rows, kinds, end) else { return Vec::new() };
    let mut walk = Walk { barcode_below: barcodes_stand_below(kinds, body.clone()), ..Walk::default() };
    for index in body.clone() {
        let (Some(row), Some(kind)) = (rows.get(index), kinds.get(index)) else { break };
        let next = index + 1;
        let next_is_new = !body.contains(&next)
            || matches!(kinds.get(next), Some(Kind::Barcode | Kind::Article | Kind::Total | Kind::ToPay | Kind::Payment | Kind::Vat))
            || rows.get(next).is_some_and(|r| quantity_line(r).is_some_and(|q| q.name_words.is_empty()));
        walk.step(row, *kind, next_is_new);
        if walk.items.len() >= ITEMS_MAX {
            break;
        }
    }
    walk.flush();
    walk.items
}

/// From the first article's name to the total.
fn body(rows: &[Row], kinds: &[Kind], end: usize) -> Option<std::ops::Range<usize>> {
    let first = (0..end).find(|&i| match kinds.get(i) {
        Some(Kind::Barcode | Kind::Article) => true,
        Some(Kind::Other) => rows.get(i).is_some_and(|r| quantity_line(r).is_some() || priced_name(r).is_some()),
        _ => false,
    })?;
    let above = (0..first)
        .rev()
        .take(NAME_LINES_ABOVE)
        .take_while(|&i| kinds.get(i) == Some(&Kind::Other) && rows.get(i).is_some_and(|r| r.letters() >= 2))
        .count();
    Some(first - above..end)
}

/// Whether this receipt prints barcodes below the article: no barcode before the first line of the body, one as its last.
fn barcodes_stand_below(kinds: &[Kind], body: std::ops::Range<usize>) -> bool {
    let goods = |kind: &&Kind| matches!(kind, Kind::Other | Kind::Article | Kind::Barcode);
    let inside = kinds.get(body).unwrap_or_default();
    let first = inside.iter().find(goods);
    let last = inside.iter().rev().find(goods);
    first != Some(&Kind::Barcode) && last == Some(&Kind::Barcode)
}

#[derive(Default)]
struct Walk {
    items: Vec<Draft>,
    name: Vec<Word>,
    name_lines: usize,
    quantity: Option<Priced>,
    barcode: Option<String>,
    code: Option<String>,
    /// Whether the last article was closed by a line that also held its name, so that a name may go on below.
    may_continue: bool,
    barcode_below: bool,
}

impl Walk {
    fn step(&mut self, row: &Row, kind: Kind, next_is_new: bool) {
        match kind {
            Kind::Barcode => self.barcode_line(row),
            Kind::Article => self.article_line(row),
            Kind::Discount => self.discount_line(row),
            Kind::Other => self.goods_line(row, next_is_new),
            // A line of something else ends a name that was begun and never got a price.
            Kind::Customs => {}
            _ => {
                self.flush();
                self.forget();
            }
        }
    }

    fn barcode_line(&mut self, row: &Row) {
        let at = kinds::after_keyword(row, Kind::Barcode);
        let code = row.words.iter().skip(at).find_map(|w| barcode(&w.text));
        let place = row.words.iter().position(|w| w.text.chars().filter(char::is_ascii_digit).count() >= 8);
        if self.barcode_below {
            self.flush();
            if let Some(last) = self.items.last_mut() {
                last.barcode = last.barcode.take().or(code);
            }
            return;
        }
        self.flush();
        self.forget();
        self.barcode = code;
        // `Штрих-код 48… УКТ ЗЕД 3004 <name>`: what follows the codes is the name.
        let rest = place.map_or(at, |p| p + 1);
        self.add_name(row, without_customs(row, rest)..row.words.len());
    }

    fn article_line(&mut self, row: &Row) {
        self.flush();
        self.forget();
        let at = kinds::after_keyword(row, Kind::Article);
        let digits = |w: &Word| !w.text.is_empty() && w.text.chars().all(|c| c.is_ascii_digit());
        let code = row.words.iter().enumerate().skip(at).take(2).find(|(_, w)| digits(w));
        self.code = code.map(|(_, w)| w.text.clone());
        let from = code.map_or(at, |(index, _)| index + 1);
        if let Some(priced) = priced_name(row).filter(|p| p.sum_word > from) {
            self.close_with_name(row, from, &priced);
        } else {
            self.add_name(row, from..row.words.len());
        }
    }

    fn discount_line(&mut self, row: &Row) {
        self.flush();
        if let (Some(last), Some((minor, _))) = (self.items.last_mut(), row.last_sum()) {
            last.discount_minor = last.discount_minor.saturating_add(minor.min(SUM_MINOR_MAX));
        }
        self.may_continue = false;
    }

    fn goods_line(&mut self, row: &Row, next_is_new: bool) {
        if let Some(priced) = quantity_line(row) {
            self.quantity_line(row, priced);
        } else if let Some(priced) = priced_name(row) {
            if self.quantity.is_none() && row.is_sum_alone() && self.name.is_empty() {
                return; // a sum that belongs to nothing
            }
            self.close_with_name(row, 0, &priced);
        } else if row.letters() >= 2 || row.words.iter().any(|w| w.text.chars().any(char::is_alphanumeric)) {
            self.name_line(row, next_is_new);
        }
    }

    /// `1.000 x 95.31 = 95.31 Г`, with or without the sum, perhaps behind a name.
    fn quantity_line(&mut self, row: &Row, priced: Priced) {
        if self.quantity.is_some() {
            self.flush();
        }
        self.add_name(row, priced.name_words.clone());
        let complete = priced.sum_minor.is_some() && !self.name.is_empty();
        self.quantity = Some(priced);
        if complete {
            self.flush();
        }
    }

    /// `name  95.31 Г`: the sum closes the article.
    fn close_with_name(&mut self, row: &Row, from: usize, priced: &PricedName) {
        // A quantity that already has its own sum belongs to another article.
        if self.quantity.as_ref().is_some_and(|q| q.sum_minor.is_some()) {
            self.flush();
        }
        self.add_name(row, from..priced.name_end);
        if self.name.is_empty() {
            return self.forget();
        }
        let words = row.words.get(priced.name_end..).unwrap_or_default();
        let quantity = self.quantity.take();
        let (amount, unit) = match (&quantity, priced.quantity) {
            (Some(q), _) => (q.quantity, Some(q.unit_price_minor)),
            (None, Some((amount, unit))) => (amount, Some(unit)),
            (None, None) => (Quantity::ONE, None),
        };
        let mut used = words.to_vec();
        used.extend(quantity.map(|q| q.words).unwrap_or_default());
        self.push(amount, unit, priced.sum_minor, priced.tax, used);
        self.may_continue = true;
    }

    /// A line of words: the rest of the last name, or the beginning of the next one.
    fn name_line(&mut self, row: &Row, next_is_new: bool) {
        let text = row.text();
        let continues = self.may_continue && self.name.is_empty() && (next_is_new || looks_cut(&text));
        if let (true, Some(last)) = (continues, self.items.last_mut()) {
            last.name = joined(&last.name, &text);
            self.may_continue = false;
            return;
        }
        self.may_continue = false;
        if self.quantity.as_ref().is_some_and(|q| q.sum_minor.is_none()) && !self.name.is_empty() {
            self.flush();
        }
        let from = without_customs(row, 0);
        self.add_name(row, from..row.words.len());
        if let Some(Priced { sum_minor: Some(_), .. }) = self.quantity {
            self.flush(); // the name stands below its quantity line
        }
    }

    fn add_name(&mut self, row: &Row, range: std::ops::Range<usize>) {
        let words = row.words.get(range).unwrap_or_default();
        if words.is_empty() {
            return;
        }
        if self.name_lines >= NAME_LINES_MAX {
            self.name.clear(); // four lines without a price were no name
            self.name_lines = 0;
        }
        self.name.extend_from_slice(words);
        self.name_lines += 1;
    }

    /// Closes the draft when it has a name and a price.
    fn flush(&mut self) {
        if self.name.is_empty() {
            return;
        }
        let Some(priced) = self.quantity.take() else { return };
        let computed = || priced.quantity.price(priced.unit_price_minor).ok();
        if let Some(sum) = priced.sum_minor.or_else(computed) {
            self.push(priced.quantity, Some(priced.unit_price_minor), sum, priced.tax, priced.words);
        }
    }

    fn forget(&mut self) {
        self.name.clear();
        self.name_lines = 0;
        self.quantity = None;
        self.barcode = None;
        self.code = None;
        self.may_continue = false;
    }

    fn push(&mut self, quantity: Quantity, unit: Option<i64>, sum: i64, tax: Option<char>, mut used: Vec<Word>) {
        let mut name = String::new();
        for word in &self.name {
            name = joined(&name, &word.text);
        }
        let name = cleaned(&name);
        let (barcode, code) = (self.barcode.take(), self.code.take());
        used.append(&mut self.name);
        self.name_lines = 0;
        self.may_continue = false;
        let plausible = sum > 0 && sum <= SUM_MINOR_MAX && quantity.thousandths() > 0;
        if !plausible || name.chars().filter(|c| c.is_alphabetic()).count() < 2 {
            return;
        }
        let confidence = mean_confidence(&used);
        let draft = Draft {
            name,
            quantity,
            unit_price_minor: unit.filter(|u| (0..=SUM_MINOR_MAX).contains(u)),
            sum_minor: sum,
            discount_minor: 0,
            tax,
            barcode,
            code,
            confidence,
        };
        self.items.push(draft);
    }
}

/// What a quantity line says.
#[derive(Debug, Clone)]
struct Priced {
    quantity: Quantity,
    unit_price_minor: i64,
    sum_minor: Option<i64>,
    tax: Option<char>,
    /// Words before the first number.
    name_words: std::ops::Range<usize>,
    /// The words of the numbers.
    words: Vec<Word>,
}

fn quantity_line(row: &Row) -> Option<Priced> {
    plain_quantity_line(row).or_else(|| hidden_quantity_line(row))
}

/// `42. 7542 шт 85.50`: the star of `42.75*2` was read as a digit, or not at all. It is believed when the product holds.
fn hidden_quantity_line(row: &Row) -> Option<Priced> {
    let unit = row.lexed.iter().find(|l| l.lexeme == Lexeme::Unit)?.word;
    let (sum_minor, sum_word) = row.last_sum().filter(|(_, word)| *word > unit)?;
    if row.lexed.iter().any(|l| l.lexeme == Lexeme::Times) {
        return None;
    }
    let glued: String = row.words.get(..unit)?.iter().map(|w| w.text.as_str()).collect();
    // One strange sign may stand for the star.
    let strange = glued.chars().filter(|c| !c.is_ascii_digit() && !matches!(c, '.' | ',')).count();
    if glued.len() > HIDDEN_CHARS_MAX || strange > 1 {
        return None;
    }
    let digits: String = glued.chars().filter(char::is_ascii_digit).collect();
    // Every way to cut it into a price, perhaps a false digit for the star, and a quantity of up to three digits.
    let cuts = (3..digits.len()).flat_map(|price| [price + 1, price].map(|quantity| (price, quantity)));
    let (unit_price_minor, quantity) = cuts.into_iter().find_map(|(price, quantity)| {
        let count = digits.get(quantity..).filter(|q| (1..=3).contains(&q.len()) && !q.starts_with('0'))?;
        let unit_price_minor: i64 = digits.get(..price)?.parse().ok()?;
        let quantity = Quantity::from_thousandths(count.parse::<i64>().ok()?.checked_mul(1_000)?);
        (quantity.price(unit_price_minor) == Ok(sum_minor)).then_some((unit_price_minor, quantity))
    })?;
    let tax = row.lexed.iter().find_map(|l| match l.lexeme {
        Lexeme::Letter(letter) if l.word >= sum_word => Some(letter),
        _ => None,
    });
    Some(Priced { quantity, unit_price_minor, sum_minor: Some(sum_minor), tax, name_words: 0..0, words: row.words.clone() })
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
    let left_at = if is_unit(times.checked_sub(1)?) { times.checked_sub(2)? } else { times - 1 };
    let (left, right) = (number(left_at)?, number(times + 1)?);
    let (quantity, price) = quantity_and_price(left, right)?;
    let quantity = Quantity::from_thousandths(quantity.thousandths()?);
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
            quantity.price(unit_price_minor) != Ok(sum) && thousandths.price(unit_price_minor) == Ok(sum)
        });
    let quantity = if lost_separator { thousandths } else { quantity };
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
struct PricedName {
    name_end: usize,
    sum_word: usize,
    sum_minor: i64,
    tax: Option<char>,
    quantity: Option<(Quantity, i64)>,
}

/// `name  95.31 Г`, or `name  2 26.71 53.42 Г` where the product holds. Nothing but the VAT letter may follow the sum.
fn priced_name(row: &Row) -> Option<PricedName> {
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
    let at = end.checked_sub(1)?;
    let sum = row.lexed.get(at)?;
    let Lexeme::Number(n) = sum.lexeme else { return None };
    let sum_minor = n.minor().filter(|_| !n.negative)?;
    let number = |back: usize| match at.checked_sub(back).and_then(|i| row.lexed.get(i)).map(|l| &l.lexeme) {
        Some(Lexeme::Number(n)) => Some(*n),
        _ => None,
    };
    let factors = number(2).zip(number(1)).and_then(|(quantity, price)| {
        let (quantity, price) = (Quantity::from_thousandths(quantity.thousandths()?), price.minor()?);
        (quantity.price(price) == Ok(sum_minor)).then_some((quantity, price))
    });
    let name_end = match factors {
        Some(_) => row.lexed.get(at - 2)?.word,
        None => at.checked_sub(1).and_then(|i| row.lexed.get(i)).map_or(sum.word, |l| {
            if l.lexeme == Lexeme::Equals { l.word.min(sum.word) } else { sum.word }
        }),
    };
    Some(PricedName { name_end, sum_word: sum.word, sum_minor, tax, quantity: factors })
}

fn is_dirt_or_currency(text: &str) -> bool {
    let lowered = text.to_lowercase();
    !text.chars().any(char::is_alphanumeric) || matches!(lowered.trim_matches('.'), "грн" | "uah" | "руб")
}

/// An EAN-8 or EAN-13 whose check digit holds.
fn barcode(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let pure = text.chars().all(|c| c.is_ascii_digit() || c.is_ascii_punctuation());
    if !pure || !matches!(digits.len(), 8 | 13) {
        return None;
    }
    let weighted: u32 = digits
        .chars()
        .rev()
        .enumerate()
        .filter_map(|(i, c)| Some(c.to_digit(10)? * if i % 2 == 0 { 1 } else { 3 }))
        .sum();
    (weighted % 10 == 0).then_some(digits)
}

/// The index behind a customs code at or after `from`, else `from`.
fn without_customs(row: &Row, from: usize) -> usize {
    let Some(keyword) = kinds::customs_keyword(row).filter(|k| k.start >= from && k.start <= from + 1) else { return from };
    let code = row.words.iter().skip(keyword.end).take_while(|w| w.text.chars().all(|c| c.is_ascii_digit() || c.is_ascii_punctuation()));
    keyword.end + code.take(2).count()
}

/// Whether a line of words is the cut-off end of a name: short, or beginning in the middle of something.
fn looks_cut(text: &str) -> bool {
    let first = text.chars().next();
    text.chars().count() <= 8 || first.is_some_and(|c| c.is_lowercase() || c.is_ascii_digit() || c == '№' || c == '%')
}

/// Two parts of a name. A number cut by the paper's edge (`0,0` and `5%`, `№` and `20`) is one again.
fn joined(left: &str, right: &str) -> String {
    let cut = left.ends_with('№')
        || (left.ends_with(|c: char| c.is_ascii_digit()) && right.starts_with(['%']));
    let separator = if left.is_empty() || right.is_empty() || cut { "" } else { " " };
    format!("{left}{separator}{right}")
}

/// A name without its running number, without dirt at its edges, and not beyond its longest.
fn cleaned(name: &str) -> String {
    let mut words: Vec<&str> = name.split_whitespace().collect();
    let numbering = |w: &str| w.strip_suffix(['.', ')']).is_some_and(|n| n.len() <= 2 && n.bytes().all(|b| b.is_ascii_digit()));
    if words.len() > 1 && words.first().is_some_and(|w| numbering(w)) {
        words.remove(0);
    }
    let is_dirt = |w: &&str| !w.chars().any(char::is_alphanumeric);
    let start = words.iter().take_while(|w| is_dirt(w)).count();
    let end = words.len() - words.iter().skip(start).rev().take_while(|w| is_dirt(w)).count();
    let words: Vec<String> = words.get(start..end).unwrap_or_default().iter().map(|w| pack_size(w)).collect();
    let text = words.join(" ");
    let text = text.trim_matches(|c: char| matches!(c, '|' | '_' | '~' | '=' | '*' | ':' | ';' | ',' | '-' | '—'));
    text.chars().take(NAME_CHARS_MAX).collect()
}

/// `M20` at the end of a medicine's name is `№20`.
fn pack_size(word: &str) -> String {
    match word.strip_prefix(['M', 'М']) {
        Some(count) if (1..=3).contains(&count.len()) && count.bytes().all(|b| b.is_ascii_digit()) => format!("№{count}"),
        _ => word.to_owned(),
    }
}
