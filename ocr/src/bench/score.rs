//! One reading beside its truth, field by field.

use chrono::{NaiveDate, NaiveTime, Timelike};
use kvit_domain::recognition::{ReceiptItem, Recognition};
use serde::Serialize;

use super::load::Labelled;
use super::measure::{MERCHANT_ALIKE, NAME_ALIKE, error_rate, folded, likeness, merchant_likeness};
use super::meter::Spent;
use super::truth::{Truth, TruthItem};
use super::verdict::{self, Judged};
use crate::fiscal_qr::{self, QrContent};

/// Confidence in thousandths from which a field is reported as sure; the product promises that nearly all of these are
/// right.
pub const SURE: u16 = 900;

/// A field that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldName {
    /// Sum to pay: the same amount.
    Total,
    /// Day of the purchase: the same day.
    Date,
    /// Time of the purchase: the same minute, since many codes hold no seconds.
    Time,
    /// Fiscal number of the register: the same digits.
    Fn,
    /// Tax id: the same digits.
    Tax,
    /// Merchant: alike by [`MERCHANT_ALIKE`].
    Merchant,
}

impl FieldName {
    /// Every field.
    pub const ALL: [Self; 6] = [
        Self::Total,
        Self::Date,
        Self::Time,
        Self::Fn,
        Self::Tax,
        Self::Merchant,
    ];

    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Date => "date",
            Self::Time => "time",
            Self::Fn => "fn",
            Self::Tax => "tax",
            Self::Merchant => "merchant",
        }
    }
}

/// One field of one photo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldScore {
    /// Which field.
    pub field: FieldName,
    /// What stands there.
    pub expected: String,
    /// What was read; empty when nothing was.
    pub got: String,
    /// Whether that counts as read.
    pub right: bool,
    /// Confidence of the reading in thousandths.
    pub confidence: Option<u16>,
}

/// The goods of one photo.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ItemScore {
    /// Lines that stand there.
    pub expected: usize,
    /// Lines that were read.
    pub got: usize,
    /// Lines read rightly: the same sum and a name alike by [`NAME_ALIKE`], each line once.
    pub right: usize,
    /// Lines that were not read, and lines that stand nowhere, for the list of the worst.
    pub missed: Vec<String>,
    /// Lines that were read and stand nowhere.
    pub invented: Vec<String>,
}

/// What became of the code of one photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QrScore {
    /// Decoded, with the content that it has.
    Right,
    /// Not decoded, or not as a complete fiscal code.
    Missed,
    /// Decoded with another content.
    Wrong,
}

/// All about one photo.
#[derive(Debug, Clone, Serialize)]
pub struct ImageResult {
    /// Its name.
    pub name: String,
    /// How hard it is, in the set's words.
    pub tier: Option<String>,
    /// The fields that the set tells of.
    pub fields: Vec<FieldScore>,
    /// The goods, when the set tells of them.
    pub items: Option<ItemScore>,
    /// Character error rate of the text.
    pub cer: Option<f64>,
    /// The code, when there is one.
    pub qr: Option<QrScore>,
    /// What the rules make of it, when the set tells enough.
    pub decision: Option<Judged>,
    /// Seconds of processor time.
    pub seconds: f64,
    /// Seconds by the clock on the wall.
    pub wall_seconds: f64,
    /// Milliseconds by stage.
    pub stage_ms: Vec<(String, u32)>,
    /// Overall confidence in thousandths.
    pub confidence: u16,
    /// Why it could not be read at all.
    pub error: Option<String>,
}

/// Scores a reading.
#[must_use]
pub fn read(image: &Labelled, recognition: &Recognition, spent: Spent) -> ImageResult {
    let truth = &image.truth;
    ImageResult {
        name: image.name.clone(),
        tier: truth.tier.clone(),
        fields: fields(truth, recognition),
        items: truth
            .items
            .as_ref()
            .map(|expected| items(expected, &recognition.items)),
        cer: truth
            .text
            .as_ref()
            .map(|text| error_rate(&recognition.text, text)),
        qr: truth.qr.as_ref().map(|content| qr(content, recognition)),
        decision: verdict::judge(truth, recognition),
        seconds: spent.cpu,
        wall_seconds: spent.wall,
        stage_ms: recognition.stage_ms.clone(),
        confidence: recognition.confidence.thousandths(),
        error: None,
    }
}

/// Scores a photo that could not be read: everything is wrong, and a person would have to look.
#[must_use]
pub fn unread(image: &Labelled, error: String, spent: Spent) -> ImageResult {
    let truth = &image.truth;
    ImageResult {
        name: image.name.clone(),
        tier: truth.tier.clone(),
        fields: expected(truth)
            .into_iter()
            .map(|(field, expected)| FieldScore {
                field,
                expected,
                got: String::new(),
                right: false,
                confidence: None,
            })
            .collect(),
        items: truth.items.as_ref().map(|expected| items(expected, &[])),
        cer: truth.text.as_ref().map(|_| 1.0),
        qr: truth.qr.as_ref().map(|_| QrScore::Missed),
        decision: truth.currency.map(|_| Judged::default()),
        seconds: spent.cpu,
        wall_seconds: spent.wall,
        stage_ms: Vec::new(),
        confidence: 0,
        error: Some(error),
    }
}

