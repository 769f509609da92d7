//! Our client as the payout port: no bad day pays twice, and none looks like a proof that it is not.

use std::time::Duration;

use kvit_adapters::sandbox::RunningSandbox;
use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::yookassa::YookassaSettings;
use kvit_adapters::sandbox::yookassa::faults::{Blemish, Outcome, YookassaAction};
use kvit_adapters::yookassa::{YookassaAccount, YookassaPayouts};
use kvit_commands::ports::payment::{PaymentFault, PaymentProvider};
use kvit_commands::ports::payout::{
    BillStatus, PayoutOrder, PayoutProvider, ProviderFault, RefusalKind, Repay,
};
use kvit_domain::ledger::ProviderName;
use kvit_domain::payout::PayoutMethod;
use serde_json::{Value, json};

use crate::common::sandbox;
use crate::yk_client_common::{
    client, client_of, config, order, payments_of, payout_order, payouts, rub,
};
use crate::yookassa_common::{GATEWAY, SHOP, by_hand, sandbox_with};

fn refused(code: &str, kind: RefusalKind) -> ProviderFault {
    ProviderFault::Refused {
        code: code.into(),
        kind,
    }
}

async fn count(running: &RunningSandbox) -> usize {
    running.yookassa().books().await.unwrap().payouts.len()
}

fn is_unknown<T>(answer: &Result<T, ProviderFault>) -> bool {
    matches!(answer, Err(ProviderFault::Unknown(_)))
}

