//! Paid jobs as they stand.

use chrono::{DateTime, Utc};
use kvit_domain::ids::{HoldId, JobId, UserId, WalletId};
use kvit_domain::job::{JobEvent, JobState};
use kvit_domain::money::Currency;

use crate::log::{FoldError, LogEvent, Needs};
use crate::projection::Fold;
use crate::table::{table, tables};

table! {
    /// A paid job.
    JobRow in "jobs"
    key JobKey {
        /// Its id.
        job_id: JobId,
    }
    columns {
        /// Who pays.
        user_id: UserId,
        /// From which wallet.
        wallet_id: WalletId,
        /// Kind, such as `image.generate`.
        kind: String,
        /// A [`JobState`] in snake_case.
        state: String,
        /// 0 to 100.
        percent: i64,
        /// Currency of the amounts.
        currency: Currency,
        /// What was held, minor units.
        estimate_minor: i64,
        /// What it cost, once known.
        cost_minor: Option<i64>,
        /// The hold on the wallet.
        hold_id: Option<HoldId>,
        /// Who works on it.
        worker: Option<String>,
        /// Where the result is in our storage.
        result_key: Option<String>,
        /// Why it failed.
        failure_code: Option<String>,
        /// When it was ordered.
        requested_at: DateTime<Utc>,
        /// When a worker took it.
        started_at: Option<DateTime<Utc>>,
        /// When it completed, failed, was cancelled or expired.
        finished_at: Option<DateTime<Utc>>,
        /// When the result reached its owner.
        delivered_at: Option<DateTime<Utc>>,
        /// When it expires if nobody finishes it.
        expires_at: DateTime<Utc>,
    }
    indexes [
        "(user_id, requested_at DESC)",
        "(state, requested_at DESC)",
        "(requested_at DESC, job_id DESC)",
        "(expires_at) WHERE state IN ('pending', 'processing')"
    ]
}

tables! {
    /// The table of jobs.
    JobsRows {
        /// Jobs.
        jobs: Rows<JobRow>,
    }
}

/// The projection `jobs`.
#[derive(Debug)]
pub struct Jobs;

impl Fold for Jobs {
    const NAME: &'static str = "jobs";
    const VERSION: i64 = 1;
    const NEEDS: Needs = Needs {
        aggregates: &["job"],
        actors: false,
    };
    type Rows = JobsRows;
    type Change = (JobId, JobEvent);

    fn decode(event: &LogEvent) -> Result<Option<Self::Change>, FoldError> {
        if event.stream.aggregate_type != "job" {
            return Ok(None);
        }
        Ok(Some((event.id()?, event.decode()?)))
    }

    fn want(_event: &LogEvent, (job_id, _): &Self::Change, rows: &mut JobsRows) {
        rows.jobs.want(JobKey { job_id: *job_id });
    }

    fn fold(
        event: &LogEvent,
        (job_id, change): Self::Change,
        rows: &mut JobsRows,
    ) -> Result<(), FoldError> {
        if let JobEvent::JobRequested {
            user_id,
            wallet_id,
            kind,
            estimate,
            expires_at,
        } = change
        {
            rows.jobs.put(JobRow {
                job_id,
                user_id,
                wallet_id,
                kind,
                state: JobState::Pending.code().to_owned(),
                percent: 0,
                currency: estimate.currency,
                estimate_minor: estimate.minor,
                cost_minor: None,
                hold_id: None,
                worker: None,
                result_key: None,
                failure_code: None,
                requested_at: event.recorded_at,
                started_at: None,
                finished_at: None,
                delivered_at: None,
                expires_at,
                position: event.position,
            });
            return Ok(());
        }
        let row = rows
            .jobs
            .change(&JobKey { job_id })
            .ok_or(FoldError::Missing("job"))?;
        row.position = event.position;
        if let Some(state) = state_after(&change) {
            state.code().clone_into(&mut row.state);
        }
        let now = Some(event.recorded_at);
        match change {
            JobEvent::JobRequested { .. } => {}
            JobEvent::FundsHeld { hold_id } => row.hold_id = Some(hold_id),
            JobEvent::JobStarted { worker } => {
                row.worker = Some(worker);
                row.started_at = now;
            }
            JobEvent::JobProgressed { percent } => row.percent = i64::from(percent),
            JobEvent::JobCompleted { cost, result_key } => {
                row.percent = 100;
                row.cost_minor = Some(cost.minor);
                row.result_key = Some(result_key);
                row.finished_at = now;
            }
            JobEvent::JobFailed { code } => {
                row.failure_code = Some(code);
                row.finished_at = now;
            }
            JobEvent::JobCancelled {} | JobEvent::JobExpired {} => row.finished_at = now,
            JobEvent::ResultDelivered {} => row.delivered_at = now,
        }
        Ok(())
    }
}

/// The state that an event leads to; none when the state stays.
pub(crate) const fn state_after(change: &JobEvent) -> Option<JobState> {
    Some(match change {
        JobEvent::JobRequested { .. } => JobState::Pending,
        JobEvent::FundsHeld { .. } | JobEvent::JobProgressed { .. } => return None,
        JobEvent::JobStarted { .. } => JobState::Processing,
        JobEvent::JobCompleted { .. } => JobState::Completed,
        JobEvent::JobFailed { .. } => JobState::Failed,
        JobEvent::JobCancelled {} => JobState::Cancelled,
        JobEvent::JobExpired {} => JobState::Expired,
        JobEvent::ResultDelivered {} => JobState::Delivered,
    })
}
