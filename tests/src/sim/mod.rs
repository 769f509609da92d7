//! The whole flow of money in one process: on a virtual clock, with a schedule and faults that a seed decides.
//!
//! The code under test is the product's: use cases, executor, policies, workers. What surrounds it is simulated: the log, the
//! bus, the providers with books of their own, people and staff. The same seed is the same run, to the byte. How it works and
//! what it has found is told in `docs/simulation.md`.
#![allow(
    clippy::cast_possible_truncation,
    reason = "durations and counts of a run are small"
)]

mod asking;
mod bus;
mod finish;
mod idle;
mod life;
mod log;
mod model;
mod model_payments;
mod model_payouts;
mod net;
mod notices;
mod pay_in;
mod pay_out;
mod people;
mod plan;
mod ports;
mod process;
mod rng;
mod staff;
mod trace;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use plan::{Counts, Kind, Plan};

use world::World;

/// What became of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// SHA-256 over all steps, hex.
    pub hash: String,
    /// Steps.
    pub steps: u64,
    /// Events in the log at the end, by aggregate and name.
    pub events: BTreeMap<(String, String), u64>,
    /// Faults by kind.
    pub faults: Counts,
    /// The first broken promise.
    pub failure: Option<String>,
    /// The last steps, in words.
    pub last: Vec<String>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let why = self.failure.as_deref().unwrap_or("all is well");
        writeln!(f, "seed {} after {} steps: {why}", self.seed, self.steps)?;
        for line in &self.last {
            writeln!(f, "  {line}")?;
        }
        write!(
            f,
            "again: KVIT_SIM_SEED={} cargo test -p kvit-tests --test simulation -- --nocapture",
            self.seed
        )
    }
}

/// Runs one seed.
///
/// # Errors
/// When there is no runtime to be had.
pub fn run(seed: u64, verbose: bool) -> std::io::Result<Report> {
    run_plan(seed, Plan::of(seed), verbose)
}

/// Runs one seed with another plan than its own.
///
/// # Errors
/// When there is no runtime to be had.
pub fn run_plan(seed: u64, plan: Plan, verbose: bool) -> std::io::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    Ok(runtime.block_on(async move {
        let world = World::new(seed, plan, verbose);
        let trouble = world.trouble.notified();
        tokio::pin!(trouble);
        tokio::select! {
            biased;
            () = &mut trouble => {}
            () = live(&world) => {}
        }
        let report = Report {
            seed,
            hash: world.trace.hash(),
            steps: world.trace.steps(),
            events: world.store.by_name(),
            faults: world.faults.counts(),
            failure: world.trace.failure(),
            last: world.trace.last(),
        };
        world.dissolve();
        report
    }))
}

async fn live(world: &Arc<World>) {
    let plan = &world.plan;
    world.step(format_args!("seed {} {plan:?}", world.seed));
    world.start();
    let bus = Arc::clone(world);
    tokio::spawn(async move {
        let world = Arc::clone(&bus);
        bus.bus.run(world).await;
    });
    tokio::spawn(staff::watch(Arc::clone(world)));
    tokio::spawn(staff::sweep(Arc::clone(world)));
    world.faults.pause();
    let people = Arc::new(people::register(world).await);
    world.faults.resume();
    if plan.paused_consumer {
        world.faults.count(Kind::ConsumerPaused);
        let until = Instant::now() + Duration::from_secs(8 * 24 * 3_600);
        world.bus.pause("transferring", until);
    }
    let mut wishes = Vec::new();
    for number in 0..plan.operations {
        let after = world.wishes.time(Duration::ZERO, plan.span);
        let (world, people) = (Arc::clone(world), Arc::clone(&people));
        wishes.push(tokio::spawn(async move {
            tokio::time::sleep(after).await;
            people::want(world, people, number).await;
        }));
    }
    if plan.blackout {
        let after = world
            .schedule
            .time(Duration::from_secs(20), Duration::from_secs(60));
        let long = world.schedule.time(
            Duration::from_secs(25 * 3_600),
            Duration::from_secs(45 * 3_600),
        );
        world.later(after, move |world| world.away_until(Instant::now() + long));
    }
    for _ in 0..plan.outages {
        let after = world.schedule.time(Duration::ZERO, plan.span);
        let long = match world.schedule.below(12) {
            0 => world
                .schedule
                .time(Duration::from_secs(3_600), Duration::from_secs(40 * 3_600)),
            _ => world
                .schedule
                .time(Duration::from_secs(30), Duration::from_secs(1_200)),
        };
        world.later(after, move |world| world.away_until(Instant::now() + long));
    }
    for _ in 0..plan.notice / 20 {
        let after = world.schedule.time(Duration::ZERO, plan.span * 2);
        world.later(after, notices::forge);
    }
    // Refunds that somebody makes in the cabinets.
    for _ in 0..plan.cabinet / 20 {
        let after = world.schedule.time(Duration::ZERO, plan.span * 2);
        world.later(after, finish::cabinet_refund);
    }
    for wish in wishes {
        if wish.await.is_err() {
            world.fail("somebody's wish panicked".to_owned());
        }
    }
    // Some trouble beyond the last wish.
    tokio::time::sleep(
        world
            .schedule
            .time(Duration::ZERO, Duration::from_secs(4 * 3_600)),
    )
    .await;
    finish::settle(world).await;
    finish::compare(world).await;
}
