//! Many ledger commands in one call.

use axum::Json as JsonAnswer;
use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use kvit_commands::app::{BULK_COMMANDS_MAX, BulkCommand, BulkMode, Done};
use kvit_commands::error::CommandError;
use kvit_domain::ids::{HoldId, TransactionId, WalletId};
use kvit_domain::ledger::{Account, Leg, TransactionKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

use super::adjustments_work::SideInput;
use super::{field, wrong};
use crate::auth::{Administering, Write};
use crate::http::amount::AmountInput;
use crate::http::extract::Json;
use crate::http::problem::{Answer, Problem};
use crate::parts::Gateway;

/// Most bytes of a bulk's body.
pub const BULK_BYTES_MAX: usize = 1024 * 1024;

/// A bulk has one caller.
const TWO_PEOPLE: &str = "corrections need two people: propose them at /v1/adjustments";

/// Whether the commands stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BulkModeInput {
    /// All or none.
    Atomic,
    /// Each on its own; one refusal does not touch the others.
    Independent,
}

/// One entry of a partial reversal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LegInput {
    /// Name of the account in the chart.
    #[schema(example = "bonus:expense")]
    pub account: String,
    /// The side, opposite to the one of the entry that is undone.
    pub side: SideInput,
    /// How much of it.
    pub amount: AmountInput,
}

/// One command on a wallet. Ids are the caller's: the same id again is the same thing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum BulkItem {
    /// Book an amount against an account of the operator.
    Post {
        /// The wallet, `<user>:<currency>`.
        wallet_id: String,
        /// Id of the booking.
        transaction_id: Uuid,
        /// `credit`: the wallet grows; `debit`: it shrinks.
        side: SideInput,
        /// How much.
        amount: AmountInput,
        /// The account on the other side.
        account: String,
        /// What it is for, such as `reward`.
        kind: String,
        /// From which day it counts; today when absent.
        #[serde(default, deserialize_with = "crate::http::extract::plausible_or_none")]
        value_date: Option<NaiveDate>,
        /// What it comes from, by id.
        reference: String,
        /// Words for the statement.
        #[serde(default)]
        description: String,
    },
    /// Reserve an amount.
    PlaceHold {
        /// The wallet.
        wallet_id: String,
        /// Id of the hold.
        hold_id: Uuid,
        /// How much.
        amount: AmountInput,
        /// What for.
        purpose: String,
        /// When it expires by itself.
        #[serde(deserialize_with = "crate::http::extract::plausible")]
        expires_at: DateTime<Utc>,
    },
    /// Spend reserved money, all or a part, once or in steps.
    Capture {
        /// The wallet.
        wallet_id: String,
        /// The hold.
        hold_id: Uuid,
        /// Id of the booking.
        transaction_id: Uuid,
        /// How much.
        amount: AmountInput,
        /// The account that gets it.
        account: String,
        /// What it is for, such as `job`.
        kind: String,
        /// Whether the rest is released at once.
        #[serde(default)]
        release_rest: bool,
        /// What it comes from, by id.
        reference: String,
    },
    /// Give a hold up.
    Release {
        /// The wallet.
        wallet_id: String,
        /// The hold.
        hold_id: Uuid,
    },
    /// Undo a booking, or a part of one.
    Reverse {
        /// The wallet on whose stream it stands.
        wallet_id: String,
        /// The booking.
        original_id: Uuid,
        /// Id of the reversal.
        transaction_id: Uuid,
        /// The entries that undo a part; all that is left when absent.
        #[serde(default)]
        legs: Option<Vec<LegInput>>,
    },
}

/// Commands to run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "mode": "atomic",
    "commands": [
        { "type": "post", "wallet_id": "5b1f1c9e-3c0b-4d8e-9a53-0c8f0f6f7a11:UAH",
          "transaction_id": "7d1f0f5e-4a3b-4c2d-8e1f-0a9b8c7d6e5f", "side": "credit",
          "amount": { "minor": 100, "currency": "UAH" }, "account": "bonus:expense", "kind": "reward",
          "reference": "campaign:winter" },
        { "type": "place_hold", "wallet_id": "5b1f1c9e-3c0b-4d8e-9a53-0c8f0f6f7a11:UAH",
          "hold_id": "2f6b1c3d-5e4f-4a1b-9c8d-7e6f5a4b3c2d", "amount": { "minor": 60, "currency": "UAH" },
          "purpose": "order 17", "expires_at": "2026-12-01T00:00:00Z" }
    ]
}))]
pub struct Bulk {
    /// All or none, or each on its own.
    pub mode: BulkModeInput,
    /// 1 to 1000 commands, run in order.
    #[schema(min_items = 1, max_items = 1000)]
    pub commands: Vec<BulkItem>,
}

/// What became of one command.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum BulkResult {
    /// It is done.
    Done {
        /// A read with this as `at_least` shows it.
        position: i64,
        /// Whether it was done before.
        replayed: bool,
    },
    /// It is refused, as it would be on its own.
    Refused {
        /// The code, as in a problem.
        code: String,
        /// What was wrong.
        detail: String,
        /// Facts by name.
        details: BTreeMap<String, String>,
    },
    /// Not known: repeat the whole call with the same key; what is done is not done again.
    Unavailable {},
}

/// An answer for each command, in the order of the commands.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkAnswer {
    /// The answers.
    pub results: Vec<BulkResult>,
    /// The largest position among them; a read with this as `at_least` shows all that was done.
    pub position: i64,
}

