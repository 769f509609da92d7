//! What admins do with campaigns and the catalogue.

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::response::Response;
use kvit_domain::ids::CampaignId;
use kvit_domain::matching::Product;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::{Changed, Created, created};
use super::terms::Terms;
use crate::auth::{Administering, Write};
use crate::http::extract::{Json, Path};
use crate::http::problem::Answer;
use crate::parts::Gateway;

/// A campaign to draft.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCampaign {
    /// Its name for people, at most 200 bytes.
    #[schema(example = "Winter bonus")]
    pub name: String,
    /// What it promises.
    pub terms: Terms,
}

/// Draft a campaign
///
/// The first campaign is the one that receipts take part in. The id of any other follows from the caller and the
/// `Idempotency-Key`, so a repeat names the same campaign.
#[utoipa::path(post, path = "/v1/campaigns", tag = "campaigns", request_body = NewCampaign,
    responses((status = 201, description = "The draft.", body = Created)),
    security(("api_key" = ["admin"])))]
pub async fn draft_campaign(
    write: Write<Administering>,
    State(gateway): State<Gateway>,
    Json(body): Json<NewCampaign>,
) -> Answer<Response> {
    // The campaign that receipts take part in has a fixed id; the first draft, and a repeat of it, is that one.
    let (running, known) = gateway.app.active_campaign().await?;
    let id = if known.version == 0 || known.name == body.name {
        running
    } else {
        CampaignId::derived("api_campaign", write.intention())
    };
    let done = gateway
        .app
        .draft_campaign(id, body.name, body.terms.into_domain()?, &write.context)
        .await?;
    let answer = Created {
        id: id.to_string(),
        position: done.position,
        replayed: done.replayed,
    };
    Ok(created(&format!("/v1/campaigns/{id}"), answer))
}

/// Let a campaign run
#[utoipa::path(post, path = "/v1/campaigns/{campaign_id}/activate", tag = "campaigns",
    params(("campaign_id" = Uuid, Path, description = "The campaign.")),
    responses((status = 200, description = "It runs.", body = Changed)),
    security(("api_key" = ["admin"])))]
pub async fn activate_campaign(
    write: Write<Administering>,
    State(gateway): State<Gateway>,
    Path(campaign_id): Path<Uuid>,
) -> Answer<JsonAnswer<Changed>> {
    let done = gateway
        .app
        .activate_campaign(CampaignId(campaign_id), &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}

/// Pause a campaign
#[utoipa::path(post, path = "/v1/campaigns/{campaign_id}/pause", tag = "campaigns",
    params(("campaign_id" = Uuid, Path, description = "The campaign.")),
    responses((status = 200, description = "It is paused.", body = Changed)),
    security(("api_key" = ["admin"])))]
pub async fn pause_campaign(
    write: Write<Administering>,
    State(gateway): State<Gateway>,
    Path(campaign_id): Path<Uuid>,
) -> Answer<JsonAnswer<Changed>> {
    let done = gateway
        .app
        .pause_campaign(CampaignId(campaign_id), &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}

/// Other terms for a campaign.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangedTerms {
    /// What it promises from now on.
    pub terms: Terms,
}

/// Change a campaign's terms
///
/// A change is a new version. Receipts that were decided keep the version that they were decided under.
#[utoipa::path(put, path = "/v1/campaigns/{campaign_id}/terms", tag = "campaigns", request_body = ChangedTerms,
    params(("campaign_id" = Uuid, Path, description = "The campaign.")),
    responses((status = 200, description = "The new version counts.", body = Changed)),
    security(("api_key" = ["admin"])))]
pub async fn change_campaign(
    write: Write<Administering>,
    State(gateway): State<Gateway>,
    Path(campaign_id): Path<Uuid>,
    Json(body): Json<ChangedTerms>,
) -> Answer<JsonAnswer<Changed>> {
    let terms = body.terms.into_domain()?;
    let done = gateway
        .app
        .change_campaign(CampaignId(campaign_id), terms, &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}

/// A product of the catalogue.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductInput {
    /// Names as the manufacturer writes them; at least one.
    pub names: Vec<String>,
    /// Other spellings that mean this product and nothing else.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// EAN or UPC numbers.
    #[serde(default)]
    pub barcodes: Vec<String>,
    /// Products that are not active match nothing.
    #[serde(default = "yes")]
    pub active: bool,
}

const fn yes() -> bool {
    true
}

/// Add or change a product of the catalogue
#[utoipa::path(put, path = "/v1/catalogue/products/{code}", tag = "campaigns", request_body = ProductInput,
    params(("code" = String, Path, description = "The catalogue's code, at most 60 bytes.", example = "13204")),
    responses((status = 200, description = "The product is as described.", body = Changed)),
    security(("api_key" = ["admin"])))]
pub async fn put_product(
    write: Write<Administering>,
    State(gateway): State<Gateway>,
    Path(code): Path<String>,
    Json(body): Json<ProductInput>,
) -> Answer<JsonAnswer<Changed>> {
    let product = Product {
        code,
        names: body.names,
        aliases: body.aliases,
        barcodes: body.barcodes,
        active: body.active,
    };
    let done = gateway.app.put_product(product, &write.context).await?;
    Ok(JsonAnswer(done.into()))
}
