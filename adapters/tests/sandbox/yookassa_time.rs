//! The simulated YooKassa's clock: what a day, a week and a restart do to it.

use chrono::{DateTime, Utc};
use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::yookassa::faults::{Outcome, YookassaAction};
use kvit_adapters::sandbox::yookassa::{ClockChange, PaymentStatus, TransferStatus};
use kvit_adapters::sandbox::{RunningSandbox, Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::common::sandbox;
use crate::yookassa_common::{Api, by_hand, id, paid, payment, rub, sbp_payout};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn time(object: &Value, name: &str) -> DateTime<Utc> {
    object[name].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_repeat_under_the_same_key_is_the_same_payment_as_it_is_now() {
    let running = by_hand().await;
    let (api, control) = (Api::shop(&running), running.yookassa());
    let body = payment("100.00", true, "op");
    let made = api.ok("/payments", "key", &body).await;
    control.pay(&id(&made)).await.unwrap();
    let again = api.ok("/payments", "key", &body).await;
    assert_eq!(
        (id(&again), &again["status"]),
        (id(&made), &json!("succeeded"))
    );
    // Members in another order are the same body, and another key is another payment.
    let turned = r#"{"metadata":{"operation_id":"op"},"description":"Balance top-up","capture":true,
        "confirmation":{"return_url":"https://shop.example/return?op=1","type":"redirect"},
        "amount":{"currency":"RUB","value":"100.00"}}"#;
    let turned: Value = serde_json::from_str(turned).unwrap();
    assert_eq!(id(&api.ok("/payments", "key", &turned).await), id(&made));
    assert_ne!(id(&api.ok("/payments", "other", &body).await), id(&made));
    assert_eq!(control.books().await.unwrap().payments.len(), 2);
}

#[tokio::test]
async fn the_same_key_with_another_body_or_operation_is_refused() {
    let running = by_hand().await;
    let (api, control) = (Api::shop(&running), running.yookassa());
    let made = api
        .ok("/payments", "key", &payment("100.00", false, "op"))
        .await;
    control.pay(&id(&made)).await.unwrap();
    let capture = format!("/payments/{}/capture", id(&made));
    for (path, body) in [
        ("/payments", payment("100.01", false, "op")),
        (capture.as_str(), json!({})),
        (
            "/refunds",
            json!({"payment_id": id(&made), "amount": rub("1.00")}),
        ),
    ] {
        let (status, error) = api.post(path, "key", &body).await;
        assert_eq!(status, 400);
        assert_eq!(
            (&error["code"], &error["parameter"], &error["description"]),
            (
                &json!("invalid_request"),
                &json!("Idempotence-Key"),
                &json!("Idempotence key duplicated")
            )
        );
    }
    // Each account has keys of its own.
    Api::gateway(&running)
        .ok("/payouts", "key", &sbp_payout("1.00", "op"))
        .await;
}

#[tokio::test]
async fn fifty_calls_at_once_under_one_key_make_one_payout() {
    let running = by_hand().await;
    let (api, control) = (Api::gateway(&running), running.yookassa());
    let body = sbp_payout("320.00", "op");
    let calls = (0..50).map(|_| api.ok("/payouts", "key", &body));
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(control.books().await.unwrap().payouts.len(), 1);
}

#[tokio::test]
async fn a_key_is_forgotten_after_24_hours_and_then_pays_a_second_time() {
    let running = by_hand().await;
    let (api, control) = (Api::gateway(&running), running.yookassa());
    let body = sbp_payout("320.00", "op");
    let first = id(&api.ok("/payouts", "key", &body).await);
    control.advance(DAY - 1).await.unwrap();
    assert_eq!(id(&api.ok("/payouts", "key", &body).await), first);
    control.advance(1).await.unwrap();
    assert_ne!(id(&api.ok("/payouts", "key", &body).await), first);
    assert_eq!(control.books().await.unwrap().payouts.len(), 2);
}

#[tokio::test]
async fn an_unpaid_payment_expires_at_the_moment_it_was_due_however_late_one_looks() {
    let running = by_hand().await;
    let (api, control) = (Api::shop(&running), running.yookassa());
    let made = api
        .ok("/payments", "key", &payment("100.00", true, "op"))
        .await;
    control.advance(HOUR - 1).await.unwrap();
    let path = format!("/payments/{}", id(&made));
    assert_eq!(api.get(&path).await["status"], "pending");
    control.advance(30 * DAY).await.unwrap();
    let ended = api.get(&path).await;
    assert_eq!(
        (&ended["status"], &ended["paid"]),
        (&json!("canceled"), &json!(false))
    );
    assert_eq!(
        ended["cancellation_details"],
        json!({"party": "yoo_money", "reason": "expired_on_confirmation"})
    );
    assert!(control.pay(&id(&made)).await.is_err(), "too late");
    let notice = &control.notices().await.unwrap()[0];
    let late = notice.at - time(&made, "created_at");
    assert_eq!(
        (notice.event.as_str(), late.num_seconds()),
        ("payment.canceled", HOUR)
    );
}

#[tokio::test]
async fn money_on_hold_goes_back_after_seven_days_for_cards_and_six_hours_for_the_rest() {
    let running = by_hand().await;
    let (api, control) = (Api::shop(&running), running.yookassa());
    let at = "2026-01-02T03:04:05Z".parse().unwrap();
    control.set_clock(at).await.unwrap();
    for (method, hold) in [
        ("bank_card", 7 * DAY),
        ("yoo_money", 7 * DAY),
        ("sbp", 6 * HOUR),
    ] {
        let made = api
            .ok("/payments", method, &payment("100.00", false, method))
            .await;
        let before = control.now().await.unwrap();
        control.pay_with(&id(&made), method).await.unwrap();
        let path = format!("/payments/{}", id(&made));
        let held = api.get(&path).await;
        let left = time(&held, "expires_at") - before;
        assert_eq!(left.num_seconds(), hold, "{method}");
        control.advance(hold - 1).await.unwrap();
        assert_eq!(api.get(&path).await["status"], "waiting_for_capture");
        control.advance(2).await.unwrap();
        assert_eq!(
            api.get(&path).await["cancellation_details"]["reason"],
            "expired_on_capture"
        );
    }
    assert_eq!(
        control.books().await.unwrap().totals("RUB").captured_minor,
        0
    );
}

#[tokio::test]
async fn payouts_end_by_themselves_after_their_time_and_the_balance_knows_it() {
    let running = sandbox().await;
    let (api, control) = (Api::gateway(&running), running.yookassa());
    control.stop_clock(true).await.unwrap();
    let refused = YookassaAction::End {
        outcome: Outcome::Canceled {
            reason: "recipient_not_found".to_owned(),
            party: None,
            after_seconds: 60,
        },
    };
    control
        .add_fault(Rule::on("payouts.create", refused).about("op-2"))
        .await
        .unwrap();
    let good = api.ok("/payouts", "a", &sbp_payout("320.00", "op-1")).await;
    let bad = api.ok("/payouts", "b", &sbp_payout("100.00", "op-2")).await;
    assert_eq!(
        (&good["status"], good.get("succeeded_at")),
        (&json!("pending"), None)
    );
    assert_eq!(api.get("/me").await["payout_balance"], rub("999580.00"));
    control.advance(5).await.unwrap();
    let good = api.get(&format!("/payouts/{}", id(&good))).await;
    assert_eq!(good["status"], "succeeded");
    assert_eq!(
        (time(&good, "succeeded_at") - time(&good, "created_at")).num_seconds(),
        5
    );
    assert_eq!(
        good["payout_destination"]["sbp_operation_id"]
            .as_str()
            .unwrap()
            .len(),
        32
    );
    control.advance(55).await.unwrap();
    let bad = api.get(&format!("/payouts/{}", id(&bad))).await;
    assert_eq!(
        bad["cancellation_details"],
        json!({"party": "payout_network", "reason": "recipient_not_found"})
    );
    let books = control.books().await.unwrap();
    assert_eq!(
        (
            books.totals("RUB").paid_out_minor,
            books.payout_balance_minor
        ),
        (32_000, Some(99_968_000))
    );
}

#[tokio::test]
async fn payouts_are_found_by_one_pair_of_metadata_for_three_months() {
    let running = by_hand().await;
    let (api, control) = (Api::gateway(&running), running.yookassa());
    let made = api.ok("/payouts", "a", &sbp_payout("1.00", "op-1")).await;
    api.ok("/payouts", "b", &sbp_payout("1.00", "op-2")).await;
    control.advance(25 * HOUR).await.unwrap();
    let found = api.get("/payouts/search?metadata[operation_id]=op-1").await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    assert_eq!(id(&found["items"][0]), id(&made));
    assert_eq!(
        api.get("/payouts/search?metadata%5Boperation_id%5D=op-3")
            .await["items"],
        json!([])
    );
    for bad in [
        "",
        "metadata[operation_id]=a&metadata[x]=b",
        "operation_id=op-1",
    ] {
        let (status, error) = api.any("GET", &format!("/payouts/search?{bad}")).await;
        assert_eq!(
            (status, error["parameter"].as_str()),
            (400, Some("metadata")),
            "{bad}"
        );
    }
    control.advance(93 * DAY).await.unwrap();
    assert_eq!(
        api.get("/payouts/search?metadata[operation_id]=op-1").await["items"],
        json!([])
    );
    assert_eq!(
        api.get("/payouts").await["items"].as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn a_payout_needs_one_destination_within_the_limits_and_money_in_the_balance() {
    let running = by_hand().await;
    let (api, control) = (Api::gateway(&running), running.yookassa());
    let to = |data: Value| json!({"amount": rub("10.00"), "payout_destination_data": data});
    for (body, parameter) in [
        (json!({"amount": rub("10.00")}), "payout_destination_data"),
        (
            json!({"amount": rub("10.00"), "payout_token": "t", "payment_method_id": "m"}),
            "payout_destination_data",
        ),
        (
            json!({"amount": rub("10.00"), "payment_method_id": "m"}),
            "payment_method_id",
        ),
        (sbp_payout("0.99", "op"), "amount.value"),
        (
            to(json!({"type": "sbp", "phone": "+79000000000", "bank_id": "100000000111"})),
            "payout_destination_data.phone",
        ),
        (
            to(json!({"type": "sbp", "phone": "79000000000", "bank_id": "1"})),
            "payout_destination_data.bank_id",
        ),
        (
            to(json!({"type": "yoo_money", "account_number": "4100"})),
            "payout_destination_data.account_number",
        ),
        (
            to(json!({"type": "bank_card", "card": {"number": "5555"}})),
            "payout_destination_data.card.number",
        ),
        (
            to(json!({"type": "mobile"})),
            "payout_destination_data.type",
        ),
    ] {
        let refused = api.refused("/payouts", &body).await;
        assert_eq!((refused.0, refused.2.as_str()), (400, parameter), "{body}");
    }
    let wallet = to(json!({"type": "yoo_money", "account_number": "41001175883113"}));
    assert_eq!(
        api.ok("/payouts", "w", &wallet).await["payout_destination"]["type"],
        "yoo_money"
    );
    let token = json!({"amount": rub("10.00"), "payout_token": "token"});
    assert_eq!(
        api.ok("/payouts", "t", &token).await["payout_destination"]["card"]["last4"],
        "4477"
    );
    let card = to(json!({"type": "bank_card", "card": {"number": "5555555555554477"}}));
    let shown = api.ok("/payouts", "c", &card).await.to_string();
    assert!(shown.contains("555555") && !shown.contains("5555555555554477"));

    let much = api
        .ok("/payouts", "m", &sbp_payout("500000.01", "op"))
        .await;
    assert_eq!(
        much["cancellation_details"]["reason"],
        "one_time_limit_exceeded"
    );
    assert_eq!(control.add_deposit(-99_996_000).await.unwrap(), Some(1_000));
    let poor = api.ok("/payouts", "p", &sbp_payout("10.01", "op")).await;
    assert_eq!(
        (&poor["status"], &poor["cancellation_details"]["reason"]),
        (&json!("canceled"), &json!("insufficient_funds"))
    );
    let last = api.ok("/payouts", "q", &sbp_payout("10.00", "op")).await;
    assert_eq!(
        last["status"], "pending",
        "the balance suffices to the kopeck"
    );
    // The key of the canceled payout answers with it; only a new key tries anew.
    control.add_deposit(100_000).await.unwrap();
    assert_eq!(
        api.ok("/payouts", "p", &sbp_payout("10.01", "op")).await["status"],
        "canceled"
    );
}

#[tokio::test]
async fn the_clock_can_be_set_stopped_and_started_and_ids_follow_it() {
    let running = sandbox().await;
    let (api, control) = (Api::shop(&running), running.yookassa());
    let at: DateTime<Utc> = "2018-01-31T10:11:41Z".parse().unwrap();
    let set = ClockChange {
        set: Some(at),
        stopped: Some(true),
        ..ClockChange::default()
    };
    assert_eq!(control.change_clock(&set).await.unwrap(), at);
    let made = api.ok("/payments", "a", &payment("1.00", true, "op")).await;
    assert!(id(&made).starts_with("2203aa1d-000f-5000-8"), "{made}");
    assert_eq!(control.now().await.unwrap(), at);
    control.stop_clock(false).await.unwrap();
    control
        .set_clock(at - chrono::Duration::days(1))
        .await
        .unwrap();
    let now = control.now().await.unwrap();
    assert!(now < at && now >= at - chrono::Duration::days(1));
}

async fn start(dir: &std::path::Path) -> RunningSandbox {
    let config = SandboxConfig {
        dir: Some(dir.to_owned()),
        ..SandboxConfig::default()
    };
    Sandbox::start(config).await.unwrap()
}

#[tokio::test]
async fn everything_is_there_after_a_restart_also_keys_notices_and_the_clock() {
    let dir = tempfile::tempdir().unwrap();
    let first = start(dir.path()).await;
    let control = first.yookassa().clone();
    control.stop_clock(true).await.unwrap();
    control.advance(DAY).await.unwrap();
    let (shop, gateway) = (Api::shop(&first), Api::gateway(&first));
    let payment_id = paid(&shop, &control, "pay").await;
    let refund = json!({"payment_id": payment_id, "amount": rub("40.00")});
    let refunded = shop.ok("/refunds", "back", &refund).await;
    let payout = gateway
        .ok("/payouts", "out", &sbp_payout("5.00", "op"))
        .await;
    control.hold_notices(true).await.unwrap();
    let before = (
        control.books().await.unwrap(),
        control.notices().await.unwrap(),
    );
    // Dropped without a farewell, and in the middle of a line.
    drop(first);
    let journal = dir.path().join("yookassa.jsonl");
    let mut text = std::fs::read(&journal).unwrap();
    text.extend_from_slice(b"[{\"change\":\"moved\",\"movement\":\"paid_ou");
    std::fs::write(&journal, text).unwrap();

    let second = start(dir.path()).await;
    let control = second.yookassa().clone();
    let after = (
        control.books().await.unwrap(),
        control.notices().await.unwrap(),
    );
    let base =
        |text: String, running: &RunningSandbox| text.replace(running.base_url().as_str(), "");
    assert_eq!(before.1, after.1);
    assert_eq!(before.0.moved, after.0.moved);
    assert_eq!(
        before.0.now, after.0.now,
        "a stopped clock stays where it was"
    );
    assert_eq!(
        (&before.0.refunds, &before.0.payouts),
        (&after.0.refunds, &after.0.payouts)
    );
    assert!(base(after.0.payments[0].page.clone(), &second).starts_with("yookassa/pay/"));
    let (shop, gateway) = (Api::shop(&second), Api::gateway(&second));
    assert_eq!(
        id(&shop.ok("/refunds", "back", &refund).await),
        id(&refunded)
    );
    assert_eq!(
        id(&gateway
            .ok("/payouts", "out", &sbp_payout("5.00", "op"))
            .await),
        id(&payout)
    );
    control.advance(5).await.unwrap();
    let books = control.books().await.unwrap();
    assert_eq!(books.payouts[0].status, TransferStatus::Succeeded);
    assert_eq!(
        books.payment(&payment_id).unwrap().status,
        PaymentStatus::Succeeded
    );
    let totals = books.totals("RUB");
    assert_eq!(
        (
            totals.captured_minor,
            totals.refunded_minor,
            totals.paid_out_minor
        ),
        (10_000, 4_000, 500)
    );
}
