//! The simulated provider's own rules, seen on the wire.

use kvit_adapters::portmone::{CreateOutcome, PayOutcome, Refusal, StatusOutcome};
use kvit_adapters::sandbox::RunningSandbox;

use crate::common::{KYIVSTAR, PHONE, client, config, created, sandbox, uah};
use kvit_adapters::portmone::PortmoneClient;

async fn post(running: &RunningSandbox, form: &str) -> (u16, String) {
    let request = crate::common::http()
        .post(running.portmone_url())
        .header("content-type", "application/x-www-form-urlencoded");
    let response = request.body(form.to_owned()).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

fn refusal(outcome: CreateOutcome) -> Refusal {
    match outcome {
        CreateOutcome::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn version_1_errors_have_no_description_element_and_version_2_errors_do_in_the_asked_language()
 {
    let sandbox = sandbox().await;
    let (status, one) = post(&sandbox, "method=bills.burn&login=sandbox&password=sandbox").await;
    assert_eq!(status, 200);
    assert!(
        one.contains("<rsp status=\"fail\"><error code=\"p001\">Invalid method name</error></rsp>"),
        "{one}"
    );
    let (_, two) = post(
        &sandbox,
        "method=bills.burn&login=sandbox&password=sandbox&version=2&lang=uk",
    )
    .await;
    assert!(
        two.contains("<error code=\"p001\">")
            && two.contains("<error_description>Невідомий метод</error_description>"),
        "{two}"
    );
    let (_, three) = post(
        &sandbox,
        "method=bills.create&login=sandbox&password=sandbox&version=3",
    )
    .await;
    assert!(three.contains("s102"), "{three}");
}

#[tokio::test]
async fn only_a_form_in_a_post_is_taken_and_never_parameters_in_the_address() {
    let sandbox = sandbox().await;
    let http = crate::common::http();
    assert_eq!(
        http.get(sandbox.portmone_url())
            .send()
            .await
            .unwrap()
            .status(),
        405
    );
    let mut with_query = sandbox.portmone_url();
    with_query.set_query(Some("method=bills.pay"));
    assert_eq!(http.post(with_query).send().await.unwrap().status(), 405);
    assert_eq!(
        http.post(sandbox.portmone_url())
            .body("{}")
            .header("content-type", "application/json")
            .send()
            .await
            .unwrap()
            .status(),
        415
    );
    let huge = "x".repeat(20_000);
    assert_eq!(post(&sandbox, &huge).await.0, 413);
}

#[tokio::test]
async fn wrong_credentials_are_refused_for_every_method() {
    let sandbox = sandbox().await;
    let client = PortmoneClient::try_new(kvit_adapters::portmone::PortmoneConfig {
        password: kvit_adapters::portmone::Secret::new("guess"),
        ..config(&sandbox)
    })
    .unwrap();
    assert_eq!(
        refusal(client.create_bill(KYIVSTAR, PHONE, uah(100), "op").await).code,
        "s101"
    );
    assert!(
        matches!(client.pay_bill("523", KYIVSTAR, PHONE, uah(100)).await, PayOutcome::Refused(refusal) if refusal.code == "s101")
    );
    assert!(
        matches!(client.bill_status("523", KYIVSTAR, PHONE, uah(100)).await, StatusOutcome::Refused(refusal) if refusal.code == "s101")
    );
}

#[tokio::test]
async fn an_unknown_payee_a_bad_number_and_a_number_of_another_operator_are_refused() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    assert_eq!(
        refusal(client.create_bill("1", PHONE, uah(100), "op").await).code,
        "s201"
    );
    for number in [
        "0671112233",
        "38067111223",
        "380671112x33",
        "380111112233",
        "",
    ] {
        assert_eq!(
            refusal(client.create_bill(KYIVSTAR, number, uah(100), "op").await).code,
            "s202",
            "{number}"
        );
    }
    assert_eq!(
        refusal(
            client
                .create_bill(KYIVSTAR, "380501112233", uah(100), "op")
                .await
        )
        .code,
        "s203"
    );
    assert_eq!(
        refusal(client.create_bill(KYIVSTAR, PHONE, uah(0), "op").await).code,
        "s301"
    );
}

#[tokio::test]
async fn f52_a_ported_number_is_served_by_its_new_operator_only() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    sandbox
        .client()
        .port_number(PHONE, Some("2067"))
        .await
        .unwrap();
    assert_eq!(
        refusal(client.create_bill(KYIVSTAR, PHONE, uah(100), "op").await).code,
        "s203"
    );
    assert!(matches!(
        client.create_bill("2067", PHONE, uah(100), "op").await,
        CreateOutcome::Created(_)
    ));
    sandbox.client().port_number(PHONE, None).await.unwrap();
    assert_eq!(
        refusal(client.create_bill("2067", PHONE, uah(100), "op").await).code,
        "s202"
    );
}

#[tokio::test]
async fn f49_an_insufficient_deposit_refuses_the_payment_and_a_top_up_lets_the_same_bill_be_paid() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    let bill = created(&client).await;
    let left = sandbox
        .client()
        .add_deposit(-(100_000_000 - 4_999))
        .await
        .unwrap();
    assert_eq!(left, 4_999);
    let refused = client.pay_bill(&bill.id, KYIVSTAR, PHONE, uah(5_000)).await;
    assert!(
        matches!(&refused, PayOutcome::Refused(refusal) if refusal.code == "s401"),
        "{refused:?}"
    );
    assert_eq!(sandbox.client().add_deposit(1).await.unwrap(), 5_000);
    assert!(matches!(
        client.pay_bill(&bill.id, KYIVSTAR, PHONE, uah(5_000)).await,
        PayOutcome::Paid(_)
    ));
    assert_eq!(sandbox.client().bills().await.unwrap().deposit_minor, 0);
}

