//! Long numbers that identify: the register's fiscal number and the seller's tax number, with their check digits.

use kvit_domain::recognition::Field;

use super::glyphs;
use super::row::Row;
use super::vote::{Candidate, thousandths};

/// Words of the register's number. `ПРРО` also stands between `ФН` and the number.
const REGISTER_WORDS: [&str; 2] = ["ФН", "ПРРО"];
/// Words of tax numbers.
const TAX_WORDS: [&str; 7] = ["ПН", "ІД", "ІПН", "ІН", "ЄДРПОУ", "РНОКПП", "ИНН"];
/// Words of numbers that are neither, although some have as many digits.
const OTHER_WORDS: [&str; 9] = [
    "RRN",
    "ФП",
    "ФД",
    "РН",
    "ККТ",
    "ТЕЛ",
    "ШТРИХКОД",
    "ШТРИХ",
    "УКТЗЕД",
];
/// What one changed digit costs, and the most that a number with a changed digit is believed.
const REPAIR_COST: u32 = 60;
const REPAIRED_MAX: u32 = 860;
/// What a number without its word loses.
const WITHOUT_WORD: u32 = 150;
/// Most that a number is believed whose check digit does not hold.
const UNCHECKED_MAX: u32 = 890;
/// Digits of a Russian fiscal drive's number.
const DRIVE_DIGITS: usize = 16;

/// A run of digits in a line.
struct Run {
    digits: String,
    words: std::ops::Range<usize>,
}

/// All runs of a wanted length: single words, and two neighbours where a number was torn apart.
fn runs(row: &Row, wanted: impl Fn(usize) -> bool) -> Vec<Run> {
    let digits: Vec<Option<String>> = row.words.iter().map(|w| mostly_digits(&w.text)).collect();
    let mut out = Vec::new();
    for (at, first) in digits.iter().enumerate() {
        let Some(first) = first else { continue };
        if wanted(first.len()) {
            out.push(Run {
                digits: first.clone(),
                words: at..at + 1,
            });
        } else if let Some(Some(second)) = digits.get(at + 1)
            && wanted(first.len() + second.len())
            && !wanted(second.len())
        {
            out.push(Run {
                digits: format!("{first}{second}"),
                words: at..at + 2,
            });
        }
    }
    out
}

/// A word as digits; `None` when fewer than four of five signs are digits or one can be none.
fn mostly_digits(word: &str) -> Option<String> {
    let core = word.trim_matches(|c: char| !c.is_alphanumeric() && glyphs::digit(c).is_none());
    let total = u32::try_from(core.chars().count()).ok()?;
    let (digits, guessed) = glyphs::as_digits(core)?;
    (total > 0 && guessed * 5 <= total).then_some(digits)
}

/// Which of some words stands before an index, looking back over at most three words, and no other word of numbers
/// between. One look-alike letter is forgiven, since digits must follow anyway.
fn word_before(row: &Row, at: usize, words: &[&str]) -> Option<usize> {
    let from = at.saturating_sub(3);
    let is_one_of = |word: &str, list: &[&str]| {
        list.iter().any(|keyword| {
            let keyword = super::words::folded(keyword);
            glyphs::word_cost(word, &keyword, 4) <= 4
        })
    };
    for index in (from..at).rev() {
        let word = row.folded.get(index)?;
        if is_one_of(word, words) {
            return Some(index);
        }
        if is_one_of(word, &OTHER_WORDS) || mostly_digits(&row.words.get(index)?.text).is_some() {
            return None;
        }
    }
    None
}

