//! What must hold for any bytes. The fuzzing engine and the replay of the corpus call the same functions; each panics when
//! its property does not hold, and that is all that it does.

pub mod bundle;
pub mod fiscal_code;
pub mod money;
pub mod names;
pub mod phone;
pub mod public_key;
pub mod receipt_text;

/// A target: its name, and what must hold for any bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target with its name, which is that of its folder in the corpus.
pub const TARGETS: [Target; 7] = [
    ("money", money::holds),
    ("phone", phone::holds),
    ("names", names::holds),
    ("fiscal_code", fiscal_code::holds),
    ("receipt_text", receipt_text::holds),
    ("public_key", public_key::holds),
    ("bundle", bundle::holds),
];
