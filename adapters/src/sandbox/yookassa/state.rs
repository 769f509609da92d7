//! What the simulated provider keeps: its objects, and the changes that its journal is made of.
//!
//! An object enters as a whole picture of itself at each change, so the fold over them cannot misread history.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use super::fold::{Books, KEY_LIFE, PAYMENT, PAYOUT, REFUND};

use super::faults::Outcome;

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
