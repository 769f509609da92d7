//! The HTTP interface: the JSON API under `/v1` with its description, the admin page, webhooks of providers, health and
//! metrics.
//!
//! A request passes the layers of [`http`] (id, trace, bounds, a net for panics), then [`auth`] (key, limit, scope,
//! idempotency key), then its handler in `api`, which calls one use case or one query. **Invariants:** no SQL and no rule
//! is here; an answer of success means durable in the log; no error answer holds the text of a fault; every call that
//! changes something carries an idempotency key and stands in the log with the key's id as actor.

mod api;
pub mod auth;
pub mod dead_letters;
pub mod health;
pub mod helpers;
pub mod http;
mod markdown;
pub mod openapi;
mod pages;
mod parts;
mod return_page;
mod router;
mod serve;
pub mod sources;
mod webhooks;

pub use helpers::Helpers;
pub use parts::{BOOTSTRAP_KEY_BYTES_MIN, Gateway, GatewayParts, MetricsRender, Settings, Shared};
pub use router::router;
pub use serve::{ServeLimits, serve, serve_within};
