//! Corrections of wallets by people, with four eyes: whoever proposes cannot approve.

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::response::Response;
use chrono::NaiveDate;
use kvit_commands::app::AdjustmentRequest;
use kvit_domain::ids::{AdjustmentId, TransactionId, WalletId};
use kvit_domain::ledger::{Account, Side};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::{Changed, Created, created};
use super::users_work::Because;
use super::{field, reason};
use crate::auth::{Administering, Operating, Write};
use crate::http::amount::AmountInput;
use crate::http::extract::{Json, Path};
use crate::http::problem::Answer;
use crate::parts::Gateway;

/// The side of an entry on a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SideInput {
    /// The wallet shrinks.
    Debit,
    /// The wallet grows.
    Credit,
}

impl From<SideInput> for Side {
    fn from(side: SideInput) -> Self {
        match side {
            SideInput::Debit => Self::Debit,
            SideInput::Credit => Self::Credit,
        }
    }
}

/// A correction to propose.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "wallet_id": "5b1f1c9e-3c0b-4d8e-9a53-0c8f0f6f7a11:UAH", "side": "credit",
    "amount": { "minor": 1_500, "currency": "UAH" }, "reason": "paid out twice by the old system"
}))]
pub struct NewAdjustment {
    /// Which wallet.
    #[schema(example = "5b1f1c9e-3c0b-4d8e-9a53-0c8f0f6f7a11:UAH")]
    pub wallet_id: String,
    /// `credit`: the wallet grows; `debit`: it shrinks.
    pub side: SideInput,
    /// By how much.
    pub amount: AmountInput,
    /// The account on the other side; no wallet.
    #[serde(default = "usual_account")]
    #[schema(default = "adjustments:expense", example = "adjustments:expense")]
    pub account: String,
    /// From which day it counts; today when absent.
    #[serde(default, deserialize_with = "crate::http::extract::plausible_or_none")]
    pub value_date: Option<NaiveDate>,
    /// Why, 1 to 500 characters; becomes part of the history.
    pub reason: String,
    /// The booking that it corrects, such as one in a closed period.
    #[serde(default)]
    pub corrects: Option<Uuid>,
}

fn usual_account() -> String {
    Account::Adjustments.to_string()
}

/// Propose a correction of a wallet
///
/// Nothing is booked until another API key approves it.
#[utoipa::path(post, path = "/v1/adjustments", tag = "adjustments", request_body = NewAdjustment,
    responses((status = 201, description = "It waits for another person.", body = Created)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn propose_adjustment(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Json(body): Json<NewAdjustment>,
) -> Answer<Response> {
    let adjustment_id = AdjustmentId::derived("api_adjustment", write.intention());
    let request = AdjustmentRequest {
        adjustment_id,
        wallet_id: field::<WalletId>("/wallet_id", &body.wallet_id)?,
        side: body.side.into(),
        amount: body.amount.money("/amount")?,
        account: field("/account", &body.account)?,
        value_date: body.value_date,
        reason: reason(body.reason)?,
        corrects: body.corrects.map(TransactionId),
    };
    let done = gateway
        .app
        .propose_adjustment(request, &write.context)
        .await?;
    let answer = Created {
        id: adjustment_id.to_string(),
        position: done.position,
        replayed: done.replayed,
    };
    Ok(created(&format!("/v1/adjustments/{adjustment_id}"), answer))
}

/// Approve a correction that somebody else proposed
///
/// Approval and booking are one. The key that proposed it is refused with `four_eyes_required`.
#[utoipa::path(post, path = "/v1/adjustments/{adjustment_id}/approve", tag = "adjustments", request_body = Because,
    params(("adjustment_id" = Uuid, Path, description = "The adjustment.")),
    responses((status = 200, description = "It is booked.", body = Changed)),
    security(("api_key" = ["admin"])))]
pub async fn approve_adjustment(
    write: Write<Administering>,
    State(gateway): State<Gateway>,
    Path(adjustment_id): Path<Uuid>,
    Json(body): Json<Because>,
) -> Answer<JsonAnswer<Changed>> {
    let reason = reason(body.reason)?;
    let done = gateway
        .app
        .approve_adjustment(AdjustmentId(adjustment_id), reason, &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}

/// Decline or withdraw a correction
///
/// Nothing is booked. The key that proposed it may do this as well.
#[utoipa::path(post, path = "/v1/adjustments/{adjustment_id}/decline", tag = "adjustments", request_body = Because,
    params(("adjustment_id" = Uuid, Path, description = "The adjustment.")),
    responses((status = 200, description = "It will not be booked.", body = Changed)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn decline_adjustment(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(adjustment_id): Path<Uuid>,
    Json(body): Json<Because>,
) -> Answer<JsonAnswer<Changed>> {
    let reason = reason(body.reason)?;
    let done = gateway
        .app
        .decline_adjustment(AdjustmentId(adjustment_id), reason, &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}
