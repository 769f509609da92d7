//! What of the printed text reaches the parser: character errors, and how often the right total, date and register
//! number stand in the text at all. For choosing steps of preprocessing; fields are the bench's business.
//! `OMP_THREAD_LIMIT=1 cargo run --release -p kvit-ocr --example textscore -- DIR [--every N] [--only NAME]
//! [--pages DIR] [key=value ...]`: DIR holds `NAME.jpg` with `NAME.json`, or `img/`, `key/` and `box/`.
#![allow(
    clippy::print_stdout,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a command-line tool"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kvit_ocr::{EngineConfig, ReadOptions, Reader};
use serde_json::Value;

struct Case {
    name: String,
    image: PathBuf,
    class: String,
    text: String,
    total: String,
    dates: Vec<String>,
    register: String,
}

#[derive(Default, Clone)]
struct Score {
    images: u32,
    cer: f64,
    total: u32,
    date: u32,
    register: u32,
    seconds: Vec<f64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut dir = PathBuf::new();
    let (mut every, mut only, mut threads) = (1, None, 2);
    let mut verbose = false;
    let mut texts = None;
    // The text alone is measured here: no time for codes, and plenty of it on a busy machine.
    let options = ReadOptions {
        qr_budget: Duration::ZERO,
        text_budget: Duration::from_secs(60),
    };
    let mut sets: Vec<(String, String)> = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--every" => every = args.next().ok_or("--every N")?.parse()?,
            "--threads" => threads = args.next().ok_or("--threads N")?.parse()?,
            "--only" => only = args.next(),
            "--texts" => texts = args.next(),
            "-v" => verbose = true,
            other => match other.split_once('=') {
                Some((key, value)) => sets.push((key.to_owned(), value.to_owned())),
                None => dir = PathBuf::from(other),
            },
        }
    }
    let cases: Vec<Case> = cases(&dir)?
        .into_iter()
        .step_by(every)
        .filter(|c| {
            only.as_ref()
                .is_none_or(|only| only.split(',').any(|o| o == c.name))
        })
        .collect();
    let english = dir.join("box").is_dir();
    let next = AtomicUsize::new(0);
    let rows: Mutex<BTreeMap<usize, (String, String)>> = Mutex::default();
    let sums: Mutex<BTreeMap<String, Score>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let config = EngineConfig {
                    languages: if english { "eng" } else { "ukr+rus+eng" }.into(),
                    ..EngineConfig::default()
                };
                let mut reader = Reader::init(&config).ok();
                if let Some(reader) = reader.as_mut() {
                    for (key, value) in &sets {
                        if let Err(error) = reader.set(key, value) {
                            println!("{error}");
                        }
                    }
                }
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(case), Some(reader)) = (cases.get(index), reader.as_mut()) else {
                        break;
                    };
                    let bytes = std::fs::read(&case.image).unwrap_or_default();
                    let started = processor_seconds();
                    let (text, stages) = match reader.read(&bytes, &options) {
                        Ok(read) => (read.text, format!("{:?}", read.stage_ms)),
                        Err(error) => (String::new(), error.to_string()),
                    };
                    let seconds = processor_seconds() - started;
                    let cer = cer(&case.text, &text);
                    let (total, date, register) = found(case, &text);
                    if let Some(folder) = &texts {
                        let _ = std::fs::create_dir_all(folder);
                        let _ = std::fs::write(Path::new(folder).join(&case.name), &text);
                    }
                    let mark = |b| if b { '+' } else { '-' };
                    let row = format!(
                        "{:<10} {:<7} cer {cer:.3} total{} date{} fn{} {seconds:.1} s {stages}",
                        case.name,
                        case.class,
                        mark(total),
                        mark(date),
                        mark(register)
                    );
                    if let Ok(mut rows) = rows.lock() {
                        rows.insert(index, (row, text));
                    }
                    if let Ok(mut sums) = sums.lock() {
                        for class in ["all", case.class.as_str()] {
                            let sum = sums.entry(class.into()).or_default();
                            sum.images += 1;
                            sum.cer += cer;
                            sum.total += u32::from(total);
                            sum.date += u32::from(date);
                            sum.register += u32::from(register);
                            sum.seconds.push(seconds);
                        }
                    }
                }
            });
        }
    });
    if verbose {
        for (row, _) in rows.into_inner()?.into_values() {
            println!("{row}");
        }
    }
    for (class, mut s) in sums.into_inner()? {
        let n = f64::from(s.images);
        s.seconds.sort_by(f64::total_cmp);
        let at = |part: usize| s.seconds[(s.seconds.len() * part / 100).min(s.seconds.len() - 1)];
        println!(
            "{class:<7} n {:>3} cer {:.3} total {:.2} date {:.2} fn {:.2} mean {:.2} median {:.2} p95 {:.2} s",
            s.images,
            s.cer / n,
            f64::from(s.total) / n,
            f64::from(s.date) / n,
            f64::from(s.register) / n,
            s.seconds.iter().sum::<f64>() / n,
            at(50),
            at(95)
        );
    }
    Ok(())
}

