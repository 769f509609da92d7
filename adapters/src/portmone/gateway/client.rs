//! The gateway's calls.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use url::Url;

use super::answer::{Item, Items, MAX_ANSWER_BYTES, parse_items, parse_link, whole, written};
use super::config::{GatewayConfig, GatewayWire};
use super::outcome::{
    ChangeOutcome, FlawedTransaction, GatewayMismatch, Handle, LinkOrder, LinkOutcome, ListOutcome,
    ResultOutcome, Transaction, TransactionStatus, Window,
};
use super::signature::{link_signature, signed_moment};
use crate::http::check_address;
use crate::portmone::amount::Kopecks;
use crate::portmone::config::ConfigError;
use crate::portmone::json::JsonError;
use crate::portmone::line::{FORM, JSON, Line, Lost, observed};
use crate::portmone::outcome::{Doubt, NotSent, Refusal};

const MAX_LINK_BYTES: usize = 64 * 1024;
/// A form calls both ends of a held sum by one method.
const PREAUTH: &str = "preauth";

/// Speaks to the payment gateway. Cheap to clone; all clones share one limit of calls under way.
#[derive(Debug, Clone)]
pub struct PortmoneGateway {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: GatewayConfig,
    line: Line,
}

/// How one exchange ended.
enum Exchange<T> {
    Transactions(T),
    Refused(Refusal),
    NotSent(NotSent),
    Unknown(Doubt),
}

/// One fact of a call, with its name in JSON and in a form.
type Fact<'a> = (&'a str, &'a str, String);

impl PortmoneGateway {
    /// A client for one payee's account.
    ///
    /// # Errors
    /// Settings that cannot work, among them plain http to another machine.
    pub fn try_new(config: GatewayConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let line = Line::open(&config.endpoint, &config.http, config.max_in_flight)?
            .hiding(&[config.login.expose(), config.password.expose()]);
        Ok(Self {
            inner: Arc::new(Inner { config, line }),
        })
    }

    /// The way it asks.
    #[must_use]
    pub fn wire(&self) -> GatewayWire {
        self.inner.config.wire
    }

    /// Creates a page on which a person can pay an order. No money moves.
    pub async fn create_link(&self, order: &LinkOrder) -> LinkOutcome {
        let call = async {
            let body = self.link_body(order).to_string();
            let answer = self.inner.line.post(JSON, body, MAX_LINK_BYTES).await;
            let (status, body) = match answer {
                Ok(answer) => answer,
                Err(Lost::NotSent(reason)) => return LinkOutcome::NotSent(reason),
                Err(Lost::Unknown(doubt)) => return LinkOutcome::Unknown(doubt),
            };
            match parse_link(&body) {
                Ok(Err(refusal)) => LinkOutcome::Refused(refusal),
                _ if status != 200 => LinkOutcome::Unknown(Doubt::HttpStatus(status)),
                Ok(Ok(link)) => self.page(&link).map_or(
                    LinkOutcome::Unknown(JsonError::Shape.into()),
                    LinkOutcome::Created,
                ),
                Err(error) => LinkOutcome::Unknown(error.into()),
            }
        };
        observed(
            "createLinkPayment",
            call,
            |outcome| outcome,
            LinkOutcome::label,
        )
        .await
    }

    /// A person is sent there with a card in hand, so the address must be as safe as the endpoint's.
    fn page(&self, link: &str) -> Option<Url> {
        let url = Url::parse(link).ok()?;
        check_address(&url, self.inner.config.http.allow_plain_http).ok()?;
        Some(url)
    }

