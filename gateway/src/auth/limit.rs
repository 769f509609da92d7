//! Requests a minute, for each key.
//!
//! The generic cell rate algorithm: one time per key, the moment at which its bucket would be empty again. A key may use
//! its whole minute at once and then gets one request at a time back. The count is per process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

const MINUTE_MICROS: i64 = 60_000_000;
/// Most keys remembered; beyond it the ones whose bucket is full again are forgotten, which changes nothing for them.
const KEYS_MAX: usize = 10_000;

/// What the limit says about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// It may pass; so many more may follow at once.
    Passed {
        /// Requests left.
        remaining: u32,
    },
    /// It may not pass.
    Refused {
        /// When one will.
        retry_after: Duration,
    },
}

/// The limits of all keys.
#[derive(Debug, Default)]
pub struct Limits {
    empty_again: Mutex<HashMap<String, DateTime<Utc>>>,
}

impl Limits {
    /// Counts a request of a key.
    pub fn take(&self, key: &str, per_minute: u32, now: DateTime<Utc>) -> Allowance {
        let per_minute = i64::from(per_minute.max(1));
        let cost = TimeDelta::microseconds(MINUTE_MICROS / per_minute);
        let minute = TimeDelta::microseconds(MINUTE_MICROS);
        let mut all = self
            .empty_again
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEYS_MAX && !all.contains_key(key) {
            all.retain(|_, empty_again| *empty_again > now);
        }
        // A clock that was set back must not lock a key out: no bucket is fuller than full.
        let known = all
            .get(key)
            .copied()
            .unwrap_or(now)
            .clamp(now, now + minute);
        let after = known + cost;
        let room = now + minute - after;
        if room < TimeDelta::zero() {
            return Allowance::Refused {
                retry_after: (-room).to_std().unwrap_or_default(),
            };
        }
        all.insert(key.to_owned(), after);
        let left =
            room.num_microseconds().unwrap_or(0) / cost.num_microseconds().unwrap_or(1).max(1);
        Allowance::Passed {
            remaining: u32::try_from(left).unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_minutes_worth_passes_at_once_and_then_one_at_a_time() {
        let limits = Limits::default();
        let start = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        for left in (0..3).rev() {
            assert_eq!(
                limits.take("a", 3, start),
                Allowance::Passed { remaining: left }
            );
        }
        let refused = Allowance::Refused {
            retry_after: Duration::from_secs(20),
        };
        assert_eq!(limits.take("a", 3, start), refused);
        assert_eq!(
            limits.take("b", 3, start),
            Allowance::Passed { remaining: 2 },
            "another key has its own"
        );
        let later = start + TimeDelta::seconds(20);
        assert_eq!(
            limits.take("a", 3, later),
            Allowance::Passed { remaining: 0 }
        );
        assert!(matches!(
            limits.take("a", 3, later),
            Allowance::Refused { .. }
        ));
    }
}
