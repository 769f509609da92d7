//! Claims: the right of one receipt to a thing that exists once in the world.
//!
//! The id of the stream is the thing itself (a fiscal receipt by register, number and date; an image by its SHA-256),
//! so two claimants meet on one stream and the log's own concurrency check decides.

use serde::{Deserialize, Serialize};

use crate::aggregate::{Decide, aggregate};
use crate::ids::{ReceiptId, UserId};
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
