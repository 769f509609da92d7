//! Processor time of a thread and peak memory of the process, from the kernel's own books.
//!
//! Processor time is what "seconds on one core" means: it is the same on a busy machine as on an idle one, as far as
//! caches allow. Where the kernel does not tell it, wall time stands in.

use std::time::{Duration, Instant};

/// What reading one photo took.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spent {
    /// Seconds of processor time of the reading thread.
    pub cpu: f64,
    /// Seconds by the clock on the wall.
    pub wall: f64,
}

impl Spent {
    /// The time since a start that was noted by the same thread.
    #[must_use]
    pub fn since(wall: Instant, cpu: Option<Duration>) -> Self {
        let elapsed = wall.elapsed();
        let used = cpu
            .zip(thread_cpu())
            .map(|(begun, now)| now.saturating_sub(begun))
            .filter(|used| !used.is_zero())
            .unwrap_or(elapsed);
        Self {
            cpu: used.as_secs_f64(),
            wall: elapsed.as_secs_f64(),
        }
    }
}

/// Processor time that the calling thread has used; `None` where the kernel keeps no such account.
#[must_use]
pub fn thread_cpu() -> Option<Duration> {
    let account = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = account.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// Starts the account of peak memory anew. Where that is not allowed, the peak is that of the process so far.
pub fn reset_peak() {
    let _refused = std::fs::write("/proc/self/clear_refs", "5");
}

/// Most resident memory of the process since [`reset_peak`], in megabytes of 10⁶ bytes; `None` where it is not told.
#[must_use]
pub fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1.024 / 1_000.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn sleeping_costs_no_processor_time_and_work_does() {
        let Some(begun) = thread_cpu() else { return };
        let wall = Instant::now();
        std::thread::sleep(Duration::from_millis(40));
        let slept = Spent::since(wall, Some(begun));
        assert!(slept.cpu < slept.wall / 2.0, "{slept:?}");
        let (wall, begun) = (Instant::now(), thread_cpu());
        let mut sum = 0_u64;
        while wall.elapsed() < Duration::from_millis(30) {
            sum = sum.wrapping_mul(31).wrapping_add(7);
        }
        let worked = Spent::since(wall, begun);
        assert!(worked.cpu > 0.001, "{worked:?} {sum}");
    }

    #[test]
    fn the_peak_grows_with_what_is_held() {
        reset_peak();
        let before = peak_mb().unwrap();
        // Much more than the other tests give back meanwhile.
        let held = std::hint::black_box(vec![1_u8; 256_000_000]);
        let after = peak_mb().unwrap();
        assert!(after >= before + 100.0, "{before} {after} {}", held.len());
    }
}
