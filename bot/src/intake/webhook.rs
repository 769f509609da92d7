//! The webhook: checks the secret, bounds and stores the raw update, answers 200. What it means is the worker's matter.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use kvit_commands::ports::messages::UpdateInbox;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

/// Updates are a few kilobytes; this is generous.
const MAX_UPDATE_BYTES: usize = 256 * 1024;

#[derive(Clone)]
struct Intake {
    inbox: Arc<dyn UpdateInbox>,
    secret: [u8; 32],
}

/// The route of the webhook at `path` (such as `/webhooks/telegram`). It never registers nor removes the webhook.
///
/// It answers 200 for an update that is durable (also a repeated one), 401 without the right secret, 400 for what is no
/// update, 413 for what is too large, 503 while the database is away; Telegram then comes again.
pub fn webhook_router(path: &str, secret: &str, inbox: Arc<dyn UpdateInbox>) -> Router {
    let intake = Intake {
        inbox,
        secret: Sha256::digest(secret).into(),
    };
    Router::new()
        .route(path, post(take))
        .layer(DefaultBodyLimit::max(MAX_UPDATE_BYTES))
        .with_state(intake)
}

async fn take(State(intake): State<Intake>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let given = headers
        .get("X-Telegram-Bot-Api-Secret-Token")
        .map(|value| value.as_bytes())
        .unwrap_or_default();
    // Hashes have one length, so the comparison tells nothing about the secret's.
    if !bool::from(Sha256::digest(given).as_slice().ct_eq(&intake.secret)) {
        return StatusCode::UNAUTHORIZED;
    }
    let update = serde_json::from_slice(&body)
        .ok()
        .and_then(|update| super::as_new(&update));
    let Some(update) = update else {
        return StatusCode::BAD_REQUEST;
    };
    match intake.inbox.store(&[update]).await {
        Ok(stored) => {
            metrics::counter!("kvit_telegram_updates_total", "outcome" => "stored")
                .increment(stored);
            StatusCode::OK
        }
        Err(error) => {
            tracing::warn!(%error, "an update could not be stored, Telegram will bring it again");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}