#[tokio::test]
async fn f41_paying_a_paid_bill_again_answers_the_paid_bill_and_moves_nothing() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    let bill = created(&client).await;
    let first = client.pay_bill(&bill.id, KYIVSTAR, PHONE, uah(5_000)).await;
    let second = client.pay_bill(&bill.id, KYIVSTAR, PHONE, uah(5_000)).await;
    assert!(matches!(first, PayOutcome::Paid(_)));
    assert_eq!(first, second);
    assert_eq!(sandbox.client().bills().await.unwrap().moved_minor, 5_000);
}

#[tokio::test]
async fn f48_fifty_payments_of_one_bill_at_once_move_money_once() {
    let sandbox = sandbox().await;
    let client = PortmoneClient::try_new(kvit_adapters::portmone::PortmoneConfig {
        max_in_flight: 50,
        ..config(&sandbox)
    })
    .unwrap();
    let bill = created(&client).await;
    let all = futures::future::join_all(
        (0..50).map(|_| client.pay_bill(&bill.id, KYIVSTAR, PHONE, uah(5_000))),
    )
    .await;
    assert!(
        all.iter()
            .all(|outcome| matches!(outcome, PayOutcome::Paid(_))),
        "{all:?}"
    );
    assert_eq!(sandbox.client().bills().await.unwrap().moved_minor, 5_000);
}

#[tokio::test]
async fn an_unknown_bill_and_an_amount_other_than_billed_are_refused() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    let bill = created(&client).await;
    assert!(
        matches!(client.pay_bill("999", KYIVSTAR, PHONE, uah(5_000)).await, PayOutcome::Refused(refusal) if refusal.code == "s302")
    );
    assert!(
        matches!(client.pay_bill(&bill.id, KYIVSTAR, PHONE, uah(5_001)).await, PayOutcome::Refused(refusal) if refusal.code == "s301")
    );
    assert!(
        matches!(client.bill_status("x", KYIVSTAR, PHONE, uah(1)).await, StatusOutcome::Refused(refusal) if refusal.code == "s302")
    );
}
