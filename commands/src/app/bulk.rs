//! Many ledger commands in one request: all or none, or each on its own.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use futures::stream::{self, StreamExt as _};
use kvit_domain::book::{Book, MAIN_BOOK};
use kvit_domain::ids::{HoldId, TransactionId, WalletId};
use kvit_domain::ledger::{Account, Leg, Side, Transaction, TransactionKind};
use kvit_domain::money::Money;
use kvit_domain::rejection::Rejection;
use kvit_domain::wallet::{ReleaseReason, Wallet, WalletCommand};
use serde::{Deserialize, Serialize};

use super::{App, Done};
use crate::context::Context;
use crate::error::CommandError;
use crate::executor::{Streams, Unit};

/// Most commands of one request.
pub const BULK_COMMANDS_MAX: usize = 1_000;
/// How purposes of holds begin that an operation owns.
const OWNERS: [&str; 4] = ["payout:", "refund:", "transfer:", "job:"];
/// Commands of a request that are under way at the same time, when each stands on its own.
const AT_ONCE: usize = 64;

/// One command on a wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum BulkCommand {
    /// Book an amount against an account of the operator.
    Post {
        /// The wallet.
        wallet_id: WalletId,
        /// Its transaction's id; the same one twice is one booking.
        transaction_id: TransactionId,
        /// Credit: the wallet grows. Debit: it shrinks.
        side: Side,
        /// How much.
        amount: Money,
        /// The account on the other side.
        account: Account,
        /// What it is for.
        kind: TransactionKind,
        /// From which day it counts; today when not given.
        #[serde(default)]
        value_date: Option<NaiveDate>,
        /// What it comes from.
        reference: String,
        /// Words for the statement.
        #[serde(default)]
        description: String,
    },
    /// Reserve an amount.
    PlaceHold {
        /// The wallet.
        wallet_id: WalletId,
        /// The hold; the same one twice is one hold.
        hold_id: HoldId,
        /// How much.
        amount: Money,
        /// What for.
        purpose: String,
        /// When it expires by itself.
        expires_at: DateTime<Utc>,
    },
    /// Spend reserved money, all or a part, once or in steps.
    Capture {
        /// The wallet.
        wallet_id: WalletId,
        /// The hold.
        hold_id: HoldId,
        /// The booking's id; the same one twice is one capture.
        transaction_id: TransactionId,
        /// How much.
        amount: Money,
        /// The account that gets it.
        account: Account,
        /// What it is for.
        kind: TransactionKind,
        /// Whether the rest is released at once.
        #[serde(default)]
        release_rest: bool,
        /// What it comes from.
        reference: String,
    },
    /// Give a hold up.
    Release {
        /// The wallet.
        wallet_id: WalletId,
        /// The hold.
        hold_id: HoldId,
    },
    /// Undo a transaction, or a part of one.
    Reverse {
        /// The wallet on whose stream it stands.
        wallet_id: WalletId,
        /// The transaction.
        original_id: TransactionId,
        /// The reversal's id.
        transaction_id: TransactionId,
        /// The legs that undo a part; all that is left when not given.
        #[serde(default)]
        legs: Option<Vec<Leg>>,
    },
}

impl BulkCommand {
    fn wallet_id(&self) -> WalletId {
        match self {
            Self::Post { wallet_id, .. }
            | Self::PlaceHold { wallet_id, .. }
            | Self::Capture { wallet_id, .. }
            | Self::Release { wallet_id, .. }
            | Self::Reverse { wallet_id, .. } => *wallet_id,
        }
    }

