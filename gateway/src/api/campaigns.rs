//! Campaigns with their budgets, and the catalogue.

use axum::Json as JsonAnswer;
use axum::extract::State;
use chrono::{DateTime, Utc};
use kvit_domain::catalogue::Catalogue;
use kvit_domain::ids::CampaignId;
use kvit_domain::matching::Product;
use kvit_projections::queries::campaigns::{self, CampaignRow};
use kvit_projections::queries::projection::CAMPAIGNS;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::PageQuery;
use super::answer::{Fresh, Page, Whole};
use super::terms::Terms;
use crate::auth::{Admit, Read, Viewing};
use crate::http::amount::Amount;
use crate::http::cursor::{self, Listing};
use crate::http::extract::{Path, Query};
use crate::http::problem::Answer;
use crate::parts::Gateway;

/// A campaign.
#[derive(Debug, Serialize, ToSchema)]
pub struct Campaign {
    /// Its id.
    pub id: Uuid,
    /// Its name for people.
    pub name: String,
    /// `draft`, `active`, `paused` or `archived`.
    #[schema(example = "active")]
    pub state: String,
    /// Version of the terms, from 1.
    pub version: i64,
    /// What it promises now.
    pub terms: Terms,
    /// Rewards of all accepted receipts.
    pub budget_used: Amount,
    /// Accepted receipts.
    pub accepted: i64,
    /// When it was drafted.
    pub drafted_at: DateTime<Utc>,
    /// Position of the event that changed it last.
    pub position: i64,
}

impl From<CampaignRow> for Campaign {
    fn from(row: CampaignRow) -> Self {
        Self {
            id: row.campaign_id.0,
            name: row.name,
            state: row.state,
            version: row.version,
            terms: row.terms.0.into(),
            budget_used: Amount::of(row.budget_used_minor, row.currency),
            accepted: row.accepted,
            drafted_at: row.drafted_at,
            position: row.position,
        }
    }
}

/// Campaigns, newest first
///
/// At most 200.
#[utoipa::path(get, path = "/v1/campaigns", tag = "campaigns",
    responses((status = 200, description = "Campaigns.", body = Whole<Campaign>, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn list_campaigns(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
) -> Answer<Fresh<Whole<Campaign>>> {
    read.reach(&gateway, &[CAMPAIGNS]).await?;
    Ok(Fresh::whole(campaigns::campaigns(&gateway.pool).await?))
}

/// A campaign
#[utoipa::path(get, path = "/v1/campaigns/{campaign_id}", tag = "campaigns",
    params(("campaign_id" = Uuid, Path, description = "The campaign.")),
    responses((status = 200, description = "The campaign.", body = Campaign, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn campaign(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Path(id): Path<Uuid>,
) -> Answer<Fresh<Campaign>> {
    read.reach(&gateway, &[CAMPAIGNS]).await?;
    Fresh::one(
        campaigns::campaign(&gateway.pool, CampaignId(id)).await?,
        "campaign",
    )
}

/// A product of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductView {
    /// The catalogue's code.
    #[schema(example = "13204")]
    pub code: String,
    /// Names as the manufacturer writes them.
    pub names: Vec<String>,
    /// Other spellings.
    pub aliases: Vec<String>,
    /// EAN or UPC numbers.
    pub barcodes: Vec<String>,
    /// Whether it matches anything.
    pub active: bool,
}

impl From<Product> for ProductView {
    fn from(product: Product) -> Self {
        Self {
            code: product.code,
            names: product.names,
            aliases: product.aliases,
            barcodes: product.barcodes,
            active: product.active,
        }
    }
}

/// Products of the catalogue, by code
///
/// Straight from the log, so a product that was just put is there.
#[utoipa::path(get, path = "/v1/catalogue/products", tag = "campaigns", params(PageQuery),
    responses((status = 200, description = "Products.", body = Page<ProductView>)),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn list_products(
    _: Admit<Viewing>,
    State(gateway): State<Gateway>,
    Query(query): Query<PageQuery>,
) -> Answer<JsonAnswer<Page<ProductView>>> {
    let listing = Listing::new("/v1/catalogue/products");
    let after = listing.open(query.cursor.as_deref())?;
    let limit = cursor::limit(query.limit)?;
    let catalogue: Catalogue = gateway.app.executor().load("default").await?;
    let beyond = |product: &&Product| {
        after
            .as_deref()
            .is_none_or(|after| product.code.as_str() > after)
    };
    let wanted = limit as usize;
    let mut products: Vec<Product> = catalogue
        .products()
        .filter(beyond)
        .take(wanted.saturating_add(1))
        .cloned()
        .collect();
    let more = products.len() > wanted;
    products.truncate(wanted);
    let next = if more {
        products.last().map(|product| product.code.clone())
    } else {
        None
    };
    Ok(JsonAnswer(Page::new(products, next, &listing, limit)))
}
