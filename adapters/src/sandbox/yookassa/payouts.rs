//! `POST /payouts`: exactly one destination, roubles, and a balance that can run out.

use serde_json::{Value, json};

use super::Yookassa;
use super::error::ApiError;
use super::faults::Outcome;
use super::fields::{Fields, all_digits};
use super::render;
use super::state::{Books, Change, ObjectRef, Payout, TransferStatus};

/// One rouble is the least that can be paid out.
const LEAST_MINOR: i64 = 100;
/// One transfer over the Faster Payments System.
const SBP_MOST_MINOR: i64 = 50_000_000;

/// Banks of the Faster Payments System at the simulated provider: id, name, BIC.
pub(super) const BANKS: [(&str, &str, &str); 4] = [
    ("100000000111", "Sberbank", "044525225"),
    ("100000000004", "T-Bank", "044525974"),
    ("100000000008", "Alfa-Bank", "044525593"),
    ("100000000005", "VTB", "044525187"),
];

impl Yookassa {
    pub(super) fn create_payout(
        &self,
        books: &Books,
        body: &Value,
        outcome: Option<&Outcome>,
    ) -> Result<(Vec<Change>, ObjectRef), ApiError> {
        let fields = Fields::of(body)?;
        let amount = fields.required_amount("amount")?;
        if amount.currency != "RUB" {
            return Err(ApiError::invalid(
                "amount.currency",
                "Currency code is illegal",
            ));
        }
        if amount.minor < LEAST_MINOR {
            return Err(ApiError::invalid(
                "amount.value",
                "Payment amount is illegal",
            ));
        }
        let destination = destination(books, &fields)?;
        let seq = books.made.saturating_add(1);
        let created_at = render::moment(self.now(books), seq);
        let payout = Payout {
            id: render::id("payout", created_at, self.seed, seq),
            seq,
            status: TransferStatus::Pending,
            amount_minor: amount.minor,
            currency: amount.currency,
            description: fields.text("description", 128)?.map(str::to_owned),
            metadata: fields.metadata()?,
            created_at,
            succeeded_at: None,
            outcome: self.payout_outcome(books, amount.minor, &destination, outcome),
            destination,
            cancellation: None,
            test: self.settings.gateway.test,
        };
        let object = ObjectRef::Payout(payout.id.clone());
        if payout.outcome.after_seconds() == Some(0) {
            let changes = self.payout_ended(&payout, &payout.outcome, created_at)?;
            return Ok((changes, object));
        }
        let change = Change::Payout {
            payout: Box::new(payout),
        };
        Ok((vec![change], object))
    }

    /// What the balance and the limits say comes before what is wished.
    fn payout_outcome(
        &self,
        books: &Books,
        minor: i64,
        destination: &Value,
        wished: Option<&Outcome>,
    ) -> Outcome {
        if self.payout_balance(books).is_some_and(|left| left < minor) {
            return Outcome::canceled("insufficient_funds");
        }
        let by_sbp = destination.get("type") == Some(&json!("sbp"));
        if by_sbp && minor > SBP_MOST_MINOR {
            return Outcome::canceled("one_time_limit_exceeded");
        }
        wished.unwrap_or(&self.settings.payout_outcome).clone()
    }

    /// What can still be paid out, in kopecks; `None` if it never runs out.
    pub(super) fn payout_balance(&self, books: &Books) -> Option<i64> {
        self.settings.payout_balance_minor.map(|start| {
            start
                .saturating_add(books.deposited_minor)
                .saturating_sub(books.out_minor())
        })
    }
}

/// Reads where the money shall go; the answer is the destination as the payout will show it.
fn destination(books: &Books, fields: &Fields<'_>) -> Result<Value, ApiError> {
    let names = [
        "payout_token",
        "payout_destination_data",
        "payment_method_id",
    ];
    if names.iter().filter(|name| fields.has(name)).count() != 1 {
        return Err(ApiError::invalid(
            "payout_destination_data",
            "Exactly one destination of the payout is needed",
        ));
    }
    if fields.has("payout_token") {
        // A token stands for a card that the person typed into the provider's own form.
        fields.required_text("payout_token", 256)?;
        return Ok(bank_card("555555", "4477", "MasterCard"));
    }
    if fields.has("payment_method_id") {
        let id = fields.required_text("payment_method_id", 64)?;
        let saved = books
            .payments
            .get(id)
            .filter(|payment| payment.save_method && payment.paid_at.is_some());
        return match saved {
            Some(payment) if payment.method.as_deref() == Some("bank_card") => {
                Ok(bank_card("555555", "4444", "MasterCard"))
            }
            _ => Err(ApiError::invalid(
                "payment_method_id",
                "Payment method not found or forbidden",
            )),
        };
    }
    let data = fields
        .object("payout_destination_data")?
        .ok_or_else(|| fields.missing("payout_destination_data"))?;
    match data.required_text("type", 64)? {
        "sbp" => sbp(&data),
        "yoo_money" => {
            let number = data.required_text("account_number", 64)?;
            if !all_digits(number, 11, 33) {
                return Err(data.wrong("account_number", "is illegal"));
            }
            Ok(json!({"type": "yoo_money", "account_number": number}))
        }
        "bank_card" => {
            let card = data.object("card")?.ok_or_else(|| data.missing("card"))?;
            let number = card.required_text("number", 64)?;
            if !all_digits(number, 16, 19) {
                return Err(card.wrong("number", "is illegal"));
            }
            let first6 = number.get(..6).unwrap_or_default();
            let last4 = number
                .get(number.len().saturating_sub(4)..)
                .unwrap_or_default();
            Ok(bank_card(first6, last4, "Unknown"))
        }
        _ => Err(data.wrong("type", "is not known")),
    }
}

fn sbp(data: &Fields<'_>) -> Result<Value, ApiError> {
    let phone = data.required_text("phone", 64)?;
    if !all_digits(phone, 4, 15) {
        return Err(data.wrong("phone", "is illegal"));
    }
    let bank = data.required_text("bank_id", 64)?;
    if bank.len() != 12 || !bank.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(data.wrong("bank_id", "is illegal"));
    }
    Ok(json!({"type": "sbp", "phone": phone, "bank_id": bank, "recipient_checked": false}))
}

fn bank_card(first6: &str, last4: &str, kind: &str) -> Value {
    json!({"type": "bank_card", "card": {"first6": first6, "last4": last4, "card_type": kind, "issuer_country": "RU",
        "issuer_name": "Sandbox Bank"}})
}
