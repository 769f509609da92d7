//! Making checkpoints.

use chrono::{DateTime, Utc};
use kvit_domain::event::Position;
use sqlx::PgPool;

use super::checkpoint::Checkpoint;
use super::link::Link;
use super::rows::{self, Pages};
use super::store::PgCheckpoints;
use super::totals::{Totals, books};
use super::{AuditFault, CheckpointKey, SignedCheckpoint};
use crate::postgres::chain::{GENESIS, Hash, Verifier};

/// How often another process may come first before we give up.
const TRIES: usize = 5;

/// What became of the wish for a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealing {
    /// A new one was signed and stored.
    Made(SignedCheckpoint),
    /// The log has not grown since this one.
    Unchanged(SignedCheckpoint),
    /// The log is empty; there is nothing to say about it.
    Empty,
}

impl Sealing {
    /// The checkpoint that covers the log now, if there is one.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&SignedCheckpoint> {
        match self {
            Self::Made(signed) | Self::Unchanged(signed) => Some(signed),
            Self::Empty => None,
        }
    }
}

/// Signs the log as it is now, and stores the checkpoint. It reads what is new since the last checkpoint, checks its chain
/// and carries the totals on; nothing new gives the last checkpoint again. After a change of the key everything is read
/// once more, because the old totals are not vouched for by the new key.
///
/// Memory is bounded by one page of events. Several processes may do it at once; their checkpoints form one line.
///
/// # Errors
/// [`AuditFault::Broken`] when the log is not as it was written; nothing is signed then.
pub async fn make_checkpoint(
    pool: &PgPool,
    key: &CheckpointKey,
    now: DateTime<Utc>,
) -> Result<Sealing, AuditFault> {
    let store = PgCheckpoints::new(pool.clone());
    for _ in 0..TRIES {
        let last = store.latest().await?;
        let head = rows::head(pool).await?;
        let covered = last.as_ref().map_or(0, |last| last.checkpoint().position);
        if let Some(last) = &last {
            still_there(pool, last, head).await?;
        }
        if head == covered {
            return Ok(last.map_or(Sealing::Empty, Sealing::Unchanged));
        }
        let checkpoint = follow(pool, key, last.as_ref(), head, now).await?;
        let signed = SignedCheckpoint::sign(checkpoint, key)?;
        if store.put(&signed).await? {
            return Ok(Sealing::Made(signed));
        }
    }
    Err(AuditFault::Transient(
        "other processes keep making checkpoints".to_owned(),
    ))
}

/// The event that the last checkpoint names is where it was.
async fn still_there(
    pool: &PgPool,
    last: &SignedCheckpoint,
    head: Position,
) -> Result<(), AuditFault> {
    let said = last.checkpoint();
    if !last.is_signed_by(&last.key()) {
        return Err(AuditFault::Broken(format!(
            "the checkpoint at {} has a wrong signature",
            said.position
        )));
    }
    if head < said.position {
        return Err(AuditFault::Broken(format!(
            "the log ends at {head}, before the checkpoint at {}",
            said.position
        )));
    }
    let hash = rows::hash_at(pool, said.position).await?;
    if hash.is_none() || hash != said.event_hash().map(|hash| hash.to_vec()) {
        return Err(AuditFault::Broken(format!(
            "event {} is not the one that the checkpoint names",
            said.position
        )));
    }
    Ok(())
}

/// Follows the chain to `head` and says what it found.
async fn follow(
    pool: &PgPool,
    key: &CheckpointKey,
    last: Option<&SignedCheckpoint>,
    head: Position,
    now: DateTime<Utc>,
) -> Result<Checkpoint, AuditFault> {
    // Totals are carried on only from a checkpoint of this very key, which counted the same books.
    let from = last.filter(|last| last.key() == key.public() && last.checkpoint().books == books());
    let (mut verifier, mut totals, mut after, mut time) = match from {
        Some(last) => {
            let said = last.checkpoint();
            let hash: Hash = said.event_hash().unwrap_or(GENESIS);
            let verifier = Verifier::after(said.position, hash);
            (verifier, said.sums(), said.position, Some(said.recorded_at))
        }
        None => (Verifier::new(), Totals::default(), 0, None),
    };
    let books = books();
    let mut pages = Pages::new(pool.clone(), after, head);
    loop {
        let page = pages.next().await?;
        if page.is_empty() {
            break;
        }
        for row in page {
            let position = row.position;
            let broken = |why: String| AuditFault::Broken(why);
            let Some(event) = Link::from(row).event else {
                return Err(broken(format!("event {position} was changed")));
            };
            verifier
                .check(&event)
                .map_err(|why| broken(why.to_string()))?;
            if time.is_some_and(|time| time >= event.recorded_at) {
                return Err(broken(format!(
                    "event {position} is not later than the one before it"
                )));
            }
            totals
                .count(&books, &event.stream.aggregate_type, event.payload.get())
                .map_err(|why| broken(format!("event {position}: {why}")))?;
            (after, time) = (position, Some(event.recorded_at));
            if let Some(last) = last.filter(|last| last.checkpoint().position == position)
                && Some(verifier.head().1) != last.checkpoint().event_hash()
            {
                return Err(broken(format!(
                    "the history before {position} was written anew"
                )));
            }
        }
    }
    let (Some(time), true) = (time, after == head) else {
        return Err(AuditFault::Broken(format!(
            "the log ended at {after} while it was read"
        )));
    };
    Ok(Checkpoint::new(
        (after, verifier.head().1, time),
        &totals,
        last,
        now,
    ))
}
