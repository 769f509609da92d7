//! Chance that is decided by a seed, the same on every machine and for ever.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A stream of numbers (splitmix64). Streams of different names under one seed do not depend on each other, so the schedule
/// can change without changing what people want.
#[derive(Debug)]
pub struct Rng(Mutex<u64>);

impl Rng {
    /// The stream of this name under a seed.
    #[must_use]
    pub fn named(seed: u64, name: &str) -> Self {
        let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
        for byte in name.bytes() {
            state = mixed(state.wrapping_add(u64::from(byte)));
        }
        Self(Mutex::new(state))
    }

    /// The next number.
    pub fn next(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(*state)
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&self, end: u64) -> u64 {
        // The bias for small ends is far below anything that matters here.
        self.next().checked_rem(end).unwrap_or(0)
    }

    /// A number from `least` to `most`.
    pub fn between(&self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least).saturating_add(1))
    }

    /// An amount from `least` to `most`.
    pub fn amount(&self, least: i64, most: i64) -> i64 {
        let span = u64::try_from(most.saturating_sub(least)).unwrap_or(0);
        least.saturating_add(i64::try_from(self.below(span + 1)).unwrap_or(0))
    }

    /// True so many times in a thousand.
    pub fn permille(&self, times: u32) -> bool {
        // Drawn even when it cannot be: a knob that is turned to nothing must not shift everything after it.
        self.below(1_000) < u64::from(times)
    }

    /// A time between two.
    pub fn time(&self, least: Duration, most: Duration) -> Duration {
        let (least, most) = (millis(least), millis(most));
        Duration::from_millis(self.between(least, most))
    }

    /// One of several; `None` of none.
    pub fn pick<'a, T>(&self, of: &'a [T]) -> Option<&'a T> {
        let index = usize::try_from(self.below(of.len() as u64)).unwrap_or(0);
        of.get(index)
    }

    /// The index of one of several, by their weights.
    pub fn weighted(&self, weights: &[u32]) -> usize {
        let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut left = self.below(sum);
        for (index, weight) in weights.iter().enumerate() {
            if left < u64::from(*weight) {
                return index;
            }
            left -= u64::from(*weight);
        }
        0
    }
}

const fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
