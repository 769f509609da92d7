//! Transfers between wallets, and exchanges between one person's wallets.

use chrono::TimeDelta;
use kvit_domain::exchange::Quote;
use kvit_domain::ids::{HoldId, TransactionId, TransferId, WalletId};
use kvit_domain::ledger::{Account, Transaction, TransactionKind};
use kvit_domain::money::Money;
use kvit_domain::rejection::Rejection;
use kvit_domain::transfer::{Transfer, TransferCommand, TransferState, TransferTerms};
use kvit_domain::wallet::{ReleaseReason, Wallet, WalletCommand};

use super::payments::post;
use super::{App, Done};
use crate::context::Context;
use crate::error::CommandError;
use crate::executor::Streams;

/// A transfer's hold gives the money back by itself if nobody completes the transfer.
const HOLD_DAYS: i64 = 7;

/// A transfer to be made.
#[derive(Debug, Clone)]
pub struct TransferRequest {
    /// Chosen by the caller; the same one twice is one transfer.
    pub transfer_id: TransferId,
    /// The giving wallet.
    pub from: WalletId,
    /// The receiving wallet.
    pub to: WalletId,
    /// What is given.
    pub amount: Money,
    /// The rate, when the currencies differ.
    pub quote: Option<Quote>,
    /// Words for both statements.
    pub description: String,
}

impl App {
    /// The transfer as the log has it now; an empty one when there is none.
    pub async fn transfer(&self, transfer_id: TransferId) -> Result<Transfer, CommandError> {
        self.parts
            .executor
            .load::<Transfer>(&transfer_id.to_string())
            .await
    }

    /// Holds the amount on the giving wallet and records what shall happen. A policy completes it.
    ///
    /// # Errors
    /// `insufficient_funds`, `wallet_not_open`, `quote_expired`, `currency_mismatch`, `user_banned`, `user_forgotten`,
    /// `invalid_command`.
    pub async fn request_transfer(
        &self,
        request: TransferRequest,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let TransferRequest {
            transfer_id,
            from,
            to,
            amount,
            quote,
            description,
        } = request;
        // A repeat gets its first answer, whatever has become of the people since.
        if self.transfer(transfer_id).await?.state == TransferState::New {
            self.require_active(from.user).await?;
            self.require_active(to.user).await?;
        }
        let now = self.clock().now();
        let body = (transfer_id, from, to, amount, &quote, &description);
        let hold_id = HoldId::derived("transfer", &transfer_id.to_string());
        let (id, wallet) = (transfer_id.to_string(), from.to_string());
        let streams = Streams::new().with::<Transfer>(&id).with::<Wallet>(&wallet);
        let committed = self
            .transact(streams, context, "request_transfer", &body, |unit| {
                if unit.state::<Transfer>(&id)?.state != TransferState::New {
                    // Another key, the same transfer: the decision itself compares. The quote was checked when it was made.
                    let credited = unit
                        .state::<Transfer>(&id)?
                        .terms
                        .as_ref()
                        .map_or(amount, |terms| terms.credited);
                    let terms = terms(from, to, amount, credited, &quote, &description);
                    unit.run::<Transfer>(&id, &TransferCommand::Request { terms, hold_id })?;
                    return Ok(());
                }
                let credited = match &quote {
                    Some(quote) => quote.convert(amount, now)?,
                    None => amount,
                };
                let terms = terms(from, to, amount, credited, &quote, &description);
                unit.run::<Transfer>(&id, &TransferCommand::Request { terms, hold_id })?;
                unit.run::<Wallet>(
                    &wallet,
                    &WalletCommand::PlaceHold {
                        hold_id,
                        amount,
                        purpose: format!("transfer:{transfer_id}"),
                        expires_at: now + TimeDelta::days(HOLD_DAYS),
                    },
                )?;
                Ok(())
            })
            .await?;
        Ok(Done::from(&committed))
    }

