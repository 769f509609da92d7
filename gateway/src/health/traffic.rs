//! How much traffic the last minute saw, for `/healthz`.

use std::sync::{Mutex, PoisonError};

const SECONDS: usize = 60;

#[derive(Debug, Clone, Copy, Default)]
struct Second {
    at: i64,
    requests: u64,
    errors: u64,
}

/// Requests and failures by second, the last sixty of them.
#[derive(Debug)]
pub struct Traffic {
    seconds: Mutex<[Second; SECONDS]>,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            seconds: Mutex::new([Second::default(); SECONDS]),
        }
    }
}

impl Traffic {
    /// Counts a request that ended at a second of the epoch.
    pub fn note(&self, now: i64, failed: bool) {
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        let index = usize::try_from(now.rem_euclid(60)).unwrap_or(0);
        if let Some(second) = seconds.get_mut(index) {
            if second.at != now {
                *second = Second {
                    at: now,
                    ..Second::default()
                };
            }
            second.requests = second.requests.saturating_add(1);
            second.errors = second.errors.saturating_add(u64::from(failed));
        }
    }

    /// Requests and failures of the minute before a second of the epoch.
    #[must_use]
    pub fn last_minute(&self, now: i64) -> (u64, u64) {
        let seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        seconds
            .iter()
            .filter(|second| (now - 59..=now).contains(&second.at))
            .fold((0, 0), |(requests, errors), second| {
                (requests + second.requests, errors + second.errors)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_a_minute_does_not_count() {
        let traffic = Traffic::default();
        traffic.note(100, false);
        traffic.note(100, true);
        traffic.note(159, false);
        assert_eq!(traffic.last_minute(159), (3, 1));
        assert_eq!(traffic.last_minute(160), (1, 0));
        traffic.note(160, true);
        assert_eq!(traffic.last_minute(160), (2, 1));
    }
}
