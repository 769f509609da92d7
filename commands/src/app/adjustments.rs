//! Corrections by people, with four eyes: one proposes, another approves, and only then the wallet changes.

use chrono::NaiveDate;
use kvit_domain::adjustment::{Adjustment, AdjustmentCommand};
use kvit_domain::book::{Book, MAIN_BOOK};
use kvit_domain::ids::{AdjustmentId, TransactionId, WalletId};
use kvit_domain::ledger::{Account, Side, Transaction, TransactionKind};
use kvit_domain::money::Money;
use kvit_domain::rejection::Rejection;
use kvit_domain::wallet::Wallet;

use super::payments::post;
use super::{App, Done};
use crate::context::Context;
use crate::error::CommandError;
use crate::executor::Streams;

/// A correction to be proposed.
#[derive(Debug, Clone)]
pub struct AdjustmentRequest {
    /// Chosen by the caller; the same one twice is one proposal.
    pub adjustment_id: AdjustmentId,
    /// Which wallet.
    pub wallet_id: WalletId,
    /// Whether the wallet grows (credit) or shrinks (debit).
    pub side: Side,
    /// By how much.
    pub amount: Money,
    /// The account on the other side; no wallet.
    pub account: Account,
    /// From which day it counts; today when not given.
    pub value_date: Option<NaiveDate>,
    /// Why.
    pub reason: String,
    /// The booking that it corrects.
    pub corrects: Option<TransactionId>,
}

impl App {
    /// The adjustment as the log has it now; an empty one when there is none.
    pub async fn adjustment(&self, id: AdjustmentId) -> Result<Adjustment, CommandError> {
        self.parts
            .executor
            .load::<Adjustment>(&id.to_string())
            .await
    }

    /// Proposes a correction. Nothing is booked until another person approves.
    ///
    /// # Errors
    /// `review_reason_required`, `period_closed`, `amount_not_positive`, `invalid_command`.
    pub async fn propose_adjustment(
        &self,
        request: AdjustmentRequest,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let AdjustmentRequest {
            adjustment_id,
            wallet_id,
            side,
            amount,
            account,
            value_date,
            reason,
            corrects,
        } = request;
        if matches!(account, Account::Wallet(_)) {
            return Err(Rejection::new(
                "invalid_command",
                "the other account of an adjustment is not a wallet; use a transfer",
            )
            .into());
        }
        let own = Account::Wallet(wallet_id);
        let (debit, credit) = match side {
            Side::Credit => (account, own),
            Side::Debit => (own, account),
        };
        // What was asked for, without the day that is filled in: a repeat after midnight is the same request.
        let body = (
            (adjustment_id, wallet_id, side, amount),
            (&account, value_date, &reason, &corrects),
        );
        let value_date = value_date.unwrap_or_else(|| self.today());
        let transaction = Transaction::simple(
            TransactionId::derived("adjustment", &adjustment_id.to_string()),
            TransactionKind::Adjustment,
            debit,
            credit,
            amount,
            value_date,
            corrects.map_or_else(
                || format!("adjustment:{adjustment_id}"),
                |corrected| format!("corrects:{corrected}"),
            ),
        );
        let command = AdjustmentCommand::Propose {
            wallet_id,
            transaction,
            reason: reason.clone(),
            corrects,
            by: context.actor.clone(),
        };
        let id = adjustment_id.to_string();
        let mut streams = Streams::new().with::<Adjustment>(&id);
        let must_ask = Book::must_ask(value_date, self.today());
        if must_ask {
            streams = streams.with::<Book>(MAIN_BOOK);
        }
        let committed = self
            .transact(streams, context, "propose_adjustment", &body, |unit| {
                if must_ask {
                    unit.state::<Book>(MAIN_BOOK)?.check_open(value_date)?;
                }
                unit.run::<Adjustment>(&id, &command)?;
                Ok(())
            })
            .await?;
        Ok(Done::from(&committed))
    }

    /// Another person agrees: approval and booking are one append.
    ///
    /// # Errors
    /// `four_eyes_required`, `insufficient_funds`, `period_closed` when its value date was closed meanwhile,
    /// `invalid_state`, `review_reason_required`.
    pub async fn approve_adjustment(
        &self,
        adjustment_id: AdjustmentId,
        reason: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let adjustment = self.adjustment(adjustment_id).await?;
        let not_found = || Rejection::new("not_found", "there is no such adjustment");
        let wallet_id = adjustment.wallet_id.ok_or_else(not_found)?;
        let transaction = adjustment.transaction.ok_or_else(not_found)?;
        let (id, wallet) = (adjustment_id.to_string(), wallet_id.to_string());
        let mut streams = Streams::new()
            .with::<Adjustment>(&id)
            .with::<Wallet>(&wallet);
        let must_ask = Book::must_ask(transaction.value_date, self.today());
        if must_ask {
            streams = streams.with::<Book>(MAIN_BOOK);
        }
        let by = context.actor.clone();
        let body = (adjustment_id, &reason);
        let committed = self
            .transact(streams, context, "approve_adjustment", &body, |unit| {
                if must_ask {
                    unit.state::<Book>(MAIN_BOOK)?
                        .check_open(transaction.value_date)?;
                }
                let command = AdjustmentCommand::Approve {
                    by: by.clone(),
                    reason: reason.clone(),
                };
                unit.run::<Adjustment>(&id, &command)?;
                unit.run::<Wallet>(&wallet, &post(wallet_id, transaction.clone()))?;
                Ok(())
            })
            .await?;
        Ok(Done::from(&committed))
    }

    /// Another person disagrees, or the proposer withdraws it.
    ///
    /// # Errors
    /// `invalid_state`, `review_reason_required`.
    pub async fn decline_adjustment(
        &self,
        adjustment_id: AdjustmentId,
        reason: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let by = context.actor.clone();
        let command = AdjustmentCommand::Decline { by, reason };
        self.execute::<Adjustment>(&adjustment_id.to_string(), command, context)
            .await
    }
}
