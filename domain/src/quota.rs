//! A limit that is taken in units and never exceeded: rewards a day, budget a day, budget in all.
//!
//! The stream's id names the scope (`campaign:<id>:user:<id>:20261120`). Taking is a decision on the stream, so two
//! takers cannot both get the last unit; counting rows and then inserting could.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::aggregate::{Decide, aggregate};
use crate::rejection::Rejection;

/// What happened to a quota.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum QuotaEvent {
    /// Units were taken.
    QuotaTaken {
        /// For what, such as a receipt's id; each taker counts once.
        taker: String,
        /// How many.
        units: i64,
    },
    /// A taker gave its units back.
    QuotaReturned {
        /// Who.
        taker: String,
        /// How many it had.
        units: i64,
    },
}

/// What can be asked of a quota.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields as in the events")]
pub enum QuotaCommand {
    /// Take units unless more than `limit` would be taken in all. The limit comes with the command: it belongs to the
    /// campaign's version, not to the quota.
    Take {
        taker: String,
        units: i64,
        limit: i64,
    },
    /// Give back what the taker has.
    Return { taker: String },
}

/// Units taken so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Quota {
    /// Sum over all takers.
    pub used: i64,
    takers: BTreeMap<String, i64>,
}

impl Quota {
    /// What is left under a limit, not below zero.
    #[must_use]
    pub fn left(&self, limit: i64) -> i64 {
        limit.saturating_sub(self.used).max(0)
    }

    fn evolve(&mut self, event: QuotaEvent) {
        match event {
            QuotaEvent::QuotaTaken { taker, units } => {
                self.used = self.used.saturating_add(units);
                self.takers.insert(taker, units);
            }
            QuotaEvent::QuotaReturned { taker, units } => {
                self.used = self.used.saturating_sub(units);
                self.takers.remove(&taker);
            }
        }
    }
}

impl Decide for Quota {
    fn decide(&self, command: &QuotaCommand) -> Result<Vec<QuotaEvent>, Rejection> {
        match command {
            QuotaCommand::Take { taker, .. } if self.takers.contains_key(taker) => Ok(vec![]),
            QuotaCommand::Take { units, .. } if *units <= 0 => Err(Rejection::new(
                "invalid_command",
                "units must be above zero",
            )),
            QuotaCommand::Take {
                taker,
                units,
                limit,
            } => {
                let total = self.used.checked_add(*units);
                if total.is_none_or(|total| total > *limit) {
                    return Err(
                        Rejection::new("quota_exceeded", "the limit would be exceeded")
                            .with("limit", limit)
                            .with("used", self.used)
                            .with("requested", units),
                    );
                }
                Ok(vec![QuotaEvent::QuotaTaken {
                    taker: taker.clone(),
                    units: *units,
                }])
            }
            QuotaCommand::Return { taker } => Ok(self
                .takers
                .get(taker)
                .map(|units| QuotaEvent::QuotaReturned {
                    taker: taker.clone(),
                    units: *units,
                })
                .into_iter()
                .collect()),
        }
    }
}

aggregate!(
    Quota,
    "quota",
    QuotaCommand,
    QuotaEvent {
        QuotaTaken,
        QuotaReturned
    }
);

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::*;

    fn taken(taker: &str, units: i64) -> QuotaEvent {
        QuotaEvent::QuotaTaken {
            taker: taker.into(),
            units,
        }
    }

    #[test]
    fn the_last_unit_is_taken_once() {
        let take = |taker: &str| QuotaCommand::Take {
            taker: taker.into(),
            units: 1,
            limit: 3,
        };
        let given = || vec![taken("a", 1), taken("b", 1)];
        TestFramework::<Quota>::with(())
            .given(given())
            .when(take("c"))
            .then_expect_events(vec![taken("c", 1)]);
        TestFramework::<Quota>::with(())
            .given(given())
            .when(take("b"))
            .then_expect_events(vec![]);
        TestFramework::<Quota>::with(())
            .given([given(), vec![taken("c", 1)]].concat())
            .when(take("d"))
            .then_expect_error(
                Rejection::new("quota_exceeded", "the limit would be exceeded")
                    .with("limit", 3)
                    .with("used", 3)
                    .with("requested", 1),
            );
    }

    #[test]
    fn a_huge_request_is_refused_and_does_not_wrap() {
        let mut quota = Quota::default();
        quota.evolve(taken("a", 5));
        let huge = QuotaCommand::Take {
            taker: "b".into(),
            units: i64::MAX,
            limit: i64::MAX,
        };
        assert!(
            quota
                .decide(&huge)
                .is_err_and(|refusal| refusal.code == "quota_exceeded")
        );
    }
}
