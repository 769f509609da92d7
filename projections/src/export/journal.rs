//! What all journals share: the period, the order, the balances at both ends.

use std::io::Write;

use chrono::{DateTime, Days, NaiveDate, SecondsFormat, Utc};
use kvit_domain::event::Position;
use sqlx::PgPool;

use super::balances::Balances;
use super::bookings::{Booking, each_booking};
use super::{ExportError, Exported, Period};

/// A form in which bookings are written down.
pub(super) trait Journal: Send {
    /// What stands before everything.
    fn begin(&mut self, title: &str, out: &mut String);
    /// The balances that were brought forward into the period.
    fn opening(&mut self, date: NaiveDate, balances: &Balances, out: &mut String);
    /// A booking.
    fn booking(&mut self, booking: &Booking, out: &mut String);
    /// What must be true after the last booking, whose latest day is `last`.
    fn end(&mut self, last: NaiveDate, balances: &Balances, out: &mut String);
}

/// A time in files: always with microseconds, always in UTC.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Writes the bookings of a period up to a position, in the log's order.
pub(super) async fn write(
    pool: &PgPool,
    until: Position,
    period: Period,
    journal: &mut dyn Journal,
    out: &mut (dyn Write + Send),
) -> Result<Exported, ExportError> {
    let mut page = String::new();
    journal.begin(
        &format!("kvit, the bookings of the log up to position {until}{period}"),
        &mut page,
    );
    let mut balances = Balances::default();
    if let Some(from) = period.from {
        // A booking of an earlier day may come late in the log, so this takes a pass of its own.
        each_booking(pool, until, &mut |booking| {
            if booking.transaction.value_date < from {
                for leg in &booking.transaction.legs {
                    balances.add(leg);
                }
            }
            Ok(())
        })
        .await?;
        if !balances.is_empty() {
            let eve = from.checked_sub_days(Days::new(1)).unwrap_or(from);
            journal.opening(eve, &balances, &mut page);
        }
    }
    let mut last = period.to.or(period.from);
    let mut bookings = 0_u64;
    let events = each_booking(pool, until, &mut |booking| {
        let day = booking.transaction.value_date;
        if !period.has(day) {
            return Ok(());
        }
        journal.booking(&booking, &mut page);
        for leg in &booking.transaction.legs {
            balances.add(leg);
        }
        last = Some(last.map_or(day, |last| last.max(day)));
        bookings = bookings.saturating_add(1);
        if page.len() >= 1 << 20 {
            out.write_all(page.as_bytes())?;
            page.clear();
        }
        Ok(())
    })
    .await?;
    journal.end(last.unwrap_or_default(), &balances, &mut page);
    out.write_all(page.as_bytes())?;
    Ok(Exported {
        position: until,
        events,
        written: bookings,
        accounts: balances.len(),
    })
}
