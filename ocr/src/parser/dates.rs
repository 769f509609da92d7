//! Dates and times in text: `13.03.2025 15:31:18`, `13-03-25`, `2025-03-13`, `9/2/2017`, `30 DEC 17`, with any of the
//! usual separators, times with dashes or with AM and PM.
//!
//! A date that cannot be (the 61st, the year 2824) is read anew with the signs that crossed zeros are taken for as
//! zeros, and one, four and seven for each other; it counts when the fewest such changes leave one date only.

use chrono::{NaiveDate, NaiveTime};

use super::glyphs;

/// Years that a receipt can come from; a card's expiry or a licence stands outside often enough.
const YEARS: std::ops::RangeInclusive<i32> = 2_015..=2_040;
/// Most readings of one spoilt date that are tried.
const READINGS_MAX: usize = 4_096;

/// A date found in a line, with the time behind (or before) it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The day.
    pub date: NaiveDate,
    /// The time, when one stands in the same line.
    pub time: Option<NaiveTime>,
    /// How many signs of the date had to be read as others to make it one.
    pub repairs: u32,
    /// The same for the time.
    pub time_repairs: u32,
    /// The eight digits as printed, day first, when some had to be read as others.
    pub printed: Option<[char; 8]>,
}

/// The first date of a line, with its time.
#[must_use]
pub fn moment(text: &str) -> Option<Moment> {
    let text = tightened(text);
    let found = date(&text).or_else(|| named_month(&text))?;
    let behind = text.get(found.span.1..).unwrap_or_default();
    let before = text.get(..found.span.0).unwrap_or_default();
    let time = time(behind).or_else(|| time(before));
    // Years of two digits and strange separators are believed only where a date is likely.
    if found.needs_time && time.is_none() {
        return None;
    }
    Some(Moment {
        date: found.date,
        time: time.map(|(time, _)| time),
        repairs: found.repairs,
        time_repairs: time.map_or(0, |(_, repairs)| repairs),
        printed: found.printed,
    })
}

/// The first time of a line that holds no date.
#[must_use]
pub fn time_alone(text: &str) -> Option<NaiveTime> {
    time(&tightened(text))
        .filter(|(_, repairs)| *repairs == 0)
        .map(|(time, _)| time)
}

/// Without blanks around separators between digits, which the engine likes to insert, and with look-alike letters
/// between digits as digits.
fn tightened(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let is_separator = |c: char| matches!(c, '.' | ',' | '-' | '/' | ':' | '–' | '—');
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
        let near = |c: char| c.is_ascii_digit() || is_separator(c);
        let inside = (before.is_ascii_digit() && (near(after) || after == ' '))
            || (after.is_ascii_digit() && (near(before) || before == ' '));
        out.push(match c {
            '–' | '—' => '-',
            other if inside && !is_separator(other) => {
                glyphs::digit(other).map_or(other, |(digit, _)| digit)
            }
            other => other,
        });
    }
    out
}

type Span = (usize, usize);

/// A date with its place.
struct Found {
    date: NaiveDate,
    span: Span,
    repairs: u32,
    needs_time: bool,
    printed: Option<[char; 8]>,
}

/// In which order the parts of a date stand.
#[derive(Clone, Copy)]
enum Order {
    DayFirst,
    YearFirst,
}

fn date(text: &str) -> Option<Found> {
    // Beside a date with its whole year, `12-02-16` is a time, even when that date cannot be.
    let whole_year = groups(text).any(|(numbers, separators, _)| {
        numbers[2].len() == 4 && form(numbers, separators).is_some()
    });
    // What needs no mending wins over what does, wherever it stands.
    [false, true].into_iter().find_map(|mend| {
        groups(text).find_map(|(numbers, separators, span)| {
            let (order, needs_time) = form(numbers, separators)?;
            if whole_year && matches!(order, Order::DayFirst) && numbers[2].len() == 2 {
                return None;
            }
            let (date, repairs) = if mend {
                mended(numbers, order)?
            } else {
                (day(numbers, order)?, 0)
            };
            Some(Found {
                date,
                span,
                repairs,
                needs_time: needs_time || (repairs > 0 && numbers[2].len() == 2),
                printed: (repairs > 0).then(|| day_first(numbers, order)).flatten(),
            })
        })
    })
}

/// Whether three numbers can be a date by their lengths and separators.
fn form([a, b, c]: [&str; 3], separators: (char, char)) -> Option<(Order, bool)> {
    let dated = |c: char| matches!(c, '.' | '-' | '/' | ',');
    if !dated(separators.0) || !dated(separators.1) {
        return None;
    }
    let plain = separators.0 == separators.1 && separators.0 != ',';
    match (a.len(), b.len(), c.len()) {
        (4, 2, 2) if plain => Some((Order::YearFirst, false)),
        (1 | 2, 2, 4) => Some((Order::DayFirst, false)),
        (1 | 2, 1, 4) if plain => Some((Order::DayFirst, false)),
        (1 | 2, 2, 2) => Some((Order::DayFirst, !plain)),
        _ => None,
    }
}

