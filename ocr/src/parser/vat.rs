//! VAT lines: letter, rate and sum, and whether the sum follows from the rate.

use super::items::Draft;
use super::kinds::Kind;
use super::lexemes::Lexeme;
use super::row::Row;

/// A VAT line of a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VatLine {
    /// The letter that goods refer to.
    pub letter: Option<char>,
    /// The rate in hundredths of a per cent: 2000 for 20 %.
    pub rate: i64,
    /// The tax contained in the price, minor units.
    pub amount_minor: Option<i64>,
}

impl VatLine {
    /// The tax contained in a sum that includes it: sum × r / (100 + r), rounded to the nearest minor unit.
    #[must_use]
    pub fn contained_in(&self, gross_minor: i64) -> Option<i64> {
        let (gross, rate) = (i128::from(gross_minor), i128::from(self.rate));
        let divisor = 10_000 + rate;
        i64::try_from((gross * rate + divisor / 2) / divisor).ok()
    }

    /// How the line is named in an anomaly.
    #[must_use]
    pub fn name(&self) -> String {
        self.letter
            .map_or_else(|| format!("{}%", self.rate / 100), String::from)
    }
}

/// Whether the VAT lines together account for a total: each tax is taken back to the sum it was computed from, and
/// those sums come out at the total, as near as the rounding of each tax allows. Then no VAT line is missing and none
/// was misread.
#[must_use]
pub fn account_for(vat: &[VatLine], total_minor: i64) -> bool {
    let mut sum = 0_i128;
    let mut tolerance = 50_i128; // cash rounding
    for line in vat {
        let Some(amount) = line.amount_minor.map(i128::from) else {
            return false;
        };
        let (rate, gross) = (i128::from(line.rate), 10_000 + i128::from(line.rate));
        sum += amount * gross / rate;
        tolerance += 2 * gross / rate; // two minor units of tax either way
    }
    !vat.is_empty() && (sum - i128::from(total_minor)).abs() <= tolerance
}

/// Letters of goods that no VAT line has are misread ones, provided that no VAT line is missing: the only letter there
/// is, or the one look-alike, is meant; otherwise the letter is dropped.
pub fn mend_letters(items: &mut [Draft], vat: &[VatLine], total_minor: Option<i64>) {
    if !total_minor.is_some_and(|total| account_for(vat, total)) {
        return;
    }
    let known: Vec<char> = vat.iter().filter_map(|line| line.letter).collect();
    for item in items {
        if item.tax.is_some_and(|letter| known.contains(&letter)) {
            continue;
        }
        item.tax = match (known.as_slice(), item.tax) {
            ([], as_read) => as_read,
            ([only], _) => Some(*only),
            (_, Some(read)) => {
                let mut alike = known
                    .iter()
                    .copied()
                    .filter(|letter| look_alike(*letter, read));
                alike.next().filter(|_| alike.next().is_none())
            }
            (_, None) => None,
        };
    }
}

fn look_alike(a: char, b: char) -> bool {
    [['Б', 'В'], ['Г', 'Т'], ['А', 'Д'], ['Е', 'В'], ['З', 'В']]
        .iter()
        .any(|pair| pair.contains(&a) && pair.contains(&b))
}

/// Finds the VAT lines. A rate alone (behind each article in Russian layouts) is none.
#[must_use]
pub fn find(rows: &[Row], kinds: &[Kind]) -> Vec<VatLine> {
    rows.iter()
        .zip(kinds)
        .filter(|(_, kind)| **kind == Kind::Vat)
        .filter_map(|(row, _)| line(row))
        .collect()
}

fn line(row: &Row) -> Option<VatLine> {
    let rate = row.lexed.iter().find_map(|l| match &l.lexeme {
        Lexeme::Percent(n) if n.decimals <= 2 => {
            n.digits.checked_mul(10_i64.pow(u32::from(2 - n.decimals)))
        }
        _ => None,
    })?;
    if !(1..=10_000).contains(&rate) {
        return None;
    }
    let letter = row.lexed.iter().find_map(|l| match l.lexeme {
        Lexeme::Letter(letter) => Some(letter),
        _ => None,
    });
    let amount_minor = Some(row.last_grouped_sum()?.0);
    Some(VatLine {
        letter,
        rate,
        amount_minor,
    })
}
