//! Reads: amounts, pages, positions, reports.

use kvit_domain::rules::kyiv_day;
use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn a_rewarded_receipt_is_seen_in_wallet_statement_transaction_and_trial_balance() {
    let world = World::new().await;
    world.campaign().await;
    let user = world.shopper(1).await;
    let receipt = world.rewarded(user, 1).await;
    let position = world.settle().await;

    let wallets = world
        .get(&format!("/v1/users/{user}/wallets?at_least={position}"))
        .admin()
        .send()
        .await;
    assert_eq!(
        wallets.header("x-projection-position"),
        position.to_string()
    );
    let wallet = &wallets.ok()["data"][0];
    assert_eq!(
        wallet["posted"],
        json!({ "minor": 100, "currency": "UAH", "decimal": "1.00" })
    );
    assert_eq!(wallet["id"], format!("{user}:UAH"));
    assert_eq!(
        world.read(&format!("/v1/wallets/{user}:UAH")).await,
        *wallet
    );

    let statement = world
        .read(&format!("/v1/wallets/{user}:UAH/statement"))
        .await;
    let entry = &statement["data"][0];
    assert_eq!(
        (&entry["side"], &entry["balance"]["minor"]),
        (&json!("credit"), &json!(100))
    );
    let transaction = world
        .read(&format!(
            "/v1/transactions/{}",
            entry["transaction_id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(transaction["legs"].as_array().unwrap().len(), 2);
    assert_eq!(transaction["legs"][0]["account"], "bonus:expense");

    let balance = world.read("/v1/trial-balance").await;
    assert_eq!(balance["balanced"], true);
    assert_eq!(balance["totals"][0]["difference"]["minor"], 0);

    let day = kyiv_day(crate::world::start());
    let then = world
        .read(&format!("/v1/wallets/{user}:UAH/balance?value_date={day}"))
        .await;
    assert_eq!(then["balance"]["minor"], 100);
    let before = world
        .read(&format!(
            "/v1/wallets/{user}:UAH/balance?value_date=2020-01-01"
        ))
        .await;
    assert_eq!(before["balance"]["minor"], 0);

    let detail = world.read(&format!("/v1/receipts/{receipt}")).await;
    assert_eq!(detail["state"], "rewarded");
    assert_eq!(detail["reward"]["decimal"], "1.00");
    assert_eq!(detail["reading"]["items"][0]["quantity"], "1.000");
    assert_eq!(detail["reading"]["qr"]["kind"], "fiscal");
}

#[tokio::test]
async fn photos_are_shown_to_those_who_check_them_and_kept_by_no_cache() {
    let world = World::new().await;
    world.campaign().await;
    let user = world.shopper(1).await;
    let receipt = world.receipt(user, 7, true).await;
    let operator = world.key(&["operator"]).await;
    for (what, kind) in [("preview", "image/jpeg"), ("image", "image/jpeg")] {
        let got = world
            .get(&format!("/v1/receipts/{receipt}/{what}"))
            .key(&operator)
            .send()
            .await;
        assert_eq!(got.header("content-type"), kind);
        assert_eq!(got.header("cache-control"), "no-store");
        assert_eq!(got.text(), "photo 7");
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat_while_rows_are_added() {
    let world = World::new().await;
    world.campaign().await;
    let user = world.shopper(1).await;
    for number in 1..=7 {
        world.clock.advance(chrono::TimeDelta::minutes(1));
        world.receipt(user, number, number % 2 == 0).await;
    }
    world.settle().await;
    let all = ids(&world.read("/v1/receipts?limit=200").await);
    assert_eq!(all.len(), 7);
    let mut walked = Vec::new();
    let mut next = Some(format!("/v1/receipts?limit=3&user_id={user}"));
    let mut number = 100;
    while let Some(path) = next {
        let page = world.read(&path).await;
        walked.extend(ids(&page));
        next = page["links"]["next"].as_str().map(str::to_owned);
        // Somebody sends another receipt between two pages.
        number += 1;
        world.clock.advance(chrono::TimeDelta::minutes(1));
        world.receipt(user, number, true).await;
        world.settle().await;
    }
    assert_eq!(
        walked, all,
        "the pages are the list as it was at the first page"
    );

    let filtered = world.read("/v1/receipts?state=in_review&limit=1").await;
    let cursor = filtered["links"]["next"].as_str().unwrap();
    assert!(cursor.contains("state=in_review"));
    let moved = cursor.replace("in_review", "rejected");
    assert_eq!(
        world.get(&moved).admin().send().await.refusal(),
        (400, "invalid_cursor".into())
    );
}

fn ids(page: &Value) -> Vec<String> {
    page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_read_waits_for_the_read_model_and_then_shows_the_change() {
    let world = World::new().await;
    world.campaign().await;
    let user = world.shopper(1).await;
    world.settle().await;
    let body = json!({ "reason": "invented accounts" });
    let changed = world
        .post(&format!("/v1/users/{user}/ban"))
        .admin()
        .once("1")
        .json(&body)
        .send()
        .await
        .ok();
    let position = changed["position"].as_i64().unwrap();
    let path = format!("/v1/users/{user}?at_least={position}");
    let behind = world.get(&path).admin().send().await;
    assert_eq!(behind.refusal(), (503, "projection_behind".into()));
    assert!(behind.json()["position"].as_i64().unwrap() < position);
    let (shown, _) = tokio::join!(
        async {
            // The world's reads wait 50 ms only; ask until the other side has folded.
            loop {
                let got = world.get(&path).admin().send().await;
                if got.status.is_success() {
                    return got;
                }
            }
        },
        world.settle()
    );
    assert_eq!(shown.ok()["banned"], true);
}

#[tokio::test]
async fn the_events_of_a_stream_come_as_stored_and_in_pages() {
    let world = World::new().await;
    let user = world.shopper(1).await;
    let path = format!("/v1/streams/user/{user}/events");
    let first = world.read(&format!("{path}?limit=2")).await;
    let names: Vec<_> = first["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["event_type"].clone())
        .collect();
    assert_eq!(names, ["Registered", "TermsAccepted"]);
    assert_eq!(first["data"][0]["metadata"]["actor"], "test");
    let second = world.read(first["links"]["next"].as_str().unwrap()).await;
    assert_eq!(second["data"][0]["sequence"], 3);
    assert!(second["links"]["next"].is_null());
    let missing = world
        .get("/v1/streams/user/5b1f1c9e-3c0b-4d8e-9a53-0c8f0f6f7a11/events")
        .admin()
        .send()
        .await;
    assert_eq!(missing.refusal(), (404, "not_found".into()));
}

#[tokio::test]
async fn the_daily_report_says_the_same_as_json_and_as_csv() {
    let world = World::new().await;
    world.campaign().await;
    let user = world.shopper(1).await;
    world.rewarded(user, 1).await;
    world.receipt(user, 2, false).await;
    world.settle().await;
    // Figures belong to the day on which the log took the events, by the database's clock.
    let recorded: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("SELECT max(recorded_at) FROM events")
            .fetch_one(&world.db.pool)
            .await
            .unwrap();
    let day = kyiv_day(recorded);
    let json = world.read(&format!("/v1/reports/daily/{day}")).await;
    assert_eq!(json["receipts"]["submitted"], 2);
    assert_eq!(
        json["money"][0]["rewards"],
        json!({ "minor": 100, "currency": "UAH", "decimal": "1.00" })
    );
    let by_name = world
        .get(&format!("/v1/reports/daily/{day}.csv"))
        .admin()
        .send()
        .await;
    let by_header = world
        .get(&format!("/v1/reports/daily/{day}"))
        .admin()
        .header("accept", "text/csv")
        .send()
        .await;
    assert_eq!(by_name.body, by_header.body);
    assert!(by_name.header("content-type").starts_with("text/csv"));
    assert!(
        by_name
            .header("content-disposition")
            .contains(&format!("kvit-daily-{day}.csv"))
    );
    let csv = by_name.text();
    assert!(
        csv.starts_with("day,section,figure,count,amount,currency\r\n"),
        "{csv}"
    );
    assert!(
        csv.contains(&format!("{day},receipts,submitted,2,,\r\n")),
        "{csv}"
    );
    assert!(
        csv.contains(&format!("{day},money,rewards,,1.00,UAH\r\n")),
        "{csv}"
    );
    let empty = world.read("/v1/reports/daily/2020-01-01").await;
    assert_eq!(empty["receipts"]["submitted"], 0);
}

#[tokio::test]
async fn the_read_models_say_how_far_they_are() {
    let world = World::new().await;
    world.shopper(1).await;
    let before = world.read("/v1/projections").await;
    assert!(
        before["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|p| p["lag_events"].as_i64().unwrap() > 0),
        "{before}"
    );
    world.settle().await;
    let after = world.read("/v1/projections").await;
    assert!(
        after["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|p| p["lag_events"] == 0),
        "{after}"
    );
}
