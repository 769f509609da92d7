//! The binary `kvit` as a library: configuration, the local stack, roles, command line. A library so that end-to-end tests can
//! use the stack and the wiring that the binary uses.

pub mod audit;
pub mod backup;
pub mod boot;
pub mod cli;
pub mod config;
pub mod demo;
pub mod ocr_tools;
pub mod roles;
pub mod shutdown;
pub mod stack;
pub mod telemetry;
pub mod ui;
