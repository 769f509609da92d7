//! Reads the gateway's answers in both of their forms.
//!
//! `errorCode` 0 says that the question was answered, not that anything was paid: a rejected transaction has it too. An error
//! without a transaction is the provider's "no" to the call.

use chrono::{NaiveDate, NaiveDateTime};

use super::outcome::{Transaction, TransactionStatus};
use crate::portmone::amount::{AmountError, Kopecks, Movement};
use crate::portmone::json::{self, Document, JsonError, Object};
use crate::portmone::outcome::{Doubt, Refusal};
use crate::portmone::tree::{self, Limits, Node, XmlError, words};

/// The longest answer that is read, in bytes: a month of transactions for reconciliation.
pub const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
const MAX_TRANSACTIONS: usize = 10_000;
const CODE_MAX: usize = 64;
const STATUS_MAX: usize = 32;
const WORDS_MAX: usize = 512;
const LIMITS: Limits = Limits {
    bytes: MAX_ANSWER_BYTES,
    depth: 8,
    elements: 250_000,
};

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// These transactions, perhaps none.
    Transactions(Vec<Transaction>),
    /// No.
    Refused(Refusal),
}

/// Reads a list of transactions, or a refusal, from JSON or XML.
///
/// # Errors
/// [`Doubt`] when the answer cannot be believed.
pub fn parse_transactions(body: &[u8]) -> Result<Answered, Doubt> {
    if body.len() > MAX_ANSWER_BYTES {
        return Err(XmlError::TooLong.into());
    }
    let first = body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(body)
        .trim_ascii()
        .first();
    if matches!(first, Some(b'{' | b'[')) {
        from_json(body).map_err(Doubt::from)
    } else {
        from_xml(body).map_err(Doubt::from)
    }
}

/// What the answer to a wish for a link says: the link, or a refusal.
pub(super) fn parse_link(body: &[u8]) -> Result<Result<String, Refusal>, JsonError> {
    let Document::One(object) = json::read(body, 0)? else {
        return Err(JsonError::Shape);
    };
    if let Some(refusal) = refusal(&object)? {
        return Ok(Err(refusal));
    }
    match (error_code(&object)?, object.text(&["linkPayment"])?) {
        (Some(_), Some(link)) => Ok(Ok(link)),
        _ => Err(JsonError::Shape),
    }
}

fn error_code(object: &Object) -> Result<Option<String>, JsonError> {
    object.text(&["errorCode", "error_code"])
}

fn refusal(object: &Object) -> Result<Option<Refusal>, JsonError> {
    let Some(code) = error_code(object)?.filter(|code| code != "0") else {
        return Ok(None);
    };
    let error = object.text(&["errorMessage", "error_message", "error"])?;
    let code = words(&code, CODE_MAX).ok_or(JsonError::Shape)?;
    Ok(Some(refused(code, error.as_deref())))
}

fn refused(code: String, error: Option<&str>) -> Refusal {
    Refusal {
        code,
        description: error.and_then(|error| words(error, WORDS_MAX)),
    }
}

fn from_json(body: &[u8]) -> Result<Answered, JsonError> {
    let list = match json::read(body, MAX_TRANSACTIONS)? {
        Document::List(list) => list,
        // One transaction may come without a list around it; an error always does.
        Document::One(object) => vec![object],
    };
    let mut transactions = Vec::with_capacity(list.len());
    for object in &list {
        let field = |spellings: &[&str]| object.text(spellings);
        let fields = Fields {
            bill_id: field(&["shopBillId", "shop_bill_id", "shopbillId"])?,
            order_number: field(&["shopOrderNumber", "shop_order_number"])?,
            payee_id: field(&["payeeId", "payee_id"])?,
            status: field(&["status"])?,
            amount: field(&["billAmount", "bill_amount"])?,
            paid_at: field(&["payDate", "pay_date"])?,
            error_code: error_code(object)?,
            error: field(&["errorMessage", "error_message", "error"])?,
            auth_code: field(&["authCode", "auth_code"])?,
        };
        match fields.read() {
            Ok(Read::Transaction(transaction)) => transactions.push(transaction),
            // One refusal among transactions would leave open what was refused.
            Ok(Read::Refused(refusal)) if list.len() == 1 => return Ok(Answered::Refused(refusal)),
            Ok(Read::Refused(_)) => return Err(JsonError::Ambiguous),
            Err(Wrong::Shape) => return Err(JsonError::Shape),
            Err(Wrong::Amount) => return Err(JsonError::Amount),
        }
    }
    Ok(Answered::Transactions(transactions))
}

