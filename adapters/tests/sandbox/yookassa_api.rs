//! The simulated YooKassa: what it takes, what it refuses and in which words.

use kvit_adapters::sandbox::yookassa::{PaymentStatus, Receipts, YookassaSettings};
use serde_json::{Value, json};

use crate::common::sandbox;
use crate::yookassa_common::{
    Api, GATEWAY, SHOP, by_hand, id, paid, payment, refusal, rub, sandbox_with, sbp_payout,
};

fn said(status: u16, code: &str, parameter: &str, words: &str) -> (u16, String, String, String) {
    (
        status,
        code.to_owned(),
        parameter.to_owned(),
        words.to_owned(),
    )
}

#[tokio::test]
async fn a_payment_in_one_stage_is_created_paid_and_shown() {
    let running = sandbox().await;
    let (api, control) = (Api::shop(&running), running.yookassa());
    let made = api
        .ok("/payments", "key-1", &payment("100.00", true, "op-1"))
        .await;
    assert_eq!(made["status"], "pending");
    assert_eq!(
        (&made["paid"], &made["test"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(made["recipient"]["account_id"], "100500");
    let page = made["confirmation"]["confirmation_url"].as_str().unwrap();
    assert_eq!(
        page,
        format!("{}yookassa/pay/{}", running.base_url(), id(&made))
    );
    control.pay(&id(&made)).await.unwrap();
    let shown = api.get(&format!("/payments/{}", id(&made))).await;
    assert_eq!(shown["status"], "succeeded");
    assert_eq!(shown["income_amount"], rub("96.50"));
    assert_eq!(shown["refunded_amount"], rub("0.00"));
    assert_eq!(shown["payment_method"]["card"]["last4"], "4444");
    assert!(shown["captured_at"].is_string() && shown.get("confirmation").is_none());
    let books = control.books().await.unwrap();
    assert_eq!(books.totals("RUB").captured_minor, 10_000);
    assert_eq!(books.payments[0].operation_id.as_deref(), Some("op-1"));
}

#[tokio::test]
async fn a_partial_capture_takes_the_part_and_a_canceled_hold_takes_nothing() {
    let running = sandbox().await;
    let (api, control) = (Api::shop(&running), running.yookassa());
    let first = id(&api
        .ok("/payments", "a", &payment("100.00", false, "op-1"))
        .await);
    let early = api
        .refused(&format!("/payments/{first}/capture"), &json!({}))
        .await;
    assert_eq!((early.0, early.1.as_str()), (400, "invalid_request"));
    control.pay(&first).await.unwrap();
    let held = api.get(&format!("/payments/{first}")).await;
    assert_eq!(
        (&held["status"], &held["paid"]),
        (&json!("waiting_for_capture"), &json!(true))
    );
    let path = format!("/payments/{first}/capture");
    let more = api.refused(&path, &json!({"amount": rub("100.01")})).await;
    assert_eq!(more.2, "amount.value");
    let part = api.ok(&path, "b", &json!({"amount": rub("60.10")})).await;
    assert_eq!(
        (&part["status"], &part["amount"]),
        (&json!("succeeded"), &rub("60.10"))
    );
    assert_eq!(part["income_amount"], rub("58.00"));

    let second = id(&api
        .ok("/payments", "c", &payment("50.00", false, "op-2"))
        .await);
    control.pay(&second).await.unwrap();
    let ended = api
        .ok(&format!("/payments/{second}/cancel"), "d", &json!({}))
        .await;
    assert_eq!(
        ended["cancellation_details"],
        json!({"party": "merchant", "reason": "canceled_by_merchant"})
    );
    let again = api
        .refused(&format!("/payments/{second}/cancel"), &json!({}))
        .await;
    assert_eq!(again.0, 400);
    let books = control.books().await.unwrap();
    assert_eq!(books.totals("RUB").captured_minor, 6_010);
    assert_eq!(books.payment(&first).unwrap().requested_minor, 10_000);
    assert_eq!(
        books.payment(&second).unwrap().status,
        PaymentStatus::Canceled
    );
}

#[tokio::test]
async fn f32_refunds_never_exceed_the_payment_and_need_one_that_succeeded_and_is_not_too_old() {
    let running = by_hand().await;
    let (api, control) = (Api::shop(&running), running.yookassa());
    let open = id(&api
        .ok("/payments", "p", &payment("100.00", true, "o"))
        .await);
    let refund = |payment: &str, value: &str| json!({"payment_id": payment, "amount": rub(value)});
    assert_eq!(
        api.refused("/refunds", &refund(&open, "1.00")).await.2,
        "payment_id"
    );
    let unknown = refund("00000000-000f-5000-8000-000000000000", "1.00");
    assert_eq!(
        api.refused("/refunds", &unknown).await,
        said(
            400,
            "invalid_request",
            "payment_id",
            "Payment not found or forbidden"
        )
    );
    let payment = paid(&api, control, "q").await;
    assert_eq!(
        api.refused("/refunds", &refund(&payment, "100.01")).await.2,
        "amount.value"
    );
    let first = api.ok("/refunds", "r1", &refund(&payment, "60.00")).await;
    assert_eq!(first["status"], "pending");
    // What is under way binds the payment as much as what has arrived.
    assert_eq!(
        api.refused("/refunds", &refund(&payment, "40.01")).await.2,
        "amount.value"
    );
    control
        .settle_refund(
            &id(&first),
            &kvit_adapters::sandbox::yookassa::faults::Outcome::canceled("insufficient_funds"),
        )
        .await
        .unwrap();
    let shown = api.get(&format!("/refunds/{}", id(&first))).await;
    assert_eq!(
        shown["cancellation_details"]["reason"],
        "insufficient_funds"
    );
    api.ok("/refunds", "r2", &refund(&payment, "100.00")).await;
    let listed = api
        .get(&format!("/refunds?payment_id={payment}&status=pending"))
        .await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let old = paid(&api, control, "s").await;
    control.advance(3 * 366 * 86_400).await.unwrap();
    let late = api.refused("/refunds", &refund(&old, "1.00")).await;
    assert_eq!(late.3, "The payment is too old to be refunded");
    assert_eq!(
        control.books().await.unwrap().totals("RUB").refunded_minor,
        0
    );
}

#[tokio::test]
async fn each_account_opens_only_its_own_door() {
    let running = sandbox().await;
    let (shop, gateway) = (Api::shop(&running), Api::gateway(&running));
    let (status, error) = shop.post("/payouts", "k", &sbp_payout("10.00", "op")).await;
    assert_eq!(
        (refusal(status, &error).0, error["code"].as_str()),
        (403, Some("forbidden"))
    );
    let (status, error) = gateway
        .post("/payments", "k", &payment("10.00", true, "op"))
        .await;
    assert_eq!((status, error["code"].as_str()), (403, Some("forbidden")));
    for wrong in [(SHOP.0, "wrong"), (SHOP.0, GATEWAY.1), ("1", SHOP.1)] {
        let (status, error) = Api::of(&running, wrong).any("GET", "/me").await;
        let told = refusal(status, &error);
        assert_eq!(
            (told.0, told.1.as_str(), told.2.as_str()),
            (401, "invalid_credentials", "Authorization")
        );
        assert!(
            told.3
                .starts_with("Incorrect password format in the Authorization header.")
        );
    }
    let me = shop.get("/me").await;
    assert_eq!(
        (&me["account_id"], me.get("payout_balance")),
        (&json!("100500"), None)
    );
    let me = gateway.get("/me").await;
    assert_eq!(me["payout_balance"], rub("1000000.00"));
    assert_eq!(
        gateway.get("/sbp_banks").await["items"][0]["bank_id"],
        "100000000111"
    );
    for method in ["GET", "POST"] {
        assert_eq!(shop.any(method, "/webhooks").await.0, 403);
    }
    assert_eq!(shop.any("DELETE", "/webhooks/wh-1").await.0, 403);
    assert_eq!(shop.any("PUT", "/payments").await.0, 405);
    assert_eq!(shop.any("GET", "/nonsense").await.0, 404);
    assert_eq!(
        shop.any("GET", "/payments/unknown").await.1["code"],
        "not_found"
    );
}

#[tokio::test]
async fn keys_and_bodies_are_checked_before_anything_is_done() {
    let running = sandbox().await;
    let api = Api::shop(&running);
    let good = payment("100.00", true, "op").to_string();
    let json_type = ("content-type", "application/json");
    let (long, full) = ("x".repeat(65), "x".repeat(64));
    for (key, words) in [
        (None, "Idempotence key is empty"),
        (Some(""), "Idempotence key is empty"),
        (
            Some(long.as_str()),
            "Idempotence key is too long. Max. length is 64",
        ),
        (Some("with space"), "Idempotence key is illegal"),
    ] {
        let mut headers = vec![json_type];
        headers.extend(key.map(|key| ("Idempotence-Key", key)));
        let (status, error) = api.raw("/payments", &headers, &good).await;
        assert_eq!(
            refusal(status, &error),
            said(400, "invalid_request", "Idempotence-Key", words)
        );
    }
    let keyed = ("Idempotence-Key", full.as_str());
    let plain = api
        .raw("/payments", &[keyed, ("content-type", "text/plain")], &good)
        .await;
    assert_eq!(plain.0, 415);
    for broken in ["", "{", "[]", "null"] {
        let (status, error) = api.raw("/payments", &[keyed, json_type], broken).await;
        assert_eq!(
            refusal(status, &error).3,
            "Failed to parse request body",
            "{broken}"
        );
    }
    // None of the refusals has used the key up.
    assert_eq!(
        api.raw("/payments", &[keyed, json_type], &good).await.0,
        200
    );
    assert_eq!(running.yookassa().books().await.unwrap().payments.len(), 1);
}

#[tokio::test]
async fn each_illegal_member_of_a_payment_is_named() {
    let running = sandbox().await;
    let api = Api::shop(&running);
    for (pointer, bad, parameter, words) in [
        (
            "/amount/value",
            json!("100"),
            "amount.value",
            "Payment amount is illegal",
        ),
        (
            "/amount/value",
            json!("1e2"),
            "amount.value",
            "Payment amount is illegal",
        ),
        (
            "/amount/value",
            json!(100),
            "amount.value",
            "Payment amount is illegal",
        ),
        (
            "/amount/value",
            json!("0.00"),
            "amount.value",
            "Payment amount is illegal",
        ),
        (
            "/amount/currency",
            json!("XTR"),
            "amount.currency",
            "Currency code is illegal",
        ),
        ("/amount", Value::Null, "amount", "Amount is missing"),
        (
            "/description",
            json!("д".repeat(129)),
            "description",
            "Description is too long. Max. length is 128",
        ),
        (
            "/confirmation",
            json!({"type": "redirect"}),
            "confirmation.return_url",
            "Return url is missing",
        ),
        (
            "/confirmation/return_url",
            json!("javascript:alert(1)"),
            "confirmation.return_url",
            "Return url is illegal",
        ),
        (
            "/confirmation/type",
            json!("fax"),
            "confirmation.type",
            "Type is not known",
        ),
        (
            "/metadata/operation_id",
            json!(7),
            "metadata.operation_id",
            "Metadata value must be a string",
        ),
        (
            "/capture",
            json!("yes"),
            "capture",
            "Capture must be true or false",
        ),
    ] {
        let mut body = payment("100.00", true, "op");
        *body.pointer_mut(pointer).unwrap() = bad;
        assert_eq!(
            api.refused("/payments", &body).await,
            said(400, "invalid_request", parameter, words)
        );
    }
    assert!(
        running
            .yookassa()
            .books()
            .await
            .unwrap()
            .payments
            .is_empty()
    );
}

#[tokio::test]
async fn a_shop_with_a_till_takes_no_payment_without_a_receipt() {
    let running = sandbox_with(YookassaSettings {
        receipts: Receipts::ByYookassa,
        ..YookassaSettings::default()
    })
    .await;
    let api = Api::shop(&running);
    let mut body = payment("100.00", true, "op");
    assert_eq!(
        api.refused("/payments", &body).await,
        said(
            400,
            "invalid_request",
            "receipt",
            "Receipt is missing or illegal"
        )
    );
    body["receipt"] = json!({"customer": {"email": "user@example.com"}, "items": [{"description": "Поповнення",
        "quantity": 2.5, "amount": rub("40.00"), "vat_code": 1, "payment_subject": "payment", "payment_mode": "advance"}]});
    let made = api.ok("/payments", "k", &body).await;
    assert_eq!(made["receipt_registration"], "pending");
    assert_eq!(api.get("/me").await["fiscalization_enabled"], true);
}

#[tokio::test]
async fn pages_of_a_list_miss_and_repeat_nothing_while_payments_come_in() {
    let running = sandbox().await;
    let api = Api::shop(&running);
    let mut before = Vec::new();
    for n in 0..25 {
        let key = format!("before-{n}");
        before.push(id(&api
            .ok("/payments", &key, &payment("1.00", true, &key))
            .await));
    }
    let (mut seen, mut path, mut pages) = (Vec::new(), "/payments?limit=4".to_owned(), 0);
    loop {
        let page = api.get(&path).await;
        assert_eq!(page["type"], "list");
        seen.extend(page["items"].as_array().unwrap().iter().map(id));
        pages += 1;
        let key = format!("between-{pages}");
        api.ok("/payments", &key, &payment("1.00", true, &key))
            .await;
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/payments?limit=4&cursor={cursor}");
    }
    before.reverse();
    assert_eq!((seen, pages), (before, 7));
    assert_eq!(
        api.get("/payments").await["items"]
            .as_array()
            .unwrap()
            .len(),
        10,
        "the default limit"
    );
    for bad in [
        "limit=0",
        "limit=101",
        "cursor=x",
        "status=paid",
        "created_at.gte=yesterday",
    ] {
        let (status, error) = api.any("GET", &format!("/payments?{bad}")).await;
        assert_eq!(status, 400, "{bad}: {error}");
        assert_eq!(error["parameter"].as_str(), bad.split('=').next());
    }
}

#[tokio::test]
async fn a_list_can_be_bounded_by_time_to_the_microsecond_and_by_status() {
    let running = by_hand().await;
    let (api, control) = (Api::shop(&running), running.yookassa());
    let at = "2026-01-02T03:04:05.678901Z".parse().unwrap();
    control.set_clock(at).await.unwrap();
    let mut made = Vec::new();
    for n in 0..4 {
        let key = n.to_string();
        made.push(
            api.ok("/payments", &key, &payment("1.00", true, &key))
                .await,
        );
        control.advance(60).await.unwrap();
    }
    control.pay(&id(&made[2])).await.unwrap();
    let at = |n: usize| made[n]["created_at"].as_str().unwrap().to_owned();
    let ids = |page: Value| {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(id)
            .collect::<Vec<_>>()
    };
    let bounded = format!(
        "/payments?created_at.gte={}&created_at.lte={}",
        at(1),
        at(2)
    );
    assert_eq!(ids(api.get(&bounded).await), [id(&made[2]), id(&made[1])]);
    let inside = format!("/payments?created_at.gt={}&created_at.lt={}", at(0), at(2));
    assert_eq!(ids(api.get(&inside).await), [id(&made[1])]);
    assert_eq!(
        ids(api.get("/payments?status=succeeded").await),
        [id(&made[2])]
    );
    assert_ne!(at(0).len(), at(1).len(), "three digits of a second and six");
}
