//! What providers send by themselves. It is stored as it came and believed by nobody: no money moves because of it. The
//! payout worker takes it as a hint to ask the provider with our own credentials.

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use kvit_commands::ports::notifications::{
    InboxFault, NOTIFICATION_BYTES_MAX, RawNotification, Received,
};

use crate::auth::token::same_secret;
use crate::http::problem::{Answer, Problem};
use crate::parts::Gateway;

const TOKEN_HEADER: &str = "x-webhook-token";
const PORTMONE: &str = "portmone";

async fn portmone_by_path(
    State(gateway): State<Gateway>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<StatusCode> {
    receive(&gateway, &token, &headers, body).await
}

async fn portmone_by_header(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<StatusCode> {
    let token = headers
        .get(TOKEN_HEADER)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    receive(&gateway, &token, &headers, body).await
}

async fn receive(
    gateway: &Gateway,
    token: &str,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<StatusCode> {
    let expected = gateway.settings.portmone_webhook_token.as_deref();
    if !expected.is_some_and(|expected| same_secret(expected, token)) {
        metrics::counter!("kvit_webhooks_total", "provider" => PORTMONE, "outcome" => "denied")
            .increment(1);
        // Not found, not forbidden: a stranger need not know that there is such an address.
        return Err(Problem::new(
            "route_not_found",
            "there is nothing at this address",
        ));
    }
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            "payload_too_large",
            format!("at most {NOTIFICATION_BYTES_MAX} bytes are accepted"),
        ),
        _ => Problem::new("invalid_body", "the body could not be read to its end"),
    })?;
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let notification = RawNotification {
        provider: PORTMONE.to_owned(),
        content_type,
        body,
        received_at: gateway.clock.now(),
    };
    let received = gateway
        .inbox
        .receive(notification)
        .await
        .map_err(|fault| match fault {
            InboxFault::Transient(cause) => Problem::unavailable("the inbox", &cause),
            InboxFault::Fatal(cause) => Problem::fatal(&cause),
        })?;
    let outcome = match received {
        Received::Stored => "stored",
        Received::Duplicate => "duplicate",
    };
    metrics::counter!("kvit_webhooks_total", "provider" => PORTMONE, "outcome" => outcome)
        .increment(1);
    tracing::info!(
        webhook.provider = PORTMONE,
        webhook.outcome = outcome,
        "a notification came"
    );
    Ok(StatusCode::OK)
}

/// The addresses that providers call.
pub(crate) fn routes() -> Router<Gateway> {
    Router::new()
        .route("/webhooks/portmone", post(portmone_by_header))
        .route("/webhooks/portmone/{token}", post(portmone_by_path))
        .layer(DefaultBodyLimit::max(NOTIFICATION_BYTES_MAX))
}
