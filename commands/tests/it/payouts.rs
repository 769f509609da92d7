//! Payouts under switches, budgets, two workers and a log that is away.

use std::sync::Arc;

use chrono::TimeDelta;
use kvit_commands::app::{BulkCommand, BulkMode, PayoutRequest, PayoutRoute};
use kvit_commands::context::Context;
use kvit_commands::error::CommandError;
use kvit_commands::policies::{PayoutWorker, PayoutWorkerOptions};
use kvit_commands::ports::bus::EventHandler;
use kvit_commands::ports::payout::PayoutProvider;
use kvit_commands::testing::Fault;
use kvit_domain::ids::{PayoutId, TransactionId, UserId, WalletId};
use kvit_domain::ledger::{Account, ProviderName, Side, TransactionKind};
use kvit_domain::money::{Currency, Money};
use kvit_domain::payout::PayoutState;
use kvit_domain::phone::Operator;
use kvit_domain::wallet::{ReleaseReason, Wallet, WalletCommand};

use super::support::{Behaviour, DAILY_BUDGET, World};

fn uah(minor: i64) -> Money {
    Money::new(minor, Currency::Uah)
}

fn context(step: &str) -> Context {
    Context::new("admin:1", step, "payouts")
}

fn payout_id(name: &str) -> PayoutId {
    PayoutId::derived("test", name)
}

/// A shopper with so much money.
async fn rich(world: &World, minor: i64) -> UserId {
    let user = world.shopper(1).await;
    let command = BulkCommand::Post {
        wallet_id: WalletId {
            user,
            currency: Currency::Uah,
        },
        transaction_id: TransactionId::derived("test", "rich"),
        side: Side::Credit,
        amount: uah(minor),
        account: Account::BonusExpense,
        kind: TransactionKind::Reward,
        value_date: None,
        reference: "test".into(),
        description: String::new(),
    };
    let mode = BulkMode::Atomic;
    world
        .app
        .run_bulk(mode, vec![command], &context("rich"))
        .await
        .unwrap();
    user
}

async fn request(world: &World, user_id: UserId, name: &str, minor: i64) -> PayoutId {
    let request = PayoutRequest {
        payout_id: payout_id(name),
        user_id,
        amount: uah(minor),
        receipt_id: None,
        route: PayoutRoute::Phone { operator: None },
    };
    world
        .app
        .request_payout(request, &context(name))
        .await
        .unwrap();
    payout_id(name)
}

async fn state(world: &World, id: PayoutId) -> PayoutState {
    world.app.payout(id).await.unwrap().state
}

async fn balance(world: &World, user: UserId) -> (i64, i64) {
    let wallet_id = WalletId {
        user,
        currency: Currency::Uah,
    };
    let wallet = world.app.wallet(wallet_id).await.unwrap();
    (wallet.posted_minor, wallet.held_minor)
}

fn plan(world: &World, behaviours: &[Behaviour]) {
    world
        .provider
        .plan
        .lock()
        .unwrap()
        .extend(behaviours.iter().copied());
}

/// Also F39.
#[tokio::test]
async fn f38_a_call_that_was_not_sent_keeps_the_hold_and_is_tried_again_and_an_unclear_one_is_asked_about()
 {
    let mut world = World::new().await;
    let user = rich(&world, 500).await;
    plan(
        &world,
        &[Behaviour::NotSent, Behaviour::PayButLoseTheAnswer],
    );
    let id = request(&world, user, "a", 200).await;
    world.settle().await;
    assert_eq!(state(&world, id).await, PayoutState::Succeeded);
    assert_eq!(world.provider.moved(), 200);
    assert_eq!(balance(&world, user).await, (300, 0));
}

/// Also F57: a process without memory begins anew after each step.
#[tokio::test]
async fn f42_a_crash_between_creating_and_paying_pays_once() {
    for deliveries in 1..6 {
        let mut world = World::new().await;
        let user = rich(&world, 500).await;
        let id = request(&world, user, "a", 200).await;
        for _ in 0..deliveries {
            world.step_once().await;
            world.restart();
        }
        world.settle().await;
        assert_eq!(state(&world, id).await, PayoutState::Succeeded);
        assert_eq!(world.provider.moved(), 200);
    }
}

