//! One call of the API: who asks, whether the key has been seen, what is done, what is answered.

use axum::body::Bytes;
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::error::ApiError;
use super::faults::Outcome;
use super::state::{Books, Change, KEY_LIFE, Key, ObjectRef, Side};
use super::{Yookassa, locked, render};
use crate::sandbox::journal::Remembered;

const MAX_KEY: usize = 64;

/// An operation of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    PaymentsCreate,
    PaymentsList,
    PaymentsGet,
    PaymentsCapture,
    PaymentsCancel,
    RefundsCreate,
    RefundsList,
    RefundsGet,
    PayoutsCreate,
    PayoutsList,
    PayoutsSearch,
    PayoutsGet,
    SbpBanks,
    Me,
    Webhooks,
}

impl Op {
    /// The name under which fault rules and the list of calls know it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PaymentsCreate => "payments.create",
            Self::PaymentsList => "payments.list",
            Self::PaymentsGet => "payments.get",
            Self::PaymentsCapture => "payments.capture",
            Self::PaymentsCancel => "payments.cancel",
            Self::RefundsCreate => "refunds.create",
            Self::RefundsList => "refunds.list",
            Self::RefundsGet => "refunds.get",
            Self::PayoutsCreate => "payouts.create",
            Self::PayoutsList => "payouts.list",
            Self::PayoutsSearch => "payouts.search",
            Self::PayoutsGet => "payouts.get",
            Self::SbpBanks => "sbp_banks",
            Self::Me => "me",
            Self::Webhooks => "webhooks",
        }
    }

    fn writes(self) -> bool {
        matches!(
            self,
            Self::PaymentsCreate
                | Self::PaymentsCapture
                | Self::PaymentsCancel
                | Self::RefundsCreate
                | Self::PayoutsCreate
        )
    }

    /// Whose key opens it; `None`: either.
    fn side(self) -> Option<Side> {
        match self {
            Self::PayoutsCreate | Self::PayoutsList | Self::PayoutsSearch | Self::PayoutsGet => {
                Some(Side::Gateway)
            }
            Self::SbpBanks | Self::Me | Self::Webhooks => None,
            _ => Some(Side::Shop),
        }
    }
}

/// Which operation a path below `/v3` names, with the id in it.
pub(super) fn resolve(method: &Method, path: &str) -> Result<(Op, String), ApiError> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (get, post) = (method == Method::GET, method == Method::POST);
    let ops: &[(bool, Op)] = match parts.as_slice() {
        ["payments"] => &[(post, Op::PaymentsCreate), (get, Op::PaymentsList)],
        ["payments", _] => &[(get, Op::PaymentsGet)],
        ["payments", _, "capture"] => &[(post, Op::PaymentsCapture)],
        ["payments", _, "cancel"] => &[(post, Op::PaymentsCancel)],
        ["refunds"] => &[(post, Op::RefundsCreate), (get, Op::RefundsList)],
        ["refunds", _] => &[(get, Op::RefundsGet)],
        ["payouts"] => &[(post, Op::PayoutsCreate), (get, Op::PayoutsList)],
        ["payouts", "search"] => &[(get, Op::PayoutsSearch)],
        ["payouts", _] => &[(get, Op::PayoutsGet)],
        ["sbp_banks"] => &[(get, Op::SbpBanks)],
        ["me"] => &[(get, Op::Me)],
        ["webhooks"] => &[(get || post, Op::Webhooks)],
        ["webhooks", _] => &[(method == Method::DELETE, Op::Webhooks)],
        _ => return Err(ApiError::not_found("Resource")),
    };
    let id = parts.get(1).copied().unwrap_or_default().to_owned();
    ops.iter()
        .find(|(fits, _)| *fits)
        .map(|(_, op)| (*op, id))
        .ok_or_else(|| ApiError::new(405, "invalid_request", "Method is not allowed here"))
}

/// One call as it came.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub op: Op,
    pub id: String,
    pub query: Vec<(String, String)>,
    pub authorization: Option<String>,
    pub key: Option<String>,
    pub content_type: String,
    pub body: Bytes,
}

impl Yookassa {
    /// Does what a call asks for, with the outcome that a rule may wish.
    pub(super) fn perform(
        &self,
        call: &Call,
        outcome: Option<&Outcome>,
    ) -> Result<Value, ApiError> {
        let side = self.authenticate(call.authorization.as_deref())?;
        if call.op.side().is_some_and(|wanted| wanted != side) {
            return Err(ApiError::forbidden(
                "These credentials have no right to this operation",
            ));
        }
        let mut books = locked(&self.books);
        self.tick(&mut books)?;
        if call.op.writes() {
            self.write(&mut books, side, call, outcome)
        } else {
            self.read(&books, side, call)
        }
    }

