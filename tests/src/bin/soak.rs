//! Runs as many seeds of the simulation as wished, and says how many there were and what was injected.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use kvit_tests::sim::{Counts, Kind, Report, run};

/// Runs seeds of the simulation in parallel, one world per thread.
#[derive(Debug, Parser)]
struct Arguments {
    /// Run this seed only, and print its steps.
    #[arg(long)]
    seed: Option<u64>,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many seeds; 0 for as many as the time allows.
    #[arg(long, default_value_t = 1_000)]
    count: u64,
    /// Stop after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Threads; as many as there are processors when not given.
    #[arg(long)]
    threads: Option<usize>,
    /// Go on after a failure.
    #[arg(long)]
    keep_going: bool,
}

#[derive(Default)]
struct Sum {
    seeds: u64,
    steps: u64,
    events: u64,
    faults: Counts,
    failed: Vec<(u64, String)>,
}

impl Sum {
    fn add(&mut self, report: &Report) {
        self.seeds += 1;
        self.steps += report.steps;
        self.events += report.events.values().sum::<u64>();
        for (sum, count) in self.faults.iter_mut().zip(report.faults) {
            *sum += count;
        }
        if let Some(why) = &report.failure {
            self.failed.push((report.seed, why.clone()));
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.seed {
        return match run(seed, true) {
            Ok(report) => {
                println!("{report}");
                ExitCode::from(u8::from(report.failure.is_some()))
            }
            Err(fault) => {
                println!("{fault}");
                ExitCode::from(2)
            }
        };
    }
    let threads = arguments
        .threads
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
        .unwrap_or(1)
        .max(1);
    let started = Instant::now();
    let (next, stop, sum) = (
        AtomicU64::new(arguments.from),
        AtomicBool::new(false),
        Mutex::new(Sum::default()),
    );
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let enough = arguments.count > 0
                        && seed >= arguments.from.saturating_add(arguments.count);
                    let late = arguments
                        .seconds
                        .is_some_and(|most| started.elapsed() >= Duration::from_secs(most));
                    if enough || late {
                        return;
                    }
                    match run(seed, false) {
                        Ok(report) => {
                            sum.lock()
                                .unwrap_or_else(PoisonError::into_inner)
                                .add(&report);
                            if report.failure.is_some() {
                                println!("{report}");
                                if !arguments.keep_going {
                                    stop.store(true, Ordering::Relaxed);
                                }
                            }
                        }
                        Err(fault) => {
                            println!("seed {seed}: {fault}");
                            sum.lock()
                                .unwrap_or_else(PoisonError::into_inner)
                                .failed
                                .push((seed, fault.to_string()));
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    say(&sum, started.elapsed());
    ExitCode::from(u8::from(!sum.failed.is_empty() || sum.seeds == 0))
}

fn say(sum: &Sum, took: Duration) {
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    println!(
        "{} seeds in {}.{:03} s: {} a minute, {} steps, {} events",
        sum.seeds,
        millis / 1_000,
        millis % 1_000,
        sum.seeds.saturating_mul(60_000) / millis,
        sum.steps,
        sum.events
    );
    let all: u64 = sum.faults.iter().sum();
    println!("{all} faults injected");
    for (kind, count) in Kind::ALL.iter().zip(sum.faults) {
        println!("  {kind:?}: {count}");
    }
    for (seed, why) in &sum.failed {
        println!("FAILED seed {seed}: {why}");
    }
    println!("{} failed", sum.failed.len());
}
