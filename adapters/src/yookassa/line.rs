//! One exchange over HTTP with one account's key, and what it proves about the call when there is no answer.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tokio::sync::Semaphore;
use tracing::Instrument;
use url::Url;

use super::config::{ConfigError, YookassaAccount, YookassaConfig};
use super::node::{MAX_ANSWER_BYTES, Node};
use super::outcome::{Doubt, Lost, NotSent};
use crate::http::{self, BodyError};
use crate::traffic::{Exchange, Recorder};

/// Longest idempotence key (API v3, "Idempotence").
const MAX_KEY: usize = 64;
/// What `retry_after` is held within: never a busy loop, never out of sight.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(600));
/// Where `retry_after` is not told.
const RETRY_AFTER_UNTOLD: Duration = Duration::from_secs(2);

/// A way to the API with one account's key and a limit of calls under way.
#[derive(Debug)]
pub(super) struct Line {
    base: Url,
    http: reqwest::Client,
    pub(super) account: YookassaAccount,
    slots: Semaphore,
    wait: Duration,
    recorder: Recorder,
}

/// A question: a name for logs, the path below the base, the parameters.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    pub name: &'static str,
    pub path: &'a [&'a str],
    pub query: Vec<(String, String)>,
}

/// A call that may change something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub name: &'static str,
    pub path: &'a [&'a str],
    pub key: &'a str,
    /// Without one nothing is sent in its place.
    pub body: Option<&'a Value>,
}

/// What is kept of a request. The login is in a header, so it is not here.
struct Told {
    subject: String,
    request: Bytes,
}

impl Line {
    pub(super) fn open(
        config: &YookassaConfig,
        account: &YookassaAccount,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            base: config.endpoint.clone(),
            http: http::client(&config.http)?,
            account: account.clone(),
            slots: Semaphore::new(config.max_in_flight),
            wait: config.wait,
            recorder: config.http.recorder.clone(),
        })
    }

    /// Asks. `None`: the provider has no such object, or it is another account's.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Result<Option<Node>, Lost> {
        let asking = async {
            let mut url = self.url(ask.path)?;
            if !ask.query.is_empty() {
                url.query_pairs_mut().extend_pairs(&ask.query);
            }
            let request = self.http.request(Method::GET, url.clone());
            let told = Told {
                subject: format!("{} {}", ask.name, ask.path.join("/")),
                request: Bytes::from(url.query().unwrap_or_default().to_owned()),
            };
            let (status, body) = self.exchange(request, told).await?;
            match judge(status, &body) {
                Ok(node) => Ok(Some(node)),
                Err(Lost::Refused { code }) if status == 404 && code == "not_found" => Ok(None),
                Err(lost) => Err(lost),
            }
        };
        observed(ask.name, asking).await
    }

    /// Calls under a key. What is answered is the object that this key made, as it is now.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Node, Lost> {
        let calling = async {
            if !is_key(call.key) {
                return Err(Lost::NotSent(NotSent::Request));
            }
            let url = self.url(call.path)?;
            let body = call.body.map(Value::to_string).unwrap_or_default();
            let request = self
                .http
                .request(Method::POST, url)
                .header("Idempotence-Key", call.key)
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone());
            let told = Told {
                subject: format!("{} {} {}", call.name, call.path.join("/"), call.key),
                request: Bytes::from(body),
            };
            let (status, body) = self.exchange(request, told).await?;
            judge(status, &body)
        };
        observed(call.name, calling).await
    }

    fn url(&self, path: &[&str]) -> Result<Url, Lost> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.pop_if_empty().extend(path);
            }
            Err(()) => return Err(Lost::NotSent(NotSent::Request)),
        }
        Ok(url)
    }

    /// One exchange, which is kept for disputes whatever comes of it.
    async fn exchange(&self, request: RequestBuilder, told: Told) -> Result<(u16, Bytes), Lost> {
        let outcome = self.answer(request).await;
        if self.recorder.is_on() {
            self.recorder.record(Exchange {
                provider: "yookassa",
                subject: told.subject,
                request: told.request,
                answer: outcome.as_ref().ok().cloned(),
            });
        }
        outcome
    }

    async fn answer(&self, request: RequestBuilder) -> Result<(u16, Bytes), Lost> {
        let Ok(Ok(_slot)) = tokio::time::timeout(self.wait, self.slots.acquire()).await else {
            return Err(Lost::NotSent(NotSent::Busy));
        };
        let request = request.basic_auth(&self.account.id, Some(self.account.secret.expose()));
        let response = request.send().await.map_err(|error| unanswered(&error))?;
        let status = response.status().as_u16();
        let body = http::bounded_body(response, MAX_ANSWER_BYTES)
            .await
            .map_err(|error| {
                Lost::Unknown(match error {
                    BodyError::TooLarge { .. } => Doubt::TooLong,
                    BodyError::Broken(error) if error.is_timeout() => Doubt::Timeout,
                    BodyError::Broken(_) => Doubt::Broken,
                })
            })?;
        Ok((status, body))
    }
}

