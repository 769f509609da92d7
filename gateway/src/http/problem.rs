//! Error answers: RFC 9457 `application/problem+json`, in four lanes.
//!
//! *Rejected* and *denied* tell the caller what to change; *transient* says when to come again; *fatal* says nothing but
//! an eight-digit id that is also in the log. Nothing of a fault's own text leaves the process.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use kvit_commands::error::CommandError;
use kvit_domain::event::Position;
use kvit_domain::rejection::Rejection;
use kvit_projections::Fault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{codes, random, scope};

/// Media type of error answers.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// One wrong field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer into the body (`/terms/currency`), or the name of a parameter.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

/// The body of an error answer.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Address of the page about this code.
    #[serde(rename = "type")]
    #[schema(example = "/errors/not_found")]
    pub kind: String,
    /// What the code means.
    pub title: String,
    /// The HTTP status.
    #[schema(example = 404)]
    pub status: u16,
    /// What was wrong this time.
    pub detail: String,
    /// Stable code, for programs.
    #[schema(example = "not_found")]
    pub code: String,
    /// Id of this request, also in the header `X-Request-Id` and in the log.
    pub request_id: String,
    /// The wrong fields, when the request's form is at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
    /// Facts by name, such as `available_minor` of `insufficient_funds`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    pub details: BTreeMap<String, String>,
    /// How far the read models are, for `projection_behind`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    /// Eight hexadecimal digits that find the fault in the log, for `internal_error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_id: Option<String>,
}

/// An error answer in the making. Boxed, since every result of a handler has room for one.
#[derive(Debug)]
pub struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    code: String,
    detail: String,
    errors: Vec<FieldError>,
    details: BTreeMap<String, String>,
    retry_after: Option<Duration>,
    position: Option<Position>,
    error_id: Option<String>,
}

/// Result of a handler.
pub type Answer<T> = Result<T, Problem>;

impl Problem {
    /// A problem with a code out of [`codes`].
    #[must_use]
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        debug_assert!(codes::meaning(code).is_some(), "undocumented code {code}");
        Self(Box::new(Parts {
            code: code.to_owned(),
            detail: detail.into(),
            errors: Vec::new(),
            details: BTreeMap::new(),
            retry_after: None,
            position: None,
            error_id: None,
        }))
    }

    /// There is no such thing.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new("not_found", format!("there is no such {what}"))
    }

    /// Something that is needed is away; its own text goes to the log only.
    pub fn unavailable(what: &'static str, cause: &dyn std::fmt::Display) -> Self {
        tracing::warn!(%cause, "{what} is not available");
        Self::new("unavailable", format!("{what} is not available, try again"))
            .retry_after(Duration::from_secs(1))
    }

    /// A fault of ours; its text goes to the log only, together with the id that the caller gets.
    pub fn fatal(cause: &dyn std::fmt::Display) -> Self {
        let error_id = random::hex::<4>();
        tracing::error!(error_id, %cause, "a request failed");
        metrics::counter!("kvit_http_fatal_total").increment(1);
        let mut problem = Self::new("internal_error", "the request failed; the fault is logged");
        problem.0.error_id = Some(error_id);
        problem
    }

    /// The same problem with a wrong field.
    #[must_use]
    pub fn field(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.0.errors.push(FieldError {
            pointer: pointer.into(),
            detail: detail.into(),
        });
        self
    }

    /// The same problem with the time after which a repeat makes sense.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// The same problem with how far the read models are.
    #[must_use]
    pub fn at_position(mut self, position: Position) -> Self {
        self.0.position = Some(position);
        self
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    fn retry_after_seconds(&self) -> Option<u64> {
        let rounded_up = |d: Duration| {
            d.as_secs()
                .saturating_add(u64::from(d.subsec_nanos() > 0))
                .max(1)
        };
        self.0.retry_after.map(rounded_up).or_else(|| {
            self.0
                .details
                .get("retry_after_seconds")
                .and_then(|text| text.parse().ok())
        })
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let mut problem = Self::new(&rejection.code, rejection.message);
        problem.0.details = rejection.details;
        problem
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Rejected(rejection) => rejection.into(),
            CommandError::Transient {
                reason,
                retry_after,
            } => Self::unavailable("the platform", &reason).retry_after(retry_after),
            CommandError::Fatal(cause) => Self::fatal(&cause),
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match fault {
            // The cursor was ours, yet its inside was not: it was forged.
            Fault::BadCursor => Self::new(
                "invalid_cursor",
                "take cursors from links.next, with the same filters",
            ),
            fault if fault.is_transient() => Self::unavailable("the read models", &fault),
            fault => Self::fatal(&fault),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let retry_after = self.retry_after_seconds();
        let parts = *self.0;
        let status = codes::status(&parts.code);
        let body = ProblemBody {
            kind: format!("/errors/{}", parts.code),
            title: codes::meaning(&parts.code)
                .unwrap_or("The request was refused.")
                .to_owned(),
            status: status.as_u16(),
            detail: parts.detail,
            request_id: scope::request_id(),
            errors: parts.errors,
            details: parts.details,
            position: parts.position,
            error_id: parts.error_id,
            code: parts.code,
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"kvit\""),
            );
        }
        response
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_refusal_keeps_its_code_its_facts_and_its_waiting_time() {
        let rejection = Rejection::new("rate_limited", "wait").with("retry_after_seconds", 17);
        let response = Problem::from(rejection).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[RETRY_AFTER], "17");
        assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
    }

    #[tokio::test]
    async fn a_fatal_answer_holds_an_id_and_nothing_of_the_cause() {
        let response = Problem::fatal(&"password=hunter2").into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let bytes = axum::body::to_bytes(response.into_body(), 10_000)
            .await
            .unwrap();
        let body: ProblemBody = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(body.error_id.unwrap().len(), 8);
        assert!(!String::from_utf8_lossy(&bytes).contains("hunter2"));
    }

    #[test]
    fn a_part_of_a_second_is_rounded_up() {
        let response = Problem::new("overloaded", "")
            .retry_after(Duration::from_millis(1_200))
            .into_response();
        assert_eq!(response.headers()[RETRY_AFTER], "2");
    }
}
