//! What a person has: balance, receipts one after another, one receipt in detail.

use std::time::Duration;

use kvit_domain::ids::ReceiptId;
use kvit_domain::money::Money;
use kvit_domain::receipt::ReceiptState;
use kvit_domain::recognition::Recognition;
use kvit_domain::rejection::Rejection;
use kvit_projections::Fault;
use kvit_projections::queries::{payouts, projection, receipts, users, wait_for};
use serde::de::DeserializeOwned;

use crate::actions::{Action, Button, Drawn};
use crate::render::{
    PayoutStanding, ReceiptView, Stage, Standing, reason_in_words, state_in_words,
};
use crate::texts::format::{MAX_MESSAGE, cut, escape, local, moment, money, short_number};
use crate::texts::key;
use crate::trouble::Trouble;
use crate::turn::Turn;

/// Receipts on a page of the history.
const PAGE: u32 = 5;
/// Pages that one can turn back.
const TRAIL_MAX: usize = 12;
/// Lines of goods in the details.
const ITEMS_MAX: usize = 15;
/// How long an answer waits for the read models to show what the person has just done.
const PATIENCE: Duration = Duration::from_millis(1_500);

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Transient(reason) => Self::transient(reason),
            // Being built for the first time.
            Fault::NotBuilt(name) => {
                Self::transient(format!("the read model {name} is not there yet"))
            }
            other => Self::Fatal(other.to_string()),
        }
    }
}

/// Lets the read models come as far as the log is now. Late is no trouble: then the answer is some moments old.
pub(super) async fn catch_up(turn: &Turn, names: &[&str]) -> Result<(), Trouble> {
    let head = turn.env.app.head().await?;
    if wait_for(&turn.env.pool, names, head, PATIENCE)
        .await
        .is_err()
    {
        metrics::counter!("kvit_telegram_stale_answers_total").increment(1);
    }
    Ok(())
}

pub(crate) async fn balance(turn: &Turn) -> Result<(), Trouble> {
    catch_up(turn, &[projection::RECEIPTS, projection::LEDGER]).await?;
    let bonuses = users::bonuses(&turn.env.pool, turn.user_id).await?.data;
    let mut lines = vec![turn.say(&key!("balance-title"), &[]), String::new()];
    if bonuses.money.is_empty() && bonuses.receipts.is_empty() {
        lines.push(turn.say(&key!("balance-empty"), &[]));
        return turn.answer(Drawn::text(lines.join("\n"))).await;
    }
    for sum in &bonuses.money {
        let shown = |minor| money(Money::new(minor, sum.currency)).into();
        lines.push(turn.say(
            &key!("balance-available"),
            &[("amount", shown(sum.available_minor))],
        ));
        if sum.underway_minor > 0 {
            lines.push(turn.say(
                &key!("balance-held"),
                &[("amount", shown(sum.underway_minor))],
            ));
        }
        lines.push(turn.say(&key!("balance-paid"), &[("amount", shown(sum.paid_minor))]));
        lines.push(String::new());
    }
    let count = |states: &[ReceiptState]| -> i64 {
        states
            .iter()
            .filter_map(|state| bonuses.receipts.get(state.code()))
            .sum()
    };
    let all: i64 = bonuses.receipts.values().sum();
    let accepted = count(&[ReceiptState::Accepted, ReceiptState::Rewarded]);
    let rejected = count(&[ReceiptState::Rejected]);
    lines.push(turn.say(&key!("balance-receipts"), &[("count", all.into())]));
    let args = [
        ("accepted", accepted.into()),
        ("rejected", rejected.into()),
        (
            "pending",
            all.saturating_sub(accepted).saturating_sub(rejected).into(),
        ),
    ];
    lines.push(turn.say(&key!("balance-counts"), &args));
    turn.answer(Drawn::text(lines.join("\n"))).await
}

pub(crate) async fn history(turn: &Turn) -> Result<(), Trouble> {
    let slot = format!("history:{}", turn.update_id);
    history_page(turn, &slot, &[]).await
}

/// Shows the page that the last cursor of the trail leads to, in the message of the slot.
pub(crate) async fn history_page(turn: &Turn, slot: &str, trail: &[String]) -> Result<(), Trouble> {
    catch_up(turn, &[projection::RECEIPTS, projection::PAYOUTS]).await?;
    let filter = receipts::ReceiptFilter {
        user_id: Some(turn.user_id),
        ..Default::default()
    };
    let cursor = trail.last().map(String::as_str);
    let page = receipts::search(&turn.env.pool, &filter, cursor, PAGE)
        .await?
        .data;
    let mut lines = vec![turn.say(&key!("history-title"), &[])];
    if page.items.is_empty() && trail.is_empty() {
        lines.push(turn.say(&key!("history-empty"), &[]));
    }
    let paying: Vec<_> = page.items.iter().filter_map(|row| row.payout_id).collect();
    let payouts = if paying.is_empty() {
        Vec::new()
    } else {
        payouts::by_ids(&turn.env.pool, &paying).await?.data
    };
    for row in &page.items {
        let payout = payouts
            .iter()
            .find(|payout| row.payout_id == Some(payout.payout_id));
        lines.push(String::new());
        lines.extend(history_lines(turn, row, payout));
    }
    let mut buttons = Vec::new();
    let mut turn_page = |label, trail| {
        buttons.push(Button::Act(
            label,
            Action::History {
                slot: slot.to_owned(),
                trail,
            },
        ));
    };
    if let Some((_, newer)) = trail.split_last() {
        turn_page(turn.say(&key!("button-newer"), &[]), newer.to_vec());
    }
    if let Some(next) = page.next {
        lines.push(String::new());
        lines.push(turn.say(&key!("history-more"), &[]));
        let skip = (trail.len() + 1).saturating_sub(TRAIL_MAX);
        let older = trail.iter().cloned().chain([next]).skip(skip).collect();
        turn_page(turn.say(&key!("button-older"), &[]), older);
    }
    let mut drawn = Drawn::text(cut(&lines.join("\n"), MAX_MESSAGE));
    if !buttons.is_empty() {
        drawn = drawn.row(buttons);
    }
    let content = turn.content(drawn).await?;
    turn.wish(slot, content, turn.env.clock.now().timestamp_millis())
        .await
}