#[tokio::test]
async fn a_payout_is_named_paid_and_followed_to_its_end() {
    let running = by_hand().await;
    let (provider, control) = (payouts(&running), running.yookassa());
    assert_eq!(provider.provider(), ProviderName::Yookassa);
    assert_eq!(
        provider.repay(),
        Repay::Within(Duration::from_secs(23 * 3_600))
    );
    let mut order = payout_order("a");
    let bill = provider.create(&order).await.unwrap();
    assert_eq!(bill.status, BillStatus::Created);
    assert_eq!(bill.bill_id, format!("{}-1", order.operation_id));
    assert_eq!(count(&running).await, 0, "no money has moved");
    let sent = provider.pay(&order, &bill.bill_id).await.unwrap();
    assert_eq!((sent.status, sent.paid_amount), (BillStatus::Pending, None));
    order.provider_id.clone_from(&sent.provider_id);
    let id = sent.provider_id.unwrap();
    let asked = provider
        .status(&order, &bill.bill_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(asked.status, BillStatus::Pending);
    let end = Outcome::Succeeded { after_seconds: 0 };
    control.settle_payout(&id, &end).await.unwrap();
    let paid = provider
        .status(&order, &bill.bill_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (paid.status, paid.paid_amount),
        (BillStatus::Paid, Some(rub(32_000)))
    );
    assert_eq!((paid.bill_id, paid.provider_id), (bill.bill_id, Some(id)));
    assert_eq!(
        paid.paid_at,
        Some(control.now().await.unwrap().naive_utc().with_millis())
    );
}

/// The sandbox shows three digits of a second on every second object.
trait Millis {
    fn with_millis(self) -> Self;
}

impl Millis for chrono::NaiveDateTime {
    fn with_millis(self) -> Self {
        let millis = self.and_utc().timestamp_millis();
        chrono::DateTime::from_timestamp_millis(millis)
            .unwrap()
            .naive_utc()
    }
}

#[tokio::test]
async fn every_method_reaches_its_destination() {
    let running = sandbox().await;
    let provider = payouts(&running);
    let wallet = PayoutOrder {
        method: PayoutMethod::YoomoneyWallet,
        phone: "410011758831136".into(),
        ..payout_order("wallet")
    };
    let card = PayoutOrder {
        method: PayoutMethod::CardToken,
        phone: "pt-2f3b588d-token".into(),
        ..payout_order("card")
    };
    for order in [payout_order("sbp"), wallet, card] {
        let bill = provider.create(&order).await.unwrap();
        let sent = provider.pay(&order, &bill.bill_id).await.unwrap();
        assert_eq!(sent.status, BillStatus::Pending);
    }
    let kinds: Vec<Value> = running
        .yookassa()
        .books()
        .await
        .unwrap()
        .payouts
        .into_iter()
        .map(|payout| payout.destination["type"].clone())
        .collect();
    assert_eq!(kinds, ["sbp", "yoo_money", "bank_card"]);
    let banks = client(&running).sbp_banks().await.unwrap();
    assert!(
        banks
            .iter()
            .any(|bank| bank.id == "100000000111" && bank.name == "Sberbank")
    );
}

/// Also F48: the key is the attempt's, so two callers are one payout.
#[tokio::test]
async fn f39_after_any_loss_the_payout_is_unknown_and_asking_or_repeating_never_makes_a_second() {
    let running = by_hand().await;
    let (provider, control) = (payouts(&running), running.yookassa());
    let spoil = |blemish| YookassaAction::Spoil { blemish };
    let losses = [
        (YookassaAction::DropBefore, BillStatus::Created),
        (
            YookassaAction::HttpBefore { status: 500 },
            BillStatus::Created,
        ),
        (
            YookassaAction::HttpBefore { status: 502 },
            BillStatus::Created,
        ),
        (
            YookassaAction::Accepted { processed: false },
            BillStatus::Created,
        ),
        (YookassaAction::DropAfter, BillStatus::Pending),
        (
            YookassaAction::DelayAfter { millis: 2_500 },
            BillStatus::Pending,
        ),
        (
            YookassaAction::HttpAfter { status: 500 },
            BillStatus::Pending,
        ),
        (
            YookassaAction::HttpAfter { status: 504 },
            BillStatus::Pending,
        ),
        (
            YookassaAction::HttpAfter { status: 400 },
            BillStatus::Pending,
        ),
        (
            YookassaAction::HttpAfter { status: 403 },
            BillStatus::Pending,
        ),
        (
            YookassaAction::Accepted { processed: true },
            BillStatus::Pending,
        ),
        (spoil(Blemish::CutOff), BillStatus::Pending),
        (spoil(Blemish::Html), BillStatus::Pending),
        (spoil(Blemish::Empty), BillStatus::Pending),
    ];
    for (n, (loss, truth)) in losses.into_iter().enumerate() {
        let (order, shown) = (payout_order(&n.to_string()), format!("{loss:?}"));
        let bill = provider.create(&order).await.unwrap().bill_id;
        control
            .add_fault(Rule::on("payouts.create", loss))
            .await
            .unwrap();
        let lost = provider.pay(&order, &bill).await;
        assert!(is_unknown(&lost), "{shown}: {lost:?}");
        let asked = provider.status(&order, &bill).await.unwrap().unwrap();
        assert_eq!(asked.status, truth, "{shown}");
        let (one, two) = tokio::join!(provider.pay(&order, &bill), provider.pay(&order, &bill));
        assert_eq!(
            one.unwrap().provider_id,
            two.unwrap().provider_id,
            "{shown}"
        );
        assert_eq!(count(&running).await, n + 1, "{shown}");
    }
}

#[tokio::test]
async fn f38_a_provider_that_is_not_there_proves_that_nothing_was_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let away = config(format!("http://{addr}/v3").parse().unwrap());
    let provider = YookassaPayouts::try_new(client_of(away.clone())).unwrap();
    let order = payout_order("a");
    let key = format!("{}-1", order.operation_id);
    let made = provider.create(&order).await;
    assert!(matches!(made, Err(ProviderFault::NotSent(_))), "{made:?}");
    let paid = provider.pay(&order, &key).await;
    assert_eq!(
        paid,
        Err(ProviderFault::NotSent(
            "no connection to the provider".into()
        ))
    );
    let asked = provider.status(&order, &key).await;
    assert!(matches!(asked, Err(ProviderFault::NotSent(_))), "{asked:?}");
    let payment = payments_of(client_of(away))
        .create(&crate::yk_client_common::order("a"))
        .await;
    assert!(
        matches!(payment, Err(PaymentFault::NotSent(_))),
        "{payment:?}"
    );
}

#[tokio::test]
async fn f40_a_no_is_believed_only_when_the_search_agrees() {
    let running = by_hand().await;
    let (provider, control) = (payouts(&running), running.yookassa());
    let order = payout_order("a");
    let key = format!("{}-1", order.operation_id);
    let no = || YookassaAction::Refuse {
        status: 400,
        code: "invalid_request".into(),
        description: "no".into(),
    };
    let rule = || Rule::on("payouts.create", no());
    control.add_fault(rule()).await.unwrap();
    assert_eq!(
        provider.pay(&order, &key).await,
        Err(refused("invalid_request", RefusalKind::Permanent)),
        "nothing was made, and the search shows it"
    );
    control.add_fault(rule()).await.unwrap();
    control
        .add_fault(Rule::on(
            "payouts.search",
            YookassaAction::HttpAfter { status: 500 },
        ))
        .await
        .unwrap();
    let doubt = provider.pay(&order, &key).await;
    assert!(is_unknown(&doubt), "nothing could be searched: {doubt:?}");
    provider.pay(&order, &key).await.unwrap();
    control.add_fault(rule()).await.unwrap();
    let told = provider.pay(&order, &key).await.unwrap();
    assert_eq!(
        told.status,
        BillStatus::Pending,
        "the provider said no, but it is there"
    );
    assert_eq!(count(&running).await, 1);
}

