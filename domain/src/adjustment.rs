//! A correction of a wallet by people: one proposes, another approves, and only then it is booked.

use serde::{Deserialize, Serialize};

use crate::aggregate::{Decide, aggregate};
use crate::ids::{TransactionId, WalletId};
use crate::ledger::{Transaction, TransactionKind};
use crate::rejection::{Rejection, required_reason};

/// What happened to an adjustment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdjustmentEvent {
    /// Somebody proposed it.
    AdjustmentProposed {
        /// Which wallet.
        wallet_id: WalletId,
        /// What would be booked.
        transaction: Transaction,
        /// Why.
        reason: String,
        /// The booking that it corrects, such as one in a closed period.
        corrects: Option<TransactionId>,
        /// Who: an actor such as `api:<key>`.
        by: String,
    },
    /// Another person agreed.
    AdjustmentApproved {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// It was booked, in the append of the approval.
    AdjustmentPosted {
        /// The booking.
        transaction_id: TransactionId,
    },
    /// Another person disagreed, or the proposer withdrew it.
    AdjustmentDeclined {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

/// What can be asked of an adjustment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields as in the events")]
pub enum AdjustmentCommand {
    Propose {
        wallet_id: WalletId,
        transaction: Transaction,
        reason: String,
        corrects: Option<TransactionId>,
        by: String,
    },
    /// The caller books the transaction in the same append.
    Approve {
        by: String,
        reason: String,
    },
    Decline {
        by: String,
        reason: String,
    },
}

/// Where an adjustment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdjustmentState {
    /// Not proposed.
    #[default]
    New,
    /// Waits for another person.
    Proposed,
    /// Booked. Terminal.
    Posted,
    /// Not booked. Terminal.
    Declined,
}

impl AdjustmentState {
    /// The name in APIs and tables.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Proposed => "proposed",
            Self::Posted => "posted",
            Self::Declined => "declined",
        }
    }
}

/// The adjustment as its events left it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Adjustment {
    /// Where it stands.
    pub state: AdjustmentState,
    /// Which wallet.
    pub wallet_id: Option<WalletId>,
    /// What is or would be booked.
    pub transaction: Option<Transaction>,
    /// Who proposed it.
    pub proposed_by: String,
    reason: String,
    corrects: Option<TransactionId>,
}

impl Adjustment {
    fn evolve(&mut self, event: AdjustmentEvent) {
        match event {
            AdjustmentEvent::AdjustmentProposed {
                wallet_id,
                transaction,
                reason,
                corrects,
                by,
            } => {
                self.state = AdjustmentState::Proposed;
                self.wallet_id = Some(wallet_id);
                self.transaction = Some(transaction);
                self.proposed_by = by;
                self.reason = reason;
                self.corrects = corrects;
            }
            AdjustmentEvent::AdjustmentApproved { .. } => {}
            AdjustmentEvent::AdjustmentPosted { .. } => self.state = AdjustmentState::Posted,
            AdjustmentEvent::AdjustmentDeclined { .. } => self.state = AdjustmentState::Declined,
        }
    }

    fn waiting(&self) -> Result<&Transaction, Rejection> {
        match (&self.transaction, self.state) {
            (None, _) => Err(Rejection::new("not_found", "there is no such adjustment")),
            (Some(transaction), AdjustmentState::Proposed) => Ok(transaction),
            (_, state) => Err(
                Rejection::new("invalid_state", "the adjustment was decided before")
                    .with("state", state.code()),
            ),
        }
    }
}

