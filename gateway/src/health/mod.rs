//! Whether the process lives and whether it can work.
//!
//! `/livez` asks nothing but the process itself: a restart would not bring a lost database back. `/readyz` asks everything
//! that work needs. Neither writes anything, and neither tells more than names, states and times: why a check failed is
//! in the log.

pub mod traffic;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::get};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::{Admit, Viewing};
use crate::http::problem::Answer;
use crate::parts::Gateway;

/// Answers of the checks are kept this long, so that a crowd of probes is one look.
const FRESH: Duration = Duration::from_millis(500);

/// Something that must work before requests make sense.
#[async_trait]
pub trait ReadinessCheck: Send + Sync {
    /// Its name in the answer, such as `postgres`.
    fn name(&self) -> &'static str;

    /// How long an answer may take.
    fn time_max(&self) -> Duration {
        Duration::from_secs(2)
    }

    /// Looks. The error's text goes to the log and nowhere else.
    async fn check(&self) -> Result<(), String>;
}

/// A check made of a function.
pub struct CheckFn<F> {
    name: &'static str,
    look: F,
}

impl<F> CheckFn<F> {
    /// A check with a name.
    pub const fn new(name: &'static str, look: F) -> Self {
        Self { name, look }
    }
}

#[async_trait]
impl<F, A> ReadinessCheck for CheckFn<F>
where
    F: Fn() -> A + Send + Sync,
    A: Future<Output = Result<(), String>> + Send,
{
    fn name(&self) -> &'static str {
        self.name
    }

    async fn check(&self) -> Result<(), String> {
        (self.look)().await
    }
}

/// Up or down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It works.
    Ok,
    /// It does not.
    Down,
}

/// What one check saw.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Component {
    /// What was looked at.
    pub name: String,
    /// What was seen.
    pub status: Status,
    /// How long the look took.
    pub response_time_ms: u64,
}

/// What all checks saw.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Down when anything is.
    pub status: Status,
    /// When it was looked.
    pub timestamp: DateTime<Utc>,
    /// By name; only with `?verbose`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Component>,
}

/// The answer of `/healthz`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// As `/readyz` says it.
    #[serde(flatten)]
    pub readiness: Readiness,
    /// Figures of the last minute and day.
    pub metrics: HealthMetrics,
}

/// Figures for a first look.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HealthMetrics {
    /// Users who did something in the last 24 hours; absent while the read models are away.
    pub active_users_24h: Option<i64>,
    /// Requests of this process in the last minute, probes left out.
    pub requests_per_minute: u64,
    /// Share of them that ended in a status from 500 on, as a decimal fraction with four digits.
    #[schema(example = "0.0125")]
    pub error_rate: String,
}

/// The checks with their last answer.
pub struct Checks {
    all: Vec<Arc<dyn ReadinessCheck>>,
    last: tokio::sync::Mutex<Option<(Instant, Readiness)>>,
}

impl Checks {
    /// Checks as the wiring gives them.
    #[must_use]
    pub fn new(all: Vec<Arc<dyn ReadinessCheck>>) -> Self {
        Self {
            all,
            last: tokio::sync::Mutex::new(None),
        }
    }

    /// All answers, at most [`FRESH`] old. Callers at the same time share one look.
    pub async fn look(&self, now: DateTime<Utc>) -> Readiness {
        let mut last = self.last.lock().await;
        if let Some((at, readiness)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return readiness.clone();
        }
        let components =
            futures::future::join_all(self.all.iter().map(|check| look_at(check.as_ref()))).await;
        let all_up = components
            .iter()
            .all(|component| component.status == Status::Ok);
        let status = if all_up { Status::Ok } else { Status::Down };
        let readiness = Readiness {
            status,
            timestamp: now,
            components,
        };
        *last = Some((Instant::now(), readiness.clone()));
        readiness
    }
}

