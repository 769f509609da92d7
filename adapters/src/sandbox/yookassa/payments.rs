//! `POST /payments`, capture and cancel.

use chrono::Duration;
use serde_json::Value;
use url::Url;

use super::Yookassa;
use super::error::ApiError;
use super::fields::Fields;
use super::state::{Books, Change, Confirmation, Metadata, ObjectRef, Payment, PaymentStatus};
use super::{life, receipt, render};

type Made = Result<(Vec<Change>, ObjectRef), ApiError>;

const CONFIRMATIONS: [&str; 5] = [
    "redirect",
    "external",
    "qr",
    "embedded",
    "mobile_application",
];

/// Ways of paying that a shop may ask for, of those that the provider knows.
pub(super) const METHODS: [&str; 8] = [
    "bank_card",
    "yoo_money",
    "sbp",
    "sberbank",
    "tinkoff_bank",
    "mobile_balance",
    "cash",
    "sber_loan",
];

impl Yookassa {
    pub(super) fn create_payment(&self, books: &Books, body: &Value) -> Made {
        let fields = Fields::of(body)?;
        let amount = fields.required_amount("amount")?;
        let description = fields.text("description", 128)?.map(str::to_owned);
        let metadata = fields.metadata()?;
        let confirmation = confirmation(&fields)?;
        let has_receipt = receipt::check(&fields, self.settings.receipts, amount.minor, true)?;
        let method = method(&fields)?;
        let customer = fields.text("merchant_customer_id", 200)?;
        let seq = books.made.saturating_add(1);
        let created_at = render::moment(self.now(books), seq);
        let wait = Duration::seconds(self.settings.confirmation_seconds);
        let payment = Payment {
            id: render::id("payment", created_at, self.seed, seq),
            seq,
            status: PaymentStatus::Pending,
            requested_minor: amount.minor,
            amount_minor: amount.minor,
            currency: amount.currency,
            capture: fields.flag("capture")?,
            description,
            metadata,
            merchant_customer_id: customer.map(str::to_owned),
            confirmation: Some(confirmation),
            save_method: fields.flag("save_payment_method")?,
            created_at,
            confirm_by: created_at.checked_add_signed(wait).unwrap_or(created_at),
            paid_at: None,
            captured_at: None,
            expires_at: None,
            method,
            cancellation: None,
            refunded_minor: 0,
            fee_minor: 0,
            has_receipt,
            test: self.settings.shop.test,
        };
        let object = ObjectRef::Payment(payment.id.clone());
        let change = Change::Payment {
            payment: Box::new(payment),
        };
        Ok((vec![change], object))
    }

    pub(super) fn capture_payment(&self, books: &Books, id: &str, body: &Value) -> Made {
        let payment = books
            .payments
            .get(id)
            .ok_or_else(|| ApiError::not_found("Payment"))?;
        let fields = Fields::of(body)?;
        let minor = match fields.amount("amount")? {
            None => payment.amount_minor,
            Some(sum) if sum.currency != payment.currency => {
                return Err(ApiError::invalid(
                    "amount.currency",
                    "Currency code is illegal",
                ));
            }
            Some(sum) if sum.minor > payment.amount_minor => {
                return Err(ApiError::invalid(
                    "amount.value",
                    "Payment amount is illegal",
                ));
            }
            Some(sum) => sum.minor,
        };
        receipt::check(&fields, self.settings.receipts, minor, false)?;
        let changes = self.captured(payment, minor, self.now(books))?;
        Ok((changes, ObjectRef::Payment(id.to_owned())))
    }

    pub(super) fn cancel_payment(&self, books: &Books, id: &str) -> Made {
        let payment = books
            .payments
            .get(id)
            .ok_or_else(|| ApiError::not_found("Payment"))?;
        if payment.status != PaymentStatus::WaitingForCapture {
            let words = "Only a payment that waits for capture can be canceled";
            return Err(ApiError::new(400, "invalid_request", words));
        }
        let why = life::cancellation("canceled_by_merchant", None, "payment_network");
        let changes = self.canceled(payment, why, self.now(books))?;
        Ok((changes, ObjectRef::Payment(id.to_owned())))
    }
}

fn confirmation(fields: &Fields<'_>) -> Result<Confirmation, ApiError> {
    let wanted = fields
        .object("confirmation")?
        .ok_or_else(|| fields.missing("confirmation"))?;
    let kind = wanted.required_text("type", 64)?;
    if !CONFIRMATIONS.contains(&kind) {
        return Err(wanted.wrong("type", "is not known"));
    }
    let return_url = wanted.text("return_url", 2_048)?;
    if return_url.is_none() && matches!(kind, "redirect" | "mobile_application") {
        return Err(wanted.missing("return_url"));
    }
    if return_url.is_some_and(|url| !is_address(url, kind)) {
        return Err(wanted.wrong("return_url", "is illegal"));
    }
    Ok(Confirmation {
        kind: kind.to_owned(),
        return_url: return_url.map(str::to_owned),
    })
}

/// A web address, or for an application any address that opens it; never a script.
fn is_address(text: &str, kind: &str) -> bool {
    Url::parse(text).is_ok_and(|url| match url.scheme() {
        "http" | "https" => url.has_host(),
        "javascript" | "data" | "file" => false,
        _ => kind == "mobile_application",
    })
}

fn method(fields: &Fields<'_>) -> Result<Option<String>, ApiError> {
    let Some(data) = fields.object("payment_method_data")? else {
        return Ok(None);
    };
    let kind = data.required_text("type", 64)?;
    if METHODS.contains(&kind) {
        Ok(Some(kind.to_owned()))
    } else {
        Err(data.wrong("type", "is not known"))
    }
}

/// What a fault rule can name a call by, beside the path: the operation that the caller wrote into the metadata.
pub(super) fn operation(body: &Value) -> Option<&str> {
    body.get("metadata")?.get("operation_id")?.as_str()
}

/// Metadata's operation id, for the books.
pub(super) fn operation_id(metadata: &Metadata) -> Option<String> {
    metadata.get("operation_id").cloned().flatten()
}
