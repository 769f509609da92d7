//! The gateway's books: links, transactions, settlements.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, Months, NaiveDate, Utc};
use chrono_tz::Europe::Kyiv;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::sandbox::journal::{JournalError, Remembered, State};
use crate::sandbox::now;

const FIRST_TRANSACTION: u64 = 434_000_001;
const FIRST_SETTLEMENT: u64 = 7_001;

/// A transaction's state, in the provider's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ShopStatus {
    /// The person is at the bank's confirmation.
    Created,
    /// Held on the card.
    Preauth,
    /// Money moved.
    Payed,
    /// Nothing moved, or the hold is released.
    Rejected,
    /// Money moved back.
    Return,
}

impl ShopStatus {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Preauth => "PREAUTH",
            Self::Payed => "PAYED",
            Self::Rejected => "REJECTED",
            Self::Return => "RETURN",
        }
    }
}

/// A page on which an order can be paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Names the page.
    pub token: String,
    /// The shop's number of the order.
    pub order_number: String,
    /// What is to be paid, in kopecks.
    pub amount_minor: i64,
    /// What the person reads.
    pub description: String,
    /// Where the browser goes after a payment.
    pub success_url: String,
    /// Where it goes otherwise.
    pub failure_url: String,
    /// Hold instead of take.
    pub preauth: bool,
    /// Until when the page takes payments.
    pub expires_at: Option<DateTime<Utc>>,
}

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShopTransaction {
    /// The provider's id.
    pub id: u64,
    /// The shop's number of the order.
    pub order_number: String,
    /// Its state.
    pub status: ShopStatus,
    /// The sum in kopecks; of a return, what went back.
    pub amount_minor: i64,
    /// The transaction that a return takes back.
    pub of: Option<u64>,
    /// When.
    pub at: DateTime<Utc>,
    /// The settlement that it is in.
    pub settled: Option<u64>,
}

/// A payment of the bank to the shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShopSettlement {
    /// Its number.
    pub id: u64,
    /// What arrived, in kopecks.
    pub amount_minor: i64,
    /// The commission in it, in kopecks.
    pub fees_minor: i64,
    /// The document as XML.
    pub document: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub(crate) enum Change {
    Linked {
        link: Link,
    },
    /// A new transaction, or a new state of one.
    Moved {
        transaction: ShopTransaction,
    },
    Settled {
        settlement: ShopSettlement,
        transactions: Vec<u64>,
    },
}

/// The whole state.
#[derive(Debug, Default)]
pub(crate) struct ShopBooks {
    pub(crate) links: BTreeMap<String, Link>,
    pub(crate) transactions: BTreeMap<u64, ShopTransaction>,
    pub(crate) settlements: Vec<ShopSettlement>,
}

impl State for ShopBooks {
    type Change = Change;

    fn apply(&mut self, change: Change) {
        match change {
            Change::Linked { link } => {
                self.links.insert(link.token.clone(), link);
            }
            Change::Moved { transaction } => {
                self.transactions.insert(transaction.id, transaction);
            }
            Change::Settled {
                settlement,
                transactions,
            } => {
                for id in transactions {
                    if let Some(transaction) = self.transactions.get_mut(&id) {
                        transaction.settled = Some(settlement.id);
                    }
                }
                self.settlements.push(settlement);
            }
        }
    }
}

/// A "no" of the gateway. Codes 1, 5 and 6 are the provider's, the others the simulator's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShopRefused {
    Unpaid,
    Capture,
    Unknown,
    TooMuch,
    Credentials,
    Signature,
    Amount,
    Order,
    Address,
    Window,
    Method,
    Expired,
}

impl ShopRefused {
    pub(crate) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Unpaid => ("1", "ORA-20001: Рахунок не оплачено."),
            Self::Capture => ("5", "Списання неможливе."),
            Self::Unknown => ("6", "Рахунок не знайдено або вже скасовано."),
            Self::TooMuch => ("s501", "Сума повернення завелика."),
            Self::Credentials => ("s101", "Невірний логін або пароль."),
            Self::Signature => ("s502", "Невірний підпис."),
            Self::Amount => ("s301", "Невірна сума."),
            Self::Order => ("s503", "Невірний номер замовлення."),
            Self::Address => ("s504", "Невірна адреса повернення."),
            Self::Window => ("s505", "Невірні дати."),
            Self::Method => ("p001", "Невідомий метод."),
            Self::Expired => ("s506", "Час оплати вийшов."),
        }
    }
}

/// What a person does on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Pays, or lets the sum be held.
    Pay,
    /// The bank declines.
    Decline,
    /// Goes away from the bank's confirmation.
    Leave,
}

pub(crate) type Outcome<T> = Result<Result<T, ShopRefused>, JournalError>;
type Books = Remembered<ShopBooks>;

impl ShopBooks {
    fn next(&self) -> u64 {
        self.transactions
            .last_key_value()
            .map_or(FIRST_TRANSACTION, |(last, _)| last.saturating_add(1))
    }

    /// What can still go back of a paid transaction.
    pub(crate) fn left(&self, paid: &ShopTransaction) -> i64 {
        let back = self
            .transactions
            .values()
            .filter(|one| one.of == Some(paid.id))
            .fold(0_i64, |sum, one| sum.saturating_add(one.amount_minor));
        paid.amount_minor.saturating_sub(back)
    }

    /// Transactions of an order or a bill whose day is within the window, newest first as in recorded answers.
    pub(crate) fn find(
        &self,
        order: Option<&str>,
        bill: Option<u64>,
        window: (NaiveDate, NaiveDate),
    ) -> Vec<ShopTransaction> {
        let fits = |one: &&ShopTransaction| {
            let day = one.at.with_timezone(&Kyiv).date_naive();
            order.is_none_or(|order| one.order_number == order)
                && bill.is_none_or(|bill| one.id == bill)
                && (window.0..=window.1).contains(&day)
        };
        self.transactions
            .values()
            .rev()
            .filter(fits)
            .cloned()
            .collect()
    }

