//! From the photo to the payout, and every way in which it can go otherwise.

use bytes::Bytes;
use kvit_commands::app::reward_payout_id;
use kvit_commands::context::Context;
use kvit_commands::error::CommandError;
use kvit_commands::testing::Fault;
use kvit_domain::ids::{ReceiptId, UserId, WalletId};
use kvit_domain::money::Currency;
use kvit_domain::payout::PayoutState;
use kvit_domain::receipt::{ReceiptState, Verdict};
use kvit_domain::rules::ReasonCode;

use crate::support::{Behaviour, World, start};

async fn send(world: &World, user: UserId, text: &str, key: &str) -> ReceiptId {
    let context = Context::new("test", key, "photo");
    let photo = Bytes::from(format!("photo {text}"));
    world
        .app
        .submit_receipt(user, photo, start(), &context)
        .await
        .unwrap()
        .receipt_id
}

async fn reasons(world: &World, id: ReceiptId) -> Vec<ReasonCode> {
    world
        .app
        .receipt(id)
        .await
        .unwrap()
        .reasons
        .iter()
        .map(|reason| reason.code)
        .collect()
}

async fn payout_state(world: &World, id: ReceiptId) -> PayoutState {
    world.app.payout(reward_payout_id(id)).await.unwrap().state
}

async fn balance(world: &World, user: UserId) -> (i64, i64) {
    let wallet = world
        .app
        .wallet(WalletId {
            user,
            currency: Currency::Uah,
        })
        .await
        .unwrap();
    (wallet.posted_minor, wallet.held_minor)
}

#[tokio::test]
async fn a_good_receipt_becomes_money_on_the_phone() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    let id = send(&world, user, "101", "m1").await;
    world.settle().await;
    assert_eq!(
        world.app.receipt(id).await.unwrap().state,
        ReceiptState::Rewarded
    );
    assert_eq!(payout_state(&world, id).await, PayoutState::Succeeded);
    assert_eq!(balance(&world, user).await, (0, 0));
    assert_eq!(world.provider.moved(), 100);
}

#[tokio::test]
async fn delivering_the_whole_history_again_moves_nothing() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    for n in 0..3 {
        send(&world, user, &format!("20{n}"), &format!("m{n}")).await;
    }
    world.settle().await;
    let events = world.log.all().len();
    world.restart();
    world.settle().await;
    assert_eq!(world.log.all().len(), events);
    assert_eq!(world.provider.moved(), 300);
}

#[tokio::test]
async fn the_same_message_twice_is_one_receipt() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    let first = send(&world, user, "101", "m1").await;
    assert_eq!(send(&world, user, "101", "m1").await, first);
    world.settle().await;
    assert_eq!(world.count("ReceiptSubmitted"), 1);
}

#[tokio::test]
async fn the_same_photo_again_is_rejected_as_a_duplicate_and_names_the_first() {
    let mut world = World::new().await;
    let (anna, bohdan) = (world.shopper(1).await, world.shopper(2).await);
    let first = send(&world, anna, "101", "m1").await;
    let second = send(&world, bohdan, "101", "m2").await;
    world.settle().await;
    let rejected = world.app.receipt(second).await.unwrap();
    assert_eq!(rejected.reasons[0].code, ReasonCode::DuplicateImage);
    assert_eq!(rejected.reasons[0].facts["receipt_id"], first.to_string());
}

#[tokio::test]
async fn another_photo_of_a_claimed_receipt_is_rejected() {
    let mut world = World::new().await;
    let (anna, bohdan) = (world.shopper(1).await, world.shopper(2).await);
    send(&world, anna, "101", "m1").await;
    let second = send(&world, bohdan, "101 qr again", "m2").await;
    world.settle().await;
    assert_eq!(
        reasons(&world, second).await,
        [ReasonCode::DuplicateReceipt]
    );
    assert_eq!(world.provider.moved(), 100);
}

#[tokio::test]
async fn the_fourth_receipt_of_a_day_is_over_the_limit_and_takes_nothing() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    let mut last = None;
    for n in 0..4 {
        last = Some(send(&world, user, &format!("30{n}"), &format!("m{n}")).await);
    }
    world.settle().await;
    assert_eq!(
        reasons(&world, last.unwrap()).await,
        [ReasonCode::DailyLimit]
    );
    assert_eq!(world.provider.moved(), 300);
}

