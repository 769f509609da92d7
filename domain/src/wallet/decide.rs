//! The laws of a wallet as one pure decision.

use chrono::NaiveDate;

use super::{Booked, HoldState, Wallet, WalletCommand, WalletEvent};
use crate::aggregate::Decide;
use crate::ids::{HoldId, TransactionId, WalletId};
use crate::ledger::{Account, Leg, Transaction, TransactionKind};
use crate::money::Money;
use crate::rejection::Rejection;

/// Refusals that depend on the wallet's state and are therefore recorded: a repeat of the command later, when the
/// state would allow it, must still be refused.
const RECORDED: &[&str] = &[
    "insufficient_funds",
    "hold_not_found",
    "hold_not_active",
    "hold_exceeded",
    "already_reversed",
    "reversal_exceeded",
    "amount_too_large",
];

impl Decide for Wallet {
    fn decide(&self, command: &WalletCommand) -> Result<Vec<WalletEvent>, Rejection> {
        match command {
            WalletCommand::Post {
                wallet_id,
                transaction,
            } => self.post(*wallet_id, transaction),
            WalletCommand::PlaceHold {
                hold_id,
                amount,
                purpose,
                expires_at,
            } => {
                let id = self.opened()?;
                if let Some(known) = self.holds.get(hold_id) {
                    return if known.purpose == *purpose {
                        Ok(vec![])
                    } else {
                        Err(Rejection::new(
                            "idempotency_conflict",
                            "the id belongs to another hold",
                        ))
                    };
                }
                if amount.currency != id.currency {
                    return Err(Rejection::new(
                        "currency_mismatch",
                        "the hold is in another currency than the wallet",
                    ));
                }
                if !amount.is_positive() {
                    return Err(Rejection::new(
                        "amount_not_positive",
                        "a hold needs an amount above zero",
                    ));
                }
                if purpose.is_empty() || purpose.len() > 200 {
                    return Err(Rejection::new(
                        "invalid_command",
                        "a hold needs a purpose of at most 200 bytes",
                    ));
                }
                self.afford(*amount)?;
                Ok(vec![WalletEvent::HoldPlaced {
                    hold_id: *hold_id,
                    amount: *amount,
                    purpose: purpose.clone(),
                    expires_at: *expires_at,
                }])
            }
            WalletCommand::Capture {
                hold_id,
                transaction,
                release_rest,
            } => self.capture(*hold_id, transaction, *release_rest),
            WalletCommand::Release { hold_id, reason } => {
                let id = self.opened()?;
                let hold = self.hold(*hold_id).ok_or_else(no_hold)?;
                Ok(match hold.state {
                    HoldState::Active => vec![WalletEvent::HoldReleased {
                        hold_id: *hold_id,
                        amount: Money::new(hold.left_minor, id.currency),
                        reason: *reason,
                    }],
                    HoldState::Released | HoldState::Expired => vec![],
                    HoldState::Captured => return Err(inactive(hold.state)),
                })
            }
            WalletCommand::Expire { hold_id, now } => {
                let id = self.opened()?;
                let hold = self.hold(*hold_id).ok_or_else(no_hold)?;
                if hold.state != HoldState::Active {
                    return Ok(vec![]);
                }
                if *now < hold.expires_at {
                    return Err(
                        Rejection::new("invalid_state", "the hold has not expired yet")
                            .with("expires_at", hold.expires_at.to_rfc3339()),
                    );
                }
                Ok(vec![WalletEvent::HoldExpired {
                    hold_id: *hold_id,
                    amount: Money::new(hold.left_minor, id.currency),
                }])
            }
            WalletCommand::Reverse {
                original_id,
                transaction_id,
                value_date,
                legs,
            } => self.reverse(*original_id, *transaction_id, *value_date, legs.as_deref()),
        }
    }

    fn record_refusal(
        &self,
        command: &WalletCommand,
        rejection: &Rejection,
    ) -> Option<WalletEvent> {
        // Only an opened wallet keeps refusals: otherwise anybody's typing error would open a stream.
        (self.id.is_some() && RECORDED.contains(&rejection.code.as_str())).then(|| {
            WalletEvent::CommandRefused {
                command: command.name().to_owned(),
                rejection: rejection.clone(),
            }
        })
    }

