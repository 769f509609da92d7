//! How updates reach the bot: long polling or webhook, at least once, in order.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::error::ApiError;
use super::params::Params;
use super::state::{Change, Webhook, World, update_id};
use super::{Telegram, locked};
use crate::http::{self, HttpConfig, HttpError, Timeouts};
use crate::sandbox::now;

/// Waits after failed webhook deliveries grow from the first to the last. The real service waits longer; a test should not.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LAST: Duration = Duration::from_secs(2);

impl Telegram {
    /// The change that queues an update of a kind, unless the bot does not want that kind. `offset` counts updates that are
    /// queued by the same commit before this one.
    pub(super) fn queued(
        &self,
        world: &World,
        kind: &str,
        body: Value,
        offset: i64,
    ) -> Option<(i64, Change)> {
        if !world.allowed.is_empty() && !world.allowed.iter().any(|wanted| wanted == kind) {
            return None;
        }
        let id = self.next_update_id(world).saturating_add(offset);
        let mut update = json!({"update_id": id});
        if let Some(object) = update.as_object_mut() {
            object.insert(kind.to_owned(), body);
        }
        Some((id, Change::Queued { update }))
    }

    /// The first id of a bot's life is anywhere; then they count up.
    pub(super) fn next_update_id(&self, world: &World) -> i64 {
        let first = || locked(&self.passing).dice.between(100_000_000, 900_000_000);
        world
            .last_update
            .map_or_else(first, |last| last.saturating_add(1))
    }

    /// Marks some delivered updates to come once more, as luck will have it.
    fn maybe_again(&self, delivered: &[Value]) {
        let thousandths = locked(&self.faults)
            .pending()
            .chance
            .unwrap_or_default()
            .duplicate_update;
        let mut passing = locked(&self.passing);
        for update in delivered {
            if passing.dice.hit(thousandths) {
                passing.again.push_back(update.clone());
            }
        }
    }
}

pub(super) async fn get_updates(telegram: &Telegram, params: &Params) -> Result<Value, ApiError> {
    let offset = params.integer("offset").unwrap_or_default();
    let limit =
        usize::try_from(params.integer("limit").unwrap_or(100).clamp(1, 100)).unwrap_or(100);
    let timeout = u64::try_from(params.integer("timeout").unwrap_or_default().clamp(0, 50))
        .unwrap_or_default();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(timeout);
    let mut news = telegram.news.subscribe();
    let mine = {
        let mut passing = locked(&telegram.passing);
        passing.polls = passing.polls.saturating_add(1);
        passing.polls
    };
    // Wakes an older long poll, so that it learns that it has been replaced.
    telegram.tell();
    remember_allowed(telegram, params)?;
    confirm(telegram, offset)?;
    loop {
        news.mark_unchanged();
        if telegram.world().webhook.is_some() {
            let why = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
            return Err(ApiError::new(409, why));
        }
        if locked(&telegram.passing).polls != mine {
            let why = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
            return Err(ApiError::new(409, why));
        }
        let batch = pending(telegram, offset, limit);
        if !batch.is_empty()
            || tokio::time::timeout_at(deadline, news.changed())
                .await
                .is_err()
        {
            telegram.maybe_again(&batch);
            return Ok(Value::Array(batch));
        }
    }
}

fn remember_allowed(telegram: &Telegram, params: &Params) -> Result<(), ApiError> {
    if let Some(kinds) = params.object::<Vec<String>>("allowed_updates")? {
        let mut world = telegram.world();
        if world.allowed != kinds {
            world.commit(vec![Change::Allowed { kinds }])?;
        }
    }
    Ok(())
}

/// A positive offset confirms everything below it; a negative one forgets all but the last so many.
fn confirm(telegram: &Telegram, offset: i64) -> Result<(), ApiError> {
    let mut world = telegram.world();
    let below = if offset < 0 {
        let back = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
        let first_kept = world.updates.len().saturating_sub(back);
        world.updates.get(first_kept).map(update_id)
    } else {
        Some(offset)
    };
    if let Some(below) = below.filter(|below| {
        world
            .updates
            .iter()
            .any(|update| update_id(update) < *below)
    }) {
        world.commit(vec![Change::Confirmed { below }])?;
    }
    Ok(())
}

fn pending(telegram: &Telegram, offset: i64, limit: usize) -> Vec<Value> {
    let mut batch: Vec<Value> = locked(&telegram.passing).again.drain(..).collect();
    let world = telegram.world();
    batch.extend(
        world
            .updates
            .iter()
            .filter(|update| offset <= 0 || update_id(update) >= offset)
            .take(limit)
            .cloned(),
    );
    batch
}

