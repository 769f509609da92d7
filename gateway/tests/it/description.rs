//! The committed description of the API.

use crate::world::World;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

/// `KVIT_BLESS=1 cargo test -p kvit-gateway description` writes the file anew.
#[tokio::test]
async fn the_committed_description_is_the_one_that_is_served() {
    let world = World::new().await;
    let served = world.get("/openapi.json").send().await.text();
    if std::env::var_os("KVIT_BLESS").is_some() {
        std::fs::write(COMMITTED, &served).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    assert!(
        committed == served,
        "docs/openapi.json is not up to date: run this test with KVIT_BLESS=1"
    );
}

#[test]
fn every_operation_is_named_once_and_says_what_it_does() {
    let document: serde_json::Value =
        serde_json::from_str(&kvit_gateway::openapi::document()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut names = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} is there twice");
            assert!(
                !operation["summary"].as_str().unwrap_or_default().is_empty(),
                "{path} has no summary"
            );
            assert_eq!(
                operation["tags"].as_array().unwrap().len(),
                1,
                "{path} has one tag"
            );
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document: serde_json::Value =
        serde_json::from_str(&kvit_gateway::openapi::document()).unwrap();
    let text = document.to_string();
    for reference in text
        .split("\"$ref\":\"#")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
    {
        assert!(
            document.pointer(reference).is_some(),
            "{reference} leads nowhere"
        );
    }
}
