//! Does a receipt earn a reward? A pure function of what was read, the campaign's terms and what is known besides.
//!
//! Every reason is found, not only the first, because a shopper who repairs one fault should not meet the next. A
//! reason is either *certain* (a duplicate, a date out of a QR code, a limit) and rejects, or *doubtful* (it hangs on
//! an unsure reading) and sends the receipt to a person. One certain reason is enough to reject.
//!
//! Days are days in Kyiv. The age of a purchase is measured at its submission, never at the decision: a shopper does
//! not pay for our queue, and running the rules again later gives the same answer.

mod findings;
mod goods;
mod reason;
mod terms;
#[cfg(test)]
mod tests;
mod time;

use chrono::{DateTime, Days, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::ReceiptId;
use crate::matching::{Product, ProductMatch};
use crate::money::Money;
use crate::quantity::Quantity;
use crate::recognition::{Anomaly, Confidence, QrReading, Recognition};

use findings::Findings;
use goods::goods;
use time::{first_instant, iso, last_instant};

pub use reason::{Reason, ReasonCode};
pub use terms::{CampaignTerms, ProductCondition, Reward};
pub use time::{kyiv_day, kyiv_day_start, kyiv_local};

/// A register's clock may be this much ahead before a purchase counts as dated in the future.
pub const FUTURE_TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// Cash totals are rounded to half a hryvnia, so the printed sum and the sum to pay may differ by up to a quarter.
pub const CASH_ROUNDING_MINOR: u64 = 25;

/// Confidences at which the treatment of a receipt changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// From here on a receipt is decided without a person.
    pub automatic: Confidence,
    /// Below this a receipt counts as unreadable.
    pub readable: Confidence,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            automatic: Confidence::from_thousandths(800),
            readable: Confidence::from_thousandths(400),
        }
    }
}

/// How much of the campaign the shopper has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct History {
    /// Receipts accepted on the Kyiv day of the submission.
    pub accepted_today: u32,
    /// Receipts accepted ever.
    pub accepted_in_all: u32,
}

/// Money that the campaign can still give, minor units; no limit when absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BudgetLeft {
    /// On the Kyiv day of the submission.
    pub today_minor: Option<i64>,
    /// In all.
    pub in_all_minor: Option<i64>,
}

/// Who was first, when somebody was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Claims {
    /// The receipt that brought the same picture before.
    pub duplicate_image_of: Option<ReceiptId>,
    /// The receipt that claimed the same fiscal receipt before.
    pub duplicate_receipt_of: Option<ReceiptId>,
}

/// Everything that a decision follows from.
#[derive(Debug, Clone, Copy)]
pub struct RuleInput<'a> {
    /// What was read. After a person corrects fields, its anomalies must be those that still stand.
    pub recognition: &'a Recognition,
    /// The campaign's terms.
    pub terms: &'a CampaignTerms,
    /// Whether the campaign is in the state `active`.
    pub campaign_active: bool,
    /// The catalogue's products.
    pub products: &'a [Product],
    /// The shopper's earlier successes.
    pub history: History,
    /// What the campaign can still give.
    pub budget: BudgetLeft,
    /// Earlier claims.
    pub claims: Claims,
    /// Codes of fraud signals; each is a fact of the reason.
    pub fraud_signals: &'a [String],
    /// When the shopper sent it.
    pub submitted_at: DateTime<Utc>,
    /// When to trust a reading.
    pub thresholds: Thresholds,
}

/// A line that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineMatch {
    /// Index of the line in the recognition.
    pub line: u32,
    /// What it was found to be.
    #[serde(flatten)]
    pub found: ProductMatch,
    /// Quantity bought.
    pub quantity: Quantity,
    /// Price after its discount, minor units.
    pub net_minor: i64,
}

/// What becomes of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Decision {
    /// It earns the reward.
    Accept {
        /// What is credited; above zero.
        reward: Money,
        /// The lines that earned it; never empty.
        matches: Vec<LineMatch>,
    },
    /// It earns nothing.
    Reject {
        /// All reasons; never empty, each code once.
        reasons: Vec<Reason>,
    },
    /// A person decides.
    Review {
        /// All doubts; never empty, each code once.
        reasons: Vec<Reason>,
    },
}

