//! PortmoneDirect: paying a mobile account in two steps, `bills.create` (no money moves) and `bills.pay` (money moves).
//!
//! The protocol has no idempotency key and no reference of ours; the bill's id is the only handle. So the client never repeats a
//! call by itself and answers the one question that matters to the caller: **could the provider have acted on it?**
//! [`PayOutcome`] and its sisters have one case for each answer to that, and nothing else.

mod amount;
mod client;
mod config;
mod outcome;
mod payouts;
mod xml;

pub use amount::{AmountError, Kopecks};
pub use client::PortmoneClient;
pub use config::{ConfigError, PortmoneConfig, Secret};
pub use outcome::{
    Bill, BillStatus, CreateOutcome, Doubt, Mismatch, NotSent, PayOutcome, Refusal, StatusOutcome,
};
pub use payouts::{Payees, PortmonePayouts, RefusalCodes};
pub use xml::{Answer, MAX_BYTES, WireBill, XmlError, parse};
