//! Receipts with their reasons.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use kvit_domain::money::Currency;
use kvit_domain::rules::Reason;
use kvit_projections::fold::receipts::ReceiptRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::recognition::Reading;
use crate::http::amount::Amount;

/// Why a receipt was rejected or needs a person.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReasonView {
    /// Stable code.
    #[schema(example = "no_eligible_product")]
    pub code: String,
    /// The facts that it follows from, by name.
    pub facts: BTreeMap<String, String>,
}

impl From<Reason> for ReasonView {
    fn from(reason: Reason) -> Self {
        Self {
            code: reason.code.code().to_owned(),
            facts: reason.facts,
        }
    }
}

/// A receipt as lists show it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Receipt {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// `submitted`, `recognised`, `recognition_failed`, `in_review`, `accepted`, `rejected` or `rewarded`.
    #[schema(example = "accepted")]
    pub state: String,
    /// When the shopper sent it.
    pub submitted_at: DateTime<Utc>,
    /// The earlier receipt with the same photo.
    pub duplicate_of: Option<Uuid>,
    /// Legal name or outlet.
    pub merchant: Option<String>,
    /// Total as it counts.
    pub total: Option<Amount>,
    /// Time of the purchase, the shop's local time.
    #[schema(value_type = Option<String>, example = "2026-11-18T15:31:00")]
    pub purchased_at: Option<NaiveDateTime>,
    /// Number of the cash register.
    pub register_number: Option<String>,
    /// Number of the receipt within the register.
    pub receipt_number: Option<String>,
    /// Overall confidence of the reading, 0 to 1000.
    pub confidence: Option<i64>,
    /// Why it was rejected or is in review.
    pub reasons: Vec<ReasonView>,
    /// Why nothing could be read.
    pub failure_code: Option<String>,
    /// What it earned.
    pub reward: Option<Amount>,
    /// The ledger transaction of the reward.
    pub reward_transaction_id: Option<Uuid>,
    /// The campaign that it was decided under.
    pub campaign_id: Option<Uuid>,
    /// The campaign's version.
    pub campaign_version: Option<i64>,
    /// Since when a person must look.
    pub review_since: Option<DateTime<Utc>>,
    /// What the person who decided or corrected wrote.
    pub review_note: Option<String>,
    /// Whether the shopper asked for a person.
    pub appealed: bool,
    /// When it was decided.
    pub decided_at: Option<DateTime<Utc>>,
    /// The latest payout of the reward.
    pub payout_id: Option<Uuid>,
    /// The state of that payout.
    pub payout_state: Option<String>,
    /// Position of the event that changed it last.
    pub position: i64,
}

impl From<ReceiptRow> for Receipt {
    fn from(row: ReceiptRow) -> Self {
        let amount = |minor: Option<i64>, currency: Option<Currency>| {
            minor
                .zip(currency)
                .map(|(minor, currency)| Amount::of(minor, currency))
        };
        Self {
            id: row.receipt_id.0,
            user_id: row.user_id.0,
            state: row.state,
            submitted_at: row.submitted_at,
            duplicate_of: row.duplicate_of.map(|id| id.0),
            merchant: row.merchant,
            total: amount(row.total_minor, row.currency),
            purchased_at: row.purchased_at,
            register_number: row.register_number,
            receipt_number: row.receipt_number,
            confidence: row.confidence,
            reasons: row.reasons.0.into_iter().map(Into::into).collect(),
            failure_code: row.failure_code,
            reward: amount(row.reward_minor, row.reward_currency),
            reward_transaction_id: row.reward_transaction_id.map(|id| id.0),
            campaign_id: row.campaign_id.map(|id| id.0),
            campaign_version: row.campaign_version,
            review_since: row.review_since,
            review_note: row.review_note,
            appealed: row.appealed,
            decided_at: row.decided_at,
            payout_id: row.payout_id.map(|id| id.0),
            payout_state: row.payout_state,
            position: row.position,
        }
    }
}

/// A receipt with everything that was read on it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReceiptDetail {
    /// As in lists.
    #[serde(flatten)]
    pub receipt: Receipt,
    /// The photo.
    pub image: Image,
    /// Last answer of the tax registry.
    pub registry_outcome: Option<String>,
    /// What was read, corrections applied.
    pub reading: Option<Reading>,
}

/// A stored photo.
#[derive(Debug, Serialize, ToSchema)]
pub struct Image {
    /// SHA-256 of the original, hex.
    pub sha256: String,
    /// Its media type.
    #[schema(example = "image/jpeg")]
    pub content_type: String,
    /// Its size.
    pub bytes: i64,
}
