//! What money waits for, by the state of its operation.

use serde::Serialize;

use super::Story;
use crate::fold::jobs::JobRow;
use crate::fold::payments::{PaymentRow, RefundRow, TransferRow};
use crate::fold::payouts::PayoutRow;

/// What has to happen next. The codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// Nothing: it is done.
    Nothing,
    /// Our own next step, which comes by itself.
    NextStep,
    /// The time of the next try.
    Retry,
    /// A day whose budget is not used up.
    DailyBudget,
    /// The provider, who failed several times in a row, to be tried again.
    Breaker,
    /// A person who stopped the provider to let payouts leave again.
    KillSwitch,
    /// The provider's answer to our call.
    ProviderAnswer,
    /// The provider, who has accepted it, to finish it.
    Provider,
    /// The provider to tell whether money moved: nobody knows yet.
    Clarification,
    /// A person who must decide.
    Operator,
    /// The payer to pay.
    Payer,
    /// The seller to take the held money or give it back.
    Capture,
    /// A worker to begin the job.
    Worker,
    /// A worker to finish the job.
    WorkerResult,
    /// Whoever placed the hold to use it or give it up.
    Owner,
}

impl WaitsFor {
    /// The code, as in JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::NextStep => "next_step",
            Self::Retry => "retry",
            Self::DailyBudget => "daily_budget",
            Self::Breaker => "breaker",
            Self::KillSwitch => "kill_switch",
            Self::ProviderAnswer => "provider_answer",
            Self::Provider => "provider",
            Self::Clarification => "clarification",
            Self::Operator => "operator",
            Self::Payer => "payer",
            Self::Capture => "capture",
            Self::Worker => "worker",
            Self::WorkerResult => "worker_result",
            Self::Owner => "owner",
        }
    }
}

pub(super) fn payout(row: PayoutRow) -> Story {
    let (waits_for, until) = match (row.state.as_str(), row.postponed.as_deref()) {
        ("held" | "created", Some("daily_budget")) => (WaitsFor::DailyBudget, row.postponed_until),
        ("held" | "created", Some("breaker")) => (WaitsFor::Breaker, row.postponed_until),
        ("held" | "created", Some("kill_switch")) => (WaitsFor::KillSwitch, row.postponed_until),
        ("held" | "created", Some(_)) => (WaitsFor::Retry, row.postponed_until),
        ("held", None) if row.retry_at.is_some() => (WaitsFor::Retry, row.retry_at),
        ("sent", _) => (WaitsFor::ProviderAnswer, None),
        ("pending", _) => (WaitsFor::Provider, None),
        ("unknown", _) => (WaitsFor::Clarification, None),
        ("in_review", _) => (WaitsFor::Operator, None),
        _ => (WaitsFor::NextStep, None),
    };
    Story {
        state: row.state,
        waits_for,
        until,
        reason: row.postponed.or(row.reason),
    }
}

pub(super) fn transfer(row: TransferRow) -> Story {
    Story {
        state: row.state,
        waits_for: WaitsFor::NextStep,
        until: None,
        reason: row.failure,
    }
}

pub(super) fn refund(row: RefundRow) -> Story {
    let waits_for = match row.state.as_str() {
        "sending" => WaitsFor::ProviderAnswer,
        "pending" => WaitsFor::Provider,
        _ => WaitsFor::NextStep,
    };
    Story {
        state: row.state,
        waits_for,
        until: None,
        reason: row.failure,
    }
}

pub(super) fn job(row: JobRow) -> Story {
    let waits_for = match row.state.as_str() {
        "pending" => WaitsFor::Worker,
        "processing" => WaitsFor::WorkerResult,
        _ => WaitsFor::NextStep,
    };
    Story {
        state: row.state,
        waits_for,
        until: Some(row.expires_at),
        reason: row.failure_code,
    }
}

pub(super) fn payment(row: PaymentRow) -> Story {
    let (waits_for, until) = match row.state.as_str() {
        "sending" => (WaitsFor::ProviderAnswer, Some(row.expires_at)),
        "pending" => (WaitsFor::Payer, Some(row.expires_at)),
        "awaiting_capture" if row.cancel_intended || row.capture_minor.is_some() => {
            (WaitsFor::Provider, row.capture_until)
        }
        "awaiting_capture" => (WaitsFor::Capture, row.capture_until),
        "quarantined" => (WaitsFor::Operator, None),
        _ => (WaitsFor::NextStep, Some(row.expires_at)),
    };
    Story {
        state: row.state,
        waits_for,
        until,
        reason: row.reason,
    }
}
