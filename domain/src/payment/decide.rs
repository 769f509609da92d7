//! What follows for a payment from what is asked and what the provider says.

use chrono::{DateTime, Utc};

use super::{
    Payment, PaymentCommand, PaymentEvent, PaymentSnapshot, PaymentState, PaymentTerms,
    RefundState, SnapshotStatus,
};
use crate::aggregate::Decide;
use crate::ids::PaymentId;
use crate::money::Money;
use crate::rejection::{Rejection, bounded, required_reason};

impl Decide for Payment {
    fn decide(&self, command: &PaymentCommand) -> Result<Vec<PaymentEvent>, Rejection> {
        use PaymentCommand as C;
        use PaymentEvent as E;
        use PaymentState as S;
        match command {
            C::Intend { terms } => self.intend(terms),
            C::RecordSent { generation, at } => match self.state {
                S::Intended if *generation == self.generation => Ok(vec![E::PaymentSent {
                    generation: *generation,
                    at: *at,
                }]),
                // The same call again, under the same key.
                S::Sending if *generation == self.generation => Ok(vec![]),
                _ => Err(self.refuse("sent")),
            },
            C::RecordNotCreated {
                generation,
                code,
                is_final,
            } => match self.state {
                S::Sending | S::Intended if *generation == self.generation => {
                    Ok(vec![E::PaymentNotCreated {
                        generation: *generation,
                        code: bounded(code.clone()),
                        is_final: *is_final,
                    }])
                }
                _ => Err(self.refuse("given up")),
            },
            C::Observe {
                payment_id,
                snapshot,
                now,
            } => self.observe(*payment_id, snapshot, *now),
            C::IntendCapture { amount } => {
                let asked = self.terms()?.amount;
                match (self.state, self.capture) {
                    (S::AwaitingCapture | S::Succeeded, Some(known)) if known == *amount => {
                        Ok(vec![])
                    }
                    (S::AwaitingCapture, None) if !self.cancel_intended => {
                        if amount.currency != asked.currency {
                            return Err(Rejection::new(
                                "currency_mismatch",
                                "the capture is in another currency than the payment",
                            ));
                        }
                        if !amount.is_positive() || amount.minor > asked.minor {
                            return Err(Rejection::new(
                                "invalid_command",
                                "a capture is above zero and at most what is held",
                            )
                            .with("held_minor", asked.minor));
                        }
                        Ok(vec![E::CaptureIntended { amount: *amount }])
                    }
                    _ => Err(self.refuse("captured")),
                }
            }
            C::IntendCancel => match self.state {
                S::Canceled => Ok(vec![]),
                S::AwaitingCapture if self.cancel_intended => Ok(vec![]),
                S::AwaitingCapture if self.capture.is_none() => Ok(vec![E::CancelIntended {}]),
                _ => Err(self.refuse("cancelled")),
            },
            C::ResolveQuarantine {
                credited,
                by,
                reason,
            } => {
                let reason = required_reason(reason.clone())?;
                if self.state != S::Quarantined {
                    return Err(self.refuse("resolved"));
                }
                let left = self.suspense_minor;
                if let Some(amount) = credited
                    && (left <= 0
                        || self.paid.map(|paid| Money::new(left, paid.currency)) != Some(*amount))
                {
                    return Err(Rejection::new(
                        "invalid_command",
                        "what is credited must be what was received and has not gone back since",
                    )
                    .with("left_minor", left));
                }
                match &self.proposed {
                    Some((proposed, who)) if proposed == credited && who == by => Err(
                        Rejection::new("four_eyes_required", "another person must say the same"),
                    ),
                    Some((proposed, _)) if proposed == credited => {
                        Ok(vec![E::QuarantineResolved {
                            credited: *credited,
                            by: by.clone(),
                            reason,
                        }])
                    }
                    _ => Ok(vec![E::ResolutionProposed {
                        credited: *credited,
                        by: by.clone(),
                        reason,
                    }]),
                }
            }
            C::IntendRefund {
                refund_id,
                amount,
                hold_id,
                reason,
                now,
            } => self.intend_refund(*refund_id, *amount, *hold_id, reason, *now),
            C::RecordRefundSent {
                refund_id,
                generation,
                at,
            } => {
                let refund = self
                    .refunds
                    .get(refund_id)
                    .ok_or_else(|| Rejection::new("not_found", "there is no such refund"))?;
                match refund.state {
                    RefundState::Intended if refund.generation == *generation => {
                        Ok(vec![E::RefundSent {
                            refund_id: *refund_id,
                            generation: *generation,
                            at: *at,
                        }])
                    }
                    RefundState::Sending if refund.generation == *generation => Ok(vec![]),
                    state => Err(
                        Rejection::new("invalid_state", "the refund cannot be sent now")
                            .with("state", state.code()),
                    ),
                }
            }
            C::RecordRefundNotSent {
                refund_id,
                generation,
            } => match self.refunds.get(refund_id) {
                Some(refund)
                    if refund.state == RefundState::Sending && refund.generation == *generation =>
                {
                    Ok(vec![E::RefundNotSent {
                        refund_id: *refund_id,
                        generation: *generation,
                    }])
                }
                _ => Ok(vec![]),
            },
            C::ObserveRefund { snapshot } => self.observe_refund(snapshot),
            C::FailRefund { refund_id, reason } => {
                let refund = self
                    .refunds
                    .get(refund_id)
                    .ok_or_else(|| Rejection::new("not_found", "there is no such refund"))?;
                match refund.state {
                    RefundState::Failed => Ok(vec![]),
                    RefundState::Intended | RefundState::Sending => Ok(vec![E::RefundFailed {
                        refund_id: *refund_id,
                        reason: bounded(reason.clone()),
                    }]),
                    state => Err(Rejection::new(
                        "invalid_state",
                        "the refund cannot fail any more",
                    )
                    .with("state", state.code())),
                }
            }
        }
    }
}

