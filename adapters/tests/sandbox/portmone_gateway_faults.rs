//! The payment gateway on bad days: what is proven and what stays open.

use kvit_adapters::portmone::gateway::{
    ChangeOutcome, GatewayMismatch, GatewayWire, Handle, LinkOutcome, PortmoneGateway,
    ResultOutcome,
};
use kvit_adapters::portmone::{Doubt, JsonError, NotSent, XmlError};
use kvit_adapters::sandbox::RunningSandbox;
use kvit_adapters::sandbox::faults::{Faults, Rule};
use kvit_adapters::sandbox::portmone::faults::{Blemish, PortmoneAction, PortmoneChance};

use crate::common::{sandbox, uah};
use crate::portmone_shop::{both, config, control, gateway, linked, order};

async fn fault(running: &RunningSandbox, method: &str, action: PortmoneAction) {
    let rule = Rule::on(method, action).about("op-1");
    running.client().add_portmone_fault(rule).await.unwrap();
}

/// A paid order whose refund meets a misfortune; what came of it, and how much really went back.
async fn refunding(action: PortmoneAction) -> (ChangeOutcome, i64) {
    let sandbox = sandbox().await;
    let gateway = gateway(&sandbox);
    linked(&gateway, &order("op-1")).await;
    control(&sandbox).pay("op-1").await.unwrap();
    fault(&sandbox, "return", action).await;
    let outcome = gateway.refund(Handle::Order("op-1"), uah(900)).await;
    (
        outcome,
        control(&sandbox).books().await.unwrap().returned_minor,
    )
}

#[tokio::test]
async fn a_refund_without_a_clear_answer_is_unknown_whether_or_not_the_money_moved() {
    let unknown = ChangeOutcome::Unknown;
    for (action, doubt, returned) in [
        (PortmoneAction::DropBefore, Doubt::Broken, 0),
        (PortmoneAction::DropAfter, Doubt::Broken, 900),
        (
            PortmoneAction::HttpBefore { status: 500 },
            Doubt::HttpStatus(500),
            0,
        ),
        (
            PortmoneAction::HttpAfter { status: 502 },
            Doubt::HttpStatus(502),
            900,
        ),
        (
            PortmoneAction::DelayAfter { millis: 2_000 },
            Doubt::Timeout,
            900,
        ),
        (
            PortmoneAction::Spoil {
                blemish: Blemish::NoBill,
            },
            Doubt::NoBill,
            900,
        ),
        (
            PortmoneAction::Spoil {
                blemish: Blemish::OddAmount,
            },
            Doubt::Json(JsonError::Amount),
            900,
        ),
        (
            PortmoneAction::Spoil {
                blemish: Blemish::NoAmount,
            },
            Doubt::Json(JsonError::Shape),
            900,
        ),
    ] {
        assert_eq!(
            refunding(action.clone()).await,
            (unknown(doubt), returned),
            "{action:?}"
        );
    }
}

#[tokio::test]
async fn f40_a_refusal_of_a_refund_that_happened_is_found_out_by_reading_result() {
    let fail = PortmoneAction::Fail {
        code: "s901".into(),
        description: "later".into(),
        processed: true,
    };
    let (outcome, returned) = refunding(fail).await;
    assert!(matches!(outcome, ChangeOutcome::Refused(refusal) if refusal.code == "s901"));
    assert_eq!(returned, 900);
}

#[tokio::test]
async fn a_refund_that_the_provider_runs_twice_moves_twice_and_is_seen_in_result() {
    let (outcome, returned) = refunding(PortmoneAction::Duplicate).await;
    assert!(matches!(outcome, ChangeOutcome::Done(_)));
    assert_eq!(
        returned, 1_800,
        "there is no key by which the provider could know better"
    );
}

#[tokio::test]
async fn f43_an_answer_about_another_order_payee_or_sum_is_a_mismatch() {
    for (blemish, expected) in [
        (Blemish::WrongBill, GatewayMismatch::Order),
        (Blemish::WrongPayee, GatewayMismatch::Payee),
        (Blemish::WrongAmount, GatewayMismatch::Amount),
    ] {
        let (outcome, returned) = refunding(PortmoneAction::Spoil { blemish }).await;
        assert!(
            matches!(&outcome, ChangeOutcome::Mismatch(_, found) if *found == expected),
            "{blemish:?}: {outcome:?}"
        );
        assert_eq!(returned, 900);
    }
}

