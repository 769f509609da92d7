//! What a person does about a payout that did not end well.

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::response::Response;
use kvit_commands::app::{PayoutRequest, PayoutRoute};
use kvit_domain::ids::{PayoutId, UserId};
use kvit_domain::phone::Operator;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::{Changed, Created, created};
use super::{named, reason};
use crate::auth::{Operating, Write};
use crate::http::amount::AmountInput;
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

/// Where a payout goes. What it names is sealed before it is stored and never shown again.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "to", rename_all = "snake_case", deny_unknown_fields)]
pub enum RouteInput {
    /// To the phone number that the user has shared, through Portmone.
    Phone {
        /// The operator that serves the number, when it is not the one of its prefix.
        #[serde(default)]
        operator: Option<String>,
    },
    /// To a bank account by phone number, through YooKassa.
    Sbp {
        /// 4 to 15 digits.
        phone: String,
        /// The provider's id of the bank, 12 letters and digits.
        bank_id: String,
    },
    /// To a YooMoney wallet, through YooKassa.
    YoomoneyWallet {
        /// 11 to 33 digits.
        account: String,
    },
    /// To a bank card, through YooKassa.
    CardToken {
        /// The token that the provider's form has made of the card.
        token: String,
    },
}

impl RouteInput {
    fn route(self) -> Answer<PayoutRoute> {
        Ok(match self {
            Self::Phone { operator } => PayoutRoute::Phone {
                operator: operator_at("/route/operator", operator.as_deref())?,
            },
            Self::Sbp { phone, bank_id } => PayoutRoute::Sbp { phone, bank_id },
            Self::YoomoneyWallet { account } => PayoutRoute::YoomoneyWallet { account },
            Self::CardToken { token } => PayoutRoute::CardToken { token },
        })
    }
}

fn operator_at(pointer: &str, code: Option<&str>) -> Answer<Option<Operator>> {
    named(pointer, code, &Operator::ALL, |operator| operator.code())
}

/// A payout to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "user_id": "5b1f1c9e-3c0b-4d8e-9a53-0c8f0f6f7a11", "amount": { "minor": 5_000, "currency": "RUB" },
    "route": { "to": "sbp", "phone": "79000000000", "bank_id": "100000000111" }
}))]
pub struct NewPayout {
    /// Whose wallet pays.
    pub user_id: Uuid,
    /// How much.
    pub amount: AmountInput,
    /// Where to.
    pub route: RouteInput,
}

/// Pay money out
///
/// The amount is held on the wallet at once; a worker pays it out. The id follows from the caller and the
/// `Idempotency-Key`, so a repeat names the same payout: its destination is the one of the first call.
#[utoipa::path(post, path = "/v1/payouts", tag = "payouts", request_body = NewPayout,
    responses((status = 201, description = "The amount is held; the payout is on its way.", body = Created)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn start_payout(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Json(body): Json<NewPayout>,
) -> Answer<Response> {
    let payout_id = PayoutId::derived("api_payout", write.intention());
    let request = PayoutRequest {
        payout_id,
        user_id: UserId(body.user_id),
        amount: body.amount.money("/amount")?,
        receipt_id: None,
        route: body.route.route()?,
    };
    let done = gateway.app.request_payout(request, &write.context).await?;
    let answer = Created {
        id: payout_id.to_string(),
        position: done.position,
        replayed: done.replayed,
    };
    Ok(created(&format!("/v1/payouts/{payout_id}"), answer))
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
    let operator = operator_at("/operator", body.operator.as_deref())?;
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
/// The first call proposes; it is decided when another key says the same. Then `paid` captures the hold; otherwise the hold is
/// released, which nobody can decide within ten minutes of the paying call.
#[utoipa::path(post, path = "/v1/payouts/{payout_id}/resolution", tag = "payouts", request_body = PayoutResolution,
    params(("payout_id" = Uuid, Path, description = "The payout.")),
    responses((status = 200, description = "It is proposed, or decided.", body = Changed)),
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

/// Why a payout is cancelled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PayoutCancellation {
    /// Why, 1 to 500 characters; becomes part of the history.
    #[schema(example = "above the daily limit")]
    pub reason: String,
}

/// Cancel a payout of which nothing has left yet
///
/// The hold is released. Once a paying call has left this is refused.
#[utoipa::path(post, path = "/v1/payouts/{payout_id}/cancel", tag = "payouts", request_body = PayoutCancellation,
    params(("payout_id" = Uuid, Path, description = "The payout.")),
    responses((status = 200, description = "It is cancelled.", body = Changed)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn cancel_payout(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(payout_id): Path<Uuid>,
    Json(body): Json<PayoutCancellation>,
) -> Answer<JsonAnswer<Changed>> {
    let reason = reason(body.reason)?;
    let done = gateway
        .app
        .cancel_payout(PayoutId(payout_id), reason, &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}