    fn one(
        &self,
        order: Option<&str>,
        bill: Option<u64>,
        fits: impl Fn(&ShopTransaction) -> bool,
    ) -> Option<ShopTransaction> {
        let about = |one: &&ShopTransaction| match (bill, order) {
            (Some(bill), _) => one.id == bill,
            (None, Some(order)) => one.order_number == order,
            (None, None) => false,
        };
        self.transactions
            .values()
            .filter(about)
            .find(|one| fits(one))
            .cloned()
    }
}

/// The last month, which is what is searched unless other days are asked for.
pub(crate) fn last_month() -> (NaiveDate, NaiveDate) {
    let today = now().with_timezone(&Kyiv).date_naive();
    (
        today.checked_sub_months(Months::new(1)).unwrap_or(today),
        today,
    )
}

pub(crate) fn create_link(books: &mut Books, mut link: Link) -> Result<Link, JournalError> {
    let seed = format!("{}:{}", books.links.len(), link.order_number);
    link.token = hex::encode(Sha256::digest(seed)).chars().take(32).collect();
    books.commit(vec![Change::Linked { link: link.clone() }])?;
    Ok(link)
}

/// A person acts on a page. `days_ago` sets the bank's clock back.
pub(crate) fn act(
    books: &mut Books,
    token: &str,
    deed: Deed,
    days_ago: u64,
    even_expired: bool,
) -> Outcome<ShopTransaction> {
    let Some(link) = books.links.get(token).cloned() else {
        return Ok(Err(ShopRefused::Unknown));
    };
    let at = now();
    if !even_expired && link.expires_at.is_some_and(|end| end < at) {
        return Ok(Err(ShopRefused::Expired));
    }
    let status = match deed {
        Deed::Pay if link.preauth => ShopStatus::Preauth,
        Deed::Pay => ShopStatus::Payed,
        Deed::Decline => ShopStatus::Rejected,
        Deed::Leave => ShopStatus::Created,
    };
    let transaction = ShopTransaction {
        id: books.next(),
        order_number: link.order_number,
        status,
        amount_minor: link.amount_minor,
        of: None,
        at: at.checked_sub_days(Days::new(days_ago)).unwrap_or(at),
        settled: None,
    };
    moved(books, transaction)
}

fn moved(books: &mut Books, transaction: ShopTransaction) -> Outcome<ShopTransaction> {
    books.commit(vec![Change::Moved {
        transaction: transaction.clone(),
    }])?;
    Ok(Ok(transaction))
}

/// Sends money back; all that is left without an amount.
pub(crate) fn refund(
    books: &mut Books,
    order: Option<&str>,
    bill: Option<u64>,
    amount: Option<i64>,
) -> Outcome<ShopTransaction> {
    let payed = |one: &ShopTransaction| one.status == ShopStatus::Payed;
    let enough = |one: &ShopTransaction| {
        let left = books.left(one);
        payed(one) && amount.map_or(left > 0, |amount| amount <= left)
    };
    let Some(paid) = books.one(order, bill, enough) else {
        let refused = match books.one(order, bill, payed) {
            Some(_) => ShopRefused::TooMuch,
            None => ShopRefused::Unpaid,
        };
        return Ok(Err(refused));
    };
    let transaction = ShopTransaction {
        id: books.next(),
        status: ShopStatus::Return,
        amount_minor: amount.unwrap_or_else(|| books.left(&paid)),
        of: Some(paid.id),
        at: now(),
        settled: None,
        ..paid
    };
    moved(books, transaction)
}

/// Takes a held sum or a part of it. Taking it twice in the same amount answers the paid transaction.
pub(crate) fn capture(
    books: &mut Books,
    order: Option<&str>,
    bill: Option<u64>,
    amount: i64,
) -> Outcome<ShopTransaction> {
    let held = |one: &ShopTransaction| one.status == ShopStatus::Preauth;
    match books.one(order, bill, held) {
        Some(held) if amount <= held.amount_minor => moved(
            books,
            ShopTransaction {
                status: ShopStatus::Payed,
                amount_minor: amount,
                ..held
            },
        ),
        Some(_) => Ok(Err(ShopRefused::Capture)),
        None => {
            let taken = |one: &ShopTransaction| {
                one.status == ShopStatus::Payed && one.amount_minor == amount
            };
            Ok(books.one(order, bill, taken).ok_or(ShopRefused::Capture))
        }
    }
}

/// Releases a held sum.
pub(crate) fn release(
    books: &mut Books,
    order: Option<&str>,
    bill: Option<u64>,
) -> Outcome<ShopTransaction> {
    let held = |one: &ShopTransaction| one.status == ShopStatus::Preauth;
    match books.one(order, bill, held) {
        Some(held) => moved(
            books,
            ShopTransaction {
                status: ShopStatus::Rejected,
                ..held
            },
        ),
        None => Ok(Err(ShopRefused::Unknown)),
    }
}

/// The transactions that no settlement holds yet.
pub(crate) fn unsettled(books: &ShopBooks) -> Vec<ShopTransaction> {
    let money = |one: &&ShopTransaction| {
        one.settled.is_none() && matches!(one.status, ShopStatus::Payed | ShopStatus::Return)
    };
    books.transactions.values().filter(money).cloned().collect()
}

pub(crate) fn next_settlement(books: &ShopBooks) -> u64 {
    let count = u64::try_from(books.settlements.len()).unwrap_or(u64::MAX);
    FIRST_SETTLEMENT.saturating_add(count)
}
