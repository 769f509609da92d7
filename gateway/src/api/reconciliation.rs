//! What comparisons with providers have found.

use axum::extract::State;
use chrono::{Days, NaiveDate};
use kvit_domain::reconciliation::{BreakClass, StatementKind};
use kvit_projections::queries::projection::PAYMENTS;
use kvit_projections::queries::reconcile::{self, BreakFilter};
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::{Fresh, Page, Whole};
use super::known;
use super::payments::provider;
use super::view::oversight::{BreakView, Statement};
use crate::auth::{Read, Viewing};
use crate::http::cursor::{self, Listing};
use crate::http::extract::Query;
use crate::http::problem::Answer;
use crate::parts::Gateway;

const CLASSES: [BreakClass; 5] = [
    BreakClass::TheirsOnly,
    BreakClass::OursOnly,
    BreakClass::AmountDiffers,
    BreakClass::FeeDiffers,
    BreakClass::StatusDiffers,
];
/// Days of lists that are shown when the caller names none.
const DAYS_DEFAULT: u64 = 30;

/// Which lists.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StatementQuery {
    /// From this day on; 30 days before `to` when absent.
    #[serde(default, deserialize_with = "crate::http::extract::plausible_or_none")]
    from: Option<NaiveDate>,
    /// Up to and including this day; today when absent.
    #[serde(default, deserialize_with = "crate::http::extract::plausible_or_none")]
    to: Option<NaiveDate>,
}

/// The lists of providers that were compared, the newest day first
///
/// At most 200.
#[utoipa::path(get, path = "/v1/reconciliation/statements", tag = "reconciliation", params(StatementQuery),
    responses((status = 200, description = "Lists.", body = Whole<Statement>, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn list_statements(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Query(query): Query<StatementQuery>,
) -> Answer<Fresh<Whole<Statement>>> {
    let to = query.to.unwrap_or_else(|| gateway.clock.now().date_naive());
    let from = query
        .from
        .or_else(|| to.checked_sub_days(Days::new(DAYS_DEFAULT)))
        .unwrap_or(to);
    read.reach(&gateway, &[PAYMENTS]).await?;
    let answer = reconcile::statements(&gateway.pool, from, to).await?;
    Ok(Fresh::whole(answer))
}

/// Which breaks; all conditions must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BreakQuery {
    /// Also the resolved ones; then the newest come first, otherwise the oldest.
    #[serde(default)]
    all: bool,
    /// Of this provider.
    #[param(example = "yookassa")]
    provider: Option<String>,
    /// Of this list.
    #[param(example = "payments")]
    kind: Option<String>,
    /// Of this class.
    #[param(example = "theirs_only")]
    class: Option<String>,
    /// Of this owner; empty: those that nobody takes care of.
    owner: Option<String>,
    /// Of this day.
    #[serde(default, deserialize_with = "crate::http::extract::plausible_or_none")]
    day: Option<NaiveDate>,
    /// From `links.next`.
    cursor: Option<String>,
    /// Rows on a page, 1 to 200; 50 when absent.
    limit: Option<u32>,
}

/// Differences between providers' lists and our books
#[utoipa::path(get, path = "/v1/reconciliation/breaks", tag = "reconciliation", params(BreakQuery),
    responses((status = 200, description = "Breaks.", body = Page<BreakView>, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn list_breaks(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Query(query): Query<BreakQuery>,
) -> Answer<Fresh<Page<BreakView>>> {
    let filter = BreakFilter {
        provider: provider(query.provider.as_deref())?,
        kind: known("kind", query.kind.as_deref(), &StatementKind::ALL, |kind| {
            kind.code()
        })?,
        class: known("class", query.class.as_deref(), &CLASSES, |class| {
            class.code()
        })?,
        owner: query.owner.clone(),
        day: query.day,
    };
    let listing = Listing::new("/v1/reconciliation/breaks")
        .filter("all", query.all.then_some(&true))
        .filter("provider", query.provider.as_ref())
        .filter("kind", query.kind.as_ref())
        .filter("class", query.class.as_ref())
        .filter("owner", query.owner.as_ref())
        .filter("day", query.day.as_ref());
    let after = listing.open(query.cursor.as_deref())?;
    let limit = cursor::limit(query.limit)?;
    read.reach(&gateway, &[PAYMENTS]).await?;
    let after = after.as_deref();
    let answer = if query.all {
        reconcile::all_breaks(&gateway.pool, &filter, after, limit).await?
    } else {
        reconcile::open_breaks(&gateway.pool, &filter, after, limit).await?
    };
    Ok(Fresh::page(answer, &listing, limit))
}
