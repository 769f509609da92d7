//! The dead letters: listed, tried again, or dropped with a reason.
//!
//! A dead letter that is tried again goes to its own handler only, by the stream [`super::REDO`]: the stream of events
//! takes nothing but the log. Deleting a letter after its way on is stored means that a crash in between doubles it, and
//! handlers are idempotent.

use async_nats::header::{HeaderMap, NATS_MESSAGE_ID};
use async_nats::jetstream::Context;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use kvit_domain::event::{Position, RecordedEvent};

use super::{BusFault, DEAD, stream, subject};

/// An event that a handler could not handle.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// Its number, by which it is replayed or dropped.
    pub sequence: u64,
    /// The handler.
    pub handler: String,
    /// Why it was given up.
    pub reason: String,
    /// How often it was tried.
    pub tries: u32,
    /// When it was given up.
    pub at: DateTime<Utc>,
    /// Position of the event, if the message was one of ours.
    pub position: Option<Position>,
    /// The event, if it can be read.
    pub event: Option<RecordedEvent>,
}

/// The dead letters of all handlers.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    bus: Context,
}

fn header(message: &StreamMessage, name: &str) -> Option<String> {
    message
        .headers
        .get(name)
        .map(|value| value.as_str().to_owned())
}

impl DeadLetter {
    fn of(message: &StreamMessage) -> Self {
        let nanos = message.time.unix_timestamp_nanos();
        Self {
            sequence: message.sequence,
            handler: header(message, subject::HANDLER).unwrap_or_default(),
            reason: header(message, subject::REASON).unwrap_or_default(),
            tries: header(message, subject::TRIES)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
            at: DateTime::from_timestamp_nanos(i64::try_from(nanos).unwrap_or(0)),
            position: header(message, subject::POSITION).and_then(|text| text.parse().ok()),
            event: serde_json::from_slice(&message.payload).ok(),
        }
    }
}

impl DeadLetters {
    /// The dead letters on a bus.
    #[must_use]
    pub fn new(bus: Context) -> Self {
        Self { bus }
    }

    /// Letters with a number above `after`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`BusFault`].
    pub async fn list(&self, after: u64, limit: usize) -> Result<Vec<DeadLetter>, BusFault> {
        let dead = stream(&self.bus, DEAD).await?;
        let mut letters: Vec<DeadLetter> = Vec::new();
        let mut from = after.saturating_add(1);
        while letters.len() < limit {
            let next = dead
                .raw_message_builder()
                .sequence(from)
                .next_by_subject(format!("{}.>", subject::DEAD));
            match next.send().await {
                Ok(message) => {
                    from = message.sequence.saturating_add(1);
                    letters.push(DeadLetter::of(&message));
                }
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => break,
                Err(error) => return Err(BusFault::of(error)),
            }
        }
        Ok(letters)
    }

    /// Gives a letter back to its handler. `false` when there is no such letter.
    ///
    /// # Errors
    /// [`BusFault`]; the letter is then still there.
    pub async fn replay(&self, sequence: u64) -> Result<bool, BusFault> {
        let dead = stream(&self.bus, DEAD).await?;
        let Some(message) = letter(&dead, sequence).await? else {
            return Ok(false);
        };
        let mut headers = HeaderMap::new();
        for name in [
            subject::POSITION,
            subject::EVENT_TYPE,
            subject::EVENT_VERSION,
            subject::CORRELATION_ID,
            subject::TRACEPARENT,
        ] {
            if let Some(value) = header(&message, name) {
                subject::set(&mut headers, name, &value);
            }
        }
        headers.insert(NATS_MESSAGE_ID, format!("redo:{sequence}"));
        let handler = header(&message, subject::HANDLER).unwrap_or_default();
        self.send(
            format!("{}.{handler}", subject::REDO),
            headers,
            message.payload,
        )
        .await?;
        delete(&dead, sequence).await
    }

    /// Drops a letter for good and leaves a note of it with the reason. `false` when there is no such letter.
    ///
    /// # Errors
    /// [`BusFault`]; the letter is then still there.
    pub async fn drop_letter(&self, sequence: u64, reason: &str) -> Result<bool, BusFault> {
        let dead = stream(&self.bus, DEAD).await?;
        let Some(message) = letter(&dead, sequence).await? else {
            return Ok(false);
        };
        let letter = DeadLetter::of(&message);
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, format!("dropped:{sequence}"));
        let position = letter.position.unwrap_or(0);
        subject::set(&mut headers, subject::POSITION, &position.to_string());
        subject::set(
            &mut headers,
            subject::REASON,
            &reason.replace(char::is_control, " "),
        );
        self.send(
            format!("{}.{}", subject::DROPPED, letter.handler),
            headers,
            Bytes::new(),
        )
        .await?;
        tracing::warn!(handler = %letter.handler, position, reason, "a dead letter is dropped");
        delete(&dead, sequence).await
    }

    async fn send(&self, subject: String, headers: HeaderMap, body: Bytes) -> Result<(), BusFault> {
        let stored = self
            .bus
            .publish_with_headers(subject, headers, body)
            .await
            .map_err(BusFault::of)?;
        stored.await.map_err(BusFault::of)?;
        Ok(())
    }
}

/// A dead letter by its number; notes about dropped ones are none.
async fn letter(dead: &Stream, sequence: u64) -> Result<Option<StreamMessage>, BusFault> {
    // The server numbers from one, and takes this for a mistake in the request.
    if sequence == 0 {
        return Ok(None);
    }
    match dead.get_raw_message(sequence).await {
        Ok(message) => {
            Ok(Some(message).filter(|message| message.subject.starts_with(subject::DEAD)))
        }
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(BusFault::of(error)),
    }
}

async fn delete(dead: &Stream, sequence: u64) -> Result<bool, BusFault> {
    dead.delete_message(sequence).await.map_err(BusFault::of)
}
