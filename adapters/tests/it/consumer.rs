//! Handlers behind the bus.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::jetstream::Context;
use async_trait::async_trait;
use kvit_adapters::nats::{Consumer, ConsumerOptions, DeadLetters};
use kvit_adapters::postgres::PgEventLog;
use kvit_commands::ports::bus::{ANY_EVENT, EventHandler, Handled, HandlerFault};
use kvit_commands::ports::log::{Append, StreamAppend};
use kvit_domain::event::{Position, RecordedEvent, StreamId};
use kvit_testkit::TestNats;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::relay::{Running, bus, relay};
use crate::support::{event, open_log, stored, to_one, until};

type Answer = Box<dyn Fn(&RecordedEvent, usize) -> Result<Handled, HandlerFault> + Send + Sync>;

/// A handler that writes down what it saw.
struct Recorder {
    name: &'static str,
    interests: Vec<(&'static str, &'static str)>,
    defers: bool,
    takes: Duration,
    answer: Answer,
    seen: Mutex<Vec<(StreamId, i64)>>,
    tries: Mutex<HashMap<Position, usize>>,
    running: Mutex<Vec<StreamId>>,
    given_up: Mutex<Vec<Position>>,
}

impl Recorder {
    fn new(name: &'static str, interests: &[(&'static str, &'static str)], answer: Answer) -> Self {
        Self {
            name,
            interests: interests.to_vec(),
            defers: false,
            takes: Duration::ZERO,
            answer,
            seen: Mutex::default(),
            tries: Mutex::default(),
            running: Mutex::default(),
            given_up: Mutex::default(),
        }
    }

    fn seen(&self) -> Vec<(StreamId, i64)> {
        self.seen.lock().unwrap().clone()
    }

    fn tries_of(&self, position: Position) -> usize {
        self.tries
            .lock()
            .unwrap()
            .get(&position)
            .copied()
            .unwrap_or(0)
    }
}

#[async_trait]
impl EventHandler for Recorder {
    fn name(&self) -> &'static str {
        self.name
    }

    fn interests(&self) -> Vec<(&'static str, &'static str)> {
        self.interests.clone()
    }

    fn defers(&self) -> bool {
        self.defers
    }

    async fn give_up(&self, event: &RecordedEvent) -> Result<(), HandlerFault> {
        self.given_up.lock().unwrap().push(event.position);
        Ok(())
    }

    async fn handle(&self, event: &RecordedEvent) -> Result<Handled, HandlerFault> {
        let tries = {
            let mut tries = self.tries.lock().unwrap();
            let tries = tries.entry(event.position).or_insert(0);
            *tries += 1;
            *tries
        };
        {
            let mut running = self.running.lock().unwrap();
            assert!(
                !running.contains(&event.stream),
                "two events of one aggregate at once"
            );
            running.push(event.stream.clone());
        }
        tokio::time::sleep(self.takes).await;
        self.running
            .lock()
            .unwrap()
            .retain(|stream| *stream != event.stream);
        let answer = (self.answer)(event, tries);
        if matches!(answer, Ok(Handled::Done)) {
            self.seen
                .lock()
                .unwrap()
                .push((event.stream.clone(), event.sequence));
        }
        answer
    }
}

fn done() -> Answer {
    Box::new(|_, _| Ok(Handled::Done))
}

fn quick() -> ConsumerOptions {
    ConsumerOptions {
        max_tries: 4,
        patience: Duration::ZERO,
        first_pause: Duration::from_millis(10),
        last_pause: Duration::from_millis(40),
        ack_wait: Duration::from_secs(2),
        grace: Duration::from_secs(5),
        ..ConsumerOptions::default()
    }
}

struct Stage {
    log: Arc<PgEventLog>,
    bus: Context,
    server: TestNats,
    _relay: Running,
}

async fn stage(server: TestNats) -> Stage {
    let db = kvit_testkit::pg().await;
    let log = open_log(&db);
    let bus = bus(&server).await;
    Stage {
        _relay: relay(&db, &log, &bus, "a"),
        log,
        bus,
        server,
    }
}

