//! On an accepted receipt: book the reward.

use async_trait::async_trait;
use kvit_domain::event::RecordedEvent;

use super::{id_of, settle};
use crate::app::App;
use crate::context::Context;
use crate::ports::bus::{EventHandler, Handled, HandlerFault};

/// Credits rewards.
pub struct Rewarding {
    app: App,
}

impl Rewarding {
    /// The policy over these use cases.
    #[must_use]
    pub const fn new(app: App) -> Self {
        Self { app }
    }
}

#[async_trait]
impl EventHandler for Rewarding {
    fn name(&self) -> &'static str {
        "rewarding"
    }

    fn interests(&self) -> Vec<(&'static str, &'static str)> {
        vec![("receipt", "ReceiptAccepted")]
    }

    async fn handle(&self, event: &RecordedEvent) -> Result<Handled, HandlerFault> {
        let context = Context::caused_by(event, self.name(), "post");
        settle(self.app.post_reward(id_of(event)?, &context).await)
    }
}
