//! What the API shows of the read models. A column that is added there shows up here only when somebody writes it down.

pub mod ledger;
pub mod money;
pub mod oversight;
pub mod people;
pub mod receipt;
pub mod recognition;
pub mod whereabouts;
pub mod work;