    fn recorded_refusal(event: &WalletEvent) -> Option<&Rejection> {
        match event {
            WalletEvent::CommandRefused { rejection, .. } => Some(rejection),
            _ => None,
        }
    }
}

impl Wallet {
    fn post(
        &self,
        wallet_id: WalletId,
        transaction: &Transaction,
    ) -> Result<Vec<WalletEvent>, Rejection> {
        if self.id.is_some_and(|id| id != wallet_id) {
            return Err(Rejection::new(
                "invalid_command",
                "the command names another wallet than its stream",
            ));
        }
        if let Some(booked) = self.booked.get(&transaction.id) {
            return if booked.transaction == *transaction {
                Ok(vec![])
            } else {
                Err(other_transaction())
            };
        }
        transaction.validate()?;
        only_this_wallet(wallet_id, transaction)?;
        let mut events = Vec::with_capacity(2);
        if self.id.is_none() {
            if transaction.effect_on(Account::Wallet(wallet_id))? < 0 {
                return Err(Rejection::new(
                    "wallet_not_open",
                    "an empty wallet cannot be debited",
                ));
            }
            events.push(WalletEvent::WalletOpened { wallet_id });
        } else {
            self.check_effect(transaction)?;
        }
        events.push(WalletEvent::TransactionPosted {
            transaction: transaction.clone(),
        });
        Ok(events)
    }

    fn capture(
        &self,
        hold_id: HoldId,
        transaction: &Transaction,
        release_rest: bool,
    ) -> Result<Vec<WalletEvent>, Rejection> {
        let id = self.opened()?;
        if let Some(booked) = self.booked.get(&transaction.id) {
            return if booked.transaction == *transaction {
                Ok(vec![])
            } else {
                Err(other_transaction())
            };
        }
        let hold = self.hold(hold_id).ok_or_else(no_hold)?;
        if hold.state != HoldState::Active {
            return Err(inactive(hold.state));
        }
        transaction.validate()?;
        only_this_wallet(id, transaction)?;
        let effect = transaction.effect_on(Account::Wallet(id))?;
        let spent = effect
            .checked_neg()
            .filter(|spent| *spent > 0)
            .ok_or_else(|| {
                Rejection::new(
                    "invalid_command",
                    "a capture must debit the wallet that the hold is on",
                )
            })?;
        if spent > hold.left_minor {
            return Err(Rejection::new(
                "hold_exceeded",
                "the capture is larger than what is left of the hold",
            )
            .with("required_minor", spent)
            .with("left_minor", hold.left_minor));
        }
        let mut events = vec![WalletEvent::HoldCaptured {
            hold_id,
            transaction: transaction.clone(),
        }];
        let rest = hold.left_minor - spent;
        if release_rest && rest > 0 {
            events.push(WalletEvent::HoldReleased {
                hold_id,
                amount: Money::new(rest, id.currency),
                reason: super::ReleaseReason::Remainder,
            });
        }
        Ok(events)
    }

    fn reverse(
        &self,
        original_id: TransactionId,
        transaction_id: TransactionId,
        value_date: NaiveDate,
        part: Option<&[Leg]>,
    ) -> Result<Vec<WalletEvent>, Rejection> {
        let id = self.opened()?;
        let original = self
            .booked
            .get(&original_id)
            .ok_or_else(|| Rejection::new("not_found", "this wallet has no such transaction"))?;
        if let Some(known) = self.booked.get(&transaction_id) {
            let same = known.transaction.kind == TransactionKind::Reversal
                && known.transaction.reference == original_id.to_string()
                && part.is_none_or(|legs| legs == known.transaction.legs);
            return if same {
                Ok(vec![])
            } else {
                Err(other_transaction())
            };
        }
        if original.transaction.kind == TransactionKind::Reversal {
            return Err(Rejection::new(
                "invalid_command",
                "a reversal cannot be reversed; book the transaction again",
            ));
        }
        let rest = original.rest();
        if rest.is_empty() {
            let mut refusal =
                Rejection::new("already_reversed", "the transaction was reversed before");
            if let Some(by) = original.reversed_by {
                refusal = refusal.with("reversed_by", by);
            }
            return Err(refusal);
        }
        let legs = match part {
            None => rest,
            Some(legs) => {
                bounded_by(legs, original)?;
                legs.to_vec()
            }
        };
        let transaction = original
            .transaction
            .undone_by(transaction_id, legs, value_date);
        transaction.validate()?;
        only_this_wallet(id, &transaction)?;
        self.check_effect(&transaction)?;
        Ok(vec![WalletEvent::TransactionReversed {
            original_id,
            transaction,
        }])
    }

