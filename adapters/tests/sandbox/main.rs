//! The simulated services and our client of them, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod bot_api;
mod bot_delivery;
mod bot_files;
mod bot_people;
mod common;
mod front_page;
mod payouts_port;
mod portmone_client;
mod portmone_days;
mod portmone_faults;
mod portmone_gateway;
mod portmone_gateway_faults;
mod portmone_logs;
mod portmone_notices;
mod portmone_payments;
mod portmone_rules;
mod portmone_shop;
mod restart;
mod teloxide_client;
mod yk_client_common;
mod yk_client_lists;
mod yk_client_logs;
mod yk_client_payments;
mod yk_client_payouts;
mod yk_client_refunds;
mod yk_client_wire;
mod yookassa_api;
mod yookassa_common;
mod yookassa_faults;
mod yookassa_hooks;
mod yookassa_sdk;
mod yookassa_time;
