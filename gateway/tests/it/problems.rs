//! Error answers, whatever their cause.

use std::time::Duration;

use axum::http::Method;
use kvit_gateway::Settings;
use serde_json::json;

use crate::world::{ADMIN, World};

#[tokio::test]
async fn a_refusal_has_the_shape_that_the_standard_and_the_description_promise() {
    let world = World::new().await;
    let path = "/v1/receipts/5b1f1c9e-3c0b-4d8e-9a53-0c8f0f6f7a11";
    let got = world
        .get(path)
        .admin()
        .header("x-request-id", "order-17")
        .send()
        .await;
    assert_eq!(got.refusal(), (404, "not_found".into()));
    let body = got.json();
    assert_eq!(body["type"], "/errors/not_found");
    assert_eq!(body["status"], 404);
    assert_eq!(body["request_id"], "order-17");
    assert_eq!(got.header("x-request-id"), "order-17");
    assert_eq!(got.header("cache-control"), "no-store");
    assert!(
        !body["title"].as_str().unwrap().is_empty() && !body["detail"].as_str().unwrap().is_empty()
    );
    world
        .get(body["type"].as_str().unwrap())
        .send()
        .await
        .text()
        .find("not_found")
        .unwrap();
}

#[tokio::test]
async fn unknown_addresses_wrong_methods_and_wrong_parts_are_problems_too() {
    let world = World::new().await;
    assert_eq!(
        world.get("/v1/nothing").admin().send().await.refusal(),
        (404, "route_not_found".into())
    );
    assert_eq!(
        world.get("/").send().await.refusal(),
        (404, "route_not_found".into())
    );
    let method = world
        .ask(Method::DELETE, "/v1/receipts")
        .admin()
        .send()
        .await;
    assert_eq!(method.refusal(), (405, "method_not_allowed".into()));
    assert!(
        method.header("allow").contains("GET"),
        "{:?}",
        method.headers
    );
    for path in [
        "/v1/receipts/17",
        "/v1/wallets/17",
        "/v1/reports/daily/yesterday",
        "/v1/streams/W/%2F/events",
    ] {
        assert_eq!(
            world.get(path).admin().send().await.refusal(),
            (400, "invalid_path".into()),
            "{path}"
        );
    }
    let filter = world.get("/v1/receipts?state=lost").admin().send().await;
    assert_eq!(filter.refusal(), (400, "invalid_query".into()));
    assert_eq!(filter.json()["errors"][0]["pointer"], "state");
}

#[tokio::test]
async fn a_panic_is_a_fatal_answer_without_its_text() {
    let world = World::new().await;
    let got = world.get("/extra/panic").send().await;
    assert_eq!(got.refusal(), (500, "internal_error".into()));
    let id = got.json()["error_id"].as_str().unwrap().to_owned();
    assert!(
        id.len() == 8 && id.bytes().all(|b| b.is_ascii_hexdigit()),
        "{id}"
    );
    assert!(!got.text().contains("secret"));
    assert!(!got.header("x-request-id").is_empty());
}

#[tokio::test]
async fn what_takes_too_long_or_is_too_much_ends_in_the_transient_lane() {
    let settings = Settings {
        bootstrap_key: Some(ADMIN.into()),
        request_time_max: Duration::from_millis(300),
        in_work_max: 1,
        ..Settings::default()
    };
    let world = World::with(settings).await;
    let (slow, second) = tokio::join!(world.get("/extra/slow").send(), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.get("/v1/users").admin().send().await
    });
    assert_eq!(slow.refusal(), (503, "timeout".into()));
    assert_eq!(second.refusal(), (503, "overloaded".into()));
    assert!(!slow.header("retry-after").is_empty() && !second.header("retry-after").is_empty());
    world.get("/v1/users").admin().send().await.ok();
}

#[tokio::test]
async fn with_the_database_away_answers_are_transient_and_tell_nothing_of_it() {
    let world = World::new().await;
    let token = world.key(&["viewer"]).await;
    world.db.pool.close().await;
    for key in [token.as_str(), ADMIN] {
        let got = world.get("/v1/receipts").key(key).send().await;
        assert_eq!(got.refusal(), (503, "unavailable".into()));
        assert!(!got.header("retry-after").is_empty());
        assert!(
            !got.text().to_lowercase().contains("pool"),
            "{}",
            got.text()
        );
    }
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_keep_a_browser_careful() {
    let world = World::new().await;
    for path in [
        "/v1/receipts",
        "/livez",
        "/nothing",
        "/openapi.json",
        "/admin",
    ] {
        let got = world.get(path).send().await;
        assert_eq!(got.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(got.header("x-frame-options"), "DENY", "{path}");
        assert!(
            got.header("content-security-policy")
                .contains("default-src 'none'"),
            "{path}"
        );
        assert!(!got.header("x-request-id").is_empty(), "{path}");
        assert_eq!(got.header("traceparent").split('-').count(), 4, "{path}");
    }
    let sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let got = world.get("/livez").header("traceparent", sent).send().await;
    assert!(
        got.header("traceparent")
            .contains("4bf92f3577b34da6a3ce929d0e0e4736")
    );
}

#[tokio::test]
async fn what_no_database_can_store_is_refused_at_the_door() {
    let world = World::new().await;
    let user = world.shopper(1).await;
    let far = "+262000-01-01";
    for (path, code) in [
        ("/v1/wallets/%00".to_owned(), "invalid_path"),
        ("/v1/receipts?state=%00".to_owned(), "invalid_query"),
        (
            format!("/v1/receipts?from=%2B{}T00:00:00Z", &far[1..]),
            "invalid_query",
        ),
        (
            format!("/v1/wallets/{user}:UAH/balance?value_date=0001-01-01"),
            "invalid_query",
        ),
        ("/v1/reports/daily/0001-01-01".to_owned(), "invalid_path"),
        (
            format!("/v1/reports/daily/%2B{}", &far[1..]),
            "invalid_path",
        ),
    ] {
        let got = world.get(&path).admin().send().await;
        assert_eq!(got.refusal(), (400, code.into()), "{path}");
    }
    let key =
        json!({ "name": "a", "scopes": ["viewer"], "expires_at": format!("{far}T00:00:00Z") });
    let job = json!({
        "user_id": user, "kind": "a", "estimate": { "minor": 1, "currency": "UAH" },
        "expires_at": "0001-01-01T00:00:00Z",
    });
    let nul = json!({ "name": "a\0b", "scopes": ["viewer"] });
    for (path, body) in [
        ("/v1/api-keys", key),
        ("/v1/jobs", job),
        ("/v1/api-keys", nul),
    ] {
        let got = world.post(path).admin().once("k").json(&body).send().await;
        assert_eq!(got.refusal(), (422, "invalid_body".into()), "{path} {body}");
    }
    let ended = world
        .post("/v1/api-keys/%00/revoke")
        .admin()
        .once("k")
        .json(&json!({ "reason": "a" }))
        .send()
        .await;
    assert_eq!(ended.refusal(), (400, "invalid_path".into()));
}
