//! The dead letters of the bus as the gateway shows them.

use async_trait::async_trait;
use kvit_adapters::nats::{DeadLetter, DeadLetters};
use kvit_gateway::dead_letters as shown;

/// Dead letters by their number in the stream.
pub struct Letters(DeadLetters);

impl Letters {
    /// The letters of this store.
    pub const fn new(letters: DeadLetters) -> Self {
        Self(letters)
    }
}

fn transient(fault: impl std::fmt::Display) -> shown::DeadLetterFault {
    shown::DeadLetterFault::Transient(fault.to_string())
}

fn show(letter: DeadLetter) -> shown::DeadLetter {
    let stream = letter
        .event
        .as_ref()
        .map(|event| event.stream.to_string())
        .unwrap_or_default();
    shown::DeadLetter {
        id: letter.sequence.to_string(),
        handler: letter.handler,
        event_type: letter
            .event
            .as_ref()
            .map(|event| event.event_type.clone())
            .unwrap_or_default(),
        stream,
        position: letter.position.unwrap_or_default(),
        reason: letter.reason,
        deliveries: letter.tries,
        dead_since: letter.at,
    }
}

#[async_trait]
impl shown::DeadLetters for Letters {
    async fn list(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<shown::DeadLetterPage, shown::DeadLetterFault> {
        let after = after.and_then(|text| text.parse().ok()).unwrap_or(0);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let letters = self.0.list(after, limit).await.map_err(transient)?;
        let next = (letters.len() == limit)
            .then(|| letters.last().map(|last| last.sequence.to_string()))
            .flatten();
        Ok(shown::DeadLetterPage {
            letters: letters.into_iter().map(show).collect(),
            next,
        })
    }

    async fn replay(&self, id: &str, actor: &str) -> Result<bool, shown::DeadLetterFault> {
        let Ok(sequence) = id.parse() else {
            return Ok(false);
        };
        tracing::info!(actor, sequence, "a dead letter is tried again");
        self.0.replay(sequence).await.map_err(transient)
    }

    async fn discard(
        &self,
        id: &str,
        actor: &str,
        reason: &str,
    ) -> Result<bool, shown::DeadLetterFault> {
        let Ok(sequence) = id.parse() else {
            return Ok(false);
        };
        self.0
            .drop_letter(sequence, &format!("{actor}: {reason}"))
            .await
            .map_err(transient)
    }
}
