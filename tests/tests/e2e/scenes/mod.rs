//! What people meet.

mod configuration;
mod degraded;
mod demo;
mod mistakes;
mod shopper;
mod thirdparty;
mod webhook;
