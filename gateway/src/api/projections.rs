//! How the read models themselves are doing.

use axum::Json as JsonAnswer;
use axum::extract::State;
use chrono::{DateTime, Utc};
use kvit_projections::queries::status::{self, ProjectionStatus};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Whole;
use crate::auth::{Admit, Viewing};
use crate::http::problem::Answer;
use crate::parts::Gateway;

/// A build of a projection.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectionView {
    /// The projection.
    #[schema(example = "ledger")]
    pub name: String,
    /// Number of the build.
    pub build: i64,
    /// Version of its fold.
    pub version: i64,
    /// `active`, `building`, `retired`, or `stuck` when an event cannot be folded.
    #[schema(example = "active")]
    pub state: String,
    /// Position of the last folded event.
    pub position: i64,
    /// Events behind the log.
    pub lag_events: i64,
    /// Age in seconds of the oldest event that is not folded.
    pub lag_seconds: i64,
    /// Events that were left out because they cannot be folded.
    pub parked: i64,
    /// The event before which it stands.
    pub stuck_at: Option<StuckView>,
}

/// An event that cannot be folded.
#[derive(Debug, Serialize, ToSchema)]
pub struct StuckView {
    /// Its position.
    pub position: i64,
    /// Its name.
    pub event_type: String,
    /// Why not.
    pub reason: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was tried first.
    pub first_at: DateTime<Utc>,
}

impl From<ProjectionStatus> for ProjectionView {
    fn from(status: ProjectionStatus) -> Self {
        Self {
            name: status.name,
            build: status.build,
            version: status.version,
            state: status.state,
            position: status.position,
            lag_events: status.lag_events,
            lag_seconds: status.lag_seconds,
            parked: status.parked,
            stuck_at: status.stuck_at.map(|stuck| StuckView {
                position: stuck.position,
                event_type: stuck.event_type,
                reason: stuck.reason,
                attempts: stuck.attempts,
                first_at: stuck.first_at,
            }),
        }
    }
}

/// The read models: how far each one is
#[utoipa::path(get, path = "/v1/projections", tag = "operations",
    responses((status = 200, description = "All builds.", body = Whole<ProjectionView>)),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn projections(
    _: Admit<Viewing>,
    State(gateway): State<Gateway>,
) -> Answer<JsonAnswer<Whole<ProjectionView>>> {
    let builds = status::status(&gateway.pool).await?;
    Ok(JsonAnswer(Whole {
        data: builds.into_iter().map(Into::into).collect(),
    }))
}
