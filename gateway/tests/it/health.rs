//! Probes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use kvit_gateway::Settings;

use crate::world::{ADMIN, World};

#[tokio::test]
async fn a_lost_dependency_makes_the_process_unready_but_leaves_it_alive() {
    let world = World::new().await;
    assert_eq!(world.get("/readyz").send().await.ok()["status"], "ok");
    world.nats_down.store(true, Ordering::SeqCst);
    // Answers of the checks are shared for half a second.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let got = world.get("/readyz?verbose").send().await;
    assert_eq!(got.status.as_u16(), 503);
    let body = got.json();
    assert_eq!(body["status"], "down");
    let states: Vec<_> = body["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (&c["name"], &c["status"]))
        .collect();
    assert_eq!(
        format!("{states:?}"),
        r#"[(String("postgres"), String("ok")), (String("nats"), String("down"))]"#
    );
    assert!(body["components"][0]["response_time_ms"].is_u64());
    assert!(
        !got.text().contains("10.0.0.7"),
        "the fault's text is in the answer"
    );
    assert!(
        world.get("/readyz").send().await.json()["components"].is_null(),
        "components without being asked"
    );
    assert_eq!(world.get("/livez").send().await.status.as_u16(), 200);
}

#[tokio::test]
async fn healthz_adds_the_figures_of_a_first_look() {
    let world = World::new().await;
    world.shopper(1).await;
    world.settle().await;
    world.get("/v1/users").admin().send().await.ok();
    world.get("/extra/panic").send().await;
    let body = world.get("/healthz").send().await.ok();
    assert_eq!(body["status"], "ok");
    assert!(body["timestamp"].is_string() && body["components"].is_array());
    assert_eq!(body["metrics"]["requests_per_minute"], 2);
    assert_eq!(body["metrics"]["error_rate"], "0.5000");
    assert_eq!(body["metrics"]["active_users_24h"], 1);
}

#[tokio::test]
async fn metrics_are_rendered_and_can_be_kept_behind_a_key() {
    let open = World::new().await;
    let got = open.get("/metrics").send().await;
    assert_eq!(got.text(), "kvit_test 1\n");
    assert!(
        got.header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    let settings = Settings {
        bootstrap_key: Some(ADMIN.into()),
        metrics_need_key: true,
        ..Settings::default()
    };
    let closed = World::with(settings).await;
    assert_eq!(closed.get("/metrics").send().await.refusal().0, 401);
    assert_eq!(
        closed.get("/metrics").admin().send().await.text(),
        "kvit_test 1\n"
    );
}
