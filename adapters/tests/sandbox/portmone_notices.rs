//! Notifications of the simulated provider, read as the platform reads them; reversals, ported numbers, settlements.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use kvit_adapters::portmone::gateway::OrderNumber;
use kvit_adapters::portmone::notification::{PortmoneNotices, SettlementFit};
use kvit_adapters::portmone::{
    BillStatus, Kopecks, Movement, PayOutcome, PortmoneNotification, Refusal, StatusOutcome,
    acknowledgement, parse_notification,
};
use kvit_adapters::sandbox::portmone::Repay;
use kvit_adapters::sandbox::portmone::gateway::SettleHow;
use kvit_adapters::sandbox::portmone::notices::{NoticeForm, NoticeMishaps, NoticeTarget};
use kvit_adapters::sandbox::{Sandbox, SandboxConfig};
use kvit_commands::ports::payment::{
    NoticeReader, NoticeTopic, PaymentOrder, PaymentProvider, SettlementBill, SettlementDocument,
};
use kvit_domain::ids::PaymentId;
use kvit_domain::money::{Currency, Money};
use url::Url;

use crate::common::{KYIVSTAR, PHONE, client, created, sandbox, uah};
use crate::portmone_shop::{MovedClock, control, gateway, linked, order, payments};

type Heard = Arc<Mutex<Vec<PortmoneNotification>>>;

/// A receiver that reads and acknowledges as the platform's gateway should.
async fn receiver(form: NoticeForm, automatic: bool) -> (NoticeTarget, Heard) {
    let heard = Heard::default();
    let app = Router::new()
        .route("/hook", post(hear))
        .with_state(Arc::clone(&heard));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/hook", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (
        NoticeTarget {
            url,
            form,
            automatic,
        },
        heard,
    )
}

