//! Brings people's screens in line with the wishes on the board, within Telegram's limits.

use std::sync::Arc;
use std::time::Duration;

use kvit_commands::app::App;
use kvit_commands::context::Context;
use kvit_commands::error::CommandError;
use kvit_commands::ports::messages::{
    DueMessage, MessageBoard, MessageSender, MessagesFault, SendFault,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::bot::pause_or_stop;

/// Messages under way at a time. More than a second's worth, so that one slow answer holds nobody else up.
const AT_ONCE: usize = 40;
/// Messages claimed at a time; the board spaces the claims.
const CLAIM: u32 = 10;
/// A claim lasts so long; a little more than one sending may take.
const LEASE: Duration = Duration::from_secs(20);

/// Sends what the board has due.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub app: App,
    pub board: Arc<dyn MessageBoard>,
    pub sender: Arc<dyn MessageSender>,
}

impl Delivery {
    /// Sends until told to stop; what is under way is finished.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        let mut under_way = JoinSet::new();
        while !stop.is_cancelled() {
            while under_way.try_join_next().is_some() {}
            if under_way.len() >= AT_ONCE {
                under_way.join_next().await;
                continue;
            }
            let due = match self.board.claim(CLAIM, LEASE).await {
                Ok(due) => due,
                Err(error) => {
                    tracing::warn!(%error, "wished messages cannot be read");
                    pause_or_stop(Duration::from_secs(1), &stop).await;
                    continue;
                }
            };
            if due.is_empty() {
                tokio::select! {
                    () = self.board.wait(Duration::from_millis(200)) => {}
                    () = stop.cancelled() => {}
                }
            }
            for message in due {
                let delivery = self.clone();
                under_way.spawn(async move { delivery.deliver(message).await });
            }
        }
        // Each ends within its own limit of time.
        while under_way.join_next().await.is_some() {}
    }

    async fn deliver(&self, message: DueMessage) {
        if let Err(error) = self.try_deliver(&message).await {
            // The claim ends by itself, and the message is tried again: at worst it is edited to what it is.
            tracing::warn!(%error, "a delivery could not be noted");
        }
    }

    async fn try_deliver(&self, message: &DueMessage) -> Result<(), MessagesFault> {
        let address = match self.app.telegram_id(message.user).await {
            Ok(Some(address)) => address,
            // Forgotten, or never a Telegram account: there is nobody to write to.
            Ok(None) => return self.board.give_up(&message.slot, message.version).await,
            Err(CommandError::Transient { retry_after, .. }) => {
                return self
                    .board
                    .postpone(&message.slot, retry_after.max(Duration::from_secs(1)))
                    .await;
            }
            Err(error) => {
                tracing::error!(%error, "a message has no address");
                return self
                    .board
                    .postpone(&message.slot, Duration::from_secs(60))
                    .await;
            }
        };
        let kind = if message.message_id.is_some() {
            "edit"
        } else {
            "send"
        };
        let result = match message.message_id {
            Some(id) => self
                .sender
                .edit(address, id, &message.content)
                .await
                .map(|()| id),
            None => self.sender.send(address, &message.content).await,
        };
        let outcome = match result {
            Ok(id) => {
                self.board
                    .delivered(&message.slot, message.version, id)
                    .await?;
                "ok"
            }
            Err(fault) => self.settle(message, fault).await?,
        };
        metrics::counter!("kvit_telegram_sends_total", "kind" => kind, "outcome" => outcome)
            .increment(1);
        Ok(())
    }

    async fn settle(
        &self,
        message: &DueMessage,
        fault: SendFault,
    ) -> Result<&'static str, MessagesFault> {
        let slot = &message.slot;
        Ok(match fault {
            SendFault::NotModified => {
                self.board
                    .delivered(
                        slot,
                        message.version,
                        message.message_id.unwrap_or_default(),
                    )
                    .await?;
                "not_modified"
            }
            SendFault::Vanished => {
                self.board.vanished(slot).await?;
                "vanished"
            }
            SendFault::Wait(pause) => {
                metrics::counter!("kvit_telegram_throttled_total").increment(1);
                self.board.freeze(pause).await?;
                self.board.postpone(slot, pause).await?;
                "throttled"
            }
            SendFault::Unreachable => {
                // Parked first: should the command fail, the next try parks again and tells again.
                self.board.park(message.user).await?;
                self.board.postpone(slot, Duration::ZERO).await?;
                let key = format!("tg:unreachable:{slot}:{}", message.version);
                let context = Context::new("policy:telegram-delivery", &key, &key);
                if let Err(error) = self.app.mark_blocked(message.user, &context).await {
                    tracing::warn!(%error, "that a person blocked the bot could not be noted");
                }
                "unreachable"
            }
            SendFault::Transient(reason) => {
                let pause = Duration::from_secs(1_u64 << message.attempt.saturating_sub(1).min(6))
                    .min(Duration::from_secs(60));
                tracing::warn!(
                    reason,
                    pause_ms = pause.as_millis(),
                    "a message is sent later"
                );
                self.board.postpone(slot, pause).await?;
                "transient"
            }
            SendFault::Fatal(reason) => {
                tracing::error!(
                    reason,
                    slot = slot.split(':').next().unwrap_or_default(),
                    "a message is given up"
                );
                self.board.give_up(slot, message.version).await?;
                "given_up"
            }
        })
    }
}
