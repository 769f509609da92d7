//! A provider for payments in, with books of its own and bad days on demand.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kvit_commands::ports::payment::{
    Notice, NoticeFault, NoticeReader, NoticeTopic, PaymentFault, PaymentOrder, PaymentProvider,
    RefundOrder,
};
use kvit_domain::ids::{PaymentId, RefundId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::Money;
use kvit_domain::payment::{PaymentSnapshot, RefundSnapshot, RefundStatus, SnapshotStatus};

/// What the next call meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    Good,
    NotSent,
    Refused,
    Busy,
    /// Done, but the answer is lost.
    AnswerLost,
    /// Lost before anything was done.
    RequestLost,
}

#[derive(Default)]
pub struct Till {
    /// What coming changing calls meet.
    pub days: Mutex<VecDeque<Day>>,
    /// Whether questions are answered.
    pub is_away: Mutex<bool>,
    /// The next question about a payment is answered with this one.
    pub astray: Mutex<Option<String>>,
    pub payments: Mutex<HashMap<String, PaymentSnapshot>>,
    keys: Mutex<HashMap<String, String>>,
    pub refunds: Mutex<HashMap<String, (String, RefundSnapshot)>>,
    /// Refunds stay pending instead of succeeding at once.
    pub slow_refunds: Mutex<bool>,
    pub calls: Mutex<Vec<String>>,
}

impl Till {
    fn day(&self) -> Result<bool, PaymentFault> {
        match self.days.lock().unwrap().pop_front().unwrap_or(Day::Good) {
            Day::Good => Ok(true),
            Day::AnswerLost => Ok(false),
            Day::NotSent => Err(PaymentFault::NotSent("connection refused".into())),
            Day::Refused => Err(PaymentFault::Refused {
                code: "invalid_request".into(),
            }),
            Day::Busy => Err(PaymentFault::TooManyRequests {
                retry_after: Duration::from_millis(1_800),
            }),
            Day::RequestLost => Err(PaymentFault::Unknown("reset".into())),
        }
    }

    fn answer<T>(arrives: bool, value: T) -> Result<T, PaymentFault> {
        if arrives {
            Ok(value)
        } else {
            Err(PaymentFault::Unknown("timeout".into()))
        }
    }

    fn present(&self) -> Result<(), PaymentFault> {
        if *self.is_away.lock().unwrap() {
            return Err(PaymentFault::Unknown("away".into()));
        }
        Ok(())
    }

    pub fn set(&self, provider_id: &str, change: impl FnOnce(&mut PaymentSnapshot)) {
        change(self.payments.lock().unwrap().get_mut(provider_id).unwrap());
    }

    pub fn pay(&self, provider_id: &str) {
        self.set(provider_id, |payment| {
            payment.status = SnapshotStatus::Succeeded;
        });
    }

    /// The one payment there is.
    pub fn only(&self) -> String {
        let payments = self.payments.lock().unwrap();
        assert_eq!(payments.len(), 1, "one payment at the provider");
        payments.keys().next().unwrap().clone()
    }

    /// What really went back, minor units.
    pub fn refunded(&self) -> i64 {
        let refunds = self.refunds.lock().unwrap();
        refunds
            .values()
            .filter(|(_, refund)| refund.status == RefundStatus::Succeeded)
            .map(|(_, refund)| refund.amount.minor)
            .sum()
    }

    pub fn foreign_refund(&self, id: &str, payment: &str, amount: Money) {
        let refund = RefundSnapshot {
            provider_refund_id: id.to_owned(),
            refund_id: None,
            amount,
            status: RefundStatus::Succeeded,
        };
        let entry = (payment.to_owned(), refund);
        self.refunds.lock().unwrap().insert(id.to_owned(), entry);
    }

    pub fn count(&self, call: &str) -> usize {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|known| *known == call).count()
    }

    fn called(&self, call: &str) {
        self.calls.lock().unwrap().push(call.to_owned());
    }
}

