//! Bad days of the simulated YooKassa: what the caller sees, and what was done behind it.

use std::time::Duration;

use kvit_adapters::sandbox::faults::{Faults, Rule};
use kvit_adapters::sandbox::yookassa::client::YookassaControl;
use kvit_adapters::sandbox::yookassa::faults::{Blemish, Outcome, YookassaAction, YookassaChance};
use kvit_adapters::sandbox::yookassa::{TransferStatus, YookassaSettings};
use serde_json::{Value, json};

use crate::common::sandbox;
use crate::yookassa_common::{Api, by_hand, id, payment, rub, sandbox_with, sbp_payout};

async fn payouts(control: &YookassaControl) -> usize {
    control.books().await.unwrap().payouts.len()
}

#[tokio::test]
async fn what_breaks_before_the_commit_leaves_nothing_and_what_breaks_after_it_leaves_one_payout() {
    let running = by_hand().await;
    let (api, control) = (Api::gateway(&running), running.yookassa());
    let actions = [
        (YookassaAction::DropBefore, 0),
        (YookassaAction::HttpBefore { status: 500 }, 0),
        (YookassaAction::HttpBefore { status: 502 }, 0),
        (YookassaAction::TooManyRequests { retry_after: 1_800 }, 0),
        (YookassaAction::Accepted { processed: false }, 0),
        (YookassaAction::DropAfter, 1),
        (YookassaAction::HttpAfter { status: 500 }, 1),
        (YookassaAction::HttpAfter { status: 504 }, 1),
        (YookassaAction::Accepted { processed: true }, 1),
        (
            YookassaAction::Spoil {
                blemish: Blemish::CutOff,
            },
            1,
        ),
        (
            YookassaAction::Spoil {
                blemish: Blemish::Html,
            },
            1,
        ),
        (
            YookassaAction::Spoil {
                blemish: Blemish::Empty,
            },
            1,
        ),
    ];
    for (n, (action, left)) in actions.into_iter().enumerate() {
        let (before, key) = (payouts(control).await, format!("key-{n}"));
        control
            .add_fault(Rule::on("payouts.create", action.clone()).about(&key))
            .await
            .unwrap();
        let body = sbp_payout("10.00", &key);
        let seen = api.try_post("/payouts", &key, &body).await;
        assert_eq!(payouts(control).await - before, left, "{action:?}");
        match (&action, seen) {
            (YookassaAction::DropBefore | YookassaAction::DropAfter, seen) => {
                assert!(seen.is_err())
            }
            (YookassaAction::TooManyRequests { .. }, Ok((status, text))) => {
                let error: Value = serde_json::from_str(&text).unwrap();
                assert_eq!((status, &error["retry_after"]), (429, &json!(1_800)));
                assert_eq!(error["code"], "too_many_requests");
            }
            (
                YookassaAction::HttpBefore { status } | YookassaAction::HttpAfter { status },
                Ok((seen, text)),
            ) => {
                assert_eq!(
                    (seen, *status == 500),
                    (*status, text.contains("internal_server_error"))
                );
            }
            (YookassaAction::Accepted { .. }, Ok((status, text))) => {
                assert_eq!((status, text.contains("\"processing\"")), (202, true));
            }
            (_, Ok((status, text))) => {
                assert_eq!(
                    (status, serde_json::from_str::<Value>(&text).is_err()),
                    (200, true)
                );
            }
            (_, Err(error)) => panic!("{action:?}: {error}"),
        }
        // Whatever it was, the same key with the same body ends in one payout.
        api.ok("/payouts", &key, &body).await;
        assert_eq!(payouts(control).await - before, 1, "{action:?}");
    }
}

