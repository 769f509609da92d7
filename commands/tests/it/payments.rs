//! Payments in and refunds: whatever the provider does and in whatever order it speaks, money is credited once.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use kvit_commands::app::PaymentRequest;
use kvit_commands::context::Context;
use kvit_commands::error::CommandError;
use kvit_commands::policies::{Following, PaymentWorker, PaymentWorkerOptions};
use kvit_commands::ports::notifications::{
    InboxFault, NotificationInbox, PendingNotification, RawNotification, Received,
};
use kvit_commands::ports::operations::{Operations, OperationsFault, OurItem};
use kvit_commands::testing::Fault;
use kvit_domain::ids::{PaymentId, PayoutId, UserId, WalletId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::{Currency, Money};
use kvit_domain::payment::{PaymentState, RefundState, RefundStatus, SnapshotStatus};
use kvit_domain::reconciliation::StatementKind;

use super::support::{World, start};
use super::till::{Day, Words, canceled, refund_id};

pub(crate) fn rub(minor: i64) -> Money {
    Money::new(minor, Currency::Rub)
}

fn payment_id(name: &str) -> PaymentId {
    PaymentId::derived("test", name)
}

fn context(step: &str) -> Context {
    Context::new("user:1", step, "payments")
}

pub(crate) async fn intend(world: &World, user_id: UserId, name: &str, capture: bool) -> PaymentId {
    let request = PaymentRequest {
        payment_id: payment_id(name),
        user_id,
        provider: ProviderName::Yookassa,
        amount: rub(10_000),
        capture,
    };
    world
        .app
        .intend_payment(request, &context(name))
        .await
        .unwrap();
    payment_id(name)
}

/// Delivers until nothing moves without the passing of much time: a payer is slow, and so is a pending refund.
pub(crate) async fn run(world: &mut World) {
    world.settle_within(TimeDelta::seconds(90)).await;
}

pub(crate) async fn balance(world: &World, user: UserId) -> (i64, i64) {
    let wallet_id = WalletId {
        user,
        currency: Currency::Rub,
    };
    let wallet = world.app.wallet(wallet_id).await.unwrap();
    (wallet.posted_minor, wallet.held_minor)
}

pub(crate) async fn state(world: &World, id: PaymentId) -> PaymentState {
    world.app.payment(id).await.unwrap().state
}

/// A payment that is paid and credited.
pub(crate) async fn paid(world: &mut World) -> (UserId, PaymentId) {
    let user = world.shopper(1).await;
    let id = intend(world, user, "p", true).await;
    run(world).await;
    world.till.pay(&world.till.only());
    run(world).await;
    assert_eq!(state(world, id).await, PaymentState::Succeeded);
    (user, id)
}

/// Also F02, F03.
#[tokio::test]
async fn f01_whatever_befalls_the_creating_call_there_is_one_payment() {
    for bad in [
        vec![Day::AnswerLost],
        vec![Day::RequestLost, Day::RequestLost],
        vec![Day::Busy],
        vec![Day::NotSent, Day::AnswerLost, Day::Busy],
    ] {
        let mut world = World::new().await;
        let user = world.shopper(1).await;
        world.till.days.lock().unwrap().extend(bad.clone());
        let id = intend(&world, user, "p", true).await;
        run(&mut world).await;
        world.till.pay(&world.till.only());
        run(&mut world).await;
        assert_eq!(state(&world, id).await, PaymentState::Succeeded, "{bad:?}");
        assert_eq!(balance(&world, user).await, (10_000, 0), "{bad:?}");
    }
}

#[tokio::test]
async fn f04_a_refused_creating_call_ends_the_payment_and_credits_nothing() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    world.till.days.lock().unwrap().push_back(Day::Refused);
    let id = intend(&world, user, "p", true).await;
    run(&mut world).await;
    assert_eq!(state(&world, id).await, PaymentState::Canceled);
    assert_eq!(balance(&world, user).await, (0, 0));
    assert!(world.till.payments.lock().unwrap().is_empty());
}