async fn look_at(check: &dyn ReadinessCheck) -> Component {
    let started = Instant::now();
    let outcome = tokio::time::timeout(check.time_max(), check.check()).await;
    let status = match outcome {
        Ok(Ok(())) => Status::Ok,
        Ok(Err(cause)) => {
            tracing::warn!(check = check.name(), %cause, "a readiness check failed");
            Status::Down
        }
        Err(_) => {
            tracing::warn!(check = check.name(), "a readiness check took too long");
            Status::Down
        }
    };
    metrics::gauge!("kvit_ready", "check" => check.name()).set(if status == Status::Ok {
        1.0
    } else {
        0.0
    });
    let response_time_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Component {
        name: check.name().to_owned(),
        status,
        response_time_ms,
    }
}

const fn http_status(status: Status) -> StatusCode {
    match status {
        Status::Ok => StatusCode::OK,
        Status::Down => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn livez() -> &'static str {
    "ok\n"
}

fn is_verbose(query: Option<&str>) -> bool {
    query.is_some_and(|query| {
        query
            .split('&')
            .any(|part| matches!(part, "verbose" | "verbose=true" | "verbose=1" | "verbose="))
    })
}

async fn readyz(State(gateway): State<Gateway>, RawQuery(query): RawQuery) -> Response {
    let mut readiness = gateway.checks.look(gateway.clock.now()).await;
    if !is_verbose(query.as_deref()) {
        readiness.components.clear();
    }
    (http_status(readiness.status), Json(readiness)).into_response()
}

async fn healthz(State(gateway): State<Gateway>) -> Response {
    let now = gateway.clock.now();
    let readiness = gateway.checks.look(now).await;
    let (requests, errors) = gateway.traffic.last_minute(now.timestamp());
    let metrics = HealthMetrics {
        active_users_24h: gateway.active_users().await,
        requests_per_minute: requests,
        error_rate: fraction(errors, requests),
    };
    (
        http_status(readiness.status),
        Json(Health { readiness, metrics }),
    )
        .into_response()
}

/// `part` of `whole` with four digits after the dot, cut.
fn fraction(part: u64, whole: u64) -> String {
    let ten_thousandths = part.saturating_mul(10_000).checked_div(whole).unwrap_or(0);
    format!(
        "{}.{:04}",
        ten_thousandths / 10_000,
        ten_thousandths % 10_000
    )
}

fn rendered(gateway: &Gateway) -> Response {
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        (gateway.metrics_render)(),
    )
        .into_response()
}

async fn open_metrics(State(gateway): State<Gateway>) -> Response {
    rendered(&gateway)
}

async fn keyed_metrics(_: Admit<Viewing>, State(gateway): State<Gateway>) -> Answer<Response> {
    Ok(rendered(&gateway))
}

/// The probes and the figures.
pub(crate) fn routes(metrics_need_key: bool) -> Router<Gateway> {
    let figures = if metrics_need_key {
        get(keyed_metrics)
    } else {
        get(open_metrics)
    };
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/healthz", get(healthz))
        .route("/metrics", figures)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test]
    async fn a_check_that_hangs_is_down_and_the_others_are_still_told() {
        struct Hangs;
        #[async_trait]
        impl ReadinessCheck for Hangs {
            fn name(&self) -> &'static str {
                "nats"
            }
            fn time_max(&self) -> Duration {
                Duration::from_millis(20)
            }
            async fn check(&self) -> Result<(), String> {
                std::future::pending().await
            }
        }
        let fine: Arc<dyn ReadinessCheck> = Arc::new(CheckFn::new("postgres", || async { Ok(()) }));
        let checks = Checks::new(vec![fine, Arc::new(Hangs)]);
        let seen = checks.look(DateTime::from_timestamp(0, 0).unwrap()).await;
        assert_eq!(seen.status, Status::Down);
        let states: Vec<_> = seen
            .components
            .iter()
            .map(|c| (c.name.as_str(), c.status))
            .collect();
        assert_eq!(states, [("postgres", Status::Ok), ("nats", Status::Down)]);
    }

    #[test]
    fn a_share_is_written_with_four_digits() {
        assert_eq!(fraction(1, 80), "0.0125");
        assert_eq!(fraction(0, 0), "0.0000");
        assert_eq!(fraction(3, 3), "1.0000");
    }
}
