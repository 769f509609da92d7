//! Bad days, on order or by chance.
//!
//! A rule says which calls it meets and what happens to them; rules are for tests and for a demo's script. Chance is a set of
//! probabilities in thousandths, drawn from the sandbox's seed; it is for long runs. Rules come first.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// Something that goes wrong, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule<A> {
    /// Only calls of this method, compared without case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only calls about this subject: a contract number or bill id at Portmone, a chat id at Telegram.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Lets that many matching calls pass first: 1 means "from the second call on".
    #[serde(default)]
    pub skip: u32,
    /// How many calls it then meets.
    #[serde(default = "once")]
    pub times: u32,
    /// What happens.
    pub action: A,
}

fn once() -> u32 {
    1
}

impl<A> Rule<A> {
    /// Meets the next call, whatever it is.
    #[must_use]
    pub fn next(action: A) -> Self {
        Self {
            method: None,
            subject: None,
            skip: 0,
            times: 1,
            action,
        }
    }

    /// Meets the next call of a method.
    #[must_use]
    pub fn on(method: &str, action: A) -> Self {
        Self {
            method: Some(method.to_owned()),
            ..Self::next(action)
        }
    }

    /// Only calls about this subject.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Lets some matching calls pass first.
    #[must_use]
    pub fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Meets that many calls.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }
}

/// A service's list of what will go wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults<A, C> {
    /// Met in order; the first that fits a call is used.
    #[serde(default = "Vec::new")]
    pub rules: Vec<Rule<A>>,
    /// What may go wrong with calls that no rule meets. `None` leaves the chances as they are.
    #[serde(default = "Option::default")]
    pub chance: Option<C>,
}

impl<A, C> Default for Faults<A, C> {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            chance: None,
        }
    }
}

impl<A, C> From<Rule<A>> for Faults<A, C> {
    fn from(rule: Rule<A>) -> Self {
        Self {
            rules: vec![rule],
            chance: None,
        }
    }
}

/// Chances that can be drawn from.
pub(crate) trait Chance<A> {
    fn draw(&self, method: &str, dice: &mut Dice) -> Option<A>;
}

/// A seeded source of luck.
#[derive(Debug)]
pub(crate) struct Dice(StdRng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// True `thousandths` times in a thousand.
    pub(crate) fn hit(&mut self, thousandths: u16) -> bool {
        thousandths > 0 && self.0.random_range(0..1000_u16) < thousandths
    }

    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..high)
    }
}

/// The plan at work: rules wear off as they are used.
#[derive(Debug)]
pub(crate) struct FaultBox<A, C> {
    faults: Faults<A, C>,
    dice: Dice,
}

impl<A: Clone, C: Chance<A> + Clone> FaultBox<A, C> {
    pub(crate) fn new(faults: Faults<A, C>, seed: u64) -> Self {
        Self {
            faults,
            dice: Dice::new(seed),
        }
    }

    pub(crate) fn add(&mut self, more: Faults<A, C>) {
        self.faults.rules.extend(more.rules);
        self.faults.chance = more.chance.or(self.faults.chance.take());
    }

    pub(crate) fn clear(&mut self) {
        self.faults = Faults::default();
    }

    pub(crate) fn pending(&self) -> Faults<A, C> {
        self.faults.clone()
    }

    /// What happens to this call. `subjects` are all the names under which the call may be met.
    pub(crate) fn meet(&mut self, method: &str, subjects: &[&str]) -> Option<A> {
        let mut met = None;
        for rule in &mut self.faults.rules {
            let method_fits = rule
                .method
                .as_deref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method));
            let subject_fits = rule
                .subject
                .as_deref()
                .is_none_or(|wanted| subjects.contains(&wanted));
            if !method_fits || !subject_fits || rule.times == 0 {
                continue;
            }
            if rule.skip > 0 {
                rule.skip = rule.skip.saturating_sub(1);
                continue;
            }
            rule.times = rule.times.saturating_sub(1);
            met = Some(rule.action.clone());
            break;
        }
        self.faults.rules.retain(|rule| rule.times > 0);
        met.or_else(|| self.faults.chance.as_ref()?.draw(method, &mut self.dice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Half;

    impl Chance<u8> for Half {
        fn draw(&self, _: &str, dice: &mut Dice) -> Option<u8> {
            dice.hit(500).then_some(9)
        }
    }

    #[derive(Debug, Clone, Default)]
    struct Never;

    impl Chance<u8> for Never {
        fn draw(&self, _: &str, _: &mut Dice) -> Option<u8> {
            None
        }
    }

    fn plan(rules: Vec<Rule<u8>>) -> FaultBox<u8, Never> {
        FaultBox::new(
            Faults {
                rules,
                chance: Some(Never),
            },
            1,
        )
    }

    #[test]
    fn a_rule_meets_only_its_method_and_subject_and_wears_off() {
        let mut plan = plan(vec![
            Rule::on("bills.pay", 1).about("380").after(1).times(2),
        ]);
        let calls = [
            ("bills.create", "380"),
            ("bills.pay", "999"),
            ("bills.pay", "380"),
            ("Bills.Pay", "380"),
            ("bills.pay", "380"),
            ("bills.pay", "380"),
        ];
        let met: Vec<_> = calls
            .iter()
            .map(|(method, subject)| plan.meet(method, &[subject]))
            .collect();
        assert_eq!(met, [None, None, None, Some(1), Some(1), None]);
        assert!(plan.pending().rules.is_empty());
    }

    #[test]
    fn the_same_seed_gives_the_same_bad_days() {
        let run = |seed| {
            let mut plan = FaultBox::new(
                Faults {
                    rules: Vec::new(),
                    chance: Some(Half),
                },
                seed,
            );
            (0..64)
                .map(|_| plan.meet("m", &[]).is_some())
                .collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }
}
