//! Lines of goods: which printed lines belong to one article, and what they say.
//!
//! The body of a receipt is walked from top to bottom with a draft of the article at hand. Software registers print
//! the name above `quantity x price = sum`, others the quantity above `name  sum`, others the name and its sum on one
//! line with the rest of a long name below. Barcodes, customs codes, totals, VAT, payments and terminals are never
//! goods: their lines are recognised by their words before any number is looked at.

mod names;
mod prices;

use kvit_domain::quantity::Quantity;
use kvit_domain::recognition::Confidence;

use super::kinds::{self, Kind};
use super::lexemes::Lexeme;
use super::row::Row;
use crate::layout::{Word, mean_confidence};
use names::{barcode, cleaned, joined, looks_cut, running_number, without_customs};
use prices::{Priced, PricedName, priced_name, quantity_line};

/// Most articles of a receipt; a photo of anything else must not become an endless list.
const ITEMS_MAX: usize = 200;
/// Most lines of one name.
const NAME_LINES_MAX: usize = 4;
/// Most that one line can cost, minor units: a million.
pub const SUM_MINOR_MAX: i64 = 100_000_000;
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
    /// Whether the sum was printed; otherwise it is quantity × price, and proves nothing.
    pub printed: bool,
}

/// Finds the goods above the first total (above the end, when no total was read).
#[must_use]
pub fn find(rows: &[Row], kinds: &[Kind], first_total: Option<usize>) -> Vec<Draft> {
    let end = first_total.unwrap_or(rows.len()).min(rows.len());
    let Some(body) = body(rows, kinds, end) else {
        return Vec::new();
    };
    let mut walk = Walk {
        barcode_below: barcodes_stand_below(kinds, body.clone()),
        numbered: are_numbered(rows, kinds, body.clone()),
        ..Walk::default()
    };
    for index in body.clone() {
        let (Some(row), Some(kind)) = (rows.get(index), kinds.get(index)) else {
            break;
        };
        let next = index + 1;
        let next_is_new = !body.contains(&next)
            || matches!(
                kinds.get(next),
                Some(
                    Kind::Barcode
                        | Kind::Article
                        | Kind::Total
                        | Kind::ToPay
                        | Kind::Payment
                        | Kind::Vat
                )
            )
            || rows
                .get(next)
                .is_some_and(|r| quantity_line(r).is_some_and(|q| q.name_words.is_empty()));
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
        Some(Kind::Other) => rows
            .get(i)
            .is_some_and(|r| quantity_line(r).is_some() || priced_name(r).is_some()),
        _ => false,
    })?;
    let above = (0..first)
        .rev()
        .take(NAME_LINES_ABOVE)
        .take_while(|&i| {
            kinds.get(i) == Some(&Kind::Other) && rows.get(i).is_some_and(|r| r.letters() >= 2)
        })
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

