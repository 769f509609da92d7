//! API keys from their making to their end.

use chrono::TimeDelta;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_key_is_shown_once_and_works_until_it_is_revoked() {
    let world = World::new().await;
    let body = json!({ "name": "accounting", "scopes": ["viewer"] });
    let made = world
        .post("/v1/api-keys")
        .admin()
        .once("1")
        .json(&body)
        .send()
        .await;
    assert_eq!(made.status.as_u16(), 201);
    let made = made.ok();
    let token = made["token"].as_str().unwrap();
    let id = made["key"]["id"].as_str().unwrap();
    assert_eq!(made["key"]["created_by"], "api:bootstrap");
    assert!(token.starts_with(&format!("kvit_{id}_")));
    world.get("/v1/receipts").key(token).send().await.ok();

    let again = world
        .post("/v1/api-keys")
        .admin()
        .once("1")
        .json(&body)
        .send()
        .await;
    assert_eq!(again.status.as_u16(), 200);
    let again = again.ok();
    assert_eq!(
        (&again["key"]["id"], &again["token"], &again["replayed"]),
        (&json!(id), &json!(null), &json!(true))
    );
    let other = json!({ "name": "accounting", "scopes": ["admin"] });
    let other = world
        .post("/v1/api-keys")
        .admin()
        .once("1")
        .json(&other)
        .send()
        .await;
    assert_eq!(other.refusal(), (422, "idempotency_conflict".into()));

    let listed = world.get("/v1/api-keys").admin().send().await;
    assert!(
        !listed.text().contains(token.rsplit('_').next().unwrap()),
        "the secret is in a list"
    );
    assert!(listed.ok()["data"][0]["last_used_at"].is_string());

    let path = format!("/v1/api-keys/{id}/revoke");
    let silent = world
        .post(&path)
        .admin()
        .once("2")
        .json(&json!({ "reason": " " }))
        .send()
        .await;
    assert_eq!(silent.refusal(), (422, "review_reason_required".into()));
    world
        .post(&path)
        .admin()
        .once("2")
        .json(&json!({ "reason": "left" }))
        .send()
        .await
        .ok();
    let late = world
        .post(&path)
        .admin()
        .once("3")
        .json(&json!({ "reason": "again" }))
        .send()
        .await
        .ok();
    assert_eq!(late["revoke_reason"], "left", "the first revocation stands");
    assert_eq!(
        world
            .get("/v1/receipts")
            .key(token)
            .send()
            .await
            .refusal()
            .0,
        401
    );
}

#[tokio::test]
async fn the_store_holds_no_secret() {
    let world = World::new().await;
    let token = world.key(&["operator"]).await;
    let secret = token.rsplit('_').next().unwrap().to_owned();
    let rows: Vec<String> = sqlx::query_scalar("SELECT to_json(k)::text FROM api_keys k")
        .fetch_all(&world.db.pool)
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    let raw = hex_of(&secret);
    assert!(
        !rows[0].contains(&secret) && !rows[0].contains(&raw),
        "the secret is stored"
    );
}

fn hex_of(text: &str) -> String {
    text.bytes().map(|b| format!("{b:02x}")).collect()
}

#[tokio::test]
async fn a_key_ends_at_its_time_and_a_changed_secret_opens_nothing() {
    let world = World::new().await;
    let expires_at = crate::world::start() + TimeDelta::minutes(5);
    let body = json!({ "name": "short", "scopes": ["viewer"], "expires_at": expires_at });
    let made = world
        .post("/v1/api-keys")
        .admin()
        .once("1")
        .json(&body)
        .send()
        .await
        .ok();
    let token = made["token"].as_str().unwrap();
    world.get("/v1/users").key(token).send().await.ok();
    let last = if token.ends_with('0') { "1" } else { "0" };
    let changed = format!("{}{last}", &token[..token.len() - 1]);
    assert_eq!(
        world
            .get("/v1/users")
            .key(&changed)
            .send()
            .await
            .refusal()
            .0,
        401
    );
    world.clock.advance(TimeDelta::minutes(5));
    assert_eq!(
        world.get("/v1/users").key(token).send().await.refusal().0,
        401
    );
}

#[tokio::test]
async fn each_key_has_its_own_limit_and_is_told_what_is_left() {
    let world = World::new().await;
    let body = json!({ "name": "slow", "scopes": ["viewer"], "per_minute": 2 });
    let made = world
        .post("/v1/api-keys")
        .admin()
        .once("1")
        .json(&body)
        .send()
        .await
        .ok();
    let token = made["token"].as_str().unwrap();
    let first = world.get("/v1/users").key(token).send().await;
    assert_eq!(
        (
            first.header("ratelimit-limit"),
            first.header("ratelimit-remaining")
        ),
        ("2", "1")
    );
    world.get("/v1/users").key(token).send().await.ok();
    let third = world.get("/v1/users").key(token).send().await;
    assert_eq!(third.refusal(), (429, "rate_limited".into()));
    assert_eq!(third.header("retry-after"), "30");
    world.get("/v1/users").admin().send().await.ok();
    world.clock.advance(TimeDelta::seconds(30));
    world.get("/v1/users").key(token).send().await.ok();
}

#[tokio::test]
async fn a_key_with_no_scope_or_a_wrong_limit_cannot_be_made() {
    let world = World::new().await;
    let wrong = [
        (json!({ "name": "a", "scopes": [] }), "/scopes"),
        (json!({ "name": " ", "scopes": ["viewer"] }), "/name"),
        (
            json!({ "name": "a", "scopes": ["viewer"], "per_minute": 0 }),
            "/per_minute",
        ),
        (json!({ "name": "a", "scopes": ["root"] }), "/scopes/0"),
    ];
    for (body, pointer) in wrong {
        let got = world
            .post("/v1/api-keys")
            .admin()
            .once("1")
            .json(&body)
            .send()
            .await;
        assert_eq!(got.refusal(), (422, "invalid_body".into()), "{body}");
        assert_eq!(got.json()["errors"][0]["pointer"], pointer, "{body}");
    }
}
