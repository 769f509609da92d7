//! The payment port on top of the gateway's client.
//!
//! The provider shows transactions, not payments: none until somebody tries, several when somebody tries twice. So the payment is
//! named by our order number, and its state follows from all transactions of it. Two that were both paid add up to a sum that was
//! not asked for, which a person must look at.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Days, TimeDelta, Utc};
use chrono_tz::Europe::Kyiv;
use kvit_commands::ports::payment::{PaymentFault, PaymentOrder, PaymentProvider, RefundOrder};
use kvit_commands::ports::time::Clock;
use kvit_domain::ids::{PaymentId, RefundId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::{Currency, Money};
use kvit_domain::payment::{PaymentSnapshot, RefundSnapshot, RefundStatus, SnapshotStatus};
use url::Url;

use super::client::PortmoneGateway;
use super::config::GatewayWire;
use super::order_number::OrderNumber;
use super::outcome::{
    ChangeOutcome, FlawedTransaction, Handle, LinkOrder, LinkOutcome, ListOutcome, ResultOutcome,
    Transaction, TransactionStatus, Window,
};
use crate::portmone::amount::Kopecks;

/// A link whose answer was lost is known to nobody, so nobody can pay by it: making another is harmless for as long as one wants a
/// link at all.
const KEY_LIFETIME: Duration = Duration::from_secs(24 * 3_600);
/// The provider knows no keys: a refund sent again would be a second one.
const REFUND_KEY_LIFETIME: Duration = Duration::ZERO;
/// Lists are not looked through further than this for a payment that came late.
const LONGEST: TimeDelta = TimeDelta::days(30);
/// How many refunds of this process are remembered as sent.
const REMEMBERED: usize = 10_000;

/// Settings of the port.
#[derive(Debug, Clone, Copy)]
pub struct PaymentRules {
    /// The account moves no real money.
    pub test: bool,
    /// How long a page takes payments.
    pub page_open: Duration,
    /// How long after that a payment may still come in before it counts as ended without money.
    pub grace: Duration,
}

impl Default for PaymentRules {
    fn default() -> Self {
        Self {
            test: false,
            page_open: Duration::from_secs(3_600),
            grace: Duration::from_secs(24 * 3_600),
        }
    }
}

/// Takes card payments in hryvnia through Portmone.
#[derive(Clone)]
pub struct PortmonePayments {
    gateway: PortmoneGateway,
    rules: PaymentRules,
    clock: Arc<dyn Clock>,
    sent: Arc<Mutex<VecDeque<RefundId>>>,
}

impl std::fmt::Debug for PortmonePayments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PortmonePayments")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl PortmonePayments {
    /// Joins a client with our rules and clock.
    #[must_use]
    pub fn new(gateway: PortmoneGateway, rules: PaymentRules, clock: Arc<dyn Clock>) -> Self {
        Self {
            gateway,
            rules,
            clock,
            sent: Arc::default(),
        }
    }

    pub(super) fn gateway(&self) -> &PortmoneGateway {
        &self.gateway
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// How long after its page was asked for a payment comes in, as far as lists are looked through.
    pub(super) fn slowest(&self) -> TimeDelta {
        let open = self.rules.page_open.saturating_add(self.rules.grace);
        TimeDelta::from_std(open).unwrap_or(LONGEST).min(LONGEST)
    }

    /// From a day before a moment until tomorrow: clocks differ, and so do days.
    fn since(&self, at: DateTime<Utc>) -> Window {
        let day = |at: DateTime<Utc>| at.with_timezone(&Kyiv).date_naive();
        let (from, to) = (day(at), day(self.clock.now()));
        Window {
            from: from.checked_sub_days(Days::new(1)).unwrap_or(from),
            to: to.checked_add_days(Days::new(1)).unwrap_or(to),
        }
    }

    async fn transactions(&self, number: &OrderNumber) -> Result<Vec<Transaction>, PaymentFault> {
        let (text, window) = (number.to_string(), self.since(number.asked_at));
        known(
            self.gateway
                .result(Handle::Order(&text), Some(window))
                .await,
        )
    }

    fn snapshot(&self, number: &OrderNumber, list: &[Transaction]) -> PaymentSnapshot {
        let sum = |status: &TransactionStatus| {
            list.iter()
                .filter(|one| one.status == *status)
                .try_fold(0_i64, |sum, one| sum.checked_add(one.amount.minor()))
                .unwrap_or(i64::MAX)
        };
        let paid = sum(&TransactionStatus::Payed);
        let held = sum(&TransactionStatus::Preauth);
        let asked = number.amount.minor();
        let (status, amount) = match (paid, held) {
            (0, 0) if self.is_over(number) => {
                let canceled = SnapshotStatus::Canceled {
                    party: "portmone".to_owned(),
                    reason: "expired_on_confirmation".to_owned(),
                };
                (canceled, asked)
            }
            // A refusal is one try; the page takes others until it closes.
            (0, 0) => (SnapshotStatus::Pending, asked),
            (paid, 0) => (SnapshotStatus::Succeeded, paid),
            (0, held) => (SnapshotStatus::AwaitingCapture, held),
            (_, _) => (SnapshotStatus::Other("payed_and_held".to_owned()), asked),
        };
        self.told(number, status, amount)
    }

    fn told(&self, number: &OrderNumber, status: SnapshotStatus, minor: i64) -> PaymentSnapshot {
        PaymentSnapshot {
            provider_id: number.to_string(),
            operation_id: Some(number.payment_id.to_string()),
            status,
            amount: Money::new(minor, Currency::Uah),
            // The commission is known when the bank settles.
            fee: None,
            test: self.rules.test,
            confirmation_url: None,
            expires_at: None,
        }
    }

    fn is_over(&self, number: &OrderNumber) -> bool {
        let open = self.rules.page_open.saturating_add(self.rules.grace);
        let open = TimeDelta::from_std(open).unwrap_or(TimeDelta::MAX);
        number
            .asked_at
            .checked_add_signed(open)
            .is_some_and(|end| end < self.clock.now())
    }

    /// What came of taking or releasing a held sum; what is not finished is told by the list.
    async fn changed(
        &self,
        number: &OrderNumber,
        outcome: ChangeOutcome,
        done: impl FnOnce(&Transaction) -> (SnapshotStatus, i64),
    ) -> Result<PaymentSnapshot, PaymentFault> {
        match outcome {
            ChangeOutcome::Done(one) => {
                let (status, minor) = done(&one);
                Ok(self.told(number, status, minor))
            }
            ChangeOutcome::Pending(_) => {
                let list = self.transactions(number).await?;
                Ok(self.snapshot(number, &list))
            }
            other => Err(fault(other)),
        }
    }

    /// Notes that a refund leaves. False when it left before.
    fn leaves(&self, refund_id: RefundId) -> bool {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.contains(&refund_id) {
            return false;
        }
        if sent.len() >= REMEMBERED {
            sent.pop_front();
        }
        sent.push_back(refund_id);
        true
    }

    fn stays(&self, refund_id: RefundId) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.retain(|id| *id != refund_id);
    }
}

