//! Copies of the golden bundle, and what a forger and an auditor do with them.

use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer, SigningKey};
use kvit_verify::{Kind, Options, PublicKey, Report, verify_bundle};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const FILES: [&str; 3] = ["manifest.json", "events.jsonl", "checkpoints.jsonl"];

pub fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

pub fn key() -> PublicKey {
    PublicKey::parse(&std::fs::read_to_string(golden().join("key.hex")).unwrap()).unwrap()
}

/// A copy of the golden bundle to be tampered with.
pub struct Bundle {
    folder: tempfile::TempDir,
    pub events: Vec<Value>,
    pub checkpoints: Vec<String>,
}

impl Bundle {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in FILES {
            std::fs::copy(golden().join("bundle").join(name), folder.path().join(name)).unwrap();
        }
        let lines = |name: &str| -> Vec<String> {
            let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
            text.lines().map(str::to_owned).collect()
        };
        let events = lines("events.jsonl");
        Self {
            events: events
                .iter()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
            checkpoints: lines("checkpoints.jsonl"),
            folder,
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes events and checkpoints back with a manifest that fits them, as a careful forger would.
    pub fn write(&self) {
        let events: String = self
            .events
            .iter()
            .map(|event| format!("{event}\n"))
            .collect();
        let checkpoints: String = self
            .checkpoints
            .iter()
            .map(|line| format!("{line}\n"))
            .collect();
        let path = self.path().join("manifest.json");
        let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for (at, (name, text)) in [
            ("events.jsonl", &events),
            ("checkpoints.jsonl", &checkpoints),
        ]
        .into_iter()
        .enumerate()
        {
            std::fs::write(self.path().join(name), text).unwrap();
            manifest["files"][at]["bytes"] = json!(text.len());
            manifest["files"][at]["sha256"] = json!(hex::encode(Sha256::digest(text)));
        }
        let last = self
            .events
            .iter()
            .max_by_key(|event| event["position"].as_i64())
            .unwrap();
        manifest["events"] = json!(self.events.len());
        manifest["until"] = last["position"].clone();
        manifest["last_hash"] = last["hash"].clone();
        manifest["checkpoints"] = json!(self.checkpoints.len());
        std::fs::write(path, manifest.to_string()).unwrap();
    }

    pub fn check(&self) -> Report {
        verify_bundle(
            self.path(),
            &Options {
                keys: vec![key()],
                ..Options::default()
            },
        )
    }

    /// As [`Bundle::write`] and [`Bundle::check`].
    pub fn written(&self) -> Report {
        self.write();
        self.check()
    }
}

/// The hash of an event by the layout in docs/audit.md.
pub fn hash(previous: &str, event: &Value) -> String {
    let text = |name: &str| event[name].as_str().unwrap().to_owned();
    let mut bytes = hex::decode(previous).unwrap();
    bytes.extend(event["position"].as_i64().unwrap().to_be_bytes());
    bytes.extend(hex::decode(text("event_id").replace('-', "")).unwrap());
    bytes.extend(event["sequence"].as_i64().unwrap().to_be_bytes());
    // All of the golden events are of one second; the day's beginning in microseconds since 2000 is known.
    let time = text("recorded_at");
    let number = |from: usize, to: usize| time[from..to].parse::<i64>().unwrap();
    assert!(time.starts_with("2026-11-20T"));
    let seconds = (1_795_132_800 - 946_684_800)
        + number(11, 13) * 3600
        + number(14, 16) * 60
        + number(17, 19);
    bytes.extend((seconds * 1_000_000 + number(20, 26)).to_be_bytes());
    for name in [
        "aggregate_type",
        "aggregate_id",
        "event_type",
        "event_version",
        "payload",
        "metadata",
    ] {
        let text = text(name);
        bytes.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    hex::encode(Sha256::digest(bytes))
}

/// Computes the hashes from an index on anew.
pub fn rechain(events: &mut [Value], from: usize) {
    for at in from..events.len() {
        let previous = match at {
            0 => "00".repeat(32),
            at => events[at - 1]["hash"].as_str().unwrap().to_owned(),
        };
        let hash = hash(&previous, &events[at]);
        events[at]["hash"] = json!(hash);
    }
}

/// What was found of those kinds that accuse an event, with its places.
pub fn accused(report: &Report) -> Vec<(Kind, i64, Option<i64>)> {
    let accusing = [
        Kind::Changed,
        Kind::Removed,
        Kind::Inserted,
        Kind::Swapped,
        Kind::Reordered,
        Kind::Rewritten,
    ];
    report
        .findings
        .iter()
        .filter(|found| accusing.contains(&found.kind))
        .map(|found| (found.kind, found.position.unwrap(), found.other))
        .collect()
}

pub fn kinds(report: &Report) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = report.findings.iter().map(|found| found.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// Signs the checkpoints anew, as the operator could, for the events as they are now. `change` may alter what they say.
pub fn seal(bundle: &mut Bundle, change: impl Fn(&mut Value)) {
    // The seed of the tests that made the golden bundle.
    let mut seed = [0x5a; 32];
    seed[0] = 1;
    let key = SigningKey::from_bytes(&seed);
    let mut previous = Value::Null;
    for line in &mut bundle.checkpoints {
        let mut said: Value = serde_json::from_str(line).unwrap();
        let body = &mut said["checkpoint"];
        let at = usize::try_from(body["position"].as_i64().unwrap() - 1).unwrap();
        body["hash"] = bundle.events[at]["hash"].clone();
        body["recorded_at"] = bundle.events[at]["recorded_at"].clone();
        body["previous"] = previous;
        change(body);
        let body = body.to_string();
        previous = json!(hex::encode(Sha256::digest(&body)));
        let signature = key.sign(format!("kvit checkpoint v1\n{body}").as_bytes());
        let (key, signature) = (
            hex::encode(key.verifying_key().to_bytes()),
            hex::encode(signature.to_bytes()),
        );
        *line = format!(r#"{{"checkpoint":{body},"key":"{key}","signature":"{signature}"}}"#);
    }
}