#[tokio::test]
async fn f48_two_workers_on_one_payout_send_one_call() {
    let world = World::new().await;
    let user = rich(&world, 500).await;
    let id = request(&world, user, "a", 200).await;
    let event = world
        .log
        .all()
        .into_iter()
        .find(|event| event.event_type == "FundsHeld")
        .unwrap();
    let workers: Vec<PayoutWorker> = (0..8)
        .map(|_| {
            PayoutWorker::new(
                // Each has a memory of its own, as a process has.
                world.another_process(),
                Arc::clone(&world.provider) as Arc<dyn PayoutProvider>,
                PayoutWorkerOptions::default(),
            )
        })
        .collect();
    let handled =
        futures::future::join_all(workers.iter().map(|worker| worker.handle(&event))).await;
    assert!(handled.iter().any(Result::is_ok), "{handled:?}");
    assert_eq!(world.count("PayoutSent"), 1);
    assert_eq!(world.provider.moved(), 200);
    assert_eq!(
        world.another_process().payout(id).await.unwrap().state,
        PayoutState::Succeeded
    );
}

#[tokio::test]
async fn f51_payouts_at_the_daily_limit_never_exceed_it_and_the_rest_waits_for_tomorrow() {
    let mut world = World::new().await;
    let user = rich(&world, 5_000).await;
    let mut ids = Vec::new();
    for n in 0..8 {
        ids.push(request(&world, user, &format!("p{n}"), 300).await);
    }
    world.settle_within(TimeDelta::minutes(30)).await;
    assert_eq!(world.provider.moved(), 900, "three of 3.00 fit in 10.00");
    assert!(world.provider.moved() <= DAILY_BUDGET.minor);
    assert_eq!(world.count("PayoutPostponed"), 5, "each says so once");
    world.settle_within(TimeDelta::hours(24)).await;
    assert_eq!(world.provider.moved(), 1_800);
    world.settle_within(TimeDelta::hours(24)).await;
    for id in ids {
        assert_eq!(state(&world, id).await, PayoutState::Succeeded);
    }
}

#[tokio::test]
async fn a_payout_that_fails_for_good_gives_its_budget_back() {
    let mut world = World::new().await;
    let user = rich(&world, 5_000).await;
    plan(&world, &[Behaviour::RefuseForEver]);
    request(&world, user, "a", 900).await;
    world.settle_within(TimeDelta::minutes(5)).await;
    let id = request(&world, user, "b", 900).await;
    world.settle_within(TimeDelta::minutes(5)).await;
    assert_eq!(state(&world, id).await, PayoutState::Succeeded);
}

#[tokio::test]
async fn f52_a_number_that_moved_to_another_operator_is_paid_as_a_new_operation() {
    let mut world = World::new().await;
    let user = rich(&world, 500).await;
    plan(&world, &[Behaviour::RefuseForEver]);
    let first = request(&world, user, "a", 200).await;
    world.settle().await;
    assert_eq!(state(&world, first).await, PayoutState::Failed);
    assert_eq!(balance(&world, user).await, (500, 0));
    let (second, _) = world
        .app
        .retry_payout(first, Some(Operator::Lifecell), &context("retry"))
        .await
        .unwrap();
    assert_ne!(first, second);
    world.settle().await;
    let payout = world.app.payout(second).await.unwrap();
    assert_eq!(payout.state, PayoutState::Succeeded);
    assert_eq!(payout.terms.unwrap().operator, Some(Operator::Lifecell));
    assert_eq!(world.provider.moved(), 200);
}

#[tokio::test]
async fn f53_a_payout_that_came_back_is_credited_once() {
    let mut world = World::new().await;
    let user = rich(&world, 500).await;
    let id = request(&world, user, "a", 200).await;
    world.settle().await;
    let bill = world.app.payout(id).await.unwrap().bill_id.unwrap();
    for key in ["r1", "r1", "r2"] {
        world
            .app
            .payout_reversed(id, bill.clone(), &context(key))
            .await
            .unwrap();
    }
    assert_eq!(balance(&world, user).await, (500, 0));
    assert_eq!(world.count("TransactionReversed"), 1);
}

