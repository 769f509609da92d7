//! Runs the simulation over many seeds. `KVIT_SIM_SEED=n` runs that one only and prints its steps.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use kvit_tests::sim::run;

/// The seed that somebody asks for.
fn asked_for() -> Option<u64> {
    std::env::var("KVIT_SIM_SEED").ok()?.parse().ok()
}

#[test]
fn f57_money_is_neither_lost_nor_doubled_whatever_happens_at_any_await() {
    if let Some(seed) = asked_for() {
        let report = run(seed, true).unwrap();
        println!("{report}");
        assert_eq!(report.failure, None);
        return;
    }
    for seed in 1..=8 {
        let report = run(seed, false).unwrap();
        assert!(report.failure.is_none(), "{report}");
    }
}

#[test]
fn the_same_seed_is_the_same_run_to_the_byte() {
    let hashes = |seed| run(seed, false).unwrap().hash;
    for seed in [1, 45] {
        assert_eq!(hashes(seed), hashes(seed));
    }
    assert_ne!(hashes(1), hashes(2));
}
