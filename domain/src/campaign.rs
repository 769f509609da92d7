//! A campaign: what is promised, in versions; a decision names the version it used.

use serde::{Deserialize, Serialize};

use crate::aggregate::{Decide, aggregate};
use crate::rejection::Rejection;
use crate::rules::CampaignTerms;

/// What happened to a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub enum CampaignEvent {
    /// Its first version.
    Drafted { name: String, terms: CampaignTerms },
    /// Receipts count from now on.
    Activated {},
    /// A new version.
    Changed { terms: CampaignTerms },
    /// No receipts count for now.
    Paused {},
    /// It is over.
    Archived {},
}

/// What can be asked of a campaign.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub enum CampaignCommand {
    Draft { name: String, terms: CampaignTerms },
    Activate {},
    Change { terms: CampaignTerms },
    Pause {},
    Archive {},
}

/// Where a campaign stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum CampaignState {
    #[default]
    New,
    Draft,
    Active,
    Paused,
    Archived,
}

/// The campaign as its events left it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Campaign {
    /// Where it stands.
    pub state: CampaignState,
    /// Its name for people.
    pub name: String,
    /// Current version, from 1.
    pub version: u32,
    /// Current terms.
    pub terms: Option<CampaignTerms>,
}

impl Campaign {
    /// Whether receipts count now.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state == CampaignState::Active
    }

    fn evolve(&mut self, event: CampaignEvent) {
        match event {
            CampaignEvent::Drafted { name, terms } => {
                self.state = CampaignState::Draft;
                self.name = name;
                self.version = 1;
                self.terms = Some(terms);
            }
            CampaignEvent::Activated {} => self.state = CampaignState::Active,
            CampaignEvent::Changed { terms } => {
                self.version = self.version.saturating_add(1);
                self.terms = Some(terms);
            }
            CampaignEvent::Paused {} => self.state = CampaignState::Paused,
            CampaignEvent::Archived {} => self.state = CampaignState::Archived,
        }
    }
}

impl Decide for Campaign {
    fn decide(&self, command: &CampaignCommand) -> Result<Vec<CampaignEvent>, Rejection> {
        use CampaignCommand as C;
        use CampaignEvent as E;
        use CampaignState as S;
        let refuse = || Rejection::new("invalid_state", "the campaign cannot do this now");
        match (command.clone(), self.state) {
            (C::Draft { name, terms }, S::New) => {
                terms.validate()?;
                if name.trim().is_empty() || name.len() > 200 {
                    return Err(Rejection::new(
                        "invalid_command",
                        "a campaign needs a name of at most 200 bytes",
                    ));
                }
                Ok(vec![E::Drafted { name, terms }])
            }
            (C::Draft { name, .. }, _) if name == self.name => Ok(vec![]),
            (C::Draft { .. }, _) => Err(Rejection::new(
                "already_exists",
                "the campaign exists already",
            )),
            (C::Activate {}, S::Draft | S::Paused) => Ok(vec![E::Activated {}]),
            (C::Activate {}, S::Active)
            | (C::Pause {}, S::Paused)
            | (C::Archive {}, S::Archived) => Ok(vec![]),
            (C::Change { terms }, S::Draft | S::Active | S::Paused) => {
                terms.validate()?;
                Ok(if self.terms.as_ref() == Some(&terms) {
                    vec![]
                } else {
                    vec![E::Changed { terms }]
                })
            }
            (C::Pause {}, S::Active) => Ok(vec![E::Paused {}]),
            (C::Archive {}, S::Draft | S::Active | S::Paused) => Ok(vec![E::Archived {}]),
            _ => Err(refuse()),
        }
    }
}

aggregate!(
    Campaign,
    "campaign",
    CampaignCommand,
    CampaignEvent {
        Drafted,
        Activated,
        Changed,
        Paused,
        Archived
    }
);

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::*;

    fn drafted() -> CampaignEvent {
        CampaignEvent::Drafted {
            name: "Test".into(),
            terms: CampaignTerms::default_campaign(100, 1_000),
        }
    }

    #[test]
    fn a_change_is_a_new_version() {
        let terms = CampaignTerms::default_campaign(200, 1_000);
        TestFramework::<Campaign>::with(())
            .given(vec![drafted(), CampaignEvent::Activated {}])
            .when(CampaignCommand::Change {
                terms: terms.clone(),
            })
            .then_expect_events(vec![CampaignEvent::Changed { terms }]);
    }

    #[test]
    fn an_archived_campaign_never_runs_again() {
        TestFramework::<Campaign>::with(())
            .given(vec![drafted(), CampaignEvent::Archived {}])
            .when(CampaignCommand::Activate {})
            .then_expect_error(Rejection::new(
                "invalid_state",
                "the campaign cannot do this now",
            ));
    }
}