fn refused(code: &str) -> PaymentFault {
    PaymentFault::Refused {
        code: code.to_owned(),
    }
}

fn uah(amount: Money) -> Result<Kopecks, PaymentFault> {
    if amount.currency != Currency::Uah {
        return Err(refused("local.currency"));
    }
    Kopecks::new(amount.minor)
        .ok()
        .filter(|amount| amount.minor() > 0)
        .ok_or_else(|| refused("local.amount"))
}

fn number_of(provider_id: &str) -> Result<OrderNumber, PaymentFault> {
    OrderNumber::parse(provider_id).ok_or_else(|| refused("local.order_number"))
}

fn known(outcome: ResultOutcome) -> Result<Vec<Transaction>, PaymentFault> {
    match outcome {
        ResultOutcome::Known(list) => Ok(list),
        ResultOutcome::NotSent(reason) => Err(PaymentFault::NotSent(reason.to_string())),
        ResultOutcome::Unknown(doubt) => Err(PaymentFault::Unknown(doubt.to_string())),
        ResultOutcome::Mismatch(mismatch) => Err(PaymentFault::Unknown(mismatch.to_string())),
        // A refusal to tell says nothing about the money, so it must not look like a refused payment.
        ResultOutcome::Refused(refusal) => Err(PaymentFault::Unknown(format!(
            "the transactions cannot be read, code {}",
            refusal.code
        ))),
    }
}