#[tokio::test]
async fn f45_an_answer_to_result_that_cannot_be_read_is_unknown_in_both_forms() {
    let sandbox = sandbox().await;
    linked(&gateway(&sandbox), &order("op-1")).await;
    control(&sandbox).pay("op-1").await.unwrap();
    let [json, form] = both(&sandbox);
    for (blemish, in_json, in_xml) in [
        (
            Blemish::Malformed,
            Doubt::Json(JsonError::NotWellFormed),
            XmlError::NotWellFormed.into(),
        ),
        (
            Blemish::CutOff,
            Doubt::Json(JsonError::NotWellFormed),
            XmlError::NotWellFormed.into(),
        ),
        (
            Blemish::Empty,
            XmlError::Empty.into(),
            XmlError::Empty.into(),
        ),
        (
            Blemish::Html,
            XmlError::Forbidden.into(),
            XmlError::Forbidden.into(),
        ),
        (
            Blemish::WrongCharset,
            XmlError::Charset.into(),
            XmlError::Charset.into(),
        ),
        (
            Blemish::ExternalEntity,
            Doubt::Json(JsonError::NotWellFormed),
            XmlError::Forbidden.into(),
        ),
        (
            Blemish::EntityBomb,
            Doubt::Json(JsonError::NotWellFormed),
            XmlError::Forbidden.into(),
        ),
        (
            Blemish::Oversize,
            XmlError::TooLong.into(),
            XmlError::TooLong.into(),
        ),
    ] {
        for (gateway, doubt) in [(&json, in_json), (&form, in_xml)] {
            fault(&sandbox, "result", PortmoneAction::Spoil { blemish }).await;
            let told = gateway.result(Handle::Order("op-1"), None).await;
            assert_eq!(told, ResultOutcome::Unknown(doubt), "{blemish:?}");
        }
    }
    for blemish in [Blemish::WrongBill, Blemish::WrongPayee] {
        fault(&sandbox, "result", PortmoneAction::Spoil { blemish }).await;
        let told = json.result(Handle::Order("op-1"), None).await;
        assert!(matches!(told, ResultOutcome::Mismatch(_)), "{told:?}");
    }
}

#[tokio::test]
async fn a_lost_link_is_harmless_and_a_refused_connection_is_proof() {
    let sandbox = sandbox().await;
    let gateway = gateway(&sandbox);
    for action in [
        PortmoneAction::DropAfter,
        PortmoneAction::HttpAfter { status: 500 },
        PortmoneAction::Spoil {
            blemish: Blemish::NoBill,
        },
    ] {
        fault(&sandbox, "createLinkPayment", action).await;
        let lost = gateway.create_link(&order("op-1")).await;
        assert!(matches!(lost, LinkOutcome::Unknown(_)), "{lost:?}");
    }
    linked(&gateway, &order("op-1")).await;
    let books = control(&sandbox).books().await.unwrap();
    assert_eq!((books.links.len(), books.paid_minor), (4, 0));
    let config = config(&sandbox, GatewayWire::Json);
    sandbox.shutdown().await;
    let gateway = PortmoneGateway::try_new(config).unwrap();
    assert_eq!(
        gateway.create_link(&order("op-1")).await,
        LinkOutcome::NotSent(NotSent::Connect)
    );
    let refund = gateway.refund(Handle::Order("op-1"), uah(1)).await;
    assert_eq!(refund, ChangeOutcome::NotSent(NotSent::Connect));
}

#[tokio::test]
async fn whatever_chance_brings_what_is_claimed_to_have_gone_back_has_gone_back_and_no_more_than_was_asked()
 {
    let sandbox = sandbox().await;
    let gateway = gateway(&sandbox);
    let control = control(&sandbox);
    for number in 0..60 {
        linked(&gateway, &order(&format!("op-{number}"))).await;
        control.pay(&format!("op-{number}")).await.unwrap();
    }
    let chance = PortmoneChance {
        drop_before: 80,
        drop_after: 80,
        http_500_before: 80,
        http_500_after: 80,
        fail: 80,
        malformed: 80,
        delay: 50,
        delay_millis: 5,
        ..PortmoneChance::default()
    };
    let faults = Faults {
        rules: Vec::new(),
        chance: Some(chance),
    };
    sandbox.client().add_portmone_faults(&faults).await.unwrap();
    let (mut done, mut unclear) = (0_i64, 0_i64);
    for number in 0..60 {
        let number = format!("op-{number}");
        match gateway.refund(Handle::Order(&number), uah(900)).await {
            ChangeOutcome::Done(_) => done += 900,
            ChangeOutcome::Refused(_) => {}
            ChangeOutcome::Unknown(_) => unclear += 900,
            other => panic!("{other:?}"),
        }
    }
    let returned = control.books().await.unwrap().returned_minor;
    assert!(
        done > 0 && unclear > 0,
        "the seed shows both: {done} {unclear}"
    );
    assert!(
        done <= returned && returned <= done + unclear,
        "{done} <= {returned} <= {done} + {unclear}"
    );
}
