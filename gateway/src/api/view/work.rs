//! Payouts and jobs.

use chrono::{DateTime, NaiveDateTime, Utc};
use kvit_projections::fold::jobs::JobRow;
use kvit_projections::fold::payouts::PayoutRow;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::amount::Amount;

/// A payout. Where it goes to is nowhere in the read models.
#[derive(Debug, Serialize, ToSchema)]
pub struct Payout {
    /// Its id, also our operation id at the provider.
    pub id: Uuid,
    /// Who gets it.
    pub user_id: Uuid,
    /// From which wallet.
    pub wallet_id: String,
    /// How much.
    pub amount: Amount,
    /// `held`, `created`, `sent`, `pending`, `unknown`, `succeeded`, `failed`, `in_review` or `reversed`.
    #[schema(example = "succeeded")]
    pub state: String,
    /// In which way: `mobile_top_up`, `sbp`, `yoomoney_wallet` or `card_token`.
    #[schema(example = "mobile_top_up")]
    pub method: String,
    /// Whose phone account is credited; empty for other ways than a mobile top-up.
    #[schema(example = "kyivstar")]
    pub operator: String,
    /// Through whom.
    #[schema(example = "portmone")]
    pub provider: String,
    /// The receipt whose bonus it is.
    pub receipt_id: Option<Uuid>,
    /// The hold on the wallet.
    pub hold_id: Option<Uuid>,
    /// Current attempt, from 1.
    pub attempt: i64,
    /// The provider's id of the bill.
    pub bill_id: Option<String>,
    /// The provider's own id of the payout, where it is another one than the bill's.
    pub provider_id: Option<String>,
    /// Why it failed, is unknown or is in review.
    pub reason: Option<String>,
    /// When the next attempt may start.
    pub retry_at: Option<DateTime<Utc>>,
    /// Why it waits before its next step: `daily_budget`, `breaker` or `kill_switch`.
    #[schema(example = "daily_budget")]
    pub postponed: Option<String>,
    /// Since when it waits so.
    pub postponed_since: Option<DateTime<Utc>>,
    /// Until when it waits so, if that is known.
    pub postponed_until: Option<DateTime<Utc>>,
    /// When it was requested.
    pub requested_at: DateTime<Utc>,
    /// When the paying call of the current attempt was about to leave.
    pub sent_at: Option<DateTime<Utc>>,
    /// Since when the provider has it without having finished.
    pub pending_since: Option<DateTime<Utc>>,
    /// Since when nobody knows.
    pub unknown_since: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// When the provider paid, the provider's local time.
    #[schema(value_type = Option<String>, example = "2026-11-18T15:31:00")]
    pub paid_at: Option<NaiveDateTime>,
    /// Position of the event that changed it last.
    pub position: i64,
}

impl From<PayoutRow> for Payout {
    fn from(row: PayoutRow) -> Self {
        Self {
            id: row.payout_id.0,
            user_id: row.user_id.0,
            wallet_id: row.wallet_id.to_string(),
            amount: Amount::of(row.amount_minor, row.currency),
            state: row.state,
            method: row.method,
            operator: row.operator,
            provider: row.provider,
            receipt_id: row.receipt_id.map(|id| id.0),
            hold_id: row.hold_id.map(|id| id.0),
            attempt: row.attempt,
            bill_id: row.bill_id,
            provider_id: row.provider_id,
            reason: row.reason,
            retry_at: row.retry_at,
            postponed: row.postponed,
            postponed_since: row.postponed_since,
            postponed_until: row.postponed_until,
            requested_at: row.requested_at,
            sent_at: row.sent_at,
            pending_since: row.pending_since,
            unknown_since: row.unknown_since,
            finished_at: row.finished_at,
            paid_at: row.paid_at,
            position: row.position,
        }
    }
}

/// A paid job.
#[derive(Debug, Serialize, ToSchema)]
pub struct Job {
    /// Its id.
    pub id: Uuid,
    /// Who pays.
    pub user_id: Uuid,
    /// From which wallet.
    pub wallet_id: String,
    /// Kind of job.
    #[schema(example = "image.generate")]
    pub kind: String,
    /// `pending`, `processing`, `completed`, `delivered`, `failed`, `cancelled` or `expired`.
    #[schema(example = "processing")]
    pub state: String,
    /// 0 to 100.
    pub percent: i64,
    /// What was held.
    pub estimate: Amount,
    /// What it cost.
    pub cost: Option<Amount>,
    /// The hold on the wallet.
    pub hold_id: Option<Uuid>,
    /// Who works on it.
    pub worker: Option<String>,
    /// Where the result is in our storage.
    pub result_key: Option<String>,
    /// Why it failed.
    pub failure_code: Option<String>,
    /// When it was ordered.
    pub requested_at: DateTime<Utc>,
    /// When a worker took it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// When the result reached its owner.
    pub delivered_at: Option<DateTime<Utc>>,
    /// When it expires if nobody finishes it.
    pub expires_at: DateTime<Utc>,
    /// Position of the event that changed it last.
    pub position: i64,
}

impl From<JobRow> for Job {
    fn from(row: JobRow) -> Self {
        Self {
            id: row.job_id.0,
            user_id: row.user_id.0,
            wallet_id: row.wallet_id.to_string(),
            kind: row.kind,
            state: row.state,
            percent: row.percent,
            estimate: Amount::of(row.estimate_minor, row.currency),
            cost: row.cost_minor.map(|minor| Amount::of(minor, row.currency)),
            hold_id: row.hold_id.map(|id| id.0),
            worker: row.worker,
            result_key: row.result_key,
            failure_code: row.failure_code,
            requested_at: row.requested_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            delivered_at: row.delivered_at,
            expires_at: row.expires_at,
            position: row.position,
        }
    }
}