    /// Refuses what needs a second person: corrections have their own way, with four eyes.
    fn check(&self) -> Result<(), Rejection> {
        let (kind, account) = match self {
            Self::Post { kind, account, .. } | Self::Capture { kind, account, .. } => {
                (*kind, *account)
            }
            _ => return Ok(()),
        };
        let fits = matches!(
            (kind, account),
            (TransactionKind::Reward, Account::BonusExpense)
                | (TransactionKind::Job, Account::JobsRevenue)
                | (TransactionKind::Adjustment, _)
                | (_, Account::Adjustments)
        );
        if !fits {
            return Err(Rejection::new(
                "invalid_command",
                "only rewards (bonus:expense) and jobs (jobs:revenue) are booked so; the rest has operations of its own",
            ));
        }
        if kind == TransactionKind::Adjustment || account == Account::Adjustments {
            return Err(Rejection::new(
                "four_eyes_required",
                "a correction is proposed by one person and approved by another",
            ));
        }
        Ok(())
    }

    /// Refuses what belongs to an operation of its own: a payout's hold ends with the payout and with nothing else, and what
    /// a provider has moved is not undone by a booking.
    fn check_owner(&self, wallet: &Wallet) -> Result<(), Rejection> {
        let owned = |what: &str| {
            Err(Rejection::new(
                "invalid_command",
                format!("it belongs to {what}, which alone may end it"),
            ))
        };
        match self {
            Self::Capture { hold_id, .. } | Self::Release { hold_id, .. } => {
                let purpose = wallet.hold(*hold_id).map_or("", |hold| &hold.purpose);
                match OWNERS.iter().find(|owner| purpose.starts_with(**owner)) {
                    Some(_) => owned(purpose),
                    None => Ok(()),
                }
            }
            Self::Reverse { original_id, .. } => match wallet.transaction(*original_id) {
                Some(original)
                    if !matches!(
                        original.kind,
                        TransactionKind::Reward | TransactionKind::Job
                    ) =>
                {
                    owned(&original.reference)
                }
                _ => Ok(()),
            },
            Self::PlaceHold { purpose, .. }
                if OWNERS.iter().any(|owner| purpose.starts_with(*owner)) =>
            {
                Err(Rejection::new(
                    "invalid_command",
                    "this purpose is for the operations of the platform",
                ))
            }
            _ => Ok(()),
        }
    }

    /// The value date, if the caller chose one.
    fn value_date(&self) -> Option<NaiveDate> {
        match self {
            Self::Post { value_date, .. } => *value_date,
            _ => None,
        }
    }

    fn on_wallet(&self, today: NaiveDate) -> WalletCommand {
        match self.clone() {
            Self::Post {
                wallet_id,
                transaction_id,
                side,
                amount,
                account,
                kind,
                value_date,
                reference,
                description,
            } => {
                let own = Account::Wallet(wallet_id);
                let (debit, credit) = match side {
                    Side::Credit => (account, own),
                    Side::Debit => (own, account),
                };
                let mut transaction = Transaction::simple(
                    transaction_id,
                    kind,
                    debit,
                    credit,
                    amount,
                    value_date.unwrap_or(today),
                    reference,
                );
                transaction.description = description;
                WalletCommand::Post {
                    wallet_id,
                    transaction,
                }
            }
            Self::PlaceHold {
                hold_id,
                amount,
                purpose,
                expires_at,
                ..
            } => WalletCommand::PlaceHold {
                hold_id,
                amount,
                purpose,
                expires_at,
            },
            Self::Capture {
                wallet_id,
                hold_id,
                transaction_id,
                amount,
                account,
                kind,
                release_rest,
                reference,
            } => WalletCommand::Capture {
                hold_id,
                transaction: Transaction::simple(
                    transaction_id,
                    kind,
                    Account::Wallet(wallet_id),
                    account,
                    amount,
                    today,
                    reference,
                ),
                release_rest,
            },
            Self::Release { hold_id, .. } => WalletCommand::Release {
                hold_id,
                reason: ReleaseReason::Operator,
            },
            Self::Reverse {
                original_id,
                transaction_id,
                legs,
                ..
            } => WalletCommand::Reverse {
                original_id,
                transaction_id,
                value_date: today,
                legs,
            },
        }
    }
}

/// Whether the commands of a request stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BulkMode {
    /// All or none.
    Atomic,
    /// Each on its own; one refusal does not touch the others.
    Independent,
}

