//! On what was read (or could not be, or had been sent before): decide by the rules.

use async_trait::async_trait;
use kvit_domain::event::RecordedEvent;
use kvit_domain::receipt::ReceiptEvent;

use super::{id_of, settle};
use crate::app::App;
use crate::context::Context;
use crate::ports::bus::{EventHandler, Handled, HandlerFault};

/// Runs the rules.
pub struct Deciding {
    app: App,
}

impl Deciding {
    /// The policy over these use cases.
    #[must_use]
    pub const fn new(app: App) -> Self {
        Self { app }
    }
}

#[async_trait]
impl EventHandler for Deciding {
    fn name(&self) -> &'static str {
        "deciding"
    }

    fn interests(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            ("receipt", "ReceiptSubmitted"),
            ("receipt", "ReceiptRecognised"),
            ("receipt", "RecognitionFailed"),
            ("receipt", "FieldsCorrected"),
        ]
    }

    async fn handle(&self, event: &RecordedEvent) -> Result<Handled, HandlerFault> {
        let decoded: ReceiptEvent = event
            .decode()
            .map_err(|fault| HandlerFault::poison(fault.to_string()))?;
        if matches!(
            decoded,
            ReceiptEvent::ReceiptSubmitted {
                duplicate_of: None,
                ..
            }
        ) {
            return Ok(Handled::Skipped);
        }
        let context = Context::caused_by(event, self.name(), "decide");
        settle(self.app.decide_receipt(id_of(event)?, &context).await)
    }
}
