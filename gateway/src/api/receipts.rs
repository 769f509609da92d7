//! Receipts: searched, looked at, waiting for a person.

use axum::extract::State;
use chrono::{DateTime, Utc};
use kvit_domain::ids::{ReceiptId, UserId};
use kvit_domain::receipt::ReceiptState;
use kvit_domain::rules::ReasonCode;
use kvit_projections::queries::projection::RECEIPTS;
use kvit_projections::queries::receipts::{self, ReceiptFilter};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::answer::{Fresh, Page};
use super::view::receipt::{Image, Receipt, ReceiptDetail};
use super::{PageQuery, known};
use crate::auth::{Read, Viewing};
use crate::http::cursor::{self, Listing};
use crate::http::extract::{Path, Query};
use crate::http::problem::{Answer, Problem};
use crate::parts::Gateway;

const STATES: [ReceiptState; 7] = [
    ReceiptState::Submitted,
    ReceiptState::Recognised,
    ReceiptState::RecognitionFailed,
    ReceiptState::InReview,
    ReceiptState::Accepted,
    ReceiptState::Rejected,
    ReceiptState::Rewarded,
];

/// Which receipts; all conditions must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReceiptQuery {
    /// Of this user.
    user_id: Option<Uuid>,
    /// In this state.
    #[param(example = "in_review")]
    state: Option<String>,
    /// Rejected or in review for this reason, among others.
    #[param(example = "no_eligible_product")]
    reason: Option<String>,
    /// Submitted at this time or later.
    #[serde(default, deserialize_with = "crate::http::extract::plausible_or_none")]
    from: Option<DateTime<Utc>>,
    /// Submitted before this time.
    #[serde(default, deserialize_with = "crate::http::extract::plausible_or_none")]
    to: Option<DateTime<Utc>>,
    /// From `links.next`.
    cursor: Option<String>,
    /// Rows on a page, 1 to 200; 50 when absent.
    limit: Option<u32>,
}

/// Receipts, newest first
#[utoipa::path(get, path = "/v1/receipts", tag = "receipts", params(ReceiptQuery),
    responses((status = 200, description = "Receipts.", body = Page<Receipt>, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn list_receipts(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Query(query): Query<ReceiptQuery>,
) -> Answer<Fresh<Page<Receipt>>> {
    let filter = ReceiptFilter {
        user_id: query.user_id.map(UserId),
        state: known("state", query.state.as_deref(), &STATES, |state| {
            state.code()
        })?,
        from: query.from,
        to: query.to,
        reason: known(
            "reason",
            query.reason.as_deref(),
            ReasonCode::ALL,
            |reason| reason.code(),
        )?,
    };
    let listing = Listing::new("/v1/receipts")
        .filter("user_id", query.user_id.as_ref())
        .filter("state", query.state.as_ref())
        .filter("reason", query.reason.as_ref())
        .filter("from", query.from.map(|at| at.to_rfc3339()).as_ref())
        .filter("to", query.to.map(|at| at.to_rfc3339()).as_ref());
    let after = listing.open(query.cursor.as_deref())?;
    let limit = cursor::limit(query.limit)?;
    read.reach(&gateway, &[RECEIPTS]).await?;
    let answer = receipts::search(&gateway.pool, &filter, after.as_deref(), limit).await?;
    Ok(Fresh::page(answer, &listing, limit))
}

/// A receipt with its reasons and what was read on it
#[utoipa::path(get, path = "/v1/receipts/{receipt_id}", tag = "receipts",
    params(("receipt_id" = Uuid, Path, description = "The receipt.")),
    responses((status = 200, description = "The receipt.", body = ReceiptDetail,
               headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn receipt(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Path(id): Path<Uuid>,
) -> Answer<Fresh<ReceiptDetail>> {
    read.reach(&gateway, &[RECEIPTS]).await?;
    let answer = receipts::receipt(&gateway.pool, ReceiptId(id)).await?;
    let detail = answer.data.ok_or_else(|| Problem::not_found("receipt"))?;
    let image = Image {
        sha256: detail.receipt.image_sha256.clone(),
        content_type: detail.receipt.image_content_type.clone(),
        bytes: detail.receipt.image_bytes,
    };
    let body = ReceiptDetail {
        image,
        registry_outcome: detail.receipt.registry_outcome.clone(),
        reading: detail.recognition.map(Into::into),
        receipt: detail.receipt.into(),
    };
    Ok(Fresh {
        position: answer.position,
        body,
    })
}

/// Receipts that a person must look at, the longest waiting first
#[utoipa::path(get, path = "/v1/review-queue", tag = "receipts", params(PageQuery),
    responses((status = 200, description = "Receipts in review.", body = Page<Receipt>,
               headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn review_queue(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Query(query): Query<PageQuery>,
) -> Answer<Fresh<Page<Receipt>>> {
    let listing = Listing::new("/v1/review-queue");
    let after = listing.open(query.cursor.as_deref())?;
    let limit = cursor::limit(query.limit)?;
    read.reach(&gateway, &[RECEIPTS]).await?;
    let answer = receipts::review_queue(&gateway.pool, after.as_deref(), limit).await?;
    Ok(Fresh::page(answer, &listing, limit))
}
