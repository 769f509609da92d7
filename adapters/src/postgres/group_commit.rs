//! Group commit: everything that waits goes to the database in one call.
//!
//! One dispatcher task collects the waiting units; a worker with a connection of its own carries one batch at a time (the
//! options allow several). A batch leaves as soon as the worker is free, so a lone append waits for nobody, and under load
//! a batch is whatever arrived while the one before it was on its way, after a short moment for those who were just
//! answered, see [`Gathering`]. A stream is never in two batches at once: the second unit would be refused for a sequence
//! that it could not have known.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use kvit_commands::ports::log::{Appended, LogFault};
use kvit_domain::event::StreamId;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::classify::{self, Lane};
use super::head::Head;
use super::log::LogOptions;
use super::unit::{Unit, append_batch};

/// How many waiting units the dispatcher itself holds; the rest waits in the bounded queue before it.
const LOOK_AHEAD: usize = 4_096;
/// Longest wait for a connection to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Pauses between tries to connect.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LAST_BACKOFF: Duration = Duration::from_secs(2);

/// A worker that has finished its batch.
struct Finished {
    worker: usize,
    streams: Vec<StreamId>,
    units: usize,
    took: Duration,
}

/// The callers that were just answered usually come back at once. Waiting a moment for them makes one large batch out of
/// two halves that take turns, each paying a commit of its own. The moment is short beside a commit, and it ends when as
/// many wait as were answered; so a lone caller never waits.
struct Gathering {
    until: Instant,
    expected: usize,
}

impl Gathering {
    /// How long the dispatcher should still wait with so many waiting; `None` when the next batch may go.
    fn rest(&self, waiting: usize) -> Option<Duration> {
        let rest = self.until.saturating_duration_since(Instant::now());
        (waiting > 0 && waiting < self.expected && !rest.is_zero()).then_some(rest)
    }

