//! The payout port: what the policies see.

use kvit_adapters::portmone::{
    Payees, PortmoneClient, PortmoneConfig, PortmonePayouts, RefusalCodes,
};
use kvit_adapters::sandbox::RunningSandbox;
use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::portmone::Settlement;
use kvit_adapters::sandbox::portmone::faults::{Blemish, PortmoneAction, Settle};
use kvit_commands::ports::payout::{
    BillStatus, BillView, PayoutOrder, PayoutProvider, ProviderFault, RefusalKind,
};
use kvit_domain::money::{Currency, Money};
use kvit_domain::payout::PayoutMethod;
use kvit_domain::phone::Operator;

use crate::common::{PHONE, config, sandbox};

fn provider_with(config: PortmoneConfig) -> PortmonePayouts {
    let payees = Payees {
        kyivstar: "2065".into(),
        vodafone: "2066".into(),
        lifecell: "2067".into(),
    };
    let codes = RefusalCodes {
        destination: vec!["s202".into(), "s203".into()],
        temporary: vec!["s401".into(), "s901".into()],
    };
    PortmonePayouts::new(PortmoneClient::try_new(config).unwrap(), payees, codes)
}

fn provider(running: &RunningSandbox) -> PortmonePayouts {
    provider_with(config(running))
}

fn order() -> PayoutOrder {
    PayoutOrder {
        operation_id: "op-1".into(),
        phone: PHONE.into(),
        operator: Some(Operator::Kyivstar),
        method: PayoutMethod::MobileTopUp,
        amount: Money::new(5_000, Currency::Uah),
        attempt: 1,
        provider_id: None,
    }
}

fn refused(code: &str, kind: RefusalKind) -> ProviderFault {
    ProviderFault::Refused {
        code: code.into(),
        kind,
    }
}

/// Refused, and the bill can still be paid.
fn still_open(code: &str) -> Result<BillView, ProviderFault> {
    Err(ProviderFault::Unknown(format!(
        "refused with code {code}, but the bill may still be paid"
    )))
}

#[tokio::test]
async fn an_order_is_created_paid_and_asked_about() {
    let sandbox = sandbox().await;
    let provider = provider(&sandbox);
    let bill = provider.create(&order()).await.unwrap();
    assert_eq!(bill.status, BillStatus::Created);
    let paid = provider.pay(&order(), &bill.bill_id).await.unwrap();
    assert_eq!(
        (paid.status, paid.paid_amount),
        (BillStatus::Paid, Some(Money::new(5_000, Currency::Uah)))
    );
    assert_eq!(
        provider
            .status(&order(), &bill.bill_id)
            .await
            .unwrap()
            .unwrap()
            .status,
        BillStatus::Paid
    );
}

#[tokio::test]
async fn refusals_are_sorted_by_the_configured_codes() {
    let sandbox = sandbox().await;
    let provider = provider(&sandbox);
    let foreign = PayoutOrder {
        operator: Some(Operator::Vodafone),
        ..order()
    };
    assert_eq!(
        provider.create(&foreign).await,
        Err(refused("s203", RefusalKind::Destination))
    );
    let busy = PortmoneAction::Fail {
        code: "s901".into(),
        description: String::new(),
        processed: false,
    };
    let control = sandbox.client();
    let rule = Rule::on("bills.create", busy);
    control.add_portmone_fault(rule).await.unwrap();
    assert_eq!(
        provider.create(&order()).await,
        Err(refused("s901", RefusalKind::Temporary))
    );
    let bill = provider.create(&order()).await.unwrap();
    sandbox.client().add_deposit(-100_000_000).await.unwrap();
    assert_eq!(
        provider.pay(&order(), &bill.bill_id).await,
        still_open("s401")
    );
    assert_eq!(
        provider.pay(&order(), "9").await.unwrap_err(),
        ProviderFault::Unknown("refused with code s302, but the bill could not be read".into())
    );
    let roubles = PayoutOrder {
        amount: Money::new(1, Currency::Rub),
        ..order()
    };
    assert_eq!(
        provider.create(&roubles).await,
        Err(refused("local.currency", RefusalKind::Permanent))
    );
}

