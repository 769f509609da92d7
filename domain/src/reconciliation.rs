//! One day of one provider's statement compared with our books.
//!
//! The stream's id is `<provider>:<kind>:<yyyymmdd>`. A second run of the same day finds what is known and adds only what
//! is new. A break stays open until a person says how it was resolved; nothing is corrected silently.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Decide, aggregate};
use crate::ledger::ProviderName;
use crate::money::Money;
use crate::rejection::{Rejection, required_reason};

/// Which of a provider's lists is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    /// Money in.
    Payments,
    /// Money back.
    Refunds,
    /// Money out.
    Payouts,
    /// The provider's settlement to the bank.
    Settlement,
}

impl StatementKind {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Payments,
        Self::Refunds,
        Self::Payouts,
        Self::Settlement,
    ];

    /// The name in ids, APIs and tables.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Payments => "payments",
            Self::Refunds => "refunds",
            Self::Payouts => "payouts",
            Self::Settlement => "settlement",
        }
    }
}

/// How an item differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakClass {
    /// The provider has it, we do not.
    TheirsOnly,
    /// We have it, the provider does not.
    OursOnly,
    /// Both have it, with different amounts.
    AmountDiffers,
    /// The fee is not the one that we booked.
    FeeDiffers,
    /// Both have it, in states that exclude each other.
    StatusDiffers,
}

impl BreakClass {
    /// The name in APIs and tables.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TheirsOnly => "theirs_only",
            Self::OursOnly => "ours_only",
            Self::AmountDiffers => "amount_differs",
            Self::FeeDiffers => "fee_differs",
            Self::StatusDiffers => "status_differs",
        }
    }
}

/// What was found about one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Break {
    /// Names it: the provider's id, or ours where they have none.
    pub item: String,
    /// How it differs.
    pub class: BreakClass,
    /// Our operation, if there is one.
    pub operation: Option<String>,
    /// What the provider says.
    pub theirs: Option<Money>,
    /// What we have.
    pub ours: Option<Money>,
}

/// What happened to a reconciliation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReconciliationEvent {
    /// A statement was read.
    StatementImported {
        /// Whose.
        provider: ProviderName,
        /// Which list.
        kind: StatementKind,
        /// Which day, the provider's.
        day: NaiveDate,
        /// How many items it had.
        items: u64,
        /// SHA-256 over its items in order, hex: two runs over the same statement have the same one.
        digest: String,
    },
    /// An item is the same on both sides.
    ItemMatched {
        /// The item.
        item: String,
        /// Our operation.
        operation: String,
        /// The amount.
        amount: Money,
        /// The fee that was booked with it.
        fee: Option<Money>,
    },
    /// An item differs.
    BreakOpened {
        /// What was found.
        found: Break,
    },
    /// A person takes care of it.
    BreakAssigned {
        /// The item.
        item: String,
        /// Who.
        owner: String,
    },
    /// It is settled.
    BreakResolved {
        /// The item.
        item: String,
        /// Who.
        by: String,
        /// How.
        reason: String,
    },
}

/// What can be asked of a reconciliation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields as in the events")]
pub enum ReconciliationCommand {
    /// A statement with all its findings, as one run made them.
    Record {
        provider: ProviderName,
        kind: StatementKind,
        day: NaiveDate,
        items: u64,
        digest: String,
        matched: Vec<Matched>,
        breaks: Vec<Break>,
    },
    Assign {
        item: String,
        owner: String,
    },
    Resolve {
        item: String,
        by: String,
        reason: String,
    },
}

/// An item that is the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields as in ReconciliationEvent::ItemMatched")]
pub struct Matched {
    pub item: String,
    pub operation: String,
    pub amount: Money,
    pub fee: Option<Money>,
}

/// The reconciliation of a day as its events left it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Reconciliation {
    /// Digest of the last statement that was read.
    pub digest: Option<String>,
    /// Items that match.
    pub matched: BTreeSet<String>,
    /// Breaks that nobody has resolved.
    pub open: BTreeMap<String, Break>,
    resolved: BTreeMap<String, Break>,
}

/// The id of the stream.
#[must_use]
pub fn id_of(provider: ProviderName, kind: StatementKind, day: NaiveDate) -> String {
    format!(
        "{}:{}:{}",
        provider.code(),
        kind.code(),
        day.format("%Y%m%d")
    )
}

impl Reconciliation {
    fn evolve(&mut self, event: ReconciliationEvent) {
        match event {
            ReconciliationEvent::StatementImported { digest, .. } => self.digest = Some(digest),
            ReconciliationEvent::ItemMatched { item, .. } => {
                self.matched.insert(item);
            }
            ReconciliationEvent::BreakOpened { found } => {
                self.open.insert(found.item.clone(), found);
            }
            ReconciliationEvent::BreakAssigned { .. } => {}
            ReconciliationEvent::BreakResolved { item, .. } => {
                if let Some(found) = self.open.remove(&item) {
                    self.resolved.insert(item, found);
                }
            }
        }
    }

