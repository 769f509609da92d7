//! What all endpoints share: problems, extractors, the request's scope, and the layers around everything.

pub mod amount;
pub mod codes;
pub mod cursor;
pub mod extract;
pub mod layers;
pub mod problem;
pub mod random;
pub mod scope;
pub mod table;
pub mod trace;
