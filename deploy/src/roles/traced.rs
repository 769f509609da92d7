//! Handlers as part of the trace that led to their event.
//!
//! The trace context travels in the event's metadata (and in the bus headers), so a span here joins the trace of the update
//! or request, whatever processes and restarts lie between.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use kvit_commands::ports::bus::{EventHandler, Handled, HandlerFault};
use kvit_domain::event::{RecordedEvent, metadata};
use opentelemetry::global;
use tracing::{Instrument as _, field};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// A handler whose work is seen in traces. Spans carry names, positions and outcomes, never content.
pub struct Traced(Arc<dyn EventHandler>);

impl Traced {
    /// The handler with spans around its work.
    pub fn new(handler: Arc<dyn EventHandler>) -> Self {
        Self(handler)
    }
}

#[async_trait]
impl EventHandler for Traced {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn interests(&self) -> Vec<(&'static str, &'static str)> {
        self.0.interests()
    }

    fn defers(&self) -> bool {
        self.0.defers()
    }

    async fn give_up(&self, event: &RecordedEvent) -> Result<(), HandlerFault> {
        self.0.give_up(event).await
    }

    async fn handle(&self, event: &RecordedEvent) -> Result<Handled, HandlerFault> {
        let span = tracing::info_span!(
            "event.handle",
            otel.name = format!("{} {}", self.name(), event.event_type),
            handler = self.name(),
            event.kind = event.event_type,
            position = event.position,
            outcome = field::Empty,
        );
        if let Some(traceparent) = event.meta(metadata::TRACEPARENT) {
            let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
            let parent = global::get_text_map_propagator(|propagator| propagator.extract(&carrier));
            // Fails only when the span is switched off, and then nobody looks.
            let _ = span.set_parent(parent);
        }
        let handled = self.0.handle(event).instrument(span.clone()).await;
        span.record(
            "outcome",
            match &handled {
                Ok(Handled::Done) => "done",
                Ok(Handled::Skipped) => "skipped",
                Ok(Handled::Later(_)) => "later",
                Err(HandlerFault::Transient { .. }) => "transient",
                Err(HandlerFault::Poison { .. }) => "poison",
            },
        );
        handled
    }
}
