//! What a check found.

use std::fmt;

use serde::Serialize;

/// Most findings that are kept; the others are counted.
const FINDINGS_MAX: usize = 200;
/// Most characters of one finding's words.
const DETAIL_MAX: usize = 600;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A field or the hash of an event is not what was appended.
    Changed,
    /// Events are gone from between others.
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
    /// A checkpoint is broken, missing, or not the one that was kept elsewhere.
    Checkpoint,
    /// The bookings do not add up to what was signed.
    Totals,
    /// A booking's debits and credits differ, or it cannot be read.
    Booking,
    /// A line cannot be read.
    Line,
    /// A file is not the one that the manifest names.
    Checksum,
    /// The history ends too early.
    Truncated,
    /// A file is not there or cannot be read.
    Missing,
    /// No public key was given.
    NoKey,
    /// No checkpoint vouches for the history.
    NoCheckpoint,
    /// Events after the last checkpoint, which nobody has signed.
    Unsealed,
    /// A bound was reached.
    Bound,
}

impl Kind {
    /// Whether it means that something could not be checked, and not that something is wrong.
    #[must_use]
    pub const fn is_incomplete(self) -> bool {
        matches!(
            self,
            Self::Truncated
                | Self::Missing
                | Self::NoKey
                | Self::NoCheckpoint
                | Self::Unsealed
                | Self::Bound
        )
    }

    /// Its name in the output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Inserted => "inserted",
            Self::Swapped => "swapped",
            Self::Reordered => "re-ordered",
            Self::Time => "time",
            Self::Sequence => "sequence",
            Self::Rewritten => "rewritten",
            Self::Signature => "bad signature",
            Self::Checkpoint => "checkpoint",
            Self::Totals => "wrong totals",
            Self::Booking => "booking",
            Self::Line => "broken line",
            Self::Checksum => "checksum",
            Self::Truncated => "truncated",
            Self::Missing => "missing",
            Self::NoKey => "no key",
            Self::NoCheckpoint => "no checkpoint",
            Self::Unsealed => "not sealed",
            Self::Bound => "bound",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// Where; of several events the first.
    pub position: Option<i64>,
    /// The event that stands there.
    pub event_id: Option<String>,
    /// The other place: the end of a range, the partner of a swap, the place where an event belongs.
    pub other: Option<i64>,
    /// In words.
    pub detail: String,
}

/// Names in a bundle are somebody else's text: nothing in them may steer a terminal.
fn printable(c: char) -> char {
    if c.is_control() { '\u{fffd}' } else { c }
}

/// A short name out of a bundle, such as an id or a currency. What is longer is none and would only fill the screen.
pub(crate) fn name(text: &str) -> String {
    text.chars().map(printable).take(36).collect()
}

impl Finding {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            position: None,
            event_id: None,
            other: None,
            detail: detail
                .into()
                .chars()
                .map(printable)
                .take(DETAIL_MAX)
                .collect(),
        }
    }

    pub(crate) fn at(mut self, position: i64) -> Self {
        self.position = Some(position);
        self
    }

    pub(crate) fn event(mut self, id: &str) -> Self {
        self.event_id = Some(name(id));
        self
    }

    pub(crate) fn with(mut self, other: i64) -> Self {
        self.other = Some(other);
        self
    }
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything was checked, and all of it is as it was written and signed.
    Verified,
    /// Something is not as it was written.
    Tampered,
    /// Nothing wrong was found, but not everything could be checked.
    Incomplete,
}

/// Everything that a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The answer.
    pub verdict: Verdict,
    /// What was found, by position; at most 200.
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub more_findings: u64,
    /// Things that an auditor should know, though nothing is wrong with them.
    pub notes: Vec<String>,
    /// Events that were read.
    pub events: u64,
    /// Position of the last event.
    pub position: i64,
    /// Hash of the last event, hex.
    pub hash: String,
    /// Checkpoints that hold.
    pub checkpoints: u64,
    /// The last event that a good checkpoint covers.
    pub sealed_to: i64,
    /// When that checkpoint says it was made.
    pub sealed_at: Option<String>,
    /// Currency, debits, credits of all bookings, minor units.
    pub totals: Vec<(String, String, String)>,
}

impl Report {
    /// 0 verified, 1 tampered, 3 incomplete. (2 is wrong usage.)
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self.verdict {
            Verdict::Verified => 0,
            Verdict::Tampered => 1,
            Verdict::Incomplete => 3,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        writeln!(
            f,
            "events       {} read, up to position {}",
            self.events, self.position
        )?;
        writeln!(f, "last hash    {}", self.hash)?;
        match &self.sealed_at {
            Some(at) => writeln!(
                f,
                "checkpoints  {} hold; the last covers event {} and was made at {at}",
                self.checkpoints, self.sealed_to
            )?,
            None => writeln!(f, "checkpoints  none holds")?,
        }
        for (currency, debits, credits) in &self.totals {
            let sign = if debits == credits { "=" } else { "≠" };
            writeln!(
                f,
                "books        {currency}: debits {debits} {sign} credits {credits} (minor units)"
            )?;
        }
        for finding in &self.findings {
            let name = finding.kind.name();
            match (finding.position, &finding.event_id) {
                (Some(position), Some(id)) => {
                    writeln!(
                        f,
                        "FOUND {name} at {position} (event {id}): {}",
                        finding.detail
                    )?;
                }
                (Some(position), None) => {
                    writeln!(f, "FOUND {name} at {position}: {}", finding.detail)?
                }
                _ => writeln!(f, "FOUND {name}: {}", finding.detail)?,
            }
        }
        if self.more_findings > 0 {
            writeln!(f, "FOUND {} more", self.more_findings)?;
        }
        let verdict = match self.verdict {
            Verdict::Verified => {
                "VERIFIED: everything was checked and is as it was written and signed"
            }
            Verdict::Tampered => "TAMPERED: this is not the history that was written and signed",
            Verdict::Incomplete => "INCOMPLETE: not everything could be checked; this is not a yes",
        };
        writeln!(f, "{verdict}")
    }
}

/// Collects findings within their bound.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    kept: Vec<Finding>,
    more: u64,
    tampered: bool,
    incomplete: bool,
}

impl Findings {
    pub(crate) fn add(&mut self, finding: Finding) {
        let incomplete = finding.kind.is_incomplete();
        self.incomplete |= incomplete;
        self.tampered |= !incomplete;
        if self.kept.len() < FINDINGS_MAX {
            self.kept.push(finding);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    pub(crate) fn finish(mut self) -> (Verdict, Vec<Finding>, u64) {
        self.kept
            .sort_by_key(|finding| finding.position.unwrap_or(i64::MAX));
        let verdict = if self.tampered {
            Verdict::Tampered
        } else if self.incomplete {
            Verdict::Incomplete
        } else {
            Verdict::Verified
        };
        (verdict, self.kept, self.more)
    }
}
