//! Callbacks of providers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::TimeDelta;
use kvit_gateway::Settings;
use kvit_gateway::sources::SourceList;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{Got, WEBHOOK_TOKEN, World};

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

/// An address of the provider, by the rule of the tests.
const PROVIDER: &str = "192.0.2.9";

fn notice(object: &str) -> String {
    format!(
        r#"{{"type":"notification","event":"payment.succeeded","object":{{"id":"{object}","status":"succeeded","paid":true,
        "amount":{{"value":"100.00","currency":"RUB"}},"test":true}}}}"#
    )
}

async fn notify(world: &World, body: impl Into<axum::body::Body>) -> Got {
    world
        .post("/webhooks/yookassa")
        .from(PROVIDER)
        .header("content-type", "application/json")
        .raw(body)
        .send()
        .await
}

async fn stored(world: &World) -> usize {
    world.inbox.pending("yookassa", 1_000).await.unwrap().len()
}

#[tokio::test]
async fn f10_fifty_copies_at_once_are_all_answered_200_and_stored_once() {
    let world = World::new().await;
    let head = world.app.head().await.unwrap();
    let copies = (0..50).map(|_| notify(&world, notice("one")));
    for got in futures::future::join_all(copies).await {
        assert_eq!(got.status.as_u16(), 200);
        assert!(got.body.is_empty(), "exactly 200, and nothing to read");
    }
    assert_eq!(stored(&world).await, 1);
    assert_eq!(
        world.app.head().await.unwrap(),
        head,
        "no money moves because somebody says so"
    );
}

#[tokio::test]
async fn f15_a_notification_about_an_unknown_payment_is_taken_and_kept_for_the_check() {
    let world = World::new().await;
    let body = notice("22d6d597-000f-5000-9000-145f6df21d6f");
    assert_eq!(notify(&world, body.clone()).await.status.as_u16(), 200);
    let pending = world.inbox.pending("yookassa", 10).await.unwrap();
    assert_eq!(
        pending[0].raw.body,
        body.as_bytes(),
        "as it came, byte for byte"
    );
    assert_eq!(pending[0].raw.content_type, "application/json");
}

#[tokio::test]
async fn f24_an_unknown_event_is_answered_200_and_stored() {
    let world = World::new().await;
    let body = r#"{"type":"notification","event":"deal.invented","object":{"id":"x","status":"dreaming"}}"#;
    assert_eq!(notify(&world, body).await.status.as_u16(), 200);
    assert_eq!(stored(&world).await, 1);
}

#[tokio::test]
async fn f18_a_sender_outside_the_list_is_refused_whatever_it_says_about_itself() {
    let world = World::new().await;
    let send = |peer: Option<&'static str>, forwarded: &'static [&'static str]| {
        let mut ask = world.post("/webhooks/yookassa").raw(notice("one"));
        if let Some(peer) = peer {
            ask = ask.from(peer);
        }
        for value in forwarded {
            ask = ask.header("x-forwarded-for", value);
        }
        ask.send()
    };
    let spoofed: [(Option<&str>, &[&str]); 7] = [
        (Some("203.0.113.5"), &[]),
        (Some("203.0.113.5"), &[PROVIDER]),
        (Some("203.0.113.5"), &[PROVIDER, "10.0.0.1"]),
        (Some("10.0.0.1"), &["192.0.2.9, 203.0.113.5"]),
        (Some("10.0.0.1"), &["192.0.2.9", "203.0.113.5"]),
        (Some("10.0.0.1"), &["192.0.2.9, not an address"]),
        (None, &[PROVIDER]),
    ];
    for (peer, forwarded) in spoofed {
        let got = send(peer, forwarded).await;
        assert_eq!(
            got.refusal(),
            (403, "forbidden".into()),
            "{peer:?} {forwarded:?}"
        );
    }
    assert_eq!(stored(&world).await, 0, "nothing of it is kept");
    let genuine: [(&str, &[&str]); 3] = [
        (PROVIDER, &[]),
        ("10.0.0.1", &["203.0.113.5, 192.0.2.9"]),
        ("::ffff:10.0.0.1", &["192.0.2.9:55000, 10.1.2.3"]),
    ];
    for (peer, forwarded) in genuine {
        let got = send(Some(peer), forwarded).await;
        assert_eq!(got.status.as_u16(), 200, "{peer} {forwarded:?}");
    }
}

#[tokio::test]
async fn without_a_list_of_sources_there_is_no_such_address() {
    let world = World::with(Settings::default()).await;
    let got = notify(&world, notice("one")).await;
    assert_eq!(got.refusal(), (404, "route_not_found".into()));
}

/// A connection to the world's router, as a provider or an attacker would have one.
async fn connected(world: &World) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = world.router.clone();
    tokio::spawn(kvit_gateway::serve(
        listener,
        router,
        std::future::pending(),
    ));
    TcpStream::connect(address).await.unwrap()
}

async fn open_world() -> World {
    World::with(Settings {
        yookassa_sources: SourceList::Only(std::sync::Arc::new(|address| address.is_loopback())),
        webhook_body_time_max: Duration::from_millis(200),
        // Not this bound is tried here.
        request_time_max: Duration::from_secs(3_600),
        ..Settings::default()
    })
    .await
}

async fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    let reading = stream.read_to_string(&mut answer);
    let in_time = tokio::time::timeout(Duration::from_secs(20), reading).await;
    assert!(in_time.is_ok(), "the connection was left open");
    answer
}

