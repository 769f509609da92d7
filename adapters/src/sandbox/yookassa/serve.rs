//! The API's face on the wire: reads a call, lets a planned misfortune happen to it, writes the answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::any;
use axum::{Extension, Router};
use serde_json::{Value, json};

use super::api::{Call, resolve};
use super::error::ApiError;
use super::faults::{Blemish, Outcome, YookassaAction};
use super::payments::operation;
use super::records::CallRecord;
use super::{ENDPOINT, Yookassa, locked, render};
use crate::sandbox::server::Wire;

const MAX_BODY: usize = 512 * 1024;
/// How many calls are remembered for the control side.
const CALLS_KEPT: usize = 5_000;
/// Milliseconds that a 202 asks its caller to wait.
const PROCESSING_MILLIS: u64 = 1_800;

/// An answer before it goes onto the wire.
struct Reply {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Reply {
    fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            content_type: "application/json",
            body: body.to_string().into_bytes(),
        }
    }

    fn html(status: u16) -> Self {
        let page = "<!doctype html><html><head><title>Service</title></head><body>Technical works</body></html>";
        Self {
            status,
            content_type: "text/html; charset=utf-8",
            body: page.into(),
        }
    }
}

pub(super) fn routes() -> Router<Arc<Yookassa>> {
    Router::new().route(&format!("{ENDPOINT}/{{*path}}"), any(call))
}

async fn call(
    State(yookassa): State<Arc<Yookassa>>,
    Path(path): Path<String>,
    Extension(wire): Extension<Wire>,
    request: Request,
) -> Response {
    let reply = match read(&path, request).await {
        Ok(call) => meet(&yookassa, call, &wire).await,
        Err(error) => yookassa.refuse(&error),
    };
    send(reply)
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

async fn read(path: &str, request: Request) -> Result<Call, ApiError> {
    let (op, id) = resolve(request.method(), path)?;
    let authorization = header(request.headers(), "authorization");
    let key = header(request.headers(), "idempotence-key");
    let content_type = header(request.headers(), "content-type").unwrap_or_default();
    let query = request.uri().query().unwrap_or_default();
    let query = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let body = to_bytes(request.into_body(), MAX_BODY)
        .await
        .map_err(|_| ApiError::new(413, "invalid_request", "The request body is too large"))?;
    Ok(Call {
        op,
        id,
        query,
        authorization,
        key,
        content_type,
        body,
    })
}

impl Yookassa {
    fn refuse(&self, error: &ApiError) -> Reply {
        let number = {
            let mut passing = locked(&self.passing);
            passing.errors = passing.errors.wrapping_add(1);
            passing.errors
        };
        let now = self.now(&locked(&self.books));
        let id = render::id("error", now, self.seed, u64::MAX.wrapping_sub(number));
        Reply::json(error.status, &error.to_json(&id))
    }

    fn answer(&self, call: &Call, outcome: Option<&Outcome>) -> Reply {
        match self.perform(call, outcome) {
            Ok(object) => Reply::json(200, &object),
            Err(error) => self.refuse(&error),
        }
    }

    fn failing(&self, status: u16) -> Reply {
        if status == 500 {
            self.refuse(&ApiError::internal())
        } else {
            Reply::html(status)
        }
    }

    fn spoilt(&self, call: &Call, blemish: &Blemish) -> Reply {
        let mut reply = self.answer(call, None);
        match blemish {
            Blemish::CutOff => reply.body.truncate(reply.body.len() / 2),
            Blemish::Empty => reply.body.clear(),
            Blemish::Html => reply = Reply::html(200),
            Blemish::Replace { pointer, value } => {
                if let Ok(mut object) = serde_json::from_slice(&reply.body) {
                    replace(&mut object, pointer, value);
                    reply = Reply::json(reply.status, &object);
                }
            }
        }
        reply
    }

    /// Looks for a misfortune and writes the call down together with it.
    fn plan(&self, call: &Call) -> Option<YookassaAction> {
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let payment = body
            .get("payment_id")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let subjects = [
            call.id.as_str(),
            call.key.as_deref().unwrap_or_default(),
            operation(&body).unwrap_or_default(),
            payment,
        ];
        let action = locked(&self.faults).meet(call.op.name(), &subjects);
        let record = CallRecord {
            method: call.op.name().to_owned(),
            id: call.id.clone(),
            key: call.key.clone(),
            at: self.now(&locked(&self.books)),
            fault: action.as_ref().map(|action| json!(action)),
        };
        let mut passing = locked(&self.passing);
        passing.calls.push_back(record);
        if passing.calls.len() > CALLS_KEPT {
            passing.calls.pop_front();
        }
        action
    }
}

/// Sets, or with `null` takes away, what a pointer names.
fn replace(object: &mut Value, pointer: &str, value: &Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
    let name = name.replace("~1", "/").replace("~0", "~");
    match object.pointer_mut(parent) {
        Some(Value::Object(members)) if value.is_null() => {
            members.remove(&name);
        }
        Some(Value::Object(members)) => {
            members.insert(name, value.clone());
        }
        _ => {
            if let Some(place) = object.pointer_mut(pointer) {
                *place = value.clone();
            }
        }
    }
}

/// Lets the planned misfortune happen to the call, or answers it plainly.
async fn meet(yookassa: &Arc<Yookassa>, call: Call, wire: &Wire) -> Reply {
    let Some(action) = yookassa.plan(&call) else {
        return yookassa.answer(&call, None);
    };
    tracing::debug!(method = call.op.name(), ?action, "sandbox fault");
    match action {
        YookassaAction::Delay { millis } => {
            // On its own task: a provider goes on with a call whose caller has lost patience and left.
            let slow = Arc::clone(yookassa);
            let late = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                slow.answer(&call, None)
            });
            late.await.unwrap_or_else(|_stopped| Reply::html(503))
        }
        YookassaAction::DelayAfter { millis } => {
            let reply = yookassa.answer(&call, None);
            tokio::time::sleep(Duration::from_millis(millis)).await;
            reply
        }
        YookassaAction::DropBefore => match wire.cut().await {},
        YookassaAction::DropAfter => {
            let _processed = yookassa.answer(&call, None);
            match wire.cut().await {}
        }
        YookassaAction::HttpBefore { status } => yookassa.failing(status),
        YookassaAction::HttpAfter { status } => {
            let _processed = yookassa.answer(&call, None);
            yookassa.failing(status)
        }
        YookassaAction::Accepted { processed } => {
            if processed {
                let _processed = yookassa.answer(&call, None);
            }
            let body = json!({"type": "processing", "description": "The request is being processed",
                "retry_after": PROCESSING_MILLIS});
            Reply::json(202, &body)
        }
        YookassaAction::TooManyRequests { retry_after } => {
            yookassa.refuse(&ApiError::too_many(retry_after))
        }
        YookassaAction::Refuse {
            status,
            code,
            description,
        } => yookassa.refuse(&ApiError::new(status, &code, description)),
        YookassaAction::Spoil { blemish } => yookassa.spoilt(&call, &blemish),
        YookassaAction::End { outcome } => yookassa.answer(&call, Some(&outcome)),
    }
}

fn send(reply: Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    response
}