/// Run up to 1000 ledger commands
///
/// Atomic: all are done, or none; the first refusal is answered as `bulk_refused` with its index and code. Independent: every
/// command has its own answer, also when it was refused. Under the same `Idempotency-Key` the same body has its effect once.
/// The body may have up to 1 MiB. Corrections by people do not belong here: see `/v1/adjustments`.
#[utoipa::path(post, path = "/v1/ledger/bulk", tag = "ledger", request_body = Bulk,
    responses((status = 200, description = "An answer for each command.", body = BulkAnswer)),
    security(("api_key" = ["admin"])))]
pub async fn run_bulk(
    write: Write<Administering>,
    State(gateway): State<Gateway>,
    Json(body): Json<Bulk>,
) -> Answer<JsonAnswer<BulkAnswer>> {
    // Before anything is made of them; the use case counts again.
    if body.commands.len() > BULK_COMMANDS_MAX {
        return Err(Problem::new(
            "payload_too_large",
            format!("at most {BULK_COMMANDS_MAX} commands are accepted"),
        ));
    }
    let mode = match body.mode {
        BulkModeInput::Atomic => BulkMode::Atomic,
        BulkModeInput::Independent => BulkMode::Independent,
    };
    let commands: Vec<BulkCommand> = body
        .commands
        .into_iter()
        .enumerate()
        .map(|(index, item)| item.command(&format!("/commands/{index}")))
        .collect::<Answer<_>>()?;
    let outcomes = gateway.app.run_bulk(mode, commands, &write.context).await?;
    let position = outcomes
        .iter()
        .filter_map(|outcome| outcome.as_ref().ok())
        .map(|done| done.position)
        .max()
        .unwrap_or(0);
    let results = outcomes.into_iter().map(shown).collect();
    Ok(JsonAnswer(BulkAnswer { results, position }))
}

fn shown(outcome: Result<Done, CommandError>) -> BulkResult {
    match outcome {
        Ok(done) => BulkResult::Done {
            position: done.position,
            replayed: done.replayed,
        },
        Err(CommandError::Rejected(refusal)) => BulkResult::Refused {
            code: refusal.code,
            detail: refusal.message,
            details: refusal.details,
        },
        Err(fault) => {
            tracing::warn!(%fault, "a command of a bulk is not known to be done");
            BulkResult::Unavailable {}
        }
    }
}

fn kind(pointer: &str, text: String) -> Answer<TransactionKind> {
    let kind = serde_json::from_value(Value::String(text))
        .map_err(|_| wrong(pointer, "there is no such kind"))?;
    if kind == TransactionKind::Adjustment {
        return Err(wrong(pointer, TWO_PEOPLE));
    }
    Ok(kind)
}

fn account(pointer: &str, name: &str) -> Answer<Account> {
    let account = field(pointer, name)?;
    if account == Account::Adjustments {
        return Err(wrong(pointer, TWO_PEOPLE));
    }
    Ok(account)
}

impl LegInput {
    fn leg(self, at: &str) -> Answer<Leg> {
        Ok(Leg {
            account: field(&format!("{at}/account"), &self.account)?,
            side: self.side.into(),
            amount: self.amount.money(&format!("{at}/amount"))?,
        })
    }
}

impl BulkItem {
    fn command(self, at: &str) -> Answer<BulkCommand> {
        let wallet = |id: &str| field::<WalletId>(&format!("{at}/wallet_id"), id);
        let money = |amount: &AmountInput| amount.money(&format!("{at}/amount"));
        let account = |name: &str| account(&format!("{at}/account"), name);
        Ok(match self {
            Self::Post {
                wallet_id,
                transaction_id,
                side,
                amount,
                account: other,
                kind: text,
                value_date,
                reference,
                description,
            } => BulkCommand::Post {
                wallet_id: wallet(&wallet_id)?,
                transaction_id: TransactionId(transaction_id),
                side: side.into(),
                amount: money(&amount)?,
                account: account(&other)?,
                kind: kind(&format!("{at}/kind"), text)?,
                value_date,
                reference,
                description,
            },
            Self::PlaceHold {
                wallet_id,
                hold_id,
                amount,
                purpose,
                expires_at,
            } => BulkCommand::PlaceHold {
                wallet_id: wallet(&wallet_id)?,
                hold_id: HoldId(hold_id),
                amount: money(&amount)?,
                purpose,
                expires_at,
            },
            Self::Capture {
                wallet_id,
                hold_id,
                transaction_id,
                amount,
                account: other,
                kind: text,
                release_rest,
                reference,
            } => BulkCommand::Capture {
                wallet_id: wallet(&wallet_id)?,
                hold_id: HoldId(hold_id),
                transaction_id: TransactionId(transaction_id),
                amount: money(&amount)?,
                account: account(&other)?,
                kind: kind(&format!("{at}/kind"), text)?,
                release_rest,
                reference,
            },
            Self::Release { wallet_id, hold_id } => BulkCommand::Release {
                wallet_id: wallet(&wallet_id)?,
                hold_id: HoldId(hold_id),
            },
            Self::Reverse {
                wallet_id,
                original_id,
                transaction_id,
                legs,
            } => BulkCommand::Reverse {
                wallet_id: wallet(&wallet_id)?,
                original_id: TransactionId(original_id),
                transaction_id: TransactionId(transaction_id),
                legs: legs
                    .map(|legs| {
                        legs.into_iter()
                            .enumerate()
                            .map(|(index, leg)| leg.leg(&format!("{at}/legs/{index}")))
                            .collect::<Answer<Vec<Leg>>>()
                    })
                    .transpose()?,
            },
        })
    }
}
