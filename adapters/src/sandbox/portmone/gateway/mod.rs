//! The simulated payment gateway: links with a signature, a page on which a person "pays", `result`, refunds, held sums,
//! notifications and settlements.

mod render;
pub(super) mod state;

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use chrono::{Duration, NaiveDate};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use subtle::ConstantTimeEq;
use url::Url;

use self::render::Shape;
use self::state::{Outcome, ShopRefused};
use super::control::{Answer, unwritten as refused_write};
use super::faults::{Blemish, Settle};
use super::notices::{NoticeForm, in_form, in_json};
use super::render::Reply;
use super::{Call, MAX_FORM, Portmone, Wire, locked, meet, plain, send, unwritten};
use crate::portmone::gateway::link_signature;
use crate::portmone::{Kopecks, Secret};
use crate::sandbox::journal::JournalError;
use crate::sandbox::now;

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

/// One call, whichever way it came.
#[derive(Clone)]
struct ShopCall {
    method: String,
    fields: HashMap<String, String>,
    json: bool,
    /// Where this server is, as the caller sees it.
    host: String,
}

impl ShopCall {
    fn get(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    fn some(&self, name: &str) -> Option<&str> {
        Some(self.get(name)).filter(|text| !text.is_empty())
    }

    fn bill(&self) -> Option<u64> {
        // A bill that is not a number is a bill that is not there.
        self.some("shopBillId").map(|id| id.parse().unwrap_or(0))
    }

    fn from_json(body: &[u8], host: String) -> Option<Self> {
        let call: Value = serde_json::from_slice(body).ok()?;
        let method = call.get("method")?.as_str()?.to_owned();
        let mut fields = HashMap::new();
        for part in [
            call.pointer("/params/data"),
            call.get("payee"),
            call.get("order"),
        ] {
            for (name, value) in part.and_then(Value::as_object).into_iter().flatten() {
                let text = match value {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.to_string(),
                    _ => continue,
                };
                let name = if name == "shopbillId" {
                    "shopBillId"
                } else {
                    name
                };
                fields.insert(name.to_owned(), text);
            }
        }
        Some(Self {
            method,
            fields,
            json: true,
            host,
        })
    }

    fn from_form(body: &[u8], host: String) -> Self {
        let mut fields = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            let name = match name.as_ref() {
                "payee_id" => "payeeId",
                "shop_bill_id" => "shopBillId",
                "shop_order_number" => "shopOrderNumber",
                "start_date" => "startDate",
                "end_date" => "endDate",
                "return_amount" => "returnAmount",
                "postauth_amount" => "postauthAmount",
                other => other,
            };
            fields.insert(name.to_owned(), value.into_owned());
        }
        let get = |name: &str| fields.get(name).map_or("", String::as_str);
        let method = match (get("method"), get("action")) {
            ("preauth", "set_paid") => "confirmPreauth",
            ("preauth", "reject") => "rejectPreauth",
            // A link is signed, and only JSON has a place for the signature.
            ("createLinkPayment", _) => "",
            (method, _) => method,
        }
        .to_owned();
        Self {
            method,
            fields,
            json: false,
            host,
        }
    }
}

impl Call for ShopCall {
    fn method(&self) -> &str {
        &self.method
    }

    fn subjects(&self, _: &Portmone) -> Vec<String> {
        vec![
            self.get("shopOrderNumber").to_owned(),
            self.get("shopBillId").to_owned(),
        ]
    }

    fn answer(&self, portmone: &Portmone, blemish: Option<&Blemish>, _: Option<Settle>) -> Reply {
        portmone
            .shop_call(self, blemish)
            .unwrap_or_else(|error| unwritten(&error))
    }

    fn refusal(&self, code: &str, words: &str) -> Reply {
        render::refusal(self.json, code, words)
    }
}

impl Portmone {
    fn shop_call(&self, call: &ShopCall, blemish: Option<&Blemish>) -> Result<Reply, JournalError> {
        let (json, payee) = (call.json, self.settings.gateway.payee_id.as_str());
        let single = match json {
            true => Shape::SnakeJson,
            false => Shape::Order,
        };
        let (shape, done) = match call.method.as_str() {
            "createLinkPayment" => {
                return Ok(match self.create_link(call)? {
                    Ok(link) => {
                        let address = format!("http://{}{GATEWAY}pay/{}", call.host, link.token);
                        render::link(&address, blemish)
                    }
                    Err(refused) => render::refused(json, refused),
                });
            }
            _ if !self.knows(call) => (single, Ok(Err(ShopRefused::Credentials))),
            "result" => {
                let shape = if json { Shape::Json } else { Shape::Orders };
                (shape, Ok(self.find(call)))
            }
            "return" => {
                let shape = if json { Shape::Json } else { Shape::Order };
                (shape, self.change(call, "returnAmount", true))
            }
            "confirmPreauth" => (single, self.change(call, "postauthAmount", false)),
            "rejectPreauth" => {
                let mut shop = locked(&self.shop);
                let done = state::release(&mut shop, call.some("shopOrderNumber"), call.bill());
                drop(shop);
                (single, self.told(done))
            }
            _ => (single, Ok(Err(ShopRefused::Method))),
        };
        Ok(match done? {
            Ok(list) => render::transactions(shape, payee, &list, blemish),
            Err(refused) => render::refused(json, refused),
        })
    }

