//! The payment gateway: a person pays us by card on the provider's page.
//!
//! We create a link, the person pays, and `result` tells what came of it: the transactions of one order number, of which there can
//! be several (two payments of one order, refunds). Nothing but `result` is believed: the browser's return carries no signature,
//! nor do notifications. Creating a link moves no money and may be repeated. A refund moves money and has no idempotency key, so
//! after an unknown outcome `result` must be read before anything else. Sources: the provider's own shop plugins and recorded
//! answers in third-party clients.

mod answer;
mod client;
mod config;
mod order_number;
mod outcome;
mod payments;
mod signature;
mod statement;

pub use answer::{Answered, MAX_ANSWER_BYTES, parse_transactions};
pub use client::PortmoneGateway;
pub use config::{GatewayConfig, GatewayWire};
pub use order_number::OrderNumber;
pub use outcome::{
    ChangeOutcome, FlawedTransaction, GatewayMismatch, Handle, LinkOrder, LinkOutcome, ListOutcome,
    ResultOutcome, Transaction, TransactionStatus, Window,
};
pub use payments::{PaymentRules, PortmonePayments};
pub use signature::link_signature;

#[cfg(test)]
mod tests;
