//! The life of a process: from its start to its death at any await.
//!
//! A process acts on the world only through its ports, and every port call comes through here. Death at an await is
//! therefore this: the tasks of the process are dropped, and no call of it ever returns again or has an effect. What the
//! executor has spawned by itself ends at its next call to the log.

use std::future::{Future, pending};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::plan::Kind;
use super::world::World;

/// One run of a process.
pub struct Life {
    /// Which process.
    pub process: usize,
    /// Its number among all lives of the run.
    pub number: u64,
    dead: AtomicBool,
    died: watch::Sender<bool>,
    stalled_until: Mutex<Option<Instant>>,
}

impl Life {
    /// A life that begins.
    #[must_use]
    pub fn new(process: usize, number: u64) -> Self {
        Self {
            process,
            number,
            dead: AtomicBool::new(false),
            died: watch::Sender::new(false),
            stalled_until: Mutex::new(None),
        }
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Ends it. Whether it was still going on.
    pub fn end(&self) -> bool {
        let was_alive = !self.dead.swap(true, Ordering::Relaxed);
        self.died.send_replace(true);
        was_alive
    }

    /// Runs something as a part of this process. `None`: the process has died on the way, and with it the something.
    pub async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut died = self.died.subscribe();
        tokio::select! {
            biased;
            _ = died.wait_for(|died| *died) => None,
            result = work => Some(result),
        }
    }

    /// An await of the process. It takes a moment, sometimes long, and sometimes it is the last one.
    pub async fn at(&self, world: &Arc<World>, site: &str) {
        self.still().await;
        if world.faults.on() {
            if world.schedule.permille(world.plan.crash) {
                world.faults.count(Kind::Crash);
                world.step(format_args!(
                    "p{}.{} dies {site}",
                    self.process, self.number
                ));
                world.crash(self);
                return pending().await;
            }
            if world.schedule.permille(world.plan.stall) {
                world.faults.count(Kind::Stall);
                let time = match world.schedule.below(4) {
                    0 => world
                        .schedule
                        .time(Duration::from_secs(60), Duration::from_secs(600)),
                    _ => world
                        .schedule
                        .time(Duration::from_secs(1), Duration::from_secs(40)),
                };
                world.step(format_args!(
                    "p{}.{} stands still {site} for {time:?}",
                    self.process, self.number
                ));
                *self.lock() = Some(Instant::now() + time);
                world.bus.stalled(world, self, time);
            }
        }
        let time = match world.schedule.below(16) {
            0..=7 => 0,
            8..=14 => world.schedule.between(1, 4),
            _ => world.schedule.between(5, 60),
        };
        if time > 0 {
            tokio::time::sleep(Duration::from_millis(time)).await;
        } else {
            tokio::task::yield_now().await;
        }
        self.still().await;
    }

    /// Waits while the process stands still; for ever when it is dead.
    pub async fn still(&self) {
        loop {
            if self.is_over() {
                return pending().await;
            }
            let until = *self.lock();
            match until {
                Some(until) if Instant::now() < until => tokio::time::sleep_until(until).await,
                _ => return,
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.stalled_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
