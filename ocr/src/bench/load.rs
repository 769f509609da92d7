//! Folders of photos with ground truth, in the layouts that exist.
//!
//! - *Synthetic*: `NAME.jpg` beside `NAME.json`, which holds every field, the goods, the code and the text.
//! - *SROIE*: `img/NAME.jpg`, `key/NAME.json` with company, date and total, `box/NAME.csv` (or `.txt`) with the lines and
//!   their corners, as in the ICDAR 2019 competition on scanned receipts.
//!
//! Only ground truth is read here; photos are opened one at a time when they are measured.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kvit_domain::money::Currency;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::truth::{self, Truth, TruthItem};
use super::{BadFile, shown};

/// Endings of files that are photos.
const PHOTOS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];
/// Ground truth of one photo has some kilobytes.
const TRUTH_BYTES_MAX: u64 = 1_000_000;

/// The layout of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetKind {
    /// Photo and JSON side by side.
    Synthetic,
    /// Folders `img`, `key` and `box`.
    Sroie,
}

impl SetKind {
    /// The layout of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "synthetic" => Some(Self::Synthetic),
            "sroie" => Some(Self::Sroie),
            _ => None,
        }
    }

    /// Languages of its receipts, in Tesseract's notation.
    #[must_use]
    pub const fn languages(self) -> &'static str {
        match self {
            Self::Synthetic => "ukr+rus+eng",
            Self::Sroie => "eng",
        }
    }
}

/// A photo and its truth.
#[derive(Debug, Clone)]
pub struct Labelled {
    /// Name of the file without its ending.
    pub name: String,
    /// The photo.
    pub path: PathBuf,
    /// What stands on it.
    pub truth: Truth,
}

/// A set ready to be measured.
#[derive(Debug, Clone)]
pub struct DataSet {
    /// Name of its folder.
    pub name: String,
    /// Its layout.
    pub kind: SetKind,
    /// Its photos by name.
    pub images: Vec<Labelled>,
}

/// Why a folder is not a usable set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// There is no such folder.
    #[error("{0}: no such directory")]
    NoDirectory(String),
    /// It could not be listed.
    #[error("{dir}: the directory cannot be read: {reason}")]
    Unreadable {
        /// The folder.
        dir: String,
        /// What the system said.
        reason: String,
    },
    /// The files are not laid out in a known way.
    #[error(
        "{0}: unknown layout; expected NAME.jpg beside NAME.json, or the folders img, key and box"
    )]
    UnknownLayout(String),
    /// A file of the set is missing or not what it should be.
    #[error("{}: {}", shown(&.0.path), .0.reason)]
    File(BadFile),
    /// Nothing is left of the set by the names asked for.
    #[error("{dir}: no image of the set is named {names}")]
    NoneOfThese {
        /// The folder.
        dir: String,
        /// The names.
        names: String,
    },
}

impl DataSet {
    /// Reads the ground truth of a set. The layout is recognised unless it is given.
    ///
    /// # Errors
    /// [`LoadError`]: the first thing that is wrong, with the file that it is about.
    pub fn load(dir: &Path, kind: Option<SetKind>) -> Result<Self, LoadError> {
        if !dir.is_dir() {
            return Err(LoadError::NoDirectory(shown(dir)));
        }
        let kind = match kind {
            Some(kind) => kind,
            None => recognise(dir)?,
        };
        let images = match kind {
            SetKind::Synthetic => synthetic(dir)?,
            SetKind::Sroie => sroie(dir)?,
        };
        if images.is_empty() {
            return Err(LoadError::UnknownLayout(shown(dir)));
        }
        let name = dir
            .canonicalize()
            .ok()
            .and_then(|full| Some(full.file_name()?.to_string_lossy().into_owned()))
            .unwrap_or_else(|| shown(dir));
        Ok(Self { name, kind, images })
    }

    /// Keeps the photos with these names.
    ///
    /// # Errors
    /// [`LoadError::NoneOfThese`].
    pub fn keep(&mut self, names: &[String]) -> Result<(), LoadError> {
        self.images.retain(|image| names.contains(&image.name));
        match self.images.is_empty() {
            true => Err(LoadError::NoneOfThese {
                dir: self.name.clone(),
                names: names.join(", "),
            }),
            false => Ok(()),
        }
    }
}

