//! A provider's notification is a hint: it says nothing that we believe, but it says that now is a good time to ask.

use std::sync::Arc;
use std::time::Duration;

use kvit_adapters::notifications::PgNotificationInbox;
use kvit_commands::policies::PayoutWorker;
use kvit_commands::ports::notifications::NotificationInbox;
use kvit_commands::ports::time::{Clock, System};
use kvit_domain::payout::PayoutState;
use kvit_projections::queries::payouts::{self, PayoutFilter};

use super::parts::Parts;
use crate::shutdown::ShutdownToken;

/// How often the inbox is looked at.
const EVERY: Duration = Duration::from_secs(1);
const AT_ONCE: u32 = 100;
const PROVIDER: &str = "portmone";

/// Follows notifications up until told to stop.
pub async fn run(parts: Arc<Parts>, worker: Arc<PayoutWorker>, shutdown: ShutdownToken) {
    let inbox = PgNotificationInbox::new(parts.pool.clone(), Arc::clone(&parts.vault));
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let followed = tokio::select! {
            () = shutdown.cancelled() => return,
            followed = follow_up(&parts, &worker, &inbox) => followed,
        };
        if let Err(why) = followed {
            tracing::warn!(
                why,
                "notifications could not be followed up; the next look tries again"
            );
        }
    }
}

async fn follow_up(
    parts: &Parts,
    worker: &PayoutWorker,
    inbox: &PgNotificationInbox,
) -> Result<(), String> {
    let waiting = inbox
        .pending(PROVIDER, AT_ONCE)
        .await
        .map_err(|fault| fault.to_string())?;
    if waiting.is_empty() {
        return Ok(());
    }
    // What the notification speaks of is not believed, so every payout that is unknown is asked about.
    let filter = PayoutFilter {
        state: Some(PayoutState::Unknown),
        ..PayoutFilter::default()
    };
    let unknown = payouts::search(&parts.pool, &filter, None, AT_ONCE)
        .await
        .map_err(|fault| fault.to_string())?;
    for payout in unknown.data.items {
        // One payout that cannot be asked about does not keep the others; its own turn comes anyway.
        if let Err(fault) = worker.ask_now(payout.payout_id).await {
            tracing::warn!(%fault, payout.id = %payout.payout_id, "a payout could not be asked about");
        }
    }
    for notification in waiting {
        inbox
            .follow_up(PROVIDER, &notification.digest, System.now())
            .await
            .map_err(|fault| fault.to_string())?;
    }
    Ok(())
}