    fn link_body(&self, order: &LinkOrder) -> Value {
        let config = &self.inner.config;
        let (dt, amount) = (signed_moment(order.at), written(order.amount));
        let signature = link_signature(
            &config.payee_id,
            &dt,
            &order.order_number,
            &amount,
            &config.login,
            &config.key,
        );
        let expires = order.expires_in.map(|seconds| seconds.to_string());
        json!({
            "method": "createLinkPayment",
            "payee": {
                "payeeId": config.payee_id,
                "login": config.login.expose(),
                "dt": dt,
                "signature": signature,
                "shopSiteId": "",
            },
            "order": {
                "description": order.description,
                "shopOrderNumber": order.order_number,
                "billAmount": amount,
                "billCurrency": "UAH",
                "successUrl": order.success_url,
                "failureUrl": order.failure_url,
                "preauthFlag": if order.preauth { "Y" } else { "N" },
                "expTime": expires.unwrap_or_default(),
                "attribute1": "", "attribute2": "", "attribute3": "", "attribute4": "", "attribute5": "",
                "encoding": "UTF-8",
            },
            "token": { "tokenFlag": "N", "returnToken": "N", "token": "", "cardMask": "", "otherPaymentMethods": "" },
            "payer": { "lang": config.lang, "emailAddress": "", "showEmail": "N" },
        })
    }

    /// Reads the transactions of an order, or one transaction. Without a window the provider looks through the last month.
    pub async fn result(&self, about: Handle<'_>, window: Option<Window>) -> ResultOutcome {
        let mut facts = vec![handle(about)];
        facts.extend(days(window));
        let judge = |exchange: Exchange<Vec<Transaction>>| match exchange {
            Exchange::Transactions(list) => {
                let wrong = list
                    .iter()
                    .find_map(|one| self.wrong_party(one, Some(about)));
                match wrong {
                    Some(mismatch) => ResultOutcome::Mismatch(mismatch),
                    None => ResultOutcome::Known(list),
                }
            }
            other => unread(other),
        };
        observed(
            "result",
            self.exchange("result", None, &facts),
            judge,
            ResultOutcome::label,
        )
        .await
    }

    /// Lists all transactions of some days, for reconciliation.
    pub async fn list(&self, window: Window) -> ListOutcome {
        let facts: Vec<_> = days(Some(window)).collect();
        let judge = |exchange| match exchange {
            Exchange::Transactions(items) => self.sorted(items),
            Exchange::Refused(refusal) => ListOutcome::Refused(refusal),
            Exchange::NotSent(reason) => ListOutcome::NotSent(reason),
            Exchange::Unknown(doubt) => ListOutcome::Unknown(doubt),
        };
        observed(
            "result",
            self.exchange_items("result", None, &facts),
            judge,
            ListOutcome::label,
        )
        .await
    }

    fn sorted(&self, items: Vec<Item>) -> ListOutcome {
        let (mut transactions, mut flawed) = (Vec::new(), Vec::new());
        for item in items {
            let (Item::Transaction(Transaction { payee_id, .. })
            | Item::Flawed(FlawedTransaction { payee_id, .. }, _)) = &item;
            if self.is_another(payee_id.as_ref()) {
                return ListOutcome::Mismatch(GatewayMismatch::Payee);
            }
            match item {
                Item::Transaction(one) => transactions.push(one),
                Item::Flawed(one, _) => flawed.push(one),
            }
        }
        ListOutcome::Known(transactions, flawed)
    }

    /// Sends money of one paid transaction back. The caller must have written its intent down, must know from [`result`](Self::result)
    /// what already went back, and must not call again after anything but [`ChangeOutcome::NotSent`] or a refusal without having
    /// read it anew.
    pub async fn refund(&self, about: Handle<'_>, amount: Kopecks) -> ChangeOutcome {
        let sum = ("returnAmount", "return_amount", written(amount));
        let facts = [handle(about), sum];
        let judge = |one: &Transaction| match one.status {
            // A refund is a transaction of its own with an id of its own; only the order stays.
            TransactionStatus::Return if one.amount == amount => Verdict::Done,
            TransactionStatus::Return => Verdict::Mismatch(GatewayMismatch::Amount),
            TransactionStatus::Payed | TransactionStatus::Other(_) => Verdict::Pending,
            _ => Verdict::Mismatch(GatewayMismatch::Status),
        };
        let order = match about {
            Handle::Order(_) => Some(about),
            Handle::Bill(_) => None,
        };
        self.change("return", None, &facts, order, judge).await
    }