    /// Completes a held transfer: takes the hold and credits the other wallet in one append. Where the other wallet cannot
    /// take it, or the hold is gone, the transfer fails and what is still held is released.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn complete_transfer(
        &self,
        transfer_id: TransferId,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let transfer = self.transfer(transfer_id).await?;
        let not_found = || Rejection::new("not_found", "there is no such transfer");
        let terms = transfer.terms.clone().ok_or_else(not_found)?;
        let hold_id = transfer.hold_id.ok_or_else(not_found)?;
        match self
            .book_transfer(transfer_id, &terms, hold_id, context)
            .await
        {
            Err(CommandError::Rejected(refusal)) if refusal.code != "invalid_state" => {
                self.fail_transfer(transfer_id, &terms, hold_id, refusal.code, context)
                    .await
            }
            result => result,
        }
    }

    async fn book_transfer(
        &self,
        transfer_id: TransferId,
        terms: &TransferTerms,
        hold_id: HoldId,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let (debit, credit) = self.transfer_transactions(transfer_id, terms);
        let (id, from, to) = (
            transfer_id.to_string(),
            terms.from.to_string(),
            terms.to.to_string(),
        );
        let streams = Streams::new()
            .with::<Transfer>(&id)
            .with::<Wallet>(&from)
            .with::<Wallet>(&to);
        let context = context.step("complete");
        let body = transfer_id;
        let committed = self
            .transact(streams, &context, "complete_transfer", &body, |unit| {
                let command = TransferCommand::Complete {
                    debit_id: debit.id,
                    credit_id: credit.id,
                };
                if unit.run::<Transfer>(&id, &command)? > 0 {
                    unit.run::<Wallet>(
                        &from,
                        &WalletCommand::Capture {
                            hold_id,
                            transaction: debit.clone(),
                            release_rest: true,
                        },
                    )?;
                    unit.run::<Wallet>(&to, &post(terms.to, credit.clone()))?;
                }
                Ok(())
            })
            .await?;
        Ok(Done::from(&committed))
    }

    async fn fail_transfer(
        &self,
        transfer_id: TransferId,
        terms: &TransferTerms,
        hold_id: HoldId,
        code: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let (id, from) = (transfer_id.to_string(), terms.from.to_string());
        let streams = Streams::new().with::<Transfer>(&id).with::<Wallet>(&from);
        let context = context.step("fail");
        let body = (transfer_id, &code);
        let committed = self
            .transact(streams, &context, "fail_transfer", &body, |unit| {
                let code = code.clone();
                if unit.run::<Transfer>(&id, &TransferCommand::Fail { code })? > 0 {
                    // Nothing happens to a hold that is released or expired already.
                    unit.run::<Wallet>(
                        &from,
                        &WalletCommand::Release {
                            hold_id,
                            reason: ReleaseReason::Failed,
                        },
                    )?;
                }
                Ok(())
            })
            .await?;
        Ok(Done::from(&committed))
    }

    /// The two bookings: through the clearing account within one currency, through the exchange account between two.
    fn transfer_transactions(
        &self,
        transfer_id: TransferId,
        terms: &TransferTerms,
    ) -> (Transaction, Transaction) {
        let (kind, between) = if terms.quote.is_some() {
            (TransactionKind::Conversion, Account::Exchange)
        } else {
            (TransactionKind::Transfer, Account::TransfersClearing)
        };
        let reference = format!("transfer:{transfer_id}");
        let id = |side: &str| TransactionId::derived(side, &transfer_id.to_string());
        let mut debit = Transaction::simple(
            id("transfer_debit"),
            kind,
            Account::Wallet(terms.from),
            between,
            terms.amount,
            self.today(),
            reference.clone(),
        );
        let mut credit = Transaction::simple(
            id("transfer_credit"),
            kind,
            between,
            Account::Wallet(terms.to),
            terms.credited,
            self.today(),
            reference,
        );
        debit.description.clone_from(&terms.description);
        credit.description.clone_from(&terms.description);
        (debit, credit)
    }
}

fn terms(
    from: WalletId,
    to: WalletId,
    amount: Money,
    credited: Money,
    quote: &Option<Quote>,
    description: &str,
) -> TransferTerms {
    TransferTerms {
        from,
        to,
        amount,
        credited,
        quote: quote.clone(),
        description: description.to_owned(),
    }
}
