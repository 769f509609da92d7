//! Telegram: the durable inbox and board in Postgres, dialogue state, buttons, and the sender over teloxide.
//!
//! The tables and what may rest in them are explained in `migrations/0020_telegram.sql`.

mod board;
mod callbacks;
mod dialogues;
mod inbox;
mod sender;
#[cfg(test)]
mod tests;

use std::time::Duration;

use kvit_commands::ports::messages::MessagesFault;

use crate::postgres::classify;

pub use board::PgMessageBoard;
pub use callbacks::PgCallbackTokens;
pub use dialogues::{DialogueFault, PgDialogues};
pub use inbox::PgUpdateInbox;
pub use sender::{ConnectFault, TelegramSender, connect};

fn fault(error: sqlx::Error) -> MessagesFault {
    match classify::lane(&error) {
        classify::Lane::Transient => MessagesFault::Transient(classify::describe(&error)),
        _ => MessagesFault::Fatal(classify::describe(&error)),
    }
}

/// Whole milliseconds for SQL; longer than 24 days makes no sense here and is cut to that.
fn millis(span: Duration) -> i32 {
    i32::try_from(span.as_millis()).unwrap_or(i32::MAX)
}

/// Whole seconds for SQL.
fn seconds(span: Duration) -> i32 {
    i32::try_from(span.as_secs()).unwrap_or(i32::MAX)
}
