//! What a seed decides before the run begins, and what was injected during it.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::rng::Rng;

/// The kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Kind {
    Crash,
    Stall,
    LogBefore,
    LogAfter,
    LogLate,
    LogRead,
    NotSent,
    Refused,
    Busy,
    Denied,
    TimeoutBefore,
    TimeoutAfter,
    LateEffect,
    SlowAnswer,
    OtherAnswer,
    StaleList,
    Outage,
    BusDuplicate,
    BusDelay,
    AckLost,
    LeaseLost,
    NoticeDuplicate,
    NoticeDelay,
    NoticeLost,
    NoticeForged,
    CabinetRefund,
    PayoutReversal,
    WrongObject,
    PaidTwice,
    ConsumerPaused,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 30] = [
        Self::Crash,
        Self::Stall,
        Self::LogBefore,
        Self::LogAfter,
        Self::LogLate,
        Self::LogRead,
        Self::NotSent,
        Self::Refused,
        Self::Busy,
        Self::Denied,
        Self::TimeoutBefore,
        Self::TimeoutAfter,
        Self::LateEffect,
        Self::SlowAnswer,
        Self::OtherAnswer,
        Self::StaleList,
        Self::Outage,
        Self::BusDuplicate,
        Self::BusDelay,
        Self::AckLost,
        Self::LeaseLost,
        Self::NoticeDuplicate,
        Self::NoticeDelay,
        Self::NoticeLost,
        Self::NoticeForged,
        Self::CabinetRefund,
        Self::PayoutReversal,
        Self::WrongObject,
        Self::PaidTwice,
        Self::ConsumerPaused,
    ];
}

/// How often each kind was injected.
pub type Counts = [u64; Kind::ALL.len()];

/// The faults of a run: whether there are any now, and how many there were.
#[derive(Debug)]
pub struct Faults {
    on: AtomicBool,
    counts: Mutex<Counts>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            on: AtomicBool::new(true),
            counts: Mutex::new([0; Kind::ALL.len()]),
        }
    }
}

impl Faults {
    /// Whether faults are injected now.
    #[must_use]
    pub fn on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// No faults for a while.
    pub fn pause(&self) {
        self.on.store(false, Ordering::Relaxed);
    }

    /// Faults again.
    pub fn resume(&self) {
        self.on.store(true, Ordering::Relaxed);
    }

    /// Counts one.
    pub fn count(&self, kind: Kind) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(kind as usize) {
            *count += 1;
        }
    }

    /// How many there were of each kind.
    #[must_use]
    pub fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a seed decides before the run begins. Rates are in a thousand.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Processes over one log.
    pub processes: usize,
    /// Death of the process at an await.
    pub crash: u32,
    /// The process stands still for a time, then goes on as if nothing had been.
    pub stall: u32,
    /// Each of the faults of an append, and that of a read.
    pub log: u32,
    /// Each of the faults of a call to a provider.
    pub net: u32,
    /// Each of the faults of the bus.
    pub bus: u32,
    /// Each of the faults of the providers' notifications.
    pub notice: u32,
    /// What a provider does without us: refunds in its cabinet, payouts taken back.
    pub cabinet: u32,
    /// An object of a provider that is not what was asked for.
    pub wrong: u32,
    /// By how much each process' clock is wrong, milliseconds.
    pub skew_ms: Vec<i64>,
    /// How many things people want.
    pub operations: u32,
    /// Over what time.
    pub span: Duration,
    /// Whether the contract says that a Portmone bill moves money once.
    pub bill_pays_once: bool,
    /// Daily budgets of payouts, minor units: Portmone in UAH, YooKassa in RUB.
    pub budgets: [Option<i64>; 2],
    /// Aggregates that a process keeps in memory.
    pub aggregates_max: usize,
    /// How many times the providers are away for long.
    pub outages: u32,
    /// Whether the providers are away for longer than they remember a key, from the middle of what people want.
    pub blackout: bool,
    /// Whether one consumer stands still for more than a week.
    pub paused_consumer: bool,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let rng = Rng::named(seed, "plan");
        // Some runs see everything at once, some one kind of trouble only, some none: what hides behind noise shows there.
        let quiet = rng.permille(60);
        let focus = rng.below(4);
        let rate = |name: u64, usual: u64| -> u32 {
            let drawn = rng.below(usual * 2 + 1);
            let rate = match (quiet, focus) {
                (true, _) => 0,
                (false, 0) => drawn,
                (false, one) if one == name => drawn * 3,
                (false, _) => drawn / 3,
            };
            u32::try_from(rate).unwrap_or(0)
        };
        let processes = usize::try_from(rng.between(2, 3)).unwrap_or(2);
        let skew_ms = (0..processes)
            .map(|_| {
                let most = match rng.below(20) {
                    0..=11 => 0,
                    12..=16 => 90_000,
                    17 | 18 => 600_000,
                    _ => 24 * 3_600_000,
                };
                rng.amount(-most, most)
            })
            .collect();
        let budget = |least: i64, most: i64| rng.permille(150).then(|| rng.amount(least, most));
        let budgets = [budget(60_000, 300_000), budget(60_000, 300_000)];
        // What waits for its day, or for a provider, is looked at again and again, so few are enough.
        let blackout = rng.permille(100);
        let operations = match (budgets, rng.below(8)) {
            _ if blackout => rng.between(12, 30),
            ([None, None], 0) => rng.between(60, 160),
            _ => rng.between(20, 60),
        };
        let span = match rng.below(3) {
            _ if blackout => Duration::from_secs(150),
            0 => rng.time(Duration::from_secs(20), Duration::from_secs(300)),
            1 => rng.time(Duration::from_secs(300), Duration::from_secs(3_600)),
            _ => rng.time(Duration::from_secs(3_600), Duration::from_secs(40 * 3_600)),
        };
        Self {
            processes,
            crash: rate(1, 2),
            stall: rate(1, 1),
            log: rate(1, 12),
            net: rate(2, 12),
            bus: rate(3, 25),
            notice: rate(3, 60),
            cabinet: rate(2, 60),
            wrong: rate(2, 12),
            skew_ms,
            operations: u32::try_from(operations).unwrap_or(20),
            span,
            bill_pays_once: rng.permille(500),
            budgets,
            aggregates_max: usize::try_from(rng.between(4, 64)).unwrap_or(4),
            outages: if quiet {
                0
            } else {
                u32::try_from(rng.below(3)).unwrap_or(0)
            },
            blackout,
            paused_consumer: rng.permille(30),
        }
    }
}
