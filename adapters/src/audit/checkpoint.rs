//! Checkpoints: what is said about the log, and the signature over it.

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use kvit_domain::event::Position;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::totals::{AccountSums, CurrencySums, Totals, books};
use super::{AuditFault, CheckpointKey, PublicKey};
use crate::postgres::chain::Hash;

/// The version of the body's format.
const VERSION: u32 = 1;
/// Stands before the signed bytes, so that a signature of this key over something else never counts as a checkpoint.
const PREFIX: &[u8] = b"kvit checkpoint v1\n";
/// Most bytes of a body; the table takes no more.
const BODY_MAX: usize = 1024 * 1024;

/// What a checkpoint says. Its JSON, with the members in this order and no spaces, is what is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Version of this format.
    pub version: u32,
    /// The last event it covers; it covers all before, too.
    pub position: Position,
    /// The hash of that event, hex.
    pub hash: String,
    /// The time of that event.
    #[serde(with = "micros")]
    pub recorded_at: DateTime<Utc>,
    /// When the checkpoint was made.
    #[serde(with = "micros")]
    pub made_at: DateTime<Utc>,
    /// How many events it covers: as many as the position says, since positions are dense.
    pub events: u64,
    /// Types of the streams whose events with a `transaction` are counted as bookings.
    pub books: Vec<String>,
    /// All legs, by currency; debits equal credits.
    pub totals: Vec<CurrencySums>,
    /// Accounts of the chart other than wallets.
    pub accounts: Vec<AccountSums>,
    /// All wallets together, by currency.
    pub wallets: Vec<CurrencySums>,
    /// SHA-256 of the body of the checkpoint before, hex.
    pub previous: Option<String>,
}

/// Times with microseconds and `Z`, as the log keeps them.
mod micros {
    use super::{DateTime, SecondsFormat, Utc};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Micros, true))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<DateTime<Utc>, D::Error> {
        let text = String::deserialize(from)?;
        let at = DateTime::parse_from_rfc3339(&text)
            .map_err(D::Error::custom)?
            .to_utc();
        if at.to_rfc3339_opts(SecondsFormat::Micros, true) == text {
            Ok(at)
        } else {
            Err(D::Error::custom("another spelling of a time"))
        }
    }
}

impl Checkpoint {
    /// A checkpoint at an event, after another one.
    pub(super) fn new(
        (position, hash, recorded_at): (Position, Hash, DateTime<Utc>),
        totals: &Totals,
        previous: Option<&SignedCheckpoint>,
        made_at: DateTime<Utc>,
    ) -> Self {
        Self {
            version: VERSION,
            position,
            hash: hex::encode(hash),
            recorded_at,
            made_at: made_at.trunc_subsecs(6),
            events: u64::try_from(position).unwrap_or_default(),
            books: books(),
            totals: totals.currencies(),
            accounts: totals.accounts(),
            wallets: totals.wallets(),
            previous: previous.map(|previous| hex::encode(previous.digest())),
        }
    }

    /// Its totals, to go on from.
    pub(super) fn sums(&self) -> Totals {
        Totals::resume(&self.totals, &self.accounts, &self.wallets)
    }

    /// The event's hash, when it is one.
    pub(super) fn event_hash(&self) -> Option<Hash> {
        let mut hash = [0; 32];
        hex::decode_to_slice(&self.hash, &mut hash).ok()?;
        Some(hash)
    }
}

/// A checkpoint with its exact bytes and signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    body: String,
    checkpoint: Checkpoint,
    key: PublicKey,
    signature: [u8; 64],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    checkpoint: Box<RawValue>,
    key: PublicKey,
    signature: String,
}

impl SignedCheckpoint {
    /// Signs a checkpoint.
    pub(super) fn sign(checkpoint: Checkpoint, key: &CheckpointKey) -> Result<Self, AuditFault> {
        let body = serde_json::to_string(&checkpoint).map_err(|error| {
            AuditFault::Fatal(format!("a checkpoint cannot be written: {error}"))
        })?;
        if body.len() > BODY_MAX {
            return Err(AuditFault::Fatal("the checkpoint is too large".to_owned()));
        }
        let signature = key.sign(&message(&body));
        Ok(Self {
            body,
            checkpoint,
            key: key.public(),
            signature,
        })
    }

