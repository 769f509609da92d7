//! Knowing early that the log has grown.
//!
//! Own appends move the watch. Other processes say so by a NATS core message on `kvit.head`, which may be lost, late or
//! wrong: it is a hint and only makes a reader look. Polling is what the promise rests on. There is no `NOTIFY` in the
//! append transaction: it would cost most of what group commit gains.

use std::time::Duration;

use futures::StreamExt;
use kvit_domain::event::Position;
use tokio::sync::watch;
use tokio::time::Instant;

/// Subject of the hints; the body is the position in decimal digits.
pub(super) const HEAD_SUBJECT: &str = "kvit.head";

/// How long a hint may wake readers. A wrong hint (a position that never comes) would otherwise make them spin.
const HINT_LIFE: Duration = Duration::from_millis(500);

/// The highest position known to this process.
#[derive(Clone)]
pub(super) struct Head {
    known: watch::Sender<Position>,
    hint: watch::Sender<(Position, Instant)>,
}

impl Head {
    pub(super) fn new() -> Self {
        Self {
            known: watch::Sender::new(0),
            hint: watch::Sender::new((0, Instant::now())),
        }
    }

    /// This position is in the log.
    pub(super) fn stored(&self, position: Position) {
        self.known.send_if_modified(|known| {
            let moved = position > *known;
            *known = position.max(*known);
            moved
        });
    }

    fn hinted(&self, position: Position) {
        if position > *self.known.borrow() {
            self.hint.send_replace((position, Instant::now()));
        }
    }

    /// Returns when a position above `after` is known or hinted. Never returns by itself otherwise.
    pub(super) async fn beyond(&self, after: Position) {
        let mut known = self.known.subscribe();
        let mut hint = self.hint.subscribe();
        tokio::select! {
            _ = known.wait_for(|known| *known > after) => {}
            _ = hint.wait_for(|(position, at)| *position > after && at.elapsed() < HINT_LIFE) => {}
        }
    }

    /// Exchanges hints with other processes until the log is dropped.
    pub(super) async fn exchange(self, nats: async_nats::Client) {
        tokio::join!(self.publish(&nats), self.listen(&nats));
    }

    async fn publish(&self, nats: &async_nats::Client) {
        let mut known = self.known.subscribe();
        while known.changed().await.is_ok() {
            let position = *known.borrow_and_update();
            let sending = nats.publish(HEAD_SUBJECT, position.to_string().into());
            // While NATS is away its client's queue fills up; a hint is not worth waiting for.
            let _ = tokio::time::timeout(Duration::from_secs(1), sending).await;
        }
    }

    async fn listen(&self, nats: &async_nats::Client) {
        loop {
            if let Ok(mut hints) = nats.subscribe(HEAD_SUBJECT).await {
                while let Some(message) = hints.next().await {
                    let text = std::str::from_utf8(&message.payload).ok();
                    if let Some(position) = text.and_then(|text| text.parse().ok()) {
                        self.hinted(position);
                    }
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}
