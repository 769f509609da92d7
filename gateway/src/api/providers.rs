//! The switches of the payment providers.

use axum::Json as JsonAnswer;
use axum::extract::State;
use kvit_domain::ledger::ProviderName;
use kvit_projections::queries::oversight;
use kvit_projections::queries::projection::PAYMENTS;

use super::answer::{Changed, Fresh, Whole};
use super::reason;
use super::users_work::Because;
use super::view::oversight::ProviderSwitch;
use crate::auth::{Administering, Operating, Read, Viewing, Write};
use crate::http::extract::{Json, Path};
use crate::http::problem::{Answer, Problem};
use crate::parts::Gateway;

/// The provider that a part of the address names.
pub(super) fn named_in_path(name: &str) -> Answer<ProviderName> {
    ProviderName::by_code(name).ok_or_else(|| Problem::not_found("provider"))
}

/// The switches of all providers
#[utoipa::path(get, path = "/v1/providers", tag = "providers",
    responses((status = 200, description = "The switches.", body = Whole<ProviderSwitch>,
               headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn list_providers(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
) -> Answer<Fresh<Whole<ProviderSwitch>>> {
    read.reach(&gateway, &[PAYMENTS]).await?;
    let now = gateway.clock.now();
    let answer = oversight::providers(&gateway.pool).await?;
    Ok(Fresh::of(answer, |mut rows| {
        let data = ProviderName::ALL.map(|name| {
            let found = rows.iter().position(|row| row.provider == name.code());
            let row = found.map(|index| rows.swap_remove(index));
            ProviderSwitch::at(name.code(), row, now)
        });
        Whole { data: data.into() }
    }))
}

/// Stop new payouts through a provider
///
/// The kill switch: no payout leaves from this position on. Payouts that are under way are asked about as before.
#[utoipa::path(post, path = "/v1/providers/{provider}/stop", tag = "providers", request_body = Because,
    params(("provider" = String, Path, description = "`portmone`, `yookassa` or `telegram`.", example = "portmone")),
    responses((status = 200, description = "No new payout leaves.", body = Changed)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn stop_provider(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Path(name): Path<String>,
    Json(body): Json<Because>,
) -> Answer<JsonAnswer<Changed>> {
    let provider = named_in_path(&name)?;
    let reason = reason(body.reason)?;
    let done = gateway
        .app
        .stop_provider(provider, reason, &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}

/// Let payouts leave through a provider again
///
/// Whoever stopped it, a person or the breaker.
#[utoipa::path(post, path = "/v1/providers/{provider}/resume", tag = "providers", request_body = Because,
    params(("provider" = String, Path, description = "`portmone`, `yookassa` or `telegram`.", example = "portmone")),
    responses((status = 200, description = "New payouts leave.", body = Changed)),
    security(("api_key" = ["admin"])))]
pub async fn resume_provider(
    write: Write<Administering>,
    State(gateway): State<Gateway>,
    Path(name): Path<String>,
    Json(body): Json<Because>,
) -> Answer<JsonAnswer<Changed>> {
    let provider = named_in_path(&name)?;
    let reason = reason(body.reason)?;
    let done = gateway
        .app
        .resume_provider(provider, reason, &write.context)
        .await?;
    Ok(JsonAnswer(done.into()))
}
