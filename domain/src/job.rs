//! A paid job: an amount is held at the request, the actual cost is captured at the end, the rest released.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::aggregate::{Decide, aggregate};
use crate::ids::{HoldId, UserId, WalletId};
use crate::money::Money;
use crate::rejection::Rejection;

/// What happened to a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobEvent {
    /// It was ordered; the price is frozen.
    JobRequested {
        /// Who pays.
        user_id: UserId,
        /// From which wallet.
        wallet_id: WalletId,
        /// Kind of job, such as `image.generate`.
        kind: String,
        /// Estimated cost, held.
        estimate: Money,
        /// When it expires if nobody finishes it.
        expires_at: DateTime<Utc>,
    },
    /// The estimate is reserved on the wallet (same append as the wallet's `HoldPlaced`).
    FundsHeld {
        /// The hold.
        hold_id: HoldId,
    },
    /// A worker took it.
    JobStarted {
        /// Which.
        worker: String,
    },
    /// It goes on.
    JobProgressed {
        /// 0 to 100.
        percent: u8,
    },
    /// It is done; the cost is captured in the same append.
    JobCompleted {
        /// Actual cost, at most the estimate.
        cost: Money,
        /// Where the result is in our storage.
        result_key: String,
    },
    /// It failed; the hold is released in the same append.
    JobFailed {
        /// Why.
        code: String,
    },
    /// Its owner cancelled it; the hold is released in the same append.
    JobCancelled {},
    /// Its time ran out; the hold is released in the same append.
    JobExpired {},
    /// The result reached its owner.
    ResultDelivered {},
}

/// What can be asked of a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields as in JobEvent")]
pub enum JobCommand {
    /// Order it.
    Request {
        user_id: UserId,
        wallet_id: WalletId,
        kind: String,
        estimate: Money,
        expires_at: DateTime<Utc>,
        hold_id: HoldId,
    },
    /// Take it.
    Start { worker: String },
    /// Report progress; going backwards changes nothing.
    Progress { percent: u8 },
    /// Finish it.
    Complete { cost: Money, result_key: String },
    /// Give it up.
    Fail { code: String },
    /// By its owner.
    Cancel {},
    /// By the clock.
    Expire { now: DateTime<Utc> },
    /// The result was sent.
    MarkDelivered {},
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum JobState {
    #[default]
    New,
    Pending,
    Processing,
    Completed,
    Delivered,
    Failed,
    Cancelled,
    Expired,
}

impl JobState {
    /// The name in APIs, metrics and tables.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

/// The job as its events left it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Job {
    /// Where it stands.
    pub state: JobState,
    /// Who pays.
    pub user_id: Option<UserId>,
    /// From which wallet.
    pub wallet_id: Option<WalletId>,
    /// The hold.
    pub hold_id: Option<HoldId>,
    /// What was held.
    pub estimate: Option<Money>,
    /// When it expires.
    pub expires_at: Option<DateTime<Utc>>,
    /// 0 to 100.
    pub percent: u8,
    /// Who works on it.
    pub worker: Option<String>,
}

impl Job {
    fn evolve(&mut self, event: JobEvent) {
        match event {
            JobEvent::JobRequested {
                user_id,
                wallet_id,
                estimate,
                expires_at,
                ..
            } => {
                self.state = JobState::Pending;
                self.user_id = Some(user_id);
                self.wallet_id = Some(wallet_id);
                self.estimate = Some(estimate);
                self.expires_at = Some(expires_at);
            }
            JobEvent::FundsHeld { hold_id } => self.hold_id = Some(hold_id),
            JobEvent::JobStarted { worker } => {
                self.state = JobState::Processing;
                self.worker = Some(worker);
            }
            JobEvent::JobProgressed { percent } => self.percent = percent,
            JobEvent::JobCompleted { .. } => {
                self.percent = 100;
                self.state = JobState::Completed;
            }
            JobEvent::JobFailed { .. } => self.state = JobState::Failed,
            JobEvent::JobCancelled {} => self.state = JobState::Cancelled,
            JobEvent::JobExpired {} => self.state = JobState::Expired,
            JobEvent::ResultDelivered {} => self.state = JobState::Delivered,
        }
    }

