//! The laws of a payment as given/when/then, and as properties over whatever a provider may say in whatever order.
#![allow(clippy::unwrap_used, reason = "tests")]

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::aggregate::Decide;
use crate::money::Currency;
use crate::rejection::Rejection;
use cqrs_es::Aggregate;

fn rub(minor: i64) -> Money {
    Money::new(minor, Currency::Rub)
}
fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
}
fn id() -> PaymentId {
    PaymentId::derived("t", "p")
}
fn terms(capture: bool) -> PaymentTerms {
    let user_id = UserId::derived("t", "u");
    PaymentTerms {
        user_id,
        wallet_id: WalletId {
            user: user_id,
            currency: Currency::Rub,
        },
        provider: ProviderName::Yookassa,
        amount: rub(10_000),
        capture,
        test: true,
        return_url: "https://shop.example/back".to_owned(),
        expires_at: at(3_600),
    }
}
fn snapshot(status: SnapshotStatus) -> PaymentSnapshot {
    PaymentSnapshot {
        provider_id: "22e1".to_owned(),
        operation_id: Some(id().to_string()),
        status,
        amount: rub(10_000),
        fee: None,
        test: true,
        confirmation_url: None,
        expires_at: None,
    }
}
fn canceled() -> SnapshotStatus {
    SnapshotStatus::Canceled {
        party: "yoo_money".to_owned(),
        reason: "expired_on_confirmation".to_owned(),
    }
}
fn run(payment: &mut Payment, command: &PaymentCommand) -> Result<Vec<PaymentEvent>, Rejection> {
    let events = payment.decide(command)?;
    for event in &events {
        payment.apply(event.clone());
    }
    Ok(events)
}
fn see(payment: &mut Payment, snapshot: PaymentSnapshot) -> Vec<PaymentEvent> {
    let command = PaymentCommand::Observe {
        payment_id: id(),
        snapshot,
        now: at(10),
    };
    run(payment, &command).unwrap()
}
fn sent(capture: bool) -> Payment {
    let mut payment = Payment::default();
    let terms = terms(capture);
    run(&mut payment, &PaymentCommand::Intend { terms }).unwrap();
    let send = PaymentCommand::RecordSent {
        generation: 1,
        at: at(0),
    };
    run(&mut payment, &send).unwrap();
    payment
}
fn paid() -> Payment {
    let mut payment = sent(true);
    see(&mut payment, snapshot(SnapshotStatus::Succeeded));
    payment
}
fn refund(payment: &mut Payment, name: &str, minor: i64) -> Result<Vec<PaymentEvent>, Rejection> {
    run(
        payment,
        &PaymentCommand::IntendRefund {
            refund_id: RefundId::derived("t", name),
            amount: rub(minor),
            hold_id: HoldId::derived("t", name),
            reason: "asked".to_owned(),
            now: at(100),
        },
    )
}

#[test]
fn f08_a_success_that_comes_before_the_creating_answer_counts_once() {
    let mut payment = sent(true);
    let events = see(&mut payment, snapshot(SnapshotStatus::Succeeded));
    assert!(matches!(
        events.as_slice(),
        [
            PaymentEvent::PaymentCreated { .. },
            PaymentEvent::PaymentSucceeded { late: false, .. }
        ]
    ));
    assert_eq!(
        see(&mut payment, snapshot(SnapshotStatus::Succeeded)),
        vec![]
    );
    assert_eq!(see(&mut payment, snapshot(SnapshotStatus::Pending)), vec![]);
}

#[test]
fn f12_an_older_state_after_success_changes_nothing() {
    let mut payment = paid();
    assert_eq!(
        see(&mut payment, snapshot(SnapshotStatus::AwaitingCapture)),
        vec![]
    );
    assert_eq!(payment.state, PaymentState::Succeeded);
}

#[test]
fn f13_canceled_after_success_reverses_nothing_and_is_noted_once() {
    let mut payment = paid();
    assert_eq!(see(&mut payment, snapshot(canceled())).len(), 1);
    assert_eq!(see(&mut payment, snapshot(canceled())), vec![]);
    assert_eq!(payment.state, PaymentState::Succeeded);
}