/// Decides on a receipt. The same input gives the same decision, whenever it is asked.
#[must_use]
pub fn decide(input: &RuleInput<'_>) -> Decision {
    let mut found = Findings::default();
    claims(input, &mut found);
    campaign(input, &mut found);
    let mut earned = None;
    if matches!(input.recognition.qr, QrReading::NotAReceipt { .. }) {
        // What stands on another paper is no matter of ours.
        found.certain(ReasonCode::NotAReceipt, "foreign_qr", &[]);
    } else {
        returned(input, &mut found);
        dates(input, &mut found);
        if readable(input, &mut found) {
            merchant(input, &mut found);
            trust(input, &mut found);
            totals(input, &mut found);
            earned = goods(input, &mut found);
        }
    }
    limits(
        input,
        earned.as_ref().map(|(reward, _)| *reward),
        &mut found,
    );
    found.decide(earned)
}

fn claims(input: &RuleInput<'_>, found: &mut Findings) {
    if let Some(first) = input.claims.duplicate_image_of {
        found.certain(
            ReasonCode::DuplicateImage,
            "same_bytes",
            &[("receipt_id", first.to_string())],
        );
    }
    if let Some(first) = input.claims.duplicate_receipt_of {
        found.certain(
            ReasonCode::DuplicateReceipt,
            "same_fiscal_receipt",
            &[("receipt_id", first.to_string())],
        );
    }
    if !input.fraud_signals.is_empty() {
        let signals = [("signals", input.fraud_signals.join(","))];
        found.doubt(ReasonCode::SuspectedFraud, "signals", &signals);
    }
}

fn campaign(input: &RuleInput<'_>, found: &mut Findings) {
    if !input.campaign_active {
        found.certain(ReasonCode::CampaignInactive, "not_active", &[]);
    }
    let (paid, accepted) = (input.recognition.currency, input.terms.currency);
    if paid != accepted && input.recognition.total().is_some() {
        let facts = [
            ("currency", paid.to_string()),
            ("expected", accepted.to_string()),
        ];
        found.certain(ReasonCode::CampaignInactive, "currency", &facts);
    }
}

fn returned(input: &RuleInput<'_>, found: &mut Findings) {
    if input.recognition.qr.fiscal().is_some_and(|qr| qr.is_return) {
        found.certain(ReasonCode::ReturnReceipt, "qr", &[]);
    } else if input.recognition.is_return {
        found.certain(ReasonCode::ReturnReceipt, "text", &[]);
    }
}

/// When the purchase was: its earliest and latest possible local minute, and whether the date is beyond doubt.
fn purchase(input: &RuleInput<'_>) -> Option<(NaiveDateTime, NaiveDateTime, bool)> {
    let recognition = input.recognition;
    if let Some(qr) = recognition.qr.fiscal() {
        return Some((qr.purchased_at, qr.purchased_at, true));
    }
    if let Some(field) = &recognition.purchased_at {
        return Some((
            field.value,
            field.value,
            field.confidence >= input.thresholds.automatic,
        ));
    }
    let field = recognition.purchased_on.as_ref()?;
    let last_minute = NaiveTime::from_hms_opt(23, 59, 0).unwrap_or(NaiveTime::MIN);
    let sure = field.confidence >= input.thresholds.automatic;
    Some((
        field.value.and_time(NaiveTime::MIN),
        field.value.and_time(last_minute),
        sure,
    ))
}

