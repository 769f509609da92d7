//! Refunds: held on the wallet before the provider is asked, booked or given back by what the provider proves.

use chrono::TimeDelta;
use kvit_domain::ids::{HoldId, PaymentId, RefundId, TransactionId, WalletId};
use kvit_domain::journal::{Journal, JournalCommand};
use kvit_domain::ledger::{Account, Leg, Side, Transaction, TransactionKind};
use kvit_domain::money::Money;
use kvit_domain::payment::{Payment, PaymentCommand, PaymentEvent, RefundSnapshot};
use kvit_domain::rejection::Rejection;
use kvit_domain::wallet::{ReleaseReason, Wallet, WalletCommand};

use super::payments::{decided, post, suspense_journal, terms_of};
use super::{App, Done};
use crate::context::Context;
use crate::error::CommandError;
use crate::executor::{Streams, Unit};

/// A refund's hold never expires while its outcome may be unknown.
const HOLD_DAYS: i64 = 3_650;
/// How long after its call nobody may say that a refund never was.
const GIVE_UP_AFTER: TimeDelta = TimeDelta::hours(1);

/// The key of the refunding call of a generation.
#[must_use]
pub fn refund_key(refund_id: RefundId, generation: u32) -> String {
    format!("ref-{refund_id}-{generation}")
}

impl App {
    /// Records that money of a payment shall go back, and holds it on the wallet in the same append. A worker asks the
    /// provider.
    ///
    /// # Errors
    /// `refund_not_possible`, `refund_exceeded`, `insufficient_funds` when the person has spent it.
    pub async fn request_refund(
        &self,
        payment_id: PaymentId,
        refund_id: RefundId,
        amount: Money,
        reason: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let payment = self.payment(payment_id).await?;
        let wallet_id = terms_of(&payment)?.wallet_id;
        let hold_id = HoldId::derived("refund", &refund_id.to_string());
        let now = self.clock().now();
        let expires_at = now + TimeDelta::days(HOLD_DAYS);
        let (id, wallet) = (payment_id.to_string(), wallet_id.to_string());
        let streams = Streams::new().with::<Payment>(&id).with::<Wallet>(&wallet);
        let body = (payment_id, refund_id, amount, &reason);
        let committed = self
            .transact(streams, context, "request_refund", &body, |unit| {
                let command = PaymentCommand::IntendRefund {
                    refund_id,
                    amount,
                    hold_id,
                    reason: reason.clone(),
                    now,
                };
                if unit.run::<Payment>(&id, &command)? > 0 {
                    let purpose = format!("refund:{refund_id}");
                    unit.run::<Wallet>(
                        &wallet,
                        &WalletCommand::PlaceHold {
                            hold_id,
                            amount,
                            purpose,
                            expires_at,
                        },
                    )?;
                }
                Ok(())
            })
            .await?;
        Ok(Done::from(&committed))
    }

    /// Follows what the provider says about a refund now: ours, or one that somebody made in the provider's cabinet.
    ///
    /// # Errors
    /// `invalid_state` when the provider's refund has another amount than ours.
    pub async fn observe_refund(
        &self,
        payment_id: PaymentId,
        snapshot: &RefundSnapshot,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let command = PaymentCommand::ObserveRefund {
            snapshot: snapshot.clone(),
        };
        self.follow_refund(payment_id, &command, context).await
    }

    /// Proven, by the provider or by a person who has looked there: the refund moved nothing and will not be tried again.
    ///
    /// # Errors
    /// `invalid_state` once the provider has it.
    pub async fn refund_failed(
        &self,
        payment_id: PaymentId,
        refund_id: RefundId,
        reason: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let command = PaymentCommand::FailRefund { refund_id, reason };
        self.follow_refund(payment_id, &command, context).await
    }

    /// A person has looked at the provider and found no such refund: the hold is released. Should it go through after all, it is
    /// booked like one from the provider's cabinet.
    ///
    /// # Errors
    /// `invalid_state` within an hour of its call, and once the provider has it; `review_reason_required`.
    pub async fn give_refund_up(
        &self,
        payment_id: PaymentId,
        refund_id: RefundId,
        reason: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        if reason.trim().is_empty() {
            return Err(Rejection::new("review_reason_required", "say how you know").into());
        }
        let payment = self.payment(payment_id).await?;
        let refund = payment
            .refunds
            .get(&refund_id)
            .ok_or_else(|| Rejection::new("not_found", "there is no such refund"))?;
        let now = self.clock().now();
        if refund.sent_at.is_none_or(|at| now < at + GIVE_UP_AFTER) {
            return Err(Rejection::new(
                "invalid_state",
                "its call may still be under way; look again an hour after it",
            )
            .with("state", refund.state.code())
            .into());
        }
        self.refund_failed(payment_id, refund_id, reason, context)
            .await
    }

