//! What an order becomes, and which answers are taken for it.

use kvit_domain::money::Money;

use super::*;
use crate::yookassa::{YookassaAccount, YookassaConfig};

fn order(method: PayoutMethod, destination: &str) -> PayoutOrder {
    PayoutOrder {
        operation_id: "0190a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b".into(),
        phone: destination.into(),
        operator: None,
        method,
        amount: Money::new(32_000, Currency::Rub),
        attempt: 2,
        provider_id: None,
    }
}

fn sbp() -> PayoutOrder {
    let bank_id = "100000000111".into();
    order(PayoutMethod::Sbp { bank_id }, "79000000000")
}

fn refused(code: &str) -> ProviderFault {
    ProviderFault::Refused {
        code: code.into(),
        kind: RefusalKind::Permanent,
    }
}

#[test]
fn the_key_is_made_of_operation_and_attempt_and_the_body_of_the_order_alone() {
    let (order, again) = (sbp(), sbp());
    let Ok(terms) = terms(&order) else {
        unreachable!("a good order")
    };
    assert_eq!(terms.key, "0190a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b-2");
    let body = terms.body(&order);
    assert_eq!(
        body,
        terms.body(&again),
        "the same key goes with the same body"
    );
    assert_eq!(
        body,
        json!({"amount": {"value": "320.00", "currency": "RUB"},
            "payout_destination_data": {"type": "sbp", "phone": "79000000000", "bank_id": "100000000111"},
            "description": "kvit 0190a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b",
            "metadata": {"operation_id": "0190a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", "attempt": "2"}})
    );
}

#[test]
fn each_method_names_its_one_destination() {
    let body = |order: PayoutOrder| terms(&order).map(|terms| terms.body(&order));
    let wallet = body(order(PayoutMethod::YoomoneyWallet, "410011758831136"));
    let expected = json!({"type": "yoo_money", "account_number": "410011758831136"});
    assert_eq!(
        wallet.map(|body| body["payout_destination_data"].clone()),
        Ok(expected)
    );
    let card = body(order(PayoutMethod::CardToken, "pt-1"));
    assert_eq!(
        card.map(|body| (
            body["payout_token"].clone(),
            body.get("payout_destination_data").is_some()
        )),
        Ok((json!("pt-1"), false))
    );
}

#[test]
fn what_cannot_be_paid_here_is_refused_before_anybody_is_asked() {
    let fault = |order: PayoutOrder| terms(&order).err();
    let mobile = order(PayoutMethod::MobileTopUp, "380671112233");
    assert_eq!(fault(mobile), Some(refused("local.method")));
    for (amount, code) in [
        (Money::new(1, Currency::Uah), "local.currency"),
        (Money::new(0, Currency::Rub), "local.amount"),
        (Money::new(-1, Currency::Rub), "local.amount"),
    ] {
        assert_eq!(fault(PayoutOrder { amount, ..sbp() }), Some(refused(code)));
    }
    for operation_id in ["a b".to_owned(), "x".repeat(63)] {
        let order = PayoutOrder {
            operation_id,
            ..sbp()
        };
        assert_eq!(fault(order), Some(refused("local.key")));
    }
}

#[test]
fn f43_an_answer_about_anything_else_is_not_taken() {
    let url = url::Url::parse("http://127.0.0.1:9/v3");
    let Ok(mut config) = url.map(YookassaConfig::new) else {
        unreachable!("a good address")
    };
    config.gateway = Some(YookassaAccount::test("g", "s"));
    let payouts = YookassaClient::try_new(config).and_then(YookassaPayouts::try_new);
    let Ok(payouts) = payouts else {
        unreachable!("good settings")
    };
    let answer = |change: &[(&str, Value)]| {
        let mut object = json!({"id": "po-1", "amount": {"value": "320.00", "currency": "RUB"}, "status": "pending",
            "payout_destination": {"type": "sbp", "phone": "79000000000", "bank_id": "100000000111"},
            "created_at": "2026-01-02T03:04:05.678Z", "test": true,
            "metadata": {"operation_id": "0190a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", "attempt": "2"}});
        for (pointer, value) in change {
            if let Some(place) = object.pointer_mut(pointer) {
                *place = value.clone();
            }
        }
        let node = super::super::node::Node::read(object.to_string().as_bytes());
        let payout = node.and_then(|node| Payout::read(&node));
        payout.map(|payout| payouts.contradiction(&sbp(), &payout))
    };
    assert_eq!(answer(&[]), Ok(None));
    assert_eq!(
        answer(&[("/payout_destination/phone", json!("7900***0000"))]),
        Ok(None)
    );
    assert_eq!(answer(&[("/metadata", Value::Null)]), Ok(None));
    for (pointer, value, what) in [
        ("/amount/value", json!("320.01"), "amount"),
        ("/amount/currency", json!("USD"), "amount"),
        ("/test", json!(false), "kind of money: test or real"),
        ("/metadata/operation_id", json!("another"), "operation"),
        ("/metadata/attempt", json!("1"), "attempt"),
        (
            "/payout_destination/type",
            json!("yoo_money"),
            "destination",
        ),
        (
            "/payout_destination/phone",
            json!("79000000001"),
            "destination",
        ),
        (
            "/payout_destination/bank_id",
            json!("100000000004"),
            "destination",
        ),
    ] {
        assert_eq!(answer(&[(pointer, value)]), Ok(Some(what)), "{pointer}");
    }
}

#[test]
fn a_reason_says_whether_trying_again_makes_sense() {
    for (reason, kind) in [
        ("insufficient_funds", RefusalKind::Temporary),
        ("issuer_unavailable", RefusalKind::Temporary),
        ("recipient_not_found", RefusalKind::Destination),
        ("rejected_by_payee", RefusalKind::Destination),
        ("general_decline", RefusalKind::Permanent),
        ("fraud_suspected", RefusalKind::Permanent),
        ("one_time_limit_exceeded", RefusalKind::Permanent),
        ("a_reason_from_tomorrow", RefusalKind::Permanent),
    ] {
        assert_eq!(kind_of(reason), kind, "{reason}");
    }
}