#[tokio::test]
async fn the_sixth_upload_in_a_minute_is_refused_with_the_wait() {
    let world = World::new().await;
    let user = world.shopper(1).await;
    for n in 0..5 {
        send(&world, user, &format!("40{n}"), &format!("m{n}")).await;
    }
    let context = Context::new("test", "m5", "photo");
    match world
        .app
        .submit_receipt(user, Bytes::from_static(b"photo 405"), start(), &context)
        .await
    {
        Err(CommandError::Rejected(refusal)) => {
            assert_eq!(refusal.code, "rate_limited");
            assert_eq!(refusal.details["retry_after_seconds"], "60");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_photo_that_cannot_be_read_is_rejected_as_unreadable() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    let id = send(&world, user, "blurred", "m1").await;
    world.settle().await;
    assert_eq!(reasons(&world, id).await, [ReasonCode::Unreadable]);
}

#[tokio::test]
async fn a_photo_that_takes_the_reader_down_every_time_still_gets_its_answer() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    let id = send(&world, user, "101", "m1").await;
    world.give_up("reading", "ReceiptSubmitted").await;
    world.settle().await;
    assert_eq!(world.count("ReceiptRecognised"), 0);
    assert_eq!(reasons(&world, id).await, [ReasonCode::Unreadable]);
}

#[tokio::test]
async fn a_receipt_without_a_qr_code_waits_for_a_person_whose_yes_pays() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    let id = send(&world, user, "501 no-qr", "m1").await;
    world.settle().await;
    assert_eq!(
        world.app.receipt(id).await.unwrap().state,
        ReceiptState::InReview
    );
    assert_eq!(world.provider.moved(), 0);
    let context = Context::new("admin:1", "review-1", "review");
    world
        .app
        .decide_review(id, Verdict::Accept, "seen on the photo".into(), &context)
        .await
        .unwrap();
    world.settle().await;
    assert_eq!(payout_state(&world, id).await, PayoutState::Succeeded);
    assert_eq!(world.provider.moved(), 100);
}

#[tokio::test]
async fn a_persons_no_gives_the_claim_back() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    let id = send(&world, user, "501 no-qr", "m1").await;
    world.settle().await;
    let context = Context::new("admin:1", "review-1", "review");
    world
        .app
        .decide_review(id, Verdict::Reject, "not a shop".into(), &context)
        .await
        .unwrap();
    let again = send(&world, user, "501", "m2").await;
    world.settle().await;
    assert_eq!(
        world.app.receipt(again).await.unwrap().state,
        ReceiptState::Rewarded
    );
}

#[tokio::test]
async fn a_payout_that_was_not_sent_is_tried_again_and_paid_once() {
    let mut world = World::new().await;
    world
        .provider
        .plan
        .lock()
        .unwrap()
        .extend([Behaviour::NotSent, Behaviour::RefuseForNow]);
    let user = world.shopper(1).await;
    let id = send(&world, user, "601", "m1").await;
    world.settle().await;
    assert_eq!(payout_state(&world, id).await, PayoutState::Succeeded);
    assert_eq!(world.count("PayoutFailed"), 2);
    assert_eq!(world.provider.moved(), 100);
}

#[tokio::test]
async fn a_payout_whose_answer_was_lost_is_resolved_by_asking() {
    let mut world = World::new().await;
    world
        .provider
        .plan
        .lock()
        .unwrap()
        .push_back(Behaviour::PayButLoseTheAnswer);
    let user = world.shopper(1).await;
    let id = send(&world, user, "602", "m1").await;
    world.settle().await;
    assert_eq!(world.count("PayoutUnknown"), 1);
    assert_eq!(payout_state(&world, id).await, PayoutState::Succeeded);
    assert_eq!(
        (world.provider.moved(), world.count("PayoutSent")),
        (100, 1)
    );
}

#[tokio::test]
async fn a_payout_that_nobody_can_resolve_keeps_its_hold_until_a_person_decides() {
    let mut world = World::new().await;
    world
        .provider
        .plan
        .lock()
        .unwrap()
        .push_back(Behaviour::LoseTheRequest);
    let user = world.shopper(1).await;
    let id = send(&world, user, "603", "m1").await;
    world.settle().await;
    assert_eq!(payout_state(&world, id).await, PayoutState::InReview);
    assert_eq!(
        balance(&world, user).await,
        (100, 100),
        "unknown keeps the hold"
    );
    let context = Context::new("admin:1", "resolve", "resolve");
    for (person, held) in [("admin:1", 100), ("admin:2", 0)] {
        let context = Context::new(person, person, "resolve");
        world
            .app
            .resolve_payout(
                reward_payout_id(id),
                false,
                "the provider's report".into(),
                &context,
            )
            .await
            .unwrap();
        assert_eq!(balance(&world, user).await, (100, held), "{person}");
    }
    let (next, _) = world
        .app
        .retry_payout(reward_payout_id(id), None, &context.step("retry"))
        .await
        .unwrap();
    world.settle().await;
    assert_eq!(
        world.app.payout(next).await.unwrap().state,
        PayoutState::Succeeded
    );
    assert_eq!(
        (world.provider.moved(), balance(&world, user).await),
        (100, (0, 0))
    );
}

