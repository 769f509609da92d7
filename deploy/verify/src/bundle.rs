//! The check of a whole bundle.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::books::{ALL, Books};
use crate::chain::Chain;
use crate::checkpoint::Checkpoint;
use crate::event::{Event, Hash};
use crate::key::PublicKey;
use crate::lines::{Lines, Stop};
use crate::report::{Finding, Findings, Kind, Report};

const MANIFEST: &str = "manifest.json";
const EVENTS: &str = "events.jsonl";
const CHECKPOINTS: &str = "checkpoints.jsonl";
/// Largest manifest.
const MANIFEST_MAX: u64 = 1024 * 1024;
/// Most checkpoints from outside.
const OUTSIDE_MAX: usize = 100_000;
/// Streams that book before the first checkpoint says which.
const BOOKS: [&str; 2] = ["journal", "wallet"];

/// How to check.
#[derive(Debug, Clone)]
pub struct Options {
    /// Keys whose signatures count.
    pub keys: Vec<PublicKey>,
    /// Whether the keys that the bundle itself names count, too. Whoever forged the bundle may have put in their own.
    pub trust_bundled_key: bool,
    /// Files with checkpoints that were kept elsewhere, one a line. The bundle must hold the same ones.
    pub checkpoints: Vec<PathBuf>,
    /// Whether events after the last checkpoint are accepted on their chain alone.
    pub allow_unsealed: bool,
    /// Longest line, bytes.
    pub max_line: usize,
    /// Streams whose numbering is followed, some 40 bytes of memory each.
    pub max_streams: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            trust_bundled_key: false,
            checkpoints: Vec::new(),
            allow_unsealed: false,
            max_line: 8 * 1024 * 1024,
            max_streams: 20_000_000,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: String,
    version: u32,
    until: i64,
    events: u64,
    last_hash: String,
    checkpoints: u64,
    public_keys: Vec<String>,
    files: Vec<ManifestFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestFile {
    name: String,
    bytes: u64,
    sha256: String,
}

/// Checks a bundle. Nothing outside of the folder and the files named in the options is read, and nothing is written.
#[must_use]
pub fn verify_bundle(folder: &Path, options: &Options) -> Report {
    let mut check = Check::new(options);
    check.manifest(folder);
    check.outside_checkpoints();
    let mut checkpoints = check.open(folder, CHECKPOINTS).map(|lines| CheckpointFile {
        lines,
        count: 0,
        position: 0,
    });
    check.advance(&mut checkpoints);
    if let Some(mut lines) = check.open(folder, EVENTS) {
        check.events(&mut lines, &mut checkpoints);
        check.file(EVENTS, lines);
    }
    check.rest_of_checkpoints(&mut checkpoints);
    if let Some(file) = checkpoints {
        check.checkpoint_lines = file.count;
        check.file(CHECKPOINTS, file.lines);
    }
    check.finish()
}

/// The file of checkpoints, read as the events come to them.
struct CheckpointFile {
    lines: Lines,
    count: u64,
    position: i64,
}

struct Check<'a> {
    options: &'a Options,
    keys: Vec<PublicKey>,
    manifest: Option<Manifest>,
    outside: BTreeMap<i64, Checkpoint>,
    /// Those from outside that the bundle has, too.
    outside_met: u64,
    next: Option<Checkpoint>,
    book_types: Vec<String>,
    /// Digest of the checkpoint before. The outer `None`: it is broken, so its successor cannot be compared.
    previous: Option<Option<Hash>>,
    chain: Chain,
    books: Books,
    time: Option<i64>,
    streams: HashMap<[u8; 16], i64>,
    streams_full: bool,
    events: u64,
    checkpoint_lines: u64,
    checkpoints_seen: bool,
    good: u64,
    sealed_to: i64,
    sealed_at: Option<String>,
    /// The last event's place is not the end of the history.
    cut_off: bool,
    findings: Findings,
    notes: Vec<String>,
}

impl<'a> Check<'a> {
    fn new(options: &'a Options) -> Self {
        Self {
            options,
            keys: options.keys.clone(),
            manifest: None,
            outside: BTreeMap::new(),
            outside_met: 0,
            next: None,
            book_types: BOOKS.map(str::to_owned).to_vec(),
            previous: Some(None),
            chain: Chain::new(),
            books: Books::default(),
            time: None,
            streams: HashMap::new(),
            streams_full: false,
            events: 0,
            checkpoint_lines: 0,
            checkpoints_seen: false,
            good: 0,
            sealed_to: 0,
            sealed_at: None,
            cut_off: false,
            findings: Findings::default(),
            notes: Vec::new(),
        }
    }

