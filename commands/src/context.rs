//! Who issues a command, why, and under which key.

use std::collections::BTreeMap;

use kvit_domain::event::{RecordedEvent, metadata};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// What accompanies a command and ends up in the metadata of its events.
#[derive(Debug, Clone)]
pub struct Context {
    /// `user:<id>`, `admin:<id>`, `policy:<name>`, `provider:<name>`, `api:<key id>`.
    pub actor: String,
    /// The same key and body is one effect, for ever.
    pub idempotency_key: String,
    /// One id for everything that follows from one outside action.
    pub correlation_id: String,
    /// The event that led here.
    pub causation_id: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
}

impl Context {
    /// A command from outside.
    pub fn new(
        actor: impl Into<String>,
        idempotency_key: impl Into<String>,
        correlation_id: impl Into<String>,
    ) -> Self {
        Self {
            actor: actor.into(),
            idempotency_key: idempotency_key.into(),
            correlation_id: correlation_id.into(),
            causation_id: None,
            traceparent: None,
        }
    }

    /// The same, as part of a trace.
    #[must_use]
    pub fn with_traceparent(mut self, traceparent: Option<String>) -> Self {
        self.traceparent = traceparent;
        self
    }

    /// What a policy does because of an event. The key follows from the event, so a redelivery repeats the command.
    #[must_use]
    pub fn caused_by(event: &RecordedEvent, policy: &str, step: &str) -> Self {
        Self {
            actor: format!("policy:{policy}"),
            idempotency_key: format!("{policy}:{}:{step}", event.event_id),
            correlation_id: event
                .meta(metadata::CORRELATION_ID)
                .map_or_else(|| event.event_id.to_string(), str::to_owned),
            causation_id: Some(event.event_id.to_string()),
            traceparent: event.meta(metadata::TRACEPARENT).map(str::to_owned),
        }
    }

    /// The same with another key, for a further command of the same action.
    #[must_use]
    pub fn step(&self, step: &str) -> Self {
        Self {
            idempotency_key: format!("{}:{step}", self.idempotency_key),
            ..self.clone()
        }
    }

    /// Metadata of the events of a command with this digest.
    pub(crate) fn metadata(&self, digest: &CommandDigest) -> BTreeMap<String, String> {
        let mut map = BTreeMap::from([
            (metadata::ACTOR.to_owned(), self.actor.clone()),
            (
                metadata::CORRELATION_ID.to_owned(),
                self.correlation_id.clone(),
            ),
            (
                metadata::IDEMPOTENCY_KEY.to_owned(),
                self.idempotency_key.clone(),
            ),
            (metadata::COMMAND_DIGEST.to_owned(), hex::encode(digest.0)),
        ]);
        if let Some(causation_id) = &self.causation_id {
            map.insert(metadata::CAUSATION_ID.to_owned(), causation_id.clone());
        }
        if let Some(traceparent) = &self.traceparent {
            map.insert(metadata::TRACEPARENT.to_owned(), traceparent.clone());
        }
        map
    }
}

/// SHA-256 of a command's body: what must be equal when a key is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandDigest(pub(crate) [u8; 32]);

impl CommandDigest {
    /// The digest of anything that serialises, `kind` keeping equal bodies of different commands apart.
    ///
    /// # Errors
    /// The serialiser's, which no command of this workspace provokes.
    pub fn of<T: Serialize>(kind: &str, body: &T) -> Result<Self, serde_json::Error> {
        let mut hasher = Sha256::new();
        hasher.update(kind.as_bytes());
        hasher.update([0x1f]);
        hasher.update(serde_json::to_vec(body)?);
        Ok(Self(hasher.finalize().into()))
    }

    /// Reads a digest out of an event's metadata.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}
