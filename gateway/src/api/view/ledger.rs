//! Wallets, statements, holds, transactions, the trial balance.

use chrono::{DateTime, NaiveDate, Utc};
use kvit_domain::ledger::{Leg, Side};
use kvit_projections::fold::ledger::{HoldRow, StatementRow, TransactionRow, WalletRow};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::amount::Amount;

/// A wallet: one user, one currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct Wallet {
    /// `<user>:<currency>`.
    pub id: String,
    /// Owner.
    pub user_id: Uuid,
    /// Booked.
    pub posted: Amount,
    /// Reserved by active holds.
    pub held: Amount,
    /// What can be spent: posted less held.
    pub available: Amount,
    /// Number of entries on its statement.
    pub entries: i64,
    /// Commands that were refused.
    pub refusals: i64,
    /// When its first booking was made.
    pub opened_at: DateTime<Utc>,
    /// Position of the event that changed it last.
    pub position: i64,
}

impl From<WalletRow> for Wallet {
    fn from(row: WalletRow) -> Self {
        Self {
            id: row.wallet_id.to_string(),
            user_id: row.user_id.0,
            posted: Amount::of(row.posted_minor, row.currency),
            held: Amount::of(row.held_minor, row.currency),
            available: Amount::of(
                row.posted_minor.saturating_sub(row.held_minor),
                row.currency,
            ),
            entries: row.entries,
            refusals: row.refusals,
            opened_at: row.opened_at,
            position: row.position,
        }
    }
}

/// An entry of a statement. It never changes.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatementEntry {
    /// Number within the wallet, from 1, without gaps.
    pub number: i64,
    /// The transaction.
    pub transaction_id: Uuid,
    /// What it was for.
    #[schema(example = "reward")]
    pub kind: String,
    /// `credit` when the balance grew, else `debit`.
    #[schema(example = "credit")]
    pub side: String,
    /// Always above zero.
    pub amount: Amount,
    /// Booked balance after this entry.
    pub balance: Amount,
    /// When it was booked.
    pub booked_at: DateTime<Utc>,
    /// From which day it counts.
    pub value_date: NaiveDate,
    /// Words.
    pub description: String,
    /// What it came from, by id.
    pub reference: String,
    /// Position of the event that booked it.
    pub position: i64,
}

impl From<StatementRow> for StatementEntry {
    fn from(row: StatementRow) -> Self {
        Self {
            number: row.entry_no,
            transaction_id: row.transaction_id.0,
            kind: row.kind,
            side: row.side,
            amount: Amount::of(row.amount_minor, row.currency),
            balance: Amount::of(row.balance_minor, row.currency),
            booked_at: row.booked_at,
            value_date: row.value_date,
            description: row.description,
            reference: row.reference,
            position: row.position,
        }
    }
}

/// An amount reserved on a wallet.
#[derive(Debug, Serialize, ToSchema)]
pub struct Hold {
    /// Its id.
    pub id: Uuid,
    /// On which wallet.
    pub wallet_id: String,
    /// `active`, `captured`, `released` or `expired`.
    #[schema(example = "active")]
    pub state: String,
    /// What was reserved at first.
    pub amount: Amount,
    /// What is still reserved.
    pub left: Amount,
    /// What was spent from it.
    pub captured: Amount,
    /// What for, such as `payout:<id>`.
    pub purpose: String,
    /// When it was placed.
    pub placed_at: DateTime<Utc>,
    /// When it expires by itself.
    pub expires_at: DateTime<Utc>,
    /// When nothing was left of it.
    pub closed_at: Option<DateTime<Utc>>,
}

impl From<HoldRow> for Hold {
    fn from(row: HoldRow) -> Self {
        Self {
            id: row.hold_id.0,
            wallet_id: row.wallet_id.to_string(),
            state: row.state,
            amount: Amount::of(row.amount_minor, row.currency),
            left: Amount::of(row.left_minor, row.currency),
            captured: Amount::of(row.captured_minor, row.currency),
            purpose: row.purpose,
            placed_at: row.placed_at,
            expires_at: row.expires_at,
            closed_at: row.closed_at,
        }
    }
}

/// One entry of a transaction.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransactionLeg {
    /// Name of the account in the chart.
    #[schema(example = "bonus:expense")]
    pub account: String,
    /// `debit` or `credit`.
    #[schema(example = "debit")]
    pub side: &'static str,
    /// Always above zero.
    pub amount: Amount,
}

impl From<Leg> for TransactionLeg {
    fn from(leg: Leg) -> Self {
        Self {
            account: leg.account.to_string(),
            side: side(leg.side),
            amount: leg.amount.into(),
        }
    }
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Debit => "debit",
        Side::Credit => "credit",
    }
}

/// A booked transaction. Its legs add up to nothing in each currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct Transaction {
    /// Its id.
    pub id: Uuid,
    /// What it was for.
    #[schema(example = "reward")]
    pub kind: String,
    /// The wallet on whose stream it stands; absent when it concerns no wallet, such as a fee or a settlement.
    pub wallet_id: Option<String>,
    /// The journal on whose stream it stands instead.
    pub journal: Option<String>,
    /// Its entries.
    pub legs: Vec<TransactionLeg>,
    /// The hold it was captured from.
    pub hold_id: Option<Uuid>,
    /// When it was booked.
    pub booked_at: DateTime<Utc>,
    /// From which day it counts.
    pub value_date: NaiveDate,
    /// Words.
    pub description: String,
    /// What it came from, by id.
    pub reference: String,
    /// The earlier transaction that it undoes, or a part of it.
    pub reverses: Option<Uuid>,
    /// The last later transaction that undid it or a part of it.
    pub reversed_by: Option<Uuid>,
    /// How much of its sum in the first entry's currency was undone.
    pub reversed: Amount,
    /// Position of the event that booked it.
    pub position: i64,
}

impl From<TransactionRow> for Transaction {
    fn from(row: TransactionRow) -> Self {
        Self {
            id: row.transaction_id.0,
            kind: row.kind,
            wallet_id: row.wallet_id.map(|id| id.to_string()),
            journal: row.journal,
            legs: row.legs.0.into_iter().map(Into::into).collect(),
            hold_id: row.hold_id.map(|id| id.0),
            booked_at: row.booked_at,
            value_date: row.value_date,
            description: row.description,
            reference: row.reference,
            reverses: row.reverses.map(|id| id.0),
            reversed_by: row.reversed_by.map(|id| id.0),
            reversed: Amount::of(row.reversed_minor, row.currency),
            position: row.booked_position,
        }
    }
}