/// Also F06: a crash is a log that fails before or after an append, then a process without memory.
#[tokio::test]
async fn f05_a_crash_at_any_append_leaves_one_payment_credited_once() {
    for append in 0..8 {
        for fault in [Fault::BeforeStore, Fault::AfterStore] {
            let mut world = World::new().await;
            let user = world.shopper(1).await;
            let id = intend(&world, user, "p", true).await;
            world
                .log
                .inject(std::iter::repeat_n(Fault::None, append).chain([fault]));
            run(&mut world).await;
            world.restart();
            run(&mut world).await;
            world.till.pay(&world.till.only());
            run(&mut world).await;
            world.restart();
            run(&mut world).await;
            assert_eq!(
                state(&world, id).await,
                PaymentState::Succeeded,
                "append {append}, {fault:?}"
            );
            assert_eq!(
                balance(&world, user).await,
                (10_000, 0),
                "append {append}, {fault:?}"
            );
        }
    }
}

#[tokio::test]
async fn f07_a_call_whose_key_is_old_is_not_repeated_but_asked_about() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    world.till.days.lock().unwrap().push_back(Day::AnswerLost);
    let id = intend(&world, user, "p", true).await;
    // The first call is made, its answer lost, and nobody works for a day.
    world.step_once().await;
    assert_eq!(world.till.count("create"), 1);
    world.clock.advance(TimeDelta::hours(25));
    world.restart();
    run(&mut world).await;
    assert_eq!(world.till.count("create"), 1, "not called again");
    assert_eq!(
        state(&world, id).await,
        PaymentState::Pending,
        "found by asking"
    );
}

/// Also F09, F10.
#[tokio::test]
async fn f11_webhook_poller_and_return_page_at_once_credit_once() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    let id = intend(&world, user, "p", true).await;
    run(&mut world).await;
    let provider_id = world.till.only();
    world.till.pay(&provider_id);
    let inbox = Arc::new(Inbox::default());
    inbox.put(&format!("payment {provider_id}"));
    let worker = worker(&world);
    let following = following(&world, &inbox, &worker);
    let asks = (0..25).map(|n| {
        let (worker, context) = (Arc::clone(&worker), context(&format!("return-{n}")));
        async move { worker.ask_now(id, &context).await }
    });
    let webhooks = (0..25).map(|_| following.follow_up(10));
    let (asked, followed) = futures::future::join(
        futures::future::join_all(asks),
        futures::future::join_all(webhooks),
    )
    .await;
    assert!(asked.into_iter().all(|answer| answer.is_ok()));
    assert!(followed.into_iter().all(|answer| answer.is_ok()));
    run(&mut world).await;
    assert_eq!(balance(&world, user).await, (10_000, 0));
    assert_eq!(world.count("PaymentSucceeded"), 1);
}

#[tokio::test]
async fn f15_a_notification_about_nothing_of_ours_is_set_aside() {
    let mut world = World::new().await;
    let (user, _) = paid(&mut world).await;
    let inbox = Arc::new(Inbox::default());
    inbox.put("payment never-heard-of");
    inbox.put("other");
    inbox.put("\u{feff}not a notification");
    let worker = worker(&world);
    assert_eq!(
        following(&world, &inbox, &worker).follow_up(10).await,
        Ok(3)
    );
    assert_eq!(world.count("NotificationQuarantined"), 3);
    assert_eq!(balance(&world, user).await, (10_000, 0));
}

#[tokio::test]
async fn f17_a_forged_success_of_a_pending_payment_credits_nothing() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    let id = intend(&world, user, "p", true).await;
    run(&mut world).await;
    let inbox = Arc::new(Inbox::default());
    inbox.put(&format!("payment {}", world.till.only()));
    let worker = worker(&world);
    assert_eq!(
        following(&world, &inbox, &worker).follow_up(10).await,
        Ok(1)
    );
    assert_eq!(state(&world, id).await, PaymentState::Pending);
    assert_eq!(balance(&world, user).await, (0, 0));
}