    fn authenticate(&self, header: Option<&str>) -> Result<Side, ApiError> {
        let header =
            header.ok_or_else(|| ApiError::credentials("The Authorization header is missing"))?;
        let wrong = || {
            ApiError::credentials(
                "Incorrect password format in the Authorization header. Use Secret key issued in Merchant Profile as the password.",
            )
        };
        let pair = header
            .strip_prefix("Basic ")
            .and_then(|coded| STANDARD.decode(coded.trim()).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(wrong)?;
        let (id, secret) = pair.split_once(':').ok_or_else(wrong)?;
        let sides = [
            (&self.settings.shop, Side::Shop),
            (&self.settings.gateway, Side::Gateway),
        ];
        sides
            .into_iter()
            .find(|(account, _)| account.id == id && account.secret == secret)
            .map(|(_, side)| side)
            .ok_or_else(wrong)
    }

    fn write(
        &self,
        books: &mut Remembered<Books>,
        side: Side,
        call: &Call,
        outcome: Option<&Outcome>,
    ) -> Result<Value, ApiError> {
        let name = check_key(call.key.as_deref())?;
        let body = parse_body(call)?;
        let digest = digest(call, &body);
        let now = self.now(books);
        let known = books.keys.get(&(side, name.to_owned()));
        if let Some(known) = known.filter(|key| now.signed_duration_since(key.at) < KEY_LIFE) {
            if known.digest != digest {
                return Err(ApiError::invalid(
                    "Idempotence-Key",
                    "Idempotence key duplicated",
                ));
            }
            return self.show(books, &known.object);
        }
        let (mut changes, object) = match call.op {
            Op::PaymentsCreate => self.create_payment(books, &body)?,
            Op::PaymentsCapture => self.capture_payment(books, &call.id, &body)?,
            Op::PaymentsCancel => self.cancel_payment(books, &call.id)?,
            Op::RefundsCreate => self.create_refund(books, &body, outcome)?,
            _ => self.create_payout(books, &body, outcome)?,
        };
        // The key and what it did stand on one line of the journal: neither is ever there without the other.
        changes.push(Change::Key {
            side,
            name: name.to_owned(),
            key: Key {
                digest,
                at: now,
                object: object.clone(),
            },
        });
        books.commit(changes)?;
        self.tell();
        self.show(books, &object)
    }

    /// An object as it is now.
    pub(super) fn show(&self, books: &Books, object: &ObjectRef) -> Result<Value, ApiError> {
        let view = self.view(self.now(books));
        let shown = match object {
            ObjectRef::Payment(id) => books
                .payments
                .get(id)
                .map(|one| render::payment(one, &view)),
            ObjectRef::Refund(id) => books.refunds.get(id).map(render::refund),
            ObjectRef::Payout(id) => books.payouts.get(id).map(render::payout),
        };
        let what = match object {
            ObjectRef::Payment(_) => "Payment",
            ObjectRef::Refund(_) => "Refund",
            ObjectRef::Payout(_) => "Payout",
        };
        shown.ok_or_else(|| ApiError::not_found(what))
    }
}

/// The published pattern has a range from `+` to `_`, which lets more through than it seems to mean; so does this.
fn check_key(key: Option<&str>) -> Result<&str, ApiError> {
    let invalid = |words: String| ApiError::invalid("Idempotence-Key", words);
    let key = key
        .filter(|key| !key.is_empty())
        .ok_or_else(|| invalid("Idempotence key is empty".to_owned()))?;
    if key.len() > MAX_KEY {
        let words = format!("Idempotence key is too long. Max. length is {MAX_KEY}");
        return Err(invalid(words));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || (b'+'..=b'_').contains(&byte);
    if !key.bytes().all(allowed) {
        return Err(invalid("Idempotence key is illegal".to_owned()));
    }
    Ok(key)
}

/// Capture and cancel may come without a body.
fn parse_body(call: &Call) -> Result<Value, ApiError> {
    let may_be_empty = matches!(call.op, Op::PaymentsCapture | Op::PaymentsCancel);
    if call.body.is_empty() && may_be_empty {
        return Ok(Value::Object(Map::new()));
    }
    let is_json = call
        .content_type
        .to_ascii_lowercase()
        .starts_with("application/json");
    if !is_json {
        return Err(ApiError::new(
            415,
            "invalid_request",
            "Content-Type must be application/json",
        ));
    }
    match serde_json::from_slice(&call.body) {
        Ok(Value::Null) if may_be_empty => Ok(Value::Object(Map::new())),
        Ok(body) => Ok(body),
        Err(_) => Err(ApiError::new(
            400,
            "invalid_request",
            "Failed to parse request body",
        )),
    }
}

/// Over the operation and the body's meaning: the order of members and white space are nobody's matter.
fn digest(call: &Call, body: &Value) -> String {
    let mut text = format!("{} {} ", call.op.name(), call.id);
    canonical(body, &mut text);
    hex::encode(Sha256::digest(text.as_bytes()))
}

fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_by_key(|(name, _)| name.as_str());
            out.push('{');
            for (name, value) in members {
                out.push_str(&json!(name).to_string());
                out.push(':');
                canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}