#[async_trait]
impl PaymentProvider for Till {
    fn provider(&self) -> ProviderName {
        ProviderName::Yookassa
    }
    fn key_lifetime(&self) -> Duration {
        Duration::from_secs(24 * 3_600)
    }
    async fn create(&self, order: &PaymentOrder) -> Result<PaymentSnapshot, PaymentFault> {
        self.called("create");
        let arrives = self.day()?;
        let mut keys = self.keys.lock().unwrap();
        let mut payments = self.payments.lock().unwrap();
        let count = payments.len();
        let id = keys
            .entry(order.idempotence_key.clone())
            .or_insert_with(|| format!("p{}", count + 1))
            .clone();
        let snapshot = payments
            .entry(id.clone())
            .or_insert_with(|| PaymentSnapshot {
                provider_id: id,
                operation_id: Some(order.payment_id.to_string()),
                status: SnapshotStatus::Pending,
                amount: order.amount,
                fee: None,
                test: true,
                confirmation_url: Some("https://pay.example/".into()),
                expires_at: None,
            })
            .clone();
        Self::answer(arrives, snapshot)
    }
    async fn get(&self, provider_id: &str) -> Result<Option<PaymentSnapshot>, PaymentFault> {
        self.present()?;
        let astray = self.astray.lock().unwrap().take();
        let shown = astray.as_deref().unwrap_or(provider_id);
        Ok(self.payments.lock().unwrap().get(shown).cloned())
    }
    async fn find(
        &self,
        payment_id: PaymentId,
        _: DateTime<Utc>,
    ) -> Result<Option<PaymentSnapshot>, PaymentFault> {
        self.present()?;
        let wanted = Some(payment_id.to_string());
        let payments = self.payments.lock().unwrap();
        Ok(payments
            .values()
            .find(|payment| payment.operation_id == wanted)
            .cloned())
    }
    async fn capture(
        &self,
        provider_id: &str,
        amount: Money,
        _: &str,
    ) -> Result<PaymentSnapshot, PaymentFault> {
        self.called("capture");
        let arrives = self.day()?;
        self.set(provider_id, |payment| {
            payment.status = SnapshotStatus::Succeeded;
            payment.amount = amount;
        });
        let now = self.payments.lock().unwrap()[provider_id].clone();
        Self::answer(arrives, now)
    }
    async fn cancel(&self, provider_id: &str, _: &str) -> Result<PaymentSnapshot, PaymentFault> {
        self.called("cancel");
        let arrives = self.day()?;
        self.set(provider_id, |payment| payment.status = canceled());
        let now = self.payments.lock().unwrap()[provider_id].clone();
        Self::answer(arrives, now)
    }
    async fn refund(&self, order: &RefundOrder) -> Result<RefundSnapshot, PaymentFault> {
        self.called("refund");
        let arrives = self.day()?;
        let status = if *self.slow_refunds.lock().unwrap() {
            RefundStatus::Pending
        } else {
            RefundStatus::Succeeded
        };
        let mut keys = self.keys.lock().unwrap();
        let mut refunds = self.refunds.lock().unwrap();
        let count = refunds.len();
        let id = keys
            .entry(order.idempotence_key.clone())
            .or_insert_with(|| format!("r{}", count + 1))
            .clone();
        let (_, refund) = refunds.entry(id.clone()).or_insert_with(|| {
            let refund = RefundSnapshot {
                provider_refund_id: id,
                refund_id: Some(order.refund_id),
                amount: order.amount,
                status,
            };
            (order.provider_payment_id.clone(), refund)
        });
        Self::answer(arrives, refund.clone())
    }
    async fn get_refund(&self, id: &str) -> Result<Option<RefundSnapshot>, PaymentFault> {
        self.present()?;
        let refunds = self.refunds.lock().unwrap();
        Ok(refunds.get(id).map(|(_, refund)| refund.clone()))
    }
    async fn refunds_of(&self, payment: &str) -> Result<Vec<RefundSnapshot>, PaymentFault> {
        self.present()?;
        let refunds = self.refunds.lock().unwrap();
        Ok(refunds
            .values()
            .filter(|(of, _)| of == payment)
            .map(|(_, refund)| refund.clone())
            .collect())
    }
}

pub fn canceled() -> SnapshotStatus {
    SnapshotStatus::Canceled {
        party: "yoo_money".into(),
        reason: "expired_on_confirmation".into(),
    }
}

/// Reads `payment <id>`, `refund <id> <payment>`; everything else cannot be read.
pub struct Words;

impl NoticeReader for Words {
    fn provider(&self) -> ProviderName {
        ProviderName::Yookassa
    }
    fn read(&self, _: &str, body: &[u8]) -> Result<Vec<Notice>, NoticeFault> {
        let text = String::from_utf8_lossy(body).into_owned();
        let words: Vec<&str> = text.split(' ').collect();
        let topic = match words.as_slice() {
            ["payment", id] => NoticeTopic::Payment {
                provider_id: (*id).to_owned(),
                operation_id: None,
                paid: true,
            },
            ["refund", id, payment] => NoticeTopic::Refund {
                provider_refund_id: (*id).to_owned(),
                provider_payment_id: (*payment).to_owned(),
            },
            ["other"] => NoticeTopic::Other,
            _ => return Err(NoticeFault("words expected".into())),
        };
        Ok(vec![Notice {
            event: format!("{}.succeeded", words[0]),
            topic,
        }])
    }
}

pub fn refund_id(name: &str) -> RefundId {
    RefundId::derived("test", name)
}
