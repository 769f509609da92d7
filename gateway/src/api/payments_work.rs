//! Payments in, and what is given back of them: what callers ask for. Workers speak to the provider afterwards.

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::response::Response;
use kvit_commands::app::PaymentRequest;
use kvit_domain::ids::{PaymentId, RefundId, UserId};
use kvit_domain::ledger::ProviderName;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::{Changed, Created, created};
use super::{named, reason};
use crate::auth::{Administering, Operating, Write};
use crate::http::amount::AmountInput;
use crate::http::extract::{Json, Path};
use crate::http::problem::{Answer, Problem};
use crate::parts::Gateway;

/// A payment to start.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "user_id": "5b1f1c9e-3c0b-4d8e-9a53-0c8f0f6f7a11", "provider": "yookassa",
    "amount": { "minor": 10_000, "currency": "RUB" }
}))]
pub struct NewPayment {
    /// Who pays and is credited.
    pub user_id: Uuid,
    /// Through whom: `yookassa` or `portmone`.
    #[schema(example = "yookassa")]
    pub provider: String,
    /// How much.
    pub amount: AmountInput,
    /// Whether the money is taken at once. Otherwise it is held at the provider until it is captured or cancelled.
    #[serde(default = "at_once")]
    #[schema(default = true)]
    pub capture: bool,
}

const fn at_once() -> bool {
    true
}

