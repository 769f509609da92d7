//! The ports made real: Postgres, NATS, object storage, payout providers, encryption, and the provider sandbox.
//!
//! Only this crate knows an SQLSTATE or a provider's words.

pub mod audit;
pub mod http;
pub mod keys;
pub mod nats;
pub mod notifications;
pub mod portmone;
pub mod postgres;
pub mod s3;
pub mod sandbox;
pub mod telegram;
pub mod traffic;
pub mod vault;
pub mod yookassa;