/// Also F31.
#[test]
fn f14_money_that_is_proven_after_we_gave_up_is_credited_and_flagged() {
    let mut payment = sent(true);
    see(&mut payment, snapshot(canceled()));
    let events = see(&mut payment, snapshot(SnapshotStatus::Succeeded));
    assert!(matches!(
        events.as_slice(),
        [PaymentEvent::PaymentSucceeded { late: true, .. }]
    ));
}

#[test]
fn f19_another_amount_or_currency_is_quarantined_with_what_was_received() {
    for amount in [rub(9_999), Money::new(10_000, Currency::Usd)] {
        let mut payment = sent(true);
        let events = see(
            &mut payment,
            PaymentSnapshot {
                amount,
                ..snapshot(SnapshotStatus::Succeeded)
            },
        );
        assert!(
            matches!(events.as_slice(), [PaymentEvent::PaymentQuarantined { received, .. }] if *received == Some(amount))
        );
        // Neither the same again nor the right sum later makes it the payment that was asked for.
        let again = PaymentSnapshot {
            amount,
            ..snapshot(SnapshotStatus::Succeeded)
        };
        assert_eq!(see(&mut payment, again), []);
        see(&mut payment, snapshot(SnapshotStatus::Succeeded));
        assert_eq!(payment.state, PaymentState::Quarantined);
    }
}

#[test]
fn f20_a_partial_capture_credits_what_was_captured() {
    let mut payment = sent(false);
    see(&mut payment, snapshot(SnapshotStatus::AwaitingCapture));
    let capture = PaymentCommand::IntendCapture { amount: rub(4_000) };
    assert_eq!(run(&mut payment, &capture).unwrap().len(), 1);
    assert_eq!(run(&mut payment, &capture).unwrap(), vec![]);
    let events = see(
        &mut payment,
        PaymentSnapshot {
            amount: rub(4_000),
            ..snapshot(SnapshotStatus::Succeeded)
        },
    );
    assert!(
        matches!(events.as_slice(), [PaymentEvent::PaymentSucceeded { amount, .. }] if *amount == rub(4_000))
    );
}

#[test]
fn f21_a_test_payment_is_no_money_where_real_money_is_expected_and_the_reverse() {
    for test in [true, false] {
        let mut payment = Payment::default();
        let terms = PaymentTerms {
            test: !test,
            ..terms(true)
        };
        run(&mut payment, &PaymentCommand::Intend { terms }).unwrap();
        let events = see(
            &mut payment,
            PaymentSnapshot {
                test,
                ..snapshot(SnapshotStatus::Succeeded)
            },
        );
        assert!(matches!(
            events.as_slice(),
            [PaymentEvent::PaymentQuarantined { received: None, .. }]
        ));
    }
}

#[test]
fn f23_an_object_with_a_foreign_operation_id_is_not_ours_and_one_without_is_matched_by_its_own_id()
{
    let with = |operation_id: Option<&str>| PaymentSnapshot {
        operation_id: operation_id.map(str::to_owned),
        ..snapshot(SnapshotStatus::Succeeded)
    };
    let mut payment = sent(true);
    assert!(matches!(
        see(&mut payment, with(Some("other"))).as_slice(),
        [PaymentEvent::PaymentQuarantined { .. }]
    ));
    let mut payment = sent(true);
    see(&mut payment, snapshot(SnapshotStatus::Pending));
    assert!(matches!(
        see(&mut payment, with(None)).as_slice(),
        [PaymentEvent::PaymentSucceeded { .. }]
    ));
}

#[test]
fn f32_refunds_beyond_the_payment_of_an_unpaid_or_an_old_one_are_refused() {
    let mut payment = paid();
    assert_eq!(
        refund(&mut payment, "a", 10_001).unwrap_err().code,
        "refund_exceeded"
    );
    refund(&mut payment, "a", 6_000).unwrap();
    assert_eq!(
        refund(&mut payment, "b", 4_001).unwrap_err().code,
        "refund_exceeded"
    );
    assert_eq!(
        refund(&mut sent(true), "a", 1).unwrap_err().code,
        "refund_not_possible"
    );
    let late = PaymentCommand::IntendRefund {
        refund_id: RefundId::derived("t", "z"),
        amount: rub(1),
        hold_id: HoldId::derived("t", "z"),
        reason: String::new(),
        now: at(3_600) + TimeDelta::days(REFUND_DAYS_MAX + 1),
    };
    assert_eq!(
        run(&mut paid(), &late).unwrap_err().code,
        "refund_not_possible"
    );
}

