//! Where a person's money is: what is in the wallet, what is held and what each hold waits for, what is on its way in,
//! and what moved last. Words are left to whoever shows it; everything here is a stable code.

mod waits;

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use chrono::{DateTime, Utc};
use kvit_domain::ids::{JobId, PayoutId, RefundId, TransferId, UserId, WalletId};
use kvit_domain::money::{Currency, Money};
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use super::{AsOf, PAGE_MAX, View, arguments, bounded, projection};
use crate::error::Fault;
use crate::fold::jobs::JobRow;
use crate::fold::ledger::{HoldRow, StatementRow, WalletRow};
use crate::fold::payments::{PaymentRow, RefundRow, TransferRow};
use crate::fold::payouts::PayoutRow;
pub use waits::WaitsFor;

/// The money of one wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Whereabouts {
    /// Owner and currency.
    pub wallet_id: WalletId,
    /// Currency of all amounts of the wallet.
    pub currency: Currency,
    /// Booked, minor units.
    pub posted_minor: i64,
    /// Of that reserved.
    pub held_minor: i64,
    /// Of that free to be spent.
    pub available_minor: i64,
    /// What is held, what is on its way in, then the last movements; each part newest first.
    pub items: Vec<MoneyItem>,
}

/// What an item is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// Held for a payout.
    Payout,
    /// Held for a transfer to another wallet, or on its way from one.
    Transfer,
    /// Held for a refund: money on its way back to where it was paid from.
    Refund,
    /// Held for a job.
    Job,
    /// Held for something else.
    Hold,
    /// Money that somebody pays in.
    Payment,
    /// A booking.
    Movement,
}

/// To which side of the wallet money goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Into the wallet.
    In,
    /// Out of the wallet.
    Out,
}

/// A part of the money: what it is, since when, and what has to happen next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MoneyItem {
    /// What it is about.
    pub kind: ItemKind,
    /// Where it goes.
    pub direction: Direction,
    /// How much.
    pub amount: Money,
    /// Since when it is there: when it was held, asked for or booked.
    pub since: DateTime<Utc>,
    /// State of the operation in snake_case; of a movement, what it was for.
    pub state: String,
    /// What has to happen next.
    pub waits_for: WaitsFor,
    /// When that happens at the latest or is tried again, as far as it is known.
    pub until: Option<DateTime<Utc>>,
    /// Why: a code, or the provider's word.
    pub reason: Option<String>,
    /// `<operation>:<id>`; of a movement or another hold, what it says itself.
    pub reference: String,
}

/// What an operation says of the money that is held for it.
struct Story {
    state: String,
    waits_for: WaitsFor,
    until: Option<DateTime<Utc>>,
    reason: Option<String>,
}

const NAMES: [&str; 4] = [
    projection::LEDGER,
    projection::PAYOUTS,
    projection::PAYMENTS,
    projection::JOBS,
];
const PAYOUTS: usize = 1;
const PAYMENTS: usize = 2;
const JOBS: usize = 3;

/// The money of one wallet. Payments on their way in are shown before the wallet has been opened, too.
///
/// # Errors
/// [`Fault`].
pub async fn whereabouts(
    pool: &PgPool,
    wallet_id: WalletId,
    movements: u32,
) -> Result<AsOf<Whereabouts>, Fault> {
    let all = whereabouts_of(pool, wallet_id.user, movements).await?;
    let found = all
        .data
        .into_iter()
        .find(|found| found.wallet_id == wallet_id);
    Ok(AsOf {
        position: all.position,
        data: found.unwrap_or_else(|| empty(wallet_id)),
    })
}

