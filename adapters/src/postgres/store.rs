//! The log as a `cqrs_es::EventStore`, for plain use through `CqrsFramework`.
//!
//! The product's own commands go through the executor; this is the small standard door beside it. It appends the events
//! and keeps nothing else: the aggregate in the context has already applied them while it handled the command, and
//! applying them once more is the known fault of the snapshot store that comes with the crate.

use std::collections::{BTreeMap, HashMap};
use std::marker::PhantomData;
use std::sync::Arc;

use cqrs_es::{
    Aggregate, AggregateContext, AggregateError, DomainEvent, EventEnvelope, EventStore,
};
use kvit_commands::ports::log::{Append, Appended, EventLog, LogFault, NewEvent, StreamAppend};
use kvit_commands::ports::time::IdSource;
use kvit_domain::event::{RecordedEvent, Sequence, StreamId};
use serde_json::value::to_raw_value;

/// Events read in one go.
const PAGE: usize = 1_000;

/// An event store for one kind of aggregate.
pub struct PgEventStore<A> {
    log: Arc<dyn EventLog>,
    ids: Arc<dyn IdSource>,
    aggregate: PhantomData<fn() -> A>,
}

impl<A: Aggregate> PgEventStore<A> {
    /// A store over the log; `ids` name the new events.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, ids: Arc<dyn IdSource>) -> Self {
        Self {
            log,
            ids,
            aggregate: PhantomData,
        }
    }

    async fn events(
        &self,
        aggregate_id: &str,
    ) -> Result<Vec<RecordedEvent>, AggregateError<A::Error>> {
        let stream = StreamId::new(A::TYPE, aggregate_id);
        let mut events: Vec<RecordedEvent> = Vec::new();
        loop {
            let after = events.last().map_or(0, |event| event.sequence);
            let page = self
                .log
                .load(&stream, after, PAGE)
                .await
                .map_err(log_error)?;
            let last = page.len() < PAGE;
            events.extend(page);
            if last {
                return Ok(events);
            }
        }
    }
}

impl<A> std::fmt::Debug for PgEventStore<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgEventStore").finish_non_exhaustive()
    }
}

/// An aggregate as it was loaded, and where its stream ended then.
#[derive(Debug)]
pub struct LoadedAggregate<A> {
    aggregate_id: String,
    aggregate: A,
    sequence: Sequence,
}

impl<A: Aggregate> AggregateContext<A> for LoadedAggregate<A> {
    fn aggregate(&mut self) -> &mut A {
        &mut self.aggregate
    }
}

fn log_error<E: std::error::Error>(fault: LogFault) -> AggregateError<E> {
    match fault {
        LogFault::Transient(_) => AggregateError::DatabaseConnectionError(Box::new(fault)),
        LogFault::Fatal(_) => AggregateError::UnexpectedError(Box::new(fault)),
    }
}

impl<A: Aggregate> EventStore<A> for PgEventStore<A> {
    type AC = LoadedAggregate<A>;

    async fn load_events(
        &self,
        aggregate_id: &str,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let mut envelopes = Vec::new();
        for event in self.events(aggregate_id).await? {
            envelopes.push(EventEnvelope {
                aggregate_id: event.stream.aggregate_id.clone(),
                sequence: usize::try_from(event.sequence).unwrap_or(usize::MAX),
                payload: event
                    .decode()
                    .map_err(|error| AggregateError::DeserializationError(Box::new(error)))?,
                metadata: event.metadata.clone().into_iter().collect(),
            });
        }
        Ok(envelopes)
    }

    async fn load_aggregate(
        &self,
        aggregate_id: &str,
    ) -> Result<LoadedAggregate<A>, AggregateError<A::Error>> {
        let mut loaded = LoadedAggregate {
            aggregate_id: aggregate_id.to_owned(),
            aggregate: A::default(),
            sequence: 0,
        };
        for event in self.events(aggregate_id).await? {
            loaded.sequence = event.sequence;
            let payload = event
                .decode()
                .map_err(|error| AggregateError::DeserializationError(Box::new(error)))?;
            loaded.aggregate.apply(payload);
        }
        Ok(loaded)
    }

    async fn commit(
        &self,
        events: Vec<A::Event>,
        context: LoadedAggregate<A>,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let kept: BTreeMap<String, String> = metadata.clone().into_iter().collect();
        let mut new_events = Vec::with_capacity(events.len());
        for event in &events {
            new_events.push(NewEvent {
                event_id: self.ids.fresh(),
                event_type: event.event_type(),
                event_version: event.event_version(),
                payload: to_raw_value(event)
                    .map_err(|error| AggregateError::UnexpectedError(Box::new(error)))?,
                metadata: kept.clone(),
            });
        }
        let append = Append {
            streams: vec![StreamAppend {
                stream: StreamId::new(A::TYPE, context.aggregate_id.as_str()),
                expected_sequence: context.sequence,
                events: new_events,
            }],
        };
        match self.log.append(append).await.map_err(log_error)? {
            Appended::Conflict { .. } => Err(AggregateError::AggregateConflict),
            Appended::Stored { .. } => {
                let first = usize::try_from(context.sequence)
                    .unwrap_or(usize::MAX)
                    .saturating_add(1);
                let numbered = (first..).zip(events);
                Ok(numbered
                    .map(|(sequence, payload)| EventEnvelope {
                        aggregate_id: context.aggregate_id.clone(),
                        sequence,
                        payload,
                        metadata: metadata.clone(),
                    })
                    .collect())
            }
        }
    }
}
