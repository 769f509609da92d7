//! What people at a desk do: corrections with four eyes, many bookings in one call, the end of a month.

use chrono::{TimeDelta, Utc};
use kvit_domain::ids::TransactionId;
use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::till::{Person, Till, amount};
use crate::support::{books, seed, turn};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corrections_need_two_keys_bulks_stand_together_or_alone_and_a_closed_month_takes_nothing()
{
    let _turn = turn().await;
    let seed = seed("the desk");
    let till = Till::open(seed).await;
    let person = till.person(75_000_031).await;
    four_eyes(&till, &person).await;
    bulks(&till, &person).await;
    a_month_is_over(&till, &person).await;
    by_card(&till, &person).await;
    books::all_agree(&till).await;
}

/// A key of its own with these scopes.
async fn key(till: &Till, name: &str, scopes: &[&str]) -> Api {
    let body = json!({"name": name, "scopes": scopes, "per_minute": 600});
    let made = till.change("/v1/api-keys", body).await;
    till.api.with_key(made["token"].as_str().unwrap())
}

fn correction(person: &Person, minor: i64) -> Value {
    json!({
        "wallet_id": person.wallet("UAH"), "side": "credit", "amount": amount(minor, "UAH"),
        "reason": "paid out twice by the old system",
    })
}

async fn four_eyes(till: &Till, person: &Person) {
    let first = key(till, "first", &["operator"]).await;
    let second = key(till, "second", &["admin"]).await;
    let body = correction(person, 1_500);
    let made = first.change("/v1/adjustments", &till.once(), &body).await;
    let path = format!("/v1/adjustments/{}", made["id"].as_str().unwrap());
    let approve = format!("{path}/approve");
    let because = json!({"reason": "seen in the old books"});
    let (status, code, _) = first.refused(&approve, &till.once(), &because).await;
    assert_eq!((status, code.as_str()), (403, "forbidden"), "no admin");
    let made = second.change("/v1/adjustments", &till.once(), &body).await;
    let own = format!("/v1/adjustments/{}", made["id"].as_str().unwrap());
    let own = format!("{own}/approve");
    let (status, code, _) = second.refused(&own, &till.once(), &because).await;
    assert_eq!((status, code.as_str()), (403, "four_eyes_required"));
    let queue = till.read("/v1/adjustment-queue").await;
    assert_eq!(queue["data"].as_array().unwrap().len(), 2, "{queue:#}");
    let empty = till.read(&format!("/v1/users/{}/wallets", person.id)).await;
    assert_eq!(empty["data"].as_array().unwrap().len(), 0, "{empty:#}");

    let once = till.once();
    second.change(&approve, &once, &because).await;
    let again = second.change(&approve, &once, &because).await;
    assert_eq!(again["replayed"], true, "{again}");
    till.expect(&person.wallet("UAH"), 1_500);
    let decline = own.replace("approve", "decline");
    second.change(&decline, &till.once(), &because).await;
    assert_eq!(till.wallet(&person.wallet("UAH")).await, (1_500, 0));
}

fn gift(person: &Person, name: &str, minor: i64) -> Value {
    json!({
        "type": "post", "wallet_id": person.wallet("UAH"), "transaction_id": TransactionId::derived("e2e", name),
        "side": if minor > 0 { "credit" } else { "debit" }, "amount": amount(minor.abs(), "UAH"),
        "account": "bonus:expense", "kind": "reward", "reference": "campaign:winter",
    })
}

async fn bulks(till: &Till, person: &Person) {
    let bulk = |mode: &str, commands: &[Value]| json!({"mode": mode, "commands": commands});
    let commands = [
        gift(person, "a", 700),
        gift(person, "b", -100_000),
        gift(person, "c", 300),
    ];
    let once = till.once();
    let body = bulk("atomic", &commands);
    let (status, code, problem) = till.api.refused("/v1/ledger/bulk", &once, &body).await;
    assert_eq!((status, code.as_str()), (409, "bulk_refused"));
    assert_eq!(problem["details"]["index"], "1", "{problem:#}");
    assert_eq!(till.wallet(&person.wallet("UAH")).await, (1_500, 0));

    let body = bulk("independent", &commands);
    for round in 0..2 {
        let done = till.api.change("/v1/ledger/bulk", "alone", &body).await;
        let outcomes: Vec<_> = done["results"].as_array().unwrap().iter().collect();
        let of = |index: usize| outcomes[index]["outcome"].as_str().unwrap();
        assert_eq!(
            [of(0), of(1), of(2)],
            ["done", "refused", "done"],
            "{done:#}"
        );
        assert_eq!(outcomes[0]["replayed"], round > 0, "{done:#}");
    }
    till.expect(&person.wallet("UAH"), 1_000);

    let all: Vec<_> = (0..1_000)
        .map(|number| gift(person, &format!("many-{number}"), 1))
        .collect();
    let body = bulk("atomic", &all);
    let done = till.change("/v1/ledger/bulk", body.clone()).await;
    assert_eq!(done["results"].as_array().unwrap().len(), 1_000);
    till.change("/v1/ledger/bulk", body).await;
    till.expect(&person.wallet("UAH"), 1_000);
    assert_eq!(till.wallet(&person.wallet("UAH")).await, (3_500, 0));
    let mut more = all;
    more.push(gift(person, "one too many", 1));
    let refused = till.refused("/v1/ledger/bulk", bulk("atomic", &more)).await;
    assert_eq!(refused, (413, "payload_too_large".to_owned()));
}

