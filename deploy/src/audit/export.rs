//! `kvit export`: the books in forms that other programs read.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use chrono::NaiveDate;
use clap::ValueEnum;
use kvit_adapters::audit::export_bundle;
use kvit_domain::event::Position;
use kvit_projections::export::{ExportError, Format, Period, export};
use kvit_projections::log;

use super::{AuditError, Desk, rate};
use crate::ui;

/// The forms by the names of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// A journal that `hledger check` accepts
    Hledger,
    /// A journal that `bean-check` accepts
    Beancount,
    /// A table with a row for each leg
    Csv,
    /// Every event of the log, one JSON object a line
    Jsonl,
    /// A folder of events and checkpoints that `kvit-verify` checks without a database
    Bundle,
}

impl Form {
    const fn format(self) -> Option<Format> {
        match self {
            Self::Hledger => Some(Format::Hledger),
            Self::Beancount => Some(Format::Beancount),
            Self::Csv => Some(Format::Csv),
            Self::Jsonl => Some(Format::Jsonl),
            Self::Bundle => None,
        }
    }
}

/// What to export.
#[derive(Debug, Clone, clap::Args)]
pub struct ExportArgs {
    /// The form
    #[arg(long, value_enum)]
    pub format: Form,
    /// The file to write, or a folder for a file named `kvit.<form>`; for a bundle, the folder to make
    #[arg(long, value_name = "FILE|FOLDER")]
    pub out: PathBuf,
    /// The first value date; earlier bookings become opening balances. For events: the first day, in UTC
    #[arg(long, value_name = "DAY")]
    pub from: Option<NaiveDate>,
    /// The last value date; for events the last day, in UTC
    #[arg(long, value_name = "DAY")]
    pub to: Option<NaiveDate>,
    /// Only what the log held up to this position: the same position gives the same bytes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub until_position: Option<Position>,
}

/// Exports to a file that appears when it is whole.
///
/// # Errors
/// [`AuditError`]; then there is no new file.
pub async fn run(args: &ExportArgs) -> Result<ExitCode, AuditError> {
    let period = Period {
        from: args.from,
        to: args.to,
    };
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(AuditError::Use(format!("{from} lies after {to}")));
    }
    let Some(format) = args.format.format() else {
        return bundle(args).await;
    };
    let path = if args.out.is_dir() {
        args.out.join(format!("kvit.{}", format.ending()))
    } else {
        args.out.clone()
    };
    let desk = Desk::open("export")?;
    let pool = desk.pool("export")?;
    let head = log::head(&pool).await?;
    if let Some(until) = args.until_position.filter(|until| *until > head) {
        return Err(ExportError::Short { ends: head, until }.into());
    }
    let until = args.until_position.unwrap_or(head);
    let begun = Instant::now();
    let mut file = Whole::create(&path)?;
    let done = export(&pool, format, period, Some(until), &mut file).await?;
    file.finish()?;
    pool.close().await;
    let took = begun.elapsed();
    let what = match format {
        Format::Jsonl => "events",
        _ => "bookings",
    };
    ui::note(format_args!(
        "{}: {} {what} of {} events up to position {}, {} ms, {} events/s",
        path.display(),
        done.written,
        done.events,
        done.position,
        took.as_millis(),
        rate(done.events, took)
    ));
    Ok(ExitCode::SUCCESS)
}

async fn bundle(args: &ExportArgs) -> Result<ExitCode, AuditError> {
    if args.from.is_some() || args.to.is_some() {
        return Err(AuditError::Use(
            "a bundle is whole from the first event on; it has no --from and no --to".to_owned(),
        ));
    }
    let desk = Desk::open("export")?;
    let pool = desk.pool("export")?;
    let begun = Instant::now();
    let manifest = export_bundle(&pool, args.until_position, &args.out).await?;
    pool.close().await;
    let took = begun.elapsed();
    ui::note(format_args!(
        "{}: {} events up to position {}, {} checkpoints, {} ms, {} events/s",
        args.out.display(),
        manifest.events,
        manifest.until,
        manifest.checkpoints,
        took.as_millis(),
        rate(manifest.events, took)
    ));
    Ok(ExitCode::SUCCESS)
}

/// A file that only its owner may read and that has its name only when it is whole.
pub struct Whole {
    path: PathBuf,
    part: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Whole {
    /// Begins a file.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path) -> std::io::Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".part-{}", std::process::id()));
        let part = path.with_file_name(name);
        // A file of an earlier process with this number is nobody's any more.
        match fs::remove_file(&part) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&part)?;
        Ok(Self {
            path: path.to_owned(),
            part,
            file: Some(BufWriter::new(file)),
        })
    }

    /// The open file for another process to write into. Mixed with [`Write`] the order is anybody's guess.
    ///
    /// # Errors
    /// When the process has too many files open.
    pub fn handle(&self) -> std::io::Result<File> {
        match &self.file {
            Some(file) => file.get_ref().try_clone(),
            None => Err(std::io::Error::other("the file is closed")),
        }
    }

    /// Where the file is until it has its name.
    #[must_use]
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// Gives the file its name, safely on disk.
    ///
    /// # Errors
    /// When the disk is full or the name cannot be given.
    pub fn finish(mut self) -> std::io::Result<()> {
        if let Some(file) = self.file.take() {
            let file = file
                .into_inner()
                .map_err(std::io::IntoInnerError::into_error)?;
            file.sync_all()?;
            fs::rename(&self.part, &self.path)?;
            // A name is safe when its folder is.
            let folder = self
                .path
                .parent()
                .filter(|path| !path.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(())
    }
}

impl Write for Whole {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => Err(std::io::Error::other("the file is closed")),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Whole {
    /// What did not come to its end leaves nothing.
    fn drop(&mut self) {
        let _renamed_or_gone = fs::remove_file(&self.part);
    }
}