    /// Takes a held sum, or a part of it; the rest goes back to the card.
    pub async fn confirm_preauth(&self, about: Handle<'_>, amount: Kopecks) -> ChangeOutcome {
        let sum = ("postauthAmount", "postauth_amount", written(amount));
        let judge = |one: &Transaction| match one.status {
            TransactionStatus::Payed if one.amount == amount => Verdict::Done,
            TransactionStatus::Payed => Verdict::Mismatch(GatewayMismatch::Amount),
            // Recorded answers still say PREAUTH when the sum has just been taken.
            TransactionStatus::Preauth | TransactionStatus::Other(_) => Verdict::Pending,
            _ => Verdict::Mismatch(GatewayMismatch::Status),
        };
        self.change(
            "confirmPreauth",
            Some("set_paid"),
            &[handle(about), sum],
            Some(about),
            judge,
        )
        .await
    }

    /// Releases a held sum.
    pub async fn reject_preauth(&self, about: Handle<'_>) -> ChangeOutcome {
        let judge = |one: &Transaction| match one.status {
            TransactionStatus::Rejected => Verdict::Done,
            TransactionStatus::Preauth | TransactionStatus::Other(_) => Verdict::Pending,
            _ => Verdict::Mismatch(GatewayMismatch::Status),
        };
        self.change(
            "rejectPreauth",
            Some("reject"),
            &[handle(about)],
            Some(about),
            judge,
        )
        .await
    }

