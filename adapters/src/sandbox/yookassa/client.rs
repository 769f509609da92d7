//! The typed face of the control side.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::faults::{Outcome, YookassaAction, YookassaChance};
use super::records::{
    CallRecord, ClockChange, DeliverNow, Forged, PaymentRecord, PayoutRecord, RefundRecord,
    YookassaBooks,
};
use super::state::{Notice, Side};
use crate::http::{self, HttpConfig, HttpError};
use crate::sandbox::client::ControlError;
use crate::sandbox::faults::{Faults, Rule};

type Done<T> = Result<T, ControlError>;

/// Drives the simulated YooKassa of a sandbox, in this process or another. Every method fails with [`ControlError`] when the
/// sandbox is not there or says no.
#[derive(Debug, Clone)]
pub struct YookassaControl {
    base: Url,
    http: reqwest::Client,
}

#[derive(serde::Deserialize)]
struct Now {
    now: DateTime<Utc>,
}

impl YookassaControl {
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
        Ok(self.base.join("_sandbox/yookassa/")?.join(path)?)
    }

    async fn read<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Done<T> {
        let response = request.send().await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.json().await?);
        }
        Err(ControlError::Refused {
            status: status.as_u16(),
            reason: response.text().await.unwrap_or_default(),
        })
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Done<T> {
        Self::read(self.http.get(self.url(path)?)).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Done<T> {
        Self::read(self.http.post(self.url(path)?).json(body)).await
    }

    async fn delete(&self, path: &str) -> Done<()> {
        let done: Done<bool> = Self::read(self.http.delete(self.url(path)?)).await;
        done.map(|_| ())
    }

    /// Everything the provider has, to the kopeck.
    pub async fn books(&self) -> Done<YookassaBooks> {
        self.get("books").await
    }

    /// Calls of the API, oldest first; the last 5 000.
    pub async fn calls(&self) -> Done<Vec<CallRecord>> {
        self.get("calls").await
    }

    /// Forgets the calls so far.
    pub async fn forget_calls(&self) -> Done<()> {
        self.delete("calls").await
    }

    /// The provider's time.
    pub async fn now(&self) -> Done<DateTime<Utc>> {
        self.get::<Now>("clock").await.map(|clock| clock.now)
    }

    /// Moves, stops or starts the clock; what has come due happens before this returns. Answers the new time.
    pub async fn change_clock(&self, change: &ClockChange) -> Done<DateTime<Utc>> {
        self.post::<Now>("clock", change)
            .await
            .map(|clock| clock.now)
    }

    /// Lets that many seconds pass.
    pub async fn advance(&self, seconds: i64) -> Done<DateTime<Utc>> {
        self.change_clock(&ClockChange {
            advance_seconds: Some(seconds),
            ..ClockChange::default()
        })
        .await
    }

    /// Sets the clock to a moment.
    pub async fn set_clock(&self, to: DateTime<Utc>) -> Done<DateTime<Utc>> {
        self.change_clock(&ClockChange {
            set: Some(to),
            ..ClockChange::default()
        })
        .await
    }

    /// Stops the clock where it is, or lets it run again.
    pub async fn stop_clock(&self, stopped: bool) -> Done<DateTime<Utc>> {
        self.change_clock(&ClockChange {
            stopped: Some(stopped),
            ..ClockChange::default()
        })
        .await
    }

    /// The person pays by card.
    pub async fn pay(&self, payment_id: &str) -> Done<PaymentRecord> {
        self.pay_with(payment_id, "bank_card").await
    }

    /// The person pays, such as with `yoo_money` or `sbp`; a method that the payment asks for goes before.
    pub async fn pay_with(&self, payment_id: &str, method: &str) -> Done<PaymentRecord> {
        let path = format!("payments/{payment_id}/pay");
        self.post(&path, &json!({"method": method})).await
    }

    /// The payment fails with a reason, any word; the party is the one that goes with it.
    pub async fn decline(&self, payment_id: &str, reason: &str) -> Done<PaymentRecord> {
        let path = format!("payments/{payment_id}/decline");
        self.post(&path, &json!({"reason": reason})).await
    }

    /// Ends a refund that is pending.
    pub async fn settle_refund(&self, refund_id: &str, outcome: &Outcome) -> Done<RefundRecord> {
        self.post(&format!("refunds/{refund_id}/settle"), outcome)
            .await
    }

    /// Ends a payout that is pending.
    pub async fn settle_payout(&self, payout_id: &str, outcome: &Outcome) -> Done<PayoutRecord> {
        self.post(&format!("payouts/{payout_id}/settle"), outcome)
            .await
    }

    /// A refund that somebody makes in the Merchant Profile, in kopecks of roubles.
    pub async fn refund_in_profile(&self, payment_id: &str, minor: i64) -> Done<RefundRecord> {
        let amount = super::render::amount(minor, "RUB");
        let body = json!({"payment_id": payment_id, "amount": amount});
        self.post("refunds", &body).await
    }

    /// Adds to the payout balance, or takes from it; answers what is left, in kopecks, unless it never runs out.
    pub async fn add_deposit(&self, minor: i64) -> Done<Option<i64>> {
        self.post("deposit", &json!({"minor": minor})).await
    }

    /// Adds misfortunes; chances, if given, replace the old ones.
    pub async fn add_faults(&self, faults: &Faults<YookassaAction, YookassaChance>) -> Done<()> {
        self.post::<bool>("faults", faults).await.map(|_| ())
    }

    /// Adds one misfortune. Methods are named as in [`CallRecord::method`]; a subject is an object's id, an operation id in the
    /// metadata, or an idempotence key.
    pub async fn add_fault(&self, rule: Rule<YookassaAction>) -> Done<()> {
        self.add_faults(&rule.into()).await
    }

    /// Misfortunes that have not happened yet.
    pub async fn faults(&self) -> Done<Faults<YookassaAction, YookassaChance>> {
        self.get("faults").await
    }

    /// Ends all misfortunes.
    pub async fn clear_faults(&self) -> Done<()> {
        self.delete("faults").await
    }

    /// Every notification with all tries at it, oldest first.
    pub async fn notices(&self) -> Done<Vec<Notice>> {
        self.get("notices").await
    }

    /// Where a side's notifications go from now on; `None`: nowhere.
    pub async fn set_webhook(&self, side: Side, url: Option<&Url>) -> Done<()> {
        let body = json!({"side": side, "url": url});
        self.post::<Value>("webhook", &body).await.map(|_| ())
    }

    /// Holds the schedule back, or lets it go on. What is sent on order goes out all the same.
    pub async fn hold_notices(&self, held: bool) -> Done<()> {
        let body = json!({"held": held});
        self.post::<bool>("notices/hold", &body).await.map(|_| ())
    }

    /// Sends notifications outside of the schedule and answers what the receiver answered; `None` where nothing came.
    pub async fn deliver(&self, what: &DeliverNow) -> Done<Vec<Option<u16>>> {
        self.post("notices/deliver", what).await
    }

    /// Sends everything that has not been taken yet, oldest first.
    pub async fn deliver_all(&self) -> Done<Vec<Option<u16>>> {
        self.deliver(&DeliverNow::default()).await
    }

    /// Sends a body of one's own from the provider's address.
    pub async fn forge(&self, forged: &Forged) -> Done<Vec<Option<u16>>> {
        self.post("notices/forge", forged).await
    }
}
