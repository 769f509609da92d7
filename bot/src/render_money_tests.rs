//! What people read about their money, in three languages.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "tests; an aggregate has fields that only it sets"
)]

use chrono::{DateTime, TimeDelta, Utc};
use kvit_domain::ids::{HoldId, RefundId, UserId, WalletId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::Currency;
use kvit_domain::payment::PaymentTerms;
use kvit_domain::payout::PayoutTerms;
use kvit_domain::sealed::Sealed;
use uuid::Uuid;

use super::*;

const HUNDRED: Money = Money::new(10_000, Currency::Rub);

fn user() -> UserId {
    UserId(Uuid::from_u128(7))
}

fn wallet() -> WalletId {
    WalletId {
        user: user(),
        currency: Currency::Rub,
    }
}

fn payout(state: PayoutState, method: PayoutMethod) -> Payout {
    let mut payout = Payout::default();
    payout.state = state;
    payout.attempt = 1;
    payout.terms = Some(PayoutTerms {
        user_id: user(),
        wallet_id: wallet(),
        amount: HUNDRED,
        destination: Sealed::from_sealed("sealed".into()),
        operator: None,
        provider: ProviderName::Yookassa,
        receipt_id: None,
        method,
    });
    payout
}

/// A payout that was postponed before its first step.
fn postponed(reason: &str, until: Option<i64>) -> Payout {
    let mut payout = payout(PayoutState::Held, PayoutMethod::CardToken);
    payout.postponed = Some(reason.to_owned());
    payout.retry_at = until.map(at);
    payout
}

fn payment(state: PaymentState) -> Payment {
    let mut payment = Payment::default();
    payment.state = state;
    payment.terms = Some(PaymentTerms {
        user_id: user(),
        wallet_id: wallet(),
        provider: ProviderName::Yookassa,
        amount: HUNDRED,
        capture: true,
        test: true,
        return_url: "https://kvit.example/return".into(),
        expires_at: at(60),
    });
    payment.paid = (state == PaymentState::Succeeded).then_some(HUNDRED);
    payment
}

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
}

fn refund(state: RefundState, minor: i64, sent: Option<i64>) -> Refund {
    Refund {
        state,
        amount: Money::new(minor, Currency::Rub),
        hold_id: sent.map(|number| HoldId(Uuid::from_u128(number.unsigned_abs().into()))),
        generation: 1,
        sent_at: sent.map(at),
        provider_refund_id: None,
        reason: String::new(),
    }
}

fn with_refunds(refunds: &[Refund]) -> Payment {
    let mut payment = payment(PaymentState::Succeeded);
    for (number, refund) in (1..).zip(refunds) {
        let id = RefundId(Uuid::from_u128(number));
        payment.refunds.insert(id, refund.clone());
    }
    payment
}

fn of_payout(payout: &Payout, language: Language) -> String {
    let id = PayoutId(Uuid::from_u128(0x9f3a_12bc));
    let drawn = render_payout(id, payout, language).unwrap();
    drawn.html.replace('\u{a0}', " ")
}

fn of_payment(payment: &Payment, language: Language) -> String {
    let id = PaymentId(Uuid::from_u128(0x9f3a_12bc));
    let drawn = render_payment(id, payment, language).unwrap();
    drawn.html.replace('\u{a0}', " ")
}

const STATES: [PayoutState; 9] = [
    PayoutState::Held,
    PayoutState::Created,
    PayoutState::Sent,
    PayoutState::Pending,
    PayoutState::Unknown,
    PayoutState::Succeeded,
    PayoutState::Failed,
    PayoutState::InReview,
    PayoutState::Reversed,
];

#[test]
fn a_payout_that_has_arrived_says_how_much_went_where() {
    let sbp = PayoutMethod::Sbp {
        bank_id: "100000000001".into(),
    };
    let paid = payout(PayoutState::Succeeded, sbp);
    assert_eq!(
        of_payout(&paid, Language::Uk),
        "<b>✅ Виплату 100,00 ₽ зараховано</b>\n\nГроші надійшли на ваш банківський рахунок.\n\nВиплата № 9F3A12BC"
    );
    assert_eq!(
        of_payout(&paid, Language::Ru),
        "<b>✅ Выплата 100,00 ₽ зачислена</b>\n\nДеньги поступили на ваш банковский счёт.\n\nВыплата № 9F3A12BC"
    );
    assert_eq!(
        of_payout(&paid, Language::En),
        "<b>✅ Payout of 100,00 ₽ has arrived</b>\n\nThe money has come to your bank account.\n\nPayout no. 9F3A12BC"
    );
}

#[test]
fn what_waits_says_why_and_that_it_goes_on_by_itself() {
    for (payout, wait, words) in [
        (
            postponed("daily_budget", Some(9)),
            Wait::Tomorrow,
            "tomorrow",
        ),
        (
            postponed("daily_budget", None),
            Wait::Person,
            "person decides",
        ),
        (
            postponed("breaker", Some(9)),
            Wait::Provider,
            "paused for now",
        ),
        (
            postponed("kill_switch", None),
            Wait::Provider,
            "paused for now",
        ),
    ] {
        assert_eq!(Wait::of(&payout), Some(wait));
        let said = of_payout(&payout, Language::En);
        assert!(
            said.contains("waits for its turn") && said.contains(words),
            "{said}"
        );
        assert!(said.contains("safe on your balance"), "{said}");
    }
}