/// Whether a text can be a key. The published pattern admits more; these are enough for ours, and safe in a header.
pub(super) fn is_key(text: &str) -> bool {
    (1..=MAX_KEY).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Sorts a failed send by whether a byte of the request can have left. The connection is always a fresh one, so a failure to
/// connect (name, TCP, TLS handshake) is proof that none has; everything later is doubt.
fn unanswered(error: &reqwest::Error) -> Lost {
    if error.is_connect() {
        Lost::NotSent(NotSent::Connect)
    } else if error.is_builder() {
        Lost::NotSent(NotSent::Request)
    } else if error.is_timeout() {
        Lost::Unknown(Doubt::Timeout)
    } else {
        Lost::Unknown(Doubt::Broken)
    }
}

/// What an answer means (API v3, "HTTP codes"). A "no" counts only in the provider's own words: a page of something that stands
/// between us and the provider proves nothing about what is behind it.
fn judge(status: u16, body: &[u8]) -> Result<Node, Lost> {
    let doubt = Lost::Unknown(Doubt::HttpStatus(status));
    if status == 200 {
        let node = Node::read(body)?;
        // An error object is no answer under 200, whatever it says.
        return if node.is_map() && node.at("type").text() != Some("error") {
            Ok(node)
        } else {
            Err(doubt)
        };
    }
    let Ok(error) = Node::read(body) else {
        return Err(doubt);
    };
    let code = error.at("code").text().map(word).unwrap_or_default();
    if error.at("type").text() != Some("error") || code.is_empty() {
        return Err(doubt);
    }
    let parameter = error.at("parameter").text().map(word).unwrap_or_default();
    Err(match status {
        // Our keys have the right form, so what is wrong with one can only be that it was used before.
        400 if parameter.eq_ignore_ascii_case("Idempotence-Key") => {
            tracing::error!(
                code,
                "an idempotence key was used for two different calls: a fault of this program"
            );
            Lost::KeyReused
        }
        400 | 404 | 405 | 410 | 415 => {
            tracing::warn!(status, code, parameter, "yookassa refuses a call");
            Lost::Refused { code }
        }
        401 | 403 => {
            tracing::error!(status, code, "yookassa denies access");
            Lost::Denied { code }
        }
        429 => {
            let told = error.at("retry_after").number();
            let pause = told.map_or(RETRY_AFTER_UNTOLD, Duration::from_millis);
            Lost::TooMany(pause.clamp(RETRY_AFTER.0, RETRY_AFTER.1))
        }
        _ => doubt,
    })
}

/// A word of the provider that may stand in an event or a log: short, and of characters that cannot break a line.
pub(super) fn word(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || "_-.".contains(*c))
        .take(64)
        .collect()
}

