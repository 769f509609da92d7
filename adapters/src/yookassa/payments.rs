//! The payment port: payments of one and two stages, and their refunds, with the shop's key.

use std::ops::ControlFlow;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use kvit_commands::ports::payment::{PaymentFault, PaymentOrder, PaymentProvider, RefundOrder};
use kvit_domain::ids::{PaymentId, RefundId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::{Currency, Money};
use kvit_domain::payment::{PaymentSnapshot, RefundSnapshot, RefundStatus, SnapshotStatus};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::client::YookassaClient;
use super::config::ConfigError;
use super::line::{Ask, Call, Line, is_key};
use super::listing::{List, Window};
use super::node::{AnswerError, Node};
use super::objects::{Payment, Refund, Status, is_id, metadata};
use super::outcome::Lost;
use super::receipt::{YookassaReceipt, wire_amount};
use crate::http::check_address;

/// How long the provider remembers a key (API v3, "Idempotence").
const KEY_LIFETIME: Duration = Duration::from_secs(24 * 3_600);
/// Longest description of a payment and of a refund, in characters.
const PAYMENT_DESCRIPTION: usize = 128;
const REFUND_DESCRIPTION: usize = 250;
/// A UUID in its usual form.
const UUID_CHARS: usize = 36;

/// Settings of the port.
#[derive(Debug, Clone)]
pub struct YookassaPaymentRules {
    /// Sent along with each payment, capture and refund, where the shop is set up for fiscal receipts.
    pub receipt: Option<YookassaReceipt>,
    /// How long after the start of a search a payment can have been created: the days in which its key can be used, and as much
    /// again for clocks that disagree.
    pub find_window: TimeDelta,
}

impl Default for YookassaPaymentRules {
    fn default() -> Self {
        Self {
            receipt: None,
            find_window: TimeDelta::days(4),
        }
    }
}

/// Takes payments through a YooKassa shop.
#[derive(Debug, Clone)]
pub struct YookassaPayments {
    client: YookassaClient,
    rules: YookassaPaymentRules,
}

impl YookassaPayments {
    /// Joins a client with our rules.
    ///
    /// # Errors
    /// [`ConfigError::NoShop`], or a receipt that the provider would refuse.
    pub fn try_new(
        client: YookassaClient,
        rules: YookassaPaymentRules,
    ) -> Result<Self, ConfigError> {
        if client.shop().is_none() {
            return Err(ConfigError::NoShop);
        }
        if let Some(receipt) = &rules.receipt {
            receipt.check()?;
        }
        Ok(Self { client, rules })
    }

    fn line(&self) -> Result<&Line, PaymentFault> {
        self.client.shop().ok_or(PaymentFault::Denied)
    }

    fn with_receipt(&self, mut body: Value, amount: Money) -> Value {
        if let (Some(receipt), Some(members)) = (&self.rules.receipt, body.as_object_mut()) {
            members.insert("receipt".to_owned(), receipt.over(amount));
        }
        body
    }

    async fn change(&self, call: Call<'_>) -> Result<PaymentSnapshot, PaymentFault> {
        if !is_key(call.key) {
            return Err(refused("local.key"));
        }
        let node = self.line()?.call(call).await?;
        let payment = Payment::read(&node).map_err(Lost::from)?;
        Ok(self.snapshot(payment))
    }

    /// Capture and cancel name their payment, and the answer must name the same.
    async fn end(
        &self,
        provider_id: &str,
        call: Call<'_>,
    ) -> Result<PaymentSnapshot, PaymentFault> {
        let snapshot = self.change(call).await?;
        if snapshot.provider_id == provider_id {
            Ok(snapshot)
        } else {
            Err(another("payment"))
        }
    }

    fn snapshot(&self, payment: Payment) -> PaymentSnapshot {
        let fee = payment.fee();
        let status = match payment.status {
            Status::Pending => SnapshotStatus::Pending,
            Status::WaitingForCapture => SnapshotStatus::AwaitingCapture,
            Status::Succeeded => SnapshotStatus::Succeeded,
            Status::Canceled => SnapshotStatus::Canceled {
                party: payment.cancellation.party,
                reason: payment.cancellation.reason,
            },
            Status::Other(word) => SnapshotStatus::Other(word),
        };
        PaymentSnapshot {
            provider_id: payment.id,
            operation_id: payment.operation_id,
            status,
            amount: payment.amount,
            fee,
            test: payment.test,
            confirmation_url: payment.confirmation_url.filter(|url| self.is_safe(url)),
            expires_at: payment.expires_at,
        }
    }

    /// A person is sent there with a card in hand, so the address must be as safe as the endpoint's.
    fn is_safe(&self, url: &str) -> bool {
        let plain = self.client.config().http.allow_plain_http;
        Url::parse(url).is_ok_and(|url| check_address(&url, plain).is_ok())
    }

    /// A refusal is believed only when the list agrees: should the refund be there after all, money has gone back, and the hold
    /// must not be given up.
    async fn confirm_refusal(
        &self,
        order: &RefundOrder,
        code: String,
    ) -> Result<RefundSnapshot, PaymentFault> {
        let Ok(known) = self.refunds_of(&order.provider_payment_id).await else {
            return Err(PaymentFault::Unknown(format!(
                "refused with code {code}, but the refunds could not be listed"
            )));
        };
        let ours = |one: &RefundSnapshot| one.refund_id == Some(order.refund_id);
        known
            .into_iter()
            .find(ours)
            .ok_or(PaymentFault::Refused { code })
    }

    async fn read(
        &self,
        name: &'static str,
        path: &[&str],
        id: &str,
    ) -> Result<Option<Node>, PaymentFault> {
        // The id may be a stranger's claim; what cannot be an id is nobody's.
        if !is_id(id) {
            return Ok(None);
        }
        let ask = Ask {
            name,
            path,
            query: Vec::new(),
        };
        self.line()?.ask(&ask).await.map_err(Lost::of_question)
    }
}

fn refused(code: &str) -> PaymentFault {
    PaymentFault::Refused {
        code: code.to_owned(),
    }
}

fn another(what: &'static str) -> PaymentFault {
    Lost::from(AnswerError::Another(what)).into()
}

fn payable(amount: Money) -> Result<Value, PaymentFault> {
    if amount.currency == Currency::Xtr {
        return Err(refused("local.currency"));
    }
    if !amount.is_positive() {
        return Err(refused("local.amount"));
    }
    Ok(wire_amount(amount))
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Our id at the end of the refund's description, where [`refund_id`] finds it: refunds have no metadata.
fn refund_description(order: &RefundOrder) -> String {
    let id = order.refund_id.to_string();
    let text = order.description.trim();
    if text.ends_with(&id) && text.chars().count() <= REFUND_DESCRIPTION {
        return text.to_owned();
    }
    let room = REFUND_DESCRIPTION.saturating_sub(UUID_CHARS + 2);
    format!("{} #{id}", cut(text, room))
}

/// The id of ours that a refund's description ends with.
pub(super) fn refund_id(description: Option<&str>) -> Option<RefundId> {
    let text = description?;
    let tail = text.get(text.len().checked_sub(UUID_CHARS)?..)?;
    let is_hyphenated = tail.bytes().filter(|byte| *byte == b'-').count() == 4;
    let id = Uuid::try_parse(tail).ok().filter(|_| is_hyphenated)?;
    Some(RefundId(id))
}

fn refund_snapshot(refund: Refund) -> RefundSnapshot {
    let status = match refund.status {
        Status::Pending => RefundStatus::Pending,
        Status::Succeeded => RefundStatus::Succeeded,
        Status::Canceled => RefundStatus::Canceled {
            reason: refund.cancellation.reason,
        },
        Status::WaitingForCapture => RefundStatus::Other("waiting_for_capture".to_owned()),
        Status::Other(word) => RefundStatus::Other(word),
    };
    RefundSnapshot {
        refund_id: refund_id(refund.description.as_deref()),
        provider_refund_id: refund.id,
        amount: refund.amount,
        status,
    }
}

#[async_trait]
impl PaymentProvider for YookassaPayments {
    fn provider(&self) -> ProviderName {
        ProviderName::Yookassa
    }

    fn key_lifetime(&self) -> Duration {
        KEY_LIFETIME
    }

    async fn create(&self, order: &PaymentOrder) -> Result<PaymentSnapshot, PaymentFault> {
        // `capture` is always said: without it the provider would hold the money and then give it back.
        let body = json!({
            "amount": payable(order.amount)?,
            "capture": order.capture,
            "confirmation": {"type": "redirect", "return_url": order.return_url},
            "description": cut(&order.description, PAYMENT_DESCRIPTION),
            "metadata": {"operation_id": order.payment_id.to_string()},
        });
        let body = self.with_receipt(body, order.amount);
        self.change(Call {
            name: "payments.create",
            path: &["payments"],
            key: &order.idempotence_key,
            body: Some(&body),
        })
        .await
    }

    async fn get(&self, provider_id: &str) -> Result<Option<PaymentSnapshot>, PaymentFault> {
        let path = ["payments", provider_id];
        let Some(node) = self.read("payments.get", &path, provider_id).await? else {
            return Ok(None);
        };
        let payment = Payment::read(&node).map_err(Lost::from)?;
        if payment.id != provider_id {
            return Err(another("payment"));
        }
        Ok(Some(self.snapshot(payment)))
    }

    /// Payments cannot be searched by what they carry, so all of the days in question are looked through.
    async fn find(
        &self,
        payment_id: PaymentId,
        since: DateTime<Utc>,
    ) -> Result<Option<PaymentSnapshot>, PaymentFault> {
        let to = since
            .checked_add_signed(self.rules.find_window)
            .ok_or_else(|| PaymentFault::Unknown("the time is beyond the calendar".to_owned()))?;
        let list = List {
            name: "payments.list",
            path: &["payments"],
            of: None,
            window: Some(Window { from: since, to }),
        };
        let wanted = payment_id.to_string();
        let mut found = None;
        self.line()?
            .pages(list, |item| {
                // Whatever else the shop takes money for need not be readable here.
                if metadata(item, "operation_id").as_deref() != Some(&wanted) {
                    return Ok(ControlFlow::Continue(()));
                }
                found = Some(Payment::read(item)?);
                Ok(ControlFlow::Break(()))
            })
            .await
            .map_err(Lost::of_question)?;
        Ok(found.map(|payment| self.snapshot(payment)))
    }

    async fn capture(
        &self,
        provider_id: &str,
        amount: Money,
        idempotence_key: &str,
    ) -> Result<PaymentSnapshot, PaymentFault> {
        if !is_id(provider_id) {
            return Err(refused("local.id"));
        }
        let body = self.with_receipt(json!({ "amount": payable(amount)? }), amount);
        let call = Call {
            name: "payments.capture",
            path: &["payments", provider_id, "capture"],
            key: idempotence_key,
            body: Some(&body),
        };
        self.end(provider_id, call).await
    }

    async fn cancel(
        &self,
        provider_id: &str,
        idempotence_key: &str,
    ) -> Result<PaymentSnapshot, PaymentFault> {
        if !is_id(provider_id) {
            return Err(refused("local.id"));
        }
        let call = Call {
            name: "payments.cancel",
            path: &["payments", provider_id, "cancel"],
            key: idempotence_key,
            body: None,
        };
        self.end(provider_id, call).await
    }

    async fn refund(&self, order: &RefundOrder) -> Result<RefundSnapshot, PaymentFault> {
        if !is_id(&order.provider_payment_id) {
            return Err(refused("local.id"));
        }
        if !is_key(&order.idempotence_key) {
            return Err(refused("local.key"));
        }
        let body = json!({
            "payment_id": order.provider_payment_id,
            "amount": payable(order.amount)?,
            "description": refund_description(order),
        });
        let body = self.with_receipt(body, order.amount);
        let call = Call {
            name: "refunds.create",
            path: &["refunds"],
            key: &order.idempotence_key,
            body: Some(&body),
        };
        let node = match self.line()?.call(call).await {
            Err(Lost::Refused { code }) => return self.confirm_refusal(order, code).await,
            node => node?,
        };
        let refund = Refund::read(&node).map_err(Lost::from)?;
        if refund.payment_id != order.provider_payment_id {
            return Err(another("payment"));
        }
        Ok(RefundSnapshot {
            refund_id: Some(order.refund_id),
            ..refund_snapshot(refund)
        })
    }

    async fn get_refund(
        &self,
        provider_refund_id: &str,
    ) -> Result<Option<RefundSnapshot>, PaymentFault> {
        let path = ["refunds", provider_refund_id];
        let Some(node) = self.read("refunds.get", &path, provider_refund_id).await? else {
            return Ok(None);
        };
        let refund = Refund::read(&node).map_err(Lost::from)?;
        if refund.id != provider_refund_id {
            return Err(another("refund"));
        }
        Ok(Some(refund_snapshot(refund)))
    }

    async fn refunds_of(
        &self,
        provider_payment_id: &str,
    ) -> Result<Vec<RefundSnapshot>, PaymentFault> {
        if !is_id(provider_payment_id) {
            return Err(PaymentFault::Unknown(
                "that cannot be a payment's id".to_owned(),
            ));
        }
        let list = List {
            name: "refunds.list",
            path: &["refunds"],
            of: Some(("payment_id", provider_payment_id)),
            window: None,
        };
        let mut found: Vec<Refund> = Vec::new();
        self.line()?
            .pages(list, |item| {
                let refund = Refund::read(item)?;
                // A filter that was not obeyed must not make another payment's refunds ours.
                if refund.payment_id != provider_payment_id {
                    return Err(AnswerError::Another("payment"));
                }
                if !found.iter().any(|known| known.id == refund.id) {
                    found.push(refund);
                }
                Ok(ControlFlow::Continue(()))
            })
            .await
            .map_err(Lost::of_question)?;
        found.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(found.into_iter().map(refund_snapshot).collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn order(description: &str) -> RefundOrder {
        RefundOrder {
            refund_id: RefundId::derived("test", "1"),
            payment_id: PaymentId::derived("test", "1"),
            provider_payment_id: "p".into(),
            idempotence_key: "k".into(),
            amount: Money::new(100, Currency::Rub),
            description: description.into(),
        }
    }

    #[test]
    fn a_refund_carries_our_id_at_the_end_of_whatever_is_said_about_it() {
        let id = RefundId::derived("test", "1");
        let named = format!("kvit {id}");
        for text in [
            "",
            "wrong item",
            &named,
            &"я".repeat(250),
            &"x".repeat(1_000),
            &format!("{} {id}", "y".repeat(400)),
        ] {
            let written = refund_description(&order(text));
            assert!(written.chars().count() <= 250, "{written}");
            assert_eq!(refund_id(Some(&written)), Some(id), "{written}");
        }
        assert_eq!(refund_description(&order(&named)), named, "not twice");
    }

    #[test]
    fn what_a_person_wrote_in_the_cabinet_names_no_refund_of_ours() {
        for text in [
            None,
            Some(""),
            Some("returned by phone"),
            Some("я"),
            Some("0190a1b27c3d7e4f8a5b6c7d8e9f0a1b"),
            Some("яяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяя!"),
            Some("0190a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b and more"),
        ] {
            assert_eq!(refund_id(text), None, "{text:?}");
        }
    }
}