/// The day that three numbers give. An American month behind its day is a month all the same.
fn day([a, b, c]: [&str; 3], order: Order) -> Option<NaiveDate> {
    let value = |part: &str| part.parse::<u32>().ok();
    let (year, month, day) = match order {
        Order::YearFirst => (value(a)?, value(b)?, value(c)?),
        Order::DayFirst if c.len() == 4 => (value(c)?, value(b)?, value(a)?),
        Order::DayFirst => (value(c)? + 2_000, value(b)?, value(a)?),
    };
    let year = i32::try_from(year).ok().filter(|y| YEARS.contains(y))?;
    NaiveDate::from_ymd_opt(year, month, day)
}

/// The only date that the fewest changes give.
fn mended([a, b, c]: [&str; 3], order: Order) -> Option<(NaiveDate, u32)> {
    let digits: Vec<char> = a.chars().chain(b.chars()).chain(c.chars()).collect();
    let parts = |digits: &[char]| -> Option<[String; 3]> {
        let text = |range: std::ops::Range<usize>| -> Option<String> {
            Some(digits.get(range)?.iter().collect())
        };
        let (first, second) = (a.len(), a.len() + b.len());
        Some([
            text(0..first)?,
            text(first..second)?,
            text(second..digits.len())?,
        ])
    };
    let mut readings = vec![(digits, 0_u32)];
    for at in 0..a.len() + b.len() + c.len() {
        for known in 0..readings.len() {
            let Some((digits, repairs)) = readings.get(known).cloned() else {
                break;
            };
            for other in others(*digits.get(at)?) {
                let mut changed = digits.clone();
                if let Some(place) = changed.get_mut(at) {
                    *place = *other;
                }
                if readings.len() < READINGS_MAX {
                    readings.push((changed, repairs + 1));
                }
            }
        }
    }
    let mut possible: Vec<(u32, NaiveDate)> = readings
        .into_iter()
        .filter_map(|(digits, repairs)| {
            let [a, b, c] = parts(&digits)?;
            Some((repairs, day([&a, &b, &c], order)?))
        })
        .collect();
    possible.sort();
    let (fewest, date) = possible.first().copied()?;
    let alone = possible
        .iter()
        .filter(|(repairs, other)| *repairs == fewest && *other != date)
        .count()
        == 0;
    alone.then_some((date, fewest))
}

/// The digits of a date as printed, day first, with the year's century where it was left out.
fn day_first([a, b, c]: [&str; 3], order: Order) -> Option<[char; 8]> {
    let text = match order {
        Order::YearFirst => format!("{c}{b}{a}"),
        Order::DayFirst if c.len() == 2 => format!("{a:0>2}{b:0>2}20{c}"),
        Order::DayFirst => format!("{a:0>2}{b:0>2}{c}"),
    };
    text.chars().collect::<Vec<char>>().try_into().ok()
}

/// What a digit of an impossible date can have been.
const fn others(digit: char) -> &'static [char] {
    match digit {
        '6' | '8' | '9' => &['0'],
        '4' => &['1'],
        '7' => &['1'],
        _ => &[],
    }
}

/// `30 DEC 17`, `12 MAR 2018`, `5 березня 2025`, `30-MAY-2018`, `MAR 5, 2025`.
fn named_month(text: &str) -> Option<Found> {
    let words = words(text);
    words.iter().enumerate().find_map(|(at, (word, _))| {
        let month = month(word)?;
        let number = |index: Option<usize>| -> Option<(u32, Span, usize)> {
            let (word, span) = words.get(index?)?;
            Some((word.parse().ok()?, *span, word.len()))
        };
        let (before, after) = (number(at.checked_sub(1)), number(Some(at + 1)));
        let american = || -> Option<_> {
            let day = after.filter(|d| d.0 <= 31)?;
            Some((day, number(Some(at + 2))?, words.get(at)?.1.0))
        };
        let (day, year, from) = before
            .zip(after)
            .map(|(day, year)| (day, year, day.1.0))
            .or_else(american)?;
        let year_value = match year.2 {
            4 => year.0,
            2 => year.0 + 2_000,
            _ => return None,
        };
        let year_value = i32::try_from(year_value)
            .ok()
            .filter(|y| YEARS.contains(y))?;
        Some(Found {
            date: NaiveDate::from_ymd_opt(year_value, month, day.0)?,
            span: (from, year.1.1),
            repairs: 0,
            needs_time: false,
            printed: None,
        })
    })
}

/// Runs of letters or of digits with their places.
fn words(text: &str) -> Vec<(&str, Span)> {
    let mut out = Vec::new();
    let mut start: Option<(usize, bool)> = None;
    for (at, c) in text
        .char_indices()
        .chain(std::iter::once((text.len(), ' ')))
    {
        let kind = c.is_alphanumeric().then(|| c.is_ascii_digit());
        if let Some((from, digits)) = start
            && kind != Some(digits)
        {
            out.push((text.get(from..at).unwrap_or_default(), (from, at)));
            start = None;
        }
        if start.is_none() {
            start = kind.map(|digits| (at, digits));
        }
    }
    out
}

