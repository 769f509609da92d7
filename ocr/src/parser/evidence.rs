//! What speaks for a total: its word, the payment, the goods, the tax. Never its size.
//!
//! Every value that one of these names is a candidate. Kinds of evidence are independent of each other, so their
//! weights add up; the same kind in another reading of the photo adds little. A total that two kinds name is nearly
//! certain, one that a single line names is as good as its reading and no better, and a rival makes both doubtful.

use kvit_domain::recognition::Field;

use super::arithmetic;
use super::items::Draft;
use super::kinds::{self, Kind};
use super::lexemes::{Lexeme, Number};
use super::row::Row;
use super::totals::CASH_ROUNDING_MAX;
use super::vat::{VatLine, account_for};
use super::vote::{self, Candidate, thousandths};

/// Most values that are weighed.
const VALUES_MAX: usize = 64;
/// What further readings of the same kind add.
const AGAIN: u32 = 60;
/// The most that a total is believed which a single kind of evidence names.
const SINGLE_MAX: u32 = 880;
/// Confidence from which a line's printed sum is likely right.
const READ_WELL: u16 = 850;
/// What such a total's support counts for, in tenths.
const INFERRED_TENTHS: u32 = 5;
/// The most that a total is believed which no line shows.
const INFERRED_MAX: u32 = 500;
/// Support from which a total that several kinds name is certain enough to be reported as sure.
const SURE_FROM: u32 = 900;

/// Where a value was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kin {
    /// On the line of a total's word, with two decimals.
    Word,
    /// On such a line with its separator lost, or alone on the line below.
    NearWord,
    /// On a line of payment by card, or without its kind.
    Payment,
    /// Cash less change.
    CashLessChange,
    /// The goods come out at it.
    Goods,
    /// The tax follows from it.
    Tax,
}

/// A value with one reason to believe it.
#[derive(Debug, Clone)]
pub struct Clue {
    /// The value with its reading's confidence and place.
    pub field: Field<i64>,
    /// Why.
    pub kin: Kin,
    /// Up to 1000.
    pub weight: u32,
    /// Which reading of the photo.
    pub reading: usize,
}

/// The elected total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The value.
    pub field: Field<i64>,
    /// Whether no line shows it as it is, so that goods or tax alone tell.
    pub inferred: bool,
    /// Whether the tax follows from it.
    pub taxed: bool,
    /// Whether something speaks against its agreement with other lines.
    pub doubted: bool,
}

/// All clues of one reading, without those of the goods.
#[must_use]
pub fn clues(rows: &[Row], kinds: &[Kind], reading: usize) -> Vec<Clue> {
    let mut out = Vec::new();
    let mut in_summary = false;
    for (index, (row, kind)) in rows.iter().zip(kinds).enumerate() {
        let next = rows.get(index + 1).zip(kinds.get(index + 1));
        in_summary |= kinds::is_summary(row);
        match kind {
            Kind::Total | Kind::ToPay => {
                let from = out.len();
                of_word(row, next, reading, &mut out);
                let demoted = in_summary || kinds::is_subtotal(row);
                for clue in out.iter_mut().skip(from).filter(|_| demoted) {
                    clue.weight /= 3;
                    clue.kin = Kin::NearWord;
                }
            }
            Kind::Payment => {
                let Some((minor, word)) = row.last_grouped_sum().filter(|(minor, _)| *minor > 0)
                else {
                    continue;
                };
                if !row.has_any(&CHANGE) && !row.has_any(&CASH) && row.has_any(&CARD) {
                    let field = row.field(minor, word..word + 1);
                    let weight = scaled(300, &field);
                    out.push(clue(field, Kin::Payment, weight, reading));
                }
            }
            _ => {}
        }
    }
    out
}

/// Cash and change of a reading.
#[derive(Debug, Clone, Default)]
pub struct Tender {
    cash: Option<Field<i64>>,
    change: Option<Field<i64>>,
}

