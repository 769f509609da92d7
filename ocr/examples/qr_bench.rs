//! How many fiscal codes the search reads, how long it takes, and which step wins.
//!
//! `OMP_THREAD_LIMIT=1 cargo run --release -p kvit-ocr --example qr_bench -- [--budget MS] [--list] DIR...`, where a
//! folder holds photos (`NAME.jpg`) each with its truth (`NAME.json`: `qr`, the code's content or empty, and
//! `degrade.tier`). A reading that differs from the truth, and any reading where the truth has none, is wrong.
#![allow(clippy::print_stdout, reason = "a command-line tool")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kvit_domain::recognition::QrReading;
use kvit_ocr::fiscal_qr::{self, QrContent};
use kvit_ocr::qr;

#[derive(Default)]
struct Tally {
    images: usize,
    with_code: usize,
    decoded: usize,
    wrong: usize,
    ms: Vec<u128>,
    ms_decoded: Vec<u128>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut budget = Duration::from_millis(1_500);
    let (mut list, mut folders) = (false, Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--budget" => {
                budget = Duration::from_millis(args.next().ok_or("--budget MS")?.parse()?);
            }
            "--list" => list = true,
            _ => folders.push(PathBuf::from(arg)),
        }
    }
    for folder in folders {
        let (mut tiers, mut steps) = (BTreeMap::new(), BTreeMap::new());
        for photo in photos(&folder)? {
            judge(&photo, budget, list, &mut tiers, &mut steps)?;
        }
        print(&folder, &mut tiers, &steps);
    }
    Ok(())
}

fn photos(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| {
            path.extension().is_some_and(|e| e == "jpg") && path.with_extension("json").exists()
        })
        .collect();
    found.sort();
    Ok(found)
}

fn judge(
    photo: &Path,
    budget: Duration,
    list: bool,
    tiers: &mut BTreeMap<String, Tally>,
    steps: &mut BTreeMap<String, usize>,
) -> Result<(), Box<dyn Error>> {
    let truth: serde_json::Value =
        serde_json::from_slice(&std::fs::read(photo.with_extension("json"))?)?;
    let content = truth["qr"].as_str().unwrap_or_default();
    let tier = truth["degrade"]["tier"]
        .as_str()
        .unwrap_or("none")
        .to_owned();
    let grey = image::open(photo)?.into_luma8();
    let started = Instant::now();
    let found = qr::search(&grey, started + budget);
    let ms = started.elapsed().as_millis();
    let right = match (&found.reading, fiscal_qr::parse(content)) {
        (QrReading::Fiscal { fiscal, .. }, QrContent::Fiscal(expected)) => *fiscal == expected,
        (QrReading::Incomplete { missing, .. }, QrContent::Incomplete { missing: expected }) => {
            *missing == expected
        }
        (QrReading::NotAReceipt { .. }, QrContent::NotAReceipt) => !content.is_empty(),
        _ => false,
    };
    let (step, wrong) = match &found.reading {
        QrReading::Missing => ("-", false),
        QrReading::Fiscal { step, .. }
        | QrReading::Incomplete { step, .. }
        | QrReading::NotAReceipt { step } => (step.as_str(), !right),
    };
    if list {
        println!(
            "{:<8} {tier:<7} {ms:>5} ms {step:<16} {}",
            photo.file_stem().unwrap_or_default().to_string_lossy(),
            if right {
                "right"
            } else if wrong {
                "WRONG"
            } else if content.is_empty() {
                "none there"
            } else {
                "missed"
            },
        );
    }
    for name in [tier, "all".to_owned()] {
        let tally = tiers.entry(name).or_default();
        tally.images += 1;
        tally.with_code += usize::from(!content.is_empty());
        tally.decoded += usize::from(right);
        tally.wrong += usize::from(wrong);
        tally.ms.push(ms);
        if right {
            tally.ms_decoded.push(ms);
        }
    }
    *steps.entry(step.to_owned()).or_default() += 1;
    Ok(())
}

fn print(folder: &Path, tiers: &mut BTreeMap<String, Tally>, steps: &BTreeMap<String, usize>) {
    println!("{}", folder.display());
    println!(
        "| tier | images | codes | decoded | wrong | ms median | ms p95 | ms max | ms median, decoded |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (name, tally) in tiers {
        tally.ms.sort_unstable();
        tally.ms_decoded.sort_unstable();
        println!(
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |",
            tally.images,
            tally.with_code,
            tally.decoded,
            tally.wrong,
            part(&tally.ms, 50),
            part(&tally.ms, 95),
            part(&tally.ms, 100),
            part(&tally.ms_decoded, 50),
        );
    }
    let steps: Vec<String> = steps
        .iter()
        .map(|(step, count)| format!("{step} {count}"))
        .collect();
    println!("steps: {}\n", steps.join(", "));
}

/// The value below which `percent` of the sorted values lie.
fn part(sorted: &[u128], percent: usize) -> u128 {
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}
