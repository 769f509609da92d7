//! Keeps the projections up with the log.
//!
//! Each projection runs by itself with its own checkpoint. It wakes on a hint that the log has grown and looks by itself
//! every quarter of a second, so a lost hint costs only time. Any number of runners may run at once: they meet on the
//! row lock of the checkpoint, and the one who comes second sees that the page is folded already.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kvit_domain::event::Position;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::build::{self, Advanced, Build, BuildState};
use crate::error::Fault;
use crate::fold;
use crate::log::{Ahead, LogEvent, head, read_page};
use crate::projection::Projection;
use crate::rebuild::{self, RebuildOptions};

/// What happens when an event cannot be folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// The projection stands before the event, says so in its status and metrics, and tries again with growing pauses.
    #[default]
    Stop,
    /// The event is recorded with the reason and left out.
    Park,
}

/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often builds that were replaced are looked for.
const SWEEP: Duration = Duration::from_secs(600);

/// Runs projections.
#[derive(Clone)]
pub struct Projector {
    pool: PgPool,
    projections: Vec<Arc<dyn Projection>>,
    policies: HashMap<String, Policy>,
    page: i64,
    poll: Duration,
    keep_retired: Duration,
}

impl std::fmt::Debug for Projector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Projector").finish_non_exhaustive()
    }
}

/// Where one projection's loop stands.
enum Step {
    /// There may be more at once.
    More,
    /// Everything is folded.
    CaughtUp,
    /// A newer program has built this projection; it is not ours to touch.
    Newer,
}

