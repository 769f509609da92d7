//! Our client as the payment port: what the payment worker sees of good and bad days.

use std::time::Duration;

use chrono::TimeDelta;
use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::yookassa::faults::{Blemish, YookassaAction};
use kvit_commands::ports::payment::{PaymentFault, PaymentOrder, PaymentProvider};
use kvit_domain::ids::PaymentId;
use kvit_domain::payment::SnapshotStatus;
use serde_json::{Value, json};

use crate::common::sandbox;
use crate::yk_client_common::{order, payments, rub};
use crate::yookassa_common::by_hand;

fn replace(pointer: &str, value: Value) -> YookassaAction {
    let pointer = pointer.to_owned();
    let blemish = Blemish::Replace { pointer, value };
    YookassaAction::Spoil { blemish }
}

#[tokio::test]
async fn a_payment_of_one_stage_is_created_paid_and_seen_with_its_fee() {
    let running = sandbox().await;
    let (provider, control) = (payments(&running), running.yookassa());
    let made = provider.create(&order("a")).await.unwrap();
    assert_eq!(made.status, SnapshotStatus::Pending);
    assert_eq!(
        (made.amount, made.test, made.fee),
        (rub(10_000), true, None)
    );
    assert_eq!(
        made.operation_id,
        Some(PaymentId::derived("test", "a").to_string())
    );
    let page = made.confirmation_url.unwrap();
    assert!(page.starts_with("http://127.0.0.1:"), "{page}");
    control.pay(&made.provider_id).await.unwrap();
    let seen = provider.get(&made.provider_id).await.unwrap().unwrap();
    assert_eq!(
        (seen.status, seen.amount, seen.fee),
        (SnapshotStatus::Succeeded, rub(10_000), Some(rub(350)))
    );
}