    fn refuse(&self) -> Rejection {
        Rejection::new("invalid_state", "the job cannot do this now")
            .with("state", self.state.code())
    }
}

impl Decide for Job {
    fn decide(&self, command: &JobCommand) -> Result<Vec<JobEvent>, Rejection> {
        use JobCommand as C;
        use JobEvent as E;
        use JobState as S;
        let running = matches!(self.state, S::Pending | S::Processing);
        match command.clone() {
            C::Request {
                user_id,
                wallet_id,
                kind,
                estimate,
                expires_at,
                hold_id,
            } => {
                if self.state != S::New {
                    let same = self.wallet_id == Some(wallet_id)
                        && self.estimate == Some(estimate)
                        && self.hold_id == Some(hold_id);
                    return if same {
                        Ok(vec![])
                    } else {
                        Err(Rejection::new(
                            "idempotency_conflict",
                            "the id belongs to another job",
                        ))
                    };
                }
                if kind.is_empty() || kind.len() > 60 {
                    return Err(Rejection::new(
                        "invalid_command",
                        "a job needs a kind of at most 60 bytes",
                    ));
                }
                if !estimate.is_positive() {
                    return Err(Rejection::new(
                        "amount_not_positive",
                        "a paid job needs an estimate above zero",
                    ));
                }
                if wallet_id.user != user_id || wallet_id.currency != estimate.currency {
                    return Err(Rejection::new(
                        "invalid_command",
                        "the wallet is not of this user and currency",
                    ));
                }
                Ok(vec![
                    E::JobRequested {
                        user_id,
                        wallet_id,
                        kind,
                        estimate,
                        expires_at,
                    },
                    E::FundsHeld { hold_id },
                ])
            }
            C::Start { worker } => match self.state {
                S::Pending => Ok(vec![E::JobStarted { worker }]),
                S::Processing if self.worker.as_ref() == Some(&worker) => Ok(vec![]),
                _ => Err(self.refuse()),
            },
            C::Progress { percent } => match self.state {
                S::Processing if percent > self.percent && percent <= 100 => {
                    Ok(vec![E::JobProgressed { percent }])
                }
                S::Processing => Ok(vec![]),
                _ => Err(self.refuse()),
            },
            C::Complete { cost, result_key } => match (self.state, self.estimate) {
                (S::Processing, Some(estimate)) => {
                    if cost.currency != estimate.currency
                        || cost.minor <= 0
                        || cost.minor > estimate.minor
                    {
                        return Err(Rejection::new(
                            "invalid_command",
                            "the cost is above zero and at most the estimate",
                        )
                        .with("estimate_minor", estimate.minor));
                    }
                    Ok(vec![E::JobCompleted { cost, result_key }])
                }
                (S::Completed | S::Delivered, _) => Ok(vec![]),
                _ => Err(self.refuse()),
            },
            C::Fail { code } if running => Ok(vec![E::JobFailed { code }]),
            C::Fail { .. } if self.state == S::Failed => Ok(vec![]),
            C::Cancel {} if running => Ok(vec![E::JobCancelled {}]),
            C::Cancel {} if self.state == S::Cancelled => Ok(vec![]),
            C::Expire { now } if running => match self.expires_at {
                Some(expires_at) if now >= expires_at => Ok(vec![E::JobExpired {}]),
                _ => Err(self.refuse()),
            },
            C::Expire { .. } => Ok(vec![]),
            C::MarkDelivered {} => match self.state {
                S::Completed => Ok(vec![E::ResultDelivered {}]),
                S::Delivered => Ok(vec![]),
                _ => Err(self.refuse()),
            },
            C::Fail { .. } | C::Cancel {} => Err(self.refuse()),
        }
    }
}

aggregate!(
    Job,
    "job",
    JobCommand,
    JobEvent {
        JobRequested,
        FundsHeld,
        JobStarted,
        JobProgressed,
        JobCompleted,
        JobFailed,
        JobCancelled,
        JobExpired,
        ResultDelivered,
    }
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use cqrs_es::test::TestFramework;

    use super::*;
    use crate::money::Currency;

    fn requested() -> Vec<JobEvent> {
        let user_id = UserId::derived("t", "u");
        let expires_at = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let wallet_id = WalletId {
            user: user_id,
            currency: Currency::Uah,
        };
        let estimate = Money::new(50, Currency::Uah);
        vec![
            JobEvent::JobRequested {
                user_id,
                wallet_id,
                kind: "image.generate".into(),
                estimate,
                expires_at,
            },
            JobEvent::FundsHeld {
                hold_id: HoldId::derived("t", "h"),
            },
        ]
    }

    #[test]
    fn a_running_job_completes_within_its_estimate() {
        let given = [
            requested(),
            vec![JobEvent::JobStarted { worker: "w".into() }],
        ]
        .concat();
        let complete = |minor| JobCommand::Complete {
            cost: Money::new(minor, Currency::Uah),
            result_key: "k".into(),
        };
        TestFramework::<Job>::with(())
            .given(given.clone())
            .when(complete(50))
            .then_expect_events(vec![JobEvent::JobCompleted {
                cost: Money::new(50, Currency::Uah),
                result_key: "k".into(),
            }]);
        TestFramework::<Job>::with(())
            .given(given)
            .when(complete(51))
            .then_expect_error(
                Rejection::new(
                    "invalid_command",
                    "the cost is above zero and at most the estimate",
                )
                .with("estimate_minor", 50),
            );
    }

    #[test]
    fn a_job_belongs_to_the_worker_who_took_it() {
        let start = |worker: &str| JobCommand::Start {
            worker: worker.into(),
        };
        let given = || {
            [
                requested(),
                vec![JobEvent::JobStarted {
                    worker: "one".into(),
                }],
            ]
            .concat()
        };
        TestFramework::<Job>::with(())
            .given(given())
            .when(start("one"))
            .then_expect_events(vec![]);
        TestFramework::<Job>::with(())
            .given(given())
            .when(start("two"))
            .then_expect_error(
                Rejection::new("invalid_state", "the job cannot do this now")
                    .with("state", "processing"),
            );
    }

    #[test]
    fn a_finished_job_cannot_be_cancelled() {
        TestFramework::<Job>::with(())
            .given(
                [
                    requested(),
                    vec![JobEvent::JobFailed {
                        code: "provider".into(),
                    }],
                ]
                .concat(),
            )
            .when(JobCommand::Cancel {})
            .then_expect_error(
                Rejection::new("invalid_state", "the job cannot do this now")
                    .with("state", "failed"),
            );
    }
}
