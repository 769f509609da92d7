//! Where the money of a wallet is, for programs and in plain words.

use chrono::{DateTime, Utc};
use kvit_domain::money::Money;
use kvit_projections::queries::whereabouts::{
    Direction, ItemKind, MoneyItem as Item, WaitsFor, Whereabouts as Found,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::amount::Amount;

/// The money of one wallet.
#[derive(Debug, Serialize, ToSchema)]
pub struct Whereabouts {
    /// `<user>:<currency>`.
    pub wallet_id: String,
    /// Owner.
    pub user_id: Uuid,
    /// Booked.
    pub posted: Amount,
    /// Of that reserved.
    pub held: Amount,
    /// Of that free to be spent.
    pub available: Amount,
    /// What is held, what is on its way in, then the last movements; each part newest first.
    pub items: Vec<MoneyItem>,
    /// The same as English sentences: the balance first, then one for each item.
    pub sentences: Vec<String>,
}

/// A part of the money: what it is, since when, and what has to happen next.
#[derive(Debug, Serialize, ToSchema)]
pub struct MoneyItem {
    /// `payout`, `transfer`, `refund`, `job`, `hold`, `payment` or `movement`.
    #[schema(example = "payout")]
    pub kind: &'static str,
    /// `in` or `out` of the wallet.
    #[schema(example = "out")]
    pub direction: &'static str,
    /// How much.
    pub amount: Amount,
    /// Since when it is there.
    pub since: DateTime<Utc>,
    /// State of the operation; of a movement, what it was for.
    #[schema(example = "held")]
    pub state: String,
    /// What has to happen next, as a code such as `daily_budget`.
    #[schema(example = "daily_budget")]
    pub waits_for: &'static str,
    /// When that happens at the latest or is tried again, as far as it is known.
    pub until: Option<DateTime<Utc>>,
    /// Why: a code, or the provider's word.
    pub reason: Option<String>,
    /// `<operation>:<id>`, or what the booking or hold says itself.
    #[schema(example = "payout:7d1f0f5e-4a3b-4c2d-8e1f-0a9b8c7d6e5f")]
    pub reference: String,
}

impl From<Found> for Whereabouts {
    fn from(found: Found) -> Self {
        let amount = |minor| Money::new(minor, found.currency);
        let mut sentences = vec![balance(
            amount(found.posted_minor),
            amount(found.held_minor),
            amount(found.available_minor),
        )];
        sentences.extend(found.items.iter().map(sentence));
        Self {
            wallet_id: found.wallet_id.to_string(),
            user_id: found.wallet_id.user.0,
            posted: amount(found.posted_minor).into(),
            held: amount(found.held_minor).into(),
            available: amount(found.available_minor).into(),
            items: found.items.into_iter().map(Into::into).collect(),
            sentences,
        }
    }
}

impl From<Item> for MoneyItem {
    fn from(item: Item) -> Self {
        Self {
            kind: kind(item.kind),
            direction: match item.direction {
                Direction::In => "in",
                Direction::Out => "out",
            },
            amount: item.amount.into(),
            since: item.since,
            state: item.state,
            waits_for: item.waits_for.code(),
            until: item.until,
            reason: item.reason,
            reference: item.reference,
        }
    }
}

const fn kind(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Payout => "payout",
        ItemKind::Transfer => "transfer",
        ItemKind::Refund => "refund",
        ItemKind::Job => "job",
        ItemKind::Hold => "hold",
        ItemKind::Payment => "payment",
        ItemKind::Movement => "movement",
    }
}

fn money(money: Money) -> String {
    format!("{} {}", money.to_decimal(), money.currency)
}

