//! A database that takes no writes: what a full disk or a failover looks like.

use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::support::api::Api;
use crate::support::crowd::{Shopper, What, receipt};
use crate::support::platform::{Home, Platform};
use crate::support::verdict::history;
use crate::support::{turn, until, verdict};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_database_refuses_changes_for_now_serves_reads_and_leaves_nothing_half_done() {
    let _turn = turn().await;
    let home = Home::new();
    let platform = Platform::start(&home, true, vec![]).await;
    let telegram = platform.sandbox().clone();
    let shopper = Shopper::join(&telegram, 76_000_001).await;
    let first = receipt(0, 4, What::Sale);
    shopper.send(&telegram, &first.jpeg).await;
    shopper.sees(&telegram, "has been topped up").await;
    let parts = home.parts().await;
    let api = Api::new(&home, &platform.gateway);

    read_only(&home, true).await;
    let before = history(&parts).await.len();
    let second = receipt(0, 5, What::Sale);
    shopper.send(&telegram, &second.jpeg).await;
    let campaign = json!({"name": "Winter", "terms": terms()});
    for _ in 0..3 {
        let answer = api.post("/v1/campaigns", "winter", &campaign).await;
        let retry = answer.headers().get("Retry-After").cloned();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert_eq!(status, 503, "{text}");
        assert!(
            retry.is_some_and(|value| value.to_str().unwrap().parse::<u64>().unwrap() > 0),
            "{text}"
        );
    }
    let receipts = api.read("/v1/receipts").await;
    assert_eq!(receipts["data"].as_array().unwrap().len(), 1, "{receipts}");
    assert_eq!(history(&parts).await.len(), before, "nothing was written");

    read_only(&home, false).await;
    until("changes to be taken again", || async {
        let answer = api.post("/v1/campaigns", "winter", &campaign).await;
        answer.status().is_success().then_some(())
    })
    .await;
    let crowd = [shopper];
    verdict::all_is_well(&parts, &telegram, &crowd, &[first, second]).await;
    let drafts = history(&parts).await;
    let drafts = drafts
        .iter()
        .filter(|event| event.event_type == "Drafted")
        .count();
    assert_eq!(drafts, 2, "the seeded campaign and, once, ours");
    assert_eq!(home.panics(), Vec::<String>::new());
}

fn terms() -> serde_json::Value {
    json!({
        "currency": "UAH", "window_days": 7, "daily_limit": 3,
        "products": {"brand_keywords": ["Дарниця"]},
        "reward": {"kind": "fixed", "minor": 100},
    })
}

/// As the cluster's administrator; every session learns of it with its next transaction.
async fn read_only(home: &Home, on: bool) {
    let endpoints = std::fs::read_to_string(home.state().join("endpoints.env")).unwrap();
    let url = endpoints
        .lines()
        .find_map(|line| line.strip_prefix("DATABASE_URL="))
        .unwrap();
    let mut admin = PgConnection::connect(&url.replace("kvit_app@", "postgres@"))
        .await
        .unwrap();
    let set = if on {
        "ALTER SYSTEM SET default_transaction_read_only = on"
    } else {
        "ALTER SYSTEM RESET default_transaction_read_only"
    };
    for statement in [
        "SET default_transaction_read_only = off",
        set,
        "SELECT pg_reload_conf()",
    ] {
        sqlx::raw_sql(statement).execute(&mut admin).await.unwrap();
    }
    admin.close().await.unwrap();
    let wanted = if on { "on" } else { "off" };
    until("the setting to hold", || async {
        let mut session = PgConnection::connect(url).await.ok()?;
        let show = sqlx::query_as("SHOW default_transaction_read_only");
        let row: (String,) = show.fetch_one(&mut session).await.ok()?;
        (row.0 == wanted).then_some(())
    })
    .await;
}