#[tokio::test]
async fn f47_a_payout_that_does_not_say_when_it_succeeded_has_succeeded() {
    let running = sandbox_with(YookassaSettings {
        payout_outcome: Outcome::Succeeded { after_seconds: 0 },
        ..YookassaSettings::default()
    })
    .await;
    let (provider, control) = (payouts(&running), running.yookassa());
    let order = payout_order("a");
    let blemish = Blemish::Replace {
        pointer: "/succeeded_at".into(),
        value: Value::Null,
    };
    let untold = YookassaAction::Spoil { blemish };
    control
        .add_fault(Rule::on("payouts.create", untold))
        .await
        .unwrap();
    let key = format!("{}-1", order.operation_id);
    let paid = provider.pay(&order, &key).await.unwrap();
    assert_eq!(
        (paid.status, paid.paid_at, paid.paid_amount),
        (BillStatus::Paid, None, Some(rub(32_000)))
    );
}

#[tokio::test]
async fn f49_a_balance_that_is_too_small_is_seen_before_and_told_after() {
    let running = sandbox().await;
    let (provider, control) = (payouts(&running), running.yookassa());
    let order = payout_order("a");
    let bill = provider.create(&order).await.unwrap().bill_id;
    control.add_deposit(-99_970_000).await.unwrap();
    let short = Err(refused("insufficient_balance", RefusalKind::Temporary));
    assert_eq!(provider.create(&order).await, short);
    assert_eq!(count(&running).await, 0);
    // Somebody else took the money between the look and the call.
    assert_eq!(
        provider.pay(&order, &bill).await,
        Err(refused("insufficient_funds", RefusalKind::Temporary))
    );
    assert_eq!(
        provider.status(&order, &bill).await,
        Err(refused("insufficient_funds", RefusalKind::Temporary)),
        "proven: this attempt is over"
    );
    control.add_deposit(99_970_000).await.unwrap();
    let next = PayoutOrder {
        attempt: 2,
        ..order
    };
    let bill = provider.create(&next).await.unwrap().bill_id;
    assert_eq!(
        provider.pay(&next, &bill).await.unwrap().status,
        BillStatus::Pending
    );
    assert_eq!(
        provider.status(&next, &bill).await.unwrap().unwrap().status,
        BillStatus::Pending,
        "of two payouts of the operation, the one of this attempt"
    );
}

#[tokio::test]
async fn a_canceled_payout_says_whether_another_try_makes_sense() {
    let running = sandbox().await;
    let (provider, control) = (payouts(&running), running.yookassa());
    for (reason, kind) in [
        ("issuer_unavailable", RefusalKind::Temporary),
        ("recipient_not_found", RefusalKind::Destination),
        ("fraud_suspected", RefusalKind::Permanent),
        ("a_reason_from_tomorrow", RefusalKind::Permanent),
    ] {
        let order = payout_order(reason);
        let outcome = Outcome::canceled(reason);
        control
            .add_fault(Rule::on("payouts.create", YookassaAction::End { outcome }))
            .await
            .unwrap();
        let key = format!("{}-1", order.operation_id);
        assert_eq!(provider.pay(&order, &key).await, Err(refused(reason, kind)));
    }
}

#[tokio::test]
async fn f50_after_a_day_only_the_search_tells_what_became_of_a_payout() {
    let running = by_hand().await;
    let (provider, control) = (payouts(&running), running.yookassa());
    let (lost, never) = (payout_order("lost"), payout_order("never"));
    let key = |order: &PayoutOrder| format!("{}-1", order.operation_id);
    control
        .add_fault(Rule::on("payouts.create", YookassaAction::DropAfter))
        .await
        .unwrap();
    assert!(is_unknown(&provider.pay(&lost, &key(&lost)).await));
    let id = control.books().await.unwrap().payouts[0].id.clone();
    control.advance(25 * 3_600).await.unwrap();
    let found = provider.status(&lost, &key(&lost)).await.unwrap().unwrap();
    assert_eq!(
        (found.status, found.provider_id),
        (BillStatus::Pending, Some(id.clone()))
    );
    let end = Outcome::Succeeded { after_seconds: 0 };
    control.settle_payout(&id, &end).await.unwrap();
    let found = provider.status(&lost, &key(&lost)).await.unwrap().unwrap();
    assert_eq!(found.status, BillStatus::Paid);
    let absent = provider
        .status(&never, &key(&never))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (absent.status, absent.provider_id),
        (BillStatus::Created, None)
    );
    // Why nobody may repeat the call now: the key is forgotten, and the same call is a second payout.
    provider.pay(&lost, &key(&lost)).await.unwrap();
    assert_eq!(count(&running).await, 2);
    let two = provider.status(&lost, &key(&lost)).await;
    assert_eq!(
        two,
        Err(ProviderFault::Mismatch(
            "the provider has two payouts of one attempt".into()
        ))
    );
    let later = PayoutOrder { attempt: 2, ..lost };
    let alive = provider.status(&later, &key(&later)).await;
    assert!(
        matches!(alive, Err(ProviderFault::Mismatch(_))),
        "an earlier attempt has paid: {alive:?}"
    );
}

