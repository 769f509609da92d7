//! `kvit ocr read`: what is read on some photos, as text, JSON or pictures.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use kvit_domain::money::Money;
use kvit_domain::recognition::{Confidence, Field, QrReading, Recognition};
use kvit_ocr::intake::FILE_BYTES_MAX;
use kvit_ocr::{ReadError, ReadOptions, Reader, annotate};
use serde_json::json;

use super::{OcrError, engine, step, writable, write};
use crate::ui;

/// Somebody waits for each answer here, and nobody else does.
const BUDGETS: ReadOptions = ReadOptions {
    qr_budget: Duration::from_secs(5),
    text_budget: Duration::from_secs(15),
};

/// What to read.
#[derive(Debug, Clone, clap::Args)]
pub struct ReadArgs {
    /// Photos of receipts: JPEG, PNG or WebP
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Print a JSON object for each photo, one a line
    #[arg(long)]
    pub json: bool,
    /// Write the photo with boxes around words, lines and fields; for several photos an existing folder
    #[arg(long, value_name = "OUT.png")]
    pub annotate: Option<PathBuf>,
    /// Languages of the engine, with + between
    #[arg(long, value_name = "LANGUAGES", default_value = "ukr+rus+eng")]
    pub lang: String,
    /// Leave out a step of reading; may be given several times
    #[arg(long, value_name = "STEP")]
    pub without: Vec<String>,
    /// Set a step of reading differently; may be given several times
    #[arg(long = "set", value_name = "STEP=VALUE", value_parser = step)]
    pub steps: Vec<(String, String)>,
}

