//! Payments in: the intent, what the provider proves, and what it does to the wallet and the books, in one append each.

use chrono::{DateTime, TimeDelta, Utc};
use kvit_domain::claim::{ProviderObject, ProviderObjectCommand, provider_object_id};
use kvit_domain::ids::{PaymentId, TransactionId, UserId, WalletId};
use kvit_domain::journal::{Journal, JournalCommand};
use kvit_domain::ledger::{Account, Leg, ProviderName, Side, Transaction, TransactionKind};
use kvit_domain::money::Money;
use kvit_domain::payment::{
    Payment, PaymentCommand, PaymentEvent, PaymentSnapshot, PaymentState, PaymentTerms,
};
use kvit_domain::rejection::Rejection;
use kvit_domain::wallet::{Wallet, WalletCommand};

use super::{App, Done};
use crate::context::Context;
use crate::error::CommandError;
use crate::executor::Streams;

/// A payment to be made.
#[derive(Debug, Clone)]
pub struct PaymentRequest {
    /// Chosen by the caller; the same one twice is one payment.
    pub payment_id: PaymentId,
    /// Who pays and is credited.
    pub user_id: UserId,
    /// Through whom.
    pub provider: ProviderName,
    /// How much.
    pub amount: Money,
    /// Whether the money is taken at once.
    pub capture: bool,
}

/// The key of the creating call of a generation: made of the operation, never of chance, so that whoever repeats the call
/// after a crash repeats the same call. At most 64 characters.
#[must_use]
pub fn payment_key(payment_id: PaymentId, generation: u32) -> String {
    format!("pay-{payment_id}-{generation}")
}

impl App {
    /// The payment as the log has it now; an empty one when there is none.
    pub async fn payment(&self, payment_id: PaymentId) -> Result<Payment, CommandError> {
        self.parts
            .executor
            .load::<Payment>(&payment_id.to_string())
            .await
    }

    /// Records that somebody wants to pay. A worker makes the payment at the provider; until it is paid nothing is credited.
    ///
    /// # Errors
    /// `provider_not_configured`, `amount_not_positive`, `invalid_command`, `user_banned`, `user_forgotten`.
    pub async fn intend_payment(
        &self,
        request: PaymentRequest,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let settings = &self.parts.settings.payments;
        if !settings.providers.contains(&request.provider) {
            return Err(Rejection::new(
                "provider_not_configured",
                "payments through this provider are not set up",
            )
            .with("provider", request.provider.code())
            .into());
        }
        // A repeat gets its first answer, whatever has become of the person since.
        if self.payment(request.payment_id).await?.state == PaymentState::New {
            self.require_active(request.user_id).await?;
        }
        let PaymentRequest {
            payment_id,
            user_id,
            provider,
            amount,
            capture,
        } = request;
        let separator = if settings.return_url.contains('?') {
            '&'
        } else {
            '?'
        };
        let terms = PaymentTerms {
            user_id,
            wallet_id: WalletId {
                user: user_id,
                currency: amount.currency,
            },
            provider,
            amount,
            capture,
            test: settings.test,
            return_url: format!("{}{separator}op={payment_id}", settings.return_url),
            expires_at: self.clock().now() + settings.lifetime,
        };
        let id = payment_id.to_string();
        let body = (payment_id, user_id, provider, amount, capture);
        let streams = Streams::new().with::<Payment>(&id);
        let committed = self
            .transact(streams, context, "intend_payment", &body, |unit| {
                let terms = terms.clone();
                unit.run::<Payment>(&id, &PaymentCommand::Intend { terms })?;
                Ok(())
            })
            .await?;
        Ok(Done::from(&committed))
    }

    /// Takes the money of a two-stage payment, all or a part. A worker asks the provider.
    ///
    /// # Errors
    /// `invalid_state` unless the money is held there, `invalid_command` for more than is held.
    pub async fn capture_payment(
        &self,
        payment_id: PaymentId,
        amount: Money,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.payment_step(
            payment_id,
            PaymentCommand::IntendCapture { amount },
            context,
        )
        .await
    }

    /// Gives the money of a two-stage payment back.
    ///
    /// # Errors
    /// `invalid_state` unless the money is held there and no capture was asked for.
    pub async fn cancel_payment(
        &self,
        payment_id: PaymentId,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.payment_step(payment_id, PaymentCommand::IntendCancel, context)
            .await
    }

    /// A step of the payment alone.
    pub(crate) async fn payment_step(
        &self,
        payment_id: PaymentId,
        command: PaymentCommand,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.execute::<Payment>(&payment_id.to_string(), command, context)
            .await
    }

