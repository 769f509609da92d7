//! What the providers send by themselves: hints that something happened, late, twice, out of order, at the fourth try, or
//! forged by somebody else.
//!
//! A notification that arrives is stored once and answered; the product's own follower, in every process, follows it up.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use kvit_commands::ports::notifications::{
    InboxFault, NotificationInbox, PendingNotification, RawNotification, Received,
};
use kvit_commands::ports::operations::{Operations, OperationsFault, OurItem};
use kvit_commands::ports::payment::{Notice, NoticeFault, NoticeReader, NoticeTopic};
use kvit_domain::ids::PayoutId;
use kvit_domain::ledger::ProviderName;
use kvit_domain::reconciliation::StatementKind;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use super::life::Life;
use super::plan::Kind;
use super::process::Running;
use super::world::World;

/// When a provider tries again, seconds after the event.
const TRIES: [u64; 7] = [10, 42, 84, 168, 672, 5_376, 86_016];
/// How many a follower looks at at once.
const AT_ONCE: u32 = 100;
/// Pause between two looks at what could not be followed up, at first and at last.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(120));

/// The inbox that all processes share.
#[derive(Default)]
pub struct Inbox {
    inner: Mutex<Stored>,
    news: Notify,
}

#[derive(Default)]
struct Stored {
    waiting: Vec<PendingNotification>,
    seen: BTreeSet<String>,
}

impl Inbox {
    fn lock(&self) -> std::sync::MutexGuard<'_, Stored> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Stores a body once.
    fn receive(&self, provider: ProviderName, body: &str, at: DateTime<Utc>) {
        let digest = hex::encode(Sha256::digest(body.as_bytes()));
        let mut stored = self.lock();
        if stored.seen.insert(format!("{}:{digest}", provider.code())) {
            stored.waiting.push(PendingNotification {
                digest,
                raw: RawNotification {
                    provider: provider.code().to_owned(),
                    content_type: "text/plain".to_owned(),
                    body: Bytes::from(body.to_owned()),
                    received_at: at,
                },
            });
        }
        drop(stored);
        self.news.notify_waiters();
    }
}

/// Sends a notification on its way. The body's words: event, kind, id, and what else the kind needs.
pub fn notify(world: &Arc<World>, provider: ProviderName, body: String) {
    let faults = world.faults.on();
    let copies = if faults && world.schedule.permille(world.plan.notice) {
        world.faults.count(Kind::NoticeDuplicate);
        world.schedule.between(2, 4)
    } else {
        1
    };
    for _ in 0..copies {
        let mut first = world.schedule.between(5, 400);
        if faults && world.schedule.permille(world.plan.notice) {
            world.faults.count(Kind::NoticeDelay);
            first = world.schedule.between(1_000, 120_000);
        }
        let (there, body, coming) = (Arc::clone(world), body.clone(), world.coming());
        tokio::spawn(async move {
            let world = there;
            tokio::time::sleep(Duration::from_millis(first)).await;
            for next in TRIES {
                if !(world.faults.on() && world.schedule.permille(world.plan.notice)) {
                    break;
                }
                // Answered with something else than 200.
                world.faults.count(Kind::NoticeLost);
                tokio::time::sleep(Duration::from_secs(next)).await;
            }
            world.step(format_args!("{} notifies: {body}", provider.code()));
            world.inbox.receive(provider, &body, world.now());
            drop(coming);
        });
    }
}

/// Follows up in a process until it dies.
pub async fn follow(world: Arc<World>, running: Arc<Running>) {
    let mut pause = AGAIN.0;
    loop {
        let news = world.inbox.news.notified();
        if world.inbox.waiting() == 0 {
            news.await;
            pause = AGAIN.0;
        }
        let a_moment = world.schedule.between(10, 1_000);
        tokio::time::sleep(Duration::from_millis(a_moment)).await;
        running.life.still().await;
        let before = world.inbox.waiting();
        for following in &running.following {
            if let Err(fault) = following.follow_up(AT_ONCE).await {
                world.step(format_args!(
                    "p{}.{} {fault}",
                    running.life.process, running.life.number
                ));
            }
        }
        if world.inbox.waiting() < before {
            pause = AGAIN.0;
        } else {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(AGAIN.1);
        }
    }
}

/// A process' own view of the inbox.
pub struct InboxPort {
    /// The process.
    pub life: Arc<Life>,
    /// Where.
    pub world: Arc<World>,
}

