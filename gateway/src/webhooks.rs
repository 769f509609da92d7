//! What providers send by themselves. It is stored as it came and believed by nobody: no money moves because of it. Workers
//! take it as a hint to ask the provider with our own credentials.
//!
//! Who may send is decided before the body is read; the body is stored before anybody looks into it; and only what is
//! stored is acknowledged, so a provider repeats whatever we could not keep.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequest, Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes as Raw;
use kvit_commands::ports::notifications::{
    InboxFault, NOTIFICATION_BYTES_MAX, RawNotification, Received,
};
use sha2::{Digest, Sha256};

use crate::auth::token::same_secret;
use crate::http::problem::{Answer, Problem};
use crate::parts::Gateway;
use crate::sources::{SourceList, sender};

const TOKEN_HEADER: &str = "x-webhook-token";
const PORTMONE: &str = "portmone";
const YOOKASSA: &str = "yookassa";
/// Media types that are longer than this name none that we know.
const CONTENT_TYPE_CHARS_MAX: usize = 200;

/// YooKassa takes exactly 200 as delivered; the body of the answer is empty.
async fn yookassa(State(gateway): State<Gateway>, request: Request) -> Answer<StatusCode> {
    let sources = &gateway.settings.yookassa_sources;
    if matches!(sources, SourceList::Closed) {
        return Err(nothing_here());
    }
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|peer| peer.0.ip());
    let sender = sender(peer, request.headers(), &gateway.settings.trusted_proxies);
    if !sources.admits(sender) {
        count(YOOKASSA, "denied");
        tracing::warn!(
            webhook.provider = YOOKASSA,
            sender = sender.map(tracing::field::display),
            "a notification came from an address that is not the provider's"
        );
        return Err(Problem::new(
            "forbidden",
            "notifications are taken from the provider's addresses only",
        ));
    }
    store(&gateway, YOOKASSA, request).await?;
    Ok(StatusCode::OK)
}

async fn portmone_by_path(
    State(gateway): State<Gateway>,
    Path(token): Path<String>,
    request: Request,
) -> Answer<Response> {
    portmone(&gateway, &token, request).await
}

async fn portmone_by_header(State(gateway): State<Gateway>, request: Request) -> Answer<Response> {
    let token = request
        .headers()
        .get(TOKEN_HEADER)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    portmone(&gateway, &token, request).await
}

async fn portmone(gateway: &Gateway, token: &str, request: Request) -> Answer<Response> {
    let expected = gateway.settings.portmone_webhook_token.as_deref();
    if !expected.is_some_and(|expected| same_secret(expected, token)) {
        count(PORTMONE, "denied");
        return Err(nothing_here());
    }
    let stored = store(gateway, PORTMONE, request).await?;
    let answer = gateway
        .helpers
        .portmone_answer
        .as_ref()
        .and_then(|write| write(&stored.content_type, &stored.body, &stored.record));
    Ok(match answer {
        Some(answer) => ([(CONTENT_TYPE, answer.content_type)], answer.body).into_response(),
        None => StatusCode::OK.into_response(),
    })
}

/// A stranger need not know that there is such an address.
fn nothing_here() -> Problem {
    Problem::new("route_not_found", "there is nothing at this address")
}

struct Stored {
    content_type: String,
    body: Raw,
    /// Names our record of it, the same for each copy.
    record: String,
}

async fn store(gateway: &Gateway, provider: &'static str, request: Request) -> Answer<Stored> {
    let content_type: String = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .chars()
        .take(CONTENT_TYPE_CHARS_MAX)
        .collect();
    let body = match body_of(gateway, request).await {
        Ok(body) => body,
        Err(problem) => {
            count(provider, "unreadable");
            return Err(problem);
        }
    };
    let notification = RawNotification {
        provider: provider.to_owned(),
        content_type: content_type.clone(),
        body: body.clone(),
        received_at: gateway.clock.now(),
    };
    let received = gateway.inbox.receive(notification).await.map_err(|fault| {
        count(provider, "failed");
        match fault {
            InboxFault::Transient(cause) => Problem::unavailable("the inbox", &cause),
            InboxFault::Fatal(cause) => Problem::fatal(&cause),
        }
    })?;
    let outcome = match received {
        Received::Stored => "stored",
        Received::Duplicate => "duplicate",
    };
    count(provider, outcome);
    tracing::info!(
        webhook.provider = provider,
        webhook.outcome = outcome,
        "a notification came"
    );
    let digest: [u8; 32] = Sha256::digest(&body).into();
    Ok(Stored {
        content_type,
        body,
        record: hex::encode(digest.get(..16).unwrap_or_default()),
    })
}

/// The body, bounded in size and in time; its length need not be told beforehand.
async fn body_of(gateway: &Gateway, request: Request) -> Answer<Raw> {
    let reading = Bytes::from_request(request, gateway);
    let body = tokio::time::timeout(gateway.settings.webhook_body_time_max, reading)
        .await
        .map_err(|_| Problem::new("timeout", "the body came too slowly"))?
        .map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
                "payload_too_large",
                format!("at most {NOTIFICATION_BYTES_MAX} bytes are accepted"),
            ),
            _ => Problem::new("invalid_body", "the body could not be read to its end"),
        })?;
    if body.is_empty() {
        return Err(Problem::new("invalid_body", "a notification has a body"));
    }
    Ok(body)
}

fn count(provider: &'static str, outcome: &'static str) {
    metrics::counter!("kvit_webhooks_total", "provider" => provider, "outcome" => outcome)
        .increment(1);
}

/// The addresses that providers call.
pub(crate) fn routes() -> Router<Gateway> {
    Router::new()
        .route("/webhooks/yookassa", post(yookassa))
        .route("/webhooks/portmone", post(portmone_by_header))
        .route("/webhooks/portmone/{token}", post(portmone_by_path))
        .layer(DefaultBodyLimit::max(NOTIFICATION_BYTES_MAX))
}
