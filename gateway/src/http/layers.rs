//! What surrounds every request: its id and trace, a log line, figures, a bound on time and number, headers, and a net
//! for panics.

use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::{Instrument, Span};

use super::problem::Problem;
use super::scope::{self, RequestScope};
use super::trace;
use crate::parts::Gateway;

/// Nothing may be loaded and nobody may frame it; pages bring their own.
const CLOSED: &str =
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const RATE_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Outermost: gives the request its id and trace, times it, counts it, and puts the common headers on the answer.
pub async fn observe(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let method = method_name(request.method());
    let id = scope::id_of(request.headers());
    let span = tracing::info_span!(
        "http.request",
        otel.kind = "server",
        http.method = method,
        http.route = %route,
        http.status = tracing::field::Empty,
        request.id = %id,
        api.key = tracing::field::Empty,
    );
    let traceparent = trace::join(&span, request.headers());
    let scope = Arc::new(RequestScope {
        id,
        traceparent: Some(traceparent),
        admitted: OnceLock::new(),
    });
    let answering = scope::run(Arc::clone(&scope), next.run(request)).instrument(span.clone());
    let mut response = answering.await;
    finish(&scope, response.headers_mut());
    note(
        &gateway,
        &span,
        &scope,
        method,
        &route,
        response.status().as_u16(),
        started.elapsed(),
    );
    response
}

/// Methods by name, so that an invented one cannot become a label.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn note(
    gateway: &Gateway,
    span: &Span,
    scope: &RequestScope,
    method: &'static str,
    route: &str,
    status: u16,
    took: Duration,
) {
    span.record("http.status", status);
    let key = scope
        .admitted
        .get()
        .map_or("", |admitted| admitted.key_id.as_str());
    span.record("api.key", key);
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    // The traffic of probes says nothing that anybody looks for.
    if matches!(route, "/livez" | "/readyz" | "/healthz" | "/metrics") {
        tracing::trace!(parent: span, status, duration_ms, "answered a probe");
        return;
    }
    tracing::debug!(parent: span, status, duration_ms, "answered");
    gateway
        .traffic
        .note(gateway.clock.now().timestamp(), status >= 500);
    let labels = [
        ("method", method.to_owned()),
        ("route", route.to_owned()),
        ("status", status.to_string()),
    ];
    metrics::counter!("kvit_http_requests_total", &labels).increment(1);
    metrics::histogram!("kvit_http_request_seconds", "method" => method, "route" => route.to_owned())
        .record(took.as_secs_f64());
}

fn finish(scope: &RequestScope, headers: &mut HeaderMap) {
    if let Ok(id) = HeaderValue::from_str(&scope.id) {
        headers.insert(scope::REQUEST_ID, id);
    }
    if let Some(traceparent) = scope.traceparent.as_deref().and_then(trace::header) {
        headers.insert(trace::TRACEPARENT, traceparent);
    }
    if let Some(admitted) = scope.admitted.get() {
        headers.insert(RATE_LIMIT, HeaderValue::from(admitted.per_minute));
        headers.insert(RATE_REMAINING, HeaderValue::from(admitted.remaining));
    }
    let common = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (RESOURCE_POLICY, "same-origin"),
        (CONTENT_SECURITY_POLICY, CLOSED),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in common {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

/// Bounds the number of requests in work and the time of each.
pub async fn bound(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let Ok(_place) = gateway.places.try_acquire() else {
        return Problem::new(
            "overloaded",
            "too many requests are being answered, try again",
        )
        .retry_after(Duration::from_secs(1))
        .into_response();
    };
    match tokio::time::timeout(gateway.settings.request_time_max, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            "timeout",
            "the request took too long; repeat it with the same Idempotency-Key",
        )
        .retry_after(Duration::from_secs(1))
        .into_response(),
    }
}

/// Makes a panic a fatal answer. Its text goes to the log only.
#[must_use]
pub fn caught(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned());
    Problem::fatal(&format!("panic: {text}")).into_response()
}
