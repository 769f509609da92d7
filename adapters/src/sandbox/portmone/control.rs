//! The control side: what a test or the demo may see and arrange at the simulated provider.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::faults::{PortmoneAction, PortmoneChance};
use super::state::{self, Bill, BillState, Change};
use super::{Portmone, locked};
use crate::sandbox::faults::Faults;
use crate::sandbox::journal::JournalError;

/// One bill as the books hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillRecord {
    /// The provider's id.
    pub id: String,
    /// The payee's id.
    pub payee_id: String,
    /// The contract number.
    pub contract_number: String,
    /// What the creator wrote: our operation id.
    pub comment: String,
    /// `created`, `pending`, `paid`, `rejected` or `reversed`.
    pub status: String,
    /// The sum asked for, in kopecks.
    pub amount_minor: Option<i64>,
    /// What has really moved, in kopecks.
    pub moved_minor: i64,
    /// When it moved.
    pub paid_at: Option<DateTime<Utc>>,
}

impl From<&Bill> for BillRecord {
    fn from(bill: &Bill) -> Self {
        Self {
            id: bill.id.clone(),
            payee_id: bill.payee_id.clone(),
            contract_number: bill.contract_number.clone(),
            comment: bill.comment.clone(),
            status: bill.state.word().to_owned(),
            amount_minor: bill.amount_minor,
            moved_minor: bill.moved_minor,
            paid_at: bill.paid_at,
        }
    }
}

/// The books: compare with the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BooksView {
    /// Every bill, oldest first.
    pub bills: Vec<BillRecord>,
    /// Money moved to each contract number, in kopecks; only numbers that got some.
    pub moved_by_contract: BTreeMap<String, i64>,
    /// All money moved, in kopecks, counted apart from the bills.
    pub moved_minor: i64,
    /// Money left to pay out, in kopecks.
    pub deposit_minor: i64,
}

/// How a bill that has not ended ends, whether its payment was accepted, refused or never asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// The money moves.
    Paid,
    /// It never will.
    Rejected,
}

#[derive(Deserialize)]
struct Deposit {
    minor: i64,
}

#[derive(Deserialize)]
struct Ported {
    contract_number: String,
    payee_id: Option<String>,
}

#[derive(Deserialize)]
struct Settled {
    status: Settlement,
}

pub(super) type Answer<T> = Result<Json<T>, StatusCode>;
type PortmoneFaults = Faults<PortmoneAction, PortmoneChance>;

pub(super) fn routes() -> Router<Arc<Portmone>> {
    Router::new()
        .route("/_sandbox/portmone/bills", get(bills))
        .route("/_sandbox/portmone/bills/{id}/settle", post(settle))
        .route("/_sandbox/portmone/bills/{id}/reverse", post(reverse))
        .route("/_sandbox/portmone/deposit", post(deposit))
        .route("/_sandbox/portmone/numbers", post(port_number))
        .route(
            "/_sandbox/portmone/faults",
            get(faults).post(add_faults).delete(clear_faults),
        )
}

async fn bills(State(portmone): State<Arc<Portmone>>) -> Json<BooksView> {
    let books = locked(&portmone.books);
    let mut moved_by_contract = BTreeMap::new();
    for bill in books.bills().filter(|bill| bill.state == BillState::Paid) {
        let sum: &mut i64 = moved_by_contract
            .entry(bill.contract_number.clone())
            .or_default();
        *sum = sum.saturating_add(bill.moved_minor);
    }
    Json(BooksView {
        bills: books.bills().map(BillRecord::from).collect(),
        moved_by_contract,
        moved_minor: books.spent_minor(),
        deposit_minor: books.deposit_left(&portmone.settings),
    })
}

async fn settle(
    State(portmone): State<Arc<Portmone>>,
    Path(id): Path<String>,
    Json(settled): Json<Settled>,
) -> Answer<BillRecord> {
    let bill = state::settle(
        &mut locked(&portmone.books),
        &id,
        settled.status == Settlement::Paid,
    )
    .map_err(unwritten)?;
    if let Some(bill) = bill.as_ref().filter(|bill| bill.state == BillState::Paid) {
        portmone.tell_bill(bill, false).map_err(unwritten)?;
    }
    bill.as_ref()
        .map(|bill| Json(bill.into()))
        .ok_or(StatusCode::NOT_FOUND)
}

async fn reverse(
    State(portmone): State<Arc<Portmone>>,
    Path(id): Path<String>,
) -> Answer<BillRecord> {
    let paid = state::reverse(&mut locked(&portmone.books), &id)
        .map_err(unwritten)?
        .ok_or(StatusCode::NOT_FOUND)?;
    portmone.tell_bill(&paid, true).map_err(unwritten)?;
    locked(&portmone.books)
        .bill(&id)
        .map(|bill| Json(bill.into()))
        .ok_or(StatusCode::NOT_FOUND)
}

async fn deposit(
    State(portmone): State<Arc<Portmone>>,
    Json(deposit): Json<Deposit>,
) -> Answer<i64> {
    let mut books = locked(&portmone.books);
    books
        .commit(vec![Change::Deposited {
            minor: deposit.minor,
        }])
        .map_err(unwritten)?;
    Ok(Json(books.deposit_left(&portmone.settings)))
}

async fn port_number(
    State(portmone): State<Arc<Portmone>>,
    Json(ported): Json<Ported>,
) -> Answer<bool> {
    let change = Change::Ported {
        contract_number: ported.contract_number,
        payee_id: ported.payee_id,
    };
    locked(&portmone.books)
        .commit(vec![change])
        .map_err(unwritten)?;
    Ok(Json(true))
}

async fn faults(State(portmone): State<Arc<Portmone>>) -> Json<PortmoneFaults> {
    Json(locked(&portmone.faults).pending())
}

async fn add_faults(
    State(portmone): State<Arc<Portmone>>,
    Json(more): Json<PortmoneFaults>,
) -> Json<bool> {
    locked(&portmone.faults).add(more);
    Json(true)
}

async fn clear_faults(State(portmone): State<Arc<Portmone>>) -> Json<bool> {
    locked(&portmone.faults).clear();
    Json(true)
}

pub(super) fn unwritten(error: JournalError) -> StatusCode {
    tracing::error!(%error, "sandbox cannot write its journal");
    StatusCode::INTERNAL_SERVER_ERROR
}
