//! What the rules make of a reading, and whether that is right.
//!
//! The campaign is the default one in the receipt's own currency, the catalogue that of the demonstration, and the photo
//! is sent an hour after the purchase, so nothing but the reading stands between a receipt and its reward.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use kvit_domain::matching::{CatalogueView, Product, match_item};
use kvit_domain::quantity::Quantity;
use kvit_domain::recognition::{Confidence, ReceiptItem, Recognition};
use kvit_domain::rules::{
    BudgetLeft, CampaignTerms, Claims, Decision, History, Reason, RuleInput, Thresholds, decide,
    kyiv_day_start,
};
use serde::Serialize;

use super::truth::{Truth, TruthItem};
use crate::samples::PRODUCTS;

/// Budget of the campaign, minor units; far above one reward.
const BUDGET_MINOR: i64 = 1_000_000;
/// How long after the purchase the photo is sent.
const SENT_AFTER: TimeDelta = TimeDelta::hours(1);

/// How a receipt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It earned its reward without a person.
    Accepted,
    /// It earned nothing, without a person.
    Rejected,
    /// A person looks at it.
    #[default]
    Review,
}

/// The end of one receipt beside the one it should have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Judged {
    /// How it ended.
    pub outcome: Outcome,
    /// Whether a receipt with these goods earns.
    pub earns: bool,
    /// What is wrong with an acceptance: `identity`, `date`, `total`, `eligibility`; empty when all is right, and for
    /// other outcomes.
    pub faults: Vec<&'static str>,
    /// The reasons with their causes.
    pub reasons: Vec<String>,
}

impl Judged {
    /// Whether it was decided without a person.
    #[must_use]
    pub fn is_automatic(&self) -> bool {
        self.outcome != Outcome::Review
    }

    /// Whether a receipt that earns was refused without a person having looked.
    #[must_use]
    pub fn is_wrongly_rejected(&self) -> bool {
        self.outcome == Outcome::Rejected && self.earns
    }
}

/// Judges a reading; `None` when the truth tells too little: currency, day, total, identity and goods must be known.
#[must_use]
pub fn judge(truth: &Truth, recognition: &Recognition) -> Option<Judged> {
    let mut terms = CampaignTerms::default_campaign(BUDGET_MINOR, BUDGET_MINOR);
    terms.currency = truth.currency?;
    let products = catalogue();
    let decision = decide(&RuleInput {
        recognition,
        terms: &terms,
        campaign_active: true,
        products: &products,
        history: History::default(),
        budget: BudgetLeft::default(),
        claims: Claims::default(),
        fraud_signals: &[],
        submitted_at: sent_at(truth)?,
        thresholds: Thresholds::default(),
    });
    let earns = earns(truth.items.as_deref()?, &terms, &products);
    let (outcome, reasons) = match decision {
        Decision::Accept { .. } => (Outcome::Accepted, Vec::new()),
        Decision::Reject { reasons } => (Outcome::Rejected, reasons),
        Decision::Review { reasons } => (Outcome::Review, reasons),
    };
    Some(Judged {
        outcome,
        earns,
        faults: match outcome {
            Outcome::Accepted => faults(truth, recognition, earns)?,
            _ => Vec::new(),
        },
        reasons: reasons.iter().map(named).collect(),
    })
}

fn named(reason: &Reason) -> String {
    match reason.facts.get("cause") {
        Some(cause) => format!("{}({cause})", reason.code),
        None => reason.code.to_string(),
    }
}

fn catalogue() -> Vec<Product> {
    let eligible = PRODUCTS.iter().filter(|product| product.eligible);
    eligible
        .map(|product| Product {
            code: product.code.to_owned(),
            names: vec![product.name.to_owned()],
            aliases: Vec::new(),
            barcodes: vec![product.barcode.to_owned()],
            active: true,
        })
        .collect()
}

/// An hour after the purchase; at midnight after it when its time is unknown. The hour that summer time shifts is
/// within what an hour's distance forgives.
fn sent_at(truth: &Truth) -> Option<DateTime<Utc>> {
    let last = NaiveTime::from_hms_opt(23, 0, 0)?;
    let since_midnight = truth.time.unwrap_or(last) - NaiveTime::MIN;
    Some(kyiv_day_start(truth.date?)? + since_midnight + SENT_AFTER)
}

/// Whether goods as they stand there meet the campaign's conditions.
fn earns(items: &[TruthItem], terms: &CampaignTerms, products: &[Product]) -> bool {
    let view = CatalogueView {
        products,
        only_codes: &terms.products.codes,
        brand_keywords: &terms.products.brand_keywords,
    };
    items.iter().any(|item| {
        let line = ReceiptItem {
            name: item.name.clone(),
            quantity: Quantity::ONE,
            unit_price_minor: None,
            sum_minor: item.sum_minor,
            discount_minor: 0,
            tax: None,
            barcode: None,
            code: None,
            confidence: Confidence::CERTAIN,
        };
        match_item(&line, view).is_some()
    })
}

/// What an acceptance got wrong; `None` when the truth does not tell.
fn faults(truth: &Truth, read: &Recognition, earns: bool) -> Option<Vec<&'static str>> {
    let register = match read.qr.fiscal() {
        Some(qr) => Some(qr.register_number.as_str()),
        None => read.register_number.as_ref().map(|f| f.value.as_str()),
    };
    let receipt = match read.qr.fiscal() {
        Some(qr) => Some(qr.receipt_number.as_str()),
        None => read.receipt_number.as_ref().map(|f| f.value.as_str()),
    };
    let plain = |number: &str| number.trim_start_matches('0').to_owned();
    let on = read
        .purchase_time()
        .map(|at| at.date())
        .or_else(|| read.purchased_on.as_ref().map(|f| f.value));
    let known = [
        (
            "identity",
            register == truth.register_number.as_deref()
                && receipt.map(plain) == truth.receipt_number.as_deref().map(plain),
        ),
        ("date", on == Some(truth.date?)),
        ("total", read.total() == Some(truth.total_minor?)),
        ("eligibility", earns),
    ];
    Some(
        known
            .into_iter()
            .filter(|(_, right)| !right)
            .map(|(name, _)| name)
            .collect(),
    )
}
