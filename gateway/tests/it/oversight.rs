//! What people watch over: switches, periods, comparisons, balances of the past, where money is.

use chrono::TimeDelta;
use kvit_commands::app::Statement;
use kvit_commands::context::Context;
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::{Currency, Money};
use kvit_domain::reconciliation::{Break, BreakClass, StatementKind};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Got, World, start};

async fn post(world: &World, key: &str, path: &str, once: &str, body: Value) -> Got {
    world
        .post(path)
        .key(key)
        .once(once)
        .json(&body)
        .send()
        .await
}

#[tokio::test]
async fn an_operator_stops_a_provider_and_only_an_admin_lets_it_run_again() {
    let world = World::new().await;
    let (operator, admin) = (world.key(&["operator"]).await, world.key(&["admin"]).await);
    let reason = json!({ "reason": "wrong amounts" });
    post(
        &world,
        &operator,
        "/v1/providers/portmone/stop",
        "1",
        reason.clone(),
    )
    .await
    .ok();
    world.settle().await;
    let switches = world.read("/v1/providers").await;
    let portmone = &switches["data"][0];
    assert_eq!(
        (&portmone["name"], &portmone["open"], &portmone["stopped"]),
        (&json!("portmone"), &json!(false), &json!("wrong amounts"))
    );
    assert_eq!(switches["data"][1]["open"], true, "the others run on");
    let refused = post(
        &world,
        &operator,
        "/v1/providers/portmone/resume",
        "2",
        reason.clone(),
    )
    .await;
    assert_eq!(refused.refusal(), (403, "forbidden".into()));
    let resumed = post(
        &world,
        &admin,
        "/v1/providers/portmone/resume",
        "3",
        reason.clone(),
    )
    .await
    .ok();
    world.settle().await;
    let at_least = resumed["position"].as_i64().unwrap();
    let switches = world
        .read(&format!("/v1/providers?at_least={at_least}"))
        .await;
    assert_eq!(switches["data"][0]["open"], true);
    let unknown = post(&world, &admin, "/v1/providers/paypal/stop", "4", reason).await;
    assert_eq!(unknown.refusal(), (404, "not_found".into()));
}

fn credit(
    user: impl std::fmt::Display,
    number: u128,
    minor: i64,
    value_date: Option<&str>,
) -> Value {
    json!({ "mode": "atomic", "commands": [{
        "type": "post", "wallet_id": format!("{user}:UAH"), "transaction_id": Uuid::from_u128(number), "side": "credit",
        "amount": { "minor": minor, "currency": "UAH" }, "account": "bonus:expense", "kind": "reward",
        "value_date": value_date, "reference": format!("campaign:{number}") }] })
}

#[tokio::test]
async fn a_closed_month_takes_no_booking_any_more_and_keeps_its_sums() {
    let world = World::new().await;
    let admin = world.key(&["admin"]).await;
    let user = world.shopper(1).await;
    // It is 18 November; something is booked late for October.
    let bulk = |number: u128, date: &'static str| {
        let body = credit(user, number, 250, Some(date));
        let (world, admin) = (&world, &admin);
        async move { post(world, admin, "/v1/ledger/bulk", &format!("b{number}"), body).await }
    };
    bulk(1, "2026-10-31").await.ok();
    let reason = json!({ "reason": "statements agree" });
    let close = |month: &'static str, once: &'static str| {
        let path = format!("/v1/periods/{month}/close");
        let (world, admin, reason) = (&world, &admin, reason.clone());
        async move { post(world, admin, &path, once, reason).await }
    };
    let behind = close("2026-10", "0").await;
    assert_eq!(
        behind.refusal(),
        (503, "projection_behind".into()),
        "sums are taken of everything that is booked, or not at all"
    );
    world.settle().await;
    let early = close("2026-11", "1").await;
    assert_eq!(early.refusal(), (409, "invalid_state".into()));
    let closed = close("2026-10", "2").await.ok();
    assert_eq!(closed["totals"], json!({ "UAH": "250" }));
    let again = close("2026-10", "2").await.ok();
    assert_eq!(again["replayed"], true);
    let refused = bulk(2, "2026-10-31").await;
    assert_eq!(refused.refusal(), (409, "bulk_refused".into()));
    assert_eq!(refused.json()["details"]["code"], "period_closed");
    bulk(3, "2026-11-01").await.ok();
    world.settle().await;
    let periods = world.read("/v1/periods").await;
    assert_eq!(
        (
            &periods["data"][0]["month"],
            &periods["data"][0]["totals"]["UAH"]
        ),
        (&json!("2026-10"), &json!("250"))
    );
}