/// The month of a word in English, Ukrainian or Russian, by its first three letters.
fn month(word: &str) -> Option<u32> {
    const NAMES: [&[&str]; 12] = [
        &["jan", "січ", "янв"],
        &["feb", "лют", "фев"],
        &["mar", "бер", "мар"],
        &["apr", "кві", "апр"],
        &["may", "тра", "мая", "май"],
        &["jun", "чер", "июн"],
        &["jul", "лип", "июл"],
        &["aug", "сер", "авг"],
        &["sep", "вер", "сен"],
        &["oct", "жов", "окт"],
        &["nov", "лис", "ноя"],
        &["dec", "гру", "дек"],
    ];
    let letters: Vec<char> = word.to_lowercase().chars().collect();
    if !(3..=9).contains(&letters.len()) {
        return None;
    }
    let head: String = letters.iter().take(3).collect();
    let at = NAMES
        .iter()
        .position(|names| names.contains(&head.as_str()))?;
    u32::try_from(at + 1).ok()
}

/// A time with how many of its signs had to be read as others.
fn time(text: &str) -> Option<(NaiveTime, u32)> {
    let full = groups(text).find_map(|(numbers, separators, span)| {
        let parted = |c: char| matches!(c, ':' | '-' | '.');
        let same = separators.0 == separators.1 && matches!(separators.0, ':' | '-');
        let mixed = parted(separators.0) && parted(separators.1) && separators.0 != separators.1;
        let [hour, minute, second] = numbers;
        let lengths = hour.len() <= 2 && minute.len() == 2 && second.len() == 2;
        if !((same || mixed) && lengths) {
            return None;
        }
        clock(hour, minute, second, text.get(span.1..).unwrap_or_default())
    });
    full.or_else(|| {
        pairs(text).find_map(|(hour, minute, end)| {
            if hour.len() > 2 || minute.len() != 2 {
                return None;
            }
            clock(hour, minute, "00", text.get(end..).unwrap_or_default())
        })
    })
}

/// A time of day; a tens digit that cannot be is a misread zero or one.
fn clock(hour: &str, minute: &str, second: &str, behind: &str) -> Option<(NaiveTime, u32)> {
    let mut repairs = 0;
    let mut part = |text: &str, most: u32| -> Option<u32> {
        let value: u32 = text.parse().ok()?;
        if value <= most {
            return Some(value);
        }
        let (tens, ones) = text.split_at_checked(1)?;
        let ones: u32 = ones.parse().ok()?;
        repairs += 1;
        match tens {
            "6" | "8" | "9" => Some(ones),
            "4" | "7" => Some(10 + ones).filter(|v| *v <= most),
            _ => None,
        }
    };
    let (hour, minute, second) = (part(hour, 23)?, part(minute, 59)?, part(second, 59)?);
    let half: String = behind
        .trim_start()
        .chars()
        .take(2)
        .collect::<String>()
        .to_uppercase();
    let hour = match half.as_str() {
        "PM" if hour < 12 => hour + 12,
        "AM" if hour == 12 => 0,
        _ => hour,
    };
    Some((NaiveTime::from_hms_opt(hour, minute, second)?, repairs))
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

/// `hh:mm` without seconds, with where it ends.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str, usize)> {
    let found = runs(text);
    let joined: Vec<Option<char>> = found.windows(2).map(|w| between(text, w)).collect();
    (0..found.len().saturating_sub(1)).filter_map(move |i| {
        (joined.get(i).copied()?? == ':').then_some((
            found.get(i)?.0,
            found.get(i + 1)?.0,
            found.get(i + 1)?.1.1,
        ))
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
            ("9/2/2017 03:15 PM", "2017-02-09 15:15:00"),
            ("30 DEC 17 8:05:11 AM", "2017-12-30 08:05:11"),
            ("DATE: 30-MAY-2018", "2018-05-30"),
            ("Mar 5, 2025", "2025-03-05"),
            ("5 березня 2025 р. 10:15", "2025-03-05 10:15:00"),
            ("17,01.26 09:11:19", "2026-01-17 09:11:19"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_date_that_cannot_be_is_read_with_its_zeros_crossed() {
        for (text, expected, repairs) in [
            ("61.09.26 11:31:33", "2026-09-01 11:31:33", 1),
            ("26-81-2824 19:22:23", "2024-01-26 19:22:23", 2),
            ("25.82.2826 89:28:19", "2026-02-25 09:28:19", 2),
            ("41-12-2026 10:39", "2026-12-11 10:39:00", 1),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
            assert_eq!(moment(text).unwrap().repairs, repairs, "{text}");
        }
        assert_eq!(read("61.69.26"), None, "no time, no date");
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