/// The money of a person in all currencies, with the last `movements` of each wallet.
///
/// # Errors
/// [`Fault`].
pub async fn whereabouts_of(
    pool: &PgPool,
    user_id: UserId,
    movements: u32,
) -> Result<AsOf<Vec<Whereabouts>>, Fault> {
    let mut view = View::open(pool, &NAMES).await?;
    let mut found: BTreeMap<WalletId, Whereabouts> = BTreeMap::new();
    let wallets: Vec<WalletRow> = view
        .rows("WHERE t.user_id = $1", arguments![user_id.0])
        .await?;
    for row in &wallets {
        let place = place(&mut found, row.wallet_id);
        place.posted_minor = row.posted_minor;
        place.held_minor = row.held_minor;
        place.available_minor = row.available_minor();
    }
    let ids: Vec<String> = wallets
        .iter()
        .map(|row| row.wallet_id.to_string())
        .collect();
    let holds: Vec<HoldRow> = view
        .rows(
            "WHERE t.wallet_id = ANY($1) AND t.state = 'active' ORDER BY t.placed_at DESC, t.hold_id LIMIT $2",
            arguments![ids, i64::from(PAGE_MAX)],
        )
        .await?;
    let stories = stories(&mut view, &holds).await?;
    for hold in &holds {
        let item = held(hold, &stories);
        place(&mut found, hold.wallet_id).items.push(item);
    }
    for (wallet_id, item) in incoming(&mut view, user_id).await? {
        place(&mut found, wallet_id).items.push(item);
    }
    if movements > 0 {
        for row in &wallets {
            let rows: Vec<StatementRow> = view
                .rows(
                    "WHERE t.wallet_id = $1 ORDER BY t.entry_no DESC LIMIT $2",
                    arguments![row.wallet_id.to_string(), bounded(movements)],
                )
                .await?;
            let items = rows.into_iter().map(moved);
            place(&mut found, row.wallet_id).items.extend(items);
        }
    }
    Ok(view.as_of(found.into_values().collect()))
}

const fn empty(wallet_id: WalletId) -> Whereabouts {
    Whereabouts {
        wallet_id,
        currency: wallet_id.currency,
        posted_minor: 0,
        held_minor: 0,
        available_minor: 0,
        items: Vec::new(),
    }
}

fn place(found: &mut BTreeMap<WalletId, Whereabouts>, wallet_id: WalletId) -> &mut Whereabouts {
    found.entry(wallet_id).or_insert_with(|| empty(wallet_id))
}

/// The operation that a hold's purpose names.
fn operation(purpose: &str) -> Option<(ItemKind, Uuid)> {
    let (kind, id) = purpose.split_once(':')?;
    let kind = match kind {
        "payout" => ItemKind::Payout,
        "transfer" => ItemKind::Transfer,
        "refund" => ItemKind::Refund,
        "job" => ItemKind::Job,
        _ => return None,
    };
    Some((kind, Uuid::from_str(id).ok()?))
}

async fn stories(
    view: &mut View,
    holds: &[HoldRow],
) -> Result<HashMap<(ItemKind, Uuid), Story>, Fault> {
    let mut wanted: HashMap<ItemKind, Vec<Uuid>> = HashMap::new();
    for (kind, id) in holds.iter().filter_map(|hold| operation(&hold.purpose)) {
        wanted.entry(kind).or_default().push(id);
    }
    let mut stories = HashMap::new();
    for (kind, ids) in wanted {
        match kind {
            ItemKind::Payout => {
                let rest = "WHERE t.payout_id = ANY($1)";
                let rows: Vec<PayoutRow> = view.rows_of(PAYOUTS, rest, arguments![ids]).await?;
                for row in rows {
                    let PayoutId(id) = row.payout_id;
                    stories.insert((kind, id), waits::payout(row));
                }
            }
            ItemKind::Transfer => {
                let rest = "WHERE t.transfer_id = ANY($1)";
                let rows: Vec<TransferRow> = view.rows_of(PAYMENTS, rest, arguments![ids]).await?;
                for row in rows {
                    let TransferId(id) = row.transfer_id;
                    stories.insert((kind, id), waits::transfer(row));
                }
            }
            ItemKind::Refund => {
                let rest = "WHERE t.refund_id = ANY($1)";
                let rows: Vec<RefundRow> = view.rows_of(PAYMENTS, rest, arguments![ids]).await?;
                for row in rows {
                    let RefundId(id) = row.refund_id;
                    stories.insert((kind, id), waits::refund(row));
                }
            }
            ItemKind::Job => {
                let rest = "WHERE t.job_id = ANY($1)";
                let rows: Vec<JobRow> = view.rows_of(JOBS, rest, arguments![ids]).await?;
                for row in rows {
                    let JobId(id) = row.job_id;
                    stories.insert((kind, id), waits::job(row));
                }
            }
            ItemKind::Hold | ItemKind::Payment | ItemKind::Movement => {}
        }
    }
    Ok(stories)
}