    fn record(&self, matched: &[Matched], breaks: &[Break]) -> Vec<ReconciliationEvent> {
        let mut events = Vec::new();
        for item in matched {
            // What a later statement settles is resolved by that statement, visibly.
            if self.open.contains_key(&item.item) {
                events.push(ReconciliationEvent::BreakResolved {
                    item: item.item.clone(),
                    by: "policy:reconciliation".to_owned(),
                    reason: "a later statement agrees".to_owned(),
                });
            }
            if !self.matched.contains(&item.item) {
                events.push(ReconciliationEvent::ItemMatched {
                    item: item.item.clone(),
                    operation: item.operation.clone(),
                    amount: item.amount,
                    fee: item.fee,
                });
            }
        }
        for found in breaks {
            let known = self
                .open
                .get(&found.item)
                .or_else(|| self.resolved.get(&found.item));
            if known != Some(found) {
                events.push(ReconciliationEvent::BreakOpened {
                    found: found.clone(),
                });
            }
        }
        events
    }
}

impl Decide for Reconciliation {
    fn decide(
        &self,
        command: &ReconciliationCommand,
    ) -> Result<Vec<ReconciliationEvent>, Rejection> {
        match command {
            ReconciliationCommand::Record {
                provider,
                kind,
                day,
                items,
                digest,
                matched,
                breaks,
            } => {
                let mut events = self.record(matched, breaks);
                if self.digest.as_ref() != Some(digest) || !events.is_empty() {
                    events.insert(
                        0,
                        ReconciliationEvent::StatementImported {
                            provider: *provider,
                            kind: *kind,
                            day: *day,
                            items: *items,
                            digest: digest.clone(),
                        },
                    );
                }
                Ok(events)
            }
            ReconciliationCommand::Assign { item, owner } => {
                self.find(item)?;
                if owner.is_empty() || owner.len() > 100 {
                    return Err(Rejection::new(
                        "invalid_command",
                        "an owner has 1 to 100 bytes",
                    ));
                }
                Ok(vec![ReconciliationEvent::BreakAssigned {
                    item: item.clone(),
                    owner: owner.clone(),
                }])
            }
            ReconciliationCommand::Resolve { item, by, reason } => {
                let reason = required_reason(reason.clone())?;
                if self.resolved.contains_key(item) && !self.open.contains_key(item) {
                    return Err(Rejection::new(
                        "invalid_state",
                        "the break was resolved before",
                    ));
                }
                self.find(item)?;
                Ok(vec![ReconciliationEvent::BreakResolved {
                    item: item.clone(),
                    by: by.clone(),
                    reason,
                }])
            }
        }
    }
}

impl Reconciliation {
    fn find(&self, item: &str) -> Result<&Break, Rejection> {
        self.open
            .get(item)
            .ok_or_else(|| Rejection::new("not_found", "there is no such open break"))
    }
}

aggregate!(
    Reconciliation,
    "reconciliation",
    ReconciliationCommand,
    ReconciliationEvent {
        StatementImported,
        ItemMatched,
        BreakOpened,
        BreakAssigned,
        BreakResolved,
    }
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use cqrs_es::Aggregate;

    use super::*;
    use crate::money::Currency;

    fn record(matched: Vec<Matched>, breaks: Vec<Break>, digest: &str) -> ReconciliationCommand {
        ReconciliationCommand::Record {
            provider: ProviderName::Yookassa,
            kind: StatementKind::Payments,
            day: NaiveDate::from_ymd_opt(2026, 11, 20).unwrap(),
            items: 1,
            digest: digest.to_owned(),
            matched,
            breaks,
        }
    }

    fn theirs(item: &str) -> Break {
        Break {
            item: item.to_owned(),
            class: BreakClass::TheirsOnly,
            operation: None,
            theirs: Some(Money::new(100, Currency::Rub)),
            ours: None,
        }
    }

    #[test]
    fn f61_a_second_run_over_the_same_statement_adds_nothing() {
        let mut day = Reconciliation::default();
        let command = record(vec![], vec![theirs("p1")], "d1");
        let events = day.decide(&command).unwrap();
        assert_eq!(events.len(), 2);
        events.into_iter().for_each(|event| day.apply(event));
        assert_eq!(day.decide(&command), Ok(vec![]));
        let resolve = ReconciliationCommand::Resolve {
            item: "p1".to_owned(),
            by: "api:one".to_owned(),
            reason: "another shop's".to_owned(),
        };
        for event in day.decide(&resolve).unwrap() {
            day.apply(event);
        }
        assert_eq!(day.decide(&command), Ok(vec![]));
    }

    #[test]
    fn a_break_that_a_later_statement_settles_is_resolved_visibly() {
        let mut day = Reconciliation::default();
        for event in day
            .decide(&record(vec![], vec![theirs("p1")], "d1"))
            .unwrap()
        {
            day.apply(event);
        }
        let matched = Matched {
            item: "p1".to_owned(),
            operation: "o1".to_owned(),
            amount: Money::new(100, Currency::Rub),
            fee: None,
        };
        let events = day.decide(&record(vec![matched], vec![], "d2")).unwrap();
        assert!(
            events
                .iter()
                .any(|event| matches!(event, ReconciliationEvent::BreakResolved { .. }))
        );
    }
}