impl InboxPort {
    async fn at(&self) -> Result<(), InboxFault> {
        self.life.at(&self.world, "at the inbox").await;
        let (faults, rate) = (&self.world.faults, self.world.plan.log);
        if faults.on() && self.world.schedule.permille(rate) {
            faults.count(Kind::LogRead);
            return Err(InboxFault::Transient("the connection broke".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl NotificationInbox for InboxPort {
    async fn receive(&self, notification: RawNotification) -> Result<Received, InboxFault> {
        let _ = notification;
        Err(InboxFault::Fatal(
            "notifications do not come in here".to_owned(),
        ))
    }

    async fn pending(
        &self,
        provider: &str,
        limit: u32,
    ) -> Result<Vec<PendingNotification>, InboxFault> {
        self.at().await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let stored = self.world.inbox.lock();
        let waiting = stored
            .waiting
            .iter()
            .filter(|one| one.raw.provider == provider);
        Ok(waiting.take(limit).cloned().collect())
    }

    async fn follow_up(
        &self,
        provider: &str,
        digest: &str,
        _: DateTime<Utc>,
    ) -> Result<(), InboxFault> {
        self.at().await?;
        self.world
            .inbox
            .lock()
            .waiting
            .retain(|one| one.raw.provider != provider || one.digest != digest);
        Ok(())
    }
}

/// Reads the bodies of this world: words with blanks between them.
pub struct Words(pub ProviderName);

impl NoticeReader for Words {
    fn provider(&self) -> ProviderName {
        self.0
    }

    fn read(&self, _: &str, body: &[u8]) -> Result<Vec<Notice>, NoticeFault> {
        let unreadable = || NoticeFault("not words".to_owned());
        let text = std::str::from_utf8(body).map_err(|_| unreadable())?;
        let words: Vec<&str> = text.split(' ').collect();
        let known = |word: &str| (word != "-").then(|| word.to_owned());
        let (event, topic) = match words.as_slice() {
            [event, "payment", id, operation] => (
                event,
                NoticeTopic::Payment {
                    provider_id: (*id).to_owned(),
                    operation_id: known(operation),
                    paid: event.ends_with("succeeded"),
                },
            ),
            [event, "refund", id, payment] => (
                event,
                NoticeTopic::Refund {
                    provider_refund_id: (*id).to_owned(),
                    provider_payment_id: (*payment).to_owned(),
                },
            ),
            [event, "payout", id, operation] => (
                event,
                NoticeTopic::Payout {
                    provider_id: (*id).to_owned(),
                    operation_id: known(operation),
                    reversed: event.starts_with("payout.reversed"),
                },
            ),
            _ => return Err(unreadable()),
        };
        Ok(vec![Notice {
            event: (*event).to_owned(),
            topic,
        }])
    }
}

/// Our operations, read out of a model that is never behind: read models are waited for.
pub struct OperationsPort {
    /// The process.
    pub life: Arc<Life>,
    /// Where.
    pub world: Arc<World>,
}

#[async_trait]
impl Operations for OperationsPort {
    async fn payout_by_bill(
        &self,
        provider: ProviderName,
        bill_id: &str,
    ) -> Result<Option<PayoutId>, OperationsFault> {
        self.life.at(&self.world, "at the read models").await;
        let faults = &self.world.faults;
        if faults.on() && self.world.schedule.permille(self.world.plan.log) {
            faults.count(Kind::LogRead);
            return Err(OperationsFault("they are behind".to_owned()));
        }
        Ok(self.world.model().payout_by_bill(provider, bill_id))
    }

    async fn list(
        &self,
        _: ProviderName,
        _: StatementKind,
        _: DateTime<Utc>,
        _: DateTime<Utc>,
    ) -> Result<Vec<OurItem>, OperationsFault> {
        Ok(Vec::new())
    }
}

/// Somebody else sends something that looks like a notification.
pub fn forge(world: &Arc<World>) {
    let books = match world.fate.below(2) {
        0 => &world.pay_in[0],
        _ => &world.pay_in[1],
    };
    let payments = books.payments();
    let known = world.fate.pick(&payments);
    let number = world.fate.next();
    let body = match (known, world.fate.below(4)) {
        (Some(paid), 0 | 1) => format!(
            "payment.succeeded{number} payment {} {}",
            paid.id, paid.operation
        ),
        (Some(paid), 2) => format!("refund.succeeded refund forged-{number} {}", paid.id),
        (_, 3) => format!("{number}"),
        _ => format!("payment.succeeded payment forged-{number} -"),
    };
    world.faults.count(Kind::NoticeForged);
    notify(world, books.provider, body);
}