    fn found(&mut self, kind: Kind, words: impl Into<String>) {
        self.findings.add(Finding::new(kind, words));
    }

    fn manifest(&mut self, folder: &Path) {
        match read_manifest(&folder.join(MANIFEST)) {
            Ok(manifest) => {
                if self.options.trust_bundled_key {
                    self.trust(&manifest.public_keys);
                }
                self.manifest = Some(manifest);
            }
            Err(why) => self.found(Kind::Missing, format!("{MANIFEST}: {why}")),
        }
    }

    fn trust(&mut self, keys: &[String]) {
        for text in keys {
            match PublicKey::parse(text) {
                Ok(key) => {
                    self.notes.push(format!(
                        "THE KEY {key} COMES FROM THE BUNDLE ITSELF. Whoever forged the bundle could have put it there. \
                         Compare it with the operator's published key before you rely on this result."
                    ));
                    self.keys.push(key);
                }
                Err(why) => self.found(Kind::NoKey, format!("a key in the bundle: {why}")),
            }
        }
    }

    fn outside_checkpoints(&mut self) {
        for path in &self.options.checkpoints {
            if let Err(why) = self.outside_file(path) {
                self.found(Kind::Missing, format!("{}: {why}", path.display()));
            }
        }
    }

    fn outside_file(&mut self, path: &Path) -> Result<(), String> {
        let mut lines =
            Lines::open(path, self.options.max_line).map_err(|error| error.to_string())?;
        loop {
            let line = match lines.next() {
                Ok(line) => line,
                Err(Stop::End) => return Ok(()),
                Err(stop) => return Err(describe(&stop, lines.number())),
            };
            if line.trim().is_empty() {
                continue;
            }
            let checkpoint = Checkpoint::parse(line.trim())?;
            if self.outside.len() >= OUTSIDE_MAX {
                return Err("too many checkpoints".to_owned());
            }
            if !self.keys.is_empty() && !self.trusts(&checkpoint) {
                let words = format!(
                    "the checkpoint at {} that was kept outside is not signed by a key that was given",
                    checkpoint.position
                );
                self.found(Kind::Signature, words);
            } else if let Some(other) = self.outside.insert(checkpoint.position, checkpoint.clone())
                && other.digest != checkpoint.digest
            {
                let words = format!(
                    "two different checkpoints for event {} were kept outside: the history was forked",
                    checkpoint.position
                );
                self.found(Kind::Checkpoint, words);
            }
        }
    }

    fn open(&mut self, folder: &Path, name: &str) -> Option<Lines> {
        match Lines::open(&folder.join(name), self.options.max_line) {
            Ok(lines) => Some(lines),
            Err(error) => {
                self.found(Kind::Missing, format!("{name}: {error}"));
                None
            }
        }
    }

