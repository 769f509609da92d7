//! The log through the standard doors of `cqrs-es` and `postgres-es`.

use std::sync::Arc;

use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::PersistedEventRepository;
use cqrs_es::{
    Aggregate, AggregateContext, AggregateError, CqrsFramework, DomainEvent, EventStore,
};
use kvit_adapters::postgres::{PgEventLog, PgEventStore};
use kvit_commands::ports::time::System;
use postgres_es::PostgresEventRepository;
use serde::{Deserialize, Serialize};

use crate::support::{assert_sound, open_log, whole};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Account {
    balance: i64,
}

enum Command {
    Deposit(i64),
    Withdraw(i64),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Event {
    Deposited { amount: i64 },
    Withdrawn { amount: i64 },
}

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        match self {
            Self::Deposited { .. } => "Deposited",
            Self::Withdrawn { .. } => "Withdrawn",
        }
        .to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("not enough")]
struct NotEnough;

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = Command;
    type Event = Event;
    type Error = NotEnough;
    type Services = ();

    async fn handle(
        &mut self,
        command: Command,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), NotEnough> {
        match command {
            Command::Deposit(amount) => sink.write(Event::Deposited { amount }, self).await,
            Command::Withdraw(amount) if amount > self.balance => return Err(NotEnough),
            Command::Withdraw(amount) => sink.write(Event::Withdrawn { amount }, self).await,
        }
        Ok(())
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Deposited { amount } => self.balance += amount,
            Event::Withdrawn { amount } => self.balance -= amount,
        }
    }
}

fn store_over(log: Arc<PgEventLog>) -> PgEventStore<Account> {
    PgEventStore::new(log, Arc::new(System))
}

#[tokio::test]
async fn four_deposits_of_100_give_400() {
    let db = kvit_testkit::pg().await;
    let log = open_log(&db);
    let framework = CqrsFramework::new(store_over(log.clone()), vec![], ());
    for _ in 0..4 {
        framework
            .execute("a-1", Command::Deposit(100))
            .await
            .unwrap();
    }
    let refused = framework.execute("a-1", Command::Withdraw(401)).await;
    assert!(matches!(refused, Err(AggregateError::UserError(NotEnough))));
    let store = store_over(log.clone());
    let mut loaded = store.load_aggregate("a-1").await.unwrap();
    assert_eq!(loaded.aggregate().balance, 400);
    framework
        .execute("a-1", Command::Withdraw(400))
        .await
        .unwrap();
    let events = store.load_events("a-1").await.unwrap();
    assert_eq!(
        events
            .iter()
            .map(|event| event.sequence)
            .collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );

    // The aggregate that was loaded before the withdrawal may not write any more.
    let stale = store
        .commit(
            vec![Event::Withdrawn { amount: 400 }],
            loaded,
            Default::default(),
        )
        .await;
    assert!(matches!(stale, Err(AggregateError::AggregateConflict)));
    assert_sound(&whole(&*log).await);
}

#[tokio::test]
async fn the_stock_repository_of_postgres_es_reads_our_streams() {
    let db = kvit_testkit::pg().await;
    let log = open_log(&db);
    let framework = CqrsFramework::new(store_over(log), vec![], ());
    let metadata = std::collections::HashMap::from([("actor".to_owned(), "user:1".to_owned())]);
    for amount in [5, 7] {
        framework
            .execute_with_metadata("a-2", Command::Deposit(amount), metadata.clone())
            .await
            .unwrap();
    }
    let stock = PostgresEventRepository::new(db.pool.clone());
    let events = stock.get_events::<Account>("a-2").await.unwrap();
    assert_eq!(events.len(), 2);
    let last = &events[1];
    assert_eq!(
        (
            last.sequence,
            last.event_type.as_str(),
            last.event_version.as_str()
        ),
        (2, "Deposited", "1")
    );
    assert_eq!(
        last.payload,
        serde_json::json!({"Deposited": {"amount": 7}})
    );
    assert_eq!(last.metadata, serde_json::json!({"actor": "user:1"}));
    let later = stock.get_last_events::<Account>("a-2", 1).await.unwrap();
    assert_eq!(later.len(), 1);

    let store = cqrs_es::persist::PersistedEventStore::<_, Account>::new_event_store(stock);
    let mut loaded = store.load_aggregate("a-2").await.unwrap();
    assert_eq!(loaded.aggregate().balance, 12);
}
