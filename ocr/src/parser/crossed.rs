//! Which digits the crossed zeros of this receipt were read as.
//!
//! A register prints all its zeros alike, so where one must be a zero (in the head of a register's number, in the year
//! of a date, in `1.000`) and was read as 8, any other 8 may be a zero as well. Such numbers are never reported as sure
//! unless arithmetic confirms them.

use super::row::Row;
use super::vote::{Candidate, thousandths};

/// The most that a number is believed which may hold a misread zero.
const DOUBTED_MAX: u32 = 860;

/// The digits that zeros were read as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Crossed {
    digits: Vec<char>,
}

impl Crossed {
    /// Looks at numbers whose zeros are known: what was read, and what it must have been.
    pub fn learn(&mut self, read: &str, meant: &str) {
        if read.chars().count() != meant.chars().count() {
            return;
        }
        for (was, is) in read.chars().zip(meant.chars()) {
            if is == '0' && was != '0' && was.is_ascii_digit() && !self.digits.contains(&was) {
                self.digits.push(was);
            }
        }
    }

    /// Looks at quantities: `1.008` before a multiplication sign is one piece.
    pub fn learn_quantities(&mut self, rows: &[Row]) {
        use super::lexemes::Lexeme;
        for pair in rows.iter().flat_map(|row| row.lexed.windows(2)) {
            let [first, second] = pair else { continue };
            if let (Lexeme::Number(n), Lexeme::Times) = (&first.lexeme, &second.lexeme)
                && n.decimals == 3
                && n.digits >= 1_000
            {
                let decimals = format!("{:03}", n.digits % 1_000);
                let crossed = decimals.chars().all(super::glyphs::is_crossed_zero);
                if crossed {
                    self.learn(&decimals, "000");
                }
            }
        }
    }

    /// Looks at rates of tax, of which there are few: `28.96%` is 20.00 %.
    pub fn learn_rates(&mut self, rows: &[Row]) {
        use super::lexemes::Lexeme;
        const RATES: [&str; 5] = ["2000", "700", "1400", "1000", "1800"];
        for lexed in rows.iter().flat_map(|row| &row.lexed) {
            let Lexeme::Percent(n) = &lexed.lexeme else {
                continue;
            };
            let read = n.digits.to_string();
            let fits = |rate: &&&str| {
                n.decimals == 2
                    && rate.len() == read.len()
                    && rate.chars().zip(read.chars()).all(|(is, was)| {
                        is == was || (is == '0' && super::glyphs::is_crossed_zero(was))
                    })
            };
            if let Some(rate) = RATES.iter().find(fits) {
                self.learn(&read, rate);
            }
        }
    }

    /// Whether a number may hold a zero that was read as something else.
    #[must_use]
    pub fn may_be_in(&self, number: &str) -> bool {
        number.chars().any(|c| self.digits.contains(&c))
    }

    /// Lowers the confidence of what may hold one.
    pub fn doubt<T>(&self, candidate: &mut Candidate<T>, number: &str) {
        if self.may_be_in(number) {
            let sure = u32::from(candidate.field.confidence.thousandths());
            candidate.field.confidence = thousandths(sure.min(DOUBTED_MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_read_as_eight_makes_every_eight_doubtful_and_no_other_digit() {
        let mut crossed = Crossed::default();
        crossed.learn("4881573473", "4001573473");
        assert!(crossed.may_be_in("538869229986"));
        assert!(!crossed.may_be_in("731500500476"));
        crossed.learn("12", "123");
        assert!(!crossed.may_be_in("2"));
    }
}