#[tokio::test]
async fn the_kill_switch_stops_new_payouts_and_goes_on_asking_about_old_ones() {
    let mut world = World::new().await;
    let user = rich(&world, 900).await;
    plan(&world, &[Behaviour::PayButLoseTheAnswer]);
    let old = request(&world, user, "old", 200).await;
    world.step_once().await;
    world
        .app
        .stop_provider(
            ProviderName::Portmone,
            "wrong amounts".into(),
            &context("stop"),
        )
        .await
        .unwrap();
    let new = request(&world, user, "new", 300).await;
    world.settle_within(TimeDelta::minutes(20)).await;
    assert_eq!(state(&world, old).await, PayoutState::Succeeded);
    assert_eq!(state(&world, new).await, PayoutState::Held);
    assert_eq!(
        world.app.payout(new).await.unwrap().postponed.as_deref(),
        Some("kill_switch")
    );
    assert_eq!(world.provider.moved(), 200);
    world
        .app
        .resume_provider(ProviderName::Portmone, "fixed".into(), &context("resume"))
        .await
        .unwrap();
    world.settle_within(TimeDelta::minutes(20)).await;
    assert_eq!(state(&world, new).await, PayoutState::Succeeded);
    assert_eq!(world.provider.moved(), 500);
}

#[tokio::test]
async fn the_breaker_opens_after_failures_in_a_row_and_closes_with_the_first_success() {
    let mut world = World::new().await;
    let user = rich(&world, 900).await;
    plan(&world, &[Behaviour::NotSent; 5]);
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(request(&world, user, &format!("p{n}"), 100).await);
    }
    world.settle_within(TimeDelta::hours(2)).await;
    assert_eq!(world.count("BreakerOpened"), 1);
    assert_eq!(world.count("BreakerClosed"), 1);
    assert!(world.count("PayoutPostponed") > 0);
    for id in ids {
        assert_eq!(state(&world, id).await, PayoutState::Succeeded);
    }
    assert_eq!(world.provider.moved(), 600);
}

/// A worker that believes in its own old memory, while another has taken the payout over.
#[tokio::test]
async fn f58_whoever_has_lost_its_place_cannot_send() {
    let mut world = World::new().await;
    let user = rich(&world, 500).await;
    let id = request(&world, user, "a", 200).await;
    let slow = world.another_process();
    assert_eq!(slow.payout(id).await.unwrap().state, PayoutState::Held);
    world.settle().await;
    let event = world
        .log
        .all()
        .into_iter()
        .find(|event| event.event_type == "FundsHeld")
        .unwrap();
    let provider = Arc::clone(&world.provider) as Arc<dyn PayoutProvider>;
    let worker = PayoutWorker::new(slow, provider, PayoutWorkerOptions::default());
    worker.handle(&event).await.unwrap();
    assert_eq!(world.count("PayoutSent"), 1);
    assert_eq!(world.provider.moved(), 200);
}

#[tokio::test]
async fn f60_while_the_log_takes_no_appends_no_call_that_moves_money_leaves() {
    let mut world = World::new().await;
    let user = rich(&world, 500).await;
    let id = request(&world, user, "a", 200).await;
    let event = world
        .log
        .all()
        .into_iter()
        .find(|event| event.event_type == "FundsHeld")
        .unwrap();
    world
        .log
        .inject(std::iter::repeat_n(Fault::BeforeStore, 10_000));
    let provider = Arc::clone(&world.provider) as Arc<dyn PayoutProvider>;
    let worker = PayoutWorker::new(world.app.clone(), provider, PayoutWorkerOptions::default());
    tokio::time::pause();
    assert!(worker.handle(&event).await.is_err());
    assert_eq!(world.provider.moved(), 0);
    world.log.heal();
    world.settle().await;
    assert_eq!(state(&world, id).await, PayoutState::Succeeded);
    assert_eq!(world.provider.moved(), 200);
}

#[tokio::test]
async fn f49_a_final_refusal_releases_the_hold_once() {
    let mut world = World::new().await;
    let user = rich(&world, 500).await;
    plan(&world, &[Behaviour::RefuseForEver]);
    let id = request(&world, user, "a", 200).await;
    world.settle().await;
    world.restart();
    world.settle().await;
    assert_eq!(state(&world, id).await, PayoutState::Failed);
    assert_eq!(world.count("HoldReleased"), 1);
    assert_eq!(balance(&world, user).await, (500, 0));
}

