//! What must hold at the moment when a payout goes out: the provider's switch, and the day's budget.

use chrono::{DateTime, Days, NaiveDate, Utc};
use kvit_domain::ids::PayoutId;
use kvit_domain::money::Money;
use kvit_domain::payout::{Payout, PayoutCommand, PayoutTerms};
use kvit_domain::provider::Provider;
use kvit_domain::quota::{Quota, QuotaCommand};
use kvit_domain::rejection::Rejection;
use kvit_domain::rules::kyiv_day_start;
use kvit_domain::wallet::{HoldState, Wallet};

use super::payouts::terms_of;
use super::{App, Done};
use crate::context::Context;
use crate::error::CommandError;
use crate::executor::Streams;

/// Tries to learn what was decided at the gate before it is left for later.
const GATE_TRIES: u32 = 3;

/// Whether a payout may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It may.
    Open,
    /// It waits, and its history says why. Until when, if that is known.
    Postponed(Option<DateTime<Utc>>),
}

/// The stream of a day's budget.
pub(super) fn budget_id(terms: &PayoutTerms, day: NaiveDate) -> String {
    format!(
        "payouts:{}:{}:{}",
        terms.provider.code(),
        terms.amount.currency,
        day.format("%Y%m%d")
    )
}

impl App {
    /// Whether a payout that is held may start now: takes its part of the day's budget, or notes on the payout why it has to
    /// wait. Both are one decision with the budget and the switch, so a limit is never exceeded by two at once.
    pub(crate) async fn open_gate(
        &self,
        payout_id: PayoutId,
        context: &Context,
    ) -> Result<Gate, CommandError> {
        // The log may have stored a decision and lost its answer. The repeat then says only that it was made: which one it was is
        // found out by deciding again, on the state as it is now.
        for _ in 0..GATE_TRIES {
            if let Some(gate) = self.try_gate(payout_id, context).await? {
                return Ok(gate);
            }
        }
        Err(CommandError::transient(
            "what was decided at the gate is not known",
        ))
    }

    /// One decision at the gate. `None`: one was made, and its answer was lost.
    async fn try_gate(
        &self,
        payout_id: PayoutId,
        context: &Context,
    ) -> Result<Option<Gate>, CommandError> {
        let payout = self.payout(payout_id).await?;
        let terms = terms_of(&payout)?;
        let now = self.clock().now();
        let day = self.today();
        let (id, switch, budget) = (
            payout_id.to_string(),
            terms.provider.code(),
            budget_id(terms, day),
        );
        let limit = self.payout_budget(terms);
        let units = terms.amount.minor;
        // A payout that has a place in an earlier day's budget keeps it: the money leaves once.
        let has_budget = payout.budget_day.is_some();
        let streams = Streams::new()
            .with::<Payout>(&id)
            .with::<Provider>(switch)
            .with::<Quota>(&budget);
        let body = (payout_id, day, payout.attempt, &payout.postponed);
        let context = context.step(&format!("gate:{}", self.fresh_id()));
        let committed = self
            .transact(streams, &context, "open_payout_gate", &body, |unit| {
                if let Err(closed) = unit.state::<Provider>(switch)?.check_open(now) {
                    let (reason, until) = cause(&closed);
                    unit.run::<Payout>(&id, &PayoutCommand::Postpone { reason, until })?;
                    return Ok(Gate::Postponed(until));
                }
                if let (Some(limit), false) = (limit, has_budget) {
                    let take = QuotaCommand::Take {
                        taker: id.clone(),
                        units,
                        limit: limit.minor,
                    };
                    match unit.run::<Quota>(&budget, &take) {
                        Ok(_) => {
                            unit.run::<Payout>(&id, &PayoutCommand::TakeBudget { day })?;
                        }
                        Err(CommandError::Rejected(refusal))
                            if refusal.code == "quota_exceeded" =>
                        {
                            let until = if units > limit.minor {
                                // No day has room for it: a person must raise the budget or resolve it.
                                None
                            } else {
                                next_day(day)
                            };
                            let reason = "daily_budget".to_owned();
                            unit.run::<Payout>(&id, &PayoutCommand::Postpone { reason, until })?;
                            return Ok(Gate::Postponed(until));
                        }
                        Err(fault) => return Err(fault),
                    }
                }
                Ok(Gate::Open)
            })
            .await?;
        Ok(committed.value)
    }

    /// Records that a paying call leaves, in one decision with the provider's switch and the hold: after the switch is off, none
    /// leaves, and none leaves for money that is not held.
    ///
    /// # Errors
    /// `provider_stopped`, `hold_not_active`, and what the payout refuses.
    pub(crate) async fn send_payout(
        &self,
        payout_id: PayoutId,
        command: &PayoutCommand,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let payout = self.payout(payout_id).await?;
        let terms = terms_of(&payout)?;
        let now = self.clock().now();
        let (id, switch, wallet) = (
            payout_id.to_string(),
            terms.provider.code(),
            terms.wallet_id.to_string(),
        );
        let streams = Streams::new()
            .with::<Payout>(&id)
            .with::<Provider>(switch)
            .with::<Wallet>(&wallet);
        let committed = self
            .transact(streams, context, "send_payout", command, |unit| {
                unit.state::<Provider>(switch)?.check_open(now)?;
                let held = payout.hold_id.and_then(|hold| {
                    let wallet = unit.state::<Wallet>(&wallet).ok()?;
                    wallet.hold(hold).map(|hold| (hold.state, hold.left_minor))
                });
                if held != Some((HoldState::Active, terms.amount.minor)) {
                    return Err(Rejection::new(
                        "hold_not_active",
                        "the payout's money is not held any more",
                    )
                    .into());
                }
                unit.run::<Payout>(&id, command)?;
                Ok(())
            })
            .await?;
        Ok(Done::from(&committed))
    }

    fn payout_budget(&self, terms: &PayoutTerms) -> Option<Money> {
        self.parts
            .settings
            .payout_budgets
            .iter()
            .find(|(provider, limit)| {
                *provider == terms.provider && limit.currency == terms.amount.currency
            })
            .map(|(_, limit)| *limit)
    }
}

/// Why the switch is off, in the payout's words.
fn cause(closed: &Rejection) -> (String, Option<DateTime<Utc>>) {
    let detail = |name: &str| closed.details.get(name);
    let reason = detail("cause").map_or("provider_stopped", String::as_str);
    let until = detail("until")
        .and_then(|text| DateTime::parse_from_rfc3339(text).ok())
        .map(|until| until.with_timezone(&Utc));
    (reason.to_owned(), until)
}

/// When the next day begins in the books' zone.
fn next_day(day: NaiveDate) -> Option<DateTime<Utc>> {
    kyiv_day_start(day.checked_add_days(Days::new(1))?)
}
