//! What came of a call, told by what it means for the money.

use chrono::NaiveDateTime;

use super::amount::Kopecks;
use super::json::JsonError;
use super::xml::{WireBill, XmlError};

/// A bill at the provider.
#[derive(Clone, PartialEq, Eq)]
pub struct Bill {
    /// The provider's id: the only idempotency handle of this protocol.
    pub id: String,
    /// The payee named in the answer.
    pub payee_id: Option<String>,
    /// How far it has come, in the provider's words made ours.
    pub status: BillStatus,
    /// The sum that has moved, where the answer says so.
    pub paid_amount: Option<Kopecks>,
    /// When it was paid, Kyiv local time.
    pub pay_date: Option<NaiveDateTime>,
}

impl std::fmt::Debug for Bill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // No amount: a bill in a log line would join money to a time and so to a person.
        f.debug_struct("Bill")
            .field("id", &self.id)
            .field("payee_id", &self.payee_id)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl From<WireBill> for Bill {
    fn from(wire: WireBill) -> Self {
        let status = BillStatus::from_word(wire.status.as_deref());
        Self {
            id: wire.id,
            payee_id: wire.payee_id,
            status,
            paid_amount: wire.paid_amount,
            pay_date: wire.pay_date,
        }
    }
}

/// The state of a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BillStatus {
    /// Exists, no money moved.
    Created,
    /// Money moved; final.
    Paid,
    /// Will never be paid; final.
    Rejected,
    /// Was paid, and the money came back; final.
    Reversed,
    /// Any other word, or none. Only `paid` is documented, so nothing may be concluded from the rest.
    Other(String),
}

impl BillStatus {
    fn from_word(word: Option<&str>) -> Self {
        match word {
            Some("created") => Self::Created,
            Some("paid") => Self::Paid,
            Some("rejected") => Self::Rejected,
            Some("reversed") => Self::Reversed,
            other => Self::Other(other.unwrap_or_default().to_owned()),
        }
    }
}

/// The provider's clear "no".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Opaque: never branch on it except through configuration.
    pub code: String,
    /// The provider's words, for the operator.
    pub description: Option<String>,
}

/// Why it is certain that the provider has not seen the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// The name did not resolve, the connection was refused, or the TLS handshake failed.
    #[error("no connection to the provider")]
    Connect,
    /// The request could not be built.
    #[error("the request could not be built")]
    Request,
    /// Too many calls are under way, and none ended in time.
    #[error("too many calls to the provider are under way")]
    Busy,
}

/// Why it is open whether the provider acted on the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke after the request had begun to go out.
    #[error("the connection broke")]
    Broken,
    /// An HTTP status that says nothing about the operation.
    #[error("HTTP status {0}")]
    HttpStatus(u16),
    /// An answer that cannot be believed.
    #[error("the answer cannot be read")]
    Answer(#[from] XmlError),
    /// An answer in JSON that cannot be believed.
    #[error("the answer cannot be read")]
    Json(#[from] JsonError),
    /// `ok` without the bill that it must carry.
    #[error("the answer says ok but holds no bill")]
    NoBill,
}

/// A fact in the answer that differs from what was asked. Money may have gone to the wrong place: a person must look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Another bill.
    #[error("the answer names another bill")]
    BillId,
    /// Another payee.
    #[error("the answer names another payee")]
    Payee,
    /// Another contract number.
    #[error("the answer names another contract number")]
    ContractNumber,
    /// Another sum, or none, on a paid bill.
    #[error("the answer names another amount, or none")]
    Amount,
}

/// What came of `bills.create`. No money moves whatever the case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The bill is there.
    Created(Bill),
    /// A bill is there, but not the one that was asked for: do not pay it.
    Mismatch(Bill, Mismatch),
    /// Proven: no bill.
    Refused(Refusal),
    /// Proven: the provider has not seen it.
    NotSent(NotSent),
    /// A bill may be there. It is harmless: another may be created.
    Unknown(Doubt),
}

/// What came of `bills.pay`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayOutcome {
    /// Proven: the money has moved, to whom and as much as was asked.
    Paid(Bill),
    /// Accepted, not finished: ask for this bill later.
    Pending(Bill),
    /// Contradicts what was asked: treat as unknown and show it to a person.
    Mismatch(Bill, Mismatch),
    /// The provider says no. Before a hold is released, read the bill if a status method is configured.
    Refused(Refusal),
    /// Proven: the provider has not seen it.
    NotSent(NotSent),
    /// The money may have moved: keep the hold and ask for this bill; never pay another in its place.
    Unknown(Doubt),
}

/// What came of reading a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusOutcome {
    /// The provider's present view of the bill.
    Known(Bill),
    /// The answer is about something else.
    Mismatch(Bill, Mismatch),
    /// The provider refuses to tell (an unknown bill, wrong credentials). Says nothing about the money.
    Refused(Refusal),
    /// Nothing learned: no connection.
    NotSent(NotSent),
    /// Nothing learned: no clear answer.
    Unknown(Doubt),
    /// No status method is configured: a person must look.
    NotConfigured,
}

/// Names for logs and metrics; never anything from the answer itself.
macro_rules! labels {
    ($type:ty { $($pattern:pat => $label:literal),+ $(,)? }) => {
        impl $type {
            /// A short fixed word for logs and metrics.
            #[must_use]
            pub fn label(&self) -> &'static str {
                match self { $($pattern => $label),+ }
            }
        }
    };
}

labels!(CreateOutcome {
    Self::Created(_) => "created", Self::Mismatch(..) => "mismatch", Self::Refused(_) => "refused",
    Self::NotSent(_) => "not_sent", Self::Unknown(_) => "unknown",
});
labels!(PayOutcome {
    Self::Paid(_) => "paid", Self::Pending(_) => "pending", Self::Mismatch(..) => "mismatch", Self::Refused(_) => "refused",
    Self::NotSent(_) => "not_sent", Self::Unknown(_) => "unknown",
});
labels!(StatusOutcome {
    Self::Known(_) => "known", Self::Mismatch(..) => "mismatch", Self::Refused(_) => "refused",
    Self::NotSent(_) => "not_sent", Self::Unknown(_) => "unknown", Self::NotConfigured => "not_configured",
});
