//! How the simulated shop and its payout gateway are set up.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use super::faults::{Outcome, YookassaAction, YookassaChance};
use crate::sandbox::faults::Faults;

/// Seconds from an event to each of its deliveries. Public notes of the provider's engineers give these seven; the last one is
/// nearly a day, so they count from the event and not from the delivery before.
pub const WEBHOOK_OFFSETS: [i64; 7] = [10, 42, 84, 168, 672, 5_376, 86_016];

/// An account with its own key. The shop takes money in, the gateway pays money out, and neither key opens the other's door.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The id, which is the user name of HTTP Basic.
    pub id: String,
    /// The secret key, which is the password.
    pub secret: String,
    /// Whether it is a test account: then every object of it says `"test": true`.
    pub test: bool,
    /// Where its notifications go at first; the control side can change it. `https`, or anything on this machine.
    pub webhook_url: Option<Url>,
}

impl Account {
    fn sandbox(id: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            test: true,
            webhook_url: None,
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("id", &self.id)
            .field("test", &self.test)
            .finish_non_exhaustive()
    }
}

/// Whether the shop must send fiscal receipts, and through whom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receipts {
    /// No receipt is asked for; one that is sent is checked all the same.
    #[default]
    NotNeeded,
    /// "Receipts from YooKassa": the customer's email is required, 80 items at most.
    ByYookassa,
    /// The shop's own till: email or phone, 100 items at most.
    OwnTill,
}

/// Settings of the simulated provider.
#[derive(Debug, Clone)]
pub struct YookassaSettings {
    /// Takes payments and refunds.
    pub shop: Account,
    /// Makes payouts.
    pub gateway: Account,
    /// The provider's fee on a payment in basis points (1 = 0.01 %), rounded half up to the kopeck.
    pub fee_basis_points: u32,
    /// Fiscal receipts.
    pub receipts: Receipts,
    /// How long a person has for paying, in seconds; then the payment is canceled with `expired_on_confirmation`.
    pub confirmation_seconds: i64,
    /// Money for payouts at the start, in kopecks. `None`: never runs out, as at a real test gateway.
    pub payout_balance_minor: Option<i64>,
    /// How a payout ends unless a rule says otherwise.
    pub payout_outcome: Outcome,
    /// How a refund ends unless a rule says otherwise.
    pub refund_outcome: Outcome,
    /// Seconds from an event to each delivery.
    pub webhook_offsets: Vec<i64>,
    /// How long a receiver may take to answer, in milliseconds of real time.
    pub webhook_timeout_millis: u64,
    /// Under which address people reach the payment page. `None`: the address that the sandbox listens on.
    pub public_url: Option<Url>,
    /// What goes wrong from the start.
    pub faults: Faults<YookassaAction, YookassaChance>,
}

impl Default for YookassaSettings {
    fn default() -> Self {
        Self {
            shop: Account::sandbox("100500", "test_sandbox-shop"),
            gateway: Account::sandbox("200600", "test_sandbox-gateway"),
            fee_basis_points: 350,
            receipts: Receipts::default(),
            confirmation_seconds: 3_600,
            payout_balance_minor: Some(100_000_000),
            payout_outcome: Outcome::Succeeded { after_seconds: 5 },
            refund_outcome: Outcome::Succeeded { after_seconds: 0 },
            webhook_offsets: WEBHOOK_OFFSETS.to_vec(),
            webhook_timeout_millis: 10_000,
            public_url: None,
            faults: Faults::default(),
        }
    }
}
