//! Checking a live log.

use std::collections::{BTreeMap, HashMap, VecDeque};

use chrono::{DateTime, Utc};
use kvit_domain::event::Position;
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use super::link::Link;
use super::report::{Finding, Findings, Kind, VerifyReport};
use super::rows::{self, Pages};
use super::store::{CheckpointRow, PgCheckpoints};
use super::totals::{Totals, books};
use super::trace::Trace;
use super::{AuditFault, PublicKey, SignedCheckpoint};
use crate::postgres::chain::Hash;

/// Checkpoints that are read at once.
const CHECKPOINTS_PAGE: u32 = 100;
/// Most signed hashes that are remembered as not met.
const UNLIKE_MAX: usize = 1_000;

/// How to check.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// Keys whose signatures count: today's and former ones. Without any, the answer is at best incomplete.
    pub keys: Vec<PublicKey>,
    /// Checkpoints that were kept outside of the database. The log must be the one that they describe, and the table must
    /// still have them: this is what finds a history that was cut off or written anew together with its checkpoints.
    pub outside: Vec<SignedCheckpoint>,
    /// Whether events after the last checkpoint make the answer incomplete. Their chain is checked in any case.
    pub require_sealed: bool,
    /// Streams whose numbering is followed, about 50 bytes of memory each. More make the answer incomplete.
    pub max_streams: usize,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            outside: Vec::new(),
            require_sealed: false,
            max_streams: 20_000_000,
        }
    }
}

/// Reads the whole log and all checkpoints and compares every hash, number, time, signature and total. `progress` is
/// called after each page with the position reached and the last one. What is appended meanwhile is left for next time.
///
/// # Errors
/// [`AuditFault`] when the database does not answer. That is no answer about the log either: a command ends with 3.
pub async fn verify_log(
    pool: &PgPool,
    options: &VerifyOptions,
    mut progress: impl FnMut(Position, Position) + Send,
) -> Result<VerifyReport, AuditFault> {
    let head = rows::head(pool).await?;
    let mut check = Check::new(pool, options, head);
    check.advance().await?;
    let mut pages = Pages::all(pool.clone(), head);
    loop {
        let page = pages.next().await?;
        if page.is_empty() {
            break;
        }
        for row in page {
            check.event(Link::from(row)).await?;
        }
        progress(check.trace.head().0, head);
    }
    check.finish().await
}

struct Check<'a> {
    pool: &'a PgPool,
    options: &'a VerifyOptions,
    until: Position,
    store: PgCheckpoints,
    queue: VecDeque<CheckpointRow>,
    queued_to: Position,
    /// The next checkpoint whose event has not come yet.
    next: Option<CheckpointRow>,
    /// What the next checkpoint counts as bookings.
    books: Vec<String>,
    outside: BTreeMap<Position, &'a SignedCheckpoint>,
    /// Digest of the checkpoint before. The outer `None`: that one is broken, so its successor cannot be compared.
    previous: Option<Option<Hash>>,
    trace: Trace,
    /// Where an event's hash is not the signed one: the first that may be to blame, and that event.
    unlike: Vec<(Position, Position)>,
    time: Option<DateTime<Utc>>,
    totals: Totals,
    streams: HashMap<[u8; 16], i64>,
    streams_full: bool,
    events: u64,
    good: u64,
    sealed_to: Position,
    findings: Findings,
}

impl<'a> Check<'a> {
    fn new(pool: &'a PgPool, options: &'a VerifyOptions, until: Position) -> Self {
        let outside = options
            .outside
            .iter()
            .map(|signed| (signed.checkpoint().position, signed))
            .collect();
        Self {
            pool,
            options,
            until,
            store: PgCheckpoints::new(pool.clone()),
            queue: VecDeque::new(),
            queued_to: 0,
            next: None,
            books: books(),
            outside,
            previous: Some(None),
            trace: Trace::new(),
            unlike: Vec::new(),
            time: None,
            totals: Totals::default(),
            streams: HashMap::new(),
            streams_full: false,
            events: 0,
            good: 0,
            sealed_to: 0,
            findings: Findings::default(),
        }
    }

    async fn event(&mut self, link: Link) -> Result<(), AuditFault> {
        self.events = self.events.saturating_add(1);
        let (position, stored) = (link.position, link.stored);
        // The event that a checkpoint names is not there.
        while self.next_is(|next| next < position) {
            self.checkpoint(None);
            self.advance().await?;
        }
        self.fields(&link);
        self.trace.take(link);
        if self
            .outside
            .get(&position)
            .is_some_and(|signed| self.trusts(signed) && signed.checkpoint().event_hash() != stored)
        {
            self.rewritten(position);
        }
        while self.next_is(|next| next == position) {
            self.checkpoint(stored);
            self.advance().await?;
        }
        Ok(())
    }

