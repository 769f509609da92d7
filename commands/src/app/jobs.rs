//! Paid jobs: the price is held at the order, the cost captured at the end, in one append with the job's own event.

use chrono::{DateTime, Utc};
use kvit_domain::ids::{HoldId, JobId, TransactionId, UserId, WalletId};
use kvit_domain::job::{Job, JobCommand};
use kvit_domain::ledger::{Account, Transaction, TransactionKind};
use kvit_domain::money::Money;
use kvit_domain::rejection::Rejection;
use kvit_domain::wallet::{ReleaseReason, Wallet, WalletCommand};

use super::{App, Done};
use crate::context::Context;
use crate::error::CommandError;
use crate::executor::Streams;

/// An order for a job.
#[derive(Debug, Clone)]
pub struct JobRequest {
    /// Chosen by who orders; the same id twice is one job.
    pub job_id: JobId,
    /// Who pays.
    pub user_id: UserId,
    /// Kind of job, such as `image.generate`.
    pub kind: String,
    /// Price, frozen and held.
    pub estimate: Money,
    /// When the job expires if nobody finishes it.
    pub expires_at: DateTime<Utc>,
}

impl App {
    /// Orders a job and holds its price.
    ///
    /// # Errors
    /// `insufficient_funds`, `wallet_not_open`.
    pub async fn request_job(
        &self,
        request: JobRequest,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let JobRequest {
            job_id,
            user_id,
            kind,
            estimate,
            expires_at,
        } = request;
        let wallet_id = WalletId {
            user: user_id,
            currency: estimate.currency,
        };
        let hold_id = HoldId::derived("job", &job_id.to_string());
        let (id, wallet) = (job_id.to_string(), wallet_id.to_string());
        let body = (job_id, user_id, &kind, estimate, expires_at);
        let committed = self
            .transact(
                Streams::new().with::<Job>(&id).with::<Wallet>(&wallet),
                context,
                "request_job",
                &body,
                |unit| {
                    let command = JobCommand::Request {
                        user_id,
                        wallet_id,
                        kind: kind.clone(),
                        estimate,
                        expires_at,
                        hold_id,
                    };
                    if unit.run::<Job>(&id, &command)? > 0 {
                        let purpose = format!("job:{job_id}");
                        // The job's own expiry releases the hold; the hold's is the net below it.
                        let expires_at = expires_at + chrono::TimeDelta::hours(1);
                        unit.run::<Wallet>(
                            &wallet,
                            &WalletCommand::PlaceHold {
                                hold_id,
                                amount: estimate,
                                purpose,
                                expires_at,
                            },
                        )?;
                    }
                    Ok(())
                },
            )
            .await?;
        Ok(Done::from(&committed))
    }

    /// The job as the log has it now; an empty one when there is none.
    pub async fn job(&self, job_id: JobId) -> Result<Job, CommandError> {
        self.parts.executor.load::<Job>(&job_id.to_string()).await
    }

    /// A worker takes the job.
    pub async fn start_job(
        &self,
        job_id: JobId,
        worker: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.existing_job(job_id).await?;
        self.execute::<Job>(&job_id.to_string(), JobCommand::Start { worker }, context)
            .await
    }

    /// The job goes on.
    pub async fn progress_job(
        &self,
        job_id: JobId,
        percent: u8,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.existing_job(job_id).await?;
        self.execute::<Job>(
            &job_id.to_string(),
            JobCommand::Progress { percent },
            context,
        )
        .await
    }

    /// The job is done: captures its cost and releases the rest of the hold.
    pub async fn complete_job(
        &self,
        job_id: JobId,
        cost: Money,
        result_key: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let job = self.existing_job(job_id).await?;
        let (Some(wallet_id), Some(hold_id)) = (job.wallet_id, job.hold_id) else {
            return Err(missing().into());
        };
        let transaction = Transaction::simple(
            TransactionId::derived("job", &job_id.to_string()),
            TransactionKind::Job,
            Account::Wallet(wallet_id),
            Account::JobsRevenue,
            cost,
            self.today(),
            job_id.to_string(),
        );
        let (id, wallet) = (job_id.to_string(), wallet_id.to_string());
        let body = (job_id, cost, &result_key);
        let committed = self
            .transact(
                Streams::new().with::<Job>(&id).with::<Wallet>(&wallet),
                context,
                "complete_job",
                &body,
                |unit| {
                    let command = JobCommand::Complete {
                        cost,
                        result_key: result_key.clone(),
                    };
                    if unit.run::<Job>(&id, &command)? > 0 {
                        let transaction = transaction.clone();
                        unit.run::<Wallet>(
                            &wallet,
                            &WalletCommand::Capture {
                                hold_id,
                                transaction,
                                release_rest: true,
                            },
                        )?;
                    }
                    Ok(())
                },
            )
            .await?;
        Ok(Done::from(&committed))
    }

    /// The job failed: releases the hold.
    pub async fn fail_job(
        &self,
        job_id: JobId,
        code: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.end_job(
            job_id,
            JobCommand::Fail { code },
            ReleaseReason::Failed,
            context,
        )
        .await
    }

    /// The owner gives the job up: releases the hold.
    ///
    /// # Errors
    /// `not_found` for anybody but the owner.
    pub async fn cancel_job(
        &self,
        job_id: JobId,
        by: UserId,
        context: &Context,
    ) -> Result<Done, CommandError> {
        if self.existing_job(job_id).await?.user_id != Some(by) {
            return Err(missing().into());
        }
        self.end_job(
            job_id,
            JobCommand::Cancel {},
            ReleaseReason::Cancelled,
            context,
        )
        .await
    }

    /// The job's time ran out: releases the hold.
    pub async fn expire_job(&self, job_id: JobId, context: &Context) -> Result<Done, CommandError> {
        let now = self.clock().now();
        self.end_job(
            job_id,
            JobCommand::Expire { now },
            ReleaseReason::Failed,
            context,
        )
        .await
    }

    async fn end_job(
        &self,
        job_id: JobId,
        command: JobCommand,
        reason: ReleaseReason,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let job = self.existing_job(job_id).await?;
        let (Some(wallet_id), Some(hold_id)) = (job.wallet_id, job.hold_id) else {
            return Err(missing().into());
        };
        let (id, wallet) = (job_id.to_string(), wallet_id.to_string());
        let streams = Streams::new().with::<Job>(&id).with::<Wallet>(&wallet);
        let committed = self
            .transact(streams, context, "end_job", &(job_id, reason), |unit| {
                if unit.run::<Job>(&id, &command)? > 0 {
                    unit.run::<Wallet>(&wallet, &WalletCommand::Release { hold_id, reason })?;
                }
                Ok(())
            })
            .await?;
        Ok(Done::from(&committed))
    }

    async fn existing_job(&self, job_id: JobId) -> Result<Job, CommandError> {
        let job = self.job(job_id).await?;
        if job.user_id.is_some() {
            Ok(job)
        } else {
            Err(missing().into())
        }
    }
}

fn missing() -> Rejection {
    Rejection::new("not_found", "there is no such job")
}
