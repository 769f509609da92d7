//! The table, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::systems::{Kind, Sample};

/// All samples.
#[derive(Default)]
pub struct Results {
    samples: BTreeMap<(usize, Kind), Vec<Sample>>,
}

fn number(value: f64, digits: usize) -> String {
    if value.is_nan() {
        "–".to_owned()
    } else {
        format!("{value:.digits$}")
    }
}

/// One run in one line.
pub fn line(kind: Kind, clients: usize, sample: &Sample) -> String {
    format!(
        "{clients:>4} clients  {:<28} {:>8} /s  database {:>7} ms  own {:>7} ms  p50 {:>7} ms  p99 {:>7} ms",
        kind.title(),
        number(sample.per_second, 0),
        number(sample.database_ms, 4),
        number(sample.own_ms, 4),
        number(sample.p50_ms, 2),
        number(sample.p99_ms, 2),
    )
}

fn median(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn medians(samples: &[Sample]) -> Sample {
    Sample {
        per_second: median(samples, |s| s.per_second),
        database_ms: median(samples, |s| s.database_ms),
        own_ms: median(samples, |s| s.own_ms),
        p50_ms: median(samples, |s| s.p50_ms),
        p99_ms: median(samples, |s| s.p99_ms),
    }
}

impl Results {
    pub fn add(&mut self, kind: Kind, clients: usize, sample: Sample) {
        self.samples
            .entry((clients, kind))
            .or_default()
            .push(sample);
    }

    /// What the numbers depend on: the machine, its load, its disk, the build.
    fn surroundings() -> String {
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or("?").to_owned();
        let build = if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        };
        format!(
            "{cores} cores, load {load} at the end, one fsync {} ms (median), {build} build.",
            number(fsync_ms(), 2)
        )
    }

    /// Prints the table and writes it to `target/bench.json` and `docs/performance.md`.
    pub fn write(&self, clients: &[usize], print_only: bool) {
        let mut table = String::from(
            "| clients | system | commands/s | database CPU ms | own CPU ms | p50 ms | p99 ms |\n|--:|---|--:|--:|--:|--:|--:|\n",
        );
        let mut rows = Vec::new();
        for ((clients, kind), samples) in &self.samples {
            let sample = medians(samples);
            writeln!(
                table,
                "| {clients} | {} | {} | {} | {} | {} | {} |",
                kind.title(),
                number(sample.per_second, 0),
                number(sample.database_ms, 3),
                number(sample.own_ms, 3),
                number(sample.p50_ms, 2),
                number(sample.p99_ms, 2),
            )
            .unwrap();
            rows.push(serde_json::json!({
                "clients": clients, "system": kind.title(), "rounds": samples.len(),
                "commands_per_second": sample.per_second, "database_cpu_ms": sample.database_ms,
                "own_cpu_ms": sample.own_ms, "p50_ms": sample.p50_ms, "p99_ms": sample.p99_ms,
            }));
        }
        let mut ratios = String::new();
        for &clients in clients {
            let rate = |kind| {
                self.samples
                    .get(&(clients, kind))
                    .map_or(f64::NAN, |s| medians(s).per_second)
            };
            writeln!(
                ratios,
                "- {clients} clients: {:.1} times postgres-es on many wallets; the hot wallet at {:.0} % of many.",
                rate(Kind::Kvit) / rate(Kind::PostgresEs),
                rate(Kind::KvitHot) / rate(Kind::Kvit) * 100.0
            )
            .unwrap();
        }
        let surroundings = Self::surroundings();
        println!("\n{surroundings}\n\n{table}\n{ratios}");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
        let json = serde_json::to_string_pretty(&serde_json::json!({
            "surroundings": surroundings, "results": rows
        }))
        .unwrap();
        std::fs::write(target.join("bench.json"), json).unwrap();
        if !print_only {
            put_between_marks(
                &root.join("docs/performance.md"),
                &format!("{table}\n{ratios}"),
            );
        }
    }
}

/// Median time of writing 8 KiB durably where the cluster is.
fn fsync_ms() -> f64 {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile().expect("a file is made");
    let mut times: Vec<f64> = (0..51)
        .map(|_| {
            let started = std::time::Instant::now();
            file.rewind().unwrap();
            file.write_all(&[1; 8192]).unwrap();
            file.sync_data().unwrap();
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[25]
}

/// Replaces what stands between the two marks of the document.
fn put_between_marks(file: &Path, text: &str) {
    let (begin, end) = ("<!-- bench: begin -->\n", "<!-- bench: end -->");
    let document = std::fs::read_to_string(file).expect("docs/performance.md is there");
    let (before, rest) = document.split_once(begin).expect("the first mark is there");
    let (_, after) = rest.split_once(end).expect("the second mark is there");
    std::fs::write(file, format!("{before}{begin}{text}{end}{after}"))
        .expect("docs/performance.md is written");
}
