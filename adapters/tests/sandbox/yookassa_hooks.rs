//! Notifications of the simulated YooKassa, and the page on which a person pays.

use std::collections::BTreeSet;

use kvit_adapters::sandbox::faults::Faults;
use kvit_adapters::sandbox::yookassa::client::YookassaControl;
use kvit_adapters::sandbox::yookassa::faults::{Outcome, YookassaChance};
use kvit_adapters::sandbox::yookassa::{DeliverNow, Forged, Notice, Side};
use serde_json::{Value, json};

use crate::common::{http, sandbox};
use crate::yookassa_common::{
    Api, RETURN_URL, Receiver, by_hand, id, paid, payment, rub, sbp_payout,
};

/// Waits until a notification has been tried so many times.
async fn tried(control: &YookassaControl, count: usize) -> Notice {
    for _ in 0..500 {
        let notice = control.notices().await.unwrap().remove(0);
        if notice.attempts.len() >= count {
            return notice;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("not tried {count} times");
}

#[tokio::test]
async fn a_notification_is_tried_seven_times_at_its_seconds_and_never_an_eighth_time() {
    let running = by_hand().await;
    let (api, control) = (Api::shop(&running), running.yookassa());
    // No answer but 200 counts, also not another of the two hundreds.
    let receiver = Receiver::start(control, &[500, 202, 204, 301, 404, 503, 500, 500]).await;
    paid(&api, control, "p").await;
    let mut passed = 0;
    for (n, offset) in [10, 42, 84, 168, 672, 5_376, 86_016]
        .into_iter()
        .enumerate()
    {
        control.advance(offset - passed - 1).await.unwrap();
        assert_eq!(
            tried(control, n).await.attempts.len(),
            n,
            "not before its second"
        );
        control.advance(1).await.unwrap();
        passed = offset;
        let notice = tried(control, n + 1).await;
        let last = notice.attempts.last().unwrap();
        assert_eq!((last.at - notice.at).num_seconds(), offset);
        assert!(last.scheduled && !notice.taken);
    }
    control.advance(30 * 86_400).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(receiver.bodies().len(), 7);
    let same: BTreeSet<String> = receiver.bodies().iter().map(Value::to_string).collect();
    assert_eq!(same.len(), 1, "every copy is the same to the letter");
    assert_eq!(
        control.deliver_all().await.unwrap(),
        [Some(500)],
        "on order it goes out all the same"
    );
    assert_eq!(control.deliver_all().await.unwrap(), [Some(200)]);
    assert_eq!(
        control.deliver_all().await.unwrap(),
        [],
        "nothing is left that was not taken"
    );
}

#[tokio::test]
async fn every_event_has_its_envelope_with_the_object_of_that_moment() {
    let running = by_hand().await;
    let (shop, gateway, control) = (
        Api::shop(&running),
        Api::gateway(&running),
        running.yookassa(),
    );
    let receiver = Receiver::start(control, &[]).await;
    let held = id(&shop
        .ok("/payments", "a", &payment("100.00", false, "op"))
        .await);
    control.pay(&held).await.unwrap();
    shop.ok(
        &format!("/payments/{held}/capture"),
        "b",
        &json!({"amount": rub("60.00")}),
    )
    .await;
    let refund = shop
        .ok(
            "/refunds",
            "c",
            &json!({"payment_id": held, "amount": rub("10.00")}),
        )
        .await;
    control
        .settle_refund(&id(&refund), &Outcome::Succeeded { after_seconds: 0 })
        .await
        .unwrap();
    let lost = id(&shop
        .ok("/payments", "d", &payment("5.00", true, "op"))
        .await);
    control.decline(&lost, "insufficient_funds").await.unwrap();
    for (key, outcome) in [
        ("e", Outcome::Succeeded { after_seconds: 0 }),
        ("f", Outcome::canceled("fraud_suspected")),
    ] {
        let payout = gateway.ok("/payouts", key, &sbp_payout("7.00", key)).await;
        control.settle_payout(&id(&payout), &outcome).await.unwrap();
    }
    control.advance(10).await.unwrap();
    let bodies = receiver.wait_for(6).await;
    let told: Vec<_> = bodies
        .iter()
        .map(|body| {
            assert_eq!(body.as_object().unwrap().len(), 3);
            assert_eq!(body["type"], "notification");
            let object = &body["object"];
            (
                body["event"].as_str().unwrap(),
                object["status"].as_str().unwrap(),
                object["amount"]["value"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "payment.waiting_for_capture",
                "waiting_for_capture",
                "100.00"
            ),
            ("payment.succeeded", "succeeded", "60.00"),
            ("refund.succeeded", "succeeded", "10.00"),
            ("payment.canceled", "canceled", "5.00"),
            ("payout.succeeded", "succeeded", "7.00"),
            ("payout.canceled", "canceled", "7.00"),
        ]
    );
    assert_eq!(
        bodies[1]["object"]["refunded_amount"],
        rub("0.00"),
        "the refund came later"
    );
    assert_eq!(
        bodies[3]["object"]["cancellation_details"],
        json!({"party": "payment_network", "reason": "insufficient_funds"})
    );
}

#[tokio::test]
async fn an_old_event_goes_on_coming_after_a_newer_one_was_taken() {
    let running = by_hand().await;
    let (api, control) = (Api::shop(&running), running.yookassa());
    let receiver = Receiver::start(control, &[500, 200, 200]).await;
    let held = id(&api
        .ok("/payments", "a", &payment("100.00", false, "op"))
        .await);
    control.pay(&held).await.unwrap();
    control.advance(10).await.unwrap();
    receiver.wait_for(1).await;
    api.ok(&format!("/payments/{held}/capture"), "b", &json!({}))
        .await;
    control.advance(10).await.unwrap();
    receiver.wait_for(2).await;
    control.advance(22).await.unwrap();
    receiver.wait_for(3).await;
    assert_eq!(
        receiver.events(),
        [
            "payment.waiting_for_capture",
            "payment.succeeded",
            "payment.waiting_for_capture"
        ]
    );
}

#[tokio::test]
async fn copies_can_be_sent_together_held_back_shuffled_and_forged() {
    let running = by_hand().await;
    let (api, control) = (Api::shop(&running), running.yookassa());
    let receiver = Receiver::start(control, &[]).await;
    control.hold_notices(true).await.unwrap();
    for n in 0..6 {
        paid(&api, control, &n.to_string()).await;
    }
    control.advance(3_600).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(receiver.events(), [""; 0], "held back");
    let shuffled = DeliverNow {
        shuffle: Some(7),
        ..DeliverNow::default()
    };
    assert_eq!(control.deliver(&shuffled).await.unwrap(), [Some(200); 6]);
    let order = |from: usize| {
        receiver.bodies()[from..]
            .iter()
            .map(|body| id(&body["object"]))
            .collect::<Vec<_>>()
    };
    let first = order(0);
    let again = DeliverNow {
        notices: (1..=6).collect(),
        copies: 1,
        shuffle: Some(7),
    };
    control.deliver(&again).await.unwrap();
    assert_eq!(order(6), first, "the same seed draws the same order");
    let mut sorted = first.clone();
    sorted.sort();
    assert_ne!(first, sorted);

    let copies = DeliverNow {
        notices: vec![1],
        copies: 50,
        shuffle: None,
    };
    assert_eq!(control.deliver(&copies).await.unwrap(), [Some(200); 50]);
    assert_eq!(receiver.bodies().len(), 62);
    let lie = json!({"id": first[0], "status": "canceled"});
    control
        .forge(&Forged::event("payment.canceled", &lie))
        .await
        .unwrap();
    let mut nonsense = Forged::json(Side::Gateway, &json!({}));
    nonsense.body = "<not json".to_owned();
    control.forge(&nonsense).await.unwrap();
    let bodies = receiver.bodies();
    assert_eq!(
        bodies[62],
        json!({"type": "notification", "event": "payment.canceled", "object": lie})
    );
    assert_eq!(bodies[63], json!("<not json"));
    control.set_webhook(Side::Shop, None).await.unwrap();
    assert_eq!(
        control.deliver(&copies).await.unwrap(),
        [None; 50],
        "nowhere to send to"
    );
    let foreign = url::Url::parse("http://shop.example/hook").unwrap();
    assert!(
        control
            .set_webhook(Side::Shop, Some(&foreign))
            .await
            .is_err(),
        "plain http to the world"
    );
}

#[tokio::test]
async fn chance_repeats_notifications_that_were_taken() {
    let running = by_hand().await;
    let (api, control) = (Api::shop(&running), running.yookassa());
    let receiver = Receiver::start(control, &[]).await;
    let chance = YookassaChance {
        webhook_again: 1_000,
        webhook_shuffle: 1_000,
        ..YookassaChance::default()
    };
    control
        .add_faults(&Faults {
            rules: Vec::new(),
            chance: Some(chance),
        })
        .await
        .unwrap();
    for n in 0..3 {
        paid(&api, control, &n.to_string()).await;
    }
    control.advance(10).await.unwrap();
    let bodies = receiver.wait_for(6).await;
    let different: BTreeSet<String> = bodies.iter().map(|body| id(&body["object"])).collect();
    assert_eq!(different.len(), 3);
}

#[tokio::test]
async fn a_person_pays_or_declines_on_the_page_and_is_led_back_without_a_word_about_it() {
    let running = sandbox().await;
    let (api, control, browser) = (Api::shop(&running), running.yookassa(), http());
    let mut body = payment("1234.50", true, "op");
    body["description"] = json!("<script>alert('x')</script> & \"more\"");
    let made = api.ok("/payments", "a", &body).await;
    let page = made["confirmation"]["confirmation_url"].as_str().unwrap();
    let html = browser
        .get(page)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        html.contains("1234.50 RUB")
            && html.contains("value=pay")
            && html.contains("value=decline")
    );
    assert!(
        html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;more&quot;")
    );
    assert!(!html.contains("<script"));
    let press = |page: String, form: &'static str| {
        let request = browser
            .post(page)
            .header("content-type", "application/x-www-form-urlencoded");
        async move { request.body(form).send().await.unwrap() }
    };
    let back = press(page.to_owned(), "action=pay&method=yoo_money").await;
    assert_eq!(
        (
            back.status().as_u16(),
            back.headers()["location"].to_str().unwrap()
        ),
        (303, RETURN_URL)
    );
    let shown = api.get(&format!("/payments/{}", id(&made))).await;
    assert_eq!(
        (&shown["status"], &shown["payment_method"]["type"]),
        (&json!("succeeded"), &json!("yoo_money"))
    );
    let html = browser
        .get(page)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        html.contains("succeeded") && !html.contains("value=pay"),
        "no second time"
    );
    assert_eq!(
        press(page.to_owned(), "action=pay").await.status().as_u16(),
        400
    );

    let other = api.ok("/payments", "b", &payment("5.00", true, "op")).await;
    let page = other["confirmation"]["confirmation_url"].as_str().unwrap();
    let back = press(page.to_owned(), "action=decline&reason=card_expired").await;
    assert_eq!(back.headers()["location"].to_str().unwrap(), RETURN_URL);
    let books = control.books().await.unwrap();
    let why = books
        .payment(&id(&other))
        .unwrap()
        .cancellation
        .clone()
        .unwrap();
    assert_eq!(
        (why.party.as_str(), why.reason.as_str()),
        ("payment_network", "card_expired")
    );
    let unknown = format!("{}yookassa/pay/nobody", running.base_url());
    assert_eq!(
        browser.get(unknown).send().await.unwrap().status().as_u16(),
        404
    );
}

#[tokio::test]
async fn a_refund_made_in_the_profile_comes_as_a_notification_out_of_the_blue() {
    let running = sandbox().await;
    let (api, control) = (Api::shop(&running), running.yookassa());
    let payment = paid(&api, control, "p").await;
    let refund = control.refund_in_profile(&payment, 2_500).await.unwrap();
    let notice = control.notices().await.unwrap().pop().unwrap();
    assert_eq!(
        (notice.event.as_str(), notice.object_id.as_str()),
        ("refund.succeeded", refund.id.as_str())
    );
    assert!(control.refund_in_profile(&payment, 7_501).await.is_err());
    let methods: Vec<_> = control
        .calls()
        .await
        .unwrap()
        .into_iter()
        .map(|call| call.method)
        .collect();
    assert_eq!(methods, ["payments.create"], "no call of ours asked for it");
}
