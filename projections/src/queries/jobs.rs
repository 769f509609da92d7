//! Paid jobs.

use kvit_domain::ids::{JobId, UserId};
use kvit_domain::job::JobState;
use sqlx::PgPool;

use super::{AsOf, Page, View, arguments, bounded, projection, read_time_cursor, time_cursor};
use crate::error::Fault;
pub use crate::fold::jobs::JobRow;

/// Which jobs are wanted; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Of this person.
    pub user_id: Option<UserId>,
    /// In this state.
    pub state: Option<JobState>,
}

/// A page of jobs, newest first.
///
/// # Errors
/// [`Fault::BadCursor`], [`Fault`].
pub async fn search(
    pool: &PgPool,
    filter: &JobFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<AsOf<Page<JobRow>>, Fault> {
    let after = read_time_cursor(cursor)?;
    let limit = bounded(limit);
    let mut view = View::open(pool, &[projection::JOBS]).await?;
    let rows = view
        .rows(
            "WHERE ($1::uuid IS NULL OR t.user_id = $1) AND ($2::text IS NULL OR t.state = $2)
               AND ($3::timestamptz IS NULL OR (t.requested_at, t.job_id) < ($3, $4))
             ORDER BY t.requested_at DESC, t.job_id DESC LIMIT $5",
            arguments![
                filter.user_id.map(|id| id.0),
                filter.state.map(JobState::code),
                after.map(|(at, _)| at),
                after.map(|(_, id)| id),
                limit + 1
            ],
        )
        .await?;
    let page = Page::cut(rows, limit, |row: &JobRow| {
        time_cursor(row.requested_at, row.job_id.0)
    });
    Ok(view.as_of(page))
}

/// A job by its id.
///
/// # Errors
/// [`Fault`].
pub async fn job(pool: &PgPool, job_id: JobId) -> Result<AsOf<Option<JobRow>>, Fault> {
    let mut view = View::open(pool, &[projection::JOBS]).await?;
    let row = view
        .row("WHERE t.job_id = $1", arguments![job_id.0])
        .await?;
    Ok(view.as_of(row))
}
