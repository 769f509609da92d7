//! What the one message of a receipt says at each stage: a pure function of where the receipt stands.

use chrono::NaiveDateTime;
use kvit_domain::ids::ReceiptId;
use kvit_domain::money::{Currency, Money};
use kvit_domain::payout::{Payout, PayoutState};
use kvit_domain::phone::Phone;
use kvit_domain::receipt::{Receipt, ReceiptState};
use kvit_domain::rules::Reason;
use kvit_domain::user::Language;
use kvit_projections::queries::payouts::PayoutRow;

use crate::actions::{Action, Button, Drawn};
use crate::render_money::Wait;
use crate::texts::format::{cut, escape, local, money, short_number};
use crate::texts::{Key, Value, advice_key, key, reason_key, say};

/// Photos with a shorter edge, in pixels, read badly.
pub const SMALL_PHOTO_PX: u32 = 600;

/// Where a receipt stands, from its photo to the money on the phone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Stage {
    Reading,
    Read,
    Accepted(Money),
    Credited(Money),
    Sending(Money),
    /// The payout waits before its next step and goes on by itself.
    Waiting(Money, Wait),
    /// The attempt failed without moving money; another one follows.
    Retrying(Money),
    Paid(Money),
    Unknown(Money),
    PayoutInReview(Money),
    PayoutFailed(Money),
    Reversed(Money),
    Rejected(Vec<Reason>),
    InReview {
        reasons: Vec<Reason>,
        appealed: bool,
    },
}

/// What the message shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptView {
    /// The receipt.
    pub id: ReceiptId,
    /// Where it stands.
    pub stage: Stage,
    /// When the purchase was, local time.
    pub purchased_at: Option<NaiveDateTime>,
    /// The total of the purchase.
    pub total: Option<Money>,
    /// Whether a hint to photograph again is due.
    pub small_photo: bool,
    /// Whether the shopper may ask for a person.
    pub can_appeal: bool,
    /// The number that is topped up, masked.
    pub phone: String,
}

impl ReceiptView {
    /// The view of a photo that has just arrived.
    #[must_use]
    pub fn received(id: ReceiptId, short_edge_px: u32) -> Self {
        Self {
            id,
            stage: Stage::Reading,
            purchased_at: None,
            total: None,
            small_photo: short_edge_px < SMALL_PHOTO_PX,
            can_appeal: false,
            phone: String::new(),
        }
    }

    /// The view of a receipt with the payout of its reward, if there is one.
    #[must_use]
    pub fn of(
        id: ReceiptId,
        receipt: &Receipt,
        payout: Option<&Payout>,
        phone: Option<&Phone>,
    ) -> Self {
        let recognition = receipt.recognition.as_deref();
        Self {
            id,
            stage: stage(receipt, payout),
            purchased_at: recognition
                .and_then(kvit_domain::recognition::Recognition::purchase_time),
            total: recognition.and_then(|read| Some(Money::new(read.total()?, read.currency))),
            small_photo: recognition.is_some_and(|read| read.short_edge_px < SMALL_PHOTO_PX),
            can_appeal: receipt.state == ReceiptState::Rejected
                && !receipt.appealed
                && recognition.is_some(),
            phone: phone.map_or_else(|| "…".to_owned(), Phone::masked),
        }
    }
}

fn stage(receipt: &Receipt, payout: Option<&Payout>) -> Stage {
    Stage::of(&Standing {
        state: receipt.state,
        payout: payout.map(PayoutStanding::of),
        reward: receipt.reward,
        reasons: &receipt.reasons,
        appealed: receipt.appealed,
    })
}

/// The facts that a stage follows from, wherever they were read.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// State of the receipt.
    pub state: ReceiptState,
    /// The latest payout of its reward.
    pub payout: Option<PayoutStanding>,
    /// What it earned.
    pub reward: Option<Money>,
    /// Why it was rejected or is in review.
    pub reasons: &'a [Reason],
    /// Whether the shopper asked for a person.
    pub appealed: bool,
}

/// The facts about a payout that a stage follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayoutStanding {
    /// Where it stands.
    pub state: PayoutState,
    /// Current attempt, from 1.
    pub attempt: u32,
    /// Why it waits, if it does.
    pub wait: Option<Wait>,
}

impl PayoutStanding {
    /// The facts of a payout.
    #[must_use]
    pub fn of(payout: &Payout) -> Self {
        Self {
            state: payout.state,
            attempt: payout.attempt,
            wait: Wait::of(payout),
        }
    }

