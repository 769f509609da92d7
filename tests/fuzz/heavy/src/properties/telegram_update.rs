//! Updates of Telegram, from the webhook's bytes to what is stored and read again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use kvit_bot::webhook_router;
use kvit_commands::ports::messages::{ClaimedUpdate, MessagesFault, NewUpdate, UpdateInbox};
use serde_json::Value;
use teloxide::types::{Update, UpdateKind};
use tower::ServiceExt as _;

use super::at_once;

/// An inbox that keeps what it is given.
#[derive(Default)]
struct Kept(Mutex<Vec<NewUpdate>>);

#[async_trait::async_trait]
impl UpdateInbox for Kept {
    async fn store(&self, updates: &[NewUpdate]) -> Result<u64, MessagesFault> {
        self.0.lock().unwrap().extend(updates.iter().cloned());
        Ok(1)
    }

    async fn claim(&self, _: u32, _: Duration) -> Result<Vec<ClaimedUpdate>, MessagesFault> {
        Ok(Vec::new())
    }

    async fn keep(&self, _: i64, _: Duration) -> Result<(), MessagesFault> {
        Ok(())
    }

    async fn done(&self, _: i64) -> Result<(), MessagesFault> {
        Ok(())
    }

    async fn put_back(&self, _: i64, _: Duration) -> Result<(), MessagesFault> {
        Ok(())
    }

    async fn prune(&self, _: Duration) -> Result<u64, MessagesFault> {
        Ok(0)
    }

    async fn wait(&self, _: Duration) {}
}

/// What is acknowledged is stored whole, under its own number; what is not is not stored at all.
pub fn holds(data: &[u8]) {
    let inbox = Arc::new(Kept::default());
    let router = webhook_router("/hook", "secret", inbox.clone());
    let request = Request::post("/hook")
        .header("X-Telegram-Bot-Api-Secret-Token", "secret")
        .body(Body::from(data.to_vec()))
        .unwrap();
    let status = at_once(router.oneshot(request)).unwrap().status();
    let kept = inbox.0.lock().unwrap();
    let said: Option<Value> = serde_json::from_slice(data).ok();
    let number = said.as_ref().and_then(|said| said["update_id"].as_i64());
    match (status, kept.as_slice()) {
        (StatusCode::OK, [update]) => {
            assert_eq!(Some(update.update_id), number);
            let stored: Option<Value> = serde_json::from_str(&update.payload).ok();
            assert_eq!(stored.map(exact), said.map(exact));
            assert!(!update.payload.contains('\0'), "a text column takes no NUL");
            is_read_again(update);
        }
        (StatusCode::BAD_REQUEST, []) => assert_eq!(number, None),
        (StatusCode::PAYLOAD_TOO_LARGE, []) => assert!(data.len() > 256 * 1024),
        (status, kept) => panic!("{status} with {} stored", kept.len()),
    }
}

/// As the worker does it: what cannot be read is an update of an unknown kind or none, never a panic.
fn is_read_again(stored: &NewUpdate) {
    let Ok(update) = serde_json::from_str::<Update>(&stored.payload) else {
        return;
    };
    assert_eq!(i64::from(update.id.0), stored.update_id);
    let chat = match &update.kind {
        UpdateKind::Message(message) => Some(message.chat.id.0),
        _ => None,
    };
    // Messages of one chat are handled in order.
    assert!(chat.is_none_or(|chat| chat == stored.order_key));
    let _name = update.from().map(|from| from.full_name());
}

/// The same without fractions, which may lose their last digit. Ids are whole, and money never comes this way.
fn exact(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => Value::Null,
        Value::Array(items) => items.into_iter().map(exact).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, exact(value)))
            .collect(),
        other => other,
    }
}
