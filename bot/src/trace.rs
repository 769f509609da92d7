//! The beginning of a trace: the update's own span if a tracer listens, else fresh random ids, so that everything that
//! follows from an update shares one trace id either way.

use opentelemetry::trace::TraceContextExt as _;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use uuid::Uuid;

/// The W3C `traceparent` of a span.
#[must_use]
pub fn traceparent(span: &Span) -> String {
    let context = span.context();
    let found = context.span().span_context().clone();
    if found.is_valid() {
        let flags = if found.is_sampled() { "01" } else { "00" };
        return format!(
            "00-{:032x}-{:016x}-{flags}",
            found.trace_id(),
            found.span_id()
        );
    }
    // A span id is half a trace id.
    let (trace_id, span_id) = (random_hex(), random_hex());
    format!(
        "00-{trace_id}-{}-01",
        span_id.get(16..).unwrap_or("0000000000000001")
    )
}

/// 32 hex digits, of which the last 16 are random but for two bits. For traces and error codes, which name nothing in the
/// platform's state; ids that do come from the id port.
#[expect(
    clippy::disallowed_methods,
    reason = "no part of any state or event, and never zero"
)]
pub(crate) fn random_hex() -> String {
    Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::traceparent;

    #[test]
    fn without_a_tracer_every_update_still_begins_a_trace_of_its_own() {
        let (first, second) = (
            traceparent(&tracing::Span::none()),
            traceparent(&tracing::Span::none()),
        );
        assert_ne!(first, second);
        let parts: Vec<&str> = first.split('-').collect();
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        assert_eq!(lengths, [2, 32, 16, 2]);
        assert!(first.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()));
    }
}