    /// The facts of a payout out of the read model, which knows it in this state.
    #[must_use]
    pub fn of_row(state: PayoutState, row: &PayoutRow) -> Self {
        Self {
            state,
            attempt: u32::try_from(row.attempt).unwrap_or(1),
            wait: Wait::of_row(state, row),
        }
    }
}

impl Stage {
    /// The stage that follows from the facts.
    #[must_use]
    pub fn of(standing: &Standing<'_>) -> Self {
        let reward = standing.reward.unwrap_or(Money::zero(Currency::Uah));
        let reasons = || standing.reasons.to_vec();
        match standing.state {
            ReceiptState::New | ReceiptState::Submitted => Self::Reading,
            ReceiptState::Recognised | ReceiptState::RecognitionFailed => Self::Read,
            ReceiptState::InReview => Self::InReview {
                reasons: reasons(),
                appealed: standing.appealed,
            },
            ReceiptState::Rejected => Self::Rejected(reasons()),
            ReceiptState::Accepted => Self::Accepted(reward),
            ReceiptState::Rewarded => standing.payout.map_or(Self::Credited(reward), |payout| {
                Self::paying(reward, &payout)
            }),
        }
    }

    fn paying(reward: Money, payout: &PayoutStanding) -> Self {
        if let Some(wait) = payout.wait {
            return Self::Waiting(reward, wait);
        }
        match payout.state {
            PayoutState::New => Self::Credited(reward),
            PayoutState::Held if payout.attempt > 1 => Self::Retrying(reward),
            PayoutState::Held | PayoutState::Created | PayoutState::Sent | PayoutState::Pending => {
                Self::Sending(reward)
            }
            PayoutState::Unknown => Self::Unknown(reward),
            PayoutState::InReview => Self::PayoutInReview(reward),
            PayoutState::Succeeded => Self::Paid(reward),
            PayoutState::Failed => Self::PayoutFailed(reward),
            PayoutState::Reversed => Self::Reversed(reward),
        }
    }
}

/// The stage in a few words, for lists.
#[must_use]
pub fn state_in_words(stage: &Stage, language: Language) -> String {
    let key = match stage {
        Stage::Reading => key!("state-reading"),
        Stage::Read => key!("state-read"),
        Stage::Accepted(_) => key!("state-accepted"),
        Stage::Credited(_) => key!("state-credited"),
        Stage::Sending(_) => key!("state-sending"),
        Stage::Waiting(_, wait) => wait.state_key(),
        Stage::Retrying(_) => key!("state-retry"),
        Stage::Paid(_) => key!("state-paid"),
        Stage::Unknown(_) => key!("state-unknown"),
        Stage::PayoutInReview(_) => key!("state-payout-review"),
        Stage::PayoutFailed(_) => key!("state-payout-failed"),
        Stage::Reversed(_) => key!("state-reversed"),
        Stage::Rejected(_) => key!("state-rejected"),
        Stage::InReview { .. } => key!("state-review"),
    };
    say(language, &key, &[])
}

/// A reason in words, with the facts that it carries.
#[must_use]
pub fn reason_in_words(reason: &Reason, language: Language) -> String {
    let count = |fact: &str| {
        Value::Count(
            reason
                .facts
                .get(fact)
                .and_then(|text| text.parse().ok())
                .unwrap_or_default(),
        )
    };
    say(
        language,
        &reason_key(reason.code),
        &[("days", count("window_days")), ("limit", count("limit"))],
    )
}