fn from_xml(body: &[u8]) -> Result<Answered, XmlError> {
    let root = tree::read(body, LIMITS)?;
    if root.name != "portmoneresult" {
        return Err(XmlError::Shape);
    }
    let orders: Vec<&Node> = match (root.child("orders")?, root.child("order")?) {
        (Some(_), Some(_)) => return Err(XmlError::Ambiguous),
        (Some(list), None) => list.all("order").collect(),
        (None, Some(order)) => vec![order],
        (None, None) => return Err(XmlError::Shape),
    };
    if orders.len() > MAX_TRANSACTIONS {
        return Err(XmlError::TooComplex);
    }
    let mut transactions = Vec::with_capacity(orders.len());
    for order in &orders {
        let field = |name: &str| Ok::<_, XmlError>(order.value(name)?.map(str::to_owned));
        let fields = Fields {
            bill_id: field("shop_bill_id")?,
            order_number: field("shop_order_number")?,
            payee_id: field("payee_id")?,
            status: field("status")?,
            amount: field("bill_amount")?,
            paid_at: field("pay_date")?,
            error_code: field("error_code")?,
            error: field("error_message")?,
            auth_code: field("auth_code")?,
        };
        match fields.read() {
            Ok(Read::Transaction(transaction)) => transactions.push(transaction),
            Ok(Read::Refused(refusal)) if orders.len() == 1 => {
                return Ok(Answered::Refused(refusal));
            }
            Ok(Read::Refused(_)) => return Err(XmlError::Ambiguous),
            Err(Wrong::Shape) => return Err(XmlError::Shape),
            Err(Wrong::Amount) => return Err(XmlError::Amount),
        }
    }
    Ok(Answered::Transactions(transactions))
}

/// One transaction's facts, still as texts.
struct Fields {
    bill_id: Option<String>,
    order_number: Option<String>,
    payee_id: Option<String>,
    status: Option<String>,
    amount: Option<String>,
    paid_at: Option<String>,
    error_code: Option<String>,
    error: Option<String>,
    auth_code: Option<String>,
}

enum Read {
    Transaction(Transaction),
    Refused(Refusal),
}

enum Wrong {
    Shape,
    Amount,
}

impl From<AmountError> for Wrong {
    fn from(AmountError: AmountError) -> Self {
        Self::Amount
    }
}

impl Fields {
    fn read(self) -> Result<Read, Wrong> {
        let error_code = self.error_code.and_then(|code| words(&code, CODE_MAX));
        let error_code = error_code.ok_or(Wrong::Shape)?;
        let status = self.status.and_then(|status| words(&status, STATUS_MAX));
        let (Some(bill_id), Some(status)) = (self.bill_id, status) else {
            return if error_code == "0" {
                Err(Wrong::Shape)
            } else {
                Ok(Read::Refused(refused(error_code, self.error.as_deref())))
            };
        };
        let order_number = self.order_number.ok_or(Wrong::Shape)?;
        // Names go into events, columns and logs.
        let one_line = |text: &String| !text.chars().any(char::is_control);
        let names = [Some(&bill_id), Some(&order_number), self.payee_id.as_ref()];
        if bill_id.len() > 64
            || order_number.len() > 256
            || !names.into_iter().flatten().all(one_line)
        {
            return Err(Wrong::Shape);
        }
        let status = TransactionStatus::from_word(&status);
        let movement = Movement::parse(self.amount.as_deref().ok_or(Wrong::Shape)?)?;
        let amount = match movement {
            Movement::Back(_) if status != TransactionStatus::Return => return Err(Wrong::Amount),
            Movement::Back(amount) | Movement::Forward(amount) => amount,
        };
        Ok(Read::Transaction(Transaction {
            bill_id,
            order_number,
            payee_id: self.payee_id,
            status,
            amount,
            paid_at: self.paid_at.as_deref().and_then(moment),
            error_code,
            error: self.error.and_then(|error| words(&error, WORDS_MAX)),
            auth_code: self.auth_code.and_then(|code| words(&code, CODE_MAX)),
        }))
    }
}

/// With or without the time of day; for people only, so one that cannot be read is left out.
fn moment(text: &str) -> Option<NaiveDateTime> {
    let day = |text: &str| NaiveDate::parse_from_str(text, "%d.%m.%Y").ok();
    NaiveDateTime::parse_from_str(text, "%d.%m.%Y %H:%M:%S")
        .ok()
        .or_else(|| day(text).map(|day| day.and_time(chrono::NaiveTime::MIN)))
}

/// `amount` as the gateway takes it.
pub(super) fn written(amount: Kopecks) -> String {
    amount.to_string()
}
