//! YooKassa, API v3: payments and refunds with the shop's key, payouts with the gateway's, notifications and lists.
//!
//! No call is repeated behind the caller's back. Each one ends in an answer that says what it means for the money: **could the
//! provider have acted on it?** A repetition under the same idempotence key is the same operation for a day; later only a
//! question can tell what became of it. Amounts are texts on this wire and stay texts until they are integers.

mod addresses;
mod client;
mod config;
#[doc(hidden)]
pub mod fuzz;
mod line;
mod listing;
mod node;
mod notices;
mod objects;
mod outcome;
mod payments;
mod payouts;
mod receipt;
mod statements;

pub use addresses::is_yookassa_address;
pub use client::{SbpBank, YookassaClient};
pub use config::{ConfigError, YookassaAccount, YookassaConfig};
pub use node::{AnswerError, MAX_ANSWER_BYTES};
pub use notices::{MAX_NOTICE_BYTES, YookassaNotices};
pub use outcome::{Doubt, Lost, NotSent};
pub use payments::{YookassaPaymentRules, YookassaPayments};
pub use payouts::YookassaPayouts;
pub use receipt::{ReceiptContact, YookassaReceipt};
pub use statements::YookassaStatements;
