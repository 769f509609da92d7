//! A durable pull consumer that feeds a handler.
//!
//! Delivery is at least once: a message is acknowledged after its handler has finished, and until then the server is told
//! every few seconds that work goes on. The consumer asks for no more messages than it has room for, so messages wait on
//! the server and not here. What happens to a message in hand is in [`super::lanes`].

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::{AckKind, Context};
use futures::StreamExt;
use kvit_commands::ports::bus::{ANY_EVENT, EventHandler};
use kvit_domain::event::RecordedEvent;

use super::lanes::{Delivery, Lanes};
use super::{BusFault, EVENTS, REDO, Shutdown, has_many_filters, stopped, stream, subject};

/// How long one request for messages stands at the server.
const PULL_TIME: Duration = Duration::from_secs(5);
/// How often lag is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(10);

/// Bounds of a consumer.
#[derive(Debug, Clone)]
pub struct ConsumerOptions {
    /// Events handled at the same time, of different aggregates.
    pub concurrency: usize,
    /// Events in hand: handled, waiting for their aggregate, or waiting for their next try.
    pub in_hand: usize,
    /// Failed tries before an event goes to the dead letters: panics, tries that took too long, deliveries that were lost
    /// with their process. Tries that failed because something is away count only after [`ConsumerOptions::patience`].
    pub max_tries: u32,
    /// How long an event may fail because something is away.
    pub patience: Duration,
    /// Pause after the first failed try; it doubles from try to try.
    pub first_pause: Duration,
    /// Longest pause between tries.
    pub last_pause: Duration,
    /// Longest run of the handler for one event; then it counts as a failed try.
    pub handler_time: Duration,
    /// How long the server waits for a sign of life before it gives the event to somebody else.
    pub ack_wait: Duration,
    /// How long running handlers may go on after the stop signal.
    pub grace: Duration,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            concurrency: 8,
            in_hand: 512,
            max_tries: 20,
            patience: Duration::from_secs(24 * 60 * 60),
            first_pause: Duration::from_millis(200),
            last_pause: Duration::from_secs(60),
            handler_time: Duration::from_secs(120),
            ack_wait: Duration::from_secs(15),
            grace: Duration::from_secs(20),
        }
    }
}

/// The consumer of one handler in one process. Several processes may run the same handler and share its events.
pub struct Consumer {
    bus: Context,
    handler: Arc<dyn EventHandler>,
    options: ConsumerOptions,
}

/// Where a consumer takes its messages from.
struct Source {
    stream: &'static str,
    durable: String,
    filters: Vec<String>,
}

impl Consumer {
    /// A consumer; nothing happens before [`Consumer::run`].
    #[must_use]
    pub fn new(bus: Context, handler: Arc<dyn EventHandler>, options: ConsumerOptions) -> Self {
        Self {
            bus,
            handler,
            options,
        }
    }

    /// Feeds the handler until it is stopped: with the events of the log, and with its dead letters that are to be tried
    /// again. Faults of the bus are waited out.
    pub async fn run(self, mut shutdown: Shutdown) {
        let name = self.handler.name();
        let lanes = Arc::new(Lanes::new(
            self.bus.clone(),
            Arc::clone(&self.handler),
            self.options.clone(),
        ));
        let log = Source {
            stream: EVENTS,
            durable: format!("kvit-{name}"),
            filters: self.filters(),
        };
        let redo = Source {
            stream: REDO,
            durable: format!("kvit-{name}-redo"),
            filters: vec![format!("{}.{name}", subject::REDO)],
        };
        tokio::select! {
            () = stopped(&mut shutdown) => {}
            () = self.follow(&log, &lanes) => {}
            () = self.follow(&redo, &lanes) => {}
            () = lanes.show_life() => {}
        }
        lanes.finish().await;
    }

    /// Filters for the server: one for each interest, or one for the whole aggregate.
    fn filters(&self) -> Vec<String> {
        let filters = self
            .handler
            .interests()
            .into_iter()
            .map(|(aggregate, event)| match event {
                ANY_EVENT => format!("{}.{aggregate}.>", subject::EVENTS),
                event => format!("{}.{aggregate}.{event}.*", subject::EVENTS),
            });
        filters.collect()
    }

