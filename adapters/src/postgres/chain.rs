//! The hash chain, computed a second time.
//!
//! The database computes each event's hash inside `append_events`. This module computes it independently from what the
//! log returns, so that a changed, missing or moved event is found by anybody who holds an export and no database.
//! The bytes, in order:
//!
//! | bytes | what |
//! |---|---|
//! | 32 | hash of the previous event; zeros before the first |
//! | 8 | position, big endian |
//! | 16 | event id |
//! | 8 | sequence, big endian |
//! | 8 | recorded at, big endian: microseconds since 2000-01-01T00:00:00Z |
//! | 4 + n, six times | length, big endian, and UTF-8 of: aggregate type, aggregate id, event type, event version, payload, metadata |
//!
//! Metadata is always stored as one flat JSON object with sorted keys and no spaces; any other spelling counts as changed.

use chrono::{DateTime, Utc};
use kvit_domain::event::{Position, RecordedEvent};
use sha2::{Digest, Sha256};

/// Microseconds from 1970 to 2000, where Postgres' clock begins.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

/// A hash of the chain.
pub type Hash = [u8; 32];

/// The hash before the first event.
pub const GENESIS: Hash = [0; 32];

/// Metadata as the log stores it.
pub(super) fn metadata_text(
    metadata: &std::collections::BTreeMap<String, String>,
) -> Result<String, serde_json::Error> {
    serde_json::to_string(metadata)
}

/// The hash that an event must have after `previous`. `None` when a field does not fit the layout (a text over 4 GiB, a
/// time that Postgres cannot hold), which no stored event can have.
#[must_use]
pub fn event_hash(previous: &Hash, event: &RecordedEvent) -> Option<Hash> {
    let micros = event
        .recorded_at
        .timestamp_micros()
        .checked_sub(POSTGRES_EPOCH_MICROS)?;
    let metadata = metadata_text(&event.metadata).ok()?;
    let mut digest = Sha256::new();
    digest.update(previous);
    digest.update(event.position.to_be_bytes());
    digest.update(event.event_id.as_bytes());
    digest.update(event.sequence.to_be_bytes());
    digest.update(micros.to_be_bytes());
    for text in [
        event.stream.aggregate_type.as_str(),
        &event.stream.aggregate_id,
        &event.event_type,
        &event.event_version,
        event.payload.get(),
        &metadata,
    ] {
        digest.update(u32::try_from(text.len()).ok()?.to_be_bytes());
        digest.update(text.as_bytes());
    }
    Some(digest.finalize().into())
}

/// Where the chain breaks, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BrokenChain {
    /// This position is not there, but a later one is.
    #[error("event {position} is missing")]
    Missing {
        /// The first missing position.
        position: Position,
    },
    /// This position came where a later one was due.
    #[error("event {position} is out of order")]
    Reordered {
        /// The position that came.
        position: Position,
    },
    /// Some field of this event, or its hash, is not what was stored.
    #[error("event {position} was changed")]
    Changed {
        /// The first changed position.
        position: Position,
    },
    /// Time did not move forward at this event.
    #[error("event {position} is not later than the one before it")]
    TimeStoodStill {
        /// The position.
        position: Position,
    },
}

/// Follows a chain event by event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    position: Position,
    hash: Hash,
    recorded_at: Option<DateTime<Utc>>,
}

impl Default for Verifier {
    fn default() -> Self {
        Self::new()
    }
}

impl Verifier {
    /// Starts before the first event.
    #[must_use]
    pub fn new() -> Self {
        Self {
            position: 0,
            hash: GENESIS,
            recorded_at: None,
        }
    }

    /// Starts after an event whose hash is known to be good, such as a signed checkpoint.
    #[must_use]
    pub fn after(position: Position, hash: Hash) -> Self {
        Self {
            position,
            hash,
            recorded_at: None,
        }
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// [`BrokenChain`] names the first event that is not as it was stored. Do not go on after it.
    pub fn check(&mut self, event: &RecordedEvent) -> Result<(), BrokenChain> {
        let position = event.position;
        let due = self.position.saturating_add(1);
        if position > due {
            return Err(BrokenChain::Missing { position: due });
        }
        if position < due {
            return Err(BrokenChain::Reordered { position });
        }
        let hash = event_hash(&self.hash, event).ok_or(BrokenChain::Changed { position })?;
        if hex::encode(hash) != event.hash {
            return Err(BrokenChain::Changed { position });
        }
        if self
            .recorded_at
            .is_some_and(|before| before >= event.recorded_at)
        {
            return Err(BrokenChain::TimeStoodStill { position });
        }
        *self = Self {
            position,
            hash,
            recorded_at: Some(event.recorded_at),
        };
        Ok(())
    }

    /// Position and hash of the last good event.
    #[must_use]
    pub fn head(&self) -> (Position, Hash) {
        (self.position, self.hash)
    }
}

/// Checks a whole log from its first event and returns the position and hash of the last.
///
/// # Errors
/// [`BrokenChain`] at the first event that is not as it was stored.
pub fn verify<'a>(
    events: impl IntoIterator<Item = &'a RecordedEvent>,
) -> Result<(Position, Hash), BrokenChain> {
    let mut verifier = Verifier::new();
    for event in events {
        verifier.check(event)?;
    }
    Ok(verifier.head())
}
