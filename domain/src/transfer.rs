//! A transfer between two wallets: held on the one, then taken there and credited here in one append.
//!
//! A transaction names one wallet only, so a transfer books two: through `transfers:clearing` within one currency, or
//! through `fx:exchange` with the quote recorded when the currencies differ. Whoever dies between hold and completion
//! leaves a hold that the policy completes or gives back.

use serde::{Deserialize, Serialize};

use crate::aggregate::{Decide, aggregate};
use crate::exchange::Quote;
use crate::ids::{HoldId, TransactionId, WalletId};
use crate::money::Money;
use crate::rejection::Rejection;

/// What happened to a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferEvent {
    /// Somebody asked for it.
    TransferRequested {
        /// Terms, fixed from now on.
        terms: TransferTerms,
    },
    /// The amount is reserved on the giving wallet (in the same append as its `HoldPlaced`).
    FundsHeld {
        /// The hold.
        hold_id: HoldId,
    },
    /// Both bookings are done, in this append.
    TransferCompleted {
        /// On the giving wallet.
        debit_id: TransactionId,
        /// On the receiving wallet.
        credit_id: TransactionId,
    },
    /// It cannot be completed; the hold is released in this append.
    TransferFailed {
        /// The refusal's code.
        code: String,
    },
}

/// What a transfer is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferTerms {
    /// The giving wallet.
    pub from: WalletId,
    /// The receiving wallet.
    pub to: WalletId,
    /// What is given.
    pub amount: Money,
    /// What is received; another amount than `amount` only with a quote.
    pub credited: Money,
    /// The rate, when the currencies differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<Quote>,
    /// Words for both statements.
    pub description: String,
}

/// What can be asked of a transfer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields as in the events")]
pub enum TransferCommand {
    /// Start it; the caller places the hold in the same append.
    Request {
        terms: TransferTerms,
        hold_id: HoldId,
    },
    /// The caller books both sides in the same append.
    Complete {
        debit_id: TransactionId,
        credit_id: TransactionId,
    },
    /// The caller releases the hold in the same append.
    Fail { code: String },
}

/// Where a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferState {
    /// Not requested.
    #[default]
    New,
    /// The money is held.
    Held,
    /// Done. Terminal.
    Completed,
    /// Given back. Terminal.
    Failed,
}

impl TransferState {
    /// The name in APIs and tables.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Held => "held",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// The transfer as its events left it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Transfer {
    /// Where it stands.
    pub state: TransferState,
    /// Its terms.
    pub terms: Option<TransferTerms>,
    /// The hold.
    pub hold_id: Option<HoldId>,
}

impl Transfer {
    fn evolve(&mut self, event: TransferEvent) {
        match event {
            TransferEvent::TransferRequested { terms } => self.terms = Some(terms),
            TransferEvent::FundsHeld { hold_id } => {
                self.hold_id = Some(hold_id);
                self.state = TransferState::Held;
            }
            TransferEvent::TransferCompleted { .. } => self.state = TransferState::Completed,
            TransferEvent::TransferFailed { .. } => self.state = TransferState::Failed,
        }
    }
}

impl Decide for Transfer {
    fn decide(&self, command: &TransferCommand) -> Result<Vec<TransferEvent>, Rejection> {
        match (command, self.state) {
            (TransferCommand::Request { terms, hold_id }, TransferState::New) => {
                check(terms)?;
                Ok(vec![
                    TransferEvent::TransferRequested {
                        terms: terms.clone(),
                    },
                    TransferEvent::FundsHeld { hold_id: *hold_id },
                ])
            }
            (TransferCommand::Request { terms, hold_id }, _) => {
                if self.terms.as_ref() == Some(terms) && self.hold_id == Some(*hold_id) {
                    Ok(vec![])
                } else {
                    Err(Rejection::new(
                        "idempotency_conflict",
                        "the id belongs to another transfer",
                    ))
                }
            }
            (
                TransferCommand::Complete {
                    debit_id,
                    credit_id,
                },
                TransferState::Held,
            ) => Ok(vec![TransferEvent::TransferCompleted {
                debit_id: *debit_id,
                credit_id: *credit_id,
            }]),
            (TransferCommand::Complete { .. }, TransferState::Completed)
            | (TransferCommand::Fail { .. }, TransferState::Failed) => Ok(vec![]),
            (TransferCommand::Fail { code }, TransferState::Held) => {
                Ok(vec![TransferEvent::TransferFailed { code: code.clone() }])
            }
            (_, state) => Err(Rejection::new(
                "invalid_state",
                "the transfer cannot do that any more",
            )
            .with("state", state.code())),
        }
    }
}

