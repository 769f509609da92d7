//! Dates and times in text: `13.03.2025 15:31:18`, `13-03-25`, `2025-03-13`, with `/`, and times with dashes.

use chrono::{NaiveDate, NaiveTime};

/// Years that a receipt can come from; a card's expiry or a licence stands outside often enough.
const YEARS: std::ops::RangeInclusive<i32> = 2_015..=2_099;

/// A date found in a line, with the time behind (or before) it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The day.
    pub date: NaiveDate,
    /// The time, when one stands in the same line.
    pub time: Option<NaiveTime>,
}

/// The first date of a line, with its time.
#[must_use]
pub fn moment(text: &str) -> Option<Moment> {
    let text = tightened(text);
    let (date, range) = date(&text)?;
    let behind = text.get(range.1..).unwrap_or_default();
    let before = text.get(..range.0).unwrap_or_default();
    Some(Moment {
        date,
        time: time(behind).or_else(|| time(before)),
    })
}

/// The first time of a line that holds no date.
#[must_use]
pub fn time_alone(text: &str) -> Option<NaiveTime> {
    time(&tightened(text))
}

/// Without blanks around separators between digits, which the engine likes to insert, and with look-alike letters
/// between digits as digits.
fn tightened(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let is_separator = |c: char| matches!(c, '.' | '-' | '/' | ':' | '–' | '—');
    let mut out = String::with_capacity(text.len());
    for (index, &c) in chars.iter().enumerate() {
        let before = chars.get(index.wrapping_sub(1)).copied().unwrap_or(' ');
        let after = chars.get(index + 1).copied().unwrap_or(' ');
        if c == ' '
            && ((is_separator(before) && after.is_ascii_digit())
                || (is_separator(after) && before.is_ascii_digit()))
        {
            continue;
        }
        out.push(match c {
            'О' | 'O' | 'о' | 'o' if before.is_ascii_digit() || after.is_ascii_digit() => '0',
            '–' | '—' => '-',
            other => other,
        });
    }
    out
}

type Span = (usize, usize);

fn date(text: &str) -> Option<(NaiveDate, Span)> {
    groups(text).find_map(|(numbers, separators, span)| {
        let [a, b, c] = numbers;
        let same = separators.0 == separators.1 && matches!(separators.0, '.' | '-' | '/');
        if !same {
            return None;
        }
        let value = |part: &str| part.parse::<u32>().ok();
        let (year, month, day) = match (a.len(), b.len(), c.len()) {
            (4, 2, 2) => (value(a)?, value(b)?, value(c)?),
            (1 | 2, 2, 4) => (value(c)?, value(b)?, value(a)?),
            (1 | 2, 2, 2) => (value(c)? + 2_000, value(b)?, value(a)?),
            _ => return None,
        };
        let year = i32::try_from(year).ok().filter(|y| YEARS.contains(y))?;
        Some((NaiveDate::from_ymd_opt(year, month, day)?, span))
    })
}

fn time(text: &str) -> Option<NaiveTime> {
    let value = |part: &str| part.parse::<u32>().ok();
    let full = groups(text).find_map(|(numbers, separators, _)| {
        let same = separators.0 == separators.1 && matches!(separators.0, ':' | '-');
        let [hour, minute, second] = numbers;
        let lengths = hour.len() <= 2 && minute.len() == 2 && second.len() == 2;
        (same && lengths)
            .then(|| NaiveTime::from_hms_opt(value(hour)?, value(minute)?, value(second)?))
            .flatten()
    });
    full.or_else(|| {
        pairs(text).find_map(|(hour, minute)| {
            (hour.len() <= 2 && minute.len() == 2)
                .then(|| NaiveTime::from_hms_opt(value(hour)?, value(minute)?, 0))
                .flatten()
        })
    })
}

/// Runs of digits and what stands between neighbours.
fn runs(text: &str) -> Vec<(&str, Span)> {
    let mut out = Vec::new();
    let mut start = None;
    for (at, c) in text
        .char_indices()
        .chain(std::iter::once((text.len(), ' ')))
    {
        if c.is_ascii_digit() {
            start = start.or(Some(at));
        } else if let Some(from) = start.take() {
            out.push((text.get(from..at).unwrap_or_default(), (from, at)));
        }
    }
    out
}

/// Three runs of digits with one separator between each two, and no further separator and digit outside: a part of a
/// longer chain (`192.168.10.12`) is no date.
fn groups(text: &str) -> impl Iterator<Item = ([&str; 3], (char, char), Span)> {
    let found = runs(text);
    let joined: Vec<Option<char>> = found.windows(2).map(|w| between(text, w)).collect();
    (0..found.len().saturating_sub(2)).filter_map(move |i| {
        let separators = (joined.get(i).copied()??, joined.get(i + 1).copied()??);
        let chained = (i > 0 && joined.get(i - 1).copied().flatten() == Some(separators.0))
            || joined.get(i + 2).copied().flatten() == Some(separators.1);
        let span = (found.get(i)?.1.0, found.get(i + 2)?.1.1);
        (!chained).then_some((
            [found.get(i)?.0, found.get(i + 1)?.0, found.get(i + 2)?.0],
            separators,
            span,
        ))
    })
}

/// `hh:mm` without seconds.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let found = runs(text);
    let joined: Vec<Option<char>> = found.windows(2).map(|w| between(text, w)).collect();
    (0..found.len().saturating_sub(1)).filter_map(move |i| {
        (joined.get(i).copied()?? == ':').then_some((found.get(i)?.0, found.get(i + 1)?.0))
    })
}

fn between(text: &str, window: &[(&str, Span)]) -> Option<char> {
    let [(_, first), (_, second)] = window else {
        return None;
    };
    let mut gap = text.get(first.1..second.0)?.chars();
    gap.next().filter(|_| gap.next().is_none())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn read(text: &str) -> Option<String> {
        let moment = moment(text)?;
        Some(match moment.time {
            Some(time) => moment.date.and_time(time).to_string(),
            None => moment.date.to_string(),
        })
    }

    #[test]
    fn every_printed_form_is_read() {
        for (text, expected) in [
            ("13-03-2025 15:31:18", "2025-03-13 15:31:18"),
            ("01.12.25 16:12:53", "2025-12-01 16:12:53"),
            ("19.02.2025 16-19-17", "2025-02-19 16:19:17"),
            ("Дата: 13/03/2025 15:31", "2025-03-13 15:31:00"),
            ("2025-03-13", "2025-03-13"),
            ("2025-03-13T15:31:18", "2025-03-13 15:31:18"),
            ("15:31 13.03.2025", "2025-03-13 15:31:00"),
            ("ЧЕК № 7 13. 03.2025 15: 31:18", "2025-03-13 15:31:18"),
            ("13.О3.2025", "2025-03-13"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_numbers_are_not_dates() {
        for text in [
            "1.000 x 95.31",
            "тел. 044 123-45-67",
            "192.168.10.12",
            "31.02.2025",
            "01.01.1999",
            "ПН 1234567890",
            "",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(
            time_alone("Час 16:12:53"),
            NaiveTime::from_hms_opt(16, 12, 53)
        );
    }
}
