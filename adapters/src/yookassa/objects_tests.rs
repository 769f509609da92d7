//! What is read of the provider's objects, and what is not believed.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn node(value: &Value) -> Node {
    Node::read(value.to_string().as_bytes()).unwrap_or(Node::Null)
}

fn payment() -> Value {
    json!({"id": "2203aa1d-000f-5000-8000-17102541fd31", "status": "succeeded", "paid": true,
        "amount": {"value": "100.00", "currency": "RUB"}, "income_amount": {"value": "96.50", "currency": "RUB"},
        "created_at": "2018-01-31T10:11:41.499Z", "captured_at": "2018-01-31T10:12:06.249Z",
        "metadata": {"operation_id": "op-1"}, "payment_method": {"type": "carrier_pigeon", "saved": false},
        "recipient": {"account_id": "1", "gateway_id": "2"}, "refundable": true, "test": true,
        "a_member_from_tomorrow": [1, {"deep": null}]})
}

fn payout() -> Value {
    json!({"id": "po-27ced252-0025-5000-9000-0a682a8bab8f", "amount": {"value": "320.00", "currency": "RUB"},
        "status": "pending", "payout_destination": {"type": "sbp", "phone": "79000000000", "bank_id": "100000000111"},
        "created_at": "2026-01-02T03:04:05.678901Z", "metadata": {"operation_id": "op-1", "attempt": "2"}, "test": true})
}

fn refund() -> Value {
    json!({"id": "216749f7-0016-50be-b000-078d43a63ae4", "status": "succeeded",
        "amount": {"value": "1.00", "currency": "RUB"}, "created_at": "2017-10-04T19:27:51.407Z",
        "payment_id": "216749da-000f-50be-b000-096747fad91e"})
}

fn with(mut object: Value, pointer: &str, value: Value) -> Node {
    if let Some(place) = object.pointer_mut(pointer) {
        *place = value;
    }
    node(&object)
}

#[test]
fn a_payment_is_read_with_its_fee_and_without_what_nobody_needs() {
    let read = Payment::read(&node(&payment()));
    let Ok(read) = read else {
        unreachable!("{read:?}")
    };
    assert_eq!(read.status, Status::Succeeded);
    assert_eq!(read.fee(), Some(Money::new(350, Currency::Rub)));
    assert_eq!(read.operation_id.as_deref(), Some("op-1"));
    assert_eq!(read.created_at.timestamp_subsec_millis(), 499);
    let more = with(payment(), "/income_amount/value", json!("100.01"));
    let fee = Payment::read(&more).map(|payment| payment.fee());
    assert_eq!(fee, Ok(None), "a negative fee is no fee");
}

#[test]
fn f22_an_amount_is_read_exactly_or_not_at_all() {
    let read = |value: Value, currency: &str| {
        amount(&node(&json!({"value": value, "currency": currency}))).map(|money| money.minor)
    };
    assert_eq!(read(json!("100.00"), "RUB"), Ok(10_000));
    assert_eq!(
        read(json!("9007199254740993.01"), "RUB"),
        Ok(900_719_925_474_099_301)
    );
    assert_eq!(
        read(json!("90071992547409.93"), "UAH"),
        Ok(9_007_199_254_740_993)
    );
    for text in [
        "100.0",
        "100",
        "1e2",
        "100.001",
        "-1.00",
        "+1.00",
        "００.00",
        "1 000.00",
        "1,00",
        "",
        " 1.00",
        "1000000000000000000.00",
        "NaN",
        "0x10.00",
        "01.00",
    ] {
        assert_eq!(
            read(json!(text), "RUB"),
            Err(AnswerError::Amount),
            "{text:?}"
        );
    }
    for number in [
        json!(100),
        json!(100.0),
        json!(1e300),
        json!(null),
        json!(["1.00"]),
    ] {
        assert_eq!(read(number, "RUB"), Err(AnswerError::Missing("amount")));
    }
    for currency in ["KZT", "XTR", "rub", "", "RUB ", "BTC"] {
        assert_eq!(
            read(json!("1.00"), currency),
            Err(AnswerError::Currency),
            "{currency:?}"
        );
    }
}

