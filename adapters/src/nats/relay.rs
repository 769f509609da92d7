//! The relay: reads the log in order and publishes each event to the bus.
//!
//! There is nothing to remember: how far the bus is, the bus knows. After any fault the relay asks for the stream's last
//! sequence and goes on behind it. One relay works at a time, by a lease; should two ever run at once, the condition on
//! each message lets only one of them through.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::PublishAckFuture;
use kvit_commands::ports::lease::{Lease, LeaseGrant};
use kvit_commands::ports::log::EventLog;
use kvit_domain::event::{Position, RecordedEvent};

use super::{BusFault, EVENTS, Shutdown, event_subject, stopped, stream, subject};

/// Name of the lease.
const LEASE: &str = "relay";

/// Bounds of the relay.
#[derive(Debug, Clone)]
pub struct RelayOptions {
    /// Messages that may be on their way at once.
    pub window: usize,
    /// Events read from the log at once.
    pub page: usize,
    /// How long the lease runs without being renewed.
    pub lease: Duration,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            window: 256,
            page: 1_000,
            lease: Duration::from_secs(15),
        }
    }
}

/// Why the relay stopped for good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelayFault {
    /// The bus and the log tell different stories: one of them was restored to an earlier point, or they do not belong
    /// together. Publishing would mix the two. A person must decide which one is right; the bus can be made anew.
    #[error("fork: the bus and the log part at position {position}: {why}")]
    Fork {
        /// The last position on the bus.
        position: Position,
        /// What was seen.
        why: String,
    },
}

/// A pass over the log that ended early.
enum Interruption {
    /// Look at the bus again and go on.
    Retry(String),
    /// Stop for good.
    Fork(RelayFault),
}

impl From<BusFault> for Interruption {
    fn from(fault: BusFault) -> Self {
        Self::Retry(fault.to_string())
    }
}

/// The relay of one process.
pub struct Relay {
    log: Arc<dyn EventLog>,
    bus: Context,
    lease: Arc<dyn Lease>,
    owner: String,
    options: RelayOptions,
}

impl Relay {
    /// A relay; `owner` names this process in the lease and is never used again by another.
    #[must_use]
    pub fn new(
        log: Arc<dyn EventLog>,
        bus: Context,
        lease: Arc<dyn Lease>,
        owner: impl Into<String>,
        options: RelayOptions,
    ) -> Self {
        Self {
            log,
            bus,
            lease,
            owner: owner.into(),
            options,
        }
    }

    /// Publishes until it is stopped. While another process holds the lease it stands by.
    ///
    /// # Errors
    /// [`RelayFault::Fork`]; everything else is tried again for ever.
    pub async fn run(self, mut shutdown: Shutdown) -> Result<(), RelayFault> {
        let mut pause = Pause::default();
        while !*shutdown.borrow() {
            let granted = tokio::select! {
                () = stopped(&mut shutdown) => break,
                granted = self.lease.acquire(LEASE, &self.owner, self.options.lease) => granted,
            };
            let retry_in = match granted {
                Ok(Some(grant)) => {
                    let ended = tokio::select! {
                        () = stopped(&mut shutdown) => Ok(()),
                        () = self.keep_lease(&grant) => Err(Interruption::Retry("the lease was lost".to_owned())),
                        ended = self.publish(&mut pause) => ended,
                    };
                    match ended {
                        Ok(()) => {
                            // Best effort: otherwise the lease runs out by itself.
                            let _ = self.lease.release(&grant).await;
                            break;
                        }
                        Err(Interruption::Fork(fault)) => {
                            metrics::gauge!("kvit_relay_forked").set(1.0);
                            tracing::error!(%fault, "the relay stops publishing");
                            let _ = self.lease.release(&grant).await;
                            return Err(fault);
                        }
                        Err(Interruption::Retry(why)) => {
                            tracing::warn!(%why, "the relay starts again");
                            pause.next()
                        }
                    }
                }
                Ok(None) => self.options.lease / 5,
                Err(fault) => {
                    tracing::warn!(%fault, "the relay cannot take its lease");
                    pause.next()
                }
            };
            tokio::select! {
                () = stopped(&mut shutdown) => break,
                () = tokio::time::sleep(retry_in) => {}
            }
        }
        Ok(())
    }

