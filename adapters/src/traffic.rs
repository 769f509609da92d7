//! What was said to providers of money and what they answered, kept sealed for disputes.
//!
//! A recorder is handed to a client with its HTTP settings. Recording never holds a call up and never fails it: exchanges
//! go through a bounded queue to one writer; what does not fit is counted and lost. The decisions of the platform stand in
//! the log; this is only what a provider could be shown.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use kvit_commands::ports::time::Clock;
use kvit_commands::ports::vault::Vault;
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, Row};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::postgres::classify;

/// Exchanges that may wait for the writer.
const WAITING_MAX: usize = 1_024;
/// Most bytes of a request or an answer that are kept; what is longer is cut.
const BODY_MAX: usize = 256 * 1024;
/// How long an exchange is kept.
pub const KEPT: TimeDelta = TimeDelta::days(90);
/// Bodies are sealed with a key per provider: they belong to no single person that could be forgotten.
const PROVIDERS: Uuid = Uuid::from_u128(0x5c1d_77e0_93b4_4a5f_8e26_d0a9_1b64_3f07);

/// One exchange with a provider.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Whom we spoke to.
    pub provider: &'static str,
    /// What it was about, as far as it shows outside of the body.
    pub subject: String,
    /// What we sent, without logins.
    pub request: Bytes,
    /// What came back, and under which status. `None`: nothing did.
    pub answer: Option<(u16, Bytes)>,
}

/// Takes exchanges. A clone records to the same place; the default one forgets everything.
#[derive(Clone, Default)]
pub struct Recorder(
    Option<mpsc::Sender<(DateTime<Utc>, Exchange)>>,
    Option<Arc<dyn Clock>>,
);

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recorder").field(&self.0.is_some()).finish()
    }
}

impl Recorder {
    /// A recorder whose exchanges a task of its own writes to the table `provider_traffic`.
    #[must_use]
    pub fn start(pool: PgPool, vault: Arc<dyn Vault>, clock: Arc<dyn Clock>) -> Self {
        let (send, mut receive) = mpsc::channel(WAITING_MAX);
        tokio::spawn(async move {
            while let Some((at, exchange)) = receive.recv().await {
                let written = write(&pool, vault.as_ref(), at, &exchange);
                match tokio::time::timeout(Duration::from_secs(10), written).await {
                    Ok(Ok(())) => {}
                    Ok(Err(why)) => lost(exchange.provider, &why),
                    Err(_) => lost(exchange.provider, "the database is too slow"),
                }
            }
        });
        Self(Some(send), Some(clock))
    }

    /// Whether anything is kept: a caller can spare itself the copying.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Takes an exchange, at once and without waiting.
    pub fn record(&self, exchange: Exchange) {
        let (Some(queue), Some(clock)) = (&self.0, &self.1) else {
            return;
        };
        let provider = exchange.provider;
        if queue.try_send((clock.now(), exchange)).is_err() {
            lost(provider, "too many exchanges wait to be written");
        }
    }
}

fn lost(provider: &'static str, why: &str) {
    metrics::counter!("kvit_provider_traffic_lost_total", "provider" => provider).increment(1);
    tracing::warn!(provider, why, "an exchange with a provider was not kept");
}

/// Takes words out of a body, such as a password in a form.
#[must_use]
pub fn without(body: &str, words: &[&str]) -> String {
    let mut clean = body.to_owned();
    for word in words.iter().filter(|word| !word.is_empty()) {
        clean = clean.replace(word, "***");
        let encoded: String = url::form_urlencoded::byte_serialize(word.as_bytes()).collect();
        clean = clean.replace(&encoded, "***");
    }
    clean
}

/// A body as it is sealed and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What we sent.
    pub request: String,
    /// What came back.
    pub answer: Option<String>,
}

/// An exchange as it was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptExchange {
    /// Whom we spoke to.
    pub provider: String,
    /// What it was about.
    pub subject: String,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// The answer's status.
    pub status: Option<i32>,
    /// The bodies.
    #[serde(flatten)]
    pub bodies: Kept,
}