fn at(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

fn balance(posted: Money, held: Money, available: Money) -> String {
    if held.minor == 0 {
        return format!("{} is in the wallet, all of it free.", money(posted));
    }
    format!(
        "{} is in the wallet: {} is free and {} is held.",
        money(posted),
        money(available),
        money(held)
    )
}

fn sentence(item: &Item) -> String {
    let (amount, since) = (money(item.amount), at(item.since));
    if item.kind == ItemKind::Movement {
        let went = match item.direction {
            Direction::In => "came in",
            Direction::Out => "went out",
        };
        let what = item.state.replace('_', " ");
        return format!("{amount} {went} at {since}: {what} ({}).", item.reference);
    }
    let is = match (item.direction, item.kind) {
        (Direction::In, _) => "is on its way in by",
        (Direction::Out, ItemKind::Refund) => "is held to go back to the payer by",
        (Direction::Out, _) => "is held for",
    };
    let named = item.reference.replacen(':', " ", 1);
    let mut text = format!(
        "{amount} {is} {named} since {since}; {}",
        waiting(item.waits_for)
    );
    if let Some(until) = item.until {
        text.push_str(&format!(", {}", limit(item.waits_for, until)));
    }
    if let Some(reason) = &item.reason {
        text.push_str(&format!(" ({reason})"));
    }
    text.push('.');
    text
}

const fn waiting(waits_for: WaitsFor) -> &'static str {
    match waits_for {
        WaitsFor::Nothing => "nothing is left to be done",
        WaitsFor::NextStep => "the next step is ours and comes by itself",
        WaitsFor::Retry => "the last try failed and it will be tried again",
        WaitsFor::DailyBudget => "the day's budget of payouts is used up",
        WaitsFor::Breaker => "the provider failed several times in a row and is left alone",
        WaitsFor::KillSwitch => "a person has stopped payouts through the provider",
        WaitsFor::ProviderAnswer => "the provider was asked and has not answered yet",
        WaitsFor::Provider => "the provider has accepted it and has not finished",
        WaitsFor::Clarification => {
            "nobody knows yet whether the provider has paid, and it is being asked"
        }
        WaitsFor::Operator => "a person must decide",
        WaitsFor::Payer => "the payer has not paid yet",
        WaitsFor::Capture => "it is paid and waits to be taken or given back",
        WaitsFor::Worker => "no worker has begun the job yet",
        WaitsFor::WorkerResult => "a worker is doing the job",
        WaitsFor::Owner => "whoever placed the hold must use it or give it up",
    }
}

fn limit(waits_for: WaitsFor, until: DateTime<Utc>) -> String {
    let word = match waits_for {
        WaitsFor::Retry | WaitsFor::DailyBudget | WaitsFor::Breaker => "not before",
        _ => "until",
    };
    format!("{word} {}", at(until))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use kvit_domain::money::Currency;

    use super::*;

    #[test]
    fn each_item_says_what_it_is_and_what_it_waits_for() {
        let since = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        let item = Item {
            kind: ItemKind::Payout,
            direction: Direction::Out,
            amount: Money::new(100, Currency::Uah),
            since,
            state: "held".to_owned(),
            waits_for: WaitsFor::DailyBudget,
            until: Some(since),
            reason: None,
            reference: "payout:17".to_owned(),
        };
        assert_eq!(
            sentence(&item),
            "1.00 UAH is held for payout 17 since 2026-11-18 11:06 UTC; the day's budget of payouts is used up, not before \
             2026-11-18 11:06 UTC."
        );
        let refund = Item {
            kind: ItemKind::Refund,
            waits_for: WaitsFor::Provider,
            until: None,
            reason: Some("slow".to_owned()),
            reference: "refund:18".to_owned(),
            ..item.clone()
        };
        assert_eq!(
            sentence(&refund),
            "1.00 UAH is held to go back to the payer by refund 18 since 2026-11-18 11:06 UTC; the provider has accepted it \
             and has not finished (slow)."
        );
        let movement = Item {
            kind: ItemKind::Movement,
            direction: Direction::In,
            state: "top_up".to_owned(),
            reference: "payment:19".to_owned(),
            ..item
        };
        assert_eq!(
            sentence(&movement),
            "1.00 UAH came in at 2026-11-18 11:06 UTC: top up (payment:19)."
        );
    }
}
