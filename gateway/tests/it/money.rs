//! Payments, refunds, payouts, transfers and adjustments as callers ask for them.

use chrono::TimeDelta;
use kvit_commands::context::Context;
use kvit_domain::ids::{PaymentId, UserId};
use kvit_domain::money::{Currency, Money};
use kvit_domain::payment::SnapshotStatus;
use kvit_domain::payout::{Payout, PayoutCommand};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::provider::snapshot;
use crate::world::{Got, World, start};

const fn rub(minor: i64) -> Money {
    Money::new(minor, Currency::Rub)
}

async fn post(world: &World, path: &str, once: &str, body: Value) -> Got {
    world.post(path).admin().once(once).json(&body).send().await
}

async fn pay(world: &World, user: UserId, capture: bool) -> PaymentId {
    let body = json!({
        "user_id": user, "provider": "yookassa", "amount": { "minor": 10_000, "currency": "RUB" }, "capture": capture,
    });
    let got = post(world, "/v1/payments", "pay", body).await;
    assert_eq!(got.status.as_u16(), 201, "{}", got.text());
    let id = got.ok()["id"].as_str().unwrap().to_owned();
    assert_eq!(got.header("location"), format!("/v1/payments/{id}"));
    id.parse().unwrap()
}

/// The provider, asked by a worker, says how the payment stands.
async fn provider_says(world: &World, id: PaymentId, status: SnapshotStatus, amount: Money) {
    let context = Context::new("policy:test", format!("{id}"), "setup");
    world
        .app
        .observe_payment(id, &snapshot(id, status, amount), &context)
        .await
        .unwrap();
    world.settle().await;
}

async fn wallet(world: &World, user: UserId, currency: &str) -> (Value, Value) {
    world.settle().await;
    let wallet = world.read(&format!("/v1/wallets/{user}:{currency}")).await;
    (
        wallet["posted"]["minor"].clone(),
        wallet["held"]["minor"].clone(),
    )
}

/// Money on a wallet, out of nowhere but the bonus account.
async fn give(world: &World, user: UserId, minor: i64, currency: &str) {
    let body = json!({ "mode": "atomic", "commands": [{
        "type": "post", "wallet_id": format!("{user}:{currency}"), "transaction_id": Uuid::from_u128(minor.unsigned_abs().into()),
        "side": "credit", "amount": { "minor": minor, "currency": currency }, "account": "bonus:expense", "kind": "reward",
        "reference": "gift" }] });
    let once = format!("give-{user}-{minor}");
    post(world, "/v1/ledger/bulk", &once, body).await.ok();
}

#[tokio::test]
async fn f30_a_second_tap_names_the_same_payment_and_a_paid_one_is_credited_and_refunded_in_parts()
{
    let world = World::new().await;
    let user = world.shopper(1).await;
    let id = pay(&world, user, true).await;
    assert_eq!(pay(&world, user, true).await, id, "the second tap");
    world.settle().await;
    let path = format!("/v1/payments/{id}");
    let open = world.read(&path).await;
    assert_eq!(
        (&open["state"], &open["paid"]),
        (&json!("intended"), &json!(null))
    );
    let early = json!({ "amount": { "minor": 1, "currency": "RUB" }, "reason": "too early" });
    let early = post(&world, &format!("{path}/refunds"), "r0", early).await;
    assert_eq!(early.refusal(), (409, "refund_not_possible".into()));

    provider_says(&world, id, SnapshotStatus::Succeeded, rub(10_000)).await;
    assert_eq!(wallet(&world, user, "RUB").await, (json!(10_000), json!(0)));
    let refund = |minor: i64| json!({ "amount": { "minor": minor, "currency": "RUB" }, "reason": "ordered twice" });
    let first = post(&world, &format!("{path}/refunds"), "r1", refund(6_000)).await;
    assert_eq!(first.status.as_u16(), 201);
    let refund_id = first.ok()["id"].as_str().unwrap().to_owned();
    let exceeded = post(&world, &format!("{path}/refunds"), "r2", refund(4_001)).await;
    assert_eq!(exceeded.refusal(), (409, "refund_exceeded".into()));
    assert_eq!(exceeded.json()["details"]["left_minor"], "4000");
    assert_eq!(
        wallet(&world, user, "RUB").await,
        (json!(10_000), json!(6_000))
    );
    let shown = world.read(&format!("/v1/refunds/{refund_id}")).await;
    assert_eq!(
        (&shown["state"], &shown["payment_id"]),
        (&json!("intended"), &json!(id.to_string()))
    );
    let listed = world.read(&format!("/v1/refunds?payment_id={id}")).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let listed = world
        .read(&format!(
            "/v1/payments?user_id={user}&state=succeeded&provider=yookassa"
        ))
        .await;
    assert_eq!(listed["data"][0]["refunding"]["minor"], 6_000);
}

