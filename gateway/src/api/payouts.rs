//! Payouts as they stand.

use axum::extract::State;
use kvit_domain::ids::{PayoutId, ReceiptId, UserId};
use kvit_domain::payout::PayoutState;
use kvit_projections::queries::payouts::{self, PayoutFilter};
use kvit_projections::queries::projection::PAYOUTS;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::answer::{Fresh, Page};
use super::known;
use super::payments::provider;
use super::view::work::Payout;
use crate::auth::{Read, Viewing};
use crate::http::cursor::{self, Listing};
use crate::http::extract::{Path, Query};
use crate::http::problem::Answer;
use crate::parts::Gateway;

const STATES: [PayoutState; 9] = [
    PayoutState::Held,
    PayoutState::Created,
    PayoutState::Sent,
    PayoutState::Pending,
    PayoutState::Unknown,
    PayoutState::Succeeded,
    PayoutState::Failed,
    PayoutState::InReview,
    PayoutState::Reversed,
];

/// Which payouts; all conditions must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PayoutQuery {
    /// To this user.
    user_id: Option<Uuid>,
    /// In this state.
    #[param(example = "unknown")]
    state: Option<String>,
    /// Of this receipt's reward.
    receipt_id: Option<Uuid>,
    /// Through this provider.
    #[param(example = "portmone")]
    provider: Option<String>,
    /// Only those that wait before their next step, for a budget or a provider that is stopped.
    #[serde(default)]
    postponed: bool,
    /// From `links.next`.
    cursor: Option<String>,
    /// Rows on a page, 1 to 200; 50 when absent.
    limit: Option<u32>,
}

/// Payouts, newest first
#[utoipa::path(get, path = "/v1/payouts", tag = "payouts", params(PayoutQuery),
    responses((status = 200, description = "Payouts.", body = Page<Payout>, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn list_payouts(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Query(query): Query<PayoutQuery>,
) -> Answer<Fresh<Page<Payout>>> {
    let filter = PayoutFilter {
        user_id: query.user_id.map(UserId),
        state: known("state", query.state.as_deref(), &STATES, |state| {
            state.code()
        })?,
        receipt_id: query.receipt_id.map(ReceiptId),
        provider: provider(query.provider.as_deref())?,
        postponed_only: query.postponed,
    };
    let listing = Listing::new("/v1/payouts")
        .filter("user_id", query.user_id.as_ref())
        .filter("state", query.state.as_ref())
        .filter("receipt_id", query.receipt_id.as_ref())
        .filter("provider", query.provider.as_ref())
        .filter("postponed", query.postponed.then_some(&true));
    let after = listing.open(query.cursor.as_deref())?;
    let limit = cursor::limit(query.limit)?;
    read.reach(&gateway, &[PAYOUTS]).await?;
    let answer = payouts::search(&gateway.pool, &filter, after.as_deref(), limit).await?;
    Ok(Fresh::page(answer, &listing, limit))
}

/// A payout
#[utoipa::path(get, path = "/v1/payouts/{payout_id}", tag = "payouts",
    params(("payout_id" = Uuid, Path, description = "The payout.")),
    responses((status = 200, description = "The payout.", body = Payout, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn payout(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Path(id): Path<Uuid>,
) -> Answer<Fresh<Payout>> {
    read.reach(&gateway, &[PAYOUTS]).await?;
    Fresh::one(
        payouts::payout(&gateway.pool, PayoutId(id)).await?,
        "payout",
    )
}