impl Payment {
    fn terms(&self) -> Result<&PaymentTerms, Rejection> {
        self.terms
            .as_ref()
            .ok_or_else(|| Rejection::new("not_found", "there is no such payment"))
    }

    fn refuse(&self, wanted: &str) -> Rejection {
        Rejection::new(
            "invalid_state",
            format!("the payment cannot be {wanted} now"),
        )
        .with("state", self.state.code())
    }

    fn intend(&self, terms: &PaymentTerms) -> Result<Vec<PaymentEvent>, Rejection> {
        if let Some(known) = &self.terms {
            // The deadline is counted from the moment of each try.
            let same = PaymentTerms {
                expires_at: known.expires_at,
                ..terms.clone()
            } == *known;
            return if same {
                Ok(vec![])
            } else {
                Err(Rejection::new(
                    "idempotency_conflict",
                    "the id belongs to another payment",
                ))
            };
        }
        if !terms.amount.is_positive() {
            return Err(Rejection::new(
                "amount_not_positive",
                "a payment needs an amount above zero",
            ));
        }
        if terms.amount.currency != terms.wallet_id.currency
            || terms.wallet_id.user != terms.user_id
        {
            return Err(Rejection::new(
                "invalid_command",
                "the wallet is not of this user and currency",
            ));
        }
        if terms.return_url.len() > 2_048 {
            return Err(Rejection::new(
                "invalid_command",
                "the return address is longer than 2048 bytes",
            ));
        }
        Ok(vec![PaymentEvent::PaymentIntended {
            terms: terms.clone(),
        }])
    }

    /// Compares the provider's object with the intent and moves forwards.
    fn observe(
        &self,
        payment_id: PaymentId,
        snapshot: &PaymentSnapshot,
        now: DateTime<Utc>,
    ) -> Result<Vec<PaymentEvent>, Rejection> {
        use PaymentEvent as E;
        use PaymentState as S;
        let terms = self.terms()?;
        if self
            .provider_id
            .as_ref()
            .is_some_and(|id| *id != snapshot.provider_id)
        {
            return Err(Rejection::new(
                "invalid_state",
                "the provider's object belongs to another payment",
            ));
        }
        if self.state == S::Quarantined
            && self.paid.is_none()
            && snapshot.status == SnapshotStatus::Succeeded
            && snapshot.test == terms.test
            && snapshot.amount.is_positive()
        {
            // It was set aside before money came; now it has, and must stand somewhere.
            return Ok(vec![E::PaymentQuarantined {
                reason: "it was paid after it had been set aside".to_owned(),
                received: Some(snapshot.amount),
            }]);
        }
        if let Some(overpaid) = self.overpayment(terms, snapshot) {
            return Ok(vec![overpaid]);
        }
        if matches!(self.state, S::Quarantined | S::Resolved) {
            return Ok(vec![]);
        }
        if self.state == S::Succeeded {
            return Ok(self.contradiction(snapshot));
        }
        if let Some(reason) = self.mismatch(payment_id, terms, snapshot) {
            // Test money is no money, and what is not paid needs no place in the books.
            let received = (snapshot.status == SnapshotStatus::Succeeded
                && snapshot.test == terms.test
                && snapshot.amount.is_positive())
            .then_some(snapshot.amount);
            return Ok(vec![E::PaymentQuarantined { reason, received }]);
        }
        let mut events = Vec::new();
        if self.provider_id.is_none() {
            events.push(E::PaymentCreated {
                provider_id: snapshot.provider_id.clone(),
                confirmation_url: snapshot.confirmation_url.clone(),
            });
        }
        match &snapshot.status {
            SnapshotStatus::Pending | SnapshotStatus::Other(_) => {
                if self.state == S::Canceled {
                    events.clear();
                }
            }
            SnapshotStatus::AwaitingCapture => match self.state {
                S::AwaitingCapture | S::Canceled => events.clear(),
                _ => events.push(E::PaymentAwaitingCapture {
                    amount: snapshot.amount,
                    expires_at: snapshot.expires_at,
                }),
            },
            SnapshotStatus::Succeeded => events.push(E::PaymentSucceeded {
                amount: snapshot.amount,
                fee: snapshot.fee.filter(|fee| {
                    fee.currency == snapshot.amount.currency
                        && fee.is_positive()
                        && fee.minor < snapshot.amount.minor
                }),
                late: self.state == S::Canceled || now > terms.expires_at,
            }),
            SnapshotStatus::Canceled { party, reason } => {
                if self.state == S::Canceled {
                    events.clear();
                } else {
                    events.push(E::PaymentCanceled {
                        party: bounded(party.clone()),
                        reason: bounded(reason.clone()),
                    });
                }
            }
        }
        Ok(events)
    }