    fn opened(&self) -> Result<WalletId, Rejection> {
        self.id
            .ok_or_else(|| Rejection::new("wallet_not_open", "there is no such wallet yet"))
    }

    fn afford(&self, amount: Money) -> Result<(), Rejection> {
        let available = self.available_minor();
        if amount.minor > available {
            return Err(Rejection::new(
                "insufficient_funds",
                "the available balance is smaller than the amount",
            )
            .with("required_minor", amount.minor)
            .with("available_minor", available));
        }
        Ok(())
    }

    /// A debit needs available money, a credit must fit.
    fn check_effect(&self, transaction: &Transaction) -> Result<(), Rejection> {
        let id = self.opened()?;
        let effect = transaction.effect_on(Account::Wallet(id))?;
        if effect < 0 {
            let debit = effect
                .checked_neg()
                .ok_or_else(|| Rejection::new("amount_too_large", "the debit does not fit"))?;
            return self.afford(Money::new(debit, id.currency));
        }
        self.posted_minor
            .checked_add(effect)
            .map(|_| ())
            .ok_or_else(|| Rejection::new("amount_too_large", "the balance would not fit"))
    }
}

fn only_this_wallet(wallet_id: WalletId, transaction: &Transaction) -> Result<(), Rejection> {
    let mut touches = false;
    for leg in &transaction.legs {
        match leg.account {
            Account::Wallet(other) if other == wallet_id => touches = true,
            Account::Wallet(_) => {
                return Err(Rejection::new(
                    "invalid_command",
                    "a transaction may name one wallet only; use a transfer",
                ));
            }
            _ => {}
        }
    }
    if touches {
        Ok(())
    } else {
        Err(Rejection::new(
            "invalid_command",
            "no leg of the transaction is on this wallet",
        ))
    }
}

/// Each leg of a partial reversal undoes no more than what is left of the original on that account and side.
fn bounded_by(legs: &[Leg], original: &Booked) -> Result<(), Rejection> {
    for leg in legs {
        let wanted = legs
            .iter()
            .filter(|other| {
                other.account == leg.account
                    && other.side == leg.side
                    && other.amount.currency == leg.amount.currency
            })
            .try_fold(0_i64, |sum, other| sum.checked_add(other.amount.minor));
        let left = original.left(leg.account, leg.side.opposite(), leg.amount.currency);
        if wanted.is_none_or(|wanted| wanted > left) {
            return Err(Rejection::new(
                "reversal_exceeded",
                "the reversal undoes more than what is left of the transaction",
            )
            .with("account", leg.account)
            .with("left_minor", left));
        }
    }
    Ok(())
}

fn other_transaction() -> Rejection {
    Rejection::new(
        "idempotency_conflict",
        "the id belongs to another transaction",
    )
}

fn no_hold() -> Rejection {
    Rejection::new("hold_not_found", "there is no such hold on this wallet")
}

fn inactive(state: HoldState) -> Rejection {
    let state = match state {
        HoldState::Active => "active",
        HoldState::Captured => "captured",
        HoldState::Released => "released",
        HoldState::Expired => "expired",
    };
    Rejection::new("hold_not_active", "the hold is not active any more").with("state", state)
}