/// Text as it is; anything else as Base64, cut to what is kept.
fn text(bytes: &[u8]) -> String {
    let kept = bytes.get(..bytes.len().min(BODY_MAX)).unwrap_or_default();
    match std::str::from_utf8(kept) {
        Ok(text) => text.to_owned(),
        Err(_) => format!(
            "base64:{}",
            base64::engine::general_purpose::STANDARD.encode(kept)
        ),
    }
}

fn owner(provider: &str) -> Uuid {
    Uuid::new_v5(&PROVIDERS, provider.as_bytes())
}

fn context(provider: &str, subject: &str, at: DateTime<Utc>) -> String {
    format!("traffic:{provider}:{subject}:{}", at.timestamp_micros())
}

async fn write(
    pool: &PgPool,
    vault: &dyn Vault,
    at: DateTime<Utc>,
    exchange: &Exchange,
) -> Result<(), String> {
    let kept = Kept {
        request: text(&exchange.request),
        answer: exchange.answer.as_ref().map(|(_, body)| text(body)),
    };
    let plain = serde_json::to_vec(&kept).map_err(|error| error.to_string())?;
    let subject: String = exchange.subject.chars().take(100).collect();
    let sealed = vault
        .seal_bytes(
            owner(exchange.provider),
            &context(exchange.provider, &subject, at),
            &plain,
        )
        .await
        .map_err(|fault| fault.to_string())?;
    sqlx::query(
        "INSERT INTO provider_traffic (provider, subject, at, status, body) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(exchange.provider)
    .bind(&subject)
    .bind(at)
    .bind(exchange.answer.as_ref().map(|(status, _)| i32::from(*status)))
    .bind(sealed)
    .execute(pool)
    .await
    .map_err(|error| classify::describe(&error))?;
    Ok(())
}

/// Exchanges of a time, opened, oldest first. `subject` must occur in what they were about.
///
/// # Errors
/// When the database or the vault does not answer.
pub async fn list(
    pool: &PgPool,
    vault: &dyn Vault,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    subject: Option<&str>,
    limit: u32,
) -> Result<Vec<KeptExchange>, String> {
    let rows = sqlx::query(
        "SELECT provider, subject, at, status, body FROM provider_traffic
          WHERE at >= $1 AND at < $2 AND ($3::text IS NULL OR position($3 in subject) > 0)
          ORDER BY at, id LIMIT $4",
    )
    .bind(from)
    .bind(to)
    .bind(subject)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await
    .map_err(|error| classify::describe(&error))?;
    let mut kept = Vec::with_capacity(rows.len());
    for row in rows {
        let read = |error: sqlx::Error| classify::describe(&error);
        let provider: String = row.try_get("provider").map_err(read)?;
        let subject: String = row.try_get("subject").map_err(read)?;
        let at: DateTime<Utc> = row.try_get("at").map_err(read)?;
        let body: Vec<u8> = row.try_get("body").map_err(read)?;
        let plain = vault
            .open_bytes(owner(&provider), &context(&provider, &subject, at), &body)
            .await
            .map_err(|fault| fault.to_string())?
            .unwrap_or_default();
        kept.push(KeptExchange {
            status: row.try_get("status").map_err(read)?,
            bodies: serde_json::from_slice(&plain).map_err(|error| error.to_string())?,
            provider,
            subject,
            at,
        });
    }
    Ok(kept)
}

/// Deletes what was kept long enough; how much.
///
/// # Errors
/// When the database does not answer.
pub async fn sweep(pool: &PgPool, now: DateTime<Utc>) -> Result<u64, String> {
    let Some(before) = now.checked_sub_signed(KEPT) else {
        return Ok(0);
    };
    sqlx::query("DELETE FROM provider_traffic WHERE at < $1")
        .bind(before)
        .execute(pool)
        .await
        .map(|done| done.rows_affected())
        .map_err(|error| classify::describe(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_taken_out_of_a_form_in_whatever_spelling() {
        let body = "login=shop&password=p%40ss+word&amount=1.00";
        assert_eq!(
            without(body, &["p@ss word", ""]),
            "login=shop&password=***&amount=1.00"
        );
        assert_eq!(
            without("{\"password\":\"p@ss word\"}", &["p@ss word"]),
            "{\"password\":\"***\"}"
        );
    }
}