/// One call with its span, log line and metrics. Only its name and the kind of outcome are told: never a phone or a sum.
async fn observed<T>(
    name: &'static str,
    call: impl Future<Output = Result<T, Lost>>,
) -> Result<T, Lost> {
    let span = tracing::info_span!(
        "yookassa",
        method = name,
        outcome = tracing::field::Empty,
        duration_ms = tracing::field::Empty
    );
    async {
        let started = Instant::now();
        let outcome = call.await;
        let took = started.elapsed();
        let label = outcome.as_ref().map_or_else(Lost::label, |_| "answered");
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let span = tracing::Span::current();
        span.record("outcome", label).record("duration_ms", millis);
        tracing::info!(method = name, outcome = label, duration_ms = millis, "yookassa call ended");
        metrics::counter!("kvit_provider_requests_total", "provider" => "yookassa", "method" => name, "outcome" => label)
            .increment(1);
        metrics::histogram!("kvit_provider_request_seconds", "provider" => "yookassa", "method" => name).record(took);
        outcome
    }
    .instrument(span)
    .await
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn error(status: u16, code: &str, more: &str) -> Lost {
        let body =
            format!(r#"{{"type":"error","id":"e","code":"{code}","description":"d"{more}}}"#);
        judge(status, body.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_status_means_what_the_provider_says_it_means() {
        for status in [400, 404, 405, 410, 415] {
            let code = "invalid_request".to_owned();
            assert_eq!(error(status, &code, ""), Lost::Refused { code });
        }
        for status in [401, 403] {
            assert!(matches!(
                error(status, "forbidden", ""),
                Lost::Denied { .. }
            ));
        }
        for status in [202, 204, 302, 408, 409, 422, 500, 502, 503, 504] {
            let doubt = Lost::Unknown(Doubt::HttpStatus(status));
            assert_eq!(error(status, "internal_server_error", ""), doubt);
        }
        assert_eq!(
            error(200, "invalid_request", ""),
            Lost::Unknown(Doubt::HttpStatus(200)),
            "a refusal under 200 is no refusal"
        );
    }

    #[test]
    fn a_no_of_something_in_between_proves_nothing() {
        for (status, body) in [
            (400, "<html>Bad Request</html>"),
            (403, ""),
            (404, "{}"),
            (404, r#"{"type":"error"}"#),
            (404, r#"{"code":"not_found"}"#),
            (429, "slow down"),
        ] {
            let doubt = Lost::Unknown(Doubt::HttpStatus(status));
            assert_eq!(
                judge(status, body.as_bytes()),
                Err(doubt),
                "{status} {body}"
            );
        }
    }

    #[test]
    fn f03_the_wished_pause_is_milliseconds_within_reason() {
        let pause = |more: &str| match error(429, "too_many_requests", more) {
            Lost::TooMany(pause) => pause,
            other => unreachable!("{other:?}"),
        };
        assert_eq!(
            pause(r#","retry_after":1800"#),
            Duration::from_millis(1_800)
        );
        assert_eq!(pause(r#","retry_after":0"#), RETRY_AFTER.0);
        assert_eq!(
            pause(r#","retry_after":18446744073709551615"#),
            RETRY_AFTER.1
        );
        for untold in ["", r#","retry_after":"soon""#, r#","retry_after":-5"#] {
            assert_eq!(pause(untold), RETRY_AFTER_UNTOLD);
        }
    }

    #[test]
    fn f04_a_key_that_was_used_for_another_call_is_no_refusal() {
        let more = r#","parameter":"Idempotence-Key""#;
        assert_eq!(error(400, "invalid_request", more), Lost::KeyReused);
    }

    #[test]
    fn a_word_for_a_log_cannot_break_it() {
        assert_eq!(word("general_decline"), "general_decline");
        assert_eq!(word("a\nb \u{202e}c<script>"), "abcscript");
        assert_eq!(word(&"x".repeat(500)).len(), 64);
        assert!(is_key("0190a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b-12-capture"));
        assert!(!is_key("") && !is_key(&"x".repeat(65)) && !is_key("a b") && !is_key("a\r\nb"));
    }
}
