//! Everything the simulated provider knows, as a fold over its changes.
//!
//! An object enters as a whole picture of itself at each change, so the fold cannot misread history. Money is counted once more
//! beside the objects, so that a test can compare the two.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::faults::Outcome;
use crate::sandbox::journal::State;

/// How long an idempotence key is remembered, from its first use.
pub(super) const KEY_LIFE: Duration = Duration::hours(24);
/// Old keys are swept out when there are more than this.
const KEYS_BEFORE_SWEEP: usize = 20_000;

/// A payment's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// Waits for the person.
    Pending,
    /// Paid and on hold.
    WaitingForCapture,
    /// The money is the shop's.
    Succeeded,
    /// Ended without money.
    Canceled,
}

impl PaymentStatus {
    /// The word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::WaitingForCapture => "waiting_for_capture",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }
}

/// A refund's or payout's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferStatus {
    /// On its way.
    Pending,
    /// Arrived.
    Succeeded,
    /// Ended without money.
    Canceled,
}

impl TransferStatus {
    /// The word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }
}

/// Who ended something, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    /// `yoo_money`, `payment_network`, `merchant`, `refund_network` or `payout_network`.
    pub party: String,
    /// The provider's word.
    pub reason: String,
}

/// Metadata: a text or nothing under each name.
pub(super) type Metadata = BTreeMap<String, Option<String>>;

/// How the person is led to paying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Confirmation {
    pub kind: String,
    pub return_url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Payment {
    pub id: String,
    pub seq: u64,
    pub status: PaymentStatus,
    /// What was asked for; a partial capture leaves it.
    pub requested_minor: i64,
    /// What the object shows: after a partial capture, the captured part.
    pub amount_minor: i64,
    pub currency: String,
    pub capture: bool,
    pub description: Option<String>,
    pub metadata: Metadata,
    pub merchant_customer_id: Option<String>,
    pub confirmation: Option<Confirmation>,
    pub save_method: bool,
    pub created_at: DateTime<Utc>,
    pub confirm_by: DateTime<Utc>,
    /// When the person paid.
    pub paid_at: Option<DateTime<Utc>>,
    pub captured_at: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
    pub method: Option<String>,
    pub cancellation: Option<Cancellation>,
    pub refunded_minor: i64,
    pub fee_minor: i64,
    pub has_receipt: bool,
    pub test: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refund {
    pub id: String,
    pub seq: u64,
    pub payment_id: String,
    pub status: TransferStatus,
    pub amount_minor: i64,
    pub currency: String,
    pub description: Option<String>,
    pub created_at: DateTime<Utc>,
    pub outcome: Outcome,
    pub cancellation: Option<Cancellation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Payout {
    pub id: String,
    pub seq: u64,
    pub status: TransferStatus,
    pub amount_minor: i64,
    pub currency: String,
    /// As the object shows it; a card only with its first and last digits.
    pub destination: Value,
    pub description: Option<String>,
    pub metadata: Metadata,
    pub created_at: DateTime<Utc>,
    pub succeeded_at: Option<DateTime<Utc>>,
    pub outcome: Outcome,
    pub cancellation: Option<Cancellation>,
    pub test: bool,
}

/// The object that a call made or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "id")]
pub(super) enum ObjectRef {
    Payment(String),
    Refund(String),
    Payout(String),
}

/// A used idempotence key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Key {
    /// Over the operation and the body.
    pub digest: String,
    pub at: DateTime<Utc>,
    pub object: ObjectRef,
}

/// Which account a notification belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Payments and refunds.
    Shop,
    /// Payouts.
    Gateway,
}

/// One try at delivering a notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// On the provider's clock.
    pub at: DateTime<Utc>,
    /// One of the seven, or outside of the schedule on order.
    pub scheduled: bool,
    /// What the receiver answered; `None` if nothing came.
    pub status: Option<u16>,
}

/// A notification and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Counted from one. The receiver never sees it.
    pub id: u64,
    /// Whose.
    pub side: Side,
    /// Such as `payment.succeeded`.
    pub event: String,
    /// The payment's, refund's or payout's id.
    pub object_id: String,
    /// The exact text that is sent, with the object as it was at the change.
    pub body: String,
    /// When the change happened, on the provider's clock.
    pub at: DateTime<Utc>,
    /// Every try so far.
    pub attempts: Vec<Attempt>,
    /// Whether a try was answered with 200.
    pub taken: bool,
}

impl Notice {
    pub(super) fn scheduled_attempts(&self) -> usize {
        self.attempts.iter().filter(|one| one.scheduled).count()
    }
}

/// The provider's clock: the machine's, moved, or standing still.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProviderClock {
    pub offset_millis: i64,
    pub stopped_at: Option<DateTime<Utc>>,
}

/// A kind of money movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Movement {
    Captured,
    Refunded,
    PaidOut,
}

