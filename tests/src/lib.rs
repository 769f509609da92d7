//! What tries the whole: end to end, golden events, house rules, and the benchmark beside its peers. Nothing of the product
//! needs this package.

pub mod sim;
