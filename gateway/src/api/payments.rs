//! Payments and refunds as they stand.

use axum::extract::State;
use chrono::{DateTime, Utc};
use kvit_domain::ids::{PaymentId, RefundId, UserId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::payment::{PaymentState, RefundState};
use kvit_projections::queries::payments::{self, PaymentFilter, RefundFilter};
use kvit_projections::queries::projection::PAYMENTS;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::answer::{Fresh, Page};
use super::known;
use super::view::money::{Payment, Refund};
use crate::auth::{Read, Viewing};
use crate::http::cursor::{self, Listing};
use crate::http::extract::{Path, Query};
use crate::http::problem::Answer;
use crate::parts::Gateway;

const STATES: [PaymentState; 8] = [
    PaymentState::Intended,
    PaymentState::Sending,
    PaymentState::Pending,
    PaymentState::AwaitingCapture,
    PaymentState::Succeeded,
    PaymentState::Canceled,
    PaymentState::Quarantined,
    PaymentState::Resolved,
];
const REFUND_STATES: [RefundState; 5] = [
    RefundState::Intended,
    RefundState::Sending,
    RefundState::Pending,
    RefundState::Succeeded,
    RefundState::Failed,
];

/// The provider that a filter names.
pub(super) fn provider(asked: Option<&str>) -> Answer<Option<ProviderName>> {
    known("provider", asked, &ProviderName::ALL, |provider| {
        provider.code()
    })
}

/// Which payments; all conditions must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PaymentQuery {
    /// Of this user.
    user_id: Option<Uuid>,
    /// In this state.
    #[param(example = "quarantined")]
    state: Option<String>,
    /// Through this provider.
    #[param(example = "yookassa")]
    provider: Option<String>,
    /// Intended at this time or later.
    #[serde(default, deserialize_with = "crate::http::extract::plausible_or_none")]
    from: Option<DateTime<Utc>>,
    /// Intended before this time.
    #[serde(default, deserialize_with = "crate::http::extract::plausible_or_none")]
    to: Option<DateTime<Utc>>,
    /// Only those whose money came after nobody waited for it any more.
    #[serde(default)]
    late: bool,
    /// Only those against whose final state the provider says something.
    #[serde(default)]
    contradicted: bool,
    /// From `links.next`.
    cursor: Option<String>,
    /// Rows on a page, 1 to 200; 50 when absent.
    limit: Option<u32>,
}

/// Payments, newest first
#[utoipa::path(get, path = "/v1/payments", tag = "payments", params(PaymentQuery),
    responses((status = 200, description = "Payments.", body = Page<Payment>, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn list_payments(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Query(query): Query<PaymentQuery>,
) -> Answer<Fresh<Page<Payment>>> {
    let filter = PaymentFilter {
        user_id: query.user_id.map(UserId),
        state: known("state", query.state.as_deref(), &STATES, |state| {
            state.code()
        })?,
        provider: provider(query.provider.as_deref())?,
        from: query.from,
        to: query.to,
        late_only: query.late,
        contradicted_only: query.contradicted,
    };
    let rfc3339 = |at: Option<DateTime<Utc>>| at.map(|at| at.to_rfc3339());
    let listing = Listing::new("/v1/payments")
        .filter("user_id", query.user_id.as_ref())
        .filter("state", query.state.as_ref())
        .filter("provider", query.provider.as_ref())
        .filter("from", rfc3339(query.from).as_ref())
        .filter("to", rfc3339(query.to).as_ref())
        .filter("late", query.late.then_some(&true))
        .filter("contradicted", query.contradicted.then_some(&true));
    let after = listing.open(query.cursor.as_deref())?;
    let limit = cursor::limit(query.limit)?;
    read.reach(&gateway, &[PAYMENTS]).await?;
    let answer = payments::search(&gateway.pool, &filter, after.as_deref(), limit).await?;
    Ok(Fresh::page(answer, &listing, limit))
}

/// A payment
#[utoipa::path(get, path = "/v1/payments/{payment_id}", tag = "payments",
    params(("payment_id" = Uuid, Path, description = "The payment.")),
    responses((status = 200, description = "The payment.", body = Payment, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn payment(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Path(id): Path<Uuid>,
) -> Answer<Fresh<Payment>> {
    read.reach(&gateway, &[PAYMENTS]).await?;
    Fresh::one(
        payments::payment(&gateway.pool, PaymentId(id)).await?,
        "payment",
    )
}

/// Which refunds; all conditions must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RefundQuery {
    /// To this user.
    user_id: Option<Uuid>,
    /// Of this payment.
    payment_id: Option<Uuid>,
    /// In this state.
    #[param(example = "pending")]
    state: Option<String>,
    /// Through this provider.
    #[param(example = "yookassa")]
    provider: Option<String>,
    /// Only those that were made without us, in the provider's cabinet.
    #[serde(default)]
    foreign: bool,
    /// From `links.next`.
    cursor: Option<String>,
    /// Rows on a page, 1 to 200; 50 when absent.
    limit: Option<u32>,
}

/// Refunds, newest first
#[utoipa::path(get, path = "/v1/refunds", tag = "payments", params(RefundQuery),
    responses((status = 200, description = "Refunds.", body = Page<Refund>, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn list_refunds(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Query(query): Query<RefundQuery>,
) -> Answer<Fresh<Page<Refund>>> {
    let filter = RefundFilter {
        user_id: query.user_id.map(UserId),
        payment_id: query.payment_id.map(PaymentId),
        state: known("state", query.state.as_deref(), &REFUND_STATES, |state| {
            state.code()
        })?,
        provider: provider(query.provider.as_deref())?,
        foreign_only: query.foreign,
    };
    let listing = Listing::new("/v1/refunds")
        .filter("user_id", query.user_id.as_ref())
        .filter("payment_id", query.payment_id.as_ref())
        .filter("state", query.state.as_ref())
        .filter("provider", query.provider.as_ref())
        .filter("foreign", query.foreign.then_some(&true));
    let after = listing.open(query.cursor.as_deref())?;
    let limit = cursor::limit(query.limit)?;
    read.reach(&gateway, &[PAYMENTS]).await?;
    let answer = payments::refunds(&gateway.pool, &filter, after.as_deref(), limit).await?;
    Ok(Fresh::page(answer, &listing, limit))
}

/// A refund
#[utoipa::path(get, path = "/v1/refunds/{refund_id}", tag = "payments",
    params(("refund_id" = Uuid, Path, description = "The refund.")),
    responses((status = 200, description = "The refund.", body = Refund, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn refund(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Path(id): Path<Uuid>,
) -> Answer<Fresh<Refund>> {
    read.reach(&gateway, &[PAYMENTS]).await?;
    Fresh::one(
        payments::refund(&gateway.pool, RefundId(id)).await?,
        "refund",
    )
}
