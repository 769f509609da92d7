//! Refunds of a payment. They live on the payment's stream, so that their sum is bounded by one decision.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Payment, PaymentEvent, PaymentState, REFUND_DAYS_MAX, REFUNDS_MAX};
use crate::ids::{HoldId, RefundId};
use crate::money::Money;
use crate::rejection::{Rejection, bounded};

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// Intended, the money is held; no call has left.
    Intended,
    /// The call has left or is about to.
    Sending,
    /// The provider has it; it is not done yet.
    Pending,
    /// The money went back. Terminal.
    Succeeded,
    /// No money went back. Terminal.
    Failed,
}

impl RefundState {
    /// The name in APIs, metrics and tables.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Sending => "sending",
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// A refund as its events left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Where it stands.
    pub state: RefundState,
    /// How much.
    pub amount: Money,
    /// The hold on the wallet; `None` for one that was made without us.
    pub hold_id: Option<HoldId>,
    /// Generation of the call's key, from 1.
    pub generation: u32,
    /// When the first call of this generation left.
    pub sent_at: Option<DateTime<Utc>>,
    /// The provider's id.
    pub provider_refund_id: Option<String>,
    /// Why.
    pub reason: String,
}

/// A provider's refund as it was read with our credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundSnapshot {
    /// The provider's id.
    pub provider_refund_id: String,
    /// The refund that this answer belongs to, when it came as the answer to our call or carries our id.
    pub refund_id: Option<RefundId>,
    /// How much.
    pub amount: Money,
    /// Where it stands.
    pub status: RefundStatus,
}

/// Where a provider's refund stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// Not done yet.
    Pending,
    /// The money went back.
    Succeeded,
    /// No money went back.
    Canceled {
        /// Why, the provider's word.
        reason: String,
    },
    /// A state that this program does not know. It changes nothing.
    Other(String),
}

impl RefundStatus {
    /// The name in notifications' verdicts.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Canceled { .. } => "canceled",
            Self::Other(_) => "other",
        }
    }
}

impl Payment {
    pub(super) fn evolve_refund(&mut self, event: PaymentEvent) {
        match event {
            PaymentEvent::RefundIntended {
                refund_id,
                amount,
                hold_id,
                reason,
            } => {
                let refund = Refund {
                    state: RefundState::Intended,
                    amount,
                    hold_id: Some(hold_id),
                    generation: 1,
                    sent_at: None,
                    provider_refund_id: None,
                    reason,
                };
                self.refunds.insert(refund_id, refund);
            }
            PaymentEvent::RefundSent {
                refund_id,
                generation,
                at,
            } => {
                if let Some(refund) = self.refunds.get_mut(&refund_id) {
                    refund.state = RefundState::Sending;
                    refund.generation = generation;
                    refund.sent_at = Some(at);
                }
            }
            PaymentEvent::RefundNotSent {
                refund_id,
                generation,
            } => {
                if let Some(refund) = self.refunds.get_mut(&refund_id) {
                    refund.state = RefundState::Intended;
                    refund.generation = generation.saturating_add(1);
                    refund.sent_at = None;
                }
            }
            PaymentEvent::RefundCreated {
                refund_id,
                provider_refund_id,
            } => {
                if let Some(refund) = self.refunds.get_mut(&refund_id) {
                    refund.state = RefundState::Pending;
                    refund.provider_refund_id = Some(provider_refund_id);
                }
            }
            PaymentEvent::RefundSucceeded {
                refund_id,
                provider_refund_id,
                amount,
                foreign,
            } => {
                if foreign {
                    let back = self.from_suspense_minor(amount);
                    self.suspense_minor = self.suspense_minor.saturating_sub(back);
                }
                let refund = self.refunds.entry(refund_id).or_insert_with(|| Refund {
                    state: RefundState::Succeeded,
                    amount,
                    hold_id: None,
                    generation: 0,
                    sent_at: None,
                    provider_refund_id: None,
                    reason: String::new(),
                });
                refund.state = RefundState::Succeeded;
                refund.provider_refund_id = Some(provider_refund_id);
            }
            PaymentEvent::RefundFailed { refund_id, .. } => {
                if let Some(refund) = self.refunds.get_mut(&refund_id) {
                    refund.state = RefundState::Failed;
                }
            }
            _ => {}
        }
    }

