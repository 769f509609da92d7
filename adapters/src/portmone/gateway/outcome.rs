//! What is asked of the gateway, and what came of it.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use kvit_commands::ports::statement::Flaw;
use url::Url;

use crate::portmone::amount::Kopecks;
use crate::portmone::outcome::{Doubt, NotSent, Refusal};

/// A link to be created.
#[derive(Debug, Clone)]
pub struct LinkOrder {
    /// Our number of the order: the only handle that is ours. One operation keeps one number for ever.
    pub order_number: String,
    /// What the person is to pay, in hryvnia.
    pub amount: Kopecks,
    /// What the person reads.
    pub description: String,
    /// Where the browser is sent after a payment. It learns nothing by that which may be believed.
    pub success_url: Url,
    /// Where it is sent otherwise.
    pub failure_url: Url,
    /// Hold the sum on the card instead of taking it.
    pub preauth: bool,
    /// How long the page takes payments, in seconds.
    pub expires_in: Option<u32>,
    /// When it is signed.
    pub at: DateTime<Utc>,
}

/// What came of creating a link. No money moves whatever the case, and another link for the same order is harmless as long as both
/// payments of it would be seen in [`ResultOutcome`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkOutcome {
    /// Send the person there.
    Created(Url),
    /// Proven: no link.
    Refused(Refusal),
    /// Proven: the provider has not seen the call.
    NotSent(NotSent),
    /// There may be a link that nobody knows.
    Unknown(Doubt),
}

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handle<'a> {
    /// All transactions of an order of ours.
    Order(&'a str),
    /// One transaction of the provider's.
    Bill(&'a str),
}

/// Days, both included. Without one the provider looks through the last month only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first day, Kyiv time.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
}

/// The provider's states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionStatus {
    /// The person is still at the bank's confirmation.
    Created,
    /// The sum is held on the card.
    Preauth,
    /// The money has moved to us.
    Payed,
    /// No money moved, or the hold was released.
    Rejected,
    /// Money moved back; a transaction of its own.
    Return,
    /// Any other word: conclude nothing.
    Other(String),
}

impl TransactionStatus {
    pub(super) fn from_word(word: &str) -> Self {
        match word {
            "CREATED" => Self::Created,
            "PREAUTH" => Self::Preauth,
            "PAYED" => Self::Payed,
            "REJECTED" => Self::Rejected,
            "RETURN" => Self::Return,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// One transaction of an order.
#[derive(Clone, PartialEq, Eq)]
pub struct Transaction {
    /// The provider's id.
    pub bill_id: String,
    /// Our number of the order.
    pub order_number: String,
    /// The payee, where the answer names it.
    pub payee_id: Option<String>,
    /// Its state.
    pub status: TransactionStatus,
    /// The sum. For [`TransactionStatus::Return`] it is what went back.
    pub amount: Kopecks,
    /// When, Kyiv time; midnight where only the day is told.
    pub paid_at: Option<NaiveDateTime>,
    /// `0` when nothing is wrong, which is also so for a rejected transaction.
    pub error_code: String,
    /// The provider's words about the error.
    pub error: Option<String>,
    /// The bank's authorisation code.
    pub auth_code: Option<String>,
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("bill_id", &self.bill_id)
            .field("order_number", &self.order_number)
            .field("status", &self.status)
            .field("error_code", &self.error_code)
            .finish_non_exhaustive()
    }
}

/// A transaction of a list that cannot be read, as far as it can be named.
#[derive(Clone, PartialEq, Eq)]
pub struct FlawedTransaction {
    /// The provider's id, or a name made of a digest.
    pub name: String,
    /// Whose order it says that it is.
    pub order_number: Option<String>,
    /// The payee, where the answer names it.
    pub payee_id: Option<String>,
    /// Its state.
    pub status: Option<TransactionStatus>,
    /// When, Kyiv time.
    pub paid_at: Option<NaiveDateTime>,
    /// What cannot be read.
    pub flaw: Flaw,
}

impl fmt::Debug for FlawedTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlawedTransaction")
            .field("name", &self.name)
            .field("flaw", &self.flaw)
            .finish_non_exhaustive()
    }
}

/// A fact in the answer that differs from what was asked. A person must look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GatewayMismatch {
    /// Another order.
    #[error("the answer names another order")]
    Order,
    /// Another transaction.
    #[error("the answer names another transaction")]
    Bill,
    /// Another payee.
    #[error("the answer names another payee")]
    Payee,
    /// Another sum.
    #[error("the answer names another amount")]
    Amount,
    /// A state that contradicts what was asked.
    #[error("the answer names a state that contradicts the call")]
    Status,
}

/// What `result` told. Asking moves nothing and may be repeated at will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultOutcome {
    /// The transactions; none when the provider knows none, which proves nothing about older ones than the window.
    Known(Vec<Transaction>),
    /// The answer is about something else.
    Mismatch(GatewayMismatch),
    /// The provider refuses to tell. Says nothing about the money.
    Refused(Refusal),
    /// Nothing learned: no connection.
    NotSent(NotSent),
    /// Nothing learned: no clear answer.
    Unknown(Doubt),
}

/// What a list of days told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListOutcome {
    /// The transactions, and those among them that cannot be read.
    Known(Vec<Transaction>, Vec<FlawedTransaction>),
    /// Something in it is not ours: none of it is believed.
    Mismatch(GatewayMismatch),
    /// The provider refuses to tell.
    Refused(Refusal),
    /// Nothing learned: no connection.
    NotSent(NotSent),
    /// Nothing learned: no clear answer.
    Unknown(Doubt),
}

/// What came of a refund, or of taking or releasing a held sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// Proven: it is done as asked.
    Done(Transaction),
    /// Accepted, not finished: read `result` later.
    Pending(Transaction),
    /// Contradicts what was asked: treat as unknown and show it to a person.
    Mismatch(Transaction, GatewayMismatch),
    /// The provider says no.
    Refused(Refusal),
    /// Proven: the provider has not seen the call.
    NotSent(NotSent),
    /// It may have happened: read `result`; never repeat it blindly.
    Unknown(Doubt),
}

impl LinkOutcome {
    /// A short fixed word for logs and metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Created(_) => "created",
            Self::Refused(_) => "refused",
            Self::NotSent(_) => "not_sent",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl ResultOutcome {
    /// A short fixed word for logs and metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Known(_) => "known",
            Self::Mismatch(_) => "mismatch",
            Self::Refused(_) => "refused",
            Self::NotSent(_) => "not_sent",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl ListOutcome {
    /// A short fixed word for logs and metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Known(..) => "known",
            Self::Mismatch(_) => "mismatch",
            Self::Refused(_) => "refused",
            Self::NotSent(_) => "not_sent",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl ChangeOutcome {
    /// A short fixed word for logs and metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Pending(_) => "pending",
            Self::Mismatch(..) => "mismatch",
            Self::Refused(_) => "refused",
            Self::NotSent(_) => "not_sent",
            Self::Unknown(_) => "unknown",
        }
    }
}
