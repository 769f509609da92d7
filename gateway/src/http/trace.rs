//! The W3C trace context of a request: continued when the caller sends one, begun otherwise.

use axum::http::{HeaderMap, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::random;

/// Header that carries it, in and out.
pub const TRACEPARENT: &str = "traceparent";

struct Incoming<'a>(&'a HeaderMap);

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(axum::http::HeaderName::as_str).collect()
    }
}

#[derive(Default)]
struct Outgoing(Option<String>);

impl Injector for Outgoing {
    fn set(&mut self, key: &str, value: String) {
        if key == TRACEPARENT {
            self.0 = Some(value);
        }
    }
}

/// Makes a span a part of the caller's trace and answers the context for whatever follows from the request.
///
/// Without an exporter no span has an id of its own. Then the caller's context is passed on as it came, or a new one is
/// made, so that the events of one request can still be found together.
#[must_use]
pub fn join(span: &Span, headers: &HeaderMap) -> String {
    let incoming = opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.extract(&Incoming(headers))
    });
    // Fails only when no layer for traces is installed.
    let _ = span.set_parent(incoming);
    let mut outgoing = Outgoing::default();
    opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&span.context(), &mut outgoing);
    });
    outgoing.0.or_else(|| valid(headers)).unwrap_or_else(begin)
}

fn valid(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(TRACEPARENT)?.to_str().ok()?;
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = parts.as_slice() else {
        return None;
    };
    let hexadecimal = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let named = |part: &str| part.bytes().any(|b| b != b'0');
    let fits = *version == "00"
        && hexadecimal(trace, 32)
        && named(trace)
        && hexadecimal(span, 16)
        && named(span)
        && hexadecimal(flags, 2);
    fits.then(|| text.to_owned())
}

fn begin() -> String {
    format!("00-{}-{}-01", random::hex::<16>(), random::hex::<8>())
}

/// The context as a header's value.
#[must_use]
pub fn header(traceparent: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(traceparent).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_callers_trace_goes_on_and_a_broken_one_is_replaced() {
        let mut headers = HeaderMap::new();
        let sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        headers.insert(TRACEPARENT, sent.parse().unwrap());
        assert_eq!(join(&Span::none(), &headers), sent);
        for bad in [
            "",
            "00-0-0-0",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "junk",
        ] {
            headers.insert(TRACEPARENT, bad.parse().unwrap());
            let begun = join(&Span::none(), &headers);
            headers.insert(TRACEPARENT, begun.parse().unwrap());
            assert_eq!(valid(&headers).unwrap(), begun, "{bad} led to no context");
        }
    }
}
