//! On a transfer whose money is held: complete it.

use async_trait::async_trait;
use kvit_domain::event::RecordedEvent;

use super::{id_of, settle};
use crate::app::App;
use crate::context::Context;
use crate::ports::bus::{EventHandler, Handled, HandlerFault};

/// Completes transfers.
pub struct Transferring {
    app: App,
}

impl Transferring {
    /// The policy over these use cases.
    #[must_use]
    pub const fn new(app: App) -> Self {
        Self { app }
    }
}

#[async_trait]
impl EventHandler for Transferring {
    fn name(&self) -> &'static str {
        "transferring"
    }

    fn interests(&self) -> Vec<(&'static str, &'static str)> {
        vec![("transfer", "FundsHeld")]
    }

    async fn handle(&self, event: &RecordedEvent) -> Result<Handled, HandlerFault> {
        let context = Context::caused_by(event, self.name(), "transfer");
        settle(self.app.complete_transfer(id_of(event)?, &context).await)
    }
}
