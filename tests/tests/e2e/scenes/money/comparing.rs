//! The providers' own lists against our books, with differences made on purpose.

use chrono::Utc;
use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::yookassa::YookassaSettings;
use kvit_adapters::sandbox::yookassa::faults::{Blemish, YookassaAction};
use serde_json::{Value, json};

use crate::support::till::{Till, sbp};
use crate::support::{books, seed, turn};

/// One comparison: items, matched, breaks.
async fn compare(till: &Till, provider: &str, kind: &str) -> [i64; 3] {
    let day = Utc::now().date_naive();
    let path = format!("/v1/reconciliation/{provider}/{kind}/{day}/run");
    let found = till.change(&path, json!({})).await;
    ["items", "matched", "breaks"].map(|name| found[name].as_i64().unwrap())
}

async fn breaks(till: &Till, more: &str) -> Vec<Value> {
    let list = till
        .read(&format!("/v1/reconciliation/breaks?{more}"))
        .await;
    list["data"].as_array().unwrap().clone()
}

/// As [`compare`], with another list than the true one. A list is read until it does not grow any more, so more than once.
async fn compare_spoilt(till: &Till, kind: &str, pointer: &str, value: Value) -> [i64; 3] {
    let action = YookassaAction::Spoil {
        blemish: Blemish::Replace {
            pointer: pointer.to_owned(),
            value,
        },
    };
    let rule = Rule::on(&format!("{kind}.list"), action).times(100);
    till.yookassa.add_fault(rule).await.unwrap();
    let found = compare(till, "yookassa", kind).await;
    till.yookassa.clear_faults().await.unwrap();
    found
}

/// Also F62.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f61_what_only_one_side_has_or_both_have_differently_is_named_once_and_waits_for_a_person()
{
    let _turn = turn().await;
    let seed = seed("reconciliation");
    let till = Till::open(seed).await;
    let person = till.person(75_000_041).await;
    // More than a page of the provider's list.
    for minor in [10_000, 20_000, 30_000] {
        till.top_up(&person, minor).await;
    }
    let payout = till.pay_out(&person, 15_000, "RUB", sbp()).await;
    till.becomes(&payout, "succeeded").await;
    till.expect(&person.wallet("RUB"), -15_000);
    for kind in ["payments", "refunds", "payouts"] {
        let [items, matched, wrong] = compare(&till, "yookassa", kind).await;
        assert_eq!((matched, wrong), (items, 0), "{kind}");
    }
    assert_eq!(breaks(&till, "all=true").await, Vec::<Value>::new());

    let stranger = payment_of_somebody_else(&till).await;
    let changed = ("/items/1/amount/value", json!("299.99"));
    let found = compare_spoilt(&till, "payments", changed.0, changed.1).await;
    assert_eq!(found, [4, 2, 2]);
    let found = compare_spoilt(&till, "payouts", "/items", json!([])).await;
    assert_eq!(found, [0, 0, 1]);
    let open = breaks(&till, "provider=yookassa").await;
    let mut classes: Vec<_> = open.iter().map(|one| one["class"].clone()).collect();
    classes.sort_by_key(Value::to_string);
    assert_eq!(
        classes,
        ["amount_differs", "ours_only", "theirs_only"],
        "{open:#?}"
    );

    // The same look again names nothing twice.
    let changed = ("/items/1/amount/value", json!("299.99"));
    let found = compare_spoilt(&till, "payments", changed.0, changed.1).await;
    assert_eq!(found, [4, 2, 2]);
    assert_eq!(breaks(&till, "provider=yookassa").await, open);
    let theirs = breaks(&till, "class=theirs_only").await;
    assert_eq!(theirs[0]["item"], stranger, "{theirs:#?}");
    assert_eq!(theirs[0]["theirs"]["minor"], 4_321, "{theirs:#?}");
    // A list that agrees later says so; it corrects nothing.
    assert_eq!(compare(&till, "yookassa", "payments").await, [4, 3, 1]);
    let settled = breaks(&till, "all=true&class=amount_differs").await;
    assert_eq!(
        settled[0]["resolved_by"], "policy:reconciliation",
        "{settled:#?}"
    );

    let open = breaks(&till, "provider=yookassa").await;
    assert_eq!(open.len(), 2, "{open:#?}");
    let day = Utc::now().date_naive();
    for one in &open {
        let (kind, item) = (one["kind"].as_str().unwrap(), one["item"].as_str().unwrap());
        let path = format!("/v1/reconciliation/yookassa/{kind}/{day}/breaks/{item}");
        till.change(&format!("{path}/assign"), json!({"owner": "accounting"}))
            .await;
        let owned = breaks(&till, "owner=accounting").await;
        assert_eq!(owned.len(), 1, "{owned:#?}");
        till.change(
            &format!("{path}/resolve"),
            json!({"reason": "seen with the bank"}),
        )
        .await;
    }
    assert_eq!(
        breaks(&till, "provider=yookassa").await,
        Vec::<Value>::new()
    );
    compare(&till, "yookassa", "payments").await;
    assert_eq!(
        breaks(&till, "provider=yookassa").await,
        Vec::<Value>::new()
    );
    assert_eq!(breaks(&till, "all=true").await.len(), 3);
    books::all_agree(&till).await;
}

/// A payment of the same shop that another program has made; the provider's id.
async fn payment_of_somebody_else(till: &Till) -> String {
    let shop = YookassaSettings::default().shop;
    let body = json!({
        "amount": {"value": "43.21", "currency": "RUB"}, "capture": true,
        "confirmation": {"type": "redirect", "return_url": "http://127.0.0.1/elsewhere"},
    });
    let url = format!("{}/payments", till.outside.running.yookassa_url());
    let made: Value = reqwest::Client::new()
        .post(url)
        .basic_auth(shop.id, Some(shop.secret))
        .header("Idempotence-Key", "somebody-else")
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let id = made["id"].as_str().unwrap().to_owned();
    till.yookassa.pay(&id).await.unwrap();
    id
}
