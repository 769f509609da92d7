//! Events that a policy or worker could not take.

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Page;
use super::users_work::Because;
use super::{PageQuery, reason};
use crate::auth::{Administering, Admit, Operating, Viewing, Write};
use crate::dead_letters::{DeadLetter, DeadLetterFault};
use crate::http::cursor::{self, Listing};
use crate::http::extract::{Json, Path, Query};
use crate::http::problem::{Answer, Problem};
use crate::parts::Gateway;

/// An event that was set aside.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetterView {
    /// Its id here.
    pub id: String,
    /// The handler that could not take it.
    #[schema(example = "payouts")]
    pub handler: String,
    /// The event's name.
    #[schema(example = "PayoutRequested")]
    pub event_type: String,
    /// Its stream.
    #[schema(example = "payout/5b1f1c9e-3c0b-4d8e-9a53-0c8f0f6f7a11")]
    pub stream: String,
    /// Its position in the log.
    pub position: i64,
    /// Why.
    pub reason: String,
    /// How often it was tried.
    pub deliveries: u32,
    /// When it was set aside.
    pub dead_since: DateTime<Utc>,
}

impl From<DeadLetter> for DeadLetterView {
    fn from(letter: DeadLetter) -> Self {
        Self {
            id: letter.id,
            handler: letter.handler,
            event_type: letter.event_type,
            stream: letter.stream,
            position: letter.position,
            reason: letter.reason,
            deliveries: letter.deliveries,
            dead_since: letter.dead_since,
        }
    }
}

impl From<DeadLetterFault> for Problem {
    fn from(fault: DeadLetterFault) -> Self {
        match fault {
            DeadLetterFault::Transient(cause) => {
                Self::unavailable("the store of dead letters", &cause)
            }
            DeadLetterFault::Fatal(cause) => Self::fatal(&cause),
        }
    }
}

/// List dead letters, oldest first
#[utoipa::path(get, path = "/v1/dead-letters", tag = "operations", params(PageQuery),
    responses((status = 200, description = "Dead letters.", body = Page<DeadLetterView>)),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn list_dead_letters(
    _: Admit<Viewing>,
    State(gateway): State<Gateway>,
    Query(query): Query<PageQuery>,
) -> Answer<JsonAnswer<Page<DeadLetterView>>> {
    let listing = Listing::new("/v1/dead-letters");
    let after = listing.open(query.cursor.as_deref())?;
    let limit = cursor::limit(query.limit)?;
    let page = gateway.dead_letters.list(after.as_deref(), limit).await?;
    Ok(JsonAnswer(Page::new(
        page.letters,
        page.next,
        &listing,
        limit,
    )))
}

/// Give a dead letter to its handler again
///
/// Handlers are idempotent, so a letter that was in part handled is not handled twice.
#[utoipa::path(post, path = "/v1/dead-letters/{letter_id}/replay", tag = "operations",
    params(("letter_id" = String, Path, description = "The dead letter.")),
    responses((status = 204, description = "It is on its way.")),
    security(("api_key" = ["operator", "admin"])))]
pub async fn replay_dead_letter(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(letter_id): Path<String>,
) -> Answer<StatusCode> {
    found(
        gateway
            .dead_letters
            .replay(&letter_id, &write.caller.actor())
            .await?,
    )
}

/// Drop a dead letter for good
#[utoipa::path(post, path = "/v1/dead-letters/{letter_id}/drop", tag = "operations", request_body = Because,
    params(("letter_id" = String, Path, description = "The dead letter.")),
    responses((status = 204, description = "It is gone.")),
    security(("api_key" = ["admin"])))]
pub async fn drop_dead_letter(
    write: Write<Administering>,
    State(gateway): State<Gateway>,
    Path(letter_id): Path<String>,
    Json(body): Json<Because>,
) -> Answer<StatusCode> {
    found(
        gateway
            .dead_letters
            .discard(&letter_id, &write.caller.actor(), &reason(body.reason)?)
            .await?,
    )
}

fn found(there: bool) -> Answer<StatusCode> {
    if there {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("dead letter"))
    }
}
