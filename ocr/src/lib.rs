//! Reading receipts: from the bytes of a photo to a [`kvit_domain::recognition::Recognition`].
//!
//! ```text
//! bytes ─ intake ─▶ photo ─ qr ──────────────▶ identity, date, total (certain)
//!                     │                              │
//!                     └─ preprocess ─ engine ─ layout ─ parser ─▶ merchant, goods, doubts ─▶ Recognition
//! ```
//!
//! - [`intake`]: which bytes are a photo, within which limits; the preview for reviewers.
//! - [`qr`] and [`fiscal_qr`]: the search for a code, and what a fiscal code says.
//! - [`preprocess`]: upright, cropped, evenly lit, straight, with text of one height.
//! - [`engine`] and [`layout`]: Tesseract's words, and the lines they form.
//! - [`parser`]: pure functions from lines to fields; arithmetic decides where reading is doubtful.
//! - [`confidence`]: how sure the whole is.
//! - [`reader`]: all of it, for one photo at a time.
//! - [`samples`]: receipts with invented names, drawn for the demonstration and for tests.
//! - [`bench`]: how well all this reads, measured on folders of photos with ground truth.
//! - [`annotate`]: a photo with the boxes of what was read on it, for people.
//!
//! **Invariants.** The crate touches no database and no network and decides nothing about rewards. Photos come from
//! strangers: every input ends in a typed refusal or in a recognition, within bounded time and memory, without a
//! panic. Native code can still crash on a hostile picture, so the worker runs in a supervised process of its own.
//! Floating point is used on pixels only; every value of the result is an integer or a text.

pub mod annotate;
pub mod bench;
pub mod confidence;
pub mod engine;
pub mod fiscal_qr;
pub mod intake;
pub mod layout;
pub mod lines;
pub mod parser;
mod pixels;
pub mod preprocess;
pub mod qr;
pub mod reader;
pub mod samples;

pub use engine::{EngineConfig, EngineError};
pub use intake::{IntakeError, preview};
pub use reader::{ReadError, ReadOptions, Reader};
