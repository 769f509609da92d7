//! Campaigns and their budgets.

use chrono::NaiveDate;
use kvit_domain::ids::CampaignId;
use sqlx::PgPool;

use super::{AsOf, View, arguments, projection};
use crate::error::Fault;
pub use crate::fold::campaigns::{CampaignDayRow, CampaignRow};

/// All campaigns, newest first, at most [`super::PAGE_MAX`].
///
/// # Errors
/// [`Fault`].
pub async fn campaigns(pool: &PgPool) -> Result<AsOf<Vec<CampaignRow>>, Fault> {
    let mut view = View::open(pool, &[projection::CAMPAIGNS]).await?;
    let rows = view
        .rows(
            "ORDER BY t.drafted_at DESC, t.campaign_id LIMIT 200",
            arguments![],
        )
        .await?;
    Ok(view.as_of(rows))
}

/// A campaign by its id.
///
/// # Errors
/// [`Fault`].
pub async fn campaign(
    pool: &PgPool,
    campaign_id: CampaignId,
) -> Result<AsOf<Option<CampaignRow>>, Fault> {
    let mut view = View::open(pool, &[projection::CAMPAIGNS]).await?;
    let row = view
        .row("WHERE t.campaign_id = $1", arguments![campaign_id.0])
        .await?;
    Ok(view.as_of(row))
}

/// What a campaign promised on a day in Kyiv; `None` when nothing.
///
/// # Errors
/// [`Fault`].
pub async fn campaign_day(
    pool: &PgPool,
    campaign_id: CampaignId,
    day: NaiveDate,
) -> Result<AsOf<Option<CampaignDayRow>>, Fault> {
    let mut view = View::open(pool, &[projection::CAMPAIGNS]).await?;
    let row = view
        .row(
            "WHERE t.campaign_id = $1 AND t.day = $2",
            arguments![campaign_id.0, day],
        )
        .await?;
    Ok(view.as_of(row))
}