/// Start a payment
///
/// Nothing is credited until the provider, asked with our own credentials, says that it was paid. The payment is made at the
/// provider a moment later: read it until `confirmation_url` is there, and send the payer to that address. The id follows
/// from the caller and the `Idempotency-Key`, so a repeat names the same payment.
#[utoipa::path(post, path = "/v1/payments", tag = "payments", request_body = NewPayment,
    responses((status = 201, description = "The payment is on its way to the provider.", body = Created)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn start_payment(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Json(body): Json<NewPayment>,
) -> Answer<Response> {
    let payment_id = PaymentId::derived("api_payment", write.intention());
    let provider = provider("/provider", &body.provider)?;
    let request = PaymentRequest {
        payment_id,
        user_id: UserId(body.user_id),
        provider,
        amount: body.amount.money("/amount")?,
        capture: body.capture,
    };
    let done = gateway.app.intend_payment(request, &write.context).await?;
    let answer = Created {
        id: payment_id.to_string(),
        position: done.position,
        replayed: done.replayed,
    };
    Ok(created(&format!("/v1/payments/{payment_id}"), answer))
}

/// The provider that a field of a body names.
pub(super) fn provider(pointer: &str, code: &str) -> Answer<ProviderName> {
    let found = named(pointer, Some(code), &ProviderName::ALL, |provider| {
        provider.code()
    })?;
    found.ok_or_else(|| Problem::new("invalid_body", "a provider is expected"))
}

/// What to take of a held payment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "amount": { "minor": 7_500, "currency": "RUB" } }))]
pub struct CapturePayment {
    /// How much, at most what is held; the rest goes back to the payer.
    pub amount: AmountInput,
}

/// Take the money of a held payment, all or a part
///
/// Only in the state `awaiting_capture`. The wallet is credited when the provider has taken it.
#[utoipa::path(post, path = "/v1/payments/{payment_id}/capture", tag = "payments", request_body = CapturePayment,
    params(("payment_id" = Uuid, Path, description = "The payment.")),
    responses((status = 200, description = "The provider will be asked.", body = Changed)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn capture_payment(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(payment_id): Path<Uuid>,
    Json(body): Json<CapturePayment>,
) -> Answer<JsonAnswer<Changed>> {
    let amount = body.amount.money("/amount")?;
    let done = gateway
        .app
        .capture_payment(PaymentId(payment_id), amount, &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}

/// Give the money of a held payment back
///
/// Only in the state `awaiting_capture`, and not after a capture was asked for. A payment that was taken is refunded instead.
#[utoipa::path(post, path = "/v1/payments/{payment_id}/cancel", tag = "payments",
    params(("payment_id" = Uuid, Path, description = "The payment.")),
    responses((status = 200, description = "The provider will be asked.", body = Changed)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn cancel_payment(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(payment_id): Path<Uuid>,
) -> Answer<JsonAnswer<Changed>> {
    let done = gateway
        .app
        .cancel_payment(PaymentId(payment_id), &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}

/// Money to give back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "amount": { "minor": 2_500, "currency": "RUB" }, "reason": "ordered twice" }))]
pub struct NewRefund {
    /// How much; all refunds together are at most the payment.
    pub amount: AmountInput,
    /// Why, 1 to 500 characters; becomes part of the history.
    #[schema(example = "ordered twice")]
    pub reason: String,
}

/// Give back a payment, or a part of it
///
/// The amount is held on the wallet at once, and booked or given back to it by what the provider proves. A payment can be
/// refunded in parts, for three years.
#[utoipa::path(post, path = "/v1/payments/{payment_id}/refunds", tag = "payments", request_body = NewRefund,
    params(("payment_id" = Uuid, Path, description = "The payment.")),
    responses((status = 201, description = "The provider will be asked.", body = Created)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn start_refund(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(payment_id): Path<Uuid>,
    Json(body): Json<NewRefund>,
) -> Answer<Response> {
    let refund_id = RefundId::derived("api_refund", write.intention());
    let amount = body.amount.money("/amount")?;
    let reason = reason(body.reason)?;
    let payment = PaymentId(payment_id);
    let done = gateway
        .app
        .request_refund(payment, refund_id, amount, reason, &write.context)
        .await?;
    let answer = Created {
        id: refund_id.to_string(),
        position: done.position,
        replayed: done.replayed,
    };
    Ok(created(&format!("/v1/payments/{payment_id}"), answer))
}

/// What a person decides about a payment that does not fit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "credit": true, "reason": "the payer paid by two cards, seen in the provider's cabinet" }))]
pub struct QuarantineResolution {
    /// Whether the money that came is credited to the wallet. Otherwise it stays in the suspense account.
    pub credit: bool,
    /// How this was found out, 1 to 500 characters; becomes part of the history.
    pub reason: String,
}

/// Decide about a quarantined payment
///
/// The first call proposes; it is decided when another key says the same.
///
/// A payment is quarantined when what the provider says does not fit what was asked for: another amount, another currency, a
/// test where real money is expected. What really came is credited, or not, as it is; nothing is rounded to fit.
#[utoipa::path(post, path = "/v1/payments/{payment_id}/quarantine/resolve", tag = "payments",
    request_body = QuarantineResolution,
    params(("payment_id" = Uuid, Path, description = "The payment.")),
    responses((status = 200, description = "It is proposed, or decided.", body = Changed)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn resolve_quarantine(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(payment_id): Path<Uuid>,
    Json(body): Json<QuarantineResolution>,
) -> Answer<JsonAnswer<Changed>> {
    let reason = reason(body.reason)?;
    let done = gateway
        .app
        .resolve_quarantine(PaymentId(payment_id), body.credit, reason, &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}

/// How it was found out that a refund never was.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundFailure {
    /// How, 1 to 500 characters; becomes part of the history.
    #[schema(example = "not in the provider's cabinet")]
    pub reason: String,
}

/// Say that a refund without an answer was never made
///
/// The hold is released. Refused within an hour of its call. Should the refund go through after all, it is booked like one from
/// the provider's cabinet.
#[utoipa::path(post, path = "/v1/payments/{payment_id}/refunds/{refund_id}/failure", tag = "payments",
    request_body = RefundFailure,
    params(("payment_id" = Uuid, Path, description = "The payment."), ("refund_id" = Uuid, Path, description = "The refund.")),
    responses((status = 200, description = "The refund has failed.", body = Changed)),
    security(("api_key" = ["admin"])))]
pub async fn give_refund_up(
    write: Write<Administering>,
    State(gateway): State<Gateway>,
    Path((payment_id, refund_id)): Path<(Uuid, Uuid)>,
    Json(body): Json<RefundFailure>,
) -> Answer<JsonAnswer<Changed>> {
    let reason = reason(body.reason)?;
    let done = gateway
        .app
        .give_refund_up(
            PaymentId(payment_id),
            RefundId(refund_id),
            reason,
            &write.context,
        )
        .await?;
    Ok(JsonAnswer(done.into()))
}