#[tokio::test]
async fn a_balance_is_told_by_booking_time_by_position_by_value_date_and_as_it_was_known() {
    let world = World::new().await;
    let admin = world.key(&["admin"]).await;
    let user = world.shopper(1).await;
    let bulk = |number: u128, minor: i64, date: Option<&'static str>| {
        let body = credit(user, number, minor, date);
        let (world, admin) = (&world, &admin);
        async move {
            post(world, admin, "/v1/ledger/bulk", &format!("b{number}"), body)
                .await
                .ok()["position"]
                .as_i64()
                .unwrap()
        }
    };
    let first = bulk(1, 100, None).await;
    world.clock.advance(TimeDelta::days(2));
    // Booked on the 20th, counting from the 10th.
    bulk(2, 40, Some("2026-11-10")).await;
    world.settle().await;
    // The log has a clock of its own.
    let statement = world
        .read(&format!("/v1/wallets/{user}:UAH/statement"))
        .await;
    let then = statement["data"][1]["booked_at"].as_str().unwrap();
    for (query, minor) in [
        (String::new(), 140),
        (format!("?at={then}"), 100),
        (format!("?position={first}"), 100),
        ("?value_date=2026-11-11".into(), 40),
        ("?value_date=2026-11-18".into(), 140),
        (format!("?value_date=2026-11-18&known_at={then}"), 100),
        (format!("?value_date=2026-11-11&known_at={then}"), 0),
    ] {
        let wallet = world
            .read(&format!("/v1/wallets/{user}:UAH/balance{query}"))
            .await;
        assert_eq!(wallet["balance"]["minor"], minor, "wallet {query}");
        let path = format!("/v1/accounts/bonus:expense/UAH/balance{query}");
        assert_eq!(
            world.read(&path).await["balance"]["minor"],
            minor,
            "account {query}"
        );
        let trial = world.read(&format!("/v1/trial-balance{query}")).await;
        assert_eq!(trial["balanced"], true);
        if minor > 0 {
            let path = format!("/v1/accounts/wallets/UAH/balance{query}");
            let all = world.read(&path).await;
            assert_eq!(all["balance"]["minor"], minor, "all wallets {query}");
        }
        let total = &trial["totals"][0]["debit"]["minor"];
        assert!(
            *total == minor || (minor == 0 && total.is_null()),
            "{query}: {total}"
        );
    }
    for wrong in [
        "?at=2026-11-18T00:00:00Z&position=1",
        "?known_at=2026-11-18T00:00:00Z",
        "?position=-1",
        "?value_date=soon",
    ] {
        let got = world
            .get(&format!("/v1/wallets/{user}:UAH/balance{wrong}"))
            .admin()
            .send()
            .await;
        assert_eq!(got.refusal(), (400, "invalid_query".into()), "{wrong}");
    }
    let statement = world
        .read("/v1/accounts/bonus:expense/UAH/statement?limit=1")
        .await;
    assert_eq!(statement["data"][0]["balance"]["minor"], 140);
    let older = world
        .read(statement["links"]["next"].as_str().unwrap())
        .await;
    assert_eq!(older["data"][0]["balance"]["minor"], 100);
    let accounts = world.read("/v1/accounts?limit=1").await;
    assert_eq!(accounts["data"][0]["account"], "bonus:expense");
    assert!(accounts["links"]["next"].is_string());
    for nowhere in [
        "/v1/accounts/petty:cash/UAH/balance",
        "/v1/accounts/bonus:expense/ABC/statement",
        "/v1/accounts/wallets/UAH/statement",
    ] {
        let got = world.get(nowhere).admin().send().await;
        assert_eq!(got.refusal(), (404, "not_found".into()), "{nowhere}");
    }
}