#[tokio::test]
async fn a_bill_that_the_provider_calls_unpaid_is_paid_again_where_the_contract_allows_it() {
    let mut world = World::new().await;
    world.repay_created_bills();
    world
        .provider
        .plan
        .lock()
        .unwrap()
        .push_back(Behaviour::LoseTheRequest);
    let user = world.shopper(1).await;
    let id = send(&world, user, "606", "m1").await;
    world.settle().await;
    assert_eq!(payout_state(&world, id).await, PayoutState::Succeeded);
    assert_eq!(world.count("PayoutCreated"), 1, "it is the same bill");
    assert_eq!(
        (world.provider.moved(), world.count("PayoutSent")),
        (100, 2)
    );
}

#[tokio::test]
async fn a_second_call_that_fails_proves_nothing_about_the_first() {
    for second in [
        Behaviour::NotSent,
        Behaviour::RefuseForNow,
        Behaviour::RefuseForEver,
    ] {
        let mut world = World::new().await;
        world.repay_created_bills();
        world
            .provider
            .plan
            .lock()
            .unwrap()
            .extend([Behaviour::LoseTheRequest, second]);
        let user = world.shopper(1).await;
        let id = send(&world, user, "607", "m1").await;
        world.settle().await;
        assert_eq!(
            payout_state(&world, id).await,
            PayoutState::Succeeded,
            "{second:?}"
        );
        assert_eq!(
            world.count("PayoutCreated"),
            1,
            "{second:?}: no second bill"
        );
        assert_eq!(world.count("PayoutFailed"), 0, "{second:?}");
        assert_eq!(world.provider.moved(), 100, "{second:?}");
    }
}

#[tokio::test]
async fn a_final_refusal_releases_the_hold_once() {
    let mut world = World::new().await;
    world
        .provider
        .plan
        .lock()
        .unwrap()
        .push_back(Behaviour::RefuseForEver);
    let user = world.shopper(1).await;
    let id = send(&world, user, "604", "m1").await;
    world.settle().await;
    assert_eq!(payout_state(&world, id).await, PayoutState::Failed);
    assert_eq!(balance(&world, user).await, (100, 0));
    assert_eq!(world.count("HoldReleased"), 1);
}

#[tokio::test]
async fn an_answer_about_another_bill_goes_to_a_person_and_keeps_the_hold() {
    let mut world = World::new().await;
    world
        .provider
        .plan
        .lock()
        .unwrap()
        .push_back(Behaviour::AnswerAboutAnotherBill);
    let user = world.shopper(1).await;
    let id = send(&world, user, "605", "m1").await;
    world.settle().await;
    assert_eq!(payout_state(&world, id).await, PayoutState::InReview);
    assert_eq!(balance(&world, user).await, (100, 100));
}

#[tokio::test]
async fn a_log_that_fails_before_or_after_every_single_append_pays_exactly_once() {
    // How many appends the undisturbed flow needs is found out first; then each of them is disturbed in both ways.
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    send(&world, user, "701", "m1").await;
    world.settle().await;
    let undisturbed = world.log.all().len();
    for append in 0..10 {
        for fault in [Fault::BeforeStore, Fault::AfterStore] {
            let mut world = World::new().await;
            let user = world.shopper(1).await;
            world
                .log
                .inject(std::iter::repeat_n(Fault::None, append).chain([fault]));
            let id = send(&world, user, "701", "m1").await;
            world.settle().await;
            world.restart();
            world.settle().await;
            let state = payout_state(&world, id).await;
            assert_eq!(state, PayoutState::Succeeded, "append {append}, {fault:?}");
            assert_eq!(world.provider.moved(), 100, "append {append}, {fault:?}");
            assert_eq!(
                balance(&world, user).await,
                (0, 0),
                "append {append}, {fault:?}"
            );
            let events = world.log.all().len();
            assert!(
                events <= undisturbed + 2,
                "append {append}, {fault:?}: {events} events"
            );
        }
    }
}
