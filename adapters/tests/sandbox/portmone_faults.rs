//! Every misfortune that the simulated provider knows, and what the client makes of it.

use std::time::{Duration, Instant};

use kvit_adapters::portmone::{
    Bill, BillStatus, CreateOutcome, Doubt, Mismatch, PayOutcome, PortmoneClient, StatusOutcome,
    XmlError,
};
use kvit_adapters::sandbox::RunningSandbox;
use kvit_adapters::sandbox::faults::{Faults, Rule};
use kvit_adapters::sandbox::portmone::Settlement;
use kvit_adapters::sandbox::portmone::faults::{Blemish, PortmoneAction, PortmoneChance, Settle};

use crate::common::{KYIVSTAR, PHONE, client, created, sandbox, uah};

/// Creates a bill, lets the misfortune happen to its payment, and says what came of it and how much money moved.
async fn paying(
    action: PortmoneAction,
) -> (PayOutcome, i64, RunningSandbox, PortmoneClient, String) {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    let bill = created(&client).await;
    sandbox
        .client()
        .add_portmone_fault(Rule::on("bills.pay", action).about(PHONE))
        .await
        .unwrap();
    let outcome = client.pay_bill(&bill.id, KYIVSTAR, PHONE, uah(5_000)).await;
    let moved = sandbox.client().bills().await.unwrap().moved_minor;
    assert!(
        sandbox
            .client()
            .portmone_faults()
            .await
            .unwrap()
            .rules
            .is_empty(),
        "the rule was met once and is gone"
    );
    (outcome, moved, sandbox, client, bill.id)
}

async fn outcome_and_moved(action: PortmoneAction) -> (PayOutcome, i64) {
    let (outcome, moved, ..) = paying(action).await;
    (outcome, moved)
}

async fn spoilt(blemish: Blemish) -> (PayOutcome, i64) {
    outcome_and_moved(PortmoneAction::Spoil { blemish }).await
}

#[tokio::test]
async fn a_connection_dropped_before_the_commit_is_unknown_and_no_money_moved() {
    assert_eq!(
        outcome_and_moved(PortmoneAction::DropBefore).await,
        (PayOutcome::Unknown(Doubt::Broken), 0)
    );
}

#[tokio::test]
async fn f39_a_connection_dropped_after_the_commit_is_unknown_and_asking_tells_that_it_was_paid() {
    let (outcome, moved, _sandbox, client, id) = paying(PortmoneAction::DropAfter).await;
    assert_eq!(
        (outcome, moved),
        (PayOutcome::Unknown(Doubt::Broken), 5_000)
    );
    let read = client.bill_status(&id, KYIVSTAR, PHONE, uah(5_000)).await;
    assert!(matches!(
        read,
        StatusOutcome::Known(Bill {
            status: BillStatus::Paid,
            ..
        })
    ));
}

