//! Reasons as they are found, and the decision that follows from them.

use std::collections::BTreeMap;

use super::{Decision, LineMatch, Reason, ReasonCode};
use crate::money::Money;

/// The reasons found so far, each code once.
#[derive(Default)]
pub(super) struct Findings {
    reasons: BTreeMap<ReasonCode, Reason>,
    order: Vec<ReasonCode>,
    certain: bool,
}

impl Findings {
    /// A reason that rejects.
    pub(super) fn certain(&mut self, code: ReasonCode, cause: &str, facts: &[(&str, String)]) {
        self.certain = true;
        self.doubt(code, cause, facts);
    }

    /// A reason for a person to look.
    pub(super) fn doubt(&mut self, code: ReasonCode, cause: &str, facts: &[(&str, String)]) {
        let reason = self.reasons.entry(code).or_insert_with(|| {
            self.order.push(code);
            Reason::new(code)
        });
        // Two causes of one code become one reason that names both.
        let causes = reason.facts.entry("cause".to_owned()).or_default();
        if !causes.split(',').any(|known| known == cause) {
            if !causes.is_empty() {
                causes.push(',');
            }
            causes.push_str(cause);
        }
        for (name, value) in facts {
            reason
                .facts
                .entry((*name).to_owned())
                .or_insert_with(|| value.clone());
        }
    }

    /// Certain when `sure`, else a doubt.
    pub(super) fn weigh(
        &mut self,
        sure: bool,
        code: ReasonCode,
        cause: &str,
        facts: &[(&str, String)],
    ) {
        if sure {
            self.certain(code, cause, facts);
        } else {
            self.doubt(code, cause, facts);
        }
    }

    pub(super) fn decide(mut self, earned: Option<(Money, Vec<LineMatch>)>) -> Decision {
        let reasons: Vec<Reason> = self
            .order
            .iter()
            .filter_map(|code| self.reasons.remove(code))
            .collect();
        match earned {
            Some((reward, matches)) if reasons.is_empty() => Decision::Accept { reward, matches },
            _ if self.certain => Decision::Reject { reasons },
            // Without reasons `goods` has found a reward; should it ever not have, a person looks.
            None if reasons.is_empty() => Decision::Review {
                reasons: vec![Reason::new(ReasonCode::NoEligibleProduct)],
            },
            _ => Decision::Review { reasons },
        }
    }
}