/// Every place that can be the register's fiscal number.
#[must_use]
pub fn registers(rows: &[Row]) -> Vec<Candidate<String>> {
    let mut out = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        for run in runs(row, |digits| matches!(digits, 10 | 11 | DRIVE_DIGITS)) {
            let word = word_before(row, run.words.start, &REGISTER_WORDS);
            // `ЧЕК ФН` numbers the receipt.
            let of_receipt = word
                .and_then(|at| at.checked_sub(1))
                .and_then(|before| row.folded.get(before))
                .is_some_and(|w| w == "ЧЕК");
            // The word at the end of the line above.
            let above = || {
                run.words.start == 0
                    && index
                        .checked_sub(1)
                        .and_then(|i| rows.get(i))
                        .and_then(|r| r.folded.last())
                        .is_some_and(|w| w == "ФН" || w == "ПРРО")
            };
            let named = word.is_some() || above();
            if of_receipt || word_before(row, run.words.start, &TAX_WORDS).is_some() && !named {
                continue;
            }
            let Some((value, repairs)) = as_register(&run.digits) else {
                continue;
            };
            let drive = value.len() == DRIVE_DIGITS;
            if !named && (drive || repairs > 0 || row.has_any(&OTHER_WORDS)) {
                continue;
            }
            let mut field = row.field(value, run.words.clone());
            let mut sure = u32::from(field.confidence.thousandths());
            sure = sure.saturating_sub(if named { 0 } else { WITHOUT_WORD });
            sure = sure.saturating_sub(repairs * REPAIR_COST);
            field.confidence = thousandths(if repairs > 0 {
                sure.min(REPAIRED_MAX)
            } else {
                sure
            });
            out.push(Candidate {
                field,
                repaired: repairs > 0,
                printed: (repairs > 0).then_some(run.digits),
            });
        }
    }
    out
}

/// A run of digits as a register's number, with how many digits had to be read as the zeros that must stand there:
/// software registers begin with 4000 or 4001, devices with 300. Crossed zeros are misread so often that a number with
/// one sign too many among its leading zeros is put right, too.
fn as_register(digits: &str) -> Option<(String, u32)> {
    if digits.len() == DRIVE_DIGITS {
        return Some((digits.to_owned(), 0));
    }
    let mut signs: Vec<char> = digits.chars().collect();
    let mut repairs = 0;
    if signs.len() == 11 {
        let crossed = signs.get(1..5)?.iter().all(|c| glyphs::is_crossed_zero(*c));
        if !crossed {
            return None;
        }
        signs.remove(1);
        repairs += 1;
    }
    let software = match signs.first()? {
        '4' => true,
        '3' => false,
        _ => return None,
    };
    let zeros = if software { 1..4 } else { 1..3 };
    for at in zeros {
        let sign = signs.get_mut(at)?;
        let right = *sign == '0' || (at == 3 && *sign == '1');
        if right {
            continue;
        }
        if !glyphs::is_crossed_zero(*sign) {
            return None;
        }
        *sign = '0';
        repairs += 1;
    }
    Some((signs.into_iter().collect(), repairs))
}

/// Every place that can be the seller's tax number. A number cut off by the paper's edge is left out when it is
/// printed whole elsewhere.
#[must_use]
pub fn tax_ids(rows: &[Row]) -> Vec<Candidate<String>> {
    let mut out: Vec<Candidate<String>> = Vec::new();
    for row in rows {
        for run in runs(row, |digits| matches!(digits, 8 | 10 | 12)) {
            let at = run.words.start;
            let named = word_before(row, at, &TAX_WORDS).is_some()
                && word_before(row, at, &["ФН"]).is_none();
            // A line with twelve digits and hardly anything else is the number of a payer of VAT.
            let alone = run.digits.len() == 12 && row.words.len() <= 2 && row.letters() <= 3;
            if !(named || alone) {
                continue;
            }
            out.push(Candidate::as_read(tax_field(row, &run, named)));
        }
    }
    let whole: Vec<String> = out.iter().map(|c| c.field.value.clone()).collect();
    out.retain(|c| {
        !whole
            .iter()
            .any(|other| other.len() > c.field.value.len() && other.starts_with(&c.field.value))
    });
    out
}