#[tokio::test]
async fn f39_a_timeout_before_the_commit_is_unknown_and_a_bill_read_too_early_still_says_created() {
    let delay = PortmoneAction::Delay { millis: 1_500 };
    let (outcome, moved, sandbox, client, id) = paying(delay).await;
    assert_eq!((outcome, moved), (PayOutcome::Unknown(Doubt::Timeout), 0));
    let early = client.bill_status(&id, KYIVSTAR, PHONE, uah(5_000)).await;
    assert!(matches!(
        early,
        StatusOutcome::Known(Bill {
            status: BillStatus::Created,
            ..
        })
    ));
    // The provider comes round to it when the client has long gone: "created" was no proof that nothing would happen.
    let deadline = Instant::now() + Duration::from_secs(10);
    while sandbox.client().bills().await.unwrap().moved_minor != 5_000 {
        assert!(Instant::now() < deadline, "the late payment happens");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn f41_a_timeout_after_the_commit_is_unknown_and_paying_the_same_bill_again_moves_nothing_more()
 {
    let (outcome, moved, sandbox, client, id) =
        paying(PortmoneAction::DelayAfter { millis: 3_000 }).await;
    assert_eq!(
        (outcome, moved),
        (PayOutcome::Unknown(Doubt::Timeout), 5_000)
    );
    assert!(matches!(
        client.pay_bill(&id, KYIVSTAR, PHONE, uah(5_000)).await,
        PayOutcome::Paid(_)
    ));
    assert_eq!(sandbox.client().bills().await.unwrap().moved_minor, 5_000);
}

#[tokio::test]
async fn a_short_delay_changes_nothing() {
    let (outcome, moved) = outcome_and_moved(PortmoneAction::Delay { millis: 50 }).await;
    assert!(matches!(outcome, PayOutcome::Paid(_)));
    assert_eq!(moved, 5_000);
}

#[tokio::test]
async fn f39_an_http_500_is_unknown_whether_or_not_the_money_moved() {
    let unknown = || PayOutcome::Unknown(Doubt::HttpStatus(500));
    assert_eq!(
        outcome_and_moved(PortmoneAction::HttpBefore { status: 500 }).await,
        (unknown(), 0)
    );
    assert_eq!(
        outcome_and_moved(PortmoneAction::HttpAfter { status: 500 }).await,
        (unknown(), 5_000)
    );
}

#[tokio::test]
async fn a_fail_answer_is_a_refusal_with_its_opaque_code() {
    let action = PortmoneAction::Fail {
        code: "x-77".into(),
        description: "no & no".into(),
        processed: false,
    };
    let (outcome, moved) = outcome_and_moved(action).await;
    assert!(
        matches!(&outcome, PayOutcome::Refused(refusal) if refusal.code == "x-77" && refusal.description.as_deref() == Some("no & no"))
    );
    assert_eq!(moved, 0);
}

#[tokio::test]
async fn f40_a_fail_answer_to_a_payment_that_happened_is_found_out_by_asking() {
    let action = PortmoneAction::Fail {
        code: "x-77".into(),
        description: String::new(),
        processed: true,
    };
    let (outcome, moved, _sandbox, client, id) = paying(action).await;
    assert!(matches!(outcome, PayOutcome::Refused(_)));
    assert_eq!(moved, 5_000);
    let read = client.bill_status(&id, KYIVSTAR, PHONE, uah(5_000)).await;
    assert!(matches!(
        read,
        StatusOutcome::Known(Bill {
            status: BillStatus::Paid,
            ..
        })
    ));
}

#[tokio::test]
async fn f48_a_payment_processed_twice_inside_the_provider_moves_money_once() {
    let (outcome, moved) = outcome_and_moved(PortmoneAction::Duplicate).await;
    assert!(matches!(outcome, PayOutcome::Paid(_)));
    assert_eq!(moved, 5_000);
}

#[tokio::test]
async fn f45_malformed_xml_is_unknown_although_the_money_moved() {
    assert_eq!(
        spoilt(Blemish::Malformed).await,
        (PayOutcome::Unknown(XmlError::NotWellFormed.into()), 5_000)
    );
}

#[tokio::test]
async fn f45_a_cut_off_answer_is_unknown() {
    assert_eq!(
        spoilt(Blemish::CutOff).await,
        (PayOutcome::Unknown(XmlError::NotWellFormed.into()), 5_000)
    );
}

#[tokio::test]
async fn f45_an_empty_answer_is_unknown() {
    assert_eq!(
        spoilt(Blemish::Empty).await,
        (PayOutcome::Unknown(XmlError::Empty.into()), 5_000)
    );
}

#[tokio::test]
async fn f45_an_html_page_with_status_200_is_unknown() {
    let (outcome, moved) = spoilt(Blemish::Html).await;
    assert!(
        matches!(outcome, PayOutcome::Unknown(Doubt::Answer(_))),
        "{outcome:?}"
    );
    assert_eq!(moved, 5_000);
}

#[tokio::test]
async fn f45_another_charset_is_unknown() {
    assert_eq!(
        spoilt(Blemish::WrongCharset).await,
        (PayOutcome::Unknown(XmlError::Charset.into()), 5_000)
    );
}

#[tokio::test]
async fn f45_an_external_entity_and_an_entity_bomb_are_unknown() {
    assert_eq!(
        spoilt(Blemish::ExternalEntity).await,
        (PayOutcome::Unknown(XmlError::Forbidden.into()), 5_000)
    );
    assert_eq!(
        spoilt(Blemish::EntityBomb).await,
        (PayOutcome::Unknown(XmlError::Forbidden.into()), 5_000)
    );
}

#[tokio::test]
async fn f45_an_endless_answer_is_unknown() {
    assert_eq!(
        spoilt(Blemish::Oversize).await,
        (PayOutcome::Unknown(XmlError::TooLong.into()), 5_000)
    );
}

#[tokio::test]
async fn an_ok_without_a_bill_is_unknown() {
    assert_eq!(
        spoilt(Blemish::NoBill).await,
        (PayOutcome::Unknown(Doubt::NoBill), 5_000)
    );
}

#[tokio::test]
async fn f45_an_amount_that_is_not_an_amount_is_unknown() {
    assert_eq!(
        spoilt(Blemish::OddAmount).await,
        (PayOutcome::Unknown(XmlError::Amount.into()), 5_000)
    );
}

#[tokio::test]
async fn f43_an_answer_about_something_else_is_a_mismatch() {
    for (blemish, expected) in [
        (Blemish::WrongBill, Mismatch::BillId),
        (Blemish::WrongPayee, Mismatch::Payee),
        (Blemish::WrongPhone, Mismatch::ContractNumber),
        (Blemish::WrongAmount, Mismatch::Amount),
        (Blemish::NoAmount, Mismatch::Amount),
    ] {
        let (outcome, _) = spoilt(blemish).await;
        assert!(
            matches!(outcome, PayOutcome::Mismatch(_, found) if found == expected),
            "{blemish:?}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn f43_a_created_bill_for_somebody_else_is_a_mismatch_and_not_to_be_paid() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    sandbox
        .client()
        .add_portmone_fault(Rule::on(
            "bills.create",
            PortmoneAction::Spoil {
                blemish: Blemish::WrongPayee,
            },
        ))
        .await
        .unwrap();
    let outcome = client.create_bill(KYIVSTAR, PHONE, uah(5_000), "op").await;
    assert!(
        matches!(outcome, CreateOutcome::Mismatch(_, Mismatch::Payee)),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn f41_a_lost_answer_to_a_creation_leaves_a_harmless_orphan() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    sandbox
        .client()
        .add_portmone_fault(Rule::on("bills.create", PortmoneAction::DropAfter))
        .await
        .unwrap();
    assert_eq!(
        client.create_bill(KYIVSTAR, PHONE, uah(5_000), "op").await,
        CreateOutcome::Unknown(Doubt::Broken)
    );
    created(&client).await;
    let books = sandbox.client().bills().await.unwrap();
    assert_eq!((books.bills.len(), books.moved_minor), (2, 0));
}

#[tokio::test]
async fn f42_a_bill_left_by_a_process_that_died_moved_nothing_and_the_next_one_pays_the_same_bill()
{
    let sandbox = sandbox().await;
    let bill = created(&client(&sandbox)).await;
    // The first client is gone; all that is left of it is the bill's id.
    let next = client(&sandbox);
    let read = next
        .bill_status(&bill.id, KYIVSTAR, PHONE, uah(5_000))
        .await;
    assert!(
        matches!(&read, StatusOutcome::Known(bill) if bill.status == BillStatus::Created),
        "{read:?}"
    );
    for _ in 0..2 {
        let paid = next.pay_bill(&bill.id, KYIVSTAR, PHONE, uah(5_000)).await;
        assert!(matches!(paid, PayOutcome::Paid(_)), "{paid:?}");
    }
    let books = sandbox.client().bills().await.unwrap();
    assert_eq!((books.bills.len(), books.moved_minor), (1, 5_000));
}

#[tokio::test]
async fn f44_a_pending_payment_is_pending_until_it_is_settled_and_then_moves_once() {
    let (outcome, moved, sandbox, client, id) = paying(PortmoneAction::Pending {
        settle: Settle::ByHand,
    })
    .await;
    assert!(matches!(outcome, PayOutcome::Pending(_)), "{outcome:?}");
    assert_eq!(moved, 0);
    assert!(
        matches!(
            client.pay_bill(&id, KYIVSTAR, PHONE, uah(5_000)).await,
            PayOutcome::Pending(_)
        ),
        "paying again starts nothing new"
    );
    let read = client.bill_status(&id, KYIVSTAR, PHONE, uah(5_000)).await;
    assert!(
        matches!(&read, StatusOutcome::Known(Bill { status: BillStatus::Other(word), .. }) if word == "pending"),
        "{read:?}"
    );
    sandbox
        .client()
        .settle_bill(&id, Settlement::Paid)
        .await
        .unwrap();
    sandbox
        .client()
        .settle_bill(&id, Settlement::Rejected)
        .await
        .unwrap();
    let read = client.bill_status(&id, KYIVSTAR, PHONE, uah(5_000)).await;
    assert!(
        matches!(
            read,
            StatusOutcome::Known(Bill {
                status: BillStatus::Paid,
                ..
            })
        ),
        "paid is final"
    );
    assert_eq!(sandbox.client().bills().await.unwrap().moved_minor, 5_000);
}

#[tokio::test]
async fn f44_a_pending_payment_can_settle_by_itself_when_it_is_read() {
    for (settle, status, moved) in [
        (Settle::Paid { reads: 2 }, BillStatus::Paid, 5_000),
        (Settle::Rejected { reads: 2 }, BillStatus::Rejected, 0),
    ] {
        let (_, _, sandbox, client, id) = paying(PortmoneAction::Pending { settle }).await;
        let first = client.bill_status(&id, KYIVSTAR, PHONE, uah(5_000)).await;
        assert!(matches!(
            first,
            StatusOutcome::Known(Bill {
                status: BillStatus::Other(_),
                ..
            })
        ));
        let second = client.bill_status(&id, KYIVSTAR, PHONE, uah(5_000)).await;
        assert!(
            matches!(&second, StatusOutcome::Known(bill) if bill.status == status),
            "{second:?}"
        );
        assert_eq!(sandbox.client().bills().await.unwrap().moved_minor, moved);
    }
}

#[tokio::test]
async fn whatever_chance_brings_the_provider_never_moves_more_than_was_asked_and_the_client_never_claims_wrongly()
 {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    let chance = PortmoneChance {
        drop_before: 80,
        drop_after: 80,
        http_500_before: 80,
        http_500_after: 80,
        fail: 80,
        malformed: 80,
        duplicate: 80,
        pending: 80,
        delay: 50,
        delay_millis: 5,
    };
    sandbox
        .client()
        .add_portmone_faults(&Faults {
            rules: Vec::new(),
            chance: Some(chance),
        })
        .await
        .unwrap();
    let (mut paid, mut unclear, mut ordered) = (0_i64, 0_i64, 0_i64);
    for _ in 0..150 {
        let CreateOutcome::Created(bill) =
            client.create_bill(KYIVSTAR, PHONE, uah(100), "op").await
        else {
            continue;
        };
        ordered += 100;
        match client.pay_bill(&bill.id, KYIVSTAR, PHONE, uah(100)).await {
            PayOutcome::Paid(_) => paid += 100,
            PayOutcome::Refused(_) => {}
            PayOutcome::Unknown(_) | PayOutcome::Pending(_) => unclear += 100,
            other => panic!("{other:?}"),
        }
    }
    let moved = sandbox.client().bills().await.unwrap().moved_minor;
    assert!(
        paid > 0 && unclear > 0,
        "the seed shows both: {paid} {unclear}"
    );
    assert!(
        paid <= moved && moved <= paid + unclear && moved <= ordered,
        "{paid} <= {moved} <= {paid} + {unclear}"
    );
}