pub(super) fn run(args: &ReadArgs) -> Result<ExitCode, OcrError> {
    if let Some(target) = &args.annotate {
        check_target(target, &args.files)?;
    }
    let mut reader = Reader::init(&engine(Some(&args.lang)))?;
    let without = args.without.iter().map(|step| (step.as_str(), "off"));
    let steps = args.steps.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    for (key, value) in without.chain(steps) {
        reader.set(key, value).map_err(OcrError::Use)?;
    }
    let mut failed = false;
    for path in &args.files {
        let photo = match bytes(path) {
            Ok(photo) => photo,
            Err(error) => {
                failed = true;
                unopened(args.json, path, &error);
                continue;
            }
        };
        let begun = Instant::now();
        let outcome = reader.read(&photo, &BUDGETS);
        let seconds = begun.elapsed().as_secs_f64();
        match outcome {
            Ok(recognition) => {
                told(args.json, path, seconds, &recognition);
                if let Some(target) = &args.annotate {
                    picture(target, path, &photo, args, &recognition)?;
                }
            }
            Err(error) => {
                failed = true;
                refused(args.json, path, &error);
            }
        }
    }
    Ok(match failed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// One photo goes to a file, several into a folder that exists.
fn check_target(target: &Path, files: &[PathBuf]) -> Result<(), OcrError> {
    if target.is_dir() {
        return Ok(());
    }
    if files.len() > 1 {
        return Err(OcrError::Use(format!(
            "{}: for several photos --annotate needs a folder that exists",
            target.display()
        )));
    }
    if files.iter().any(|file| file == target) {
        return Err(OcrError::Use(format!(
            "{}: the picture would overwrite the photo",
            target.display()
        )));
    }
    writable(target)
}

/// A byte more than is accepted is enough for the refusal, so no more is read of any file.
fn bytes(path: &Path) -> Result<Vec<u8>, OcrError> {
    let failed = |source| OcrError::File {
        path: path.to_owned(),
        doing: "the photo cannot be read",
        source,
    };
    let limit = u64::try_from(FILE_BYTES_MAX)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut photo = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(limit).read_to_end(&mut photo).map_err(failed)?;
    Ok(photo)
}

fn told(json: bool, path: &Path, seconds: f64, read: &Recognition) {
    if json {
        let row = json!({ "file": path.display().to_string(), "seconds": seconds, "read": read });
        ui::data(format_args!("{row}\n"));
    } else {
        ui::data(text(path, seconds, read));
    }
}

fn refused(json: bool, path: &Path, error: &ReadError) {
    if json {
        let cause = std::error::Error::source(error);
        let message = cause.map_or_else(|| error.to_string(), ToString::to_string);
        row_of_error(path, error.code(), &message);
    } else {
        ui::say(format_args!("{}: {}", path.display(), ui::chain(error)));
    }
}

fn unopened(json: bool, path: &Path, error: &OcrError) {
    if json {
        let cause = std::error::Error::source(error);
        let message = cause.map_or_else(|| error.to_string(), ToString::to_string);
        row_of_error(path, "file", &message);
    } else {
        ui::complain(error);
    }
}

fn row_of_error(path: &Path, code: &str, message: &str) {
    let error = json!({ "code": code, "message": message });
    let row = json!({ "file": path.display().to_string(), "error": error });
    ui::data(format_args!("{row}\n"));
}

fn picture(
    target: &Path,
    path: &Path,
    photo: &[u8],
    args: &ReadArgs,
    read: &Recognition,
) -> Result<(), OcrError> {
    let failed = |source| OcrError::Picture {
        path: path.to_owned(),
        source,
    };
    let lines = annotate::lines(photo, &engine(Some(&args.lang))).map_err(failed)?;
    let png = annotate::png(photo, &lines, read).map_err(failed)?;
    let out = match target.is_dir() {
        true => target
            .join(path.file_stem().unwrap_or_default())
            .with_extension("png"),
        false => target.to_owned(),
    };
    write(&out, png)
}

/// A reading for people, field by field with the confidence of each, then the text.
fn text(path: &Path, seconds: f64, read: &Recognition) -> String {
    let mut out = format!(
        "{}: {seconds:.2} s, confidence {}\n",
        path.display(),
        share(read.confidence)
    );
    let mut row = |name: &str, value: &str| out.push_str(&format!("  {name:<10} {value}\n"));
    row("code", &code(&read.qr));
    let money = |minor: i64| Money::new(minor, read.currency).to_string();
    let fields = [
        ("merchant", field(read.merchant.as_ref(), String::clone)),
        ("tax id", field(read.tax_id.as_ref(), String::clone)),
        (
            "register",
            field(read.register_number.as_ref(), String::clone),
        ),
        (
            "receipt",
            field(read.receipt_number.as_ref(), String::clone),
        ),
        (
            "time",
            field(read.purchased_at.as_ref(), |at| at.to_string()),
        ),
        (
            "date",
            field(read.purchased_on.as_ref(), |on| on.to_string()),
        ),
        (
            "total",
            field(read.total_minor.as_ref(), |minor| money(*minor)),
        ),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            row(name, &value);
        }
    }
    if read.is_return {
        row("return", "yes");
    }
    for item in &read.items {
        let discount = match item.discount_minor {
            0 => String::new(),
            minor => format!(" less {}", money(minor)),
        };
        row(
            "item",
            &format!(
                "{} | {} = {}{discount} ({})",
                item.name,
                item.quantity,
                money(item.sum_minor),
                share(item.confidence)
            ),
        );
    }
    for anomaly in &read.anomalies {
        row("doubt", &format!("{anomaly:?}"));
    }
    let stages = read
        .stage_ms
        .iter()
        .map(|(name, ms)| format!("{name} {ms} ms"));
    row("stages", &stages.collect::<Vec<_>>().join(", "));
    for line in read.text.lines() {
        out.push_str(&format!("  | {line}\n"));
    }
    out
}

fn field<T>(field: Option<&Field<T>>, value: impl Fn(&T) -> String) -> Option<String> {
    field.map(|field| format!("{} ({})", value(&field.value), share(field.confidence)))
}

fn share(confidence: Confidence) -> String {
    let value = confidence.thousandths();
    format!("{}.{:03}", value / 1_000, value % 1_000)
}

fn code(qr: &QrReading) -> String {
    match qr {
        QrReading::Missing => "none decoded".to_owned(),
        QrReading::Fiscal { fiscal, step } => format!(
            "{} of {}, register {}, receipt {}{} ({step})",
            Money::new(fiscal.total_minor, fiscal.currency),
            fiscal.purchased_at,
            fiscal.register_number,
            fiscal.receipt_number,
            if fiscal.is_return { ", a return" } else { "" },
        ),
        QrReading::Incomplete { missing, step } => {
            format!("fiscal, but lacks {} ({step})", missing.join(", "))
        }
        QrReading::NotAReceipt { step } => format!("of something else ({step})"),
    }
}