    /// Why the provider's object cannot be this payment's, in words.
    fn mismatch(
        &self,
        payment_id: PaymentId,
        terms: &PaymentTerms,
        snapshot: &PaymentSnapshot,
    ) -> Option<String> {
        if snapshot.test != terms.test {
            return Some(if snapshot.test {
                "a test payment where real money is expected".to_owned()
            } else {
                "a real payment where a test is expected".to_owned()
            });
        }
        // An object without our id is matched by the provider's id, which we know from the provider's own answer.
        match &snapshot.operation_id {
            Some(id) if *id != payment_id.to_string() => {
                return Some("it carries another operation's id".to_owned());
            }
            None if self.provider_id.is_none() => {
                return Some("it carries no operation id".to_owned());
            }
            _ => {}
        }
        if snapshot.amount.currency != terms.amount.currency {
            return Some("it is in another currency".to_owned());
        }
        let captured = snapshot.status == SnapshotStatus::Succeeded && !terms.capture;
        let fits = if captured {
            // A person may have captured less in the provider's cabinet: what was taken is what counts.
            snapshot.amount.is_positive()
                && snapshot.amount.minor <= terms.amount.minor
                && self
                    .capture
                    .is_none_or(|intended| intended == snapshot.amount)
        } else if matches!(snapshot.status, SnapshotStatus::Canceled { .. }) {
            true
        } else {
            snapshot.amount == terms.amount
        };
        (!fits).then(|| "the amount is not the one asked for".to_owned())
    }

    /// What has come since beyond what is known. A sum only grows: less than what is known is an older object, or a
    /// contradiction.
    fn overpayment(
        &self,
        terms: &PaymentTerms,
        snapshot: &PaymentSnapshot,
    ) -> Option<PaymentEvent> {
        use PaymentState as S;
        let paid = self.paid?;
        let known = paid.minor.saturating_add(self.excess_minor);
        let is_more = matches!(self.state, S::Succeeded | S::Quarantined | S::Resolved)
            && snapshot.status == SnapshotStatus::Succeeded
            && snapshot.test == terms.test
            && snapshot.amount.currency == paid.currency
            && snapshot.amount.minor > known;
        is_more.then(|| PaymentEvent::PaymentOverpaid {
            total: snapshot.amount,
            excess: Money::new(snapshot.amount.minor.saturating_sub(known), paid.currency),
        })
    }

    /// A final state is never left; what speaks against it is recorded once for a person.
    fn contradiction(&self, snapshot: &PaymentSnapshot) -> Vec<PaymentEvent> {
        let status = match &snapshot.status {
            SnapshotStatus::Canceled { .. } => "canceled",
            SnapshotStatus::Succeeded if self.known_total() != Some(snapshot.amount) => {
                "another_amount"
            }
            // An older object than the one that we have seen.
            _ => return vec![],
        };
        if self.contradicted.as_deref() == Some(status) {
            return vec![];
        }
        vec![PaymentEvent::PaymentContradicted {
            status: status.to_owned(),
        }]
    }

    /// All that is known to have come.
    fn known_total(&self) -> Option<Money> {
        let paid = self.paid?;
        Some(Money::new(
            paid.minor.saturating_add(self.excess_minor),
            paid.currency,
        ))
    }

    /// What has to be booked for a success: the amount, and the provider's part of it if it was told.
    #[must_use]
    pub fn net_of(amount: Money, fee: Option<Money>) -> Money {
        let fee = fee.map_or(0, |fee| fee.minor);
        Money::new(amount.minor.saturating_sub(fee), amount.currency)
    }
}
