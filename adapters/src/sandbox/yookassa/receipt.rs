//! Checking fiscal receipts. The simulator sends them to nobody; it refuses what the provider would refuse.

use serde_json::Value;

use super::error::ApiError;
use super::fields::Fields;
use super::settings::Receipts;

const MODES: [&str; 7] = [
    "full_prepayment",
    "partial_prepayment",
    "advance",
    "full_payment",
    "partial_payment",
    "credit",
    "credit_payment",
];

const SUBJECTS: [&str; 33] = [
    "commodity",
    "excise",
    "job",
    "service",
    "gambling_bet",
    "gambling_prize",
    "lottery",
    "lottery_prize",
    "intellectual_activity",
    "payment",
    "agent_commission",
    "property_right",
    "non_operating_gain",
    "insurance_premium",
    "sales_tax",
    "resort_fee",
    "composite",
    "another",
    "casino",
    "agent_withdrawals",
    "fine",
    "tax",
    "lien",
    "cost",
    "pension_insurance_without_payouts",
    "pension_insurance_with_payouts",
    "health_insurance_without_payouts",
    "health_insurance_with_payouts",
    "health_insurance",
    "marked",
    "non_marked",
    "marked_excise",
    "non_marked_excise",
];

/// Whether there is a receipt; an error if one is needed and absent, or is not whole, or does not come to the sum paid.
pub(super) fn check(
    body: &Fields<'_>,
    rule: Receipts,
    total_minor: i64,
    required: bool,
) -> Result<bool, ApiError> {
    let Some(receipt) = body.object("receipt")? else {
        return if required && rule != Receipts::NotNeeded {
            Err(ApiError::invalid(
                "receipt",
                "Receipt is missing or illegal",
            ))
        } else {
            Ok(false)
        };
    };
    customer(&receipt, rule)?;
    if let Some(code) = receipt.value("tax_system_code") {
        within(&receipt, "tax_system_code", code, 1, 6)?;
    }
    let items = receipt
        .array("items")?
        .ok_or_else(|| receipt.missing("items"))?;
    let most = if rule == Receipts::OwnTill { 100 } else { 80 };
    if items.is_empty() || items.len() > most {
        return Err(receipt.wrong("items", "must have at least one position and not too many"));
    }
    let mut sum = 0_i128;
    for (index, value) in items.iter().enumerate() {
        sum = sum.saturating_add(position(&receipt.element("items", index, value)?)?);
    }
    if sum != i128::from(total_minor) {
        return Err(ApiError::invalid(
            "receipt.items",
            "The positions do not come to the amount",
        ));
    }
    Ok(true)
}

fn customer(receipt: &Fields<'_>, rule: Receipts) -> Result<(), ApiError> {
    let customer = receipt.object("customer")?;
    let given = |name: &str| -> Result<bool, ApiError> {
        // An older form has the two at the receipt itself.
        let inside = match &customer {
            Some(customer) => customer.text(name, 256)?.is_some(),
            None => false,
        };
        Ok(inside || receipt.text(name, 256)?.is_some())
    };
    let enough = given("email")? || (rule != Receipts::ByYookassa && given("phone")?);
    if enough {
        Ok(())
    } else {
        Err(ApiError::invalid(
            "receipt.customer",
            "Receipt is missing or illegal",
        ))
    }
}

/// What one position costs, in kopecks.
fn position(item: &Fields<'_>) -> Result<i128, ApiError> {
    item.required_text("description", 128)?;
    let amount = item.required_amount("amount")?;
    let thousandths = item
        .value("quantity")
        .and_then(quantity)
        .ok_or_else(|| item.wrong("quantity", "must be a number with at most 3 decimals"))?;
    let code = item
        .value("vat_code")
        .ok_or_else(|| item.missing("vat_code"))?;
    within(item, "vat_code", code, 1, 12)?;
    for (name, known) in [
        ("payment_mode", MODES.as_slice()),
        ("payment_subject", SUBJECTS.as_slice()),
    ] {
        if item
            .text(name, 64)?
            .is_some_and(|word| !known.contains(&word))
        {
            return Err(item.wrong(name, "is not known"));
        }
    }
    let product = i128::from(amount.minor).saturating_mul(thousandths);
    Ok(product.saturating_add(500) / 1_000)
}

/// In thousandths. From the number's digits, since a binary fraction cannot hold 0.1.
fn quantity(value: &Value) -> Option<i128> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let fraction = fraction.trim_end_matches('0');
    if whole.is_empty()
        || whole.len() > 9
        || fraction.len() > 3
        || !digits(whole)
        || !digits(fraction)
    {
        return None;
    }
    format!("{whole}{fraction:0<3}")
        .parse()
        .ok()
        .filter(|thousandths| *thousandths > 0)
}

fn within(at: &Fields<'_>, name: &str, value: &Value, low: i64, high: i64) -> Result<(), ApiError> {
    let number = value
        .as_i64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    if number.is_some_and(|number| (low..=high).contains(&number)) {
        Ok(())
    } else {
        Err(at.wrong(name, "is not known"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    fn body() -> Value {
        json!({"receipt": {
            "customer": {"email": "somebody@example.com"},
            "items": [{"description": "Top-up", "quantity": 1.5, "amount": {"value": "40.00", "currency": "RUB"},
                "vat_code": 1, "payment_subject": "payment", "payment_mode": "advance"}],
        }})
    }

    fn checked(body: &Value, rule: Receipts) -> Result<bool, String> {
        check(&Fields::of(body).unwrap(), rule, 6_000, true)
            .map_err(|error| error.parameter.unwrap_or_default())
    }

    #[test]
    fn a_whole_receipt_passes_and_its_absence_matters_only_where_one_is_needed() {
        assert_eq!(checked(&body(), Receipts::ByYookassa), Ok(true));
        assert_eq!(checked(&json!({}), Receipts::NotNeeded), Ok(false));
        assert_eq!(
            checked(&json!({}), Receipts::OwnTill),
            Err("receipt".to_owned())
        );
    }

    #[test]
    fn each_defect_is_named() {
        for (pointer, bad, parameter) in [
            (
                "/receipt/customer",
                json!({"phone": "79000000000"}),
                "receipt.customer",
            ),
            ("/receipt/items", json!([]), "receipt.items"),
            (
                "/receipt/items/0/quantity",
                json!(1.0005),
                "receipt.items.0.quantity",
            ),
            (
                "/receipt/items/0/vat_code",
                json!(13),
                "receipt.items.0.vat_code",
            ),
            (
                "/receipt/items/0/payment_mode",
                json!("later"),
                "receipt.items.0.payment_mode",
            ),
            (
                "/receipt/items/0/amount/value",
                json!("40"),
                "receipt.items.0.amount.value",
            ),
            (
                "/receipt/items/0/amount/value",
                json!("40.01"),
                "receipt.items",
            ),
        ] {
            let mut body = body();
            *body.pointer_mut(pointer).unwrap() = bad;
            assert_eq!(
                checked(&body, Receipts::ByYookassa),
                Err(parameter.to_owned())
            );
        }
    }
}