    /// Renews the lease until it is lost. A store that does not answer is a loss only when the lease has run out.
    async fn keep_lease(&self, grant: &LeaseGrant) {
        let mut renewed = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(self.options.lease / 3).await;
            let asked = tokio::time::Instant::now();
            match self.lease.renew(grant, self.options.lease).await {
                Ok(true) => renewed = asked,
                Ok(false) => return,
                Err(_) if renewed.elapsed() >= self.options.lease => return,
                Err(_) => {}
            }
        }
    }

    /// Publishes everything behind the bus's last message and whatever comes, until something fails.
    async fn publish(&self, pause: &mut Pause) -> Result<(), Interruption> {
        let mut last = self.last_on_bus().await?;
        loop {
            metrics::gauge!("kvit_relay_position").set(gauge(last));
            let read = self.log.read(last, self.options.page).await;
            let events = read.map_err(|fault| Interruption::Retry(fault.to_string()))?;
            if events.is_empty() {
                metrics::gauge!("kvit_relay_lag_events").set(0.0);
                pause.reset();
                self.log.wait_beyond(last, Duration::from_secs(1)).await;
                continue;
            }
            last = self.publish_page(&events).await?;
            pause.reset();
            if let Ok(head) = self.log.head().await {
                metrics::gauge!("kvit_relay_lag_events").set(gauge(head.saturating_sub(last)));
            }
        }
    }

    /// Asks the bus how far it is, and makes sure that its last message is our event.
    async fn last_on_bus(&self) -> Result<Position, Interruption> {
        let mut events = stream(&self.bus, EVENTS).await?;
        let last_sequence = events
            .info()
            .await
            .map_err(BusFault::of)?
            .state
            .last_sequence;
        let last = Position::try_from(last_sequence).unwrap_or(Position::MAX);
        if last == 0 {
            return Ok(0);
        }
        let fork = |why: &str| {
            Interruption::Fork(RelayFault::Fork {
                position: last,
                why: why.to_owned(),
            })
        };
        let ours = self.log.read(last.saturating_sub(1), 1).await;
        let Some(event) = ours
            .map_err(|fault| Interruption::Retry(fault.to_string()))?
            .into_iter()
            .next()
        else {
            return Err(fork("the bus is ahead of the log"));
        };
        let message = events
            .get_raw_message(last_sequence)
            .await
            .map_err(BusFault::of)?;
        let id = message
            .headers
            .get(NATS_MESSAGE_ID)
            .map(|value| value.as_str());
        if id != Some(event.event_id.to_string().as_str()) {
            return Err(fork("the bus has another event there"));
        }
        Ok(last)
    }

    /// Publishes a page with a window of messages on their way, and returns the last position that the bus has confirmed.
    async fn publish_page(&self, events: &[RecordedEvent]) -> Result<Position, Interruption> {
        let mut on_their_way: VecDeque<(Position, PublishAckFuture)> =
            VecDeque::with_capacity(self.options.window);
        let mut confirmed = Ok(0);
        for event in events {
            while on_their_way.len() >= self.options.window.max(1) && confirmed.is_ok() {
                confirmed = confirm_first(&mut on_their_way).await;
            }
            if confirmed.is_err() {
                break;
            }
            let body = serde_json::to_vec(event)
                .map_err(|error| Interruption::Retry(error.to_string()))?;
            let sending = self.bus.publish_with_headers(
                event_subject(event),
                subject::event_headers(event),
                body.into(),
            );
            match tokio::time::timeout(Duration::from_secs(5), sending).await {
                Ok(Ok(answer)) => on_their_way.push_back((event.position, answer)),
                Ok(Err(error)) => confirmed = Err(Interruption::Retry(error.to_string())),
                Err(_) => {
                    confirmed = Err(Interruption::Retry("the bus takes no message".to_owned()))
                }
            }
        }
        // After a failure nobody waits for the other answers: each would take its whole time when the bus is away. What of
        // them was stored, the next look at the bus shows.
        while !on_their_way.is_empty() && confirmed.is_ok() {
            confirmed = confirm_first(&mut on_their_way).await;
        }
        confirmed
    }
}

/// Waits for the answer to the oldest message: it must have become the message of its own number.
async fn confirm_first(
    on_their_way: &mut VecDeque<(Position, PublishAckFuture)>,
) -> Result<Position, Interruption> {
    let Some((position, answer)) = on_their_way.pop_front() else {
        return Ok(0);
    };
    let answer = answer
        .await
        .map_err(|error| Interruption::Retry(error.to_string()))?;
    // A duplicate is answered with the number that it got the first time.
    if i64::try_from(answer.sequence) != Ok(position) {
        let why = format!("the bus numbered it {}", answer.sequence);
        return Err(Interruption::Fork(RelayFault::Fork { position, why }));
    }
    metrics::counter!("kvit_relay_published_total").increment(1);
    Ok(position)
}

/// A position as a metric; exact up to 2^53.
fn gauge(position: Position) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a metric")]
    {
        position as f64
    }
}

/// Growing pauses between tries.
#[derive(Default)]
struct Pause(u32);

impl Pause {
    fn next(&mut self) -> Duration {
        self.0 = self.0.saturating_add(1).min(7);
        Duration::from_millis(20).saturating_mul(2_u32.saturating_pow(self.0))
    }

    fn reset(&mut self) {
        self.0 = 0;
    }
}
