//! The way to a provider and back. What leaves a process takes effect at the provider or does not, whatever becomes of the
//! process and of the answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::life::Life;
use super::plan::Kind;
use super::world::{Moves, World};

/// For how long of an outage calls still arrive.
const LAST_BYTES: Duration = Duration::from_secs(90);

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Away {
    /// Proven: nothing was sent.
    NotSent,
    /// Proven: refused at the door, come later.
    Busy(Duration),
    /// Proven: the door is closed to us.
    Denied,
    /// Proven: this call was refused, for a reason that has nothing to do with what it asks.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// How a call fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Well,
    NotSent,
    Busy,
    Denied,
    Refused,
    LostBefore,
    LostAfter,
    Late,
    Slow,
}

/// What a call is for the rules of the road.
#[derive(Clone)]
pub struct Call {
    /// Its name, for the trace.
    pub name: &'static str,
    /// What it may move money for.
    pub moves: Option<Moves>,
    /// Whether the way itself may refuse it.
    pub refusable: bool,
}

fn fate(world: &World, call: &Call) -> Fate {
    if !world.faults.on() {
        return Fate::Well;
    }
    if let Some(since) = world.away_since() {
        world.faults.count(Kind::Outage);
        // At first what is sent still arrives, and only the answers are lost.
        return match world.schedule.below(10) {
            0..=5 if since < LAST_BYTES => Fate::LostAfter,
            7.. => Fate::LostBefore,
            _ => Fate::NotSent,
        };
    }
    let rate = world.plan.net;
    let tried = [
        (Fate::NotSent, Kind::NotSent, rate),
        (Fate::Busy, Kind::Busy, rate),
        (Fate::Denied, Kind::Denied, rate / 4),
        (Fate::Refused, Kind::Refused, rate / 2),
        (Fate::LostBefore, Kind::TimeoutBefore, rate),
        (Fate::LostAfter, Kind::TimeoutAfter, rate),
        (Fate::Late, Kind::LateEffect, rate),
        (Fate::Slow, Kind::SlowAnswer, rate / 2),
    ];
    for (fate, kind, rate) in tried {
        if world.schedule.permille(rate) {
            let possible = match fate {
                Fate::Refused => call.refusable,
                Fate::Late => call.moves.is_some(),
                _ => true,
            };
            if possible {
                world.faults.count(kind);
                return fate;
            }
        }
    }
    Fate::Well
}

/// Calls a provider: `effect` is what the call does there, at the moment when it arrives.
///
/// # Errors
/// As the road was.
pub async fn call<R: Send + 'static>(
    world: &Arc<World>,
    life: &Arc<Life>,
    call: Call,
    effect: impl FnOnce(&Arc<World>) -> R + Send + 'static,
) -> Result<R, Away> {
    let who = format!("p{}.{}", life.process, life.number);
    life.at(world, "before a call").await;
    let fate = fate(world, &call);
    if fate != Fate::Well {
        world.step(format_args!("{who} {}: {fate:?}", call.name));
    }
    let some = |least: u64, most: u64| {
        world
            .schedule
            .time(Duration::from_millis(least), Duration::from_millis(most))
    };
    match fate {
        Fate::NotSent => {
            tokio::time::sleep(some(1, 2_000)).await;
            life.still().await;
            return Err(Away::NotSent);
        }
        Fate::Busy => {
            tokio::time::sleep(some(20, 300)).await;
            life.still().await;
            return Err(Away::Busy(some(100, 5_000)));
        }
        Fate::Denied | Fate::Refused => {
            tokio::time::sleep(some(20, 300)).await;
            life.still().await;
            return Err(if fate == Fate::Denied {
                Away::Denied
            } else {
                Away::Refused
            });
        }
        Fate::LostBefore => {
            tokio::time::sleep(some(5_000, 30_000)).await;
            life.still().await;
            return Err(Away::Unknown);
        }
        _ => {}
    }
    let (there, back) = match fate {
        Fate::Late => (some(20_000, 100_000), Duration::ZERO),
        Fate::Slow => (some(100, 50_000), some(15_000, 55_000)),
        _ => (some(5, 200), some(5, 200)),
    };
    let (answer, answered) = oneshot::channel();
    if let Some(moves) = &call.moves {
        world.on_its_way(moves, 1);
    }
    let (there_world, moves) = (Arc::clone(world), call.moves.clone());
    tokio::spawn(async move {
        tokio::time::sleep(there).await;
        if let Some(moves) = &moves {
            there_world.on_its_way(moves, -1);
        }
        let _ = answer.send(effect(&there_world));
    });
    life.at(world, "after the bytes of a call have left").await;
    if matches!(fate, Fate::LostAfter | Fate::Late) {
        tokio::time::sleep(some(10_000, 30_000)).await;
        life.still().await;
        return Err(Away::Unknown);
    }
    let Ok(result) = answered.await else {
        return Err(Away::Unknown);
    };
    tokio::time::sleep(back).await;
    life.at(world, "after the answer to a call").await;
    Ok(result)
}