#[test]
fn f24_words_from_tomorrow_are_kept_as_words() {
    let read = Payment::read(&with(payment(), "/status", json!("on_the_moon")));
    assert_eq!(
        read.map(|payment| payment.status),
        Ok(Status::Other("on_the_moon".into()))
    );
    let strange = json!({"party": "aliens", "reason": "un\nknown", "more": 1});
    assert_eq!(
        Cancellation::read(&node(&strange)),
        Cancellation {
            party: "aliens".into(),
            reason: "unknown".into()
        }
    );
    assert_eq!(Cancellation::read(&Node::Null).reason, "untold");
}

#[test]
fn f21_an_object_that_does_not_say_whether_it_is_a_test_is_no_answer() {
    for test in [Value::Null, json!("true"), json!(1)] {
        let read = Payment::read(&with(payment(), "/test", test.clone()));
        assert_eq!(read.err(), Some(AnswerError::Missing("test")));
        let read = Payout::read(&with(payout(), "/test", test));
        assert_eq!(read.err(), Some(AnswerError::Missing("test")));
    }
}

#[test]
fn what_money_hangs_on_must_be_there_and_right() {
    for (pointer, bad) in [
        ("/id", json!("../refunds/1")),
        ("/id", json!("")),
        ("/id", json!("x".repeat(65))),
        ("/id", json!(7)),
        ("/status", Value::Null),
        ("/amount", json!("100.00")),
        ("/amount/currency", json!("KZT")),
        ("/income_amount", json!("96.50")),
        ("/created_at", json!("yesterday")),
        ("/created_at", json!(1_500_000_000)),
    ] {
        let read = Payment::read(&with(payment(), pointer, bad.clone()));
        assert!(read.is_err(), "{pointer} {bad}");
    }
    assert!(Refund::read(&with(refund(), "/payment_id", Value::Null)).is_err());
    assert!(Refund::read(&node(&refund())).is_ok());
    assert!(Payment::read(&Node::List(Vec::new())).is_err());
}

#[test]
fn f47_a_payout_may_leave_out_when_it_succeeded() {
    let mut done = payout();
    done["status"] = json!("succeeded");
    let read = Payout::read(&node(&done));
    assert_eq!(read.map(|payout| payout.succeeded_at), Ok(None));
    let read = Payout::read(&node(&payout()));
    assert_eq!(
        read.map(|payout| payout.created_at.timestamp_subsec_micros()),
        Ok(678_901),
        "six digits of a second"
    );
}

#[test]
fn a_destination_is_not_shown() {
    let read = Payout::read(&node(&payout()));
    assert!(read.is_ok());
    assert!(!format!("{read:?}").contains("79000000000"));
}

/// Any JSON, with the names that are looked for among its members.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        "[0-9]{1,20}\\.[0-9]{0,3}".prop_map(Value::from),
        Just(json!("RUB")),
        Just(json!("pending")),
        Just(json!("2026-01-02T03:04:05.678Z")),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        let name = prop_oneof![
            Just("id".to_owned()),
            Just("status".to_owned()),
            Just("amount".to_owned()),
            Just("value".to_owned()),
            Just("currency".to_owned()),
            Just("test".to_owned()),
            Just("metadata".to_owned()),
            Just("created_at".to_owned()),
            Just("payment_id".to_owned()),
            ".{0,12}",
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(name, inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_document_makes_a_reader_panic(value in any_json()) {
        let node = node(&value);
        let _payment = Payment::read(&node);
        let _refund = Refund::read(&node);
        let _payout = Payout::read(&node);
    }

    #[test]
    fn f22_whatever_is_read_as_an_amount_is_written_back_the_same(text in "[0-9+eE., -]{0,24}") {
        let read = amount(&node(&json!({"value": text, "currency": "RUB"})));
        if let Ok(money) = read {
            prop_assert_eq!(money.to_decimal(), text);
        }
    }

    #[test]
    fn one_wrong_byte_never_makes_another_amount_of_a_payment(at in 0_usize..400, byte in any::<u8>()) {
        let mut body = payment().to_string().into_bytes();
        let place = at % body.len();
        if let Some(place) = body.get_mut(place) {
            *place = byte;
        }
        let read = Node::read(&body).and_then(|node| Payment::read(&node));
        if let Ok(read) = read {
            // Another digit is another text, which only comparing with the intent can tell; never a rounded or shifted one.
            let shown = read.amount.to_decimal();
            prop_assert!(body.windows(shown.len()).any(|part| part == shown.as_bytes()));
        }
    }
}