/// Whether the articles are numbered: two lines that begin with numbers one after the other.
fn are_numbered(rows: &[Row], kinds: &[Kind], body: std::ops::Range<usize>) -> bool {
    let numbers: Vec<u32> = body
        .filter(|at| kinds.get(*at) == Some(&Kind::Other))
        .filter_map(|at| running_number(rows.get(at)?))
        .collect();
    numbers
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if a + 1 == *b))
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
    /// Whether each article begins with its number.
    numbered: bool,
    /// Whether the article at hand has begun with its number and has no price yet.
    begun: bool,
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
        let place = row
            .words
            .iter()
            .position(|w| w.text.chars().filter(char::is_ascii_digit).count() >= 8);
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
        let code = row
            .words
            .iter()
            .enumerate()
            .skip(at)
            .take(2)
            .find(|(_, w)| digits(w));
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
        if self.numbered {
            if running_number(row).is_some() {
                // What has had no price until here gets none.
                self.flush();
                self.forget();
                self.begun = true;
            } else if self.begun
                && quantity_line(row).is_none()
                && let Some(priced) = priced_name(row).filter(|_| !self.name.is_empty())
            {
                // A quantity line that nobody can read: its sum is what counts, and it is no part of the name.
                let words = row.words.get(priced.sum_word..).unwrap_or_default();
                let used = words.to_vec();
                self.begun = false;
                self.push(
                    Quantity::ONE,
                    None,
                    priced.sum_minor,
                    priced.tax,
                    used,
                    true,
                );
                return;
            } else if self.begun && quantity_line(row).is_some() {
                self.begun = false;
            } else if !self.begun && quantity_line(row).is_none() {
                return; // between a price and the next number there is no name
            }
        }
        if let Some(priced) = quantity_line(row) {
            self.quantity_line(row, priced);
        } else if let Some(priced) = priced_name(row) {
            if self.quantity.is_none() && row.is_sum_alone() && self.name.is_empty() {
                return; // a sum that belongs to nothing
            }
            self.close_with_name(row, 0, &priced);
        } else if row.letters() >= 2
            || row
                .words
                .iter()
                .any(|w| w.text.chars().any(char::is_alphanumeric))
        {
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
        if self
            .quantity
            .as_ref()
            .is_some_and(|q| q.sum_minor.is_some())
        {
            self.flush();
        }
        // `957 ЗТ шт 95.31`: a spoilt quantity line under its name adds nothing to the name.
        let spoilt = !self.name.is_empty()
            && self.quantity.is_none()
            && is_spoilt_quantity(row, from..priced.name_end);
        if !spoilt {
            self.add_name(row, from..priced.name_end);
        }
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
        self.push(amount, unit, priced.sum_minor, priced.tax, used, true);
        self.may_continue = true;
    }

    /// A line of words: the rest of the last name, or the beginning of the next one.
    fn name_line(&mut self, row: &Row, next_is_new: bool) {
        let text = row.text();
        let continues =
            self.may_continue && self.name.is_empty() && (next_is_new || looks_cut(&text));
        if let (true, Some(last)) = (continues, self.items.last_mut()) {
            last.name = joined(&last.name, &text);
            self.may_continue = false;
            return;
        }
        self.may_continue = false;
        if self
            .quantity
            .as_ref()
            .is_some_and(|q| q.sum_minor.is_none())
            && !self.name.is_empty()
        {
            self.flush();
        }
        let from = without_customs(row, 0);
        self.add_name(row, from..row.words.len());
        if let Some(Priced {
            sum_minor: Some(_), ..
        }) = self.quantity
        {
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
        let Some(priced) = self.quantity.take() else {
            return;
        };
        let computed = || priced.quantity.price(priced.unit_price_minor).ok();
        if let Some(sum) = priced.sum_minor.or_else(computed) {
            self.push(
                priced.quantity,
                Some(priced.unit_price_minor),
                sum,
                priced.tax,
                priced.words,
                priced.sum_minor.is_some(),
            );
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

    fn push(
        &mut self,
        quantity: Quantity,
        unit: Option<i64>,
        sum: i64,
        tax: Option<char>,
        mut used: Vec<Word>,
        printed: bool,
    ) {
        let mut name = String::new();
        for word in &self.name {
            name = joined(&name, &word.text);
        }
        let name = cleaned(&name);
        let (barcode, code) = (self.barcode.take(), self.code.take());
        used.append(&mut self.name);
        self.name_lines = 0;
        self.may_continue = false;
        let named_total = kinds::is_total_word(&name);
        let plausible =
            !named_total && sum > 0 && sum <= SUM_MINOR_MAX && quantity.thousandths() > 0;
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
            printed,
        };
        self.items.push(draft);
    }
}

/// Whether the words before a sum are what is left of a quantity line: a unit at their end, or digits with hardly any
/// letters.
fn is_spoilt_quantity(row: &Row, range: std::ops::Range<usize>) -> bool {
    let ends_in_unit = row
        .lexed
        .iter()
        .any(|l| l.lexeme == Lexeme::Unit && l.word + 1 == range.end);
    let text = row.text_of(range);
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let strength = text.split(' ').any(|word| {
        let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ','));
        unit.len() < word.len() && ["мг", "мл", "г", "%", "см", "мм", "кг", "мкг"].contains(&unit)
    });
    !strength
        && !text.contains('№')
        && digits > 0
        && (letters <= 2 || (ends_in_unit && letters <= 6))
}