/// The transactions of some days, and those of them that cannot be read.
pub(super) fn listed(
    outcome: ListOutcome,
) -> Result<(Vec<Transaction>, Vec<FlawedTransaction>), PaymentFault> {
    let told = match outcome {
        ListOutcome::Known(transactions, flawed) => return Ok((transactions, flawed)),
        ListOutcome::Mismatch(mismatch) => ResultOutcome::Mismatch(mismatch),
        ListOutcome::Refused(refusal) => ResultOutcome::Refused(refusal),
        ListOutcome::NotSent(reason) => ResultOutcome::NotSent(reason),
        ListOutcome::Unknown(doubt) => ResultOutcome::Unknown(doubt),
    };
    known(told).map(|list| (list, Vec::new()))
}

fn fault(outcome: ChangeOutcome) -> PaymentFault {
    match outcome {
        ChangeOutcome::Done(_) | ChangeOutcome::Pending(_) => {
            PaymentFault::Unknown("not finished".to_owned())
        }
        ChangeOutcome::Mismatch(_, mismatch) => PaymentFault::Unknown(mismatch.to_string()),
        ChangeOutcome::Refused(refusal) => refused(&refusal.code),
        ChangeOutcome::NotSent(reason) => PaymentFault::NotSent(reason.to_string()),
        ChangeOutcome::Unknown(doubt) => PaymentFault::Unknown(doubt.to_string()),
    }
}

#[async_trait]
impl PaymentProvider for PortmonePayments {
    fn provider(&self) -> ProviderName {
        ProviderName::Portmone
    }

    fn key_lifetime(&self) -> Duration {
        KEY_LIFETIME
    }

    fn refund_key_lifetime(&self) -> Duration {
        REFUND_KEY_LIFETIME
    }