fn tax_field(row: &Row, run: &Run, named: bool) -> Field<String> {
    let mut field = row.field(run.digits.clone(), run.words.clone());
    let mut sure = u32::from(field.confidence.thousandths());
    sure = sure.saturating_sub(if named { 0 } else { WITHOUT_WORD });
    field.confidence = thousandths(sure);
    limit_unchecked(&mut field);
    field
}

/// A number whose check digit does not hold is not sure, however many readings agree on it.
pub fn limit_unchecked(field: &mut Field<String>) {
    if check_digit(&field.value) == Some(false) {
        let sure = u32::from(field.confidence.thousandths());
        field.confidence = thousandths(sure.min(UNCHECKED_MAX));
    }
}

/// Whether a tax number's check digit holds, for the kinds that have one: `ЄДРПОУ` (8), `РНОКПП` (10) and Russian
/// `ИНН` (10 and 12). Twelve digits are also a Ukrainian `ІПН`, which has no public check, so those are only confirmed.
#[must_use]
pub fn check_digit(number: &str) -> Option<bool> {
    let digits: Vec<u32> = number
        .chars()
        .map(|c| c.to_digit(10))
        .collect::<Option<_>>()?;
    match digits.len() {
        8 => Some(edrpou(&digits)),
        10 => Some(rnokpp(&digits) || inn10(&digits)),
        12 => inn12(&digits).then_some(true),
        _ => None,
    }
}

fn weighted(digits: &[u32], weights: &[i64]) -> i64 {
    digits
        .iter()
        .zip(weights)
        .map(|(d, w)| i64::from(*d) * w)
        .sum()
}

fn last_is(digits: &[u32], expected: i64) -> bool {
    digits.last().is_some_and(|d| i64::from(*d) == expected)
}

/// Weights 1..7 (7,1..6 for numbers from 30 000 000 to 60 000 000), and each two more when the remainder is ten.
fn edrpou(digits: &[u32]) -> bool {
    let number = digits.iter().fold(0_u32, |n, d| n * 10 + d);
    let plain: [i64; 7] = if (30_000_000..=60_000_000).contains(&number) {
        [7, 1, 2, 3, 4, 5, 6]
    } else {
        [1, 2, 3, 4, 5, 6, 7]
    };
    let mut rest = weighted(digits, &plain) % 11;
    if rest == 10 {
        rest = weighted(digits, &plain.map(|w| w + 2)) % 11 % 10;
    }
    last_is(digits, rest)
}

fn rnokpp(digits: &[u32]) -> bool {
    let sum = weighted(digits, &[-1, 5, 7, 9, 4, 6, 10, 5, 7]);
    last_is(digits, sum.rem_euclid(11) % 10)
}

fn inn10(digits: &[u32]) -> bool {
    last_is(
        digits,
        weighted(digits, &[2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10,
    )
}

fn inn12(digits: &[u32]) -> bool {
    let eleventh = weighted(digits, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10;
    let twelfth = weighted(digits, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10;
    digits.get(10).is_some_and(|d| i64::from(*d) == eleventh) && last_is(digits, twelfth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_hold_for_numbers_made_by_their_rules() {
        for (number, holds) in [
            ("12345678", Some(true)),
            ("12345679", Some(false)),
            ("1234567899", Some(true)),
            ("1234567890", Some(false)),
            ("1234567894", Some(true)),
            ("123456789047", Some(true)),
            ("123456789048", None),
            ("123", None),
        ] {
            assert_eq!(check_digit(number), holds, "{number}");
        }
    }

    #[test]
    fn zeros_that_must_stand_in_a_register_number_are_read_as_such() {
        assert_eq!(as_register("4001863290"), Some(("4001863290".into(), 0)));
        assert_eq!(as_register("4881573478"), Some(("4001573478".into(), 2)));
        assert_eq!(as_register("3993434826"), Some(("3003434826".into(), 2)));
        assert_eq!(as_register("46999726499"), Some(("4000726499".into(), 4)));
        assert_eq!(as_register("4123456789"), None);
        assert_eq!(as_register("5000123456"), None);
    }
}
