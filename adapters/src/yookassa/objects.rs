//! The provider's objects: of each only what we use, read strictly where money depends on it and leniently elsewhere.

use chrono::{DateTime, Utc};
use kvit_domain::money::{Currency, Money};

use super::line::word;
use super::node::{AnswerError, Node};

/// Longest id that is believed; the provider's have 36 to 50 characters.
const MAX_ID: usize = 64;
/// Longest value of metadata that is looked at; ours are shorter.
const MAX_METADATA: usize = 128;

type Read<T> = Result<T, AnswerError>;

/// The word for a state. Four are known; any other changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    WaitingForCapture,
    Succeeded,
    Canceled,
    Other(String),
}

impl Status {
    pub(super) fn read(node: &Node) -> Read<Self> {
        let text = node.text().ok_or(AnswerError::Missing("status"))?;
        Ok(match text {
            "pending" => Self::Pending,
            "waiting_for_capture" => Self::WaitingForCapture,
            "succeeded" => Self::Succeeded,
            "canceled" => Self::Canceled,
            other => Self::Other(word(other)),
        })
    }
}

/// Who canceled, and why, in the provider's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cancellation {
    pub party: String,
    pub reason: String,
}

impl Cancellation {
    fn read(node: &Node) -> Self {
        let told = |name| {
            let told = node.at(name).text().map(word);
            told.filter(|told| !told.is_empty())
                .unwrap_or_else(|| "untold".to_owned())
        };
        Self {
            party: told("party"),
            reason: told("reason"),
        }
    }
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Payment {
    pub id: String,
    pub status: Status,
    pub amount: Money,
    /// What reaches the shop, where it is told.
    pub income: Option<Money>,
    pub test: bool,
    pub operation_id: Option<String>,
    pub confirmation_url: Option<String>,
    pub expires_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub cancellation: Cancellation,
}

impl Payment {
    pub(super) fn read(node: &Node) -> Read<Self> {
        let income = node.at("income_amount");
        Ok(Self {
            id: id(node)?,
            status: Status::read(node.at("status"))?,
            amount: amount(node.at("amount"))?,
            income: match income {
                Node::Null => None,
                income => Some(amount(income)?),
            },
            test: test(node)?,
            operation_id: metadata(node, "operation_id"),
            confirmation_url: node
                .at("confirmation")
                .at("confirmation_url")
                .text()
                .filter(|url| url.len() <= 2_048)
                .map(str::to_owned),
            expires_at: time(node.at("expires_at")),
            created_at: created_at(node)?,
            cancellation: Cancellation::read(node.at("cancellation_details")),
        })
    }

    /// What the provider kept: the difference between what was paid and what reaches the shop.
    pub(super) fn fee(&self) -> Option<Money> {
        let fee = self.amount.checked_sub(self.income?).ok()?;
        (fee.minor >= 0).then_some(fee)
    }
}

/// A refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refund {
    pub id: String,
    pub payment_id: String,
    pub status: Status,
    pub amount: Money,
    pub description: Option<String>,
    pub created_at: DateTime<Utc>,
    pub cancellation: Cancellation,
}

impl Refund {
    pub(super) fn read(node: &Node) -> Read<Self> {
        Ok(Self {
            id: id(node)?,
            payment_id: node
                .at("payment_id")
                .text()
                .filter(|id| is_id(id))
                .ok_or(AnswerError::Missing("payment_id"))?
                .to_owned(),
            status: Status::read(node.at("status"))?,
            amount: amount(node.at("amount"))?,
            description: node.at("description").text().map(str::to_owned),
            created_at: created_at(node)?,
            cancellation: Cancellation::read(node.at("cancellation_details")),
        })
    }
}

/// Where a payout goes, as far as it is shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Destination {
    pub kind: Option<String>,
    pub phone: Option<String>,
    pub bank_id: Option<String>,
    pub account_number: Option<String>,
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Destination")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// A payout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Payout {
    pub id: String,
    pub status: Status,
    pub amount: Money,
    pub test: bool,
    pub operation_id: Option<String>,
    pub attempt: Option<String>,
    pub destination: Destination,
    pub created_at: DateTime<Utc>,
    pub succeeded_at: Option<DateTime<Utc>>,
    pub cancellation: Cancellation,
}

impl Payout {
    pub(super) fn read(node: &Node) -> Read<Self> {
        let to = node.at("payout_destination");
        let shown = |name| to.at(name).text().map(str::to_owned);
        Ok(Self {
            id: id(node)?,
            status: Status::read(node.at("status"))?,
            amount: amount(node.at("amount"))?,
            test: test(node)?,
            operation_id: metadata(node, "operation_id"),
            attempt: metadata(node, "attempt"),
            destination: Destination {
                kind: shown("type"),
                phone: shown("phone"),
                bank_id: shown("bank_id"),
                account_number: shown("account_number"),
            },
            created_at: created_at(node)?,
            succeeded_at: time(node.at("succeeded_at")),
            cancellation: Cancellation::read(node.at("cancellation_details")),
        })
    }
}

/// Whether a text can be an object's id, and so may stand in a path.
pub(super) fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn id(node: &Node) -> Read<String> {
    let id = node.at("id").text().filter(|id| is_id(id));
    id.map(str::to_owned).ok_or(AnswerError::Missing("id"))
}

/// Real and test money must never be confused, so a missing flag is no answer.
fn test(node: &Node) -> Read<bool> {
    node.at("test").flag().ok_or(AnswerError::Missing("test"))
}

fn created_at(node: &Node) -> Read<DateTime<Utc>> {
    time(node.at("created_at")).ok_or(AnswerError::Missing("created_at"))
}

/// `{"value": "100.00", "currency": "RUB"}`. Anything but that exact form, in a currency that we keep books in, is refused.
pub(super) fn amount(node: &Node) -> Read<Money> {
    let (value, currency) = (node.at("value").text(), node.at("currency").text());
    let (value, currency) = value.zip(currency).ok_or(AnswerError::Missing("amount"))?;
    let currency = currency
        .parse()
        .ok()
        // Stars are Telegram's: here the code would be nonsense.
        .filter(|currency| *currency != Currency::Xtr)
        .ok_or(AnswerError::Currency)?;
    Money::parse_strict(value, currency).map_err(|_| AnswerError::Amount)
}

/// `2018-07-18T10:51:18.139Z`, with three or six digits of a second, or another number of them.
pub(super) fn time(node: &Node) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(node.text()?).ok()?;
    Some(time.to_utc())
}

/// A name of ours that the provider keeps. One that could break a line, or that no column of text takes, is none of ours.
pub(super) fn metadata(node: &Node, name: &str) -> Option<String> {
    let value = node.at("metadata").at(name).text()?;
    (value.len() <= MAX_METADATA && !value.chars().any(char::is_control)).then(|| value.to_owned())
}

#[cfg(test)]
#[path = "objects_tests.rs"]
mod tests;
