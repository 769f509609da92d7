//! The edits that an input asks for.

use std::path::Path;

use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Most edits of one input.
const EDITS_MAX: u8 = 12;
const FIELDS: [&str; 11] = [
    "position",
    "event_id",
    "aggregate_type",
    "aggregate_id",
    "sequence",
    "event_type",
    "event_version",
    "payload",
    "metadata",
    "recorded_at",
    "hash",
];

/// An input that is eaten from the front; behind its end everything is zero.
pub struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    fn below(&mut self, bound: usize) -> usize {
        let number = usize::from(self.byte()) << 8 | usize::from(self.byte());
        number.checked_rem(bound).unwrap_or(0)
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        head
    }

    fn text(&mut self) -> String {
        let length = usize::from(self.byte());
        String::from_utf8_lossy(self.take(length)).into_owned()
    }
}

/// The three files of a bundle.
#[derive(Clone)]
pub struct Files {
    pub manifest: Vec<u8>,
    /// Lines without their ends.
    pub events: Vec<Vec<u8>>,
    pub checkpoints: Vec<Vec<u8>>,
}

/// Does what the input asks for to events and checkpoints: a number of edits, then each of them.
pub fn forge(files: &mut Files, input: &mut Cursor<'_>) {
    for _ in 0..input.byte() % (EDITS_MAX + 1) {
        if input.0.is_empty() {
            return;
        }
        let what = input.byte();
        let lines = if what & 128 == 0 {
            &mut files.events
        } else {
            &mut files.checkpoints
        };
        let at = input.below(lines.len());
        match what % 8 {
            0 if at < lines.len() => drop(lines.remove(at)),
            1 if at < lines.len() => {
                let to = input.below(lines.len() + 1);
                let line = lines[at].clone();
                lines.insert(to, line);
            }
            2 if at < lines.len() => {
                let other = input.below(lines.len());
                lines.swap(at, other);
            }
            3 => lines.insert(at, input.text().into_bytes()),
            4 => lines.truncate(at),
            5 | 6 if at < lines.len() => set_field(&mut lines[at], input),
            _ if at < lines.len() => splice(&mut lines[at], input),
            _ => {}
        }
    }
}

/// Takes some bytes out and puts others in.
pub fn splice(bytes: &mut Vec<u8>, input: &mut Cursor<'_>) {
    let at = input.below(bytes.len() + 1);
    let end = (at + usize::from(input.byte()) % 64).min(bytes.len());
    let length = usize::from(input.byte()) % 64;
    bytes.splice(at..end, input.take(length).iter().copied());
}

/// Gives one field of an event another value, or another beginning.
fn set_field(line: &mut Vec<u8>, input: &mut Cursor<'_>) {
    let Ok(mut event) = serde_json::from_slice::<Value>(line) else {
        return;
    };
    let name = FIELDS[input.below(FIELDS.len())];
    let value = match input.byte() % 4 {
        0 => json!(input.text()),
        1 => {
            let mut number = [0; 8];
            let given = input.take(8);
            number[..given.len()].copy_from_slice(given);
            json!(i64::from_le_bytes(number))
        }
        2 => {
            let near = i64::from(input.byte()) - 128;
            json!(event[name].as_i64().unwrap_or(0).saturating_add(near))
        }
        _ => {
            let mut text = event[name].as_str().unwrap_or_default().as_bytes().to_vec();
            splice(&mut text, input);
            json!(String::from_utf8_lossy(&text))
        }
    };
    if let Value::Object(fields) = &mut event {
        fields.insert(name.to_owned(), value);
        *line = event.to_string().into_bytes();
    }
}

fn joined(lines: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        bytes.extend(line);
        bytes.push(b'\n');
    }
    bytes
}

impl Files {
    /// Sizes, sums and counts as they are now.
    pub fn fit_manifest(&mut self) {
        let Ok(mut manifest) = serde_json::from_slice::<Value>(&self.manifest) else {
            return;
        };
        for (at, lines) in [&self.events, &self.checkpoints].into_iter().enumerate() {
            let bytes = joined(lines);
            manifest["files"][at]["bytes"] = json!(bytes.len());
            manifest["files"][at]["sha256"] = json!(hex::encode(Sha256::digest(bytes)));
        }
        let events: Vec<Value> = self.events.iter().filter_map(|line| read(line)).collect();
        let last = events.iter().max_by_key(|event| event["position"].as_i64());
        manifest["events"] = json!(self.events.len());
        manifest["until"] = last.map_or(json!(0), |last| last["position"].clone());
        manifest["last_hash"] = last.map_or(json!(""), |last| last["hash"].clone());
        manifest["checkpoints"] = json!(self.checkpoints.len());
        let mut keys: Vec<String> = self
            .checkpoints
            .iter()
            .filter_map(|line| read(line)?["key"].as_str().map(str::to_owned))
            .collect();
        keys.sort_unstable();
        keys.dedup();
        manifest["public_keys"] = json!(keys);
        self.manifest = manifest.to_string().into_bytes();
    }

    pub fn write(&self, folder: &Path) {
        for (name, bytes) in [
            ("manifest.json", self.manifest.clone()),
            ("events.jsonl", joined(&self.events)),
            ("checkpoints.jsonl", joined(&self.checkpoints)),
        ] {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
    }

    /// Whether the events, the signed texts and their signatures are those of the other bundle; white space between fields
    /// says nothing. With `prefix`, events behind the last checkpoint are anybody's, and the end may be missing.
    pub fn says_the_same_as(&self, other: &Self, prefix: bool) -> Result<(), &'static str> {
        let (mine, theirs) = (self.signed(), other.signed());
        let sealed = if prefix {
            if mine.is_empty() || !theirs.starts_with(&mine) {
                return Err("a checkpoint");
            }
            let last: Value = serde_json::from_str(&mine[mine.len() - 1].0).unwrap();
            usize::try_from(last["position"].as_i64().unwrap()).unwrap()
        } else if mine == theirs {
            other.events.len().max(self.events.len())
        } else {
            return Err("a checkpoint");
        };
        let events = |files: &Self| -> Vec<Option<Value>> {
            files
                .events
                .iter()
                .take(sealed)
                .map(|line| read(line))
                .collect()
        };
        if events(self) != events(other) {
            return Err("an event");
        }
        Ok(())
    }

    fn signed(&self) -> Vec<(String, String, String)> {
        #[derive(serde::Deserialize)]
        struct Line {
            checkpoint: Box<RawValue>,
            key: String,
            signature: String,
        }
        let read = |line: &Vec<u8>| -> Option<(String, String, String)> {
            let line: Line = serde_json::from_slice(line).ok()?;
            let signature = line.signature.to_ascii_lowercase();
            Some((line.checkpoint.get().to_owned(), line.key, signature))
        };
        self.checkpoints.iter().filter_map(read).collect()
    }
}

/// What a manifest says; in which order it names files and keys says nothing.
pub fn manifest(text: &[u8]) -> Option<Value> {
    let mut manifest: Value = serde_json::from_slice(text).ok()?;
    for list in ["files", "public_keys"] {
        if let Some(items) = manifest[list].as_array_mut() {
            items.sort_by_key(Value::to_string);
            items.dedup();
        }
    }
    Some(manifest)
}

fn read(line: &[u8]) -> Option<Value> {
    serde_json::from_slice(line).ok()
}
