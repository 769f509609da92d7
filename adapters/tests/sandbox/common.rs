//! What all tests here need: a sandbox of their own and short ways to call it.

use kvit_adapters::http::HttpConfig;
use kvit_adapters::portmone::{Bill, CreateOutcome, Kopecks, PortmoneClient, PortmoneConfig};
use kvit_adapters::sandbox::client::SandboxClient;
use kvit_adapters::sandbox::telegram::{NewPerson, Person};
use kvit_adapters::sandbox::{RunningSandbox, Sandbox, SandboxConfig};
use serde_json::{Value, json};
use std::time::Duration;

pub const TOKEN: &str = "4242424242:sandbox";
pub const PHONE: &str = "380671112233";
pub const KYIVSTAR: &str = "2065";

/// A client that speaks to whatever is on this machine.
pub fn http() -> reqwest::Client {
    kvit_adapters::http::client(&HttpConfig::default()).unwrap()
}

pub async fn sandbox() -> RunningSandbox {
    Sandbox::start(SandboxConfig::default()).await.unwrap()
}

pub fn config(running: &RunningSandbox) -> PortmoneConfig {
    let mut config = PortmoneConfig::new(running.portmone_url(), "sandbox", "sandbox");
    config.status_method = Some("bills.get".to_owned());
    config.lang = "en".to_owned();
    config.http.timeouts.connect = Duration::from_millis(500);
    config.http.timeouts.read = Duration::from_millis(500);
    config.http.timeouts.total = Duration::from_millis(800);
    config
}

pub fn client(running: &RunningSandbox) -> PortmoneClient {
    PortmoneClient::try_new(config(running)).unwrap()
}

pub fn uah(minor: i64) -> Kopecks {
    Kopecks::new(minor).unwrap()
}

/// A bill of 50.00 for the usual number.
pub async fn created(client: &PortmoneClient) -> Bill {
    match client
        .create_bill(KYIVSTAR, PHONE, uah(5_000), "op-1")
        .await
    {
        CreateOutcome::Created(bill) => bill,
        other => panic!("not created: {other:?}"),
    }
}

/// The Bot API as a bot's library would call it, in JSON.
pub struct Bot {
    http: reqwest::Client,
    root: String,
}

impl Bot {
    pub fn of(running: &RunningSandbox) -> Self {
        Self {
            http: http(),
            root: format!("{}bot{TOKEN}", running.telegram_url()),
        }
    }

    /// Status and whole answer.
    pub async fn raw(&self, method: &str, body: Value) -> (u16, Value) {
        let response = self
            .http
            .post(format!("{}/{method}", self.root))
            .json(&body)
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub async fn ok(&self, method: &str, body: Value) -> Value {
        let (status, answer) = self.raw(method, body).await;
        assert_eq!(
            (status, &answer["ok"]),
            (200, &json!(true)),
            "{method}: {answer}"
        );
        answer["result"].clone()
    }

    pub async fn error(&self, method: &str, body: Value) -> (u16, String) {
        let (status, answer) = self.raw(method, body).await;
        assert_eq!(answer["ok"], json!(false), "{method}: {answer}");
        assert_eq!(answer["error_code"], json!(status));
        (status, answer["description"].as_str().unwrap().to_owned())
    }

    pub async fn updates(&self, offset: i64) -> Vec<Value> {
        self.ok("getUpdates", json!({"offset": offset}))
            .await
            .as_array()
            .unwrap()
            .clone()
    }
}

pub async fn person(control: &SandboxClient, name: &str) -> Person {
    let new = NewPerson {
        first_name: name.to_owned(),
        language_code: Some("uk".to_owned()),
        ..NewPerson::default()
    };
    control.create_user(&new).await.unwrap()
}

/// A person who has pressed "start", with that update already confirmed.
pub async fn acquainted(control: &SandboxClient, bot: &Bot, name: &str) -> Person {
    let person = person(control, name).await;
    let sent = control.send_text(person.id, "/start").await.unwrap();
    bot.updates(sent.update_id.unwrap() + 1).await;
    person
}
