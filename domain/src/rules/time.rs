//! Kyiv's clock: which day a moment belongs to, and which moments a time on the clock means.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Europe::Kyiv;

/// The local day in Kyiv on which limits and daily budgets of a moment are counted.
#[must_use]
pub fn kyiv_day(at: DateTime<Utc>) -> NaiveDate {
    kyiv_local(at).date()
}

/// The local time in Kyiv.
#[must_use]
pub fn kyiv_local(at: DateTime<Utc>) -> NaiveDateTime {
    at.with_timezone(&Kyiv).naive_local()
}

/// When a Kyiv day begins. `None` only beyond the calendar's end.
#[must_use]
pub fn kyiv_day_start(day: NaiveDate) -> Option<DateTime<Utc>> {
    // Midnight exists on every day: Kyiv's clocks change at three and four.
    resolve(day.and_time(chrono::NaiveTime::MIN)).map(|(first, _)| first)
}

/// The last moment that shows this time on the clock; in the missing hour of spring, the moment an hour on.
pub(super) fn last_instant(local: NaiveDateTime) -> DateTime<Utc> {
    resolve(local).map_or_else(|| local.and_utc(), |(_, last)| last)
}

/// The first moment that shows this time on the clock.
pub(super) fn first_instant(local: NaiveDateTime) -> DateTime<Utc> {
    resolve(local).map_or_else(|| local.and_utc(), |(first, _)| first)
}

fn resolve(local: NaiveDateTime) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let moments = |local: &NaiveDateTime| {
        let result = Kyiv.from_local_datetime(local);
        result
            .earliest()
            .zip(result.latest())
            .map(|(first, last)| (first.to_utc(), last.to_utc()))
    };
    moments(&local).or_else(|| moments(&local.checked_add_signed(TimeDelta::hours(1))?))
}

/// A local time as facts carry it.
pub(super) fn iso(local: NaiveDateTime) -> String {
    local.format("%Y-%m-%dT%H:%M:%S").to_string()
}
