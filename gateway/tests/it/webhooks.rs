//! Callbacks of providers.

use kvit_gateway::Settings;

use crate::world::{WEBHOOK_TOKEN, World};

const BODY: &str = "<BILLS><BILL><BILL_ID>1</BILL_ID></BILL></BILLS>";

#[tokio::test]
async fn a_callback_is_stored_once_however_often_it_comes_and_moves_no_money() {
    let world = World::new().await;
    let by_path = format!("/webhooks/portmone/{WEBHOOK_TOKEN}");
    let head = world.app.head().await.unwrap();
    assert_eq!(
        world.post(&by_path).raw(BODY).send().await.status.as_u16(),
        200
    );
    let by_header = world
        .post("/webhooks/portmone")
        .header("x-webhook-token", WEBHOOK_TOKEN);
    assert_eq!(
        by_header
            .header("content-type", "text/xml")
            .raw(BODY)
            .send()
            .await
            .status
            .as_u16(),
        200
    );
    let pending = world.inbox.pending("portmone", 10).await.unwrap();
    assert_eq!(pending.len(), 1, "the copy met the first one");
    assert_eq!(pending[0].raw.body, BODY.as_bytes());
    let stored: Vec<u8> = sqlx::query_scalar("SELECT body FROM notifications")
        .fetch_one(&world.db.pool)
        .await
        .unwrap();
    assert_ne!(stored, BODY.as_bytes(), "the body is kept sealed");
    assert_eq!(
        world.app.head().await.unwrap(),
        head,
        "nothing happened because of it"
    );
    let at = crate::world::start();
    world
        .inbox
        .follow_up("portmone", &pending[0].digest, at)
        .await
        .unwrap();
    assert!(
        world
            .inbox
            .pending("portmone", 10)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_callback_without_the_token_finds_nothing_and_a_large_one_is_refused() {
    let world = World::new().await;
    for path in ["/webhooks/portmone", "/webhooks/portmone/wrong"] {
        let got = world.post(path).raw(BODY).send().await;
        assert_eq!(got.refusal(), (404, "route_not_found".into()), "{path}");
    }
    let path = format!("/webhooks/portmone/{WEBHOOK_TOKEN}");
    let full = world.post(&path).raw(vec![b'x'; 64 * 1024]).send().await;
    assert_eq!(full.status.as_u16(), 200, "exactly the limit is taken");
    let large = world
        .post(&path)
        .raw(vec![b'x'; 64 * 1024 + 1])
        .send()
        .await;
    assert_eq!(large.refusal(), (413, "payload_too_large".into()));
}

#[tokio::test]
async fn without_a_configured_token_no_callback_is_taken() {
    let world = World::with(Settings::default()).await;
    assert_eq!(
        world
            .post("/webhooks/portmone")
            .raw(BODY)
            .send()
            .await
            .refusal()
            .0,
        404
    );
    let empty = world
        .post("/webhooks/portmone")
        .header("x-webhook-token", "")
        .raw(BODY)
        .send()
        .await;
    assert_eq!(empty.refusal().0, 404);
}
