//! Messages in hand: events of one aggregate one after another, events of different aggregates side by side.
//!
//! Each aggregate with events in hand has a lane, worked off in order by a task of its own; a common number of permits
//! bounds how many handlers run at once. A failed event is tried again here, in its lane, after a pause that holds no
//! permit: later events of the aggregate wait behind it, others do not. An event that answers "later" leaves its lane: the
//! server keeps it meanwhile when the handler is one that defers, and it stays in hand otherwise.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::Subject;
use async_nats::header::{HeaderMap, NATS_MESSAGE_ID};
use async_nats::jetstream::{AckKind, Context};
use futures::FutureExt;
use kvit_commands::ports::bus::{EventHandler, Handled, HandlerFault};
use kvit_domain::event::{RecordedEvent, StreamId};
use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};

use super::consumer::ConsumerOptions;
use super::{Shutdown, stopped, subject};

/// A message that was taken.
pub(super) struct Delivery {
    /// Name of the stream that it came from.
    pub(super) source: &'static str,
    /// Its number there.
    pub(super) sequence: u64,
    /// How often the server has given it out, this time included.
    pub(super) delivered: u32,
    pub(super) event: RecordedEvent,
    /// The raw message, for the dead letters.
    pub(super) message: async_nats::Message,
}

/// A delivery and its failed tries here.
struct Job {
    delivery: Delivery,
    failures: u32,
    /// When the first try here failed.
    failing_since: Option<tokio::time::Instant>,
}

