//! One exchange with the provider over HTTP, and what it proves about the call when there is no answer.
//!
//! Both services of the provider share it, so that "could the bytes have been processed?" has one answer in this crate.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use tokio::sync::Semaphore;
use tracing::Instrument;
use url::Url;

use super::config::Secret;
use super::outcome::{Doubt, NotSent};
use super::xml::XmlError;
use crate::http::{self, BodyError, HttpConfig, HttpError};
use crate::traffic::{Exchange, Recorder, without};

/// The media type of a form.
pub(super) const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// The media type of a JSON call.
pub(super) const JSON: &str = "application/json; charset=utf-8";

/// Why there is no body to judge.
#[derive(Debug)]
pub(super) enum Lost {
    /// Proven: the provider has not seen the call.
    NotSent(NotSent),
    /// The provider may have acted on it.
    Unknown(Doubt),
}

/// A way to one endpoint with a limit of calls under way.
#[derive(Debug)]
pub(super) struct Line {
    endpoint: Url,
    http: reqwest::Client,
    slots: Semaphore,
    patience: Duration,
    recorder: Recorder,
    /// Words of the login, which are not kept.
    hidden: Vec<Secret>,
}

impl Line {
    pub(super) fn open(
        endpoint: &Url,
        config: &HttpConfig,
        slots: usize,
    ) -> Result<Self, HttpError> {
        Ok(Self {
            endpoint: endpoint.clone(),
            http: http::client(config)?,
            slots: Semaphore::new(slots),
            patience: config.timeouts.total,
            recorder: config.recorder.clone(),
            hidden: Vec::new(),
        })
    }

    /// The same without these words in what is kept for disputes.
    pub(super) fn hiding(mut self, words: &[&str]) -> Self {
        self.hidden = words.iter().map(|word| Secret::new(*word)).collect();
        self
    }

    /// Posts a body and reads the whole answer, of at most `limit` bytes in UTF-8. The status is 200 or 400.
    pub(super) async fn post(
        &self,
        media: &str,
        body: String,
        limit: usize,
    ) -> Result<(u16, Bytes), Lost> {
        let told = self.recorder.is_on().then(|| {
            let words: Vec<&str> = self.hidden.iter().map(Secret::expose).collect();
            without(&body, &words)
        });
        let outcome = self.answer(media, body, limit).await;
        if let Some(request) = told {
            self.recorder.record(Exchange {
                provider: "portmone",
                subject: self.endpoint.path().to_owned(),
                request: Bytes::from(request),
                answer: outcome.as_ref().ok().cloned(),
            });
        }
        outcome
    }

    async fn answer(&self, media: &str, body: String, limit: usize) -> Result<(u16, Bytes), Lost> {
        let Ok(Ok(_slot)) = tokio::time::timeout(self.patience, self.slots.acquire()).await else {
            return Err(Lost::NotSent(NotSent::Busy));
        };
        let request = self
            .http
            .post(self.endpoint.clone())
            .header(CONTENT_TYPE, media)
            .body(body);
        let response = request.send().await.map_err(|error| unanswered(&error))?;
        let status = response.status().as_u16();
        let charset = header_charset(response.headers());
        let body = http::bounded_body(response, limit).await.map_err(|error| {
            Lost::Unknown(match error {
                BodyError::TooLarge { .. } => XmlError::TooLong.into(),
                BodyError::Broken(error) if error.is_timeout() => Doubt::Timeout,
                BodyError::Broken(_) => Doubt::Broken,
            })
        })?;
        // Refusals are documented with status 200; one client's test server answers 400. Any other status comes from something
        // that stands between us and the operation, whatever its body says.
        if !matches!(status, 200 | 400) {
            return Err(Lost::Unknown(Doubt::HttpStatus(status)));
        }
        if charset.is_some_and(|name| !name.eq_ignore_ascii_case("utf-8")) {
            return Err(Lost::Unknown(XmlError::Charset.into()));
        }
        Ok((status, body))
    }
}

/// One call with its span, log line and metrics. Only the method and the kind of outcome are told: never a phone or a sum.
pub(super) async fn observed<E, T>(
    method: &str,
    exchange: impl Future<Output = E>,
    judge: impl FnOnce(E) -> T,
    label: impl FnOnce(&T) -> &'static str,
) -> T {
    let span = tracing::info_span!(
        "portmone",
        method,
        outcome = tracing::field::Empty,
        duration_ms = tracing::field::Empty
    );
    async {
        let started = Instant::now();
        let outcome = judge(exchange.await);
        let (took, word) = (started.elapsed(), label(&outcome));
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let span = tracing::Span::current();
        span.record("outcome", word).record("duration_ms", millis);
        tracing::info!(method, outcome = word, duration_ms = millis, "portmone call ended");
        let method = method.to_owned();
        metrics::counter!("kvit_provider_requests_total", "provider" => "portmone", "method" => method.clone(), "outcome" => word)
            .increment(1);
        metrics::histogram!("kvit_provider_request_seconds", "provider" => "portmone", "method" => method).record(took);
        outcome
    }
    .instrument(span)
    .await
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

fn header_charset(headers: &HeaderMap) -> Option<String> {
    declared_charset(headers.get(CONTENT_TYPE)?.to_str().ok()?).map(str::to_owned)
}

/// The charset that a media type names.
pub(super) fn declared_charset(media: &str) -> Option<&str> {
    media.split(';').skip(1).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"'))
    })
}