pub(super) fn set_webhook(telegram: &Telegram, params: &Params) -> Result<Value, ApiError> {
    let url = params.text("url");
    if url.is_empty() {
        return delete_webhook(telegram, params);
    }
    let parsed =
        url::Url::parse(&url).map_err(|_| ApiError::bad("bad webhook: Failed to parse URL"))?;
    // The real service takes https only. A platform under test on this machine has no certificate, so loopback may be plain.
    if http::check_address(&parsed, false).is_err() {
        return Err(ApiError::bad(
            "bad webhook: An HTTPS URL must be provided for webhook",
        ));
    }
    let secret = Some(params.text("secret_token")).filter(|secret| !secret.is_empty());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if secret
        .as_ref()
        .is_some_and(|secret| secret.len() > 256 || !secret.bytes().all(allowed))
    {
        return Err(ApiError::bad("secret token contains unallowed characters"));
    }
    let max_connections = params.integer("max_connections").unwrap_or(40);
    if !(1..=100).contains(&max_connections) {
        return Err(ApiError::bad("invalid max_connections specified"));
    }
    remember_allowed(telegram, params)?;
    let mut changes = dropped(telegram, params);
    changes.push(Change::WebhookSet {
        webhook: Webhook {
            url,
            secret,
            max_connections,
        },
    });
    telegram.world().commit(changes)?;
    telegram.tell();
    Ok(json!(true))
}

pub(super) fn delete_webhook(telegram: &Telegram, params: &Params) -> Result<Value, ApiError> {
    let mut changes = dropped(telegram, params);
    changes.push(Change::WebhookRemoved);
    telegram.world().commit(changes)?;
    locked(&telegram.passing).webhook_error = None;
    telegram.tell();
    Ok(json!(true))
}

fn dropped(telegram: &Telegram, params: &Params) -> Vec<Change> {
    if params.flag("drop_pending_updates") {
        vec![Change::Confirmed {
            below: telegram
                .world()
                .last_update
                .unwrap_or_default()
                .saturating_add(1),
        }]
    } else {
        Vec::new()
    }
}

pub(super) fn webhook_info(telegram: &Telegram) -> Value {
    let world = telegram.world();
    let url = world
        .webhook
        .as_ref()
        .map_or("", |webhook| webhook.url.as_str());
    let mut info = json!({"url": url, "has_custom_certificate": false, "pending_update_count": world.updates.len()});
    if let Some(object) = info.as_object_mut() {
        if let Some(webhook) = &world.webhook {
            object.insert("max_connections".to_owned(), json!(webhook.max_connections));
        }
        if !world.allowed.is_empty() {
            object.insert("allowed_updates".to_owned(), json!(world.allowed));
        }
        if let Some((at, message)) = &locked(&telegram.passing).webhook_error {
            object.insert("last_error_date".to_owned(), json!(at));
            object.insert("last_error_message".to_owned(), json!(message));
        }
    }
    info
}

/// Pushes updates to the webhook, one after another; an update that is not taken holds back those behind it.
pub(crate) fn deliver_webhooks(
    telegram: Arc<Telegram>,
    mut stop: watch::Receiver<bool>,
) -> Result<impl Future<Output = ()> + Send + 'static, HttpError> {
    let timeouts = Timeouts {
        connect: Duration::from_secs(2),
        read: Duration::from_secs(15),
        total: Duration::from_secs(15),
    };
    let client = http::client(&HttpConfig {
        timeouts,
        ..HttpConfig::default()
    })?;
    Ok(async move {
        tokio::select! {
            () = deliver_forever(&telegram, &client) => {}
            _ = stop.changed() => {}
        }
    })
}

async fn deliver_forever(telegram: &Telegram, client: &reqwest::Client) {
    let mut news = telegram.news.subscribe();
    let mut wait = RETRY_FIRST;
    loop {
        news.mark_unchanged();
        let Some((webhook, update, repeated)) = next_for_webhook(telegram) else {
            if news.changed().await.is_err() {
                return;
            }
            continue;
        };
        match push(client, &webhook, &update).await {
            Ok(()) => {
                wait = RETRY_FIRST;
                taken(telegram, &update, repeated);
            }
            Err(message) => {
                locked(&telegram.passing).webhook_error = Some((now().timestamp(), message));
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2).min(RETRY_LAST);
            }
        }
    }
}

fn next_for_webhook(telegram: &Telegram) -> Option<(Webhook, Value, bool)> {
    let world = telegram.world();
    let webhook = world.webhook.clone()?;
    if let Some(update) = locked(&telegram.passing).again.front() {
        return Some((webhook, update.clone(), true));
    }
    Some((webhook, world.updates.front()?.clone(), false))
}

fn taken(telegram: &Telegram, update: &Value, repeated: bool) {
    if repeated {
        locked(&telegram.passing).again.pop_front();
        return;
    }
    let committed = telegram.world().commit(vec![Change::Delivered {
        update_id: update_id(update),
    }]);
    if let Err(error) = committed {
        tracing::error!(%error, "sandbox cannot write its journal");
    }
    telegram.maybe_again(std::slice::from_ref(update));
}

async fn push(client: &reqwest::Client, webhook: &Webhook, update: &Value) -> Result<(), String> {
    let mut request = client.post(&webhook.url).json(update);
    if let Some(secret) = &webhook.secret {
        request = request.header("X-Telegram-Bot-Api-Secret-Token", secret);
    }
    match request.send().await {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => Err(format!(
            "Wrong response from the webhook: {}",
            response.status()
        )),
        Err(error) if error.is_timeout() => Err("Read timeout expired".to_owned()),
        Err(error) if error.is_connect() => Err("Connection refused".to_owned()),
        Err(_) => Err("Connection reset by peer".to_owned()),
    }
}
