//! What the tests of our YooKassa client need: clients of a sandbox, orders, and a server that lies.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kvit_adapters::sandbox::RunningSandbox;
use kvit_adapters::yookassa::{
    YookassaAccount, YookassaClient, YookassaConfig, YookassaPaymentRules, YookassaPayments,
    YookassaPayouts, YookassaStatements,
};
use kvit_commands::ports::payment::{PaymentOrder, RefundOrder};
use kvit_commands::ports::payout::PayoutOrder;
use kvit_domain::ids::{PaymentId, RefundId};
use kvit_domain::money::{Currency, Money};
use kvit_domain::payout::PayoutMethod;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use crate::yookassa_common::{GATEWAY, RETURN_URL, SHOP};

pub fn rub(minor: i64) -> Money {
    Money::new(minor, Currency::Rub)
}

/// Settings for a server on this machine, with little patience.
pub fn config(endpoint: Url) -> YookassaConfig {
    let mut config = YookassaConfig::new(endpoint);
    config.shop = Some(YookassaAccount::test(SHOP.0, SHOP.1));
    config.gateway = Some(YookassaAccount::test(GATEWAY.0, GATEWAY.1));
    config.http.timeouts.connect = Duration::from_secs(1);
    config.http.timeouts.read = Duration::from_millis(1_500);
    config.http.timeouts.total = Duration::from_secs(3);
    config
}

pub fn client_of(config: YookassaConfig) -> YookassaClient {
    YookassaClient::try_new(config).unwrap()
}

pub fn client(running: &RunningSandbox) -> YookassaClient {
    client_of(config(running.yookassa_url()))
}

pub fn payments_of(client: YookassaClient) -> YookassaPayments {
    YookassaPayments::try_new(client, YookassaPaymentRules::default()).unwrap()
}

pub fn payments(running: &RunningSandbox) -> YookassaPayments {
    payments_of(client(running))
}

pub fn payouts(running: &RunningSandbox) -> YookassaPayouts {
    YookassaPayouts::try_new(client(running)).unwrap()
}

pub fn statements(running: &RunningSandbox) -> YookassaStatements {
    YookassaStatements::new(client(running))
}

/// A payment of 100.00, its ids made of a name.
pub fn order(name: &str) -> PaymentOrder {
    let payment_id = PaymentId::derived("test", name);
    PaymentOrder {
        payment_id,
        idempotence_key: format!("{payment_id}-1"),
        amount: rub(10_000),
        capture: true,
        description: "Balance top-up".into(),
        return_url: RETURN_URL.into(),
    }
}

/// A refund of 10.00.
pub fn refund_order(name: &str, provider_payment_id: &str) -> RefundOrder {
    let refund_id = RefundId::derived("test", name);
    RefundOrder {
        refund_id,
        payment_id: PaymentId::derived("test", name),
        provider_payment_id: provider_payment_id.into(),
        idempotence_key: format!("{refund_id}-1"),
        amount: rub(1_000),
        description: "Asked for by the payer".into(),
    }
}

/// A payout of 320.00 by phone number.
pub fn payout_order(name: &str) -> PayoutOrder {
    PayoutOrder {
        operation_id: PaymentId::derived("payout", name).to_string(),
        phone: "79000000000".into(),
        operator: None,
        method: PayoutMethod::Sbp {
            bank_id: "100000000111".into(),
        },
        amount: rub(32_000),
        attempt: 1,
        provider_id: None,
    }
}

/// What a server that lies does with each connection.
#[derive(Debug, Clone)]
pub enum Lie {
    /// Closes it unread, so that the peer is reset.
    Slam,
    /// Reads the request and resets.
    ReadAndReset,
    /// Reads the request and says nothing.
    Silence,
    /// Reads the request and writes these bytes, then closes.
    Say(String),
    /// Reads the request and writes these bytes one by one, slowly.
    Drip(String),
}

/// A server that lies, and what it has read.
pub struct Liar {
    pub addr: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

/// The bytes of a whole answer.
pub fn answer(status: &str, content_type: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Up to the end of the headers and as much of a body as they promise.
async fn hear(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    let mut buffer = [0_u8; 4096];
    loop {
        let text = String::from_utf8_lossy(&heard).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")
                        .and_then(|length| length.parse().ok())
                })
                .unwrap_or(0_usize);
            if body.len() >= length {
                return text;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return text,
            Ok(read) => heard.extend_from_slice(&buffer[..read]),
        }
    }
}

async fn lie_to(mut stream: TcpStream, lie: Lie, heard: Arc<Mutex<Vec<String>>>) {
    if matches!(lie, Lie::Slam) {
        stream.set_zero_linger().unwrap();
        return;
    }
    let request = hear(&mut stream).await;
    heard.lock().unwrap().push(request);
    match lie {
        Lie::Slam => {}
        Lie::ReadAndReset => stream.set_zero_linger().unwrap(),
        Lie::Silence => tokio::time::sleep(Duration::from_secs(30)).await,
        Lie::Say(bytes) => {
            stream.write_all(bytes.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
        Lie::Drip(bytes) => {
            for byte in bytes.bytes() {
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

impl Liar {
    pub async fn start(lie: Lie) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let ears = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(lie_to(stream, lie.clone(), Arc::clone(&ears)));
            }
        });
        Self { addr, heard }
    }

    pub fn url(&self, scheme: &str) -> Url {
        Url::parse(&format!("{scheme}://{}/v3", self.addr)).unwrap()
    }

    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}