/// What became of a request: an answer for each command, in order.
pub type BulkOutcome = Vec<Result<Done, CommandError>>;

impl App {
    /// Runs up to [`BULK_COMMANDS_MAX`] ledger commands. Under the same key the same request has the same effect once.
    ///
    /// # Errors
    /// `payload_too_large` for more commands; in atomic mode `bulk_refused` with the index and code of the first command
    /// that was refused, and nothing was done (a repeat of a remembered refusal names the code only). In independent mode
    /// every answer stands in the result.
    pub async fn run_bulk(
        &self,
        mode: BulkMode,
        commands: Vec<BulkCommand>,
        context: &Context,
    ) -> Result<BulkOutcome, CommandError> {
        if commands.is_empty() {
            return Err(Rejection::new("invalid_command", "there is no command to run").into());
        }
        if commands.len() > BULK_COMMANDS_MAX {
            return Err(Rejection::new(
                "payload_too_large",
                format!("at most {BULK_COMMANDS_MAX} commands"),
            )
            .into());
        }
        match mode {
            BulkMode::Atomic => {
                let count = commands.len();
                let mut refused_at = None;
                let done = self.run_together(&commands, context, &mut refused_at).await;
                let done = done.map_err(|fault| at_index(fault, refused_at))?;
                Ok(vec![Ok(done); count])
            }
            BulkMode::Independent => Ok(stream::iter(commands.into_iter().enumerate())
                .map(|(index, command)| async move {
                    let context = context.step(&format!("bulk:{index}"));
                    let one = std::slice::from_ref(&command);
                    self.run_together(one, &context, &mut None).await
                })
                .buffered(AT_ONCE)
                .collect()
                .await),
        }
    }

    /// One decision. What a wallet refuses is answered as the wallet said it, since that is what it remembers under the key;
    /// `refused_at` says which command it was.
    async fn run_together(
        &self,
        commands: &[BulkCommand],
        context: &Context,
        refused_at: &mut Option<usize>,
    ) -> Result<Done, CommandError> {
        let today = self.today();
        let wallets: BTreeSet<String> = commands
            .iter()
            .map(|command| command.wallet_id().to_string())
            .collect();
        let mut streams = Streams::new();
        for wallet in &wallets {
            streams = streams.with::<Wallet>(wallet);
        }
        let must_ask = commands
            .iter()
            .filter_map(BulkCommand::value_date)
            .any(|day| Book::must_ask(day, today));
        if must_ask {
            streams = streams.with::<Book>(MAIN_BOOK);
        }
        let body = commands;
        let committed = self
            .transact(streams, context, "bulk", &body, |unit| {
                for (index, command) in commands.iter().enumerate() {
                    *refused_at = Some(index);
                    run_one(unit, command, must_ask, today)?;
                }
                *refused_at = None;
                Ok(())
            })
            .await?;
        Ok(Done::from(&committed))
    }
}

fn run_one(
    unit: &mut Unit<'_>,
    command: &BulkCommand,
    must_ask: bool,
    today: NaiveDate,
) -> Result<(), CommandError> {
    if let (true, Some(day)) = (must_ask, command.value_date()) {
        unit.state::<Book>(MAIN_BOOK)?.check_open(day)?;
    }
    command.check()?;
    let wallet = command.wallet_id().to_string();
    command.check_owner(unit.state::<Wallet>(&wallet)?)?;
    unit.run::<Wallet>(&wallet, &command.on_wallet(today))?;
    Ok(())
}

/// Names the command that spoiled a bulk, where it is known.
fn at_index(fault: CommandError, index: Option<usize>) -> CommandError {
    match fault {
        CommandError::Rejected(refusal) => {
            let mut all = Rejection::new("bulk_refused", refusal.message.clone());
            all.details = refusal.details;
            if let Some(index) = index {
                all = all.with("index", index);
            }
            all.with("code", refusal.code).into()
        }
        other => other,
    }
}