#[tokio::test]
async fn f52_a_number_ported_since_its_bill_was_made_is_a_refused_destination_and_another_operator_pays_it()
 {
    let sandbox = sandbox().await;
    let provider = provider(&sandbox);
    let bill = provider.create(&order()).await.unwrap();
    sandbox
        .client()
        .port_number(PHONE, Some("2067"))
        .await
        .unwrap();
    let moved = || async { sandbox.client().bills().await.unwrap().moved_minor };
    let destination = || Err(refused("s203", RefusalKind::Destination));
    assert_eq!(provider.pay(&order(), &bill.bill_id).await, destination());
    assert_eq!(provider.create(&order()).await, destination());
    assert_eq!(moved().await, 0);
    let rerouted = PayoutOrder {
        operation_id: "op-2".into(),
        operator: Some(Operator::Lifecell),
        ..order()
    };
    let bill = provider.create(&rerouted).await.unwrap();
    let paid = provider.pay(&rerouted, &bill.bill_id).await.unwrap();
    assert_eq!((paid.status, moved().await), (BillStatus::Paid, 5_000));
}

#[tokio::test]
async fn f53_a_bill_that_was_taken_back_is_reported_as_reversed() {
    let sandbox = sandbox().await;
    let provider = provider(&sandbox);
    let bill = provider.create(&order()).await.unwrap();
    provider.pay(&order(), &bill.bill_id).await.unwrap();
    crate::portmone_shop::control(&sandbox)
        .reverse_bill(&bill.bill_id)
        .await
        .unwrap();
    let read = provider.status(&order(), &bill.bill_id).await.unwrap();
    assert_eq!(read.unwrap().status, BillStatus::Reversed);
}

#[tokio::test]
async fn f40_a_refused_payment_that_happened_all_the_same_is_reported_as_paid() {
    let sandbox = sandbox().await;
    let provider = provider(&sandbox);
    let bill = provider.create(&order()).await.unwrap();
    let fault = PortmoneAction::Fail {
        code: "s901".into(),
        description: String::new(),
        processed: true,
    };
    sandbox
        .client()
        .add_portmone_fault(Rule::on("bills.pay", fault))
        .await
        .unwrap();
    assert_eq!(
        provider.pay(&order(), &bill.bill_id).await.unwrap().status,
        BillStatus::Paid
    );
}

#[tokio::test]
async fn f40_a_payment_that_is_refused_and_made_later_is_open_until_its_bill_says_the_last_word() {
    for code in ["s401", "s901", "x999"] {
        let sandbox = sandbox().await;
        let (provider, control) = (provider(&sandbox), sandbox.client());
        let bill = provider.create(&order()).await.unwrap().bill_id;
        let fail = PortmoneAction::Fail {
            code: code.into(),
            description: String::new(),
            processed: false,
        };
        let rule = Rule::on("bills.pay", fail);
        control.add_portmone_fault(rule).await.unwrap();
        assert_eq!(provider.pay(&order(), &bill).await, still_open(code));
        let status = async || {
            let asked = provider.status(&order(), &bill).await.unwrap();
            asked.unwrap().status
        };
        assert_eq!(status().await, BillStatus::Created, "no last word");
        control.settle_bill(&bill, Settlement::Paid).await.unwrap();
        assert_eq!(status().await, BillStatus::Paid);
        let moved = control.bills().await.unwrap().moved_minor;
        assert_eq!(moved, 5_000, "once, for the one bill that there is");
    }
}