impl Tender {
    /// Looks for them.
    #[must_use]
    pub fn of(rows: &[Row], kinds: &[Kind]) -> Self {
        let mut tender = Self::default();
        for (row, _) in rows.iter().zip(kinds).filter(|(_, k)| **k == Kind::Payment) {
            let Some((minor, word)) = row.last_grouped_sum().filter(|(minor, _)| *minor > 0) else {
                continue;
            };
            let place = if row.has_any(&CHANGE) {
                &mut tender.change
            } else if row.has_any(&CASH) {
                &mut tender.cash
            } else {
                continue;
            };
            place.get_or_insert_with(|| row.field(minor, word..word + 1));
        }
        tender
    }
}

/// What cash and change of all readings come out at: within a reading, and across readings where one has lost a line.
#[must_use]
pub fn of_tenders(tenders: &[Tender]) -> Vec<Clue> {
    let mut out = Vec::new();
    for (reading, tender) in tenders.iter().enumerate() {
        let Some(cash) = &tender.cash else { continue };
        let elsewhere = || tenders.iter().find_map(|t| t.change.as_ref());
        let change = tender.change.as_ref().or_else(elsewhere);
        let rest = change.map_or(0, |c| c.value);
        if rest >= cash.value {
            continue;
        }
        let mut field = cash.clone();
        field.value = cash.value - rest;
        if let Some(change) = change {
            field.confidence = field.confidence.min(change.confidence);
        }
        let weight = scaled(if change.is_some() { 300 } else { 180 }, &field);
        out.push(clue(field, Kin::CashLessChange, weight, reading));
    }
    out
}

const CHANGE: [&str; 4] = ["РЕШТА", "СДАЧА", "CHANGE", "ЗДАЧА"];
const CASH: [&str; 9] = [
    "ГОТІВКА",
    "ГОТІВКОЮ",
    "НАЛИЧНЫМИ",
    "НАЛИЧНЫЕ",
    "ПОЛУЧЕНО",
    "CASH",
    "TENDERED",
    "TENDER",
    "PAID",
];
const CARD: [&str; 13] = [
    "КАРТКА",
    "КАРТКОЮ",
    "КАРТА",
    "БЕЗГОТІВКА",
    "БЕЗГОТІВКОВА",
    "БЕЗГОТІВКОВИЙ",
    "БЕЗНАЛИЧНЫМИ",
    "БЕЗНАЛИЧНЫЕ",
    "СПЛАЧЕНО",
    "ОПЛАЧЕНО",
    "VISA",
    "MASTERCARD",
    "MASTER",
];

const fn clue(field: Field<i64>, kin: Kin, weight: u32, reading: usize) -> Clue {
    Clue {
        field,
        kin,
        weight,
        reading,
    }
}

/// A weight by the confidence of what was read.
fn scaled(weight: u32, field: &Field<i64>) -> u32 {
    weight * (400 + u32::from(field.confidence.thousandths()) * 6 / 10) / 1_000
}

fn of_word(row: &Row, next: Option<(&Row, &Kind)>, reading: usize, out: &mut Vec<Clue>) {
    let own = row.last_grouped_sum().filter(|(minor, _)| *minor > 0);
    if let Some((minor, word)) = own {
        let field = row.field(minor, word..word + 1);
        // Where `=` stands before sums it is read as a digit now and then.
        if let Some(rest) = arithmetic::without_first_digit(minor) {
            let mut field = field.clone();
            field.value = rest;
            let weight = scaled(150, &field);
            out.push(clue(field, Kin::NearWord, weight, reading));
        }
        let weight = scaled(600, &field);
        out.push(clue(field, Kin::Word, weight, reading));
        return;
    }
    if let Some((minor, words)) = without_separator(row) {
        let field = row.field(minor, words);
        let weight = scaled(300, &field);
        out.push(clue(field, Kin::NearWord, weight, reading));
        return;
    }
    let below = next.filter(|(row, kind)| **kind == Kind::Other && row.is_sum_alone());
    if let Some((row, _)) = below
        && let Some((minor, word)) = row.last_grouped_sum().filter(|(minor, _)| *minor > 0)
    {
        let field = row.field(minor, word..word + 1);
        let weight = scaled(480, &field);
        out.push(clue(field, Kin::Word, weight, reading));
    }
}