#[tokio::test]
async fn a_slow_call_is_done_although_its_caller_has_gone() {
    let running = sandbox().await;
    let (api, control) = (Api::shop(&running), running.yookassa());
    let slow = YookassaAction::Delay { millis: 300 };
    control
        .add_fault(Rule::on("payments.create", slow))
        .await
        .unwrap();
    let body = payment("10.00", true, "op");
    let early = tokio::time::timeout(
        Duration::from_millis(100),
        api.post("/payments", "k", &body),
    )
    .await;
    assert!(early.is_err() && control.books().await.unwrap().payments.is_empty());
    for _ in 0..100 {
        if control.books().await.unwrap().payments.len() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the call was lost with its caller");
}

#[tokio::test]
async fn an_answer_can_say_what_is_not_so() {
    let running = sandbox().await;
    let (api, control) = (Api::shop(&running), running.yookassa());
    let made = api
        .ok("/payments", "k", &payment("10.00", true, "op"))
        .await;
    let path = format!("/payments/{}", id(&made));
    for (pointer, value) in [
        ("/amount/value", json!("10.01")),
        ("/test", json!(false)),
        ("/metadata", Value::Null),
        ("/status", json!("from_tomorrow")),
    ] {
        let blemish = Blemish::Replace {
            pointer: pointer.to_owned(),
            value: value.clone(),
        };
        control
            .add_fault(Rule::on("payments.get", YookassaAction::Spoil { blemish }))
            .await
            .unwrap();
        let told = api.get(&path).await;
        assert_eq!(told.pointer(pointer).cloned().unwrap_or_default(), value);
        assert_eq!(api.get(&path).await, made, "and only once");
    }
}

#[tokio::test]
async fn a_refund_can_end_canceled_and_nobody_is_told() {
    let running = by_hand().await;
    let (api, control) = (Api::shop(&running), running.yookassa());
    let payment = crate::yookassa_common::paid(&api, control, "p").await;
    let end = |outcome| YookassaAction::End { outcome };
    control
        .add_fault(Rule::on(
            "refunds.create",
            end(Outcome::canceled("rejected_by_payee")),
        ))
        .await
        .unwrap();
    let body = json!({"payment_id": payment, "amount": rub("10.00")});
    let ended = api.ok("/refunds", "a", &body).await;
    assert_eq!(
        ended["cancellation_details"],
        json!({"party": "refund_network", "reason": "rejected_by_payee"})
    );
    let pending = api.ok("/refunds", "b", &body).await;
    control
        .settle_refund(&id(&pending), &Outcome::canceled("insufficient_funds"))
        .await
        .unwrap();
    let events = |notices: Vec<kvit_adapters::sandbox::yookassa::Notice>| {
        notices.into_iter().map(|one| one.event).collect::<Vec<_>>()
    };
    assert_eq!(
        events(control.notices().await.unwrap()),
        ["payment.succeeded"]
    );
    let good = api.ok("/refunds", "c", &body).await;
    control
        .settle_refund(&id(&good), &Outcome::Succeeded { after_seconds: 0 })
        .await
        .unwrap();
    assert!(
        control
            .settle_refund(&id(&good), &Outcome::canceled("x"))
            .await
            .is_err(),
        "it is final"
    );
    assert_eq!(
        events(control.notices().await.unwrap()),
        ["payment.succeeded", "refund.succeeded"]
    );
    assert_eq!(
        api.get(&format!("/payments/{payment}")).await["refunded_amount"],
        rub("10.00")
    );
}

#[tokio::test]
async fn calls_are_written_down_with_their_keys_and_misfortunes() {
    let running = sandbox().await;
    let (api, control) = (Api::gateway(&running), running.yookassa());
    control
        .add_fault(Rule::on(
            "payouts.create",
            YookassaAction::HttpAfter { status: 500 },
        ))
        .await
        .unwrap();
    let _unknown = api
        .try_post("/payouts", "key-1", &sbp_payout("1.00", "op"))
        .await
        .unwrap();
    api.get("/payouts/search?metadata[operation_id]=op").await;
    let calls = control.calls().await.unwrap();
    let seen: Vec<_> = calls
        .iter()
        .map(|call| (call.method.as_str(), call.key.as_deref()))
        .collect();
    assert_eq!(
        seen,
        [("payouts.create", Some("key-1")), ("payouts.search", None)]
    );
    assert_eq!(
        calls[0].fault,
        Some(json!({"do": "http_after", "status": 500}))
    );
    control.forget_calls().await.unwrap();
    assert!(control.calls().await.unwrap().is_empty());
}

/// One run of forty payouts, each repeated with its key until it is known; answers how often it was tried.
async fn stormy(seed: u64) -> (usize, usize, i64) {
    let chance = YookassaChance {
        drop_before: 60,
        drop_after: 60,
        http_500_before: 60,
        http_500_after: 60,
        accepted_before: 40,
        accepted_after: 40,
        too_many: 60,
        malformed: 60,
        html: 60,
        canceled: 100,
        ..YookassaChance::default()
    };
    let running = sandbox_with(YookassaSettings {
        faults: Faults {
            rules: Vec::new(),
            chance: Some(chance),
        },
        payout_outcome: Outcome::Succeeded { after_seconds: 0 },
        webhook_offsets: vec![seed.cast_signed().rem_euclid(7)],
        ..YookassaSettings::default()
    })
    .await;
    let (api, control) = (Api::gateway(&running), running.yookassa());
    for n in 0..40 {
        let key = format!("key-{n}");
        let body = sbp_payout("10.00", &key);
        for _ in 0..100 {
            let seen = api.try_post("/payouts", &key, &body).await;
            let known = |(status, text): (u16, String)| {
                status == 200 && serde_json::from_str::<Value>(&text).is_ok()
            };
            if seen.is_ok_and(known) {
                break;
            }
        }
    }
    let books = control.books().await.unwrap();
    let paid = books
        .payouts
        .iter()
        .filter(|one| one.status == TransferStatus::Succeeded);
    assert_eq!(
        books.payouts.len(),
        40,
        "one payout a key, whatever happened"
    );
    assert_eq!(
        books.totals("RUB").paid_out_minor,
        paid.map(|one| one.amount_minor).sum::<i64>()
    );
    (
        control.calls().await.unwrap().len(),
        books.payouts.len(),
        books.totals("RUB").paid_out_minor,
    )
}

#[tokio::test]
async fn chance_is_drawn_from_the_seed_and_loses_and_doubles_nothing() {
    let (first, again) = (stormy(1).await, stormy(1).await);
    assert_eq!(first, again);
    assert!(
        first.0 > 45,
        "{} calls for forty payouts are no storm",
        first.0
    );
}
