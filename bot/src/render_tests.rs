//! What people read at each stage, in three languages.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use kvit_domain::rules::ReasonCode;
use uuid::Uuid;

use super::*;
use crate::texts::format::MAX_MESSAGE;

fn view(stage: Stage) -> ReceiptView {
    let day = chrono::NaiveDate::from_ymd_opt(2026, 11, 18).unwrap();
    ReceiptView {
        id: ReceiptId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_9f3a_12bc)),
        stage,
        purchased_at: day.and_hms_opt(15, 31, 0),
        total: Some(Money::new(9_530, Currency::Uah)),
        small_photo: false,
        can_appeal: false,
        phone: "+380 67 ***-**-67".to_owned(),
    }
}

const HRYVNIA: Money = Money::new(100, Currency::Uah);

fn all_stages() -> Vec<Stage> {
    let everything: Vec<Reason> = ReasonCode::ALL
        .iter()
        .map(|&code| Reason::new(code))
        .collect();
    vec![
        Stage::Reading,
        Stage::Read,
        Stage::Accepted(HRYVNIA),
        Stage::Credited(HRYVNIA),
        Stage::Sending(HRYVNIA),
        Stage::Waiting(HRYVNIA, Wait::Tomorrow),
        Stage::Waiting(HRYVNIA, Wait::Provider),
        Stage::Waiting(HRYVNIA, Wait::Person),
        Stage::Retrying(HRYVNIA),
        Stage::Paid(HRYVNIA),
        Stage::Unknown(HRYVNIA),
        Stage::PayoutInReview(HRYVNIA),
        Stage::PayoutFailed(HRYVNIA),
        Stage::Reversed(HRYVNIA),
        Stage::Rejected(everything.clone()),
        Stage::InReview {
            reasons: everything.clone(),
            appealed: false,
        },
        Stage::InReview {
            reasons: everything,
            appealed: true,
        },
    ]
}

fn html(stage: Stage, language: Language) -> String {
    render(&view(stage), language).html.replace('\u{a0}', " ")
}

#[test]
fn a_paid_receipt_says_how_much_went_where() {
    assert_eq!(
        html(Stage::Paid(HRYVNIA), Language::Uk),
        "<b>🎉 Бонус 1,00 ₴ виплачено</b>\n18.11.2026, 15:31 · 95,30 ₴\n\n\
         Номер +380 67 ***-**-67 поповнено. Дякую за чек!\n\nЧек № 9F3A12BC"
    );
    assert_eq!(
        html(Stage::Paid(HRYVNIA), Language::Ru),
        "<b>🎉 Бонус 1,00 ₴ выплачен</b>\n18.11.2026, 15:31 · 95,30 ₴\n\n\
         Номер +380 67 ***-**-67 пополнен. Спасибо за чек!\n\nЧек № 9F3A12BC"
    );
    assert_eq!(
        html(Stage::Paid(HRYVNIA), Language::En),
        "<b>🎉 Bonus of 1,00 ₴ paid</b>\n18.11.2026, 15:31 · 95,30 ₴\n\n\
         +380 67 ***-**-67 has been topped up. Thank you for the receipt!\n\nReceipt no. 9F3A12BC"
    );
}

#[test]
fn a_rejected_receipt_names_every_reason_and_what_to_do_about_it() {
    let expired = Reason::new(ReasonCode::Expired).with("window_days", 7);
    let reasons = vec![expired, Reason::new(ReasonCode::NoEligibleProduct)];
    assert_eq!(
        html(Stage::Rejected(reasons.clone()), Language::Uk),
        "<b>❌ За цей чек бонусу немає</b>\n18.11.2026, 15:31 · 95,30 ₴\n\nОсь 2 причини:\n\
         • Покупці понад 7 днів. Надсилайте чек одразу після покупки.\n\
         • Серед покупок немає товарів акції. Перегляньте перелік товарів в умовах. Якщо товар у чеку є, попросіть \
         перевірку.\n\nЧек № 9F3A12BC"
    );
    assert!(
        html(Stage::Rejected(reasons.clone()), Language::Ru)
            .contains("• Покупке больше 7 дней. Присылайте")
    );
    assert!(
        html(Stage::Rejected(reasons), Language::En)
            .contains("• The purchase is more than 7 days old. Send")
    );
}

