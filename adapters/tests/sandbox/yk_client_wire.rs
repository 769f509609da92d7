//! Our client on a bad wire: a server that lies, breaks off, dawdles, or is not there. No sandbox is that rude.

use std::time::Duration;

use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::yookassa::faults::YookassaAction;
use kvit_adapters::yookassa::{
    ConfigError, MAX_ANSWER_BYTES, YookassaAccount, YookassaClient, YookassaConfig, YookassaPayouts,
};
use kvit_commands::ports::payment::{PaymentFault, PaymentProvider};
use kvit_commands::ports::payout::{PayoutProvider, ProviderFault};
use tokio::time::Instant;
use url::Url;

use crate::common::sandbox;
use crate::yk_client_common::{
    Liar, Lie, answer, client_of, config, order, payments_of, payout_order,
};
use crate::yookassa_common::{GATEWAY, SHOP};

const JSON: &str = "application/json";

fn html(status: &str) -> String {
    answer(
        status,
        "text/html",
        "<!doctype html><h1>Technical works</h1>",
    )
}

fn error(status: &str, code: &str) -> String {
    let body = format!(r#"{{"type":"error","id":"e-1","code":"{code}","description":"no"}}"#);
    answer(status, JSON, &body)
}

/// Everything after which a call may have been processed.
fn doubtful() -> Vec<(&'static str, Lie)> {
    let say = |text: String| Lie::Say(text);
    let object = r#"{"id":"po-1","status":"succeeded"#;
    vec![
        ("reset after the request", Lie::ReadAndReset),
        ("silence", Lie::Silence),
        ("closed without an answer", say(String::new())),
        ("half a status line", say("HTTP/1.1 2".into())),
        ("half the headers", say("HTTP/1.1 200 OK\r\nContent-Le".into())),
        (
            "half the body",
            say(format!("HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{object}")),
        ),
        (
            "a chunk that never ends",
            say(format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n{object}"
            )),
        ),
        (
            "headers byte by byte",
            Lie::Drip(format!("HTTP/1.1 200 OK\r\nX-Slow: {}\r\n\r\n", "x".repeat(400))),
        ),
        (
            "a body byte by byte",
            Lie::Drip(format!("HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{object}")),
        ),
        ("not HTTP", say("220 mail.example ESMTP\r\n".into())),
        ("a page with 200", say(html("200 OK"))),
        ("nothing with 200", say(answer("200 OK", JSON, ""))),
        ("a list with 200", say(answer("200 OK", JSON, "[]"))),
        ("an error with 200", say(error("200 OK", "invalid_request"))),
        ("an object without anything", say(answer("200 OK", JSON, "{}"))),
        ("a member twice", say(answer("200 OK", JSON, r#"{"id":"a","id":"b"}"#))),
        ("a byte order mark", say(answer("200 OK", JSON, "\u{feff}{}"))),
        ("still at it", say(answer("202 Accepted", JSON, r#"{"type":"processing"}"#))),
        ("no content", say("HTTP/1.1 204 No Content\r\n\r\n".into())),
        (
            "a way elsewhere",
            say("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".into()),
        ),
        ("a proxy's 400", say(html("400 Bad Request"))),
        ("a proxy's 403", say(html("403 Forbidden"))),
        ("a proxy's 404", say(html("404 Not Found"))),
        ("a proxy's 429", say(html("429 Too Many Requests"))),
        ("500", say(error("500 Internal Server Error", "internal_server_error"))),
        ("502", say(html("502 Bad Gateway"))),
        ("503", say(html("503 Service Unavailable"))),
        ("504", say(html("504 Gateway Timeout"))),
        ("a conflict", say(error("409 Conflict", "conflict"))),
        (
            "too much",
            say(answer("200 OK", JSON, &format!("\"{}\"", "x".repeat(MAX_ANSWER_BYTES)))),
        ),
    ]
}

/// Also F25, F45: what cannot be read proves nothing, and nobody waits for ever.
#[tokio::test]
async fn f39_whatever_happens_after_the_request_left_is_a_doubt() {
    let tries = doubtful().into_iter().map(|(name, lie)| async move {
        let liar = Liar::start(lie).await;
        let client = client_of(config(liar.url("http")));
        let payments = payments_of(client.clone());
        let payouts = YookassaPayouts::try_new(client).unwrap();
        let payout = payout_order("a");
        let key = format!("{}-1", payout.operation_id);
        let started = Instant::now();
        let paid = payouts.pay(&payout, &key).await;
        assert!(
            matches!(paid, Err(ProviderFault::Unknown(_))),
            "{name}: {paid:?}"
        );
        assert!(started.elapsed() < Duration::from_secs(10), "{name}");
        let created = payments.create(&order("a")).await;
        assert!(
            matches!(created, Err(PaymentFault::Unknown(_))),
            "{name}: {created:?}"
        );
        let seen = payments.get("p-1").await;
        assert!(
            matches!(seen, Err(PaymentFault::Unknown(_))),
            "{name}: {seen:?}"
        );
        let asked = payouts.status(&payout, &key).await;
        assert!(
            matches!(asked, Err(ProviderFault::Unknown(_))),
            "{name}: {asked:?}"
        );
        let made = payouts.create(&payout).await;
        assert!(
            matches!(made, Err(ProviderFault::NotSent(_)) | Ok(_)),
            "{name}: {made:?}"
        );
        let heard = liar.heard();
        assert_eq!(heard.len(), 5, "{name}: each call is made once");
        let posts = heard.iter().filter(|one| one.starts_with("POST ")).count();
        assert_eq!(posts, 2, "{name}");
    });
    futures::future::join_all(tries).await;
}

#[tokio::test]
async fn f38_a_failed_handshake_proves_that_nothing_was_sent() {
    for lie in [Lie::Slam, Lie::Say(html("400 Bad Request"))] {
        let liar = Liar::start(lie).await;
        let client = client_of(config(liar.url("https")));
        let paid = YookassaPayouts::try_new(client)
            .unwrap()
            .pay(
                &payout_order("a"),
                &format!("{}-1", payout_order("a").operation_id),
            )
            .await;
        let nothing = ProviderFault::NotSent("no connection to the provider".into());
        assert_eq!(paid, Err(nothing));
        assert!(!liar.heard().concat().contains("Basic "));
    }
}

#[tokio::test]
async fn the_providers_own_words_are_proof() {
    for (said, expected) in [
        (
            error("400 Bad Request", "invalid_request"),
            PaymentFault::Refused {
                code: "invalid_request".into(),
            },
        ),
        (
            error("404 Not Found", "not_found"),
            PaymentFault::Refused {
                code: "not_found".into(),
            },
        ),
        (
            error("405 Method Not Allowed", "invalid_request"),
            PaymentFault::Refused {
                code: "invalid_request".into(),
            },
        ),
        (
            error("410 Gone", "gone"),
            PaymentFault::Refused {
                code: "gone".into(),
            },
        ),
        (
            error("415 Unsupported Media Type", "invalid_request"),
            PaymentFault::Refused {
                code: "invalid_request".into(),
            },
        ),
        (
            error("401 Unauthorized", "invalid_credentials"),
            PaymentFault::Denied,
        ),
        (error("403 Forbidden", "forbidden"), PaymentFault::Denied),
    ] {
        let liar = Liar::start(Lie::Say(said)).await;
        let payments = payments_of(client_of(config(liar.url("http"))));
        assert_eq!(payments.create(&order("a")).await, Err(expected));
    }
}

#[tokio::test]
async fn a_call_carries_its_key_its_account_and_always_the_word_capture() {
    let liar = Liar::start(Lie::Say(error("400 Bad Request", "invalid_request"))).await;
    let payments = payments_of(client_of(config(liar.url("http"))));
    let asked = order("a");
    let _refused = payments.create(&asked).await;
    let _refused = payments.cancel("p-1", "cancel-1").await;
    let heard = liar.heard();
    let (head, body) = heard[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v3/payments HTTP/1.1\r\n"), "{head}");
    let head = head.to_ascii_lowercase();
    assert!(head.contains(&format!("idempotence-key: {}\r\n", asked.idempotence_key)));
    assert!(head.contains("authorization: basic "));
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["capture"], serde_json::json!(true));
    assert_eq!(body["amount"]["value"], serde_json::json!("100.00"));
    assert_eq!(
        body["metadata"]["operation_id"],
        serde_json::json!(asked.payment_id.to_string())
    );
    let (head, body) = heard[1].split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST /v3/payments/p-1/cancel HTTP/1.1\r\n"),
        "{head}"
    );
    assert_eq!(body, "");
}

#[tokio::test]
async fn no_more_calls_are_under_way_than_allowed_and_one_that_finds_no_place_was_not_sent() {
    let running = sandbox().await;
    let control = running.yookassa();
    let mut narrow = config(running.yookassa_url());
    (narrow.max_in_flight, narrow.wait) = (1, Duration::from_millis(100));
    let payments = payments_of(client_of(narrow));
    let slow = YookassaAction::Delay { millis: 500 };
    control
        .add_fault(Rule::on("payments.create", slow))
        .await
        .unwrap();
    let (one, two) = (order("a"), order("b"));
    let calls = [payments.create(&one), payments.create(&two)];
    let answers = futures::future::join_all(calls).await;
    let busy = PaymentFault::NotSent("too many calls to the provider are under way".into());
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(
        answers
            .iter()
            .filter(|answer| **answer == Err(busy.clone()))
            .count(),
        1
    );
    assert_eq!(control.books().await.unwrap().payments.len(), 1);
}

#[tokio::test]
async fn secrets_are_in_no_error_and_in_nothing_that_is_shown() {
    let liar = Liar::start(Lie::ReadAndReset).await;
    let settings = config(liar.url("http"));
    let client = client_of(settings.clone());
    let fault = payments_of(client.clone())
        .create(&order("a"))
        .await
        .unwrap_err();
    let shown = format!("{settings:?} {client:?} {fault:?} {fault}");
    for secret in [SHOP.1, GATEWAY.1] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn settings_that_would_betray_or_confuse_the_accounts_are_refused() {
    let with = |address: &str, change: fn(&mut YookassaConfig)| {
        let mut config = config(Url::parse(address).unwrap());
        change(&mut config);
        YookassaClient::try_new(config)
    };
    let real = "https://api.yookassa.ru/v3";
    assert!(with(real, |_| {}).is_ok());
    let patience = YookassaConfig::new(Url::parse(real).unwrap()).http.timeouts;
    let seconds = [patience.connect, patience.read, patience.total].map(|one| one.as_secs());
    assert_eq!(
        seconds,
        [5, 10, 35],
        "the provider itself gives up after thirty"
    );
    assert!(with("http://127.0.0.1:8080/v3/", |_| {}).is_ok());
    let refused = [
        with("http://api.yookassa.ru/v3", |_| {}),
        with("https://user@api.yookassa.ru/v3", |_| {}),
        with("https://api.yookassa.ru/v3?a=b", |_| {}),
        with(real, |config| config.max_in_flight = 0),
        with(real, |config| config.gateway.clone_from(&config.shop)),
        with(real, |config| {
            config.shop = Some(YookassaAccount::new("", "s"))
        }),
        with(real, |config| {
            config.shop = Some(YookassaAccount::new("1:2", "s"))
        }),
        with(real, |config| {
            config.shop = Some(YookassaAccount::new("1", "s\r\nX: y"))
        }),
    ];
    for refused in refused {
        assert!(refused.is_err());
    }
    let shop_only = with(real, |config| config.gateway = None).unwrap();
    assert!(matches!(
        YookassaPayouts::try_new(shop_only),
        Err(ConfigError::NoGateway)
    ));
}
