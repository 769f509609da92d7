//! What the control side says and takes, typed for both of its ends.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::payments::operation_id;
use super::render;
use super::state::{
    Books, Cancellation, Payment, PaymentStatus, Payout, Refund, Side, Totals, TransferStatus,
};

/// One payment as the books hold it. Sums are kopecks of `currency`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRecord {
    /// The provider's id.
    pub id: String,
    /// Its state.
    pub status: PaymentStatus,
    /// Three letters.
    pub currency: String,
    /// What was asked for.
    pub requested_minor: i64,
    /// What the shop got: 0 until captured, and after a partial capture only that part.
    pub captured_minor: i64,
    /// What refunds that succeeded gave back.
    pub refunded_minor: i64,
    /// What the provider kept.
    pub fee_minor: i64,
    /// `metadata.operation_id`.
    pub operation_id: Option<String>,
    /// On the provider's clock.
    pub created_at: DateTime<Utc>,
    /// Why it was canceled.
    pub cancellation: Option<Cancellation>,
    /// Where the person pays.
    pub page: String,
}

/// One refund as the books hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundRecord {
    /// The provider's id.
    pub id: String,
    /// Of which payment.
    pub payment_id: String,
    /// Its state.
    pub status: TransferStatus,
    /// Three letters.
    pub currency: String,
    /// In kopecks.
    pub amount_minor: i64,
    /// On the provider's clock.
    pub created_at: DateTime<Utc>,
    /// Why it was canceled.
    pub cancellation: Option<Cancellation>,
}

/// One payout as the books hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayoutRecord {
    /// The provider's id.
    pub id: String,
    /// Its state.
    pub status: TransferStatus,
    /// Three letters.
    pub currency: String,
    /// In kopecks.
    pub amount_minor: i64,
    /// As the object shows it.
    pub destination: Value,
    /// `metadata.operation_id`.
    pub operation_id: Option<String>,
    /// On the provider's clock.
    pub created_at: DateTime<Utc>,
    /// Why it was canceled.
    pub cancellation: Option<Cancellation>,
}

/// The provider's books: compare with the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct YookassaBooks {
    /// Every payment, oldest first.
    pub payments: Vec<PaymentRecord>,
    /// Every refund, oldest first.
    pub refunds: Vec<RefundRecord>,
    /// Every payout, oldest first.
    pub payouts: Vec<PayoutRecord>,
    /// Money moved, by currency, counted apart from the objects.
    pub moved: BTreeMap<String, Totals>,
    /// What can still be paid out, in kopecks; `None` if it never runs out.
    pub payout_balance_minor: Option<i64>,
    /// The provider's clock.
    pub now: DateTime<Utc>,
}

impl YookassaBooks {
    /// A payment by its id.
    #[must_use]
    pub fn payment(&self, id: &str) -> Option<&PaymentRecord> {
        self.payments.iter().find(|one| one.id == id)
    }

    /// A refund by its id.
    #[must_use]
    pub fn refund(&self, id: &str) -> Option<&RefundRecord> {
        self.refunds.iter().find(|one| one.id == id)
    }

    /// A payout by its id.
    #[must_use]
    pub fn payout(&self, id: &str) -> Option<&PayoutRecord> {
        self.payouts.iter().find(|one| one.id == id)
    }

    /// Money moved in a currency.
    #[must_use]
    pub fn totals(&self, currency: &str) -> Totals {
        self.moved.get(currency).copied().unwrap_or_default()
    }
}

/// A call that came in, whatever became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Such as `payouts.create`.
    pub method: String,
    /// The id in the path.
    pub id: String,
    /// The idempotence key, if one came.
    pub key: Option<String>,
    /// On the provider's clock.
    pub at: DateTime<Utc>,
    /// The rule or chance that it met, in the words of the rules.
    pub fault: Option<Value>,
}

/// What to do with the clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClockChange {
    /// Sets it to a moment, forwards or backwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<DateTime<Utc>>,
    /// Moves it by seconds; together with `set`, after that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advance_seconds: Option<i64>,
    /// Stops it (`true`) or lets it run again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<bool>,
}