impl Decide for Adjustment {
    fn decide(&self, command: &AdjustmentCommand) -> Result<Vec<AdjustmentEvent>, Rejection> {
        match command.clone() {
            AdjustmentCommand::Propose {
                wallet_id,
                transaction,
                reason,
                corrects,
                by,
            } => {
                let reason = required_reason(reason)?;
                if let Some(known) = &self.transaction {
                    let same = *known == transaction
                        && self.wallet_id == Some(wallet_id)
                        && self.reason == reason
                        && self.corrects == corrects;
                    return if same {
                        Ok(vec![])
                    } else {
                        Err(Rejection::new(
                            "idempotency_conflict",
                            "the id belongs to another adjustment",
                        ))
                    };
                }
                transaction.validate()?;
                if transaction.kind != TransactionKind::Adjustment {
                    return Err(Rejection::new(
                        "invalid_command",
                        "an adjustment books a transaction of its own kind",
                    ));
                }
                Ok(vec![AdjustmentEvent::AdjustmentProposed {
                    wallet_id,
                    transaction,
                    reason,
                    corrects,
                    by,
                }])
            }
            AdjustmentCommand::Approve { by, reason } => {
                let transaction_id = self.waiting()?.id;
                let reason = required_reason(reason)?;
                if by == self.proposed_by {
                    return Err(Rejection::new(
                        "four_eyes_required",
                        "another person than the proposer must approve",
                    ));
                }
                Ok(vec![
                    AdjustmentEvent::AdjustmentApproved { by, reason },
                    AdjustmentEvent::AdjustmentPosted { transaction_id },
                ])
            }
            AdjustmentCommand::Decline { by, reason } => {
                self.waiting()?;
                let reason = required_reason(reason)?;
                Ok(vec![AdjustmentEvent::AdjustmentDeclined { by, reason }])
            }
        }
    }
}

aggregate!(
    Adjustment,
    "adjustment",
    AdjustmentCommand,
    AdjustmentEvent {
        AdjustmentProposed,
        AdjustmentApproved,
        AdjustmentPosted,
        AdjustmentDeclined,
    }
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use cqrs_es::test::TestFramework;

    use super::*;
    use crate::ids::UserId;
    use crate::ledger::Account;
    use crate::money::{Currency, Money};

    fn proposed() -> AdjustmentEvent {
        let wallet_id = WalletId {
            user: UserId::derived("t", "u"),
            currency: Currency::Uah,
        };
        AdjustmentEvent::AdjustmentProposed {
            wallet_id,
            transaction: Transaction::simple(
                TransactionId::derived("t", "a"),
                TransactionKind::Adjustment,
                Account::Adjustments,
                Account::Wallet(wallet_id),
                Money::new(100, Currency::Uah),
                chrono::NaiveDate::from_ymd_opt(2026, 11, 20).unwrap(),
                "ticket-7",
            ),
            reason: "credited too little".to_owned(),
            corrects: None,
            by: "api:one".to_owned(),
        }
    }

    fn approve(by: &str) -> AdjustmentCommand {
        AdjustmentCommand::Approve {
            by: by.to_owned(),
            reason: "checked".to_owned(),
        }
    }

    #[test]
    fn nobody_approves_what_they_proposed() {
        TestFramework::<Adjustment>::with(())
            .given(vec![proposed()])
            .when(approve("api:one"))
            .then_expect_error(Rejection::new(
                "four_eyes_required",
                "another person than the proposer must approve",
            ));
        TestFramework::<Adjustment>::with(())
            .given(vec![proposed()])
            .when(approve("api:two"))
            .then_expect_events(vec![
                AdjustmentEvent::AdjustmentApproved {
                    by: "api:two".to_owned(),
                    reason: "checked".to_owned(),
                },
                AdjustmentEvent::AdjustmentPosted {
                    transaction_id: TransactionId::derived("t", "a"),
                },
            ]);
    }

    #[test]
    fn a_declined_adjustment_is_never_booked() {
        let declined = AdjustmentEvent::AdjustmentDeclined {
            by: "api:two".to_owned(),
            reason: "no".to_owned(),
        };
        TestFramework::<Adjustment>::with(())
            .given(vec![proposed(), declined])
            .when(approve("api:two"))
            .then_expect_error(
                Rejection::new("invalid_state", "the adjustment was decided before")
                    .with("state", "declined"),
            );
    }
}
