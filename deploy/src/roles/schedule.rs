//! What happens by the clock: nightly reconciliation and signed checkpoints. One process does it, by lease.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use kvit_adapters::audit::{CheckpointKey, Sealing, make_checkpoint};
use kvit_commands::context::Context;
use kvit_commands::policies::Reconciling;
use kvit_commands::ports::time::{Clock, System};
use kvit_domain::ledger::ProviderName;

use super::parts::Parts;
use crate::shutdown::ShutdownToken;

/// How often the clock is looked at.
const EVERY: Duration = Duration::from_secs(30);
const LEASE: &str = "schedule";
/// Pause between two checkpoints.
const CHECKPOINT_EVERY: TimeDelta = TimeDelta::hours(1);
/// A day is compared when it has been over for so long, so that what was under way at its end has ended.
const RECONCILE_AFTER: TimeDelta = TimeDelta::hours(3);
/// At these ages, in days, a day is compared: providers end operations late, some after weeks.
const AGES: [u64; 8] = [1, 2, 3, 7, 14, 21, 28, 35];
/// Pause after a day that could not be compared.
const COMPARE_AGAIN: TimeDelta = TimeDelta::minutes(10);

/// What the schedule drives.
pub struct Schedule {
    /// Comparisons, by provider.
    pub reconciling: BTreeMap<ProviderName, Arc<Reconciling>>,
    /// The key of checkpoints, if there is one.
    pub checkpoint_key: Option<CheckpointKey>,
}

/// What was done last. A restart does it again, which changes nothing: both are idempotent.
#[derive(Default)]
struct Last {
    checkpoint: Option<DateTime<Utc>>,
    reconciled: Option<NaiveDate>,
    tried: Option<DateTime<Utc>>,
}

/// Follows the schedule until told to stop.
pub async fn run(parts: Arc<Parts>, schedule: Schedule, shutdown: ShutdownToken) {
    let owner = parts.app.fresh_id().to_string();
    let mut last = Last::default();
    loop {
        match parts.lease.acquire(LEASE, &owner, EVERY * 3).await {
            Ok(Some(_)) => {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = look(&parts, &schedule, &mut last) => {}
                }
            }
            Ok(None) => {}
            Err(fault) => tracing::warn!(%fault, "the schedule has no lease"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn look(parts: &Parts, schedule: &Schedule, last: &mut Last) {
    let now = System.now();
    if let Some(key) = &schedule.checkpoint_key
        && last
            .checkpoint
            .is_none_or(|at| now - at >= CHECKPOINT_EVERY)
    {
        match make_checkpoint(&parts.pool, key, now).await {
            Ok(Sealing::Made(signed)) => {
                last.checkpoint = Some(now);
                tracing::info!(
                    position = signed.checkpoint().position,
                    "a checkpoint was signed"
                );
            }
            Ok(_) => last.checkpoint = Some(now),
            Err(fault) => {
                metrics::counter!("kvit_checkpoints_failed_total").increment(1);
                tracing::error!(%fault, "no checkpoint could be signed; the next look tries again");
            }
        }
    }
    let day = (now - RECONCILE_AFTER).date_naive();
    let may_try = last.tried.is_none_or(|at| now - at >= COMPARE_AGAIN);
    if last.reconciled != Some(day) && may_try {
        last.tried = Some(now);
        if reconcile(schedule, day).await {
            last.reconciled = Some(day);
        }
    }
}

/// Compares the days before `today`. Whether all of them could be compared.
async fn reconcile(schedule: &Schedule, today: NaiveDate) -> bool {
    let mut complete = true;
    for back in AGES {
        let Some(day) = today.checked_sub_days(Days::new(back)) else {
            continue;
        };
        for (provider, reconciling) in &schedule.reconciling {
            for kind in reconciling.kinds() {
                let name = format!("reconcile:{}:{}:{day}", provider.code(), kind.code());
                let context = Context::new("policy:reconciliation", name.clone(), name);
                match reconciling.run(kind, day, &context).await {
                    Ok(done) if done.breaks > 0 => {
                        tracing::warn!(provider = provider.code(), kind = kind.code(), %day, breaks = done.breaks, "the provider's list differs from our books");
                    }
                    Ok(_) => {}
                    Err(fault) => {
                        complete = false;
                        tracing::warn!(%fault, provider = provider.code(), kind = kind.code(), %day, "a day could not be compared; the next look tries again");
                    }
                }
            }
        }
    }
    complete
}
