//! What a person does about a payout that did not end well.

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::response::Response;
use kvit_domain::ids::PayoutId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::{Changed, created};
use super::reason;
use crate::auth::{Operating, Write};
use crate::http::extract::{Json, Path};
use crate::http::problem::Answer;
use crate::parts::Gateway;

/// The payout that follows a failed one.
#[derive(Debug, Serialize, ToSchema)]
pub struct NextPayout {
    /// Its id; the same for each repeat of the call.
    pub id: Uuid,
    /// A read with this as `at_least` shows it.
    #[schema(example = 1207)]
    pub position: i64,
}

/// Pay a failed payout again
///
/// A new payout is made: the failed one stays as it ended. Only a payout that has failed for good can be paid again, so
/// money cannot leave twice.
#[utoipa::path(post, path = "/v1/payouts/{payout_id}/retry", tag = "payouts",
    params(("payout_id" = Uuid, Path, description = "The failed payout.")),
    responses((status = 201, description = "The new payout.", body = NextPayout)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn retry_payout(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(payout_id): Path<Uuid>,
) -> Answer<Response> {
    let (next, done) = gateway
        .app
        .retry_payout(PayoutId(payout_id), &write.context)
        .await?;
    Ok(created(
        &format!("/v1/payouts/{next}"),
        NextPayout {
            id: next.0,
            position: done.position,
        },
    ))
}

/// What a person found out about a payout.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PayoutResolution {
    /// Whether the provider has paid.
    pub paid: bool,
    /// How this was found out, 1 to 500 characters; becomes part of the history.
    #[schema(example = "seen in the provider's cabinet, bill 4711")]
    pub reason: String,
}

/// Say how a payout that is unknown or in review really ended
///
/// `paid` captures the hold; otherwise the hold is released.
#[utoipa::path(post, path = "/v1/payouts/{payout_id}/resolution", tag = "payouts", request_body = PayoutResolution,
    params(("payout_id" = Uuid, Path, description = "The payout.")),
    responses((status = 200, description = "The payout has ended.", body = Changed)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn resolve_payout(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(payout_id): Path<Uuid>,
    Json(body): Json<PayoutResolution>,
) -> Answer<JsonAnswer<Changed>> {
    let reason = reason(body.reason)?;
    let done = gateway
        .app
        .resolve_payout(PayoutId(payout_id), body.paid, reason, &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}
