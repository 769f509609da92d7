//! Events: their line in the bundle and their hash.

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// A hash of the chain.
pub(crate) type Hash = [u8; 32];

/// Microseconds from 1970 to 2000-01-01T00:00:00Z, from where the log counts.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// A line of `events.jsonl`. A member that is not named here would be covered by no hash, so it is refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    pub(crate) position: i64,
    pub(crate) event_id: String,
    pub(crate) aggregate_type: String,
    pub(crate) aggregate_id: String,
    pub(crate) sequence: i64,
    pub(crate) event_type: String,
    pub(crate) event_version: String,
    pub(crate) payload: String,
    pub(crate) metadata: String,
    pub(crate) recorded_at: String,
    pub(crate) hash: String,
}

impl Event {
    /// The hash that this event has behind `previous` at a position. `None` when a field is not of its form.
    pub(crate) fn hash_behind(&self, previous: &Hash, position: i64) -> Option<Hash> {
        let mut digest = Sha256::new();
        digest.update(previous);
        digest.update(position.to_be_bytes());
        digest.update(uuid(&self.event_id)?);
        digest.update(self.sequence.to_be_bytes());
        digest.update(self.micros()?.to_be_bytes());
        for text in [
            &self.aggregate_type,
            &self.aggregate_id,
            &self.event_type,
            &self.event_version,
            &self.payload,
            &self.metadata,
        ] {
            digest.update(u32::try_from(text.len()).ok()?.to_be_bytes());
            digest.update(text);
        }
        Some(digest.finalize().into())
    }

    /// The hash that stands in the line.
    pub(crate) fn stored_hash(&self) -> Option<Hash> {
        hash(&self.hash)
    }

    /// The time in microseconds since 2000.
    pub(crate) fn micros(&self) -> Option<i64> {
        micros(&self.recorded_at)
    }
}

/// 64 lower-case hex digits.
pub(crate) fn hash(text: &str) -> Option<Hash> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    (hex::encode(bytes) == text).then_some(bytes)
}

/// A uuid in its usual form: 8-4-4-4-12 lower-case hex digits.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let dashes = [8, 13, 18, 23];
    let well_formed = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| {
            if dashes.contains(&at) {
                byte == b'-'
            } else {
                matches!(byte, b'0'..=b'9' | b'a'..=b'f')
            }
        });
    if !well_formed {
        return None;
    }
    let mut bytes = [0; 16];
    hex::decode_to_slice(text.replace('-', ""), &mut bytes).ok()?;
    Some(bytes)
}

/// `2026-11-20T14:05:06.000007Z`, exactly so, as microseconds since 2000.
pub(crate) fn micros(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let form = b"dddd-dd-ddTdd:dd:dd.ddddddZ";
    let fits = bytes.len() == form.len()
        && bytes.iter().zip(form).all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            other => byte == other,
        });
    if !fits {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days_in_month).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(seconds * 1_000_000 + number(20, 26)? - EPOCH_MICROS)
}

/// Days of the Gregorian calendar, for a date that exists. The year is counted from March, so that a leap day is its last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // Months from March have 31, 30, 31, 30, 31 days, over and over.
    let of_year = (153 * month + 2) / 5 + day - 1;
    // 719 468 days lie between 0000-03-01 and 1970-01-01.
    365 * year + leap_days + of_year - 719_468
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn times_are_counted_from_2000() {
        assert_eq!(micros("2000-01-01T00:00:00.000000Z"), Some(0));
        assert_eq!(micros("1970-01-01T00:00:00.000000Z"), Some(-EPOCH_MICROS));
        assert_eq!(
            micros("2000-03-01T00:00:00.000001Z"),
            Some(60 * 86_400_000_000 + 1)
        );
        // `date -d 2026-11-20T14:05:06Z +%s` says 1795183506.
        assert_eq!(
            micros("2026-11-20T14:05:06.000007Z"),
            Some((1_795_183_506 - 946_684_800) * 1_000_000 + 7)
        );
        assert!(micros("2024-02-29T00:00:00.000000Z").is_some());
        for wrong in [
            "2023-02-29T00:00:00.000000Z",
            "2026-13-01T00:00:00.000000Z",
            "2026-11-20T24:00:00.000000Z",
            "2026-11-20T14:05:06.00007Z",
            "2026-11-20 14:05:06.000007Z",
            "2026-11-20T14:05:06.000007+",
            "",
        ] {
            assert_eq!(micros(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_hash_is_the_one_that_another_language_gives() {
        let event = Event {
            position: 1,
            event_id: "00000000-0000-7000-8000-000000000001".to_owned(),
            aggregate_type: "wallet".to_owned(),
            aggregate_id: "w".to_owned(),
            sequence: 1,
            event_type: "Opened".to_owned(),
            event_version: "1".to_owned(),
            payload: "{\"Opened\":\"ї\"}".to_owned(),
            metadata: "{}".to_owned(),
            recorded_at: "2000-01-01T00:00:00.000001Z".to_owned(),
            hash: String::new(),
        };
        // Made by a few lines of Python from docs/audit.md.
        assert_eq!(
            hex::encode(event.hash_behind(&[0; 32], 1).unwrap()),
            "054d702a8f20b085fef14ea2441b134e1b64804e6bf8ee15e5272f8bc5b28aed"
        );
    }
}
