//! What the light targets need: their properties, and the readers of receipts' texts.

#[path = "../../../../ocr/src/fiscal_qr/mod.rs"]
pub mod fiscal_qr;
#[path = "../../../../ocr/src/layout.rs"]
pub mod layout;
#[path = "../../../../ocr/src/parser/mod.rs"]
pub mod parser;
pub mod properties;
