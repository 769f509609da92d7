//! Wallets with balances, statements and holds.

use axum::extract::State;
use kvit_domain::ids::{UserId, WalletId};
use kvit_projections::queries::projection::{JOBS, LEDGER, PAYMENTS, PAYOUTS};
use kvit_projections::queries::{ledger, whereabouts};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::PageQuery;
use super::answer::{Fresh, Page, Whole};
use super::moment::MomentQuery;
use super::view::ledger::{Hold, StatementEntry, Wallet};
use super::view::whereabouts::Whereabouts;
use crate::auth::{Read, Viewing};
use crate::http::amount::Amount;
use crate::http::cursor::{self, Listing};
use crate::http::extract::{Path, Query};
use crate::http::problem::{Answer, Problem};
use crate::parts::Gateway;

fn wallet_id(text: &str) -> Answer<WalletId> {
    text.parse()
        .map_err(|error| Problem::new("invalid_path", format!("{error}")))
}

/// The wallets of a user, with balances
#[utoipa::path(get, path = "/v1/users/{user_id}/wallets", tag = "wallets",
    params(("user_id" = Uuid, Path, description = "The user.")),
    responses((status = 200, description = "One wallet for each currency that was ever booked.", body = Whole<Wallet>,
               headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn user_wallets(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Path(user_id): Path<Uuid>,
) -> Answer<Fresh<Whole<Wallet>>> {
    read.reach(&gateway, &[LEDGER]).await?;
    Ok(Fresh::whole(
        ledger::wallets_of(&gateway.pool, UserId(user_id)).await?,
    ))
}

/// A wallet with its balances
#[utoipa::path(get, path = "/v1/wallets/{wallet_id}", tag = "wallets",
    params(("wallet_id" = String, Path, description = "`<user>:<currency>`.", example = "5b1f1c9e-3c0b-4d8e-9a53-0c8f0f6f7a11:UAH")),
    responses((status = 200, description = "The wallet.", body = Wallet, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn wallet(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
) -> Answer<Fresh<Wallet>> {
    let id = wallet_id(&id)?;
    read.reach(&gateway, &[LEDGER]).await?;
    Fresh::one(ledger::wallet(&gateway.pool, id).await?, "wallet")
}

/// A balance at a moment.
#[derive(Debug, Serialize, ToSchema)]
pub struct BalanceAt {
    /// The wallet.
    pub wallet_id: String,
    /// Booked balance at that moment.
    pub balance: Amount,
}

/// The booked balance of a wallet, now or at a moment in the past
///
/// By booking time, by position of the log, or by value date; by value date also as it was known at a time.
#[utoipa::path(get, path = "/v1/wallets/{wallet_id}/balance", tag = "wallets",
    params(("wallet_id" = String, Path, description = "`<user>:<currency>`."), MomentQuery),
    responses((status = 200, description = "The balance.", body = BalanceAt, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn balance_at(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    Query(query): Query<MomentQuery>,
) -> Answer<Fresh<BalanceAt>> {
    let id = wallet_id(&id)?;
    let moment = query.moment()?;
    read.reach(&gateway, &[LEDGER]).await?;
    let answer = ledger::balance_at(&gateway.pool, id, moment).await?;
    let minor = answer.data.ok_or_else(|| Problem::not_found("wallet"))?;
    let body = BalanceAt {
        wallet_id: id.to_string(),
        balance: Amount::of(minor, id.currency),
    };
    Ok(Fresh {
        position: answer.position,
        body,
    })
}

/// The statement of a wallet, newest entry first
///
/// Each entry carries the balance after it. Later bookings do not shift the pages after the first.
#[utoipa::path(get, path = "/v1/wallets/{wallet_id}/statement", tag = "wallets",
    params(("wallet_id" = String, Path, description = "`<user>:<currency>`."), PageQuery),
    responses((status = 200, description = "Entries.", body = Page<StatementEntry>,
               headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn statement(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> Answer<Fresh<Page<StatementEntry>>> {
    let id = wallet_id(&id)?;
    let listing = Listing::new(format!("/v1/wallets/{id}/statement"));
    let after = listing.open(query.cursor.as_deref())?;
    let limit = cursor::limit(query.limit)?;
    read.reach(&gateway, &[LEDGER]).await?;
    let answer = ledger::statement(&gateway.pool, id, after.as_deref(), limit).await?;
    Ok(Fresh::page(answer, &listing, limit))
}

/// Which holds.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HoldsQuery {
    /// Only those that still reserve something.
    #[serde(default)]
    active: bool,
}

/// The holds on a wallet, newest first
///
/// At most 200.
#[utoipa::path(get, path = "/v1/wallets/{wallet_id}/holds", tag = "wallets",
    params(("wallet_id" = String, Path, description = "`<user>:<currency>`."), HoldsQuery),
    responses((status = 200, description = "Holds.", body = Whole<Hold>, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn holds(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    Query(query): Query<HoldsQuery>,
) -> Answer<Fresh<Whole<Hold>>> {
    let id = wallet_id(&id)?;
    read.reach(&gateway, &[LEDGER]).await?;
    Ok(Fresh::whole(
        ledger::holds(&gateway.pool, id, query.active).await?,
    ))
}

/// How much of the past is shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WhereaboutsQuery {
    /// The last movements, 0 to 50; 10 when absent.
    movements: Option<u32>,
}

const MOVEMENTS_DEFAULT: u32 = 10;
const MOVEMENTS_MAX: u32 = 50;

/// Where the money of a wallet is
///
/// What is free, what is held and what each hold waits for, what is on its way in, and what moved last: for programs, and as
/// sentences that can be read to the owner. A wallet that was never used has nothing.
#[utoipa::path(get, path = "/v1/wallets/{wallet_id}/whereabouts", tag = "wallets",
    params(("wallet_id" = String, Path, description = "`<user>:<currency>`."), WhereaboutsQuery),
    responses((status = 200, description = "Where the money is.", body = Whereabouts,
               headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn wallet_whereabouts(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    Query(query): Query<WhereaboutsQuery>,
) -> Answer<Fresh<Whereabouts>> {
    let id = wallet_id(&id)?;
    let movements = query.movements.unwrap_or(MOVEMENTS_DEFAULT);
    if movements > MOVEMENTS_MAX {
        return Err(
            Problem::new("invalid_query", "a query parameter is not as expected")
                .field("movements", format!("0 to {MOVEMENTS_MAX} is expected")),
        );
    }
    read.reach(&gateway, &[LEDGER, PAYMENTS, PAYOUTS, JOBS])
        .await?;
    let answer = whereabouts::whereabouts(&gateway.pool, id, movements).await?;
    Ok(Fresh::of(answer, Into::into))
}