/// A total always has two decimals, so `65 01`, `66501` and `665,0l` on its line are 665.01.
fn without_separator(row: &Row) -> Option<(i64, std::ops::Range<usize>)> {
    let numbers: Vec<(Number, usize)> = row
        .lexed
        .iter()
        .filter_map(|l| match &l.lexeme {
            Lexeme::Number(n) => Some((*n, l.word)),
            _ => None,
        })
        .collect();
    let (last, word) = numbers.last().copied()?;
    // `324,406`: a letter behind the sum was read as a digit.
    if last.decimals == 3 && last.whole_digits >= 2 {
        return Some((last.digits / 10, word..word + 1));
    }
    let two_words = || {
        let (head, at) = numbers.get(numbers.len().checked_sub(2)?).copied()?;
        let fits = last.decimals == 0
            && last.whole_digits == 2
            && head.decimals == 0
            && head.whole_digits <= 5
            && at + 1 == word;
        let minor = head.digits.checked_mul(100)?.checked_add(last.digits)?;
        fits.then_some((minor, at..word + 1))
    };
    let one_word = || {
        (last.decimals == 0 && (3..=7).contains(&last.whole_digits))
            .then_some((last.digits, word..word + 1))
    };
    two_words()
        .or_else(one_word)
        .filter(|(minor, _)| *minor > 0)
}

/// What the goods say about the total, by how many of their lines prove themselves.
#[must_use]
pub fn of_goods(items: &[Draft], reading: usize) -> Option<Clue> {
    let total = arithmetic::lines_total(items).filter(|total| *total > 0 && !items.is_empty())?;
    let count = u32::try_from(items.len()).ok()?;
    // In tenths: a line that proves itself, one whose sum is printed and read well, and one that was computed.
    let proof: u32 = items
        .iter()
        .map(|item| {
            if item.printed && arithmetic::is_proven(item) {
                10
            } else if item.printed && item.confidence.thousandths() >= READ_WELL {
                6
            } else {
                0
            }
        })
        .sum();
    let sure: u32 = items
        .iter()
        .map(|item| u32::from(item.confidence.thousandths()))
        .sum::<u32>()
        / count;
    let weight = 120 + 33 * proof / count;
    Some(clue(
        Field::new(total, thousandths(sure)),
        Kin::Goods,
        weight,
        reading,
    ))
}

/// The value with most support. `vat` are the tax lines of each reading; `goods_may_tell` says whether a value that
/// only the goods come out at may be elected, which takes a total's line that could not be read.
#[must_use]
pub fn elect(clues: &[Clue], vat: &[&[VatLine]], goods_may_tell: bool) -> Option<Verdict> {
    let clues = &with_zeros_preferred(clues);
    let mut values: Vec<i64> = clues.iter().map(|c| c.field.value).collect();
    values.sort_unstable();
    values.dedup();
    values.truncate(VALUES_MAX);
    let mut weighed: Vec<Weighed> = values
        .into_iter()
        .map(|value| weigh(value, clues, vat))
        .filter(|weighed| goods_may_tell || weighed.printed > 0)
        .collect();
    weighed.sort_by_key(|w| std::cmp::Reverse(w.support));
    let best = weighed.first()?;
    let field = clues
        .iter()
        .filter(|c| c.field.value == best.value)
        .min_by_key(|c| c.kin)?
        .field
        .clone();
    // A value apart by cash rounding is the same total, rounded.
    let rival = weighed
        .iter()
        .skip(1)
        .filter(|w| w.value.abs_diff(best.value) > CASH_ROUNDING_MAX.unsigned_abs())
        .map(|w| w.support)
        .max()
        .unwrap_or(0);
    let (best, field, doubt) = paid(&weighed, best, field, clues);
    let read = u32::from(field.confidence.thousandths());
    let mut sure = match best.kins {
        0 | 1 => read.min(SINGLE_MAX).min(best.support + 350),
        2 => read.max(best.support).clamp(SURE_FROM, 960),
        _ => read.clamp(960, 990),
    };
    if rival * 2 > best.support {
        sure = sure * best.support / (best.support + rival) + 100;
    } else if rival * 3 > best.support {
        sure = sure.min(SINGLE_MAX);
    }
    if doubt {
        sure = sure.min(SINGLE_MAX);
    }
    if best.printed == 0 {
        sure = sure.min(INFERRED_MAX);
    }
    Some(Verdict {
        inferred: best.printed == 0,
        taxed: best.taxed,
        doubted: doubt,
        field: Field {
            value: best.value,
            confidence: thousandths(sure),
            region: field.region,
        },
    })
}