async fn hear(State(heard): State<Heard>, headers: HeaderMap, body: Bytes) -> Response {
    let media = headers["content-type"].to_str().unwrap();
    match parse_notification(media, &body) {
        Ok(notification) => {
            let answer = acknowledgement(&notification, "1");
            heard.lock().unwrap().push(notification);
            ([("content-type", answer.content_type)], answer.body).into_response()
        }
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

fn bills(heard: &Heard) -> Vec<(String, Movement)> {
    let heard = heard.lock().unwrap();
    heard
        .iter()
        .filter_map(|notification| match notification {
            PortmoneNotification::Bills(bills) => Some(bills),
            _ => None,
        })
        .flatten()
        .map(|bill| (bill.bill_id.clone(), bill.movement))
        .collect()
}

fn pays(outcome: PayOutcome) {
    assert!(matches!(outcome, PayOutcome::Paid(_)), "{outcome:?}");
}

#[tokio::test]
async fn f53_a_reversed_payout_is_told_with_the_same_bill_and_a_minus_and_every_copy_has_one_effect()
 {
    let sandbox = sandbox().await;
    let (client, control) = (client(&sandbox), control(&sandbox));
    let (target, heard) = receiver(NoticeForm::Json, false).await;
    control.notify(Some(&target)).await.unwrap();
    let bill = created(&client).await;
    pays(client.pay_bill(&bill.id, KYIVSTAR, PHONE, uah(5_000)).await);
    let reversed = control.reverse_bill(&bill.id).await.unwrap();
    assert_eq!(
        (reversed.status.as_str(), reversed.moved_minor),
        ("reversed", 0)
    );
    control
        .notice_mishaps(NoticeMishaps {
            twice: 1_000,
            ..NoticeMishaps::default()
        })
        .await
        .unwrap();
    control.deliver().await.unwrap();
    let uah50 = uah(5_000);
    assert_eq!(
        bills(&heard),
        [
            Movement::Forward(uah50),
            Movement::Forward(uah50),
            Movement::Back(uah50),
            Movement::Back(uah50)
        ]
        .map(|movement| (bill.id.clone(), movement))
    );
    let heard = heard.lock().unwrap().clone();
    let mut effects: Vec<_> = heard
        .iter()
        .flat_map(|notification| match notification {
            PortmoneNotification::Bills(bills) => bills.iter().map(|bill| bill.effect()),
            other => panic!("{other:?}"),
        })
        .collect();
    effects.dedup();
    assert_eq!(
        effects,
        [(bill.id.as_str(), "paid"), (bill.id.as_str(), "reversed")]
    );
    // The truth is what the provider says when asked.
    let read = client
        .bill_status(&bill.id, KYIVSTAR, PHONE, uah(5_000))
        .await;
    assert!(
        matches!(&read, StatusOutcome::Known(bill) if bill.status == BillStatus::Reversed),
        "{read:?}"
    );
    let books = sandbox.client().bills().await.unwrap();
    assert_eq!((books.moved_minor, books.deposit_minor), (0, 100_000_000));
    assert!(control.reverse_bill(&bill.id).await.is_err(), "once");
    pays_nothing(client.pay_bill(&bill.id, KYIVSTAR, PHONE, uah(5_000)).await);
}

fn pays_nothing(outcome: PayOutcome) {
    assert!(matches!(outcome, PayOutcome::Refused(_)), "{outcome:?}");
}

#[tokio::test]
async fn f52_a_number_ported_between_bill_and_payment_is_refused_and_no_money_moves() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    let bill = created(&client).await;
    sandbox
        .client()
        .port_number(PHONE, Some("2067"))
        .await
        .unwrap();
    let outcome = client.pay_bill(&bill.id, KYIVSTAR, PHONE, uah(5_000)).await;
    assert!(
        matches!(&outcome, PayOutcome::Refused(Refusal { code, .. }) if code == "s203"),
        "{outcome:?}"
    );
    assert_eq!(sandbox.client().bills().await.unwrap().moved_minor, 0);
    let anew = client.create_bill("2067", PHONE, uah(5_000), "op-2").await;
    let kvit_adapters::portmone::CreateOutcome::Created(anew) = anew else {
        panic!("{anew:?}")
    };
    pays(client.pay_bill(&anew.id, "2067", PHONE, uah(5_000)).await);
}

#[tokio::test]
async fn f41_a_provider_that_refuses_to_pay_a_paid_bill_again_moves_no_more_money_either() {
    let mut settings = SandboxConfig::default();
    settings.portmone.repay = Repay::Refuses;
    let sandbox = Sandbox::start(settings).await.unwrap();
    let client = client(&sandbox);
    let bill = created(&client).await;
    pays(client.pay_bill(&bill.id, KYIVSTAR, PHONE, uah(5_000)).await);
    let again = client.pay_bill(&bill.id, KYIVSTAR, PHONE, uah(5_000)).await;
    assert!(
        matches!(&again, PayOutcome::Refused(refusal) if refusal.code == "s304"),
        "{again:?}"
    );
    let read = client
        .bill_status(&bill.id, KYIVSTAR, PHONE, uah(5_000))
        .await;
    assert!(matches!(&read, StatusOutcome::Known(bill) if bill.status == BillStatus::Paid));
    assert_eq!(sandbox.client().bills().await.unwrap().moved_minor, 5_000);
}

#[tokio::test]
async fn card_payments_are_told_in_json_or_in_xml_and_a_refund_is_a_minus_on_the_paid_bill() {
    for form in [NoticeForm::Json, NoticeForm::Xml] {
        let sandbox = sandbox().await;
        let (gateway, control) = (gateway(&sandbox), control(&sandbox));
        let (target, heard) = receiver(form, false).await;
        control.notify(Some(&target)).await.unwrap();
        linked(&gateway, &order("op-42")).await;
        let paid = control.pay("op-42").await.unwrap();
        gateway
            .refund(
                kvit_adapters::portmone::gateway::Handle::Order("op-42"),
                uah(900),
            )
            .await;
        let sent = control.deliver().await.unwrap();
        assert!(sent.iter().all(|sending| sending.accepted), "{sent:?}");
        assert_eq!(
            control.deliver().await.unwrap(),
            [],
            "what was accepted is not sent again"
        );
        let id = paid.id.to_string();
        if form == NoticeForm::Xml {
            let (paid, back) = (Movement::Forward(uah(10_050)), Movement::Back(uah(900)));
            assert_eq!(bills(&heard), [(id.clone(), paid), (id, back)]);
            continue;
        }
        let heard = heard.lock().unwrap();
        let [
            PortmoneNotification::Payment(first),
            PortmoneNotification::Payment(second),
        ] = heard.as_slice()
        else {
            panic!("{heard:?}")
        };
        assert_eq!(
            (first.shop_order_number.as_str(), &first.shop_bill_id),
            ("op-42", &id)
        );
        assert_eq!(first.amount, Some(Movement::Forward(uah(10_050))));
        assert_eq!(
            (second.status.as_deref(), second.amount),
            (Some("RETURN"), Some(Movement::Back(uah(900))))
        );
    }
}

/// Also F9: lost, doubled and shuffled notifications all arrive in the end.
#[tokio::test]
async fn f08_notifications_that_are_lost_doubled_and_shuffled_by_a_seed_arrive_in_the_end() {
    let run = async || {
        let sandbox = sandbox().await;
        let (gateway, control) = (gateway(&sandbox), control(&sandbox));
        let (target, heard) = receiver(NoticeForm::Json, false).await;
        control.notify(Some(&target)).await.unwrap();
        let mishaps = NoticeMishaps {
            lost: 300,
            answer_lost: 300,
            twice: 300,
            shuffled: true,
        };
        control.notice_mishaps(mishaps).await.unwrap();
        for number in 0..8 {
            linked(&gateway, &order(&format!("op-{number}"))).await;
            control.pay(&format!("op-{number}")).await.unwrap();
        }
        let mut rounds = 0;
        while control
            .notices()
            .await
            .unwrap()
            .iter()
            .any(|notice| !notice.accepted)
        {
            control.deliver().await.unwrap();
            rounds += 1;
            assert!(rounds < 50);
        }
        let heard = heard.lock().unwrap();
        heard
            .iter()
            .map(|notification| match notification {
                PortmoneNotification::Payment(payment) => payment.shop_order_number.clone(),
                other => panic!("{other:?}"),
            })
            .collect::<Vec<_>>()
    };
    let (first, second) = (run().await, run().await);
    assert_eq!(first, second, "the seed decides");
    let mut distinct = first.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 8, "{first:?}");
    assert!(first.len() > 8, "some came twice: {first:?}");
    assert!(!first.is_sorted(), "not in order: {first:?}");
}

