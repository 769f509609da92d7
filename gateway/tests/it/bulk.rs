//! Many ledger commands in one call.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Got, World};

fn credit(wallet: &str, number: u128, minor: i64) -> Value {
    json!({
        "type": "post", "wallet_id": wallet, "transaction_id": Uuid::from_u128(number), "side": "credit",
        "amount": { "minor": minor, "currency": "UAH" }, "account": "bonus:expense", "kind": "reward",
        "reference": format!("campaign:{number}"),
    })
}

fn hold(wallet: &str, number: u128, minor: i64) -> Value {
    json!({
        "type": "place_hold", "wallet_id": wallet, "hold_id": Uuid::from_u128(number),
        "amount": { "minor": minor, "currency": "UAH" }, "purpose": "order 17", "expires_at": "2027-01-01T00:00:00Z",
    })
}

async fn run(world: &World, key: &str, mode: &str, commands: Vec<Value>) -> Got {
    let body = json!({ "mode": mode, "commands": commands });
    world
        .post("/v1/ledger/bulk")
        .admin()
        .once(key)
        .json(&body)
        .send()
        .await
}

async fn balances(world: &World, wallet: &str) -> (Value, Value) {
    world.settle().await;
    let wallet = world.read(&format!("/v1/wallets/{wallet}")).await;
    (
        wallet["posted"]["minor"].clone(),
        wallet["held"]["minor"].clone(),
    )
}

#[tokio::test]
async fn an_atomic_bulk_is_done_whole_once_or_not_at_all() {
    let world = World::new().await;
    let wallet = format!("{}:UAH", world.shopper(1).await);
    let good = vec![credit(&wallet, 1, 100), hold(&wallet, 2, 60)];
    let first = run(&world, "a", "atomic", good.clone()).await.ok();
    assert_eq!(first["results"].as_array().unwrap().len(), 2);
    assert_eq!(first["results"][1]["outcome"], "done");
    let again = run(&world, "a", "atomic", good).await.ok();
    assert_eq!(again["results"][0]["replayed"], true);
    assert_eq!(again["position"], first["position"]);
    assert_eq!(balances(&world, &wallet).await, (json!(100), json!(60)));

    let head = world.app.head().await.unwrap();
    let bad = vec![
        credit(&wallet, 3, 500),
        hold(&wallet, 4, 541),
        credit(&wallet, 5, 1),
    ];
    let refused = run(&world, "b", "atomic", bad).await;
    assert_eq!(refused.refusal(), (409, "bulk_refused".into()));
    let details = refused.json()["details"].clone();
    assert_eq!(
        (&details["index"], &details["code"]),
        (&json!("1"), &json!("insufficient_funds"))
    );
    assert_eq!(balances(&world, &wallet).await, (json!(100), json!(60)));
    let moved = world
        .app
        .stream_events(
            &kvit_domain::event::StreamId::new("wallet", wallet.clone()),
            0,
            100,
        )
        .await
        .unwrap();
    assert!(
        moved
            .iter()
            .filter(|event| event.position > head)
            .all(|event| event.event_type == "CommandRefused"),
        "only the refusal is remembered: {moved:?}"
    );
}