#[tokio::test]
async fn f27_while_the_provider_is_away_a_notification_waits_and_nothing_is_credited() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    intend(&world, user, "p", true).await;
    run(&mut world).await;
    let provider_id = world.till.only();
    world.till.pay(&provider_id);
    *world.till.is_away.lock().unwrap() = true;
    let inbox = Arc::new(Inbox::default());
    inbox.put(&format!("payment {provider_id}"));
    let worker = worker(&world);
    let following = following(&world, &inbox, &worker);
    assert_eq!(following.follow_up(10).await, Ok(0));
    assert_eq!(balance(&world, user).await, (0, 0));
    *world.till.is_away.lock().unwrap() = false;
    assert_eq!(following.follow_up(10).await, Ok(1));
    assert_eq!(balance(&world, user).await, (10_000, 0));
}

#[tokio::test]
async fn f28_a_genuine_notification_of_long_ago_credits_nothing_again() {
    let mut world = World::new().await;
    let (user, _) = paid(&mut world).await;
    world.clock.advance(TimeDelta::days(180));
    let inbox = Arc::new(Inbox::default());
    inbox.put(&format!("payment {}", world.till.only()));
    let worker = worker(&world);
    assert_eq!(
        following(&world, &inbox, &worker).follow_up(10).await,
        Ok(1)
    );
    assert_eq!(balance(&world, user).await, (10_000, 0));
}

#[tokio::test]
async fn f29_after_an_expired_payment_a_new_one_has_a_new_key() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    let first = intend(&world, user, "p1", true).await;
    run(&mut world).await;
    world
        .till
        .set(&world.till.only(), |payment| payment.status = canceled());
    run(&mut world).await;
    assert_eq!(state(&world, first).await, PaymentState::Canceled);
    intend(&world, user, "p2", true).await;
    run(&mut world).await;
    assert_eq!(world.till.payments.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn f30_the_same_request_twice_is_one_payment_and_another_body_is_refused() {
    let world = World::new().await;
    let user = world.shopper(1).await;
    let id = intend(&world, user, "p", true).await;
    intend(&world, user, "p", true).await;
    assert_eq!(world.count("PaymentIntended"), 1);
    let other = PaymentRequest {
        payment_id: id,
        user_id: user,
        provider: ProviderName::Yookassa,
        amount: rub(20_000),
        capture: true,
    };
    let refused = world
        .app
        .intend_payment(other, &context("another key"))
        .await;
    assert!(
        matches!(refused, Err(CommandError::Rejected(refusal)) if refusal.code == "idempotency_conflict")
    );
}

#[tokio::test]
async fn f20_a_two_stage_payment_credits_what_was_captured_and_a_cancelled_one_nothing() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    let id = intend(&world, user, "p", false).await;
    run(&mut world).await;
    let provider_id = world.till.only();
    world.till.set(&provider_id, |payment| {
        payment.status = SnapshotStatus::AwaitingCapture;
    });
    run(&mut world).await;
    assert_eq!(state(&world, id).await, PaymentState::AwaitingCapture);
    world.till.days.lock().unwrap().push_back(Day::AnswerLost);
    world
        .app
        .capture_payment(id, rub(4_000), &context("capture"))
        .await
        .unwrap();
    run(&mut world).await;
    assert_eq!(state(&world, id).await, PaymentState::Succeeded);
    assert_eq!(balance(&world, user).await, (4_000, 0));

    let second = intend(&world, user, "q", false).await;
    run(&mut world).await;
    world.till.set("p2", |payment| {
        payment.status = SnapshotStatus::AwaitingCapture;
    });
    run(&mut world).await;
    world
        .app
        .cancel_payment(second, &context("cancel"))
        .await
        .unwrap();
    run(&mut world).await;
    assert_eq!(state(&world, second).await, PaymentState::Canceled);
    assert_eq!(balance(&world, user).await, (4_000, 0));
}

