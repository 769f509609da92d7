//! The control side: what a test, the demo or a person at a shell may see and arrange at the simulated provider.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::Duration;
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::ApiError;
use super::faults::{Outcome, YookassaAction, YookassaChance};
use super::notices::{MOST_COPIES, shuffle};
use super::records::{
    self, CallRecord, ClockChange, DeliverNow, Forged, PaymentRecord, PayoutRecord, RefundRecord,
    YookassaBooks,
};
use super::state::{Books, Change, Notice, ObjectRef, ProviderClock, Side};
use super::{Yookassa, locked};
use crate::sandbox::faults::{Dice, Faults};

type Plan = Faults<YookassaAction, YookassaChance>;
type Answer<T> = Result<Json<T>, (StatusCode, String)>;
type Service = State<Arc<Yookassa>>;

#[derive(Deserialize)]
struct Pay {
    #[serde(default)]
    method: String,
}

#[derive(Deserialize)]
struct Decline {
    reason: String,
    #[serde(default)]
    party: Option<String>,
}

#[derive(Deserialize)]
struct Target {
    side: Side,
    url: Option<String>,
}

#[derive(Deserialize)]
struct Hold {
    held: bool,
}

#[derive(Deserialize)]
struct Deposit {
    minor: i64,
}

#[derive(Serialize)]
struct Now {
    now: chrono::DateTime<chrono::Utc>,
}

pub(super) fn routes() -> Router<Arc<Yookassa>> {
    let at = |path: &str| format!("/_sandbox/yookassa/{path}");
    Router::new()
        .route(&at("books"), get(books))
        .route(&at("calls"), get(calls).delete(forget_calls))
        .route(&at("clock"), get(clock).post(change_clock))
        .route(&at("payments/{id}/pay"), post(pay))
        .route(&at("payments/{id}/decline"), post(decline))
        .route(&at("refunds"), post(refund_by_hand))
        .route(&at("refunds/{id}/settle"), post(settle_refund))
        .route(&at("payouts/{id}/settle"), post(settle_payout))
        .route(&at("deposit"), post(deposit))
        .route(
            &at("faults"),
            get(faults).post(add_faults).delete(clear_faults),
        )
        .route(&at("notices"), get(notices))
        .route(&at("notices/hold"), post(hold))
        .route(&at("notices/deliver"), post(deliver))
        .route(&at("notices/forge"), post(forge))
        .route(&at("webhook"), post(set_webhook))
}

fn refused(error: ApiError) -> (StatusCode, String) {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, error.description)
}

impl Yookassa {
    /// Commits what a closure makes of the books, after time has done its part.
    fn arrange<T>(
        &self,
        make: impl FnOnce(&Books) -> Result<Vec<Change>, ApiError>,
        show: impl FnOnce(&Books) -> Result<T, ApiError>,
    ) -> Answer<T> {
        let done = || -> Result<T, ApiError> {
            let mut books = locked(&self.books);
            self.tick(&mut books)?;
            let changes = make(&books)?;
            books.commit(changes)?;
            self.tick(&mut books)?;
            self.tell();
            show(&books)
        };
        done().map(Json).map_err(refused)
    }
}

async fn books(State(yookassa): Service) -> Answer<YookassaBooks> {
    yookassa.arrange(
        |_| Ok(Vec::new()),
        |books| {
            let now = yookassa.now(books);
            let balance = yookassa.payout_balance(books);
            Ok(records::books(books, yookassa.base(), now, balance))
        },
    )
}

async fn calls(State(yookassa): Service) -> Json<Vec<CallRecord>> {
    Json(locked(&yookassa.passing).calls.iter().cloned().collect())
}

async fn forget_calls(State(yookassa): Service) -> Json<bool> {
    locked(&yookassa.passing).calls.clear();
    Json(true)
}

async fn clock(State(yookassa): Service) -> Json<Now> {
    let now = yookassa.now(&locked(&yookassa.books));
    Json(Now { now })
}

async fn change_clock(State(yookassa): Service, Json(wanted): Json<ClockChange>) -> Answer<Now> {
    yookassa.arrange(
        |books| {
            let real = crate::sandbox::now();
            let start = wanted.set.unwrap_or_else(|| yookassa.now(books));
            let advance = Duration::try_seconds(wanted.advance_seconds.unwrap_or_default());
            let target = advance
                .and_then(|advance| start.checked_add_signed(advance))
                .ok_or_else(|| ApiError::new(400, "invalid_request", "no such time"))?;
            let stopped = wanted.stopped.unwrap_or(books.clock.stopped_at.is_some());
            let clock = ProviderClock {
                offset_millis: target.signed_duration_since(real).num_milliseconds(),
                stopped_at: stopped.then_some(target),
            };
            Ok(vec![Change::Clock { clock }])
        },
        |books| {
            Ok(Now {
                now: yookassa.now(books),
            })
        },
    )
}

async fn pay(
    State(yookassa): Service,
    Path(id): Path<String>,
    Json(with): Json<Pay>,
) -> Answer<PaymentRecord> {
    let payment = yookassa.pay(&id, &with.method).map_err(refused)?;
    Ok(Json(records::payment(&payment, yookassa.base())))
}

