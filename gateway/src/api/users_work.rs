//! Banning.

use axum::Json as JsonAnswer;
use axum::extract::State;
use kvit_domain::ids::UserId;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::Changed;
use super::reason;
use crate::auth::{Administering, Write};
use crate::http::extract::{Json, Path};
use crate::http::problem::Answer;
use crate::parts::Gateway;

/// Why something is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Because {
    /// 1 to 500 characters; becomes part of the history.
    pub reason: String,
}

/// Ban a user
#[utoipa::path(post, path = "/v1/users/{user_id}/ban", tag = "users", request_body = Because,
    params(("user_id" = Uuid, Path, description = "The user.")),
    responses((status = 200, description = "The user is banned.", body = Changed)),
    security(("api_key" = ["admin"])))]
pub async fn ban_user(
    write: Write<Administering>,
    State(gateway): State<Gateway>,
    Path(user_id): Path<Uuid>,
    Json(body): Json<Because>,
) -> Answer<JsonAnswer<Changed>> {
    let done = gateway
        .app
        .ban(UserId(user_id), reason(body.reason)?, &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}

/// Lift a ban
#[utoipa::path(post, path = "/v1/users/{user_id}/unban", tag = "users", request_body = Because,
    params(("user_id" = Uuid, Path, description = "The user.")),
    responses((status = 200, description = "The user is not banned any more.", body = Changed)),
    security(("api_key" = ["admin"])))]
pub async fn unban_user(
    write: Write<Administering>,
    State(gateway): State<Gateway>,
    Path(user_id): Path<Uuid>,
    Json(body): Json<Because>,
) -> Answer<JsonAnswer<Changed>> {
    let done = gateway
        .app
        .unban(UserId(user_id), reason(body.reason)?, &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}