/// The fields that the truth tells, as text.
fn expected(truth: &Truth) -> Vec<(FieldName, String)> {
    [
        (FieldName::Total, truth.total_minor.map(|v| v.to_string())),
        (FieldName::Date, truth.date.map(|v| v.to_string())),
        (FieldName::Time, truth.time.map(minute)),
        (FieldName::Fn, truth.register_number.clone()),
        (FieldName::Tax, truth.tax_id.clone()),
        (FieldName::Merchant, truth.merchant_key.clone()),
    ]
    .into_iter()
    .filter_map(|(field, value)| Some((field, value?)))
    .collect()
}

fn minute(time: NaiveTime) -> String {
    format!("{:02}:{:02}", time.hour(), time.minute())
}

fn fields(truth: &Truth, recognition: &Recognition) -> Vec<FieldScore> {
    expected(truth)
        .into_iter()
        .map(|(field, expected)| {
            let (got, confidence) = found(field, recognition).unzip();
            let got = got.unwrap_or_default();
            let right = match field {
                FieldName::Merchant => {
                    let printed = truth.merchant.as_deref();
                    merchant_likeness(&got, &expected, printed) >= MERCHANT_ALIKE
                }
                _ => folded(&got) == folded(&expected),
            };
            FieldScore {
                field,
                expected,
                got,
                right,
                confidence,
            }
        })
        .collect()
}

/// What was read for a field: from the code where it speaks, else from the text.
fn found(field: FieldName, read: &Recognition) -> Option<(String, u16)> {
    let coded = read.qr.fiscal();
    let certain = 1_000;
    match field {
        FieldName::Total => match coded {
            Some(qr) => Some((qr.total_minor.to_string(), certain)),
            None => of(read.total_minor.as_ref(), i64::to_string),
        },
        FieldName::Date => match coded {
            Some(qr) => Some((qr.purchased_at.date().to_string(), certain)),
            None => of(read.purchased_at.as_ref(), |at| at.date().to_string())
                .or_else(|| of(read.purchased_on.as_ref(), NaiveDate::to_string)),
        },
        FieldName::Time => match coded {
            Some(qr) => Some((minute(qr.purchased_at.time()), certain)),
            None => of(read.purchased_at.as_ref(), |at| minute(at.time())),
        },
        FieldName::Fn => match coded {
            Some(qr) => Some((qr.register_number.clone(), certain)),
            None => of(read.register_number.as_ref(), String::clone),
        },
        FieldName::Tax => of(read.tax_id.as_ref(), String::clone),
        FieldName::Merchant => of(read.merchant.as_ref(), String::clone),
    }
}

fn of<T>(
    field: Option<&kvit_domain::recognition::Field<T>>,
    text: impl Fn(&T) -> String,
) -> Option<(String, u16)> {
    field.map(|field| (text(&field.value), field.confidence.thousandths()))
}

/// Pairs lines of goods: every pair with the same sum and a name alike enough, the most alike first.
fn items(expected: &[TruthItem], got: &[ReceiptItem]) -> ItemScore {
    let mut pairs = Vec::new();
    for (line, truth) in expected.iter().enumerate() {
        for (other, read) in got.iter().enumerate() {
            let alike = likeness(&truth.name, &read.name);
            if truth.sum_minor == read.sum_minor && alike >= NAME_ALIKE {
                pairs.push((alike, line, other));
            }
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut lines, mut others) = (vec![false; expected.len()], vec![false; got.len()]);
    for (_, line, other) in pairs {
        if !lines[line] && !others[other] {
            (lines[line], others[other]) = (true, true);
        }
    }
    let row = |name: &str, minor: i64| format!("{name} = {minor}");
    ItemScore {
        expected: expected.len(),
        got: got.len(),
        right: lines.iter().filter(|hit| **hit).count(),
        missed: expected
            .iter()
            .zip(&lines)
            .filter(|(_, hit)| !**hit)
            .map(|(item, _)| row(&item.name, item.sum_minor))
            .collect(),
        invented: got
            .iter()
            .zip(&others)
            .filter(|(_, hit)| !**hit)
            .map(|(item, _)| row(&item.name, item.sum_minor))
            .collect(),
    }
}

/// The recognition keeps what a code says and not its characters, so contents are compared by what they say.
fn qr(content: &str, read: &Recognition) -> QrScore {
    match (fiscal_qr::parse(content), read.qr.fiscal()) {
        (QrContent::Fiscal(truth), Some(fiscal)) if truth == *fiscal => QrScore::Right,
        (_, Some(_)) => QrScore::Wrong,
        (_, None) => QrScore::Missed,
    }
}
