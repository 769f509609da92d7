//! The book's periods: months that are closed and take no more bookings.
//!
//! Ordinary bookings have today's value date, and a period can be closed only when it ended some days ago, so they need
//! not ask. Whoever books with an earlier value date names this stream in the same decision, so that closing and booking
//! cannot pass each other.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::aggregate::{Decide, aggregate};
use crate::rejection::{Rejection, required_reason};

/// Days after its end before a period may be closed: more than any clock can be wrong, and time for late statements.
pub const CLOSE_AFTER_DAYS: u64 = 2;

/// The one book. Its stream is `period`/`main`.
pub const MAIN_BOOK: &str = "main";

/// What happened to the book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeriodEvent {
    /// All value dates up to the end of this month are closed.
    PeriodClosed {
        /// The first day of the month.
        month: NaiveDate,
        /// Position of the last event that was known when it was closed.
        position: i64,
        /// Debits of the month by currency, minor units, as text: they may exceed 64 bits.
        totals: BTreeMap<String, String>,
        /// Who.
        by: String,
        /// Why, or what was checked.
        reason: String,
    },
}

/// What can be asked of the book.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields as in the event")]
pub enum PeriodCommand {
    /// Close a month. Months are closed in order.
    Close {
        month: NaiveDate,
        position: i64,
        totals: BTreeMap<String, String>,
        by: String,
        reason: String,
        today: NaiveDate,
    },
}

/// The book's periods as their events left them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    /// The first day of the last closed month.
    pub closed_month: Option<NaiveDate>,
}

/// The first day of the month after `day`'s.
fn next_month(day: NaiveDate) -> Option<NaiveDate> {
    day.with_day(1)?.checked_add_months(chrono::Months::new(1))
}

impl Book {
    /// Refuses a value date in a closed period.
    ///
    /// # Errors
    /// `period_closed`.
    pub fn check_open(&self, value_date: NaiveDate) -> Result<(), Rejection> {
        let open_from = self.closed_month.and_then(next_month);
        match open_from {
            Some(open_from) if value_date < open_from => Err(Rejection::new(
                "period_closed",
                "book it in the open period and name what it corrects",
            )
            .with("open_from", open_from)),
            _ => Ok(()),
        }
    }

    /// Whether a booking with this value date must look at the book, because its period could be closed.
    #[must_use]
    pub fn must_ask(value_date: NaiveDate, today: NaiveDate) -> bool {
        // Half of the waiting time is the reserve for clocks that disagree.
        today
            .checked_sub_days(Days::new(CLOSE_AFTER_DAYS / 2))
            .is_none_or(|safe| value_date < safe)
    }

    fn evolve(&mut self, event: PeriodEvent) {
        let PeriodEvent::PeriodClosed { month, .. } = event;
        self.closed_month = Some(month);
    }
}

impl Decide for Book {
    fn decide(&self, command: &PeriodCommand) -> Result<Vec<PeriodEvent>, Rejection> {
        let PeriodCommand::Close {
            month,
            position,
            totals,
            by,
            reason,
            today,
        } = command.clone();
        let reason = required_reason(reason)?;
        if month.day() != 1 {
            return Err(Rejection::new(
                "invalid_command",
                "a period is named by the first day of its month",
            ));
        }
        match self.closed_month {
            Some(closed) if month <= closed => return Ok(vec![]),
            Some(closed) if next_month(closed) != Some(month) => {
                return Err(
                    Rejection::new("invalid_state", "periods are closed in order")
                        .with("last_closed", closed),
                );
            }
            _ => {}
        }
        let may_close_from =
            next_month(month).and_then(|end| end.checked_add_days(Days::new(CLOSE_AFTER_DAYS)));
        if may_close_from.is_none_or(|from| today < from) {
            return Err(Rejection::new(
                "invalid_state",
                "the period has not ended long enough ago",
            )
            .with(
                "may_close_from",
                may_close_from
                    .map(|day| day.to_string())
                    .unwrap_or_default(),
            ));
        }
        Ok(vec![PeriodEvent::PeriodClosed {
            month,
            position,
            totals,
            by,
            reason,
        }])
    }
}

aggregate!(Book, "period", PeriodCommand, PeriodEvent { PeriodClosed });

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use cqrs_es::Aggregate;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn close(month: &str, today: &str) -> PeriodCommand {
        PeriodCommand::Close {
            month: day(month),
            position: 7,
            totals: BTreeMap::new(),
            by: "api:one".to_owned(),
            reason: "checked".to_owned(),
            today: day(today),
        }
    }

    #[test]
    fn a_closed_month_takes_no_bookings_and_the_next_one_does() {
        let mut book = Book::default();
        book.check_open(day("2026-01-31")).unwrap();
        for event in book.decide(&close("2026-01-01", "2026-02-03")).unwrap() {
            book.apply(event);
        }
        assert_eq!(
            book.check_open(day("2026-01-31")).unwrap_err().code,
            "period_closed"
        );
        book.check_open(day("2026-02-01")).unwrap();
        assert_eq!(book.decide(&close("2026-01-01", "2026-02-03")), Ok(vec![]));
        assert_eq!(
            book.decide(&close("2026-03-01", "2026-05-03"))
                .unwrap_err()
                .code,
            "invalid_state"
        );
    }

    #[test]
    fn f56_no_booking_of_today_can_meet_a_closed_period_even_when_clocks_disagree_by_a_day() {
        let book = Book::default();
        for today in ["2026-02-01", "2026-02-02"] {
            assert!(book.decide(&close("2026-01-01", today)).is_err());
        }
        // The clock of whoever closes may be a day ahead of the clock of whoever books.
        assert!(book.decide(&close("2026-01-01", "2026-02-03")).is_ok());
        assert!(!Book::must_ask(day("2026-02-02"), day("2026-02-02")));
        assert!(!Book::must_ask(day("2026-02-01"), day("2026-02-02")));
        assert!(Book::must_ask(day("2026-01-31"), day("2026-02-02")));
    }
}
