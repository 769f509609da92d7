//! What providers have sent by themselves.

use axum::extract::State;
use kvit_projections::queries::oversight::{self, NotificationFilter, NotificationState};
use kvit_projections::queries::projection::PAYMENTS;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::{Fresh, Page};
use super::known;
use super::payments::provider;
use super::view::oversight::Notification;
use crate::auth::{Read, Viewing};
use crate::http::cursor::{self, Listing};
use crate::http::extract::Query;
use crate::http::problem::Answer;
use crate::parts::Gateway;

const STATES: [NotificationState; 3] = [
    NotificationState::Received,
    NotificationState::Verified,
    NotificationState::Quarantined,
];

/// Which notifications; all conditions must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NotificationQuery {
    /// Of this provider.
    #[param(example = "yookassa")]
    provider: Option<String>,
    /// In this state.
    #[param(example = "quarantined")]
    state: Option<String>,
    /// About this object of the provider.
    object_id: Option<String>,
    /// From `links.next`.
    cursor: Option<String>,
    /// Rows on a page, 1 to 200; 50 when absent.
    limit: Option<u32>,
}

/// Notifications of providers, newest first
///
/// One for each event and object, however often it was sent. Its body is kept sealed and is not shown.
#[utoipa::path(get, path = "/v1/notifications", tag = "providers", params(NotificationQuery),
    responses((status = 200, description = "Notifications.", body = Page<Notification>, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn list_notifications(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Query(query): Query<NotificationQuery>,
) -> Answer<Fresh<Page<Notification>>> {
    let filter = NotificationFilter {
        provider: provider(query.provider.as_deref())?,
        state: known("state", query.state.as_deref(), &STATES, |state| {
            state.code()
        })?,
        object_id: query.object_id.clone(),
    };
    let listing = Listing::new("/v1/notifications")
        .filter("provider", query.provider.as_ref())
        .filter("state", query.state.as_ref())
        .filter("object_id", query.object_id.as_ref());
    let after = listing.open(query.cursor.as_deref())?;
    let limit = cursor::limit(query.limit)?;
    read.reach(&gateway, &[PAYMENTS]).await?;
    let answer = oversight::notifications(&gateway.pool, &filter, after.as_deref(), limit).await?;
    Ok(Fresh::page(answer, &listing, limit))
}