    fn knows(&self, call: &ShopCall) -> bool {
        let account = &self.settings.gateway;
        call.get("login") == account.login
            && call.get("password") == account.password
            && call.get("payeeId") == account.payee_id
    }

    fn create_link(&self, call: &ShopCall) -> Outcome<Link> {
        let wanted = || -> Result<Link, ShopRefused> {
            let account = &self.settings.gateway;
            if call.get("payeeId") != account.payee_id || call.get("login") != account.login {
                return Err(ShopRefused::Credentials);
            }
            let (dt, order, amount) = (
                call.get("dt"),
                call.get("shopOrderNumber"),
                call.get("billAmount"),
            );
            let whole = dt.len() == 14 && dt.bytes().all(|byte| byte.is_ascii_digit());
            let signature = link_signature(
                &account.payee_id,
                dt,
                order,
                amount,
                &Secret::new(account.login.as_str()),
                &Secret::new(account.key.as_str()),
            );
            let given = call.get("signature").as_bytes();
            if !whole || !bool::from(signature.as_bytes().ct_eq(given)) {
                return Err(ShopRefused::Signature);
            }
            if order.is_empty() || order.len() > 120 {
                return Err(ShopRefused::Order);
            }
            let amount = positive(amount).filter(|_| call.get("billCurrency") == "UAH");
            let address = |name: &str| {
                Url::parse(call.get(name))
                    .ok()
                    .filter(|url| matches!(url.scheme(), "http" | "https"))
                    .map(String::from)
                    .ok_or(ShopRefused::Address)
            };
            let seconds = call
                .some("expTime")
                .and_then(|text| text.parse().ok())
                .and_then(Duration::try_seconds);
            Ok(Link {
                token: String::new(),
                order_number: order.to_owned(),
                amount_minor: amount.ok_or(ShopRefused::Amount)?,
                description: call.get("description").to_owned(),
                success_url: address("successUrl")?,
                failure_url: address("failureUrl")?,
                preauth: call.get("preauthFlag") == "Y",
                expires_at: seconds.and_then(|seconds| now().checked_add_signed(seconds)),
            })
        };
        match wanted() {
            Ok(link) => state::create_link(&mut locked(&self.shop), link).map(Ok),
            Err(refused) => Ok(Err(refused)),
        }
    }

    fn find(&self, call: &ShopCall) -> Result<Vec<ShopTransaction>, ShopRefused> {
        let (from, to) = state::last_month();
        let day = |name: &str, otherwise| match call.some(name) {
            None => Ok(otherwise),
            Some(text) => {
                NaiveDate::parse_from_str(text, "%d.%m.%Y").map_err(|_| ShopRefused::Window)
            }
        };
        let window = (day("startDate", from)?, day("endDate", to)?);
        let shop = locked(&self.shop);
        Ok(shop.find(call.some("shopOrderNumber"), call.bill(), window))
    }

    fn change(&self, call: &ShopCall, sum: &str, back: bool) -> Outcome<Vec<ShopTransaction>> {
        let amount = match call.some(sum).map(positive) {
            Some(None) => return Ok(Err(ShopRefused::Amount)),
            Some(amount) => amount,
            None => None,
        };
        let (order, bill) = (call.some("shopOrderNumber"), call.bill());
        let mut shop = locked(&self.shop);
        let done = match (back, amount) {
            (true, amount) => state::refund(&mut shop, order, bill, amount),
            (false, Some(amount)) => state::capture(&mut shop, order, bill, amount),
            (false, None) => Ok(Err(ShopRefused::Amount)),
        };
        drop(shop);
        self.told(done)
    }

    /// Puts the news of a change among the notifications.
    fn told(&self, done: Outcome<ShopTransaction>) -> Outcome<Vec<ShopTransaction>> {
        let done = done?;
        if let Ok(one) = &done
            && one.status != ShopStatus::Created
        {
            let payee = &self.settings.gateway.payee_id;
            let moved = matches!(one.status, ShopStatus::Payed | ShopStatus::Return);
            let news = match self.notices.form() {
                NoticeForm::Xml if moved => {
                    let bill = render::bill(payee, one, self.fee(one));
                    in_form(&format!("<BILLS>{bill}</BILLS>"))
                }
                _ => in_json(&render::news(payee, one)),
            };
            self.notices.add(news, false)?;
        }
        Ok(done.map(|one| vec![one]))
    }

    /// The commission on a transaction, rounded down; a return gives none of it back.
    fn fee(&self, one: &ShopTransaction) -> i64 {
        if one.status != ShopStatus::Payed {
            return 0;
        }
        let points = self.settings.gateway.fee_basis_points;
        one.amount_minor.saturating_mul(points) / 10_000
    }

