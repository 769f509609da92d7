//! A platform on which money moves: an integrator's key, providers that notify it, and what the wallets must hold.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use kvit::roles::parts::Parts;
use kvit_adapters::sandbox::client::SandboxClient;
use kvit_adapters::sandbox::portmone::client::PortmoneControl;
use kvit_adapters::sandbox::portmone::notices::{NoticeForm, NoticeTarget};
use kvit_adapters::sandbox::yookassa::client::YookassaControl;
use kvit_adapters::sandbox::yookassa::{PaymentRecord, Side};
use serde_json::{Value, json};

use super::api::Api;
use super::crowd::Shopper;
use super::platform::{Home, Outside, Platform};
use super::{free_port, until};

/// A person with an account.
pub struct Person {
    pub shopper: Shopper,
    pub id: String,
}

impl Person {
    pub fn wallet(&self, currency: &str) -> String {
        format!("{}:{currency}", self.id)
    }
}

/// An amount as the API takes it.
pub fn amount(minor: i64, currency: &str) -> Value {
    json!({"minor": minor, "currency": currency})
}

/// The platform, what is outside of it, and the books that the test keeps itself.
pub struct Till {
    pub home: Home,
    pub outside: Outside,
    pub api: Arc<Api>,
    pub yookassa: YookassaControl,
    pub portmone: PortmoneControl,
    /// `kvit up`; `None` where a test runs the roles itself.
    pub platform: Option<Platform>,
    pub parts: Parts,
    wallets: Mutex<BTreeMap<String, i64>>,
    counter: AtomicU64,
}

impl Till {
    /// All roles in one process, and providers that know where to send their notifications.
    pub async fn open(seed: u64) -> Self {
        let (home, outside, port) = (Home::new(), Outside::start(seed).await, free_port());
        let mut env = outside.env();
        env.push(("PORT".to_owned(), port.to_string()));
        let platform = Platform::start(&home, false, env).await;
        let gateway = platform.gateway.clone();
        Self::at(home, outside, Some(platform), &gateway).await
    }

    /// Over a platform that runs already.
    pub async fn at(
        home: Home,
        outside: Outside,
        platform: Option<Platform>,
        gateway: &str,
    ) -> Self {
        let yookassa = outside.running.yookassa().clone();
        let portmone = PortmoneControl::new(outside.running.base_url()).unwrap();
        let url = format!("{gateway}/webhooks/yookassa").parse().unwrap();
        for side in [Side::Shop, Side::Gateway] {
            yookassa.set_webhook(side, Some(&url)).await.unwrap();
        }
        let token = home.secret("PORTMONE_WEBHOOK_TOKEN");
        let target = NoticeTarget {
            url: format!("{gateway}/webhooks/portmone/{token}")
                .parse()
                .unwrap(),
            form: NoticeForm::Json,
            automatic: true,
        };
        portmone.notify(Some(&target)).await.unwrap();
        Self {
            api: Arc::new(Api::new(&home, gateway)),
            parts: home.parts().await,
            home,
            outside,
            yookassa,
            portmone,
            platform,
            wallets: Mutex::default(),
            counter: AtomicU64::default(),
        }
    }

    pub fn telegram(&self) -> &SandboxClient {
        self.outside.client()
    }

    /// An idempotency key that nobody has used.
    pub fn once(&self) -> String {
        format!("e2e-{}", self.counter.fetch_add(1, Ordering::Relaxed))
    }

    /// Somebody who has gone through the onboarding.
    pub async fn person(&self, number: i64) -> Person {
        let shopper = Shopper::join(self.telegram(), number).await;
        let id = self.parts.app.user_id(shopper.telegram_id).to_string();
        Person { shopper, id }
    }

    /// Notes what must have become of a wallet.
    pub fn expect(&self, wallet: &str, change: i64) {
        let mut wallets = self.wallets.lock().unwrap();
        *wallets.entry(wallet.to_owned()).or_default() += change;
    }

    /// What the wallets must hold.
    pub fn expected(&self) -> BTreeMap<String, i64> {
        self.wallets.lock().unwrap().clone()
    }

    /// A change under a new key; the answer.
    pub async fn change(&self, path: &str, body: Value) -> Value {
        self.api.change(path, &self.once(), &body).await
    }

    /// A change under a new key, refused: status and code.
    pub async fn refused(&self, path: &str, body: Value) -> (u16, String) {
        let (status, code, _) = self.api.refused(path, &self.once(), &body).await;
        (status, code)
    }

    /// Reads up to everything that has happened.
    pub async fn read(&self, path: &str) -> Value {
        let head = self.parts.app.head().await.unwrap();
        let sign = if path.contains('?') { '&' } else { '?' };
        self.api.read(&format!("{path}{sign}at_least={head}")).await
    }

    /// What a wallet holds, and what of it is held for something.
    pub async fn wallet(&self, wallet: &str) -> (i64, i64) {
        let shown = self.read(&format!("/v1/wallets/{wallet}")).await;
        let minor = |name: &str| shown[name]["minor"].as_i64().unwrap();
        (minor("posted"), minor("held"))
    }

    /// Waits until the thing at a path is in a state; the thing.
    pub async fn becomes(&self, path: &str, state: &str) -> Value {
        until(&format!("{path} to be {state}"), || async {
            let shown = self.read(path).await;
            (shown["state"] == state).then_some(shown)
        })
        .await
    }

    /// Somebody wants to pay roubles through YooKassa; the payment's path, with its page made.
    pub async fn wants_to_pay(&self, person: &Person, minor: i64, capture: bool) -> String {
        let path = self.intends_to_pay(person, minor, capture).await;
        self.becomes(&path, "pending").await;
        path
    }

    /// As [`Till::wants_to_pay`], without waiting for the provider.
    pub async fn intends_to_pay(&self, person: &Person, minor: i64, capture: bool) -> String {
        let body = json!({
            "user_id": person.id, "provider": "yookassa", "amount": amount(minor, "RUB"), "capture": capture,
        });
        let made = self.change("/v1/payments", body).await;
        format!("/v1/payments/{}", made["id"].as_str().unwrap())
    }

    /// The provider's side of a payment.
    pub async fn theirs(&self, path: &str) -> PaymentRecord {
        let id = path.rsplit('/').next().unwrap();
        until("the provider to have the payment", || async {
            let books = self.yookassa.books().await.unwrap();
            books
                .payments
                .into_iter()
                .find(|one| one.operation_id.as_deref() == Some(id))
        })
        .await
    }

    /// Somebody pays roubles in, all the way to the wallet; the payment's path.
    pub async fn top_up(&self, person: &Person, minor: i64) -> String {
        let path = self.wants_to_pay(person, minor, true).await;
        self.yookassa
            .pay(&self.theirs(&path).await.id)
            .await
            .unwrap();
        self.becomes(&path, "succeeded").await;
        self.expect(&person.wallet("RUB"), minor);
        path
    }

    /// Orders a payout; its path.
    pub async fn pay_out(
        &self,
        person: &Person,
        minor: i64,
        currency: &str,
        route: Value,
    ) -> String {
        let body = json!({"user_id": person.id, "amount": amount(minor, currency), "route": route});
        let made = self.change("/v1/payouts", body).await;
        format!("/v1/payouts/{}", made["id"].as_str().unwrap())
    }
}

/// To a bank account.
pub fn sbp() -> Value {
    json!({"to": "sbp", "phone": "79000000017", "bank_id": "100000000111"})
}

/// To a wallet at YooMoney.
pub fn yoomoney() -> Value {
    json!({"to": "yoomoney_wallet", "account": "41001614575714"})
}
