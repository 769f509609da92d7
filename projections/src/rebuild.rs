//! Building a projection anew beside the live one, and switching when it has caught up.

use std::time::{Duration, Instant};

use kvit_domain::event::Position;
use serde::Serialize;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::build::{self, Advanced, Build, BuildState};
use crate::error::Fault;
use crate::fold;
use crate::log::{Ahead, head, read_page};
use crate::projection::Projection;
use crate::replay::{self, Difference};
use crate::runner::Policy;

/// How to rebuild.
#[derive(Debug, Clone)]
pub struct RebuildOptions {
    /// Whether the new tables are compared with the live ones before the switch. The log is the truth: differences are
    /// reported, and the new build takes over all the same.
    pub compare: bool,
    /// Most events in one transaction.
    pub page: i64,
    /// Ends the rebuild; a later one goes on from where it stands.
    pub shutdown: CancellationToken,
}

impl Default for RebuildOptions {
    fn default() -> Self {
        Self {
            compare: false,
            page: 5_000,
            shutdown: CancellationToken::new(),
        }
    }
}

/// How far a rebuild is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RebuildProgress {
    /// Position of the last folded event.
    pub position: Position,
    /// Position of the last event in the log.
    pub head: Position,
    /// Speed so far.
    pub events_per_second: u64,
    /// Time to go at this speed.
    pub eta: Option<Duration>,
}

/// A rebuild that has ended.
#[derive(Debug, Clone, Serialize)]
pub struct Rebuilt {
    /// The projection.
    pub name: String,
    /// Number of the build that is active now.
    pub build: i64,
    /// Position at which it took over.
    pub position: Position,
    /// How long it took.
    pub elapsed: Duration,
    /// How the live tables differed from what the log says; absent when they were not compared, or are of another version,
    /// whose rows are others by intent.
    pub differences: Option<Vec<Difference>>,
}

/// Builds a projection of this program anew and switches to it.
///
/// # Errors
/// [`Fault::Unknown`], [`Fault`]; the live build stays as it is.
pub async fn rebuild(
    pool: &PgPool,
    name: &str,
    options: &RebuildOptions,
    progress: impl FnMut(&RebuildProgress) + Send,
) -> Result<Rebuilt, Fault> {
    let projection = fold::by_name(name).ok_or_else(|| Fault::Unknown(name.to_owned()))?;
    rebuild_with(pool, &*projection, options, progress).await
}

/// As [`rebuild`], for any projection.
///
/// # Errors
/// [`Fault`]; the live build stays as it is.
pub async fn rebuild_with(
    pool: &PgPool,
    projection: &dyn Projection,
    options: &RebuildOptions,
    mut progress: impl FnMut(&RebuildProgress) + Send,
) -> Result<Rebuilt, Fault> {
    let started = Instant::now();
    let mut building = build::make(pool, projection, BuildState::Building).await?;
    if building.version != projection.version() {
        // Left behind by another program that did not come to its end.
        build::drop_build(pool, &building).await?;
        building = build::make(pool, projection, BuildState::Building).await?;
    }
    let first = building.checkpoint;
    let mut differences = None;
    let mut indexed = false;
    loop {
        let mut tell = |position, head| {
            progress(&estimate(first, position, head, started.elapsed()));
        };
        fold_on(pool, projection, &mut building, None, options, &mut tell).await?;
        if !indexed {
            indexed = true;
            build::index(pool, projection, &building).await?;
            // The log may have grown meanwhile.
            continue;
        }
        if options.compare && differences.is_none() && is_comparable(pool, projection).await? {
            differences = Some(replay::compare_builds(pool, projection, &building).await?);
        }
        if build::switch(pool, &building, head(pool).await?).await? {
            break;
        }
        // Either the live build is ahead by a few events, or somebody else has switched.
        let mut connection = pool.acquire().await?;
        let still = build::find(&mut connection, projection.name(), BuildState::Building).await?;
        if still.is_none_or(|still| still.build != building.build) {
            break;
        }
    }
    tracing::info!(
        projection = projection.name(),
        position = building.checkpoint,
        "projection: the new build has taken over"
    );
    Ok(Rebuilt {
        name: projection.name().to_owned(),
        build: building.build,
        position: building.checkpoint,
        elapsed: started.elapsed(),
        differences,
    })
}

/// Whether the live build has the rows that this program would give it.
async fn is_comparable(pool: &PgPool, projection: &dyn Projection) -> Result<bool, Fault> {
    let mut connection = pool.acquire().await?;
    let live = build::find(&mut connection, projection.name(), BuildState::Active).await?;
    Ok(live.is_none_or(|live| live.version == projection.version()))
}

fn estimate(
    first: Position,
    position: Position,
    head: Position,
    elapsed: Duration,
) -> RebuildProgress {
    let done = u128::from(position.saturating_sub(first).unsigned_abs());
    let left = u128::from(head.saturating_sub(position).max(0).unsigned_abs());
    let micros = elapsed.as_micros().max(1);
    let per_second = u64::try_from(done.saturating_mul(1_000_000) / micros).unwrap_or(u64::MAX);
    let eta = micros
        .saturating_mul(left)
        .checked_div(done)
        .and_then(|micros| u64::try_from(micros).ok())
        .map(Duration::from_micros);
    RebuildProgress {
        position,
        head,
        events_per_second: per_second,
        eta,
    }
}

/// Folds a build up to the head, or up to a position; the next page is read while one is folded.
pub(crate) async fn fold_on(
    pool: &PgPool,
    projection: &dyn Projection,
    build: &mut Build,
    until: Option<Position>,
    options: &RebuildOptions,
    progress: &mut (dyn FnMut(Position, Position) + Send),
) -> Result<(), Fault> {
    let needs = projection.needs();
    let mut page = read_page(pool, needs, build.checkpoint, until, options.page).await?;
    let mut told = Instant::now();
    let mut head_then = head(pool).await?;
    while let Some(last) = page.last() {
        if options.shutdown.is_cancelled() {
            return Err(Fault::Transient("the program is stopping".to_owned()));
        }
        let to = last.position;
        let next = Ahead::read(pool, needs, to, until, options.page);
        // A rebuild of what cannot be folded would only end in another build that cannot.
        match build::advance(pool, projection, build, &page, Policy::Stop).await? {
            Advanced::To { position, .. } => {
                build.checkpoint = position;
                page = next.page().await?;
            }
            Advanced::Elsewhere => {
                let mut connection = pool.acquire().await?;
                let standing = build::lock_in_op(&mut connection, &build.name, build.build).await?;
                let Some((state, checkpoint)) = standing else {
                    return Err(Fault::Transient("the build was dropped".to_owned()));
                };
                drop(connection);
                if state != build.state {
                    return Ok(());
                }
                build.checkpoint = checkpoint;
                page = read_page(pool, needs, checkpoint, until, options.page).await?;
            }
        }
        if told.elapsed() >= Duration::from_secs(1) {
            told = Instant::now();
            head_then = head(pool).await?;
        }
        progress(build.checkpoint, head_then.max(build.checkpoint));
    }
    Ok(())
}
