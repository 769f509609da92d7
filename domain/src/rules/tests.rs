//! Given a receipt, when it is judged, then these reasons: one scene for each code.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod properties;

use super::*;
use crate::money::Currency;
use crate::recognition::{Field, FiscalQr, QrForm, ReceiptItem};
use chrono::{NaiveDate, TimeZone};
use chrono_tz::Europe::Kyiv;

fn at(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap()
}

fn kyiv(text: &str) -> DateTime<Utc> {
    Kyiv.from_local_datetime(&at(text))
        .earliest()
        .unwrap()
        .to_utc()
}

fn item(name: &str, sum_minor: i64) -> ReceiptItem {
    ReceiptItem {
        name: name.to_owned(),
        quantity: Quantity::ONE,
        unit_price_minor: Some(sum_minor),
        sum_minor,
        discount_minor: 0,
        tax: None,
        barcode: None,
        code: None,
        confidence: Confidence::from_thousandths(950),
    }
}

fn sure<T>(value: T) -> Option<Field<T>> {
    Some(Field::new(value, Confidence::from_thousandths(950)))
}

/// All that a decision needs; a good receipt until a test spoils something.
#[derive(Debug, Clone)]
struct Scene {
    recognition: Recognition,
    terms: CampaignTerms,
    active: bool,
    products: Vec<Product>,
    history: History,
    budget: BudgetLeft,
    claims: Claims,
    signals: Vec<String>,
    submitted_at: DateTime<Utc>,
}

/// Bought on 10 March 2026 at noon, sent two days later.
fn good() -> Scene {
    let bought = at("2026-03-10 12:00:00");
    let qr = FiscalQr {
        form: QrForm::Link,
        register_number: "4001000123".into(),
        receipt_number: "77".into(),
        purchased_at: bought,
        total_minor: 12_000,
        currency: Currency::Uah,
        is_return: false,
    };
    Scene {
        recognition: Recognition {
            qr: QrReading::Fiscal {
                fiscal: qr,
                step: "grey".into(),
            },
            merchant: sure("ТОВ «ВИГАДАНА АПТЕКА»".to_owned()),
            tax_id: sure("999000170012".to_owned()),
            register_number: None,
            receipt_number: None,
            purchased_at: sure(bought),
            purchased_on: None,
            currency: Currency::Uah,
            total_minor: sure(12_000),
            items: vec![
                item("Цитрамон-Дарниця табл. №10", 4_000),
                item("Пластир Вигаданий", 8_000),
            ],
            is_return: false,
            confidence: Confidence::from_thousandths(930),
            anomalies: vec![],
            text: String::new(),
            stage_ms: vec![],
            short_edge_px: 1_000,
        },
        terms: CampaignTerms::default_campaign(10_000, 100_000),
        active: true,
        products: vec![],
        history: History::default(),
        budget: BudgetLeft {
            today_minor: Some(10_000),
            in_all_minor: Some(100_000),
        },
        claims: Claims::default(),
        signals: vec![],
        submitted_at: kyiv("2026-03-12 12:00:00"),
    }
}

impl Scene {
    fn decide(&self) -> Decision {
        decide(&RuleInput {
            recognition: &self.recognition,
            terms: &self.terms,
            campaign_active: self.active,
            products: &self.products,
            history: self.history,
            budget: self.budget,
            claims: self.claims,
            fraud_signals: &self.signals,
            submitted_at: self.submitted_at,
            thresholds: Thresholds::default(),
        })
    }

    fn qr(&mut self) -> &mut FiscalQr {
        match &mut self.recognition.qr {
            QrReading::Fiscal { fiscal, .. } => fiscal,
            _ => panic!("the scene has no code"),
        }
    }

    /// Spoils the good scene.
    fn but(mut self, spoil: impl FnOnce(&mut Self)) -> Self {
        spoil(&mut self);
        self
    }

