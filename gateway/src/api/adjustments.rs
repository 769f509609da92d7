//! Corrections of wallets as they stand, and those that wait for a second pair of eyes.

use axum::extract::State;
use kvit_domain::adjustment::AdjustmentState;
use kvit_domain::ids::{AdjustmentId, WalletId};
use kvit_projections::queries::adjustments::{self, AdjustmentFilter};
use kvit_projections::queries::projection::PAYMENTS;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::answer::{Fresh, Page};
use super::view::money::Adjustment;
use super::{PageQuery, known};
use crate::auth::{Read, Viewing};
use crate::http::cursor::{self, Listing};
use crate::http::extract::{Path, Query};
use crate::http::problem::{Answer, Problem};
use crate::parts::Gateway;

const STATES: [AdjustmentState; 3] = [
    AdjustmentState::Proposed,
    AdjustmentState::Posted,
    AdjustmentState::Declined,
];

/// Which adjustments; all conditions must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AdjustmentQuery {
    /// Of this wallet, `<user>:<currency>`.
    wallet_id: Option<String>,
    /// In this state.
    #[param(example = "posted")]
    state: Option<String>,
    /// From `links.next`.
    cursor: Option<String>,
    /// Rows on a page, 1 to 200; 50 when absent.
    limit: Option<u32>,
}

/// Adjustments, newest first
#[utoipa::path(get, path = "/v1/adjustments", tag = "adjustments", params(AdjustmentQuery),
    responses((status = 200, description = "Adjustments.", body = Page<Adjustment>, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn list_adjustments(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Query(query): Query<AdjustmentQuery>,
) -> Answer<Fresh<Page<Adjustment>>> {
    let wallet_id = query
        .wallet_id
        .as_deref()
        .map(str::parse::<WalletId>)
        .transpose()
        .map_err(|error| {
            Problem::new("invalid_query", "a query parameter is not as expected")
                .field("wallet_id", error.to_string())
        })?;
    let filter = AdjustmentFilter {
        wallet_id,
        state: known("state", query.state.as_deref(), &STATES, |state| {
            state.code()
        })?,
    };
    let listing = Listing::new("/v1/adjustments")
        .filter("wallet_id", query.wallet_id.as_ref())
        .filter("state", query.state.as_ref());
    let after = listing.open(query.cursor.as_deref())?;
    let limit = cursor::limit(query.limit)?;
    read.reach(&gateway, &[PAYMENTS]).await?;
    let answer = adjustments::search(&gateway.pool, &filter, after.as_deref(), limit).await?;
    Ok(Fresh::page(answer, &listing, limit))
}

/// Adjustments that wait for another person, the longest waiting first
#[utoipa::path(get, path = "/v1/adjustment-queue", tag = "adjustments", params(PageQuery),
    responses((status = 200, description = "Proposed adjustments.", body = Page<Adjustment>, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn adjustment_queue(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Query(query): Query<PageQuery>,
) -> Answer<Fresh<Page<Adjustment>>> {
    let listing = Listing::new("/v1/adjustment-queue");
    let after = listing.open(query.cursor.as_deref())?;
    let limit = cursor::limit(query.limit)?;
    read.reach(&gateway, &[PAYMENTS]).await?;
    let answer = adjustments::queue(&gateway.pool, after.as_deref(), limit).await?;
    Ok(Fresh::page(answer, &listing, limit))
}

/// An adjustment
#[utoipa::path(get, path = "/v1/adjustments/{adjustment_id}", tag = "adjustments",
    params(("adjustment_id" = Uuid, Path, description = "The adjustment.")),
    responses((status = 200, description = "The adjustment.", body = Adjustment, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn adjustment(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Path(id): Path<Uuid>,
) -> Answer<Fresh<Adjustment>> {
    read.reach(&gateway, &[PAYMENTS]).await?;
    Fresh::one(
        adjustments::adjustment(&gateway.pool, AdjustmentId(id)).await?,
        "adjustment",
    )
}
