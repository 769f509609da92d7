//! What holds for every decision, whatever was read.

use proptest::prelude::*;

use super::*;

prop_compose! {
    /// Any receipt: sums and quantities from everywhere, most of it near the ordinary.
    fn any_scene()(
        confidence in prop_oneof![3 => 800_u16..1_100, 1 => 0_u16..1_000],
        sums in prop::collection::vec((prop::bool::weighted(0.7), prop_oneof![9 => 0..20_000_i64, 1 => any::<i64>()]), 0..5),
        total in prop::option::weighted(0.2, any::<i64>()),
        quantity in prop_oneof![9 => 0..5_000_i64, 1 => any::<i64>()],
        days in prop_oneof![4 => 1_i64..9, 1 => 0_i64..12],
        (accepted_today, today_minor, in_all_minor) in (0_u32..5, -5..900_i64, prop::option::of(-5..900_i64)),
        (code, reward_kind) in (0..9, 0..3),
        (active, is_return, allow_without_qr) in (prop::bool::weighted(0.9), prop::bool::weighted(0.1), any::<bool>()),
    ) -> Scene {
        good().but(|s| {
            s.recognition.confidence = Confidence::from_thousandths(confidence);
            s.recognition.items = sums
                .iter()
                .map(|(ours, sum)| item(if *ours { "Цитрамон-Дарниця" } else { "Пластир" }, *sum))
                .collect();
            if let Some(first) = s.recognition.items.first_mut() {
                first.quantity = Quantity::from_thousandths(quantity);
            }
            // Mostly the total is right, or nothing would ever be accepted.
            let total = total.unwrap_or_else(|| sums.iter().fold(0, |sum, (_, line)| sum.wrapping_add(*line)));
            s.qr().total_minor = total;
            s.recognition.total_minor = sure(total);
            match code {
                0 => s.recognition.qr = QrReading::Missing,
                1 => s.recognition.qr = QrReading::NotAReceipt { step: "grey".into() },
                _ => {}
            }
            s.recognition.is_return = is_return;
            s.terms.allow_without_qr = allow_without_qr;
            s.terms.reward = match reward_kind {
                0 => Reward::Fixed { minor: 100 },
                1 => Reward::PerItem { minor: 60, cap_minor: None },
                _ => Reward::Percent { basis_points: 500, cap_minor: 300 },
            };
            s.active = active;
            s.history.accepted_today = accepted_today;
            s.budget = BudgetLeft { today_minor: Some(today_minor), in_all_minor };
            s.submitted_at += TimeDelta::days(days - 3);
        })
    }
}

fn accepted(decision: &Decision) -> bool {
    matches!(decision, Decision::Accept { .. })
}

#[test]
fn the_generated_receipts_meet_every_outcome_often() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let strategy = any_scene();
    let mut outcomes = [0_u32; 3];
    for _ in 0..500 {
        let outcome = match strategy.new_tree(&mut runner).unwrap().current().decide() {
            Decision::Accept { .. } => 0,
            Decision::Reject { .. } => 1,
            Decision::Review { .. } => 2,
        };
        outcomes[outcome] += 1;
    }
    assert!(outcomes.iter().all(|count| *count >= 20), "{outcomes:?}");
}

proptest! {
    #[test]
    fn every_refusal_has_reasons_each_once_and_every_acceptance_stays_within_limits(scene in any_scene()) {
        let decision = scene.decide();
        prop_assert_eq!(&decision, &scene.decide());
        match decision {
            Decision::Accept { reward, matches } => {
                prop_assert!(reward.is_positive());
                prop_assert!(!matches.is_empty());
                prop_assert!(scene.history.accepted_today < scene.terms.daily_limit);
                prop_assert!(scene.budget.today_minor.is_none_or(|left| reward.minor <= left));
                prop_assert!(scene.budget.in_all_minor.is_none_or(|left| reward.minor <= left));
                prop_assert!(scene.active && !scene.recognition.is_return);
                prop_assert!(scene.recognition.confidence >= Thresholds::default().automatic);
            }
            Decision::Reject { reasons } | Decision::Review { reasons } => {
                prop_assert!(!reasons.is_empty());
                let mut codes: Vec<_> = reasons.iter().map(|r| r.code).collect();
                codes.sort_unstable();
                codes.dedup();
                prop_assert_eq!(codes.len(), reasons.len());
            }
        }
    }

    #[test]
    fn more_room_never_turns_an_acceptance_into_a_refusal(scene in any_scene(), more in 1_i64..1_000) {
        let mut scene = scene;
        let before = accepted(&scene.decide());
        scene.history.accepted_today = scene.history.accepted_today.saturating_sub(1);
        scene.budget.today_minor = scene.budget.today_minor.map(|left| left + more);
        scene.budget.in_all_minor = None;
        prop_assert!(!before || accepted(&scene.decide()));
    }
}