    pub(super) fn intend_refund(
        &self,
        refund_id: RefundId,
        amount: Money,
        hold_id: HoldId,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<PaymentEvent>, Rejection> {
        if let Some(known) = self.refunds.get(&refund_id) {
            return if known.amount == amount && known.hold_id == Some(hold_id) {
                Ok(vec![])
            } else {
                Err(Rejection::new(
                    "idempotency_conflict",
                    "the id belongs to another refund",
                ))
            };
        }
        let (Some(paid), PaymentState::Succeeded) = (self.paid, self.state) else {
            return Err(Rejection::new(
                "refund_not_possible",
                "only a payment that has succeeded can be refunded",
            )
            .with("state", self.state.code()));
        };
        let too_old = self
            .terms
            .as_ref()
            .is_some_and(|terms| now - terms.expires_at > chrono::TimeDelta::days(REFUND_DAYS_MAX));
        if too_old {
            return Err(Rejection::new(
                "refund_not_possible",
                "the payment is older than three years",
            ));
        }
        if amount.currency != paid.currency {
            return Err(Rejection::new(
                "currency_mismatch",
                "the refund is in another currency than the payment",
            ));
        }
        if !amount.is_positive() {
            return Err(Rejection::new(
                "amount_not_positive",
                "a refund needs an amount above zero",
            ));
        }
        if reason.len() > 250 || self.refunds.len() >= REFUNDS_MAX {
            return Err(Rejection::new(
                "invalid_command",
                format!("a reason has at most 250 bytes, a payment at most {REFUNDS_MAX} refunds"),
            ));
        }
        // What came beyond it is not the user's to give back, and neither is what of that has gone back.
        let excess_gone = self.excess_minor.saturating_sub(self.suspense_minor);
        let left = paid
            .minor
            .saturating_add(excess_gone)
            .saturating_sub(self.refunded_minor());
        if amount.minor > left {
            return Err(Rejection::new(
                "refund_exceeded",
                "the refunds of a payment are at most what was paid",
            )
            .with("left_minor", left));
        }
        Ok(vec![PaymentEvent::RefundIntended {
            refund_id,
            amount,
            hold_id,
            reason: reason.to_owned(),
        }])
    }

    pub(super) fn observe_refund(
        &self,
        snapshot: &RefundSnapshot,
    ) -> Result<Vec<PaymentEvent>, Rejection> {
        let provider_id = &snapshot.provider_refund_id;
        let known = self
            .refunds
            .iter()
            .find(|(id, refund)| {
                refund.provider_refund_id.as_ref() == Some(provider_id)
                    || (refund.provider_refund_id.is_none() && Some(**id) == snapshot.refund_id)
            })
            .or_else(|| self.unclear_twin(snapshot))
            .map(|(id, refund)| (*id, refund));
        let Some((refund_id, refund)) = known else {
            return Ok(self.foreign_refund(snapshot));
        };
        if refund.amount != snapshot.amount {
            return Err(Rejection::new(
                "invalid_state",
                "the provider's refund has another amount than ours",
            )
            .with("refund_id", refund_id));
        }
        let mut events = Vec::new();
        // Somebody called it failed, and it went through after all: the money is gone, so it is booked like one that we had not
        // asked for.
        if refund.state == RefundState::Failed && snapshot.status == RefundStatus::Succeeded {
            return Ok(self.foreign_refund(snapshot));
        }
        let is_open = matches!(
            refund.state,
            RefundState::Intended | RefundState::Sending | RefundState::Pending
        );
        if !is_open {
            return Ok(events);
        }
        if refund.provider_refund_id.is_none() {
            events.push(PaymentEvent::RefundCreated {
                refund_id,
                provider_refund_id: provider_id.clone(),
            });
        }
        match &snapshot.status {
            RefundStatus::Pending | RefundStatus::Other(_) => {}
            RefundStatus::Succeeded => events.push(PaymentEvent::RefundSucceeded {
                refund_id,
                provider_refund_id: provider_id.clone(),
                amount: refund.amount,
                foreign: false,
            }),
            RefundStatus::Canceled { reason } => events.push(PaymentEvent::RefundFailed {
                refund_id,
                reason: bounded(reason.clone()),
            }),
        }
        Ok(events)
    }

    /// The refund of ours that an unnamed one may be: sent, without a clear answer, of the same amount. Were it another's after
    /// all, ours would be booked when it appears, so that each refund at the provider is one booking either way.
    fn unclear_twin(&self, snapshot: &RefundSnapshot) -> Option<(&RefundId, &Refund)> {
        self.refunds.iter().find(|(_, refund)| {
            snapshot.refund_id.is_none()
                && refund.state == RefundState::Sending
                && refund.provider_refund_id.is_none()
                && refund.amount == snapshot.amount
        })
    }

    /// A refund that somebody made in the provider's cabinet. Only what is done counts.
    fn foreign_refund(&self, snapshot: &RefundSnapshot) -> Vec<PaymentEvent> {
        if snapshot.status != RefundStatus::Succeeded || self.paid.is_none() {
            return vec![];
        }
        let refund_id = RefundId::derived("foreign_refund", &snapshot.provider_refund_id);
        if self.refunds.contains_key(&refund_id) {
            return vec![];
        }
        vec![PaymentEvent::RefundSucceeded {
            refund_id,
            provider_refund_id: snapshot.provider_refund_id.clone(),
            amount: snapshot.amount,
            foreign: true,
        }]
    }
}