#[tokio::test]
async fn a_payout_for_more_than_there_is_is_refused_and_holds_nothing() {
    let world = World::new().await;
    let user = rich(&world, 100).await;
    let request = PayoutRequest {
        payout_id: payout_id("a"),
        user_id: user,
        amount: uah(101),
        receipt_id: None,
        route: PayoutRoute::Sbp {
            phone: "79000000000".into(),
            bank_id: "100000000111".into(),
        },
    };
    let refused = world.app.request_payout(request, &context("a")).await;
    assert!(
        matches!(refused, Err(CommandError::Rejected(refusal)) if refusal.code == "insufficient_funds")
    );
    assert_eq!(balance(&world, user).await, (100, 0));
}

#[tokio::test]
async fn f46_what_has_ended_stays_ended_whatever_somebody_says() {
    let mut world = World::new().await;
    let user = rich(&world, 500).await;
    plan(&world, &[Behaviour::RefuseForEver]);
    let failed = request(&world, user, "failed", 200).await;
    world.settle().await;
    let paid = request(&world, user, "paid", 300).await;
    world.settle().await;
    let worker = PayoutWorker::new(
        world.app.clone(),
        Arc::clone(&world.provider) as Arc<dyn PayoutProvider>,
        PayoutWorkerOptions::default(),
    );
    let events = world.log.all().len();
    for id in [failed, paid] {
        worker.ask_now(id).await.unwrap();
        assert!(!worker.ask_reversal(id, &context("forged")).await.unwrap());
        let decided = world
            .app
            .resolve_payout(id, true, "a forged letter".into(), &context("decide"))
            .await;
        assert!(decided.is_err());
    }
    assert_eq!(state(&world, failed).await, PayoutState::Failed);
    assert_eq!(state(&world, paid).await, PayoutState::Succeeded);
    assert_eq!(balance(&world, user).await, (200, 0));
    assert_eq!(world.log.all().len(), events);
}

#[tokio::test]
async fn f55_the_outcome_of_a_payout_is_recorded_although_the_person_has_blocked_the_bot() {
    let mut world = World::new().await;
    let user = rich(&world, 500).await;
    let id = request(&world, user, "a", 200).await;
    world
        .app
        .mark_blocked(user, &context("blocked"))
        .await
        .unwrap();
    world.settle().await;
    assert_eq!(state(&world, id).await, PayoutState::Succeeded);
    assert_eq!(balance(&world, user).await, (300, 0));
}

async fn bulk(world: &World, command: BulkCommand) -> Result<(), String> {
    let done = world
        .app
        .run_bulk(BulkMode::Atomic, vec![command], &context("bulk"))
        .await;
    match done {
        Ok(_) => Ok(()),
        Err(CommandError::Rejected(refusal)) => Err(refusal.details["code"].clone()),
        Err(fault) => panic!("{fault}"),
    }
}

#[tokio::test]
async fn a_payouts_hold_ends_with_the_payout_and_with_nothing_else() {
    let world = World::new().await;
    let user = rich(&world, 500).await;
    let id = request(&world, user, "a", 200).await;
    let hold_id = world.app.payout(id).await.unwrap().hold_id.unwrap();
    let wallet_id = WalletId {
        user,
        currency: Currency::Uah,
    };
    let release = BulkCommand::Release { wallet_id, hold_id };
    assert_eq!(bulk(&world, release).await, Err("invalid_command".into()));
    let capture = BulkCommand::Capture {
        wallet_id,
        hold_id,
        transaction_id: TransactionId::derived("test", "x"),
        amount: uah(200),
        account: Account::JobsRevenue,
        kind: TransactionKind::Job,
        release_rest: true,
        reference: "x".into(),
    };
    assert_eq!(bulk(&world, capture).await, Err("invalid_command".into()));
    assert_eq!(balance(&world, user).await, (500, 200));
}

#[tokio::test]
async fn a_payout_whose_money_is_not_held_any_more_does_not_leave_and_a_person_looks() {
    let mut world = World::new().await;
    let user = rich(&world, 500).await;
    let id = request(&world, user, "a", 200).await;
    // Nothing in the platform does this; whatever did, no money may leave.
    let wallet_id = WalletId {
        user,
        currency: Currency::Uah,
    };
    let release = WalletCommand::Release {
        hold_id: world.app.payout(id).await.unwrap().hold_id.unwrap(),
        reason: ReleaseReason::Operator,
    };
    world
        .app
        .executor()
        .execute::<Wallet>(&wallet_id.to_string(), release, &context("by hand"))
        .await
        .unwrap();
    world.settle().await;
    assert_eq!(state(&world, id).await, PayoutState::InReview);
    assert_eq!(world.provider.moved(), 0);
}

