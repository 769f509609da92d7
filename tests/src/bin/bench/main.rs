//! `make bench`: how fast commands become durable, and what they cost the database.
//!
//! Everything runs on one private Postgres cluster with fsync on, in turns, round by round, so that a slow minute of the
//! machine meets all systems alike; the table shows medians over the rounds. The same wallet aggregate with the same
//! command runs through the product's executor and through plain `postgres-es`; `pgbench` inserting single rows shows
//! what the machine gives at most without group commit.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a measuring program: it stops on the first fault, prints its table and computes with rates"
)]

mod cpu;
mod report;
mod systems;

use clap::Parser;
use kvit_testkit::PgServer;

use systems::{Bench, Kind};

/// Measures the append path.
#[derive(Parser)]
struct Options {
    /// Measured seconds of each run.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Rounds; the table shows medians.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Numbers of clients.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 32, 128])]
    clients: Vec<usize>,
    /// Only print; leave docs/performance.md as it is.
    #[arg(long)]
    print_only: bool,
    /// Only the systems whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Batches that the log may have under way at once.
    #[arg(long)]
    in_flight: Option<usize>,
    /// Longest wait of the log for the callers that it has just answered, microseconds.
    #[arg(long)]
    gather_us: Option<u64>,
}

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = Options::parse();
    let server = PgServer::start(true);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("the runtime starts");
    let results = runtime.block_on(async {
        let bench = Bench::prepare(&server, options.in_flight, options.gather_us).await;
        let mut results = report::Results::default();
        for round in 1..=options.rounds {
            for &clients in &options.clients {
                for kind in Kind::ALL
                    .into_iter()
                    .filter(|kind| kind.title().contains(&options.only))
                {
                    let sample = bench.run(kind, clients, options.seconds).await;
                    println!("round {round}: {}", report::line(kind, clients, &sample));
                    results.add(kind, clients, sample);
                }
            }
        }
        let events = bench.check().await;
        println!("log checked: {events} events, positions dense, chain whole");
        results
    });
    results.write(&options.clients, options.print_only);
}