    /// Follows what the provider says about a payment now. The provider's object is claimed for this payment, the payment
    /// moves, and the wallet is credited (or the suspense account, when it does not fit) in one append; so whoever comes
    /// second, and with what, credits nothing.
    ///
    /// # Errors
    /// `already_exists` when the provider's object belongs to another operation; `invalid_state` when it is not this
    /// payment's object. Neither says anything about this payment.
    pub async fn observe_payment(
        &self,
        payment_id: PaymentId,
        snapshot: &PaymentSnapshot,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let payment = self.payment(payment_id).await?;
        let terms = terms_of(&payment)?.clone();
        if let Some(other) = &snapshot.operation_id
            && *other != payment_id.to_string()
        {
            // An answer that went astray says nothing about this payment, good or bad.
            return Err(Rejection::new(
                "invalid_state",
                "the provider's object carries another operation's id",
            )
            .into());
        }
        let now = self.clock().now();
        let object = provider_object_id(terms.provider, "payment", &snapshot.provider_id);
        let (id, wallet, journal) = (
            payment_id.to_string(),
            terms.wallet_id.to_string(),
            suspense_journal(payment_id),
        );
        // The wallet and the journal are named only where this object can move money: naming them locks them.
        let streams = Streams::new()
            .with::<Payment>(&id)
            .with::<ProviderObject>(&object)
            .with::<Wallet>(&wallet)
            .with::<Journal>(&journal);
        // What is observed is a state, not a request: the same state again decides to nothing by itself, so the key is new
        // each time and no old refusal stands in the way of a newer state.
        let context = context.step(&format!("observe:{}", self.fresh_id()));
        let committed = self
            .transact(streams, &context, "observe_payment", snapshot, |unit| {
                let before = unit.state::<Payment>(&id)?.clone();
                let command = PaymentCommand::Observe {
                    payment_id,
                    snapshot: snapshot.clone(),
                    now,
                };
                if unit.run::<Payment>(&id, &command)? == 0 {
                    return Ok(());
                }
                let events = decided(&before, &command)?;
                // What does not fit and moves no money may be somebody else's, who must still be able to claim it.
                if !events.iter().all(is_set_aside_unpaid) {
                    unit.run::<ProviderObject>(
                        &object,
                        &ProviderObjectCommand::Claim {
                            provider: terms.provider,
                            object_id: snapshot.provider_id.clone(),
                            operation: format!("payment:{payment_id}"),
                        },
                    )?;
                }
                for event in events {
                    match event {
                        PaymentEvent::PaymentSucceeded { amount, fee, .. } => {
                            let transaction = self.top_up(payment_id, &terms, amount, fee);
                            unit.run::<Wallet>(&wallet, &post(terms.wallet_id, transaction))?;
                        }
                        PaymentEvent::PaymentQuarantined {
                            received: Some(amount),
                            ..
                        } => {
                            let id = TransactionId::derived("payment_suspense", &id);
                            let transaction = self.to_suspense(id, payment_id, &terms, amount);
                            unit.run::<Journal>(&journal, &JournalCommand::Post { transaction })?;
                        }
                        PaymentEvent::PaymentOverpaid { total, excess } => {
                            let named = format!("{payment_id}:{}", total.minor);
                            let id = TransactionId::derived("payment_overpaid", &named);
                            let transaction = self.to_suspense(id, payment_id, &terms, excess);
                            unit.run::<Journal>(&journal, &JournalCommand::Post { transaction })?;
                        }
                        _ => {}
                    }
                }
                Ok(())
            })
            .await?;
        Ok(Done::from(&committed))
    }

    /// A person's decision about a quarantined payment: what was received and has not gone back since is credited to the wallet,
    /// or stays in suspense. The first one proposes; it is decided when a second one says the same.
    ///
    /// # Errors
    /// `invalid_state` unless it is quarantined; `invalid_command` when `credit` is asked for money that never came or is not
    /// there any more; `review_reason_required`; `four_eyes_required` when the same person says it twice.
    pub async fn resolve_quarantine(
        &self,
        payment_id: PaymentId,
        credit: bool,
        reason: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let payment = self.payment(payment_id).await?;
        let terms = terms_of(&payment)?.clone();
        let currency = payment
            .paid
            .map_or(terms.amount.currency, |paid| paid.currency);
        let wallet_id = WalletId {
            user: terms.user_id,
            currency,
        };
        let (id, wallet) = (payment_id.to_string(), wallet_id.to_string());
        let streams = Streams::new().with::<Payment>(&id).with::<Wallet>(&wallet);
        let body = (payment_id, credit, &reason);
        let committed = self
            .transact(streams, context, "resolve_quarantine", &body, |unit| {
                let known = unit.state::<Payment>(&id)?;
                let credited = match (credit, known.paid) {
                    (false, _) => None,
                    (true, Some(paid)) if paid.currency == currency => {
                        Some(Money::new(known.suspense_minor, currency))
                    }
                    (true, _) => {
                        return Err(Rejection::new(
                            "invalid_command",
                            "no money was received to be credited",
                        )
                        .into());
                    }
                };
                let command = PaymentCommand::ResolveQuarantine {
                    credited,
                    by: context.actor.clone(),
                    reason: reason.clone(),
                };
                unit.run::<Payment>(&id, &command)?;
                // A proposal moves nothing yet.
                let is_resolved = unit.state::<Payment>(&id)?.state == PaymentState::Resolved;
                if let (true, Some(amount)) = (is_resolved, credited) {
                    let transaction = Transaction::simple(
                        resolved_transaction_id(payment_id),
                        TransactionKind::Suspense,
                        Account::Suspense(terms.provider),
                        Account::Wallet(wallet_id),
                        amount,
                        self.today(),
                        format!("payment:{payment_id}"),
                    );
                    unit.run::<Wallet>(&wallet, &post(wallet_id, transaction))?;
                }
                Ok(())
            })
            .await?;
        Ok(Done::from(&committed))
    }

