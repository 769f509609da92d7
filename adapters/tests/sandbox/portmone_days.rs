//! The gateway's lists of days: whose midnight counts, and what of a list cannot be read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use kvit_adapters::portmone::Kopecks;
use kvit_adapters::portmone::gateway::{
    GatewayConfig, OrderNumber, PaymentRules, PortmoneGateway, PortmonePayments,
};
use kvit_commands::ports::payment::{PaymentFault, PaymentProvider};
use kvit_commands::ports::statement::{Flaw, ItemStatus, Listing, StatementSource};
use kvit_commands::ports::time::Clock;
use kvit_domain::ids::PaymentId;
use kvit_domain::reconciliation::StatementKind;
use serde_json::{Value, json};
use url::Url;

const DAY: TimeDelta = TimeDelta::days(1);

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Long after everything here.
struct Later;

impl Clock for Later {
    fn now(&self) -> DateTime<Utc> {
        utc("2027-01-01T00:00:00Z")
    }
}

/// What stands on the lists of each day, as the provider would have it: by its own calendar.
type Days = Arc<BTreeMap<&'static str, Vec<Value>>>;

async fn list(State(days): State<Days>, Json(call): Json<Value>) -> Json<Value> {
    let data = &call["params"]["data"];
    let day = |name: &str| {
        let text = data[name].as_str().unwrap();
        NaiveDate::parse_from_str(text, "%d.%m.%Y").unwrap()
    };
    let listed = days.iter().filter(|(written, _)| {
        let on = NaiveDate::parse_from_str(written, "%d.%m.%Y").unwrap();
        (day("startDate")..=day("endDate")).contains(&on)
    });
    Json(listed.flat_map(|(_, items)| items.clone()).collect())
}

