//! The figures of a set, and what changed since another run.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::load::LoadError;
use super::measure::{mean, percentile};
use super::score::{FieldName, ImageResult, QrScore, SURE};
use super::verdict::Outcome;
use super::{BadFile, score::FieldScore};

/// A code decoded wrongly takes away what so many rightly decoded ones give, since the product trusts codes.
const WRONG_CODE_COSTS: f64 = 10.0;

/// A set as it was measured.
#[derive(Debug, Clone)]
pub struct SetResult {
    /// Name of the set.
    pub set: String,
    /// All photos by name.
    pub images: Vec<ImageResult>,
    /// Peak memory of the process, megabytes.
    pub peak_mb: Option<f64>,
}

/// The figures of a set as they are written to a file: one object a set, with these keys. Rates are 0 to 1 over all
/// photos of which the truth is known; absent where the set does not tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Name of the set.
    pub set: String,
    /// Photos measured.
    pub images: usize,
    /// Share with the right total.
    pub total: Option<f64>,
    /// Share with the right day.
    pub date: Option<f64>,
    /// Share with the right minute.
    pub time: Option<f64>,
    /// Share with a merchant alike by 0.9.
    pub merchant90: Option<f64>,
    /// Share with the right register number.
    pub r#fn: Option<f64>,
    /// F1 of lines of goods, over all lines of the set.
    pub item_f1: Option<f64>,
    /// Mean character error rate.
    pub cer: Option<f64>,
    /// Codes decoded rightly, less ten for each decoded wrongly, by all codes.
    pub qr: Option<f64>,
    /// Codes decoded wrongly.
    pub qr_wrong: Option<usize>,
    /// Share of receipts accepted or rejected without a person.
    pub auto_decided: Option<f64>,
    /// Share of those accepted without a person that have identity, date, total and eligibility right; absent when none
    /// was accepted.
    pub auto_precision: Option<f64>,
    /// Median seconds of processor time.
    pub seconds_median: Option<f64>,
    /// 95th percentile of the same.
    pub seconds_p95: Option<f64>,
    /// Peak memory of the process, megabytes.
    pub peak_mb: Option<f64>,
}

/// Figures that are shown and not written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct More {
    /// Share with the right tax id.
    pub tax: Option<f64>,
    /// Lines read rightly by lines read.
    pub item_precision: Option<f64>,
    /// Lines read rightly by lines that stand there.
    pub item_recall: Option<f64>,
    /// Receipts accepted without a person.
    pub accepted: usize,
    /// Receipts refused without a person although they earn.
    pub wrongly_rejected: usize,
    /// Fields read with a confidence of 0.9 or more, and how many of them are right.
    pub sure: (usize, usize),
    /// Photos that could not be read at all.
    pub unread: usize,
    /// Median seconds by the clock on the wall.
    pub wall_median: Option<f64>,
}

impl SetResult {
    /// The tiers of the set, the most frequent first.
    #[must_use]
    pub fn tiers(&self) -> Vec<String> {
        let mut tiers: Vec<String> = self.images.iter().filter_map(|i| i.tier.clone()).collect();
        tiers.sort();
        tiers.dedup();
        tiers
    }

    /// The figures of the whole set.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let all: Vec<&ImageResult> = self.images.iter().collect();
        Figures {
            peak_mb: self.peak_mb.map(rounded),
            ..figures(&self.set, &all)
        }
    }

    /// The figures of the photos that are of one of these tiers.
    #[must_use]
    pub fn of_tiers(&self, tiers: &[&str]) -> (Figures, More) {
        let some: Vec<&ImageResult> = self
            .images
            .iter()
            .filter(|i| i.tier.as_deref().is_some_and(|t| tiers.contains(&t)))
            .collect();
        (figures(&tiers.join("+"), &some), more(&some))
    }

    /// What is shown besides.
    #[must_use]
    pub fn more(&self) -> More {
        more(&self.images.iter().collect::<Vec<_>>())
    }

    /// The photos with something wrong, the worst first.
    #[must_use]
    pub fn worst(&self) -> Vec<&ImageResult> {
        let mut bad: Vec<_> = self
            .images
            .iter()
            .map(|image| (badness(image), image))
            .filter(|(points, _)| *points > 0.0)
            .collect();
        bad.sort_by(|a, b| b.0.total_cmp(&a.0));
        bad.into_iter().map(|(_, image)| image).collect()
    }
}