#[tokio::test]
async fn f20_a_held_payment_is_captured_in_part_or_cancelled_but_not_both() {
    let world = World::new().await;
    let user = world.shopper(1).await;
    let id = pay(&world, user, false).await;
    let path = format!("/v1/payments/{id}");
    let capture = |minor: i64| json!({ "amount": { "minor": minor, "currency": "RUB" } });
    let early = post(&world, &format!("{path}/capture"), "c0", capture(1)).await;
    assert_eq!(early.refusal(), (409, "invalid_state".into()));
    provider_says(&world, id, SnapshotStatus::AwaitingCapture, rub(10_000)).await;
    let too_much = post(&world, &format!("{path}/capture"), "c1", capture(10_001)).await;
    assert_eq!(too_much.refusal(), (422, "invalid_command".into()));
    post(&world, &format!("{path}/capture"), "c2", capture(7_500))
        .await
        .ok();
    let cancel = world
        .post(&format!("{path}/cancel"))
        .admin()
        .once("x")
        .send()
        .await;
    assert_eq!(cancel.refusal(), (409, "invalid_state".into()));
    world.settle().await;
    assert_eq!(world.read(&path).await["capturing"]["minor"], 7_500);
    provider_says(&world, id, SnapshotStatus::Succeeded, rub(7_500)).await;
    assert_eq!(
        wallet(&world, user, "RUB").await.0,
        json!(7_500),
        "what was taken, not what was asked for"
    );
}

#[tokio::test]
async fn f19_an_amount_that_does_not_fit_waits_for_a_person_who_credits_what_really_came() {
    let world = World::new().await;
    let user = world.shopper(1).await;
    let id = pay(&world, user, true).await;
    provider_says(&world, id, SnapshotStatus::Succeeded, rub(9_900)).await;
    let queue = world.read("/v1/payments?state=quarantined").await;
    assert_eq!(queue["data"][0]["paid"]["minor"], 9_900);
    assert_eq!(
        world
            .get(&format!("/v1/wallets/{user}:RUB"))
            .admin()
            .send()
            .await
            .refusal()
            .0,
        404,
        "nothing is credited by itself"
    );
    let path = format!("/v1/payments/{id}/quarantine/resolve");
    let silent = post(&world, &path, "1", json!({ "credit": true, "reason": " " })).await;
    assert_eq!(silent.refusal(), (422, "review_reason_required".into()));
    let body = json!({ "credit": true, "reason": "a coupon of the provider" });
    post(&world, &path, "2", body.clone()).await.ok();
    let again = post(&world, &path, "2", body.clone()).await.ok();
    assert_eq!(again["replayed"], true);
    let alone = post(&world, &path, "3", body.clone()).await;
    assert_eq!(alone.refusal().1, "four_eyes_required");
    let other = world.key(&["operator"]).await;
    world
        .post(&path)
        .key(&other)
        .once("4")
        .json(&body)
        .send()
        .await
        .ok();
    assert_eq!(wallet(&world, user, "RUB").await.0, json!(9_900));
    let shown = world.read(&format!("/v1/payments/{id}")).await;
    assert_eq!(shown["state"], "resolved");
    let by = shown["resolved_by"].as_str().unwrap();
    assert!(by.starts_with("api:") && by != "api:bootstrap", "{by}");
}

#[tokio::test]
async fn a_payment_through_a_provider_that_is_not_set_up_or_unknown_is_refused() {
    let world = World::new().await;
    let user = world.shopper(1).await;
    let body = |provider: &str, minor: i64| json!({ "user_id": user, "provider": provider, "amount": { "minor": minor, "currency": "RUB" } });
    let not_set_up = post(&world, "/v1/payments", "1", body("portmone", 100)).await;
    assert_eq!(
        not_set_up.refusal(),
        (422, "provider_not_configured".into())
    );
    let unknown = post(&world, "/v1/payments", "2", body("paypal", 100)).await;
    assert_eq!(unknown.json()["errors"][0]["pointer"], "/provider");
    let nothing = post(&world, "/v1/payments", "3", body("yookassa", 0)).await;
    assert_eq!(nothing.refusal(), (422, "amount_not_positive".into()));
}