async fn provider(days: impl IntoIterator<Item = (&'static str, Vec<Value>)>) -> PortmonePayments {
    let days: Days = Arc::new(days.into_iter().collect());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let router = Router::new().route("/", post(list)).with_state(days);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let mut config = GatewayConfig::new(url, "1185", "login", "password", "key");
    config.http.timeouts.total = Duration::from_secs(5);
    let gateway = PortmoneGateway::try_new(config).unwrap();
    PortmonePayments::new(gateway, PaymentRules::default(), Arc::new(Later))
}

fn order(name: &str, asked_at: DateTime<Utc>) -> OrderNumber {
    OrderNumber {
        payment_id: PaymentId::derived("payment", name),
        asked_at,
        amount: Kopecks::new(100).unwrap(),
    }
}

fn paid(bill: &str, order: &impl ToString, pay_date: &str) -> Value {
    json!({"shopBillId": bill, "shopOrderNumber": order.to_string(), "status": "PAYED",
        "billAmount": "1.00", "errorCode": "0", "pay_date": pay_date})
}

/// As a comparison of that day would ask.
async fn around(port: &PortmonePayments, kind: StatementKind, day: &str) -> Listing {
    let from = utc(&format!("{day}T00:00:00Z"));
    let apart = port.apart();
    port.listing(kind, from - apart, from + DAY + apart)
        .await
        .unwrap()
}

/// Names of what a comparison of that day reports as being of it.
async fn of(port: &PortmonePayments, day: &str) -> Vec<String> {
    let from = utc(&format!("{day}T00:00:00Z"));
    let listing = around(port, StatementKind::Payments, day).await;
    let today = listing
        .items
        .into_iter()
        .filter(|item| from <= item.created_at && item.created_at < from + DAY);
    today.map(|item| item.provider_id).collect()
}

#[tokio::test]
async fn f56_a_payment_near_midnight_is_of_one_day_whatever_calendar_it_is_listed_by() {
    // Winter and summer: Kyiv is two hours ahead, or three.
    for (asked, listed, written, day, neighbours) in [
        (
            "2026-02-10T23:29:00Z",
            "11.02.2026",
            "11.02.2026 01:30:00",
            "2026-02-10",
            ["2026-02-09", "2026-02-11"],
        ),
        (
            "2026-07-10T23:29:00Z",
            "11.07.2026",
            "11.07.2026 02:30:00",
            "2026-07-10",
            ["2026-07-09", "2026-07-11"],
        ),
        (
            "2026-07-10T20:58:00Z",
            "10.07.2026",
            "10.07.2026 23:59:59",
            "2026-07-10",
            ["2026-07-09", "2026-07-11"],
        ),
    ] {
        let number = order("one", utc(asked));
        let port = provider([(listed, vec![paid("1", &number, written)])]).await;
        assert_eq!(of(&port, day).await, [number.to_string()], "{written}");
        for other in neighbours {
            assert!(of(&port, other).await.is_empty(), "{written} on {other}");
            // The comparison of a neighbouring day sees it, and so does not miss an operation that we began then.
            let seen = around(&port, StatementKind::Payments, other).await;
            assert_eq!(seen.items.len(), 1, "{written} beside {other}");
        }
        let listing = around(&port, StatementKind::Payments, day).await;
        let told = listing.items[0].created_at - utc(asked);
        assert!(told < TimeDelta::minutes(5), "{written}: {told}");
    }
}

#[tokio::test]
async fn a_payment_whose_day_alone_is_told_is_seen_with_the_operation_that_began_it() {
    let number = order("one", utc("2026-07-10T19:00:00Z"));
    let port = provider([("10.07.2026", vec![paid("1", &number, "10.07.2026")])]).await;
    // Midnight in Kyiv is still the day before by UTC.
    assert_eq!(of(&port, "2026-07-09").await, [number.to_string()]);
    assert!(of(&port, "2026-07-10").await.is_empty());
    let beside = around(&port, StatementKind::Payments, "2026-07-10").await;
    assert_eq!(beside.items[0].provider_id, number.to_string());
}

#[tokio::test]
async fn f30_a_second_payment_of_an_order_is_not_taken_for_the_first_when_it_comes_days_later() {
    let number = order("one", utc("2026-07-10T10:00:00Z"));
    let port = provider([
        (
            "10.07.2026",
            vec![paid("1", &number, "10.07.2026 13:05:00")],
        ),
        (
            "11.07.2026",
            vec![paid("2", &number, "11.07.2026 13:05:00")],
        ),
        (
            "20.07.2026",
            vec![paid("3", &number, "20.07.2026 13:05:00")],
        ),
    ])
    .await;
    assert_eq!(of(&port, "2026-07-10").await, [number.to_string()]);
    assert_eq!(of(&port, "2026-07-11").await, [format!("{number}/2")]);
    assert_eq!(of(&port, "2026-07-20").await, [format!("{number}/3")]);
}

#[tokio::test]
async fn f61_one_transaction_that_cannot_be_read_is_named_and_the_others_are_listed() {
    let number = |name: &str| order(name, utc("2026-07-10T09:59:00Z"));
    let (good, ours) = (number("good"), number("ours"));
    let undated = order("undated", utc("2026-07-10T10:01:00Z"));
    let at = "10.07.2026 13:00:00";
    let with = |bill: &str, order: &dyn ToString, name: &str, value: Value| {
        let mut one = paid(bill, &order.to_string(), at);
        one[name] = value;
        one
    };
    let port = provider([(
        "10.07.2026",
        vec![
            paid("1", &good, at),
            with("2", &ours, "billAmount", json!("1e2")),
            with("3", &"their +380671234567", "billAmount", Value::Null),
            with("4", &"theirs", "pay_date", Value::Null),
            with("5", &undated, "pay_date", Value::Null),
            with("6\n7", &"theirs", "errorCode", json!("0")),
            with("8", &"theirs", "status", json!({"is": "PAYED"})),
            with("9", &good, "pay_date", json!("29.03.2026 03:30:00")),
        ],
    )])
    .await;
    let listing = around(&port, StatementKind::Payments, "2026-07-10").await;
    let moment = Some(utc("2026-07-10T10:00:00Z"));
    // Noon in Kyiv: what has no moment is of the day on whose list it stood.
    let noon = Some(utc("2026-07-10T09:00:00Z"));
    let read: Vec<String> = listing
        .items
        .iter()
        .map(|item| item.provider_id.clone())
        .collect();
    // The hour that is left out in spring is no moment either, but the order's number tells one.
    assert_eq!(
        read,
        [good.to_string(), format!("{good}/1"), undated.to_string()]
    );
    let told: Vec<_> = listing
        .unreadable
        .iter()
        .map(|one| {
            let name = one.provider_id.as_str();
            (name, one.flaw, one.status, one.created_at)
        })
        .collect();
    let nameless = told.iter().find(|one| one.1 == Flaw::Name).unwrap().0;
    let (ours_name, done) = (ours.to_string(), Some(ItemStatus::Done));
    let mut wanted = vec![
        ("4", Flaw::Date, done, noon),
        (ours_name.as_str(), Flaw::Amount, done, moment),
        ("3", Flaw::Amount, done, moment),
        ("8", Flaw::Form, None, moment),
        (nameless, Flaw::Name, done, moment),
    ];
    let mut told = told;
    told.sort_by_key(|one| one.0);
    wanted.sort_by_key(|one| one.0);
    assert_eq!(told, wanted);
    let own = listing
        .unreadable
        .iter()
        .find(|one| one.provider_id == ours_name);
    assert_eq!(own.unwrap().operation_id, Some(ours.payment_id.to_string()));
    let shown = format!("{:?}", listing.unreadable);
    assert!(!shown.contains("38067"), "a stranger's words: {shown}");
    let (from, to) = (utc("2026-07-10T00:00:00Z"), utc("2026-07-11T00:00:00Z"));
    let whole = port.items(StatementKind::Payments, from, to).await;
    assert!(matches!(whole, Err(PaymentFault::Unknown(_))), "{whole:?}");
    let find = async |number: OrderNumber| {
        let found = port.find(number.payment_id, number.asked_at).await;
        found.map(|found| found.map(|payment| payment.provider_id))
    };
    let lost = find(ours).await;
    assert!(matches!(lost, Err(PaymentFault::Unknown(_))), "{lost:?}");
    let back = around(&port, StatementKind::Refunds, "2026-07-10").await;
    assert_eq!(back, Listing::default());
}

#[tokio::test]
async fn a_stranger_s_transaction_that_cannot_be_read_hides_no_payment_of_ours() {
    let number = order("one", utc("2026-07-10T09:59:00Z"));
    let mut theirs = paid("1", &"theirs", "10.07.2026 13:00:00");
    theirs["billAmount"] = json!("much");
    let ours = paid("2", &number, "10.07.2026 13:00:00");
    let port = provider([("10.07.2026", vec![theirs, ours])]).await;
    let found = port.find(number.payment_id, number.asked_at).await.unwrap();
    assert_eq!(found.unwrap().provider_id, number.to_string());
}

#[tokio::test]
async fn a_list_with_another_shop_on_it_is_no_list() {
    let mut foreign = paid("1", &"theirs", "10.07.2026 13:00:00");
    foreign["payeeId"] = json!("1186");
    foreign["billAmount"] = json!("much");
    let port = provider([("10.07.2026", vec![foreign])]).await;
    let (from, to) = (utc("2026-07-10T00:00:00Z"), utc("2026-07-11T00:00:00Z"));
    let listing = port.listing(StatementKind::Payments, from, to).await;
    assert!(
        matches!(listing, Err(PaymentFault::Unknown(_))),
        "{listing:?}"
    );
}