    async fn change(
        &self,
        method: &str,
        action: Option<&str>,
        facts: &[Fact<'_>],
        about: Option<Handle<'_>>,
        judge: impl FnOnce(&Transaction) -> Verdict,
    ) -> ChangeOutcome {
        let judge = |exchange: Exchange<Vec<Transaction>>| match exchange {
            Exchange::Transactions(list) => {
                let mut list = list.into_iter();
                // Which of several is the answer would be a guess; and none is no answer.
                let (Some(one), None) = (list.next(), list.next()) else {
                    return ChangeOutcome::Unknown(Doubt::NoBill);
                };
                if let Some(mismatch) = self.wrong_party(&one, about) {
                    return ChangeOutcome::Mismatch(one, mismatch);
                }
                // A transaction that carries an error is not a clear yes, nor a clear no.
                if one.error_code != "0" {
                    return ChangeOutcome::Pending(one);
                }
                match judge(&one) {
                    Verdict::Done => ChangeOutcome::Done(one),
                    Verdict::Pending => ChangeOutcome::Pending(one),
                    Verdict::Mismatch(mismatch) => ChangeOutcome::Mismatch(one, mismatch),
                }
            }
            Exchange::Refused(refusal) => ChangeOutcome::Refused(refusal),
            Exchange::NotSent(reason) => ChangeOutcome::NotSent(reason),
            Exchange::Unknown(doubt) => ChangeOutcome::Unknown(doubt),
        };
        observed(
            method,
            self.exchange(method, action, facts),
            judge,
            ChangeOutcome::label,
        )
        .await
    }

    /// A payee that the answer leaves out is no contradiction; one that differs is.
    fn is_another(&self, payee_id: Option<&String>) -> bool {
        payee_id.is_some_and(|id| *id != self.inner.config.payee_id)
    }

    fn wrong_party(&self, one: &Transaction, about: Option<Handle<'_>>) -> Option<GatewayMismatch> {
        if self.is_another(one.payee_id.as_ref()) {
            return Some(GatewayMismatch::Payee);
        }
        match about? {
            Handle::Order(order) => (one.order_number != order).then_some(GatewayMismatch::Order),
            Handle::Bill(bill) => (one.bill_id != bill).then_some(GatewayMismatch::Bill),
        }
    }

    async fn exchange(
        &self,
        method: &str,
        action: Option<&str>,
        facts: &[Fact<'_>],
    ) -> Exchange<Vec<Transaction>> {
        match self.exchange_items(method, action, facts).await {
            Exchange::Transactions(items) => match whole(items) {
                Ok(list) => Exchange::Transactions(list),
                Err(doubt) => Exchange::Unknown(doubt),
            },
            Exchange::Refused(refusal) => Exchange::Refused(refusal),
            Exchange::NotSent(reason) => Exchange::NotSent(reason),
            Exchange::Unknown(doubt) => Exchange::Unknown(doubt),
        }
    }

    async fn exchange_items(
        &self,
        method: &str,
        action: Option<&str>,
        facts: &[Fact<'_>],
    ) -> Exchange<Vec<Item>> {
        let Inner { config, line } = &*self.inner;
        let answer = match config.wire {
            GatewayWire::Json => {
                let body = json_body(config, method, facts).to_string();
                line.post(JSON, body, MAX_ANSWER_BYTES).await
            }
            GatewayWire::Form => {
                let body = form_body(config, method, action, facts);
                line.post(FORM, body, MAX_ANSWER_BYTES).await
            }
        };
        let (status, body) = match answer {
            Ok(answer) => answer,
            Err(Lost::NotSent(reason)) => return Exchange::NotSent(reason),
            Err(Lost::Unknown(doubt)) => return Exchange::Unknown(doubt),
        };
        match parse_items(&body) {
            Ok(Items::Refused(refusal)) => Exchange::Refused(refusal),
            _ if status != 200 => Exchange::Unknown(Doubt::HttpStatus(status)),
            Ok(Items::Listed(list)) => Exchange::Transactions(list),
            Err(doubt) => Exchange::Unknown(doubt),
        }
    }
}

enum Verdict {
    Done,
    Pending,
    Mismatch(GatewayMismatch),
}

fn unread(exchange: Exchange<Vec<Transaction>>) -> ResultOutcome {
    match exchange {
        Exchange::Transactions(list) => ResultOutcome::Known(list),
        Exchange::Refused(refusal) => ResultOutcome::Refused(refusal),
        Exchange::NotSent(reason) => ResultOutcome::NotSent(reason),
        Exchange::Unknown(doubt) => ResultOutcome::Unknown(doubt),
    }
}

fn handle(about: Handle<'_>) -> Fact<'static> {
    match about {
        Handle::Order(order) => ("shopOrderNumber", "shop_order_number", order.to_owned()),
        Handle::Bill(bill) => ("shopbillId", "shop_bill_id", bill.to_owned()),
    }
}

fn days(window: Option<Window>) -> impl Iterator<Item = Fact<'static>> {
    let written = |day: chrono::NaiveDate| day.format("%d.%m.%Y").to_string();
    window.into_iter().flat_map(move |window| {
        [
            ("startDate", "start_date", written(window.from)),
            ("endDate", "end_date", written(window.to)),
        ]
    })
}

fn json_body(config: &GatewayConfig, method: &str, facts: &[Fact<'_>]) -> Value {
    let mut data = Map::new();
    data.insert("login".into(), config.login.expose().into());
    data.insert("password".into(), config.password.expose().into());
    data.insert("payeeId".into(), config.payee_id.as_str().into());
    for (name, _, value) in facts {
        data.insert((*name).to_owned(), value.as_str().into());
    }
    json!({ "method": method, "params": { "data": data }, "id": "1" })
}

fn form_body(
    config: &GatewayConfig,
    method: &str,
    action: Option<&str>,
    facts: &[Fact<'_>],
) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("method", if action.is_some() { PREAUTH } else { method })
        .append_pair("login", config.login.expose())
        .append_pair("password", config.password.expose())
        .append_pair("payee_id", &config.payee_id)
        .append_pair("lang", &config.lang);
    if let Some(action) = action {
        form.append_pair("action", action);
    }
    for (_, name, value) in facts {
        form.append_pair(name, value);
    }
    form.finish()
}
