//! One value out of several readings of it.
//!
//! A value is printed more than once on many receipts, and a photo is read more than once. Readings that agree support
//! each other; readings that differ take confidence from each other, so that a doubt is never reported as certainty.

use kvit_domain::recognition::{Confidence, Field};

use super::glyphs;

/// Agreement is never worth more than this: readings of one photo share its faults.
const AGREED_MAX: u32 = 990;

/// A value as one place of one reading shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<T> {
    /// The value with its confidence and place.
    pub field: Field<T>,
    /// Whether a digit was changed to make it possible at all.
    pub repaired: bool,
    /// What stood there, when a digit was changed.
    pub printed: Option<String>,
}

impl<T> Candidate<T> {
    /// A value that stands there as it is.
    pub const fn as_read(field: Field<T>) -> Self {
        Self {
            field,
            repaired: false,
            printed: None,
        }
    }
}

/// The value with most support, its confidence raised by agreement and lowered by rivals.
#[must_use]
pub fn elect<T: Clone + Eq>(candidates: &[Candidate<T>]) -> Option<Candidate<T>> {
    let mut values: Vec<(Candidate<T>, u32)> = Vec::new();
    for candidate in candidates {
        let own = u32::from(candidate.field.confidence.thousandths());
        match values
            .iter_mut()
            .find(|(known, _)| known.field.value == candidate.field.value)
        {
            Some((known, support)) => {
                *support = together(*support, own);
                let repaired = known.repaired && candidate.repaired;
                if candidate.field.confidence > known.field.confidence {
                    *known = candidate.clone();
                }
                known.repaired = repaired;
            }
            None => values.push((candidate.clone(), own)),
        }
    }
    let (best, support) = values
        .iter()
        .rev() // the first of equals wins
        .max_by_key(|(_, support)| *support)
        .cloned()?;
    let rival = values
        .iter()
        .filter(|(other, _)| other.field.value != best.field.value)
        .map(|(_, support)| *support)
        .max()
        .unwrap_or(0);
    // Without a rival the support stands; against an equal one half of it.
    let sure = if rival == 0 {
        support
    } else {
        support * support / (support + rival).max(1) + support * (1_000 - rival.min(1_000)) / 4_000
    };
    let mut elected = best;
    elected.field.confidence = thousandths(sure.min(support));
    Some(elected)
}

fn together(a: u32, b: u32) -> u32 {
    let doubt = 1_000_u32.saturating_sub(a) * 1_000_u32.saturating_sub(b) / 1_000;
    (1_000 - doubt).min(AGREED_MAX).max(a).max(b)
}

/// A confidence of so many thousandths, at most 1000.
#[must_use]
pub fn thousandths(value: u32) -> Confidence {
    Confidence::from_thousandths(u16::try_from(value.min(1_000)).unwrap_or(1_000))
}

/// Numbers that differ only where one has a zero and the other what crossed zeros are read as: the zero is meant, since
/// nothing else is read as one.
pub fn prefer_zeros(candidates: &mut [Candidate<String>]) {
    let values: Vec<String> = candidates.iter().map(|c| c.field.value.clone()).collect();
    for candidate in candidates {
        let value = &candidate.field.value;
        let better = values
            .iter()
            .filter(|other| has_the_zeros_of(other, value))
            .max_by_key(|other| other.matches('0').count());
        if let Some(better) = better {
            candidate.printed.get_or_insert_with(|| value.clone());
            candidate.field.value.clone_from(better);
        }
    }
}

/// Whether `zeros` is `number` with at least one zero more and no other difference.
fn has_the_zeros_of(zeros: &str, number: &str) -> bool {
    zeros.len() == number.len()
        && zeros != number
        && zeros
            .chars()
            .zip(number.chars())
            .all(|(z, n)| z == n || (z == '0' && glyphs::is_crossed_zero(n)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn read(value: &str, confidence: u16) -> Candidate<String> {
        Candidate::as_read(Field::new(
            value.to_owned(),
            Confidence::from_thousandths(confidence),
        ))
    }

    #[test]
    fn agreement_raises_and_rivals_lower_the_confidence() {
        let alone = elect(&[read("a", 800)]).unwrap();
        let twice = elect(&[read("a", 800), read("a", 700)]).unwrap();
        let against = elect(&[read("a", 800), read("b", 700)]).unwrap();
        assert_eq!(alone.field.confidence.thousandths(), 800);
        assert!(twice.field.confidence.thousandths() > 900);
        assert_eq!(against.field.value, "a");
        assert!(against.field.confidence.thousandths() < 600);
    }

    #[test]
    fn where_readings_differ_by_crossed_zeros_the_zeros_are_meant() {
        let mut numbers = [read("7971397874", 900), read("7071397874", 800)];
        prefer_zeros(&mut numbers);
        assert_eq!(elect(&numbers).unwrap().field.value, "7071397874");
        let mut others = [read("7171", 900), read("7071", 800)];
        prefer_zeros(&mut others);
        assert_eq!(elect(&others).unwrap().field.value, "7171");
    }
}