/// Which notifications to send outside of the schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliverNow {
    /// By their ids, in this order; empty: all that have not been taken.
    #[serde(default)]
    pub notices: Vec<u64>,
    /// How many copies of each go out at the same time, at most 200.
    #[serde(default = "one")]
    pub copies: u32,
    /// Draws a new order by this seed.
    #[serde(default)]
    pub shuffle: Option<u64>,
}

fn one() -> u32 {
    1
}

impl Default for DeliverNow {
    fn default() -> Self {
        Self {
            notices: Vec::new(),
            copies: 1,
            shuffle: None,
        }
    }
}

/// A body of anybody's making, sent from the provider's address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forged {
    /// To whose address.
    pub side: Side,
    /// Sent as it is.
    pub body: String,
    /// `application/json` unless said otherwise.
    #[serde(default)]
    pub content_type: Option<String>,
    /// How many copies go out at the same time, at most 200.
    #[serde(default = "one")]
    pub copies: u32,
}

impl Forged {
    /// One JSON body.
    #[must_use]
    pub fn json(side: Side, body: &Value) -> Self {
        Self {
            side,
            body: body.to_string(),
            content_type: None,
            copies: 1,
        }
    }

    /// An event of one's own about an object, in the right envelope.
    #[must_use]
    pub fn event(event: &str, object: &Value) -> Self {
        Self {
            side: render::side_of(event),
            body: render::envelope(event, object),
            content_type: None,
            copies: 1,
        }
    }
}

pub(super) fn payment(one: &Payment, base: &url::Url) -> PaymentRecord {
    let captured = one.status == PaymentStatus::Succeeded;
    PaymentRecord {
        id: one.id.clone(),
        status: one.status,
        currency: one.currency.clone(),
        requested_minor: one.requested_minor,
        captured_minor: if captured { one.amount_minor } else { 0 },
        refunded_minor: one.refunded_minor,
        fee_minor: one.fee_minor,
        operation_id: operation_id(&one.metadata),
        created_at: one.created_at,
        cancellation: one.cancellation.clone(),
        page: format!("{base}yookassa/pay/{}", one.id),
    }
}

pub(super) fn refund(one: &Refund) -> RefundRecord {
    RefundRecord {
        id: one.id.clone(),
        payment_id: one.payment_id.clone(),
        status: one.status,
        currency: one.currency.clone(),
        amount_minor: one.amount_minor,
        created_at: one.created_at,
        cancellation: one.cancellation.clone(),
    }
}

pub(super) fn payout(one: &Payout) -> PayoutRecord {
    PayoutRecord {
        id: one.id.clone(),
        status: one.status,
        currency: one.currency.clone(),
        amount_minor: one.amount_minor,
        destination: one.destination.clone(),
        operation_id: operation_id(&one.metadata),
        created_at: one.created_at,
        cancellation: one.cancellation.clone(),
    }
}

/// Sorted by the order of creation.
pub(super) fn by_birth<T>(all: impl Iterator<Item = T>, seq: impl Fn(&T) -> u64) -> Vec<T> {
    let mut sorted: Vec<T> = all.collect();
    sorted.sort_by_key(|one| seq(one));
    sorted
}

pub(super) fn books(
    books: &Books,
    base: &url::Url,
    now: DateTime<Utc>,
    balance: Option<i64>,
) -> YookassaBooks {
    let payments = by_birth(books.payments.values(), |one| one.seq);
    let refunds = by_birth(books.refunds.values(), |one| one.seq);
    let payouts = by_birth(books.payouts.values(), |one| one.seq);
    YookassaBooks {
        payments: payments.into_iter().map(|one| payment(one, base)).collect(),
        refunds: refunds.into_iter().map(refund).collect(),
        payouts: payouts.into_iter().map(payout).collect(),
        moved: books.moved.clone(),
        payout_balance_minor: balance,
        now,
    }
}