    /// A checkpoint out of its parts; its signature is not checked here.
    ///
    /// # Errors
    /// [`AuditFault::Fatal`] when the body is no checkpoint of a version that this program knows.
    pub fn from_parts(
        body: String,
        key: PublicKey,
        signature: [u8; 64],
    ) -> Result<Self, AuditFault> {
        let broken = |why: &dyn std::fmt::Display| {
            AuditFault::Fatal(format!("a checkpoint cannot be read: {why}"))
        };
        let checkpoint: Checkpoint = serde_json::from_str(&body).map_err(|error| broken(&error))?;
        if checkpoint.version != VERSION {
            return Err(broken(&format_args!("version {}", checkpoint.version)));
        }
        if checkpoint.position < 1
            || u64::try_from(checkpoint.position) != Ok(checkpoint.events)
            || checkpoint.event_hash().is_none()
        {
            return Err(broken(&"its position, count or hash cannot be"));
        }
        Ok(Self {
            body,
            checkpoint,
            key,
            signature,
        })
    }

    /// A checkpoint out of its line: one JSON object, as [`SignedCheckpoint::to_line`] writes it.
    ///
    /// # Errors
    /// As [`SignedCheckpoint::from_parts`].
    pub fn from_line(line: &str) -> Result<Self, AuditFault> {
        let broken = |_| AuditFault::Fatal("the line is no checkpoint".to_owned());
        let line: Line = serde_json::from_str(line.trim()).map_err(broken)?;
        let mut signature = [0; 64];
        hex::decode_to_slice(&line.signature, &mut signature)
            .map_err(|_| AuditFault::Fatal("a signature has 128 hex digits".to_owned()))?;
        Self::from_parts(line.checkpoint.get().to_owned(), line.key, signature)
    }

    /// One line of JSON without its end, for a file, a mail or a notice board: `{"checkpoint":…,"key":…,"signature":…}`.
    #[must_use]
    pub fn to_line(&self) -> String {
        format!(
            r#"{{"checkpoint":{},"key":"{}","signature":"{}"}}"#,
            self.body,
            self.key,
            hex::encode(self.signature)
        )
    }

    /// What it says. Worth nothing before [`SignedCheckpoint::is_signed_by`].
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Its exact bytes.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The key that it says it was signed with.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// The signature's bytes.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// SHA-256 of the exact bytes; the next checkpoint names it.
    #[must_use]
    pub fn digest(&self) -> Hash {
        Sha256::digest(&self.body).into()
    }

    /// Whether the owner of this key signed these bytes.
    #[must_use]
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.has_signed(&message(&self.body), &self.signature)
    }
}

fn message(body: &str) -> Vec<u8> {
    [PREFIX, body.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn signed() -> (CheckpointKey, SignedCheckpoint) {
        let mut seed = [3; 32];
        seed[0] = 9;
        let key = CheckpointKey::from_seed(&seed).unwrap();
        let at = "2026-11-20T10:00:00.000001Z".parse().unwrap();
        let checkpoint = Checkpoint::new((3, [5; 32], at), &Totals::default(), None, at);
        let signed = SignedCheckpoint::sign(checkpoint, &key).unwrap();
        (key, signed)
    }

    #[test]
    fn a_checkpoint_reads_back_from_its_line_and_any_other_byte_breaks_it() {
        let (key, signed) = signed();
        let line = signed.to_line();
        let back = SignedCheckpoint::from_line(&line).unwrap();
        assert_eq!(back, signed);
        assert!(back.is_signed_by(&key.public()));
        let changed = SignedCheckpoint::from_line(&line.replace("000001Z", "000002Z")).unwrap();
        assert!(!changed.is_signed_by(&key.public()));
        // The same JSON in another spelling is not what was signed.
        let spaced =
            SignedCheckpoint::from_line(&line.replace(r#""position":"#, r#""position": "#))
                .unwrap();
        assert!(!spaced.is_signed_by(&key.public()));
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let (_, signed) = signed();
        let line = signed.to_line();
        for (from, to) in [
            (r#""version":1"#, r#""version":2"#),
            (r#""events":3"#, r#""events":4"#),
            (r#""hash":"05"#, r#""hash":"5"#),
            (r#""books""#, r#""extra":1,"books""#),
            (r#","signature""#, r#","more":1,"signature""#),
        ] {
            assert!(line.contains(from));
            assert!(
                SignedCheckpoint::from_line(&line.replace(from, to)).is_err(),
                "{to}"
            );
        }
    }
}