#[tokio::test]
async fn an_automatic_target_hears_by_itself() {
    let sandbox = sandbox().await;
    let (gateway, control) = (gateway(&sandbox), control(&sandbox));
    let (target, heard) = receiver(NoticeForm::Json, true).await;
    control.notify(Some(&target)).await.unwrap();
    linked(&gateway, &order("op-1")).await;
    control.pay("op-1").await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while heard.lock().unwrap().is_empty() {
        assert!(Instant::now() < deadline, "it is told");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn settled(how: SettleHow) -> (kvit_adapters::portmone::PayOrder, i64) {
    let sandbox = sandbox().await;
    let (gateway, control) = (gateway(&sandbox), control(&sandbox));
    for number in ["op-1", "op-2"] {
        linked(&gateway, &order(number)).await;
        control.pay(number).await.unwrap();
    }
    gateway
        .refund(
            kvit_adapters::portmone::gateway::Handle::Order("op-1"),
            uah(900),
        )
        .await;
    let settlement = control.settle(how).await.unwrap();
    assert!(
        control.settle(how).await.is_err(),
        "nothing is settled twice"
    );
    let notices = control.notices().await.unwrap();
    let told = parse_notification(&notices[0].content_type, notices[0].body.as_bytes()).unwrap();
    let Ok(PortmoneNotification::Settlement(mut orders)) =
        parse_notification("text/xml", settlement.document.as_bytes())
    else {
        panic!("not a settlement")
    };
    assert_eq!(told, PortmoneNotification::Settlement(orders.clone()));
    (orders.remove(0), settlement.amount_minor)
}

#[tokio::test]
async fn f61_a_settlement_document_lists_payments_refunds_and_fees_and_adds_up_to_what_arrived() {
    let (order, arrived) = settled(SettleHow::default()).await;
    let sums = order.sums().unwrap();
    // 1.5 % of 100.50, rounded down, twice.
    assert_eq!((sums.paid, sums.reversed, sums.fees), (20_100, 900, 300));
    assert_eq!((sums.arrived, arrived), (18_900, 18_900));
    assert_eq!(sums.fit(), Some(SettlementFit::Net));
    assert_eq!(order.bills[0].commission.map(Kopecks::minor), Some(150));
    let (order, _) = settled(SettleHow {
        gross: true,
        ..SettleHow::default()
    })
    .await;
    assert_eq!(order.sums().unwrap().fit(), Some(SettlementFit::Gross));
    let (order, _) = settled(SettleHow {
        short_minor: 7,
        ..SettleHow::default()
    })
    .await;
    assert_eq!(
        order.sums().unwrap().fit(),
        Some(SettlementFit::Neither { difference: -7 })
    );
}

#[tokio::test]
async fn f17_what_a_notification_claims_is_only_a_name_to_ask_by() {
    let sandbox = sandbox().await;
    let (control, port) = (
        control(&sandbox),
        payments(&sandbox, Default::default(), &MovedClock::default()),
    );
    let (target, _) = receiver(NoticeForm::Xml, false).await;
    control.notify(Some(&target)).await.unwrap();
    let payment_id = PaymentId::derived("payment", "1");
    let order = PaymentOrder {
        payment_id,
        idempotence_key: "key".into(),
        amount: Money::new(10_050, Currency::Uah),
        capture: true,
        description: "kvit".into(),
        return_url: "https://shop.example/".into(),
    };
    let payment = port.create(&order).await.unwrap();
    let paid = control.pay(&payment.provider_id).await.unwrap();
    let bill = created(&client(&sandbox)).await;
    pays(
        client(&sandbox)
            .pay_bill(&bill.id, KYIVSTAR, PHONE, uah(5_000))
            .await,
    );
    control.reverse_bill(&bill.id).await.unwrap();
    let settlement = control.settle(SettleHow::default()).await.unwrap();
    let mut topics = Vec::new();
    for notice in control.notices().await.unwrap() {
        let claims = PortmoneNotices
            .read(&notice.content_type, notice.body.as_bytes())
            .unwrap();
        topics.extend(claims.into_iter().map(|claim| claim.topic));
    }
    let payout = |reversed| NoticeTopic::Payout {
        provider_id: bill.id.clone(),
        operation_id: None,
        reversed,
    };
    assert_eq!(
        topics,
        [
            NoticeTopic::Payment {
                provider_id: payment.provider_id.clone(),
                operation_id: Some(payment_id.to_string()),
                paid: true
            },
            payout(false),
            payout(true),
            NoticeTopic::Settlement(SettlementDocument {
                id: "7001".into(),
                day: day_of(&settlement.document),
                sum: Money::new(9_900, Currency::Uah),
                bills: vec![told(&paid.id, &payment.provider_id, 10_050, 150, false)],
            }),
        ]
    );
    assert!(PortmoneNotices.read("text/html", b"<html>").is_err());
}

fn day_of(document: &str) -> Option<chrono::NaiveDate> {
    let (_, rest) = document.split_once("<PAY_ORDER_DATE>").unwrap();
    Some(rest.split_once('<').unwrap().0.parse().unwrap())
}

fn told(
    bill_id: &impl ToString,
    order_number: &str,
    minor: i64,
    fee: i64,
    reversed: bool,
) -> SettlementBill {
    SettlementBill {
        bill_id: bill_id.to_string(),
        order_number: Some(order_number.to_owned()),
        amount: Money::new(minor, Currency::Uah),
        fee: Some(Money::new(fee, Currency::Uah)),
        reversed,
    }
}

#[tokio::test]
async fn f61_the_settlement_is_told_with_its_day_its_sum_and_every_bill_and_direction() {
    let sandbox = sandbox().await;
    let (gateway, control) = (gateway(&sandbox), control(&sandbox));
    let number = OrderNumber {
        payment_id: PaymentId::derived("payment", "1"),
        asked_at: chrono::DateTime::from_timestamp(1_795_000_000, 0).unwrap(),
        amount: uah(10_050),
    }
    .to_string();
    for name in [number.as_str(), "another shop's"] {
        linked(&gateway, &order(name)).await;
    }
    let paid = control.pay(&number).await.unwrap();
    let stranger = control.pay("another shop's").await.unwrap();
    let handle = kvit_adapters::portmone::gateway::Handle::Order(&number);
    gateway.refund(handle, uah(900)).await;
    let settlement = control.settle(SettleHow::default()).await.unwrap();
    let notices = control.notices().await.unwrap();
    let [notice] = notices.as_slice() else {
        panic!("{notices:?}")
    };
    let claims = PortmoneNotices
        .read(&notice.content_type, notice.body.as_bytes())
        .unwrap();
    let mut unknown = told(&stranger.id, "", 10_050, 150, false);
    unknown.order_number = None;
    let document = SettlementDocument {
        id: settlement.id.to_string(),
        day: day_of(&settlement.document),
        sum: Money::new(settlement.amount_minor, Currency::Uah),
        bills: vec![
            told(&paid.id, &number, 10_050, 150, false),
            unknown,
            told(&paid.id, &number, 900, 0, true),
        ],
    };
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].event, "settlement");
    assert_eq!(claims[0].topic, NoticeTopic::Settlement(document));
}

#[tokio::test]
async fn a_question_about_payers_and_a_forged_notification_reach_the_receiver_as_they_are() {
    let sandbox = sandbox().await;
    let control = control(&sandbox);
    let (target, heard) = receiver(NoticeForm::Json, false).await;
    control.notify(Some(&target)).await.unwrap();
    let query = "<REQUESTS><PAYEE>1185</PAYEE><PAYER><CONTRACT_NUMBER>1</CONTRACT_NUMBER></PAYER></REQUESTS>";
    control.add_notice("text/xml", query).await.unwrap();
    control.add_notice("text/html", "<html>").await.unwrap();
    let sent = control.deliver().await.unwrap();
    assert!(
        sent[0].accepted && sent[0].answer.contains("<ERROR_CODE>1</ERROR_CODE>"),
        "{sent:?}"
    );
    assert_eq!((sent[1].status, sent[1].accepted), (Some(400), false));
    assert!(matches!(
        heard.lock().unwrap().as_slice(),
        [PortmoneNotification::Requests(_)]
    ));
}