    fn act(&self, token: &str, deed: Deed, days_ago: u64, late: bool) -> Outcome<ShopTransaction> {
        let done = state::act(&mut locked(&self.shop), token, deed, days_ago, late);
        let told = self.told(done)?;
        Ok(told.and_then(|list| list.into_iter().next().ok_or(ShopRefused::Unknown)))
    }
}

fn positive(text: &str) -> Option<i64> {
    Kopecks::parse(text)
        .ok()
        .map(Kopecks::minor)
        .filter(|minor| *minor > 0)
}

pub(super) fn routes() -> Router<Arc<Portmone>> {
    Router::new()
        .route(GATEWAY, post(call))
        .route("/gateway/pay/{token}", get(show).post(pay))
        .route("/_sandbox/portmone/gateway", get(books))
        .route("/_sandbox/portmone/gateway/orders/{order}/act", post(act))
        .route("/_sandbox/portmone/gateway/settle", post(settle))
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

/// The gateway's books: compare with the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShopView {
    /// Every link, in no order that means anything.
    pub links: Vec<Link>,
    /// Every transaction, oldest first.
    pub transactions: Vec<ShopTransaction>,
    /// Every settlement, oldest first.
    pub settlements: Vec<ShopSettlement>,
    /// Money taken, in kopecks.
    pub paid_minor: i64,
    /// Money sent back, in kopecks.
    pub returned_minor: i64,
    /// Money held on cards, in kopecks.
    pub held_minor: i64,
}

async fn books(State(portmone): State<Arc<Portmone>>) -> Json<ShopView> {
    let shop = locked(&portmone.shop);
    let sum = |status| {
        let of = shop
            .transactions
            .values()
            .filter(|one| one.status == status);
        of.fold(0_i64, |sum, one| sum.saturating_add(one.amount_minor))
    };
    Json(ShopView {
        links: shop.links.values().cloned().collect(),
        transactions: shop.transactions.values().cloned().collect(),
        settlements: shop.settlements.clone(),
        paid_minor: sum(ShopStatus::Payed),
        returned_minor: sum(ShopStatus::Return),
        held_minor: sum(ShopStatus::Preauth),
    })
}

/// What a person does, told over the control side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// What.
    pub deed: Deed,
    /// How many days ago by the bank's clock.
    #[serde(default)]
    pub days_ago: u64,
    /// Also after the page has expired: the bank was slow.
    #[serde(default)]
    pub late: bool,
}

/// Acts on the page of an order, the first of several pages.
async fn act(
    State(portmone): State<Arc<Portmone>>,
    Path(order): Path<String>,
    Json(act): Json<Act>,
) -> Answer<ShopTransaction> {
    let token = {
        let shop = locked(&portmone.shop);
        let link = shop.links.values().find(|link| link.order_number == order);
        link.map(|link| link.token.clone())
            .ok_or(StatusCode::NOT_FOUND)?
    };
    portmone
        .act(&token, act.deed, act.days_ago, act.late)
        .map_err(refused_write)?
        .map(Json)
        .map_err(|_| StatusCode::CONFLICT)
}

/// How a settlement is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SettleHow {
    /// The bank transfers less than the bills say, in kopecks.
    pub short_minor: i64,
    /// The commission is not taken out of the transfer.
    pub gross: bool,
}

/// Makes a settlement of everything that is in none yet, and its notification.
async fn settle(
    State(portmone): State<Arc<Portmone>>,
    Json(how): Json<SettleHow>,
) -> Answer<ShopSettlement> {
    let payee = &portmone.settings.gateway.payee_id;
    let settlement = {
        let mut shop = locked(&portmone.shop);
        let bills: Vec<(ShopTransaction, i64)> = state::unsettled(&shop)
            .into_iter()
            .map(|one| {
                let fee = portmone.fee(&one);
                (one, fee)
            })
            .collect();
        let fees = bills
            .iter()
            .fold(0_i64, |sum, (_, fee)| sum.saturating_add(*fee));
        let moved = bills.iter().fold(0_i64, |sum, (one, _)| {
            if one.status == ShopStatus::Return {
                sum.saturating_sub(one.amount_minor)
            } else {
                sum.saturating_add(one.amount_minor)
            }
        });
        let withheld = if how.gross { 0 } else { fees };
        let amount = moved
            .saturating_sub(withheld)
            .saturating_sub(how.short_minor);
        if bills.is_empty() || amount < 0 {
            return Err(StatusCode::CONFLICT);
        }
        let id = state::next_settlement(&shop);
        let settlement = ShopSettlement {
            id,
            amount_minor: amount,
            fees_minor: fees,
            document: render::settlement(id, payee, amount, &bills),
        };
        let transactions = bills.iter().map(|(one, _)| one.id).collect();
        let change = state::Change::Settled {
            settlement: settlement.clone(),
            transactions,
        };
        shop.commit(vec![change]).map_err(refused_write)?;
        settlement
    };
    portmone
        .notices
        .add(in_form(&settlement.document), true)
        .map_err(refused_write)?;
    Ok(Json(settlement))
}
