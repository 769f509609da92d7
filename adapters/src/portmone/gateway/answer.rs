//! Reads the gateway's answers in both of their forms.
//!
//! What is asked about one order must be readable as a whole. A list of days is read item by item: what of it cannot be read is
//! told as such, since it may be a stranger's.
//!
//! `errorCode` 0 says that the question was answered, not that anything was paid: a rejected transaction has it too. An error
//! without a transaction is the provider's "no" to the call.

use chrono::{NaiveDate, NaiveDateTime};
use kvit_commands::ports::statement::Flaw;
use sha2::{Digest, Sha256};

use super::outcome::{FlawedTransaction, Transaction, TransactionStatus};
use crate::portmone::amount::{AmountError, Kopecks, Movement};
use crate::portmone::json::{self, Document, JsonError, Object};
use crate::portmone::outcome::{Doubt, Refusal};
use crate::portmone::tree::{self, Limits, Node, XmlError, words};

/// The longest answer that is read, in bytes: a month of transactions for reconciliation.
pub const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
const MAX_TRANSACTIONS: usize = 10_000;
const BILL_ID_MAX: usize = 64;
const ORDER_NUMBER_MAX: usize = 256;
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

/// One item of an answer.
pub(super) enum Item {
    /// A transaction.
    Transaction(Transaction),
    /// One that cannot be read, and what that means for an answer that must be readable as a whole.
    Flawed(FlawedTransaction, Doubt),
}

/// What an answer says, item by item.
pub(super) enum Items {
    /// These, in the answer's order.
    Listed(Vec<Item>),
    /// No.
    Refused(Refusal),
}

/// Reads a list of transactions, or a refusal, from JSON or XML.
///
/// # Errors
/// [`Doubt`] when the answer, or one transaction of it, cannot be believed.
pub fn parse_transactions(body: &[u8]) -> Result<Answered, Doubt> {
    match parse_items(body)? {
        Items::Listed(items) => whole(items).map(Answered::Transactions),
        Items::Refused(refusal) => Ok(Answered::Refused(refusal)),
    }
}

/// All items, or the first doubt.
pub(super) fn whole(items: Vec<Item>) -> Result<Vec<Transaction>, Doubt> {
    let one = |item| match item {
        Item::Transaction(transaction) => Ok(transaction),
        Item::Flawed(_, doubt) => Err(doubt),
    };
    items.into_iter().map(one).collect()
}