#[tokio::test]
async fn in_an_independent_bulk_each_command_has_its_own_answer() {
    let world = World::new().await;
    let wallet = format!("{}:UAH", world.shopper(1).await);
    let commands = vec![
        credit(&wallet, 1, 100),
        hold(&wallet, 2, 1_000),
        credit(&wallet, 3, 11),
    ];
    // On one wallet the order is kept by the caller's own calls; here the hold can only be refused, whenever it runs.
    let got = run(&world, "a", "independent", commands.clone()).await.ok();
    let outcomes: Vec<_> = got["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["outcome"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(outcomes, ["done", "refused", "done"]);
    let code = got["results"][1]["code"].as_str().unwrap();
    assert!(
        ["insufficient_funds", "wallet_not_open"].contains(&code),
        "{code}"
    );
    let again = run(&world, "a", "independent", commands).await.ok();
    assert_eq!(again["results"][2]["replayed"], true);
    assert_eq!(
        again["results"][1]["code"], code,
        "the refusal is remembered"
    );
    assert_eq!(balances(&world, &wallet).await, (json!(111), json!(0)));
}

#[tokio::test]
async fn a_thousand_commands_fit_and_one_more_does_not() {
    let world = World::new().await;
    let wallet = format!("{}:UAH", world.shopper(1).await);
    let many = |count: u128| {
        (1..=count)
            .map(|n| credit(&wallet, n, 1))
            .collect::<Vec<_>>()
    };
    let commands = many(1_000);
    let bytes = json!(commands).to_string().len();
    assert!(
        bytes > 64 * 1024,
        "more than any other body may have: {bytes}"
    );
    let done = run(&world, "a", "atomic", commands).await.ok();
    assert_eq!(done["results"].as_array().unwrap().len(), 1_000);
    assert_eq!(balances(&world, &wallet).await.0, json!(1_000));
    let more = run(&world, "b", "atomic", many(1_001)).await;
    assert_eq!(more.refusal(), (413, "payload_too_large".into()));
    let none = run(&world, "c", "independent", vec![]).await;
    assert_eq!(none.refusal(), (422, "invalid_command".into()));
}

#[tokio::test]
async fn a_wrong_field_of_a_command_is_named_by_its_place() {
    let world = World::new().await;
    let wallet = format!("{}:UAH", world.shopper(1).await);
    let wrong = |field: &str, value: Value| {
        let mut command = credit(&wallet, 1, 100);
        command[field] = value;
        command
    };
    for (command, pointer) in [
        (wrong("wallet_id", json!("x")), "/commands/1/wallet_id"),
        (wrong("account", json!("petty cash")), "/commands/1/account"),
        (wrong("kind", json!("gift")), "/commands/1/kind"),
        // Corrections need a second person.
        (wrong("kind", json!("adjustment")), "/commands/1/kind"),
        (
            wrong("account", json!("adjustments:expense")),
            "/commands/1/account",
        ),
        (
            wrong("amount", json!({ "minor": 1, "currency": "ABC" })),
            "/commands/1/amount/currency",
        ),
    ] {
        let got = run(&world, "a", "atomic", vec![credit(&wallet, 9, 1), command]).await;
        assert_eq!(got.refusal(), (422, "invalid_body".into()));
        assert_eq!(got.json()["errors"][0]["pointer"], pointer);
    }
    let float = run(
        &world,
        "a",
        "atomic",
        vec![wrong("amount", json!({ "minor": 1.0, "currency": "UAH" }))],
    )
    .await;
    assert_eq!(float.refusal(), (422, "invalid_body".into()));
}

#[tokio::test]
async fn a_hold_is_captured_in_parts_and_a_booking_undone_in_parts() {
    let world = World::new().await;
    let wallet = format!("{}:UAH", world.shopper(1).await);
    let capture = |number: u128, minor: i64| {
        json!({
            "type": "capture", "wallet_id": wallet, "hold_id": Uuid::from_u128(2), "transaction_id": Uuid::from_u128(number),
            "amount": { "minor": minor, "currency": "UAH" }, "account": "jobs:revenue", "kind": "job", "reference": "job:1",
        })
    };
    let setup = vec![
        credit(&wallet, 1, 100),
        hold(&wallet, 2, 60),
        capture(3, 20),
        capture(4, 10),
    ];
    run(&world, "a", "atomic", setup).await.ok();
    assert_eq!(balances(&world, &wallet).await, (json!(70), json!(30)));
    let too_much = run(&world, "b", "independent", vec![capture(5, 31)])
        .await
        .ok();
    assert_eq!(too_much["results"][0]["code"], "hold_exceeded");
    let undo = |number: u128, minor: i64| {
        let leg = |account: &str, side: &str| json!({ "account": account, "side": side, "amount": { "minor": minor, "currency": "UAH" } });
        json!({
            "type": "reverse", "wallet_id": wallet, "original_id": Uuid::from_u128(3), "transaction_id": Uuid::from_u128(number),
            "legs": [leg("jobs:revenue", "debit"), leg(&format!("wallet:{wallet}"), "credit")],
        })
    };
    run(&world, "c", "atomic", vec![undo(6, 15)]).await.ok();
    let exceeded = run(&world, "d", "independent", vec![undo(7, 6)]).await.ok();
    assert_eq!(exceeded["results"][0]["code"], "reversal_exceeded");
    let release = json!({ "type": "release", "wallet_id": wallet, "hold_id": Uuid::from_u128(2) });
    run(&world, "e", "atomic", vec![release]).await.ok();
    assert_eq!(balances(&world, &wallet).await, (json!(85), json!(0)));
    let original = world
        .read(&format!("/v1/transactions/{}", Uuid::from_u128(3)))
        .await;
    assert_eq!(original["reversed"]["minor"], 15);
}
