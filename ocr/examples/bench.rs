//! Measures reading on folders of photos with ground truth:
//! `cargo run --release -p kvit-ocr --example bench -- DIR... [--json FILE] [--details FILE] [--only NAME,...]
//! [--limit N] [--worst N] [--jobs N] [--set-kind synthetic|sroie] [--compare FILE]
//! [--without STEP] [--set STEP=VALUE] [--patience N]`.
#![allow(clippy::print_stdout, reason = "a command-line tool")]

use std::error::Error;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

use kvit_ocr::bench::{self, BenchOptions, DataSet, SetKind, report, summary};

fn main() -> Result<(), Box<dyn Error>> {
    // The engine's library reads this when the process starts.
    if std::env::var_os("OMP_THREAD_LIMIT").is_none() {
        let failed = std::process::Command::new(std::env::current_exe()?)
            .args(std::env::args_os().skip(1))
            .env("OMP_THREAD_LIMIT", "1")
            .exec();
        return Err(failed.into());
    }
    let (mut dirs, mut options) = (Vec::new(), BenchOptions::default());
    let (mut json, mut details, mut compare) = (None, None, None);
    let (mut kind, mut only, mut limit, mut worst) = (None, None, usize::MAX, 10);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--json" => json = Some(PathBuf::from(value()?)),
            "--details" => details = Some(PathBuf::from(value()?)),
            "--compare" => compare = Some(PathBuf::from(value()?)),
            "--only" => only = Some(value()?.split(',').map(str::to_owned).collect::<Vec<_>>()),
            "--limit" => limit = value()?.parse()?,
            "--worst" => worst = value()?.parse()?,
            "--jobs" => options.jobs = value()?.parse()?,
            "--without" => options.steps.push((value()?, "off".to_owned())),
            "--set" => {
                let step = value()?;
                let (key, value) = step.split_once('=').ok_or("--set needs STEP=VALUE")?;
                options.steps.push((key.to_owned(), value.to_owned()));
            }
            "--patience" => options = options.patient(value()?.parse()?),
            "--set-kind" => {
                kind = Some(SetKind::from_name(&value()?).ok_or("synthetic or sroie")?);
            }
            other if other.starts_with('-') => return Err(format!("unknown: {other}").into()),
            dir => dirs.push(PathBuf::from(dir)),
        }
    }
    let mut results = Vec::new();
    for dir in &dirs {
        let mut set = DataSet::load(dir, kind)?;
        if let Some(names) = &only {
            set.keep(names)?;
        }
        set.images.truncate(limit);
        let (mut done, all) = (0, set.images.len());
        results.push(bench::run(&set, &options, &mut |image| {
            done += 1;
            eprint!("\r{} {done}/{all} {}   ", set.name, image.name);
        })?);
        eprintln!();
    }
    println!("{}", report::table(&results));
    for set in &results {
        print!("{}", report::remarks(set));
    }
    for set in &results {
        print!("\n{}", report::worst(set, worst));
    }
    let figures: Vec<_> = results.iter().map(bench::SetResult::figures).collect();
    if let Some(path) = compare {
        println!(
            "\n{}",
            report::differences(&figures, &summary::from_file(&path)?)
        );
    }
    if let Some(path) = json {
        std::fs::write(path, summary::to_json(&figures))?;
    }
    if let Some(path) = details {
        let mut file = std::fs::File::create(path)?;
        for image in results.iter().flat_map(|set| &set.images) {
            writeln!(file, "{}", serde_json::to_string(image)?)?;
        }
    }
    Ok(())
}