/// The same, item by item: one that cannot be read does not hide the others.
pub(super) fn parse_items(body: &[u8]) -> Result<Items, Doubt> {
    if body.len() > MAX_ANSWER_BYTES {
        return Err(XmlError::TooLong.into());
    }
    let first = body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(body)
        .trim_ascii()
        .first();
    let read = if matches!(first, Some(b'{' | b'[')) {
        from_json(body)?
    } else {
        from_xml(body)?
    };
    let mut items = Vec::with_capacity(read.len());
    for read in read {
        match read {
            Read::Item(item) => items.push(item),
            Read::Refused(refusal) => return Ok(Items::Refused(refusal)),
        }
    }
    Ok(Items::Listed(items))
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

fn from_json(body: &[u8]) -> Result<Vec<Read>, JsonError> {
    let list = match json::read(body, MAX_TRANSACTIONS)? {
        Document::List(list) => list,
        // One transaction may come without a list around it; an error always does.
        Document::One(object) => vec![object],
    };
    let doubts = Doubts {
        shape: JsonError::Shape.into(),
        amount: JsonError::Amount.into(),
        ambiguous: JsonError::Ambiguous.into(),
    };
    let read = |object: &Object| {
        let mut trouble = None;
        let mut field = |spellings: &[&str]| {
            object.text(spellings).unwrap_or_else(|error| {
                trouble.get_or_insert(Doubt::from(error));
                None
            })
        };
        let fields = Fields {
            bill_id: field(&["shopBillId", "shop_bill_id", "shopbillId"]),
            order_number: field(&["shopOrderNumber", "shop_order_number"]),
            payee_id: field(&["payeeId", "payee_id"]),
            status: field(&["status"]),
            amount: field(&["billAmount", "bill_amount"]),
            paid_at: field(&["payDate", "pay_date"]),
            error_code: field(&["errorCode", "error_code"]),
            error: field(&["errorMessage", "error_message", "error"]),
            auth_code: field(&["authCode", "auth_code"]),
        };
        fields.one_of(list.len(), trouble, &doubts)
    };
    Ok(list.iter().map(read).collect())
}

fn from_xml(body: &[u8]) -> Result<Vec<Read>, XmlError> {
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
    let doubts = Doubts {
        shape: XmlError::Shape.into(),
        amount: XmlError::Amount.into(),
        ambiguous: XmlError::Ambiguous.into(),
    };
    let read = |order: &&Node| {
        let mut trouble = None;
        let mut field = |name: &str| match order.value(name) {
            Ok(value) => value.map(str::to_owned),
            Err(error) => {
                trouble.get_or_insert(Doubt::from(error));
                None
            }
        };
        let fields = Fields {
            bill_id: field("shop_bill_id"),
            order_number: field("shop_order_number"),
            payee_id: field("payee_id"),
            status: field("status"),
            amount: field("bill_amount"),
            paid_at: field("pay_date"),
            error_code: field("error_code"),
            error: field("error_message"),
            auth_code: field("auth_code"),
        };
        fields.one_of(orders.len(), trouble, &doubts)
    };
    Ok(orders.iter().map(read).collect())
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
    Item(Item),
    Refused(Refusal),
}

/// What is wrong with a transaction, in the words of its answer's form.
struct Doubts {
    shape: Doubt,
    amount: Doubt,
    ambiguous: Doubt,
}

enum Wrong {
    /// Something is absent or of another kind.
    Shape(Flaw),
    /// A sum that is not exact.
    Amount,
}

impl From<AmountError> for Wrong {
    fn from(AmountError: AmountError) -> Self {
        Self::Amount
    }
}

/// Names go into events, columns and logs.
fn is_name(text: &str, limit: usize) -> bool {
    text.len() <= limit && !text.chars().any(char::is_control)
}

impl Fields {
    /// Reads one item of an answer that has so many.
    fn one_of(self, count: usize, trouble: Option<Doubt>, doubts: &Doubts) -> Read {
        let (flaw, doubt) = match (trouble, self.refused()) {
            (Some(doubt), _) => (Flaw::Form, doubt),
            (None, Some(refusal)) if count == 1 => return Read::Refused(refusal),
            // One refusal among transactions would leave open what was refused.
            (None, Some(_)) => (Flaw::Form, doubts.ambiguous),
            (None, None) => match self.transaction() {
                Ok(transaction) => return Read::Item(Item::Transaction(transaction)),
                Err(Wrong::Shape(flaw)) => (flaw, doubts.shape),
                Err(Wrong::Amount) => (Flaw::Amount, doubts.amount),
            },
        };
        Read::Item(Item::Flawed(self.flawed(flaw), doubt))
    }

    fn code(&self) -> Option<String> {
        self.error_code
            .as_deref()
            .and_then(|code| words(code, CODE_MAX))
    }

    fn word(&self) -> Option<String> {
        self.status
            .as_deref()
            .and_then(|status| words(status, STATUS_MAX))
    }

    /// An error without a transaction is a "no" to the call.
    fn refused(&self) -> Option<Refusal> {
        let code = self.code().filter(|code| code != "0")?;
        let is_transaction = self.bill_id.is_some() && self.word().is_some();
        (!is_transaction).then(|| refused(code, self.error.as_deref()))
    }

    fn transaction(&self) -> Result<Transaction, Wrong> {
        let error_code = self.code().ok_or(Wrong::Shape(Flaw::Form))?;
        let status = self.word().ok_or(Wrong::Shape(Flaw::Status))?;
        let name = |text: &Option<String>, limit| {
            let name = text.clone().filter(|text| is_name(text, limit));
            name.ok_or(Wrong::Shape(Flaw::Name))
        };
        let bill_id = name(&self.bill_id, BILL_ID_MAX)?;
        let order_number = name(&self.order_number, ORDER_NUMBER_MAX)?;
        let payee_id = match &self.payee_id {
            Some(_) => Some(name(&self.payee_id, usize::MAX)?),
            None => None,
        };
        let status = TransactionStatus::from_word(&status);
        let amount = self.amount.as_deref();
        let amount = match Movement::parse(amount.ok_or(Wrong::Shape(Flaw::Amount))?)? {
            Movement::Back(_) if status != TransactionStatus::Return => return Err(Wrong::Amount),
            Movement::Back(amount) | Movement::Forward(amount) => amount,
        };
        let told = |text: &Option<String>, limit| {
            let text = text.as_deref();
            text.and_then(|text| words(text, limit))
        };
        Ok(Transaction {
            bill_id,
            order_number,
            payee_id,
            status,
            amount,
            paid_at: self.paid_at.as_deref().and_then(moment),
            error_code,
            error: told(&self.error, WORDS_MAX),
            auth_code: told(&self.auth_code, CODE_MAX),
        })
    }

    fn flawed(&self, flaw: Flaw) -> FlawedTransaction {
        let name = |text: &Option<String>, limit| text.clone().filter(|text| is_name(text, limit));
        FlawedTransaction {
            // Without an id it is known by what it is: the same transaction has the same name in each reading.
            name: name(&self.bill_id, BILL_ID_MAX).unwrap_or_else(|| self.nameless()),
            order_number: name(&self.order_number, ORDER_NUMBER_MAX),
            payee_id: self.payee_id.clone(),
            status: self.word().map(|word| TransactionStatus::from_word(&word)),
            paid_at: self.paid_at.as_deref().and_then(moment),
            flaw,
        }
    }

    fn nameless(&self) -> String {
        let texts = [&self.bill_id, &self.order_number, &self.status];
        let digest = texts
            .into_iter()
            .chain([&self.amount, &self.paid_at, &self.error_code])
            .fold(Sha256::new(), |digest, text| {
                let text = text.as_deref().unwrap_or_default();
                digest.chain_update(text).chain_update(b"\x1f")
            });
        let digest = hex::encode(digest.finalize());
        format!("nameless-{}", digest.get(..16).unwrap_or_default())
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
