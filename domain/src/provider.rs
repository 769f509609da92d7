//! The switch of a provider: whether new payouts may leave.
//!
//! People throw the kill switch; the breaker throws itself after failures in a row. Either stops **new** payouts only:
//! what is under way is asked about as before. A paying call looks at this stream in the decision that lets it go, so no
//! call leaves after the switch is off.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::aggregate::{Decide, aggregate};
use crate::rejection::{Rejection, required_reason};

/// What happened to a provider's switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProviderEvent {
    /// A person stopped new payouts.
    ProviderStopped {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A person allowed them again; the breaker is closed as well.
    ProviderResumed {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Failures in a row stopped new payouts for a time.
    BreakerOpened {
        /// Until when; then one payout may try.
        until: DateTime<Utc>,
        /// The last failure's code.
        code: String,
    },
    /// A payout went well again.
    BreakerClosed {},
}

/// What can be asked of the switch.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields as in the events")]
pub enum ProviderCommand {
    Stop {
        by: String,
        reason: String,
    },
    Resume {
        by: String,
        reason: String,
    },
    OpenBreaker {
        until: DateTime<Utc>,
        code: String,
        now: DateTime<Utc>,
    },
    CloseBreaker,
}

/// The switch as its events left it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// Why a person stopped it, if one did.
    pub stopped: Option<String>,
    /// Until when the breaker is open.
    pub open_until: Option<DateTime<Utc>>,
}

impl Provider {
    /// Refuses while new payouts are stopped.
    ///
    /// # Errors
    /// `provider_stopped`, with `until` when the breaker says when to try again.
    pub fn check_open(&self, now: DateTime<Utc>) -> Result<(), Rejection> {
        if self.stopped.is_some() {
            return Err(
                Rejection::new("provider_stopped", "an operator stopped the provider")
                    .with("cause", "kill_switch"),
            );
        }
        match self.open_until {
            Some(until) if now < until => Err(Rejection::new(
                "provider_stopped",
                "the provider failed several times in a row",
            )
            .with("cause", "breaker")
            .with("until", until.to_rfc3339())),
            _ => Ok(()),
        }
    }

    fn evolve(&mut self, event: ProviderEvent) {
        match event {
            ProviderEvent::ProviderStopped { reason, .. } => self.stopped = Some(reason),
            ProviderEvent::ProviderResumed { .. } => *self = Self::default(),
            ProviderEvent::BreakerOpened { until, .. } => self.open_until = Some(until),
            ProviderEvent::BreakerClosed {} => self.open_until = None,
        }
    }
}

impl Decide for Provider {
    fn decide(&self, command: &ProviderCommand) -> Result<Vec<ProviderEvent>, Rejection> {
        match command.clone() {
            ProviderCommand::Stop { by, reason } => {
                let reason = required_reason(reason)?;
                Ok(if self.stopped.is_some() {
                    vec![]
                } else {
                    vec![ProviderEvent::ProviderStopped { by, reason }]
                })
            }
            ProviderCommand::Resume { by, reason } => {
                let reason = required_reason(reason)?;
                Ok(if *self == Self::default() {
                    vec![]
                } else {
                    vec![ProviderEvent::ProviderResumed { by, reason }]
                })
            }
            // Open already: the failures of calls that were under way do not prolong it.
            ProviderCommand::OpenBreaker { now, .. }
                if self.open_until.is_some_and(|until| now < until) =>
            {
                Ok(vec![])
            }
            ProviderCommand::OpenBreaker { until, code, .. } => {
                Ok(vec![ProviderEvent::BreakerOpened { until, code }])
            }
            ProviderCommand::CloseBreaker if self.open_until.is_some() => {
                Ok(vec![ProviderEvent::BreakerClosed {}])
            }
            ProviderCommand::CloseBreaker => Ok(vec![]),
        }
    }
}

aggregate!(
    Provider,
    "provider",
    ProviderCommand,
    ProviderEvent {
        ProviderStopped,
        ProviderResumed,
        BreakerOpened,
        BreakerClosed,
    }
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use cqrs_es::Aggregate;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
    }

    fn run(provider: &mut Provider, command: &ProviderCommand) -> usize {
        let events = provider.decide(command).unwrap();
        let count = events.len();
        events.into_iter().for_each(|event| provider.apply(event));
        count
    }

    #[test]
    fn the_breaker_opens_for_a_time_and_the_kill_switch_until_a_person_resumes() {
        let mut provider = Provider::default();
        let open = |until, now| ProviderCommand::OpenBreaker {
            until: at(until),
            code: "timeout".to_owned(),
            now: at(now),
        };
        assert_eq!(run(&mut provider, &open(60, 0)), 1);
        assert_eq!(run(&mut provider, &open(90, 30)), 0);
        assert!(provider.check_open(at(59)).is_err());
        assert!(provider.check_open(at(60)).is_ok());
        assert_eq!(run(&mut provider, &ProviderCommand::CloseBreaker), 1);
        let stop = ProviderCommand::Stop {
            by: "api:one".to_owned(),
            reason: "wrong amounts".to_owned(),
        };
        assert_eq!(run(&mut provider, &stop), 1);
        assert_eq!(run(&mut provider, &ProviderCommand::CloseBreaker), 0);
        assert!(provider.check_open(at(9_999_999)).is_err());
        let resume = ProviderCommand::Resume {
            by: "api:two".to_owned(),
            reason: "fixed".to_owned(),
        };
        assert_eq!(run(&mut provider, &resume), 1);
        assert!(provider.check_open(at(0)).is_ok());
    }
}
