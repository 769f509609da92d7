//! What the messages of payouts, top-ups and refunds say: pure functions of where the money stands.
//!
//! Each says where the money is now, since that is what people ask first: on its way, on the balance, or back with the payer.

use kvit_domain::ids::{PaymentId, PayoutId};
use kvit_domain::money::Money;
use kvit_domain::payment::{Payment, PaymentState, Refund, RefundState};
use kvit_domain::payout::{Payout, PayoutMethod, PayoutState};
use kvit_domain::user::Language;
use kvit_projections::queries::payouts::PayoutRow;
use url::Url;

use crate::actions::{Button, Drawn};
use crate::texts::format::{MAX_MESSAGE, cut, money, short_id};
use crate::texts::{Key, Value, key, say};

/// Longest address that is shown; a longer one is no use to a person.
const URL_MAX: usize = 2_048;

/// Why a payout waits, as far as it matters to the person who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The day's limit is used up; the next day has room.
    Tomorrow,
    /// No payouts go through the provider now.
    Provider,
    /// No day has room for it: a person decides.
    Person,
}

impl Wait {
    /// Why this payout waits; `None` when it does not.
    #[must_use]
    pub fn of(payout: &Payout) -> Option<Self> {
        let has_place = payout.budget_day.is_some();
        Self::at(
            payout.state,
            payout.postponed.as_deref()?,
            has_place,
            payout.retry_at.is_some(),
        )
    }

    /// The same out of the read model, which knows where the payout stands as `state`.
    #[must_use]
    pub fn of_row(state: PayoutState, row: &PayoutRow) -> Option<Self> {
        let has_place = row.budget_day.is_some();
        let until = row.postponed_until;
        Self::at(state, row.postponed.as_deref()?, has_place, until.is_some())
    }

    /// `has_place`: some day's budget is taken; `has_end`: it is known until when it waits.
    fn at(state: PayoutState, reason: &str, has_place: bool, has_end: bool) -> Option<Self> {
        if !matches!(state, PayoutState::Held | PayoutState::Created) {
            return None;
        }
        match reason {
            // It has got its place meanwhile and goes on.
            "daily_budget" if has_place => None,
            "daily_budget" if has_end => Some(Self::Tomorrow),
            "daily_budget" => Some(Self::Person),
            _ => Some(Self::Provider),
        }
    }

    /// What a person is told: why, that the money is safe, and that there is nothing to do.
    pub(crate) fn key(self) -> Key {
        match self {
            Self::Tomorrow => key!("waiting-tomorrow"),
            Self::Provider => key!("waiting-provider"),
            Self::Person => key!("waiting-person"),
        }
    }

    /// The same in a few words, for lists.
    pub(crate) fn state_key(self) -> Key {
        match self {
            Self::Tomorrow => key!("state-waiting-tomorrow"),
            Self::Provider => key!("state-waiting-provider"),
            Self::Person => key!("state-waiting-person"),
        }
    }
}

/// The message of a payout that belongs to no receipt. `None`: there is nothing to tell yet.
#[must_use]
pub fn render_payout(id: PayoutId, payout: &Payout, language: Language) -> Option<Drawn> {
    let terms = payout.terms.as_ref()?;
    let (title, body) = match (payout.state, Wait::of(payout)) {
        (PayoutState::New, _) => return None,
        (_, Some(wait)) => (key!("payout-waiting-title"), wait.key()),
        (PayoutState::Held, None) if payout.attempt > 1 => {
            (key!("payout-retry-title"), key!("payout-retry-body"))
        }
        (
            PayoutState::Held | PayoutState::Created | PayoutState::Sent | PayoutState::Pending,
            None,
        ) => (key!("payout-sending-title"), key!("payout-sending-body")),
        (PayoutState::Unknown, None) => (key!("payout-unknown-title"), key!("payout-unknown-body")),
        (PayoutState::InReview, None) => (key!("payout-review-title"), key!("payout-review-body")),
        (PayoutState::Succeeded, None) => (key!("payout-paid-title"), key!("payout-paid-body")),
        (PayoutState::Failed, None) => (key!("payout-failed-title"), key!("payout-failed-body")),
        (PayoutState::Reversed, None) => {
            (key!("payout-reversed-title"), key!("payout-reversed-body"))
        }
    };
    let to = match terms.method {
        PayoutMethod::MobileTopUp => key!("payout-to-mobile"),
        PayoutMethod::Sbp { .. } => key!("payout-to-sbp"),
        PayoutMethod::YoomoneyWallet => key!("payout-to-wallet"),
        PayoutMethod::CardToken => key!("payout-to-card"),
    };
    let args = [
        ("amount", Value::Text(money(terms.amount))),
        ("to", Value::Text(say(language, &to, &[]))),
    ];
    Some(message(
        language,
        &say(language, &title, &args),
        &[say(language, &body, &args)],
        (&key!("payout-number"), short_id(id.0)),
    ))
}