    /// What can be said of an event without its hash.
    fn fields(&mut self, link: &Link) {
        let (position, id) = (link.position, link.event_id);
        let Some(event) = &link.event else { return };
        if self.time.is_some_and(|time| time >= event.recorded_at) {
            let detail = format!("event {position} ({id}) is not later than the one before it");
            self.findings
                .add(Finding::new(Kind::Time, detail).event(position, id));
        }
        self.time = Some(event.recorded_at);
        let (aggregate, payload) = (&event.stream.aggregate_type, event.payload.get());
        if let Err(why) = self.totals.count(&self.books, aggregate, payload) {
            let detail = format!("event {position} ({id}): {why}");
            self.findings
                .add(Finding::new(Kind::Booking, detail).event(position, id));
        }
        let name = stream_key(&event.stream.aggregate_type, &event.stream.aggregate_id);
        if self.streams.len() >= self.options.max_streams && !self.streams.contains_key(&name) {
            self.streams_full = true;
            return;
        }
        let before = self.streams.insert(name, event.sequence).unwrap_or(0);
        if event.sequence != before.saturating_add(1) {
            let detail = format!(
                "event {position} ({id}) is number {} of stream {}, after number {before}",
                event.sequence, event.stream
            );
            self.findings
                .add(Finding::new(Kind::Sequence, detail).event(position, id));
        }
    }

    fn next_is(&self, condition: impl Fn(Position) -> bool) -> bool {
        self.next
            .as_ref()
            .is_some_and(|next| condition(next.position))
    }

    /// Goes on to the next checkpoint.
    async fn advance(&mut self) -> Result<(), AuditFault> {
        if self.queue.is_empty() {
            self.queue = self
                .store
                .rows(self.queued_to, CHECKPOINTS_PAGE)
                .await?
                .into();
        }
        self.next = self.queue.pop_front();
        if let Some(next) = &self.next {
            self.queued_to = next.position;
            if let Ok(signed) = &next.checkpoint {
                self.books.clone_from(&signed.checkpoint().books);
            }
        }
        Ok(())
    }

    /// Whether the key that the checkpoint names is one of ours and has signed it.
    fn trusts(&self, signed: &SignedCheckpoint) -> bool {
        self.options
            .keys
            .iter()
            .any(|key| *key == signed.key() && signed.is_signed_by(key))
    }

    /// The next checkpoint, if it can be read and one of the keys signed it; without keys, if it can be read.
    fn readable(&mut self) -> Option<SignedCheckpoint> {
        let CheckpointRow {
            position,
            checkpoint,
        } = self.next.take()?;
        let finding = match checkpoint {
            Err(why) => Finding::new(Kind::Checkpoint, format!("checkpoint at {position}: {why}")),
            Ok(signed) if self.options.keys.is_empty() || self.trusts(&signed) => {
                let before = signed.checkpoint().previous.clone();
                if let Some(previous) = self.previous
                    && previous.map(hex::encode) != before
                {
                    let detail = format!(
                        "the checkpoint at {position} does not follow from the one before it: one was removed or exchanged"
                    );
                    self.findings
                        .add(Finding::new(Kind::Checkpoint, detail).at(position));
                }
                self.previous = Some(Some(signed.digest()));
                return Some(signed);
            }
            Ok(_) => Finding::new(
                Kind::Signature,
                format!("the checkpoint at {position} is not signed by a key that was given"),
            ),
        };
        self.previous = None;
        self.findings.add(finding.at(position));
        None
    }

    /// Compares the next checkpoint with the log, which has just come to its event. `stored` is that event's hash.
    fn checkpoint(&mut self, stored: Option<Hash>) {
        let Some(signed) = self.readable() else {
            return;
        };
        let said = signed.checkpoint();
        let position = said.position;
        let same_event = stored.is_some() && said.event_hash() == stored;
        if !same_event && stored.is_some() && !self.trace.is_shifted() {
            self.rewritten(position);
        }
        let sums = said.sums();
        let same_sums = self.totals == sums;
        if !same_sums {
            let detail = format!(
                "up to {position} the bookings add up to something else than was signed: {}",
                self.totals.difference(&sums)
            );
            self.findings
                .add(Finding::new(Kind::Totals, detail).at(position));
            // So that one difference is not told again at every checkpoint.
            self.totals = sums;
        }
        if same_event {
            self.good = self.good.saturating_add(u64::from(same_sums));
            self.sealed_to = position;
        }
    }

    fn rewritten(&mut self, position: Position) {
        let from = self.sealed_to.saturating_add(1);
        if self.unlike.len() < UNLIKE_MAX && self.unlike.last() != Some(&(from, position)) {
            self.unlike.push((from, position));
        }
    }

