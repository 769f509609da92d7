//! What becomes of payments, refunds and payouts: one direction only, and each change says itself in a notification.
//!
//! Functions here return changes; whoever calls them commits. What time does is dated to the moment at which it was due, however
//! late anybody looks.

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use super::Yookassa;
use super::error::ApiError;
use super::faults::Outcome;
use super::render;
use super::state::{
    Books, Cancellation, Change, Movement, Notice, PAYMENT, PAYOUT, Payment, PaymentStatus, Payout,
    REFUND, Refund, TransferStatus,
};
use crate::sandbox::journal::Remembered;

/// Reasons for which the provider's description knows a payment to end.
pub const PAYMENT_REASONS: [&str; 24] = [
    "3d_secure_failed",
    "call_issuer",
    "card_expired",
    "payment_method_limit_exceeded",
    "payment_method_restricted",
    "country_forbidden",
    "general_decline",
    "fraud_suspected",
    "identification_required",
    "insufficient_funds",
    "invalid_card_number",
    "invalid_csc",
    "issuer_unavailable",
    "canceled_by_merchant",
    "permission_revoked",
    "internal_timeout",
    "expired_on_confirmation",
    "expired_on_capture",
    "unsupported_mobile_operator",
    "deal_expired",
    "loan_declined",
    "loan_declined_by_payer",
    "loan_application_expired",
    "rejected_by_timeout",
];

/// Who usually stands behind a reason; `network` is the side beyond the provider.
fn party(reason: &str, network: &str) -> String {
    match reason {
        "canceled_by_merchant" => "merchant",
        "fraud_suspected"
        | "identification_required"
        | "internal_timeout"
        | "expired_on_confirmation"
        | "expired_on_capture"
        | "country_forbidden"
        | "payment_method_restricted"
        | "deal_expired"
        | "yoo_money_account_closed"
        | "one_time_limit_exceeded"
        | "periodic_limit_exceeded" => "yoo_money",
        "insufficient_funds" if network != "payment_network" => "yoo_money",
        _ => network,
    }
    .to_owned()
}

pub(super) fn cancellation(reason: &str, given: Option<&str>, network: &str) -> Cancellation {
    Cancellation {
        party: given.map_or_else(|| party(reason, network), str::to_owned),
        reason: reason.to_owned(),
    }
}

fn wrong_state(what: &str) -> ApiError {
    ApiError::new(
        400,
        "invalid_request",
        format!("The {what} is in another status"),
    )
}

/// When an outcome comes due.
fn due(created_at: DateTime<Utc>, outcome: &Outcome) -> Option<DateTime<Utc>> {
    let after = Duration::seconds(i64::from(outcome.after_seconds()?));
    created_at.checked_add_signed(after)
}

impl Yookassa {
    fn notice(&self, event: &str, object_id: &str, object: &Value, at: DateTime<Utc>) -> Change {
        Change::Notice {
            notice: Box::new(Notice {
                id: 0,
                side: render::side_of(event),
                event: event.to_owned(),
                object_id: object_id.to_owned(),
                body: render::envelope(event, object),
                at,
                attempts: Vec::new(),
                taken: false,
            }),
        }
    }

    fn told(&self, payment: Payment, at: DateTime<Utc>) -> Vec<Change> {
        let object = render::payment(&payment, &self.view(at));
        let event = format!("payment.{}", payment.status.word());
        vec![
            self.notice(&event, &payment.id, &object, at),
            Change::Payment {
                payment: Box::new(payment),
            },
        ]
    }

    /// The person has paid.
    pub(super) fn paid(
        &self,
        payment: &Payment,
        method: &str,
        at: DateTime<Utc>,
    ) -> Result<Vec<Change>, ApiError> {
        if payment.status != PaymentStatus::Pending {
            return Err(wrong_state("payment"));
        }
        let at = render::moment(at, payment.seq);
        let mut payment = payment.clone();
        payment.method = Some(payment.method.unwrap_or_else(|| method.to_owned()));
        payment.paid_at = Some(at);
        if payment.capture {
            let all = payment.amount_minor;
            return Ok(self.capture(payment, all, at));
        }
        payment.status = PaymentStatus::WaitingForCapture;
        let hold = render::hold_time(payment.method.as_deref().unwrap_or_default());
        payment.expires_at = at.checked_add_signed(hold);
        Ok(self.told(payment, at))
    }

