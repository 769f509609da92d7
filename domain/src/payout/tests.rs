//! Every way that a payout can go, and none that it must not.
#![allow(clippy::unwrap_used, reason = "tests")]
use proptest::prelude::*;

use super::*;
use crate::aggregate::Decide;
use crate::money::Currency;
use crate::rejection::Rejection;

fn request() -> PayoutCommand {
    let user_id = UserId::derived("t", "u");
    PayoutCommand::Request {
        user_id,
        wallet_id: WalletId {
            user: user_id,
            currency: Currency::Uah,
        },
        amount: Money::new(100, Currency::Uah),
        destination: Sealed::from_sealed("v1.k.x".into()),
        operator: Some(Operator::Kyivstar),
        method: PayoutMethod::MobileTopUp,
        provider: ProviderName::Portmone,
        receipt_id: None,
        hold_id: HoldId::derived("t", "h"),
    }
}
fn run(payout: &mut Payout, command: &PayoutCommand) -> Result<usize, Rejection> {
    let events = payout.decide(command)?;
    let count = events.len();
    events.into_iter().for_each(|e| payout.evolve(e));
    Ok(count)
}
fn given(commands: &[PayoutCommand]) -> Payout {
    let mut payout = Payout::default();
    for command in commands {
        run(&mut payout, command).unwrap();
    }
    payout
}
fn created(attempt: u32) -> PayoutCommand {
    PayoutCommand::RecordCreated {
        attempt,
        bill_id: format!("b{attempt}"),
    }
}
fn sent(attempt: u32) -> PayoutCommand {
    PayoutCommand::RecordSent {
        attempt,
        sender: Uuid::nil(),
        at: DateTime::UNIX_EPOCH,
    }
}
fn unknown(attempt: u32) -> PayoutCommand {
    PayoutCommand::RecordUnknown {
        attempt,
        reason: "timeout".into(),
    }
}
fn failed(attempt: u32, is_final: bool) -> PayoutCommand {
    PayoutCommand::Fail {
        attempt,
        when: FailedWhen::AfterSending {
            sender: Uuid::nil(),
        },
        code: "p001".into(),
        is_final,
        retry_at: None,
    }
}
fn succeed(bill: &str) -> PayoutCommand {
    PayoutCommand::Succeed {
        bill_id: bill.into(),
        paid_at: None,
        provider_id: None,
    }
}

#[test]
fn a_payout_goes_from_hold_to_success() {
    let payout = given(&[request(), created(1), sent(1), succeed("b1")]);
    assert_eq!(payout.state, PayoutState::Succeeded);
}

#[test]
fn paying_is_refused_before_a_bill_exists_and_twice() {
    assert!(run(&mut given(&[request()]), &sent(1)).is_err());
    assert!(run(&mut given(&[request(), created(1), sent(1)]), &sent(1)).is_err());
}

#[test]
fn success_with_another_bill_is_refused() {
    assert!(
        run(
            &mut given(&[request(), created(1), sent(1)]),
            &succeed("other")
        )
        .is_err()
    );
}

#[test]
fn an_unknown_payout_ends_only_by_proof() {
    let mut payout = given(&[request(), created(1), sent(1), unknown(1)]);
    assert!(run(&mut payout, &created(1)).is_err());
    assert!(run(&mut payout, &sent(1)).is_err());
    assert_eq!(run(&mut payout, &succeed("b1")), Ok(1));
}

#[test]
fn the_same_bill_is_paid_again_only_on_purpose_and_only_while_unknown() {
    let again = PayoutCommand::RecordSentAgain {
        attempt: 1,
        sender: Uuid::from_u128(2),
        at: DateTime::UNIX_EPOCH,
        key_expires_at: None,
    };
    let mut payout = given(&[request(), created(1), sent(1)]);
    assert!(run(&mut payout, &again).is_err());
    run(&mut payout, &unknown(1)).unwrap();
    run(&mut payout, &again).unwrap();
    assert_eq!(
        (payout.state, payout.sender),
        (PayoutState::Sent, Some(Uuid::from_u128(2)))
    );
    assert_eq!(payout.bill_id.as_deref(), Some("b1"));
}

#[test]
fn a_proven_failure_starts_the_next_attempt_and_old_answers_are_refused() {
    let mut payout = given(&[request(), created(1), sent(1), failed(1, false)]);
    assert_eq!((payout.state, payout.attempt), (PayoutState::Held, 2));
    assert!(run(&mut payout, &succeed("b1")).is_err());
    assert!(run(&mut payout, &unknown(1)).is_err());
    run(&mut payout, &created(2)).unwrap();
}