#[tokio::test]
async fn f43_an_answer_about_something_else_goes_to_a_person() {
    let running = sandbox().await;
    let (provider, control) = (payouts(&running), running.yookassa());
    for (n, (pointer, value)) in [
        ("/amount/value", json!("320.01")),
        ("/amount/currency", json!("EUR")),
        ("/test", json!(false)),
        ("/metadata/operation_id", json!("another")),
        ("/payout_destination/phone", json!("79000000001")),
    ]
    .into_iter()
    .enumerate()
    {
        let order = payout_order(&n.to_string());
        let blemish = Blemish::Replace {
            pointer: pointer.into(),
            value,
        };
        let spoil = YookassaAction::Spoil { blemish };
        control
            .add_fault(Rule::on("payouts.create", spoil))
            .await
            .unwrap();
        let key = format!("{}-1", order.operation_id);
        let paid = provider.pay(&order, &key).await;
        assert!(
            matches!(paid, Err(ProviderFault::Mismatch(_))),
            "{pointer}: {paid:?}"
        );
    }
    let order = payout_order("x");
    let stray = provider.pay(&order, "another-key").await;
    assert!(
        matches!(stray, Err(ProviderFault::Mismatch(_))),
        "{stray:?}"
    );
    assert_eq!(
        count(&running).await,
        5,
        "a key of another attempt is never sent"
    );
}

#[tokio::test]
async fn the_shops_key_does_not_open_the_payouts_nor_the_gateways_the_payments() {
    let running = sandbox().await;
    let (shop, gateway) = (
        YookassaAccount::test(SHOP.0, SHOP.1),
        YookassaAccount::test(GATEWAY.0, GATEWAY.1),
    );
    let mut swapped = config(running.yookassa_url());
    (swapped.shop, swapped.gateway) = (Some(gateway), Some(shop));
    let client = client_of(swapped);
    let payment = payments_of(client.clone()).create(&order("a")).await;
    assert_eq!(payment, Err(PaymentFault::Denied));
    let provider = YookassaPayouts::try_new(client).unwrap();
    let payout = payout_order("a");
    let key = format!("{}-1", payout.operation_id);
    let denied = provider.pay(&payout, &key).await;
    assert_eq!(denied, Err(refused("forbidden", RefusalKind::Temporary)));

    let mut wrong = config(running.yookassa_url());
    wrong.shop = Some(YookassaAccount::test(SHOP.0, "not-the-key"));
    wrong.gateway = Some(YookassaAccount::test(GATEWAY.0, "not-the-key"));
    let client = client_of(wrong);
    assert_eq!(
        payments_of(client.clone())
            .get("2203aa1d-000f-5000-8000-17102541fd31")
            .await,
        Err(PaymentFault::Denied)
    );
    let provider = YookassaPayouts::try_new(client).unwrap();
    let denied = refused("invalid_credentials", RefusalKind::Temporary);
    assert_eq!(provider.create(&payout).await, Err(denied.clone()));
    assert_eq!(provider.pay(&payout, &key).await, Err(denied));
    assert!(
        is_unknown(&provider.status(&payout, &key).await),
        "asking in vain proves nothing"
    );
    let books = running.yookassa().books().await.unwrap();
    assert!(books.payments.is_empty() && books.payouts.is_empty());
}

#[tokio::test]
async fn f21_a_test_gateway_is_not_taken_for_a_real_one() {
    let running = sandbox().await;
    let mut real = config(running.yookassa_url());
    real.gateway = Some(YookassaAccount::new(GATEWAY.0, GATEWAY.1));
    let provider = YookassaPayouts::try_new(client_of(real)).unwrap();
    let made = provider.create(&payout_order("a")).await;
    assert_eq!(
        made,
        Err(refused("local.test_account", RefusalKind::Temporary))
    );
}