#[test]
fn what_has_its_place_in_the_day_or_has_left_waits_no_more() {
    let mut placed = postponed("daily_budget", Some(9));
    placed.budget_day = chrono::NaiveDate::from_ymd_opt(2026, 11, 20);
    assert_eq!(Wait::of(&placed), None);
    for state in STATES {
        let is_before_the_call = matches!(state, PayoutState::Held | PayoutState::Created);
        let mut payout = postponed("daily_budget", Some(9));
        payout.state = state;
        assert_eq!(Wait::of(&payout).is_some(), is_before_the_call, "{state:?}");
    }
}

#[test]
fn a_link_becomes_a_button_only_where_telegram_takes_it() {
    let with = |url: Option<&str>| {
        let mut payment = payment(PaymentState::Pending);
        payment.confirmation_url = url.map(str::to_owned);
        render_payment(PaymentId(Uuid::from_u128(1)), &payment, Language::En).unwrap()
    };
    let good = with(Some("https://pay.example/confirm?order=1"));
    assert_eq!(
        good.buttons,
        [[Button::Open(
            "Pay".into(),
            "https://pay.example/confirm?order=1".into()
        )]]
    );
    for url in ["http://127.0.0.1:9/<b>", "https://localhost/", "nonsense"] {
        let drawn = with(Some(url));
        assert!(drawn.buttons.is_empty(), "{url}");
        assert!(
            drawn.html.contains("pay here") && !drawn.html.contains("/<b>"),
            "{}",
            drawn.html
        );
    }
    let endless = format!("https://pay.example/{}", "a".repeat(5_000));
    for url in [None, Some(endless.as_str())] {
        let drawn = with(url);
        assert!(drawn.buttons.is_empty() && !drawn.html.contains("pay.example"));
    }
}

#[test]
fn the_news_about_refunds_is_what_has_not_been_settled_yet() {
    use RefundState::{Failed, Pending, Succeeded};
    let said = |refunds: &[Refund]| of_payment(&with_refunds(refunds), Language::En);
    let done = said(&[
        refund(Succeeded, 3_000, Some(1)),
        refund(Succeeded, 500, None),
    ]);
    assert!(done.contains("35,00 ₽ returned"), "{done}");
    let on_its_way = said(&[
        refund(Succeeded, 3_000, Some(1)),
        refund(Pending, 200, Some(2)),
    ]);
    assert!(
        on_its_way.contains("2,00 ₽ is being returned")
            && on_its_way.contains("Returned before: 30,00 ₽"),
        "{on_its_way}"
    );
    let failed = said(&[
        refund(Succeeded, 3_000, Some(1)),
        refund(Failed, 200, Some(2)),
    ]);
    assert!(
        failed.contains("2,00 ₽ could not be returned")
            && failed.contains("stayed on your balance")
            && failed.contains("Returned before: 30,00 ₽"),
        "{failed}"
    );
    let made_good = said(&[
        refund(Failed, 200, Some(2)),
        refund(Succeeded, 200, Some(3)),
    ]);
    assert!(made_good.contains("2,00 ₽ returned"), "{made_good}");
    let after_all = said(&[refund(Failed, 200, Some(2)), refund(Succeeded, 200, None)]);
    assert_eq!(after_all, made_good);
    let another = said(&[refund(Failed, 200, Some(2)), refund(Succeeded, 700, None)]);
    assert!(
        another.contains("2,00 ₽ could not be returned"),
        "{another}"
    );
}

#[test]
fn a_top_up_has_no_message_before_the_provider_knows_it() {
    for state in [
        PaymentState::New,
        PaymentState::Intended,
        PaymentState::Sending,
    ] {
        let id = PaymentId(Uuid::from_u128(1));
        assert_eq!(render_payment(id, &payment(state), Language::Uk), None);
    }
}

#[test]
fn no_two_states_are_said_with_the_same_words_in_any_language() {
    let mut seen = std::collections::BTreeSet::new();
    let mut count = 0;
    let mut add = |html: String| {
        assert!(
            html.starts_with("<b>") && html.matches("</b>").count() == 1 && !html.contains('$'),
            "{html}"
        );
        assert!(
            !html.contains("payout-") && !html.contains("payment-") && !html.contains("refund-"),
            "{html}"
        );
        count += 1;
        seen.insert(html);
    };
    for language in Language::ALL {
        for state in [
            PayoutState::Held,
            PayoutState::Unknown,
            PayoutState::Succeeded,
            PayoutState::Failed,
            PayoutState::InReview,
            PayoutState::Reversed,
        ] {
            add(of_payout(&payout(state, PayoutMethod::CardToken), language));
        }
        let mut again = payout(PayoutState::Held, PayoutMethod::YoomoneyWallet);
        again.attempt = 2;
        add(of_payout(&again, language));
        for state in [
            PaymentState::Pending,
            PaymentState::AwaitingCapture,
            PaymentState::Succeeded,
            PaymentState::Canceled,
            PaymentState::Quarantined,
            PaymentState::Resolved,
        ] {
            add(of_payment(&payment(state), language));
        }
        let mut refused = payment(PaymentState::Resolved);
        refused.proposed = Some((None, "staff".to_owned()));
        add(of_payment(&refused, language));
        for state in [
            RefundState::Intended,
            RefundState::Succeeded,
            RefundState::Failed,
        ] {
            add(of_payment(
                &with_refunds(&[refund(state, 100, None)]),
                language,
            ));
        }
    }
    assert_eq!(seen.len(), count);
}
