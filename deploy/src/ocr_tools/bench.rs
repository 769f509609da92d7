//! `kvit ocr bench`: how well receipts are read.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use kvit_ocr::bench::{BenchOptions, DataSet, Figures, SetResult, report, run as measure, summary};

use super::{OcrError, step, writable, write};
use crate::ui;

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct BenchArgs {
    /// Folders of photos with ground truth
    #[arg(value_name = "DIR", required = true)]
    pub dirs: Vec<PathBuf>,
    /// Write the figures: a JSON array with an object for each set
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write what was read and expected of every photo: a JSON object a line
    #[arg(long, value_name = "FILE")]
    pub details: Option<PathBuf>,
    /// Show what differs from an earlier run that was written with --json
    #[arg(long, value_name = "PREVIOUS.json")]
    pub compare: Option<PathBuf>,
    /// List so many of the worst photos of each set with what was wrong
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub worst: usize,
    /// Measure the first so many photos of each set
    #[arg(long, value_name = "N")]
    pub limit: Option<NonZeroUsize>,
    /// Measure only the photos with these names, without endings
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Read so many photos at once; times stay those of one photo on one core
    #[arg(long, value_name = "N", default_value = "1")]
    pub jobs: NonZeroUsize,
    /// Give each photo so many times the usual time: the reader's budgets are by the clock on the wall, and a machine that
    /// does something else meanwhile would read worse
    #[arg(long, value_name = "TIMES", default_value = "1")]
    pub patience: NonZeroU32,
    /// Languages of the engine [default: eng for SROIE, else ukr+rus+eng]
    #[arg(long, value_name = "LANGUAGES")]
    pub lang: Option<String>,
    /// Leave out a step of reading; may be given several times
    #[arg(long, value_name = "STEP")]
    pub without: Vec<String>,
    /// Set a step of reading differently; may be given several times
    #[arg(long = "set", value_name = "STEP=VALUE", value_parser = step)]
    pub steps: Vec<(String, String)>,
}

pub(super) fn run(args: &BenchArgs) -> Result<ExitCode, OcrError> {
    for path in [&args.json, &args.details].into_iter().flatten() {
        writable(path)?;
    }
    let before = args
        .compare
        .as_deref()
        .map(summary::from_file)
        .transpose()?;
    let sets = args.dirs.iter().map(|dir| load(dir, args));
    let sets: Vec<DataSet> = sets.collect::<Result<_, _>>()?;
    let without = args.without.iter().map(|s| (s.clone(), "off".to_owned()));
    let options = BenchOptions {
        languages: args.lang.clone(),
        jobs: args.jobs,
        steps: without.chain(args.steps.iter().cloned()).collect(),
        ..BenchOptions::default()
    }
    .patient(args.patience);
    let mut results = Vec::with_capacity(sets.len());
    for set in &sets {
        results.push(one(set, &options)?);
    }
    tell(&results, args.worst);
    let figures: Vec<Figures> = results.iter().map(SetResult::figures).collect();
    if let Some(before) = before {
        ui::data(format_args!("\n{}", report::differences(&figures, &before)));
    }
    if let Some(path) = &args.json {
        write(path, summary::to_json(&figures))?;
    }
    if let Some(path) = &args.details {
        write(path, details(&results)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn load(dir: &Path, args: &BenchArgs) -> Result<DataSet, OcrError> {
    let mut set = DataSet::load(dir, None)?;
    if !args.only.is_empty() {
        set.keep(&args.only)?;
    }
    if let Some(limit) = args.limit {
        set.images.truncate(limit.get());
    }
    Ok(set)
}

fn one(set: &DataSet, options: &BenchOptions) -> Result<SetResult, OcrError> {
    let bar = ProgressBar::new(u64::try_from(set.images.len()).unwrap_or_default());
    if let Ok(style) = ProgressStyle::with_template(
        "{spinner} {prefix} [{elapsed}] {bar:24} {pos}/{len}, {eta} left  {wide_msg}",
    ) {
        bar.set_style(style);
    }
    bar.set_prefix(set.name.clone());
    bar.enable_steady_tick(Duration::from_millis(200));
    let result = measure(set, options, &mut |image| {
        bar.set_message(image.name.clone());
        bar.inc(1);
    });
    bar.finish_and_clear();
    Ok(result?)
}

fn tell(results: &[SetResult], worst: usize) {
    ui::data(format_args!("{}\n", report::table(results)));
    for set in results {
        ui::data(report::remarks(set));
    }
    if worst == 0 {
        return;
    }
    for set in results {
        let listed = report::worst(set, worst);
        if !listed.is_empty() {
            ui::data(format_args!("\n{listed}"));
        }
    }
}

fn details(results: &[SetResult]) -> Result<String, OcrError> {
    let mut text = String::new();
    for set in results {
        for image in &set.images {
            text.push_str(&serde_json::to_string(image)?);
            text.push('\n');
        }
    }
    Ok(text)
}