async fn a_month_is_over(till: &Till, person: &Person) {
    let day = (Utc::now() - TimeDelta::days(40)).date_naive();
    let month = day.format("%Y-%m");
    // While it is open, it takes a booking.
    let mut early = gift(person, "early", 50);
    early["value_date"] = json!(day);
    let bulk = |command: Value| json!({"mode": "atomic", "commands": [command]});
    till.change("/v1/ledger/bulk", bulk(early.clone())).await;
    till.expect(&person.wallet("UAH"), 50);
    let path = format!("/v1/periods/{month}/close");
    let because = json!({"reason": "checked against the bank"});
    let closed = till.change(&path, because.clone()).await;
    assert_eq!(closed["totals"]["UAH"], "50", "{closed:#}");
    let again = till.change(&path, because.clone()).await;
    assert_eq!(again["replayed"], true, "{again:#}");
    let today = Utc::now().format("%Y-%m");
    let (status, _) = till
        .refused(&format!("/v1/periods/{today}/close"), because.clone())
        .await;
    assert!(status == 409 || status == 422, "a running month: {status}");

    early["transaction_id"] = json!(TransactionId::derived("e2e", "too late"));
    let (status, code, problem) = till
        .api
        .refused("/v1/ledger/bulk", &till.once(), &bulk(early))
        .await;
    assert_eq!((status, code.as_str()), (409, "bulk_refused"));
    assert_eq!(problem["details"]["code"], "period_closed", "{problem:#}");
    let mut late = correction(person, 77);
    late["value_date"] = json!(day);
    // Whether it is proposed or approved: it is not booked.
    let answer = till.api.post("/v1/adjustments", &till.once(), &late).await;
    if answer.status().is_success() {
        let made: Value = answer.json().await.unwrap();
        let path = format!("/v1/adjustments/{}/approve", made["id"].as_str().unwrap());
        let second = key(till, "third", &["admin"]).await;
        let (status, code, _) = second.refused(&path, &till.once(), &because).await;
        assert_eq!((status, code.as_str()), (409, "period_closed"));
    } else {
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "period_closed", "{problem:#}");
    }
    let was = till
        .read(&format!(
            "/v1/wallets/{}/balance?value_date={day}",
            person.wallet("UAH")
        ))
        .await;
    assert_eq!(was["balance"]["minor"], 50, "{was:#}");
}

/// Hryvnias by card through Portmone, and a part of them back.
async fn by_card(till: &Till, person: &Person) {
    let body = json!({"user_id": person.id, "provider": "portmone", "amount": amount(12_345, "UAH"), "capture": true});
    let made = till.change("/v1/payments", body).await;
    let path = format!("/v1/payments/{}", made["id"].as_str().unwrap());
    let open = till.becomes(&path, "pending").await;
    assert!(open["confirmation_url"].is_string(), "{open:#}");
    let shop = till.portmone.books().await.unwrap();
    assert_eq!(shop.links.len(), 1, "{shop:#?}");
    till.portmone
        .pay(&shop.links[0].order_number)
        .await
        .unwrap();
    till.becomes(&path, "succeeded").await;
    till.expect(&person.wallet("UAH"), 12_345);
    let part = json!({"amount": amount(345, "UAH"), "reason": "not needed"});
    let made = till.change(&format!("{path}/refunds"), part).await;
    let refund = format!("/v1/refunds/{}", made["id"].as_str().unwrap());
    till.becomes(&refund, "succeeded").await;
    till.expect(&person.wallet("UAH"), -345);
}
