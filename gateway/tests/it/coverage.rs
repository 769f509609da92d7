//! What every operation must do, tested on every operation that the description names. There is no list of exceptions.

use axum::http::Method;
use serde_json::Value;

use crate::world::{Got, World};

const SCOPES: [&str; 4] = ["viewer", "auditor", "operator", "admin"];

struct Operation {
    method: Method,
    path: String,
    described: Value,
}

impl Operation {
    fn changes(&self) -> bool {
        self.method != Method::GET
    }

    /// The address with invented but well-formed parts.
    fn address(&self) -> String {
        let mut address = self.path.clone();
        for parameter in self.described["parameters"]
            .as_array()
            .into_iter()
            .flatten()
        {
            if parameter["in"] == "path" {
                let name = parameter["name"].as_str().unwrap();
                address = address.replace(&format!("{{{name}}}"), invented(name));
            }
        }
        assert!(!address.contains('{'), "{address} has an undescribed part");
        address
    }

    fn scopes(&self) -> Vec<String> {
        let scopes = &self.described["security"][0]["api_key"];
        serde_json::from_value(scopes.clone())
            .unwrap_or_else(|_| panic!("{} names no scopes", self.path))
    }

    async fn send(&self, world: &World, key: Option<&str>, idempotency_key: Option<&str>) -> Got {
        let mut ask = world.ask(self.method.clone(), &self.address());
        if let Some(key) = key {
            ask = ask.key(key);
        }
        if let Some(once) = idempotency_key {
            ask = ask.once(once);
        }
        if self.described.get("requestBody").is_some() {
            ask = ask.json(&Value::Object(serde_json::Map::new()));
        }
        ask.send().await
    }
}

fn invented(name: &str) -> &'static str {
    match name {
        "wallet_id" => "5b1f1c9e-3c0b-4d8e-9a53-0c8f0f6f7a11:UAH",
        "date" => "2026-11-20",
        "aggregate_type" => "wallet",
        "account" => "payments:yookassa:clearing",
        "currency" => "RUB",
        "provider" => "yookassa",
        "kind" => "payments",
        "day" => "2026-11-20",
        "month" => "2026-10",
        "code" | "letter_id" | "key_id" | "item" => "17",
        _ => "5b1f1c9e-3c0b-4d8e-9a53-0c8f0f6f7a11",
    }
}

fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&kvit_gateway::openapi::document()).unwrap();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, described) in item.as_object().unwrap() {
            let method: Method = method.to_ascii_uppercase().parse().unwrap();
            all.push(Operation {
                method,
                path: path.clone(),
                described: described.clone(),
            });
        }
    }
    assert!(
        all.len() > 40,
        "only {} operations are described",
        all.len()
    );
    all
}

#[tokio::test]
async fn without_a_key_every_operation_is_unauthenticated() {
    let world = World::new().await;
    for operation in operations() {
        assert!(operation.path.starts_with("/v1/"), "{}", operation.path);
        let unknown = format!("kvit_{}_{}", "0".repeat(16), "0".repeat(64));
        for key in [None, Some("nonsense"), Some(unknown.as_str())] {
            let got = operation.send(&world, key, Some("k")).await;
            assert_eq!(
                got.refusal(),
                (401, "unauthenticated".into()),
                "{} {}",
                operation.method,
                operation.path
            );
            assert!(got.header("www-authenticate").starts_with("Bearer"));
        }
    }
}

#[tokio::test]
async fn every_operation_takes_exactly_the_scopes_that_it_names() {
    let world = World::new().await;
    let mut keys = Vec::new();
    for scope in SCOPES {
        keys.push((scope, world.key(&[scope]).await));
    }
    for operation in operations() {
        let named = operation.scopes();
        if operation.changes() {
            assert!(
                !named
                    .iter()
                    .any(|scope| scope == "viewer" || scope == "auditor"),
                "{}",
                operation.path
            );
        }
        for (scope, key) in &keys {
            let got = operation.send(&world, Some(key), Some("k")).await;
            let forbidden = got.status.as_u16() == 403;
            let context = format!(
                "{} {} as {scope}: {}",
                operation.method, operation.path, got.status
            );
            assert_eq!(
                forbidden,
                !named.iter().any(|named| named == scope),
                "{context}"
            );
            if forbidden {
                assert_eq!(got.refusal().1, "forbidden", "{context}");
            }
            assert_ne!(got.status.as_u16(), 401, "{context}");
            assert!(got.status.as_u16() < 500, "{context} {}", got.text());
        }
    }
}

#[tokio::test]
async fn every_operation_that_changes_something_needs_an_idempotency_key() {
    let world = World::new().await;
    let admin = world.key(&["admin"]).await;
    for operation in operations().into_iter().filter(Operation::changes) {
        let name = format!("{} {}", operation.method, operation.path);
        let missing = operation.send(&world, Some(&admin), None).await;
        assert_eq!(
            missing.refusal(),
            (400, "idempotency_key_missing".into()),
            "{name}"
        );
        for bad in ["", "two words", &"x".repeat(201)] {
            let invalid = operation.send(&world, Some(&admin), Some(bad)).await;
            assert_eq!(
                invalid.refusal(),
                (400, "idempotency_key_invalid".into()),
                "{name}"
            );
        }
        let required = operation.described["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .any(|parameter| {
                parameter["name"] == "Idempotency-Key" && parameter["required"] == true
            });
        assert!(required, "{name} does not describe the key");
    }
}