    /// Takes money that is on hold, or a part of it; the rest goes back.
    pub(super) fn captured(
        &self,
        payment: &Payment,
        minor: i64,
        at: DateTime<Utc>,
    ) -> Result<Vec<Change>, ApiError> {
        if payment.status != PaymentStatus::WaitingForCapture {
            return Err(wrong_state("payment"));
        }
        let at = render::moment(at, payment.seq);
        Ok(self.capture(payment.clone(), minor, at))
    }

    fn capture(&self, mut payment: Payment, minor: i64, at: DateTime<Utc>) -> Vec<Change> {
        payment.status = PaymentStatus::Succeeded;
        payment.amount_minor = minor;
        payment.captured_at = Some(at);
        payment.fee_minor = fee(minor, self.settings.fee_basis_points);
        let moved = Change::Moved {
            movement: Movement::Captured,
            currency: payment.currency.clone(),
            minor,
        };
        let mut changes = self.told(payment, at);
        changes.push(moved);
        changes
    }

    /// Ends a payment that has not succeeded.
    pub(super) fn canceled(
        &self,
        payment: &Payment,
        why: Cancellation,
        at: DateTime<Utc>,
    ) -> Result<Vec<Change>, ApiError> {
        if !matches!(
            payment.status,
            PaymentStatus::Pending | PaymentStatus::WaitingForCapture
        ) {
            return Err(wrong_state("payment"));
        }
        let mut payment = payment.clone();
        payment.status = PaymentStatus::Canceled;
        payment.cancellation = Some(why);
        Ok(self.told(payment, at))
    }

    /// Ends a refund. A canceled one is told to nobody: the provider has no such event.
    pub(super) fn refund_ended(
        &self,
        books: &Books,
        refund: &Refund,
        outcome: &Outcome,
        at: DateTime<Utc>,
    ) -> Result<Vec<Change>, ApiError> {
        if refund.status != TransferStatus::Pending {
            return Err(wrong_state("refund"));
        }
        let mut refund = refund.clone();
        match outcome {
            Outcome::ByHand => return Ok(Vec::new()),
            Outcome::Canceled { reason, party, .. } => {
                refund.status = TransferStatus::Canceled;
                refund.cancellation =
                    Some(cancellation(reason, party.as_deref(), "refund_network"));
                return Ok(vec![Change::Refund {
                    refund: Box::new(refund),
                }]);
            }
            Outcome::Succeeded { .. } => {}
        }
        let mut payment = books
            .payments
            .get(&refund.payment_id)
            .cloned()
            .ok_or_else(|| ApiError::not_found("Payment"))?;
        refund.status = TransferStatus::Succeeded;
        payment.refunded_minor = payment.refunded_minor.saturating_add(refund.amount_minor);
        let object = render::refund(&refund);
        Ok(vec![
            Change::Payment {
                payment: Box::new(payment),
            },
            Change::Moved {
                movement: Movement::Refunded,
                currency: refund.currency.clone(),
                minor: refund.amount_minor,
            },
            self.notice("refund.succeeded", &refund.id, &object, at),
            Change::Refund {
                refund: Box::new(refund),
            },
        ])
    }