fn dates(input: &RuleInput<'_>, found: &mut Findings) {
    let Some((earliest, latest, sure)) = purchase(input) else {
        return;
    };
    let submitted = kyiv_local(input.submitted_at);
    let bought = ("purchased_at", iso(latest));
    // Seven days are seven calendar days: the same time of day on the clock, through a change of summer time too.
    if let Some(limit) = latest.checked_add_days(Days::new(input.terms.window_days.into()))
        && input.submitted_at - last_instant(limit) >= TimeDelta::minutes(1)
    {
        let facts = [
            bought.clone(),
            ("limit", iso(limit)),
            ("window_days", input.terms.window_days.to_string()),
            ("submitted_at", iso(submitted)),
        ];
        found.weigh(sure, ReasonCode::Expired, "too_old", &facts);
    }
    if first_instant(earliest) - input.submitted_at > FUTURE_TOLERANCE {
        let facts = [
            ("purchased_at", iso(earliest)),
            ("submitted_at", iso(submitted)),
        ];
        found.weigh(sure, ReasonCode::FutureDate, "after_submission", &facts);
    }
    if let Some(first) = input.terms.starts_on.filter(|first| latest.date() < *first) {
        let facts = [bought.clone(), ("starts_on", first.to_string())];
        found.weigh(sure, ReasonCode::CampaignInactive, "before_start", &facts);
    }
    if let Some(last) = input.terms.ends_on.filter(|last| earliest.date() > *last) {
        found.weigh(
            sure,
            ReasonCode::CampaignInactive,
            "after_end",
            &[bought, ("ends_on", last.to_string())],
        );
    }
}

/// Whether enough was read to judge the content; finds `unreadable` when not.
fn readable(input: &RuleInput<'_>, found: &mut Findings) -> bool {
    let recognition = input.recognition;
    let nothing = recognition.merchant.is_none() && recognition.total().is_none();
    if recognition.confidence >= input.thresholds.readable && !nothing {
        return true;
    }
    let cause = if nothing {
        "no_merchant_and_no_total"
    } else {
        "confidence"
    };
    let facts = [
        (
            "confidence",
            recognition.confidence.thousandths().to_string(),
        ),
        (
            "threshold",
            input.thresholds.readable.thousandths().to_string(),
        ),
        ("short_edge_px", recognition.short_edge_px.to_string()),
    ];
    found.certain(ReasonCode::Unreadable, cause, &facts);
    false
}

fn merchant(input: &RuleInput<'_>, found: &mut Findings) {
    let accepted = &input.terms.merchant_tax_ids;
    if accepted.is_empty() {
        return;
    }
    match &input.recognition.tax_id {
        Some(field) if accepted.contains(&field.value) => {}
        Some(field) => {
            let sure = field.confidence >= input.thresholds.automatic;
            found.weigh(
                sure,
                ReasonCode::CampaignInactive,
                "merchant",
                &[("tax_id", field.value.clone())],
            );
        }
        None => found.doubt(ReasonCode::LowConfidence, "no_tax_id", &[]),
    }
}

/// Doubts about the reading as a whole, and text against code.
fn trust(input: &RuleInput<'_>, found: &mut Findings) {
    let recognition = input.recognition;
    if recognition.confidence < input.thresholds.automatic {
        let facts = [
            (
                "confidence",
                recognition.confidence.thousandths().to_string(),
            ),
            (
                "threshold",
                input.thresholds.automatic.thousandths().to_string(),
            ),
        ];
        found.doubt(ReasonCode::LowConfidence, "confidence", &facts);
    }
    match &recognition.qr {
        QrReading::Fiscal { .. } => text_against_code(input, found),
        _ if input.terms.allow_without_qr => {}
        QrReading::Incomplete { missing, .. } => {
            found.doubt(
                ReasonCode::LowConfidence,
                "incomplete_qr",
                &[("missing", missing.join(","))],
            );
        }
        QrReading::Missing | QrReading::NotAReceipt { .. } => {
            found.doubt(ReasonCode::LowConfidence, "no_qr", &[]);
        }
    }
    if purchase(input).is_none() {
        found.doubt(ReasonCode::LowConfidence, "no_date", &[]);
    }
    if recognition.total().is_none() {
        found.doubt(ReasonCode::LowConfidence, "no_total", &[]);
    }
    for anomaly in &recognition.anomalies {
        match anomaly {
            Anomaly::TotalMismatch {
                lines_minor,
                total_minor,
            } => {
                mismatch(&lines_minor.to_string(), &total_minor.to_string(), found);
            }
            Anomaly::QrMismatch { field } => found.doubt(ReasonCode::QrMismatch, field, &[]),
            Anomaly::VatMismatch { tax } => {
                found.doubt(ReasonCode::LowConfidence, "vat", &[("tax", tax.clone())])
            }
            Anomaly::Other { code } => found.doubt(ReasonCode::LowConfidence, code, &[]),
        }
    }
}