    /// Waits without the runtime's timer, which is coarser than most of these moments.
    async fn pass(rest: Duration) {
        if rest >= Duration::from_millis(2) {
            tokio::time::sleep(rest).await;
        } else {
            let end = Instant::now() + rest;
            while Instant::now() < end {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Runs the dispatcher until all senders of `queue` are gone and all that was taken is answered.
pub(super) async fn dispatch(
    mut queue: mpsc::Receiver<Unit>,
    connect: PgConnectOptions,
    options: LogOptions,
    head: Head,
) {
    let (finished, mut finishes) = mpsc::unbounded_channel();
    let mut batches = Vec::new();
    for worker in 0..options.in_flight.max(1) {
        // Holds one batch at most: the dispatcher sends only to an idle worker.
        let (sender, receiver) = mpsc::channel(1);
        batches.push(sender);
        let carrier = Carrier {
            connect: connect.clone(),
            connection: None,
            backoff: None,
            head: head.clone(),
        };
        tokio::spawn(carrier.run(worker, receiver, finished.clone()));
    }
    drop(finished);

    let mut idle: Vec<usize> = (0..batches.len()).rev().collect();
    let mut busy: HashSet<StreamId> = HashSet::new();
    let mut waiting: VecDeque<Unit> = VecDeque::new();
    let mut arrived = Vec::new();
    let mut open = true;
    let mut gathering = Gathering {
        until: Instant::now(),
        expected: 0,
    };
    while open || !waiting.is_empty() || idle.len() < batches.len() {
        let mut rest = None;
        while let Some(&worker) = idle.last() {
            rest = gathering.rest(waiting.len());
            if rest.is_some() {
                break;
            }
            let batch = take_batch(&mut waiting, &busy, &options);
            if batch.is_empty() {
                break;
            }
            idle.pop();
            busy.extend(batch.iter().flat_map(Unit::streams).cloned());
            let Some(sender) = batches.get(worker) else {
                return;
            };
            if let Err(mpsc::error::SendError(batch)) = sender.send(batch).await {
                // A worker ends only when the program does.
                for unit in batch {
                    busy_release(&mut busy, unit.streams());
                    let _ = unit.reply.send(Err(LogFault::Transient(
                        "the program is stopping".to_owned(),
                    )));
                }
            }
        }
        tokio::select! {
            () = Gathering::pass(rest.unwrap_or_default()), if rest.is_some() => {}
            Some(Finished { worker, streams, units, took }) = finishes.recv() => {
                let moment = (took / 8).min(options.gather);
                gathering = Gathering { until: Instant::now() + moment, expected: waiting.len().saturating_add(units) };
                busy_release(&mut busy, streams.iter());
                idle.push(worker);
            }
            count = queue.recv_many(&mut arrived, 512), if open && waiting.len() < LOOK_AHEAD => {
                open = count > 0;
                waiting.extend(arrived.drain(..));
            }
        }
    }
}

fn busy_release<'a>(busy: &mut HashSet<StreamId>, streams: impl Iterator<Item = &'a StreamId>) {
    for stream in streams {
        busy.remove(stream);
    }
}

/// Takes the next batch out of the waiting units, in their order. A unit on a stream that is busy, or that an earlier
/// waiting unit wants, stays where it is.
fn take_batch(
    waiting: &mut VecDeque<Unit>,
    busy: &HashSet<StreamId>,
    options: &LogOptions,
) -> Vec<Unit> {
    let mut batch = Vec::new();
    let mut stays = VecDeque::new();
    let mut wanted: HashSet<StreamId> = HashSet::new();
    let (mut events, mut bytes) = (0_usize, 0_usize);
    while let Some(unit) = waiting.pop_front() {
        if unit.reply.is_closed() {
            continue; // Its caller has given up; it was never sent.
        }
        let (more_events, more_bytes) = (
            events.saturating_add(unit.events),
            bytes.saturating_add(unit.bytes),
        );
        if !batch.is_empty()
            && (more_events > options.batch_events || more_bytes > options.batch_bytes)
        {
            waiting.push_front(unit);
            break;
        }
        let free = unit
            .streams()
            .all(|stream| !busy.contains(stream) && !wanted.contains(stream));
        wanted.extend(unit.streams().cloned());
        if free {
            (events, bytes) = (more_events, more_bytes);
            batch.push(unit);
        } else {
            stays.push_back(unit);
        }
    }
    while let Some(unit) = stays.pop_back() {
        waiting.push_front(unit);
    }
    batch
}

/// Carries batches over one connection.
struct Carrier {
    connect: PgConnectOptions,
    connection: Option<PgConnection>,
    /// After a failed try to connect: no new try before this time, and the pause that led to it.
    backoff: Option<(Instant, Duration)>,
    head: Head,
}

impl Carrier {
    async fn run(
        mut self,
        worker: usize,
        mut batches: mpsc::Receiver<Vec<Unit>>,
        finished: mpsc::UnboundedSender<Finished>,
    ) {
        while let Some(batch) = batches.recv().await {
            let streams = batch.iter().flat_map(Unit::streams).cloned().collect();
            metrics::histogram!("kvit_append_batch_units")
                .record(f64::from(u32::try_from(batch.len()).unwrap_or(u32::MAX)));
            let (units, started) = (batch.len(), Instant::now());
            self.carry(batch).await;
            let took = started.elapsed();
            let done = Finished {
                worker,
                streams,
                units,
                took,
            };
            if finished.send(done).is_err() {
                return;
            }
        }
    }

    async fn carry(&mut self, batch: Vec<Unit>) {
        match self.try_append(&batch).await {
            Ok(answers) => self.answer(batch, answers),
            // The database rolled the whole batch back because of one unit. Each goes alone now, so that only the guilty
            // one is refused.
            Err((Lane::Unique | Lane::Fatal, _)) if batch.len() > 1 => {
                for unit in batch {
                    let alone = [unit];
                    let answers = match self.try_append(&alone).await {
                        Ok(answers) => answers,
                        Err(error) => vec![Err(fault(error))],
                    };
                    self.answer(alone.into(), answers);
                }
            }
            Err(error) => {
                let fault = fault(error);
                let answers = batch.iter().map(|_| Err(fault.clone())).collect();
                self.answer(batch, answers);
            }
        }
    }

    fn answer(&self, batch: Vec<Unit>, answers: Vec<Result<Appended, LogFault>>) {
        let mut last_position = 0;
        for (unit, answer) in batch.into_iter().zip(answers) {
            let outcome = match &answer {
                Ok(Appended::Stored { last, .. }) => {
                    last_position = last_position.max(*last);
                    metrics::counter!("kvit_appended_events_total")
                        .increment(unit.events.try_into().unwrap_or(0));
                    "stored"
                }
                Ok(Appended::Conflict { .. }) => "conflict",
                Err(LogFault::Transient(_)) => "transient",
                Err(LogFault::Fatal(_)) => "fatal",
            };
            metrics::counter!("kvit_appends_total", "outcome" => outcome).increment(1);
            // The caller may have stopped waiting; the answer is then in the log.
            let _ = unit.reply.send(answer);
        }
        self.head.stored(last_position);
    }

    /// One call. After an error that may have broken the connection, the next call opens a new one.
    async fn try_append(
        &mut self,
        units: &[Unit],
    ) -> Result<Vec<Result<Appended, LogFault>>, (Lane, String)> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.open().await?,
        };
        match append_batch(&mut connection, units).await {
            Ok(answers) => {
                self.connection = Some(connection);
                Ok(answers)
            }
            Err(error) => {
                let lane = classify::lane(&error);
                if lane == Lane::Unique {
                    self.connection = Some(connection);
                } else {
                    tracing::warn!(error = %classify::describe(&error), ?lane, units = units.len(), "append failed");
                }
                Err((lane, classify::describe(&error)))
            }
        }
    }

    async fn open(&mut self) -> Result<PgConnection, (Lane, String)> {
        let pause = match self.backoff {
            Some((until, _)) if Instant::now() < until => {
                return Err((
                    Lane::Transient,
                    "the database did not answer a moment ago".to_owned(),
                ));
            }
            Some((_, pause)) => pause.saturating_mul(2).min(LAST_BACKOFF),
            None => FIRST_BACKOFF,
        };
        let opened = tokio::time::timeout(CONNECT_TIMEOUT, self.connect.connect()).await;
        let why = match opened {
            Ok(Ok(connection)) => {
                self.backoff = None;
                return Ok(connection);
            }
            Ok(Err(error)) => classify::describe(&error),
            Err(_) => "no connection in time".to_owned(),
        };
        if self.backoff.is_none() {
            tracing::warn!(error = %why, "the event log's connection cannot be opened; trying on");
        }
        self.backoff = Some((Instant::now() + pause, pause));
        // Also wrong credentials: an operator may be changing them, and the reader of the log line knows more than we do.
        Err((Lane::Transient, why))
    }
}

fn fault((lane, why): (Lane, String)) -> LogFault {
    match lane {
        Lane::Transient => LogFault::Transient(why),
        // An event id that is already stored: this is a repeat of an append whose answer was lost. Loading the stream
        // shows what became of it.
        Lane::Unique => LogFault::Transient(
            "an event of this append is already stored; load the stream".to_owned(),
        ),
        Lane::Fatal => LogFault::Fatal(why),
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Gathering, Instant};

    #[test]
    fn the_next_batch_waits_only_while_answered_callers_are_missing_and_time_is_left() {
        let soon = Instant::now() + Duration::from_secs(60);
        let gathering = |until, expected| Gathering { until, expected };
        assert!(gathering(soon, 4).rest(2).is_some());
        assert!(gathering(soon, 4).rest(4).is_none(), "all are back");
        assert!(
            gathering(soon, 4).rest(0).is_none(),
            "nothing is to be sent"
        );
        assert!(
            gathering(soon, 1).rest(1).is_none(),
            "a lone caller never waits"
        );
        assert!(
            gathering(Instant::now(), 4).rest(2).is_none(),
            "the moment is over"
        );
    }
}
