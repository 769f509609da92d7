//! What only the clock brings about: jobs and holds whose time has run out.
//!
//! The read models say what may be due; the aggregates decide. One process sweeps, by lease.

use std::sync::Arc;
use std::time::Duration;

use kvit_commands::context::Context;
use kvit_commands::error::CommandError;
use kvit_commands::ports::time::{Clock, System};

use super::parts::Parts;
use crate::shutdown::ShutdownToken;

const EVERY: Duration = Duration::from_secs(10);
const LEASE: &str = "sweeper";
const AT_ONCE: u32 = 500;

/// Sweeps until told to stop.
pub async fn run(parts: Arc<Parts>, shutdown: ShutdownToken) {
    let owner = parts.app.fresh_id().to_string();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        match parts.lease.acquire(LEASE, &owner, EVERY * 3).await {
            Ok(Some(_)) => sweep(&parts).await,
            Ok(None) => {}
            Err(fault) => tracing::warn!(%fault, "the sweeper has no lease"),
        }
    }
}

async fn sweep(parts: &Parts) {
    let now = System.now();
    match kvit_projections::queries::due::jobs(&parts.pool, now, AT_ONCE).await {
        Ok(jobs) => {
            for job_id in jobs {
                let context = Context::new(
                    "policy:sweeper",
                    format!("expire:{job_id}"),
                    format!("expire:{job_id}"),
                );
                log(parts.app.expire_job(job_id, &context).await.map(|_| ()));
            }
        }
        Err(fault) => tracing::warn!(%fault, "due jobs could not be listed"),
    }
    match kvit_projections::queries::due::holds(&parts.pool, now, AT_ONCE).await {
        Ok(holds) => {
            for (wallet_id, hold_id) in holds {
                let context = Context::new(
                    "policy:sweeper",
                    format!("expire:{hold_id}"),
                    format!("expire:{hold_id}"),
                );
                log(parts
                    .app
                    .expire_hold(wallet_id, hold_id, &context)
                    .await
                    .map(|_| ()));
            }
        }
        Err(fault) => tracing::warn!(%fault, "due holds could not be listed"),
    }
}

fn log(result: Result<(), CommandError>) {
    match result {
        Ok(()) => {}
        // The read model was behind: it ended meanwhile.
        Err(CommandError::Rejected(rejection)) => {
            tracing::debug!(code = rejection.code, "nothing was due")
        }
        Err(fault) => {
            tracing::warn!(%fault, "something due could not be expired; the next sweep tries again")
        }
    }
}
