//! What a person decides about a receipt.

use axum::Json as JsonAnswer;
use axum::extract::State;
use chrono::NaiveDateTime;
use kvit_domain::ids::ReceiptId;
use kvit_domain::receipt::{Corrections, Verdict};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::Changed;
use super::reason;
use crate::auth::{Operating, Write};
use crate::http::extract::{Json, Path};
use crate::http::problem::Answer;
use crate::parts::Gateway;

/// How a review ends.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictInput {
    /// It earns the reward.
    Accept,
    /// It earns nothing.
    Reject,
}

/// A decision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewDecision {
    /// How.
    pub verdict: VerdictInput,
    /// Why, 1 to 500 characters; becomes part of the history.
    #[schema(example = "the date is readable on the photo: 18 November")]
    pub reason: String,
}

/// Decide a receipt in review
#[utoipa::path(post, path = "/v1/receipts/{receipt_id}/review", tag = "receipts", request_body = ReviewDecision,
    params(("receipt_id" = Uuid, Path, description = "The receipt.")),
    responses((status = 200, description = "The receipt is decided.", body = Changed)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn decide_review(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(receipt_id): Path<Uuid>,
    Json(body): Json<ReviewDecision>,
) -> Answer<JsonAnswer<Changed>> {
    let verdict = match body.verdict {
        VerdictInput::Accept => Verdict::Accept,
        VerdictInput::Reject => Verdict::Reject,
    };
    let reason = reason(body.reason)?;
    let done = gateway
        .app
        .decide_review(ReceiptId(receipt_id), verdict, reason, &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}

/// What was read wrongly; absent fields stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldCorrections {
    /// Total, minor units.
    #[serde(default)]
    #[schema(example = 9530)]
    pub total_minor: Option<i64>,
    /// Time of the purchase, the shop's local time without a zone.
    #[serde(default, deserialize_with = "crate::http::extract::plausible_or_none")]
    #[schema(value_type = Option<String>, example = "2026-11-18T15:31:00")]
    pub purchased_at: Option<NaiveDateTime>,
    /// Merchant.
    #[serde(default)]
    pub merchant: Option<String>,
    /// Why, 1 to 500 characters; becomes part of the history.
    pub reason: String,
}

/// Correct what was read on a receipt
///
/// The rules run again on the corrected fields; the photo is not read again.
#[utoipa::path(post, path = "/v1/receipts/{receipt_id}/corrections", tag = "receipts", request_body = FieldCorrections,
    params(("receipt_id" = Uuid, Path, description = "The receipt.")),
    responses((status = 200, description = "The fields are corrected; the decision follows.", body = Changed)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn correct_receipt(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(receipt_id): Path<Uuid>,
    Json(body): Json<FieldCorrections>,
) -> Answer<JsonAnswer<Changed>> {
    let corrections = Corrections {
        total_minor: body.total_minor,
        purchased_at: body.purchased_at,
        merchant: body.merchant,
    };
    let reason = reason(body.reason)?;
    let done = gateway
        .app
        .correct_receipt(ReceiptId(receipt_id), corrections, reason, &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}