/// The message of a receipt.
#[must_use]
pub fn render(view: &ReceiptView, language: Language) -> Drawn {
    let (title, body) = words(&view.stage);
    let args = |reward: Option<Money>| {
        let mut args: Vec<(&'static str, Value)> = vec![("phone", view.phone.as_str().into())];
        args.extend(reward.map(|reward| ("reward", Value::Text(money(reward)))));
        args
    };
    let args = args(reward(&view.stage));
    let mut lines = vec![format!("<b>{}</b>", say(language, &title, &args))];
    let facts: Vec<String> = [view.purchased_at.map(local), view.total.map(money)]
        .into_iter()
        .flatten()
        .collect();
    if !facts.is_empty() {
        lines.push(escape(&facts.join(" · ")));
    }
    lines.push(String::new());
    match &view.stage {
        Stage::Rejected(reasons) => {
            lines.push(say(language, &body, &[("count", reasons.len().into())]));
            lines.extend(reasons.iter().map(|reason| {
                let advice = say(language, &advice_key(reason.code), &[]);
                format!("• {} {advice}", reason_in_words(reason, language))
            }));
        }
        Stage::InReview {
            reasons,
            appealed: false,
        } => {
            lines.push(say(language, &body, &[]));
            lines.extend(
                reasons
                    .iter()
                    .map(|reason| format!("• {}", reason_in_words(reason, language))),
            );
        }
        _ => lines.push(say(language, &body, &args)),
    }
    let hint_helps = matches!(
        view.stage,
        Stage::Reading | Stage::Rejected(_) | Stage::InReview { .. }
    );
    if view.small_photo && hint_helps {
        lines.push(say(language, &key!("receipt-hint-small"), &[]));
    }
    lines.push(String::new());
    lines.push(say(
        language,
        &key!("receipt-number"),
        &[("number", short_number(view.id).into())],
    ));
    Drawn {
        html: cut(&lines.join("\n"), crate::texts::format::MAX_MESSAGE),
        buttons: buttons(view, language),
    }
}

fn words(stage: &Stage) -> (Key, Key) {
    match stage {
        Stage::Reading => (key!("receipt-reading-title"), key!("receipt-reading-body")),
        Stage::Read => (key!("receipt-read-title"), key!("receipt-read-body")),
        Stage::Accepted(_) => (
            key!("receipt-accepted-title"),
            key!("receipt-accepted-body"),
        ),
        Stage::Credited(_) => (
            key!("receipt-credited-title"),
            key!("receipt-credited-body"),
        ),
        Stage::Sending(_) => (key!("receipt-sending-title"), key!("receipt-sending-body")),
        Stage::Waiting(_, wait) => (key!("receipt-waiting-title"), wait.key()),
        Stage::Retrying(_) => (key!("receipt-retry-title"), key!("receipt-retry-body")),
        Stage::Paid(_) => (key!("receipt-paid-title"), key!("receipt-paid-body")),
        Stage::Unknown(_) => (key!("receipt-unknown-title"), key!("receipt-unknown-body")),
        Stage::PayoutInReview(_) => (
            key!("receipt-payout-review-title"),
            key!("receipt-payout-review-body"),
        ),
        Stage::PayoutFailed(_) => (
            key!("receipt-payout-failed-title"),
            key!("receipt-payout-failed-body"),
        ),
        Stage::Reversed(_) => (
            key!("receipt-reversed-title"),
            key!("receipt-reversed-body"),
        ),
        Stage::Rejected(_) => (
            key!("receipt-rejected-title"),
            key!("receipt-rejected-body"),
        ),
        Stage::InReview { appealed: true, .. } => (
            key!("receipt-appealed-title"),
            key!("receipt-appealed-body"),
        ),
        Stage::InReview {
            appealed: false, ..
        } => (key!("receipt-review-title"), key!("receipt-review-body")),
    }
}

const fn reward(stage: &Stage) -> Option<Money> {
    match stage {
        Stage::Accepted(reward)
        | Stage::Credited(reward)
        | Stage::Sending(reward)
        | Stage::Waiting(reward, _)
        | Stage::Retrying(reward)
        | Stage::Paid(reward)
        | Stage::Unknown(reward)
        | Stage::PayoutInReview(reward)
        | Stage::PayoutFailed(reward)
        | Stage::Reversed(reward) => Some(*reward),
        Stage::Reading | Stage::Read | Stage::Rejected(_) | Stage::InReview { .. } => None,
    }
}

fn buttons(view: &ReceiptView, language: Language) -> Vec<Vec<Button>> {
    let button = |key: Key, action| Button::Act(say(language, &key, &[]), action);
    let details = || button(key!("button-details"), Action::Details { receipt: view.id });
    let again = || button(key!("button-again"), Action::SendAnother);
    match &view.stage {
        // Soon something else; a button would move away under the finger.
        Stage::Reading
        | Stage::Read
        | Stage::Accepted(_)
        | Stage::Credited(_)
        | Stage::Sending(_) => Vec::new(),
        Stage::Paid(_) => vec![vec![again(), details()]],
        Stage::Rejected(_) if view.can_appeal => vec![
            vec![again(), details()],
            vec![button(
                key!("button-appeal"),
                Action::Appeal { receipt: view.id },
            )],
        ],
        Stage::Rejected(_) => vec![vec![again(), details()]],
        Stage::PayoutFailed(_) => {
            vec![
                vec![button(key!("button-change-number"), Action::ChangeNumber)],
                vec![again(), details()],
            ]
        }
        Stage::InReview { .. }
        | Stage::Waiting(..)
        | Stage::Retrying(_)
        | Stage::Unknown(_)
        | Stage::PayoutInReview(_)
        | Stage::Reversed(_) => vec![vec![again(), details()]],
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
