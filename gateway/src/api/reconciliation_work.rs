//! What people do about differences between a provider's lists and our books.

use axum::Json as JsonAnswer;
use axum::extract::State;
use chrono::NaiveDate;
use kvit_domain::ledger::ProviderName;
use kvit_domain::reconciliation::StatementKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::Changed;
use super::providers::named_in_path;
use super::reason;
use super::users_work::Because;
use crate::auth::{Operating, Write};
use crate::http::extract::{Json, Path};
use crate::http::problem::{Answer, Problem};
use crate::parts::Gateway;

/// Parts of the address of a break.
#[derive(Debug, Deserialize)]
pub struct BreakPath {
    provider: String,
    kind: String,
    #[serde(deserialize_with = "crate::http::extract::plausible")]
    day: NaiveDate,
    item: String,
}

impl BreakPath {
    fn statement(&self) -> Answer<(ProviderName, StatementKind, NaiveDate)> {
        let provider = named_in_path(&self.provider)?;
        Ok((provider, kind_of(&self.kind)?, self.day))
    }
}

fn kind_of(code: &str) -> Answer<StatementKind> {
    StatementKind::ALL
        .into_iter()
        .find(|kind| kind.code() == code)
        .ok_or_else(|| Problem::not_found("kind of list"))
}

/// Who takes care of a break.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "owner": "api:3f9c2a7b10d4e856" }))]
pub struct AssignBreak {
    /// A name, 1 to 100 bytes.
    pub owner: String,
}

/// Give a break to somebody
#[utoipa::path(post, path = "/v1/reconciliation/{provider}/{kind}/{day}/breaks/{item}/assign", tag = "reconciliation",
    request_body = AssignBreak,
    params(("provider" = String, Path, description = "Whose statement.", example = "yookassa"),
           ("kind" = String, Path, description = "`payments`, `refunds`, `payouts` or `settlement`."),
           ("day" = NaiveDate, Path, description = "Which day, the provider's."),
           ("item" = String, Path, description = "The item.")),
    responses((status = 200, description = "It has an owner.", body = Changed)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn assign_break(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(path): Path<BreakPath>,
    Json(body): Json<AssignBreak>,
) -> Answer<JsonAnswer<Changed>> {
    let statement = path.statement()?;
    let done = gateway
        .app
        .assign_break(statement, path.item, body.owner, &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}

/// Say how a break was settled
///
/// Nothing is booked by this: what must be corrected is corrected by an adjustment, a refund or the quarantine's decision.
#[utoipa::path(post, path = "/v1/reconciliation/{provider}/{kind}/{day}/breaks/{item}/resolve", tag = "reconciliation",
    request_body = Because,
    params(("provider" = String, Path, description = "Whose statement.", example = "yookassa"),
           ("kind" = String, Path, description = "`payments`, `refunds`, `payouts` or `settlement`."),
           ("day" = NaiveDate, Path, description = "Which day, the provider's."),
           ("item" = String, Path, description = "The item.")),
    responses((status = 200, description = "It is settled.", body = Changed)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn resolve_break(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(path): Path<BreakPath>,
    Json(body): Json<Because>,
) -> Answer<JsonAnswer<Changed>> {
    let statement = path.statement()?;
    let reason = reason(body.reason)?;
    let done = gateway
        .app
        .resolve_break(statement, path.item, reason, &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}

/// Parts of the address of a list.
#[derive(Debug, Deserialize)]
pub struct ListPath {
    provider: String,
    kind: String,
    #[serde(deserialize_with = "crate::http::extract::plausible")]
    day: NaiveDate,
}

/// What a comparison found.
#[derive(Debug, Serialize, ToSchema)]
pub struct Comparison {
    /// Items of the provider's list.
    pub items: usize,
    /// Those that agree with our books.
    pub matched: usize,
    /// Those that do not, old and new.
    pub breaks: usize,
    /// Fees that were booked by it or had been before.
    pub fees: usize,
}

/// Compare a provider's list of a day with our books now
///
/// The same that happens every night. The same day again adds only what is new, and nothing is corrected by it.
#[utoipa::path(post, path = "/v1/reconciliation/{provider}/{kind}/{day}/run", tag = "reconciliation",
    params(("provider" = String, Path, description = "Whose list.", example = "yookassa"),
           ("kind" = String, Path, description = "`payments`, `refunds`, `payouts` or `settlement`."),
           ("day" = NaiveDate, Path, description = "Which day (UTC).")),
    responses((status = 200, description = "The comparison is recorded.", body = Comparison)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn run_comparison(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(path): Path<ListPath>,
) -> Answer<JsonAnswer<Comparison>> {
    let (provider, kind) = (named_in_path(&path.provider)?, kind_of(&path.kind)?);
    let not_configured = || {
        Problem::new(
            "provider_not_configured",
            "no list of this kind is read from the provider",
        )
    };
    let reconciling = gateway
        .helpers
        .reconciling
        .get(&provider)
        .filter(|reconciling| reconciling.kinds().contains(&kind))
        .ok_or_else(not_configured)?;
    let found = reconciling.run(kind, path.day, &write.context).await?;
    Ok(JsonAnswer(Comparison {
        items: found.items,
        matched: found.matched,
        breaks: found.breaks,
        fees: found.fees,
    }))
}
