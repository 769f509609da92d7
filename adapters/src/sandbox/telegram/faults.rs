//! What can go wrong at the simulated Bot API.

use serde::{Deserialize, Serialize};

use crate::sandbox::faults::{Chance, Dice};

/// What happens to one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do", deny_unknown_fields)]
pub enum TelegramAction {
    /// 429; nothing processed.
    TooManyRequests {
        /// Seconds to wait.
        retry_after: u64,
    },
    /// An error answer; nothing processed.
    Error {
        /// Such as 500.
        code: u16,
        /// The description in the answer.
        description: String,
    },
    /// Waits, then processes and answers.
    Delay {
        /// Milliseconds.
        millis: u64,
    },
    /// Cuts the connection, nothing processed.
    DropBefore,
    /// Processes, then cuts the connection.
    DropAfter,
}

/// Chances in thousandths, each drawn in this order for every call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelegramChance {
    /// 429 with `retry_after` of one second; sending and editing only.
    pub too_many_requests: u16,
    /// Cut before processing.
    pub drop_before: u16,
    /// Cut after processing.
    pub drop_after: u16,
    /// An error 500.
    pub server_error: u16,
    /// Late answer.
    pub delay: u16,
    /// How late, in milliseconds.
    pub delay_millis: u64,
    /// An update is delivered once more after it was confirmed.
    pub duplicate_update: u16,
}

impl Chance<TelegramAction> for TelegramChance {
    fn draw(&self, method: &str, dice: &mut Dice) -> Option<TelegramAction> {
        let sends = method.starts_with("send") || method.starts_with("edit");
        let table = [
            (
                if sends { self.too_many_requests } else { 0 },
                TelegramAction::TooManyRequests { retry_after: 1 },
            ),
            (self.drop_before, TelegramAction::DropBefore),
            (self.drop_after, TelegramAction::DropAfter),
            (
                self.server_error,
                TelegramAction::Error {
                    code: 500,
                    description: "Internal Server Error".to_owned(),
                },
            ),
            (
                self.delay,
                TelegramAction::Delay {
                    millis: self.delay_millis,
                },
            ),
        ];
        table
            .into_iter()
            .find_map(|(thousandths, action)| dice.hit(thousandths).then_some(action))
    }
}