#[tokio::test]
async fn f19_what_does_not_fit_the_intent_goes_to_suspense_and_a_person_credits_it() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    let id = intend(&world, user, "p", true).await;
    run(&mut world).await;
    world.till.set(&world.till.only(), |payment| {
        payment.status = SnapshotStatus::Succeeded;
        payment.amount = rub(9_000);
    });
    run(&mut world).await;
    assert_eq!(state(&world, id).await, PaymentState::Quarantined);
    assert_eq!(balance(&world, user).await, (0, 0));
    for (person, credited) in [("admin:1", 0), ("admin:2", 9_000)] {
        let context = Context::new(person, person, "resolve");
        world
            .app
            .resolve_quarantine(id, true, "the payer's bank confirms".into(), &context)
            .await
            .unwrap();
        assert_eq!(balance(&world, user).await, (credited, 0), "{person}");
    }
}

#[tokio::test]
async fn f33_concurrent_refunds_are_bounded_by_the_payment() {
    let mut world = World::new().await;
    let (user, id) = paid(&mut world).await;
    let asks = (0..5).map(|n| {
        let (app, name) = (world.app.clone(), format!("r{n}"));
        async move {
            app.request_refund(
                id,
                refund_id(&name),
                rub(4_000),
                "asked".into(),
                &context(&name),
            )
            .await
        }
    });
    let granted = futures::future::join_all(asks)
        .await
        .into_iter()
        .filter(Result::is_ok)
        .count();
    assert_eq!(granted, 2);
    run(&mut world).await;
    assert_eq!(world.till.refunded(), 8_000);
    assert_eq!(balance(&world, user).await, (2_000, 0));
}

#[tokio::test]
async fn f34_a_refund_that_the_provider_cancels_gives_the_money_back_to_the_wallet_once() {
    let mut world = World::new().await;
    let (user, id) = paid(&mut world).await;
    *world.till.slow_refunds.lock().unwrap() = true;
    world
        .app
        .request_refund(
            id,
            refund_id("a"),
            rub(6_000),
            "asked".into(),
            &context("a"),
        )
        .await
        .unwrap();
    run(&mut world).await;
    assert_eq!(balance(&world, user).await, (10_000, 6_000));
    for (_, refund) in world.till.refunds.lock().unwrap().values_mut() {
        refund.status = RefundStatus::Canceled {
            reason: "insufficient_funds".into(),
        };
    }
    run(&mut world).await;
    assert_eq!(balance(&world, user).await, (10_000, 0));
    assert_eq!(world.count("HoldReleased"), 1);
}

/// Also F37.
#[tokio::test]
async fn a_refund_whose_answer_was_lost_is_found_and_sent_once() {
    let mut world = World::new().await;
    let (user, id) = paid(&mut world).await;
    world.till.days.lock().unwrap().push_back(Day::AnswerLost);
    world
        .app
        .request_refund(
            id,
            refund_id("a"),
            rub(6_000),
            "asked".into(),
            &context("a"),
        )
        .await
        .unwrap();
    run(&mut world).await;
    assert_eq!(world.till.count("refund"), 1);
    assert_eq!(world.till.refunded(), 6_000);
    assert_eq!(balance(&world, user).await, (4_000, 0));
    let refund = &world.app.payment(id).await.unwrap().refunds[&refund_id("a")];
    assert_eq!(refund.state, RefundState::Succeeded);
}

