//! Use cases: the executor, the policies, and the ports to the outside.

pub mod ports;
