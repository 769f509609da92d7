//! Reading by hand: `kvit ocr read` for some photos, `kvit ocr bench` for folders of photos with ground truth.
//!
//! Neither needs a database, a bus or any setting: only the OCR engine and its languages.

mod bench;
mod read;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use kvit_ocr::annotate::AnnotateError;
use kvit_ocr::bench::{BenchError, LoadError};
use kvit_ocr::{EngineConfig, EngineError};

pub use bench::BenchArgs;
pub use read::ReadArgs;

/// What can be done by hand.
#[derive(Debug, Subcommand)]
pub enum OcrCommand {
    /// Read photos and print what was found
    ///
    /// Exit status: 0 all were read, 1 one could not be, 2 wrong use.
    Read(ReadArgs),
    /// Measure reading on folders of photos with ground truth
    ///
    /// A folder holds NAME.jpg beside NAME.json, or the folders img, key and box of SROIE. Rates are shares of the photos
    /// (1 is all) with the right total, day, minute, register number (fn), tax id and merchant (alike by 0.9); P, R and F1
    /// are about lines of goods (the same sum, a name alike by 0.8); CER is the character error rate. QR is the share of
    /// codes decoded, less ten for each decoded wrongly. "auto" is the share that the default campaign's rules decide
    /// without a person, "auto precision" how many of those accepted have identity, day, total and goods right. Seconds are
    /// processor time of one core for a photo, MB the peak memory of this process.
    ///
    /// Exit status: 0 measured, 1 not measured, 2 wrong use.
    Bench(BenchArgs),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OcrError {
    /// A folder or an earlier run that cannot be used.
    #[error(transparent)]
    Set(#[from] LoadError),
    /// A file that cannot be read or written.
    #[error("{}: {doing}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// The engine does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Options that do not fit each other.
    #[error("{0}")]
    Use(String),
    /// The picture of a reading could not be made.
    #[error("{}: no picture could be drawn", path.display())]
    Picture {
        /// The photo.
        path: PathBuf,
        /// Why.
        source: AnnotateError,
    },
    /// The answer could not be written as JSON: a fault of the program.
    #[error("the answer could not be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl OcrError {
    /// 2 for what the person at the keyboard can repair in the command, else 1.
    #[must_use]
    pub fn exit(&self) -> ExitCode {
        match self {
            Self::Set(_) | Self::Use(_) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

impl From<BenchError> for OcrError {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Load(error) => Self::Set(error),
            BenchError::Engine(error) => Self::Engine(error),
            BenchError::Step(sentence) => Self::Use(sentence),
        }
    }
}

/// Does what was asked. Reading keeps a thread busy, so the runtime is told.
///
/// # Errors
/// [`OcrError`] when there is no answer.
pub fn run(command: &OcrCommand) -> Result<ExitCode, OcrError> {
    tokio::task::block_in_place(|| match command {
        OcrCommand::Read(args) => read::run(args),
        OcrCommand::Bench(args) => bench::run(args),
    })
}

/// A step of reading and its value, as `STEP=VALUE`.
fn step(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err("expected STEP=VALUE".to_owned()),
    }
}

fn engine(languages: Option<&str>) -> EngineConfig {
    let default = EngineConfig::default();
    EngineConfig {
        languages: languages.map_or(default.languages, str::to_owned),
        ..default
    }
}

/// Says now that a file cannot be written, rather than after minutes of work.
fn writable(path: &Path) -> Result<(), OcrError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(OcrError::Use(format!(
            "{}: the folder of this file does not exist",
            path.display()
        )));
    }
    if path.is_dir() {
        return Err(OcrError::Use(format!(
            "{}: this is a folder",
            path.display()
        )));
    }
    Ok(())
}

fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), OcrError> {
    fs::write(path, content).map_err(|source| OcrError::File {
        path: path.to_owned(),
        doing: "the result cannot be written",
        source,
    })
}
