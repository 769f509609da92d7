//! What a person does about a payout that did not end well.

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::response::Response;
use kvit_domain::ids::PayoutId;
use kvit_domain::phone::Operator;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::{Changed, created};
use super::{named, reason};
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

/// How a failed payout is to be paid again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryPayout {
    /// The operator that serves the number now, when it has moved to another one: `kyivstar`, `vodafone` or `lifecell`.
    #[serde(default)]
    #[schema(example = "vodafone")]
    pub operator: Option<String>,
}

/// Pay a failed payout again
///
/// A new payout is made: the failed one stays as it ended. Only a payout that has failed for good can be paid again, so
/// money cannot leave twice. The body may be left out.
#[utoipa::path(post, path = "/v1/payouts/{payout_id}/retry", tag = "payouts", request_body = Option<RetryPayout>,
    params(("payout_id" = Uuid, Path, description = "The failed payout.")),
    responses((status = 201, description = "The new payout.", body = NextPayout)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn retry_payout(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(payout_id): Path<Uuid>,
    body: Option<Json<RetryPayout>>,
) -> Answer<Response> {
    let body = body.map(|Json(body)| body).unwrap_or_default();
    let operator = named("/operator", body.operator.as_deref(), &Operator::ALL, |o| {
        o.code()
    })?;
    let (next, done) = gateway
        .app
        .retry_payout(PayoutId(payout_id), operator, &write.context)
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