#[test]
fn a_failure_decided_on_an_earlier_state_is_refused() {
    let failed_when = |when| PayoutCommand::Fail {
        attempt: 1,
        when,
        code: "busy".into(),
        is_final: false,
        retry_at: None,
    };
    let other = FailedWhen::AfterSending {
        sender: Uuid::from_u128(9),
    };
    // Another worker has a bill, or is paying, or does not know: a failed try to make a bill proves nothing.
    for steps in [
        vec![request(), created(1)],
        vec![request(), created(1), sent(1)],
        vec![request(), created(1), sent(1), unknown(1)],
    ] {
        assert!(
            given(&steps)
                .decide(&failed_when(FailedWhen::BeforeBill))
                .is_err()
        );
        assert!(given(&steps).decide(&failed_when(other)).is_err());
    }
    let sending = given(&[request(), created(1), sent(1)]);
    assert!(
        sending
            .decide(&failed_when(FailedWhen::BeforeSending))
            .is_err()
    );
    assert!(
        given(&[request()])
            .decide(&failed_when(FailedWhen::BeforeBill))
            .is_ok()
    );
    assert!(
        given(&[request(), created(1)])
            .decide(&failed_when(FailedWhen::BeforeSending))
            .is_ok()
    );
}

#[test]
fn a_terminal_state_never_changes() {
    for end in [succeed("b1"), failed(1, true)] {
        let payout = given(&[request(), created(1), sent(1), end]);
        for command in [
            created(1),
            sent(1),
            unknown(1),
            failed(1, true),
            succeed("b2"),
        ] {
            assert!(
                payout.decide(&command).is_err(),
                "{command:?} in {:?}",
                payout.state
            );
        }
    }
}

#[test]
fn the_same_request_twice_is_one_payout_and_another_body_is_a_conflict() {
    let mut payout = given(&[request()]);
    assert_eq!(run(&mut payout, &request()), Ok(0));
    let PayoutCommand::Request {
        user_id,
        wallet_id,
        destination,
        operator,
        provider,
        receipt_id,
        method,
        hold_id,
        ..
    } = request()
    else {
        return;
    };
    let amount = Money::new(101, Currency::Uah);
    let other = PayoutCommand::Request {
        user_id,
        wallet_id,
        amount,
        destination,
        operator,
        provider,
        receipt_id,
        method,
        hold_id,
    };
    assert_eq!(
        run(&mut payout, &other).unwrap_err().code,
        "idempotency_conflict"
    );
}

#[test]
fn two_people_end_an_unknown_payout_with_a_reason_and_no_other() {
    let decide = |paid, by: &str, reason: &str| PayoutCommand::DecideReview {
        paid,
        by: by.into(),
        reason: reason.into(),
        now: DateTime::UNIX_EPOCH + UNPAID_AFTER,
    };
    for (paid, state) in [(true, PayoutState::Succeeded), (false, PayoutState::Failed)] {
        let mut payout = given(&[request(), created(1), sent(1), unknown(1)]);
        assert_eq!(
            run(&mut payout, &decide(paid, "a", " ")).unwrap_err().code,
            "review_reason_required"
        );
        assert_eq!(run(&mut payout, &decide(paid, "a", "statement")), Ok(1));
        assert_eq!(payout.state, PayoutState::Unknown, "one is not enough");
        assert_eq!(
            run(&mut payout, &decide(paid, "a", "statement"))
                .unwrap_err()
                .code,
            "four_eyes_required"
        );
        assert_eq!(run(&mut payout, &decide(!paid, "b", "no")), Ok(1));
        assert_eq!(payout.state, PayoutState::Unknown, "they disagree");
        assert_eq!(
            run(&mut payout, &decide(!paid, "b", "no"))
                .unwrap_err()
                .code,
            "four_eyes_required"
        );
        assert_eq!(run(&mut payout, &decide(paid, "a", "statement")), Ok(1));
        assert_eq!(run(&mut payout, &decide(paid, "b", "statement")), Ok(2));
        assert_eq!(payout.state, state);
    }
    assert!(
        run(
            &mut given(&[request(), created(1), sent(1)]),
            &decide(true, "a", "x")
        )
        .is_err()
    );
}

#[test]
fn a_proof_that_comes_after_the_end_is_kept_once_and_changes_nothing() {
    let contradict = PayoutCommand::Contradict {
        status: "paid".into(),
    };
    let mut payout = given(&[request(), created(1), sent(1)]);
    assert!(run(&mut payout, &contradict).is_err());
    let fail = PayoutCommand::Fail {
        attempt: 1,
        when: FailedWhen::AfterSending {
            sender: Uuid::nil(),
        },
        code: "refused".into(),
        is_final: true,
        retry_at: None,
    };
    run(&mut payout, &fail).unwrap();
    assert_eq!(run(&mut payout, &contradict), Ok(1));
    assert_eq!(run(&mut payout, &contradict), Ok(0));
    assert_eq!(payout.state, PayoutState::Failed);
}

