//! What a provider's list shows and no notification has told of is asked about; all else stays a difference.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use kvit_commands::context::Context;
use kvit_commands::policies::Reconciling;
use kvit_commands::ports::payment::PaymentFault;
use kvit_commands::ports::statement::{ItemStatus, StatementItem, StatementSource};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::Money;
use kvit_domain::payment::{PaymentState, SnapshotStatus};
use kvit_domain::reconciliation::{BreakClass, StatementKind};

use super::payments::{NoOperations, balance, intend, paid, rub, run, state, worker};
use super::support::{World, start};
use super::till::canceled;

/// One list of one day.
struct OneList(Vec<StatementItem>);

#[async_trait]
impl StatementSource for OneList {
    fn provider(&self) -> ProviderName {
        ProviderName::Yookassa
    }
    fn kinds(&self) -> Vec<StatementKind> {
        StatementKind::ALL.to_vec()
    }
    async fn items(
        &self,
        _: StatementKind,
        _: DateTime<Utc>,
        _: DateTime<Utc>,
    ) -> Result<Vec<StatementItem>, PaymentFault> {
        Ok(self.0.clone())
    }
}

fn listed(id: &str, amount: Money, of_payment: Option<&str>) -> StatementItem {
    StatementItem {
        provider_id: id.to_owned(),
        operation_id: None,
        of_payment: of_payment.map(str::to_owned),
        amount,
        fee: None,
        status: ItemStatus::Done,
        created_at: start() + TimeDelta::minutes(1),
    }
}

/// Compares the day of the beginning; what the comparison leaves open.
async fn compared(
    world: &World,
    kind: StatementKind,
    items: Vec<StatementItem>,
) -> Vec<(String, BreakClass)> {
    let reconciling = Reconciling::new(
        world.app.clone(),
        Arc::new(OneList(items)),
        Arc::new(NoOperations),
    )
    .with_payments(Some(worker(world)));
    let day = start().date_naive();
    let context = Context::new("admin:1", "run", "reconcile");
    reconciling.run(kind, day, &context).await.unwrap();
    let recorded = world
        .app
        .reconciliation(ProviderName::Yookassa, kind, day)
        .await
        .unwrap();
    recorded
        .open
        .into_values()
        .map(|found| (found.item, found.class))
        .collect()
}

/// Also F61.
#[tokio::test]
async fn f35_a_refund_of_the_cabinet_that_nobody_notified_of_is_booked_when_the_list_shows_it() {
    let mut world = World::new().await;
    let (user, _) = paid(&mut world).await;
    let provider_id = world.till.only();
    world
        .till
        .foreign_refund("r-cabinet", &provider_id, rub(2_500));
    let shown = listed("r-cabinet", rub(2_500), Some(&provider_id));
    // Of a stranger's payment, and one that the provider itself does not confirm.
    let stranger = listed("r-other", rub(100), Some("somebody-elses"));
    let claimed = listed("r-claimed", rub(9_000), Some(&provider_id));
    for _ in 0..2 {
        let items = vec![shown.clone(), stranger.clone(), claimed.clone()];
        assert_eq!(
            compared(&world, StatementKind::Refunds, items).await,
            [
                ("r-claimed".to_owned(), BreakClass::TheirsOnly),
                ("r-other".to_owned(), BreakClass::TheirsOnly)
            ]
        );
        assert_eq!(balance(&world, user).await, (7_500, 0));
    }
}

/// Also F14.
#[tokio::test]
async fn f61_a_payment_that_was_paid_after_we_had_given_it_up_is_credited_when_the_list_shows_it() {
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
    world.till.set(&provider_id, |payment| {
        payment.status = SnapshotStatus::Succeeded;
    });
    let items = vec![listed(&provider_id, rub(10_000), None)];
    assert_eq!(
        compared(&world, StatementKind::Payments, items).await,
        vec![]
    );
    assert_eq!(state(&world, id).await, PaymentState::Succeeded);
    assert_eq!(balance(&world, user).await, (10_000, 0));
}
