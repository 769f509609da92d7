//! What belongs to the request being answered and is needed wherever an answer is made: its id, its trace, its caller.

use std::sync::{Arc, OnceLock};

use axum::http::HeaderMap;

use super::random;

tokio::task_local! {
    static CURRENT: Arc<RequestScope>;
}

/// Header that carries the request's id, in and out.
pub const REQUEST_ID: &str = "x-request-id";
const REQUEST_ID_MAX: usize = 100;

/// Who was let in, for the log line and the rate headers.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// Id of the key.
    pub key_id: String,
    /// Its limit.
    pub per_minute: u32,
    /// What is left of it.
    pub remaining: u32,
}

/// One request.
#[derive(Debug)]
pub struct RequestScope {
    /// Its id.
    pub id: String,
    /// Its place in a trace, as W3C `traceparent`.
    pub traceparent: Option<String>,
    /// Set once the key was checked.
    pub admitted: OnceLock<Admitted>,
}

/// Runs the answering of a request in its scope.
pub async fn run<F: Future>(scope: Arc<RequestScope>, answering: F) -> F::Output {
    CURRENT.scope(scope, answering).await
}

/// Id of the request being answered; empty outside one.
#[must_use]
pub fn request_id() -> String {
    CURRENT
        .try_with(|scope| scope.id.clone())
        .unwrap_or_default()
}

/// Trace context of the request being answered.
#[must_use]
pub fn traceparent() -> Option<String> {
    CURRENT
        .try_with(|scope| scope.traceparent.clone())
        .unwrap_or_default()
}

/// Notes who was let in.
pub fn note_admitted(admitted: Admitted) {
    // Outside a request there is nobody to tell; a second note cannot happen, as a request has one caller.
    let _ = CURRENT.try_with(|scope| scope.admitted.set(admitted));
}

/// The id that the caller sent, when it is a harmless text; else a new one.
#[must_use]
pub fn id_of(headers: &HeaderMap) -> String {
    let harmless = |id: &&str| {
        (1..=REQUEST_ID_MAX).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
    };
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(harmless)
        .map_or_else(random::hex::<16>, str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_id_that_could_break_a_log_line_is_replaced() {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, "order-17.a".parse().unwrap());
        assert_eq!(id_of(&headers), "order-17.a");
        for bad in ["a b", "", "{}", &"x".repeat(101)] {
            headers.insert(REQUEST_ID, bad.parse().unwrap());
            assert_ne!(id_of(&headers), bad);
        }
    }
}
