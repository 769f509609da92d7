//! Paid jobs as they stand.

use axum::extract::State;
use kvit_domain::ids::{JobId, UserId};
use kvit_domain::job::JobState;
use kvit_projections::queries::jobs::{self, JobFilter};
use kvit_projections::queries::projection::JOBS;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::answer::{Fresh, Page};
use super::known;
use super::view::work::Job;
use crate::auth::{Read, Viewing};
use crate::http::cursor::{self, Listing};
use crate::http::extract::{Path, Query};
use crate::http::problem::Answer;
use crate::parts::Gateway;

const STATES: [JobState; 7] = [
    JobState::Pending,
    JobState::Processing,
    JobState::Completed,
    JobState::Delivered,
    JobState::Failed,
    JobState::Cancelled,
    JobState::Expired,
];

/// Which jobs; all conditions must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobQuery {
    /// Of this user.
    user_id: Option<Uuid>,
    /// In this state.
    #[param(example = "processing")]
    state: Option<String>,
    /// From `links.next`.
    cursor: Option<String>,
    /// Rows on a page, 1 to 200; 50 when absent.
    limit: Option<u32>,
}

/// Jobs, newest first
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(JobQuery),
    responses((status = 200, description = "Jobs.", body = Page<Job>, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn list_jobs(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Query(query): Query<JobQuery>,
) -> Answer<Fresh<Page<Job>>> {
    let filter = JobFilter {
        user_id: query.user_id.map(UserId),
        state: known("state", query.state.as_deref(), &STATES, |state| {
            state.code()
        })?,
    };
    let listing = Listing::new("/v1/jobs")
        .filter("user_id", query.user_id.as_ref())
        .filter("state", query.state.as_ref());
    let after = listing.open(query.cursor.as_deref())?;
    let limit = cursor::limit(query.limit)?;
    read.reach(&gateway, &[JOBS]).await?;
    let answer = jobs::search(&gateway.pool, &filter, after.as_deref(), limit).await?;
    Ok(Fresh::page(answer, &listing, limit))
}

/// A job
#[utoipa::path(get, path = "/v1/jobs/{job_id}", tag = "jobs",
    params(("job_id" = Uuid, Path, description = "The job.")),
    responses((status = 200, description = "The job.", body = Job, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn job(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Path(id): Path<Uuid>,
) -> Answer<Fresh<Job>> {
    read.reach(&gateway, &[JOBS]).await?;
    Fresh::one(jobs::job(&gateway.pool, JobId(id)).await?, "job")
}