    /// Ends a payout.
    pub(super) fn payout_ended(
        &self,
        payout: &Payout,
        outcome: &Outcome,
        at: DateTime<Utc>,
    ) -> Result<Vec<Change>, ApiError> {
        if payout.status != TransferStatus::Pending {
            return Err(wrong_state("payout"));
        }
        let mut payout = payout.clone();
        let mut changes = Vec::new();
        match outcome {
            Outcome::ByHand => return Ok(changes),
            Outcome::Canceled { reason, party, .. } => {
                payout.status = TransferStatus::Canceled;
                payout.cancellation =
                    Some(cancellation(reason, party.as_deref(), "payout_network"));
            }
            Outcome::Succeeded { .. } => {
                payout.status = TransferStatus::Succeeded;
                payout.succeeded_at = Some(render::moment(at, payout.seq));
                changes.push(Change::Moved {
                    movement: Movement::PaidOut,
                    currency: payout.currency.clone(),
                    minor: payout.amount_minor,
                });
            }
        }
        let event = format!("payout.{}", payout.status.word());
        let object = render::payout(&payout);
        changes.push(self.notice(&event, &payout.id, &object, at));
        changes.push(Change::Payout {
            payout: Box::new(payout),
        });
        Ok(changes)
    }

    /// Lets everything happen that time has brought due, in the order in which it was due.
    pub(super) fn tick(&self, books: &mut Remembered<Books>) -> Result<(), ApiError> {
        let now = self.now(books);
        let mut ripe: Vec<(DateTime<Utc>, u8, String)> = books
            .open
            .iter()
            .filter_map(|(kind, id)| {
                let at = due_at(books, *kind, id)?;
                (at <= now).then(|| (at, *kind, id.clone()))
            })
            .collect();
        ripe.sort();
        let any = !ripe.is_empty();
        for (at, kind, id) in ripe {
            let changes = self.ripened(books, kind, &id, at)?;
            books.commit(changes)?;
        }
        if any {
            self.tell();
        }
        Ok(())
    }

    fn ripened(
        &self,
        books: &Books,
        kind: u8,
        id: &str,
        at: DateTime<Utc>,
    ) -> Result<Vec<Change>, ApiError> {
        let gone = || ApiError::not_found("Object");
        match kind {
            PAYMENT => {
                let payment = books.payments.get(id).ok_or_else(gone)?;
                let reason = if payment.status == PaymentStatus::Pending {
                    "expired_on_confirmation"
                } else {
                    "expired_on_capture"
                };
                self.canceled(payment, cancellation(reason, None, "payment_network"), at)
            }
            REFUND => {
                let refund = books.refunds.get(id).ok_or_else(gone)?;
                self.refund_ended(books, refund, &refund.outcome, at)
            }
            _ => {
                let payout = books.payouts.get(id).ok_or_else(gone)?;
                self.payout_ended(payout, &payout.outcome, at)
            }
        }
    }
}

fn due_at(books: &Books, kind: u8, id: &str) -> Option<DateTime<Utc>> {
    match kind {
        PAYMENT => {
            let payment = books.payments.get(id)?;
            match payment.status {
                PaymentStatus::Pending => Some(payment.confirm_by),
                PaymentStatus::WaitingForCapture => payment.expires_at,
                _ => None,
            }
        }
        REFUND => {
            let refund = books.refunds.get(id)?;
            due(refund.created_at, &refund.outcome)
        }
        PAYOUT => {
            let payout = books.payouts.get(id)?;
            due(payout.created_at, &payout.outcome)
        }
        _ => None,
    }
}

/// Basis points of a sum, half a kopeck upwards.
fn fee(minor: i64, basis_points: u32) -> i64 {
    let product = i128::from(minor).saturating_mul(i128::from(basis_points));
    i64::try_from(product.saturating_add(5_000) / 10_000)
        .unwrap_or(minor)
        .min(minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fee_is_whole_kopecks_and_never_more_than_the_sum() {
        assert_eq!(fee(10_000, 350), 350);
        assert_eq!(fee(1, 350), 0);
        assert_eq!(fee(143, 350), 5, "5.005 kopecks");
        assert_eq!(fee(i64::MAX, 350), 322_818_021_289_917_153);
        assert_eq!(fee(100, 20_000), 100);
    }

    #[test]
    fn an_unknown_reason_comes_from_the_network() {
        assert_eq!(
            cancellation("from_tomorrow", None, "payout_network").party,
            "payout_network"
        );
        assert_eq!(
            cancellation("insufficient_funds", None, "payout_network").party,
            "yoo_money"
        );
        assert_eq!(
            cancellation("insufficient_funds", None, "payment_network").party,
            "payment_network"
        );
    }
}
