//! What people meet.

mod configuration;
mod degraded;
mod demo;
mod mistakes;
mod money;
mod shopper;
mod thirdparty;
mod webhook;