/// Also F36.
#[tokio::test]
async fn f35_a_refund_made_in_the_cabinet_is_taken_from_the_wallet_and_the_rest_is_owed() {
    for (spent, left) in [(0, 7_500), (9_000, 0), (10_000, 0)] {
        let mut world = World::new().await;
        let (user, _) = paid(&mut world).await;
        if spent > 0 {
            world.spend(user, rub(spent)).await;
        }
        let provider_id = world.till.only();
        world
            .till
            .foreign_refund("r-cabinet", &provider_id, rub(2_500));
        let inbox = Arc::new(Inbox::default());
        inbox.put(&format!("refund r-cabinet {provider_id}"));
        let worker = worker(&world);
        let following = following(&world, &inbox, &worker);
        assert_eq!(following.follow_up(10).await, Ok(1));
        assert_eq!(balance(&world, user).await, (left, 0), "spent {spent}");
        inbox.put(&format!("refund r-cabinet {provider_id} "));
        let _ = following.follow_up(10).await;
        assert_eq!(balance(&world, user).await, (left, 0), "spent {spent}");
    }
}

#[tokio::test]
async fn f35_a_refund_that_the_provider_shows_only_later_is_asked_about_again() {
    let mut world = World::new().await;
    let (user, _) = paid(&mut world).await;
    let provider_id = world.till.only();
    let inbox = Arc::new(Inbox::default());
    inbox.put(&format!("refund r-cabinet {provider_id}"));
    let worker = worker(&world);
    let following = following(&world, &inbox, &worker);
    assert_eq!(following.follow_up(10).await, Ok(0));
    world
        .till
        .foreign_refund("r-cabinet", &provider_id, rub(2_500));
    assert_eq!(following.follow_up(10).await, Ok(1));
    assert_eq!(balance(&world, user).await, (7_500, 0));
}

#[tokio::test]
async fn f14_late_money_of_a_cancelled_payment_is_asked_about_until_the_provider_shows_it() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    let id = intend(&world, user, "p", true).await;
    run(&mut world).await;
    let provider_id = world.till.only();
    world
        .till
        .set(&provider_id, |payment| payment.status = canceled());
    run(&mut world).await;
    assert_eq!(state(&world, id).await, PaymentState::Canceled);
    let inbox = Arc::new(Inbox::default());
    inbox.put(&format!("payment {provider_id}"));
    let worker = worker(&world);
    let following = following(&world, &inbox, &worker);
    assert_eq!(following.follow_up(10).await, Ok(0));
    world.till.pay(&provider_id);
    assert_eq!(following.follow_up(10).await, Ok(1));
    assert_eq!(balance(&world, user).await, (10_000, 0));
}

#[tokio::test]
async fn f35_a_refund_made_before_we_knew_of_the_payment_is_booked_with_it() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    world.till.days.lock().unwrap().push_back(Day::AnswerLost);
    intend(&world, user, "p", true).await;
    world.settle_within(TimeDelta::zero()).await;
    let provider_id = world.till.only();
    world.till.pay(&provider_id);
    world
        .till
        .foreign_refund("r-cabinet", &provider_id, rub(2_500));
    let inbox = Arc::new(Inbox::default());
    inbox.put(&format!("refund r-cabinet {provider_id}"));
    let worker = worker(&world);
    // Whose it is nobody knows yet.
    following(&world, &inbox, &worker)
        .follow_up(10)
        .await
        .unwrap();
    run(&mut world).await;
    assert_eq!(balance(&world, user).await, (7_500, 0));
}

#[tokio::test]
async fn an_answer_about_another_payment_verifies_no_notification() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    let id = intend(&world, user, "p", true).await;
    intend(&world, user, "q", true).await;
    run(&mut world).await;
    let of = |id: PaymentId| {
        let payments = world.till.payments.lock().unwrap();
        let wanted = Some(id.to_string());
        let found = payments.values().find(|one| one.operation_id == wanted);
        found.unwrap().provider_id.clone()
    };
    let (mine, other) = (of(id), of(payment_id("q")));
    world.till.pay(&mine);
    *world.till.astray.lock().unwrap() = Some(other);
    let inbox = Arc::new(Inbox::default());
    inbox.put(&format!("payment {mine}"));
    let worker = worker(&world);
    let following = following(&world, &inbox, &worker);
    assert_eq!(following.follow_up(10).await, Ok(0));
    assert_eq!(following.follow_up(10).await, Ok(1));
    assert_eq!(state(&world, id).await, PaymentState::Succeeded);
}

