//! What follows for a payout from what is asked.

use super::{
    FailedWhen, Payout, PayoutCommand, PayoutEvent, PayoutMethod, PayoutState, PayoutTerms,
    SENDS_MAX, UNPAID_AFTER,
};
use crate::aggregate::Decide;
use crate::rejection::{Rejection, bounded, required_reason};

impl Payout {
    fn refuse(&self, wanted: &str) -> Rejection {
        Rejection::new(
            "invalid_state",
            format!("the payout cannot be {wanted} now"),
        )
        .with("state", self.state.code())
    }

    fn current(&self, attempt: u32, wanted: &str) -> Result<(), Rejection> {
        if attempt == self.attempt {
            Ok(())
        } else {
            Err(self.refuse(wanted).with("attempt", self.attempt))
        }
    }
}

impl Decide for Payout {
    fn decide(&self, command: &PayoutCommand) -> Result<Vec<PayoutEvent>, Rejection> {
        use PayoutCommand as C;
        use PayoutEvent as E;
        use PayoutState as S;
        match command.clone() {
            C::Request {
                user_id,
                wallet_id,
                amount,
                destination,
                operator,
                provider,
                receipt_id,
                method,
                hold_id,
            } => {
                let terms = PayoutTerms {
                    user_id,
                    wallet_id,
                    amount,
                    destination: destination.clone(),
                    operator,
                    provider,
                    receipt_id,
                    method: method.clone(),
                };
                if let Some(known) = &self.terms {
                    // The destination is sealed anew at each try, so it is not part of the comparison.
                    let same = PayoutTerms {
                        destination,
                        ..known.clone()
                    } == terms
                        && self.hold_id == Some(hold_id);
                    return if same {
                        Ok(vec![])
                    } else {
                        Err(Rejection::new(
                            "idempotency_conflict",
                            "the id belongs to another payout",
                        ))
                    };
                }
                if !amount.is_positive() {
                    return Err(Rejection::new(
                        "amount_not_positive",
                        "a payout needs an amount above zero",
                    ));
                }
                if (method == PayoutMethod::MobileTopUp) != operator.is_some() {
                    return Err(Rejection::new(
                        "invalid_command",
                        "a mobile top-up, and nothing else, needs an operator",
                    ));
                }
                if amount.currency != wallet_id.currency || wallet_id.user != user_id {
                    return Err(Rejection::new(
                        "invalid_command",
                        "the wallet is not of this user and currency",
                    ));
                }
                Ok(vec![
                    E::PayoutRequested {
                        user_id,
                        wallet_id,
                        amount,
                        destination,
                        operator,
                        provider,
                        receipt_id,
                        method,
                    },
                    E::FundsHeld { hold_id },
                ])
            }
            C::RecordCreated { attempt, bill_id } => {
                self.current(attempt, "created")?;
                match self.state {
                    S::Held => Ok(vec![E::PayoutCreated { attempt, bill_id }]),
                    S::Created if self.bill_id.as_ref() == Some(&bill_id) => Ok(vec![]),
                    _ => Err(self.refuse("created")),
                }
            }
            C::RecordSent {
                attempt,
                sender,
                at,
            } => {
                self.current(attempt, "sent")?;
                match self.state {
                    S::Created => Ok(vec![E::PayoutSent {
                        attempt,
                        sender,
                        at,
                    }]),
                    _ => Err(self.refuse("sent")),
                }
            }
            C::TakeBudget { day } => match self.state {
                S::Held | S::Created if self.budget_day == Some(day) => Ok(vec![]),
                S::Held | S::Created => Ok(vec![E::BudgetTaken { day }]),
                _ => Err(self.refuse("budgeted")),
            },
            C::Postpone { reason, until } => match self.state {
                S::Held | S::Created
                    if self.postponed.as_ref() == Some(&reason) && self.retry_at == until =>
                {
                    Ok(vec![])
                }
                S::Held | S::Created => Ok(vec![E::PayoutPostponed {
                    reason: bounded(reason),
                    until,
                }]),
                _ => Err(self.refuse("postponed")),
            },
            C::RecordPending {
                attempt,
                provider_id,
            } => {
                self.current(attempt, "pending")?;
                match self.state {
                    S::Sent | S::Unknown => Ok(vec![E::PayoutPending {
                        attempt,
                        provider_id: provider_id.map(bounded),
                    }]),
                    S::Pending => Ok(vec![]),
                    _ => Err(self.refuse("pending")),
                }
            }
            C::RecordReversed { bill_id } => match self.state {
                S::Succeeded if self.bill_id.as_ref() == Some(&bill_id) => {
                    Ok(vec![E::PayoutReversed { bill_id }])
                }
                S::Reversed if self.bill_id.as_ref() == Some(&bill_id) => Ok(vec![]),
                _ => Err(self.refuse("reversed")),
            },
            C::RecordSentAgain {
                attempt,
                sender,
                at,
                key_expires_at,
            } => {
                self.current(attempt, "sent again")?;
                if key_expires_at.is_some_and(|expires| at >= expires) {
                    return Err(self.refuse("sent again: the provider has forgotten its key"));
                }
                match self.state {
                    S::Unknown if self.sends < SENDS_MAX => Ok(vec![E::PayoutSent {
                        attempt,
                        sender,
                        at,
                    }]),
                    _ => Err(self.refuse("sent again")),
                }
            }
            C::RecordUnknown { attempt, reason } => {
                self.current(attempt, "unknown")?;
                match self.state {
                    S::Sent => Ok(vec![E::PayoutUnknown {
                        attempt,
                        reason: bounded(reason),
                    }]),
                    S::Unknown | S::Pending => Ok(vec![]),
                    _ => Err(self.refuse("unknown")),
                }
            }
            C::Succeed {
                bill_id,
                paid_at,
                provider_id,
            } => match self.state {
                S::Sent | S::Unknown | S::Pending | S::InReview
                    if self.bill_id.as_ref() == Some(&bill_id) =>
                {
                    Ok(vec![E::PayoutSucceeded {
                        bill_id,
                        paid_at,
                        provider_id: provider_id.map(bounded),
                    }])
                }
                S::Succeeded if self.bill_id.as_ref() == Some(&bill_id) => Ok(vec![]),
                _ => Err(self.refuse("succeeded")),
            },
            C::Fail {
                attempt,
                when,
                code,
                is_final,
                retry_at,
            } => {
                self.current(attempt, "failed")?;
                let is_about_now = match when {
                    FailedWhen::BeforeBill => self.state == S::Held,
                    FailedWhen::BeforeSending => self.state == S::Created,
                    FailedWhen::AfterSending { sender } => {
                        matches!(self.state, S::Sent | S::Unknown | S::Pending)
                            && self.sender == Some(sender)
                    }
                };
                if !is_about_now {
                    return Err(self.refuse("failed"));
                }
                Ok(vec![E::PayoutFailed {
                    attempt,
                    code: bounded(code),
                    is_final,
                    retry_at,
                }])
            }
            C::Contradict { status } => match self.state {
                S::Failed | S::Reversed if self.contradicted.as_ref() == Some(&status) => {
                    Ok(vec![])
                }
                S::Failed | S::Reversed => Ok(vec![E::PayoutContradicted {
                    status: bounded(status),
                }]),
                _ => Err(self.refuse("contradicted")),
            },
            C::Cancel { reason } => match self.state {
                S::Held | S::Created => {
                    let reason = required_reason(reason)?;
                    Ok(vec![E::PayoutFailed {
                        attempt: self.attempt,
                        code: bounded(format!("cancelled: {reason}")),
                        is_final: true,
                        retry_at: None,
                    }])
                }
                _ => Err(self.refuse("cancelled")),
            },
            C::DecideReview {
                paid,
                by,
                reason,
                now,
            } => {
                if reason.trim().is_empty() {
                    return Err(Rejection::new("review_reason_required", "say how you know"));
                }
                if !matches!(self.state, S::Unknown | S::Pending | S::InReview) {
                    return Err(self.refuse("decided by a person"));
                }
                let is_fresh = self.sent_at.is_some_and(|at| now < at + UNPAID_AFTER);
                if !paid && (is_fresh || self.state == S::Pending) {
                    return Err(Rejection::new(
                        "invalid_state",
                        "the provider may still pay it; ask again later",
                    ));
                }
                match &self.proposed {
                    Some((proposed, who)) if *proposed == paid && *who == by => {
                        return Err(Rejection::new(
                            "four_eyes_required",
                            "another person must say the same",
                        ));
                    }
                    Some((proposed, _)) if *proposed == paid => {}
                    _ => {
                        return Ok(vec![E::ReviewProposed {
                            paid,
                            by,
                            reason: bounded(reason),
                        }]);
                    }
                }
                let outcome = match (paid, self.bill_id.clone()) {
                    (true, Some(bill_id)) => E::PayoutSucceeded {
                        bill_id,
                        paid_at: None,
                        provider_id: None,
                    },
                    (true, None) => {
                        return Err(self.refuse("paid, since no bill was made"));
                    }
                    (false, _) => E::PayoutFailed {
                        attempt: self.attempt,
                        code: "decided_by_operator".to_owned(),
                        is_final: true,
                        retry_at: None,
                    },
                };
                Ok(vec![
                    E::ReviewDecided {
                        paid,
                        reason: bounded(reason),
                    },
                    outcome,
                ])
            }
            C::SendToReview { reason } => match self.state {
                S::Held | S::Created | S::Sent | S::Pending | S::Unknown => {
                    Ok(vec![E::SentToReview {
                        reason: bounded(reason),
                    }])
                }
                S::InReview => Ok(vec![]),
                _ => Err(self.refuse("reviewed")),
            },
        }
    }
}