    async fn follow_refund(
        &self,
        payment_id: PaymentId,
        command: &PaymentCommand,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let payment = self.payment(payment_id).await?;
        let wallet_id = terms_of(&payment)?.wallet_id;
        let (id, wallet, journal) = (
            payment_id.to_string(),
            wallet_id.to_string(),
            suspense_journal(payment_id),
        );
        let streams = Streams::new()
            .with::<Payment>(&id)
            .with::<Wallet>(&wallet)
            .with::<Journal>(&journal);
        // A state, not a request: see `observe_payment`.
        let context = context.step(&format!("refund:{}", self.fresh_id()));
        let committed = self
            .transact(streams, &context, "follow_refund", command, |unit| {
                let before = unit.state::<Payment>(&id)?.clone();
                if unit.run::<Payment>(&id, command)? == 0 {
                    return Ok(());
                }
                for event in decided(&before, command)? {
                    self.book_refund(unit, payment_id, wallet_id, &before, &event)?;
                }
                Ok(())
            })
            .await?;
        Ok(Done::from(&committed))
    }

    /// What an outcome of a refund does to the wallet.
    fn book_refund(
        &self,
        unit: &mut Unit<'_>,
        payment_id: PaymentId,
        wallet_id: WalletId,
        before: &Payment,
        event: &PaymentEvent,
    ) -> Result<(), CommandError> {
        let wallet = &wallet_id.to_string();
        let hold_of = |id: &RefundId| before.refunds.get(id).and_then(|refund| refund.hold_id);
        match event {
            PaymentEvent::RefundSucceeded {
                refund_id, amount, ..
            } => {
                let transaction =
                    self.refund_transaction(before, *refund_id, wallet_id, *amount)?;
                match hold_of(refund_id) {
                    Some(hold_id) => {
                        unit.run::<Wallet>(
                            wallet,
                            &WalletCommand::Capture {
                                hold_id,
                                transaction,
                                release_rest: true,
                            },
                        )?;
                    }
                    None => {
                        // What was set aside was never the user's, and goes back from where it stands. Of the rest the wallet pays
                        // what it can, and what it cannot is owed.
                        let back = before.from_suspense_minor(*amount);
                        let provider = terms_of(before)?.provider;
                        if back > 0 {
                            let transaction = Transaction::simple(
                                TransactionId::derived("refund_suspense", &refund_id.to_string()),
                                TransactionKind::Suspense,
                                Account::Suspense(provider),
                                Account::PaymentsClearing(provider),
                                Money::new(back, amount.currency),
                                transaction.value_date,
                                transaction.reference.clone(),
                            );
                            unit.run::<Journal>(
                                &suspense_journal(payment_id),
                                &JournalCommand::Post { transaction },
                            )?;
                        }
                        let rest = Money::new(amount.minor.saturating_sub(back), amount.currency);
                        if rest.is_positive() {
                            let transaction =
                                self.refund_transaction(before, *refund_id, wallet_id, rest)?;
                            let available = unit.state::<Wallet>(wallet)?.available_minor().max(0);
                            let transaction = owed(transaction, wallet_id, available);
                            unit.run::<Wallet>(wallet, &post(wallet_id, transaction))?;
                        }
                    }
                }
            }
            PaymentEvent::RefundFailed { refund_id, .. } => {
                if let Some(hold_id) = hold_of(refund_id) {
                    unit.run::<Wallet>(
                        wallet,
                        &WalletCommand::Release {
                            hold_id,
                            reason: ReleaseReason::Failed,
                        },
                    )?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn refund_transaction(
        &self,
        payment: &Payment,
        refund_id: RefundId,
        wallet_id: WalletId,
        amount: Money,
    ) -> Result<Transaction, CommandError> {
        Ok(Transaction::simple(
            TransactionId::derived("refund", &refund_id.to_string()),
            TransactionKind::Refund,
            Account::Wallet(wallet_id),
            Account::PaymentsClearing(terms_of(payment)?.provider),
            amount,
            self.today(),
            format!("refund:{refund_id}"),
        ))
    }
}

/// The transaction with what the wallet cannot pay booked as owed by the user. A wallet without a leg of its own would not
/// be its transaction, so of an empty wallet the whole is credited from what is owed and taken again: both are seen on the
/// statement.
fn owed(mut transaction: Transaction, wallet_id: WalletId, available: i64) -> Transaction {
    let Some(own) = transaction.legs.first().copied() else {
        return transaction;
    };
    let missing = own.amount.minor.saturating_sub(available);
    if missing > 0 {
        let amount = Money::new(missing, own.amount.currency);
        transaction.legs.push(Leg {
            account: Account::UsersReceivable,
            side: Side::Debit,
            amount,
        });
        transaction.legs.push(Leg {
            account: Account::Wallet(wallet_id),
            side: Side::Credit,
            amount,
        });
        transaction.description = "the provider gave back money that was spent".to_owned();
    }
    transaction
}