    /// The booking of a payment: the wallet gets the whole amount, the provider's fee is ours.
    fn top_up(
        &self,
        payment_id: PaymentId,
        terms: &PaymentTerms,
        amount: Money,
        fee: Option<Money>,
    ) -> Transaction {
        let mut transaction = Transaction::simple(
            TransactionId::derived("payment", &payment_id.to_string()),
            TransactionKind::TopUp,
            Account::PaymentsClearing(terms.provider),
            Account::Wallet(terms.wallet_id),
            amount,
            self.today(),
            format!("payment:{payment_id}"),
        );
        if let Some(fee) = fee {
            if let Some(clearing) = transaction.legs.first_mut() {
                clearing.amount = Payment::net_of(amount, Some(fee));
            }
            transaction.legs.push(Leg {
                account: Account::Fees(terms.provider),
                side: Side::Debit,
                amount: fee,
            });
        }
        transaction
    }

    fn to_suspense(
        &self,
        id: TransactionId,
        payment_id: PaymentId,
        terms: &PaymentTerms,
        amount: Money,
    ) -> Transaction {
        Transaction::simple(
            id,
            TransactionKind::Suspense,
            Account::PaymentsClearing(terms.provider),
            Account::Suspense(terms.provider),
            amount,
            self.today(),
            format!("payment:{payment_id}"),
        )
    }

    /// Refuses for people who may not move money.
    pub(crate) async fn require_active(&self, user_id: UserId) -> Result<(), CommandError> {
        self.user(user_id).await?.may_act()?;
        Ok(())
    }
}

fn is_set_aside_unpaid(event: &PaymentEvent) -> bool {
    matches!(
        event,
        PaymentEvent::PaymentQuarantined { received: None, .. }
    )
}

/// The transaction that credits what was set aside.
fn resolved_transaction_id(payment_id: PaymentId) -> TransactionId {
    TransactionId::derived("payment_resolved", &payment_id.to_string())
}

/// The journal of a payment that does not fit.
pub(super) fn suspense_journal(payment_id: PaymentId) -> String {
    format!("payment:{payment_id}")
}

pub(super) fn terms_of(payment: &Payment) -> Result<&PaymentTerms, CommandError> {
    payment
        .terms
        .as_ref()
        .ok_or_else(|| Rejection::new("not_found", "there is no such payment").into())
}

pub(super) fn post(wallet_id: WalletId, transaction: Transaction) -> WalletCommand {
    WalletCommand::Post {
        wallet_id,
        transaction,
    }
}

/// What a decision on this state is: the same that the unit has just recorded.
pub(super) fn decided(
    before: &Payment,
    command: &PaymentCommand,
) -> Result<Vec<PaymentEvent>, CommandError> {
    use kvit_domain::aggregate::Decide as _;
    Ok(before.decide(command)?)
}

/// How far the clocks of two processes may differ.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(5);

/// How old the idempotence key of a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyAge {
    /// The provider still knows it, with a reserve: the call may be repeated under it.
    Fresh,
    /// The provider may have forgotten it: a repeat could be a second call.
    Forgotten,
    /// This process's clock is far behind the one that noted the call, and tells nothing.
    Unknown,
}

/// The age of the key of a call that left at `sent_at`.
pub(crate) fn key_age(
    sent_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    lifetime: std::time::Duration,
) -> KeyAge {
    let Some(at) = sent_at else {
        return KeyAge::Fresh;
    };
    if at - now > CLOCKS_DIFFER {
        return KeyAge::Unknown;
    }
    if (now - at).to_std().unwrap_or_default() < lifetime / 2 {
        KeyAge::Fresh
    } else {
        KeyAge::Forgotten
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_that_is_a_little_behind_keeps_a_key_and_one_that_is_far_behind_proves_nothing() {
        let at = DateTime::from_timestamp(1_790_035_200, 0).unwrap();
        let day = Duration::from_secs(86_400);
        let age =
            |behind: i64, lifetime| key_age(Some(at), at + TimeDelta::seconds(behind), lifetime);
        assert_eq!(key_age(None, at, day), KeyAge::Fresh);
        assert_eq!(age(-60, day), KeyAge::Fresh);
        assert_eq!(age(60, day), KeyAge::Fresh);
        assert_eq!(age(43_201, day), KeyAge::Forgotten);
        assert_eq!(age(-301, day), KeyAge::Unknown);
        // A provider that recognises no keys: a repeat is always a second call.
        assert_eq!(age(-60, Duration::ZERO), KeyAge::Forgotten);
    }
}
