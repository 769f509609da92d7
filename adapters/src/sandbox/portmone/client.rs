//! The typed face of the control side of the gateway and of notifications.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::BillRecord;
use super::gateway::{Act, Deed, SettleHow, ShopSettlement, ShopTransaction, ShopView};
use super::notices::{Notice, NoticeMishaps, NoticeTarget, Sending};
use crate::http::{self, HttpConfig, HttpError};
use crate::sandbox::client::ControlError;

type Done<T> = Result<T, ControlError>;

/// Drives the simulated Portmone beyond what the sandbox's general client does.
#[derive(Debug, Clone)]
pub struct PortmoneControl {
    base: Url,
    http: reqwest::Client,
}

impl PortmoneControl {
    /// A client for the sandbox at a base address with a trailing slash.
    ///
    /// # Errors
    /// If the HTTP client cannot be built.
    pub fn new(base: Url) -> Result<Self, HttpError> {
        let http = http::client(&HttpConfig {
            allow_plain_http: true,
            ..HttpConfig::default()
        })?;
        Ok(Self { base, http })
    }

    fn url(&self, path: &str) -> Done<Url> {
        Ok(self.base.join("_sandbox/portmone/")?.join(path)?)
    }

    async fn read<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Done<T> {
        let response = request.send().await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.json().await?);
        }
        let reason = response.text().await.unwrap_or_default();
        Err(ControlError::Refused {
            status: status.as_u16(),
            reason,
        })
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Done<T> {
        Self::read(self.http.get(self.url(path)?)).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Done<T> {
        Self::read(self.http.post(self.url(path)?).json(body)).await
    }

    /// The gateway's books.
    pub async fn books(&self) -> Done<ShopView> {
        self.get("gateway").await
    }

    /// A person does something on the page of an order.
    pub async fn act(&self, order_number: &str, act: Act) -> Done<ShopTransaction> {
        self.post(&format!("gateway/orders/{order_number}/act"), &act)
            .await
    }

    /// A person pays an order.
    pub async fn pay(&self, order_number: &str) -> Done<ShopTransaction> {
        let act = Act {
            deed: Deed::Pay,
            days_ago: 0,
            late: false,
        };
        self.act(order_number, act).await
    }

    /// Settles everything that is in no settlement yet.
    pub async fn settle(&self, how: SettleHow) -> Done<ShopSettlement> {
        self.post("gateway/settle", &how).await
    }

    /// Takes a paid payout bill's money back.
    pub async fn reverse_bill(&self, bill_id: &str) -> Done<BillRecord> {
        self.post(&format!("bills/{bill_id}/reverse"), &json!({}))
            .await
    }

    /// Says where notifications go; `None` keeps them.
    pub async fn notify(&self, target: Option<&NoticeTarget>) -> Done<()> {
        self.post::<bool>("notices/target", &target)
            .await
            .map(|_| ())
    }

    /// What goes wrong with notifications from now on.
    pub async fn notice_mishaps(&self, mishaps: NoticeMishaps) -> Done<()> {
        self.post::<bool>("notices/mishaps", &mishaps)
            .await
            .map(|_| ())
    }

    /// Every notification, accepted or not.
    pub async fn notices(&self) -> Done<Vec<Notice>> {
        self.get("notices").await
    }

    /// Adds a notification of any content, such as a forged one.
    pub async fn add_notice(&self, content_type: &str, body: &str) -> Done<()> {
        let notice: Value = json!({"content_type": content_type, "body": body});
        self.post::<bool>("notices", &notice).await.map(|_| ())
    }

    /// Sends everything that was not accepted, now.
    pub async fn deliver(&self) -> Done<Vec<Sending>> {
        self.post("notices/deliver", &json!({})).await
    }
}
