//! What Portmone sends by itself, read without believing it.
//!
//! A notification carries no signature, so it moves no money here: it is evidence and a hint to ask the provider with our own
//! credentials. Still it is read strictly, because what it says about money is compared with our books. The forms: a JSON object
//! about one card payment; an XML document in the form field `data` with paid or reversed bills (`BILLS`), a bank settlement
//! (`PAY_ORDERS`) or a question about payers (`REQUESTS`). Sources: the provider's own shop plugins and third-party clients.

mod answer;
mod claims;
mod read;

use std::fmt;

use chrono::{NaiveDate, NaiveDateTime};

use super::amount::{Kopecks, Movement};
use super::json::JsonError;
use super::tree::XmlError;

pub use answer::{Acknowledgement, Reject, acknowledgement, payers_answer};
pub use claims::PortmoneNotices;
pub use read::{MAX_NOTIFICATION_BYTES, parse_notification};

/// One notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortmoneNotification {
    /// Something happened to one card payment.
    Payment(PaymentNotice),
    /// Bills were paid or reversed.
    Bills(Vec<BillNotice>),
    /// The bank paid out what was collected.
    Settlement(Vec<PayOrder>),
    /// The provider asks whether it may take money for these payers.
    Requests(PayerQuery),
}

/// A card payment that is worth asking about.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentNotice {
    /// Our number of the order.
    pub shop_order_number: String,
    /// The provider's number of the transaction.
    pub shop_bill_id: String,
    /// The provider's word for its state, if it says one.
    pub status: Option<String>,
    /// The payee, if named.
    pub payee_id: Option<String>,
    /// The sum, if named.
    pub amount: Option<Movement>,
}

impl fmt::Debug for PaymentNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaymentNotice")
            .field("shop_order_number", &self.shop_order_number)
            .field("shop_bill_id", &self.shop_bill_id)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// A paid or reversed bill.
#[derive(Clone, PartialEq, Eq)]
pub struct BillNotice {
    /// The provider's id of the bill; a reversal carries the id of the bill that it reverses.
    pub bill_id: String,
    /// What moved: forward when the bill was paid, back when it was reversed.
    pub movement: Movement,
    /// The provider's commission on it. Its direction is the movement's.
    pub commission: Option<Kopecks>,
    /// The payee's code at the provider.
    pub payee_code: Option<String>,
    /// The payee's number of the bill.
    pub bill_number: Option<String>,
    /// The bill's date.
    pub bill_date: Option<NaiveDate>,
    /// When it was paid, Kyiv local time; midnight where only the day is told.
    pub paid_at: Option<NaiveDateTime>,
    /// The provider's word for its state.
    pub status: Option<String>,
    /// The bank's authorisation code.
    pub auth_code: Option<String>,
    /// The payer's contract number, a telephone number with us: never logged.
    pub contract_number: Option<String>,
    /// `ATTRIBUTE1` to `ATTRIBUTE5` of the payer.
    pub attributes: [Option<String>; 5],
}

impl BillNotice {
    /// Names the effect on the books: the same for every copy of the same news, so that it is booked once. A reversal is an effect
    /// of its own on the same bill.
    #[must_use]
    pub fn effect(&self) -> (&str, &'static str) {
        match self.movement {
            Movement::Forward(_) => (&self.bill_id, "paid"),
            Movement::Back(_) => (&self.bill_id, "reversed"),
        }
    }
}

impl fmt::Debug for BillNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BillNotice")
            .field("effect", &self.effect())
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// One payment of the bank to the payee, with the bills that it is made of.
#[derive(Clone, PartialEq, Eq)]
pub struct PayOrder {
    /// The provider's id.
    pub id: String,
    /// The bank's number.
    pub number: Option<String>,
    /// Its date.
    pub date: Option<NaiveDate>,
    /// What arrived.
    pub amount: Kopecks,
    /// The payee's code at the provider.
    pub payee_code: Option<String>,
    /// What it is made of, reversals included.
    pub bills: Vec<BillNotice>,
}

impl fmt::Debug for PayOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PayOrder")
            .field("id", &self.id)
            .field("date", &self.date)
            .field("bills", &self.bills)
            .finish_non_exhaustive()
    }
}

/// The sums of a settlement, in kopecks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettlementSums {
    /// Paid bills.
    pub paid: i64,
    /// Reversed bills, as a positive number.
    pub reversed: i64,
    /// Commission on what was paid, less commission on what was reversed.
    pub fees: i64,
    /// What arrived.
    pub arrived: i64,
}