fn check(terms: &TransferTerms) -> Result<(), Rejection> {
    let invalid = |message: &str| Err(Rejection::new("invalid_command", message.to_owned()));
    if !terms.amount.is_positive() || !terms.credited.is_positive() {
        return Err(Rejection::new(
            "amount_not_positive",
            "a transfer needs an amount above zero",
        ));
    }
    if terms.from == terms.to {
        return invalid("a transfer needs two wallets");
    }
    if terms.description.len() > 500 {
        return invalid("the description is longer than 500 bytes");
    }
    if terms.amount.currency != terms.from.currency || terms.credited.currency != terms.to.currency
    {
        return Err(Rejection::new(
            "currency_mismatch",
            "an amount is in another currency than its wallet",
        ));
    }
    match &terms.quote {
        None if terms.amount == terms.credited => Ok(()),
        None if terms.from.currency == terms.to.currency => {
            invalid("without an exchange both amounts are equal")
        }
        None => invalid("between two currencies a quote is needed"),
        Some(_) if terms.from.currency == terms.to.currency => {
            invalid("within one currency there is no quote")
        }
        // What is credited follows from the quote at the moment of the request.
        Some(quote) => {
            if quote.convert(terms.amount, quote.quoted_at)? == terms.credited {
                Ok(())
            } else {
                invalid("the credited amount does not follow from the quote")
            }
        }
    }
}

aggregate!(
    Transfer,
    "transfer",
    TransferCommand,
    TransferEvent {
        TransferRequested,
        FundsHeld,
        TransferCompleted,
        TransferFailed,
    }
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use cqrs_es::test::TestFramework;

    use super::*;
    use crate::ids::UserId;
    use crate::money::Currency;

    fn wallet(name: &str, currency: Currency) -> WalletId {
        WalletId {
            user: UserId::derived("t", name),
            currency,
        }
    }

    fn terms() -> TransferTerms {
        TransferTerms {
            from: wallet("a", Currency::Uah),
            to: wallet("b", Currency::Uah),
            amount: Money::new(500, Currency::Uah),
            credited: Money::new(500, Currency::Uah),
            quote: None,
            description: "thanks".to_owned(),
        }
    }

    #[test]
    fn a_transfer_completes_once_and_never_fails_afterwards() {
        let hold_id = HoldId::derived("t", "h");
        let given = vec![
            TransferEvent::TransferRequested { terms: terms() },
            TransferEvent::FundsHeld { hold_id },
        ];
        let (debit_id, credit_id) = (
            TransactionId::derived("t", "d"),
            TransactionId::derived("t", "c"),
        );
        let completed = TransferEvent::TransferCompleted {
            debit_id,
            credit_id,
        };
        let complete = TransferCommand::Complete {
            debit_id,
            credit_id,
        };
        TestFramework::<Transfer>::with(())
            .given(given.clone())
            .when(complete.clone())
            .then_expect_events(vec![completed.clone()]);
        let done = [given, vec![completed]].concat();
        TestFramework::<Transfer>::with(())
            .given(done.clone())
            .when(complete)
            .then_expect_events(vec![]);
        TestFramework::<Transfer>::with(())
            .given(done)
            .when(TransferCommand::Fail {
                code: "x".to_owned(),
            })
            .then_expect_error(
                Rejection::new("invalid_state", "the transfer cannot do that any more")
                    .with("state", "completed"),
            );
    }

    #[test]
    fn unequal_amounts_without_a_quote_are_refused() {
        let hold_id = HoldId::derived("t", "h");
        let code = |change: fn(&mut TransferTerms)| {
            let mut terms = terms();
            change(&mut terms);
            Transfer::default()
                .decide(&TransferCommand::Request { terms, hold_id })
                .unwrap_err()
                .code
        };
        assert_eq!(code(|t| t.credited.minor = 501), "invalid_command");
        assert_eq!(code(|t| t.to = t.from), "invalid_command");
        assert_eq!(code(|t| t.amount.minor = 0), "amount_not_positive");
        assert_eq!(code(|t| t.to.currency = Currency::Rub), "currency_mismatch");
    }
}