/// Also F19.
#[tokio::test]
async fn f35_a_second_payment_of_an_order_waits_in_suspense_and_a_cabinet_refund_takes_it_first() {
    let mut world = World::new().await;
    let (user, id) = paid(&mut world).await;
    let provider_id = world.till.only();
    world
        .till
        .set(&provider_id, |payment| payment.amount = rub(15_000));
    let inbox = Arc::new(Inbox::default());
    inbox.put(&format!("payment {provider_id}"));
    let worker = worker(&world);
    let following = following(&world, &inbox, &worker);
    assert_eq!(following.follow_up(10).await, Ok(1));
    assert_eq!(world.count("PaymentOverpaid"), 1);
    assert_eq!(balance(&world, user).await, (10_000, 0));
    // The whole second payment, and a little of the first, go back in the cabinet.
    world
        .till
        .foreign_refund("r-cabinet", &provider_id, rub(5_500));
    inbox.put(&format!("refund r-cabinet {provider_id}"));
    assert_eq!(following.follow_up(10).await, Ok(1));
    assert_eq!(balance(&world, user).await, (9_500, 0));
    assert_eq!(world.app.payment(id).await.unwrap().suspense_minor, 0);
}

pub(crate) fn worker(world: &World) -> Arc<PaymentWorker> {
    Arc::new(PaymentWorker::new(
        world.app.clone(),
        Arc::clone(&world.till) as Arc<_>,
        PaymentWorkerOptions::default(),
    ))
}

fn following(world: &World, inbox: &Arc<Inbox>, worker: &Arc<PaymentWorker>) -> Following {
    Following::new(
        world.app.clone(),
        Arc::clone(inbox) as Arc<_>,
        Arc::new(Words),
        Arc::new(NoOperations),
        Some(Arc::clone(worker)),
        None,
    )
}

#[derive(Default)]
struct Inbox(Mutex<Vec<PendingNotification>>);

impl Inbox {
    fn put(&self, body: &str) {
        let mut waiting = self.0.lock().unwrap();
        let digest = format!("{:064}", waiting.len());
        waiting.push(PendingNotification {
            digest,
            raw: RawNotification {
                provider: "yookassa".into(),
                content_type: "text/plain".into(),
                body: Bytes::copy_from_slice(body.as_bytes()),
                received_at: start(),
            },
        });
    }
}

#[async_trait]
impl NotificationInbox for Inbox {
    async fn receive(&self, _: RawNotification) -> Result<Received, InboxFault> {
        Ok(Received::Stored)
    }
    async fn pending(&self, _: &str, _: u32) -> Result<Vec<PendingNotification>, InboxFault> {
        Ok(self.0.lock().unwrap().clone())
    }
    async fn follow_up(&self, _: &str, digest: &str, _: DateTime<Utc>) -> Result<(), InboxFault> {
        self.0.lock().unwrap().retain(|one| one.digest != digest);
        Ok(())
    }
}

pub(crate) struct NoOperations;

#[async_trait]
impl Operations for NoOperations {
    async fn payout_by_bill(
        &self,
        _: ProviderName,
        _: &str,
    ) -> Result<Option<PayoutId>, OperationsFault> {
        Ok(None)
    }
    async fn list(
        &self,
        _: ProviderName,
        _: StatementKind,
        _: DateTime<Utc>,
        _: DateTime<Utc>,
    ) -> Result<Vec<OurItem>, OperationsFault> {
        Ok(vec![])
    }
}
