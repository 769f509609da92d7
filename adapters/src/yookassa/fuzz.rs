//! The readers of answers for tests that throw anything at them. Not a part of the interface.

use chrono::{DateTime, Utc};
use kvit_domain::money::Money;

use super::node::{AnswerError, Node};
use super::objects::{Cancellation, Payment, Payout, Refund, Status};

/// What an object says, as far as money or a name depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The provider's id.
    pub id: String,
    /// What it belongs to: the payment of a refund.
    pub of: Option<String>,
    /// The word for its state.
    pub status: String,
    /// The amount.
    pub amount: Money,
    /// What reaches the shop, and what the provider kept.
    pub income: Option<(Money, Option<Money>)>,
    /// Whether it is test money; refunds do not tell.
    pub test: Option<bool>,
    /// Names of ours.
    pub names: Vec<String>,
    /// Who canceled, and why.
    pub cancellation: [String; 2],
    /// Where the payer is sent.
    pub confirmation_url: Option<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

fn word(status: Status) -> String {
    match status {
        Status::Pending => "pending".to_owned(),
        Status::WaitingForCapture => "waiting_for_capture".to_owned(),
        Status::Succeeded => "succeeded".to_owned(),
        Status::Canceled => "canceled".to_owned(),
        Status::Other(word) => word,
    }
}

fn words(of: Cancellation) -> [String; 2] {
    [of.party, of.reason]
}

/// Reads a payment.
///
/// # Errors
/// [`AnswerError`].
pub fn payment(body: &[u8]) -> Result<Said, AnswerError> {
    let read = Payment::read(&Node::read(body)?)?;
    Ok(Said {
        income: read.income.map(|income| (income, read.fee())),
        id: read.id,
        of: None,
        status: word(read.status),
        amount: read.amount,
        test: Some(read.test),
        names: read.operation_id.into_iter().collect(),
        cancellation: words(read.cancellation),
        confirmation_url: read.confirmation_url,
        created_at: read.created_at,
    })
}

/// Reads a refund.
///
/// # Errors
/// [`AnswerError`].
pub fn refund(body: &[u8]) -> Result<Said, AnswerError> {
    let read = Refund::read(&Node::read(body)?)?;
    Ok(Said {
        id: read.id,
        of: Some(read.payment_id),
        status: word(read.status),
        amount: read.amount,
        income: None,
        test: None,
        names: Vec::new(),
        cancellation: words(read.cancellation),
        confirmation_url: None,
        created_at: read.created_at,
    })
}

/// Reads a payout.
///
/// # Errors
/// [`AnswerError`].
pub fn payout(body: &[u8]) -> Result<Said, AnswerError> {
    let read = Payout::read(&Node::read(body)?)?;
    Ok(Said {
        id: read.id,
        of: None,
        status: word(read.status),
        amount: read.amount,
        income: None,
        test: Some(read.test),
        names: read.operation_id.into_iter().chain(read.attempt).collect(),
        cancellation: words(read.cancellation),
        confirmation_url: None,
        created_at: read.created_at,
    })
}
