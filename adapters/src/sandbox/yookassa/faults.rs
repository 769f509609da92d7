//! What can go wrong at the simulated provider, and how refunds and payouts end.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sandbox::faults::{Chance, Dice};

/// How a refund or a payout ends, and how long after its creation on the provider's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "end")]
pub enum Outcome {
    /// Stays pending until the control side settles it.
    ByHand,
    /// The money arrives.
    Succeeded {
        /// 0: the answer to the creation already says so.
        #[serde(default)]
        after_seconds: u32,
    },
    /// It never will.
    Canceled {
        /// Such as `insufficient_funds`; any word may be set.
        reason: String,
        /// Who canceled; without it the one that usually goes with the reason.
        #[serde(default)]
        party: Option<String>,
        /// 0: the answer to the creation already says so.
        #[serde(default)]
        after_seconds: u32,
    },
}

impl Outcome {
    /// Canceled at once, by the party that usually goes with the reason.
    #[must_use]
    pub fn canceled(reason: &str) -> Self {
        Self::Canceled {
            reason: reason.to_owned(),
            party: None,
            after_seconds: 0,
        }
    }

    /// Seconds until it ends; `None` if only by hand.
    pub(super) fn after_seconds(&self) -> Option<u32> {
        match self {
            Self::ByHand => None,
            Self::Succeeded { after_seconds } | Self::Canceled { after_seconds, .. } => {
                Some(*after_seconds)
            }
        }
    }
}

/// What is wrong with an answer whose call was processed rightly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "with")]
pub enum Blemish {
    /// The JSON ends in the middle.
    CutOff,
    /// No body at all.
    Empty,
    /// A page for people, with 200.
    Html,
    /// Another value at a place of the answer; `null` takes the member away.
    Replace {
        /// JSON pointer, such as `/amount/value`.
        pointer: String,
        /// The new value.
        value: Value,
    },
}

/// What happens to one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do", deny_unknown_fields)]
pub enum YookassaAction {
    /// Waits, then processes and answers; processes even if the caller has gone meanwhile.
    Delay {
        /// Milliseconds of real time.
        millis: u64,
    },
    /// Processes at once, answers late.
    DelayAfter {
        /// Milliseconds of real time.
        millis: u64,
    },
    /// Cuts the connection, nothing processed.
    DropBefore,
    /// Processes, then cuts the connection.
    DropAfter,
    /// An HTTP error, nothing processed: `internal_server_error` for 500, a proxy's page for others.
    HttpBefore {
        /// Such as 500 or 502.
        status: u16,
    },
    /// Processes, then answers with an HTTP error.
    HttpAfter {
        /// Such as 500 or 504.
        status: u16,
    },
    /// 202, "still at it".
    Accepted {
        /// Whether the call has been processed behind that answer.
        processed: bool,
    },
    /// 429 `too_many_requests`, nothing processed.
    TooManyRequests {
        /// Milliseconds.
        retry_after: u64,
    },
    /// An error object of one's own, nothing processed.
    Refuse {
        /// HTTP status.
        status: u16,
        /// Such as `forbidden`.
        code: String,
        /// The words.
        description: String,
    },
    /// Processes, then answers with something wrong in it.
    Spoil {
        /// What is wrong.
        blemish: Blemish,
    },
    /// The refund or payout that this call makes ends so.
    End {
        /// How.
        outcome: Outcome,
    },
}

/// Chances in thousandths, each drawn in this order; the webhook ones for each notification.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct YookassaChance {
    /// Connection cut, nothing processed.
    pub drop_before: u16,
    /// Processed, connection cut.
    pub drop_after: u16,
    /// HTTP 500, nothing processed.
    pub http_500_before: u16,
    /// Processed, HTTP 500.
    pub http_500_after: u16,
    /// 202, nothing processed.
    pub accepted_before: u16,
    /// 202, processed.
    pub accepted_after: u16,
    /// 429.
    pub too_many: u16,
    /// Broken JSON after processing.
    pub malformed: u16,
    /// An HTML page with 200 after processing.
    pub html: u16,
    /// Late answer.
    pub delay: u16,
    /// How late, in milliseconds.
    pub delay_millis: u64,
    /// A refund or payout that ends canceled.
    pub canceled: u16,
    /// A notification that was taken comes once more.
    pub webhook_again: u16,
    /// Notifications that are due together go out in a drawn order.
    pub webhook_shuffle: u16,
}

impl Chance<YookassaAction> for YookassaChance {
    fn draw(&self, method: &str, dice: &mut Dice) -> Option<YookassaAction> {
        let canceled = match method {
            "refunds.create" | "payouts.create" => self.canceled,
            _ => 0,
        };
        let spoil = |blemish| YookassaAction::Spoil { blemish };
        let table = [
            (self.drop_before, YookassaAction::DropBefore),
            (self.drop_after, YookassaAction::DropAfter),
            (
                self.http_500_before,
                YookassaAction::HttpBefore { status: 500 },
            ),
            (
                self.http_500_after,
                YookassaAction::HttpAfter { status: 500 },
            ),
            (
                self.accepted_before,
                YookassaAction::Accepted { processed: false },
            ),
            (
                self.accepted_after,
                YookassaAction::Accepted { processed: true },
            ),
            (
                self.too_many,
                YookassaAction::TooManyRequests { retry_after: 20 },
            ),
            (self.malformed, spoil(Blemish::CutOff)),
            (self.html, spoil(Blemish::Html)),
            (
                self.delay,
                YookassaAction::Delay {
                    millis: self.delay_millis,
                },
            ),
            (
                canceled,
                YookassaAction::End {
                    outcome: Outcome::canceled("general_decline"),
                },
            ),
        ];
        table
            .into_iter()
            .find_map(|(thousandths, action)| dice.hit(thousandths).then_some(action))
    }
}