/// How the sum that arrived fits the bills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettlementFit {
    /// Bills less reversals: the commission is charged some other way.
    Gross,
    /// Bills less reversals less commission.
    Net,
    /// Neither; a person must look.
    Neither {
        /// What arrived less what would have arrived net, in kopecks.
        difference: i64,
    },
}

impl SettlementSums {
    /// Compares what arrived with the bills. `None` when a sum overflows.
    #[must_use]
    pub fn fit(&self) -> Option<SettlementFit> {
        let gross = self.paid.checked_sub(self.reversed)?;
        let net = gross.checked_sub(self.fees)?;
        Some(if self.arrived == net {
            SettlementFit::Net
        } else if self.arrived == gross {
            SettlementFit::Gross
        } else {
            SettlementFit::Neither {
                difference: self.arrived.checked_sub(net)?,
            }
        })
    }
}

impl PayOrder {
    /// Adds the bills up. `None` when a sum overflows.
    #[must_use]
    pub fn sums(&self) -> Option<SettlementSums> {
        let mut sums = SettlementSums {
            paid: 0,
            reversed: 0,
            fees: 0,
            arrived: self.amount.minor(),
        };
        for bill in &self.bills {
            let fee = bill.commission.map_or(0, Kopecks::minor);
            match bill.movement {
                Movement::Forward(amount) => {
                    sums.paid = sums.paid.checked_add(amount.minor())?;
                    sums.fees = sums.fees.checked_add(fee)?;
                }
                Movement::Back(amount) => {
                    sums.reversed = sums.reversed.checked_add(amount.minor())?;
                    sums.fees = sums.fees.checked_sub(fee)?;
                }
            }
        }
        Some(sums)
    }
}

/// A question about payers.
#[derive(Clone, PartialEq, Eq)]
pub struct PayerQuery {
    /// The payee whose payers they would be.
    pub payee: Option<String>,
    /// The payers.
    pub payers: Vec<Payer>,
}

impl fmt::Debug for PayerQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PayerQuery")
            .field("payee", &self.payee)
            .field("payers", &self.payers.len())
            .finish()
    }
}

/// Somebody whom the provider asks about. Personal data: never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Payer {
    /// The contract number.
    pub contract_number: String,
    /// `ATTRIBUTE1` to `ATTRIBUTE5`.
    pub attributes: [Option<String>; 5],
}

impl fmt::Debug for Payer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Payer(hidden)")
    }
}

/// Why a notification cannot be used. Nothing in it may be believed, not even as a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotificationError {
    /// More than [`MAX_NOTIFICATION_BYTES`].
    #[error("the notification is too long")]
    TooLong,
    /// Nothing in it.
    #[error("the notification is empty")]
    Empty,
    /// A media type that the provider does not send.
    #[error("the notification is of an unknown media type")]
    MediaType,
    /// Not UTF-8, or declared as something else.
    #[error("the notification is not in UTF-8")]
    Charset,
    /// An HTML page.
    #[error("the notification is an HTML page")]
    Html,
    /// A form without exactly one field `data`.
    #[error("the form does not hold exactly one document")]
    Form,
    /// A necessary fact is absent or out of bounds.
    #[error("the notification lacks {0}")]
    Missing(&'static str),
    /// An amount that is not a plain decimal, is zero, or has a sign where it may not have one.
    #[error("the notification holds an amount that cannot be read")]
    Amount,
    /// The XML cannot be used.
    #[error("the notification's XML cannot be used: {0}")]
    Xml(#[source] XmlError),
    /// The JSON cannot be used.
    #[error("the notification's JSON cannot be used: {0}")]
    Json(#[source] JsonError),
}

impl From<XmlError> for NotificationError {
    fn from(error: XmlError) -> Self {
        match error {
            XmlError::Charset => Self::Charset,
            XmlError::Empty => Self::Empty,
            XmlError::TooLong => Self::TooLong,
            XmlError::Amount => Self::Amount,
            other => Self::Xml(other),
        }
    }
}

impl From<JsonError> for NotificationError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Charset => Self::Charset,
            JsonError::Empty => Self::Empty,
            JsonError::Amount => Self::Amount,
            other => Self::Json(other),
        }
    }
}

#[cfg(test)]
mod tests;
