//! Calls that change something: each acts once, by name, and stands in the log.

use chrono::TimeDelta;
use kvit_commands::app::{PayoutRequest, PayoutRoute};
use kvit_domain::money::{Currency, Money};
use kvit_gateway::dead_letters::DeadLetter;
use serde_json::{Value, json};

use crate::world::World;

async fn last_event(world: &World, kind: &str, id: &str) -> Value {
    let page = world
        .read(&format!("/v1/streams/{kind}/{id}/events?limit=200"))
        .await;
    page["data"].as_array().unwrap().last().unwrap().clone()
}

#[tokio::test]
async fn a_review_is_decided_once_by_name_and_with_a_reason() {
    let world = World::new().await;
    world.campaign().await;
    let user = world.shopper(1).await;
    let receipt = world.receipt(user, 1, false).await;
    world.settle().await;
    let queue = world.read("/v1/review-queue").await;
    assert_eq!(queue["data"][0]["id"], receipt.to_string());
    assert!(!queue["data"][0]["reasons"].as_array().unwrap().is_empty());

    let path = format!("/v1/receipts/{receipt}/review");
    let silent = world
        .post(&path)
        .admin()
        .once("1")
        .json(&json!({ "verdict": "accept", "reason": "" }))
        .send()
        .await;
    assert_eq!(silent.refusal(), (422, "review_reason_required".into()));
    let operator = world.key(&["operator"]).await;
    let body = json!({ "verdict": "accept", "reason": "readable by eye" });
    let decided = world
        .post(&path)
        .key(&operator)
        .once("2")
        .json(&body)
        .send()
        .await
        .ok();
    assert_eq!(decided["replayed"], false);
    let actor =
        last_event(&world, "receipt", &receipt.to_string()).await["metadata"]["actor"].clone();
    let key_id = operator.split('_').nth(1).unwrap();
    assert_eq!(actor, format!("api:{key_id}"));

    let again = world
        .post(&path)
        .key(&operator)
        .once("2")
        .json(&body)
        .send()
        .await
        .ok();
    assert_eq!(
        (&again["replayed"], &again["position"]),
        (&json!(true), &decided["position"])
    );
    let other = json!({ "verdict": "reject", "reason": "changed my mind" });
    let other = world
        .post(&path)
        .key(&operator)
        .once("2")
        .json(&other)
        .send()
        .await;
    assert_eq!(other.refusal(), (422, "idempotency_conflict".into()));
    let late = world
        .post(&path)
        .key(&operator)
        .once("3")
        .json(&body)
        .send()
        .await;
    assert_eq!(late.refusal(), (409, "invalid_state".into()));

    world.settle().await;
    assert!(
        world.read("/v1/review-queue").await["data"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn corrected_fields_are_shown_and_the_doubt_goes_with_them() {
    let world = World::new().await;
    world.campaign().await;
    let user = world.shopper(1).await;
    let receipt = world.receipt(user, 1, false).await;
    let body = json!({ "total_minor": 12_345, "purchased_at": "2026-11-18T15:31:00", "reason": "by the photo" });
    let path = format!("/v1/receipts/{receipt}/corrections");
    world
        .post(&path)
        .admin()
        .once("1")
        .json(&body)
        .send()
        .await
        .ok();
    world.settle().await;
    let detail = world.read(&format!("/v1/receipts/{receipt}")).await;
    assert_eq!(detail["reading"]["total"]["value"], "123.45");
    assert_eq!(
        detail["reading"]["purchased_at"]["value"],
        "2026-11-18T15:31:00"
    );
}

#[tokio::test]
async fn two_callers_who_choose_the_same_key_mean_two_things() {
    let world = World::new().await;
    let user = world.shopper(1).await;
    let path = format!("/v1/users/{user}/ban");
    let (first, second) = (
        world.key(&["admin"]).await,
        world.key(&["admin", "viewer"]).await,
    );
    world
        .post(&path)
        .key(&first)
        .once("same")
        .json(&json!({ "reason": "one" }))
        .send()
        .await
        .ok();
    world
        .post(&path)
        .key(&second)
        .once("same")
        .json(&json!({ "reason": "two" }))
        .send()
        .await
        .ok();
}

#[tokio::test]
async fn a_job_is_ordered_worked_on_and_paid_by_its_real_cost() {
    let world = World::new().await;
    world.campaign().await;
    let user = world.shopper(1).await;
    world.rewarded(user, 1).await;
    let order = json!({
        "user_id": user, "kind": "image.generate", "estimate": { "minor": 60, "currency": "UAH" },
        "expires_at": crate::world::start() + TimeDelta::hours(1),
    });
    let made = world
        .post("/v1/jobs")
        .admin()
        .once("order")
        .json(&order)
        .send()
        .await;
    assert_eq!(made.status.as_u16(), 201);
    let location = made.header("location").to_owned();
    let id = made.ok()["id"].clone();
    assert_eq!(location, format!("/v1/jobs/{}", id.as_str().unwrap()));
    let again = world
        .post("/v1/jobs")
        .admin()
        .once("order")
        .json(&order)
        .send()
        .await
        .ok();
    assert_eq!((&again["id"], &again["replayed"]), (&id, &json!(true)));

    let step = |what: &str, body: Value| {
        let path = format!("{location}/{what}");
        let (world, what) = (&world, what.to_owned());
        async move {
            world
                .post(&path)
                .admin()
                .once(&what)
                .json(&body)
                .send()
                .await
        }
    };
    let early = step("progress", json!({ "percent": 10 })).await;
    assert_eq!(early.refusal(), (409, "invalid_state".into()));
    step("start", json!({ "worker": "w1" })).await.ok();
    let dear = json!({ "cost": { "minor": 61, "currency": "UAH" }, "result_key": "jobs/1.png" });
    assert_eq!(step("complete", dear).await.refusal().1, "invalid_command");
    let cost = json!({ "cost": { "minor": 40, "currency": "UAH" }, "result_key": "jobs/1.png" });
    world
        .post(&format!("{location}/complete"))
        .admin()
        .once("done")
        .json(&cost)
        .send()
        .await
        .ok();
    world.settle().await;
    let job = world.read(&location).await;
    assert_eq!(
        (&job["state"], &job["cost"]["decimal"]),
        (&json!("completed"), &json!("0.40"))
    );
    let wallet = world.read(&format!("/v1/wallets/{user}:UAH")).await;
    assert_eq!(
        (&wallet["posted"]["minor"], &wallet["held"]["minor"]),
        (&json!(60), &json!(0))
    );
    let holds = world.read(&format!("/v1/wallets/{user}:UAH/holds")).await;
    let hold = &holds["data"][0];
    assert_eq!(
        (&hold["captured"]["minor"], &hold["left"]["minor"]),
        (&json!(40), &json!(0))
    );
    assert!(
        world
            .read(&format!("/v1/wallets/{user}:UAH/holds?active=true"))
            .await["data"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_job_beyond_the_balance_is_refused_with_what_is_there() {
    let world = World::new().await;
    world.campaign().await;
    let user = world.shopper(1).await;
    world.rewarded(user, 1).await;
    let order = json!({
        "user_id": user, "kind": "image.generate", "estimate": { "minor": 101, "currency": "UAH" },
        "expires_at": crate::world::start() + TimeDelta::hours(1),
    });
    let got = world
        .post("/v1/jobs")
        .admin()
        .once("order")
        .json(&order)
        .send()
        .await;
    assert_eq!(got.refusal(), (409, "insufficient_funds".into()));
    assert_eq!(
        got.json()["details"]["available_minor"],
        "100",
        "{}",
        got.text()
    );
    let repeated = world
        .post("/v1/jobs")
        .admin()
        .once("order")
        .json(&order)
        .send()
        .await;
    assert_eq!(repeated.refusal(), (409, "insufficient_funds".into()));
}

#[tokio::test]
async fn a_payout_is_listed_and_only_a_failed_one_is_paid_again() {
    let world = World::new().await;
    world.campaign().await;
    let user = world.shopper(1).await;
    let receipt = world.rewarded(user, 1).await;
    let id = kvit_commands::app::reward_payout_id(receipt);
    let context = kvit_commands::context::Context::new("test", "payout", "setup");
    let amount = Money::new(100, Currency::Uah);
    let request = PayoutRequest {
        payout_id: id,
        user_id: user,
        amount,
        receipt_id: Some(receipt),
        route: PayoutRoute::Phone { operator: None },
    };
    world.app.request_payout(request, &context).await.unwrap();
    world.settle().await;
    let listed = world
        .read(&format!("/v1/payouts?state=held&user_id={user}"))
        .await;
    assert_eq!(listed["data"][0]["id"], id.to_string());
    assert!(
        !listed.to_string().contains("0671234567") && !listed.to_string().contains("380671234567")
    );
    let retry = world
        .post(&format!("/v1/payouts/{id}/retry"))
        .admin()
        .once("1")
        .send()
        .await;
    assert_eq!(retry.refusal(), (409, "invalid_state".into()));
    let body = json!({ "paid": true, "reason": "seen in the cabinet" });
    let resolved = world
        .post(&format!("/v1/payouts/{id}/resolution"))
        .admin()
        .once("2")
        .json(&body)
        .send()
        .await;
    assert_eq!(resolved.refusal(), (409, "invalid_state".into()));
    let missing = world
        .post("/v1/payouts/5b1f1c9e-3c0b-4d8e-9a53-0c8f0f6f7a11/retry")
        .admin()
        .once("3")
        .send()
        .await;
    assert_eq!(missing.refusal(), (404, "not_found".into()));
}

#[tokio::test]
async fn a_campaign_goes_from_draft_to_active_and_a_change_is_a_new_version() {
    let world = World::new().await;
    let terms = |minor: i64| {
        json!({
            "currency": "UAH", "window_days": 7, "products": { "brand_keywords": ["Дарниця"] },
            "reward": { "kind": "fixed", "minor": minor }, "daily_limit": 3,
        })
    };
    let made = world
        .post("/v1/campaigns")
        .admin()
        .once("draft")
        .json(&json!({ "name": "Winter", "terms": terms(100) }))
        .send()
        .await;
    let path = made.header("location").to_owned();
    made.ok();
    world
        .post(&format!("{path}/activate"))
        .admin()
        .once("go")
        .send()
        .await
        .ok();
    let change = json!({ "terms": terms(200) });
    let put = |key: &'static str| {
        world
            .ask(axum::http::Method::PUT, &format!("{path}/terms"))
            .admin()
            .once(key)
            .json(&change)
    };
    put("change").send().await.ok();
    world.settle().await;
    let campaign = world.read(&path).await;
    assert_eq!(
        (&campaign["state"], &campaign["version"]),
        (&json!("active"), &json!(2))
    );
    assert_eq!(
        campaign["terms"]["reward"],
        json!({ "kind": "fixed", "minor": 200 })
    );
    let wrong = json!({ "terms": { "currency": "ABC", "window_days": 7, "products": {}, "reward": { "kind": "fixed", "minor": 1 }, "daily_limit": 1 } });
    let wrong = world
        .ask(axum::http::Method::PUT, &format!("{path}/terms"))
        .admin()
        .once("w")
        .json(&wrong)
        .send()
        .await;
    assert_eq!(wrong.refusal(), (422, "invalid_body".into()));
    assert_eq!(wrong.json()["errors"][0]["pointer"], "/terms/currency");
}

#[tokio::test]
async fn a_product_that_was_put_is_in_the_catalogue_at_once() {
    let world = World::new().await;
    for code in ["13204", "13205", "13206"] {
        let body = json!({ "names": [format!("Цитрамон {code}")], "barcodes": ["4820000000017"] });
        let path = format!("/v1/catalogue/products/{code}");
        world
            .ask(axum::http::Method::PUT, &path)
            .admin()
            .once(code)
            .json(&body)
            .send()
            .await
            .ok();
    }
    let first = world.read("/v1/catalogue/products?limit=2").await;
    assert_eq!(first["data"].as_array().unwrap().len(), 2);
    let second = world.read(first["links"]["next"].as_str().unwrap()).await;
    assert_eq!(second["data"][0]["code"], "13206");
    assert!(second["links"]["next"].is_null());
}

#[tokio::test]
async fn dead_letters_are_listed_replayed_and_dropped_by_name() {
    let world = World::new().await;
    for id in ["1", "2", "3"] {
        let letter = DeadLetter {
            id: id.into(),
            handler: "payouts".into(),
            event_type: "PayoutRequested".into(),
            stream: "payout/x".into(),
            position: 7,
            reason: "the provider is away".into(),
            deliveries: 5,
            dead_since: crate::world::start(),
        };
        world
            .letters
            .waiting
            .lock()
            .unwrap()
            .insert(id.into(), letter);
    }
    let first = world.read("/v1/dead-letters?limit=2").await;
    let second = world.read(first["links"]["next"].as_str().unwrap()).await;
    assert_eq!(second["data"][0]["id"], "3");
    let replayed = world
        .post("/v1/dead-letters/1/replay")
        .admin()
        .once("1")
        .send()
        .await;
    assert_eq!(replayed.status.as_u16(), 204);
    let body = json!({ "reason": "a test event" });
    world
        .post("/v1/dead-letters/2/drop")
        .admin()
        .once("2")
        .json(&body)
        .send()
        .await
        .ok();
    let gone = world
        .post("/v1/dead-letters/2/drop")
        .admin()
        .once("3")
        .json(&body)
        .send()
        .await;
    assert_eq!(gone.refusal(), (404, "not_found".into()));
    let done = world.letters.done.lock().unwrap().clone();
    assert_eq!(
        done[..2],
        [
            "replay 1 by api:bootstrap",
            "drop 2 by api:bootstrap: a test event"
        ]
    );
}
