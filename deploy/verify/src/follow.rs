//! Following the history: events and checkpoints as they come, each against the other.

use sha2::{Digest, Sha256};

use crate::books::ALL;
use crate::bundle::{CHECKPOINTS, Check, EVENTS, describe};
use crate::chain::Chain;
use crate::checkpoint::Checkpoint;
use crate::event::{Event, Hash};
use crate::lines::{Lines, Stop};
use crate::report::{Finding, Kind};

/// Most keys that are remembered; a key is changed once in years.
const KEYS_MAX: usize = 1_000;
/// Most signed hashes that are remembered as not met.
const UNLIKE_MAX: usize = 1_000;

/// The file of checkpoints, read as the events come to them.
pub(crate) struct CheckpointFile {
    pub(crate) lines: Lines,
    pub(crate) count: u64,
    pub(crate) position: i64,
}

impl Check<'_> {
    pub(crate) fn events(&mut self, lines: &mut Lines, checkpoints: &mut Option<CheckpointFile>) {
        loop {
            let event = match lines.next() {
                Ok(line) => serde_json::from_str::<Event>(line)
                    .map_err(|error| format!("{EVENTS}, line {}: {error}", lines.number())),
                Err(Stop::End) => return,
                Err(Stop::CutOff) => {
                    self.cut_off = true;
                    let words = format!("{EVENTS} ends inside of line {}", lines.number());
                    self.found(Kind::Truncated, words);
                    return;
                }
                Err(stop @ Stop::NotText) => {
                    Err(format!("{EVENTS}, {}", describe(&stop, lines.number())))
                }
                Err(stop) => {
                    self.cut_off = true;
                    let words = format!("{EVENTS}, {}", describe(&stop, lines.number()));
                    self.found(Kind::Bound, words);
                    return;
                }
            };
            match event {
                Ok(event) => self.event(event, checkpoints),
                Err(why) => {
                    let (position, _) = self.chain.end();
                    self.findings
                        .add(Finding::new(Kind::Line, why).at(position.saturating_add(1)));
                }
            }
        }
    }

    fn event(&mut self, event: Event, checkpoints: &mut Option<CheckpointFile>) {
        self.events = self.events.saturating_add(1);
        let (position, stored) = (event.position, event.stored_hash());
        let recorded_at = event.recorded_at.clone();
        // The event that a checkpoint names is not there, or comes later.
        while self
            .next
            .as_ref()
            .is_some_and(|next| next.position < position)
        {
            self.compare(None, "");
            self.advance(checkpoints);
        }
        self.fields(&event);
        self.chain.take(event);
        let outside = self.outside.get(&position);
        if outside.is_some_and(|checkpoint| Some(checkpoint.hash) != stored) {
            self.rewritten(position);
        }
        while self
            .next
            .as_ref()
            .is_some_and(|next| next.position == position)
        {
            self.compare(stored, &recorded_at);
            self.advance(checkpoints);
        }
    }

    /// What can be said of an event without its hash.
    fn fields(&mut self, event: &Event) {
        let say = |kind: Kind, words: String| {
            Finding::new(kind, words)
                .at(event.position)
                .event(&event.event_id)
        };
        let micros = event.micros();
        match (micros, self.time) {
            (None, _) => self
                .findings
                .add(say(Kind::Time, "its time cannot be read".to_owned())),
            (Some(now), Some(before)) if now <= before => {
                let words = "it is not later than the event before it".to_owned();
                self.findings.add(say(Kind::Time, words));
            }
            _ => {}
        }
        self.time = micros.or(self.time);
        if self.book_types.contains(&event.aggregate_type)
            && let Err(why) = self.books.count(&event.payload)
        {
            self.findings.add(say(Kind::Booking, why));
        }
        let name = stream_name(event);
        if self.streams.len() >= self.options.max_streams && !self.streams.contains_key(&name) {
            self.streams_full = true;
            return;
        }
        let before = self.streams.insert(name, event.sequence).unwrap_or(0);
        if event.sequence != before.saturating_add(1) {
            let words = format!(
                "it is number {} of stream {}/{}, after number {before}",
                event.sequence, event.aggregate_type, event.aggregate_id
            );
            self.findings.add(say(Kind::Sequence, words));
        }
    }

    /// Reads the next checkpoint that can be read.
    pub(crate) fn advance(&mut self, file: &mut Option<CheckpointFile>) {
        self.next = None;
        let Some(file) = file else { return };
        loop {
            let read = match file.lines.next() {
                Ok(line) => Checkpoint::parse(line),
                Err(Stop::End) => return,
                Err(Stop::CutOff) => {
                    self.checkpoints_partly = true;
                    let words =
                        format!("{CHECKPOINTS} ends inside of line {}", file.lines.number());
                    self.found(Kind::Truncated, words);
                    return;
                }
                Err(stop @ Stop::NotText) => Err(describe(&stop, file.lines.number())),
                Err(stop) => {
                    self.checkpoints_partly = true;
                    let words = format!("{CHECKPOINTS}, {}", describe(&stop, file.lines.number()));
                    self.found(Kind::Bound, words);
                    return;
                }
            };
            self.checkpoints_seen = true;
            file.count = file.count.saturating_add(1);
            match read {
                Ok(checkpoint) if checkpoint.position <= file.position => {
                    let words = format!(
                        "the checkpoint at {} comes after the one at {}",
                        checkpoint.position, file.position
                    );
                    self.found(Kind::Checkpoint, words);
                }
                Ok(checkpoint) => {
                    file.position = checkpoint.position;
                    if self.named_keys.len() < KEYS_MAX {
                        self.named_keys.insert(checkpoint.key.clone());
                    }
                    self.book_types.clone_from(&checkpoint.book_types);
                    self.next = Some(checkpoint);
                    return;
                }
                Err(why) => {
                    self.previous = None;
                    let words = format!("{CHECKPOINTS}, line {}: {why}", file.lines.number());
                    self.found(Kind::Checkpoint, words);
                }
            }
        }
    }

    /// Whether the key that the checkpoint names is one of ours and has signed it.
    pub(crate) fn trusts(&self, checkpoint: &Checkpoint) -> bool {
        self.keys
            .iter()
            .any(|key| key.to_string() == checkpoint.key && checkpoint.is_signed_by(key))
    }

    /// The next checkpoint, if one of the keys signed it; without keys as it is.
    fn signed(&mut self) -> Option<Checkpoint> {
        let checkpoint = self.next.take()?;
        let position = checkpoint.position;
        if !self.keys.is_empty() && !self.trusts(&checkpoint) {
            self.previous = None;
            let words = format!(
                "the checkpoint at {position}, which names the key {}, is not signed by a key that was given",
                checkpoint.key
            );
            self.findings
                .add(Finding::new(Kind::Signature, words).at(position));
            return None;
        }
        if self
            .previous
            .is_some_and(|previous| previous != checkpoint.previous)
        {
            let words = format!(
                "the checkpoint at {position} does not follow from the one before it: one was removed or exchanged"
            );
            self.findings
                .add(Finding::new(Kind::Checkpoint, words).at(position));
        }
        self.previous = Some(Some(checkpoint.digest));
        if let Some(kept) = self.outside.get(&position) {
            if kept.digest == checkpoint.digest {
                self.outside_met = self.outside_met.saturating_add(1);
            } else {
                let words = format!(
                    "the checkpoint at {position} is not the one that was kept outside: there are two histories"
                );
                self.findings
                    .add(Finding::new(Kind::Checkpoint, words).at(position));
            }
        }
        Some(checkpoint)
    }

    /// Compares the next checkpoint with the history up to its event. `stored`: the hash of that event, if it is there.
    fn compare(&mut self, stored: Option<Hash>, recorded_at: &str) {
        let Some(checkpoint) = self.signed() else {
            return;
        };
        let position = checkpoint.position;
        let same_event = stored == Some(checkpoint.hash) && recorded_at == checkpoint.recorded_at;
        if stored.is_some() && !same_event && !self.chain.is_renumbered() {
            self.rewritten(position);
        }
        for ((_, currency), sums) in checkpoint
            .books
            .0
            .iter()
            .filter(|((account, _), sums)| account == ALL && sums.debits != sums.credits)
        {
            let words = format!(
                "the checkpoint at {position} signs debits {} and credits {} in {currency}",
                sums.debits, sums.credits
            );
            self.findings
                .add(Finding::new(Kind::Totals, words).at(position));
        }
        let differences = self.books.differences(&checkpoint.books);
        let same_books = differences.is_empty();
        for words in differences.into_iter().take(5) {
            let words = format!("the bookings up to {position} add up to something else: {words}");
            self.findings
                .add(Finding::new(Kind::Totals, words).at(position));
        }
        // From here on with what was signed, so that one difference is told once.
        self.books = checkpoint.books;
        if same_event {
            self.good = self.good.saturating_add(u64::from(same_books));
            self.sealed_to = position;
            self.sealed_at = Some(checkpoint.made_at);
        }
    }

    fn rewritten(&mut self, position: i64) {
        let from = self.sealed_to.saturating_add(1);
        if self.unlike.len() < UNLIKE_MAX && self.unlike.last() != Some(&(from, position)) {
            self.unlike.push((from, position));
        }
    }

    /// Tells what the chain shows, and where it is whole but not the one that was signed.
    pub(crate) fn chain_findings(&mut self) {
        let found = std::mem::replace(&mut self.chain, Chain::new()).finish();
        for (from, to) in std::mem::take(&mut self.unlike) {
            // An event that stands in the wrong place has the wrong hash, and that was told.
            if found
                .iter()
                .any(|found| found.position == Some(to) || found.other == Some(to))
            {
                continue;
            }
            let words = format!(
                "event {to} is not the one that was signed: an event from {from} to {to} was changed and the chain computed anew"
            );
            self.findings
                .add(Finding::new(Kind::Rewritten, words).at(from).with(to));
        }
        for finding in found {
            self.findings.add(finding);
        }
    }

    /// Checkpoints beyond the last event.
    pub(crate) fn rest_of_checkpoints(&mut self, file: &mut Option<CheckpointFile>) {
        let (end, _) = self.chain.end();
        let mut last = 0;
        while self.next.is_some() {
            if let Some(checkpoint) = self.signed() {
                last = checkpoint.position;
            }
            self.advance(file);
        }
        last = last.max(self.outside.keys().next_back().copied().unwrap_or(0));
        if last > end {
            let words = format!("the events end at {end}, and a checkpoint was made at {last}");
            self.findings.add(
                Finding::new(Kind::Truncated, words)
                    .at(end.saturating_add(1))
                    .with(last),
            );
            self.cut_off = true;
        }
    }
}

/// A stream's name in 16 bytes.
fn stream_name(event: &Event) -> [u8; 16] {
    let mut digest = Sha256::new();
    digest.update(event.aggregate_type.as_bytes());
    // No UTF-8 text holds this byte.
    digest.update([0xff]);
    digest.update(event.aggregate_id.as_bytes());
    let mut name = [0; 16];
    name.copy_from_slice(&digest.finalize()[..16]);
    name
}