#[tokio::test]
async fn a_payment_that_never_was_one_is_refused_for_good_and_so_is_one_whose_bill_is_rejected() {
    let sandbox = sandbox().await;
    let (provider, control) = (provider(&sandbox), sandbox.client());
    let refuse = async |code: &str| {
        let fail = PortmoneAction::Fail {
            code: code.into(),
            description: String::new(),
            processed: false,
        };
        let rule = Rule::on("bills.pay", fail);
        control.add_portmone_fault(rule).await.unwrap();
    };
    let bill = provider.create(&order()).await.unwrap().bill_id;
    for (code, kind) in [
        ("p001", RefusalKind::Permanent),
        ("s202", RefusalKind::Destination),
    ] {
        refuse(code).await;
        let outcome = provider.pay(&order(), &bill).await;
        assert_eq!(outcome, Err(refused(code, kind)));
    }
    let end = Settlement::Rejected;
    control.settle_bill(&bill, end).await.unwrap();
    refuse("s901").await;
    assert_eq!(
        provider.pay(&order(), &bill).await,
        Err(refused("s901", RefusalKind::Temporary))
    );
}

#[tokio::test]
async fn a_refused_payment_that_cannot_be_checked_is_unknown_also_where_nothing_can_be_asked() {
    let sandbox = sandbox().await;
    let fail = || {
        Rule::on(
            "bills.pay",
            PortmoneAction::Fail {
                code: "s901".into(),
                description: String::new(),
                processed: false,
            },
        )
    };
    let asking = provider(&sandbox);
    let bill = asking.create(&order()).await.unwrap();
    sandbox.client().add_portmone_fault(fail()).await.unwrap();
    sandbox
        .client()
        .add_portmone_fault(Rule::on(
            "bills.get",
            PortmoneAction::HttpBefore { status: 502 },
        ))
        .await
        .unwrap();
    assert!(matches!(
        asking.pay(&order(), &bill.bill_id).await,
        Err(ProviderFault::Unknown(_))
    ));
    let mute = provider_with(PortmoneConfig {
        status_method: None,
        ..config(&sandbox)
    });
    sandbox.client().add_portmone_fault(fail()).await.unwrap();
    assert!(matches!(
        mute.pay(&order(), &bill.bill_id).await,
        Err(ProviderFault::Unknown(_))
    ));
    assert_eq!(mute.status(&order(), &bill.bill_id).await, Ok(None));
}

#[tokio::test]
async fn f44_pending_unknown_mismatch_and_not_sent_are_told_apart() {
    let sandbox = sandbox().await;
    let provider = provider(&sandbox);
    let bill = provider.create(&order()).await.unwrap();
    let control = sandbox.client();
    control
        .add_portmone_fault(Rule::on(
            "bills.pay",
            PortmoneAction::HttpBefore { status: 500 },
        ))
        .await
        .unwrap();
    assert!(matches!(
        provider.pay(&order(), &bill.bill_id).await,
        Err(ProviderFault::Unknown(_))
    ));
    control
        .add_portmone_fault(Rule::on(
            "bills.pay",
            PortmoneAction::Pending {
                settle: Settle::ByHand,
            },
        ))
        .await
        .unwrap();
    assert_eq!(
        provider.pay(&order(), &bill.bill_id).await.unwrap().status,
        BillStatus::Pending
    );
    assert_eq!(
        provider
            .status(&order(), &bill.bill_id)
            .await
            .unwrap()
            .unwrap()
            .status,
        BillStatus::Pending
    );
    control
        .add_portmone_fault(Rule::on(
            "bills.get",
            PortmoneAction::Spoil {
                blemish: Blemish::WrongPayee,
            },
        ))
        .await
        .unwrap();
    assert!(matches!(
        provider.status(&order(), &bill.bill_id).await,
        Err(ProviderFault::Mismatch(_))
    ));
    sandbox.shutdown().await;
    assert!(matches!(
        provider.pay(&order(), &bill.bill_id).await,
        Err(ProviderFault::NotSent(_))
    ));
}