/// The message of a top-up and of what is given back of it. `None`: there is nothing to tell yet.
#[must_use]
pub fn render_payment(id: PaymentId, payment: &Payment, language: Language) -> Option<Drawn> {
    let asked = payment.terms.as_ref()?.amount;
    let number = (&key!("payment-number"), short_id(id.0));
    let said =
        |key: Key, amount: Money| say(language, &key, &[("amount", Value::Text(money(amount)))]);
    // What went back, or is about to, is the news; it can only follow money that came.
    if let (Some(paid), Some(back)) = (payment.paid, GivenBack::of(payment)) {
        let (title, body, also) = match back {
            GivenBack::UnderWay(amount, done) => (
                said(key!("refund-under-way-title"), amount),
                said(key!("refund-under-way-body"), amount),
                done,
            ),
            GivenBack::Failed(amount, done) => (
                said(key!("refund-failed-title"), amount),
                said(key!("refund-failed-body"), amount),
                done,
            ),
            GivenBack::Done(amount) => (
                said(key!("refund-done-title"), amount),
                said(key!("refund-done-body"), amount),
                None,
            ),
        };
        let mut lines = vec![said(key!("refund-of"), paid), String::new(), body];
        lines.extend(also.map(|amount| said(key!("refund-done-before"), amount)));
        return Some(message(language, &title, &lines, number));
    }
    // What two people agreed on is what the last of them was proposed.
    let credited = payment.proposed.as_ref().map(|(credited, _)| *credited);
    let (title, body) = match payment.state {
        // Some moments later there is an address to pay at, or a reason why there will be none.
        PaymentState::New | PaymentState::Intended | PaymentState::Sending => return None,
        PaymentState::Pending => return Some(to_be_paid(payment, asked, number, language)),
        PaymentState::AwaitingCapture => (key!("payment-held-title"), key!("payment-held-body")),
        PaymentState::Succeeded => (key!("payment-paid-title"), key!("payment-paid-body")),
        PaymentState::Canceled => (key!("payment-ended-title"), key!("payment-ended-body")),
        PaymentState::Quarantined => (
            key!("payment-checking-title"),
            key!("payment-checking-body"),
        ),
        PaymentState::Resolved => match credited {
            Some(Some(_)) => (key!("payment-paid-title"), key!("payment-paid-body")),
            Some(None) => (key!("payment-refused-title"), key!("payment-refused-body")),
            // Decided when nobody kept the decision here; the balance knows.
            None => (key!("payment-checked-title"), key!("payment-checked-body")),
        },
    };
    let amount = match (payment.state, credited) {
        (PaymentState::Succeeded, _) => payment.paid.unwrap_or(asked),
        (PaymentState::Resolved, Some(Some(credited))) => credited,
        _ => asked,
    };
    Some(message(
        language,
        &said(title, amount),
        &[said(body, amount)],
        number,
    ))
}

fn to_be_paid(
    payment: &Payment,
    asked: Money,
    number: (&Key, String),
    language: Language,
) -> Drawn {
    let url = payment.confirmation_url.as_deref();
    let (body, button) = match url.filter(|url| url.len() <= URL_MAX) {
        Some(url) if fits_a_button(url) => {
            let label = say(language, &key!("button-pay"), &[]);
            let button = Button::Open(label, url.to_owned());
            (
                say(language, &key!("payment-waiting-button"), &[]),
                Some(button),
            )
        }
        Some(url) => {
            let key = key!("payment-waiting-link");
            (say(language, &key, &[("url", url.into())]), None)
        }
        None => (say(language, &key!("payment-waiting-body"), &[]), None),
    };
    let args = [("amount", Value::Text(money(asked)))];
    let title = say(language, &key!("payment-waiting-title"), &args);
    let drawn = message(language, &title, &[body], number);
    match button {
        Some(button) => drawn.row([button]),
        None => drawn,
    }
}

/// Telegram refuses the whole message when it does not like a button's address, so only what is surely one becomes one.
fn fits_a_button(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        url.scheme() == "https" && url.domain().is_some_and(|domain| domain.contains('.'))
    })
}

/// What there is to tell about the refunds of a payment, with what was given back before.
enum GivenBack {
    UnderWay(Money, Option<Money>),
    Failed(Money, Option<Money>),
    Done(Money),
}

impl GivenBack {
    fn of(payment: &Payment) -> Option<Self> {
        let currency = payment.paid?.currency;
        let all = || payment.refunds.values();
        let sum = |wanted: fn(&Refund) -> bool| {
            let minor = all()
                .filter(|refund| wanted(refund))
                .fold(0_i64, |sum, refund| sum.saturating_add(refund.amount.minor));
            (minor > 0).then(|| Money::new(minor, currency))
        };
        let done = sum(|refund| refund.state == RefundState::Succeeded);
        if let Some(under_way) = sum(is_under_way) {
            return Some(Self::UnderWay(under_way, done));
        }
        let failed = all()
            .filter(|refund| refund.state == RefundState::Failed)
            .max_by_key(|refund| refund.sent_at);
        // One that failed is no news any more once one that was sent later has succeeded, or one that we had not asked for
        // has: a person made it at the provider, or it went through after all.
        let made_good = |failed: &Refund| {
            all()
                .filter(|other| other.state == RefundState::Succeeded)
                .any(|other| match other.hold_id {
                    Some(_) => failed.sent_at.is_some() && other.sent_at > failed.sent_at,
                    None => other.amount == failed.amount,
                })
        };
        match (failed.filter(|failed| !made_good(failed)), done) {
            (Some(failed), done) => Some(Self::Failed(failed.amount, done)),
            (None, Some(done)) => Some(Self::Done(done)),
            (None, None) => None,
        }
    }
}

fn is_under_way(refund: &Refund) -> bool {
    matches!(
        refund.state,
        RefundState::Intended | RefundState::Sending | RefundState::Pending
    )
}

fn message(language: Language, title: &str, body: &[String], number: (&Key, String)) -> Drawn {
    let (key, number) = number;
    let number = say(language, key, &[("number", number.into())]);
    let html = format!("<b>{title}</b>\n\n{}\n\n{number}", body.join("\n"));
    Drawn::text(cut(&html, MAX_MESSAGE))
}

#[cfg(test)]
#[path = "render_money_tests.rs"]
mod tests;
