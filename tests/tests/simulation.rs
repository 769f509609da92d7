//! Runs the simulation over many seeds: `KVIT_SIM_SEED=n` runs one and prints its steps.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use kvit_tests::sim::run;

fn asked_for() -> Option<u64> {
    std::env::var("KVIT_SIM_SEED").ok()?.parse().ok()
}

#[test]
fn one_seed() {
    if let Some(seed) = asked_for() {
        let report = run(seed, true).unwrap();
        println!("{report}");
        assert_eq!(report.failure, None);
    }
}