#[tokio::test]
async fn every_operation_with_a_body_refuses_what_is_no_json_and_what_it_does_not_know() {
    let world = World::new().await;
    for operation in operations()
        .into_iter()
        .filter(|o| o.described.get("requestBody").is_some())
    {
        let ask = || {
            world
                .ask(operation.method.clone(), &operation.address())
                .admin()
                .once("k")
        };
        let name = format!("{} {}", operation.method, operation.path);
        let plain = ask()
            .raw("{}")
            .header("content-type", "text/plain")
            .send()
            .await;
        assert_eq!(
            plain.refusal(),
            (415, "unsupported_media_type".into()),
            "{name}"
        );
        let broken = ask()
            .raw("{")
            .header("content-type", "application/json")
            .send()
            .await;
        assert_eq!(broken.refusal(), (400, "invalid_json".into()), "{name}");
        let unknown = ask()
            .json(&serde_json::json!({ "no_such_field": 1 }))
            .send()
            .await;
        assert_eq!(unknown.refusal(), (422, "invalid_body".into()), "{name}");
        // One address takes more than the others, and says so.
        let text = operation.described["description"]
            .as_str()
            .unwrap_or_default();
        let bytes = if text.contains("up to 1 MiB") {
            1_100_000
        } else {
            70_000
        };
        let large = format!("\"{}\"", "x".repeat(bytes));
        let large = ask()
            .raw(large)
            .header("content-type", "application/json")
            .send()
            .await;
        assert_eq!(large.refusal(), (413, "payload_too_large".into()), "{name}");
    }
}

#[tokio::test]
async fn every_read_of_a_read_model_says_how_far_it_is_and_waits_for_at_least() {
    let world = World::new().await;
    let admin = world.key(&["admin"]).await;
    let mut reads = 0;
    for operation in operations() {
        let parameters = operation.described["parameters"].as_array().unwrap();
        if !parameters
            .iter()
            .any(|parameter| parameter["name"] == "at_least")
        {
            continue;
        }
        reads += 1;
        let separator = "?";
        let behind = world
            .get(&format!(
                "{}{separator}at_least=999999",
                operation.address()
            ))
            .key(&admin)
            .send()
            .await;
        assert_eq!(
            behind.refusal(),
            (503, "projection_behind".into()),
            "{}",
            operation.path
        );
        assert!(behind.json()["position"].is_i64(), "{}", operation.path);
        assert!(
            !behind.header("retry-after").is_empty(),
            "{}",
            operation.path
        );
        let wrong = world
            .get(&format!("{}{separator}at_least=soon", operation.address()))
            .key(&admin)
            .send()
            .await;
        assert_eq!(
            wrong.refusal(),
            (400, "invalid_query".into()),
            "{}",
            operation.path
        );
        let now = world
            .get(&format!("{}{separator}at_least=0", operation.address()))
            .key(&admin)
            .send()
            .await;
        if now.status.is_success() {
            assert!(
                !now.header("x-projection-position").is_empty(),
                "{}",
                operation.path
            );
        } else {
            assert_eq!(now.refusal().0, 404, "{}", operation.path);
        }
    }
    assert!(reads > 12, "only {reads} reads are described");
}

#[tokio::test]
async fn every_page_refuses_a_forged_cursor_and_a_limit_out_of_bounds() {
    let world = World::new().await;
    let mut lists = 0;
    for operation in operations() {
        let parameters = operation.described["parameters"].as_array().unwrap();
        if !parameters
            .iter()
            .any(|parameter| parameter["name"] == "cursor")
        {
            continue;
        }
        lists += 1;
        for forged in ["x", "AQAAAAAAAAA", "%01"] {
            let got = world
                .get(&format!("{}?cursor={forged}", operation.address()))
                .admin()
                .send()
                .await;
            assert_eq!(
                got.refusal(),
                (400, "invalid_cursor".into()),
                "{}",
                operation.path
            );
        }
        for limit in ["0", "201", "-1", "many"] {
            let got = world
                .get(&format!("{}?limit={limit}", operation.address()))
                .admin()
                .send()
                .await;
            assert_eq!(
                got.refusal(),
                (400, "invalid_query".into()),
                "{} limit={limit}",
                operation.path
            );
        }
        let misspelt = world
            .get(&format!("{}?limits=5", operation.address()))
            .admin()
            .send()
            .await;
        assert_eq!(
            misspelt.refusal(),
            (400, "invalid_query".into()),
            "{}",
            operation.path
        );
    }
    assert!(lists > 8, "only {lists} lists are described");
}