#[tokio::test]
async fn f20_held_money_is_taken_in_part_and_the_part_is_what_is_seen() {
    let running = sandbox().await;
    let (provider, control) = (payments(&running), running.yookassa());
    let two_stage = PaymentOrder {
        capture: false,
        ..order("a")
    };
    let made = provider.create(&two_stage).await.unwrap();
    control.pay(&made.provider_id).await.unwrap();
    let held = provider.get(&made.provider_id).await.unwrap().unwrap();
    assert_eq!(held.status, SnapshotStatus::AwaitingCapture);
    assert!(held.expires_at.is_some());
    let taken = provider
        .capture(&made.provider_id, rub(6_001), "capture-1")
        .await
        .unwrap();
    assert_eq!(
        (taken.status, taken.amount),
        (SnapshotStatus::Succeeded, rub(6_001))
    );
    let again = provider
        .capture(&made.provider_id, rub(6_001), "capture-1")
        .await
        .unwrap();
    assert_eq!(again.amount, rub(6_001), "the same key is the same capture");
    let record = control.books().await.unwrap().payments.remove(0);
    assert_eq!(record.captured_minor, 6_001);
    let refused = provider.cancel(&made.provider_id, "cancel-1").await;
    assert!(
        matches!(refused, Err(PaymentFault::Refused { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn held_money_is_given_back() {
    let running = sandbox().await;
    let (provider, control) = (payments(&running), running.yookassa());
    let two_stage = PaymentOrder {
        capture: false,
        ..order("a")
    };
    let made = provider.create(&two_stage).await.unwrap();
    control.pay(&made.provider_id).await.unwrap();
    let canceled = provider
        .cancel(&made.provider_id, "cancel-1")
        .await
        .unwrap();
    assert_eq!(
        canceled.status,
        SnapshotStatus::Canceled {
            party: "merchant".into(),
            reason: "canceled_by_merchant".into()
        }
    );
}

/// Also F05, F06: whoever repeats the call after a crash repeats the same call.
#[tokio::test]
async fn f01_a_creation_whose_answer_is_lost_is_the_same_payment_under_the_same_key() {
    let running = sandbox().await;
    let (provider, control) = (payments(&running), running.yookassa());
    let spoil = |blemish| YookassaAction::Spoil { blemish };
    let losses = [
        YookassaAction::DropAfter,
        YookassaAction::DelayAfter { millis: 2_500 },
        YookassaAction::HttpAfter { status: 500 },
        YookassaAction::HttpAfter { status: 504 },
        YookassaAction::Accepted { processed: true },
        spoil(Blemish::CutOff),
        spoil(Blemish::Html),
        spoil(Blemish::Empty),
    ];
    for (n, loss) in losses.into_iter().enumerate() {
        let (order, shown) = (order(&n.to_string()), format!("{loss:?}"));
        control
            .add_fault(Rule::on("payments.create", loss))
            .await
            .unwrap();
        let lost = provider.create(&order).await;
        assert!(
            matches!(lost, Err(PaymentFault::Unknown(_))),
            "{shown}: {lost:?}"
        );
        let first = provider.create(&order).await.unwrap();
        let again = provider.create(&order).await.unwrap();
        assert_eq!(first, again, "{shown}");
        assert_eq!(
            control.books().await.unwrap().payments.len(),
            n + 1,
            "{shown}"
        );
    }
}

#[tokio::test]
async fn f02_errors_of_the_server_are_doubts_and_the_third_call_makes_the_one_payment() {
    let running = sandbox().await;
    let (provider, control) = (payments(&running), running.yookassa());
    let bad = Rule::on(
        "payments.create",
        YookassaAction::HttpBefore { status: 500 },
    )
    .times(2);
    control.add_fault(bad).await.unwrap();
    for _ in 0..2 {
        let doubt = Err(PaymentFault::Unknown("HTTP status 500".into()));
        assert_eq!(provider.create(&order("a")).await, doubt);
    }
    provider.create(&order("a")).await.unwrap();
    assert_eq!(control.books().await.unwrap().payments.len(), 1);
    let keys: Vec<_> = control
        .calls()
        .await
        .unwrap()
        .into_iter()
        .map(|call| call.key)
        .collect();
    assert!(
        keys.len() == 3 && keys.iter().all(|key| *key == keys[0]),
        "{keys:?}"
    );
}

#[tokio::test]
async fn f03_too_many_requests_say_when_to_come_again_with_the_same_key() {
    let running = sandbox().await;
    let (provider, control) = (payments(&running), running.yookassa());
    let busy = YookassaAction::TooManyRequests { retry_after: 1_800 };
    control
        .add_fault(Rule::on("payments.create", busy))
        .await
        .unwrap();
    let retry_after = Duration::from_millis(1_800);
    assert_eq!(
        provider.create(&order("a")).await,
        Err(PaymentFault::TooManyRequests { retry_after })
    );
    provider.create(&order("a")).await.unwrap();
    assert_eq!(control.books().await.unwrap().payments.len(), 1);
}

#[tokio::test]
async fn f04_a_key_used_for_another_amount_is_no_refusal_because_the_first_call_may_stand() {
    let running = sandbox().await;
    let (provider, control) = (payments(&running), running.yookassa());
    provider.create(&order("a")).await.unwrap();
    let changed = PaymentOrder {
        amount: rub(10_001),
        ..order("a")
    };
    let fault = provider.create(&changed).await;
    let expected = PaymentFault::Unknown("the key was used for another call".into());
    assert_eq!(fault, Err(expected));
    let books = control.books().await.unwrap();
    assert_eq!(
        (books.payments.len(), books.payments[0].requested_minor),
        (1, 10_000)
    );
}

/// The age is the worker's to watch; this shows why, and that the client says how long a key lives.
#[tokio::test]
async fn f07_a_key_older_than_a_day_would_be_a_second_payment_and_the_search_still_finds_the_first()
{
    let running = by_hand().await;
    let (provider, control) = (payments(&running), running.yookassa());
    assert_eq!(provider.key_lifetime(), Duration::from_secs(24 * 3_600));
    let since = control.now().await.unwrap() - TimeDelta::days(1);
    let first = provider.create(&order("a")).await.unwrap();
    control.advance(23 * 3_600).await.unwrap();
    assert_eq!(
        provider.create(&order("a")).await.unwrap().provider_id,
        first.provider_id
    );
    control.advance(2 * 3_600).await.unwrap();
    let found = provider
        .find(PaymentId::derived("test", "a"), since)
        .await
        .unwrap();
    assert_eq!(found.unwrap().provider_id, first.provider_id);
    let second = provider.create(&order("a")).await.unwrap();
    assert_ne!(second.provider_id, first.provider_id);
}

#[tokio::test]
async fn f16_what_the_shop_does_not_have_is_none_and_what_is_no_id_is_never_asked_for() {
    let running = sandbox().await;
    let (provider, control) = (payments(&running), running.yookassa());
    let unknown = "2203aa1d-000f-5000-8000-17102541fd31";
    assert_eq!(provider.get(unknown).await, Ok(None));
    assert_eq!(provider.get_refund(unknown).await, Ok(None));
    assert_eq!(control.calls().await.unwrap().len(), 2);
    for id in [
        "",
        "..",
        "../refunds",
        "a/b",
        "a?b",
        "a b",
        "％",
        &"x".repeat(65),
    ] {
        assert_eq!(provider.get(id).await, Ok(None), "{id:?}");
        assert_eq!(provider.get_refund(id).await, Ok(None), "{id:?}");
        let refused = provider.capture(id, rub(1), "k").await;
        assert_eq!(
            refused,
            Err(PaymentFault::Refused {
                code: "local.id".into()
            })
        );
    }
    assert_eq!(control.calls().await.unwrap().len(), 2);
}

#[tokio::test]
async fn f22_an_amount_that_cannot_be_read_exactly_is_a_doubt_and_never_another_amount() {
    let running = sandbox().await;
    let (provider, control) = (payments(&running), running.yookassa());
    let made = provider.create(&order("a")).await.unwrap();
    for bad in [
        "100.0",
        "100",
        "1e2",
        "100.001",
        "-1.00",
        "００.00",
        "1000000000000000000.00",
    ] {
        let spoilt = Rule::on("payments.get", replace("/amount/value", json!(bad)));
        control.add_fault(spoilt).await.unwrap();
        let fault = provider.get(&made.provider_id).await;
        assert!(
            matches!(fault, Err(PaymentFault::Unknown(_))),
            "{bad}: {fault:?}"
        );
    }
    let spoilt = Rule::on("payments.get", replace("/amount/currency", json!("KZT")));
    control.add_fault(spoilt).await.unwrap();
    assert_eq!(
        provider.get(&made.provider_id).await,
        Err(PaymentFault::Unknown(
            "the answer cannot be used: an amount in an unknown currency".into()
        ))
    );
}

#[tokio::test]
async fn f24_states_and_methods_from_tomorrow_do_not_break_the_reader() {
    let running = sandbox().await;
    let (provider, control) = (payments(&running), running.yookassa());
    let made = provider.create(&order("a")).await.unwrap();
    let strange = replace("/status", json!("on_the_moon"));
    control
        .add_fault(Rule::on("payments.get", strange))
        .await
        .unwrap();
    let seen = provider.get(&made.provider_id).await.unwrap().unwrap();
    assert_eq!(seen.status, SnapshotStatus::Other("on_the_moon".into()));
    control
        .decline(&made.provider_id, "a_reason_from_tomorrow")
        .await
        .unwrap();
    let method = replace("/payment_method", json!({"type": "pigeon", "bird": [1]}));
    control
        .add_fault(Rule::on("payments.get", method))
        .await
        .unwrap();
    let seen = provider.get(&made.provider_id).await.unwrap().unwrap();
    let SnapshotStatus::Canceled { reason, .. } = seen.status else {
        panic!("{:?}", seen.status)
    };
    assert_eq!(reason, "a_reason_from_tomorrow");
}

#[tokio::test]
async fn an_answer_about_another_payment_is_not_taken() {
    let running = sandbox().await;
    let (provider, control) = (payments(&running), running.yookassa());
    let made = provider.create(&order("a")).await.unwrap();
    let other = replace("/id", json!("2203aa1d-000f-5000-8000-17102541fd31"));
    control
        .add_fault(Rule::on("payments.get", other))
        .await
        .unwrap();
    let fault = provider.get(&made.provider_id).await;
    assert!(matches!(fault, Err(PaymentFault::Unknown(_))), "{fault:?}");
    let url = replace(
        "/confirmation/confirmation_url",
        json!("javascript:alert(1)"),
    );
    control
        .add_fault(Rule::on("payments.get", url))
        .await
        .unwrap();
    let seen = provider.get(&made.provider_id).await.unwrap().unwrap();
    assert_eq!(
        seen.confirmation_url, None,
        "nobody is sent to an unsafe address"
    );
}

/// Only the whole list proves that there is no payment; a question that fails proves nothing.
#[tokio::test]
async fn a_search_that_is_refused_or_broken_is_no_proof_that_there_is_nothing() {
    let running = sandbox().await;
    let (provider, control) = (payments(&running), running.yookassa());
    let id = PaymentId::derived("test", "never made");
    let since = control.now().await.unwrap() - TimeDelta::days(1);
    assert_eq!(provider.find(id, since).await, Ok(None));
    let refuse = |status| YookassaAction::Refuse {
        status,
        code: "invalid_request".into(),
        description: "no".into(),
    };
    for fault in [
        refuse(400),
        refuse(404),
        refuse(410),
        YookassaAction::HttpAfter { status: 500 },
        YookassaAction::Spoil {
            blemish: Blemish::Html,
        },
        replace("/items", Value::Null),
        replace("/next_cursor", json!(7)),
    ] {
        let shown = format!("{fault:?}");
        control
            .add_fault(Rule::on("payments.list", fault))
            .await
            .unwrap();
        let found = provider.find(id, since).await;
        assert!(
            matches!(found, Err(PaymentFault::Unknown(_))),
            "{shown}: {found:?}"
        );
    }
}
