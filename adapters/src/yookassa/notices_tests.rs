//! What is taken from a notification, and what is set aside.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const JSON: &str = "application/json";

fn read(body: &Value) -> Result<Vec<Notice>, NoticeFault> {
    YookassaNotices.read(JSON, body.to_string().as_bytes())
}

fn notice(event: &str, object: Value) -> Value {
    json!({"type": "notification", "event": event, "object": object})
}

fn topic(event: &str, object: Value) -> Option<NoticeTopic> {
    let mut read = read(&notice(event, object)).ok()?;
    read.pop().map(|notice| notice.topic)
}

fn object() -> Value {
    json!({"id": "2203aa1d-000f-5000-8000-17102541fd31", "status": "succeeded", "metadata": {"operation_id": "op-1"}})
}

#[test]
fn a_notification_tells_what_to_ask_about() {
    for event in [
        "payment.waiting_for_capture",
        "payment.succeeded",
        "payment.canceled",
    ] {
        assert_eq!(
            topic(event, object()),
            Some(NoticeTopic::Payment {
                provider_id: "2203aa1d-000f-5000-8000-17102541fd31".into(),
                operation_id: Some("op-1".into()),
                paid: event == "payment.succeeded",
            })
        );
    }
    let refund = json!({"id": "216749f7-0016-50be-b000-078d43a63ae4", "payment_id": "216749da-000f-50be-b000-096747fad91e"});
    assert_eq!(
        topic("refund.succeeded", refund),
        Some(NoticeTopic::Refund {
            provider_refund_id: "216749f7-0016-50be-b000-078d43a63ae4".into(),
            provider_payment_id: "216749da-000f-50be-b000-096747fad91e".into(),
        })
    );
    for event in ["payout.succeeded", "payout.canceled"] {
        assert_eq!(
            topic(event, json!({"id": "po-1", "metadata": {}})),
            Some(NoticeTopic::Payout {
                provider_id: "po-1".into(),
                operation_id: None,
                reversed: false,
            })
        );
    }
}

#[test]
fn f24_an_event_from_tomorrow_is_kept_and_means_nothing() {
    for event in [
        "payment_method.active",
        "deal.closed",
        "payment.paused",
        "refund.canceled",
        "moon.risen",
    ] {
        let read = read(&notice(event, json!({})));
        let kept = Notice {
            event: event.into(),
            topic: NoticeTopic::Other,
        };
        assert_eq!(read, Ok(vec![kept]));
    }
    let odd = json!({"id": "a-1", "status": "on_the_moon", "amount": {"value": 1e300, "currency": []},
        "payment_method": "pigeon", "metadata": ["x"]});
    assert_eq!(
        topic("payment.succeeded", odd),
        Some(NoticeTopic::Payment {
            provider_id: "a-1".into(),
            operation_id: None,
            paid: true
        })
    );
}

#[test]
fn f25_what_is_no_notification_is_set_aside_without_being_quoted() {
    let whole = notice("payment.succeeded", object()).to_string();
    let long = format!("{whole}{}", " ".repeat(MAX_NOTICE_BYTES));
    let deep = format!("{{\"type\":{}1{}}}", "[".repeat(9_999), "]".repeat(9_999));
    let bodies: Vec<Vec<u8>> = vec![
        vec![],
        b"payment.succeeded".to_vec(),
        b"[]".to_vec(),
        b"{}".to_vec(),
        b"\xff\xfe{\0}\0".to_vec(),
        format!("\u{feff}{whole}").into_bytes(),
        format!("{whole}{whole}").into_bytes(),
        whole.as_bytes().iter().copied().take(60).collect(),
        whole
            .replacen('{', "{\"type\":\"notification\",", 1)
            .into_bytes(),
        whole.replace("\"status\"", "\"id\"").into_bytes(),
        whole.replace("\"succeeded\"", "1e999").into_bytes(),
        whole.replace("notification", "announcement").into_bytes(),
        long.into_bytes(),
        deep.into_bytes(),
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(body.get(..body.len().min(80)).unwrap_or_default());
        let fault = YookassaNotices.read(JSON, &body);
        assert!(fault.is_err(), "{shown}");
        assert!(!format!("{fault:?}").contains("2203aa1d"), "{fault:?}");
    }
    for wrong in [
        notice("", object()),
        notice("payment.succeeded", json!([])),
        notice("payment.succeeded", json!({})),
        notice("payment.succeeded", json!({"id": 5})),
        notice("payment.succeeded", json!({"id": "../payouts"})),
        notice("refund.succeeded", json!({"id": "r-1"})),
        json!({"type": "notification", "event": ["payment.succeeded"], "object": object()}),
    ] {
        assert!(read(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn f25_only_json_in_utf8_is_read() {
    let body = notice("payment.succeeded", object()).to_string();
    let reads = |media: &str| YookassaNotices.read(media, body.as_bytes()).is_ok();
    for media in [
        JSON,
        "application/json; charset=utf-8",
        "Application/JSON;charset=\"UTF-8\"",
        "",
    ] {
        assert!(reads(media), "{media}");
    }
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=windows-1251",
        "application/jsonp",
        "text/html",
    ] {
        assert!(!reads(media), "{media}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(media in ".{0,40}", body in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _read = YookassaNotices.read(&media, &body);
    }

    #[test]
    fn no_change_of_a_real_one_makes_the_reader_panic(
        at in 0_usize..1_000,
        with in proptest::collection::vec(any::<u8>(), 0..6),
    ) {
        let mut body = notice("payment.succeeded", object()).to_string().into_bytes();
        let from = at % body.len();
        let to = body.len().min(from + with.len());
        body.splice(from..to, with);
        if let Ok(read) = YookassaNotices.read(JSON, &body) {
            prop_assert!(read.len() == 1);
        }
    }
}