    async fn create(&self, order: &PaymentOrder) -> Result<PaymentSnapshot, PaymentFault> {
        let now = self.clock.now();
        let number = OrderNumber {
            payment_id: order.payment_id,
            asked_at: DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now),
            amount: uah(order.amount)?,
        };
        let back = Url::parse(&order.return_url).map_err(|_| refused("local.return_url"))?;
        let link = LinkOrder {
            order_number: number.to_string(),
            amount: number.amount,
            description: order.description.clone(),
            success_url: back.clone(),
            failure_url: back,
            preauth: !order.capture,
            expires_in: u32::try_from(self.rules.page_open.as_secs()).ok(),
            at: now,
        };
        match self.gateway.create_link(&link).await {
            LinkOutcome::Created(page) => Ok(PaymentSnapshot {
                confirmation_url: Some(page.into()),
                ..self.told(&number, SnapshotStatus::Pending, number.amount.minor())
            }),
            LinkOutcome::Refused(refusal) => Err(refused(&refusal.code)),
            LinkOutcome::NotSent(reason) => Err(PaymentFault::NotSent(reason.to_string())),
            LinkOutcome::Unknown(doubt) => Err(PaymentFault::Unknown(doubt.to_string())),
        }
    }

    async fn get(&self, provider_id: &str) -> Result<Option<PaymentSnapshot>, PaymentFault> {
        let Some(number) = OrderNumber::parse(provider_id) else {
            return Ok(None);
        };
        let list = self.transactions(&number).await?;
        Ok(Some(self.snapshot(&number, &list)))
    }

    /// A page that nobody has seen leaves no trace, and nobody can pay on it: `None` is then as good as proof.
    async fn find(
        &self,
        payment_id: PaymentId,
        since: DateTime<Utc>,
    ) -> Result<Option<PaymentSnapshot>, PaymentFault> {
        let (list, flawed) = listed(self.gateway.list(self.since(since)).await)?;
        // What cannot be read is nobody's concern here unless it is, or may be, the payment that is looked for.
        let may_be = |order: Option<&str>| {
            order.is_none_or(|order| {
                OrderNumber::parse(order).is_some_and(|number| number.payment_id == payment_id)
            })
        };
        if flawed.iter().any(|one| may_be(one.order_number.as_deref())) {
            return Err(PaymentFault::Unknown(
                "a transaction that may be of this payment cannot be read".to_owned(),
            ));
        }
        let ours: Vec<Transaction> = list
            .into_iter()
            .filter(|one| {
                OrderNumber::parse(&one.order_number)
                    .is_some_and(|number| number.payment_id == payment_id)
            })
            .collect();
        let number = ours
            .iter()
            .find_map(|one| OrderNumber::parse(&one.order_number));
        Ok(number.map(|number| self.snapshot(&number, &ours)))
    }

    async fn capture(
        &self,
        provider_id: &str,
        amount: Money,
        _idempotence_key: &str,
    ) -> Result<PaymentSnapshot, PaymentFault> {
        let (number, amount) = (number_of(provider_id)?, uah(amount)?);
        let outcome = self
            .gateway
            .confirm_preauth(Handle::Order(provider_id), amount)
            .await;
        self.changed(&number, outcome, |one| {
            (SnapshotStatus::Succeeded, one.amount.minor())
        })
        .await
    }

    async fn cancel(
        &self,
        provider_id: &str,
        _idempotence_key: &str,
    ) -> Result<PaymentSnapshot, PaymentFault> {
        let number = number_of(provider_id)?;
        let outcome = self
            .gateway
            .reject_preauth(Handle::Order(provider_id))
            .await;
        let canceled = SnapshotStatus::Canceled {
            party: "merchant".to_owned(),
            reason: "canceled_by_merchant".to_owned(),
        };
        self.changed(&number, outcome, |one| (canceled, one.amount.minor()))
            .await
    }

    /// Sends a refund once. The provider recognises no repetition and keeps nothing of ours in a refund, so a second call, or one
    /// beside a refund of the same sum, is not made: its outcome is unknown until a person has looked.
    async fn refund(&self, order: &RefundOrder) -> Result<RefundSnapshot, PaymentFault> {
        let (number, amount) = (number_of(&order.provider_payment_id)?, uah(order.amount)?);
        let list = self.transactions(&number).await?;
        let mut payed = list
            .iter()
            .filter(|one| one.status == TransactionStatus::Payed);
        let (Some(paid), None) = (payed.next(), payed.next()) else {
            return Err(refused("local.not_paid_once"));
        };
        let same =
            |one: &Transaction| one.status == TransactionStatus::Return && one.amount == amount;
        if list.iter().any(same) {
            return Err(PaymentFault::Unknown(
                "a refund of the same sum is there already".to_owned(),
            ));
        }
        if !self.leaves(order.refund_id) {
            return Err(PaymentFault::Unknown("it was sent before".to_owned()));
        }
        // Each way names the payment as it was seen to be named there.
        let about = match self.gateway.wire() {
            GatewayWire::Json => Handle::Order(&order.provider_payment_id),
            GatewayWire::Form => Handle::Bill(&paid.bill_id),
        };
        match self.gateway.refund(about, amount).await {
            ChangeOutcome::Done(one) => Ok(RefundSnapshot {
                refund_id: Some(order.refund_id),
                ..returned(&one)
            }),
            outcome => {
                let fault = fault(outcome);
                if !matches!(fault, PaymentFault::Unknown(_)) {
                    self.stays(order.refund_id);
                }
                Err(fault)
            }
        }
    }

    async fn get_refund(
        &self,
        provider_refund_id: &str,
    ) -> Result<Option<RefundSnapshot>, PaymentFault> {
        let list = known(
            self.gateway
                .result(Handle::Bill(provider_refund_id), None)
                .await,
        )?;
        let back = list
            .iter()
            .find(|one| one.status == TransactionStatus::Return);
        Ok(back.map(returned))
    }

    async fn refunds_of(
        &self,
        provider_payment_id: &str,
    ) -> Result<Vec<RefundSnapshot>, PaymentFault> {
        let number = number_of(provider_payment_id)?;
        let list = self.transactions(&number).await?;
        let back = list
            .iter()
            .filter(|one| one.status == TransactionStatus::Return);
        Ok(back.map(returned).collect())
    }
}

fn returned(one: &Transaction) -> RefundSnapshot {
    RefundSnapshot {
        provider_refund_id: one.bill_id.clone(),
        refund_id: None,
        amount: Money::new(one.amount.minor(), Currency::Uah),
        status: RefundStatus::Succeeded,
    }
}