    #[track_caller]
    fn is_accepted(&self) -> Money {
        match self.decide() {
            Decision::Accept { reward, matches } => {
                assert!(!matches.is_empty());
                reward
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn is_rejected(&self, codes: &[ReasonCode]) -> Vec<Reason> {
        match self.decide() {
            Decision::Reject { reasons } => {
                assert_eq!(reasons.iter().map(|r| r.code).collect::<Vec<_>>(), codes);
                reasons
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn is_reviewed(&self, codes: &[ReasonCode]) -> Vec<Reason> {
        match self.decide() {
            Decision::Review { reasons } => {
                assert_eq!(reasons.iter().map(|r| r.code).collect::<Vec<_>>(), codes);
                reasons
            }
            other => panic!("{other:?}"),
        }
    }
}

use ReasonCode::*;

#[test]
fn given_a_good_receipt_it_earns_the_reward_for_the_line_that_counts() {
    let decision = good().decide();
    let Decision::Accept { reward, matches } = decision else {
        panic!("{decision:?}")
    };
    assert_eq!(reward, Money::new(100, Currency::Uah));
    assert_eq!(
        (matches.len(), matches[0].line, matches[0].net_minor),
        (1, 0, 4_000)
    );
}

#[test]
fn given_nothing_legible_then_unreadable_and_no_guess_at_its_content() {
    let blank = good().but(|s| {
        s.recognition.qr = QrReading::Missing;
        s.recognition.merchant = None;
        s.recognition.total_minor = None;
        s.recognition.purchased_at = None;
        s.recognition.items.clear();
        s.recognition.confidence = Confidence::default();
    });
    blank.is_rejected(&[Unreadable]);
    let faint = good().but(|s| s.recognition.confidence = Confidence::from_thousandths(399));
    let reasons = faint.is_rejected(&[Unreadable]);
    assert_eq!(reasons[0].facts["confidence"], "399");
}

#[test]
fn given_a_foreign_code_then_not_a_receipt() {
    let step = "grey".to_owned();
    let leaflet = good().but(|s| {
        s.recognition.qr = QrReading::NotAReceipt { step };
        s.recognition.items.clear();
        s.recognition.confidence = Confidence::default();
    });
    leaflet.is_rejected(&[NotAReceipt]);
}

#[test]
fn given_a_return_by_code_or_by_text_then_it_never_earns() {
    good()
        .but(|s| s.qr().is_return = true)
        .is_rejected(&[ReturnReceipt]);
    good()
        .but(|s| s.recognition.is_return = true)
        .is_rejected(&[ReturnReceipt]);
}

#[test]
fn given_no_lines_then_no_items() {
    good()
        .but(|s| s.recognition.items.clear())
        .is_rejected(&[NoItems]);
}

#[test]
fn given_goods_of_others_or_too_few_of_ours_then_no_eligible_product() {
    let other = good().but(|s| s.recognition.items[0].name = "Аскорбінка Дарницька".into());
    other.is_rejected(&[NoEligibleProduct]);
    let too_cheap = good().but(|s| s.terms.products.minimum_sum_minor = 4_001);
    assert_eq!(
        too_cheap.is_rejected(&[NoEligibleProduct])[0].facts["cause"],
        "below_minimum_sum"
    );
    let too_few =
        good().but(|s| s.terms.products.minimum_quantity = Quantity::from_thousandths(2_000));
    assert_eq!(
        too_few.is_rejected(&[NoEligibleProduct])[0].facts["cause"],
        "below_minimum_quantity"
    );
    good()
        .but(|s| s.terms.products.minimum_sum_minor = 4_000)
        .is_accepted();
}

#[test]
fn seven_days_to_the_minute_are_in_time_and_one_minute_more_is_expired() {
    good()
        .but(|s| s.submitted_at = kyiv("2026-03-17 12:00:00"))
        .is_accepted();
    good()
        .but(|s| s.submitted_at = kyiv("2026-03-17 12:00:59"))
        .is_accepted();
    let late = good().but(|s| s.submitted_at = kyiv("2026-03-17 12:01:00"));
    let reasons = late.is_rejected(&[Expired]);
    assert_eq!(reasons[0].facts["purchased_at"], "2026-03-10T12:00:00");
    assert_eq!(reasons[0].facts["limit"], "2026-03-17T12:00:00");
}

#[test]
fn a_change_of_summer_time_does_not_move_the_limit_on_the_clock() {
    // Clocks go forward on 29 March 2026 and back on 25 October 2026.
    for (bought, limit) in [
        ("2026-03-25 12:00:00", "2026-04-01 12:00:"),
        ("2026-10-20 12:00:00", "2026-10-27 12:0"),
    ] {
        let scene = |sent: &str| {
            good().but(|s| {
                s.qr().purchased_at = at(bought);
                s.recognition.purchased_at = sure(at(bought));
                s.submitted_at = kyiv(sent);
            })
        };
        let minute = |m: u32| format!("{}{}", &limit[..14], format_args!("{m:02}:00"));
        scene(&minute(0)).is_accepted();
        scene(&minute(1)).is_rejected(&[Expired]);
    }
}

#[test]
fn a_limit_in_the_missing_or_the_doubled_hour_is_read_in_the_shoppers_favour() {
    // 03:30 does not exist on 29 March 2026 in Kyiv: the limit is 04:30.
    let spring = |sent: &str| {
        good().but(|s| {
            s.qr().purchased_at = at("2026-03-22 03:30:00");
            s.recognition.purchased_at = None;
            s.submitted_at = kyiv(sent);
        })
    };
    spring("2026-03-29 04:30:00").is_accepted();
    spring("2026-03-29 04:31:00").is_rejected(&[Expired]);
    // 03:30 comes twice on 25 October 2026: the second one counts, 01:30 UTC.
    let autumn = |sent: DateTime<Utc>| {
        good().but(|s| {
            s.qr().purchased_at = at("2026-10-18 03:30:00");
            s.recognition.purchased_at = None;
            s.submitted_at = sent;
        })
    };
    autumn(at("2026-10-25 01:30:00").and_utc()).is_accepted();
    autumn(at("2026-10-25 01:31:00").and_utc()).is_rejected(&[Expired]);
}

#[test]
fn given_a_purchase_after_its_submission_then_future_date() {
    good()
        .but(|s| s.submitted_at = kyiv("2026-03-10 11:55:00"))
        .is_accepted();
    good()
        .but(|s| s.submitted_at = kyiv("2026-03-10 11:54:00"))
        .is_rejected(&[FutureDate]);
}

#[test]
fn given_three_accepted_today_then_the_fourth_meets_the_daily_limit() {
    good().but(|s| s.history.accepted_today = 2).is_accepted();
    let fourth = good().but(|s| s.history.accepted_today = 3);
    let reasons = fourth.is_rejected(&[DailyLimit]);
    assert_eq!(
        (
            reasons[0].facts["limit"].as_str(),
            reasons[0].facts["day"].as_str()
        ),
        ("3", "2026-03-12")
    );
    let in_all = good().but(|s| {
        s.terms.limit_in_all = Some(5);
        s.history.accepted_in_all = 5;
    });
    assert_eq!(
        in_all.is_rejected(&[DailyLimit])[0].facts["cause"],
        "in_all"
    );
}

#[test]
fn the_day_of_the_limit_is_the_day_in_kyiv() {
    assert_eq!(
        kyiv_day(at("2026-03-11 22:30:00").and_utc()).to_string(),
        "2026-03-12"
    );
    assert_eq!(
        kyiv_day(at("2026-07-11 21:30:00").and_utc()).to_string(),
        "2026-07-12"
    );
}

#[test]
fn given_an_earlier_claim_then_duplicate_with_the_first_receipts_id() {
    let first = ReceiptId::derived("test", "first");
    let image = good().but(|s| s.claims.duplicate_image_of = Some(first));
    assert_eq!(
        image.is_rejected(&[DuplicateImage])[0].facts["receipt_id"],
        first.to_string()
    );
    let receipt = good().but(|s| s.claims.duplicate_receipt_of = Some(first));
    assert_eq!(
        receipt.is_rejected(&[DuplicateReceipt])[0].facts["receipt_id"],
        first.to_string()
    );
}

#[test]
fn given_lines_that_miss_the_total_by_more_than_one_percent_then_total_mismatch() {
    good()
        .but(|s| s.recognition.items[1].sum_minor = 8_120)
        .is_accepted();
    let wrong = good().but(|s| s.recognition.items[1].sum_minor = 8_121);
    assert_eq!(
        wrong.is_reviewed(&[TotalMismatch])[0].facts["lines_minor"],
        "12121"
    );
}

#[test]
fn given_doubts_about_the_reading_then_low_confidence_names_each() {
    good()
        .but(|s| s.recognition.confidence = Confidence::from_thousandths(800))
        .is_accepted();
    let unsure = good().but(|s| s.recognition.confidence = Confidence::from_thousandths(799));
    assert_eq!(
        unsure.is_reviewed(&[LowConfidence])[0].facts["threshold"],
        "800"
    );
    good()
        .but(|s| s.recognition.confidence = Confidence::from_thousandths(400))
        .is_reviewed(&[LowConfidence]);
    let both = good().but(|s| {
        s.recognition.confidence = Confidence::from_thousandths(700);
        s.recognition.qr = QrReading::Missing;
    });
    assert_eq!(
        both.is_reviewed(&[LowConfidence])[0].facts["cause"],
        "confidence,no_qr"
    );
    let anomaly = good().but(|s| {
        s.recognition
            .anomalies
            .push(Anomaly::VatMismatch { tax: "Г".into() })
    });
    anomaly.is_reviewed(&[LowConfidence]);
}

#[test]
fn given_an_unsure_reading_without_the_brand_then_a_person_looks() {
    let unsure = good().but(|s| {
        s.recognition.confidence = Confidence::from_thousandths(600);
        s.recognition.items.remove(0);
        s.recognition.items[0].sum_minor = 12_000;
    });
    unsure.is_reviewed(&[LowConfidence, NoEligibleProduct]);
}

#[test]
fn text_alone_never_pays_unless_the_campaign_says_so() {
    let without = |allow| {
        good().but(|s| {
            s.recognition.qr = QrReading::Missing;
            s.terms.allow_without_qr = allow;
        })
    };
    assert_eq!(
        without(false).is_reviewed(&[LowConfidence])[0].facts["cause"],
        "no_qr"
    );
    without(true).is_accepted();
    let missing = vec!["sm".to_owned()];
    let incomplete = good().but(|s| {
        s.recognition.qr = QrReading::Incomplete {
            missing,
            step: "grey".into(),
        }
    });
    assert_eq!(
        incomplete.is_reviewed(&[LowConfidence])[0].facts["missing"],
        "sm"
    );
}

#[test]
fn given_text_that_disagrees_with_the_code_on_total_or_date_then_qr_mismatch() {
    let total = good().but(|s| s.recognition.total_minor = sure(11_900));
    assert_eq!(total.is_reviewed(&[QrMismatch])[0].facts["cause"], "total");
    let date = good().but(|s| s.recognition.purchased_at = sure(at("2026-03-11 12:00:00")));
    assert_eq!(
        date.is_reviewed(&[QrMismatch])[0].facts["text_date"],
        "2026-03-11"
    );
    good()
        .but(|s| s.recognition.total_minor = sure(12_025))
        .is_accepted();
    let guess = Field::new(11_900, Confidence::from_thousandths(399));
    good()
        .but(|s| s.recognition.total_minor = Some(guess))
        .is_accepted();
    let register = Anomaly::QrMismatch {
        field: "register_number".into(),
    };
    good()
        .but(|s| s.recognition.anomalies.push(register))
        .is_reviewed(&[QrMismatch]);
}

#[test]
fn given_a_campaign_that_does_not_run_for_this_purchase_then_campaign_inactive() {
    good()
        .but(|s| s.active = false)
        .is_rejected(&[CampaignInactive]);
    let day = |d| NaiveDate::from_ymd_opt(2026, 3, d);
    let early = good().but(|s| s.terms.starts_on = day(11));
    assert_eq!(
        early.is_rejected(&[CampaignInactive])[0].facts["cause"],
        "before_start"
    );
    good()
        .but(|s| s.terms.ends_on = day(9))
        .is_rejected(&[CampaignInactive]);
    good()
        .but(|s| (s.terms.starts_on, s.terms.ends_on) = (day(10), day(10)))
        .is_accepted();
    good()
        .but(|s| s.terms.merchant_tax_ids = vec!["1".into()])
        .is_rejected(&[CampaignInactive]);
    good()
        .but(|s| s.recognition.currency = Currency::Rub)
        .is_rejected(&[CampaignInactive]);
}

#[test]
fn given_less_budget_than_the_reward_then_budget_exhausted() {
    good()
        .but(|s| s.budget.today_minor = Some(100))
        .is_accepted();
    let today = good().but(|s| s.budget.today_minor = Some(99));
    assert_eq!(
        today.is_rejected(&[BudgetExhausted])[0].facts["left_minor"],
        "99"
    );
    good()
        .but(|s| s.budget.in_all_minor = Some(0))
        .is_rejected(&[BudgetExhausted]);
}

#[test]
fn given_signs_of_fraud_then_a_person_looks_at_them() {
    let suspect = good().but(|s| s.signals = vec!["velocity".into(), "editor".into()]);
    assert_eq!(
        suspect.is_reviewed(&[SuspectedFraud])[0].facts["signals"],
        "velocity,editor"
    );
}

#[test]
fn all_reasons_are_told_at_once() {
    let hopeless = good().but(|s| {
        s.recognition.items.truncate(0);
        s.submitted_at = kyiv("2026-03-20 12:00:00");
        s.history.accepted_today = 3;
        s.signals = vec!["velocity".into()];
    });
    hopeless.is_rejected(&[SuspectedFraud, Expired, NoItems, DailyLimit]);
}

#[test]
fn rewards_follow_their_kind_and_their_cap() {
    let pay = |reward| good().but(|s| s.terms.reward = reward).is_accepted().minor;
    assert_eq!(
        pay(Reward::PerItem {
            minor: 70,
            cap_minor: None
        }),
        70
    );
    assert_eq!(
        pay(Reward::PerItem {
            minor: 70,
            cap_minor: Some(50)
        }),
        50
    );
    assert_eq!(
        pay(Reward::Percent {
            basis_points: 333,
            cap_minor: 1_000
        }),
        133
    );
    assert_eq!(
        pay(Reward::Percent {
            basis_points: 5_000,
            cap_minor: 1_000
        }),
        1_000
    );
    let half_pack = good().but(|s| {
        s.recognition.items[0].quantity = Quantity::from_thousandths(500);
        s.terms.reward = Reward::PerItem {
            minor: 70,
            cap_minor: None,
        };
    });
    half_pack.is_rejected(&[NoEligibleProduct]);
}

#[test]
fn sums_that_do_not_fit_never_pay() {
    let huge = good()
        .but(|s| s.recognition.items = vec![item("Дарниця", i64::MAX), item("Дарниця", i64::MAX)]);
    let reasons = huge.is_rejected(&[TotalMismatch]);
    assert_eq!(reasons[0].facts["cause"], "sum_of_lines,overflow");
    let many = good().but(|s| {
        s.recognition.items[0].quantity = Quantity::from_thousandths(i64::MAX);
        s.terms.reward = Reward::PerItem {
            minor: i64::MAX,
            cap_minor: None,
        };
    });
    many.is_rejected(&[TotalMismatch]);
}

#[test]
fn terms_that_contradict_themselves_are_refused_with_the_field() {
    let wrong = |spoil: fn(&mut CampaignTerms)| {
        let mut terms = CampaignTerms::default_campaign(1, 1);
        spoil(&mut terms);
        terms.validate().unwrap_err().details["field"].clone()
    };
    assert!(CampaignTerms::default_campaign(1, 1).validate().is_ok());
    assert_eq!(wrong(|t| t.window_days = 0), "window_days");
    assert_eq!(wrong(|t| t.reward = Reward::Fixed { minor: 0 }), "reward");
    assert_eq!(wrong(|t| t.daily_limit = 0), "daily_limit");
    assert_eq!(wrong(|t| t.budget_total_minor = Some(-1)), "budget");
}

#[test]
fn decisions_and_terms_read_back_from_json() {
    let decisions = [good().decide(), good().but(|s| s.active = false).decide()];
    for decision in decisions {
        let json = serde_json::to_string(&decision).unwrap();
        assert_eq!(
            serde_json::from_str::<Decision>(&json).unwrap(),
            decision,
            "{json}"
        );
    }
    let terms = CampaignTerms::default_campaign(1, 2);
    let json = serde_json::to_string(&terms).unwrap();
    assert_eq!(serde_json::from_str::<CampaignTerms>(&json).unwrap(), terms);
}