#[test]
fn an_unknown_payout_says_that_the_operator_is_asked_and_nothing_is_lost() {
    assert!(
        html(Stage::Unknown(HRYVNIA), Language::Uk).starts_with("<b>⏳ Уточнюємо в оператора</b>")
    );
    assert!(html(Stage::Unknown(HRYVNIA), Language::En).contains("checking with the operator"));
}

#[test]
fn every_reason_has_words_of_its_own_in_every_language() {
    for language in Language::ALL {
        let texts: std::collections::BTreeSet<String> = ReasonCode::ALL
            .iter()
            .map(|&code| reason_in_words(&Reason::new(code), language))
            .collect();
        assert_eq!(texts.len(), 16, "{}", language.code());
    }
}

#[test]
fn no_message_is_too_long_too_colourful_or_left_without_words() {
    for language in Language::ALL {
        for stage in all_stages() {
            let drawn = render(
                &ReceiptView {
                    small_photo: true,
                    can_appeal: true,
                    ..view(stage)
                },
                language,
            );
            assert!(drawn.html.chars().count() < MAX_MESSAGE, "{}", drawn.html);
            let emoji = drawn.html.chars().filter(
                |c| matches!(u32::from(*c), 0x2600..=0x27bf | 0x23e9..=0x23fa | 0x1f300..=0x1faff),
            );
            assert!(emoji.count() <= 3, "{}", drawn.html);
            assert!(
                !drawn.html.contains("receipt-") && !drawn.html.contains('$'),
                "{}",
                drawn.html
            );
            assert_eq!(
                drawn.html.matches("<b>").count(),
                drawn.html.matches("</b>").count()
            );
        }
    }
}

#[test]
fn an_appeal_is_offered_only_where_it_is_possible() {
    let rejected = view(Stage::Rejected(vec![Reason::new(ReasonCode::Expired)]));
    let offers = |view: &ReceiptView| {
        render(view, Language::Uk).buttons.concat().into_iter().any(|button| {
            matches!(button, Button::Act(_, Action::Appeal { receipt }) if receipt == view.id)
        })
    };
    assert!(!offers(&rejected));
    assert!(offers(&ReceiptView {
        can_appeal: true,
        ..rejected
    }));
    assert!(!offers(&ReceiptView {
        can_appeal: true,
        ..view(Stage::Paid(HRYVNIA))
    }));
}

#[test]
fn the_stage_follows_the_payout_once_the_reward_is_in_the_wallet() {
    let standing = |payout| Standing {
        state: ReceiptState::Rewarded,
        payout,
        reward: Some(HRYVNIA),
        reasons: &[],
        appealed: false,
    };
    let payout = |state, attempt, wait| {
        Some(PayoutStanding {
            state,
            attempt,
            wait,
        })
    };
    assert_eq!(Stage::of(&standing(None)), Stage::Credited(HRYVNIA));
    for (state, attempt, stage) in [
        (PayoutState::Held, 1, Stage::Sending(HRYVNIA)),
        (PayoutState::Held, 2, Stage::Retrying(HRYVNIA)),
        (PayoutState::Sent, 1, Stage::Sending(HRYVNIA)),
        (PayoutState::Unknown, 1, Stage::Unknown(HRYVNIA)),
        (PayoutState::Failed, 3, Stage::PayoutFailed(HRYVNIA)),
        (PayoutState::Succeeded, 1, Stage::Paid(HRYVNIA)),
    ] {
        assert_eq!(Stage::of(&standing(payout(state, attempt, None))), stage);
    }
    for attempt in [1, 2] {
        let waits = payout(PayoutState::Held, attempt, Some(Wait::Tomorrow));
        assert_eq!(
            Stage::of(&standing(waits)),
            Stage::Waiting(HRYVNIA, Wait::Tomorrow)
        );
    }
}