#[test]
fn f34_a_refund_that_the_provider_cancels_later_frees_its_amount_once() {
    let mut payment = paid();
    refund(&mut payment, "a", 6_000).unwrap();
    let refund_id = RefundId::derived("t", "a");
    let observe = |status| PaymentCommand::ObserveRefund {
        snapshot: RefundSnapshot {
            provider_refund_id: "r1".to_owned(),
            refund_id: Some(refund_id),
            amount: rub(6_000),
            status,
        },
    };
    run(&mut payment, &observe(RefundStatus::Pending)).unwrap();
    let gone = observe(RefundStatus::Canceled {
        reason: "insufficient_funds".to_owned(),
    });
    assert_eq!(run(&mut payment, &gone).unwrap().len(), 1);
    assert_eq!(run(&mut payment, &gone).unwrap(), vec![]);
    assert_eq!(payment.refunded_minor(), 0);
    refund(&mut payment, "b", 10_000).unwrap();
}

#[test]
fn f35_a_refund_made_in_the_cabinet_is_recorded_once_as_foreign() {
    let mut payment = paid();
    let observe = PaymentCommand::ObserveRefund {
        snapshot: RefundSnapshot {
            provider_refund_id: "r9".to_owned(),
            refund_id: None,
            amount: rub(2_500),
            status: RefundStatus::Succeeded,
        },
    };
    assert!(matches!(
        run(&mut payment, &observe).unwrap().as_slice(),
        [PaymentEvent::RefundSucceeded { foreign: true, .. }]
    ));
    assert_eq!(run(&mut payment, &observe).unwrap(), vec![]);
    assert_eq!(
        refund(&mut payment, "b", 7_501).unwrap_err().code,
        "refund_exceeded"
    );
}

#[test]
fn an_unnamed_refund_of_the_same_amount_is_the_one_whose_answer_was_lost() {
    let mut payment = paid();
    refund(&mut payment, "a", 1_000).unwrap();
    let refund_id = RefundId::derived("t", "a");
    let send = PaymentCommand::RecordRefundSent {
        refund_id,
        generation: 1,
        at: at(50),
    };
    run(&mut payment, &send).unwrap();
    let seen = |name: &str, refund_id| PaymentCommand::ObserveRefund {
        snapshot: RefundSnapshot {
            provider_refund_id: name.to_owned(),
            refund_id,
            amount: rub(1_000),
            status: RefundStatus::Succeeded,
        },
    };
    run(&mut payment, &seen("r1", None)).unwrap();
    assert_eq!(payment.refunds[&refund_id].state, RefundState::Succeeded);
    assert_eq!(payment.refunded_minor(), 1_000);
    // It was somebody else's after all: ours is a second one, booked once.
    run(&mut payment, &seen("r2", Some(refund_id))).unwrap();
    assert_eq!(
        run(&mut payment, &seen("r2", Some(refund_id))).unwrap(),
        vec![]
    );
    assert_eq!(payment.refunded_minor(), 2_000);
}

#[test]
fn f37_a_refund_that_succeeded_before_the_answer_came_is_the_same_refund() {
    let mut payment = paid();
    refund(&mut payment, "a", 1_000).unwrap();
    let send = PaymentCommand::RecordRefundSent {
        refund_id: RefundId::derived("t", "a"),
        generation: 1,
        at: at(50),
    };
    run(&mut payment, &send).unwrap();
    let done = PaymentCommand::ObserveRefund {
        snapshot: RefundSnapshot {
            provider_refund_id: "r1".to_owned(),
            refund_id: Some(RefundId::derived("t", "a")),
            amount: rub(1_000),
            status: RefundStatus::Succeeded,
        },
    };
    assert_eq!(run(&mut payment, &done).unwrap().len(), 2);
    assert_eq!(run(&mut payment, &done).unwrap(), vec![]);
    assert_eq!(payment.refunded_minor(), 1_000);
}

