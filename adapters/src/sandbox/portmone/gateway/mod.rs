//! The simulated payment gateway: links with a signature, a page on which a person "pays", `result`, refunds, held sums,
//! notifications and settlements.

mod call;
mod control;
mod render;
pub(super) mod state;

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::Deserialize;

use self::call::ShopCall;
use super::render::Reply;
use super::{MAX_FORM, Portmone, Wire, locked, meet, plain, send, unwritten};
use crate::sandbox::now;

pub use self::control::{Act, SettleHow, ShopView};
pub use self::state::{Deed, Link, ShopSettlement, ShopStatus, ShopTransaction};

/// Where the gateway answers.
pub const GATEWAY: &str = "/gateway/";

/// The shop's account at the gateway.
#[derive(Clone)]
pub struct GatewaySettings {
    /// The payee's number.
    pub payee_id: String,
    /// The login that is accepted.
    pub login: String,
    /// The password that is accepted.
    pub password: String,
    /// The key that signs links.
    pub key: String,
    /// The commission in hundredths of a percent.
    pub fee_basis_points: i64,
}

impl std::fmt::Debug for GatewaySettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewaySettings")
            .field("payee_id", &self.payee_id)
            .finish_non_exhaustive()
    }
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            payee_id: "1185".to_owned(),
            login: "sandbox".to_owned(),
            password: "sandbox".to_owned(),
            key: "sandbox-gateway-key".to_owned(),
            fee_basis_points: 150,
        }
    }
}

pub(super) fn routes() -> Router<Arc<Portmone>> {
    Router::new()
        .route(GATEWAY, post(call))
        .route("/gateway/pay/{token}", get(show).post(pay))
        .merge(control::routes())
}

async fn call(
    State(portmone): State<Arc<Portmone>>,
    Extension(wire): Extension<Wire>,
    request: Request,
) -> Response {
    let headers = request.headers();
    let (media, host) = (
        header_text(headers, header::CONTENT_TYPE),
        header_text(headers, header::HOST),
    );
    let Ok(body) = to_bytes(request.into_body(), MAX_FORM).await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, "the call is too large");
    };
    let call = if media.starts_with("application/json") {
        match ShopCall::from_json(&body, host) {
            Some(call) => call,
            None => return plain(StatusCode::BAD_REQUEST, "not a call in JSON"),
        }
    } else if media.starts_with("application/x-www-form-urlencoded") {
        ShopCall::from_form(&body, host)
    } else {
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "only JSON or a form");
    };
    send(meet(&portmone, &call, &wire).await)
}

fn header_text(headers: &header::HeaderMap, name: header::HeaderName) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_ascii_lowercase()
}

fn link_of(portmone: &Portmone, token: &str) -> Option<Link> {
    locked(&portmone.shop).links.get(token).cloned()
}

fn guarded(reply: Reply) -> Response {
    let mut response = send(reply);
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        header::HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    response
}

async fn show(State(portmone): State<Arc<Portmone>>, Path(token): Path<String>) -> Response {
    match link_of(&portmone, &token) {
        Some(link) if link.expires_at.is_some_and(|end| end < now()) => {
            guarded(render::plain_page("Час оплати вийшов"))
        }
        Some(link) => guarded(render::pay_page(&link)),
        None => plain(StatusCode::NOT_FOUND, "there is no such page"),
    }
}

#[derive(Deserialize)]
struct Pressed {
    deed: Deed,
}

async fn pay(
    State(portmone): State<Arc<Portmone>>,
    Path(token): Path<String>,
    axum::Form(pressed): axum::Form<Pressed>,
) -> Response {
    let Some(link) = link_of(&portmone, &token) else {
        return plain(StatusCode::NOT_FOUND, "there is no such page");
    };
    match portmone.act(&token, pressed.deed, 0, false) {
        Ok(Ok(one)) => guarded(render::return_page(&link, &one)),
        Ok(Err(refused)) => guarded(render::plain_page(refused.words().1)),
        Err(error) => send(unwritten(&error)),
    }
}
