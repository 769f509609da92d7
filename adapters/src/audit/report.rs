//! What a check found.

use std::fmt;

use kvit_domain::event::Position;
use serde::Serialize;
use uuid::Uuid;

use super::totals::CurrencySums;

/// Most findings that a report keeps; the others are counted.
const FINDINGS_MAX: usize = 200;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A field or the hash of an event is not what was appended.
    Changed,
    /// Events are gone, from between others.
    Removed,
    /// An event stands where none was appended.
    Inserted,
    /// Two events stand in each other's place.
    Swapped,
    /// An event stands in another place than it was appended to.
    Reordered,
    /// Time did not move forward.
    Time,
    /// A stream's numbers are not 1, 2, 3 and so on.
    Sequence,
    /// The chain is whole, but it is not the one that was signed.
    Rewritten,
    /// A checkpoint is not signed by one of the given keys.
    Signature,
    /// A checkpoint is broken, missing or not the one that was kept elsewhere.
    Checkpoint,
    /// The bookings do not add up to what was signed.
    Totals,
    /// A booking's debits and credits differ, or it cannot be read.
    Booking,
    /// The log ends before the last checkpoint. Somebody removed its end, or an older backup was restored.
    Truncated,
    /// No public key was given.
    NoKey,
    /// No checkpoint vouches for the log.
    NoCheckpoint,
    /// Events after the last checkpoint are chained, but nobody has signed them yet.
    Unsealed,
    /// A bound of the check was reached.
    Bound,
}

impl Kind {
    /// Whether it means that something could not be checked, and not that something is wrong.
    #[must_use]
    pub const fn is_incomplete(self) -> bool {
        matches!(
            self,
            Self::Truncated | Self::NoKey | Self::NoCheckpoint | Self::Unsealed | Self::Bound
        )
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// Where; of several events the first.
    pub position: Option<Position>,
    /// The event that stands there.
    pub event_id: Option<Uuid>,
    /// The other place: the end of a range, the partner of a swap, the place where an event belongs.
    pub other: Option<Position>,
    /// In words.
    pub detail: String,
}

impl Finding {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            position: None,
            event_id: None,
            other: None,
            detail: detail.into(),
        }
    }

    pub(super) fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }

    pub(super) fn event(mut self, position: Position, id: Uuid) -> Self {
        self.position = Some(position);
        self.event_id = Some(id);
        self
    }

    pub(super) fn with(mut self, other: Position) -> Self {
        self.other = Some(other);
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// The answer of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that was asked for was checked, and all of it is as it was written.
    Intact,
    /// Something is not as it was written.
    Tampered,
    /// Nothing wrong was found, but not everything could be checked.
    Incomplete,
}

/// What a check of the log found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// The answer.
    pub verdict: Verdict,
    /// What was found, in the order of positions where there is one; at most 200.
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub more_findings: u64,
    /// Events that were read.
    pub events: u64,
    /// Position of the last of them.
    pub position: Position,
    /// Its hash, hex.
    pub hash: String,
    /// Checkpoints that were checked and hold.
    pub checkpoints: u64,
    /// The last event that a good checkpoint covers.
    pub sealed_to: Position,
    /// Sums of all bookings, by currency.
    pub totals: Vec<CurrencySums>,
}

impl VerifyReport {
    /// Exit status of a command that ends with this report: 0 intact, 1 tampered, 3 incomplete (2 is wrong usage).
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self.verdict {
            Verdict::Intact => 0,
            Verdict::Tampered => 1,
            Verdict::Incomplete => 3,
        }
    }
}

/// Collects findings within their bound.
#[derive(Debug, Default)]
pub(super) struct Findings {
    kept: Vec<Finding>,
    tampered: bool,
    incomplete: bool,
    more: u64,
}

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        if finding.kind.is_incomplete() {
            self.incomplete = true;
        } else {
            self.tampered = true;
        }
        if self.kept.len() < FINDINGS_MAX {
            self.kept.push(finding);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.add(finding));
    }

    pub(super) fn finish(mut self) -> (Verdict, Vec<Finding>, u64) {
        self.kept
            .sort_by_key(|finding| finding.position.unwrap_or(Position::MAX));
        let verdict = match (self.tampered, self.incomplete) {
            (true, _) => Verdict::Tampered,
            (false, true) => Verdict::Incomplete,
            (false, false) => Verdict::Intact,
        };
        (verdict, self.kept, self.more)
    }
}
