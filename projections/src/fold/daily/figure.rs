//! Names of the figures.

/// Users by what happened to them: `new`, `forgotten`.
pub const USERS: &str = "users";
/// Receipts by what happened: an event in snake_case such as `submitted`, `accepted`, `review_requested`.
pub const RECEIPTS: &str = "receipts";
/// Rejections by reason.
pub const REJECTED: &str = "rejected";
/// Requests for review by reason.
pub const REVIEW: &str = "review";
/// Receipts by state, as differences.
pub const RECEIPT_STATE: &str = "receipt_state";
/// By the day of submission: `uploaded`, `accepted`, `paid`.
pub const FUNNEL: &str = "funnel";
/// Change of an account on its normal side; all wallets together are `wallets`.
pub const ACCOUNT: &str = "account";
/// Transactions by kind, with their effect on the wallets.
pub const TRANSACTION: &str = "transaction";
/// Holds: `placed`, `captured`, `released`, `expired`.
pub const HOLDS: &str = "holds";
/// What is held, as differences.
pub const HELD: &str = "held";
/// Payouts by `<provider>:<what happened>`.
pub const PAYOUTS: &str = "payouts";
/// Payouts by `<provider>:<state>`, as differences.
pub const PAYOUT_STATE: &str = "payout_state";
/// Payouts that wait, by `<provider>:<reason>`, as differences.
pub const POSTPONED: &str = "postponed";
/// Payments by `<provider>:<what happened>`: `intended`, `succeeded`, `late`, `canceled`, `quarantined`, `resolved`,
/// `contradicted`.
pub const PAYMENTS: &str = "payments";
/// Payments by `<provider>:<state>`, as differences, with what was asked for.
pub const PAYMENT_STATE: &str = "payment_state";
/// Refunds by `<provider>:<what happened>`: `intended`, `succeeded`, `foreign`, `failed`.
pub const REFUNDS: &str = "refunds";
/// Refunds by `<provider>:<state>`, as differences.
pub const REFUND_STATE: &str = "refund_state";
/// What moved between us and a provider by `<provider>:<what>`, from the ledger's transactions: see [`super::flows`].
pub const FLOW: &str = "flow";
/// Notifications by what happened: `received`, `verified`, `quarantined`.
pub const NOTIFICATIONS: &str = "notifications";
/// Jobs by the state that they entered.
pub const JOBS: &str = "jobs";
/// Jobs by state, as differences.
pub const JOB_STATE: &str = "job_state";
/// Refused ledger commands by code.
pub const REFUSALS: &str = "refusals";