async fn decline(
    State(yookassa): Service,
    Path(id): Path<String>,
    Json(why): Json<Decline>,
) -> Answer<PaymentRecord> {
    let payment = yookassa
        .decline(&id, &why.reason, why.party.as_deref())
        .map_err(refused)?;
    Ok(Json(records::payment(&payment, yookassa.base())))
}

/// A refund that somebody makes in the Merchant Profile: no call of ours asked for it.
async fn refund_by_hand(State(yookassa): Service, Json(body): Json<Value>) -> Answer<RefundRecord> {
    let made = {
        let mut books = locked(&yookassa.books);
        yookassa.tick(&mut books).map_err(refused)?;
        let (changes, object) = yookassa
            .create_refund(&books, &body, None)
            .map_err(refused)?;
        books
            .commit(changes)
            .map_err(|error| refused(error.into()))?;
        object
    };
    yookassa.tell();
    let ObjectRef::Refund(id) = made else {
        return Err(refused(ApiError::internal()));
    };
    shown_refund(&locked(&yookassa.books), &id)
        .map(Json)
        .map_err(refused)
}

fn shown_refund(books: &Books, id: &str) -> Result<RefundRecord, ApiError> {
    let refund = books.refunds.get(id);
    refund
        .map(records::refund)
        .ok_or_else(|| ApiError::not_found("Refund"))
}

async fn settle_refund(
    State(yookassa): Service,
    Path(id): Path<String>,
    Json(outcome): Json<Outcome>,
) -> Answer<RefundRecord> {
    yookassa.arrange(
        |books| {
            let refund = books
                .refunds
                .get(&id)
                .ok_or_else(|| ApiError::not_found("Refund"))?;
            yookassa.refund_ended(books, refund, &outcome, yookassa.now(books))
        },
        |books| shown_refund(books, &id),
    )
}

async fn settle_payout(
    State(yookassa): Service,
    Path(id): Path<String>,
    Json(outcome): Json<Outcome>,
) -> Answer<PayoutRecord> {
    let gone = || ApiError::not_found("Payout");
    yookassa.arrange(
        |books| {
            let payout = books.payouts.get(&id).ok_or_else(gone)?;
            yookassa.payout_ended(payout, &outcome, yookassa.now(books))
        },
        |books| {
            let payout = books.payouts.get(&id);
            payout.map(records::payout).ok_or_else(gone)
        },
    )
}

async fn deposit(State(yookassa): Service, Json(deposit): Json<Deposit>) -> Answer<Option<i64>> {
    yookassa.arrange(
        |_| {
            Ok(vec![Change::Deposited {
                minor: deposit.minor,
            }])
        },
        |books| Ok(yookassa.payout_balance(books)),
    )
}

async fn faults(State(yookassa): Service) -> Json<Plan> {
    Json(locked(&yookassa.faults).pending())
}

async fn add_faults(State(yookassa): Service, Json(more): Json<Plan>) -> Json<bool> {
    locked(&yookassa.faults).add(more);
    Json(true)
}

async fn clear_faults(State(yookassa): Service) -> Json<bool> {
    locked(&yookassa.faults).clear();
    Json(true)
}

async fn notices(State(yookassa): Service) -> Json<Vec<Notice>> {
    Json(locked(&yookassa.books).notices.values().cloned().collect())
}

async fn hold(State(yookassa): Service, Json(hold): Json<Hold>) -> Answer<bool> {
    let held = hold.held;
    yookassa.arrange(|_| Ok(vec![Change::Held { held }]), |books| Ok(books.held))
}

async fn deliver(
    State(yookassa): Service,
    Json(wanted): Json<DeliverNow>,
) -> Answer<Vec<Option<u16>>> {
    let mut ids = {
        let mut books = locked(&yookassa.books);
        yookassa.tick(&mut books).map_err(refused)?;
        if wanted.notices.is_empty() {
            books.waiting.iter().copied().collect()
        } else {
            wanted.notices
        }
    };
    if let Some(seed) = wanted.shuffle {
        shuffle(&mut ids, &mut Dice::new(seed));
    }
    Ok(Json(yookassa.deliver_now(&ids, wanted.copies).await))
}

async fn forge(State(yookassa): Service, Json(forged): Json<Forged>) -> Json<Vec<Option<u16>>> {
    let content_type = forged.content_type.as_deref().unwrap_or("application/json");
    let copies = forged.copies.min(MOST_COPIES);
    let sent = (0..copies).map(|_| yookassa.post(forged.side, forged.body.clone(), content_type));
    Json(join_all(sent).await)
}

async fn set_webhook(State(yookassa): Service, Json(target): Json<Target>) -> Answer<Value> {
    if let Some(url) = &target.url {
        let usable =
            url::Url::parse(url).is_ok_and(|url| crate::http::check_address(&url, false).is_ok());
        if !usable {
            let words = "only https, or http on this machine";
            return Err((StatusCode::BAD_REQUEST, words.to_owned()));
        }
    }
    let shown = json!({ "url": target.url });
    let change = Change::Webhook {
        side: target.side,
        url: target.url,
    };
    yookassa.arrange(|_| Ok(vec![change]), |_| Ok(shown))
}