/// How bad a reading is: what costs money first, then what a decision hangs on, then the text.
fn badness(image: &ImageResult) -> f64 {
    let field = |score: &&FieldScore| match score.field {
        FieldName::Total => 3.0,
        FieldName::Date | FieldName::Fn => 2.0,
        FieldName::Time | FieldName::Tax | FieldName::Merchant => 1.0,
    };
    let fields: f64 = image
        .fields
        .iter()
        .filter(|f| !f.right)
        .map(|f| field(&f))
        .sum();
    let items = image.items.as_ref().map_or(0.0, |items| {
        let both = items.expected + items.got;
        3.0 * (1.0 - ratio(2 * items.right, both).unwrap_or(1.0))
    });
    let decision = image.decision.as_ref().map_or(0.0, |judged| {
        if !judged.faults.is_empty() {
            100.0
        } else if judged.is_wrongly_rejected() {
            50.0
        } else {
            0.0
        }
    });
    let code = match image.qr {
        Some(QrScore::Wrong) => 100.0,
        _ => 0.0,
    };
    // A text without a fault has a rate of some thousandths; that alone makes no bad reading.
    let text = image.cer.unwrap_or(0.0).min(1.0);
    let text = if text > 0.1 { 2.0 * text } else { 0.0 };
    let unread = if image.error.is_some() { 20.0 } else { 0.0 };
    fields + items + decision + code + text + unread
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Four decimals: more is not meant.
fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

fn field_share(images: &[&ImageResult], field: FieldName) -> Option<f64> {
    let scores = || {
        let all = images.iter().flat_map(|i| &i.fields);
        all.filter(|score| score.field == field)
    };
    ratio(scores().filter(|s| s.right).count(), scores().count()).map(rounded)
}

/// Lines that stand there, were read, were read rightly.
fn lines(images: &[&ImageResult]) -> Option<(usize, usize, usize)> {
    let scores: Vec<_> = images.iter().filter_map(|i| i.items.as_ref()).collect();
    (!scores.is_empty()).then(|| {
        scores.iter().fold((0, 0, 0), |sum, s| {
            (sum.0 + s.expected, sum.1 + s.got, sum.2 + s.right)
        })
    })
}

fn figures(set: &str, images: &[&ImageResult]) -> Figures {
    let codes: Vec<QrScore> = images.iter().filter_map(|i| i.qr).collect();
    let count = |score| codes.iter().filter(|s| **s == score).count();
    let wrong = count(QrScore::Wrong);
    let judged: Vec<_> = images.iter().filter_map(|i| i.decision.as_ref()).collect();
    let accepted: Vec<_> = judged
        .iter()
        .filter(|j| j.outcome == Outcome::Accepted)
        .collect();
    let rates: Vec<f64> = images.iter().filter_map(|i| i.cer).collect();
    let seconds: Vec<f64> = images.iter().map(|i| i.seconds).collect();
    Figures {
        set: set.to_owned(),
        images: images.len(),
        total: field_share(images, FieldName::Total),
        date: field_share(images, FieldName::Date),
        time: field_share(images, FieldName::Time),
        merchant90: field_share(images, FieldName::Merchant),
        r#fn: field_share(images, FieldName::Fn),
        item_f1: lines(images)
            .and_then(|(expected, got, right)| ratio(2 * right, expected + got))
            .map(rounded),
        cer: mean(&rates).map(rounded),
        qr: ratio(count(QrScore::Right), codes.len())
            .map(|share| share - WRONG_CODE_COSTS * wrong as f64 / codes.len() as f64)
            .map(rounded),
        qr_wrong: (!codes.is_empty()).then_some(wrong),
        auto_decided: ratio(
            judged.iter().filter(|j| j.is_automatic()).count(),
            judged.len(),
        )
        .map(rounded),
        auto_precision: ratio(
            accepted.iter().filter(|j| j.faults.is_empty()).count(),
            accepted.len(),
        )
        .map(rounded),
        seconds_median: percentile(&seconds, 50).map(rounded),
        seconds_p95: percentile(&seconds, 95).map(rounded),
        peak_mb: None,
    }
}

fn more(images: &[&ImageResult]) -> More {
    let counted = lines(images);
    let judged = || images.iter().filter_map(|i| i.decision.as_ref());
    let sure: Vec<_> = images
        .iter()
        .flat_map(|i| &i.fields)
        .filter(|f| f.confidence.is_some_and(|c| c >= SURE))
        .collect();
    let wall: Vec<f64> = images.iter().map(|i| i.wall_seconds).collect();
    More {
        tax: field_share(images, FieldName::Tax),
        item_precision: counted.and_then(|(_, got, right)| ratio(right, got)),
        item_recall: counted.and_then(|(expected, _, right)| ratio(right, expected)),
        accepted: judged().filter(|j| j.outcome == Outcome::Accepted).count(),
        wrongly_rejected: judged().filter(|j| j.is_wrongly_rejected()).count(),
        sure: (sure.len(), sure.iter().filter(|f| f.right).count()),
        unread: images.iter().filter(|i| i.error.is_some()).count(),
        wall_median: percentile(&wall, 50),
    }
}

/// All sets as the text of a file: a JSON array with an object a line.
#[must_use]
pub fn to_json(sets: &[Figures]) -> String {
    let rows: Vec<String> = sets
        .iter()
        .filter_map(|set| serde_json::to_string(set).ok())
        .collect();
    format!("[\n{}\n]\n", rows.join(",\n"))
}

/// The sets of an earlier run.
///
/// # Errors
/// [`LoadError::File`] when the file cannot be read or holds something else.
pub fn from_file(path: &Path) -> Result<Vec<Figures>, LoadError> {
    let bad = |reason: String| {
        LoadError::File(BadFile {
            path: path.to_owned(),
            reason,
        })
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| bad(format!("the earlier run cannot be read: {error}")))?;
    serde_json::from_str(&text)
        .map_err(|error| bad(format!("this is not the JSON of a run: {error}")))
}