fn cases(dir: &Path) -> Result<Vec<Case>, Box<dyn Error>> {
    let scans = dir.join("box").is_dir();
    let keys = if scans {
        dir.join("key")
    } else {
        dir.to_owned()
    };
    let mut names: Vec<PathBuf> = std::fs::read_dir(keys)?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .collect();
    names.sort();
    names
        .iter()
        .map(|path| {
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let key: Value = serde_json::from_slice(&std::fs::read(path)?)?;
            let field = |name: &str| key[name].as_str().unwrap_or_default().to_owned();
            Ok(if scans {
                let boxes =
                    String::from_utf8_lossy(&std::fs::read(dir.join(format!("box/{name}.csv")))?)
                        .into_owned();
                let text: Vec<&str> = boxes
                    .lines()
                    .filter_map(|l| l.splitn(9, ',').nth(8))
                    .collect();
                Case {
                    image: dir.join(format!("img/{name}.jpg")),
                    class: "scan".into(),
                    text: text.join("\n"),
                    total: field("total").replace(['$', 'R', 'M', ' ', ','], ""),
                    dates: vec![field("date")],
                    register: String::new(),
                    name,
                }
            } else {
                let date = field("date");
                let mut parts = date.split('-');
                let (y, m, d) = (
                    parts.next().unwrap_or_default(),
                    parts.next().unwrap_or_default(),
                    parts.next().unwrap_or_default(),
                );
                let mut dates = vec![date.clone()];
                for s in ['.', '-', '/'] {
                    dates.push(format!("{d}{s}{m}{s}{y}"));
                    dates.push(format!("{d}{s}{m}{s}{}", y.get(2..).unwrap_or_default()));
                }
                Case {
                    image: dir.join(format!("{name}.jpg")),
                    class: key["degrade"]["tier"].as_str().unwrap_or_default().into(),
                    text: field("text"),
                    total: field("total"),
                    dates,
                    register: field("fiscal_number"),
                    name,
                }
            })
        })
        .collect()
}

fn found(case: &Case, text: &str) -> (bool, bool, bool) {
    let plain = text.to_lowercase().replace(',', ".");
    let alone = |what: &str| {
        !what.is_empty()
            && plain.match_indices(what).any(|(at, _)| {
                let before = plain[..at].chars().next_back();
                let after = plain[at + what.len()..].chars().next();
                !before.is_some_and(|c| c.is_ascii_digit())
                    && !after.is_some_and(|c| c.is_ascii_digit())
            })
    };
    (
        alone(&case.total.to_lowercase().replace(',', ".")),
        case.dates
            .iter()
            .any(|d| alone(&d.to_lowercase().replace(',', "."))),
        alone(&case.register),
    )
}

fn folded(text: &str) -> Vec<char> {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    words.join(" ").chars().collect()
}

fn cer(truth: &str, read: &str) -> f64 {
    let (truth, read) = (folded(truth), folded(read));
    let mut row: Vec<usize> = (0..=read.len()).collect();
    for (i, a) in truth.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in read.iter().enumerate() {
            let cost = (diagonal + usize::from(a != b))
                .min(row[j] + 1)
                .min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = cost;
        }
    }
    (row[read.len()] as f64 / truth.len().max(1) as f64).min(1.0)
}

/// Time that this thread has computed, which a busy machine does not change.
fn processor_seconds() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = told.split(' ').next().and_then(|t| t.parse::<f64>().ok());
    nanoseconds.unwrap_or_default() / 1e9
}