#[tokio::test]
async fn f25_a_body_in_chunks_without_a_length_is_taken_from_a_real_connection() {
    let world = open_world().await;
    let mut stream = connected(&world).await;
    let body = notice("chunked");
    let (left, right) = body.split_at(40);
    let head = "POST /webhooks/yookassa HTTP/1.1\r\nHost: t\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let request = format!(
        "{head}{:x}\r\n{left}\r\n{:x}\r\n{right}\r\n0\r\n\r\n",
        left.len(),
        right.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(answer(stream).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(stored(&world).await, 1);
}

#[tokio::test]
async fn f25_a_body_that_never_ends_is_cut_off_and_nothing_is_kept() {
    let world = open_world().await;
    let mut stream = connected(&world).await;
    let head = "POST /webhooks/yookassa HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(answer(stream).await.starts_with("HTTP/1.1 503 "));
    assert_eq!(stored(&world).await, 0);
}

#[tokio::test]
async fn f25_chunks_beyond_the_limit_are_refused_before_they_are_read() {
    let world = open_world().await;
    let mut stream = connected(&world).await;
    let head = "POST /webhooks/yookassa HTTP/1.1\r\nHost: t\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    stream.write_all(head.as_bytes()).await.unwrap();
    // Ten megabytes are announced piece by piece; the server stops reading long before.
    for _ in 0..640 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let got = answer(stream).await;
    assert!(got.is_empty() || got.starts_with("HTTP/1.1 413 "), "{got}");
    assert_eq!(stored(&world).await, 0);
}

#[tokio::test]
async fn f25_what_is_no_json_is_evidence_at_most_and_changes_nothing() {
    let world = World::new().await;
    let head = world.app.head().await.unwrap();
    let deep = "[".repeat(60_000);
    let bodies: [&[u8]; 6] = [
        b"not json",
        b"\xef\xbb\xbf{\"type\":\"notification\"}",
        b"{\"type\":\"notification\",\"type\":\"other\"}",
        b"\x00\xff\xfe",
        deep.as_bytes(),
        b"amount=100.00",
    ];
    for body in bodies {
        let got = notify(&world, body.to_vec()).await;
        assert_eq!(got.status.as_u16(), 200);
    }
    assert_eq!(stored(&world).await, bodies.len());
    let large = notify(&world, vec![b'{'; 64 * 1024 + 1]).await;
    assert_eq!(large.refusal(), (413, "payload_too_large".into()));
    let empty = notify(&world, "").await;
    assert_eq!(empty.refusal(), (422, "invalid_body".into()));
    assert_eq!(world.app.head().await.unwrap(), head);
}

#[tokio::test]
async fn f26_what_could_not_be_stored_is_not_acknowledged_and_comes_again() {
    let world = World::new().await;
    world.inbox_down.store(true, Ordering::SeqCst);
    let refused = notify(&world, notice("one")).await;
    assert_eq!(refused.refusal(), (503, "unavailable".into()));
    let portmone = format!("/webhooks/portmone/{WEBHOOK_TOKEN}");
    let refused = world.post(&portmone).raw(BODY).send().await;
    assert_eq!(refused.refusal(), (503, "unavailable".into()));
    world.inbox_down.store(false, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(notify(&world, notice("one")).await.status.as_u16(), 200);
    }
    assert_eq!(stored(&world).await, 1, "once, after the recovery");
}

#[tokio::test]
async fn f28_a_genuine_body_of_half_a_year_ago_is_still_known() {
    let world = World::new().await;
    notify(&world, notice("one")).await.ok();
    let first = world.inbox.pending("yookassa", 10).await.unwrap().remove(0);
    world
        .inbox
        .follow_up("yookassa", &first.digest, world_now(&world))
        .await
        .unwrap();
    world.clock.advance(TimeDelta::days(183));
    assert_eq!(notify(&world, notice("one")).await.status.as_u16(), 200);
    assert_eq!(stored(&world).await, 0, "it was followed up long ago");
}

fn world_now(world: &World) -> chrono::DateTime<chrono::Utc> {
    use kvit_commands::ports::time::Clock;
    world.clock.now()
}

#[tokio::test]
async fn portmone_is_answered_in_the_form_of_what_it_sent() {
    let world = World::new().await;
    let path = format!("/webhooks/portmone/{WEBHOOK_TOKEN}");
    let json = world
        .post(&path)
        .header("content-type", "application/json")
        .raw(r#"{"shopOrderNumber":"17","shopBillId":"4711"}"#)
        .send()
        .await;
    assert_eq!(json.header("content-type"), "application/json");
    assert_eq!(json.ok()["errorCode"], "0");
    let bills = "data=<BILLS><BILL><BILL_ID>14561</BILL_ID><PAYED_AMOUNT>120.35</PAYED_AMOUNT><STATUS>PAYED</STATUS></BILL></BILLS>";
    let send = || {
        world
            .post(&path)
            .header("content-type", "application/x-www-form-urlencoded")
            .raw(bills)
            .send()
    };
    let xml = send().await;
    assert_eq!(xml.status.as_u16(), 200);
    assert_eq!(xml.header("content-type"), "text/xml; charset=utf-8");
    assert!(
        xml.text().contains("<ERROR_CODE>0</ERROR_CODE>"),
        "{}",
        xml.text()
    );
    assert_eq!(
        send().await.text(),
        xml.text(),
        "a copy gets the same answer"
    );
    let strange = world.post(&path).raw("what is this").send().await;
    assert_eq!(
        strange.status.as_u16(),
        200,
        "it is stored, and that is all"
    );
    assert!(strange.body.is_empty());
}