/// Money that has moved, in kopecks of one currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Taken from payers for the shop.
    pub captured_minor: i64,
    /// Given back to payers.
    pub refunded_minor: i64,
    /// Arrived at recipients of payouts.
    pub paid_out_minor: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub(super) enum Change {
    Clock {
        clock: ProviderClock,
    },
    Payment {
        payment: Box<Payment>,
    },
    Refund {
        refund: Box<Refund>,
    },
    Payout {
        payout: Box<Payout>,
    },
    Key {
        side: Side,
        name: String,
        key: Key,
    },
    Moved {
        movement: Movement,
        currency: String,
        minor: i64,
    },
    /// Its id is given when it enters.
    Notice {
        notice: Box<Notice>,
    },
    Attempt {
        notice: u64,
        attempt: Attempt,
    },
    Held {
        held: bool,
    },
    Webhook {
        side: Side,
        url: Option<String>,
    },
    Deposited {
        minor: i64,
    },
}

#[derive(Debug, Default)]
pub(super) struct Books {
    pub payments: HashMap<String, Payment>,
    pub refunds: HashMap<String, Refund>,
    pub payouts: HashMap<String, Payout>,
    /// Objects of all kinds so far; the number of the next one.
    pub made: u64,
    /// What time can still change, as (kind, id); the order does not matter.
    pub open: BTreeSet<(u8, String)>,
    pub keys: HashMap<(Side, String), Key>,
    pub notices: BTreeMap<u64, Notice>,
    pub waiting: BTreeSet<u64>,
    pub clock: ProviderClock,
    pub held: bool,
    /// Addresses set by the control side, over those of the settings.
    pub webhooks: BTreeMap<Side, Option<String>>,
    pub deposited_minor: i64,
    pub moved: BTreeMap<String, Totals>,
}

pub(super) const PAYMENT: u8 = 0;
pub(super) const REFUND: u8 = 1;
pub(super) const PAYOUT: u8 = 2;

impl Books {
    fn keep_open(&mut self, kind: u8, id: &str, open: bool) {
        if open {
            self.open.insert((kind, id.to_owned()));
        } else {
            self.open.remove(&(kind, id.to_owned()));
        }
    }

    /// Refunds of a payment that have or may yet take money from it.
    pub(super) fn bound_for_refunds(&self, payment_id: &str) -> i64 {
        self.refunds
            .values()
            .filter(|refund| refund.payment_id == payment_id)
            .filter(|refund| refund.status != TransferStatus::Canceled)
            .fold(0, |sum: i64, refund| {
                sum.saturating_add(refund.amount_minor)
            })
    }

    /// What the payout balance has given or promised, in kopecks.
    pub(super) fn out_minor(&self) -> i64 {
        self.payouts
            .values()
            .filter(|payout| payout.status != TransferStatus::Canceled)
            .fold(0, |sum: i64, payout| {
                sum.saturating_add(payout.amount_minor)
            })
    }

    fn remember_key(&mut self, side: Side, name: String, key: Key) {
        if self.keys.len() > KEYS_BEFORE_SWEEP {
            let now = key.at;
            self.keys
                .retain(|_, old| now.signed_duration_since(old.at) < KEY_LIFE);
        }
        self.keys.insert((side, name), key);
    }
}

impl State for Books {
    type Change = Change;

    fn apply(&mut self, change: Change) {
        match change {
            Change::Clock { clock } => self.clock = clock,
            Change::Payment { payment } => {
                let open = matches!(
                    payment.status,
                    PaymentStatus::Pending | PaymentStatus::WaitingForCapture
                );
                self.keep_open(PAYMENT, &payment.id, open);
                self.made = self.made.max(payment.seq);
                self.payments.insert(payment.id.clone(), *payment);
            }
            Change::Refund { refund } => {
                self.keep_open(REFUND, &refund.id, refund.status == TransferStatus::Pending);
                self.made = self.made.max(refund.seq);
                self.refunds.insert(refund.id.clone(), *refund);
            }
            Change::Payout { payout } => {
                self.keep_open(PAYOUT, &payout.id, payout.status == TransferStatus::Pending);
                self.made = self.made.max(payout.seq);
                self.payouts.insert(payout.id.clone(), *payout);
            }
            Change::Key { side, name, key } => self.remember_key(side, name, key),
            Change::Moved {
                movement,
                currency,
                minor,
            } => {
                let totals = self.moved.entry(currency).or_default();
                let sum = match movement {
                    Movement::Captured => &mut totals.captured_minor,
                    Movement::Refunded => &mut totals.refunded_minor,
                    Movement::PaidOut => &mut totals.paid_out_minor,
                };
                *sum = sum.saturating_add(minor);
            }
            Change::Notice { mut notice } => {
                notice.id = self
                    .notices
                    .last_key_value()
                    .map_or(1, |(last, _)| last.saturating_add(1));
                self.waiting.insert(notice.id);
                self.notices.insert(notice.id, *notice);
            }
            Change::Attempt { notice, attempt } => {
                if let Some(notice) = self.notices.get_mut(&notice) {
                    if attempt.status == Some(200) {
                        notice.taken = true;
                        self.waiting.remove(&notice.id);
                    }
                    notice.attempts.push(attempt);
                }
            }
            Change::Held { held } => self.held = held,
            Change::Webhook { side, url } => {
                self.webhooks.insert(side, url);
            }
            Change::Deposited { minor } => {
                self.deposited_minor = self.deposited_minor.saturating_add(minor);
            }
        }
    }
}
