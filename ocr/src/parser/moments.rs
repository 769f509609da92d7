//! When the goods were bought: the dates and times of all lines and readings, voted on.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use kvit_domain::recognition::Field;

use super::crossed::Crossed;
use super::dates;
use super::row::Row;
use super::vote::{self, Candidate, thousandths};

/// What a changed digit costs, and the most that a date with a changed digit is believed.
const REPAIR_COST: u32 = 80;
const REPAIRED_MAX: u32 = 860;
/// A date without a time beside it is less likely the receipt's.
const WITHOUT_TIME: u32 = 60;
/// Dates of other things: when goods or cards expire, when an offer ends, when the register was registered.
const OTHER_DATES: [&str; 9] = [
    "ПРИДАТНИЙ",
    "ТЕРМІН",
    "EXPIRY",
    "EXP",
    "VALID",
    "UNTIL",
    "СРОК",
    "ГОДЕН",
    "ДІЄ",
];
const OTHER_DATE: u32 = 500;

/// A date found in a line, and a time when one stands near.
#[derive(Debug, Clone)]
pub struct Mention {
    date: Candidate<NaiveDate>,
    time: Option<Candidate<NaiveTime>>,
}

/// The purchase's moment, or its day, and whether a digit was changed to get it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purchase {
    /// Date and time.
    pub at: Option<Field<NaiveDateTime>>,
    /// The date, when no time was read.
    pub on: Option<Field<NaiveDate>>,
    /// Whether the date needed a changed digit.
    pub repaired: bool,
}

/// Every date of a reading.
#[must_use]
pub fn mentions(rows: &[Row]) -> Vec<Mention> {
    let texts: Vec<String> = rows.iter().map(Row::text).collect();
    let found: Vec<Option<dates::Moment>> = texts.iter().map(|t| dates::moment(t)).collect();
    let mut out = Vec::new();
    for (index, moment) in found.iter().enumerate() {
        let (Some(moment), Some(row)) = (moment, rows.get(index)) else {
            continue;
        };
        let words = value_words(row);
        let beside = || {
            [index.checked_sub(1), Some(index + 1)]
                .into_iter()
                .flatten()
                .filter(|i| found.get(*i).is_some_and(Option::is_none))
                .find_map(|i| {
                    let time = dates::time_alone(texts.get(i)?)?;
                    let row = rows.get(i)?;
                    Some(Candidate::as_read(row.field(time, value_words(row))))
                })
        };
        let own = moment.time.map(|time| {
            let mut field = row.field(time, words.clone());
            field.confidence = lowered(field.confidence.thousandths(), moment.time_repairs, 0);
            Candidate {
                field,
                repaired: moment.time_repairs > 0,
                printed: None,
            }
        });
        let time = own.or_else(beside);
        let mut less = if time.is_some() { 0 } else { WITHOUT_TIME };
        if row.has_any(&OTHER_DATES) {
            less += OTHER_DATE;
        }
        let mut field = row.field(moment.date, words);
        field.confidence = lowered(field.confidence.thousandths(), moment.repairs, less);
        let date = Candidate {
            field,
            repaired: moment.repairs > 0,
            printed: moment.printed.map(|d| d.iter().collect()),
        };
        out.push(Mention { date, time });
    }
    out
}

fn lowered(confidence: u16, repairs: u32, less: u32) -> kvit_domain::recognition::Confidence {
    let sure = u32::from(confidence).saturating_sub(repairs * REPAIR_COST + less);
    thousandths(if repairs > 0 {
        sure.min(REPAIRED_MAX)
    } else {
        sure
    })
}

/// Tells which digits zeros were read as where a date had to be put right.
pub fn learn(mentions: &[Mention], crossed: &mut Crossed) {
    for mention in mentions {
        if let Some(printed) = &mention.date.printed {
            crossed.learn(
                printed,
                &mention.date.field.value.format("%d%m%Y").to_string(),
            );
        }
    }
}

/// The date with most support, and the time that stands beside it most often.
#[must_use]
pub fn purchase(mentions: &[Mention], crossed: &Crossed) -> Purchase {
    let mut days: Vec<Candidate<NaiveDate>> = mentions.iter().map(|m| m.date.clone()).collect();
    prefer_zeros(&mut days);
    let Some(mut day) = vote::elect(&days) else {
        return Purchase::default();
    };
    // The year's digits are few and known; the day and the month can be others.
    let digits = day.field.value.format("%d%m").to_string();
    crossed.doubt(&mut day, &digits);
    let times: Vec<Candidate<NaiveTime>> = mentions
        .iter()
        .zip(&days)
        .filter(|(_, date)| date.field.value == day.field.value)
        .filter_map(|(mention, _)| mention.time.clone())
        .collect();
    let repaired = day.repaired;
    match vote::elect(&times) {
        Some(mut time) => {
            let digits = time.field.value.format("%H%M").to_string();
            crossed.doubt(&mut time, &digits);
            let mut at = Field {
                value: day.field.value.and_time(time.field.value),
                confidence: day.field.confidence.min(time.field.confidence),
                region: day.field.region,
            };
            if let (Some(a), Some(b)) = (day.field.region, time.field.region) {
                at.region = Some(crate::layout::around(a, b));
            }
            Purchase {
                at: Some(at),
                on: None,
                repaired,
            }
        }
        None => Purchase {
            at: None,
            on: Some(day.field),
            repaired,
        },
    }
}

/// Dates that differ by crossed zeros only are the one with the zeros, as with all numbers.
fn prefer_zeros(days: &mut [Candidate<NaiveDate>]) {
    const FORM: &str = "%Y%m%d";
    let mut texts: Vec<Candidate<String>> = days
        .iter()
        .map(|c| Candidate {
            field: Field::new(c.field.value.format(FORM).to_string(), c.field.confidence),
            repaired: c.repaired,
            printed: None,
        })
        .collect();
    vote::prefer_zeros(&mut texts);
    for (day, text) in days.iter_mut().zip(texts) {
        if let Ok(date) = NaiveDate::parse_from_str(&text.field.value, FORM) {
            day.field.value = date;
        }
    }
}

/// The words of a line which hold digits and separators of dates.
fn value_words(row: &Row) -> std::ops::Range<usize> {
    let part = |w: &crate::layout::Word| w.text.chars().filter(char::is_ascii_digit).count() >= 2;
    let first = row.words.iter().position(part).unwrap_or(0);
    let last = row
        .words
        .iter()
        .rposition(part)
        .map_or(row.words.len(), |i| i + 1);
    first..last
}
