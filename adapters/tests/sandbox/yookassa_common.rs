//! What the tests of the simulated YooKassa need: a caller of its API and a receiver of its notifications.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use kvit_adapters::sandbox::yookassa::client::YookassaControl;
use kvit_adapters::sandbox::yookassa::faults::Outcome;
use kvit_adapters::sandbox::yookassa::{Side, YookassaSettings};
use kvit_adapters::sandbox::{RunningSandbox, Sandbox, SandboxConfig};
use serde_json::{Value, json};
use url::Url;

use crate::common::http;

pub const SHOP: (&str, &str) = ("100500", "test_sandbox-shop");
pub const GATEWAY: (&str, &str) = ("200600", "test_sandbox-gateway");
pub const RETURN_URL: &str = "https://shop.example/return?op=1";

pub async fn sandbox_with(yookassa: YookassaSettings) -> RunningSandbox {
    let config = SandboxConfig {
        yookassa,
        ..SandboxConfig::default()
    };
    Sandbox::start(config).await.unwrap()
}

/// The clock stands still and refunds and payouts wait for the test.
pub async fn by_hand() -> RunningSandbox {
    let running = sandbox_with(YookassaSettings {
        payout_outcome: Outcome::ByHand,
        refund_outcome: Outcome::ByHand,
        ..YookassaSettings::default()
    })
    .await;
    running.yookassa().stop_clock(true).await.unwrap();
    running
}

/// The API as a client's library would call it.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    credentials: (String, String),
}

impl Api {
    pub fn of(running: &RunningSandbox, credentials: (&str, &str)) -> Self {
        Self {
            http: http(),
            base: running.yookassa_url().to_string(),
            credentials: (credentials.0.to_owned(), credentials.1.to_owned()),
        }
    }

    pub fn shop(running: &RunningSandbox) -> Self {
        Self::of(running, SHOP)
    }

    pub fn gateway(running: &RunningSandbox) -> Self {
        Self::of(running, GATEWAY)
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().unwrap();
        self.http
            .request(method, format!("{}{path}", self.base))
            .basic_auth(&self.credentials.0, Some(&self.credentials.1))
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<(u16, String)> {
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok((status, response.text().await?))
    }

    /// A POST as it is, so that it may break off.
    pub async fn try_post(
        &self,
        path: &str,
        key: &str,
        body: &Value,
    ) -> reqwest::Result<(u16, String)> {
        let request = self.request("POST", path).header("Idempotence-Key", key);
        self.send(request.json(body)).await
    }

    pub async fn post(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        let (status, text) = self.try_post(path, key, body).await.unwrap();
        (status, serde_json::from_str(&text).unwrap())
    }

    pub async fn ok(&self, path: &str, key: &str, body: &Value) -> Value {
        let (status, answer) = self.post(path, key, body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// A call that has to be refused: status, code, parameter and words.
    pub async fn refused(&self, path: &str, body: &Value) -> (u16, String, String, String) {
        let key = format!("k{}", body.to_string().len());
        let (status, error) = self.post(path, &key, body).await;
        refusal(status, &error)
    }

    pub async fn any(&self, method: &str, path: &str) -> (u16, Value) {
        let (status, text) = self.send(self.request(method, path)).await.unwrap();
        (status, serde_json::from_str(&text).unwrap())
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.any("GET", path).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    pub async fn raw(&self, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        let mut request = self.request("POST", path).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (status, text) = self.send(request).await.unwrap();
        (status, serde_json::from_str(&text).unwrap())
    }
}

pub fn refusal(status: u16, error: &Value) -> (u16, String, String, String) {
    assert_eq!(error["type"], "error", "{error}");
    assert_eq!(error["id"].as_str().unwrap().len(), 36);
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (status, text("code"), text("parameter"), text("description"))
}

pub fn rub(value: &str) -> Value {
    json!({"value": value, "currency": "RUB"})
}

pub fn payment(value: &str, capture: bool, operation: &str) -> Value {
    json!({"amount": rub(value), "capture": capture, "description": "Balance top-up",
        "confirmation": {"type": "redirect", "return_url": RETURN_URL}, "metadata": {"operation_id": operation}})
}

pub fn sbp_payout(value: &str, operation: &str) -> Value {
    json!({"amount": rub(value), "description": "Payout", "metadata": {"operation_id": operation},
        "payout_destination_data": {"type": "sbp", "phone": "79000000000", "bank_id": "100000000111"}})
}

pub fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

/// A payment of 100.00 that the person has paid.
pub async fn paid(api: &Api, control: &YookassaControl, key: &str) -> String {
    let made = api
        .ok("/payments", key, &payment("100.00", true, key))
        .await;
    control.pay(&id(&made)).await.unwrap();
    id(&made)
}

type Inbox = Arc<Mutex<(Vec<Value>, Vec<u16>)>>;

/// The platform's end of notifications: writes down what comes and answers with planned codes, then with 200.
pub struct Receiver {
    inbox: Inbox,
}

async fn take(State(inbox): State<Inbox>, body: String) -> StatusCode {
    let mut inbox = inbox.lock().unwrap();
    let parsed = serde_json::from_str(&body).unwrap_or(Value::String(body));
    inbox.0.push(parsed);
    let code = if inbox.1.is_empty() {
        200
    } else {
        inbox.1.remove(0)
    };
    StatusCode::from_u16(code).unwrap()
}

impl Receiver {
    pub async fn start(control: &YookassaControl, codes: &[u16]) -> Self {
        let inbox: Inbox = Arc::new(Mutex::new((Vec::new(), codes.to_vec())));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/hook", listener.local_addr().unwrap())).unwrap();
        let router = Router::new()
            .route("/hook", post(take))
            .with_state(Arc::clone(&inbox));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        for side in [Side::Shop, Side::Gateway] {
            control.set_webhook(side, Some(&url)).await.unwrap();
        }
        Self { inbox }
    }

    pub fn bodies(&self) -> Vec<Value> {
        self.inbox.lock().unwrap().0.clone()
    }

    pub fn events(&self) -> Vec<String> {
        self.bodies()
            .iter()
            .map(|body| body["event"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Waits until so many have come.
    pub async fn wait_for(&self, count: usize) -> Vec<Value> {
        for _ in 0..500 {
            let bodies = self.bodies();
            if bodies.len() >= count {
                return bodies;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("only {:?} came", self.events());
    }
}
