//! `POST /refunds`: partly, repeatedly, never beyond the payment, for three years.

use serde_json::Value;

use super::Yookassa;
use super::error::ApiError;
use super::faults::Outcome;
use super::fields::Fields;
use super::state::{Books, Change, ObjectRef, PaymentStatus, Refund, TransferStatus};
use super::{receipt, render};

impl Yookassa {
    pub(super) fn create_refund(
        &self,
        books: &Books,
        body: &Value,
        outcome: Option<&Outcome>,
    ) -> Result<(Vec<Change>, ObjectRef), ApiError> {
        let fields = Fields::of(body)?;
        let payment_id = fields.required_text("payment_id", 36)?;
        let payment = books
            .payments
            .get(payment_id)
            .ok_or_else(|| ApiError::invalid("payment_id", "Payment not found or forbidden"))?;
        let amount = fields.required_amount("amount")?;
        let now = self.now(books);
        if payment.status != PaymentStatus::Succeeded {
            return Err(ApiError::invalid(
                "payment_id",
                "Only a payment that succeeded can be refunded",
            ));
        }
        if now >= render::refundable_until(payment) {
            return Err(ApiError::invalid(
                "payment_id",
                "The payment is too old to be refunded",
            ));
        }
        if amount.currency != payment.currency {
            return Err(ApiError::invalid(
                "amount.currency",
                "Currency code is illegal",
            ));
        }
        let left = payment
            .amount_minor
            .saturating_sub(books.bound_for_refunds(&payment.id));
        if amount.minor > left {
            return Err(ApiError::invalid(
                "amount.value",
                "Refund amount is greater than what is left of the payment",
            ));
        }
        receipt::check(&fields, self.settings.receipts, amount.minor, false)?;
        let seq = books.made.saturating_add(1);
        let created_at = render::moment(now, seq);
        let outcome = outcome.unwrap_or(&self.settings.refund_outcome).clone();
        let refund = Refund {
            id: render::id("refund", created_at, self.seed, seq),
            seq,
            payment_id: payment.id.clone(),
            status: TransferStatus::Pending,
            amount_minor: amount.minor,
            currency: amount.currency,
            description: fields.text("description", 250)?.map(str::to_owned),
            created_at,
            outcome,
            cancellation: None,
        };
        let object = ObjectRef::Refund(refund.id.clone());
        if refund.outcome.after_seconds() == Some(0) {
            let changes = self.refund_ended(books, &refund, &refund.outcome, created_at)?;
            return Ok((changes, object));
        }
        let change = Change::Refund {
            refund: Box::new(refund),
        };
        Ok((vec![change], object))
    }
}
