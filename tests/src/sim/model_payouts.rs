//! Payouts, as they must be.

use std::sync::Arc;

use kvit_domain::ids::{HoldId, PayoutId, WalletId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::Money;
use kvit_domain::payout::PayoutEvent;

use super::model::{Broken, Model};
use super::world::World;

/// Where a payout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "as in the payout")]
pub enum PayoutStage {
    Requested,
    Held,
    Created,
    Sent,
    Pending,
    Unknown,
    Succeeded,
    Failed,
    InReview,
    Reversed,
}

/// A payout.
#[derive(Debug, Clone)]
pub struct PayoutModel {
    /// From which wallet.
    pub wallet: WalletId,
    /// How much.
    pub amount: Money,
    /// Through whom.
    pub provider: ProviderName,
    /// Where it stands.
    pub stage: PayoutStage,
    /// Whose code it failed with.
    pub code: String,
    /// Since when.
    pub since: chrono::DateTime<chrono::Utc>,
    /// Bills and provider's ids of all attempts.
    pub bills: Vec<String>,
    hold: Option<HoldId>,
    budgeted: bool,
}

impl Model {
    pub(super) fn payout_happened(
        &mut self,
        world: &Arc<World>,
        id: PayoutId,
        event: PayoutEvent,
    ) -> Result<(), Broken> {
        use PayoutStage as S;
        if let PayoutEvent::PayoutRequested {
            wallet_id,
            amount,
            provider,
            ..
        } = event
        {
            let payout = PayoutModel {
                wallet: wallet_id,
                amount,
                provider,
                stage: S::Requested,
                code: String::new(),
                since: world.now(),
                bills: Vec::new(),
                hold: None,
                budgeted: false,
            };
            return match self.payouts.insert(id, payout) {
                None => Ok(()),
                Some(_) => Err("it was requested twice".to_owned()),
            };
        }
        let payout = self.payouts.get_mut(&id).ok_or("it was never requested")?;
        let (stage, wallet, minor) = (payout.stage, payout.wallet, payout.amount.minor);
        payout.since = world.now();
        let from = |stages: &[S]| {
            if stages.contains(&stage) {
                Ok(())
            } else {
                Err(format!("it was {stage:?}"))
            }
        };
        match event {
            PayoutEvent::PayoutRequested { .. } => {}
            PayoutEvent::FundsHeld { hold_id } => {
                from(&[S::Requested])?;
                payout.hold = Some(hold_id);
                payout.stage = S::Held;
            }
            PayoutEvent::PayoutCreated { bill_id, .. } => {
                from(&[S::Held])?;
                payout.bills.push(bill_id);
                payout.stage = S::Created;
            }
            PayoutEvent::PayoutSent { .. } => {
                from(&[S::Created, S::Unknown])?;
                payout.stage = S::Sent;
                let (provider, hold, budgeted) = (payout.provider, payout.hold, payout.budgeted);
                if self.stopped.contains(provider.code()) {
                    return Err("the provider is stopped".to_owned());
                }
                if self.budget(provider).is_some() && !budgeted {
                    return Err("no budget was taken".to_owned());
                }
                let held = self
                    .purses
                    .get(&wallet)
                    .zip(hold)
                    .and_then(|(purse, hold)| purse.holds.get(&hold))
                    .map_or(0, |hold| hold.left);
                if held != minor {
                    return Err(format!("{held} of {minor} are held"));
                }
            }
            PayoutEvent::BudgetTaken { .. } => {
                from(&[S::Held])?;
                payout.budgeted = true;
            }
            PayoutEvent::PayoutPostponed { .. } => from(&[S::Held, S::Created])?,
            PayoutEvent::PayoutPending { provider_id, .. } => {
                payout.bills.extend(provider_id);
                from(&[S::Sent, S::Unknown])?;
                payout.stage = S::Pending;
            }
            PayoutEvent::PayoutUnknown { .. } => {
                from(&[S::Sent])?;
                payout.stage = S::Unknown;
            }
            PayoutEvent::PayoutSucceeded { .. } => {
                from(&[S::Sent, S::Unknown, S::Pending, S::InReview])?;
                payout.stage = S::Succeeded;
                if world.pay_out(payout.provider).moves(&id.to_string()) != 1 {
                    return Err("the provider has not paid it once".to_owned());
                }
                self.due(wallet, -minor);
            }
            PayoutEvent::PayoutFailed { is_final, code, .. } => {
                from(&[
                    S::Held,
                    S::Created,
                    S::Sent,
                    S::Unknown,
                    S::Pending,
                    S::InReview,
                ])?;
                payout.stage = if is_final { S::Failed } else { S::Held };
                payout.code = code;
                let provider = payout.provider;
                self.check_unpaid(world, id, provider)?;
            }
            PayoutEvent::PayoutReversed { .. } => {
                from(&[S::Succeeded])?;
                payout.stage = S::Reversed;
                self.due(wallet, minor);
            }
            PayoutEvent::ReviewProposed { .. } | PayoutEvent::ReviewDecided { .. } => {
                from(&[S::Unknown, S::Pending, S::InReview])?;
            }
            PayoutEvent::PayoutContradicted { .. } => from(&[S::Failed, S::Reversed])?,
            PayoutEvent::SentToReview { .. } => {
                from(&[S::Held, S::Created, S::Sent, S::Pending, S::Unknown])?;
                payout.stage = S::InReview;
            }
        }
        Ok(())
    }

    /// Neither has the provider paid, nor can it still.
    fn check_unpaid(
        &self,
        world: &Arc<World>,
        id: PayoutId,
        provider: ProviderName,
    ) -> Result<(), Broken> {
        let (books, operation) = (world.pay_out(provider), id.to_string());
        if books.moves(&operation) > 0 {
            return Err("it counts as unpaid, and the provider has paid".to_owned());
        }
        if world.may_still_pay(provider, &operation) {
            return Err("it counts as unpaid, and the provider may still pay".to_owned());
        }
        Ok(())
    }

    pub(super) fn check_payout_release(
        &self,
        world: &Arc<World>,
        id: PayoutId,
    ) -> Result<(), Broken> {
        let payout = self.payouts.get(&id).ok_or("a hold of no payout")?;
        if payout.stage != PayoutStage::Failed {
            return Err(format!(
                "the hold of a payout that is {:?} is released",
                payout.stage
            ));
        }
        self.check_unpaid(world, id, payout.provider)
    }

    /// The payout that has this bill, or this provider's id.
    #[must_use]
    pub fn payout_by_bill(&self, provider: ProviderName, bill_id: &str) -> Option<PayoutId> {
        let mut all = self.payouts.iter();
        all.find(|(_, payout)| {
            payout.provider == provider && payout.bills.iter().any(|bill| bill == bill_id)
        })
        .map(|(id, _)| *id)
    }

    /// Money went out for an operation.
    ///
    /// # Errors
    /// When it should not have.
    pub fn went_out(
        &self,
        world: &Arc<World>,
        operation: &str,
        amount: Money,
    ) -> Result<(), Broken> {
        let id: PayoutId = super::model::parsed(operation)?;
        let payout = self
            .payouts
            .get(&id)
            .ok_or("money went out for no payout")?;
        let times = world.pay_out(payout.provider).moves(operation);
        if times > 1 {
            return Err(format!("payout {id}: money went out {times} times"));
        }
        if amount != payout.amount {
            return Err(format!("payout {id}: {amount} went out"));
        }
        match payout.stage {
            PayoutStage::Sent
            | PayoutStage::Pending
            | PayoutStage::Unknown
            | PayoutStage::InReview => Ok(()),
            stage => Err(format!(
                "payout {id}: money went out while it was {stage:?}"
            )),
        }
    }
}
