//! What a provider sent by itself, as part of the history: that it came, and what asking the provider proved.
//!
//! The stream's id is made of provider, event and object, so the seventh copy meets the first. The body itself is kept
//! sealed elsewhere; nothing in it is believed.

use serde::{Deserialize, Serialize};

use crate::aggregate::{Decide, aggregate};
use crate::event::StreamId;
use crate::ledger::ProviderName;
use crate::rejection::Rejection;

/// What happened to a notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotificationEvent {
    /// It came, and its body is stored.
    NotificationReceived {
        /// Who says so.
        provider: ProviderName,
        /// The provider's name of the event.
        event: String,
        /// The provider's id of the object.
        object_id: String,
        /// SHA-256 of the body, hex: where the sealed body is.
        digest: String,
    },
    /// The provider was asked with our own credentials; what it says now has been followed.
    NotificationVerified {
        /// The provider's state of the object at that moment.
        status: String,
        /// Our operation that it belongs to.
        operation: String,
    },
    /// It speaks of nothing that is ours.
    NotificationQuarantined {
        /// Why.
        reason: String,
    },
}

/// What can be asked of a notification.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields as in the events")]
pub enum NotificationCommand {
    Receive {
        provider: ProviderName,
        event: String,
        object_id: String,
        digest: String,
    },
    Verify {
        status: String,
        operation: String,
    },
    Quarantine {
        reason: String,
    },
}

/// The notification as its events left it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Notification {
    /// Whether it came.
    pub is_received: bool,
    /// Whether it was verified or set aside.
    pub is_settled: bool,
}

/// The stream of a provider's notification: one per event and object.
#[must_use]
pub fn stream_of(provider: ProviderName, event: &str, object_id: &str) -> StreamId {
    // Both are the sender's words: whatever they hold, a hash of them is a valid id.
    let text = format!("{}\u{1f}{event}\u{1f}{object_id}", provider.code());
    StreamId::new(
        "notification",
        crate::ids::TransactionId::derived("notification", &text).to_string(),
    )
}

impl Notification {
    fn evolve(&mut self, event: NotificationEvent) {
        match event {
            NotificationEvent::NotificationReceived { .. } => self.is_received = true,
            NotificationEvent::NotificationVerified { .. }
            | NotificationEvent::NotificationQuarantined { .. } => self.is_settled = true,
        }
    }
}

impl Decide for Notification {
    fn decide(&self, command: &NotificationCommand) -> Result<Vec<NotificationEvent>, Rejection> {
        match command.clone() {
            NotificationCommand::Receive { .. } if self.is_received => Ok(vec![]),
            NotificationCommand::Receive {
                provider,
                event,
                object_id,
                digest,
            } => {
                if event.len() > 100 || object_id.len() > 100 || digest.len() != 64 {
                    return Err(Rejection::new(
                        "invalid_command",
                        "event and object have at most 100 bytes, a digest has 64 digits",
                    ));
                }
                Ok(vec![NotificationEvent::NotificationReceived {
                    provider,
                    event,
                    object_id,
                    digest,
                }])
            }
            _ if !self.is_received => {
                Err(Rejection::new("not_found", "there is no such notification"))
            }
            _ if self.is_settled => Ok(vec![]),
            NotificationCommand::Verify { status, operation } => {
                Ok(vec![NotificationEvent::NotificationVerified {
                    status,
                    operation,
                }])
            }
            NotificationCommand::Quarantine { reason } => {
                Ok(vec![NotificationEvent::NotificationQuarantined { reason }])
            }
        }
    }
}

aggregate!(
    Notification,
    "notification",
    NotificationCommand,
    NotificationEvent {
        NotificationReceived,
        NotificationVerified,
        NotificationQuarantined,
    }
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use cqrs_es::Aggregate;

    use super::*;

    #[test]
    fn the_second_copy_of_a_notification_changes_nothing() {
        let receive = NotificationCommand::Receive {
            provider: ProviderName::Yookassa,
            event: "payment.succeeded".to_owned(),
            object_id: "22e1".to_owned(),
            digest: "0".repeat(64),
        };
        let mut notification = Notification::default();
        for event in notification.decide(&receive).unwrap() {
            notification.apply(event);
        }
        assert_eq!(notification.decide(&receive), Ok(vec![]));
        assert!(stream_of(ProviderName::Yookassa, "payment/../x", "\u{1f}№").is_valid());
    }
}