    fn events(&mut self, lines: &mut Lines, checkpoints: &mut Option<CheckpointFile>) {
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
    fn advance(&mut self, file: &mut Option<CheckpointFile>) {
        self.next = None;
        let Some(file) = file else { return };
        loop {
            let read = match file.lines.next() {
                Ok(line) => Checkpoint::parse(line),
                Err(Stop::End) => return,
                Err(Stop::CutOff) => {
                    let words =
                        format!("{CHECKPOINTS} ends inside of line {}", file.lines.number());
                    self.found(Kind::Truncated, words);
                    return;
                }
                Err(stop @ Stop::NotText) => Err(describe(&stop, file.lines.number())),
                Err(stop) => {
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

    fn trusts(&self, checkpoint: &Checkpoint) -> bool {
        self.keys.iter().any(|key| checkpoint.is_signed_by(key))
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
        let words = format!(
            "event {position} is not the one that was signed: an event from {from} to {position} was changed and the chain computed anew"
        );
        self.findings
            .add(Finding::new(Kind::Rewritten, words).at(from).with(position));
    }

    /// Checkpoints beyond the last event.
    fn rest_of_checkpoints(&mut self, file: &mut Option<CheckpointFile>) {
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

    /// Compares a file with the manifest.
    fn file(&mut self, name: &str, lines: Lines) {
        let (bytes, sha256) = match lines.finish() {
            Ok(sums) => sums,
            Err(error) => return self.found(Kind::Missing, format!("{name}: {error}")),
        };
        let Some(manifest) = &self.manifest else {
            return;
        };
        let Some(said) = manifest.files.iter().find(|file| file.name == name) else {
            return self.found(Kind::Checksum, format!("the manifest does not name {name}"));
        };
        if said.sha256 == sha256 && said.bytes == bytes {
            return;
        }
        let shorter = bytes < said.bytes;
        if name == EVENTS && shorter && self.chain.end().0 < manifest.until {
            // The copy broke off, or somebody cut it off. Its checksum cannot be right then, and says nothing more.
            if !self.cut_off {
                let words = format!(
                    "{name} has {bytes} of {} bytes and ends at event {} of {}",
                    said.bytes,
                    self.chain.end().0,
                    manifest.until
                );
                self.cut_off = true;
                self.found(Kind::Truncated, words);
            }
            return;
        }
        let words = format!(
            "{name} is not the file that the manifest names (SHA-256 {sha256}, {bytes} bytes)"
        );
        self.found(Kind::Checksum, words);
    }

    fn finish(mut self) -> Report {
        let (position, hash) = self.chain.end();
        let hash = hex::encode(hash);
        self.against_manifest(position, &hash);
        if self.keys.is_empty() {
            self.found(
                Kind::NoKey,
                "no public key was given, so no signature was checked",
            );
        }
        if !self.checkpoints_seen {
            self.found(
                Kind::NoCheckpoint,
                "there is no checkpoint: nothing vouches for the history",
            );
        }
        if self.outside_met < u64::try_from(self.outside.len()).unwrap_or(u64::MAX) {
            let missing = self.outside.len();
            let words = format!(
                "{} of {missing} checkpoints that were kept outside are in the bundle",
                self.outside_met
            );
            // Those beyond the end of the bundle were told of as its truncation.
            let within = self.outside.range(..=position).count();
            if self.outside_met < u64::try_from(within).unwrap_or(u64::MAX) {
                self.found(Kind::Checkpoint, words);
            }
        }
        if self.sealed_to < position && self.checkpoints_seen {
            let (from, words) = (
                self.sealed_to.saturating_add(1),
                "events after the last good checkpoint are chained, but nobody has signed them",
            );
            if self.options.allow_unsealed {
                self.notes.push(format!("{words}: {from} to {position}"));
            } else {
                self.findings.add(
                    Finding::new(Kind::Unsealed, format!("{words}: {from} to {position}"))
                        .at(from)
                        .with(position),
                );
            }
        }
        if self.streams_full {
            let words = format!(
                "there are more than {} streams; the numbering within the others was not checked",
                self.options.max_streams
            );
            self.found(Kind::Bound, words);
        }
        for finding in self.chain.finish() {
            self.findings.add(finding);
        }
        let totals = self
            .books
            .0
            .into_iter()
            .filter(|((account, _), _)| account == ALL)
            .map(|((_, currency), sums)| {
                (currency, sums.debits.to_string(), sums.credits.to_string())
            })
            .collect();
        let (verdict, findings, more_findings) = self.findings.finish();
        Report {
            verdict,
            findings,
            more_findings,
            notes: self.notes,
            events: self.events,
            position,
            hash,
            checkpoints: self.good,
            sealed_to: self.sealed_to,
            sealed_at: self.sealed_at,
            totals,
        }
    }

    /// The manifest's own claims; where the file is cut off they cannot hold.
    fn against_manifest(&mut self, position: i64, hash: &str) {
        let Some(manifest) = &self.manifest else {
            return;
        };
        let mut wrong = Vec::new();
        if !self.cut_off {
            if manifest.events != self.events {
                wrong.push(format!(
                    "it says {} events, there are {}",
                    manifest.events, self.events
                ));
            }
            if manifest.until != position {
                wrong.push(format!(
                    "it says that the last event is {}, it is {position}",
                    manifest.until
                ));
            }
            if manifest.last_hash != hash {
                wrong.push("the last event's hash is another one".to_owned());
            }
        }
        if manifest.checkpoints != self.checkpoint_lines {
            wrong.push(format!(
                "it says {} checkpoints, there are {}",
                manifest.checkpoints, self.checkpoint_lines
            ));
        }
        for why in wrong {
            self.found(Kind::Checksum, format!("{MANIFEST}: {why}"));
        }
    }
}

fn read_manifest(path: &Path) -> Result<Manifest, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MANIFEST_MAX {
        return Err(format!("it has {size} bytes, more than {MANIFEST_MAX}"));
    }
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| format!("it cannot be read: {error}"))?;
    if manifest.format != "kvit-bundle" || manifest.version != 1 {
        return Err("it is of a format that this program does not know".to_owned());
    }
    Ok(manifest)
}

fn describe(stop: &Stop, line: u64) -> String {
    match stop {
        Stop::End | Stop::CutOff => format!("line {line}: the file ends inside of it"),
        Stop::TooLong => format!("line {line} is longer than the bound; --max-line raises it"),
        Stop::NotText => format!("line {line} is not text"),
        Stop::Io(error) => format!("line {line}: {error}"),
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