/// A message by its stream and its number there.
pub(super) type Key = (&'static str, u64);

/// How a try ended.
enum Outcome {
    Finished(&'static str),
    Later(Duration),
    Failed {
        reason: String,
        retry_after: Option<Duration>,
        /// Whether the handler itself says that something else is away, which is no fault of the event.
        blameless: bool,
    },
    Dead(String),
}

pub(super) struct Lanes {
    bus: Context,
    handler: Arc<dyn EventHandler>,
    options: ConsumerOptions,
    permits: Semaphore,
    /// What is in hand, with the subject on which it is acknowledged.
    in_hand: Mutex<HashMap<Key, Subject>>,
    freed: Notify,
    lanes: Mutex<HashMap<StreamId, VecDeque<Job>>>,
    stopping: watch::Sender<bool>,
}

/// A lock is poisoned by a panic while it was held; nothing here panics there, and the maps stay whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lanes {
    pub(super) fn new(
        bus: Context,
        handler: Arc<dyn EventHandler>,
        options: ConsumerOptions,
    ) -> Self {
        Self {
            bus,
            handler,
            permits: Semaphore::new(options.concurrency.max(1)),
            options,
            in_hand: Mutex::default(),
            freed: Notify::new(),
            lanes: Mutex::default(),
            stopping: watch::Sender::new(false),
        }
    }

    /// Waits until there is room for more, and says for how many.
    pub(super) async fn room(&self) -> usize {
        loop {
            let freed = self.freed.notified();
            let room = self
                .options
                .in_hand
                .max(1)
                .saturating_sub(lock(&self.in_hand).len());
            if room > 0 {
                return room;
            }
            freed.await;
        }
    }

    /// Tells the server every few seconds that the messages in hand are being worked on. Runs for ever.
    pub(super) async fn show_life(&self) {
        loop {
            tokio::time::sleep(self.options.ack_wait / 3).await;
            let replies: Vec<Subject> = lock(&self.in_hand).values().cloned().collect();
            for reply in replies {
                self.send(reply, AckKind::Progress).await;
            }
        }
    }

    /// Takes a message in hand. One that is in hand already was delivered again for lack of a sign of life; it goes on,
    /// and is acknowledged by its newest delivery.
    pub(super) fn take(self: &Arc<Self>, delivery: Delivery, reply: Subject) {
        let key = (delivery.source, delivery.sequence);
        if lock(&self.in_hand).insert(key, reply).is_none() {
            self.enqueue(Job {
                delivery,
                failures: 0,
                failing_since: None,
            });
        }
    }

    fn enqueue(self: &Arc<Self>, job: Job) {
        let stream = job.delivery.event.stream.clone();
        let mut lanes = lock(&self.lanes);
        if let Some(lane) = lanes.get_mut(&stream) {
            lane.push_back(job);
        } else {
            lanes.insert(stream.clone(), VecDeque::from([job]));
            tokio::spawn(Arc::clone(self).work(stream));
        }
    }

    /// Works a lane off and takes it away when it is empty.
    async fn work(self: Arc<Self>, stream: StreamId) {
        let mut stopping = self.stopping.subscribe();
        loop {
            let job = {
                let mut lanes = lock(&self.lanes);
                let next = lanes.get_mut(&stream).and_then(VecDeque::pop_front);
                match next.filter(|_| !*stopping.borrow()) {
                    Some(job) => job,
                    None => {
                        lanes.remove(&stream);
                        return;
                    }
                }
            };
            self.settle(job, &mut stopping).await;
        }
    }

    /// Tries one event until it is done, put off, dead, or the program stops. A handler that runs is never broken off by
    /// the stop; everything else is, and the event stays in hand for [`Lanes::finish`] to give back.
    async fn settle(self: &Arc<Self>, mut job: Job, stopping: &mut Shutdown) {
        let key = (job.delivery.source, job.delivery.sequence);
        // Earlier deliveries ended without an answer: the process went down or was stopped in between.
        let lost = if self.handler.defers() {
            0
        } else {
            job.delivery.delivered.saturating_sub(1)
        };
        if lost >= self.options.max_tries {
            let reason = format!(
                "delivered {} times without an answer",
                job.delivery.delivered
            );
            return self.bury(&job, &reason, stopping).await;
        }
        loop {
            let permit = tokio::select! {
                () = stopped(stopping) => return,
                permit = self.permits.acquire() => permit,
            };
            let Ok(permit) = permit else { return };
            let pause = match self.try_once(&job.delivery.event).await {
                Outcome::Finished(outcome) => {
                    self.count(outcome);
                    return self.release(key, AckKind::Ack, Some(permit)).await;
                }
                Outcome::Later(pause) => {
                    self.count("later");
                    return self.put_off(job, pause, permit).await;
                }
                Outcome::Dead(reason) => return self.bury(&job, &reason, stopping).await,
                Outcome::Failed {
                    reason,
                    retry_after,
                    blameless,
                } => {
                    self.count("failed");
                    job.failures = job.failures.saturating_add(1);
                    let since = *job
                        .failing_since
                        .get_or_insert_with(tokio::time::Instant::now);
                    // A service that is away for an hour must not bury an hour's events.
                    let waits = blameless && since.elapsed() < self.options.patience;
                    if !waits && job.failures.saturating_add(lost) >= self.options.max_tries {
                        let reason = format!("failed {} times, at last: {reason}", job.failures);
                        return self.bury(&job, &reason, stopping).await;
                    }
                    let pause = self
                        .pause(job.failures)
                        .max(retry_after.unwrap_or_default());
                    tracing::info!(handler = self.handler.name(), position = job.delivery.event.position, %reason,
                        failures = job.failures, pause_ms = pause.as_millis(), "an event is tried again later");
                    pause
                }
            };
            drop(permit);
            tokio::select! {
                () = stopped(stopping) => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Puts an event off: to the server, which gives it out again, if that does not count as a failed try; else it stays
    /// in hand.
    async fn put_off(self: &Arc<Self>, job: Job, pause: Duration, permit: SemaphorePermit<'_>) {
        if self.handler.defers() {
            let key = (job.delivery.source, job.delivery.sequence);
            return self
                .release(key, AckKind::Nak(Some(pause)), Some(permit))
                .await;
        }
        drop(permit);
        let lanes = Arc::clone(self);
        tokio::spawn(async move {
            let mut stopping = lanes.stopping.subscribe();
            tokio::select! {
                () = stopped(&mut stopping) => {}
                () = tokio::time::sleep(pause) => lanes.enqueue(job),
            }
        });
    }

    async fn try_once(&self, event: &RecordedEvent) -> Outcome {
        let failed = |reason: &str| Outcome::Failed {
            reason: reason.to_owned(),
            retry_after: None,
            blameless: false,
        };
        let started = tokio::time::Instant::now();
        let call = AssertUnwindSafe(self.handler.handle(event)).catch_unwind();
        let answer = tokio::time::timeout(self.options.handler_time, call).await;
        metrics::histogram!("kvit_handler_seconds", "handler" => self.handler.name())
            .record(started.elapsed().as_secs_f64());
        match answer {
            Ok(Ok(Ok(Handled::Done))) => Outcome::Finished("done"),
            Ok(Ok(Ok(Handled::Skipped))) => Outcome::Finished("skipped"),
            Ok(Ok(Ok(Handled::Later(pause)))) => Outcome::Later(pause),
            Ok(Ok(Err(HandlerFault::Transient {
                reason,
                retry_after,
            }))) => Outcome::Failed {
                reason,
                retry_after,
                blameless: true,
            },
            Ok(Ok(Err(HandlerFault::Poison { reason }))) => Outcome::Dead(reason),
            Ok(Err(_panic)) => failed("the handler panicked"),
            Err(_) => failed("the handler took too long"),
        }
    }

    fn pause(&self, failures: u32) -> Duration {
        let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.options
            .first_pause
            .saturating_mul(factor)
            .min(self.options.last_pause)
    }

    fn count(&self, outcome: &'static str) {
        metrics::counter!("kvit_handled_total", "handler" => self.handler.name(), "outcome" => outcome).increment(1);
    }

    /// Sends a message that is no event to the dead letters.
    pub(super) async fn reject(
        &self,
        key: Key,
        reply: Subject,
        message: &async_nats::Message,
        reason: &str,
    ) {
        lock(&self.in_hand).insert(key, reply);
        self.to_dead_letters(key, message, 1, reason, &mut self.stopping.subscribe())
            .await;
    }

    /// Lets the handler say its last word, then sends the event to the dead letters.
    async fn bury(&self, job: &Job, reason: &str, stopping: &mut Shutdown) {
        let key = (job.delivery.source, job.delivery.sequence);
        let farewell = AssertUnwindSafe(self.handler.give_up(&job.delivery.event)).catch_unwind();
        match tokio::time::timeout(self.options.handler_time, farewell).await {
            Ok(Ok(Ok(()))) => {}
            // The dead letter stays for a person; it is all that is left to do.
            Ok(Ok(Err(fault))) => {
                tracing::error!(handler = self.handler.name(), %fault, "giving an event up failed");
            }
            Ok(Err(_)) | Err(_) => {
                tracing::error!(handler = self.handler.name(), "giving an event up failed");
            }
        }
        self.to_dead_letters(key, &job.delivery.message, job.failures, reason, stopping)
            .await;
    }

    /// Stores the dead letter first and gives the message up after that; tries on until the bus has it.
    async fn to_dead_letters(
        &self,
        (source, sequence): Key,
        message: &async_nats::Message,
        tries: u32,
        reason: &str,
        stopping: &mut Shutdown,
    ) {
        let name = self.handler.name();
        let mut headers = HeaderMap::new();
        for (header, values) in message.headers.iter().flat_map(HeaderMap::iter) {
            let text: &str = header.as_ref();
            if !text.starts_with("Nats-") {
                for value in values {
                    headers.append(header.clone(), value.clone());
                }
            }
        }
        // The same message twice within the server's window is one dead letter.
        headers.insert(NATS_MESSAGE_ID, format!("{name}:{source}:{sequence}"));
        let reason: String = reason
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(500)
            .collect();
        subject::set(&mut headers, subject::REASON, &reason);
        subject::set(&mut headers, subject::HANDLER, name);
        subject::set(&mut headers, subject::TRIES, &tries.to_string());
        tracing::error!(handler = name, stream = source, sequence, %reason, "an event goes to the dead letters");
        let mut pause = Duration::from_millis(100);
        loop {
            let subject = format!("{}.{name}", subject::DEAD);
            let stored = async {
                self.bus
                    .publish_with_headers(subject, headers.clone(), message.payload.clone())
                    .await?
                    .await
            };
            match tokio::time::timeout(Duration::from_secs(10), stored).await {
                Ok(Ok(_)) => break,
                Ok(Err(fault)) => tracing::warn!(%fault, "the dead letter is not stored yet"),
                Err(_) => tracing::warn!("the dead letter is not stored yet"),
            }
            tokio::select! {
                () = stopped(stopping) => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = pause.saturating_mul(2).min(Duration::from_secs(5));
        }
        metrics::counter!("kvit_dead_letters_total", "handler" => name).increment(1);
        self.release((source, sequence), AckKind::Term, None).await;
    }

    /// Acknowledges a message and lets it go. When the acknowledgement is lost, the message comes again.
    async fn release(&self, key: Key, kind: AckKind, permit: Option<SemaphorePermit<'_>>) {
        let reply = lock(&self.in_hand).remove(&key);
        self.freed.notify_waiters();
        if let Some(reply) = reply {
            self.send(reply, kind).await;
        }
        // Held until here, so that `finish` does not overtake the acknowledgement.
        drop(permit);
    }

    pub(super) async fn send(&self, reply: Subject, kind: AckKind) {
        let client = self.bus.client();
        let sending = client.publish(reply, kind.into());
        // While the bus is away its client's queue fills up; the message then comes again.
        let _ = tokio::time::timeout(Duration::from_secs(2), sending).await;
    }

    /// Lets running handlers end, within their grace, and gives back what is left.
    pub(super) async fn finish(&self) {
        self.stopping.send_replace(true);
        let all = u32::try_from(self.options.concurrency.max(1)).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(self.options.grace, self.permits.acquire_many(all)).await;
        let left: Vec<Subject> = lock(&self.in_hand)
            .drain()
            .map(|(_, reply)| reply)
            .collect();
        for reply in left {
            self.send(reply, AckKind::Nak(None)).await;
        }
        let _ = tokio::time::timeout(Duration::from_secs(2), self.bus.client().flush()).await;
    }
}
