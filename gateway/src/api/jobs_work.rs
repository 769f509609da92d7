//! Calls of external workers: order a paid job, take it, report on it, end it.

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use kvit_commands::app::JobRequest;
use kvit_domain::ids::{JobId, UserId};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::{Changed, Created, created};
use crate::auth::{Operating, Write};
use crate::http::amount::AmountInput;
use crate::http::extract::{Json, Path};
use crate::http::problem::Answer;
use crate::parts::Gateway;

/// A job to order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// Who pays.
    pub user_id: Uuid,
    /// Kind of job, at most 60 bytes.
    #[schema(example = "image.generate")]
    pub kind: String,
    /// The price, held on the user's wallet of this currency until the job ends.
    pub estimate: AmountInput,
    /// When the job expires if nobody finishes it.
    #[serde(deserialize_with = "crate::http::extract::plausible")]
    pub expires_at: DateTime<Utc>,
}

/// Order a paid job
///
/// Its estimate is held on the wallet in the same moment. The id follows from the caller and the `Idempotency-Key`, so a
/// repeat names the same job.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", request_body = NewJob,
    responses((status = 201, description = "The job is ordered.", body = Created)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn request_job(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Json(body): Json<NewJob>,
) -> Answer<Response> {
    let job_id = JobId::derived("api_job", write.intention());
    let request = JobRequest {
        job_id,
        user_id: UserId(body.user_id),
        kind: body.kind,
        estimate: body.estimate.money("/estimate")?,
        expires_at: body.expires_at,
    };
    let done = gateway.app.request_job(request, &write.context).await?;
    let answer = Created {
        id: job_id.to_string(),
        position: done.position,
        replayed: done.replayed,
    };
    Ok(created(&format!("/v1/jobs/{job_id}"), answer))
}

/// Who takes a job.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartJob {
    /// Name of the worker.
    #[schema(example = "worker-7")]
    pub worker: String,
}

/// Take a job
#[utoipa::path(post, path = "/v1/jobs/{job_id}/start", tag = "jobs", request_body = StartJob,
    params(("job_id" = Uuid, Path, description = "The job.")),
    responses((status = 200, description = "The job is in work.", body = Changed)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn start_job(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(job_id): Path<Uuid>,
    Json(body): Json<StartJob>,
) -> Answer<JsonAnswer<Changed>> {
    let done = gateway
        .app
        .start_job(JobId(job_id), body.worker, &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}

/// How far a job is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgressJob {
    /// 0 to 100; going backwards changes nothing.
    #[schema(example = 40, maximum = 100)]
    pub percent: u8,
}

/// Report a job's progress
#[utoipa::path(post, path = "/v1/jobs/{job_id}/progress", tag = "jobs", request_body = ProgressJob,
    params(("job_id" = Uuid, Path, description = "The job.")),
    responses((status = 200, description = "Noted.", body = Changed)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn progress_job(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(job_id): Path<Uuid>,
    Json(body): Json<ProgressJob>,
) -> Answer<JsonAnswer<Changed>> {
    let done = gateway
        .app
        .progress_job(JobId(job_id), body.percent, &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}

/// A finished job.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompleteJob {
    /// What it really cost, at most the estimate.
    pub cost: AmountInput,
    /// Where the result is in our storage.
    #[schema(example = "jobs/2026/11/result.png")]
    pub result_key: String,
}

/// Finish a job
///
/// The cost is captured from the hold and the rest released in the same moment.
#[utoipa::path(post, path = "/v1/jobs/{job_id}/complete", tag = "jobs", request_body = CompleteJob,
    params(("job_id" = Uuid, Path, description = "The job.")),
    responses((status = 200, description = "The job is done and paid.", body = Changed)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn complete_job(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(job_id): Path<Uuid>,
    Json(body): Json<CompleteJob>,
) -> Answer<JsonAnswer<Changed>> {
    let cost = body.cost.money("/cost")?;
    let done = gateway
        .app
        .complete_job(JobId(job_id), cost, body.result_key, &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}

/// A failed job.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FailJob {
    /// Why, as a code.
    #[schema(example = "model_unavailable")]
    pub code: String,
}

/// Give a job up
///
/// The hold is released in the same moment.
#[utoipa::path(post, path = "/v1/jobs/{job_id}/fail", tag = "jobs", request_body = FailJob,
    params(("job_id" = Uuid, Path, description = "The job.")),
    responses((status = 200, description = "The job has failed; nothing was paid.", body = Changed)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn fail_job(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(job_id): Path<Uuid>,
    Json(body): Json<FailJob>,
) -> Answer<JsonAnswer<Changed>> {
    let done = gateway
        .app
        .fail_job(JobId(job_id), body.code, &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}

/// Who cancels a job.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelJob {
    /// Its owner, in whose name it is cancelled.
    pub user_id: Uuid,
}

/// Cancel a job in its owner's name
#[utoipa::path(post, path = "/v1/jobs/{job_id}/cancel", tag = "jobs", request_body = CancelJob,
    params(("job_id" = Uuid, Path, description = "The job.")),
    responses((status = 200, description = "The job is cancelled; nothing was paid.", body = Changed)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn cancel_job(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(job_id): Path<Uuid>,
    Json(body): Json<CancelJob>,
) -> Answer<JsonAnswer<Changed>> {
    let done = gateway
        .app
        .cancel_job(JobId(job_id), UserId(body.user_id), &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}