fn held(hold: &HoldRow, stories: &HashMap<(ItemKind, Uuid), Story>) -> MoneyItem {
    let named = operation(&hold.purpose);
    let mut item = MoneyItem {
        kind: named.map_or(ItemKind::Hold, |(kind, _)| kind),
        direction: Direction::Out,
        amount: Money::new(hold.left_minor, hold.currency),
        since: hold.placed_at,
        state: hold.state.clone(),
        waits_for: WaitsFor::Owner,
        until: Some(hold.expires_at),
        reason: None,
        reference: hold.purpose.clone(),
    };
    if let Some(named) = named {
        // A read model that is a little behind knows the hold before the operation.
        item.waits_for = WaitsFor::NextStep;
        item.until = None;
        if let Some(story) = stories.get(&named) {
            item.state.clone_from(&story.state);
            item.waits_for = story.waits_for;
            item.until = story.until;
            item.reason.clone_from(&story.reason);
        }
    }
    item
}

/// Payments that are not finished or that a person must decide, and transfers from others.
async fn incoming(view: &mut View, user_id: UserId) -> Result<Vec<(WalletId, MoneyItem)>, Fault> {
    let mut items = Vec::new();
    let limit = i64::from(PAGE_MAX);
    let payments: Vec<PaymentRow> = view
        .rows_of(
            PAYMENTS,
            "WHERE t.user_id = $1 AND t.state IN ('intended', 'sending', 'pending', 'awaiting_capture', 'quarantined')
             ORDER BY t.intended_at DESC LIMIT $2",
            arguments![user_id.0, limit],
        )
        .await?;
    for row in payments {
        let amount = match (row.paid_minor, row.paid_currency) {
            (Some(minor), Some(currency)) => Money::new(minor, currency),
            _ => Money::new(row.amount_minor, row.currency),
        };
        let (wallet_id, since) = (row.wallet_id, row.intended_at);
        let reference = format!("payment:{}", row.payment_id);
        let story = waits::payment(row);
        let kind = ItemKind::Payment;
        items.push((wallet_id, coming(kind, amount, since, story, reference)));
    }
    let transfers: Vec<TransferRow> = view
        .rows_of(
            PAYMENTS,
            "WHERE t.to_user = $1 AND t.state = 'held' ORDER BY t.requested_at DESC LIMIT $2",
            arguments![user_id.0, limit],
        )
        .await?;
    for row in transfers {
        let amount = Money::new(row.credited_minor, row.credited_currency);
        let (wallet_id, since) = (row.to_wallet, row.requested_at);
        let reference = format!("transfer:{}", row.transfer_id);
        let story = waits::transfer(row);
        let kind = ItemKind::Transfer;
        items.push((wallet_id, coming(kind, amount, since, story, reference)));
    }
    Ok(items)
}

fn coming(
    kind: ItemKind,
    amount: Money,
    since: DateTime<Utc>,
    story: Story,
    reference: String,
) -> MoneyItem {
    MoneyItem {
        kind,
        direction: Direction::In,
        amount,
        since,
        state: story.state,
        waits_for: story.waits_for,
        until: story.until,
        reason: story.reason,
        reference,
    }
}

fn moved(row: StatementRow) -> MoneyItem {
    MoneyItem {
        kind: ItemKind::Movement,
        direction: if row.side == "credit" {
            Direction::In
        } else {
            Direction::Out
        },
        amount: Money::new(row.amount_minor, row.currency),
        since: row.booked_at,
        state: row.kind,
        waits_for: WaitsFor::Nothing,
        until: None,
        reason: None,
        reference: row.reference,
    }
}
