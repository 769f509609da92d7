//! Portmone: paying mobile accounts (PortmoneDirect), taking card payments (the payment gateway), and reading its notifications.
//!
//! PortmoneDirect pays in two steps, `bills.create` (no money moves) and `bills.pay` (money moves). It has no idempotency key and no
//! reference of ours; the bill's id is the only handle. The gateway has no idempotency key either, only our order number. So the
//! clients never repeat a call by themselves and answer the one question that matters to the caller: **could the provider have
//! acted on it?** [`PayOutcome`] and its sisters have one case for each answer to that, and nothing else.

mod amount;
mod client;
mod config;
pub mod gateway;
mod json;
mod line;
pub mod notification;
mod outcome;
mod payouts;
mod tree;
mod xml;

pub use amount::{AmountError, Kopecks, Movement};
pub use client::PortmoneClient;
pub use config::{ConfigError, PortmoneConfig, Secret};
pub use json::JsonError;
pub use notification::{
    Acknowledgement, BillNotice, NotificationError, PayOrder, PortmoneNotification,
    acknowledgement, parse_notification,
};
pub use outcome::{
    Bill, BillStatus, CreateOutcome, Doubt, Mismatch, NotSent, PayOutcome, Refusal, StatusOutcome,
};
pub use payouts::{Payees, PortmonePayouts, RefusalCodes};
pub use xml::{Answer, MAX_BYTES, WireBill, XmlError, parse};
