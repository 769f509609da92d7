//! Payments in and their refunds, as they must be.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use kvit_domain::ids::{PaymentId, RefundId};
use kvit_domain::money::Money;
use kvit_domain::payment::{PaymentEvent, PaymentTerms, RefundStatus};

use super::model::{Broken, Model};
use super::pay_in::Status;
use super::world::World;

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "as in the payment")]
pub enum PaymentStage {
    Intended,
    Sending,
    Pending,
    Held,
    Succeeded,
    Canceled,
    Quarantined,
    Resolved,
}

/// Where a refund stands.
#[derive(Debug, Clone)]
pub struct RefundModel {
    /// How much.
    pub amount: i64,
    /// Whether money went back; `None` while it is open.
    pub end: Option<bool>,
    /// Whether a call has left, or may have.
    pub sent: bool,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// A payment.
#[derive(Debug, Clone)]
pub struct PaymentModel {
    /// What was asked for.
    pub terms: PaymentTerms,
    /// Where it stands.
    pub stage: PaymentStage,
    /// The provider's id.
    pub provider_id: Option<String>,
    /// What was paid.
    pub paid: Option<Money>,
    /// What the provider said it keeps.
    pub fee: i64,
    /// What came beyond `paid`, minor units.
    pub excess: i64,
    /// What of all this stands in suspense, minor units.
    pub suspense: i64,
    /// What of it went back to the payer, minor units.
    pub back_from_suspense: i64,
    /// Whether a wallet was credited.
    pub is_credited: bool,
    /// Its refunds.
    pub refunds: BTreeMap<RefundId, RefundModel>,
}

impl PaymentModel {
    fn refunded(&self) -> i64 {
        let all = self.refunds.values();
        all.filter(|one| one.end != Some(false))
            .map(|one| one.amount)
            .sum()
    }
}

impl Model {
    pub(super) fn payment_happened(
        &mut self,
        world: &Arc<World>,
        id: PaymentId,
        event: PaymentEvent,
    ) -> Result<(), Broken> {
        use PaymentStage as S;
        if let PaymentEvent::PaymentIntended { terms } = event {
            let payment = PaymentModel {
                terms,
                stage: S::Intended,
                provider_id: None,
                paid: None,
                fee: 0,
                excess: 0,
                suspense: 0,
                back_from_suspense: 0,
                is_credited: false,
                refunds: BTreeMap::new(),
            };
            return match self.payments.insert(id, payment) {
                None => Ok(()),
                Some(_) => Err("it was intended twice".to_owned()),
            };
        }
        let payment = self.payments.get_mut(&id).ok_or("it was never intended")?;
        let books = Arc::clone(world.pay_in(payment.terms.provider));
        let stage = payment.stage;
        let from = |stages: &[S]| {
            if stages.contains(&stage) {
                Ok(())
            } else {
                Err(format!("it was {stage:?}"))
            }
        };
        match event {
            PaymentEvent::PaymentIntended { .. } => {}
            PaymentEvent::PaymentSent { .. } => {
                from(&[S::Intended])?;
                payment.stage = S::Sending;
            }
            PaymentEvent::PaymentNotCreated { is_final, .. } => {
                from(&[S::Intended, S::Sending])?;
                payment.stage = if is_final { S::Canceled } else { S::Intended };
            }
            PaymentEvent::PaymentCreated { provider_id, .. } => {
                from(&[S::Sending, S::Canceled])?;
                let truth = books
                    .payment(&provider_id)
                    .ok_or("the provider has no such payment")?;
                if truth.operation != id {
                    return Err("the provider's payment belongs to another operation".to_owned());
                }
                payment.provider_id = Some(provider_id.clone());
                payment.stage = S::Pending;
                books.shown(world, &provider_id);
            }
            PaymentEvent::PaymentAwaitingCapture { .. } => {
                from(&[S::Pending])?;
                payment.stage = S::Held;
            }
            PaymentEvent::CaptureIntended { .. } | PaymentEvent::CancelIntended {} => {
                from(&[S::Held])?;
            }
            PaymentEvent::PaymentSucceeded { amount, fee, .. } => {
                from(&[S::Pending, S::Held, S::Canceled])?;
                let provider_id = payment
                    .provider_id
                    .clone()
                    .ok_or("it has no provider's id")?;
                let truth = books
                    .payment(&provider_id)
                    .ok_or("the provider has no such payment")?;
                if truth.status != Status::Succeeded || !truth.has_taken(amount) || !truth.test {
                    return Err(format!(
                        "the provider says {:?} of {}",
                        truth.status, truth.taken
                    ));
                }
                if !self.settled_objects.insert(provider_id) {
                    return Err("the provider's payment was credited before".to_owned());
                }
                payment.stage = S::Succeeded;
                payment.paid = Some(amount);
                payment.is_credited = true;
                payment.fee = fee.map_or(0, |fee| fee.minor);
                let wallet = payment.terms.wallet_id;
                self.due(wallet, amount.minor);
            }
            PaymentEvent::PaymentCanceled { .. } => {
                from(&[S::Pending, S::Held])?;
                let truth = payment
                    .provider_id
                    .as_ref()
                    .and_then(|provider_id| books.payment(provider_id));
                if !truth.is_some_and(|truth| matches!(truth.status, Status::Canceled(_))) {
                    return Err("the provider has not cancelled it".to_owned());
                }
                payment.stage = S::Canceled;
            }
            PaymentEvent::PaymentQuarantined { received, .. } => {
                from(&[S::Sending, S::Pending, S::Held, S::Canceled, S::Quarantined])?;
                payment.stage = S::Quarantined;
                payment.paid = received;
                payment.suspense += received.map_or(0, |amount| amount.minor);
            }
            PaymentEvent::ResolutionProposed { .. } => from(&[S::Quarantined])?,
            PaymentEvent::QuarantineResolved { credited, .. } => {
                from(&[S::Quarantined])?;
                payment.stage = S::Resolved;
                if let Some(amount) = credited {
                    if payment.paid.is_none() || payment.suspense != amount.minor {
                        return Err(format!("{} of it are there", payment.suspense));
                    }
                    payment.suspense = 0;
                    payment.is_credited = true;
                    let wallet = super::model::wallet_of(payment.terms.user_id, amount);
                    self.due(wallet, amount.minor);
                }
            }
            PaymentEvent::PaymentOverpaid { total, excess } => {
                from(&[S::Succeeded, S::Quarantined, S::Resolved])?;
                let known = payment.paid.map_or(0, |paid| paid.minor) + payment.excess;
                let provider_id = payment.provider_id.as_ref();
                let truth = provider_id.and_then(|provider_id| books.payment(provider_id));
                let is_true = truth.is_some_and(|truth| truth.has_taken(total));
                if !is_true || known + excess.minor != total.minor || excess.minor <= 0 {
                    return Err(format!("{excess} of {total} came after {known}"));
                }
                payment.excess += excess.minor;
                payment.suspense += excess.minor;
            }
            PaymentEvent::PaymentContradicted { .. } => {}
            PaymentEvent::RefundIntended {
                refund_id, amount, ..
            } => {
                from(&[S::Succeeded])?;
                let refund = RefundModel {
                    amount: amount.minor,
                    end: None,
                    sent: false,
                    since: world.now(),
                };
                if payment.refunds.insert(refund_id, refund).is_some() {
                    return Err("a refund was intended twice".to_owned());
                }
                // What went back of what was set aside was never the wallet's.
                let paid = payment.paid.map_or(0, |paid| paid.minor);
                let back = payment.refunded() - payment.back_from_suspense;
                if back > paid {
                    return Err(format!("{back} of {paid} go back"));
                }
            }
            PaymentEvent::RefundSent { refund_id, .. }
            | PaymentEvent::RefundCreated { refund_id, .. } => {
                let refund = payment.refunds.get_mut(&refund_id);
                let refund = refund.filter(|refund| refund.end.is_none());
                let refund = refund.ok_or("a refund that is not open goes on")?;
                refund.sent = true;
                refund.since = world.now();
            }
            PaymentEvent::RefundNotSent { refund_id, .. } => {
                let refund = payment.refunds.get_mut(&refund_id);
                let refund = refund.filter(|refund| refund.end.is_none() && refund.sent);
                refund.ok_or("a refund that was not sent goes back")?.sent = false;
                if books.goes_back(refund_id) {
                    return Err("it counts as not sent, and the provider makes it".to_owned());
                }
            }
            PaymentEvent::RefundSucceeded {
                refund_id,
                provider_refund_id,
                amount,
                foreign,
            } => {
                let truth = books
                    .refund_by_id(&provider_refund_id)
                    .ok_or("the provider has no such refund")?;
                if truth.status != RefundStatus::Succeeded || truth.amount != amount {
                    return Err(format!(
                        "the provider says {:?} of {}",
                        truth.status, truth.amount
                    ));
                }
                if !self.settled_objects.insert(provider_refund_id) {
                    return Err("the provider's refund was booked before".to_owned());
                }
                let is_ours = payment.refunds.contains_key(&refund_id);
                if is_ours == foreign {
                    return Err(format!("foreign: {foreign}, known here: {is_ours}"));
                }
                let refund = payment.refunds.entry(refund_id).or_insert(RefundModel {
                    amount: amount.minor,
                    end: None,
                    sent: true,
                    since: world.now(),
                });
                if refund.end.replace(true).is_some() {
                    return Err("the refund had ended before".to_owned());
                }
                // What never became the user's goes back first, and who was credited nothing owes nothing.
                let set_aside = match (is_ours, payment.is_credited) {
                    (true, _) => 0,
                    (false, true) => amount.minor.min(payment.suspense.max(0)),
                    (false, false) => amount.minor,
                };
                payment.suspense -= set_aside;
                payment.back_from_suspense += set_aside;
                let wallet = payment.terms.wallet_id;
                let mut pays = amount.minor - set_aside;
                if !is_ours {
                    let purse = self.purses.entry(wallet).or_default();
                    pays = pays.min(purse.available().max(0));
                }
                self.due(wallet, -pays);
            }
            PaymentEvent::RefundFailed { refund_id, .. } => {
                let refund = payment
                    .refunds
                    .get_mut(&refund_id)
                    .ok_or("there is no such refund")?;
                if refund.end.replace(false).is_some() {
                    return Err("the refund had ended before".to_owned());
                }
            }
        }
        Ok(())
    }

    pub(super) fn check_refund_release(&self, world: &Arc<World>, id: &str) -> Result<(), Broken> {
        let refund_id: RefundId = super::model::parsed(id)?;
        let payment = self
            .payments
            .values()
            .find(|payment| payment.refunds.contains_key(&refund_id))
            .ok_or("a hold of no refund")?;
        let ended = payment
            .refunds
            .get(&refund_id)
            .is_some_and(|refund| refund.end == Some(false));
        if !ended {
            return Err("the hold of an open refund is released".to_owned());
        }
        let books = world.pay_in(payment.terms.provider);
        let goes_back = books.goes_back(refund_id);
        let under_way = world.under_way(id);
        if goes_back || under_way.iter().any(|key| books.is_new(world.now(), key)) {
            return Err("the hold of a refund is released that the provider makes".to_owned());
        }
        Ok(())
    }
}