    /// Tells what the chain shows, and where it is whole but not the one that was signed.
    fn chain_findings(&mut self) {
        let found = std::mem::replace(&mut self.trace, Trace::new()).finish();
        for (from, to) in std::mem::take(&mut self.unlike) {
            // A row that stands in the wrong place has the wrong hash, and that was told.
            let told = |found: &Finding| found.position == Some(to) || found.other == Some(to);
            if found.iter().any(told) {
                continue;
            }
            let detail = format!(
                "event {to} is not the one that was signed: an event from {from} to {to} was changed and the chain computed anew"
            );
            self.findings
                .add(Finding::new(Kind::Rewritten, detail).at(from).with(to));
        }
        self.findings.extend(found);
    }

    async fn finish(mut self) -> Result<VerifyReport, AuditFault> {
        self.beyond_the_end().await?;
        self.kept_outside().await?;
        let rows = rows::count(self.pool, self.until).await?;
        if rows != self.events {
            let detail = format!(
                "the table has {rows} rows, and {} could be told apart",
                self.events
            );
            self.findings.add(Finding::new(Kind::Inserted, detail));
        }
        if self.options.keys.is_empty() {
            let detail = "no public key was given, so no signature was checked";
            self.findings.add(Finding::new(Kind::NoKey, detail));
        }
        if self.queued_to == 0 {
            let detail = "there is no checkpoint: nothing vouches for the log";
            self.findings.add(Finding::new(Kind::NoCheckpoint, detail));
        } else if self.options.require_sealed && self.sealed_to < self.until {
            let (from, to) = (self.sealed_to.saturating_add(1), self.until);
            let detail = format!("events {from} to {to} are after the last good checkpoint");
            self.findings
                .add(Finding::new(Kind::Unsealed, detail).at(from).with(to));
        }
        if self.streams_full {
            let detail = format!(
                "there are more than {} streams; the numbering within the others was not checked",
                self.options.max_streams
            );
            self.findings.add(Finding::new(Kind::Bound, detail));
        }
        let (position, hash) = self.trace.head();
        self.chain_findings();
        let (verdict, findings, more_findings) = self.findings.finish();
        Ok(VerifyReport {
            verdict,
            findings,
            more_findings,
            events: self.events,
            position,
            hash: hex::encode(hash),
            checkpoints: self.good,
            sealed_to: self.sealed_to,
            totals: self.totals.currencies(),
        })
    }

    /// Checkpoints of events that are not there any more. Those that were made while we read are none of them.
    async fn beyond_the_end(&mut self) -> Result<(), AuditFault> {
        let head = rows::head(self.pool).await?;
        let mut last = 0;
        while self.next_is(|next| next > head) {
            if let Some(signed) = self.readable() {
                last = signed.checkpoint().position;
            }
            self.advance().await?;
        }
        let outside = self
            .outside
            .iter()
            .rev()
            .find(|(_, signed)| self.trusts(signed));
        last = last.max(outside.map_or(0, |(position, _)| *position));
        if last > head {
            let detail = format!(
                "the log ends at {head}, and a checkpoint was made at {last}: its end was removed, or an older state was restored"
            );
            self.findings.add(
                Finding::new(Kind::Truncated, detail)
                    .at(head.saturating_add(1))
                    .with(last),
            );
        }
        Ok(())
    }

    /// The table still has what was kept elsewhere.
    async fn kept_outside(&mut self) -> Result<(), AuditFault> {
        for signed in &self.options.outside {
            let position = signed.checkpoint().position;
            if !self.options.keys.is_empty() && !self.trusts(signed) {
                let detail = format!(
                    "the checkpoint at {position} that was kept outside is not signed by a key that was given"
                );
                self.findings
                    .add(Finding::new(Kind::Signature, detail).at(position));
                continue;
            }
            let found = self.store.rows(position - 1, 1).await?.pop();
            let same = found.is_some_and(|row| {
                row.checkpoint
                    .is_ok_and(|found| found.body() == signed.body())
            });
            if !same {
                let detail = format!(
                    "the checkpoint at {position} that was kept outside is not in the table"
                );
                self.findings
                    .add(Finding::new(Kind::Checkpoint, detail).at(position));
            }
        }
        Ok(())
    }
}

/// A name of a stream in 16 bytes.
fn stream_key(aggregate_type: &str, aggregate_id: &str) -> [u8; 16] {
    let mut digest = Sha256::new();
    digest.update(aggregate_type.len().to_be_bytes());
    digest.update(aggregate_type);
    digest.update(aggregate_id);
    let mut key = [0; 16];
    key.copy_from_slice(&digest.finalize()[..16]);
    key
}