    async fn follow(&self, source: &Source, lanes: &Arc<Lanes>) {
        let mut pause = Duration::from_millis(100);
        loop {
            match self.pull_from(source, lanes, &mut pause).await {
                Ok(never) => match never {},
                Err(fault) => {
                    tracing::warn!(consumer = %source.durable, %fault, "the consumer starts again")
                }
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(Duration::from_secs(5));
        }
    }

    async fn pull_from(
        &self,
        source: &Source,
        lanes: &Arc<Lanes>,
        pause: &mut Duration,
    ) -> Result<std::convert::Infallible, BusFault> {
        let consumer = self.ensure(source).await?;
        let mut measured: Option<tokio::time::Instant> = None;
        loop {
            if measured.is_none_or(|at| at.elapsed() >= MEASURE_EVERY) {
                let info = consumer.get_info().await.map_err(BusFault::of)?;
                let durable = source.durable.clone();
                metrics::gauge!("kvit_consumer_pending", "consumer" => durable.clone())
                    .set(gauge(info.num_pending));
                metrics::gauge!("kvit_consumer_unacknowledged", "consumer" => durable)
                    .set(gauge(info.num_ack_pending as u64));
                measured = Some(tokio::time::Instant::now());
            }
            let room = lanes.room().await;
            // Without heartbeats: the library's batch stops polling after one.
            let batch = consumer
                .batch()
                .max_messages(room.min(256))
                .expires(PULL_TIME)
                .messages();
            let mut batch = in_time(batch).await?.map_err(BusFault::of)?;
            while let Some(message) = in_time(batch.next()).await? {
                let message = message.map_err(BusFault::of)?;
                self.take(source, message, lanes).await;
                *pause = Duration::from_millis(100);
            }
        }
    }

    /// Puts a message in hand, or puts it aside when it is not for us.
    async fn take(
        &self,
        source: &Source,
        message: async_nats::jetstream::Message,
        lanes: &Arc<Lanes>,
    ) {
        let Ok((sequence, delivered)) = message
            .info()
            .map(|info| (info.stream_sequence, info.delivered))
        else {
            tracing::warn!(
                handler = self.handler.name(),
                "a message came that is not of the stream"
            );
            return;
        };
        if delivered > 1 {
            metrics::counter!("kvit_redeliveries_total", "handler" => self.handler.name())
                .increment(1);
        }
        // The library's `split` moves the reply subject into its acker, which cannot be cloned.
        let Some(reply) = message.reply.clone() else {
            return;
        };
        let (message, _) = message.split();
        let event: RecordedEvent = match serde_json::from_slice(&message.payload) {
            Ok(event) => event,
            Err(error) => {
                let reason = format!("not an event: {error}");
                lanes
                    .reject((source.stream, sequence), reply, &message, &reason)
                    .await;
                return;
            }
        };
        let wanted = self
            .handler
            .interests()
            .iter()
            .any(|(aggregate, event_type)| {
                *aggregate == event.stream.aggregate_type
                    && (*event_type == ANY_EVENT || *event_type == event.event_type)
            });
        if !wanted {
            lanes.send(reply, AckKind::Ack).await;
            return;
        }
        let delivered = u32::try_from(delivered).unwrap_or(1).max(1);
        lanes.take(
            Delivery {
                source: source.stream,
                sequence,
                delivered,
                event,
                message,
            },
            reply,
        );
    }

    async fn ensure(&self, source: &Source) -> Result<PullConsumer, BusFault> {
        let mut config = pull::Config {
            durable_name: Some(source.durable.clone()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.options.ack_wait,
            // We count the tries, because the server's count also rises when a process is restarted.
            max_deliver: -1,
            max_ack_pending: 50_000,
            ..pull::Config::default()
        };
        match source.filters.as_slice() {
            [only] => config.filter_subject.clone_from(only),
            many if has_many_filters(&self.bus.client()) => config.filter_subjects = many.to_vec(),
            _ => {}
        }
        let stream = stream(&self.bus, source.stream).await?;
        stream.create_consumer(config).await.map_err(BusFault::of)
    }
}

/// The server answers a request within its own time; a little later it is lost.
async fn in_time<T>(call: impl Future<Output = T>) -> Result<T, BusFault> {
    let limit = PULL_TIME.saturating_add(Duration::from_secs(8));
    tokio::time::timeout(limit, call)
        .await
        .map_err(|_| BusFault("no answer in time".to_owned()))
}

fn gauge(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a metric")]
    {
        count as f64
    }
}