fn recognise(dir: &Path) -> Result<SetKind, LoadError> {
    if dir.join("img").is_dir() && dir.join("key").is_dir() {
        return Ok(SetKind::Sroie);
    }
    match files(dir)?.values().any(|file| ending(file) == "json") {
        true => Ok(SetKind::Synthetic),
        false => Err(LoadError::UnknownLayout(shown(dir))),
    }
}

/// Files of a folder by name with ending.
fn files(dir: &Path) -> Result<BTreeMap<String, PathBuf>, LoadError> {
    let failed = |error: std::io::Error| LoadError::Unreadable {
        dir: shown(dir),
        reason: error.to_string(),
    };
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_file()
            && let Some(name) = path.file_name()
        {
            found.insert(name.to_string_lossy().into_owned(), path.clone());
        }
    }
    Ok(found)
}

fn ending(path: &Path) -> String {
    path.extension()
        .map(|e| e.to_string_lossy().to_lowercase())
        .unwrap_or_default()
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .map(|s| s.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The photos of a folder by name.
fn photos(dir: &Path) -> Result<Vec<(String, PathBuf)>, LoadError> {
    let found = files(dir)?.into_values();
    Ok(found
        .filter(|path| PHOTOS.contains(&ending(path).as_str()))
        .map(|path| (stem(&path), path))
        .collect())
}

fn bad(path: &Path, reason: impl ToString) -> LoadError {
    LoadError::File(BadFile {
        path: path.to_owned(),
        reason: reason.to_string(),
    })
}

fn text_of(path: &Path) -> Result<String, LoadError> {
    let size = std::fs::metadata(path)
        .map_err(|error| bad(path, format!("the ground truth cannot be read: {error}")))?
        .len();
    if size > TRUTH_BYTES_MAX {
        return Err(bad(path, "the ground truth is larger than a megabyte"));
    }
    std::fs::read_to_string(path)
        .map_err(|error| bad(path, format!("the ground truth cannot be read: {error}")))
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, LoadError> {
    serde_json::from_str(&text_of(path)?).map_err(|error| {
        bad(
            path,
            format!("the ground truth is not as expected: {error}"),
        )
    })
}

/// An absent or empty text is nothing; another one must have the form that `read` knows.
fn parsed<T>(
    path: &Path,
    field: &str,
    text: Option<&str>,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, LoadError> {
    match text.map(str::trim).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => match read(text) {
            Some(value) => Ok(Some(value)),
            None => Err(bad(path, format!("{field} is not readable: {text}"))),
        },
    }
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

#[derive(Deserialize)]
struct SyntheticTruth {
    merchant: Option<String>,
    merchant_key: Option<String>,
    tax_id: Option<String>,
    fiscal_number: Option<String>,
    receipt_no: Option<String>,
    date: Option<String>,
    time: Option<String>,
    total: String,
    currency: Option<String>,
    #[serde(default)]
    items: Vec<SyntheticItem>,
    qr: Option<String>,
    text: String,
    degrade: Option<SyntheticTier>,
}

#[derive(Deserialize)]
struct SyntheticItem {
    name: String,
    sum: String,
}

#[derive(Deserialize)]
struct SyntheticTier {
    tier: Option<String>,
}

fn synthetic(dir: &Path) -> Result<Vec<Labelled>, LoadError> {
    let mut photos: BTreeMap<String, PathBuf> = photos(dir)?.into_iter().collect();
    let mut images = Vec::new();
    let truths = files(dir)?.into_values().filter(|p| ending(p) == "json");
    for path in truths {
        let name = stem(&path);
        let photo = photos
            .remove(&name)
            .ok_or_else(|| bad(&path, "there is no photo of this name beside it"))?;
        images.push(Labelled {
            truth: synthetic_truth(&path)?,
            path: photo,
            name,
        });
    }
    match photos.into_values().next() {
        Some(photo) => Err(bad(
            &photo,
            "there is no ground truth of this name beside it",
        )),
        None => Ok(images),
    }
}

fn synthetic_truth(path: &Path) -> Result<Truth, LoadError> {
    let read: SyntheticTruth = json(path)?;
    let sum = |text: &str| parsed(path, "a sum", Some(text), truth::minor);
    let mut items = Vec::new();
    for item in read.items {
        let sum_minor = sum(&item.sum)?.ok_or_else(|| bad(path, "an item has no sum"))?;
        items.push(TruthItem {
            name: item.name,
            sum_minor,
        });
    }
    Ok(Truth {
        merchant_key: filled(read.merchant_key),
        merchant: filled(read.merchant),
        tax_id: filled(read.tax_id),
        register_number: filled(read.fiscal_number),
        receipt_number: filled(read.receipt_no),
        date: parsed(path, "date", read.date.as_deref(), truth::day)?,
        time: parsed(path, "time", read.time.as_deref(), truth::time)?,
        total_minor: sum(&read.total)?,
        currency: read.currency.as_deref().and_then(currency),
        items: Some(items),
        qr: filled(read.qr),
        text: filled(Some(read.text)),
        tier: filled(read.degrade.and_then(|degrade| degrade.tier)),
    })
}

fn currency(code: &str) -> Option<Currency> {
    [Currency::Uah, Currency::Rub, Currency::Usd, Currency::Eur]
        .into_iter()
        .find(|known| known.code() == code)
}

#[derive(Deserialize)]
struct SroieKey {
    company: Option<String>,
    date: Option<String>,
    total: Option<String>,
}

fn sroie(dir: &Path) -> Result<Vec<Labelled>, LoadError> {
    let mut images = Vec::new();
    for (name, path) in photos(&dir.join("img"))? {
        let key_path = dir.join("key").join(format!("{name}.json"));
        let key: SroieKey = json(&key_path)?;
        let boxes = ["csv", "txt"].map(|end| dir.join("box").join(format!("{name}.{end}")));
        let text = match boxes.iter().find(|path| path.is_file()) {
            Some(path) => Some(box_text(&text_of(path)?)),
            None => None,
        };
        let truth = Truth {
            merchant_key: filled(key.company),
            date: parsed(&key_path, "date", key.date.as_deref(), truth::day)?,
            total_minor: parsed(&key_path, "total", key.total.as_deref(), truth::minor)?,
            text: text.and_then(|text| filled(Some(text))),
            ..Truth::default()
        };
        images.push(Labelled { name, path, truth });
    }
    Ok(images)
}

/// The text of a file of boxes (`x1,y1,…,x4,y4,text` a line) in reading order: boxes whose middle lies within the height
/// of a row's first box are one row, read from left to right.
fn box_text(table: &str) -> String {
    struct Box<'a> {
        left: i64,
        top: i64,
        bottom: i64,
        text: &'a str,
    }
    let mut boxes: Vec<Box<'_>> = table
        .lines()
        .filter_map(|row| {
            let cells: Vec<&str> = row.trim_end().splitn(9, ',').collect();
            let [x1, y1, _, _, _, y3, _, _, text] = cells.as_slice() else {
                return None;
            };
            let number = |cell: &str| cell.trim_start_matches('\u{feff}').trim().parse().ok();
            Some(Box {
                left: number(x1)?,
                top: number(y1)?,
                bottom: number(y3)?,
                text,
            })
        })
        .collect();
    boxes.sort_by_key(|b| (b.top, b.left));
    let mut rows: Vec<Vec<Box<'_>>> = Vec::new();
    for next in boxes {
        let middle = (next.top + next.bottom) / 2;
        match rows.last_mut() {
            Some(row)
                if row
                    .first()
                    .is_some_and(|b| (b.top..=b.bottom).contains(&middle)) =>
            {
                row.push(next);
            }
            _ => rows.push(vec![next]),
        }
    }
    let lines = rows.into_iter().map(|mut row| {
        row.sort_by_key(|b| b.left);
        row.iter().map(|b| b.text).collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}