/// The total and what was paid can differ by cash rounding. What is paid counts when it is a round sum that a later
/// line of a total shows, or that cash less change comes out at. Without the line that tells the rounding this can also
/// be a misread digit, so it is a doubt (the last part of the answer).
fn paid<'a>(
    weighed: &'a [Weighed],
    best: &'a Weighed,
    field: Field<i64>,
    clues: &[Clue],
) -> (&'a Weighed, Field<i64>, bool) {
    let round = |value: i64| value % 5 == 0;
    let near = |value: i64| {
        value != best.value && value.abs_diff(best.value) <= CASH_ROUNDING_MAX.unsigned_abs()
    };
    let top = field.region.map_or(0, |r| r.y);
    let later = |clue: &&Clue| match clue.kin {
        Kin::Word => clue.field.region.map_or(0, |r| r.y) > top,
        Kin::CashLessChange => clue.weight > 180,
        _ => false,
    };
    let other = clues
        .iter()
        .filter(|c| near(c.field.value) && round(c.field.value) && !round(best.value))
        .find(later);
    let Some(other) = other else {
        let again = weighed
            .iter()
            .any(|w| near(w.value) && w.support * 2 > best.support);
        return (best, field, again);
    };
    match weighed.iter().find(|w| w.value == other.field.value) {
        Some(rounded) => {
            let doubt = rounded.kins < 2;
            (rounded, other.field.clone(), doubt)
        }
        None => (best, field, true),
    }
}

/// Printed totals that differ only where one has a zero and the other what crossed zeros are read as are one total.
fn with_zeros_preferred(clues: &[Clue]) -> Vec<Clue> {
    let text = |clue: &Clue| clue.field.value.to_string();
    let mut printed: Vec<Candidate<String>> = clues
        .iter()
        .filter(|c| c.kin != Kin::CashLessChange)
        .map(|c| Candidate::as_read(Field::new(text(c), c.field.confidence)))
        .collect();
    let before: Vec<String> = printed.iter().map(|c| c.field.value.clone()).collect();
    vote::prefer_zeros(&mut printed);
    clues
        .iter()
        .map(|clue| {
            let mut clue = clue.clone();
            let own = text(&clue);
            let at = before
                .iter()
                .position(|value| *value == own)
                .filter(|_| matches!(clue.kin, Kin::Word | Kin::NearWord | Kin::Payment));
            if let Some(better) = at
                .and_then(|at| printed.get(at))
                .and_then(|c| c.field.value.parse().ok())
            {
                clue.field.value = better;
            }
            clue
        })
        .collect()
}

struct Weighed {
    value: i64,
    support: u32,
    kins: u32,
    printed: u32,
    taxed: bool,
}

fn weigh(value: i64, clues: &[Clue], vat: &[&[VatLine]]) -> Weighed {
    let mut support = 0;
    let mut kins = 0;
    let mut printed = 0;
    for kin in [
        Kin::Word,
        Kin::NearWord,
        Kin::Payment,
        Kin::CashLessChange,
        Kin::Goods,
    ] {
        let of_kin = || {
            clues
                .iter()
                .filter(|c| c.kin == kin && c.field.value == value)
        };
        let Some(most) = of_kin().map(|c| c.weight).max() else {
            continue;
        };
        let mut readings: Vec<usize> = of_kin().map(|c| c.reading).collect();
        readings.dedup();
        // The word once with and once without its separator is one kind of evidence.
        if kin == Kin::NearWord && kins > 0 {
            support += AGAIN;
            continue;
        }
        support += most + AGAIN * u32::try_from(readings.len() - 1).unwrap_or(0);
        kins += 1;
        printed += u32::from(kin != Kin::Goods);
    }
    let taxed = vat.iter().any(|lines| account_for(lines, value));
    if taxed {
        support += 300;
        kins += 1;
    }
    // Goods that no line confirms are worth less than a line that shows a total.
    if printed == 0 {
        support = support * INFERRED_TENTHS / 10;
    }
    Weighed {
        value,
        support,
        kins,
        printed,
        taxed,
    }
}
