//! Claims: the right of one receipt to a thing that exists once in the world.
//!
//! The id of the stream is the thing itself (a fiscal receipt by register, number and date; an image by its SHA-256),
//! so two claimants meet on one stream and the log's own concurrency check decides.

use serde::{Deserialize, Serialize};

use crate::aggregate::{Decide, aggregate};
use crate::ids::{ReceiptId, UserId};
use crate::ledger::ProviderName;
use crate::rejection::Rejection;

macro_rules! claim {
    ($(#[$doc:meta])* $state:ident, $event:ident, $command:ident, $type:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, Serialize, Deserialize)]
        pub struct $state {
            /// Who holds it now.
            pub holder: Option<ReceiptId>,
            /// Whose receipt holds it now.
            pub owner: Option<UserId>,
        }

        /// What happened to the claim.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $event {
            /// It was taken.
            Claimed {
                /// By this receipt.
                receipt_id: ReceiptId,
                /// Of this person.
                user_id: UserId,
            },
            /// It was given back.
            ClaimReleased {
                /// By this receipt.
                receipt_id: ReceiptId,
            },
        }

        /// What can be asked.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[allow(missing_docs, reason = "fields as in the events")]
        pub enum $command {
            /// Take it, unless somebody else holds it.
            Claim { receipt_id: ReceiptId, user_id: UserId },
            /// Give it back; no effect for who does not hold it.
            Release { receipt_id: ReceiptId },
        }

        impl $state {
            fn evolve(&mut self, event: $event) {
                match event {
                    $event::Claimed { receipt_id, user_id } => {
                        self.holder = Some(receipt_id);
                        self.owner = Some(user_id);
                    }
                    $event::ClaimReleased { .. } => *self = Self::default(),
                }
            }
        }

        impl Decide for $state {
            fn decide(&self, command: &$command) -> Result<Vec<$event>, Rejection> {
                match *command {
                    $command::Claim { receipt_id, user_id } => match self.holder {
                        None => Ok(vec![$event::Claimed { receipt_id, user_id }]),
                        Some(holder) if holder == receipt_id => Ok(vec![]),
                        Some(holder) => Err(Rejection::new("already_exists", "another receipt claimed it before")
                            .with("receipt_id", holder)),
                    },
                    $command::Release { receipt_id } if self.holder == Some(receipt_id) => {
                        Ok(vec![$event::ClaimReleased { receipt_id }])
                    }
                    $command::Release { .. } => Ok(vec![]),
                }
            }
        }

        aggregate!($state, $type, $command, $event { Claimed, ClaimReleased });
    };
}

claim!(
    /// A fiscal receipt in the world; see [`crate::ids::fiscal_receipt_stream`].
    FiscalReceipt, FiscalReceiptEvent, FiscalReceiptCommand, "fiscal_receipt"
);
claim!(
    /// The bytes of a photo; the stream's id is their SHA-256 in hex.
    Image, ImageEvent, ImageCommand, "image"
);

/// A provider's object, such as its payment: it belongs to one operation of ours and to no other.
/// The stream's id is derived from provider, kind and the provider's id.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ProviderObject {
    /// Our operation.
    pub operation: Option<String>,
}

/// What happened to a provider's object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProviderObjectEvent {
    /// It belongs to this operation, for ever.
    ObjectClaimed {
        /// The provider.
        provider: ProviderName,
        /// The provider's id.
        object_id: String,
        /// Our operation, such as `payment:<id>`.
        operation: String,
    },
}

/// What can be asked of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields as in the event")]
pub enum ProviderObjectCommand {
    Claim {
        provider: ProviderName,
        object_id: String,
        operation: String,
    },
}

/// The id of the stream of a provider's object.
#[must_use]
pub fn provider_object_id(provider: ProviderName, kind: &str, object_id: &str) -> String {
    let text = format!("{}\u{1f}{kind}\u{1f}{object_id}", provider.code());
    crate::ids::TransactionId::derived("provider_object", &text).to_string()
}

impl ProviderObject {
    fn evolve(&mut self, event: ProviderObjectEvent) {
        let ProviderObjectEvent::ObjectClaimed { operation, .. } = event;
        self.operation = Some(operation);
    }
}

impl Decide for ProviderObject {
    fn decide(
        &self,
        command: &ProviderObjectCommand,
    ) -> Result<Vec<ProviderObjectEvent>, Rejection> {
        let ProviderObjectCommand::Claim {
            provider,
            object_id,
            operation,
        } = command.clone();
        match &self.operation {
            None => Ok(vec![ProviderObjectEvent::ObjectClaimed {
                provider,
                object_id,
                operation,
            }]),
            Some(known) if *known == operation => Ok(vec![]),
            Some(known) => Err(Rejection::new(
                "already_exists",
                "the provider's object belongs to another operation",
            )
            .with("operation", known)),
        }
    }
}

aggregate!(
    ProviderObject,
    "provider_object",
    ProviderObjectCommand,
    ProviderObjectEvent { ObjectClaimed }
);

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::*;

    fn ids() -> (ReceiptId, ReceiptId, UserId) {
        (
            ReceiptId::derived("t", "1"),
            ReceiptId::derived("t", "2"),
            UserId::derived("t", "u"),
        )
    }

    #[test]
    fn the_second_receipt_is_refused_and_told_who_was_first() {
        let (first, second, user_id) = ids();
        TestFramework::<FiscalReceipt>::with(())
            .given(vec![FiscalReceiptEvent::Claimed {
                receipt_id: first,
                user_id,
            }])
            .when(FiscalReceiptCommand::Claim {
                receipt_id: second,
                user_id,
            })
            .then_expect_error(
                Rejection::new("already_exists", "another receipt claimed it before")
                    .with("receipt_id", first),
            );
    }

    #[test]
    fn a_released_claim_can_be_taken_again() {
        let (first, second, user_id) = ids();
        TestFramework::<Image>::with(())
            .given(vec![
                ImageEvent::Claimed {
                    receipt_id: first,
                    user_id,
                },
                ImageEvent::ClaimReleased { receipt_id: first },
            ])
            .when(ImageCommand::Claim {
                receipt_id: second,
                user_id,
            })
            .then_expect_events(vec![ImageEvent::Claimed {
                receipt_id: second,
                user_id,
            }]);
    }
}