fn cabinet(payment: &mut Payment, name: &str, minor: i64) -> Vec<PaymentEvent> {
    let snapshot = RefundSnapshot {
        provider_refund_id: name.to_owned(),
        refund_id: None,
        amount: rub(minor),
        status: RefundStatus::Succeeded,
    };
    run(payment, &PaymentCommand::ObserveRefund { snapshot }).unwrap()
}

#[test]
fn a_second_payment_of_the_same_order_stands_in_suspense_and_goes_back_from_there_first() {
    let mut payment = paid();
    let twice = PaymentSnapshot {
        amount: rub(15_000),
        ..snapshot(SnapshotStatus::Succeeded)
    };
    let overpaid = PaymentEvent::PaymentOverpaid {
        total: rub(15_000),
        excess: rub(5_000),
    };
    assert_eq!(see(&mut payment, twice.clone()), [overpaid]);
    // The same sum again is nothing new.
    assert_eq!(see(&mut payment, twice), []);
    assert_eq!(payment.suspense_minor, 5_000);
    assert_eq!(payment.from_suspense_minor(rub(6_000)), 5_000);
    cabinet(&mut payment, "r1", 4_000);
    assert_eq!(payment.suspense_minor, 1_000);
    // All that the wallet was credited can still be given back by us.
    assert_eq!(
        refund(&mut payment, "a", 10_001).unwrap_err().code,
        "refund_exceeded"
    );
    refund(&mut payment, "a", 10_000).unwrap();
}

#[test]
fn of_a_payment_that_was_set_aside_what_has_not_gone_back_can_be_credited() {
    let mut payment = sent(true);
    see(
        &mut payment,
        PaymentSnapshot {
            amount: rub(9_000),
            ..snapshot(SnapshotStatus::Succeeded)
        },
    );
    cabinet(&mut payment, "r1", 4_000);
    let credit = |minor, by: &str| PaymentCommand::ResolveQuarantine {
        credited: Some(rub(minor)),
        by: by.to_owned(),
        reason: "the payer's bank confirms".to_owned(),
    };
    assert_eq!(
        run(&mut payment, &credit(9_000, "admin:1"))
            .unwrap_err()
            .code,
        "invalid_command"
    );
    run(&mut payment, &credit(5_000, "admin:1")).unwrap();
    run(&mut payment, &credit(5_000, "admin:2")).unwrap();
    assert_eq!(payment.state, PaymentState::Resolved);
    assert_eq!(payment.suspense_minor, 0);
    // From now on it is the user's money that goes back.
    assert_eq!(payment.from_suspense_minor(rub(100)), 0);
}

fn any_status() -> impl Strategy<Value = SnapshotStatus> {
    prop::sample::select(vec![
        SnapshotStatus::Pending,
        SnapshotStatus::AwaitingCapture,
        SnapshotStatus::Succeeded,
        canceled(),
        SnapshotStatus::Other("on_the_moon".to_owned()),
    ])
}

proptest! {
    #[test]
    fn in_whatever_order_the_provider_speaks_a_payment_succeeds_at_most_once(
        said in prop::collection::vec((any_status(), 9_999_i64..10_002), 1..30)
    ) {
        let mut payment = sent(true);
        let (mut successes, mut credited) = (0, 0_i64);
        for (status, minor) in said {
            let events = see(&mut payment, PaymentSnapshot { amount: rub(minor), ..snapshot(status) });
            for event in events {
                if let PaymentEvent::PaymentSucceeded { amount, .. } = event {
                    successes += 1;
                    credited += amount.minor;
                }
            }
        }
        prop_assert!(successes <= 1);
        prop_assert!(credited == 0 || credited == 10_000);
    }

    #[test]
    fn f33_whatever_is_asked_refunds_never_exceed_the_payment(
        asked in prop::collection::vec((0..6_usize, 1_i64..6_000, any::<bool>()), 1..30)
    ) {
        let mut payment = paid();
        for (name, minor, cancel) in asked {
            let name = format!("r{name}");
            let _ = refund(&mut payment, &name, minor);
            if cancel {
                let _ = run(&mut payment, &PaymentCommand::FailRefund {
                    refund_id: RefundId::derived("t", &name),
                    reason: "refused".to_owned(),
                });
            }
            prop_assert!(payment.refunded_minor() <= 10_000);
        }
    }
}