#[tokio::test]
async fn f61_a_difference_has_an_owner_and_a_reason_and_the_same_findings_open_nothing_new() {
    let world = World::new().await;
    let operator = world.key(&["operator"]).await;
    let day = start().date_naive();
    let found = Break {
        item: "22d6d597/odd item".into(),
        class: BreakClass::TheirsOnly,
        operation: None,
        theirs: Some(Money::new(10_000, Currency::Rub)),
        ours: None,
    };
    let statement = Statement {
        provider: ProviderName::Yookassa,
        kind: StatementKind::Payments,
        day,
        items: 1,
        digest: "ab".repeat(32),
        matched: vec![],
        breaks: vec![found],
    };
    for run in ["one", "two"] {
        let context = Context::new("policy:reconciliation", run, "setup");
        world
            .app
            .record_statement(statement.clone(), &context)
            .await
            .unwrap();
    }
    world.settle().await;
    let open = world
        .read("/v1/reconciliation/breaks?provider=yookassa&owner=")
        .await;
    assert_eq!(open["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        (
            &open["data"][0]["class"],
            &open["data"][0]["theirs"]["decimal"]
        ),
        (&json!("theirs_only"), &json!("100.00"))
    );
    let at = format!("/v1/reconciliation/yookassa/payments/{day}/breaks/22d6d597%2Fodd%20item");
    let owner = json!({ "owner": "api:accounting" });
    post(&world, &operator, &format!("{at}/assign"), "1", owner)
        .await
        .ok();
    let reason = json!({ "reason": "refunded in the cabinet" });
    post(
        &world,
        &operator,
        &format!("{at}/resolve"),
        "2",
        reason.clone(),
    )
    .await
    .ok();
    world.settle().await;
    assert!(
        world.read("/v1/reconciliation/breaks").await["data"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let all = world
        .read("/v1/reconciliation/breaks?all=true&owner=api:accounting")
        .await;
    assert_eq!(all["data"][0]["resolution"], "refunded in the cabinet");
    let statements = world.read("/v1/reconciliation/statements").await;
    assert_eq!(
        (
            &statements["data"][0]["items"],
            &statements["data"][0]["resolved_breaks"]
        ),
        (&json!(1), &json!(1))
    );
    let missing = format!("/v1/reconciliation/yookassa/payments/{day}/breaks/none/resolve");
    let missing = post(&world, &operator, &missing, "3", reason).await;
    assert_eq!(missing.refusal(), (404, "not_found".into()));
}

#[tokio::test]
async fn f61_a_comparison_on_demand_finds_what_we_lack_once_and_corrects_nothing() {
    let world = World::new().await;
    let operator = world.key(&["operator"]).await;
    let day = start().date_naive();
    let run = |list: &'static str, once: &'static str| {
        let path = format!("/v1/reconciliation/{list}/{day}/run");
        world.post(&path).key(&operator).once(once).send()
    };
    for once in ["1", "2", "2"] {
        let found = run("yookassa/payments", once).await.ok();
        assert_eq!(
            (&found["items"], &found["matched"], &found["breaks"]),
            (&json!(1), &json!(0), &json!(1))
        );
    }
    world.settle().await;
    let open = world.read("/v1/reconciliation/breaks").await;
    assert_eq!(open["data"].as_array().unwrap().len(), 1);
    assert_eq!(open["data"][0]["item"], "theirs");
    let accounts = world.read("/v1/trial-balance").await;
    assert_eq!(accounts["accounts"], json!([]), "nothing is booked");
    for nowhere in ["yookassa/settlement", "portmone/payments"] {
        let got = run(nowhere, "3").await;
        assert_eq!(got.refusal(), (422, "provider_not_configured".into()));
    }
    for nowhere in ["paypal/payments", "yookassa/gossip"] {
        assert_eq!(run(nowhere, "4").await.refusal().0, 404);
    }
}

#[tokio::test]
async fn where_the_money_is_is_told_in_items_and_in_words() {
    let world = World::new().await;
    let admin = world.key(&["admin"]).await;
    let user = world.shopper(1).await;
    post(
        &world,
        &admin,
        "/v1/ledger/bulk",
        "b",
        credit(user, 1, 500, None),
    )
    .await
    .ok();
    let payout = json!({ "user_id": user, "amount": { "minor": 200, "currency": "UAH" }, "route": { "to": "phone" } });
    post(&world, &admin, "/v1/payouts", "p", payout).await.ok();
    let payment = json!({ "user_id": user, "provider": "yookassa", "amount": { "minor": 700, "currency": "RUB" } });
    post(&world, &admin, "/v1/payments", "q", payment)
        .await
        .ok();
    world.settle().await;
    let found = world
        .read(&format!("/v1/wallets/{user}:UAH/whereabouts"))
        .await;
    assert_eq!(
        (&found["available"]["minor"], &found["held"]["minor"]),
        (&json!(300), &json!(200))
    );
    assert_eq!(found["items"][0]["kind"], "payout");
    assert_eq!(found["items"][1]["kind"], "movement");
    let sentences = found["sentences"].as_array().unwrap();
    assert_eq!(
        sentences[0],
        "5.00 UAH is in the wallet: 3.00 UAH is free and 2.00 UAH is held."
    );
    assert!(
        sentences[1]
            .as_str()
            .unwrap()
            .starts_with("2.00 UAH is held for payout "),
        "{found}"
    );
    let coming = world
        .read(&format!("/v1/wallets/{user}:RUB/whereabouts?movements=0"))
        .await;
    assert_eq!(
        (
            &coming["items"][0]["kind"],
            &coming["items"][0]["direction"]
        ),
        (&json!("payment"), &json!("in")),
        "{coming}"
    );
}
