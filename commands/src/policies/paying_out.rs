//! On a booked reward: hold it and request its payout to the shopper's number.

use async_trait::async_trait;
use kvit_domain::event::RecordedEvent;
use kvit_domain::ids::ReceiptId;
use kvit_domain::receipt::ReceiptEvent;

use super::{id_of, settle};
use crate::app::{App, PayoutRequest, PayoutRoute, reward_payout_id};
use crate::context::Context;
use crate::error::CommandError;
use crate::ports::bus::{EventHandler, Handled, HandlerFault};

/// Requests payouts of rewards.
pub struct PayingOut {
    app: App,
}

impl PayingOut {
    /// The policy over these use cases.
    #[must_use]
    pub const fn new(app: App) -> Self {
        Self { app }
    }
}

#[async_trait]
impl EventHandler for PayingOut {
    fn name(&self) -> &'static str {
        "paying-out"
    }

    fn interests(&self) -> Vec<(&'static str, &'static str)> {
        vec![("receipt", "RewardPosted")]
    }

    async fn handle(&self, event: &RecordedEvent) -> Result<Handled, HandlerFault> {
        let decoded: ReceiptEvent = event
            .decode()
            .map_err(|fault| HandlerFault::poison(fault.to_string()))?;
        let ReceiptEvent::RewardPosted {
            user_id, amount, ..
        } = decoded
        else {
            return Ok(Handled::Skipped);
        };
        let receipt_id: ReceiptId = id_of(event)?;
        let context = Context::caused_by(event, self.name(), "request");
        let request = PayoutRequest {
            payout_id: reward_payout_id(receipt_id),
            user_id,
            amount,
            receipt_id: Some(receipt_id),
            route: PayoutRoute::Phone { operator: None },
        };
        match self.app.request_payout(request, &context).await {
            // The reward stays in the wallet: without a number, or spent meanwhile, there is nothing to send.
            Err(CommandError::Rejected(rejection))
                if matches!(
                    rejection.code.as_str(),
                    "phone_missing" | "insufficient_funds" | "user_forgotten"
                ) =>
            {
                metrics::counter!("kvit_payouts_not_requested_total", "reason" => rejection.code.clone()).increment(1);
                tracing::info!(code = rejection.code, receipt.id = %receipt_id, "the reward stays in the wallet");
                Ok(Handled::Skipped)
            }
            result => settle(result),
        }
    }
}