proptest! {
    #[test]
    fn money_leaves_at_most_once_whatever_arrives(steps in prop::collection::vec((0..6_u8, 1..4_u32), 0..40)) {
        let mut payout = given(&[request()]);
        let (mut successes, mut sends_since_failure) = (0, 0);
        for (kind, attempt) in steps {
            let command = match kind {
                0 => created(attempt),
                1 => sent(attempt),
                2 => unknown(attempt),
                3 => failed(attempt, attempt == 3),
                4 => succeed(&format!("b{attempt}")),
                _ => PayoutCommand::SendToReview { reason: "r".into() },
            };
            let Ok(events) = payout.decide(&command) else { continue };
            for event in events {
                match &event {
                    PayoutEvent::PayoutSent { .. } => sends_since_failure += 1,
                    PayoutEvent::PayoutFailed { .. } => sends_since_failure = 0,
                    PayoutEvent::PayoutSucceeded { .. } => successes += 1,
                    _ => {}
                }
                payout.evolve(event);
            }
            prop_assert!(successes <= 1 && sends_since_failure <= 1);
        }
    }
}

#[test]
fn f50_a_call_is_not_repeated_once_the_provider_has_forgotten_its_key() {
    let at = DateTime::UNIX_EPOCH + TimeDelta::hours(25);
    let again = |key_expires_at| PayoutCommand::RecordSentAgain {
        attempt: 1,
        sender: Uuid::from_u128(2),
        at,
        key_expires_at,
    };
    let mut payout = given(&[request(), created(1), sent(1), unknown(1)]);
    let forgotten = DateTime::UNIX_EPOCH + TimeDelta::hours(24);
    assert_eq!(
        run(&mut payout, &again(Some(forgotten))).unwrap_err().code,
        "invalid_state"
    );
    assert!(run(&mut payout, &again(None)).is_ok());
}

#[test]
fn f53_a_reversal_by_the_provider_is_recorded_once_and_only_of_what_was_paid() {
    let reversed = PayoutCommand::RecordReversed {
        bill_id: "b1".into(),
    };
    let mut payout = given(&[request(), created(1), sent(1)]);
    assert!(run(&mut payout, &reversed).is_err());
    run(&mut payout, &succeed("b1")).unwrap();
    assert_eq!(run(&mut payout, &reversed), Ok(1));
    assert_eq!(run(&mut payout, &reversed), Ok(0));
    assert_eq!(payout.state, PayoutState::Reversed);
}

#[test]
fn a_postponed_payout_says_so_once_and_goes_on() {
    let wait = || PayoutCommand::Postpone {
        reason: "kill_switch".into(),
        until: None,
    };
    let mut payout = given(&[request()]);
    assert_eq!(run(&mut payout, &wait()), Ok(1));
    assert_eq!(run(&mut payout, &wait()), Ok(0));
    assert_eq!(run(&mut payout, &created(1)), Ok(1));
}

#[test]
fn nobody_calls_unpaid_what_may_still_be_under_way_and_an_old_word_does_not_count_for_a_new_call() {
    let decide = |paid, by: &str, seconds| PayoutCommand::DecideReview {
        paid,
        by: by.into(),
        reason: "statement".into(),
        now: DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds),
    };
    let mut payout = given(&[request(), created(1), sent(1), unknown(1)]);
    assert_eq!(
        run(&mut payout, &decide(false, "a", 599)).unwrap_err().code,
        "invalid_state"
    );
    assert_eq!(run(&mut payout, &decide(false, "a", 600)), Ok(1));
    let again = PayoutCommand::RecordSentAgain {
        attempt: 1,
        sender: Uuid::from_u128(2),
        at: DateTime::UNIX_EPOCH,
        key_expires_at: None,
    };
    run(&mut payout, &again).unwrap();
    run(&mut payout, &unknown(1)).unwrap();
    assert_eq!(
        run(&mut payout, &decide(false, "b", 600)),
        Ok(1),
        "proposed anew"
    );
    assert_eq!(payout.state, PayoutState::Unknown);
}

#[test]
fn what_has_not_left_can_be_cancelled_and_what_has_left_cannot() {
    let cancel = PayoutCommand::Cancel {
        reason: "above the limit".into(),
    };
    assert_eq!(run(&mut given(&[request()]), &cancel), Ok(1));
    assert_eq!(run(&mut given(&[request(), created(1)]), &cancel), Ok(1));
    assert!(run(&mut given(&[request(), created(1), sent(1)]), &cancel).is_err());
}
