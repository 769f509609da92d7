//! The Telegram bot: updates become commands and queries, and what follows becomes one message a receipt, payout or top-up.
//!
//! ```text
//! polling ─╮                        ╭─ commands ─▶ the log ─▶ bus ─▶ Notices ─╮
//!          ├─▶ inbox ─▶ worker ─▶ tree                                        ├─▶ board ─▶ delivery ─▶ Telegram
//! webhook ─╯  (stored,  (in order   ╰──────────────── answers ────────────────╯  (wishes,   (within its
//!             then      in a chat)                                               one slot    limits)
//!             acknowledged)                                                      a message)
//! ```
//! **Invariant:** an update is durable before it is acknowledged, and handling it twice changes nothing: commands carry keys
//! made from its id, and answers are wishes for slots named by its id. There are no rules and no SQL here.

mod actions;
mod bot;
mod config;
mod delivery;
mod handlers;
mod intake;
mod notices;
pub mod render;
pub mod render_money;
mod texts;
mod trace;
mod trouble;
mod turn;
mod worker;

pub use actions::{Action, Button, Drawn};
pub use bot::{Bot, BotDeps};
pub use config::{Access, BotConfig, Mode};
pub use handlers::schema;
pub use intake::webhook::webhook_router;
pub use notices::{Notices, payment_slot, payout_slot, receipt_slot};
pub use trouble::Trouble;
pub use turn::{DialogueState, Dialogues, Turn};
