//! What can go wrong at the simulated provider.

use serde::{Deserialize, Serialize};

pub use super::render::Blemish;
use crate::sandbox::faults::{Chance, Dice};

/// How a payment that is held back ends, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "end")]
pub enum Settle {
    /// Stays pending until the control side settles it.
    ByHand,
    /// Paid when the bill is read for the `reads`-th time.
    Paid {
        /// Counted from one.
        reads: u32,
    },
    /// Rejected when the bill is read for the `reads`-th time.
    Rejected {
        /// Counted from one.
        reads: u32,
    },
}

/// What happens to one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do", deny_unknown_fields)]
pub enum PortmoneAction {
    /// Waits, then processes and answers; processes even if the caller has gone meanwhile.
    Delay {
        /// Milliseconds.
        millis: u64,
    },
    /// Processes at once, answers late.
    DelayAfter {
        /// Milliseconds.
        millis: u64,
    },
    /// Cuts the connection, nothing processed.
    DropBefore,
    /// Processes, then cuts the connection.
    DropAfter,
    /// An HTTP error, nothing processed.
    HttpBefore {
        /// Such as 500.
        status: u16,
    },
    /// Processes, then answers with an HTTP error.
    HttpAfter {
        /// Such as 500.
        status: u16,
    },
    /// `status="fail"`.
    Fail {
        /// The code in the answer.
        code: String,
        /// The words in the answer.
        #[serde(default)]
        description: String,
        /// Whether the call is processed all the same: a provider that says "error" and pays.
        #[serde(default)]
        processed: bool,
    },
    /// Processes the call twice, as a provider's own retry would, and gives the second answer.
    Duplicate,
    /// Processes, then answers with something wrong in it.
    Spoil {
        /// What is wrong.
        blemish: Blemish,
    },
    /// `bills.pay` is accepted but not finished.
    Pending {
        /// How it ends.
        settle: Settle,
    },
}

/// Chances in thousandths of a call, each drawn in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PortmoneChance {
    /// Cut before processing.
    pub drop_before: u16,
    /// Cut after processing.
    pub drop_after: u16,
    /// HTTP 500 before processing.
    pub http_500_before: u16,
    /// HTTP 500 after processing.
    pub http_500_after: u16,
    /// Refused with the simulator's "try later" code.
    pub fail: u16,
    /// Processed, but the answer is cut off.
    pub malformed: u16,
    /// Processed twice.
    pub duplicate: u16,
    /// Payment accepted, paid when first read.
    pub pending: u16,
    /// Late answer.
    pub delay: u16,
    /// How late, in milliseconds.
    pub delay_millis: u64,
}

impl Chance<PortmoneAction> for PortmoneChance {
    fn draw(&self, method: &str, dice: &mut Dice) -> Option<PortmoneAction> {
        let later = || PortmoneAction::Fail {
            code: "s901".to_owned(),
            description: "try later".to_owned(),
            processed: false,
        };
        let pending = if method == "bills.pay" {
            self.pending
        } else {
            0
        };
        let table = [
            (self.drop_before, PortmoneAction::DropBefore),
            (self.drop_after, PortmoneAction::DropAfter),
            (
                self.http_500_before,
                PortmoneAction::HttpBefore { status: 500 },
            ),
            (
                self.http_500_after,
                PortmoneAction::HttpAfter { status: 500 },
            ),
            (self.fail, later()),
            (
                self.malformed,
                PortmoneAction::Spoil {
                    blemish: Blemish::CutOff,
                },
            ),
            (self.duplicate, PortmoneAction::Duplicate),
            (
                pending,
                PortmoneAction::Pending {
                    settle: Settle::Paid { reads: 1 },
                },
            ),
            (
                self.delay,
                PortmoneAction::Delay {
                    millis: self.delay_millis,
                },
            ),
        ];
        table
            .into_iter()
            .find_map(|(thousandths, action)| dice.hit(thousandths).then_some(action))
    }
}
