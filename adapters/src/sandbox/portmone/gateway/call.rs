//! Calls of the gateway, from the wire to the books.

use std::collections::HashMap;

use chrono::{Duration, NaiveDate};
use serde_json::Value;
use subtle::ConstantTimeEq;
use url::Url;

use super::render::{self, Shape};
use super::state::{self, Outcome, ShopRefused};
use super::{Deed, GATEWAY, Link, ShopStatus, ShopTransaction};
use crate::portmone::gateway::link_signature;
use crate::portmone::{Kopecks, Secret};
use crate::sandbox::journal::JournalError;
use crate::sandbox::now;
use crate::sandbox::portmone::faults::{Blemish, Settle};
use crate::sandbox::portmone::notices::{NoticeForm, in_form, in_json};
use crate::sandbox::portmone::render::Reply;
use crate::sandbox::portmone::{Call, Portmone, locked, unwritten};

/// One call, whichever way it came.
#[derive(Clone)]
pub(super) struct ShopCall {
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

    pub(super) fn from_json(body: &[u8], host: String) -> Option<Self> {
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

    pub(super) fn from_form(body: &[u8], host: String) -> Self {
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
    pub(super) fn fee(&self, one: &ShopTransaction) -> i64 {
        if one.status != ShopStatus::Payed {
            return 0;
        }
        let points = self.settings.gateway.fee_basis_points;
        one.amount_minor.saturating_mul(points) / 10_000
    }

    pub(super) fn act(
        &self,
        token: &str,
        deed: Deed,
        days_ago: u64,
        late: bool,
    ) -> Outcome<ShopTransaction> {
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