#[tokio::test]
async fn money_is_paid_out_in_four_ways_and_no_destination_is_shown() {
    let world = World::new().await;
    let user = world.shopper(1).await;
    give(&world, user, 1_000, "UAH").await;
    give(&world, user, 3_000, "RUB").await;
    let order = |currency: &str, route: Value| json!({ "user_id": user, "amount": { "minor": 500, "currency": currency }, "route": route });
    let routes = [
        (
            "UAH",
            json!({ "to": "phone", "operator": "vodafone" }),
            "mobile_top_up",
        ),
        (
            "RUB",
            json!({ "to": "sbp", "phone": "79000000017", "bank_id": "100000000111" }),
            "sbp",
        ),
        (
            "RUB",
            json!({ "to": "yoomoney_wallet", "account": "41001614575714" }),
            "yoomoney_wallet",
        ),
        (
            "RUB",
            json!({ "to": "card_token", "token": "pt-2e8d9c1b-0001" }),
            "card_token",
        ),
    ];
    for (index, (currency, route, method)) in routes.into_iter().enumerate() {
        let once = format!("p{index}");
        let got = post(&world, "/v1/payouts", &once, order(currency, route)).await;
        assert_eq!(got.status.as_u16(), 201, "{}", got.text());
        world.settle().await;
        let shown = world.get(got.header("location")).admin().send().await;
        assert_eq!(shown.ok()["method"], method);
        for secret in [
            "79000000017",
            "41001614575714",
            "pt-2e8d9c1b",
            "380671234567",
        ] {
            assert!(!shown.text().contains(secret), "{}", shown.text());
        }
    }
    assert_eq!(
        wallet(&world, user, "RUB").await,
        (json!(3_000), json!(1_500))
    );
    for (route, code) in [
        (
            json!({ "to": "sbp", "phone": "x", "bank_id": "100000000111" }),
            "invalid_command",
        ),
        (
            json!({ "to": "sbp", "phone": "79000000017" }),
            "invalid_body",
        ),
        (json!({ "to": "carrier pigeon" }), "invalid_body"),
        (json!({ "to": "phone", "operator": "none" }), "invalid_body"),
    ] {
        let got = post(&world, "/v1/payouts", "wrong", order("RUB", route)).await;
        assert_eq!(got.refusal().1, code);
    }
    let poor = json!({ "user_id": user, "amount": { "minor": 1_501, "currency": "RUB" }, "route": { "to": "card_token", "token": "t" } });
    let poor = post(&world, "/v1/payouts", "poor", poor).await;
    assert_eq!(poor.refusal(), (409, "insufficient_funds".into()));
}

#[tokio::test]
async fn f52_a_failed_payout_is_paid_again_as_a_new_one_by_the_operator_that_has_the_number_now() {
    let world = World::new().await;
    let user = world.shopper(1).await;
    give(&world, user, 1_000, "UAH").await;
    let body = json!({ "user_id": user, "amount": { "minor": 500, "currency": "UAH" }, "route": { "to": "phone" } });
    let made = post(&world, "/v1/payouts", "p", body).await;
    let path = made.header("location").to_owned();
    let id = made.ok()["id"].as_str().unwrap().to_owned();
    let context = Context::new("policy:payouts", "review", "setup");
    let review = PayoutCommand::SendToReview {
        reason: "the number has moved".into(),
    };
    world
        .app
        .executor()
        .execute::<Payout>(&id, review, &context)
        .await
        .unwrap();
    let unpaid = json!({ "paid": false, "reason": "refused, seen in the cabinet" });
    let resolution = format!("{path}/resolution");
    post(&world, &resolution, "r", unpaid.clone()).await.ok();
    assert_eq!(
        wallet(&world, user, "UAH").await,
        (json!(1_000), json!(500))
    );
    let other = world.key(&["operator"]).await;
    world
        .post(&resolution)
        .key(&other)
        .once("r2")
        .json(&unpaid)
        .send()
        .await
        .ok();
    assert_eq!(wallet(&world, user, "UAH").await, (json!(1_000), json!(0)));

    let retry = format!("{path}/retry");
    let unknown = post(&world, &retry, "x", json!({ "operator": "none" })).await;
    assert_eq!(unknown.json()["errors"][0]["pointer"], "/operator");
    let plain = world
        .post(&retry)
        .admin()
        .once("x")
        .header("content-type", "text/plain")
        .raw("vodafone")
        .send()
        .await;
    assert_eq!(plain.refusal(), (415, "unsupported_media_type".into()));
    let next = post(&world, &retry, "y", json!({ "operator": "vodafone" })).await;
    assert_eq!(next.status.as_u16(), 201, "{}", next.text());
    assert_ne!(
        next.header("location"),
        path,
        "the failed one stays as it ended"
    );
    world.settle().await;
    let shown = world.read(next.header("location")).await;
    assert_eq!(
        (&shown["state"], &shown["operator"]),
        (&json!("held"), &json!("vodafone"))
    );
    assert_eq!(
        wallet(&world, user, "UAH").await,
        (json!(1_000), json!(500))
    );
}