/// A printed total or date that disagrees with the code: a misreading, a foreign code stuck on, or a forgery.
fn text_against_code(input: &RuleInput<'_>, found: &mut Findings) {
    let recognition = input.recognition;
    let Some(qr) = recognition.qr.fiscal() else {
        return;
    };
    // A guess is no witness against the code.
    let counts = |confidence: Confidence| confidence >= input.thresholds.readable;
    if let Some(total) = recognition
        .total_minor
        .as_ref()
        .filter(|f| counts(f.confidence))
        && total.value.abs_diff(qr.total_minor) > CASH_ROUNDING_MINOR
    {
        let facts = [
            ("text_total_minor", total.value.to_string()),
            ("qr_total_minor", qr.total_minor.to_string()),
        ];
        found.doubt(ReasonCode::QrMismatch, "total", &facts);
    }
    let timed = recognition
        .purchased_at
        .as_ref()
        .map(|f| (f.value.date(), f.confidence));
    let dated = timed.or_else(|| {
        recognition
            .purchased_on
            .as_ref()
            .map(|f| (f.value, f.confidence))
    });
    if let Some((date, confidence)) = dated
        && counts(confidence)
        && date != qr.purchased_at.date()
    {
        let facts = [
            ("text_date", date.to_string()),
            ("qr_date", qr.purchased_at.date().to_string()),
        ];
        found.doubt(ReasonCode::QrMismatch, "date", &facts);
    }
}

fn mismatch(lines: &str, total: &str, found: &mut Findings) {
    let facts = [
        ("lines_minor", lines.to_owned()),
        ("total_minor", total.to_owned()),
    ];
    found.doubt(ReasonCode::TotalMismatch, "sum_of_lines", &facts);
}

/// Lines less discounts must give the total within one percent.
fn totals(input: &RuleInput<'_>, found: &mut Findings) {
    let Some(total) = input.recognition.total() else {
        return;
    };
    if input.recognition.items.is_empty() {
        return;
    }
    let lines: i128 = input
        .recognition
        .items
        .iter()
        .map(|i| i128::from(i.sum_minor) - i128::from(i.discount_minor))
        .sum();
    if (lines - i128::from(total)).abs() * 100 > i128::from(total).abs() {
        mismatch(&lines.to_string(), &total.to_string(), found);
    }
}

fn limits(input: &RuleInput<'_>, reward: Option<Money>, found: &mut Findings) {
    let day = kyiv_day(input.submitted_at).to_string();
    let (terms, history) = (input.terms, input.history);
    if history.accepted_today >= terms.daily_limit {
        let facts = [
            ("limit", terms.daily_limit.to_string()),
            ("accepted", history.accepted_today.to_string()),
            ("day", day.clone()),
        ];
        found.certain(ReasonCode::DailyLimit, "day", &facts);
    }
    if let Some(limit) = terms
        .limit_in_all
        .filter(|limit| history.accepted_in_all >= *limit)
    {
        let facts = [
            ("limit", limit.to_string()),
            ("accepted", history.accepted_in_all.to_string()),
        ];
        found.certain(ReasonCode::DailyLimit, "in_all", &facts);
    }
    let Some(reward) = reward else { return };
    for (cause, left) in [
        ("day", input.budget.today_minor),
        ("in_all", input.budget.in_all_minor),
    ] {
        if let Some(left) = left.filter(|left| reward.minor > *left) {
            let facts = [
                ("reward_minor", reward.minor.to_string()),
                ("left_minor", left.to_string()),
            ];
            found.certain(ReasonCode::BudgetExhausted, cause, &facts);
        }
    }
}
