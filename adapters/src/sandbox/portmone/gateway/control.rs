//! The control side of the gateway.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use super::render;
use super::state::{self, Deed, Link, ShopSettlement, ShopStatus, ShopTransaction};
use crate::sandbox::portmone::control::{Answer, unwritten as refused_write};
use crate::sandbox::portmone::notices::in_form;
use crate::sandbox::portmone::{Portmone, locked};

pub(super) fn routes() -> Router<Arc<Portmone>> {
    Router::new()
        .route("/_sandbox/portmone/gateway", get(books))
        .route("/_sandbox/portmone/gateway/orders/{order}/act", post(act))
        .route("/_sandbox/portmone/gateway/settle", post(settle))
}

/// The gateway's books: compare with the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShopView {
    /// Every link, in no order that means anything.
    pub links: Vec<Link>,
    /// Every transaction, oldest first.
    pub transactions: Vec<ShopTransaction>,
    /// Every settlement, oldest first.
    pub settlements: Vec<ShopSettlement>,
    /// Money taken, in kopecks.
    pub paid_minor: i64,
    /// Money sent back, in kopecks.
    pub returned_minor: i64,
    /// Money held on cards, in kopecks.
    pub held_minor: i64,
}

async fn books(State(portmone): State<Arc<Portmone>>) -> Json<ShopView> {
    let shop = locked(&portmone.shop);
    let sum = |status| {
        let of = shop
            .transactions
            .values()
            .filter(|one| one.status == status);
        of.fold(0_i64, |sum, one| sum.saturating_add(one.amount_minor))
    };
    Json(ShopView {
        links: shop.links.values().cloned().collect(),
        transactions: shop.transactions.values().cloned().collect(),
        settlements: shop.settlements.clone(),
        paid_minor: sum(ShopStatus::Payed),
        returned_minor: sum(ShopStatus::Return),
        held_minor: sum(ShopStatus::Preauth),
    })
}

/// What a person does, told over the control side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// What.
    pub deed: Deed,
    /// How many days ago by the bank's clock.
    #[serde(default)]
    pub days_ago: u64,
    /// Also after the page has expired: the bank was slow.
    #[serde(default)]
    pub late: bool,
}

/// Acts on the page of an order, the first of several pages.
async fn act(
    State(portmone): State<Arc<Portmone>>,
    Path(order): Path<String>,
    Json(act): Json<Act>,
) -> Answer<ShopTransaction> {
    let token = {
        let shop = locked(&portmone.shop);
        let link = shop.links.values().find(|link| link.order_number == order);
        link.map(|link| link.token.clone())
            .ok_or(StatusCode::NOT_FOUND)?
    };
    portmone
        .act(&token, act.deed, act.days_ago, act.late)
        .map_err(refused_write)?
        .map(Json)
        .map_err(|_| StatusCode::CONFLICT)
}

/// How a settlement is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SettleHow {
    /// The bank transfers less than the bills say, in kopecks.
    pub short_minor: i64,
    /// The commission is not taken out of the transfer.
    pub gross: bool,
}

/// Makes a settlement of everything that is in none yet, and its notification.
async fn settle(
    State(portmone): State<Arc<Portmone>>,
    Json(how): Json<SettleHow>,
) -> Answer<ShopSettlement> {
    let payee = &portmone.settings.gateway.payee_id;
    let settlement = {
        let mut shop = locked(&portmone.shop);
        let bills: Vec<(ShopTransaction, i64)> = state::unsettled(&shop)
            .into_iter()
            .map(|one| {
                let fee = portmone.fee(&one);
                (one, fee)
            })
            .collect();
        let fees = bills
            .iter()
            .fold(0_i64, |sum, (_, fee)| sum.saturating_add(*fee));
        let moved = bills.iter().fold(0_i64, |sum, (one, _)| {
            if one.status == ShopStatus::Return {
                sum.saturating_sub(one.amount_minor)
            } else {
                sum.saturating_add(one.amount_minor)
            }
        });
        let withheld = if how.gross { 0 } else { fees };
        let amount = moved
            .saturating_sub(withheld)
            .saturating_sub(how.short_minor);
        if bills.is_empty() || amount < 0 {
            return Err(StatusCode::CONFLICT);
        }
        let id = state::next_settlement(&shop);
        let settlement = ShopSettlement {
            id,
            amount_minor: amount,
            fees_minor: fees,
            document: render::settlement(id, payee, amount, &bills),
        };
        let transactions = bills.iter().map(|(one, _)| one.id).collect();
        let change = state::Change::Settled {
            settlement: settlement.clone(),
            transactions,
        };
        shop.commit(vec![change]).map_err(refused_write)?;
        settlement
    };
    portmone
        .notices
        .add(in_form(&settlement.document), true)
        .map_err(refused_write)?;
    Ok(Json(settlement))
}
