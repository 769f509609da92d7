//! Totals: what the lines come to and what is paid. Found by their words, never as "the largest number".

use kvit_domain::recognition::Field;

use super::arithmetic::mixed_up;
use super::kinds::Kind;
use super::row::Row;

/// Cash is rounded to 50 kopiykas at most, so the two totals differ by no more than this, in minor units.
pub const CASH_ROUNDING_MAX: i64 = 50;

/// The totals of a receipt. `СУМА` and `ДО СПЛАТИ` can differ by cash rounding, so both are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// What the lines come to (`СУМА`, `ВСЬОГО`, `РАЗОМ`, `ИТОГО`, `TOTAL`), minor units.
    pub sum: Option<Field<i64>>,
    /// What is paid (`ДО СПЛАТИ`), minor units.
    pub to_pay: Option<Field<i64>>,
    /// The first line with a total: goods stand above it.
    pub first_row: Option<usize>,
    /// What all evidence together elects, when it was weighed.
    pub elected: Option<Field<i64>>,
}

impl Totals {
    /// The total: what is paid, when it differs from the sum by cash rounding at most. Otherwise one of the two was
    /// misread, and the one read with more confidence counts. Evidence
    /// that was weighed has the last word.
    #[must_use]
    pub fn chosen(&self) -> Option<&Field<i64>> {
        if self.elected.is_some() {
            return self.elected.as_ref();
        }
        match (&self.sum, &self.to_pay) {
            (Some(sum), Some(to_pay)) => {
                let close = sum.value.abs_diff(to_pay.value) <= CASH_ROUNDING_MAX.unsigned_abs();
                Some(if close || to_pay.confidence >= sum.confidence {
                    to_pay
                } else {
                    sum
                })
            }
            (sum, to_pay) => to_pay.as_ref().or(sum.as_ref()),
        }
    }

    /// Whether both totals were read and are too far apart for cash rounding.
    #[must_use]
    pub fn disagree(&self) -> bool {
        match (&self.sum, &self.to_pay) {
            (Some(sum), Some(to_pay)) => {
                sum.value.abs_diff(to_pay.value) > CASH_ROUNDING_MAX.unsigned_abs()
            }
            _ => false,
        }
    }

    /// Takes over a total that other evidence shows (the payment, another reading of the photo): in the place of the
    /// same total misread, else beside the one that was read.
    pub fn adopt(&mut self, elected: &Field<i64>) {
        if self.include(elected.value) {
            return;
        }
        let misread = |place: &Option<Field<i64>>| {
            place
                .as_ref()
                .is_some_and(|field| mixed_up(field.value, elected.value))
        };
        let place = if misread(&self.sum) {
            &mut self.sum
        } else if misread(&self.to_pay) || self.to_pay.is_none() {
            &mut self.to_pay
        } else if self.sum.is_none() {
            &mut self.sum
        } else {
            &mut self.to_pay
        };
        *place = Some(elected.clone());
    }

    /// Whether a value is one of the printed totals.
    #[must_use]
    pub fn include(&self, minor: i64) -> bool {
        [&self.sum, &self.to_pay]
            .into_iter()
            .flatten()
            .any(|field| field.value == minor)
    }
}

/// Finds the totals.
#[must_use]
pub fn find(rows: &[Row], kinds: &[Kind]) -> Totals {
    let mut totals = Totals::default();
    for (index, (row, kind)) in rows.iter().zip(kinds).enumerate() {
        if !matches!(kind, Kind::Total | Kind::ToPay) {
            continue;
        }
        let Some(field) = value(row, rows.get(index + 1), kinds.get(index + 1)) else {
            continue;
        };
        totals.first_row = totals.first_row.or(Some(index));
        // The first one read counts; a second one of the kind is a repetition at the end of the receipt.
        let place = if *kind == Kind::ToPay {
            &mut totals.to_pay
        } else {
            &mut totals.sum
        };
        if place
            .as_ref()
            .is_none_or(|known| known.confidence < field.confidence && known.value != field.value)
        {
            *place = Some(field);
        }
    }
    totals
}

/// The sum on the line itself, or alone on the next one, where large print puts it.
fn value(row: &Row, next: Option<&Row>, next_kind: Option<&Kind>) -> Option<Field<i64>> {
    let own = row
        .last_grouped_sum()
        .map(|(minor, word)| row.field(minor, word..word + 1));
    own.or_else(|| {
        let next = next.filter(|n| next_kind == Some(&Kind::Other) && n.is_sum_alone())?;
        next.last_grouped_sum()
            .map(|(minor, word)| next.field(minor, word..word + 1))
    })
    .filter(|field| field.value > 0)
}