fn history_lines(
    turn: &Turn,
    row: &receipts::ReceiptRow,
    payout: Option<&payouts::PayoutRow>,
) -> Vec<String> {
    let when = row
        .purchased_at
        .map_or_else(|| moment(row.submitted_at, turn.env.config.zone), local);
    let total = row
        .total_minor
        .zip(row.currency)
        .map(|(minor, currency)| money(Money::new(minor, currency)));
    let reward = row
        .reward_minor
        .zip(row.reward_currency)
        .map(|(minor, currency)| Money::new(minor, currency));
    // The receipts' read model may be ahead of the one of payouts: then it says no more than the state.
    let read = |row: &payouts::PayoutRow| {
        let state = named(&row.state)?;
        Some(PayoutStanding::of_row(state, row))
    };
    let known = || {
        let state = row.payout_state.as_deref().and_then(named)?;
        Some(PayoutStanding {
            state,
            attempt: 1,
            wait: None,
        })
    };
    let stage = Stage::of(&Standing {
        state: named(&row.state).unwrap_or_default(),
        payout: payout.and_then(read).or_else(known),
        reward,
        reasons: &row.reasons.0,
        appealed: row.appealed,
    });
    let head = [Some(when), total]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" · ");
    let number = turn.say(
        &key!("receipt-number"),
        &[("number", short_number(row.receipt_id).into())],
    );
    let mut state = state_in_words(&stage, turn.language);
    if let Some(reward) = reward {
        state = format!("{state} · {}", money(reward));
    }
    let mut lines = vec![
        format!("<b>{}</b>", escape(&head)),
        format!("{number}: {state}"),
    ];
    if let Stage::Rejected(reasons) | Stage::InReview { reasons, .. } = &stage {
        lines.extend(
            reasons
                .iter()
                .map(|reason| format!("• {}", reason_in_words(reason, turn.language))),
        );
    }
    lines
}

/// A state by its name in the tables.
fn named<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(name.to_owned())).ok()
}

/// One receipt in detail, to its owner.
pub(crate) async fn details(turn: &Turn, id: ReceiptId) -> Result<(), Trouble> {
    let receipt = turn.env.app.receipt(id).await?;
    if receipt.user_id != Some(turn.user_id) {
        return Err(Rejection::new("not_found", "there is no such receipt").into());
    }
    turn.answer(Drawn::text(details_of(turn, id, &receipt).await?))
        .await
}

/// What is known of a receipt, as text.
pub(crate) async fn details_of(
    turn: &Turn,
    id: ReceiptId,
    receipt: &kvit_domain::receipt::Receipt,
) -> Result<String, Trouble> {
    let payout = turn.env.app.latest_payout(id).await?;
    let view = ReceiptView::of(id, receipt, payout.as_ref().map(|(_, payout)| payout), None);
    let mut lines = vec![turn.say(&key!("details-title"), &[("number", id.to_string().into())])];
    if let Some(at) = receipt.submitted_at {
        let date = moment(at, turn.env.config.zone);
        lines.push(turn.say(&key!("details-submitted"), &[("date", date.into())]));
    }
    if let Some(at) = view.purchased_at {
        lines.push(turn.say(&key!("details-purchased"), &[("date", local(at).into())]));
    }
    if let Some(total) = view.total {
        lines.push(turn.say(&key!("details-total"), &[("total", money(total).into())]));
    }
    let read = receipt.recognition.as_deref();
    if let Some(merchant) = read.and_then(|read| read.merchant.as_ref()) {
        lines.push(turn.say(
            &key!("details-merchant"),
            &[("merchant", cut(&merchant.value, 100).into())],
        ));
    }
    if let Some(reward) = receipt.reward {
        lines.push(turn.say(&key!("details-reward"), &[("reward", money(reward).into())]));
    }
    let state = state_in_words(&view.stage, turn.language);
    lines.push(turn.say(&key!("details-state"), &[("state", state.into())]));
    lines.extend(
        receipt
            .reasons
            .iter()
            .map(|reason| format!("• {}", reason_in_words(reason, turn.language))),
    );
    if let Some(read) = read.filter(|read| !read.items.is_empty()) {
        lines.push(String::new());
        lines.extend(goods(turn, read));
    }
    Ok(cut(&lines.join("\n"), MAX_MESSAGE))
}

fn goods(turn: &Turn, read: &Recognition) -> Vec<String> {
    let mut lines = vec![turn.say(
        &key!("details-items"),
        &[("count", read.items.len().into())],
    )];
    lines.extend(read.items.iter().take(ITEMS_MAX).map(|item| {
        let sum = money(Money::new(
            item.sum_minor.saturating_sub(item.discount_minor),
            read.currency,
        ));
        format!("• {} — {sum}", escape(&cut(&item.name, 60)))
    }));
    let left = read.items.len().saturating_sub(ITEMS_MAX);
    if left > 0 {
        lines.push(turn.say(&key!("details-more"), &[("count", left.into())]));
    }
    lines
}