#[tokio::test]
async fn f54_a_transfer_between_currencies_needs_a_fresh_quote_and_keeps_each_currency_whole() {
    let world = World::new().await;
    let (from, to) = (world.shopper(1).await, world.shopper(2).await);
    give(&world, from, 1_000, "RUB").await;
    let order = |minor: i64, quote: Value| {
        json!({
            "from": format!("{from}:RUB"), "to": format!("{to}:UAH"), "amount": { "minor": minor, "currency": "RUB" },
            "quote": quote, "description": "for the lunch",
        })
    };
    let quote = |age: i64| {
        json!({
            "numerator": 47, "denominator": 100, "source": "desk", "quoted_at": start() - TimeDelta::seconds(age),
            "expires_at": start() + TimeDelta::seconds(60 - age),
        })
    };
    let old = post(&world, "/v1/transfers", "1", order(101, quote(60))).await;
    assert_eq!(old.refusal(), (409, "quote_expired".into()));
    let none = post(&world, "/v1/transfers", "2", order(101, json!(null))).await;
    assert_eq!(none.status.as_u16(), 422, "{}", none.text());
    let got = post(&world, "/v1/transfers", "3", order(101, quote(1))).await;
    assert_eq!(got.status.as_u16(), 201, "{}", got.text());
    let path = got.header("location").to_owned();
    let id = got.ok()["id"].as_str().unwrap().parse().unwrap();
    let context = Context::new("policy:transfers", "t", "t");
    world.app.complete_transfer(id, &context).await.unwrap();
    world.settle().await;
    let done = world.read(&path).await;
    assert_eq!(
        (&done["state"], &done["credited"]["minor"]),
        (&json!("completed"), &json!(47)),
        "{done}"
    );
    assert_eq!(wallet(&world, from, "RUB").await, (json!(899), json!(0)));
    assert_eq!(wallet(&world, to, "UAH").await, (json!(47), json!(0)));
    assert_eq!(world.read("/v1/trial-balance").await["balanced"], true);
    let listed = world
        .read(&format!("/v1/transfers?user_id={to}&state=completed"))
        .await;
    assert_eq!(listed["data"][0]["quote"]["numerator"], 47);
    world.clock.advance(TimeDelta::hours(1));
    let repeat = post(&world, "/v1/transfers", "3", order(101, quote(1))).await;
    assert_eq!(
        repeat.ok()["replayed"],
        true,
        "a repeat needs no fresh quote"
    );
}

#[tokio::test]
async fn an_adjustment_is_booked_when_another_key_approves_it_and_not_before() {
    let world = World::new().await;
    let user = world.shopper(1).await;
    let (proposer, approver) = (
        world.key(&["admin"]).await,
        world.key(&["admin", "viewer"]).await,
    );
    let body = json!({
        "wallet_id": format!("{user}:UAH"), "side": "credit", "amount": { "minor": 1_500, "currency": "UAH" },
        "reason": "paid out twice by the old system",
    });
    let send = |path: String, key: &str, once: &str, body: &Value| {
        world.post(&path).key(key).once(once).json(body).send()
    };
    let made = send("/v1/adjustments".into(), &proposer, "1", &body).await;
    assert_eq!(made.status.as_u16(), 201, "{}", made.text());
    let path = made.header("location").to_owned();
    let reason = json!({ "reason": "checked the old books" });
    let alone = send(format!("{path}/approve"), &proposer, "2", &reason).await;
    assert_eq!(alone.refusal(), (403, "four_eyes_required".into()));
    world.settle().await;
    let queue = world.read("/v1/adjustment-queue").await;
    assert_eq!(
        (
            &queue["data"][0]["effect"]["minor"],
            &queue["data"][0]["state"]
        ),
        (&json!(1_500), &json!("proposed"))
    );
    send(format!("{path}/approve"), &approver, "3", &reason)
        .await
        .ok();
    assert_eq!(wallet(&world, user, "UAH").await.0, json!(1_500));
    let again = send(format!("{path}/approve"), &approver, "3", &reason)
        .await
        .ok();
    assert_eq!(again["replayed"], true);
    let late = send(format!("{path}/decline"), &approver, "4", &reason).await;
    assert_eq!(late.refusal(), (409, "invalid_state".into()));
    let shown = world.read(&path).await;
    assert_eq!(shown["state"], "posted");
    assert_ne!(shown["decided_by"], shown["proposed_by"]);

    let withdrawn = send("/v1/adjustments".into(), &proposer, "5", &body).await;
    let path = withdrawn.header("location").to_owned();
    send(format!("{path}/decline"), &proposer, "6", &reason)
        .await
        .ok();
    assert_eq!(wallet(&world, user, "UAH").await.0, json!(1_500));
    assert!(
        world.read("/v1/adjustment-queue").await["data"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let to_wallet = json!({
        "wallet_id": format!("{user}:UAH"), "side": "credit", "amount": { "minor": 1, "currency": "UAH" },
        "account": format!("wallet:{user}:UAH"), "reason": "no",
    });
    let to_wallet = send("/v1/adjustments".into(), &proposer, "7", &to_wallet).await;
    assert_eq!(to_wallet.refusal(), (422, "invalid_command".into()));
}
