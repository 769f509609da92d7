//! Our client as a source of statements: whole lists, however restless the provider is while they are read.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, TimeDelta, Utc};
use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::yookassa::faults::{Outcome, YookassaAction};
use kvit_adapters::yookassa::YookassaStatements;
use kvit_commands::ports::payment::{PaymentFault, PaymentProvider};
use kvit_commands::ports::payout::PayoutProvider;
use kvit_commands::ports::statement::{Flaw, ItemStatus, StatementItem, StatementSource};
use kvit_domain::ids::{PaymentId, RefundId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::reconciliation::StatementKind;
use serde_json::{Value, json};
use url::Url;

use crate::common::sandbox;
use crate::yk_client_common::{
    client_of, config, order, payments, payments_of, payout_order, payouts, refund_order, rub,
    statements,
};
use crate::yookassa_common::by_hand;

/// Each once, in the order of creation.
fn assert_orderly(items: &[StatementItem]) {
    let ids: BTreeSet<&str> = items.iter().map(|item| item.provider_id.as_str()).collect();
    assert_eq!(ids.len(), items.len(), "an item came twice");
    assert!(
        items.is_sorted_by_key(|item| item.created_at),
        "not in the order of creation"
    );
}

#[tokio::test]
async fn lists_tell_amounts_fees_operations_and_ends() {
    let running = by_hand().await;
    let (pay_in, pay_out, control) = (payments(&running), payouts(&running), running.yookassa());
    let source = statements(&running);
    assert_eq!(source.provider(), ProviderName::Yookassa);
    assert_eq!(
        source.kinds(),
        [
            StatementKind::Payments,
            StatementKind::Refunds,
            StatementKind::Payouts
        ]
    );
    let now = control.now().await.unwrap();
    let (from, to) = (now - TimeDelta::hours(1), now + TimeDelta::hours(1));
    let paid = pay_in.create(&order("paid")).await.unwrap();
    control.pay(&paid.provider_id).await.unwrap();
    let declined = pay_in.create(&order("declined")).await.unwrap();
    control
        .decline(&declined.provider_id, "general_decline")
        .await
        .unwrap();
    pay_in.create(&order("open")).await.unwrap();
    pay_in
        .refund(&refund_order("r", &paid.provider_id))
        .await
        .unwrap();
    control
        .refund_in_profile(&paid.provider_id, 700)
        .await
        .unwrap();
    let payout = payout_order("p");
    let bill = pay_out.create(&payout).await.unwrap().bill_id;
    let sent = pay_out.pay(&payout, &bill).await.unwrap();
    let end = Outcome::Succeeded { after_seconds: 0 };
    control
        .settle_payout(&sent.provider_id.unwrap(), &end)
        .await
        .unwrap();

    let list = source
        .items(StatementKind::Payments, from, to)
        .await
        .unwrap();
    assert_orderly(&list);
    let of = |name: &str| {
        let id = PaymentId::derived("test", name).to_string();
        let item = list
            .iter()
            .find(|item| item.operation_id.as_deref() == Some(&id));
        let item = item.unwrap();
        (item.status, item.amount, item.fee)
    };
    assert_eq!(of("paid"), (ItemStatus::Done, rub(10_000), Some(rub(350))));
    assert_eq!(of("declined"), (ItemStatus::Failed, rub(10_000), None));
    assert_eq!(of("open"), (ItemStatus::Open, rub(10_000), None));
    let refunds = source
        .items(StatementKind::Refunds, from, to)
        .await
        .unwrap();
    let ours = RefundId::derived("test", "r").to_string();
    let seen: BTreeSet<_> = refunds
        .iter()
        .map(|item| (item.amount.minor, item.operation_id.clone()))
        .collect();
    assert_eq!(seen, BTreeSet::from([(700, None), (1_000, Some(ours))]));
    let payouts = source
        .items(StatementKind::Payouts, from, to)
        .await
        .unwrap();
    assert_eq!(payouts.len(), 1);
    assert_eq!(
        (
            payouts[0].status,
            payouts[0].amount,
            payouts[0].operation_id.clone()
        ),
        (ItemStatus::Done, rub(32_000), Some(payout.operation_id))
    );
    assert_eq!(
        source.payout_balance().await,
        Ok(Some(rub(100_000_000 - 32_000)))
    );
    let settlement = source.items(StatementKind::Settlement, from, to).await;
    assert!(matches!(settlement, Err(PaymentFault::Refused { .. })));
}

#[tokio::test]
async fn a_window_holds_its_beginning_and_not_its_end_to_the_microsecond() {
    let running = by_hand().await;
    let (provider, control) = (payments(&running), running.yookassa());
    let at: DateTime<Utc> = "2026-03-01T00:00:00.123456Z".parse().unwrap();
    control.set_clock(at).await.unwrap();
    for n in 0..4 {
        provider.create(&order(&n.to_string())).await.unwrap();
    }
    let source = statements(&running);
    let all = source
        .items(
            StatementKind::Payments,
            at - TimeDelta::seconds(1),
            at + TimeDelta::seconds(1),
        )
        .await
        .unwrap();
    assert_eq!(all.len(), 4);
    for moment in all.iter().map(|item| item.created_at) {
        let count = |items: Result<Vec<StatementItem>, PaymentFault>| items.unwrap().len();
        let day = TimeDelta::days(1);
        let before = source
            .items(StatementKind::Payments, moment - day, moment)
            .await;
        let from = source
            .items(StatementKind::Payments, moment, moment + day)
            .await;
        assert_eq!(
            count(before) + count(from),
            4,
            "each on one side of {moment}"
        );
    }
}

#[tokio::test]
async fn f62_payments_that_appear_while_the_pages_are_read_make_none_missing_and_none_double() {
    let running = sandbox().await;
    let (provider, control) = (payments(&running), running.yookassa());
    for n in 0..230 {
        provider.create(&order(&n.to_string())).await.unwrap();
    }
    let (slow, now) = (
        YookassaAction::DelayAfter { millis: 250 },
        control.now().await.unwrap(),
    );
    control
        .add_fault(Rule::on("payments.list", slow).times(3))
        .await
        .unwrap();
    let source = statements(&running);
    let (from, to) = (now - TimeDelta::hours(1), now + TimeDelta::hours(1));
    let more = async {
        for n in 230..290 {
            provider.create(&order(&n.to_string())).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (list, ()) = tokio::join!(source.items(StatementKind::Payments, from, to), more);
    let list = list.unwrap();
    assert_orderly(&list);
    let seen: BTreeSet<_> = list
        .iter()
        .filter_map(|item| item.operation_id.clone())
        .collect();
    for n in 0..230 {
        let id = PaymentId::derived("test", &n.to_string()).to_string();
        assert!(seen.contains(&id), "payment {n} is missing");
    }
    assert!(
        list.len() > 230,
        "what came while the pages were read is there as well"
    );
    let oldest = provider
        .find(PaymentId::derived("test", "0"), from)
        .await
        .unwrap();
    assert!(oldest.is_some(), "on the third page");
    let never = provider
        .find(PaymentId::derived("test", "never"), from)
        .await;
    assert_eq!(never, Ok(None));
}

/// A provider whose cursor is a count, so that what is created meanwhile shifts the pages.
#[derive(Clone)]
struct Restless {
    /// Newest first.
    items: Arc<Mutex<Vec<Value>>>,
    born: DateTime<Utc>,
    /// Created before each page.
    arrivals: usize,
}

impl Restless {
    fn create(&self) {
        let mut items = self.items.lock().unwrap();
        let seq = items.len();
        let at = self.born + TimeDelta::seconds(i64::try_from(seq).unwrap());
        let item = json!({"id": format!("p-{seq}"), "status": "succeeded", "test": true,
            "amount": {"value": "1.00", "currency": "RUB"}, "created_at": at,
            "metadata": {"operation_id": PaymentId::derived("test", &seq.to_string()).to_string()}});
        items.insert(0, item);
    }

    async fn start(known: usize, arrivals: usize) -> (Self, Url) {
        let restless = Self {
            items: Arc::default(),
            born: "2026-03-01T10:00:00Z".parse().unwrap(),
            arrivals,
        };
        for _ in 0..known {
            restless.create();
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/v3", listener.local_addr().unwrap())).unwrap();
        let router = Router::new()
            .route("/v3/payments", get(page))
            .with_state(restless.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (restless, url)
    }
}

async fn page(
    State(restless): State<Restless>,
    Query(query): Query<Vec<(String, String)>>,
) -> Json<Value> {
    let value = |name: &str| {
        query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    };
    let from: DateTime<Utc> = value("created_at.gte").unwrap().parse().unwrap();
    let skip: usize = value("cursor").map_or(0, |cursor| cursor.parse().unwrap());
    for _ in 0..restless.arrivals {
        restless.create();
    }
    let items = restless.items.lock().unwrap();
    let fits: Vec<Value> = items
        .iter()
        .filter(|item| {
            item["created_at"]
                .as_str()
                .unwrap()
                .parse::<DateTime<Utc>>()
                .unwrap()
                >= from
        })
        .cloned()
        .collect();
    let shown: Vec<Value> = fits.iter().skip(skip).take(100).cloned().collect();
    let more = skip + shown.len() < fits.len();
    let cursor = more.then(|| (skip + shown.len()).to_string());
    Json(json!({"type": "list", "items": shown, "next_cursor": cursor}))
}

#[tokio::test]
async fn f62_pages_that_shift_under_the_reader_make_none_missing_and_none_double() {
    let (restless, url) = Restless::start(350, 3).await;
    let source = YookassaStatements::new(client_of(config(url.clone())));
    let (from, to) = (restless.born, restless.born + TimeDelta::days(1));
    let list = source
        .items(StatementKind::Payments, from, to)
        .await
        .unwrap();
    assert_orderly(&list);
    let seen: BTreeSet<&str> = list.iter().map(|item| item.provider_id.as_str()).collect();
    // Three came before each page; the last ones came with the last page itself.
    let all = restless.items.lock().unwrap().len();
    for n in 0..all {
        assert!(
            seen.contains(format!("p-{n}").as_str()),
            "p-{n} of {all} is missing"
        );
    }
    let provider = payments_of(client_of(config(url)));
    let found = provider
        .find(PaymentId::derived("test", "0"), restless.born)
        .await
        .unwrap();
    assert_eq!(found.unwrap().provider_id, "p-0");
}

async fn fixed(pages: Value) -> YookassaStatements {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/v3", listener.local_addr().unwrap())).unwrap();
    let router = Router::new().route("/v3/payments", get(move || async move { Json(pages) }));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    YookassaStatements::new(client_of(config(url)))
}

#[tokio::test]
async fn a_list_that_cannot_be_trusted_is_no_list() {
    let item = |currency: &str| {
        json!({"id": "p-1", "status": "succeeded", "test": true, "metadata": {},
            "amount": {"value": "1.00", "currency": currency}, "created_at": "2026-03-01T10:00:00Z"})
    };
    let at: DateTime<Utc> = "2026-03-01T00:00:00Z".parse().unwrap();
    for (pages, good) in [
        (json!({"type": "list", "items": [item("RUB")]}), true),
        (
            json!({"type": "list", "items": [], "next_cursor": null}),
            true,
        ),
        (
            json!({"type": "list", "items": [item("RUB")], "next_cursor": "the-same-again"}),
            false,
        ),
        (
            json!({"type": "list", "items": [], "next_cursor": ""}),
            false,
        ),
        (json!({"type": "list", "items": [item("KZT")]}), false),
        (json!({"type": "list", "items": {"0": item("RUB")}}), false),
        (json!({"type": "list"}), false),
        (
            json!({"type": "list", "items": [item("RUB"), "p-2"]}),
            false,
        ),
    ] {
        let shown = pages.to_string();
        let source = fixed(pages).await;
        let list = source
            .items(StatementKind::Payments, at, at + TimeDelta::days(1))
            .await;
        assert_eq!(list.is_ok(), good, "{shown}: {list:?}");
        assert!(
            good || matches!(list, Err(PaymentFault::Unknown(_))),
            "{shown}: {list:?}"
        );
    }
}

#[tokio::test]
async fn f61_one_payment_that_cannot_be_read_is_named_and_the_others_are_listed() {
    let at: DateTime<Utc> = "2026-03-01T10:00:00Z".parse().unwrap();
    let item = |id: &str| {
        json!({"id": id, "status": "succeeded", "test": true, "created_at": at,
            "metadata": {"operation_id": format!("op-{id}")},
            "amount": {"value": "1.00", "currency": "RUB"}})
    };
    let with = |id: &str, name: &str, value: Value| {
        let mut item = item(id);
        item[name] = value;
        item
    };
    let money = |value: &str, currency: &str| json!({"value": value, "currency": currency});
    let mut unknown = with("p-status", "status", json!("warming_up"));
    unknown["test"] = Value::Null;
    let mut pages = json!({"type": "list", "items": [
        item("p-1"),
        with("p-tenge", "amount", money("1.00", "KZT")),
        with("p-exact", "amount", money("1e2", "RUB")),
        with("p-test", "test", Value::Null),
        with("p-date", "created_at", json!("yesterday")),
        unknown,
        with("one <b>stranger</b>", "amount", money("1.00", "RUB")),
        with("p-before", "amount", money("1.00", "KZT")),
        item("p-2"),
    ]});
    pages["items"][7]["created_at"] = json!(at - TimeDelta::days(2));
    let source = fixed(pages).await;
    let (from, to) = (at - TimeDelta::hours(10), at + TimeDelta::hours(14));
    let listing = source
        .listing(StatementKind::Payments, from, to)
        .await
        .unwrap();
    assert_orderly(&listing.items);
    let read: Vec<&str> = listing
        .items
        .iter()
        .map(|item| item.provider_id.as_str())
        .collect();
    assert_eq!(read, ["p-1", "p-2"]);
    // One without a moment of its own comes first.
    let told: Vec<_> = listing
        .unreadable
        .iter()
        .map(|one| {
            let name = one.provider_id.as_str();
            (name, one.flaw, one.status, one.created_at)
        })
        .collect();
    let nameless = told.iter().find(|one| one.1 == Flaw::Name).unwrap().0;
    assert!(nameless.starts_with("nameless-") && nameless.len() == 25);
    let done = Some(ItemStatus::Done);
    assert_eq!(
        told,
        [
            ("p-date", Flaw::Date, done, None),
            (nameless, Flaw::Name, done, Some(at)),
            ("p-exact", Flaw::Amount, done, Some(at)),
            ("p-status", Flaw::Test, None, Some(at)),
            ("p-tenge", Flaw::Currency, done, Some(at)),
            ("p-test", Flaw::Test, done, Some(at)),
        ]
    );
    let tenge = listing
        .unreadable
        .iter()
        .find(|one| one.provider_id == "p-tenge");
    assert_eq!(tenge.unwrap().operation_id.as_deref(), Some("op-p-tenge"));
    let whole = source.items(StatementKind::Payments, from, to).await;
    assert!(matches!(whole, Err(PaymentFault::Unknown(_))), "{whole:?}");
}

#[tokio::test]
async fn f03_a_list_waits_when_there_were_too_many_calls() {
    let running = sandbox().await;
    let (provider, control) = (payments(&running), running.yookassa());
    provider.create(&order("a")).await.unwrap();
    let now = control.now().await.unwrap();
    let busy = YookassaAction::TooManyRequests { retry_after: 120 };
    control
        .add_fault(Rule::on("payments.list", busy).times(2))
        .await
        .unwrap();
    let (from, to) = (now - TimeDelta::hours(1), now + TimeDelta::hours(1));
    let list = statements(&running)
        .items(StatementKind::Payments, from, to)
        .await;
    assert_eq!(list.unwrap().len(), 1);
    let long = YookassaAction::TooManyRequests {
        retry_after: 60_000,
    };
    control
        .add_fault(Rule::on("payments.list", long))
        .await
        .unwrap();
    let list = statements(&running)
        .items(StatementKind::Payments, from, to)
        .await;
    assert!(
        matches!(list, Err(PaymentFault::TooManyRequests { .. })),
        "{list:?}"
    );
}