/// Also F39.
#[tokio::test]
async fn f50_what_nobody_knows_is_asked_about_also_while_the_provider_is_stopped_and_then_given_to_a_person()
 {
    let mut world = World::new().await;
    world.repay_created_bills();
    let user = rich(&world, 500).await;
    plan(&world, &[Behaviour::LoseTheRequest]);
    let id = request(&world, user, "a", 200).await;
    world.step_once().await;
    world
        .app
        .stop_provider(ProviderName::Portmone, "checking".into(), &context("stop"))
        .await
        .unwrap();
    world.settle_within(TimeDelta::hours(20)).await;
    assert_eq!(state(&world, id).await, PayoutState::Unknown);
    assert_eq!(balance(&world, user).await, (500, 200));
    world.settle_within(TimeDelta::hours(6)).await;
    assert_eq!(state(&world, id).await, PayoutState::InReview);
    assert_eq!(balance(&world, user).await, (500, 200), "the hold stays");
    assert_eq!(world.provider.moved(), 0);
}

#[tokio::test]
async fn f51_at_the_limit_processes_that_race_let_no_more_out_than_it_allows() {
    let world = World::new().await;
    let user = rich(&world, 5_000).await;
    for n in 0..8 {
        request(&world, user, &format!("p{n}"), 300).await;
    }
    let events: Vec<_> = world
        .log
        .all()
        .into_iter()
        .filter(|event| event.event_type == "FundsHeld")
        .collect();
    let workers: Vec<PayoutWorker> = (0..8)
        .map(|_| {
            PayoutWorker::new(
                world.another_process(),
                Arc::clone(&world.provider) as Arc<dyn PayoutProvider>,
                PayoutWorkerOptions::default(),
            )
        })
        .collect();
    let handled = futures::future::join_all(
        events
            .iter()
            .zip(&workers)
            .map(|(event, worker)| worker.handle(event)),
    )
    .await;
    assert!(handled.iter().all(Result::is_ok), "{handled:?}");
    assert_eq!(world.provider.moved(), 900);
    assert_eq!(world.count("PayoutPostponed"), 5);
}

#[tokio::test]
async fn f53_a_reversal_is_booked_when_the_provider_confirms_it_and_not_before() {
    let mut world = World::new().await;
    let user = rich(&world, 500).await;
    let id = request(&world, user, "a", 200).await;
    world.settle().await;
    let worker = PayoutWorker::new(
        world.app.clone(),
        Arc::clone(&world.provider) as Arc<dyn PayoutProvider>,
        PayoutWorkerOptions::default(),
    );
    assert!(!worker.ask_reversal(id, &context("claim")).await.unwrap());
    assert_eq!(balance(&world, user).await, (300, 0));
    let bill = world.app.payout(id).await.unwrap().bill_id.unwrap();
    world.provider.take_back(&bill);
    for key in ["first", "second"] {
        assert!(worker.ask_reversal(id, &context(key)).await.unwrap());
    }
    assert_eq!(state(&world, id).await, PayoutState::Reversed);
    assert_eq!(balance(&world, user).await, (500, 0));
}

/// The clock of a worker that is a day wrong neither repeats a call under a forgotten key nor opens a day's budget twice.
#[tokio::test]
async fn f56_a_clock_that_is_a_day_off_opens_no_budget_twice() {
    let mut world = World::new().await;
    let user = rich(&world, 5_000).await;
    request(&world, user, "a", 900).await;
    world.settle_within(TimeDelta::minutes(5)).await;
    assert_eq!(world.provider.moved(), 900);
    world.clock.advance(TimeDelta::days(-1));
    let back = request(&world, user, "b", 900).await;
    world.settle_within(TimeDelta::minutes(5)).await;
    assert_eq!(
        state(&world, back).await,
        PayoutState::Succeeded,
        "yesterday's budget"
    );
    world.clock.advance(TimeDelta::days(1));
    let again = request(&world, user, "c", 900).await;
    world.settle_within(TimeDelta::minutes(5)).await;
    assert_eq!(
        state(&world, again).await,
        PayoutState::Held,
        "today's is taken"
    );
    assert_eq!(world.provider.moved(), 1_800);
}
