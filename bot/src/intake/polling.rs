//! Long polling: our own loop, since the library's acknowledges updates that nobody has stored.

use std::time::Duration;

use kvit_commands::ports::messages::{NewUpdate, UpdateInbox};
use serde::Serialize;
use serde_json::Value;
use teloxide::requests::{JsonRequest, Payload, Request as _, Requester as _};
use teloxide::types::AllowedUpdate;
use teloxide::{ApiError, RequestError};
use tokio_util::sync::CancellationToken;

use crate::bot::{WANTED, pause_or_stop};

/// How long Telegram may keep the line open, seconds.
const LONG_POLL: u32 = 10;

/// `getUpdates` with raw answers: an update that the library cannot read must not be lost, nor change on its way.
#[derive(Clone, Serialize)]
struct GetRawUpdates {
    offset: i64,
    limit: u8,
    timeout: u32,
    allowed_updates: Vec<AllowedUpdate>,
}

impl Payload for GetRawUpdates {
    type Output = Vec<Value>;
    const NAME: &'static str = "GetUpdates";
}

/// Polls until told to stop.
pub(crate) async fn run(
    telegram: &teloxide::Bot,
    inbox: &dyn UpdateInbox,
    stop: CancellationToken,
) {
    let mut offset = 0;
    let mut pause = Duration::from_millis(500);
    while !stop.is_cancelled() {
        let polled = tokio::select! {
            polled = poll(telegram, inbox, offset) => polled,
            // A batch that was not stored was not acknowledged either.
            () = stop.cancelled() => break,
        };
        match polled {
            Ok(next) => {
                offset = next;
                pause = Duration::from_millis(500);
            }
            Err(reason) => {
                tracing::warn!(reason, "updates could not be fetched");
                metrics::counter!("kvit_telegram_poll_errors_total").increment(1);
                if pause_or_stop(pause, &stop).await {
                    break;
                }
                pause = pause.saturating_mul(2).min(Duration::from_secs(30));
            }
        }
    }
}

/// One batch: fetched, stored, and acknowledged only by the next call, whose offset this answers.
async fn poll(
    telegram: &teloxide::Bot,
    inbox: &dyn UpdateInbox,
    offset: i64,
) -> Result<i64, &'static str> {
    let request = GetRawUpdates {
        offset,
        limit: 100,
        timeout: LONG_POLL,
        allowed_updates: WANTED.to_vec(),
    };
    let updates = match JsonRequest::new(telegram.clone(), request).send().await {
        Ok(updates) => updates,
        Err(RequestError::Api(error)) if webhook_is_set(&error) => {
            // Configured for polling, so the webhook is a left-over. Waiting updates stay.
            return match telegram.delete_webhook().await {
                Ok(_) => Ok(0),
                Err(_) => Err("a webhook is set and could not be removed"),
            };
        }
        Err(RequestError::Api(ApiError::TerminatedByOtherGetUpdates)) => {
            return Err("another process polls with this bot account");
        }
        Err(RequestError::Api(_)) => return Err("Telegram refuses"),
        Err(_) => return Err("Telegram does not answer"),
    };
    let new: Vec<NewUpdate> = updates.iter().filter_map(super::as_new).collect();
    let stored = inbox
        .store(&new)
        .await
        .map_err(|_| "the inbox is not available")?;
    metrics::counter!("kvit_telegram_updates_total", "outcome" => "stored").increment(stored);
    // An offset acknowledges what is below it, once. After an empty answer everything is acknowledged, and asking without
    // one again finds also what begins anew with lower ids after a quiet week.
    Ok(new
        .last()
        .map_or(0, |update| update.update_id.saturating_add(1)))
}

/// The library knows the sentence only without its beginning and end.
fn webhook_is_set(error: &ApiError) -> bool {
    match error {
        ApiError::CantGetUpdates => true,
        ApiError::Unknown(text) => text.contains("while webhook is active"),
        _ => false,
    }
}
