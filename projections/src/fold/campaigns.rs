//! Campaigns with their current terms and what they have promised so far.

use chrono::{DateTime, NaiveDate, Utc};
use kvit_domain::campaign::{CampaignEvent, CampaignState};
use kvit_domain::ids::CampaignId;
use kvit_domain::money::Currency;
use kvit_domain::receipt::ReceiptEvent;
use kvit_domain::rules::{CampaignTerms, kyiv_day};

use crate::column::Json;
use crate::log::{FoldError, LogEvent, Needs};
use crate::projection::Fold;
use crate::table::{table, tables};

table! {
    /// A campaign.
    CampaignRow in "campaigns"
    key CampaignKey {
        /// Its id.
        campaign_id: CampaignId,
    }
    columns {
        /// Its name for people.
        name: String,
        /// `draft`, `active`, `paused` or `archived`.
        state: String,
        /// Version of the terms, from 1.
        version: i64,
        /// Current terms.
        terms: Json<CampaignTerms>,
        /// Currency of the rewards.
        currency: Currency,
        /// Rewards of all accepted receipts, minor units.
        budget_used_minor: i64,
        /// Accepted receipts.
        accepted: i64,
        /// When it was drafted.
        drafted_at: DateTime<Utc>,
    }
    indexes []
}

table! {
    /// What a campaign promised on a day (Europe/Kyiv, day of the decision).
    CampaignDayRow in "campaign_days"
    key CampaignDayKey {
        /// The campaign.
        campaign_id: CampaignId,
        /// The day.
        day: NaiveDate,
    }
    columns {
        /// Rewards, minor units.
        budget_used_minor: i64,
        /// Accepted receipts.
        accepted: i64,
    }
    indexes []
}

tables! {
    /// The tables of campaigns.
    CampaignsRows {
        /// Campaigns.
        campaigns: Rows<CampaignRow>,
        /// Their days.
        days: Rows<CampaignDayRow>,
    }
}

/// What the fold takes from the log.
#[derive(Debug)]
pub enum Change {
    /// Of a campaign.
    Campaign(CampaignId, Box<CampaignEvent>),
    /// A receipt was accepted under a campaign: the reward.
    Accepted(CampaignId, i64),
}

/// The projection `campaigns`.
#[derive(Debug)]
pub struct Campaigns;

impl Fold for Campaigns {
    const NAME: &'static str = "campaigns";
    const VERSION: i64 = 1;
    const NEEDS: Needs = Needs {
        aggregates: &["campaign", "receipt"],
        actors: false,
    };
    type Rows = CampaignsRows;
    type Change = Change;

    fn decode(event: &LogEvent) -> Result<Option<Change>, FoldError> {
        Ok(match event.stream.aggregate_type.as_str() {
            "campaign" => Some(Change::Campaign(event.id()?, Box::new(event.decode()?))),
            "receipt" if event.event_type == "ReceiptAccepted" => match event.decode()? {
                ReceiptEvent::ReceiptAccepted {
                    campaign, reward, ..
                } => Some(Change::Accepted(campaign.id, reward.minor)),
                _ => return Err(FoldError::Payload),
            },
            _ => None,
        })
    }

    fn want(event: &LogEvent, change: &Change, rows: &mut CampaignsRows) {
        let campaign_id = match change {
            Change::Campaign(campaign_id, _) => *campaign_id,
            Change::Accepted(campaign_id, _) => {
                rows.days.want(CampaignDayKey {
                    campaign_id: *campaign_id,
                    day: kyiv_day(event.recorded_at),
                });
                *campaign_id
            }
        };
        rows.campaigns.want(CampaignKey { campaign_id });
    }

    fn fold(event: &LogEvent, change: Change, rows: &mut CampaignsRows) -> Result<(), FoldError> {
        match change {
            Change::Campaign(campaign_id, change) => campaign(event, campaign_id, *change, rows),
            Change::Accepted(campaign_id, reward_minor) => {
                let row = rows
                    .campaigns
                    .change(&CampaignKey { campaign_id })
                    .ok_or(FoldError::Missing("campaign"))?;
                row.budget_used_minor = add(row.budget_used_minor, reward_minor)?;
                row.accepted = add(row.accepted, 1)?;
                row.position = event.position;
                let day = kyiv_day(event.recorded_at);
                let row = rows
                    .days
                    .change_or(&CampaignDayKey { campaign_id, day }, || CampaignDayRow {
                        campaign_id,
                        day,
                        budget_used_minor: 0,
                        accepted: 0,
                        position: 0,
                    });
                row.budget_used_minor = add(row.budget_used_minor, reward_minor)?;
                row.accepted = add(row.accepted, 1)?;
                row.position = event.position;
                Ok(())
            }
        }
    }
}

fn add(left: i64, right: i64) -> Result<i64, FoldError> {
    left.checked_add(right).ok_or(FoldError::Overflow)
}

fn campaign(
    event: &LogEvent,
    campaign_id: CampaignId,
    change: CampaignEvent,
    rows: &mut CampaignsRows,
) -> Result<(), FoldError> {
    if let CampaignEvent::Drafted { name, terms } = change {
        rows.campaigns.put(CampaignRow {
            campaign_id,
            name,
            state: state_code(CampaignState::Draft).to_owned(),
            version: 1,
            currency: terms.currency,
            terms: Json(terms),
            budget_used_minor: 0,
            accepted: 0,
            drafted_at: event.recorded_at,
            position: event.position,
        });
        return Ok(());
    }
    let row = rows
        .campaigns
        .change(&CampaignKey { campaign_id })
        .ok_or(FoldError::Missing("campaign"))?;
    row.position = event.position;
    let state = match change {
        CampaignEvent::Drafted { .. } => CampaignState::Draft,
        CampaignEvent::Activated {} => CampaignState::Active,
        CampaignEvent::Paused {} => CampaignState::Paused,
        CampaignEvent::Archived {} => CampaignState::Archived,
        CampaignEvent::Changed { terms } => {
            row.version = add(row.version, 1)?;
            row.currency = terms.currency;
            row.terms = Json(terms);
            return Ok(());
        }
    };
    state_code(state).clone_into(&mut row.state);
    Ok(())
}

const fn state_code(state: CampaignState) -> &'static str {
    match state {
        CampaignState::New => "new",
        CampaignState::Draft => "draft",
        CampaignState::Active => "active",
        CampaignState::Paused => "paused",
        CampaignState::Archived => "archived",
    }
}
