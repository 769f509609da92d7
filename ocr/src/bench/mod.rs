//! How well receipts are read, measured on folders of photos with ground truth.
//!
//! - [`load`]: the layouts of such folders, and what is wrong with one that cannot be used.
//! - [`truth`]: what stands on a receipt, in one form for all layouts.
//! - [`measure`]: error rates and likeness of texts.
//! - [`score`]: one reading beside its truth, field by field.
//! - [`verdict`]: what the rules make of a reading, and whether that is right.
//! - [`summary`]: the figures of a set, as a table and as JSON, and what changed since another run.
//! - [`meter`]: processor time and memory.
//!
//! The bench reads with the product's own [`Reader`] and judges with the product's own rules, so what it measures is
//! what a shopper meets. Figures are ratios and seconds, hence floating point; money stays in integers here too.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "ratios and times of a measurement; no value of a receipt is computed here"
)]

pub mod load;
pub mod measure;
pub mod meter;
pub mod report;
pub mod score;
pub mod summary;
#[cfg(test)]
mod tests;
pub mod truth;
pub mod verdict;

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use crate::engine::{EngineConfig, EngineError};
use crate::reader::{ReadOptions, Reader};

pub use load::{DataSet, LoadError, SetKind};
pub use score::ImageResult;
pub use summary::{Figures, SetResult};

/// How a set is measured.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    /// How each photo is read.
    pub read: ReadOptions,
    /// Languages in Tesseract's notation; those of the set's layout when absent.
    pub languages: Option<String>,
    /// Folder with the trained data; the engine's own default when absent.
    pub data_path: Option<String>,
    /// Photos read at once, each by an engine and a thread of its own. Times are per photo, whatever the number.
    pub jobs: NonZeroUsize,
    /// Steps of reading that are set differently from what was chosen, in order: see [`Reader::set`].
    pub steps: Vec<(String, String)>,
}

impl BenchOptions {
    /// Gives each photo so many times the usual time. The reader's budgets are by the clock on the wall, so on a machine
    /// that is busy with something else photos would be read worse than they are on an idle one.
    #[must_use]
    pub fn patient(mut self, times: NonZeroU32) -> Self {
        let usual = ReadOptions::default();
        self.read.qr_budget = usual.qr_budget.saturating_mul(times.get());
        self.read.text_budget = usual.text_budget.saturating_mul(times.get());
        self
    }
}

impl Default for BenchOptions {
    fn default() -> Self {
        Self {
            read: ReadOptions::default(),
            languages: None,
            data_path: None,
            jobs: NonZeroUsize::MIN,
            steps: Vec::new(),
        }
    }
}

/// Why a set could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The folder is not a usable set.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// No engine could be started.
    #[error("the engine for the set could not be started")]
    Engine(#[from] EngineError),
    /// A step of reading that cannot be set so.
    #[error("{0}")]
    Step(String),
}

/// Reads every photo of a set with warm engines and scores it. `each` is told of every photo as it is done, in the
/// order in which they end.
///
/// A photo that cannot be read does not stop the run: it counts as wrong in every field, and its result says why.
///
/// # Errors
/// [`BenchError::Engine`] when an engine does not start, [`BenchError::Step`] for an unknown step or value.
pub fn run(
    set: &DataSet,
    options: &BenchOptions,
    each: &mut dyn FnMut(&ImageResult),
) -> Result<SetResult, BenchError> {
    let config = EngineConfig {
        languages: options
            .languages
            .clone()
            .unwrap_or_else(|| set.kind.languages().to_owned()),
        data_path: options.data_path.clone(),
    };
    let jobs = options.jobs.get().min(set.images.len().max(1));
    let mut readers = Vec::with_capacity(jobs);
    for _ in 0..jobs {
        let mut reader = Reader::init(&config)?;
        for (step, value) in &options.steps {
            reader.set(step, value).map_err(BenchError::Step)?;
        }
        readers.push(reader);
    }
    meter::reset_peak();
    let next = AtomicUsize::new(0);
    let (send, results) = mpsc::channel();
    let mut done: Vec<(usize, ImageResult)> = std::thread::scope(|scope| {
        for mut reader in readers {
            let (send, next) = (send.clone(), &next);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(image) = set.images.get(index) else {
                        return;
                    };
                    let result = one(&mut reader, image, &options.read);
                    if send.send((index, result)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        results.iter().inspect(|(_, result)| each(result)).collect()
    });
    done.sort_by_key(|(index, _)| *index);
    Ok(SetResult {
        set: set.name.clone(),
        images: done.into_iter().map(|(_, result)| result).collect(),
        peak_mb: meter::peak_mb(),
    })
}

fn one(reader: &mut Reader, image: &load::Labelled, options: &ReadOptions) -> ImageResult {
    let bytes = match std::fs::read(&image.path) {
        Ok(bytes) => bytes,
        Err(error) => return score::unread(image, error.to_string(), meter::Spent::default()),
    };
    let (wall, cpu) = (Instant::now(), meter::thread_cpu());
    let outcome = reader.read(&bytes, options);
    let spent = meter::Spent::since(wall, cpu);
    match outcome {
        Ok(recognition) => score::read(image, &recognition, spent),
        Err(error) => score::unread(image, with_cause(&error), spent),
    }
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// A path for a message.
fn shown(path: &std::path::Path) -> String {
    path.display().to_string()
}

/// A file of a set that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFile {
    /// Which one.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}
