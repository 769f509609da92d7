//! What people meet.

mod configuration;
mod degraded;
mod mistakes;
mod shopper;
mod webhook;