impl Projector {
    /// All projections of this program. The pool needs at least two connections.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self::of(pool, fold::all())
    }

    /// These projections.
    #[must_use]
    pub fn of(pool: PgPool, projections: Vec<Arc<dyn Projection>>) -> Self {
        Self {
            pool,
            projections,
            policies: HashMap::new(),
            page: 1_000,
            poll: Duration::from_millis(250),
            keep_retired: Duration::from_secs(3_600),
        }
    }

    /// Another policy than [`Policy::Stop`] for one projection.
    #[must_use]
    pub fn with_policy(mut self, name: impl Into<String>, policy: Policy) -> Self {
        self.policies.insert(name.into(), policy);
        self
    }

    /// Most events in one transaction.
    #[must_use]
    pub fn with_page(mut self, events: u32) -> Self {
        self.page = i64::from(events.max(1));
        self
    }

    fn policy(&self, name: &str) -> Policy {
        self.policies.get(name).copied().unwrap_or_default()
    }

    /// Runs until `shutdown`. `hint` is told the newest position that somebody has heard of; it may be wrong, late or
    /// closed.
    pub async fn run(&self, shutdown: CancellationToken, hint: watch::Receiver<Position>) {
        let mut loops = tokio::task::JoinSet::new();
        for projection in &self.projections {
            let (runner, projection) = (self.clone(), Arc::clone(projection));
            let (shutdown, hint) = (shutdown.clone(), hint.clone());
            loops.spawn(async move { runner.supervise(projection, shutdown, hint).await });
        }
        let (runner, token) = (self.clone(), shutdown.clone());
        loops.spawn(async move { runner.sweep(&token).await });
        while loops.join_next().await.is_some() {}
    }

    /// Starts a loop again when a bug in its fold makes it panic, so that the others and the process live on.
    async fn supervise(
        self,
        projection: Arc<dyn Projection>,
        shutdown: CancellationToken,
        hint: watch::Receiver<Position>,
    ) {
        let name = projection.name();
        while !shutdown.is_cancelled() {
            let (runner, projection) = (self.clone(), Arc::clone(&projection));
            let (token, hint) = (shutdown.clone(), hint.clone());
            let running =
                tokio::spawn(async move { runner.follow(&*projection, &token, hint).await });
            if running.await.is_ok() {
                return;
            }
            metrics::gauge!("kvit_projection_stuck", "projection" => name).set(1.0);
            tracing::error!(projection = name, "projection: its runner ended by a panic");
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(LONGEST_PAUSE) => {}
            }
        }
    }

    /// Folds everything that the log holds now, and answers the head that was reached. For tools and tests; a projection
    /// that cannot go on is a fault here.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn catch_up(&self) -> Result<Position, Fault> {
        let until = head(&self.pool).await?;
        for projection in &self.projections {
            let mut work = Work::default();
            let never = CancellationToken::new();
            while work
                .build
                .as_ref()
                .is_none_or(|build| build.checkpoint < until)
            {
                match self.step(&**projection, &mut work, &never).await? {
                    Step::More | Step::CaughtUp => {}
                    Step::Newer => break,
                }
            }
        }
        Ok(until)
    }

    async fn follow(
        &self,
        projection: &dyn Projection,
        shutdown: &CancellationToken,
        mut hint: watch::Receiver<Position>,
    ) {
        let name = projection.name();
        let mut work = Work::default();
        let mut failures = 0_u32;
        while !shutdown.is_cancelled() {
            // A hint counts as heard before the look at the log: one that comes during it makes another look.
            hint.mark_unchanged();
            let pause = match self.step(projection, &mut work, shutdown).await {
                Ok(step) => {
                    if failures > 0 {
                        failures = 0;
                        self.recovered(name, &work).await;
                    }
                    match step {
                        Step::More => continue,
                        Step::CaughtUp => self.poll,
                        Step::Newer => LONGEST_PAUSE,
                    }
                }
                Err(fault) => {
                    failures = failures.saturating_add(1);
                    self.failed(name, &fault, failures).await;
                    work = Work::default();
                    self.poll
                        .saturating_mul(1 << failures.min(8))
                        .min(LONGEST_PAUSE)
                }
            };
            let stands = work.build.as_ref().map_or(0, |build| build.checkpoint);
            let patient = failures > 0;
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
                // A hint does not shorten the pause after a failure.
                () = beyond(&mut hint, stands), if !patient => {}
            }
        }
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "a metric may lose the last digits"
    )]
    async fn failed(&self, name: &'static str, fault: &Fault, failures: u32) {
        if let (Fault::Stuck { position, .. }, Ok(head)) = (fault, head(&self.pool).await) {
            let behind = head.saturating_sub(position.saturating_sub(1));
            metrics::gauge!("kvit_projection_lag_events", "projection" => name).set(behind as f64);
        }
        metrics::gauge!("kvit_projection_stuck", "projection" => name).set(1.0);
        metrics::counter!("kvit_projection_failures_total", "projection" => name).increment(1);
        if fault.is_transient() {
            tracing::warn!(projection = name, failures, error = %fault, "projection: waits");
        } else {
            tracing::error!(projection = name, failures, error = %fault, "projection: stands still");
        }
    }

    async fn recovered(&self, name: &'static str, work: &Work) {
        metrics::gauge!("kvit_projection_stuck", "projection" => name).set(0.0);
        tracing::info!(projection = name, "projection: goes on");
        let Some(build) = &work.build else { return };
        // What it stood before is behind it now. Should this fail, the status still compares with the checkpoint.
        let _ = sqlx::query(
            "DELETE FROM projection_faults WHERE name = $1 AND build = $2 AND NOT parked AND position <= $3",
        )
        .bind(name)
        .bind(build.build)
        .bind(build.checkpoint)
        .execute(&self.pool)
        .await;
    }

    /// Folds one page and reads the next one meanwhile.
    async fn step(
        &self,
        projection: &dyn Projection,
        work: &mut Work,
        shutdown: &CancellationToken,
    ) -> Result<Step, Fault> {
        let build = match work.build.take() {
            Some(build) => build,
            None => match self.open(projection, shutdown).await? {
                Some(build) => build,
                None => return Ok(Step::Newer),
            },
        };
        let page = match work.next.take() {
            Some(page) => page,
            None => {
                read_page(
                    &self.pool,
                    projection.needs(),
                    build.checkpoint,
                    None,
                    self.page,
                )
                .await?
            }
        };
        let Some(last) = page.last() else {
            self.measure(
                projection.name(),
                &build,
                0,
                0,
                Duration::ZERO,
                Duration::ZERO,
            );
            work.build = Some(build);
            return Ok(Step::CaughtUp);
        };
        let to = last.position;
        let full = i64::try_from(page.len()).unwrap_or(i64::MAX) >= self.page;
        let started = Instant::now();
        let policy = self.policy(projection.name());
        // Each takes its own connection and neither waits for the other while it holds one.
        let next = full.then(|| Ahead::read(&self.pool, projection.needs(), to, None, self.page));
        let advanced = build::advance(&self.pool, projection, &build, &page, policy).await?;
        let Advanced::To {
            position: reached,
            lag,
        } = advanced
        else {
            return Ok(Step::More);
        };
        let build = Build {
            checkpoint: reached,
            ..build
        };
        let folded = reached.saturating_sub(page.first().map_or(reached, |event| event.position));
        let behind = if full {
            head(&self.pool).await?.saturating_sub(reached)
        } else {
            0
        };
        self.measure(
            projection.name(),
            &build,
            folded.saturating_add(1),
            behind,
            lag,
            started.elapsed(),
        );
        work.build = Some(build);
        if let Some(next) = next.filter(|_| reached == to) {
            work.next = next.page().await.ok().filter(|page| !page.is_empty());
        }
        Ok(Step::More)
    }

    /// The build to follow: made when there is none, rebuilt when it is of an older version. `None` for a newer one.
    async fn open(
        &self,
        projection: &dyn Projection,
        shutdown: &CancellationToken,
    ) -> Result<Option<Build>, Fault> {
        let name = projection.name();
        let mut connection = self.pool.acquire().await?;
        let active = build::find(&mut connection, name, BuildState::Active).await?;
        drop(connection);
        let active = match active {
            Some(active) if active.version > projection.version() => return Ok(None),
            Some(active) if active.version == projection.version() => active,
            Some(old) => {
                tracing::info!(
                    projection = name,
                    from = old.version,
                    to = projection.version(),
                    "projection: builds its new version beside the old one"
                );
                let options = RebuildOptions {
                    page: self.page,
                    shutdown: shutdown.clone(),
                    ..RebuildOptions::default()
                };
                rebuild::rebuild_with(&self.pool, projection, &options, |progress| {
                    tracing::info!(
                        projection = name,
                        position = progress.position,
                        head = progress.head,
                        eta_s = progress.eta.map(|eta| eta.as_secs()),
                        "projection: rebuild goes on"
                    );
                })
                .await?;
                let mut connection = self.pool.acquire().await?;
                build::find(&mut connection, name, BuildState::Active)
                    .await?
                    .ok_or_else(|| Fault::NotBuilt(name.to_owned()))?
            }
            None => build::make(&self.pool, projection, BuildState::Active).await?,
        };
        let head = head(&self.pool).await?;
        if active.checkpoint > head {
            return Err(Fault::AheadOfLog {
                checkpoint: active.checkpoint,
                head,
            });
        }
        Ok(Some(active))
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "a metric may lose the last digits of a position"
    )]
    fn measure(
        &self,
        name: &'static str,
        build: &Build,
        folded: i64,
        behind: i64,
        lag: Duration,
        took: Duration,
    ) {
        metrics::gauge!("kvit_projection_position", "projection" => name)
            .set(build.checkpoint as f64);
        metrics::gauge!("kvit_projection_lag_events", "projection" => name).set(behind as f64);
        metrics::gauge!("kvit_projection_lag_seconds", "projection" => name).set(lag.as_secs_f64());
        if folded > 0 {
            metrics::counter!("kvit_projection_events_total", "projection" => name)
                .increment(folded.unsigned_abs());
            metrics::histogram!("kvit_projection_page_seconds", "projection" => name)
                .record(took.as_secs_f64());
        }
    }

    async fn sweep(&self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Err(fault) = build::drop_old(&self.pool, self.keep_retired).await {
                tracing::warn!(error = %fault, "projection: old builds were not dropped");
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(SWEEP) => {}
            }
        }
    }
}

/// What a loop carries from step to step.
#[derive(Default)]
struct Work {
    build: Option<Build>,
    /// The page after the one that was folded last.
    next: Option<Vec<LogEvent>>,
}

/// Ends when a new hint says that the log is beyond a position; never, when nobody gives hints any more. A hint that was
/// wrong does not come again, so it cannot make the loop spin.
async fn beyond(hint: &mut watch::Receiver<Position>, position: Position) {
    while hint.changed().await.is_ok() {
        if *hint.borrow_and_update() > position {
            return;
        }
    }
    std::future::pending::<()>().await;
}
