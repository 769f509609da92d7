//! What the heavy targets need: their properties.

pub mod properties;
