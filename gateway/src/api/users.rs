//! Users as they stand.

use axum::extract::State;
use kvit_domain::ids::UserId;
use kvit_projections::queries::projection::USERS;
use kvit_projections::queries::users::{self, UserFilter};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::answer::{Fresh, Page};
use super::known;
use super::view::people::User;
use crate::auth::{Read, Viewing};
use crate::http::cursor::{self, Listing};
use crate::http::extract::{Path, Query};
use crate::http::problem::Answer;
use crate::parts::Gateway;

const STATES: [&str; 5] = ["registered", "active", "banned", "blocked", "forgotten"];

/// Which users; all conditions must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UserQuery {
    /// In this state.
    #[param(example = "banned")]
    state: Option<String>,
    /// From `links.next`.
    cursor: Option<String>,
    /// Rows on a page, 1 to 200; 50 when absent.
    limit: Option<u32>,
}

/// Users, newest first
#[utoipa::path(get, path = "/v1/users", tag = "users", params(UserQuery),
    responses((status = 200, description = "Users.", body = Page<User>, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn list_users(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Query(query): Query<UserQuery>,
) -> Answer<Fresh<Page<User>>> {
    let state = known("state", query.state.as_deref(), &STATES, |state| state)?;
    let filter = UserFilter {
        phone_hash: None,
        state: state.map(str::to_owned),
    };
    let listing = Listing::new("/v1/users").filter("state", query.state.as_ref());
    let after = listing.open(query.cursor.as_deref())?;
    let limit = cursor::limit(query.limit)?;
    read.reach(&gateway, &[USERS]).await?;
    let answer = users::search(&gateway.pool, &filter, after.as_deref(), limit).await?;
    Ok(Fresh::page(answer, &listing, limit))
}

/// A user
#[utoipa::path(get, path = "/v1/users/{user_id}", tag = "users",
    params(("user_id" = Uuid, Path, description = "The user.")),
    responses((status = 200, description = "The user.", body = User, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn user(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Path(id): Path<Uuid>,
) -> Answer<Fresh<User>> {
    read.reach(&gateway, &[USERS]).await?;
    Fresh::one(users::user(&gateway.pool, UserId(id)).await?, "user")
}
