//! The golden bundle, and the two things that a forger computes: hashes, and with the key signatures.

use std::sync::OnceLock;

use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::edits::Files;

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!(
            "../../../../../../deploy/verify/tests/golden/",
            $name
        ))
    };
}

/// The key that the golden checkpoints are signed with.
pub const KEY: &str = include_str!("../../../../../../deploy/verify/tests/golden/key.hex");

/// The bundle as it is.
pub fn files() -> Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        text.split(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect()
    };
    FILES
        .get_or_init(|| Files {
            manifest: golden!("bundle/manifest.json").to_vec(),
            events: lines(golden!("bundle/events.jsonl")),
            checkpoints: lines(golden!("bundle/checkpoints.jsonl")),
        })
        .clone()
}

/// Computes all hashes anew, as far as the lines are events.
pub fn rechain(lines: &mut [Vec<u8>]) {
    let mut previous = [0; 32];
    for line in lines {
        let Ok(mut event) = serde_json::from_slice::<Value>(line) else {
            continue;
        };
        let Some(hash) = hash(&previous, &event) else {
            continue;
        };
        previous = hash;
        if event["hash"] != hex::encode(hash) {
            event["hash"] = json!(hex::encode(hash));
            *line = event.to_string().into_bytes();
        }
    }
}

/// Signs the checkpoints for the events as they are now, as the operator could.
pub fn seal(files: &mut Files) {
    // The seed of the tests that made the golden bundle.
    let mut seed = [0x5a; 32];
    seed[0] = 1;
    let key = SigningKey::from_bytes(&seed);
    let mut previous = Value::Null;
    for line in &mut files.checkpoints {
        let Ok(said) = serde_json::from_slice::<Value>(line) else {
            continue;
        };
        let mut body = said["checkpoint"].clone();
        let event = body["position"]
            .as_u64()
            .and_then(|position| usize::try_from(position).ok()?.checked_sub(1))
            .and_then(|at| serde_json::from_slice::<Value>(files.events.get(at)?).ok());
        let (Some(event), Value::Object(fields)) = (event, &mut body) else {
            continue;
        };
        fields.insert("hash".to_owned(), event["hash"].clone());
        fields.insert("recorded_at".to_owned(), event["recorded_at"].clone());
        fields.insert("previous".to_owned(), previous);
        let body = body.to_string();
        previous = json!(hex::encode(Sha256::digest(&body)));
        let signature = key.sign(format!("kvit checkpoint v1\n{body}").as_bytes());
        let (key, signature) = (
            hex::encode(key.verifying_key().to_bytes()),
            hex::encode(signature.to_bytes()),
        );
        *line = format!(r#"{{"checkpoint":{body},"key":"{key}","signature":"{signature}"}}"#)
            .into_bytes();
    }
}

/// The hash of an event by the layout in `docs/audit.md`, written once more.
fn hash(previous: &[u8; 32], event: &Value) -> Option<[u8; 32]> {
    let text = |name: &str| event[name].as_str();
    let mut digest = Sha256::new();
    digest.update(previous);
    digest.update(event["position"].as_i64()?.to_be_bytes());
    digest.update(hex::decode(text("event_id")?.replace('-', "")).ok()?);
    digest.update(event["sequence"].as_i64()?.to_be_bytes());
    let moment = chrono::DateTime::parse_from_rfc3339(text("recorded_at")?).ok()?;
    let micros = moment.timestamp_micros().checked_sub(946_684_800_000_000)?;
    digest.update(micros.to_be_bytes());
    for name in [
        "aggregate_type",
        "aggregate_id",
        "event_type",
        "event_version",
        "payload",
        "metadata",
    ] {
        let text = text(name)?;
        digest.update(u32::try_from(text.len()).ok()?.to_be_bytes());
        digest.update(text);
    }
    Some(digest.finalize().into())
}
