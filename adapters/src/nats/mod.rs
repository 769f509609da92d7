//! NATS JetStream: the relay that publishes the log, the consumers that follow it, and the dead letters.
//!
//! The log is the truth and the bus can be rebuilt from it. Message `p` of the stream [`EVENTS`] is the event at position
//! `p`: the relay publishes each message on the condition that the one before it is the last, so the server itself
//! refuses duplicates and gaps.
//!
//! Works with nats-server 2.9, with less comfort: before 2.10 several filters of one consumer are silently ignored, so
//! the consumer then gets more than it wants and skips it itself.

mod consumer;
pub mod dead_letters;
mod lanes;
mod login;
mod relay;
mod subject;

use std::time::Duration;

use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::stream::{Config, RetentionPolicy, StorageType};
use async_nats::jetstream::{Context, stream::Stream};
use async_nats::{Client, ConnectOptions, Event, ServerAddr};

pub use consumer::{Consumer, ConsumerOptions};
pub use dead_letters::{DeadLetter, DeadLetters};
pub use relay::{Relay, RelayFault, RelayOptions};
pub use subject::event_subject;

/// The stream that mirrors the log.
pub const EVENTS: &str = "KVIT_EVENTS";
/// The stream of events that no handler could handle.
pub const DEAD: &str = "KVIT_DEAD";
/// The stream of dead letters that are to be tried again.
pub const REDO: &str = "KVIT_REDO";

/// A stop signal: it stops what it was given to when it becomes `true` or its sender is gone.
pub type Shutdown = tokio::sync::watch::Receiver<bool>;

/// Waits for the stop signal.
pub(crate) async fn stopped(shutdown: &mut Shutdown) {
    // An error means that the sender is gone: also a stop.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// The bus did not do it. Everything on the bus may be tried again.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the bus is not available: {0}")]
pub struct BusFault(pub String);

impl BusFault {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Connects, and stays connected: it reconnects for ever with growing pauses, and says so in the log.
///
/// `urls` is one address or several with commas, the servers of one cluster. A login in it (`nats://token@host` or
/// `nats://user:password@host`) is taken out and handed over by itself: the client does not read it there, and the address
/// may be logged.
///
/// # Errors
/// When an address cannot be used, or when the first connection fails.
pub async fn connect(urls: &str, name: &str) -> Result<Client, BusFault> {
    let (servers, login) = login::split(urls)?;
    let servers: Vec<ServerAddr> = servers
        .into_iter()
        .map(ServerAddr::from_url)
        .collect::<Result<_, _>>()
        .map_err(BusFault::of)?;
    login
        .map_or_else(ConnectOptions::new, login::Login::options)
        .name(name)
        .connection_timeout(Duration::from_secs(3))
        .ping_interval(Duration::from_secs(10))
        .max_reconnects(None)
        .reconnect_delay_callback(|tries| {
            let doublings = u32::try_from(tries.min(6)).unwrap_or(6);
            Duration::from_millis(50)
                .saturating_mul(2_u32.saturating_pow(doublings))
                .min(Duration::from_secs(2))
        })
        .event_callback(|event| async move {
            match event {
                Event::Connected => tracing::info!("bus connected"),
                Event::Disconnected => tracing::warn!("bus disconnected; reconnecting"),
                other => tracing::warn!(event = %other, "bus event"),
            }
        })
        .connect(servers)
        .await
        .map_err(BusFault::of)
}

/// Opens JetStream on a client, with limits that fit the relay and the consumers.
#[must_use]
pub fn jetstream(client: Client) -> Context {
    ContextBuilder::new()
        .timeout(Duration::from_secs(5))
        .ack_timeout(Duration::from_secs(5))
        .max_ack_inflight(4_096)
        .build(client)
}

/// Whether the server knows consumers with several filters.
#[must_use]
pub fn has_many_filters(client: &Client) -> bool {
    client.is_server_compatible(2, 10, 0)
}

/// Makes the streams that are not there yet. `replicas` is 1 for a single server, 3 for a cluster.
///
/// # Errors
/// [`BusFault`].
pub async fn ensure_streams(bus: &Context, replicas: usize) -> Result<(), BusFault> {
    let version = bus.client().server_info().version;
    if !has_many_filters(&bus.client()) {
        tracing::warn!(%version, "nats-server is older than 2.10: consumers filter events by themselves");
    }
    let common = Config {
        storage: StorageType::File,
        num_replicas: replicas,
        duplicate_window: Duration::from_secs(120),
        ..Config::default()
    };
    let streams = [
        Config {
            name: EVENTS.to_owned(),
            subjects: vec![format!("{}.>", subject::EVENTS)],
            deny_delete: true,
            deny_purge: true,
            description: Some("Mirror of the event log: message p is position p".to_owned()),
            ..common.clone()
        },
        Config {
            name: DEAD.to_owned(),
            subjects: vec![
                format!("{}.>", subject::DEAD),
                format!("{}.>", subject::DROPPED),
            ],
            description: Some("Events that no handler could handle".to_owned()),
            ..common.clone()
        },
        Config {
            name: REDO.to_owned(),
            subjects: vec![format!("{}.>", subject::REDO)],
            retention: RetentionPolicy::WorkQueue,
            description: Some("Dead letters that are to be tried again".to_owned()),
            ..common
        },
    ];
    for config in streams {
        bus.get_or_create_stream(config)
            .await
            .map_err(BusFault::of)?;
    }
    Ok(())
}

/// A stream that must exist.
async fn stream(bus: &Context, name: &str) -> Result<Stream, BusFault> {
    bus.get_stream(name).await.map_err(BusFault::of)
}