fn run(
    stage: &Stage,
    handler: &Arc<Recorder>,
    options: ConsumerOptions,
) -> (watch::Sender<bool>, JoinHandle<()>) {
    let (stop, shutdown) = watch::channel(false);
    let handler: Arc<dyn EventHandler> = handler.clone();
    (
        stop,
        tokio::spawn(Consumer::new(stage.bus.clone(), handler, options).run(shutdown)),
    )
}

async fn halt((stop, task): (watch::Sender<bool>, JoinHandle<()>)) {
    stop.send_replace(true);
    tokio::time::timeout(Duration::from_secs(20), task)
        .await
        .expect("the consumer ends")
        .unwrap();
}

fn wallet(n: usize) -> StreamId {
    StreamId::new("wallet", format!("w{n}"))
}

/// Each stream's sequences in the order seen; first occurrences only, since a delivery may come twice.
fn orders(seen: &[(StreamId, i64)]) -> HashMap<StreamId, Vec<i64>> {
    let mut orders: HashMap<StreamId, Vec<i64>> = HashMap::new();
    for (stream, sequence) in seen {
        let order = orders.entry(stream.clone()).or_default();
        if !order.contains(sequence) {
            order.push(*sequence);
        }
    }
    orders
}

#[tokio::test]
async fn a_handler_gets_what_it_wants_and_nothing_else() {
    for program in [None, kvit_testkit::nats::debian_server()] {
        let server = match program {
            None => kvit_testkit::nats().await,
            Some(program) => kvit_testkit::nats_with(program).await,
        };
        let stage = stage(server).await;
        let append = |stream: StreamId, event_type: &str| Append {
            streams: vec![StreamAppend {
                stream,
                expected_sequence: 0,
                events: vec![event(event_type, "{}")],
            }],
        };
        for n in 0..10 {
            stored(
                &stage.log,
                append(StreamId::new("wallet", format!("w{n}")), "Posted"),
            )
            .await;
            stored(
                &stage.log,
                append(StreamId::new("wallet", format!("x{n}")), "Opened"),
            )
            .await;
            stored(
                &stage.log,
                append(StreamId::new("receipt", format!("r{n}")), "Accepted"),
            )
            .await;
            stored(
                &stage.log,
                append(StreamId::new("user", format!("u{n}")), "Registered"),
            )
            .await;
        }
        let two = Arc::new(Recorder::new(
            "two",
            &[("wallet", "Posted"), ("receipt", ANY_EVENT)],
            done(),
        ));
        let one = Arc::new(Recorder::new("one", &[("user", "Registered")], done()));
        let (first, second) = (run(&stage, &two, quick()), run(&stage, &one, quick()));
        until("both are done", || async {
            two.seen().len() >= 20 && one.seen().len() >= 10
        })
        .await;
        halt(first).await;
        halt(second).await;
        assert!(
            two.seen()
                .iter()
                .all(|(stream, _)| stream.aggregate_id.starts_with(['w', 'r']))
        );
        assert!(
            one.seen()
                .iter()
                .all(|(stream, _)| stream.aggregate_id.starts_with('u'))
        );
        assert_eq!((two.seen().len(), one.seen().len()), (20, 10));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_an_aggregate_come_in_order_through_failures_and_a_restart_of_the_bus() {
    let stage = stage(kvit_testkit::nats().await).await;
    for n in 0..20 {
        stored(&stage.log, to_one(&wallet(n), 0, 10)).await;
    }
    // Every seventh event fails twice before it works; one panics once.
    let mut handler = Recorder::new(
        "orders",
        &[("wallet", ANY_EVENT)],
        Box::new(|event, tries| {
            assert!(
                event.position != 50 || tries > 1,
                "a panic in a handler is a failed try"
            );
            if event.position % 7 == 0 && tries <= 2 {
                Err(HandlerFault::transient("busy"))
            } else {
                Ok(Handled::Done)
            }
        }),
    );
    handler.takes = Duration::from_millis(5);
    let handler = Arc::new(handler);
    let running = run(&stage, &handler, quick());
    until("some are done", || async { handler.seen().len() > 30 }).await;
    stage.server.crash();
    stage.server.start_again();
    until("all are done", || async {
        orders(&handler.seen())
            .values()
            .map(Vec::len)
            .sum::<usize>()
            == 200
    })
    .await;
    halt(running).await;
    for (stream, order) in orders(&handler.seen()) {
        assert_eq!(order, (1..=10).collect::<Vec<_>>(), "{stream}");
    }
}

#[tokio::test]
async fn a_new_process_goes_on_where_the_old_one_stopped() {
    let stage = stage(kvit_testkit::nats().await).await;
    for n in 0..30 {
        stored(&stage.log, to_one(&wallet(n), 0, 1)).await;
    }
    let slow = || {
        let mut handler = Recorder::new("restarts", &[("wallet", ANY_EVENT)], done());
        handler.takes = Duration::from_millis(20);
        Arc::new(handler)
    };
    let (first, second) = (slow(), slow());
    let running = run(&stage, &first, quick());
    until("some are done", || async { first.seen().len() > 10 }).await;
    halt(running).await;
    let before = first.seen().len();
    assert!(before < 30, "the stop came in the middle");
    let running = run(&stage, &second, quick());
    until("the rest is done", || async {
        second.seen().len() >= 30 - before
    })
    .await;
    halt(running).await;
    assert_eq!(
        second.seen().len(),
        30 - before,
        "nothing that was finished came again"
    );
}

#[tokio::test]
async fn an_event_outlasts_a_service_that_is_away_longer_than_all_tries() {
    let stage = stage(kvit_testkit::nats().await).await;
    stored(&stage.log, to_one(&wallet(0), 0, 1)).await;
    let handler = Arc::new(Recorder::new(
        "outlasts",
        &[("wallet", ANY_EVENT)],
        Box::new(|_, tries| {
            if tries <= 15 {
                Err(HandlerFault::transient("away"))
            } else {
                Ok(Handled::Done)
            }
        }),
    ));
    let options = ConsumerOptions {
        patience: Duration::from_secs(60),
        ..quick()
    };
    let running = run(&stage, &handler, options);
    until("it is done after all", || async {
        handler.seen().len() == 1
    })
    .await;
    halt(running).await;
    let letters = DeadLetters::new(stage.bus.clone());
    assert!(letters.list(0, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_cannot_be_handled_becomes_a_dead_letter_and_can_be_tried_again_or_dropped() {
    let stage = stage(kvit_testkit::nats().await).await;
    for n in 0..4 {
        stored(&stage.log, to_one(&wallet(n), 0, 2)).await;
    }
    let healed = Arc::new(Mutex::new(false));
    let heal = Arc::clone(&healed);
    let handler = Arc::new(Recorder::new(
        "dead",
        &[("wallet", ANY_EVENT)],
        Box::new(move |event, _| match event.position {
            _ if *heal.lock().unwrap() => Ok(Handled::Done),
            1 => Err(HandlerFault::poison("never\nthis one")),
            3 => Err(HandlerFault::transient("always busy")),
            5 => Err(HandlerFault::Transient {
                reason: "wait".to_owned(),
                retry_after: Some(Duration::from_millis(1)),
            }),
            _ => Ok(Handled::Done),
        }),
    ));
    let running = run(&stage, &handler, quick());
    let letters = DeadLetters::new(stage.bus.clone());
    until("three are dead", || async {
        letters.list(0, 10).await.unwrap().len() == 3
    })
    .await;
    until("the others are done", || async {
        handler.seen().len() == 5
    })
    .await;
    let mut given_up = handler.given_up.lock().unwrap().clone();
    given_up.sort_unstable();
    assert_eq!(given_up, [1, 3, 5], "the handler had its last word on each");
    let list = letters.list(0, 10).await.unwrap();
    let poison = list
        .iter()
        .find(|letter| letter.position == Some(1))
        .unwrap();
    assert_eq!(
        (
            poison.handler.as_str(),
            poison.reason.as_str(),
            poison.tries
        ),
        ("dead", "never this one", 0)
    );
    assert_eq!(poison.event.as_ref().unwrap().stream, wallet(0));
    let busy = list
        .iter()
        .find(|letter| letter.position == Some(3))
        .unwrap();
    assert!(
        busy.reason.contains("failed 4 times") && busy.reason.contains("always busy"),
        "{}",
        busy.reason
    );
    assert_eq!(
        (
            handler.tries_of(1),
            handler.tries_of(3),
            handler.tries_of(5)
        ),
        (1, 4, 4)
    );
    assert_eq!(letters.list(list[1].sequence, 10).await.unwrap().len(), 1);

    // Still sick: it comes back as another dead letter.
    assert!(letters.replay(poison.sequence).await.unwrap());
    assert!(
        !letters.replay(poison.sequence).await.unwrap(),
        "it is gone"
    );
    until("it is dead again", || async {
        let list = letters.list(0, 10).await.unwrap();
        list.len() == 3 && list.iter().any(|letter| letter.position == Some(1))
    })
    .await;
    *healed.lock().unwrap() = true;
    let list = letters.list(0, 10).await.unwrap();
    assert!(
        letters
            .drop_letter(list[0].sequence, "known and harmless")
            .await
            .unwrap()
    );
    assert!(
        !letters
            .drop_letter(list[0].sequence, "again")
            .await
            .unwrap()
    );
    // Numbers that no letter can have.
    for none in [0, u64::MAX] {
        assert!(!letters.replay(none).await.unwrap(), "{none}");
    }
    for letter in &list[1..] {
        assert!(letters.replay(letter.sequence).await.unwrap());
    }
    until("they are handled", || async { handler.seen().len() == 7 }).await;
    assert!(letters.list(0, 10).await.unwrap().is_empty());
    halt(running).await;
}

#[tokio::test]
async fn later_is_no_failure_and_holds_nobody_up() {
    for defers in [true, false] {
        let stage = stage(kvit_testkit::nats().await).await;
        stored(&stage.log, to_one(&wallet(0), 0, 3)).await;
        let mut handler = Recorder::new(
            "later",
            &[("wallet", ANY_EVENT)],
            Box::new(|event, tries| {
                if event.position == 1 && tries <= 8 {
                    Ok(Handled::Later(Duration::from_millis(30)))
                } else {
                    Ok(Handled::Done)
                }
            }),
        );
        handler.defers = defers;
        let handler = Arc::new(handler);
        let running = run(&stage, &handler, quick());
        until("all are done", || async { handler.seen().len() == 3 }).await;
        let order: Vec<i64> = handler
            .seen()
            .iter()
            .map(|(_, sequence)| *sequence)
            .collect();
        assert_eq!(order, [2, 3, 1], "the others did not wait");
        assert_eq!(
            handler.tries_of(1),
            9,
            "more often than failures are allowed"
        );
        assert!(
            DeadLetters::new(stage.bus.clone())
                .list(0, 10)
                .await
                .unwrap()
                .is_empty()
        );
        halt(running).await;
    }
}

#[tokio::test]
async fn a_long_run_is_not_given_to_somebody_else() {
    let stage = stage(kvit_testkit::nats().await).await;
    stored(&stage.log, to_one(&wallet(0), 0, 1)).await;
    let mut handler = Recorder::new("long", &[("wallet", ANY_EVENT)], done());
    handler.takes = Duration::from_millis(3_500);
    let handler = Arc::new(handler);
    let options = || ConsumerOptions {
        ack_wait: Duration::from_secs(1),
        ..quick()
    };
    let (one, two) = (
        run(&stage, &handler, options()),
        run(&stage, &handler, options()),
    );
    until("it is done", || async { handler.seen().len() == 1 }).await;
    halt(one).await;
    halt(two).await;
    assert_eq!(handler.tries_of(1), 1);
}
