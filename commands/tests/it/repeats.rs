//! The same request under the same key has one answer, in whichever process it is repeated and however much later.

use chrono::TimeDelta;
use kvit_commands::app::{AdjustmentRequest, App};
use kvit_commands::context::Context;
use kvit_domain::ids::{AdjustmentId, UserId, WalletId};
use kvit_domain::ledger::{Account, Side};
use kvit_domain::money::Currency;
use kvit_domain::payment::SnapshotStatus;

use super::payments::{balance, intend, rub, run};
use super::support::World;

async fn propose(app: &App, user: UserId) -> kvit_commands::app::Done {
    let request = AdjustmentRequest {
        adjustment_id: AdjustmentId::derived("test", "a"),
        wallet_id: WalletId {
            user,
            currency: Currency::Rub,
        },
        side: Side::Credit,
        amount: rub(500),
        account: Account::BonusExpense,
        value_date: None,
        reason: "a bonus was forgotten".into(),
        corrects: None,
    };
    app.propose_adjustment(request, &Context::new("admin:1", "propose", "repeats"))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_proposal_repeated_on_another_day_is_the_same_proposal() {
    let world = World::new().await;
    let user = world.shopper(1).await;
    let first = propose(&world.app, user).await;
    world.clock.advance(TimeDelta::days(1));
    let again = propose(&world.app, user).await;
    assert_eq!((again.position, again.replayed), (first.position, true));
}

/// The process that repeats it has seen the wallet before, and not what has happened to it since.
#[tokio::test]
async fn a_repeat_in_another_process_answers_with_the_end_of_the_whole_decision() {
    let world = World::new().await;
    let user = world.shopper(1).await;
    propose(&world.app, user).await;
    let other = world.another_process();
    let wallet_id = WalletId {
        user,
        currency: Currency::Rub,
    };
    other.wallet(wallet_id).await.unwrap();
    let approve = |app: App| async move {
        let context = Context::new("admin:2", "approve", "repeats");
        app.approve_adjustment(
            AdjustmentId::derived("test", "a"),
            "it was forgotten".into(),
            &context,
        )
        .await
        .unwrap()
    };
    let first = approve(world.app.clone()).await;
    let again = approve(other).await;
    assert_eq!((again.position, again.replayed), (first.position, true));
}

#[tokio::test]
async fn a_quarantine_that_was_credited_is_answered_again_though_nothing_is_left_of_it() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    let id = intend(&world, user, "p", true).await;
    run(&mut world).await;
    world.till.set(&world.till.only(), |payment| {
        payment.status = SnapshotStatus::Succeeded;
        payment.amount = rub(9_000);
    });
    run(&mut world).await;
    for person in ["admin:1", "admin:2", "admin:1", "admin:2"] {
        let context = Context::new(person, person, "repeats");
        world
            .app
            .resolve_quarantine(id, true, "the payer's bank confirms".into(), &context)
            .await
            .unwrap();
    }
    assert_eq!(balance(&world, user).await, (9_000, 0));
    assert_eq!(world.count("QuarantineResolved"), 1);
}
