//! Transfers as they stand.

use axum::extract::State;
use kvit_domain::ids::{TransferId, UserId};
use kvit_domain::transfer::TransferState;
use kvit_projections::queries::projection::PAYMENTS;
use kvit_projections::queries::transfers::{self, TransferFilter};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::answer::{Fresh, Page};
use super::known;
use super::view::money::Transfer;
use crate::auth::{Read, Viewing};
use crate::http::cursor::{self, Listing};
use crate::http::extract::{Path, Query};
use crate::http::problem::Answer;
use crate::parts::Gateway;

const STATES: [TransferState; 3] = [
    TransferState::Held,
    TransferState::Completed,
    TransferState::Failed,
];

/// Which transfers; all conditions must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TransferQuery {
    /// From or to this user.
    user_id: Option<Uuid>,
    /// In this state.
    #[param(example = "held")]
    state: Option<String>,
    /// From `links.next`.
    cursor: Option<String>,
    /// Rows on a page, 1 to 200; 50 when absent.
    limit: Option<u32>,
}

/// Transfers, newest first
#[utoipa::path(get, path = "/v1/transfers", tag = "transfers", params(TransferQuery),
    responses((status = 200, description = "Transfers.", body = Page<Transfer>, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn list_transfers(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Query(query): Query<TransferQuery>,
) -> Answer<Fresh<Page<Transfer>>> {
    let filter = TransferFilter {
        user_id: query.user_id.map(UserId),
        state: known("state", query.state.as_deref(), &STATES, |state| {
            state.code()
        })?,
    };
    let listing = Listing::new("/v1/transfers")
        .filter("user_id", query.user_id.as_ref())
        .filter("state", query.state.as_ref());
    let after = listing.open(query.cursor.as_deref())?;
    let limit = cursor::limit(query.limit)?;
    read.reach(&gateway, &[PAYMENTS]).await?;
    let answer = transfers::search(&gateway.pool, &filter, after.as_deref(), limit).await?;
    Ok(Fresh::page(answer, &listing, limit))
}

/// A transfer
#[utoipa::path(get, path = "/v1/transfers/{transfer_id}", tag = "transfers",
    params(("transfer_id" = Uuid, Path, description = "The transfer.")),
    responses((status = 200, description = "The transfer.", body = Transfer, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn transfer(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Path(id): Path<Uuid>,
) -> Answer<Fresh<Transfer>> {
    read.reach(&gateway, &[PAYMENTS]).await?;
    Fresh::one(
        transfers::transfer(&gateway.pool, TransferId(id)).await?,
        "transfer",
    )
}
