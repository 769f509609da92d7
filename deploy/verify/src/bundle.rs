//! The check of a whole bundle.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::books::{ALL, Books};
use crate::chain::Chain;
use crate::checkpoint::Checkpoint;
use crate::event::Hash;
use crate::follow::CheckpointFile;
use crate::key::PublicKey;
use crate::lines::{Lines, Stop};
use crate::report::{Finding, Findings, Kind, Report, name};

const MANIFEST: &str = "manifest.json";
pub(crate) const EVENTS: &str = "events.jsonl";
pub(crate) const CHECKPOINTS: &str = "checkpoints.jsonl";
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
    check.checkpoints_partly = checkpoints.is_none();
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

/// A check under way.
pub(crate) struct Check<'a> {
    pub(crate) options: &'a Options,
    pub(crate) keys: Vec<PublicKey>,
    manifest: Option<Manifest>,
    pub(crate) outside: BTreeMap<i64, Checkpoint>,
    /// Those from outside that the bundle has, too.
    pub(crate) outside_met: u64,
    /// Keys that the bundle's checkpoints name.
    pub(crate) named_keys: BTreeSet<String>,
    pub(crate) next: Option<Checkpoint>,
    pub(crate) book_types: Vec<String>,
    /// Digest of the checkpoint before. The outer `None`: it is broken, so its successor cannot be compared.
    pub(crate) previous: Option<Option<Hash>>,
    pub(crate) chain: Chain,
    /// Where an event's hash is not the signed one: the first that may be to blame, and that event.
    pub(crate) unlike: Vec<(i64, i64)>,
    pub(crate) books: Books,
    pub(crate) time: Option<i64>,
    pub(crate) streams: HashMap<[u8; 16], i64>,
    pub(crate) streams_full: bool,
    pub(crate) events: u64,
    pub(crate) checkpoint_lines: u64,
    pub(crate) checkpoints_seen: bool,
    /// The file of checkpoints is not there, or was not read to its end.
    pub(crate) checkpoints_partly: bool,
    pub(crate) good: u64,
    pub(crate) sealed_to: i64,
    pub(crate) sealed_at: Option<String>,
    /// The last event that was read is not the last of the history.
    pub(crate) cut_off: bool,
    pub(crate) findings: Findings,
    pub(crate) notes: Vec<String>,
}

impl<'a> Check<'a> {
    fn new(options: &'a Options) -> Self {
        Self {
            options,
            keys: options.keys.clone(),
            manifest: None,
            outside: BTreeMap::new(),
            outside_met: 0,
            named_keys: BTreeSet::new(),
            next: None,
            book_types: BOOKS.map(str::to_owned).to_vec(),
            previous: Some(None),
            chain: Chain::new(),
            unlike: Vec::new(),
            books: Books::default(),
            time: None,
            streams: HashMap::new(),
            streams_full: false,
            events: 0,
            checkpoint_lines: 0,
            checkpoints_seen: false,
            checkpoints_partly: false,
            good: 0,
            sealed_to: 0,
            sealed_at: None,
            cut_off: false,
            findings: Findings::default(),
            notes: Vec::new(),
        }
    }

    pub(crate) fn found(&mut self, kind: Kind, words: impl Into<String>) {
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
        self.chain_findings();
        let totals = self
            .books
            .0
            .into_iter()
            .filter(|((account, _), _)| account == ALL)
            .map(|((_, currency), sums)| {
                let currency = name(&currency);
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
        let mut names: Vec<&str> = manifest.files.iter().map(|file| &*file.name).collect();
        names.sort_unstable();
        if names != [CHECKPOINTS, EVENTS] {
            wrong.push("it does not name the two other files, each of them once".to_owned());
        }
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
        if !self.checkpoints_partly {
            if manifest.checkpoints != self.checkpoint_lines {
                wrong.push(format!(
                    "it says {} checkpoints, there are {}",
                    manifest.checkpoints, self.checkpoint_lines
                ));
            }
            let keys: BTreeSet<String> = manifest.public_keys.iter().cloned().collect();
            if keys != self.named_keys {
                wrong.push("its keys are not those that the checkpoints name".to_owned());
            }
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

pub(crate) fn describe(stop: &Stop, line: u64) -> String {
    match stop {
        Stop::End | Stop::CutOff => format!("line {line}: the file ends inside of it"),
        Stop::TooLong => format!("line {line} is longer than the bound; --max-line raises it"),
        Stop::NotText => format!("line {line} is not text"),
        Stop::Io(error) => format!("line {line}: {error}"),
    }
}
