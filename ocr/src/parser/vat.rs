//! VAT lines: letter, rate and sum, and whether the sum follows from the rate.

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
        self.letter.map_or_else(|| format!("{}%", self.rate / 100), String::from)
    }
}

/// Finds the VAT lines. A rate alone (behind each article in Russian layouts) is none.
#[must_use]
pub fn find(rows: &[Row], kinds: &[Kind]) -> Vec<VatLine> {
    rows.iter().zip(kinds).filter(|(_, kind)| **kind == Kind::Vat).filter_map(|(row, _)| line(row)).collect()
}

fn line(row: &Row) -> Option<VatLine> {
    let rate = row.lexed.iter().find_map(|l| match &l.lexeme {
        Lexeme::Percent(n) if n.decimals <= 2 => n.digits.checked_mul(10_i64.pow(u32::from(2 - n.decimals))),
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
    Some(VatLine { letter, rate, amount_minor })
}
